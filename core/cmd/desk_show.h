/* How the desk's events, verdicts and changes look to a person: for trace and REPL. */
#ifndef SL_CMD_DESK_SHOW_H
#define SL_CMD_DESK_SHOW_H

#include "desk.h"

/* One line of a timeline, with its newline: when, phase, what. */
void	 desk_show_event(struct sl_buf *out, const json_t *event, bool color);
/* "550 5.7.1 No" and, below, the action and where it was decided. */
void	 desk_show_verdict(struct sl_buf *out, const json_t *verdict, bool color);
/* For each message of the verdict: who gets it, and how it differs from what was sent. */
void	 desk_show_messages(struct sl_buf *out, const json_t *verdict, struct sl_str sent, bool color);
/*
 * What changed of the header, as lines: "- " and "+ " before fields, which stand
 * in order; nothing for equal ones. The body only says that it changed.
 */
void	 desk_show_diff(struct sl_buf *out, struct sl_str before, struct sl_str after, bool color);
/* To standard output, without what is secret. */
void	 desk_print(struct desk *d, const struct sl_buf *text);

#endif
