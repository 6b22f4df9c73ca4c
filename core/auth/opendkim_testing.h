/*
 * For dkim_bench: libopendkim on the same messages, as OpenDKIM uses it. Its
 * keys come from memory, so that no look-up is measured. Only with
 * WITH_OPENDKIM; else nothing is there.
 */
#ifndef SL_AUTH_OPENDKIM_TESTING_H
#define SL_AUTH_OPENDKIM_TESTING_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../base/bytes.h"

struct peer {
	const char *pem;		/* private key */
	const char *record;		/* its key record */
	bool ed25519;
	struct sl_str message;		/* to sign, or signed */
};

#if WITH_OPENDKIM

#include <sys/types.h>
#include <opendkim/dkim.h>

static DKIM_LIB *peer_lib;
static const char *peer_record;

static DKIM_CBSTAT
peer_key(DKIM *dkim, DKIM_SIGINFO *sig, unsigned char *buf, size_t n)
{
	(void)dkim;
	(void)sig;
	snprintf((char *)buf, n, "%s", peer_record);
	return DKIM_CBSTAT_CONTINUE;
}

static inline bool
peer_open(void)
{
	peer_lib = dkim_init(NULL, NULL);
	return peer_lib != NULL && dkim_set_key_lookup(peer_lib, peer_key) == DKIM_STAT_OK;
}

static inline void
peer_close(void)
{
	dkim_close(peer_lib);
}

static inline bool
peer_has_ed25519(void)
{
	return dkim_libfeature(peer_lib, DKIM_FEATURE_ED25519);
}

static inline DKIM_STAT
peer_feed(DKIM *dkim, struct sl_str message)
{
	DKIM_STAT status = dkim_chunk(dkim, (unsigned char *)(uintptr_t)message.p, message.n);

	if (status == DKIM_STAT_OK)
		status = dkim_chunk(dkim, NULL, 0);
	return status == DKIM_STAT_OK ? dkim_eom(dkim, NULL) : status;
}

static inline bool
peer_sign(const struct peer *p)
{
	unsigned char header[4096];
	DKIM_STAT status;
	DKIM *dkim = dkim_sign(peer_lib, (const unsigned char *)"id", NULL,
	    (unsigned char *)(uintptr_t)p->pem, (const unsigned char *)"sel",
	    (const unsigned char *)"example.com", DKIM_CANON_RELAXED, DKIM_CANON_RELAXED,
	    p->ed25519 ? DKIM_SIGN_ED25519SHA256 : DKIM_SIGN_RSASHA256, -1, &status);

	if (dkim == NULL)
		return false;
	status = peer_feed(dkim, p->message);
	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr(dkim, header, sizeof(header), sizeof("DKIM-Signature: "));
	dkim_free(dkim);
	return status == DKIM_STAT_OK;
}

static inline bool
peer_verify(const struct peer *p)
{
	DKIM_STAT status;
	DKIM *dkim;

	peer_record = p->record;
	dkim = dkim_verify(peer_lib, (const unsigned char *)"id", NULL, &status);
	if (dkim == NULL)
		return false;
	status = peer_feed(dkim, p->message);
	dkim_free(dkim);
	return status == DKIM_STAT_OK;
}

#else

static inline bool
peer_open(void)
{
	return false;
}

static inline void
peer_close(void)
{
}

static inline bool
peer_has_ed25519(void)
{
	return false;
}

static inline bool
peer_sign(const struct peer *p)
{
	(void)p;
	return false;
}

static inline bool
peer_verify(const struct peer *p)
{
	(void)p;
	return false;
}

#endif

#endif
