/*
 * How fast: signatures against bare OpenSSL, whole verifications, and body
 * canonicalisation against SHA-256, all in one run since machines differ.
 *
 *   dkim_bench [seconds per figure]
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dkim.h"

static double seconds = 1;

static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Calls of 'work' per second of CPU time. */
static double
rate_of(void (*work)(void *), void *arg)
{
	double from, spent = 0;
	unsigned long n = 0, step = 1;

	work(arg);
	from = cpu();
	while (spent < seconds) {
		for (unsigned long i = 0; i < step; i++)
			work(arg);
		n += step;
		if (spent < seconds / 20)
			step *= 2;
		spent = cpu() - from;
	}
	return (double)n / spent;
}

struct bench {
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *ctx;
	struct sl_key *key;
	struct sl_pubkey *pubkey;
	struct sl_pubkey_cache *cache;
	struct sl_message *m, *signed_m;
	struct sl_buf record, sig;
	struct sl_str body;
	enum sl_canon canon;
	uint64_t sum;
};

static void
must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s failed\n", what);
		exit(1);
	}
}

static void
openssl_sign(void *arg)
{
	struct bench *b = arg;
	unsigned char digest[32] = { 1 }, sig[512];
	size_t n = sizeof(sig);

	must(EVP_PKEY_sign(b->ctx, sig, &n, digest, 32) == 1, "EVP_PKEY_sign");
}

static void
our_sign(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_request q = { SL_STR("sel"), SL_STR("example.com"), b->key, { 0 } };
	struct sl_buf value = SL_BUF_INIT;

	must(sl_dkim_sign(&value, &q, b->m, NULL, NULL, 1700000000, NULL) == 0, "sl_dkim_sign");
	sl_buf_clear(&value);
}

static void
bare_verify(void *arg)
{
	struct bench *b = arg;
	char digest[32] = { 1 };

	must(sl_pubkey_verify(b->pubkey, SL_DIGEST_SHA256, (struct sl_str){ digest, 32 },
	    sl_buf_str(&b->sig)) == 1, "sl_pubkey_verify");
}

static void
parse_pubkey(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_key key;
	struct sl_pubkey *pubkey = NULL;

	must(sl_dkim_key_parse(&key, sl_buf_str(&b->record), NULL) == 0 &&
	    sl_pubkey_parse(&pubkey, key.type, sl_buf_str(&key.p), NULL, NULL) == 0, "key record");
	sl_pubkey_unref(pubkey);
	sl_dkim_key_clear(&key);
}

static void
our_verify(void *arg)
{
	struct bench *b = arg;
	struct sl_dkim_verify_options options = { .now = 1700000000, .keys = b->cache };
	struct sl_dkim_verify *v = sl_dkim_verify_new(b->signed_m, &options);
	struct sl_evaluator *e = sl_dkim_verify_evaluator(v);
	struct sl_dns_record record = { .data = sl_buf_str(&b->record) };
	struct sl_dns_answer answer = { .refs = 1, .status = SL_DNS_OK, .n = 1, .records = &record };
	struct sl_question q;

	while (e->question(e, &q) == 1)
		e->answer(e, q.id, &answer);
	must(sl_dkim_verify_status(v) == SL_DKIM_PASS, "verify");
	sl_dkim_verify_free(v);
}

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

