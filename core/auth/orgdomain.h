/*
 * Organizational domains: the DNS tree walk of RFC 9989 4.10 and the public
 * suffix list of RFC 7489 3.2. Names are as sl_domain_normalize leaves them.
 */
#ifndef SL_AUTH_ORGDOMAIN_H
#define SL_AUTH_ORGDOMAIN_H

#include "../base/bytes.h"

#define SL_WALK_MAX	8	/* queries of one walk */

/*
 * The domains that a walk from 'domain' visits, from the longest to the
 * shortest: views of its end, at most SL_WALK_MAX. Returns their number.
 */
size_t	 sl_walk_domains(const char *domain, const char *out[SL_WALK_MAX]);

/* What was found at one domain of the walk. */
enum sl_walk_found {
	SL_WALK_NOTHING,	/* no record, or several */
	SL_WALK_ERROR,		/* could not be asked for now */
	SL_WALK_RECORD,		/* a valid record, psd=u or no psd */
	SL_WALK_PSD,		/* psd=y */
	SL_WALK_ORG,		/* psd=n */
};

struct sl_walk {
	const char *org;	/* the organizational domain; part of 'domain' */
	const char *psd;	/* where psd=y was found above the start, or NULL */
	bool error;		/* the walk met an error before it ended: nothing is sure */
};

/* RFC 9989 4.10.2. 'found' belongs to sl_walk_domains(domain). */
void	 sl_walk_end(struct sl_walk *out, const char *domain, const enum sl_walk_found *found);

/*
 * The registrable domain by the public suffix list of libpsl (the newer of
 * its own and the system's, read once); part of 'domain'. A public suffix has
 * none: the domain itself then, *suffix (may be NULL) is set.
 */
const char *sl_orgdomain_psl(const char *domain, bool *suffix);

#endif
