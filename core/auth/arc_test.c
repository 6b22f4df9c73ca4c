/* ARC without DNS: what the structure of a chain decides, and chains we make ourselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "arc.h"

#define NOW	1700000000


static struct sl_message *
message_of(struct sl_buf *text)
{
	struct sl_message *m;
	size_t n;
	char *bytes = sl_buf_take(text, &n);

	assert_non_null(bytes);
	assert_int_equal(sl_message_from_memory(&m, bytes, n, NULL), 0);
	return m;
}

/* ---- structure -------------------------------------------------------------- */

#define AAR(i)	"ARC-Authentication-Results: i=" i "; mx.example; spf=pass\r\n"
#define AMS(i)	"ARC-Message-Signature: i=" i "; a=rsa-sha256; d=example.org; s=s; " \
	"c=relaxed/relaxed; h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
#define AS(i, cv)	"ARC-Seal: i=" i "; a=rsa-sha256; cv=" cv "; d=example.org; s=s; b=AAAA\r\n"
#define SET(i, cv)	AS(i, cv) AMS(i) AAR(i)

/* A30: what the structure alone decides, or leaves to the signatures. */
struct structure {
	const char *name, *fields;
	const char *reason;	/* part of it; NULL = the structure is good */
	unsigned instances;
};

static const struct structure structures[] = {
	{ "one set", SET("1", "none"), NULL, 1 },
	{ "any case of the names", "arc-SEAL: i=1; a=rsa-sha256; cv=NONE; d=example.org; s=s; b=AA==\r\n"
	    AMS("1") AAR("1"), NULL, 1 },
	{ "two digits", SET("01", "none"), NULL, 1 },
	{ "comments around i= of the results", AS("1", "none") AMS("1")
	    "ARC-Authentication-Results: (a (b)) i (c) = 1 (d) ; mx.example; none\r\n", NULL, 1 },
	{ "an unknown method", AS("1", "none") AMS("1") "ARC-Authentication-Results: i=1; mx.example; "
	    "dara=pass header.x=y; arc=none\r\n", NULL, 1 },
	{ "an unknown tag", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=s; zz=1; b=AAAA\r\n"
	    AMS("1") AAR("1"), NULL, 1 },
	{ "sets in any order", SET("1", "none") SET("2", "pass"), NULL, 2 },
	{ "a gap", SET("3", "pass") SET("1", "none"), "set 2 has no", 3 },
	{ "it begins with 2", SET("2", "pass"), "set 1 has no", 2 },
	{ "i=0", SET("0", "none"), "i= is no instance", 0 },
	{ "i=51", SET("51", "pass"), "more than 50", 0 },
	{ "i=99999999999999999999", SET("99999999999999999999", "pass"), "i= is no instance", 0 },
	{ "i=001", SET("001", "none"), "i= is no instance", 0 },
	{ "i=-1", SET("-1", "none"), "i= is no instance", 0 },
	{ "i=1x", SET("1x", "none"), "i= is no instance", 0 },
	{ "a seal twice", AS("1", "none") SET("1", "none"), "ARC-Seal: i=1 twice", 1 },
	{ "a message signature twice", AMS("1") SET("1", "none"), "ARC-Message-Signature: i=1 twice", 1 },
	{ "results twice", SET("1", "none") AAR("1"), "ARC-Authentication-Results: i=1 twice", 1 },
	{ "a set twice", SET("1", "none") SET("1", "none"), "i=1 twice", 1 },
	{ "no seal", AMS("1") AAR("1"), "set 1 has no ARC-Seal", 1 },
	{ "no message signature", AS("1", "none") AAR("1"), "set 1 has no ARC-Message-Signature", 1 },
	{ "no results", AS("1", "none") AMS("1"), "set 1 has no ARC-Authentication-Results", 1 },
	{ "results without i=", AS("1", "none") AMS("1")
	    "ARC-Authentication-Results: mx.example; none\r\n", "doesn't begin with i=", 1 },
	{ "results without ;", AS("1", "none") AMS("1") "ARC-Authentication-Results: i=1 mx.example\r\n",
	    "no \";\" after i=", 1 },
	{ "an open comment", AS("1", "none") AMS("1") "ARC-Authentication-Results: i=1 (; mx.example\r\n",
	    "no \";\" after i=", 1 },
	{ "cv=pass first", SET("1", "pass"), "cv=pass, not none", 1 },
	{ "cv=none later", SET("2", "none") SET("1", "none"), "cv=none, not pass", 2 },
	{ "cv=fail below", SET("2", "pass") SET("1", "fail"), "cv=fail, not none", 2 },
	{ "cv=fail newest", SET("2", "fail") SET("1", "none"), "ARC-Seal 2 says cv=fail", 2 },
	{ "cv=fail alone above a gap", SET("7", "fail") SET("1", "none"), "ARC-Seal 7 says cv=fail", 7 },
	{ "cv= unknown", SET("1", "maybe"), "has no cv=", 1 },
	{ "a tag twice", "ARC-Seal: i=1; i=1; a=rsa-sha256; cv=none; d=example.org; s=s; b=AAAA\r\n"
	    AMS("1") AAR("1"), "twice", 1 },
	{ "h= in the seal", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=s; h=from; b=AAAA\r\n"
	    AMS("1") AAR("1"), "h= is not allowed in a seal", 1 },
	{ "the seal with rsa-sha1", "ARC-Seal: i=1; a=rsa-sha1; cv=none; d=example.org; s=s; b=AAAA\r\n"
	    AMS("1") AAR("1"), "rsa-sha1 is not accepted", 1 },
	{ "an unknown algorithm", "ARC-Seal: i=1; a=dsa-sha3; cv=none; d=example.org; s=s; b=AAAA\r\n"
	    AMS("1") AAR("1"), "no known algorithm", 1 },
	{ "a seal in h=", AS("1", "none") "ARC-Message-Signature: i=1; a=rsa-sha256; d=example.org; s=s; "
	    "h=from:arc-seal; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n" AAR("1"),
	    "h= has ARC-Seal", 1 },
	{ "a selector with a slash",
	    "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=../x; b=AAAA\r\n"
	    AMS("1") AAR("1"), "no selector", 1 },
	{ "an older message signature that can't be read", SET("2", "pass") AS("1", "none")
	    "ARC-Message-Signature: i=1\r\n" AAR("1"), NULL, 2 },
};

