/*
 * SPF, DKIM and DMARC of one message, evaluated beside each other: all
 * questions to DNS that can be asked are under way at once, and the decision
 * of DMARC follows. One scan, any number of operations that wait for it.
 * ARC is a scan of its own, and so is SPF of the HELO name: most messages are
 * decided without them.
 */
#ifndef SL_AUTH_SCAN_H
#define SL_AUTH_SCAN_H

#include "arc.h"
#include "dkim.h"
#include "dmarc.h"
#include "spf.h"

struct sl_auth_scan;

/* Nothing of it is needed after the start but loop and dns. */
struct sl_auth_scan_options {
	int64_t now;			/* seconds since 1970; 0 = the loop's */
	struct sl_loop *loop;			/* of dns; its clock is the scan's */
	struct sl_dns *dns;			/* outlives the scan */
	struct sl_message *message;
	struct sl_pubkey_cache *keys;		/* outlives the scan; NULL = none */
	const struct sl_spf_options *spf;	/* NULL = SPF isn't checked */
	bool arc;				/* the chain, and nothing else */
	bool spf_alone;				/* 'spf', and nothing else */
	const char *sender_domain;		/* of the reverse-path, may be NULL: saves time */
	struct sl_dmarc_options dmarc;		/* the RFC to decide by */
	bool compare;				/* decide by the other RFC too */
	/* Called once from the loop with the results complete, before those who wait are
	 * told; must not free the scan. May be NULL. */
	void (*concluded)(const struct sl_auth_scan *scan, void *arg);
	void *arg;
};

/*
 * Starts. The ten topmost signatures count; each evaluation has 20 seconds,
 * what isn't known then is a temporary error. NULL = out of memory.
 */
struct sl_auth_scan *sl_auth_scan_start(const struct sl_auth_scan_options *options);
/* Done with 0 when the scan is; may be released before. NULL = out of memory. */
struct sl_op	*sl_auth_scan_wait(struct sl_auth_scan *scan);
/* Stops what is under way. Who still waits is never told. NULL is fine. */
void		 sl_auth_scan_free(struct sl_auth_scan *scan);

bool	 sl_auth_scan_done(const struct sl_auth_scan *scan);

/* Results, when the scan is done. They live as long as it does. */
/* NULL: SPF isn't checked. */
const struct sl_spf_result *sl_auth_scan_spf(const struct sl_auth_scan *scan);
/* Appends its Received-SPF value, as sl_spf_received; nothing when SPF isn't checked. */
int	 sl_auth_scan_received(const struct sl_auth_scan *scan, struct sl_buf *out);
const struct sl_dkim_verify *sl_auth_scan_dkim(const struct sl_auth_scan *scan);
const struct sl_dmarc_from *sl_auth_scan_from(const struct sl_auth_scan *scan);
/* NULL: the message has no author domain (permerror). */
const struct sl_dmarc_details *sl_auth_scan_dmarc(const struct sl_auth_scan *scan);
/* What the RFC that doesn't decide would have said; NULL without 'compare'. */
const struct sl_dmarc_details *sl_auth_scan_other(const struct sl_auth_scan *scan);
/* Of a scan with 'arc', which has no other result. */
const struct sl_arc_result *sl_auth_scan_arc(const struct sl_auth_scan *scan);

#endif
