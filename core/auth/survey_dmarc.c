/*
 * DMARC of a domain as a whole: the evaluator says which record applies, as it
 * does for a message; here it is told how it got there and what it means.
 */
#include <stdio.h>
#include <string.h>

#include "../mail/address.h"
#include "dmarc.h"
#include "orgdomain.h"
#include "survey.h"

static const char *const known_tags[] = { "v", "p", "sp", "np", "adkim", "aspf", "t", "psd", "rua",
    "ruf", "fo", NULL };
/* RFC 7489's, which RFC 9989 doesn't know any more. */
static const char *const old_tags[] = { "pct", "rf", "ri", NULL };

static bool
one_of(const char *const *names, struct sl_str name)
{
	for (; *names != NULL; names++)
		if (sl_str_ieq(name, sl_str_of(*names)))
			return true;
	return false;
}

/* What the evaluator finds for a domain; NULL when out of memory. */
static struct sl_dmarc *
evaluate(struct sl_survey *s, const char *domain)
{
	struct sl_dmarc_options o = { .profile = SL_DMARC_RFC9989 };
	struct sl_dmarc *d = sl_dmarc_new(&o, domain);

	if (d == NULL) {
		s->found.failed = true;
		return NULL;
	}
	sl_survey_run(s, sl_dmarc_evaluator(d));
	sl_dmarc_decide(d, &(struct sl_dmarc_inputs){ 0 });
	sl_survey_run(s, sl_dmarc_evaluator(d));
	return d;
}

/* ---- the walk ----------------------------------------------------------------- */

/* Says what is wrong at one name; returns how many DMARC records are there. */
static size_t
look_at_name(struct sl_survey *s, const char *name, const struct sl_dns_answer *a)
{
	struct sl_dmarc_record record;
	struct sl_err err;
	size_t i, n = 0;

	for (i = 0; i < a->n; i++) {
		struct sl_str text = a->records[i].data;
		int r = sl_dmarc_record_parse(&record, text, &err);

		n += r != SL_ERR_NOTFOUND;
		sl_findings_pasted(&s->found, "dmarc", name, text);
		if (r == SL_ERR_NOTFOUND) {
			sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "a TXT record at %s doesn't begin "
			    "with \"v=DMARC1;\": nobody will use it: %.100s", name, text.p);
			sl_findings_remedy(&s->found, "let it begin with \"v=DMARC1;\", in capitals");
		} else if (r != 0) {
			sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "the record at %s counts as none: "
			    "%s", name, err.text);
		}
	}
	if (n > 1) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "there are %zu DMARC records at %s: "
		    "they count as none (RFC 9989 4.10)", n, name);
		sl_findings_remedy(&s->found, "leave one of them");
	}
	return n;
}

/* RFC 9989 4.10: the names that a receiver asks for, and what they have. */
static void
tell_walk(struct sl_survey *s)
{
	const char *visited[SL_WALK_MAX];
	size_t i, n = sl_walk_domains(s->domain, visited), found;
	struct sl_buf text = SL_BUF_INIT;

	for (i = 0; i < n; i++) {
		struct sl_dns_answer *a;
		char name[300];

		snprintf(name, sizeof(name), "_dmarc.%s", visited[i]);
		a = sl_survey_ask(s, name, SL_DNS_TXT);
		found = 0;
		if (!sl_survey_open(s, "dmarc", name, a))
			found = look_at_name(s, name, a);
		sl_buf_printf(&text, "%s%s%s", i > 0 ? ", " : "", visited[i],
		    found == 1 ? " (record)" : found > 1 ? " (several)" : "");
		sl_dns_answer_unref(a);
	}
	if (text.n > 0)
		sl_findings_add(&s->found, SL_FINDING_GOOD, "dmarc", "the tree walk visits %s", text.p);
	sl_buf_clear(&text);
}

/* ---- the record ---------------------------------------------------------------- */

