/*
 * PCRE2 with a budget. Its own match limit doesn't bound the time: it counts
 * anew at each place of the text where a match may begin, and what runs over a
 * long text in one go (\w*+) counts as one. So the pattern is compiled with a
 * callout in front of each of its items: it counts them, and the bytes they
 * went over. The heap limit is PCRE2's.
 */
#include "regex.h"

#include <string.h>

#include "../../core/base/alloc.h"
#include "../../core/crypto/digest.h"
#include "../../core/crypto/lru.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define HEAP_KB			16384	/* backtracking positions of one match */
#define LONG_MATCH		50000	/* steps; the memory of one isn't kept */
#define STEPS_PER_ITEM		4
#define BYTES_PER_STEP		8
#define SKIPPED_PER_STEP	64	/* bytes where no match can begin */
#define COMPILE_STEPS_PER_BYTE	16

struct regexes {
	struct sl_lru *lru;
	pcre2_match_context *context;
	pcre2_match_data *data;		/* of the one match at a time */
	size_t at[2 * (SL_REGEX_GROUPS_MAX + 1)];
};

struct regex {
	pcre2_code *code;
	size_t groups;
	bool utf, checked;		/* UTF-8; the subject is known to be */
	bool refers_back;
	bool verbs;			/* has "(*...": a script run is looked at as a whole */
	size_t repeats;			/* the largest number of a {n,m} */
	const char *names[SL_REGEX_GROUPS_MAX + 1];	/* in the code's own table */
};

static void
drop(void *value)
{
	struct regex *re = value;

	pcre2_code_free(re->code);
	sl_free(re);
}

struct regexes *
sl_regexes_new(void)
{
	struct regexes *all = sl_calloc(1, sizeof(*all));

	if (all == NULL)
		return NULL;
	all->lru = sl_lru_new(SL_REGEX_KEPT, drop);
	all->context = pcre2_match_context_create(NULL);
	all->data = pcre2_match_data_create(SL_REGEX_GROUPS_MAX + 1, NULL);
	if (all->lru == NULL || all->context == NULL || all->data == NULL) {
		sl_regexes_free(all);
		return NULL;
	}
	pcre2_set_heap_limit(all->context, HEAP_KB);
	return all;
}

void
sl_regexes_free(struct regexes *all)
{
	if (all == NULL)
		return;
	sl_lru_free(all->lru);
	pcre2_match_context_free(all->context);
	pcre2_match_data_free(all->data);
	sl_free(all);
}

/* ---- compiling ------------------------------------------------------------------------- */

/* The option of a flag; false: it is none. */
static bool
option_of(char flag, uint32_t *options)
{
	static const struct { char flag; uint32_t option; } all[] = {
		{ 'i', PCRE2_CASELESS }, { 'm', PCRE2_MULTILINE }, { 's', PCRE2_DOTALL },
		{ 'x', PCRE2_EXTENDED }, { 'u', PCRE2_UTF | PCRE2_UCP }, { 'U', PCRE2_UNGREEDY },
		{ 'X', 0 },	/* unknown escapes are errors: always so in PCRE2 */
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i].flag == flag) {
			*options |= all[i].option;
			return true;
		}
	return false;
}

/* Takes the slashes and flags off; a text that has none is a pattern as it stands. */
static uint32_t
undress(struct sl_str *pattern)
{
	uint32_t options = 0;
	size_t end = pattern->n, i;

	if (pattern->n < 2 || pattern->p[0] != '/')
		return 0;
	while (pattern->p[end - 1] != '/')
		end--;
	for (i = end; i < pattern->n; i++)
		if (!option_of(pattern->p[i], &options))
			return 0;
	if (end == 1)
		return 0;
	*pattern = sl_str_sub(*pattern, 1, end - 1);
	return options;
}

static int
refused(struct sl_err *err, int code, size_t offset)
{
	char why[200];

	if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why)) < 0)
		why[0] = '\0';
	return sl_err_set(err, SL_ERR_SYNTAX, "pattern: %s (at byte %zu)", why, offset);
}

