/*
 * What DNS says of a DKIM key, as its owner wants to know it: before a
 * signature is made with it, and in sentences. The records are read by what
 * verifies signatures, and judged as it would.
 */
#ifndef SL_AUTH_DKIM_PUBLISHED_H
#define SL_AUTH_DKIM_PUBLISHED_H

#include "dkim.h"
#include "finding.h"

enum sl_dkim_published {
	SL_DKIM_PUB_UNKNOWN,	/* DNS didn't answer */
	SL_DKIM_PUB_MISSING,	/* no record there */
	SL_DKIM_PUB_BROKEN,	/* a record that can't be read */
	SL_DKIM_PUB_UNFIT,	/* k=, h=, s= or the key's size forbid it */
	SL_DKIM_PUB_REVOKED,
	SL_DKIM_PUB_OTHER,	/* the public half of another key */
	SL_DKIM_PUB_GOOD,	/* signatures of the key will verify */
};

const char *sl_dkim_published_word(enum sl_dkim_published state);	/* "unknown" ... "published" */

/* "SELECTOR._domainkey.DOMAIN", lower case; out has 256 bytes. False: too long for a name. */
bool	 sl_dkim_key_name(char *out, struct sl_str selector, struct sl_str domain);

/*
 * The answer for a key's name (TXT), judged for the private key. Of several
 * records the best counts, as it does to a verifier that tries them all.
 */
enum sl_dkim_published sl_dkim_published(const struct sl_dns_answer *answer,
	    const struct sl_key *key);

/*
 * The same in sentences, about everything that is wrong. 'key' NULL: only what
 * the records alone tell. 'area' is a literal.
 */
void	 sl_dkim_look(struct sl_findings *f, const char *area, const char *name,
	    const struct sl_dns_answer *answer, const struct sl_key *key);

#endif
