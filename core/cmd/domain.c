/*
 * sluice domain check: MX, SPF, DKIM, DMARC, MTA-STS and TLS-RPT of a domain,
 * what is wrong with them, and what to do.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../auth/dkim.h"
#include "../auth/survey.h"
#include "../mail/address.h"
#include "cmd.h"

#define MAX_SELECTORS	20

struct job {
	const char *domain, *zone;
	const char *ip;			/* NULL = not given */
	struct sl_addr addr;		/* of ip */
	struct sl_str selectors[MAX_SELECTORS];
	size_t nselectors;
	bool json;
};

static int
report(const struct job *job, const struct sl_survey *s)
{
	json_t *out;

	if (!job->json) {
		cmd_print_findings(&s->found);
	} else {
		out = json_pack("{s:s, s:s, s:o}", "domain", s->domain, "result",
		    sl_finding_word(sl_findings_weight(&s->found)), "findings",
		    cmd_json_findings(&s->found));
		if (out != NULL)
			json_dumpf(out, stdout, JSON_COMPACT);
		printf("\n");
		json_decref(out);
	}
	return cmd_flush() == 0 ? cmd_findings_status(&s->found) : 2;
}

static int
look(const struct job *job, struct sl_survey *s)
{
	size_t i;
	int rc;

	sl_survey_mx(s);
	sl_survey_spf(s, job->ip != NULL ? &job->addr : NULL);
	for (i = 0; i < job->nselectors; i++)
		sl_survey_dkim(s, job->selectors[i]);
	if (job->nselectors == 0) {
		sl_findings_add(&s->found, SL_FINDING_NOTE, "dkim", "not looked at: DNS doesn't tell which "
		    "selectors there are");
		sl_findings_remedy(&s->found, "name one with --selector; s= of a DKIM-Signature field has it");
	}
	sl_survey_dmarc(s);
	sl_survey_tls(s);
	rc = report(job, s);
	sl_findings_clear(&s->found);
	return rc;
}

static int
check(const struct job *job)
{
	struct sl_survey s = { .now = time(NULL) };
	struct sl_err err;
	int rc = 2;

	if (sl_domain_normalize(s.domain, sl_str_of(job->domain), &err) != 0) {
		fprintf(stderr, "sluice: \"%s\" is no domain: %s\n", job->domain, err.text);
		return 2;
	}
	s.loop = sl_loop_new(&err);
	if (s.loop == NULL)
		fprintf(stderr, "sluice: %s\n", err.text);
	else
		s.dns = cmd_open_dns(s.loop, job->zone);
	if (s.dns != NULL)
		rc = look(job, &s);
	sl_dns_unref(s.dns);
	sl_loop_free(s.loop);
	return rc;
}

/* ---- arguments ---------------------------------------------------------------- */

static bool
take_option(struct job *job, int c, const char *value)
{
	switch (c) {
	case 's':
		if (job->nselectors == MAX_SELECTORS || !sl_dkim_domain_ok(sl_str_of(value)))
			return false;
		job->selectors[job->nselectors++] = sl_str_of(value);
		return true;
	case 'i':
		job->ip = value;
		return sl_addr_parse_ip(&job->addr, sl_str_of(value), 0) == 0;
	case 'z':
		job->zone = value;
		return true;
	case 'j':
		job->json = true;
		return true;
	default:
		return false;
	}
}

int
cmd_domain(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "selector", required_argument, NULL, 's' }, { "ip", required_argument, NULL, 'i' },
		{ "zone", required_argument, NULL, 'z' }, { "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct job job = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (take_option(&job, c, optarg))
			continue;
		if (c != '?')
			fprintf(stderr, "sluice: \"%s\" can't be used here\n", optarg);
		return cmd_usage("domain");
	}
	if (optind != argc - 2 || strcmp(argv[optind], "check") != 0)
		return cmd_usage("domain");
	job.domain = argv[optind + 1];
	return check(&job);
}
