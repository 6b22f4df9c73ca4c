/* The HTTP client against real servers: what it refuses, what it bounds, whom it believes. */
#include "http_testing.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "client.h"

static struct sl_loop *loop;
static struct sl_dns *dns;
static struct sl_http *http;
static struct web web;

static const char zone[] =
    "web.test. A 127.0.0.1\n"
    "inside.test. A 192.168.7.7\n"
    "meta.test. A 169.254.169.254\n"
    "mixed.test. A 192.0.2.1\nmixed.test. A 127.0.0.1\n"
    "mapped.test. AAAA ::ffff:127.0.0.1\n"
    "six.test. AAAA fe80::1\n"
    "silent.test. TIMEOUT\n"
    "empty.test. TXT none\n";

static int
setup(void **state)
{
	struct sl_dns_options o = { .zone = SL_STR(zone), .zone_only = true };
	struct sl_err err;

	(void)state;
	loop = sl_loop_new(NULL);
	dns = sl_dns_open(loop, &o, &err);
	http = sl_http_open(loop, dns, NULL, &err);
	web_start(&web, NULL, NULL);
	return http == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_http_close(http);
	sl_dns_unref(dns);
	sl_loop_free(loop);
	web_stop(&web);
	return 0;
}

/* The stage of the failure, or the status in words; "%d" in the URL is the port. */
static const char *
get(const char *url, struct sl_http_request r)
{
	const char *port = strstr(url, "%d");
	static char word[30];
	char text[200];
	struct sl_http_op *op;

	if (port != NULL)
		snprintf(text, sizeof(text), "%.*s%d%s", (int)(port - url), url, web.port, port + 2);
	else
		snprintf(text, sizeof(text), "%s", url);
	r.url = text;
	if (r.timeout_ms == 0)
		r.timeout_ms = 1000;
	op = sl_http_start(http, &r);
	sl_op_block(&op->op);
	if (op->op.status != 0) {
		assert_non_null(op->stage);
		assert_true(op->err.text[0] != '\0');
		snprintf(word, sizeof(word), "%s", op->stage);
	} else {
		snprintf(word, sizeof(word), "%ld", op->code);
	}
	assert_true(op->body.n <= (r.max_body != 0 ? r.max_body : 1048576));
	sl_op_release(&op->op);
	return word;
}

struct url_case {
	const char *url, *word;
};

static void
check(const struct url_case *cases, size_t n, struct sl_http_request r)
{
	const char *word;
	size_t i;

	for (i = 0; i < n; i++) {
		word = get(cases[i].url, r);
		if (strcmp(word, cases[i].word) != 0)
			fail_msg("%s: %s, not %s", cases[i].url, word, cases[i].word);
	}
}
#define COUNT(a)	(sizeof(a) / sizeof((a)[0]))

/* A33: private, loopback and mapped addresses are refused, however they are written. */
static void
test_a33_private_guard(void **state)
{
	static const struct url_case cases[] = {
		{ "http://127.0.0.1:%d/json", "refused" }, { "http://localhost:%d/json", "refused" },
		{ "http://web.test:%d/json", "refused" }, { "http://inside.test:%d/", "refused" },
		{ "http://mapped.test:%d/json", "refused" }, { "http://meta.test:%d/", "refused" },
		{ "http://[::ffff:127.0.0.1]:%d/json", "refused" }, { "http://0.0.0.0:%d/json", "refused" },
		{ "http://2130706433:%d/json", "refused" }, { "http://0x7f.1:%d/json", "refused" },
		{ "http://[::]:%d/json", "refused" }, { "http://six.test:%d/", "refused" },
	};
	struct sl_http_request r = { 0 };

	(void)state;
	check(cases, COUNT(cases), r);
	assert_int_equal(web.requests, 0);
}

/* Allowed: private, never link-local. */
static void
test_a33_linklocal_always(void **state)
{
	static const struct url_case cases[] = {
		{ "http://127.0.0.1:%d/json", "200" }, { "http://localhost:%d/json", "200" },
		{ "http://web.test:%d/json", "200" }, { "http://meta.test:%d/", "refused" },
		{ "http://169.254.169.254:%d/", "refused" }, { "http://six.test:%d/", "refused" },
		{ "http://[fe80::1]:%d/", "refused" },
	};
	struct sl_http_request r = { .allow_private = true };

	(void)state;
	check(cases, COUNT(cases), r);
	assert_int_equal(web.requests, 3);
}

