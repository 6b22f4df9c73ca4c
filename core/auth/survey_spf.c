/*
 * SPF of a domain as a whole: the record's form, whom it permits, and what it
 * costs. The cost is that of a client whom nothing matches: 0.0.0.0 and ::.
 */
#include <stdio.h>
#include <string.h>

#include "spf_private.h"
#include "survey.h"

#define NO_LIMIT	50	/* as far as an evaluation goes when limits aren't the question */
#define MANY_LOOKUPS	9	/* the next include of a provider may be too much */

struct cost {
	unsigned lookups, voids[2];	/* of IPv4 and IPv6 clients */
	enum sl_spf_status status;
	char reason[200], mechanism[256];
};

static void
evaluate(struct sl_survey *s, const char *domain, const struct sl_addr *ip, int limit,
    struct sl_spf_result *out)
{
	struct sl_spf_options o = {
		.identity = SL_SPF_HELO, .ip = *ip, .helo = sl_str_of(domain), .now = s->now,
		.max_lookups = limit, .max_voids = limit,
	};
	struct sl_spf *spf = sl_spf_new(&o);

	*out = (struct sl_spf_result){ .status = SL_SPF_TEMPERROR };
	if (spf == NULL) {
		s->found.failed = true;
		return;
	}
	sl_survey_run(s, sl_spf_evaluator(spf));
	*out = *sl_spf_result(spf);
	sl_spf_free(spf);
}

/* The dearer of both families; an error of either. */
static void
cost_of(struct sl_survey *s, const char *domain, struct cost *out)
{
	static const char *const nobody[] = { "0.0.0.0", "::" };
	struct sl_spf_result r;
	struct sl_addr ip;
	size_t i;

	*out = (struct cost){ .status = SL_SPF_NEUTRAL };
	for (i = 0; i < 2; i++) {
		sl_addr_parse_ip(&ip, sl_str_of(nobody[i]), 25);
		evaluate(s, domain, &ip, NO_LIMIT, &r);
		if (r.lookups > out->lookups)
			out->lookups = r.lookups;
		out->voids[i] = r.voids;
		if (r.status != SL_SPF_PASS && r.status != SL_SPF_TEMPERROR && r.status != SL_SPF_PERMERROR)
			continue;
		out->status = r.status;
		memcpy(out->reason, r.reason, sizeof(out->reason));
		memcpy(out->mechanism, r.mechanism, sizeof(out->mechanism));
	}
}

/* ---- the record ------------------------------------------------------------- */

/* What was meant as a record and isn't one. */
static void
look_at_stranger(struct sl_survey *s, struct sl_str text)
{
	if (sl_str_find(text, SL_STR("v=spf1")) < 0 && !sl_str_istarts(text, SL_STR("v=spf")) &&
	    !sl_str_istarts(text, SL_STR("spf1")))
		return;
	sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "a TXT record of %s looks like SPF but "
	    "doesn't begin with \"v=spf1 \": nobody will use it: %.100s", s->domain, text.p);
	sl_findings_remedy(&s->found, "let it begin with \"v=spf1 \"");
	sl_findings_pasted(&s->found, "spf", s->domain, text);
}

/* The only record; p NULL: none, several, or broken, which was told. */
static struct sl_str
find_record(struct sl_survey *s, const struct sl_dns_answer *a)
{
	struct sl_str record = { NULL, 0 };
	struct sl_err err = { 0 };
	size_t i, n = 0;

	for (i = 0; i < a->n; i++) {
		if (!sl_spf_is_record(a->records[i].data)) {
			look_at_stranger(s, a->records[i].data);
			continue;
		}
		record = a->records[i].data;
		n++;
	}
	if (n == 0) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "%s has no SPF record", s->domain);
		sl_findings_remedy(&s->found, "publish a TXT record at %s: \"v=spf1 mx -all\" if its MX hosts "
		    "send its mail, \"v=spf1 -all\" if it sends none", s->domain);
	} else if (n > 1) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "%s has %zu SPF records: each check is "
		    "an error (RFC 7208 4.5)", s->domain, n);
		sl_findings_remedy(&s->found, "put the mechanisms of all into one record and remove the rest");
		record.p = NULL;
	} else if (sl_findings_pasted(&s->found, "spf", s->domain, record) > 0) {
		record.p = NULL;
	} else if (sl_spf_check_record(record, &err) != 0) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "the record can't be used, %s: %.*s",
		    err.text, (int)record.n, record.p);
		sl_findings_remedy(&s->found, "correct the term; as long as one is wrong, each check is an "
		    "error");
		record.p = NULL;
	}
	return record;
}