static size_t
count_questions(struct sl_evaluator *e)
{
	struct sl_question q;
	size_t n = 0;

	while (e->question(e, &q) == 1)
		n++;
	return n;
}

static void
check_structure(const struct structure *s)
{
	struct sl_arc_options options = { .now = NOW };
	struct sl_buf text = SL_BUF_INIT;
	const struct sl_arc_result *r;
	struct sl_message *m;
	struct sl_arc *a;

	sl_buf_puts(&text, s->fields);
	sl_buf_puts(&text, "From: a@example.org\r\n\r\n");
	m = message_of(&text);
	a = sl_arc_new(m, &options);
	assert_non_null(a);
	r = sl_arc_result(a);
	if (s->reason == NULL ? sl_arc_evaluator(a)->done(sl_arc_evaluator(a)) :
	    r->status != SL_ARC_FAIL || r->temporary || strstr(r->reason, s->reason) == NULL)
		fail_msg("%s: %s (%s)", s->name, sl_arc_status_word(r->status), r->reason);
	if (r->instances != s->instances)
		fail_msg("%s: %u instances", s->name, r->instances);
	/* All names are one name. */
	assert_int_equal(count_questions(sl_arc_evaluator(a)), s->reason == NULL ? 1 : 0);
	sl_arc_free(a);
	sl_message_unref(m);
}

static void
test_structure(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(structures) / sizeof(structures[0]); i++)
		check_structure(&structures[i]);
}

