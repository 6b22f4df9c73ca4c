/* DMARC records: RFC 9989 4.7, 4.8 and the pct of RFC 7489 6.3. See dmarc.h. */
#include <string.h>

#include "dmarc.h"

const char *
sl_dmarc_policy_word(enum sl_dmarc_policy policy)
{
	static const char *const words[] = {
		[SL_DMARC_P_ABSENT] = "", [SL_DMARC_P_INVALID] = "invalid",
		[SL_DMARC_P_NONE] = "none", [SL_DMARC_P_QUARANTINE] = "quarantine",
		[SL_DMARC_P_REJECT] = "reject",
	};

	return words[policy];
}

static enum sl_dmarc_policy
parse_policy(struct sl_str value)
{
	if (sl_str_ieq(value, SL_STR("none")))
		return SL_DMARC_P_NONE;
	if (sl_str_ieq(value, SL_STR("quarantine")))
		return SL_DMARC_P_QUARANTINE;
	if (sl_str_ieq(value, SL_STR("reject")))
		return SL_DMARC_P_REJECT;
	return SL_DMARC_P_INVALID;
}

/* ---- reporting URIs ---------------------------------------------------------- */

/* "!10m" at the end, obsolete: cut off. False when it isn't a size. */
static bool
cut_size(struct sl_str *uri)
{
	ssize_t mark = sl_str_chr(*uri, '!');
	struct sl_str size;
	uint64_t value;

	if (mark < 0)
		return true;
	size = sl_str_sub(*uri, (size_t)mark + 1, uri->n);
	*uri = sl_str_sub(*uri, 0, (size_t)mark);
	if (size.n > 1 && sl_str_chr(SL_STR("kmgt"), sl_lower(size.p[size.n - 1])) >= 0)
		size.n--;
	return sl_str_u64(size, &value);
}

static bool
has_scheme(struct sl_str uri, struct sl_str *rest)
{
	ssize_t colon = sl_str_chr(uri, ':');

	if (colon <= 0 || !sl_isalpha(uri.p[0]))
		return false;
	for (ssize_t i = 1; i < colon; i++)
		if (!sl_isalnum(uri.p[i]) && sl_str_chr(SL_STR("+-."), uri.p[i]) < 0)
			return false;
	*rest = sl_str_sub(uri, (size_t)colon + 1, uri.n);
	return rest->n > 0;
}

static bool
uri_ok(struct sl_str *uri)
{
	struct sl_str rest;
	ssize_t at;

	if (!cut_size(uri) || !has_scheme(*uri, &rest))
		return false;
	for (size_t i = 0; i < uri->n; i++)
		if (uri->p[i] <= ' ' || uri->p[i] >= 0x7f || sl_str_chr(SL_STR("\"<>\\^`{|}"), uri->p[i]) >= 0)
			return false;
	if (!sl_str_istarts(*uri, SL_STR("mailto:")))
		return true;
	at = sl_str_chr(rest, '@');
	return at > 0 && (size_t)at + 1 < rest.n;
}

static void
parse_uris(struct sl_str value, struct sl_str *out, size_t *n)
{
	struct sl_str part;

	while (*n < SL_DMARC_MAX_URIS && sl_str_split(&value, ',', &part)) {
		part = sl_str_trim(part);
		if (uri_ok(&part))
			out[(*n)++] = part;
	}
}

/* ---- tags ----------------------------------------------------------------------- */

static void
tag_p(struct sl_dmarc_record *r, struct sl_str value)
{
	r->p = parse_policy(value);
}

static void
tag_sp(struct sl_dmarc_record *r, struct sl_str value)
{
	r->sp = parse_policy(value);
}

static void
tag_np(struct sl_dmarc_record *r, struct sl_str value)
{
	r->np = parse_policy(value);
}

static void
tag_adkim(struct sl_dmarc_record *r, struct sl_str value)
{
	r->strict_dkim = sl_str_ieq(value, SL_STR("s"));
}

static void
tag_aspf(struct sl_dmarc_record *r, struct sl_str value)
{
	r->strict_spf = sl_str_ieq(value, SL_STR("s"));
}

static void
tag_t(struct sl_dmarc_record *r, struct sl_str value)
{
	r->testing = sl_str_ieq(value, SL_STR("y"));
}

static void
tag_psd(struct sl_dmarc_record *r, struct sl_str value)
{
	if (sl_str_ieq(value, SL_STR("y")) || sl_str_ieq(value, SL_STR("n")))
		r->psd = sl_lower(value.p[0]);
}