static void
look_at_end(struct sl_survey *s, const struct sl_spf_term *all, bool redirect, bool behind)
{
	if (all->kind != SL_SPF_ALL && !redirect) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "spf", "the record has neither \"all\" nor "
		    "\"redirect=\": whom nothing matches is neutral");
		sl_findings_remedy(&s->found, "end it with \"-all\", or \"~all\" while you look at reports");
	} else if (all->kind == SL_SPF_ALL && (behind || redirect)) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "spf", "what stands behind \"%.*s\"%s is never "
		    "looked at", (int)all->text.n, all->text.p, redirect ? ", and \"redirect=\"," : "");
		sl_findings_remedy(&s->found, "move it to the front, or take it out");
	} else if (all->kind == SL_SPF_ALL && all->qualifier == SL_SPF_NEUTRAL) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "spf", "\"?all\" says nothing about whom nothing "
		    "matches");
		sl_findings_remedy(&s->found, "use \"~all\" or \"-all\"");
	}
}

static void
look_at_terms(struct sl_survey *s, struct sl_str record)
{
	struct sl_str rest = sl_spf_terms(record), text;
	struct sl_spf_term term, all = { .kind = SL_SPF_UNKNOWN };
	bool redirect = false, behind = false;

	while (sl_spf_next_term(&rest, &text) && sl_spf_term_parse(&term, text, NULL) == 0) {
		behind = behind || (all.kind == SL_SPF_ALL && term.kind < SL_SPF_REDIRECT);
		redirect = redirect || term.kind == SL_SPF_REDIRECT;
		if (term.kind == SL_SPF_ALL && all.kind != SL_SPF_ALL)
			all = term;
		if (term.kind == SL_SPF_PTR) {
			sl_findings_add(&s->found, SL_FINDING_NOTE, "spf", "\"%.*s\" is slow and unreliable "
			    "(RFC 7208 5.5: do not use)", (int)text.n, text.p);
			sl_findings_remedy(&s->found, "name the networks with ip4: and ip6:");
		}
		if ((term.kind == SL_SPF_IP4 && term.prefix4 > 0 && term.prefix4 < 8) ||
		    (term.kind == SL_SPF_IP6 && term.prefix6 > 0 && term.prefix6 < 16)) {
			sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "\"%.*s\" permits a large part of "
			    "the Internet", (int)text.n, text.p);
			sl_findings_remedy(&s->found, "name only networks from which you send");
		}
	}
	look_at_end(s, &all, redirect, behind);
}

/* ---- the cost --------------------------------------------------------------- */

/* " include:a.example 4 include:b.example 6" */
static void
list_costs(struct sl_survey *s, struct sl_str record, struct sl_buf *out)
{
	struct sl_str rest = sl_spf_terms(record), text;
	struct sl_spf_term term;
	struct cost cost;
	char name[256];

	while (sl_spf_next_term(&rest, &text) && sl_spf_term_parse(&term, text, NULL) == 0) {
		if ((term.kind != SL_SPF_INCLUDE && term.kind != SL_SPF_REDIRECT) ||
		    sl_str_chr(term.domain, '%') >= 0 || !sl_spf_name(name, term.domain))
			continue;
		cost_of(s, name, &cost);
		sl_buf_printf(out, "%s%.*s costs %u", out->n > 0 ? ", " : "", (int)text.n, text.p,
		    cost.lookups + 1);
	}
}