static size_t
parts_of(struct sl_str list)
{
	struct sl_str part;
	size_t n = 0;

	while (sl_str_split(&list, ',', &part))
		n += sl_str_trim(part).n > 0;
	return n;
}

static void
look_at_uris(struct sl_survey *s, const char *tag, size_t written, size_t valid)
{
	if (written == valid || valid == SL_DMARC_MAX_URIS)
		return;
	sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "%zu of the %zu addresses of %s= can't be "
	    "used", written - valid, written, tag);
	sl_findings_remedy(&s->found, "write each as mailto:user@host, parted by commas");
}

static void
look_at_tags(struct sl_survey *s, const struct sl_dmarc_details *d)
{
	struct sl_tags tags;
	size_t i;

	if (sl_tags_parse(&tags, sl_str_of(d->text), SL_TAGS_RECORD, NULL) != 0) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "part of the record is no list of tags "
		    "and is left out by receivers");
		sl_findings_remedy(&s->found, "write it as name=value, parted by semicolons");
		return;
	}
	for (i = 0; i < tags.n; i++) {
		struct sl_str name = tags.tag[i].name;

		if (one_of(old_tags, name))
			sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "%.*s= is of RFC 7489 and means "
			    "nothing in RFC 9989", (int)name.n, name.p);
		else if (!one_of(known_tags, name))
			sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "%.*s= is no tag of DMARC and is "
			    "left out by receivers", (int)name.n, name.p);
		else if (sl_str_ieq(name, SL_STR("rua")))
			look_at_uris(s, "rua", parts_of(tags.tag[i].value), d->record.nrua);
		else if (sl_str_ieq(name, SL_STR("ruf")))
			look_at_uris(s, "ruf", parts_of(tags.tag[i].value), d->record.nruf);
	}
}

static void
look_at_policy(struct sl_survey *s, const struct sl_dmarc_details *d)
{
	const struct sl_dmarc_record *r = &d->record;
	bool none;

	sl_dmarc_record_usable(r, &none);
	if (none) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "p=, sp= or np= is missing or none of "
		    "none, quarantine, reject: the policy is \"none\" only because there is a rua=");
		sl_findings_remedy(&s->found, "write p=none, p=quarantine or p=reject");
	} else if (d->policy == SL_DMARC_P_NONE) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "the policy for %s is \"none\": forged mail "
		    "is reported and let through", d->from);
		sl_findings_remedy(&s->found, "go to p=quarantine and p=reject when the reports show nothing of "
		    "yours that fails");
	} else {
		sl_findings_add(&s->found, SL_FINDING_GOOD, "dmarc", "the policy for %s is \"%s\"", d->from,
		    sl_dmarc_policy_word(d->policy));
	}
	if (r->testing) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "t=y: receivers apply a policy one step "
		    "weaker than \"%s\"", sl_dmarc_policy_word(d->published));
		sl_findings_remedy(&s->found, "take t=y out when the tests are over");
	}
	if (!none && !d->subdomain && r->sp != SL_DMARC_P_ABSENT && r->sp < r->p) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "sp=%s is weaker than p=%s: names below %s "
		    "can be forged", sl_dmarc_policy_word(r->sp), sl_dmarc_policy_word(r->p), d->domain);
		sl_findings_remedy(&s->found, "take sp= out unless something below needs it");
	}
}

static void
tell_alignment(struct sl_survey *s, const struct sl_dmarc_details *d)
{
	bool dkim = d->record.strict_dkim, spf = d->record.strict_spf;

	sl_findings_add(&s->found, SL_FINDING_GOOD, "dmarc", "aligned with %s is: DKIM of %s%s, SPF of "
	    "%s%s", d->from, dkim ? "" : "any domain in ", dkim ? d->from : d->org,
	    spf ? "" : "any domain in ", spf ? d->from : d->org);
	if (strcmp(d->org, d->psl) == 0)
		return;
	sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "the organizational domain is %s by the tree "
	    "walk (RFC 9989) and %s by the public suffix list (RFC 7489): receivers differ", d->org,
	    d->psl);
}

