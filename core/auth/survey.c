/* Questions and the smaller parts of a survey: MX, DKIM, MTA-STS, TLS-RPT. See survey.h. */
#include "survey.h"

#include <stdio.h>
#include <string.h>

#include "dkim_published.h"

#define TIMEOUT_MS	30000
#define MAX_HOSTS	10	/* of MX: looked at */

struct sl_dns_answer *
sl_survey_ask(struct sl_survey *s, const char *name, enum sl_dns_type type)
{
	struct sl_dns_query *q = sl_dns_query(s->dns, name, type, 0);
	struct sl_dns_answer *answer;

	if (q == NULL) {
		s->found.failed = true;
		return NULL;
	}
	sl_op_block(&q->op);
	answer = sl_dns_answer_ref(q->answer);
	sl_op_release(&q->op);
	return answer;
}

bool
sl_survey_open(struct sl_survey *s, const char *area, const char *name,
    const struct sl_dns_answer *answer)
{
	if (answer == NULL)
		return true;
	if (!sl_dns_temporary(answer->status))
		return false;
	sl_findings_add(&s->found, SL_FINDING_TEMPORARY, area, "%s can't be looked up now (%s)", name,
	    sl_dns_status_word(answer->status));
	sl_findings_remedy(&s->found, "try again; if it stays, look at the name servers of the domain");
	return true;
}

void
sl_survey_run(struct sl_survey *s, struct sl_evaluator *e)
{
	struct sl_op *op;

	if (e->done(e))
		return;
	op = sl_evaluate(s->loop, s->dns, e, TIMEOUT_MS, NULL);
	if (op == NULL) {
		s->found.failed = true;
		return;
	}
	sl_op_block(op);
	sl_op_release(op);
}

/* ---- MX --------------------------------------------------------------------- */

static bool
host_has(struct sl_survey *s, const char *host, enum sl_dns_type type, bool *unsure)
{
	struct sl_dns_answer *a = sl_survey_ask(s, host, type);
	bool has = a != NULL && a->status == SL_DNS_OK;

	*unsure = *unsure || a == NULL || sl_dns_temporary(a->status);
	if (has && a->canonical != NULL && strcasecmp(a->canonical, host) != 0 && type == SL_DNS_A) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "mx", "the MX host %s is an alias of %s", host,
		    a->canonical);
		sl_findings_remedy(&s->found, "name the real host in the MX record (RFC 5321 5.1)");
	}
	sl_dns_answer_unref(a);
	return has;
}

static void
look_at_host(struct sl_survey *s, const struct sl_dns_record *r)
{
	char host[256];
	struct sl_addr addr;
	bool unsure = false, has;

	snprintf(host, sizeof(host), "%.*s", (int)r->data.n, r->data.p);
	if (sl_addr_parse_ip(&addr, r->data, 25) == 0) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "mx", "the MX record has the address %s where "
		    "a host name belongs", host);
		sl_findings_remedy(&s->found, "give the address a name with an A record, and put that name "
		    "into the MX record");
		return;
	}
	has = host_has(s, host, SL_DNS_A, &unsure);
	has = host_has(s, host, SL_DNS_AAAA, &unsure) || has;
	if (has)
		sl_findings_add(&s->found, SL_FINDING_GOOD, "mx", "%s, preference %u", host, r->preference);
	else if (unsure)
		sl_findings_add(&s->found, SL_FINDING_TEMPORARY, "mx", "%s can't be looked up now", host);
	else
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "mx", "the MX host %s has no address", host);
	if (!has && !unsure)
		sl_findings_remedy(&s->found, "publish an A or AAAA record for it, or take it out of the MX "
		    "records");
}

/* RFC 5321 5.1: without MX the domain's own addresses receive. */
static void
without_mx(struct sl_survey *s, enum sl_dns_status status)
{
	bool unsure = false, has;

	if (status == SL_DNS_NXDOMAIN) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "mx", "the domain %s doesn't exist", s->domain);
		sl_findings_remedy(&s->found, "look for a typing error, or register it");
		return;
	}
	has = host_has(s, s->domain, SL_DNS_A, &unsure);
	has = host_has(s, s->domain, SL_DNS_AAAA, &unsure) || has;
	if (has)
		sl_findings_add(&s->found, SL_FINDING_NOTE, "mx", "no MX record: mail goes to the addresses of "
		    "%s itself", s->domain);
	else
		sl_findings_add(&s->found, SL_FINDING_NOTE, "mx", "neither MX nor address: %s receives no "
		    "mail, and can't be answered", s->domain);
	sl_findings_remedy(&s->found, "publish an MX record, or \"MX 0 .\" when no mail is wanted "
	    "(RFC 7505)");
}