static void
look_at_lookups(struct sl_survey *s, struct sl_str record, const struct cost *cost)
{
	bool over = cost->lookups > SL_SPF_MAX_LOOKUPS;
	struct sl_buf costs = SL_BUF_INIT;

	sl_findings_add(&s->found, over ? SL_FINDING_PROBLEM : cost->lookups >= MANY_LOOKUPS ?
	    SL_FINDING_NOTE : SL_FINDING_GOOD, "spf", "%u of the %d look-ups that are allowed%s",
	    cost->lookups, SL_SPF_MAX_LOOKUPS, over ? ": a check that gets so far is an error" : "");
	if (cost->lookups >= MANY_LOOKUPS) {
		list_costs(s, record, &costs);
		sl_findings_remedy(&s->found, "take out what you don't send with, or write ip4: and ip6: in "
		    "its place%s%s", costs.n > 0 ? ": " : "", costs.n > 0 ? costs.p : "");
	}
	sl_buf_clear(&costs);
}

/* An IPv6 client asks a: and mx: for addresses that many hosts don't have. */
static void
look_at_voids(struct sl_survey *s, const struct cost *cost)
{
	bool six = cost->voids[1] > cost->voids[0];
	unsigned n = cost->voids[six];

	if (n == 0)
		return;
	sl_findings_add(&s->found, n > SL_SPF_MAX_VOIDS ? SL_FINDING_PROBLEM : SL_FINDING_NOTE, "spf",
	    "%u %s without an answer%s; more than %d are an error", n, n == 1 ? "look-up" : "look-ups",
	    six ? " for a client with an IPv6 address" : "", SL_SPF_MAX_VOIDS);
	sl_findings_remedy(&s->found, "take out terms whose names are gone%s", six ?
	    ", write ip4: for hosts without IPv6 address" : "");
}

static void
look_at_result(struct sl_survey *s, const struct cost *cost)
{
	if (cost->status == SL_SPF_PASS) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "\"%s\" permits everybody to send for %s",
		    cost->mechanism, s->domain);
		sl_findings_remedy(&s->found, "end the record with \"-all\" or \"~all\" and name only what "
		    "sends for you");
	} else if (cost->status == SL_SPF_PERMERROR) {
		sl_findings_add(&s->found, SL_FINDING_PROBLEM, "spf", "a check ends with an error: %s",
		    cost->reason);
		sl_findings_remedy(&s->found, "correct or take out the term that leads there");
	} else if (cost->status == SL_SPF_TEMPERROR) {
		sl_findings_add(&s->found, SL_FINDING_TEMPORARY, "spf", "not all of it can be looked up now: "
		    "%s", cost->reason);
		sl_findings_remedy(&s->found, "try again; if it stays, the name servers of an include fail");
	}
}

static void
look_at_client(struct sl_survey *s, const struct sl_addr *ip)
{
	struct sl_spf_result r;
	enum sl_finding_weight weight;
	char text[64];

	evaluate(s, s->domain, ip, 0, &r);
	weight = r.status == SL_SPF_PASS ? SL_FINDING_GOOD :
	    r.status == SL_SPF_TEMPERROR ? SL_FINDING_TEMPORARY : SL_FINDING_PROBLEM;
	sl_findings_add(&s->found, weight, "spf", "%s: %s%s%s%s%s", sl_addr_ip(ip, text, sizeof(text)),
	    sl_spf_status_word(r.status), r.mechanism[0] != '\0' ? " by " : "", r.mechanism,
	    r.reason[0] != '\0' ? ": " : "", r.reason);
	if (weight == SL_FINDING_PROBLEM)
		sl_findings_remedy(&s->found, "if it sends for you, put %s%s into the record, in front of "
		    "\"all\"", ip->sa.sa_family == AF_INET ? "ip4:" : "ip6:", text);
}

void
sl_survey_spf(struct sl_survey *s, const struct sl_addr *ip)
{
	struct sl_dns_answer *a = sl_survey_ask(s, s->domain, SL_DNS_TXT);
	struct sl_str record = { NULL, 0 };
	struct cost cost;

	if (!sl_survey_open(s, "spf", s->domain, a))
		record = find_record(s, a);
	if (record.p != NULL) {
		sl_findings_add(&s->found, SL_FINDING_GOOD, "spf", "%.*s", (int)record.n, record.p);
		look_at_terms(s, record);
		cost_of(s, s->domain, &cost);
		look_at_lookups(s, record, &cost);
		look_at_voids(s, &cost);
		look_at_result(s, &cost);
	}
	if (ip != NULL)
		look_at_client(s, ip);
	sl_dns_answer_unref(a);
}