/* Caps: nothing is asked, nothing is hashed. */
static void
test_too_many(void **state)
{
	static const char *const fields[] = { AS("1", "none"), AMS("1"), AAR("1"),
	    "ARC-Seal: \r\n", "ARC-Authentication-Results: i=1\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct sl_arc_options options = { .now = NOW };
		struct sl_buf text = SL_BUF_INIT;
		struct sl_message *m;
		struct sl_arc *a;

		for (int k = 0; k < 51; k++)
			sl_buf_puts(&text, fields[i]);
		sl_buf_puts(&text, "From: a@example.org\r\n\r\n");
		m = message_of(&text);
		a = sl_arc_new(m, &options);
		assert_int_equal(sl_arc_result(a)->status, SL_ARC_FAIL);
		assert_non_null(strstr(sl_arc_result(a)->reason, "more than 50"));
		assert_int_equal(sl_arc_result(a)->n, 0);
		assert_int_equal(count_questions(sl_arc_evaluator(a)), 0);
		sl_arc_free(a);
		sl_message_unref(m);
	}
}

/* A signature field of 33 KB, and one whose b= is longer than any key's. */
static void
test_large_signatures(void **state)
{
	static const struct { size_t bytes; const char *reason; } cases[] = {
		{ 33 * 1024, "bytes" }, { 800, "b= has 600 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct sl_arc_options options = { .now = NOW };
		struct sl_buf text = SL_BUF_INIT;
		struct sl_message *m;
		struct sl_arc *a;

		sl_buf_puts(&text, AMS("1") AAR("1")
		    "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=s; b=");
		for (size_t k = 0; k < cases[i].bytes; k++)
			sl_buf_putc(&text, 'A');
		sl_buf_puts(&text, "\r\nFrom: a@example.org\r\n\r\n");
		m = message_of(&text);
		a = sl_arc_new(m, &options);
		assert_int_equal(sl_arc_result(a)->status, SL_ARC_FAIL);
		assert_non_null(strstr(sl_arc_result(a)->reason, cases[i].reason));
		assert_int_equal(count_questions(sl_arc_evaluator(a)), 0);
		sl_arc_free(a);
		sl_message_unref(m);
	}
}

static void
test_no_chain(void **state)
{
	struct sl_arc_options options = { .now = NOW };
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_arc *a;

	(void)state;
	sl_buf_puts(&text, "From: a@example.org\r\n\r\nHi.\r\n");
	m = message_of(&text);
	a = sl_arc_new(m, &options);
	assert_true(sl_arc_evaluator(a)->done(sl_arc_evaluator(a)));
	assert_int_equal(sl_arc_result(a)->status, SL_ARC_NONE);
	assert_int_equal(sl_arc_result(a)->n, 0);
	assert_string_equal(sl_arc_result(a)->reason, "");
	sl_arc_free(a);
	sl_message_unref(m);
}

/* ---- chains of our own --------------------------------------------------------- */

static const char rfc8463_seed[] = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=";
static struct sl_key *rsa, *ed;
static struct sl_buf rsa_record, ed_record;

static int
make_keys(void **state)
{
	EVP_PKEY *pkey = EVP_RSA_gen(2048);
	struct sl_buf der = SL_BUF_INIT, text = SL_BUF_INIT;
	unsigned char *p = NULL;
	int n = i2d_PrivateKey(pkey, &p);

	(void)state;
	assert_true(n > 0);
	sl_buf_put(&der, p, (size_t)n);
	sl_base64_encode(&text, sl_buf_str(&der));
	assert_int_equal(sl_key_parse(&rsa, sl_buf_str(&text), NULL), 0);
	assert_int_equal(sl_key_parse(&ed, sl_str_of(rfc8463_seed), NULL), 0);
	assert_int_equal(sl_dkim_record(&rsa_record, rsa), 0);
	assert_int_equal(sl_dkim_record(&ed_record, ed), 0);
	OPENSSL_free(p);
	EVP_PKEY_free(pkey);
	sl_buf_clear(&der);
	sl_buf_clear(&text);
	return 0;
}

static int
drop_keys(void **state)
{
	(void)state;
	sl_key_unref(rsa);
	sl_key_unref(ed);
	sl_buf_clear(&rsa_record);
	sl_buf_clear(&ed_record);
	return 0;
}

/* "ed._domainkey..." and "rsa._domainkey..." are there, "slow" times out, others aren't. */
static void
answer(struct sl_evaluator *e, const struct sl_question *q)
{
	struct sl_dns_record record = { 0 };
	struct sl_dns_answer a = { .refs = 1, .status = SL_DNS_NXDOMAIN, .records = &record };
	struct sl_str name = sl_str_of(q->name);

	if (sl_str_starts(name, SL_STR("ed.")) || sl_str_starts(name, SL_STR("rsa."))) {
		record.data = sl_buf_str(name.p[0] == 'e' ? &ed_record : &rsa_record);
		a.n = 1;
		a.status = SL_DNS_OK;
	} else if (sl_str_starts(name, SL_STR("slow."))) {
		a.status = SL_DNS_TIMEOUT;
	}
	e->answer(e, q->id, &a);
}

static struct sl_arc *
validate_at(struct sl_str text, int64_t now)
{
	struct sl_arc_options options = { .now = now };
	struct sl_buf copy = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_evaluator *e;
	struct sl_question q;
	struct sl_arc *a;

	sl_buf_putstr(&copy, text);
	m = message_of(&copy);
	a = sl_arc_new(m, &options);
	assert_non_null(a);
	sl_message_unref(m);
	e = sl_arc_evaluator(a);
	while (e->question(e, &q) == 1)
		answer(e, &q);
	assert_true(e->done(e));
	return a;
}

static struct sl_arc *
validate(struct sl_str text)
{
	return validate_at(text, NOW);
}

static struct sl_arc_request
request(const char *selector, enum sl_arc_status cv)
{
	return (struct sl_arc_request){
		.dkim = { .selector = sl_str_of(selector), .domain = SL_STR("example.org"),
		    .key = strcmp(selector, "rsa") == 0 ? rsa : ed },
		.cv = cv, .results = SL_STR("mx.example.org; spf=pass smtp.mailfrom=a.example"),
	};
}

static int
try_seal(struct sl_buf *text, const struct sl_arc_request *q, struct sl_err *err)
{
	struct sl_buf copy = SL_BUF_INIT, sealed = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_arc_seal seal;
	int r;

	sl_buf_putstr(&copy, sl_buf_str(text));
	m = message_of(&copy);
	r = sl_arc_seal(&seal, q, m, NULL, NULL, NOW, err);
	if (r == 0) {
		sl_buf_printf(&sealed, "ARC-Seal: %s\r\nARC-Message-Signature: %s\r\n"
		    "ARC-Authentication-Results: %s\r\n", seal.seal.p, seal.message.p, seal.results.p);
		sl_buf_putstr(&sealed, sl_buf_str(text));
		sl_buf_clear(text);
		*text = sealed;
	}
	sl_arc_seal_clear(&seal);
	sl_message_unref(m);
	return r;
}

static void
seal(struct sl_buf *text, const char *selector, enum sl_arc_status cv)
{
	struct sl_arc_request q = request(selector, cv);
	struct sl_err err = { 0 };

	if (try_seal(text, &q, &err) != 0)
		fail_msg("%s", err.text);
}

static void
begin(struct sl_buf *text, unsigned sets)
{
	sl_buf_clear(text);
	sl_buf_puts(text, "DKIM-Signature: v=1; kept\r\nFrom: Joe <joe@a.example>\r\n"
	    "Subject: Is dinner ready?\r\nTo: list@example.org\r\n\r\nHi.\r\n");
	for (unsigned i = 0; i < sets; i++)
		seal(text, i & 1 ? "rsa" : "ed", i == 0 ? SL_ARC_NONE : SL_ARC_PASS);
}

/* The first 'from' behind the first 'after' is written over. */
static void
change(struct sl_buf *text, const char *after, const char *from, const char *to)
{
	char *at = strstr(text->p, after);

	assert_non_null(at);
	at = strstr(at, from);
	assert_non_null(at);
	memcpy(at, to, strlen(to));
}

static void
check(const struct sl_buf *text, enum sl_arc_status wanted, const char *reason)
{
	struct sl_arc *a = validate(sl_buf_str(text));
	const struct sl_arc_result *r = sl_arc_result(a);

	if (r->status != wanted || (reason != NULL && strstr(r->reason, reason) == NULL))
		fail_msg("%s (%s), wanted %s (%s)", sl_arc_status_word(r->status), r->reason,
		    sl_arc_status_word(wanted), reason);
	sl_arc_free(a);
}

static void
test_mixed_algorithms(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	const struct sl_arc_result *r;
	struct sl_arc *a;

	(void)state;
	begin(&text, 3);
	a = validate(sl_buf_str(&text));
	r = sl_arc_result(a);
	assert_string_equal(r->reason, "");
	assert_int_equal(r->status, SL_ARC_PASS);
	assert_int_equal(r->n, 3);
	assert_int_equal(r->oldest_pass, 0);
	assert_true(r->from_signed);
	assert_int_equal(r->sets[0].cv, SL_ARC_NONE);
	assert_int_equal(r->sets[2].cv, SL_ARC_PASS);
	assert_int_equal(r->sets[0].seal.algorithm, SL_DKIM_ED25519_SHA256);
	assert_int_equal(r->sets[1].seal.algorithm, SL_DKIM_RSA_SHA256);
	assert_int_equal(r->sets[1].seal.bits, 2048);
	assert_string_equal(r->sets[1].message.selector, "rsa");
	assert_true(sl_str_eq(r->sets[1].results,
	    SL_STR("mx.example.org; spf=pass smtp.mailfrom=a.example")));
	assert_non_null(strstr(text.p, "DKIM-Signature"));
	sl_arc_free(a);
	sl_buf_clear(&text);
}

/* A30: fifty are good, a fifty-first is neither made nor believed. */
static void
test_fifty_sets(void **state)
{
	struct sl_arc_request q = request("ed", SL_ARC_PASS);
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err = { 0 };
	struct sl_arc *a;

	(void)state;
	begin(&text, SL_ARC_MAX_SETS);
	check(&text, SL_ARC_PASS, "");
	a = validate(sl_buf_str(&text));
	assert_true(sl_arc_result(a)->full);
	sl_arc_free(a);
	assert_int_equal(try_seal(&text, &q, &err), SL_ERR_REFUSED);
	assert_non_null(strstr(err.text, "more than 50 sets"));
	sl_buf_clear(&text);
}

struct forgery {
	const char *name, *after, *from, *to, *reason;
};

static const struct forgery forgeries[] = {
	{ "the subject", "Subject", "dinner", "supper", "ARC-Message-Signature 3: signature did not" },
	{ "the body", "\r\n\r\n", "Hi", "Ho", "ARC-Message-Signature 3: body hash did not" },
	{ "results of the newest", "i=3; mx", "spf=pass", "spf=fail", "ARC-Seal 3: signature did not" },
	{ "results of the oldest", "i=1; mx", "spf=pass", "spf=fail", "ARC-Seal 3: signature did not" },
	{ "a selector that isn't there", "ARC-Seal", "s=ed", "s=eb", "ARC-Seal 3: no key" },
};

static void
test_forgeries(void **state)
{
	struct sl_buf text = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(forgeries) / sizeof(forgeries[0]); i++) {
		const struct forgery *f = &forgeries[i];

		begin(&text, 3);
		change(&text, f->after, f->from, f->to);
		check(&text, SL_ARC_FAIL, f->reason);
	}
	sl_buf_clear(&text);
}

