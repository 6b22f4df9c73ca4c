/* Replies of a server, RFC 5321 4.2: "250-text", "250 text", as lines come in. */
#ifndef SL_SMTP_CLIENT_REPLY_H
#define SL_SMTP_CLIENT_REPLY_H

#include "../base/bytes.h"

#define SL_REPLY_MAX_LINE	2048
#define SL_REPLY_MAX_LINES	100

struct sl_reply {
	int code;			/* 200-599 */
	unsigned lines;
	char enhanced[12];		/* of the first line, "" = none */
	char text[400];			/* lines joined by blanks, printable, cut */
	size_t n;
};

void	 sl_reply_begin(struct sl_reply *reply);
/*
 * One line without its CRLF. 1 = the last one of the reply, 0 = more follow,
 * SL_ERR_SYNTAX: no reply, another code than before, too long, too many lines.
 */
int	 sl_reply_line(struct sl_reply *reply, struct sl_str line);

/* The line at the front of 'in' without its line end; *used with it. false: not there yet. */
bool	 sl_reply_cut(struct sl_str in, struct sl_str *line, size_t *used);

#endif
