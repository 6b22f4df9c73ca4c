/*
 * How fast a host of sluice.h is on one core: whole transactions (MAIL, RCPT, message,
 * outcome) with nothing to do, signed, and verified.
 *
 *   embed_bench [seconds per figure]
 */
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../base/bytes.h"
#include "../crypto/key.h"
#include "../auth/dkim.h"
#include "../sluice.h"

static char folder[] = "/tmp/sluice-bench-XXXXXX";
static double seconds = 1;
static struct sl_buf result;		/* the message of the last outcome */
static int code;

static void
must(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "embed_bench: %s\n", what);
		exit(1);
	}
}

static void
write_file(const char *name, struct sl_str text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	must((f = fopen(path, "w")) != NULL, path);
	fwrite(text.p, 1, text.n, f);
	fclose(f);
}

/* A key, and the zone text that publishes it in strings of 200 bytes. */
static void
write_key(void)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	BIO *bio = BIO_new(BIO_s_mem());
	struct sl_buf record = SL_BUF_INIT, zone = SL_BUF_INIT;
	struct sl_key *key;
	struct sl_str pem;
	char *p;
	size_t i;

	PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
	pem.n = (size_t)BIO_get_mem_data(bio, &p);
	pem.p = p;
	write_file("keys/k.pem", pem);
	must(sl_key_parse(&key, pem, NULL) == 0 && sl_dkim_record(&record, key) == 0, "key");
	sl_buf_puts(&zone, "s._domainkey.example.com. IN TXT (");
	for (i = 0; i < record.n; i += 200)
		sl_buf_printf(&zone, " \"%.200s\"", record.p + i);
	sl_buf_puts(&zone, " )\n_dmarc.example.com. IN TXT \"v=DMARC1; p=reject\"\n");
	write_file("zone.txt", sl_buf_str(&zone));
	sl_buf_clear(&record);
	sl_buf_clear(&zone);
	sl_key_unref(key);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
}

static void
write_policy(void)
{
	char path[200];

	must(mkdtemp(folder) != NULL, folder);
	snprintf(path, sizeof(path), "%s/keys", folder);
	mkdir(path, 0700);
	write_key();
	write_file("sluice.lua", SL_STR("return { hostname = 'mx.example.org', dns = { zone = 'zone.txt', "
	    "zone_only = true },\nservers = { plain = {},\nsign = { flows = { data = 'sign.lua' } },\n"
	    "verify = { flows = { data = 'verify.lua' } } } }\n"));
	write_file("sign.lua", SL_STR("assert(DKIMSign('s', 'example.com', 'pki:k'))\n"));
	write_file("verify.lua", SL_STR("local result = ScanDMARC()\n"
	    "if result['example.com'] ~= 'pass' then Reject('DMARC') end\n"));
}

static void
remove_policy(void)
{
	static const char *const names[] = { "sluice.lua", "sign.lua", "verify.lua", "zone.txt",
	    "keys/k.pem", "keys", "" };
	char path[200];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		remove(path);
	}
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	(void)arg;
	code = v->code;
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	on_verdict(arg, o->verdict);
	sl_buf_reset(&result);
	for (size_t i = 0; o->n > 0 && i < o->messages[0].npieces; i++)
		sl_buf_putstr(&result, o->messages[0].pieces[i]);
}

static void
wait_ok(struct sl_session *s, int rc)
{
	must(rc == 0 && sl_session_wait(s) == 0 && code == 250, "a step was refused");
}

static void
transaction(struct sl_session *s, struct sl_str message)
{

	wait_ok(s, sl_session_mail(s, SL_STR("<ann@example.com>"), NULL, on_verdict, NULL));
	wait_ok(s, sl_session_rcpt(s, SL_STR("<bob@example.org>"), on_verdict, NULL));
	must(sl_session_data(s, message) == 0, "data");
	wait_ok(s, sl_session_data_end(s, on_outcome, NULL));
	sl_session_reset(s);
}

static double
cpu(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
measure(struct sl_engine *engine, const char *server, struct sl_str message)
{
	struct sl_session_info info = { .server = server, .senderip = "192.0.2.1", .serverip = "" };
	struct sl_session *s;
	double start, used;
	unsigned long n = 0;

	must(sl_session_open(engine, &info, &s, NULL) == 0, "session");
	for (start = cpu(); (used = cpu() - start) < seconds; n++)
		transaction(s, message);
	sl_session_close(s);
	printf("  %-8s %8.1f KB  %9.0f messages/s of one core's time\n", server,
	    (double)message.n / 1000, (double)n / used);
}

static void
sizes(struct sl_engine *engine, size_t size)
{
	struct sl_buf plain = SL_BUF_INIT, sent = SL_BUF_INIT;

	sl_buf_puts(&plain, "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: hello\r\n"
	    "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n");
	while (plain.n < size)
		sl_buf_puts(&plain, "A line of text as people write them, of seventy bytes or somewhat.\r\n");
	measure(engine, "plain", sl_buf_str(&plain));
	measure(engine, "sign", sl_buf_str(&plain));
	sl_buf_putstr(&sent, sl_buf_str(&result));
	measure(engine, "verify", sl_buf_str(&sent));
	sl_buf_clear(&plain);
	sl_buf_clear(&sent);
}

int
main(int argc, char **argv)
{
	struct sl_engine_options options = { .stdlib = "stdlib" };
	struct sl_engine *engine = sl_engine_new(&options, NULL);

	if (argc > 1)
		seconds = atof(argv[1]);
	write_policy();
	must(engine != NULL && sl_engine_load(engine, folder, NULL, NULL) == 0, "the policy");
	sizes(engine, 2000);
	sizes(engine, 50000);
	sl_engine_free(engine);
	remove_policy();
	sl_buf_clear(&result);
	return 0;
}
