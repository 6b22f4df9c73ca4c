/*
 * DMARC, RFC 9989 (tree walk, np, psd, t) or RFC 7489 (public suffix list,
 * pct). An evaluator in two steps, so that the policy's look-ups run beside
 * those of SPF and DKIM:
 *
 *	d = sl_dmarc_new(&options, from_domain);
 *	sl_dmarc_expect(d, mailfrom_domain);		may be aligned: ask about it too
 *	run sl_dmarc_evaluator(d)			policy is known
 *	sl_dmarc_decide(d, &inputs);			results of SPF and DKIM
 *	run the evaluator again unless it is done	(domains nobody expected)
 *	sl_dmarc_result(d)
 */
#ifndef SL_AUTH_DMARC_H
#define SL_AUTH_DMARC_H

#include "../mail/message.h"
#include "dkim.h"
#include "evaluator.h"
#include "spf.h"

/* ---- the record ----------------------------------------------------------- */

enum sl_dmarc_policy {
	SL_DMARC_P_ABSENT,	/* no such tag */
	SL_DMARC_P_INVALID,	/* a tag with another value */
	SL_DMARC_P_NONE, SL_DMARC_P_QUARANTINE, SL_DMARC_P_REJECT,	/* in order of strength */
};

const char *sl_dmarc_policy_word(enum sl_dmarc_policy policy);	/* "" "invalid" "none" ... */

#define SL_DMARC_MAX_RECORD	4096
#define SL_DMARC_MAX_URIS	10

struct sl_dmarc_record {
	enum sl_dmarc_policy p, sp, np;	/* as published */
	bool strict_spf, strict_dkim;	/* aspf=s, adkim=s */
	bool testing;			/* t=y */
	char psd;			/* 'y' 'n' 'u' */
	unsigned pct;			/* 0-100; 100 unless given (RFC 7489) */
	struct sl_str rua[SL_DMARC_MAX_URIS], ruf[SL_DMARC_MAX_URIS];	/* valid URIs, without "!size" */
	size_t nrua, nruf;
	struct sl_str fo;		/* "0" unless given */
};

/*
 * Borrows from the text. SL_ERR_NOTFOUND: no DMARC record at all (v= isn't
 * first or isn't DMARC1). One that counts as none: SL_ERR_SYNTAX, a tag of
 * ours twice (RFC 6376 3.2); SL_ERR_LIMIT, over SL_DMARC_MAX_RECORD. Bad
 * values are as if the tag weren't there, except of p, sp and np (RFC 9989
 * 4.8, 4.10.1); unknown tags and text that is no tag are nothing.
 */
int	 sl_dmarc_record_parse(struct sl_dmarc_record *out, struct sl_str text, struct sl_err *err);
/* RFC 9989 4.10.1, RFC 7489 6.6.3: p, sp and np are good, or there is a rua:
 * then *none is set and every policy is "none". False: no DMARC. */
bool	 sl_dmarc_record_usable(const struct sl_dmarc_record *record, bool *none);

/*
 * Does the answer for DOMAIN._report._dmarc.HOST (TXT) say that HOST takes
 * reports about DOMAIN (RFC 7489 7.1)? One DMARC record is enough.
 */
bool	 sl_dmarc_report_consent(const struct sl_dns_answer *answer);

/* ---- the author domain ---------------------------------------------------- */

#define SL_DMARC_MAX_FROM	50	/* mailboxes looked at */

struct sl_dmarc_from {
	char domain[256];	/* the author domain, A-labels; "" when there isn't exactly one */
	size_t fields;		/* From fields */
	size_t mailboxes;
	char reason[160];	/* why there is none */
};

/*
 * RFC 9989 5.3.1: one From field, which must be understood whole, with one
 * domain in it; more than one mailbox of one domain is fine. No mailbox,
 * several domains, an address literal, several fields: no author domain, and
 * never the first of them. 0, SL_ERR_SYNTAX (out->reason) or SL_ERR_NOMEM.
 * 'head' NULL: the header as received.
 */
int	 sl_dmarc_from(struct sl_dmarc_from *out, const struct sl_message *m,
	    const struct sl_head *head);

/* ---- evaluating ------------------------------------------------------------ */

enum sl_dmarc_profile { SL_DMARC_RFC9989, SL_DMARC_RFC7489 };

struct sl_dmarc_options {
	enum sl_dmarc_profile profile;
	unsigned sample;	/* RFC 7489: 0-99, drawn by the caller; applied if below pct */
};