static void
make_keys(struct bench *b)
{
	struct sl_buf pub = SL_BUF_INIT;
	BIO *bio = BIO_new(BIO_s_mem());
	char *p;
	long n;

	b->pkey = EVP_RSA_gen(2048);
	PEM_write_bio_PKCS8PrivateKey(bio, b->pkey, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	must(sl_key_parse(&b->key, (struct sl_str){ p, (size_t)n }, NULL) == 0, "key");
	BIO_free(bio);
	b->ctx = EVP_PKEY_CTX_new(b->pkey, NULL);
	must(EVP_PKEY_sign_init(b->ctx) == 1 &&
	    EVP_PKEY_CTX_set_rsa_padding(b->ctx, RSA_PKCS1_PADDING) == 1 &&
	    EVP_PKEY_CTX_set_signature_md(b->ctx, EVP_sha256()) == 1, "context");
	sl_dkim_record(&b->record, b->key);
	sl_key_public(b->key, &pub);
	must(sl_pubkey_parse(&b->pubkey, SL_KEY_RSA, sl_buf_str(&pub), NULL, NULL) == 0, "public key");
	must(sl_key_sign(b->key, SL_DIGEST_SHA256, (struct sl_str){ (char[32]){ 1 }, 32 }, &b->sig,
	    NULL) == 0, "signature");
	sl_buf_clear(&pub);
}

static void
make_signed(struct bench *b)
{
	struct sl_dkim_request q = { SL_STR("sel"), SL_STR("example.com"), b->key, { 0 } };
	struct sl_buf field = SL_BUF_INIT;

	sl_buf_puts(&field, "DKIM-Signature: ");
	must(sl_dkim_sign(&field, &q, b->m, NULL, NULL, 1700000000, NULL) == 0, "sign");
	sl_buf_puts(&field, "\r\n");
	b->signed_m = make_message(sl_buf_str(&field), 4096);
	sl_buf_clear(&field);
}

static void
bodies(struct bench *b)
{
	struct sl_message *large = make_message((struct sl_str){ "", 0 }, 16 << 20);
	double gb = (double)large->body.n / 1e9;

	b->body = large->body;
	printf("sha256 of the body                 %8.2f GB/s\n", gb * rate_of(hash_body, b));
	for (int i = 0; i < 2; i++) {
		b->canon = i == 0 ? SL_CANON_RELAXED : SL_CANON_SIMPLE;
		printf("%-8s canonicalisation          %8.2f GB/s\n", sl_canon_word(b->canon),
		    gb * rate_of(canon_body, b));
		printf("%-8s body hash                 %8.2f GB/s\n", sl_canon_word(b->canon),
		    gb * rate_of(hash_canon_body, b));
	}
	sl_message_unref(large);
}

/* In turns and the best of each, so that other work on the machine disturbs both alike. */
static void
compare_signing(struct bench *b, double *raw, double *ours)
{
	double whole = seconds;

	*raw = *ours = 0;
	seconds = whole / 5;
	for (int i = 0; i < 10; i++) {
		double r = rate_of(openssl_sign, b), o = rate_of(our_sign, b);

		*raw = r > *raw ? r : *raw;
		*ours = o > *ours ? o : *ours;
	}
	seconds = whole;
}

int
main(int argc, char **argv)
{
	struct bench b = { 0 };
	double raw, ours;

	if (argc > 1)
		seconds = atof(argv[1]);
	make_keys(&b);
	b.m = make_message((struct sl_str){ "", 0 }, 4096);
	make_signed(&b);
	compare_signing(&b, &raw, &ours);
	printf("RSA-2048, 4 KB message, per second of one core\n");
	printf("openssl sign                       %8.0f\n", raw);
	printf("sl_dkim_sign                       %8.0f (%.3f of openssl)\n", ours, ours / raw);
	printf("sl_pubkey_verify                   %8.0f\n", rate_of(bare_verify, &b));
	printf("key record to public key           %8.0f\n", rate_of(parse_pubkey, &b));
	printf("whole verification, key new        %8.0f\n", rate_of(our_verify, &b));
	b.cache = sl_pubkey_cache_new(16);
	printf("whole verification, key known      %8.0f\n", rate_of(our_verify, &b));
	bodies(&b);
	sl_message_unref(b.m);
	sl_message_unref(b.signed_m);
	sl_key_unref(b.key);
	sl_pubkey_unref(b.pubkey);
	sl_pubkey_cache_free(b.cache);
	sl_buf_clear(&b.record);
	sl_buf_clear(&b.sig);
	EVP_PKEY_CTX_free(b.ctx);
	EVP_PKEY_free(b.pkey);
	return 0;
}
