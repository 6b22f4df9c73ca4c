/*
 * A message on its way in: in memory up to 256 KB, then in a temporary file
 * that has no name. For submissions the header is shown once, before anything
 * else sees it (see trace.h).
 */
#ifndef SL_SMTP_SPOOL_H
#define SL_SMTP_SPOOL_H

#include "../mail/message.h"

#define SL_SPOOL_MEMORY	(256 * 1024)

struct sl_spool {
	const char *folder;		/* for the file, borrowed; NULL = memory only */
	uint64_t limit;			/* bytes of content; beyond nothing is kept, 'over' is set */
	/* The header is in mem[0, header), with its empty line if there is one. NULL = not wanted */
	int (*on_header)(void *arg, struct sl_buf *mem, size_t header);
	void *arg;
	struct sl_buf mem;
	int fd;
	uint64_t size;			/* of what was put */
	size_t scanned;			/* of mem, for the end of the header */
	bool over, header_seen;
	struct sl_err err;		/* the first failure; code 0 = none */
};

void	 sl_spool_init(struct sl_spool *spool, const char *folder, uint64_t limit);
void	 sl_spool_put(void *spool, const char *p, size_t n);	/* an sl_dot_put */
/* The message; the spool is cleared in any case. */
int	 sl_spool_finish(struct sl_spool *spool, struct sl_message **out, struct sl_err *err);
void	 sl_spool_clear(struct sl_spool *spool);

#endif
