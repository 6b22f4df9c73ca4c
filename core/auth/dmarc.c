/*
 * DMARC as an evaluator. One table holds every name that is asked for, each
 * once; the walks of the author domain and of the domains that might be
 * aligned with it read from it. What an order of asking would decide (where a
 * walk stops, which error counts) is decided by the order of the walk, not of
 * the answers. See dmarc.h.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/address.h"
#include "dmarc.h"
#include "orgdomain.h"

#define EXISTENCE	SL_DMARC_MAX_NAMES	/* the question whether the author domain exists */

enum found { FOUND_NOTHING, FOUND_SEVERAL, FOUND_ERROR, FOUND_RECORD };

/* What stands at _dmarc. of one domain. */
struct name {
	char domain[256];
	bool asked, answered;
	enum found found;
	char psd;
	char *text;			/* the record */
	size_t n;
};

struct sl_dmarc {
	struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
	struct sl_dmarc_options options;
	struct sl_dmarc_details d;

	size_t nnames, nauthor;		/* the first of them are the author domain's walk */
	struct name *names[SL_DMARC_MAX_NAMES];
	size_t open;			/* questions without an answer */
	enum { EXISTS_UNKNOWN, EXISTS_WANTED, EXISTS_ASKED, EXISTS_KNOWN } existence;
	enum sl_dns_status existence_status;

	struct sl_walk walk;		/* of the author domain */
	const struct name *policy;	/* whose record it is */
	bool discovered;		/* the policy, or that there is none */
	bool over;			/* no policy: the result doesn't depend on the inputs */
	bool decided, concluded;
};

