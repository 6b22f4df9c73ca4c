/*
 * What DNS says of a domain's mail, looked at as a whole and told in
 * sentences. For offline commands: each call steps the loop until it is done.
 * Records are read by what evaluates them for messages.
 */
#ifndef SL_AUTH_SURVEY_H
#define SL_AUTH_SURVEY_H

#include "../dns/dns.h"
#include "evaluator.h"
#include "finding.h"

struct sl_survey {
	struct sl_loop *loop;
	struct sl_dns *dns;
	char domain[256];		/* normalized */
	int64_t now;			/* seconds since 1970 */
	struct sl_findings found;	/* added to by all; the caller's to clear */
};

/* Null MX, hosts without addresses or with one for a name. Area "mx". */
void	 sl_survey_mx(struct sl_survey *s);
/*
 * The record, its syntax, what it costs in look-ups, whom it permits; with
 * 'ip' (may be NULL) whether this address may send. Area "spf".
 */
void	 sl_survey_spf(struct sl_survey *s, const struct sl_addr *ip);
/* The key record of one selector. Area "dkim". */
void	 sl_survey_dkim(struct sl_survey *s, struct sl_str selector);
/* Which record applies and by what walk, its policy, where reports go. Area "dmarc". */
void	 sl_survey_dmarc(struct sl_survey *s);
/* The TXT records of MTA-STS (RFC 8461 3.1) and TLS-RPT (RFC 8460 3). Areas "mta-sts", "tls-rpt". */
void	 sl_survey_tls(struct sl_survey *s);

/* ---- for the parts ----------------------------------------------------------- */

/* The caller's to unref; NULL when out of memory, which the findings know then. */
struct sl_dns_answer *sl_survey_ask(struct sl_survey *s, const char *name, enum sl_dns_type type);
/* True when the answer is temporary: it was told. */
bool	 sl_survey_open(struct sl_survey *s, const char *area, const char *name,
	    const struct sl_dns_answer *answer);
/* Runs an evaluator to its end. */
void	 sl_survey_run(struct sl_survey *s, struct sl_evaluator *e);

#endif