static void
tag_pct(struct sl_dmarc_record *r, struct sl_str value)
{
	uint64_t pct;

	if (sl_str_u64(value, &pct) && pct <= 100)
		r->pct = (unsigned)pct;
}

static void
tag_rua(struct sl_dmarc_record *r, struct sl_str value)
{
	parse_uris(value, r->rua, &r->nrua);
}

static void
tag_ruf(struct sl_dmarc_record *r, struct sl_str value)
{
	parse_uris(value, r->ruf, &r->nruf);
}

/* Colon-separated 0, 1, d, s, each once, 0 and 1 not together. */
static void
tag_fo(struct sl_dmarc_record *r, struct sl_str value)
{
	struct sl_str rest = value, part;
	unsigned seen = 0;

	while (sl_str_split(&rest, ':', &part)) {
		ssize_t i;

		part = sl_str_trim(part);
		i = part.n == 1 ? sl_str_chr(SL_STR("01ds"), sl_lower(part.p[0])) : -1;
		if (i < 0 || (seen & 1u << i) != 0)
			return;
		seen |= 1u << i;
	}
	if (seen != 0 && (seen & 3) != 3)
		r->fo = value;
}

static const struct {
	const char *name;
	void (*parse)(struct sl_dmarc_record *r, struct sl_str value);
} tags[] = {
	{ "p", tag_p }, { "sp", tag_sp }, { "np", tag_np }, { "adkim", tag_adkim },
	{ "aspf", tag_aspf }, { "t", tag_t }, { "psd", tag_psd }, { "pct", tag_pct },
	{ "rua", tag_rua }, { "ruf", tag_ruf }, { "fo", tag_fo },
};

/* False: text that is no tag. */
static bool
split_tag(struct sl_str part, struct sl_str *name, struct sl_str *value)
{
	ssize_t equals = sl_str_chr(part, '=');

	if (equals < 0)
		return false;
	*name = sl_str_trim(sl_str_sub(part, 0, (size_t)equals));
	*value = sl_str_trim(sl_str_sub(part, (size_t)equals + 1, part.n));
	return true;
}

static int
take_tag(struct sl_dmarc_record *r, struct sl_str name, struct sl_str value, unsigned *seen,
    struct sl_err *err)
{
	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		if (!sl_str_ieq(name, sl_str_of(tags[i].name)))
			continue;
		if ((*seen & 1u << i) != 0)
			return sl_err_set(err, SL_ERR_SYNTAX, "%s= twice", tags[i].name);
		*seen |= 1u << i;
		tags[i].parse(r, value);
	}
	return 0;
}

int
sl_dmarc_record_parse(struct sl_dmarc_record *out, struct sl_str text, struct sl_err *err)
{
	struct sl_str rest = text, part, name, value;
	unsigned seen = 0;
	int r = 0;

	*out = (struct sl_dmarc_record){ .psd = 'u', .pct = 100, .fo = SL_STR("0") };
	if (!sl_str_split(&rest, ';', &part) || !split_tag(part, &name, &value) ||
	    !sl_str_ieq(name, SL_STR("v")) || !sl_str_eq(value, SL_STR("DMARC1")))
		return sl_err_set(err, SL_ERR_NOTFOUND, "not a DMARC record");
	if (text.n > SL_DMARC_MAX_RECORD)
		return sl_err_set(err, SL_ERR_LIMIT, "a record over %d bytes", SL_DMARC_MAX_RECORD);
	while (r == 0 && sl_str_split(&rest, ';', &part))
		if (split_tag(part, &name, &value))
			r = take_tag(out, name, value, &seen, err);
	return r;
}

bool
sl_dmarc_record_usable(const struct sl_dmarc_record *r, bool *none)
{
	*none = false;
	if (r->p >= SL_DMARC_P_NONE && r->sp != SL_DMARC_P_INVALID && r->np != SL_DMARC_P_INVALID)
		return true;
	*none = r->nrua > 0;
	return *none;
}

bool
sl_dmarc_report_consent(const struct sl_dns_answer *answer)
{
	struct sl_dmarc_record record;
	size_t i;

	for (i = 0; answer->status == SL_DNS_OK && i < answer->n; i++)
		if (sl_dmarc_record_parse(&record, answer->records[i].data, NULL) == 0)
			return true;
	return false;
}
