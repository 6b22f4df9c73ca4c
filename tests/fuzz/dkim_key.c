/* A key record, its key data as either kind of key, and a private key's text. */
#include <stdlib.h>

#include "../../core/auth/dkim.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
as_key(enum sl_key_type type, struct sl_str p)
{
	struct sl_pubkey *pubkey;
	char zeros[256] = { 0 };

	if (sl_pubkey_parse(&pubkey, type, p, NULL, NULL) < 0)
		return;
	/* An Ed25519 key of small order takes such signatures; who publishes one is to blame. */
	if (sl_pubkey_verify(pubkey, SL_DIGEST_SHA256, (struct sl_str){ zeros, 32 },
	    (struct sl_str){ zeros, sl_pubkey_bits(pubkey) / 8 }) == 1 && type == SL_KEY_RSA)
		abort();
	sl_pubkey_unref(pubkey);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str in = { (const char *)data, size };
	struct sl_dkim_key key;
	struct sl_key *private;

	if (sl_dkim_key_parse(&key, in, NULL) == 0 && !key.revoked)
		as_key(key.type, sl_buf_str(&key.p));
	sl_dkim_key_clear(&key);
	as_key(SL_KEY_RSA, in);
	if (sl_key_parse(&private, in, NULL) == 0)
		sl_key_unref(private);
	return 0;
}
