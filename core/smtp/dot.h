/*
 * The end of DATA (RFC 5321 4.1.1.4, 4.5.2): CR LF . CR LF and nothing else
 * ends it, over any chunking; dots that were stuffed are taken out.
 *
 * A CR or LF that stands alone is noted in 'bare'. The host then refuses the
 * message, unless 'fix' is set: there each becomes CR LF, before anybody
 * looks at the message. It never makes a line start for a dot, so what comes
 * after it can't end the data.
 */
#ifndef SL_SMTP_DOT_H
#define SL_SMTP_DOT_H

#include <stdbool.h>
#include <stddef.h>

typedef void sl_dot_put(void *arg, const char *p, size_t n);

struct sl_dot {
	int state;		/* private; zero at first */
	bool fix;
	bool bare;		/* a bare CR or LF was there */
	bool done;
	size_t line, longest;	/* bytes without line end */
};

/* Feeds bytes; 'put' gets the content (nothing after a bare CR or LF unless
 * 'fix'). Returns how many were used: all, or up to the end of data ('done'). */
size_t	 sl_dot_feed(struct sl_dot *d, const char *p, size_t n, sl_dot_put *put, void *arg);

#endif
