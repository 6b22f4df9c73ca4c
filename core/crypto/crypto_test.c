/* Digests, random bytes, keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "der.h"
#include "digest.h"
#include "key.h"
#include "random.h"

static struct sl_str
view(const struct sl_buf *b)
{
	return sl_buf_str(b);
}

/* FIPS 180-4 and RFC 2202/4231 examples. */
static void
test_digests(void **state)
{
	static const struct {
		enum sl_digest_alg alg;
		const char *in, *hex;
	} cases[] = {
		{ SL_DIGEST_SHA256, "abc",
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ SL_DIGEST_SHA256, "",
		    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ SL_DIGEST_SHA1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d" },
		{ SL_DIGEST_MD5, "abc", "900150983cd24fb0d6963f7d28e17f72" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint8_t h[SL_DIGEST_MAX], again[SL_DIGEST_MAX];
		struct sl_buf hex = SL_BUF_INIT;
		struct sl_digest d;
		size_t size = sl_digest_size(cases[i].alg);

		assert_int_equal(sl_digest_of(cases[i].alg, sl_str_of(cases[i].in), h), 0);
		sl_hex_encode(&hex, (struct sl_str){ (char *)h, size });
		assert_string_equal(hex.p, cases[i].hex);
		assert_int_equal(sl_digest_init(&d, cases[i].alg), 0);
		for (int round = 0; round < 2; round++) {
			for (const char *p = cases[i].in; *p; p++)
				sl_digest_update(&d, p, 1);
			assert_int_equal(sl_digest_final(&d, again), 0);
			assert_memory_equal(h, again, size);
		}
		sl_digest_clear(&d);
		sl_buf_clear(&hex);
	}
}

static void
test_random(void **state)
{
	char a[SL_UUID_SIZE], b[SL_UUID_SIZE], mark[SL_SECRET_MARK];
	unsigned seen = 0;
	uint64_t v;

	(void)state;
	assert_int_equal(sl_uuid4(a), 0);
	assert_int_equal(sl_uuid4(b), 0);
	assert_int_equal(strlen(a), 36);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_string_not_equal(a, b);
	for (int i = 0; i < 500; i++) {
		assert_int_equal(sl_random_below(7, &v), 0);
		assert_true(v < 7);
		seen |= 1u << v;
	}
	assert_int_equal(seen, 0x7f);
	sl_secret_mark(SL_STR("abc"), mark);
	assert_string_equal(mark, "[secret sha256:ba7816bf]");
	assert_true(sl_equal_secret(SL_STR("abc"), SL_STR("abc")));
	assert_false(sl_equal_secret(SL_STR("abc"), SL_STR("abd")));
	assert_false(sl_equal_secret(SL_STR("abc"), SL_STR("ab")));
}

/* ---- keys made on the spot -------------------------------------------- */

static EVP_PKEY *
make_rsa(unsigned bits, unsigned long exponent)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BIGNUM *e = BN_new();
	EVP_PKEY *pkey = NULL;

	assert_non_null(ctx);
	BN_set_word(e, exponent);
	assert_int_equal(EVP_PKEY_keygen_init(ctx), 1);
	EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, (int)bits);
	EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e);
	EVP_PKEY_generate(ctx, &pkey);
	EVP_PKEY_CTX_free(ctx);
	BN_free(e);
	assert_non_null(pkey);
	return pkey;
}

