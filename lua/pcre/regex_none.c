/* Without PCRE2 there are no regular expressions: asking for one says so. */
#include "regex.h"

#include "../../core/base/alloc.h"

struct regexes *
sl_regexes_new(void)
{
	return sl_calloc(1, 1);
}

void
sl_regexes_free(struct regexes *all)
{
	sl_free(all);
}

const struct regex *
sl_regexes_get(struct regexes *all, struct sl_str pattern, struct sl_str subject, uint64_t *cost,
    struct sl_err *err)
{
	(void)all;
	(void)pattern;
	(void)subject;
	*cost = 0;
	sl_err_set(err, SL_ERR_INVAL, "this sluice was built without PCRE2 (WITH_PCRE2=0)");
	return NULL;
}

size_t
sl_regex_groups(const struct regex *re)
{
	(void)re;
	return 0;
}

const char *
sl_regex_name(const struct regex *re, size_t n)
{
	(void)re;
	(void)n;
	return NULL;
}

int
sl_regex_match(struct regexes *all, const struct regex *re, struct sl_str subject, size_t from,
    unsigned flags, uint64_t *budget, struct sl_found *out, struct sl_err *err)
{
	(void)all;
	(void)re;
	(void)subject;
	(void)from;
	(void)flags;
	(void)budget;
	(void)out;
	return sl_err_set(err, SL_ERR_INVAL, "built without PCRE2");
}