void
sl_survey_mx(struct sl_survey *s)
{
	struct sl_dns_answer *a = sl_survey_ask(s, s->domain, SL_DNS_MX);
	size_t i, null = 0;

	if (sl_survey_open(s, "mx", s->domain, a)) {
		sl_dns_answer_unref(a);
		return;
	}
	for (i = 0; i < a->n; i++)
		null += sl_str_eq(a->records[i].data, SL_STR("."));
	if (a->n == 0) {
		without_mx(s, a->status);
	} else if (null > 0 && a->n > 1) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "mx", "a null MX (\"MX 0 .\") stands beside "
		    "other MX records");
		sl_findings_remedy(&s->found, "leave only the one that is meant (RFC 7505 3)");
	} else if (null > 0) {
		sl_findings_add(&s->found, SL_FINDING_GOOD, "mx", "null MX: %s receives no mail (RFC 7505)",
		    s->domain);
	}
	for (i = 0; i < a->n && i < MAX_HOSTS && null == 0; i++)
		look_at_host(s, &a->records[i]);
	sl_dns_answer_unref(a);
}

/* ---- DKIM ------------------------------------------------------------------- */

void
sl_survey_dkim(struct sl_survey *s, struct sl_str selector)
{
	struct sl_dns_answer *a;
	char name[256];

	if (!sl_dkim_key_name(name, selector, sl_str_of(s->domain))) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "dkim", "selector and domain are too long for "
		    "a name");
		return;
	}
	a = sl_survey_ask(s, name, SL_DNS_TXT);
	if (a != NULL)
		sl_dkim_look(&s->found, "dkim", name, a, NULL);
	sl_dns_answer_unref(a);
}

/* ---- MTA-STS, TLS-RPT --------------------------------------------------------- */

struct tls_record {
	const char *area, *prefix, *version, *tag, *absent, *example;
};

static void
look_at_tags(struct sl_survey *s, const struct tls_record *k, const char *name,
    struct sl_str record)
{
	struct sl_tags tags;
	struct sl_err err = { 0 };
	const struct sl_str *value;

	sl_findings_pasted(&s->found, k->area, name, record);
	if (sl_tags_parse(&tags, record, SL_TAGS_RECORD, &err) != 0) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, k->area, "the record of %s can't be read: %s",
		    name, err.text);
	} else if ((value = sl_tags_get(&tags, k->tag)) == NULL || value->n == 0) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, k->area, "the record of %s has no %s=", name,
		    k->tag);
	} else {
		sl_findings_add(&s->found, SL_FINDING_GOOD, k->area, "%.*s", (int)record.n, record.p);
		return;
	}
	sl_findings_remedy(&s->found, "publish one like: %s", k->example);
}

static void
look_at_tls(struct sl_survey *s, const struct tls_record *k)
{
	struct sl_dns_answer *a;
	char name[300];
	size_t i, n = 0;

	snprintf(name, sizeof(name), "%s.%s", k->prefix, s->domain);
	a = sl_survey_ask(s, name, SL_DNS_TXT);
	if (!sl_survey_open(s, k->area, name, a)) {
		for (i = 0; i < a->n; i++)
			if (sl_str_starts(a->records[i].data, sl_str_of(k->version)) && n++ == 0)
				look_at_tags(s, k, name, a->records[i].data);
		if (n == 0)
			sl_findings_add(&s->found, SL_FINDING_NOTE, k->area, "no record at %s: %s", name,
			    k->absent);
		if (n > 1) {
			sl_findings_add(&s->found, SL_FINDING_PROBLEM, k->area, "there are %zu records at %s: "
			    "senders use none", n, name);
			sl_findings_remedy(&s->found, "leave one of them");
		}
	}
	sl_dns_answer_unref(a);
}

void
sl_survey_tls(struct sl_survey *s)
{
	static const struct tls_record kinds[] = {
		{ "mta-sts", "_mta-sts", "v=STSv1", "id", "senders needn't use TLS with this domain",
		    "v=STSv1; id=20260101000000" },
		{ "tls-rpt", "_smtp._tls", "v=TLSRPTv1", "rua", "nobody reports failures of TLS",
		    "v=TLSRPTv1; rua=mailto:tls-reports@example.com" },
	};

	look_at_tls(s, &kinds[0]);
	look_at_tls(s, &kinds[1]);
}