static void set_result(struct sl_dmarc *d, enum sl_dmarc_status status, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

static void
set_result(struct sl_dmarc *d, enum sl_dmarc_status status, const char *fmt, ...)
{
	char *p = d->d.reason;
	va_list ap;

	d->d.status = status;
	va_start(ap, fmt);
	vsnprintf(p, sizeof(d->d.reason), fmt, ap);
	va_end(ap);
	for (; *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
}

/* Without a policy nothing else matters. */
static void
end_without(struct sl_dmarc *d, enum sl_dmarc_status status, const char *why, const char *domain)
{
	set_result(d, status, "%s%s%s", why, domain[0] != '\0' ? " " : "", domain);
	d->discovered = d->over = true;
}

/* ---- names --------------------------------------------------------------- */

static struct name *
find_name(const struct sl_dmarc *d, const char *domain)
{
	for (size_t i = 0; i < d->nnames; i++)
		if (strcmp(d->names[i]->domain, domain) == 0)
			return d->names[i];
	return NULL;
}

/* False: no room, or no memory. A name that is too long to be asked for has nothing. */
static bool
add_name(struct sl_dmarc *d, const char *domain)
{
	struct name *name = find_name(d, domain);

	if (name != NULL)
		return true;
	if (d->nnames == SL_DMARC_MAX_NAMES || (name = sl_calloc(1, sizeof(*name))) == NULL)
		return false;
	snprintf(name->domain, sizeof(name->domain), "%s", domain);
	d->names[d->nnames++] = name;
	if (strlen(domain) + strlen("_dmarc.") > 253)
		name->asked = name->answered = true;
	else
		d->open++;
	return true;
}

static bool
add_walk(struct sl_dmarc *d, const char *domain)
{
	const char *visited[SL_WALK_MAX];
	size_t n = sl_walk_domains(domain, visited);

	for (size_t i = 0; i < n; i++)
		if (!add_name(d, visited[i]))
			return false;
	return true;
}

static void
keep_record(struct name *name, struct sl_str text, const struct sl_dmarc_record *record)
{
	name->text = sl_strndup(text.p, text.n);
	name->n = text.n;
	name->psd = record->psd;
	name->found = name->text != NULL ? FOUND_RECORD : FOUND_ERROR;
}

/* 4.10, steps 2 and 6. */
static void
take_records(struct name *name, const struct sl_dns_answer *answer)
{
	struct sl_dmarc_record record;
	struct sl_str found = { NULL, 0 };
	size_t n = 0;

	if (sl_dns_temporary(answer->status))
		name->found = FOUND_ERROR;
	for (size_t i = 0; answer->status == SL_DNS_OK && i < answer->n; i++) {
		if (sl_dmarc_record_parse(&record, answer->records[i].data, NULL) == SL_ERR_NOTFOUND)
			continue;
		found = answer->records[i].data;
		n++;
	}
	if (n > 1)
		name->found = FOUND_SEVERAL;
	else if (n == 1 && sl_dmarc_record_parse(&record, found, NULL) == 0)
		keep_record(name, found, &record);
}

static enum sl_walk_found
walk_found(const struct name *name)
{
	if (name->found == FOUND_ERROR)
		return SL_WALK_ERROR;
	if (name->found != FOUND_RECORD)
		return SL_WALK_NOTHING;
	if (name->psd == 'u')
		return SL_WALK_RECORD;
	return name->psd == 'y' ? SL_WALK_PSD : SL_WALK_ORG;
}

/* False: some name of the walk isn't known (yet). */
static bool
walk(const struct sl_dmarc *d, const char *domain, struct sl_walk *out)
{
	const char *visited[SL_WALK_MAX];
	enum sl_walk_found found[SL_WALK_MAX];
	size_t n = sl_walk_domains(domain, visited);

	for (size_t i = 0; i < n; i++) {
		const struct name *name = find_name(d, visited[i]);

		if (name == NULL || !name->answered)
			return false;
		found[i] = walk_found(name);
	}
	sl_walk_end(out, domain, found);
	return true;
}

/* ---- the policy ---------------------------------------------------------- */

/* The record that applies, RFC 9989 4.10.1. NULL: over. */
static const struct name *
choose_by_walk(struct sl_dmarc *d)
{
	const struct name *own = d->names[0], *name;

	if (!walk(d, d->d.from, &d->walk))
		return NULL;
	if (!d->walk.error)
		snprintf(d->d.org, sizeof(d->d.org), "%s", d->walk.org);
	if (own->found == FOUND_RECORD)
		return own;
	if (own->found == FOUND_ERROR || d->walk.error) {
		end_without(d, SL_DMARC_TEMPERROR, "DNS error looking for the policy of", d->d.from);
		return NULL;
	}
	name = find_name(d, d->walk.org);
	if ((name == NULL || name->found != FOUND_RECORD) && d->walk.psd != NULL)
		name = find_name(d, d->walk.psd);
	return name != NULL && name->found == FOUND_RECORD ? name : NULL;
}

/* RFC 7489 6.6.3: several records at the author domain end it. */
static const struct name *
choose_by_list(struct sl_dmarc *d)
{
	const struct name *name = d->names[0];

	strcpy(d->d.org, d->d.psl);
	if (name->found == FOUND_NOTHING)
		name = find_name(d, d->d.psl);
	if (name->found == FOUND_ERROR)
		end_without(d, SL_DMARC_TEMPERROR, "DNS error looking for the policy of", d->d.from);
	return name->found == FOUND_RECORD ? name : NULL;
}

static enum sl_dmarc_policy
subdomain_policy(const struct sl_dmarc_record *r)
{
	return r->sp != SL_DMARC_P_ABSENT ? r->sp : r->p;
}

/* Asking whether the author domain exists is for those that it makes a difference to. */
static bool
np_matters(const struct sl_dmarc *d)
{
	const struct sl_dmarc_record *r = &d->d.record;

	return d->options.profile == SL_DMARC_RFC9989 && d->d.subdomain &&
	    r->np >= SL_DMARC_P_NONE && r->np != subdomain_policy(r);
}

static enum sl_dmarc_policy
one_level_down(enum sl_dmarc_policy policy)
{
	return policy > SL_DMARC_P_NONE ? (enum sl_dmarc_policy)(policy - 1) : policy;
}

static void
set_policy(struct sl_dmarc *d)
{
	const struct sl_dmarc_record *r = &d->d.record;
	bool none;

	sl_dmarc_record_usable(r, &none);
	d->d.nonexistent = d->existence == EXISTS_KNOWN && d->existence_status == SL_DNS_NXDOMAIN;
	if (none)
		d->d.published = SL_DMARC_P_NONE;
	else if (d->d.nonexistent)
		d->d.published = r->np;
	else
		d->d.published = d->d.subdomain ? subdomain_policy(r) : r->p;
	d->d.policy = d->d.published;
	if (d->options.profile == SL_DMARC_RFC9989 && r->testing)
		d->d.policy = one_level_down(d->d.policy);
	d->discovered = true;
}

static void
use_policy(struct sl_dmarc *d, const struct name *name)
{
	bool none;

	memcpy(d->d.text, name->text, name->n + 1);
	sl_dmarc_record_parse(&d->d.record, (struct sl_str){ d->d.text, name->n }, NULL);
	if (!sl_dmarc_record_usable(&d->d.record, &none)) {
		end_without(d, SL_DMARC_POLICY_ABSENT, "no valid policy in the record of", name->domain);
		return;
	}
	d->policy = name;
	strcpy(d->d.domain, name->domain);
	d->d.subdomain = strcmp(name->domain, d->d.from) != 0;
	if (!none && np_matters(d)) {
		d->existence = EXISTS_WANTED;
		d->open++;
	} else {
		set_policy(d);
	}
}

static bool
author_answered(const struct sl_dmarc *d)
{
	for (size_t i = 0; i < d->nauthor; i++)
		if (!d->names[i]->answered)
			return false;
	return true;
}

static void
discover(struct sl_dmarc *d)
{
	const struct name *name;

	if (d->discovered || d->policy != NULL || !author_answered(d))
		return;
	name = d->options.profile == SL_DMARC_RFC9989 ? choose_by_walk(d) : choose_by_list(d);
	if (name != NULL)
		use_policy(d, name);
	else if (!d->over)
		end_without(d, SL_DMARC_POLICY_ABSENT, "no DMARC policy for", d->d.from);
}

static void
take_existence(struct sl_dmarc *d, enum sl_dns_status status)
{
	d->existence = EXISTS_KNOWN;
	d->existence_status = status;
	set_policy(d);
}

/* ---- alignment ----------------------------------------------------------- */

enum aligned { ALIGNED_NO, ALIGNED_YES, ALIGNED_UNSURE, ALIGNED_ASKING };

/* Labels that two names have in common at their ends. */
static size_t
shared_labels(const char *a, const char *b)
{
	size_t i = strlen(a), k = strlen(b), n = 0;

	while (i > 0 && k > 0 && a[i - 1] == b[k - 1]) {
		i--;
		k--;
		n += a[i] == '.';
	}
	if ((i == 0 || a[i - 1] == '.') && (k == 0 || b[k - 1] == '.') && a[i] != '.')
		n++;
	return n;
}

/* RFC 9989 4.10.2. What isn't below the author's organizational domain can't share it. */
static enum aligned
aligned_by_walk(struct sl_dmarc *d, const char *domain)
{
	struct sl_walk other;

	if (d->walk.error)
		return shared_labels(d->d.from, domain) > 0 ? ALIGNED_UNSURE : ALIGNED_NO;
	if (!sl_domain_is_within(domain, d->walk.org))
		return ALIGNED_NO;
	if (!walk(d, domain, &other)) {
		if (!add_walk(d, domain))
			return d->nnames == SL_DMARC_MAX_NAMES ? ALIGNED_NO : ALIGNED_UNSURE;
		if (!walk(d, domain, &other))
			return ALIGNED_ASKING;
	}
	if (other.error)
		return ALIGNED_UNSURE;
	return strcmp(d->walk.org, other.org) == 0 ? ALIGNED_YES : ALIGNED_NO;
}

static enum aligned
is_aligned(struct sl_dmarc *d, const char *domain, bool strict)
{
	if (domain[0] == '\0')
		return ALIGNED_NO;
	if (strcmp(domain, d->d.from) == 0)
		return ALIGNED_YES;
	if (strict)
		return ALIGNED_NO;
	if (d->options.profile == SL_DMARC_RFC9989)
		return aligned_by_walk(d, domain);
	return strcmp(sl_orgdomain_psl(domain, NULL), d->d.psl) == 0 ? ALIGNED_YES : ALIGNED_NO;
}

/* ---- the result ---------------------------------------------------------- */

struct verdict {
	bool asking;		/* walks have to be made first */
	bool unsure;		/* something might have passed but for a temporary error */
};

static enum sl_dmarc_alignment
weigh(struct sl_dmarc *d, struct verdict *v, const char *domain, bool strict, bool pass, bool temp)
{
	enum aligned aligned;

	if (!pass && !temp)
		return SL_DMARC_FAIL;
	aligned = is_aligned(d, domain, strict);
	v->asking = v->asking || aligned == ALIGNED_ASKING;
	if (aligned == ALIGNED_UNSURE || (temp && aligned == ALIGNED_YES))
		v->unsure = true;
	if (!pass)
		return SL_DMARC_FAIL;
	return aligned == ALIGNED_YES ? SL_DMARC_ALIGNED : SL_DMARC_UNALIGNED;
}

static void
weigh_all(struct sl_dmarc *d, struct verdict *v)
{
	struct sl_dmarc_details *r = &d->d;

	r->dkim_alignment = SL_DMARC_FAIL;
	if (r->spf_checked)
		r->spf_alignment = weigh(d, v, r->spf_domain, r->record.strict_spf,
		    r->spf == SL_SPF_PASS, r->spf == SL_SPF_TEMPERROR);
	for (size_t i = 0; i < r->ndkim; i++) {
		r->dkim[i].alignment = weigh(d, v, r->dkim[i].domain, r->record.strict_dkim,
		    r->dkim[i].status == SL_DKIM_PASS, r->dkim[i].status == SL_DKIM_TEMPERROR);
		if (r->dkim[i].alignment > r->dkim_alignment)
			r->dkim_alignment = r->dkim[i].alignment;
	}
}

/* RFC 7489 6.6.4: who isn't selected gets the next weaker policy. */
static void
apply_policy(struct sl_dmarc *d)
{
	enum sl_dmarc_policy policy = d->d.policy;

	if (d->options.profile == SL_DMARC_RFC7489 && policy > SL_DMARC_P_NONE &&
	    d->options.sample >= d->d.record.pct) {
		d->d.sampled_out = true;
		policy = one_level_down(policy);
	}
	set_result(d, policy == SL_DMARC_P_REJECT ? SL_DMARC_REJECT :
	    policy == SL_DMARC_P_QUARANTINE ? SL_DMARC_QUARANTINE : SL_DMARC_NONE,
	    "nothing that passed is aligned with %s", d->d.from);
}

static void
conclude(struct sl_dmarc *d)
{
	struct verdict v = { 0 };

	if (d->over) {
		d->concluded = true;
		return;
	}
	weigh_all(d, &v);
	if (v.asking && d->open > 0)
		return;
	d->concluded = true;
	if (d->d.spf_alignment == SL_DMARC_ALIGNED || d->d.dkim_alignment == SL_DMARC_ALIGNED)
		set_result(d, SL_DMARC_PASS, "%s is aligned",
		    d->d.dkim_alignment == SL_DMARC_ALIGNED ? "DKIM" : "SPF");
	else if (v.unsure)
		set_result(d, SL_DMARC_TEMPERROR, "a temporary error where an aligned pass could be");
	else if (d->existence == EXISTS_KNOWN && sl_dns_temporary(d->existence_status))
		set_result(d, SL_DMARC_TEMPERROR, "DNS error looking whether there is %s", d->d.from);
	else
		apply_policy(d);
}

static void
advance(struct sl_dmarc *d)
{
	discover(d);
	if (d->decided && d->discovered && !d->concluded && d->open == 0)
		conclude(d);
}

/* ---- the evaluator ------------------------------------------------------- */

static struct sl_dmarc *
self(struct sl_evaluator *e)
{
	return (struct sl_dmarc *)(void *)e;
}

static int
next_question(struct sl_evaluator *e, struct sl_question *out)
{
	struct sl_dmarc *d = self(e);

	for (size_t i = 0; i < d->nnames; i++) {
		if (d->names[i]->asked)
			continue;
		d->names[i]->asked = true;
		d->d.queries++;
		out->id = (unsigned)i;
		out->type = SL_DNS_TXT;
		snprintf(out->name, sizeof(out->name), "_dmarc.%.248s", d->names[i]->domain);
		return 1;
	}
	if (d->existence == EXISTS_WANTED) {
		d->existence = EXISTS_ASKED;
		d->d.queries++;
		out->id = EXISTENCE;
		out->type = SL_DNS_A;
		memcpy(out->name, d->d.from, sizeof(d->d.from));
		return 1;
	}
	return 0;
}

static void
on_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct sl_dmarc *d = self(e);

	if (id == EXISTENCE && d->existence == EXISTS_ASKED) {
		take_existence(d, answer->status);
	} else if (id < d->nnames && !d->names[id]->answered) {
		d->names[id]->answered = true;
		take_records(d->names[id], answer);
	} else {
		return;
	}
	d->open--;
	advance(d);
}

static bool
is_done(const struct sl_evaluator *e)
{
	return ((const struct sl_dmarc *)(const void *)e)->open == 0;
}

/* ---- life ---------------------------------------------------------------- */

static bool
add_author(struct sl_dmarc *d)
{
	bool good;

	if (d->options.profile == SL_DMARC_RFC9989)
		good = add_walk(d, d->d.from);
	else
		good = add_name(d, d->d.from) && add_name(d, d->d.psl);
	d->nauthor = d->nnames;
	return good;
}

struct sl_dmarc *
sl_dmarc_new(const struct sl_dmarc_options *options, const char *from)
{
	struct sl_dmarc *d = sl_calloc(1, sizeof(*d));
	struct sl_err err;

	if (d == NULL)
		return NULL;
	d->evaluator = (struct sl_evaluator){ next_question, on_answer, is_done };
	d->options = *options;
	d->d.profile = options->profile;
	d->d.status = SL_DMARC_TEMPERROR;
	d->d.record.pct = 100;
	if (from == NULL || sl_domain_normalize(d->d.from, sl_str_of(from), &err) < 0) {
		end_without(d, SL_DMARC_PERMERROR, "the message has no author domain", "");
		return d;
	}
	snprintf(d->d.psl, sizeof(d->d.psl), "%s", sl_orgdomain_psl(d->d.from, NULL));
	if (!add_author(d)) {
		sl_dmarc_free(d);
		return NULL;
	}
	advance(d);
	return d;
}

struct sl_evaluator *
sl_dmarc_evaluator(struct sl_dmarc *d)
{
	return &d->evaluator;
}

void
sl_dmarc_free(struct sl_dmarc *d)
{
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->nnames; i++) {
		sl_free(d->names[i]->text);
		sl_free(d->names[i]);
	}
	sl_free(d);
}

