/*
 * A pattern and a text, the first byte says how long the pattern is. A match never
 * uses more than its budget, lies in the text, and the walk over all comes to an end.
 */
#include <stdlib.h>

#include "../../lua/pcre/regex.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(struct regexes *all, const struct regex *re, struct sl_str subject)
{
	uint64_t left = 200000, before;
	unsigned flags = 0;
	struct sl_found found;
	struct sl_err err;
	size_t from = 0, i;

	for (before = left; sl_regex_match(all, re, subject, from, flags, &left, &found, &err) == 1;
	    before = left) {
		if (left >= before || found.n != sl_regex_groups(re) + 1)
			abort();
		for (i = 0; i < 2 * found.n; i++)
			if (found.at[i] != SIZE_MAX && found.at[i] > subject.n)
				abort();
		if (found.at[1] < from || found.at[1] < found.at[0])
			return;
		flags = found.at[0] == found.at[1] ? SL_REGEX_NOT_EMPTY : 0;
		from = found.at[1];
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct regexes *all;
	struct sl_str in = { (const char *)data, size }, pattern, subject;
	const struct regex *re;
	struct sl_err err;
	uint64_t cost;

	if (all == NULL && (all = sl_regexes_new()) == NULL)
		return 0;
	if (size == 0)
		return 0;
	pattern = sl_str_sub(in, 1, 1 + (size_t)data[0]);
	subject = sl_str_sub(in, 1 + pattern.n, in.n);
	re = sl_regexes_get(all, pattern, subject, &cost, &err);
	if (re != NULL)
		walk(all, re, subject);
	return 0;
}
