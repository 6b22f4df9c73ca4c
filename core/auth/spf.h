/*
 * SPF, RFC 7208 (with RFC 8616 for UTF-8 senders): check_host() as an
 * evaluator. One evaluation is of one identity, HELO or MAIL FROM; the two
 * are never mixed.
 *
 * A record is checked whole before any of it is used. Includes stand on a
 * stack of their own, so a hostile chain costs memory for at most as many
 * levels as look-ups are allowed.
 */
#ifndef SL_AUTH_SPF_H
#define SL_AUTH_SPF_H

#include "evaluator.h"

#define SL_SPF_MAX_LOOKUPS	10	/* RFC 7208 4.6.4: terms that cause queries */
#define SL_SPF_MAX_VOIDS	2	/* terms whose query finds nothing */
#define SL_SPF_MAX_NAMES	10	/* hosts of an mx, names of an address */

enum sl_spf_status {
	SL_SPF_NONE, SL_SPF_NEUTRAL, SL_SPF_PASS, SL_SPF_FAIL, SL_SPF_SOFTFAIL,
	SL_SPF_TEMPERROR, SL_SPF_PERMERROR,
};

const char *sl_spf_status_word(enum sl_spf_status status);	/* "none" "neutral" ... */

enum sl_spf_identity {
	SL_SPF_MAILFROM,	/* RFC 7208 2.4; the null path is postmaster@ the HELO name */
	SL_SPF_HELO,		/* RFC 7208 2.3; says nothing to DMARC */
};

struct sl_spf_options {
	enum sl_spf_identity identity;
	struct sl_addr ip;		/* of the client; IPv4-mapped IPv6 counts as IPv4 */
	struct sl_str helo;		/* as the client said it; may be anything */
	struct sl_str sender;		/* reverse-path without brackets; empty = null path */
	struct sl_str receiver;		/* our name: %{r}, Received-SPF; empty = "unknown" */
	int64_t now;			/* seconds since 1970: %{t} */
	int max_lookups, max_voids;	/* 0 = the RFC's, -1 = none allowed; 50 at most */
};

struct sl_spf_result {
	enum sl_spf_status status;
	enum sl_spf_identity identity;
	char reason[200];	/* for people: why none, temperror, permerror; else empty */
	char mechanism[256];	/* the outermost term that decided, as written; "default" when
				 * none matched, empty for none and the errors */
	char explanation[512];	/* the domain's (6.2), for fail; printable ASCII; empty = none */
	char domain[256];	/* that was checked, A-labels; empty when it isn't a domain */
	char sender[520];	/* the identity as a mailbox: local@domain */
	unsigned lookups, voids;
};

struct sl_spf;

/* Texts of the options are copied. NULL = out of memory. */
struct sl_spf	*sl_spf_new(const struct sl_spf_options *options);
struct sl_evaluator *sl_spf_evaluator(struct sl_spf *spf);
void		 sl_spf_free(struct sl_spf *spf);
/* Complete when the evaluator is done; SL_SPF_TEMPERROR before. Lives as long as spf. */
const struct sl_spf_result *sl_spf_result(const struct sl_spf *spf);

/*
 * Appends the value of a Received-SPF field (RFC 7208 9.1), folded with CRLF
 * TAB, no final CRLF. What came from outside can't leave its place.
 */
int		 sl_spf_received(struct sl_buf *out, const struct sl_spf *spf);

/*
 * Is this text a version 1 record (RFC 7208 4.5)? And is such a record without
 * error (4.6, whole grammar)? SL_ERR_SYNTAX names the term.
 */
bool		 sl_spf_is_record(struct sl_str text);
int		 sl_spf_check_record(struct sl_str record, struct sl_err *err);

#endif