/* A list changes the subject and seals: message signatures below fail, the chain holds. */
static void
test_oldest_pass(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	const struct sl_arc_result *r;
	struct sl_arc *a;

	(void)state;
	begin(&text, 2);
	change(&text, "Subject", "dinner", "supper");
	seal(&text, "ed", SL_ARC_PASS);
	seal(&text, "rsa", SL_ARC_PASS);
	a = validate(sl_buf_str(&text));
	r = sl_arc_result(a);
	assert_int_equal(r->status, SL_ARC_PASS);
	assert_int_equal(r->oldest_pass, 3);
	assert_int_equal(r->sets[1].message.status, SL_DKIM_FAIL);
	assert_int_equal(r->sets[1].seal.status, SL_DKIM_PASS);
	sl_arc_free(a);
	sl_buf_clear(&text);
}

/* RFC 8617 5.1.2: the seal over its own set alone, and nothing after it. */
static void
test_failed_chain(void **state)
{
	struct sl_arc_request q = request("ed", SL_ARC_FAIL);
	struct sl_buf text = SL_BUF_INIT, other = SL_BUF_INIT;
	struct sl_err err = { 0 };
	char *first, *second;

	(void)state;
	begin(&text, 2);
	change(&text, "\r\n\r\n", "Hi", "Ho");
	sl_buf_putstr(&other, sl_buf_str(&text));
	assert_int_equal(try_seal(&text, &q, &err), 0);
	check(&text, SL_ARC_FAIL, "ARC-Seal 3 says cv=fail");
	/* sets below don't count: with others there the seal is the same */
	change(&other, "i=1; mx", "spf=pass", "spf=fail");
	assert_int_equal(try_seal(&other, &q, &err), 0);
	first = strstr(text.p, "ARC-Message-Signature: ");
	second = strstr(other.p, "ARC-Message-Signature: ");
	assert_true(sl_str_eq((struct sl_str){ text.p, (size_t)(first - text.p) },
	    (struct sl_str){ other.p, (size_t)(second - other.p) }));
	assert_int_equal(try_seal(&text, &q, &err), SL_ERR_REFUSED);
	assert_non_null(strstr(err.text, "ended with cv=fail"));
	sl_buf_clear(&text);
	sl_buf_clear(&other);
}

