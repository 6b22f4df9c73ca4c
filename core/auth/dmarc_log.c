/* Words of DMARC, and the line that opendmarc-halonlog reads. See dmarc.h. */
#include <string.h>

#include "dmarc.h"

const char *
sl_dmarc_status_word(enum sl_dmarc_status status)
{
	static const char *const words[] = {
		[SL_DMARC_PASS] = "pass", [SL_DMARC_NONE] = "none",
		[SL_DMARC_QUARANTINE] = "quarantine", [SL_DMARC_REJECT] = "reject",
		[SL_DMARC_TEMPERROR] = "temperror", [SL_DMARC_POLICY_ABSENT] = "policy_absent",
		[SL_DMARC_PERMERROR] = "permerror",
	};

	return words[status];
}

const char *
sl_dmarc_alignment_word(enum sl_dmarc_alignment alignment)
{
	static const char *const words[] = {
		[SL_DMARC_FAIL] = "fail", [SL_DMARC_UNALIGNED] = "unaligned",
		[SL_DMARC_ALIGNED] = "pass",
	};

	return words[alignment];
}

struct line {
	struct sl_buf *out;
	bool first;
};

/* Visible ASCII that neither ends a pair nor the list. */
static void
put_clean(struct sl_buf *out, struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		sl_buf_putc(out, c > ' ' && c < 0x7f && c != ';' && c != '(' && c != ')' ? c : '?');
	}
}

static void
begin_pair(struct line *l, const char *key)
{
	sl_buf_printf(l->out, "%s%s=", l->first ? "" : "; ", key);
	l->first = false;
}

static void
put_pair(struct line *l, const char *key, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	begin_pair(l, key);
	put_clean(l->out, sl_str_of(value));
}

static const char *
spf_word(const struct sl_dmarc_details *d)
{
	if (!d->spf_checked || d->spf == SL_SPF_TEMPERROR || d->spf == SL_SPF_PERMERROR)
		return "unknown";
	return sl_spf_status_word(d->spf);
}

static const char *
dkim_word(enum sl_dkim_status status)
{
	switch (status) {
	case SL_DKIM_PASS:
		return "pass";
	case SL_DKIM_TEMPERROR:
		return "tempfail";
	case SL_DKIM_NEUTRAL:
	case SL_DKIM_POLICY:
		return "softfail";
	default:
		return "permfail";
	}
}

/* ---- signatures, sorted by key; of a key that stands twice the better one -------- */

static void
dkim_key(struct sl_buf *out, const struct sl_dmarc_dkim_detail *k)
{
	sl_buf_puts(out, "dkim:");
	put_clean(out, sl_str_of(k->selector));
	sl_buf_puts(out, "._domainkey.");
	put_clean(out, sl_str_of(k->domain));
	for (size_t i = 0; i < out->n; i++)
		if (out->p[i] == '=')
			out->p[i] = '?';
}

static void
put_signatures(struct line *l, const struct sl_dmarc_details *d)
{
	struct sl_buf key[SL_DMARC_MAX_DKIM] = { 0 };
	bool used[SL_DMARC_MAX_DKIM] = { false };

	for (size_t i = 0; i < d->ndkim; i++)
		dkim_key(&key[i], &d->dkim[i]);
	for (;;) {
		size_t best = d->ndkim;

		for (size_t i = 0; i < d->ndkim; i++) {
			int order = best < d->ndkim && !used[i] ?
			    sl_str_cmp(sl_buf_str(&key[i]), sl_buf_str(&key[best])) : -1;

			if (!used[i] && d->dkim[i].domain[0] != '\0' && (order < 0 ||
			    (order == 0 && d->dkim[i].status > d->dkim[best].status)))
				best = i;
		}
		if (best == d->ndkim)
			break;
		for (size_t i = 0; i < d->ndkim; i++)
			used[i] = used[i] || sl_str_eq(sl_buf_str(&key[i]), sl_buf_str(&key[best]));
		if (!key[best].failed)
			put_pair(l, key[best].p, dkim_word(d->dkim[best].status));
	}
	for (size_t i = 0; i < d->ndkim; i++)
		sl_buf_clear(&key[i]);
}

/* ---- the line ------------------------------------------------------------------------ */

static void
put_rua(struct line *l, const struct sl_dmarc_record *r)
{
	if (r->nrua == 0)
		return;
	begin_pair(l, "rua");
	for (size_t i = 0; i < r->nrua; i++) {
		if (i > 0)
			sl_buf_putc(l->out, ',');
		put_clean(l->out, r->rua[i]);
	}
}

static const char *
valid_word(enum sl_dmarc_policy policy, const char *otherwise)
{
	return policy >= SL_DMARC_P_NONE ? sl_dmarc_policy_word(policy) : otherwise;
}

static bool
has_outcome(const struct sl_dmarc_details *d)
{
	return d->status <= SL_DMARC_REJECT;
}

static void
put_number(struct line *l, const char *key, long long value)
{
	begin_pair(l, key);
	sl_buf_printf(l->out, "%lld", value);
}

/* In the order of the keys. */
static void
put_pairs(struct line *l, const struct sl_dmarc_details *d, const struct sl_dmarc_log *log)
{
	bool policy = d->domain[0] != '\0';

	put_pair(l, "action", has_outcome(d) ? sl_dmarc_status_word(d->status) : "");
	put_pair(l, "adkim", !policy ? "" : d->record.strict_dkim ? "strict" : "relaxed");
	put_pair(l, "align_dkim", policy ? sl_dmarc_alignment_word(d->dkim_alignment) : "");
	put_pair(l, "align_spf", policy ? sl_dmarc_alignment_word(d->spf_alignment) : "");
	put_pair(l, "aspf", !policy ? "" : d->record.strict_spf ? "strict" : "relaxed");
	put_signatures(l, d);
	put_pair(l, "from", d->from);
	put_pair(l, "helo", log->helo);
	put_pair(l, "id", log->id);
	put_pair(l, "ipaddr", log->ip);
	put_pair(l, "mfrom", log->mailfrom);
	if (policy) {
		put_pair(l, "p", valid_word(d->record.p, "none"));
		put_number(l, "pct", d->record.pct);
		put_pair(l, "pdomain", d->domain);
		put_pair(l, "policy", d->status == SL_DMARC_PASS ? "pass" :
		    has_outcome(d) ? sl_dmarc_policy_word(d->policy) : "");
		put_rua(l, &d->record);
		put_pair(l, "sp", valid_word(d->record.sp, ""));
	}
	put_pair(l, "spf", spf_word(d));
	put_number(l, "ts", (long long)log->ts);
}

int
sl_dmarc_log_line(struct sl_buf *out, const struct sl_dmarc_details *d,
    const struct sl_dmarc_log *log)
{
	struct line l = { out, true };

	sl_buf_puts(out, "[DMARC] [MAIL].From=");
	put_clean(out, sl_str_of(d->from));
	sl_buf_printf(out, " SPF=%s DKIM=%s DMARC=%s (", sl_dmarc_alignment_word(d->spf_alignment),
	    sl_dmarc_alignment_word(d->dkim_alignment), sl_dmarc_status_word(d->status));
	put_pairs(&l, d, log);
	sl_buf_putc(out, ')');
	return out->failed ? SL_ERR_NOMEM : 0;
}
