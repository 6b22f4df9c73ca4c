/*
 * How fast: everything that a gateway finds out about one message, SPF, DKIM
 * and DMARC together, with the answers known to the resolver; beside the one
 * thing in it that can't be avoided, the check of an RSA-2048 signature and
 * SHA-256 of the message by OpenSSL alone.
 *
 *   scan_bench [seconds per figure]
 */
#include <openssl/evp.h>
#include <string.h>

#include "bench_testing.h"
#include "scan.h"

struct bench {
	struct sl_loop *loop;
	struct sl_dns *dns;
	struct sl_pubkey_cache *cache;
	struct sl_message *m;
	struct sl_pubkey *pubkey;
	struct sl_buf sig;
	struct sl_addr ip;
	struct sl_key *key;
};

static void
limit(void *arg)
{
	struct bench *b = arg;
	uint8_t h[SL_DIGEST_MAX];

	must(EVP_Digest(b->m->bytes.p, b->m->bytes.n, h, NULL, EVP_sha256(), NULL) == 1 &&
	    sl_pubkey_verify(b->pubkey, SL_DIGEST_SHA256, SL_STR("0123456789abcdef0123456789abcdef"),
	    sl_buf_str(&b->sig)) == 1, "signature");
}

static void
scan(void *arg)
{
	struct bench *b = arg;
	struct sl_spf_options spf = {
		.ip = b->ip, .helo = SL_STR("mx.example.com"), .sender = SL_STR("joe@example.com"),
	};
	struct sl_auth_scan_options o = {
		.loop = b->loop, .dns = b->dns, .message = b->m, .keys = b->cache, .spf = &spf,
		.sender_domain = "example.com",
	};
	struct sl_auth_scan *s = sl_auth_scan_start(&o);
	struct sl_op *op = s != NULL ? sl_auth_scan_wait(s) : NULL;

	must(op != NULL && sl_op_block(op) == 0, "scan");
	must(sl_auth_scan_spf(s)->status == SL_SPF_PASS &&
	    sl_dkim_verify_status(sl_auth_scan_dkim(s)) == SL_DKIM_PASS &&
	    sl_auth_scan_dmarc(s)->status == SL_DMARC_PASS, "result");
	sl_op_release(op);
	sl_auth_scan_free(s);
}

/* ---- what to work on ---------------------------------------------------------- */

static void
make_key(struct bench *b)
{
	struct sl_buf pem = SL_BUF_INIT, pub = SL_BUF_INIT;

	must(sl_key_generate(&pem, SL_KEY_RSA, 2048, NULL) == 0 &&
	    sl_key_parse(&b->key, sl_buf_str(&pem), NULL) == 0 && sl_key_public(b->key, &pub) == 0 &&
	    sl_pubkey_parse(&b->pubkey, SL_KEY_RSA, sl_buf_str(&pub), NULL, NULL) == 0 &&
	    sl_key_sign(b->key, SL_DIGEST_SHA256, SL_STR("0123456789abcdef0123456789abcdef"), &b->sig,
	    NULL) == 0, "key");
	sl_buf_clear(&pem);
	sl_buf_clear(&pub);
}

static void
open_dns(struct bench *b)
{
	struct sl_buf record = SL_BUF_INIT, zone = SL_BUF_INIT;
	struct sl_dns_options options = { .zone_only = true };

	sl_dkim_record(&record, b->key);
	sl_buf_puts(&zone, "example.com. IN TXT \"v=spf1 mx include:_spf.example.net ~all\"\n"
	    "example.com. IN MX 10 mx.example.com.\nmx.example.com. IN A 198.51.100.1\n"
	    "_spf.example.net. IN TXT \"v=spf1 ip4:192.0.2.0/24 ~all\"\n"
	    "_dmarc.example.com. IN TXT \"v=DMARC1; p=reject\"\nsel._domainkey.example.com. IN TXT");
	for (size_t i = 0; i < record.n; i += 200)
		sl_buf_printf(&zone, " \"%.200s\"", record.p + i);
	sl_buf_puts(&zone, "\n");
	options.zone = sl_buf_str(&zone);
	b->dns = sl_dns_open(b->loop, &options, NULL);
	must(b->dns != NULL, "zone");
	sl_buf_clear(&record);
	sl_buf_clear(&zone);
}

static void
put_text(struct sl_buf *text, size_t size)
{
	sl_buf_puts(text, "From: Joe <joe@example.com>\r\nTo: Suzie <suzie@example.net>\r\n"
	    "Subject: A message of ordinary length\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
	    "Message-ID: <1@example.com>\r\n\r\n");
	while (text->n < size)
		sl_buf_puts(text, "The quick brown fox jumps over the lazy dog, again and again.\r\n");
}

static struct sl_message *
message_of(struct sl_buf *text)
{
	struct sl_message *m;
	size_t n;
	char *bytes = sl_buf_take(text, &n);

	must(sl_message_from_memory(&m, bytes, n, NULL) == 0, "message");
	return m;
}

static void
make_message(struct bench *b, size_t size)
{
	struct sl_dkim_request q = { SL_STR("sel"), SL_STR("example.com"), b->key, { 0 } };
	struct sl_buf plain = SL_BUF_INIT, text = SL_BUF_INIT;
	struct sl_message *m;

	put_text(&plain, size);
	m = message_of(&plain);
	sl_buf_puts(&text, "DKIM-Signature: ");
	must(sl_dkim_sign(&text, &q, m, NULL, NULL, 1700000000, NULL) == 0, "sign");
	sl_buf_puts(&text, "\r\n");
	sl_buf_putstr(&text, m->bytes);
	sl_message_unref(m);
	b->m = message_of(&text);
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		size_t size;
	} sizes[] = { { "4 KB", 4096 }, { "64 KB", 65536 } };
	struct bench b = { .loop = sl_loop_new(NULL), .cache = sl_pubkey_cache_new(16) };
	double seconds = argc > 1 ? atof(argv[1]) : 1;

	must(b.loop != NULL && sl_addr_parse_ip(&b.ip, SL_STR("192.0.2.7"), 25) == 0, "loop");
	make_key(&b);
	open_dns(&b);
	printf("messages per second of one core\n%-28s %9s %9s %7s\n", "", "sluice", "OpenSSL", "ratio");
	for (size_t i = 0; i < 2; i++) {
		double ours, theirs;

		make_message(&b, sizes[i].size);
		ours = rate_of(scan, &b, seconds);
		theirs = rate_of(limit, &b, seconds);
		printf("SPF, DKIM and DMARC, %-7s %9.0f %9.0f %7.3f\n", sizes[i].name, ours, theirs,
		    ours / theirs);
		sl_message_unref(b.m);
	}
	sl_pubkey_cache_free(b.cache);
	sl_pubkey_unref(b.pubkey);
	sl_key_unref(b.key);
	sl_buf_clear(&b.sig);
	sl_dns_unref(b.dns);
	sl_loop_free(b.loop);
	return 0;
}
