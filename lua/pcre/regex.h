/*
 * Regular expressions on PCRE2, with a budget: nothing of a pattern or a text
 * can make a match take longer than the steps it is given, or more than a few
 * megabytes. Compiled patterns are kept, the least recently used give way.
 */
#ifndef SL_LUA_REGEX_H
#define SL_LUA_REGEX_H

#include "../../core/base/bytes.h"
#include "../../core/base/err.h"

#define SL_REGEX_PATTERN_MAX	(32 * 1024)	/* bytes of a pattern */
#define SL_REGEX_GROUPS_MAX	255
#define SL_REGEX_KEPT		256		/* compiled patterns */
#define SL_REGEX_SIZE_MAX	(256 * 1024)	/* bytes of a compiled one */

struct regexes;
struct regex;

/* NULL: out of memory. */
struct regexes	*sl_regexes_new(void);
void		 sl_regexes_free(struct regexes *all);

/*
 * The pattern compiled: plain, or "/.../flags" with flags of "imsxuUX" (as in
 * Perl; u: UTF-8, U: lazy quantifiers, X: nothing). Borrowed until the next call.
 * 'subject' decides how UTF-8 is looked at. NULL and SL_ERR_SYNTAX or _LIMIT in
 * 'err' otherwise. 'cost' gets the steps that compiling took, 0 if it was known.
 */
const struct regex *sl_regexes_get(struct regexes *all, struct sl_str pattern,
	    struct sl_str subject, uint64_t *cost, struct sl_err *err);

size_t		 sl_regex_groups(const struct regex *re);	/* without the whole match */
/* The name of group n, or NULL. */
const char	*sl_regex_name(const struct regex *re, size_t n);

struct sl_found {
	size_t n;			/* groups that may be set, the whole match too */
	const size_t *at;		/* from and to of each in turn, SIZE_MAX: it took no part; until the next match */
};

/* Behind an empty match: not empty there again. */
#define SL_REGEX_NOT_EMPTY	1u

/*
 * 1 and *out: the first match at 'from' or behind it; 0: there is none. Takes
 * what it needs from *budget; SL_ERR_LIMIT when that isn't enough (*budget is 0) or
 * the memory isn't.
 */
int	 sl_regex_match(struct regexes *all, const struct regex *re, struct sl_str subject,
	    size_t from, unsigned flags, uint64_t *budget, struct sl_found *out,
	    struct sl_err *err);

#endif