static void
to_pem(struct sl_buf *out, EVP_PKEY *pkey, bool traditional, const char *password)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	if (traditional)
		PEM_write_bio_PrivateKey_traditional(bio, pkey, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_bio_PKCS8PrivateKey(bio, pkey, password ? EVP_aes_128_cbc() : NULL,
		    password, password ? (int)strlen(password) : 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	sl_buf_put(out, p, (size_t)n);
	BIO_free(bio);
}

static void
to_der64(struct sl_buf *out, EVP_PKEY *pkey, const char *tail)
{
	unsigned char *der = NULL;
	int n = i2d_PrivateKey(pkey, &der);
	struct sl_buf raw = SL_BUF_INIT;

	sl_buf_put(&raw, der, (size_t)n);
	sl_buf_puts(&raw, tail);
	sl_base64_encode(out, view(&raw));
	sl_buf_clear(&raw);
	OPENSSL_free(der);
}

/* Signs with a parsed key, verifies with what its record would hold. */
static void
round_trip(struct sl_str text, enum sl_key_type type, unsigned bits)
{
	struct sl_buf pub = SL_BUF_INIT, sig = SL_BUF_INIT;
	struct sl_pubkey *pubkey;
	struct sl_key *key;
	struct sl_err err = { 0 };
	uint8_t h[32];
	struct sl_str digest = { (char *)h, 32 };
	unsigned seen;

	memset(h, 7, sizeof(h));
	assert_int_equal(sl_key_parse(&key, text, &err), 0);
	assert_int_equal(sl_key_type(key), type);
	assert_int_equal(sl_key_bits(key), bits);
	assert_int_equal(sl_key_public(key, &pub), 0);
	assert_int_equal(sl_pubkey_parse(&pubkey, type, view(&pub), &seen, &err), 0);
	assert_int_equal(seen, bits);
	assert_int_equal(sl_key_sign(key, SL_DIGEST_SHA256, digest, &sig, &err), 0);
	assert_int_equal(sl_pubkey_verify(pubkey, SL_DIGEST_SHA256, digest, view(&sig)), 1);
	for (size_t i = 0; i < sig.n; i += 9) {
		sig.p[i] ^= 1;
		assert_int_equal(sl_pubkey_verify(pubkey, SL_DIGEST_SHA256, digest, view(&sig)), 0);
		sig.p[i] ^= 1;
	}
	assert_int_equal(sl_pubkey_verify(pubkey, SL_DIGEST_SHA256, digest,
	    sl_str_sub(view(&sig), 0, sig.n - 1)), 0);
	sl_buf_putc(&sig, 0);
	assert_int_equal(sl_pubkey_verify(pubkey, SL_DIGEST_SHA256, digest, view(&sig)), 0);
	sig.n--;
	h[0] ^= 1;
	assert_int_equal(sl_pubkey_verify(pubkey, SL_DIGEST_SHA256, digest, view(&sig)), 0);
	sl_pubkey_unref(pubkey);
	sl_key_unref(key);
	sl_buf_clear(&pub);
	sl_buf_clear(&sig);
}

static void
test_private_keys(void **state)
{
	EVP_PKEY *rsa = make_rsa(2048, 65537), *small = make_rsa(1024, 3);
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *ec = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *weak = make_rsa(768, 65537);
	struct sl_buf b = SL_BUF_INIT;
	struct sl_key *key;
	struct sl_err err = { 0 };

	(void)state;
	to_pem(&b, rsa, false, NULL);
	round_trip(view(&b), SL_KEY_RSA, 2048);
	sl_buf_reset(&b);
	to_pem(&b, rsa, true, NULL);
	round_trip(view(&b), SL_KEY_RSA, 2048);
	sl_buf_reset(&b);
	to_der64(&b, small, "");
	round_trip(view(&b), SL_KEY_RSA, 1024);
	sl_buf_reset(&b);
	to_pem(&b, ed, false, NULL);
	round_trip(view(&b), SL_KEY_ED25519, 256);
	/* RFC 8463 A.2 */
	round_trip(SL_STR("nWGxne/9WmC6hEr0kuwsxERJ\r\nxWl7MmkZcDusAxyuf2A="), SL_KEY_ED25519, 256);

	sl_buf_reset(&b);
	to_pem(&b, rsa, false, "secret");
	assert_int_equal(sl_key_parse(&key, view(&b), &err), SL_ERR_SYNTAX);
	sl_buf_reset(&b);
	to_der64(&b, rsa, "x");
	assert_int_equal(sl_key_parse(&key, view(&b), &err), SL_ERR_SYNTAX);
	sl_buf_reset(&b);
	to_pem(&b, ec, false, NULL);
	assert_int_equal(sl_key_parse(&key, view(&b), &err), SL_ERR_INVAL);
	sl_buf_reset(&b);
	to_pem(&b, weak, false, NULL);
	assert_int_equal(sl_key_parse(&key, view(&b), &err), SL_ERR_LIMIT);
	assert_non_null(strstr(err.text, "768"));
	assert_int_equal(sl_key_parse(&key, SL_STR(""), &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_key_parse(&key, SL_STR("-----BEGIN"), &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_key_parse(&key, SL_STR("AAAA"), &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_key_parse(&key, SL_STR("not base64!"), &err), SL_ERR_SYNTAX);
	assert_null(key);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(small);
	EVP_PKEY_free(ed);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(weak);
	sl_buf_clear(&b);
}

static void
test_cache(void **state)
{
	static const char *const seeds[] = {
		"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=",
		"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2E=",
		"nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2I=",
	};
	static const int order[] = { 0, 1, 0, 2, 0, 1 };	/* with room for two */
	struct sl_key_cache *cache = sl_key_cache_new(2);
	struct sl_key *key, *held = NULL;
	uint64_t hits, misses;

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(sl_key_cache_get(cache, sl_str_of(seeds[order[i]]), &key, NULL), 0);
		if (i == 1)
			held = key;
		else
			sl_key_unref(key);
	}
	sl_key_cache_stats(cache, &hits, &misses);
	assert_int_equal(hits, 2);
	assert_int_equal(misses, 4);
	assert_int_equal(sl_key_cache_get(cache, SL_STR("?"), &key, NULL), SL_ERR_SYNTAX);
	sl_key_cache_free(cache);
	assert_int_equal(sl_key_type(held), SL_KEY_ED25519);
	sl_key_unref(held);
}

static void
test_pubkey_cache(void **state)
{
	struct sl_pubkey_cache *cache = sl_pubkey_cache_new(1);
	struct sl_pubkey *a, *b, *c;
	char p[32] = { 1 };
	unsigned bits;

	(void)state;
	assert_int_equal(sl_pubkey_cache_get(cache, SL_KEY_ED25519, (struct sl_str){ p, 32 }, &a, NULL,
	    NULL), 0);
	assert_int_equal(sl_pubkey_cache_get(cache, SL_KEY_ED25519, (struct sl_str){ p, 32 }, &b, &bits,
	    NULL), 0);
	assert_ptr_equal(a, b);
	assert_int_equal(bits, 256);
	/* The same bytes are no RSA key. */
	assert_int_equal(sl_pubkey_cache_get(cache, SL_KEY_RSA, (struct sl_str){ p, 32 }, &c, NULL,
	    NULL), SL_ERR_SYNTAX);
	p[0] = 2;
	assert_int_equal(sl_pubkey_cache_get(cache, SL_KEY_ED25519, (struct sl_str){ p, 32 }, &c, NULL,
	    NULL), 0);
	assert_ptr_not_equal(a, c);
	sl_pubkey_cache_free(cache);
	sl_pubkey_unref(a);
	sl_pubkey_unref(b);
	sl_pubkey_unref(c);
}

/* ---- public keys ------------------------------------------------------- */

static void
put_integer(struct sl_buf *out, const unsigned char *p, size_t n)
{
	bool pad = n == 0 || p[0] >= 0x80;

	sl_buf_putc(out, 2);
	if (n + pad >= 0x100) {
		sl_buf_putc(out, (char)0x82);
		sl_buf_putc(out, (char)((n + pad) >> 8));
	} else if (n + pad >= 0x80) {
		sl_buf_putc(out, (char)0x81);
	}
	sl_buf_putc(out, (char)(n + pad));
	if (pad)
		sl_buf_putc(out, 0);
	sl_buf_put(out, p, n);
}

static void
put_sequence(struct sl_buf *out, const struct sl_buf *inner)
{
	sl_buf_putc(out, 0x30);
	if (inner->n >= 0x100) {
		sl_buf_putc(out, (char)0x82);
		sl_buf_putc(out, (char)(inner->n >> 8));
	} else if (inner->n >= 0x80) {
		sl_buf_putc(out, (char)0x81);
	}
	sl_buf_putc(out, (char)inner->n);
	sl_buf_putstr(out, sl_buf_str(inner));
}

static int
parse_numbers(unsigned bits, const void *e, size_t e_n, unsigned *seen)
{
	static unsigned char n[4096];
	struct sl_buf inner = SL_BUF_INIT, der = SL_BUF_INIT;
	struct sl_pubkey *key;
	size_t size = (bits + 7) / 8;
	int r;

	memset(n, 0xff, size);
	n[0] = (unsigned char)(0xff >> (size * 8 - bits));
	put_integer(&inner, n, size);
	put_integer(&inner, e, e_n);
	put_sequence(&der, &inner);
	r = sl_pubkey_parse(&key, SL_KEY_RSA, view(&der), seen, NULL);
	sl_pubkey_unref(key);
	sl_buf_clear(&inner);
	sl_buf_clear(&der);
	return r;
}

/* A19 */
static void
test_rsa_limits(void **state)
{
	static const struct {
		unsigned bits;
		const char *e;
		size_t e_n;
		int want;
	} cases[] = {
		{ 512, "\1\0\1", 3, SL_ERR_LIMIT }, { 768, "\1\0\1", 3, SL_ERR_LIMIT },
		{ 1023, "\1\0\1", 3, SL_ERR_LIMIT }, { 1024, "\1\0\1", 3, 0 },
		{ 2048, "\1\0\1", 3, 0 }, { 4096, "\1\0\1", 3, 0 },
		{ 4097, "\1\0\1", 3, SL_ERR_LIMIT }, { 16384, "\1\0\1", 3, SL_ERR_LIMIT },
		{ 2048, "\3", 1, 0 }, { 2048, "\1", 1, SL_ERR_SYNTAX },
		{ 2048, "\2", 1, SL_ERR_SYNTAX }, { 2048, "\1\0\0", 3, SL_ERR_SYNTAX },
		{ 2048, "\x7f\xff\xff\xff", 4, 0 }, { 2048, "\xff\xff\xff\xff", 4, 0 },
		{ 2048, "\1\0\0\0\1", 5, SL_ERR_SYNTAX }, { 2048, "", 0, SL_ERR_SYNTAX },
	};
	unsigned seen;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = parse_numbers(cases[i].bits, cases[i].e, cases[i].e_n, &seen);

		if (r != cases[i].want)
			fail_msg("case %zu: %d instead of %d", i, r, cases[i].want);
		if (r != SL_ERR_SYNTAX)
			assert_int_equal(seen, cases[i].bits);
	}
}

/* No prefix of a key, and no key with one byte more or another tag, is a key. */
static void
test_der_strict(void **state)
{
	EVP_PKEY *rsa = make_rsa(1024, 65537);
	unsigned char *der = NULL;
	int n = i2d_PUBKEY(rsa, &der);
	struct sl_buf b = SL_BUF_INIT;
	struct sl_str modulus, exponent;

	(void)state;
	sl_buf_put(&b, der, (size_t)n);
	assert_true(sl_der_rsa(view(&b), &modulus, &exponent));
	assert_int_equal(modulus.n, 128);
	assert_int_equal(exponent.n, 3);
	for (size_t i = 0; i < b.n; i++)
		assert_false(sl_der_rsa(sl_str_sub(view(&b), 0, i), &modulus, &exponent));
	for (size_t i = 0; i < 28; i++) {	/* everything before the modulus */
		b.p[i] ^= 0x20;
		assert_false(sl_der_rsa(view(&b), &modulus, &exponent));
		b.p[i] ^= 0x20;
	}
	sl_buf_putc(&b, 0);
	assert_false(sl_der_rsa(view(&b), &modulus, &exponent));
	sl_buf_clear(&b);
	OPENSSL_free(der);
	EVP_PKEY_free(rsa);
}

static void
test_ed25519_length(void **state)
{
	char zeros[64] = { 0 };
	struct sl_pubkey *key;

	(void)state;
	for (size_t n = 0; n <= 64; n++) {
		if (n == 32)
			continue;
		assert_int_equal(sl_pubkey_parse(&key, SL_KEY_ED25519, (struct sl_str){ zeros, n },
		    NULL, NULL), SL_ERR_SYNTAX);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_random), cmocka_unit_test(test_private_keys),
		cmocka_unit_test(test_cache), cmocka_unit_test(test_pubkey_cache),
		cmocka_unit_test(test_rsa_limits),
		cmocka_unit_test(test_der_strict), cmocka_unit_test(test_ed25519_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