/* A structure that is broken gets the number above the highest. */
static void
test_broken_chain(void **state)
{
	struct sl_arc_request fails = request("ed", SL_ARC_FAIL), passes = request("ed", SL_ARC_PASS);
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err = { 0 };

	(void)state;
	sl_buf_puts(&text, SET("4", "pass") SET("1", "none") "From: a@example.org\r\n\r\n");
	assert_int_equal(try_seal(&text, &passes, &err), SL_ERR_INVAL);
	assert_non_null(strstr(err.text, "broken chain"));
	assert_int_equal(try_seal(&text, &fails, &err), 0);
	check(&text, SL_ARC_FAIL, "ARC-Seal 5 says cv=fail");
	sl_buf_clear(&text);
}

static void
test_temporary(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_arc *a;

	(void)state;
	begin(&text, 1);
	seal(&text, "slow", SL_ARC_PASS);
	a = validate(sl_buf_str(&text));
	assert_int_equal(sl_arc_result(a)->status, SL_ARC_FAIL);
	assert_true(sl_arc_result(a)->temporary);
	sl_arc_free(a);
	/* what fails for good is no temporary failure */
	change(&text, "i=1; mx", "spf=pass", "spf=fail");
	a = validate(sl_buf_str(&text));
	assert_false(sl_arc_result(a)->temporary);
	assert_non_null(strstr(sl_arc_result(a)->reason, "ARC-Seal 1: signature did not"));
	sl_arc_free(a);
	sl_buf_clear(&text);
}

