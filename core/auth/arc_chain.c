/* Sorting ARC fields into sets. See arc_private.h. */
#include "arc_private.h"

#include <string.h>

#include "authres.h"

enum kind { NO_KIND, RESULTS, MESSAGE, SEAL, KINDS };

static const struct sl_str names[KINDS] = {
	[RESULTS] = { "ARC-Authentication-Results", 26 },
	[MESSAGE] = { "ARC-Message-Signature", 21 },
	[SEAL] = { "ARC-Seal", 8 },
};

static enum kind
kind_of(struct sl_str name)
{
	for (int k = RESULTS; k < KINDS; k++)
		if (sl_str_ieq(name, names[k]))
			return (enum kind)k;
	return NO_KIND;
}

bool
sl_arc_is_field(struct sl_str name)
{
	return kind_of(name) != NO_KIND;
}

const char *
sl_arc_status_word(enum sl_arc_status status)
{
	static const char *const words[] = { "none", "pass", "fail" };

	return words[status];
}

static bool
parse_status(struct sl_str word, enum sl_arc_status *out)
{
	for (int i = SL_ARC_NONE; i <= SL_ARC_FAIL; i++) {
		*out = (enum sl_arc_status)i;
		if (sl_str_ieq(word, sl_str_of(sl_arc_status_word(*out))))
			return true;
	}
	return false;
}

int
sl_arc_digest_field(struct sl_digest *d, struct sl_str raw)
{
	struct sl_buf text = SL_BUF_INIT;
	int r = sl_canon_header(&text, SL_CANON_RELAXED, raw);

	if (r == 0)
		sl_digest_update(d, text.p, text.n);
	sl_buf_clear(&text);
	return r;
}

/* ---- one field ---------------------------------------------------------------- */

static int
broken(struct sl_err *err, enum kind kind, const char *why)
{
	return sl_err_set(err, SL_ERR_SYNTAX, "%s: %s (RFC 8617 4.2.1)", names[kind].p, why);
}

/* One or two digits, 1..50. */
static int
parse_instance(struct sl_str digits, enum kind kind, unsigned *out, struct sl_err *err)
{
	uint64_t i;

	if (!sl_str_u64(digits, &i) || i == 0)
		return broken(err, kind, "i= is no instance");
	if (i > SL_ARC_MAX_SETS)
		return sl_err_set(err, SL_ERR_LIMIT, "%s: i= is more than %d (RFC 8617 4.2.1)",
		    names[kind].p, SL_ARC_MAX_SETS);
	if (digits.n > 2)
		return broken(err, kind, "i= is no instance");
	*out = (unsigned)i;
	return 0;
}

static size_t
count_digits(struct sl_str s)
{
	size_t n = 0;

	while (n < s.n && sl_isdigit(s.p[n]))
		n++;
	return n;
}

/* "i=1;" stands before the payload (4.1.1). */
static int
read_results(struct sl_str value, struct sl_arc_fields *f, unsigned *instance, struct sl_err *err)
{
	struct sl_str digits;
	bool good;
	int r;

	good = sl_skip_cfws(&value) && value.n > 0 && value.p[0] == 'i';
	value = sl_str_sub(value, 1, value.n);
	good = good && sl_skip_cfws(&value) && value.n > 0 && value.p[0] == '=';
	value = sl_str_sub(value, 1, value.n);
	good = good && sl_skip_cfws(&value);
	digits = sl_str_sub(value, 0, count_digits(value));
	value = sl_str_sub(value, digits.n, value.n);
	if (!good)
		return broken(err, RESULTS, "it doesn't begin with i=");
	r = parse_instance(digits, RESULTS, instance, err);
	if (r < 0)
		return r;
	if (!sl_skip_cfws(&value) || value.n == 0 || value.p[0] != ';')
		return broken(err, RESULTS, "no \";\" after i=");
	f->payload = sl_str_trim(sl_str_sub(value, 1, value.n));
	return 0;
}

static int
read_tags(struct sl_str value, enum kind kind, struct sl_arc_fields *f, unsigned *instance,
    struct sl_err *err)
{
	const struct sl_str *i, *cv;
	struct sl_err why = { 0 };
	struct sl_tags tags;

	if (value.n > SL_DKIM_MAX_FIELD)
		return sl_err_set(err, SL_ERR_SYNTAX, "%s of %zu bytes", names[kind].p, value.n);
	if (sl_tags_parse(&tags, value, 0, &why) < 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "%s: %s", names[kind].p, why.text);
	if ((i = sl_tags_get(&tags, "i")) == NULL)
		return broken(err, kind, "i= is missing");
	if (kind == SEAL && (cv = sl_tags_get(&tags, "cv")) != NULL)
		f->has_cv = parse_status(*cv, &f->cv);
	return parse_instance(*i, kind, instance, err);
}