/* The words of ScanDMARC. */
enum sl_dmarc_status {
	SL_DMARC_PASS, SL_DMARC_NONE, SL_DMARC_QUARANTINE, SL_DMARC_REJECT,
	SL_DMARC_TEMPERROR, SL_DMARC_POLICY_ABSENT, SL_DMARC_PERMERROR,
};

const char *sl_dmarc_status_word(enum sl_dmarc_status status);	/* "pass" ... "policy_absent" */

enum sl_dmarc_alignment { SL_DMARC_FAIL, SL_DMARC_UNALIGNED, SL_DMARC_ALIGNED };

/* "fail": the check failed or wasn't made; "unaligned": passed for another domain; "pass". */
const char *sl_dmarc_alignment_word(enum sl_dmarc_alignment alignment);

#define SL_DMARC_MAX_DKIM	20
#define SL_DMARC_MAX_NAMES	64	/* asked for one message; domains beyond don't align */

struct sl_dmarc_dkim {
	const char *domain, *selector;
	enum sl_dkim_status status;
};

struct sl_dmarc_inputs {
	/* NULL = not checked. A result of the HELO identity counts as not
	 * checked, whatever it says (RFC 9989 4.4.2). */
	const struct sl_spf_result *spf;
	const struct sl_dmarc_dkim *dkim;	/* the first SL_DMARC_MAX_DKIM count */
	size_t ndkim;
};

struct sl_dmarc_details {
	enum sl_dmarc_status status;	/* what to do */
	char reason[200];		/* for people */
	enum sl_dmarc_profile profile;
	char from[256];			/* author domain */
	char org[256];			/* its organizational domain, as the profile finds it */
	char psl[256];			/* the same by the public suffix list */
	char domain[256];		/* where the record was found; "" = no policy */
	char text[SL_DMARC_MAX_RECORD + 1];	/* the record */
	struct sl_dmarc_record record;	/* parsed; borrows from 'text' */
	enum sl_dmarc_policy published;	/* that applies to the author domain: of p, sp, np */
	enum sl_dmarc_policy policy;	/* after t=y; before sampling */
	bool subdomain;			/* the author domain is below 'domain' */
	bool nonexistent;		/* it doesn't exist (asked only when np matters) */
	bool sampled_out;		/* pct spared this message */

	bool spf_checked;
	enum sl_spf_status spf;
	char spf_domain[256];
	enum sl_dmarc_alignment spf_alignment, dkim_alignment;	/* the best of each kind */
	size_t ndkim;
	struct sl_dmarc_dkim_detail {
		char domain[256], selector[256];
		enum sl_dkim_status status;
		enum sl_dmarc_alignment alignment;
	} dkim[SL_DMARC_MAX_DKIM];
	unsigned queries;		/* names asked for */
};

struct sl_dmarc;

/*
 * 'from' is normalized (struct sl_dmarc_from); NULL or "" gives permerror.
 * NULL = out of memory.
 */
struct sl_dmarc	*sl_dmarc_new(const struct sl_dmarc_options *options, const char *from);
struct sl_evaluator *sl_dmarc_evaluator(struct sl_dmarc *d);
void		 sl_dmarc_free(struct sl_dmarc *d);

/*
 * A domain whose alignment may be asked about later: the MAIL FROM domain,
 * the d= of signatures. Only saves time, and asks only for names that can
 * make a difference. Ignored when it isn't a domain.
 */
void		 sl_dmarc_expect(struct sl_dmarc *d, const char *domain);

/*
 * The inputs are copied; once only. The evaluator may have further questions
 * afterwards; with done() true the result is final.
 */
void		 sl_dmarc_decide(struct sl_dmarc *d, const struct sl_dmarc_inputs *inputs);

/* Final when decided and the evaluator is done. status is TEMPERROR before. */
const struct sl_dmarc_details *sl_dmarc_result(const struct sl_dmarc *d);

/* ---- the log line ---------------------------------------------------------- */

struct sl_dmarc_log {
	const char *id;		/* of the message */
	int64_t ts;		/* seconds since 1970 */
	const char *ip, *helo, *mailfrom;	/* mailfrom: the domain; NULL or "" = null path */
};

/*
 * Appends "[DMARC] [MAIL].From=... SPF=... DKIM=... DMARC=... (k=v; ...)", keys
 * by name, as opendmarc-halonlog reads it. One line, no newline; what came
 * from outside can't add a key. Without a policy the keys of a policy lack.
 */
int		 sl_dmarc_log_line(struct sl_buf *out, const struct sl_dmarc_details *d,
		    const struct sl_dmarc_log *log);

#endif