/* The table of names has for each two bytes of its group's number, and the name. */
static void
read_names(struct regex *re)
{
	uint32_t count = 0, size = 0, i;
	PCRE2_SPTR table = NULL;
	size_t group;

	pcre2_pattern_info(re->code, PCRE2_INFO_NAMECOUNT, &count);
	pcre2_pattern_info(re->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
	pcre2_pattern_info(re->code, PCRE2_INFO_NAMETABLE, &table);
	for (i = 0; i < count; i++, table += size) {
		group = (size_t)table[0] << 8 | table[1];
		if (group <= SL_REGEX_GROUPS_MAX)
			re->names[group] = (const char *)table + 2;
	}
}

static int
look_at(struct regex *re, struct sl_err *err)
{
	uint32_t groups = 0, back = 0;
	size_t size = 0;

	pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
	pcre2_pattern_info(re->code, PCRE2_INFO_BACKREFMAX, &back);
	pcre2_pattern_info(re->code, PCRE2_INFO_SIZE, &size);
	if (groups > SL_REGEX_GROUPS_MAX)
		return sl_err_set(err, SL_ERR_LIMIT, "pattern: more than %d groups", SL_REGEX_GROUPS_MAX);
	if (size > SL_REGEX_SIZE_MAX)
		return sl_err_set(err, SL_ERR_LIMIT, "pattern: too large");
	re->groups = groups;
	re->refers_back = back > 0;
	read_names(re);
	return 0;
}

/* The largest number behind a "{": so many characters are looked at before the next item. */
static size_t
largest_repeat(struct sl_str s)
{
	size_t most = 0, n, i, k;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] != '{' || (i > 1 && s.p[i - 2] == '\\' && strchr("xo", s.p[i - 1]) != NULL))
			continue;
		for (n = 0, k = i + 1; k < s.n && k < i + 6 && sl_isdigit(s.p[k]); k++)
			n = n * 10 + (size_t)(s.p[k] - '0');
		if (n > most)
			most = n;
	}
	return most;
}

static struct regex *
compile(struct sl_str pattern, uint32_t options, bool checked, struct sl_err *err)
{
	struct regex *re = sl_calloc(1, sizeof(*re));
	PCRE2_SIZE offset;
	int code;

	if (re == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	re->utf = (options & PCRE2_UTF) != 0;
	re->checked = checked;
	re->verbs = sl_str_find(pattern, SL_STR("(*")) >= 0;
	re->repeats = largest_repeat(pattern);
	options |= PCRE2_AUTO_CALLOUT | PCRE2_NEVER_BACKSLASH_C;
	if (!re->utf)
		options |= PCRE2_NEVER_UTF;	/* (*UTF) would take the subject unchecked */
	else if (!checked)
		options |= PCRE2_MATCH_INVALID_UTF;
	re->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, options, &code, &offset, NULL);
	if (re->code == NULL)
		refused(err, code, offset);
	if (re->code == NULL || look_at(re, err) != 0) {
		drop(re);
		return NULL;
	}
	return re;
}

const struct regex *
sl_regexes_get(struct regexes *all, struct sl_str pattern, struct sl_str subject, uint64_t *cost,
    struct sl_err *err)
{
	struct sl_str inner = pattern;
	uint32_t options;
	uint8_t key[SL_DIGEST_MAX];
	struct regex *re;
	bool checked = true;

