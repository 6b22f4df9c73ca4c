/*
 * Lua patterns (Lua 5.4 manual 6.4.1) with a budget: every step of the match
 * is charged, so that a pathological pattern ends with the run's limit.
 */
#ifndef SL_ENGINE_PATTERN_H
#define SL_ENGINE_PATTERN_H

#include "../base/bytes.h"

#define SL_PATTERN_CAPTURES	32

struct sl_capture {
	size_t start;
	size_t len;
	bool position;		/* "()": start is the value */
};

struct sl_match {
	size_t start, end;	/* of the whole match */
	unsigned n;
	struct sl_capture captures[SL_PATTERN_CAPTURES];
};

/*
 * Looks for 'pattern' in 'text' at or after 'from'. 1 = found, 0 = not,
 * SL_ERR_SYNTAX with the reason (a static text) for a malformed pattern,
 * SL_ERR_LIMIT when *budget is used up; *budget is what is left. A leading ^
 * anchors; 'no_anchor' (gmatch) takes it as an ordinary character.
 */
int	 sl_pattern_find(struct sl_str pattern, struct sl_str text, size_t from, bool no_anchor,
	    struct sl_match *out, uint64_t *budget, const char **why);

#endif
