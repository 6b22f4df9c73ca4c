/* Where in a Lua source the keys of its table stand, for error messages. */
#ifndef SL_POLICY_LINES_H
#define SL_POLICY_LINES_H

#include "../base/bytes.h"

struct sl_lines;

/* Scans "return { a = { b = 1 } }" without evaluating. Never fails on content:
 * what it doesn't understand has no position. NULL = out of memory. */
struct sl_lines	*sl_lines_scan(struct sl_str source);
void		 sl_lines_free(struct sl_lines *lines);
/* Position of "a.b" (lists: "listen.1"), or of the nearest level above. Lines
 * and columns count from 1; line 0 = unknown. */
void		 sl_lines_find(const struct sl_lines *lines, const char *path, unsigned *line,
		    unsigned *column);

#endif