static void
test_from_not_signed(void **state)
{
	static const struct sl_str names[] = { { "Subject", 7 } };
	static const struct sl_str_list headers = { names, 1 }, nothing = { NULL, 0 };
	struct sl_arc_request q = request("ed", SL_ARC_NONE);
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err = { 0 };
	struct sl_arc *a;

	(void)state;
	begin(&text, 0);
	q.dkim.options.headers = &headers;
	q.dkim.options.oversign = &nothing;
	assert_int_equal(try_seal(&text, &q, &err), 0);
	assert_non_null(strstr(text.p, " h=Subject;"));
	a = validate(sl_buf_str(&text));
	assert_int_equal(sl_arc_result(a)->status, SL_ARC_PASS);
	assert_false(sl_arc_result(a)->from_signed);
	sl_arc_free(a);
	sl_buf_clear(&text);
}

/* A message signature from tomorrow's tomorrow isn't good today. */
static void
test_future(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_arc *a;

	(void)state;
	begin(&text, 1);
	a = validate_at(sl_buf_str(&text), NOW - 2 * 86400);
	assert_non_null(strstr(sl_arc_result(a)->reason, "signature is from the future"));
	sl_arc_free(a);
	sl_buf_clear(&text);
}

struct refusal {
	const char *name;
	struct sl_str header;		/* asked to be signed */
	const char *results;
	enum sl_arc_status cv;
	const char *reason;
};

