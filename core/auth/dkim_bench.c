/*
 * How fast: signing and verifying whole messages, beside what limits them
 * (OpenSSL alone: the signature and SHA-256 of the message) and beside
 * libopendkim where it is; bodies beside SHA-256. The three take turns and the
 * best of each counts, since machines differ and other work disturbs.
 *
 *   dkim_bench [seconds per figure]
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "bench_testing.h"
#include "dkim.h"
#include "opendkim_testing.h"

#define TURNS	5

static double seconds = 1;

/* A key in each form that somebody wants. */
struct kind {
	const char *name;
	enum sl_key_type type;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *sign_ctx, *verify_ctx;	/* RSA */
	struct sl_key *key;
	struct sl_pubkey *pubkey;
	struct sl_buf pem, record;
	struct sl_buf sig;			/* of the digest below */
};

static const unsigned char digest[32] = { 1 };

struct bench {
	struct kind *kind;
	struct sl_pubkey_cache *cache;		/* NULL = the key is new each time */
	struct sl_message *m, *signed_m;
	struct peer sign, verify;
	struct sl_str body;
	enum sl_canon canon;
	uint64_t sum;
};

/* ---- OpenSSL alone ------------------------------------------------------------------ */

static void
hash_message(const struct sl_message *m)
{
	uint8_t h[SL_DIGEST_MAX];

	must(EVP_Digest(m->bytes.p, m->bytes.n, h, NULL, EVP_sha256(), NULL) == 1, "EVP_Digest");
}

static void
openssl_sign(void *arg)
{
	struct bench *b = arg;
	unsigned char sig[512];
	size_t n = sizeof(sig);
	EVP_MD_CTX *ctx;

	hash_message(b->m);
	if (b->kind->type == SL_KEY_RSA) {
		must(EVP_PKEY_sign(b->kind->sign_ctx, sig, &n, digest, 32) == 1, "EVP_PKEY_sign");
		return;
	}
	ctx = EVP_MD_CTX_new();
	must(EVP_DigestSignInit(ctx, NULL, NULL, NULL, b->kind->pkey) == 1 &&
	    EVP_DigestSign(ctx, sig, &n, digest, 32) == 1, "EVP_DigestSign");
	EVP_MD_CTX_free(ctx);
}

static void
openssl_verify(void *arg)
{
	struct bench *b = arg;
	const unsigned char *sig = (const unsigned char *)b->kind->sig.p;
	EVP_MD_CTX *ctx;

	hash_message(b->signed_m);
	if (b->kind->type == SL_KEY_RSA) {
		must(EVP_PKEY_verify(b->kind->verify_ctx, sig, b->kind->sig.n, digest, 32) == 1,
		    "EVP_PKEY_verify");
		return;
	}
	ctx = EVP_MD_CTX_new();
	must(EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, b->kind->pkey) == 1 &&
	    EVP_DigestVerify(ctx, sig, b->kind->sig.n, digest, 32) == 1, "EVP_DigestVerify");
	EVP_MD_CTX_free(ctx);
}

/* ---- ours --------------------------------------------------------------------------- */

static void
our_sign(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_request q = { SL_STR("sel"), SL_STR("example.com"), b->kind->key, { 0 } };
	struct sl_buf value = SL_BUF_INIT;

	must(sl_dkim_sign(&value, &q, b->m, NULL, NULL, 1700000000, NULL) == 0, "sl_dkim_sign");
	sl_buf_clear(&value);
}

static void
our_verify(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_verify_options options = { .now = 1700000000, .keys = b->cache };
	struct sl_dkim_verify *v = sl_dkim_verify_new(b->signed_m, &options);
	struct sl_evaluator *e = sl_dkim_verify_evaluator(v);
	struct sl_dns_record record = { .data = sl_buf_str(&b->kind->record) };
	struct sl_dns_answer answer = { .refs = 1, .status = SL_DNS_OK, .n = 1, .records = &record };
	struct sl_question q;

	while (e->question(e, &q) == 1)
		e->answer(e, q.id, &answer);
	must(sl_dkim_verify_status(v) == SL_DKIM_PASS, "verify");
	sl_dkim_verify_free(v);
}

static void
their_sign(void *arg)
{
	must(peer_sign(&((struct bench *)arg)->sign), "libopendkim: sign");
}

static void
their_verify(void *arg)
{
	must(peer_verify(&((struct bench *)arg)->verify), "libopendkim: verify");
}

static void
bare_verify(void *arg)
{
	struct bench *b = arg;

	must(sl_pubkey_verify(b->kind->pubkey, SL_DIGEST_SHA256,
	    (struct sl_str){ (const char *)digest, 32 }, sl_buf_str(&b->kind->sig)) == 1,
	    "sl_pubkey_verify");
}