/* A33: a connection that an allowed request left open doesn't serve one that isn't. */
static void
test_a33_guard_on_reused_connections(void **state)
{
	struct sl_http_request allowed = { .allow_private = true }, r = { 0 };

	(void)state;
	assert_string_equal(get("http://web.test:%d/json", allowed), "200");
	assert_string_equal(get("http://web.test:%d/json", r), "refused");
	assert_string_equal(get("http://web.test:%d/json", allowed), "200");
	assert_int_equal(web.requests, 2);
}

/* A33: slow, hanging, endless, said or unsaid; redirects are answers. */
static void
test_a33_servers_are_bounded(void **state)
{
	static const struct url_case cases[] = {
		{ "http://web.test:%d/slow", "200" }, { "http://web.test:%d/hang", "timeout" },
		{ "http://web.test:%d/500", "500" }, { "http://web.test:%d/redirect", "302" },
		{ "http://web.test:%d/gigabyte", "size" }, { "http://web.test:%d/endless", "size" },
		{ "http://silent.test:%d/", "timeout" }, { "http://none.test:%d/", "connect" },
		{ "http://empty.test:%d/", "connect" }, { "http://web.test:1/", "connect" },
	};
	struct sl_http_request r = { .allow_private = true };

	(void)state;
	check(cases, COUNT(cases), r);
}

static void
test_what_is_no_url(void **state)
{
	static const struct url_case cases[] = {
		{ "ftp://web.test:%d/", "protocol" }, { "file:///etc/passwd", "protocol" },
		{ "gopher://web.test:%d/", "protocol" }, { "nonsense", "protocol" }, { "", "protocol" },
		{ "http://web.test:%d/a\r\nX: y", "protocol" }, { "http://", "protocol" },
	};
	struct sl_http_request r = { .allow_private = true };

	(void)state;
	check(cases, COUNT(cases), r);
	r.method = "GET /x HTTP/1.1\r\n";
	assert_string_equal(get("http://web.test:%d/json", r), "protocol");
	assert_int_equal(web.requests, 0);
}

/* ---- TLS ------------------------------------------------------------------------------ */

static void
take_pem(BIO *bio, char *out, size_t size)
{
	int n = BIO_read(bio, out, (int)size - 1);

	assert_in_range(n, 1, size - 1);
	out[n] = '\0';
	BIO_free(bio);
}

/* A certificate for 'host' that is good until 'seconds' from now. */
static void
certificate(const char *host, long seconds, char cert[4000], char key[4000])
{
	EVP_PKEY *pkey = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char san[100];
	X509_EXTENSION *ext;

	snprintf(san, sizeof(san), "DNS:%s", host);
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -864000);
	X509_gmtime_adj(X509_getm_notAfter(x), seconds);
	X509_set_pubkey(x, pkey);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
	    (const unsigned char *)host, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	ext = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, san);
	X509_add_ext(x, ext, -1);
	X509_EXTENSION_free(ext);
	assert_true(X509_sign(x, pkey, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, x), 1);
	take_pem(bio, cert, 4000);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL), 1);
	take_pem(bio, key, 4000);
	X509_free(x);
	EVP_PKEY_free(pkey);
}

/* A33: expired, for another name, of nobody we know; verified unless told not to. */
static void
test_a33_certificates(void **state)
{
	static const struct {
		const char *host;
		long seconds;
		bool known, no_peer, no_host;
		const char *word;
	} cases[] = {
		{ "web.test", 3600, true, false, false, "200" },
		{ "web.test", -3600, true, false, false, "tls" },
		{ "other.test", 3600, true, false, false, "tls" },
		{ "web.test", 3600, false, false, false, "tls" },
		{ "other.test", 3600, true, false, true, "200" },
		{ "web.test", 3600, false, true, false, "200" },
	};
	char cert[4000], key[4000];
	const char *word;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(cases); i++) {
		struct sl_http_request r = { .allow_private = true, .no_verify_peer = cases[i].no_peer,
		    .no_verify_host = cases[i].no_host };

		certificate(cases[i].host, cases[i].seconds, cert, key);
		web_stop(&web);
		web_start(&web, cert, key);
		if (cases[i].known)
			r.ca_pem = sl_str_of(cert);
		word = get("https://web.test:%d/json", r);
		if (strcmp(word, cases[i].word) != 0)
			fail_msg("case %zu: %s, not %s", i, word, cases[i].word);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a33_private_guard, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_linklocal_always, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_guard_on_reused_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_servers_are_bounded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_is_no_url, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a33_certificates, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