const struct sl_dmarc_details *
sl_dmarc_result(const struct sl_dmarc *d)
{
	return &d->d;
}

void
sl_dmarc_expect(struct sl_dmarc *d, const char *domain)
{
	char name[256];
	struct sl_err err;

	if (d->over || d->decided || d->options.profile != SL_DMARC_RFC9989 || domain == NULL ||
	    sl_domain_normalize(name, sl_str_of(domain), &err) < 0 ||
	    strcmp(name, d->d.from) == 0 || shared_labels(name, d->d.from) < 2)
		return;
	if (d->discovered && d->d.record.strict_spf && d->d.record.strict_dkim)
		return;
	add_walk(d, name);
}

/* "" for what isn't a domain: it is aligned with nothing. */
static void
copy_domain(char out[256], const char *domain)
{
	struct sl_err err;

	if (domain == NULL || sl_domain_normalize(out, sl_str_of(domain), &err) < 0)
		out[0] = '\0';
}

static void
copy_inputs(struct sl_dmarc_details *r, const struct sl_dmarc_inputs *in)
{
	/* RFC 9989 4.4.2: what HELO passed says nothing about the author. */
	if (in->spf != NULL && in->spf->identity == SL_SPF_MAILFROM) {
		r->spf_checked = true;
		r->spf = in->spf->status;
		copy_domain(r->spf_domain, in->spf->domain);
	}
	for (size_t i = 0; i < in->ndkim && r->ndkim < SL_DMARC_MAX_DKIM; i++) {
		struct sl_dmarc_dkim_detail *k = &r->dkim[r->ndkim++];

		copy_domain(k->domain, in->dkim[i].domain);
		snprintf(k->selector, sizeof(k->selector), "%s",
		    in->dkim[i].selector != NULL ? in->dkim[i].selector : "");
		k->status = in->dkim[i].status;
	}
}

void
sl_dmarc_decide(struct sl_dmarc *d, const struct sl_dmarc_inputs *inputs)
{
	if (d->decided)
		return;
	copy_inputs(&d->d, inputs);
	d->decided = true;
	advance(d);
}