static void
parse_pubkey(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_key key;
	struct sl_pubkey *pubkey = NULL;

	must(sl_dkim_key_parse(&key, sl_buf_str(&b->kind->record), NULL) == 0 &&
	    sl_pubkey_parse(&pubkey, key.type, sl_buf_str(&key.p), NULL, NULL) == 0, "key record");
	sl_pubkey_unref(pubkey);
	sl_dkim_key_clear(&key);
}

/* ---- bodies -------------------------------------------------------------------------- */

static void
count_bytes(void *arg, const void *p, size_t n)
{
	(void)p;
	*(uint64_t *)arg += n;
}

static void
canon_body(void *arg)
{
	struct bench *b = arg;
	struct sl_canon_body c;

	sl_canon_body_init(&c, b->canon, SL_CANON_ALL, count_bytes, &b->sum);
	sl_canon_body_update(&c, b->body.p, b->body.n);
	sl_canon_body_final(&c);
}

static void
hash_body(void *arg)
{
	struct bench *b = arg;
	uint8_t h[SL_DIGEST_MAX];

	must(sl_digest_of(SL_DIGEST_SHA256, b->body, h) == 0, "digest");
}

static void
hash_canon_body(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_body_hash h;

	must(sl_dkim_body_hash(NULL, b->body, b->canon, SL_DIGEST_SHA256, SL_CANON_ALL, &h) == 0,
	    "body hash");
}

/* ---- what to work on --------------------------------------------------------- */

static struct sl_message *
make_message(struct sl_str head, size_t body)
{
	static const char line[] = "The quick brown fox jumps over the lazy dog, again and again.\r\n";
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m;
	size_t n;
	char *bytes;

	sl_buf_putstr(&text, head);
	for (size_t i = 0; i < 8; i++)
		sl_buf_printf(&text, "Received: from host%zu.example by mx.example; "
		    "Tue, 14 Nov 2023 22:13:20 +0000\r\n", i);
	sl_buf_puts(&text, "From: Joe <joe@example.com>\r\nTo: Suzie <suzie@example.net>\r\n"
	    "Subject: A message of ordinary length\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
	    "Message-ID: <1@example.com>\r\nMIME-Version: 1.0\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	while (body > sizeof(line)) {
		sl_buf_puts(&text, line);
		body -= sizeof(line) - 1;
	}
	bytes = sl_buf_take(&text, &n);
	must(sl_message_from_memory(&m, bytes, n, NULL) == 0, "message");
	return m;
}

static EVP_PKEY_CTX *
rsa_context(EVP_PKEY *pkey, bool sign)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);

	must((sign ? EVP_PKEY_sign_init(ctx) : EVP_PKEY_verify_init(ctx)) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1, "context");
	return ctx;
}

static void
make_kind(struct kind *k)
{
	struct sl_buf pub = SL_BUF_INIT;
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	k->pkey = k->type == SL_KEY_RSA ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	sl_buf_put(&k->pem, p, (size_t)n);
	BIO_free(bio);
	must(sl_key_parse(&k->key, sl_buf_str(&k->pem), NULL) == 0, "key");
	if (k->type == SL_KEY_RSA) {
		k->sign_ctx = rsa_context(k->pkey, true);
		k->verify_ctx = rsa_context(k->pkey, false);
	}
	sl_dkim_record(&k->record, k->key);
	sl_key_public(k->key, &pub);
	must(sl_pubkey_parse(&k->pubkey, k->type, sl_buf_str(&pub), NULL, NULL) == 0, "public key");
	must(sl_key_sign(k->key, SL_DIGEST_SHA256, (struct sl_str){ (const char *)digest, 32 }, &k->sig,
	    NULL) == 0, "signature");
	sl_buf_clear(&pub);
}

static void
free_kind(struct kind *k)
{
	sl_key_unref(k->key);
	sl_pubkey_unref(k->pubkey);
	sl_buf_clear(&k->pem);
	sl_buf_clear(&k->record);
	sl_buf_clear(&k->sig);
	EVP_PKEY_CTX_free(k->sign_ctx);
	EVP_PKEY_CTX_free(k->verify_ctx);
	EVP_PKEY_free(k->pkey);
}