	*cost = 0;
	if (pattern.n > SL_REGEX_PATTERN_MAX) {
		sl_err_set(err, SL_ERR_LIMIT, "pattern: longer than %d bytes", SL_REGEX_PATTERN_MAX);
		return NULL;
	}
	options = undress(&inner);
	if ((options & PCRE2_UTF) != 0) {
		checked = sl_utf8_valid(subject);
		*cost = subject.n / BYTES_PER_STEP;
	}
	if (sl_digest_of(SL_DIGEST_SHA256, pattern, key) != 0) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	key[0] ^= checked;
	re = sl_lru_get(all->lru, key);
	if (re != NULL)
		return re;
	*cost += 64 + pattern.n * COMPILE_STEPS_PER_BYTE;
	re = compile(inner, options, checked, err);
	if (re != NULL && !sl_lru_put(all->lru, key, re)) {
		drop(re);
		re = NULL;
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	return re;
}

size_t
sl_regex_groups(const struct regex *re)
{
	return re->groups;
}

const char *
sl_regex_name(const struct regex *re, size_t n)
{
	return n <= re->groups ? re->names[n] : NULL;
}

/* ---- matching -------------------------------------------------------------------------- */

struct meter {
	uint64_t left;
	size_t last;		/* where the item before was */
	const struct regex *re;
	bool empty;		/* nothing is left */
};

/* A reference to a group is compared byte by byte without going anywhere. */
static size_t
longest_group(const pcre2_callout_block *block)
{
	size_t longest = 0, i;

	for (i = 1; i < block->capture_top; i++) {
		PCRE2_SIZE from = block->offset_vector[2 * i], to = block->offset_vector[2 * i + 1];

		if (from != PCRE2_UNSET && to > from && to - from > longest)
			longest = to - from;
	}
	return longest;
}

static int
count(pcre2_callout_block *block, void *arg)
{
	struct meter *m = arg;
	size_t here = block->current_position;
	size_t gone = here > m->last ? here - m->last : m->last - here;
	uint64_t steps = STEPS_PER_ITEM + block->capture_top / 4 +
	    (gone + m->re->repeats) / BYTES_PER_STEP;

	if (m->re->refers_back)
		steps += longest_group(block) / BYTES_PER_STEP;
	if (m->re->verbs)
		steps += (here - block->start_match) / BYTES_PER_STEP;
	m->last = here;
	if (steps > m->left) {
		m->left = 0;
		m->empty = true;
		return PCRE2_ERROR_CALLOUT;
	}
	m->left -= steps;
	return 0;
}

static int
failed(int code, const struct meter *m, struct sl_err *err)
{
	char why[200];

	if (m->empty)
		return sl_err_set(err, SL_ERR_LIMIT, "the match takes too many steps");
	if (code == PCRE2_ERROR_HEAPLIMIT || code == PCRE2_ERROR_DEPTHLIMIT ||
	    code == PCRE2_ERROR_MATCHLIMIT)
		return sl_err_set(err, SL_ERR_LIMIT, "the match takes more than %d KB", HEAP_KB);
	if (code == PCRE2_ERROR_NOMEMORY)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof(why)) < 0)
		why[0] = '\0';
	return sl_err_set(err, SL_ERR_INVAL, "match: %s", why);
}

/* PCRE2 keeps the positions' memory for the next match. */
static int
forget_positions(struct regexes *all)
{
	pcre2_match_data *data = pcre2_match_data_create(SL_REGEX_GROUPS_MAX + 1, NULL);

	if (data == NULL)
		return SL_ERR_NOMEM;
	pcre2_match_data_free(all->data);
	all->data = data;
	return 0;
}

static int
copy_groups(struct regexes *all, const struct regex *re, size_t set, struct sl_found *out)
{
	out->n = re->groups + 1;
	out->at = all->at;
	memcpy(all->at, pcre2_get_ovector_pointer(all->data), out->n * 2 * sizeof(all->at[0]));
	for (; set < out->n; set++)
		all->at[2 * set] = all->at[2 * set + 1] = SIZE_MAX;
	return 1;
}

int
sl_regex_match(struct regexes *all, const struct regex *re, struct sl_str subject, size_t from,
    unsigned flags, uint64_t *budget, struct sl_found *out, struct sl_err *err)
{
	/* The rest is looked at as a whole when it may not be UTF-8. */
	uint64_t first = 2 + (re->utf && !re->checked ? (subject.n - from) / BYTES_PER_STEP : 0);
	struct meter m = { .last = from, .re = re };
	uint32_t options = (flags & SL_REGEX_NOT_EMPTY) != 0 ? PCRE2_NOTEMPTY_ATSTART : 0;
	size_t skipped;
	int n;

	if (re->checked)
		options |= PCRE2_NO_UTF_CHECK;
	if (first > *budget) {
		*budget = 0;
		m.empty = true;
		return failed(0, &m, err);
	}
	m.left = *budget - first;
	pcre2_set_callout(all->context, count, &m);
	n = pcre2_match(re->code, (PCRE2_SPTR)(subject.p != NULL ? subject.p : ""), subject.n, from,
	    options, all->data, all->context);
	skipped = ((n > 0 ? pcre2_get_startchar(all->data) : subject.n) - from) / SKIPPED_PER_STEP;
	n = n > 0 ? copy_groups(all, re, (size_t)n, out) : n == PCRE2_ERROR_NOMATCH ? 0 :
	    failed(n, &m, err);
	if (*budget - m.left > LONG_MATCH && forget_positions(all) != 0)
		n = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	*budget = m.left - (skipped < m.left ? skipped : m.left);
	return n;
}
