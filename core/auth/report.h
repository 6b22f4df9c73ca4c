/*
 * Aggregate reports of DMARC (RFC 7489 appendix C, RFC 9990): what a receiver
 * says of the mail that it got in a domain's name. Reading them, and adding
 * several up. A report is a claim: nothing in it is proved, and every text in
 * it is its sender's; whoever prints one makes it harmless.
 */
#ifndef SL_AUTH_REPORT_H
#define SL_AUTH_REPORT_H

#include "../base/alloc.h"
#include "../base/bytes.h"
#include "../base/err.h"

/* Caps: beyond, SL_ERR_LIMIT. */
#define SL_REPORT_MAX_FILE	(32 * 1024 * 1024)	/* as it came */
#define SL_REPORT_MAX_XML	(64 * 1024 * 1024)	/* unpacked */
#define SL_REPORT_MAX_RECORDS	200000
#define SL_REPORT_MAX_DEPTH	32			/* of elements */
#define SL_REPORT_MAX_RESULTS	20	/* of each kind in a record; the rest is dropped */
#define SL_REPORT_MAX_TEXT	1000	/* bytes of a text; longer ones are cut */

/* ---- one report ---------------------------------------------------------- */

/* Texts are never NULL; "" = not said. Keywords are in lower case. */
struct sl_report_result {
	const char *domain, *selector, *scope, *result;	/* selector: DKIM; scope: SPF */
};

/* Why the receiver did something else than the policy asks for. */
struct sl_report_reason {
	const char *type, *comment;
};

struct sl_report_record {
	const char *source_ip;
	uint64_t count;			/* messages */
	const char *disposition;	/* "none" "quarantine" "reject", RFC 9990 also "pass" */
	const char *dkim, *spf;		/* "pass": and aligned */
	const char *header_from, *envelope_from, *envelope_to;
	size_t ndkim, nspf, nreasons;
	const struct sl_report_result *dkim_results, *spf_results;
	const struct sl_report_reason *reasons;
};

struct sl_report {
	const char *version, *org_name, *email, *report_id;
	int64_t begin, end;		/* seconds since 1970; 0 = not said */
	const char *domain;		/* of the policy published, lower case */
	const char *p, *sp, *np, *adkim, *aspf, *pct, *fo, *testing, *discovery_method;
	size_t nrecords;
	struct sl_report_record *records;
	uint8_t digest[32];		/* SHA-256 of the XML */
	struct sl_arena *texts;		/* private */
};

/*
 * Parses the XML. Elements that neither RFC knows are passed over. Refused:
 * what isn't well-formed, any document type (so that no entity can be
 * declared, let alone expanded), a root that isn't <feedback>, a report
 * without the domain, a count that is no number: SL_ERR_SYNTAX.
 */
int	 sl_report_parse(struct sl_report **out, struct sl_str xml, struct sl_err *err);
void	 sl_report_free(struct sl_report *report);

/*
 * The XML in a file as it came: plain, gzip, a zip archive with one report, or
 * a mail that has one of these attached. What it is shows in its first bytes,
 * never in a name. *xml borrows from 'file', or from 'memory', which the
 * caller clears in any case. SL_ERR_LIMIT while unpacking, before more than
 * SL_REPORT_MAX_XML is written. SL_ERR_CORRUPT: damaged; SL_ERR_SYNTAX:
 * nothing that can hold a report.
 */
int	 sl_report_unpack(struct sl_str *xml, struct sl_buf *memory, struct sl_str file,
	    struct sl_err *err);

/* ---- several together ----------------------------------------------------- */

/* Whose mail that failed DMARC seems to be. */
enum sl_report_cause {
	SL_REPORT_UNKNOWN,	/* nothing in it passed for anybody */
	SL_REPORT_OTHER,	/* SPF or DKIM passed for another domain, 'name' */
	SL_REPORT_FORWARDED,	/* the domain's own signature is there and fails, or the reporter says so */
	SL_REPORT_PARTLY,	/* other mail of the same address passed */
	SL_REPORT_CAUSES,
};

const char *sl_report_cause_word(enum sl_report_cause cause);	/* "unknown" "other" ... */

#define SL_REPORT_EXAMPLES	3

/* Failed messages of one cause and, where it has one, one name. */
struct sl_report_failure {
	enum sl_report_cause cause;
	char *name;			/* "" = none */
	uint64_t messages;
	size_t sources;			/* addresses */
	const char *examples[SL_REPORT_EXAMPLES];	/* those with most messages; NULL = no more */
};

/* One client address. */
struct sl_report_source {
	char *ip;
	char *name;			/* a domain it authenticated as; "" = none */
	uint64_t messages, pass, dkim, spf;	/* of messages: DMARC, DKIM, SPF passed */
	void *failures;			/* private */
};

/* Would p=reject keep out what is wanted? */
enum sl_report_harm { SL_REPORT_HARMLESS, SL_REPORT_MAYBE, SL_REPORT_HARMS };

const char *sl_report_harm_word(enum sl_report_harm harm);	/* "no" "maybe" "yes" */

struct sl_report_domain {
	char *domain;
	size_t reports;
	int64_t begin, end;		/* of all reports */
	char *p, *sp, *np;		/* as the latest report has them */
	uint64_t messages, pass, dkim, spf;
	uint64_t quarantined, rejected;	/* what receivers did */
	enum sl_report_harm harm;
	size_t nsources, nfailures;	/* both by messages, most first */
	struct sl_report_source **sources;
	struct sl_report_failure *failures;
	void *private;
};

struct sl_report_sum;

struct sl_report_sum *sl_report_sum_new(void);
void	 sl_report_sum_free(struct sl_report_sum *sum);
/*
 * SL_ERR_EXISTS: these very bytes were added before and aren't counted again. What
 * only has the id of another report is counted, else a forged one could hide it;
 * *same_id tells.
 */
int	 sl_report_sum_add(struct sl_report_sum *sum, const struct sl_report *report, bool *same_id);
/* Once, after the last one. The domains by name; they live as long as 'sum'. */
int	 sl_report_sum_finish(struct sl_report_sum *sum);
size_t	 sl_report_sum_count(const struct sl_report_sum *sum);
const struct sl_report_domain *sl_report_sum_at(const struct sl_report_sum *sum, size_t i);

#endif