static int
read_field(const struct sl_field *field, enum kind kind, struct sl_arc_fields *f,
    unsigned *instance, struct sl_err *err)
{
	if (kind == RESULTS)
		return read_results(field->value, f, instance, err);
	return read_tags(field->value, kind, f, instance, err);
}

/* ---- all of them ----------------------------------------------------------------- */

static const struct sl_field *
field_at(const struct sl_message *m, const struct sl_head *head, size_t i)
{
	return head != NULL ? sl_head_at(head, i) : &m->fields[i];
}

/* By name alone, before any of them is read. */
static int
check_counts(const struct sl_message *m, const struct sl_head *head, size_t n, struct sl_err *err)
{
	size_t count[KINDS] = { 0 };

	for (size_t i = 0; i < n; i++)
		count[kind_of(field_at(m, head, i)->name)]++;
	for (int k = RESULTS; k < KINDS; k++)
		if (count[k] > SL_ARC_MAX_SETS)
			return sl_err_set(err, SL_ERR_LIMIT, "more than %d %s fields (RFC 8617 5.2)",
			    SL_ARC_MAX_SETS, names[k].p);
	return 0;
}

static int
put_field(struct sl_arc_chain *c, const struct sl_field *field, enum kind kind, struct sl_err *err)
{
	struct sl_arc_fields f = { 0 }, *set;
	const struct sl_field **at;
	unsigned instance = 0;
	int r = read_field(field, kind, &f, &instance, err);

	if (r < 0)
		return r;
	if (instance > c->n)
		c->n = instance;
	set = &c->set[instance - 1];
	at = kind == RESULTS ? &set->results : kind == MESSAGE ? &set->message : &set->seal;
	if (*at != NULL)
		return sl_err_set(err, SL_ERR_SYNTAX, "%s: i=%u twice (RFC 8617 5.2)", names[kind].p,
		    instance);
	*at = field;
	if (kind == RESULTS)
		set->payload = f.payload;
	if (kind == SEAL) {
		set->cv = f.cv;
		set->has_cv = f.has_cv;
	}
	return 0;
}

/* RFC 8617 5.2 step 3: each set whole, none missing, cv= as it must be. */
static int
check_set(const struct sl_arc_fields *f, unsigned instance, struct sl_err *err)
{
	enum sl_arc_status wanted = instance == 1 ? SL_ARC_NONE : SL_ARC_PASS;
	enum kind missing = f->seal == NULL ? SEAL : f->message == NULL ? MESSAGE :
	    f->results == NULL ? RESULTS : NO_KIND;

	if (missing != NO_KIND)
		return sl_err_set(err, SL_ERR_SYNTAX, "set %u has no %s (RFC 8617 5.2)", instance,
		    names[missing].p);
	if (!f->has_cv)
		return sl_err_set(err, SL_ERR_SYNTAX, "ARC-Seal %u has no cv= (RFC 8617 4.1.3)", instance);
	if (f->cv != wanted)
		return sl_err_set(err, SL_ERR_SYNTAX, "ARC-Seal %u says cv=%s, not %s (RFC 8617 5.2)",
		    instance, sl_arc_status_word(f->cv), sl_arc_status_word(wanted));
	return 0;
}

static int
check_sets(const struct sl_arc_chain *c, struct sl_err *err)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < c->n; i++)
		r = check_set(&c->set[i], i + 1, err);
	return r;
}

int
sl_arc_collect(struct sl_arc_chain *out, const struct sl_message *m, const struct sl_head *head,
    struct sl_err *err)
{
	size_t n = head != NULL ? sl_head_count(head) : m->nfields;
	const struct sl_arc_fields *last;
	int r, first = 0;

	memset(out, 0, sizeof(*out));
	r = check_counts(m, head, n, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		const struct sl_field *field = field_at(m, head, i);
		enum kind kind = kind_of(field->name);

		if (kind != NO_KIND && (r = put_field(out, field, kind, first == 0 ? err : NULL)) < 0 &&
		    first == 0)
			first = r;
	}
	if (out->n > 0) {
		last = &out->set[out->n - 1];
		out->ended = last->has_cv && last->cv == SL_ARC_FAIL;
	}
	return first < 0 ? first : check_sets(out, err);
}