static const struct refusal refusals[] = {
	{ "an ARC field", { "ARC-Seal", 8 }, "x; none", SL_ARC_NONE, "never signed" },
	{ "Authentication-Results", { "authentication-results", 22 }, "x; none", SL_ARC_NONE,
	    "never signed" },
	{ "no results", { "To", 2 }, " ", SL_ARC_NONE, "no authentication results" },
	{ "a field smuggled in", { "To", 2 }, "x; none\r\nBcc: x", SL_ARC_NONE, "control byte" },
	{ "a bare line end", { "To", 2 }, "x; none\n\tx", SL_ARC_NONE, "control byte" },
	{ "a pass without a chain", { "To", 2 }, "x; none", SL_ARC_PASS, "without a chain" },
	{ "a fail without a chain", { "To", 2 }, "x; none", SL_ARC_FAIL, "without a chain" },
};

static void
test_refusals(void **state)
{
	struct sl_buf text = SL_BUF_INIT;

	(void)state;
	begin(&text, 0);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		const struct refusal *f = &refusals[i];
		struct sl_str_list list = { &f->header, 1 };
		struct sl_arc_request q = request("ed", f->cv);
		struct sl_err err = { 0 };

		q.dkim.options.additional = &list;
		q.results = sl_str_of(f->results);
		if (try_seal(&text, &q, &err) != SL_ERR_INVAL || strstr(err.text, f->reason) == NULL)
			fail_msg("%s: %s", f->name, err.text);
	}
	sl_buf_clear(&text);
}

static void
test_out_of_memory(void **state)
{
	struct sl_arc_options options = { .now = NOW };
	struct sl_arc_request q = request("ed", SL_ARC_PASS);
	struct sl_buf text = SL_BUF_INIT;
	enum sl_arc_status status = SL_ARC_NONE;
	struct sl_message *m;
	int r = -1;

	(void)state;
	begin(&text, 2);
	m = message_of(&text);
	for (unsigned long n = 1; r < 0; n++) {
		struct sl_arc_seal s;

		sl_alloc_fail_at(n, 0);
		r = sl_arc_seal(&s, &q, m, NULL, NULL, NOW, NULL);
		sl_alloc_fail_at(0, 0);
		sl_arc_seal_clear(&s);
		assert_true(r == 0 || r == SL_ERR_NOMEM);
	}
	for (unsigned long n = 1; status != SL_ARC_PASS; n++) {
		struct sl_question question;
		struct sl_arc *a;

		assert_true(n < 500);
		sl_alloc_fail_at(n, 0);
		a = sl_arc_new(m, &options);
		if (a != NULL)
			while (sl_arc_evaluator(a)->question(sl_arc_evaluator(a), &question) == 1)
				answer(sl_arc_evaluator(a), &question);
		sl_alloc_fail_at(0, 0);
		if (a != NULL) {
			status = sl_arc_result(a)->status;
			assert_true(status == SL_ARC_PASS || sl_arc_result(a)->temporary);
		}
		sl_arc_free(a);
	}
	sl_message_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_large_signatures), cmocka_unit_test(test_no_chain),
		cmocka_unit_test(test_mixed_algorithms), cmocka_unit_test(test_fifty_sets),
		cmocka_unit_test(test_forgeries), cmocka_unit_test(test_oldest_pass),
		cmocka_unit_test(test_failed_chain), cmocka_unit_test(test_broken_chain),
		cmocka_unit_test(test_temporary), cmocka_unit_test(test_from_not_signed),
		cmocka_unit_test(test_future), cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