static void
make_messages(struct bench *b, size_t size)
{
	struct sl_dkim_request q = { SL_STR("sel"), SL_STR("example.com"), b->kind->key, { 0 } };
	struct sl_buf field = SL_BUF_INIT;

	b->m = make_message((struct sl_str){ "", 0 }, size);
	sl_buf_puts(&field, "DKIM-Signature: ");
	must(sl_dkim_sign(&field, &q, b->m, NULL, NULL, 1700000000, NULL) == 0, "sign");
	sl_buf_puts(&field, "\r\n");
	b->signed_m = make_message(sl_buf_str(&field), size);
	sl_buf_clear(&field);
	b->sign = (struct peer){ b->kind->pem.p, b->kind->record.p, b->kind->type != SL_KEY_RSA,
	    b->m->bytes };
	b->verify = b->sign;
	b->verify.message = b->signed_m->bytes;
}

/* ---- comparing -------------------------------------------------------------------------- */

static void
compare(struct bench *b, const char *what, const char *size, void (*ours)(void *),
    void (*limit)(void *), void (*theirs)(void *))
{
	void (*const work[3])(void *) = { ours, limit, theirs };
	double best[3] = { 0 };

	for (int i = 0; i < TURNS; i++)
		for (int k = 0; k < 3; k++) {
			double r = work[k] != NULL ? rate_of(work[k], b, seconds / TURNS) : 0;

			best[k] = r > best[k] ? r : best[k];
		}
	printf("%-6s %-8s %-5s %9.0f %9.0f %7.3f", what, b->kind->name, size, best[0], best[1],
	    best[0] / best[1]);
	if (theirs != NULL)
		printf(" %12.0f %6.1f", best[2], best[0] / best[2]);
	printf("\n");
	fflush(stdout);
}

static void
whole_messages(struct kind *kind, bool peer)
{
	static const struct {
		const char *name;
		size_t bytes;
	} sizes[] = { { "4 KB", 4096 }, { "1 MB", 1 << 20 } };
	struct bench b = { .kind = kind, .cache = sl_pubkey_cache_new(16) };

	peer = peer && (kind->type == SL_KEY_RSA || peer_has_ed25519());
	for (size_t i = 0; i < 2; i++) {
		make_messages(&b, sizes[i].bytes);
		compare(&b, "sign", sizes[i].name, our_sign, openssl_sign, peer ? their_sign : NULL);
		compare(&b, "verify", sizes[i].name, our_verify, openssl_verify,
		    peer ? their_verify : NULL);
		sl_message_unref(b.m);
		sl_message_unref(b.signed_m);
	}
	sl_pubkey_cache_free(b.cache);
}

static void
parts(struct kind *kind)
{
	struct bench b = { .kind = kind };

	make_messages(&b, 4096);
	printf("\nRSA-2048, in parts, per second of one core\n");
	printf("sl_pubkey_verify                   %8.0f\n", rate_of(bare_verify, &b, seconds));
	printf("key record to public key           %8.0f\n", rate_of(parse_pubkey, &b, seconds));
	printf("verify, 4 KB, key new              %8.0f\n", rate_of(our_verify, &b, seconds));
	sl_message_unref(b.m);
	sl_message_unref(b.signed_m);
}

static void
bodies(void)
{
	struct sl_message *large = make_message((struct sl_str){ "", 0 }, 16 << 20);
	struct bench b = { .body = large->body };
	double gb = (double)large->body.n / 1e9;

	printf("\nsha256 of the body                 %8.2f GB/s\n", gb * rate_of(hash_body, &b, seconds));
	for (int i = 0; i < 2; i++) {
		b.canon = i == 0 ? SL_CANON_RELAXED : SL_CANON_SIMPLE;
		printf("%-8s canonicalisation          %8.2f GB/s\n", sl_canon_word(b.canon),
		    gb * rate_of(canon_body, &b, seconds));
		printf("%-8s body hash                 %8.2f GB/s\n", sl_canon_word(b.canon),
		    gb * rate_of(hash_canon_body, &b, seconds));
	}
	sl_message_unref(large);
}

int
main(int argc, char **argv)
{
	struct kind rsa = { .name = "RSA-2048", .type = SL_KEY_RSA },
	    ed25519 = { .name = "Ed25519", .type = SL_KEY_ED25519 };
	bool peer = peer_open();

	if (argc > 1)
		seconds = atof(argv[1]);
	make_kind(&rsa);
	make_kind(&ed25519);
	printf("messages per second of one core; OpenSSL: the signature and SHA-256 of the message\n");
	printf("%-21s %9s %9s %7s %12s\n", "", "sluice", "OpenSSL", "ratio",
	    peer ? "libopendkim  ratio" : "");
	whole_messages(&rsa, peer);
	whole_messages(&ed25519, peer);
	parts(&rsa);
	bodies();
	free_kind(&rsa);
	free_kind(&ed25519);
	if (peer)
		peer_close();
	return 0;
}