/* ---- reports to others ---------------------------------------------------------- */

/* The host of "mailto:user@host?subject=x"; false for other schemes. */
static bool
report_host(char out[256], struct sl_str uri)
{
	struct sl_err err;
	ssize_t at;

	if (!sl_str_istarts(uri, SL_STR("mailto:")) || (at = sl_str_chr(uri, '@')) < 0)
		return false;
	uri = sl_str_sub(uri, (size_t)at + 1, uri.n);
	at = sl_str_chr(uri, '?');
	return sl_domain_normalize(out, at >= 0 ? sl_str_sub(uri, 0, (size_t)at) : uri, &err) == 0;
}

static bool
same_organization(struct sl_survey *s, const char *org, const char *host)
{
	struct sl_dmarc *d;
	bool same;

	if (strcmp(org, host) == 0)
		return true;
	d = evaluate(s, host);
	same = d != NULL && strcmp(sl_dmarc_result(d)->org, org) == 0;
	sl_dmarc_free(d);
	return same;
}

/* Reports that go to another organization need its consent. */
static void
look_at_report(struct sl_survey *s, const struct sl_dmarc_details *d, struct sl_str uri)
{
	struct sl_dns_answer *a;
	char host[256], name[600];

	if (!report_host(host, uri) || same_organization(s, d->org, host))
		return;
	snprintf(name, sizeof(name), "%s._report._dmarc.%s", d->domain, host);
	a = sl_survey_ask(s, name, SL_DNS_TXT);
	if (!sl_survey_open(s, "dmarc", name, a)) {
		if (sl_dmarc_report_consent(a)) {
			sl_findings_add(&s->found, SL_FINDING_GOOD, "dmarc", "%s takes reports about %s", host,
			    d->domain);
		} else {
			sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "reports to %s are not sent: it "
			    "doesn't say that it takes them", host);
			sl_findings_remedy(&s->found, "%s must publish a TXT record at %s: v=DMARC1;", host, name);
		}
	}
	sl_dns_answer_unref(a);
}

static void
look_at_reports(struct sl_survey *s, const struct sl_dmarc_details *d)
{
	const struct sl_dmarc_record *r = &d->record;
	size_t i;

	if (r->nrua == 0) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "dmarc", "without rua= nobody tells you who sends in "
		    "the name of %s", d->domain);
		sl_findings_remedy(&s->found, "add rua=mailto:dmarc-reports@%s", d->domain);
	}
	for (i = 0; i < r->nrua; i++)
		look_at_report(s, d, r->rua[i]);
	for (i = 0; i < r->nruf; i++)
		look_at_report(s, d, r->ruf[i]);
}

static void
tell_absent(struct sl_survey *s, const struct sl_dmarc_details *d)
{
	if (d->status == SL_DMARC_TEMPERROR) {
		sl_findings_add(&s->found, SL_FINDING_TEMPORARY, "dmarc", "%s", d->reason);
		return;
	}
	sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dmarc", "%s", d->reason);
	sl_findings_remedy(&s->found, "publish a TXT record at _dmarc.%s: v=DMARC1; p=none; "
	    "rua=mailto:dmarc-reports@%s", s->domain, s->domain);
}

void
sl_survey_dmarc(struct sl_survey *s)
{
	struct sl_dmarc *dmarc = evaluate(s, s->domain);
	const struct sl_dmarc_details *d;

	if (dmarc == NULL)
		return;
	d = sl_dmarc_result(dmarc);
	tell_walk(s);
	if (d->domain[0] == '\0') {
		tell_absent(s, d);
	} else {
		sl_findings_add(&s->found, SL_FINDING_GOOD, "dmarc", "the record of %s applies: %s", d->domain,
		    d->text);
		look_at_tags(s, d);
		look_at_policy(s, d);
		tell_alignment(s, d);
		look_at_reports(s, d);
	}
	sl_dmarc_free(dmarc);
}
