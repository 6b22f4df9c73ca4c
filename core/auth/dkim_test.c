/*
 * Signing and verifying against each other, and every way a signature must
 * not pass. Numbers like A17 name the cases of attacks that a mail system sees.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <string.h>

#include "dkim.h"

#define NOW	1700000000

static struct sl_key *rsa, *ed;
static struct sl_buf rsa_record, ed_record;

static const char plain[] =
    "Received: from a by b; Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    "From: Joe <joe@example.com>\r\n"
    "To: Suzie <suzie@example.net>\r\n"
    "Subject: Is dinner\r\n\tready?\r\n"
    "Date: Tue, 14 Nov 2023 22:13:20 +0000\r\n"
    "Message-ID: <1@example.com>\r\n"
    "\r\n"
    "Hi.\r\n\r\nWe lost  the game. \r\nAre you hungry yet?\r\n\r\n";

static struct sl_key *
rsa_key(int bits)
{
	EVP_PKEY *pkey = EVP_RSA_gen((unsigned)bits);
	BIO *bio = BIO_new(BIO_s_mem());
	struct sl_key *key;
	char *p;
	long n;

	PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL);
	n = BIO_get_mem_data(bio, &p);
	assert_int_equal(sl_key_parse(&key, (struct sl_str){ p, (size_t)n }, NULL), 0);
	BIO_free(bio);
	EVP_PKEY_free(pkey);
	return key;
}

static int
make_keys(void **state)
{
	(void)state;
	rsa = rsa_key(2048);
	assert_int_equal(sl_key_parse(&ed, SL_STR("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="),
	    NULL), 0);
	assert_int_equal(sl_dkim_record(&rsa_record, rsa), 0);
	assert_int_equal(sl_dkim_record(&ed_record, ed), 0);
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

/* ---- helpers ---------------------------------------------------------------- */

static struct sl_message *
message(struct sl_str text)
{
	struct sl_message *m;
	char *copy = sl_strndup(text.p, text.n);

	assert_int_equal(sl_message_from_memory(&m, copy, text.n, NULL), 0);
	return m;
}

/* Records of a name, parted by "|". Ends with a name of NULL. */
struct zone {
	const char *name, *txt;
	enum sl_dns_status status;
};

static void
answer_with(const struct zone *zone, struct sl_evaluator *e, const struct sl_question *q)
{
	struct sl_dns_record records[8] = { 0 };
	struct sl_dns_answer answer = { .refs = 1, .records = records };
	struct sl_str rest, one;

	answer.status = SL_DNS_NXDOMAIN;
	for (; zone->name != NULL; zone++) {
		if (strcmp(zone->name, q->name) != 0)
			continue;
		answer.status = zone->status;
		rest = sl_str_of(zone->txt);
		while (zone->txt != NULL && sl_str_split(&rest, '|', &one))
			records[answer.n++].data = one;
	}
	e->answer(e, q->id, &answer);
}

static struct sl_dkim_verify *
verify_text(struct sl_str text, const struct zone *zone, const struct sl_dkim_verify_options *o,
    unsigned *asked)
{
	struct sl_message *m = message(text);
	struct sl_dkim_verify *v = sl_dkim_verify_new(m, o);
	struct sl_evaluator *e = sl_dkim_verify_evaluator(v);
	struct sl_question q[16];
	unsigned n = 0;

	sl_message_unref(m);
	while (e->question(e, &q[n]) == 1)
		n++;
	*asked = n;
	while (n-- > 0) {
		assert_false(e->done(e));
		answer_with(zone, e, &q[n]);
	}
	assert_true(e->done(e));
	return v;
}

static struct sl_dkim_result
verify_one(struct sl_str text, const struct zone *zone)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_dkim_result result;
	unsigned asked;
	struct sl_dkim_verify *v = verify_text(text, zone, &o, &asked);

	assert_int_equal(sl_dkim_verify_count(v), 1);
	result = *sl_dkim_verify_result(v, 0);
	result.h = (struct sl_str){ NULL, 0 };
	sl_dkim_verify_free(v);
	return result;
}

static struct sl_dkim_request
request(const struct sl_key *key)
{
	return (struct sl_dkim_request){
		.selector = SL_STR("sel"), .domain = SL_STR("example.com"), .key = key,
	};
}

static void
put_signed(struct sl_buf *out, const struct sl_dkim_request *q, struct sl_str text)
{
	struct sl_message *m = message(text);
	struct sl_err err = { 0 };

	sl_buf_reset(out);
	sl_buf_puts(out, "DKIM-Signature: ");
	if (sl_dkim_sign(out, q, m, NULL, NULL, NOW, &err) < 0)
		fail_msg("%s", err.text);
	sl_buf_puts(out, "\r\n");
	sl_buf_putstr(out, text);
	sl_message_unref(m);
}

static void
replace(struct sl_buf *b, const char *from, const char *to)
{
	struct sl_buf out = SL_BUF_INIT;
	ssize_t at = sl_str_find(sl_buf_str(b), sl_str_of(from));

	if (at < 0)
		fail_msg("\"%s\" is not there", from);
	sl_buf_put(&out, b->p, (size_t)at);
	sl_buf_puts(&out, to);
	sl_buf_puts(&out, b->p + (size_t)at + strlen(from));
	sl_buf_clear(b);
	*b = out;
}

static struct zone *
good_zone(void)
{
	static struct zone zone[3];

	zone[0] = (struct zone){ "sel._domainkey.example.com", rsa_record.p, SL_DNS_OK };
	zone[1] = (struct zone){ "sel._domainkey.xn--bcher-kva.example", rsa_record.p, SL_DNS_OK };
	return zone;
}

/* ---- signing ------------------------------------------------------------------ */

static void
test_round_trips(void **state)
{
	static const char *const bodies[] = {
		"", "\r\n", "a", "a\r\n", " \t\r\n\r\n", "a  b \r\n\r\n\r\nc", "\r\n\r\na\r\r\n",
	};
	struct zone zone[] = {
		{ "sel._domainkey.example.com", NULL, SL_DNS_OK }, { NULL, NULL, SL_DNS_OK },
	};
	struct sl_buf text = SL_BUF_INIT, out = SL_BUF_INIT;

	(void)state;
	for (unsigned i = 0; i < 8 * 7; i++) {
		struct sl_dkim_request q = request(i & 1 ? rsa : ed);
		struct sl_dkim_result r;

		zone[0].txt = i & 1 ? rsa_record.p : ed_record.p;
		q.options.header = i & 2 ? SL_CANON_SIMPLE : SL_CANON_RELAXED;
		q.options.body = i & 4 ? SL_CANON_SIMPLE : SL_CANON_RELAXED;
		sl_buf_reset(&text);
		sl_buf_put(&text, plain, (size_t)(strstr(plain, "\r\n\r\n") - plain) + 4);
		sl_buf_puts(&text, bodies[i / 8]);
		put_signed(&out, &q, sl_buf_str(&text));
		r = verify_one(sl_buf_str(&out), zone);
		if (r.status != SL_DKIM_PASS)
			fail_msg("case %u: %s (%s)", i, sl_dkim_status_word(r.status), r.reason);
		assert_int_equal(r.bits, i & 1 ? 2048 : 256);
		assert_string_equal(r.domain, "example.com");
		assert_string_equal(r.selector, "sel");
		assert_string_equal(r.identity, "@example.com");
		assert_int_equal(r.header, q.options.header);
		assert_int_equal(r.body, q.options.body);
		assert_int_equal(r.timestamp, NOW);
		assert_int_equal(strlen(r.b), 8);
		assert_string_equal(r.reason, "");
	}
	sl_buf_clear(&text);
	sl_buf_clear(&out);
}

static void
test_field_layout(void **state)
{
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT;
	struct sl_str rest, line;

	(void)state;
	q.options.identity = SL_STR("joe; =x@mail.example.com");
	q.options.expiration = NOW + 10;
	put_signed(&out, &q, SL_STR(plain));
	rest = sl_str_sub(sl_buf_str(&out), 0, (size_t)sl_str_find(sl_buf_str(&out), SL_STR("Received")));
	assert_true(sl_str_find(rest, SL_STR("i=joe=3B=20=3Dx@mail.example.com;")) > 0);
	assert_true(sl_str_find(rest, SL_STR("x=1700000010;")) > 0);
	assert_true(sl_str_find(rest, SL_STR("l=")) < 0);
	while (sl_str_split(&rest, '\n', &line))
		assert_true(line.n <= 79);
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_PASS);
	assert_string_equal(verify_one(sl_buf_str(&out), good_zone()).identity,
	    "joe; =x@mail.example.com");
	sl_buf_clear(&out);
}

static void
test_signed_names(void **state)
{
	static const struct sl_str some[] = { { "Subject", 7 }, { "X-Not-There", 11 } };
	static const struct sl_str more[] = { { "received", 8 }, { "subject", 7 } };
	static const struct sl_str over[] = { { "X-Over", 6 } };
	struct sl_str_list headers = { some, 2 }, additional = { more, 2 }, oversign = { over, 1 };
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	q.options.headers = &headers;
	q.options.additional = &additional;
	q.options.oversign = &oversign;
	put_signed(&out, &q, SL_STR(plain));
	assert_true(sl_str_find(sl_buf_str(&out),
	    SL_STR("h=From:From:Subject:received:X-Over;")) > 0);
	sl_buf_clear(&out);
}

static void
test_refused_requests(void **state)
{
	static const struct sl_str bad_name[] = { { "From:", 5 } };
	static const struct sl_str_list bad_list = { bad_name, 1 };
	static const struct {
		const char *selector, *domain, *identity;
		struct sl_dkim_options options;
		bool ed;
	} cases[] = {
		{ "sel", "com", "", { 0 }, false }, { "sel", "", "", { 0 }, false },
		{ "sel", "example..com", "", { 0 }, false }, { "sel", "example.com.", "", { 0 }, false },
		{ "sel", "exa mple.com", "", { 0 }, false }, { "sel", "../etc", "", { 0 }, false },
		{ "sel", "ex\xc3\xa4mple.com", "", { 0 }, false },
		{ "", "example.com", "", { 0 }, false }, { "a/b", "example.com", "", { 0 }, false },
		{ "a;b", "example.com", "", { 0 }, false }, { "a\r\nb", "example.com", "", { 0 }, false },
		{ "sel", "example.com", "joe@other.com", { 0 }, false },
		{ "sel", "example.com", "joe@fexample.com", { 0 }, false },
		{ "sel", "example.com", "joe", { 0 }, false },
		{ "sel", "example.com", "j\r\noe@example.com", { 0 }, false },
		{ "sel", "example.com", "", { .algorithm = SL_DKIM_RSA_SHA1 }, false },
		{ "sel", "example.com", "", { .algorithm = SL_DKIM_ED25519_SHA256 }, false },
		{ "sel", "example.com", "", { .algorithm = SL_DKIM_RSA_SHA256 }, true },
		{ "sel", "example.com", "", { .expiration = NOW - 1 }, false },
		{ "sel", "example.com", "", { .timestamp = NOW + 9, .expiration = NOW + 9 }, false },
		{ "sel", "example.com", "", { .timestamp = -2 }, false },
		{ "sel", "example.com", "", { .headers = &bad_list }, false },
	};
	struct sl_buf out = SL_BUF_INIT;
	struct sl_message *m = message(SL_STR(plain));
	struct sl_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_dkim_request q = { sl_str_of(cases[i].selector), sl_str_of(cases[i].domain),
			cases[i].ed ? ed : rsa, cases[i].options };

		q.options.identity = sl_str_of(cases[i].identity);
		if (sl_dkim_sign(&out, &q, m, NULL, NULL, NOW, &err) != SL_ERR_INVAL)
			fail_msg("case %zu was signed", i);
		assert_int_equal(out.n, 0);
		assert_true(err.text[0] != '\0');
	}
	sl_message_unref(m);
	sl_buf_clear(&out);
}

static void
test_from_needed(void **state)
{
	static const char *const texts[] = {
		"To: a@b\r\n\r\nx\r\n", "From: a@b.c\r\nfrom: b@b.c\r\n\r\nx\r\n", "\r\nx\r\n",
	};
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct sl_message *m = message(sl_str_of(texts[i]));

		assert_int_equal(sl_dkim_sign(&out, &q, m, NULL, NULL, NOW, NULL), SL_ERR_SYNTAX);
		sl_message_unref(m);
	}
	assert_int_equal(out.n, 0);
	sl_buf_clear(&out);
}

/* Over the head as edited, and one body hash for two signatures. */
static void
test_head_and_bodies(void **state)
{
	struct sl_dkim_request q = request(rsa);
	struct sl_dkim_bodies bodies = { 0 };
	struct sl_message *m = message(SL_STR(plain));
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_head *head = sl_head_new(m, arena);
	struct sl_buf value = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_dkim_result r;

	(void)state;
	assert_int_equal(sl_head_replace(head, (size_t)sl_head_find(head, SL_STR("subject"), 0),
	    SL_STR("Changed"), false, NULL), 0);
	assert_int_equal(sl_dkim_sign(&value, &q, m, head, &bodies, NOW, NULL), 0);
	assert_int_equal(sl_head_insert(head, 0, SL_STR("DKIM-Signature"), sl_buf_str(&value), false,
	    NULL), 0);
	assert_int_equal(bodies.n, 1);
	sl_buf_reset(&value);
	q.key = ed;
	q.selector = SL_STR("ed");
	assert_int_equal(sl_dkim_sign(&value, &q, m, head, &bodies, NOW, NULL), 0);
	assert_int_equal(bodies.n, 1);
	for (size_t i = 0; i < sl_head_count(head); i++)
		sl_buf_putstr(&out, sl_head_at(head, i)->raw);
	sl_buf_puts(&out, "\r\n");
	sl_buf_putstr(&out, m->body);
	r = verify_one(sl_buf_str(&out), good_zone());
	if (r.status != SL_DKIM_PASS)
		fail_msg("%s (%s)", sl_dkim_status_word(r.status), r.reason);
	replace(&out, "Changed", "changed");
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_FAIL);
	sl_head_free(head);
	sl_arena_free(arena);
	sl_message_unref(m);
	sl_buf_clear(&value);
	sl_buf_clear(&out);
}

/* ---- what must not pass ---------------------------------------------------------- */

/* Changes to a signed message that the signature must notice. */
static void
test_changes(void **state)
{
	static const struct {
		const char *name, *from, *to;
		enum sl_dkim_status want;
	} cases[] = {
		{ "nothing", "Hi.", "Hi.", SL_DKIM_PASS },
		{ "body", "Hi.", "Ho.", SL_DKIM_FAIL },
		{ "body end", "yet?\r\n", "yet?\r\nx\r\n", SL_DKIM_FAIL },
		{ "blank lines at the end", "yet?\r\n", "yet?\r\n\r\n\r\n", SL_DKIM_PASS },
		{ "signed field", "dinner", "supper", SL_DKIM_FAIL },
		{ "unsigned field", "from a by b", "from b by c", SL_DKIM_PASS },
		{ "blanks in a signed field", "Is dinner", "Is   dinner", SL_DKIM_PASS },
		{ "A17 a second From on top", "Received:", "From: x@evil\r\nReceived:", SL_DKIM_FAIL },
		{ "A17 a second Subject", "Received:", "Subject: x\r\nReceived:", SL_DKIM_FAIL },
		{ "A17 a second Subject below", "Message-ID: <", "subject : x\r\nMessage-ID: <", SL_DKIM_FAIL },
		{ "A17 a Content-Type", "Received:", "Content-Type: text/html\r\nReceived:", SL_DKIM_FAIL },
		{ "A17 a Reply-To", "Received:", "Reply-To: x@evil\r\nReceived:", SL_DKIM_FAIL },
		{ "To removed", "To: Suzie <suzie@example.net>\r\n", "", SL_DKIM_FAIL },
		{ "another selector", "s=sel", "s=sem", SL_DKIM_PERMERROR },
		{ "another domain", "d=example.com", "d=evil.example.com", SL_DKIM_PERMERROR },
		{ "a tag added", "v=1;", "v=1; l=0;", SL_DKIM_FAIL },
		{ "t= changed", "t=1700000000", "t=1700000001", SL_DKIM_FAIL },
		{ "an unknown tag", "v=1;", "v=1; zz=1;", SL_DKIM_FAIL },
		{ "bh= cut", "bh=", "bh=QUJD;q=", SL_DKIM_PERMERROR },
		{ "text between header and body", "Message-ID: <1@example.com>\r\n\r\n",
		    "Message-ID: <1@example.com>\r\nno field at all\r\n\r\n", SL_DKIM_FAIL },
	};
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_dkim_result r;

		put_signed(&out, &q, SL_STR(plain));
		replace(&out, cases[i].from, cases[i].to);
		r = verify_one(sl_buf_str(&out), good_zone());
		if (r.status != cases[i].want)
			fail_msg("%s: %s (%s)", cases[i].name, sl_dkim_status_word(r.status), r.reason);
	}
	sl_buf_clear(&out);
}

/* No single bit of the signed part may change without notice (simple/simple). */
static void
test_every_byte(void **state)
{
	struct sl_dkim_request q = request(ed);
	struct zone zone[] = {
		{ "sel._domainkey.example.com", ed_record.p, SL_DNS_OK }, { NULL, NULL, SL_DNS_OK },
	};
	struct sl_buf out = SL_BUF_INIT;
	size_t received, from, to;

	(void)state;
	q.options.header = q.options.body = SL_CANON_SIMPLE;
	put_signed(&out, &q, SL_STR(plain));
	from = (size_t)sl_str_find(sl_buf_str(&out), SL_STR("From: Joe"));
	received = (size_t)sl_str_find(sl_buf_str(&out), SL_STR("Received"));
	to = out.n - 4;		/* an empty line at the end doesn't count */
	for (size_t i = 0; i < to; i++) {
		struct sl_dkim_verify_options o = { .now = NOW };
		struct sl_dkim_verify *v;
		unsigned asked;

		if (i >= received && i < from)
			continue;
		out.p[i] ^= 0x01;
		v = verify_text(sl_buf_str(&out), zone, &o, &asked);
		for (size_t k = 0; k < sl_dkim_verify_count(v); k++)
			if (sl_dkim_verify_result(v, k)->status == SL_DKIM_PASS)
				fail_msg("byte %zu", i);
		sl_dkim_verify_free(v);
		out.p[i] ^= 0x01;
	}
	sl_buf_clear(&out);
}

/*
 * A field with tags of our choice and a signature that is good for it.
 * bh= is that of the relaxed body, cut where the tags say l=.
 */
static void
put_crafted(struct sl_buf *out, const struct sl_key *key, const char *tags, const char *h,
    const char *text)
{
	struct sl_message *m = message(sl_str_of(text));
	struct sl_dkim_body_hash body;
	struct sl_buf field = SL_BUF_INIT, b = SL_BUF_INIT;
	struct sl_str l = sl_str_of(strstr(tags, "l="));
	uint8_t hash[SL_DIGEST_MAX];
	uint64_t limit = SL_CANON_ALL;

	if (l.n > 2)
		sl_str_u64(sl_str_sub(l, 2, (size_t)sl_str_chr(l, ';')), &limit);
	sl_dkim_body_hash(NULL, m->body, SL_CANON_RELAXED, SL_DIGEST_SHA256, limit, &body);
	sl_buf_printf(&field, "DKIM-Signature: %s h=%s; bh=", tags, h);
	sl_base64_encode(&field, (struct sl_str){ (char *)body.hash, 32 });
	sl_buf_puts(&field, "; b=");
	assert_int_equal(sl_dkim_header_hash(m, NULL, sl_str_of(h), SL_CANON_RELAXED,
	    SL_DIGEST_SHA256, sl_buf_str(&field), NULL, hash, NULL), 0);
	assert_int_equal(sl_key_sign(key, SL_DIGEST_SHA256, (struct sl_str){ (char *)hash, 32 }, &b,
	    NULL), 0);
	sl_base64_encode(&field, sl_buf_str(&b));
	sl_buf_puts(&field, "\r\n");
	sl_buf_reset(out);
	sl_buf_putstr(out, sl_buf_str(&field));
	sl_buf_puts(out, text);
	sl_buf_clear(&field);
	sl_buf_clear(&b);
	sl_message_unref(m);
}

#define V	"v=1; a=rsa-sha256; c=relaxed/relaxed; "
#define DS	"d=example.com; s=sel; "

/* The cryptography is good in all of these. */
static const struct {
	const char *name, *tags, *h;
	enum sl_dkim_status want;
	unsigned asked;
} crafted[] = {
	{ "plain", V DS, "from:to", SL_DKIM_PASS, 1 },
	{ "A18 white space in h=", V DS, " From :\r\n\tto ", SL_DKIM_PASS, 1 },
	{ "upper case d= s=", V "d=EXAMPLE.com; s=SEL; ", "from", SL_DKIM_PASS, 1 },
	{ "v=2", "v=2; a=rsa-sha256; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "v=1.0", "v=1.0; a=rsa-sha256; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "no v=", "a=rsa-sha256; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "v= twice", "v=1; v=1; a=rsa-sha256; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "no a=", "v=1; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "A20 rsa-sha1", "v=1; a=rsa-sha1; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "A20 rsa-md5", "v=1; a=rsa-md5; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "ed25519 with an RSA key", "v=1; a=ed25519-sha256; c=relaxed/relaxed; " DS, "from",
	    SL_DKIM_PERMERROR, 1 },
	{ "From not signed", V DS, "to", SL_DKIM_PERMERROR, 0 },
	{ "A18 empty h=", V DS, "", SL_DKIM_PERMERROR, 0 },
	{ "A18 empty name in h=", V DS, "from::to", SL_DKIM_PERMERROR, 0 },
	{ "A18 blank in a name of h=", V DS, "from:t o", SL_DKIM_PERMERROR, 0 },
	{ "A21 d= missing", V "s=sel; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 d= one label", V "d=com; s=sel; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 d= with a slash", V "d=example.com/x; s=sel; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 d= with dots", V "d=example..com; s=sel; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 d= with a final dot", V "d=example.com.; s=sel; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 s= climbing", V "d=example.com; s=../sel; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 s= with a blank", V "d=example.com; s=s el; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= subdomain", V DS "i=a@sub.example.com; ", "from", SL_DKIM_PASS, 1 },
	{ "A21 i= look-alike", V DS "i=@fexample.com; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= parent", V "d=sub.example.com; s=sel; i=@example.com; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= without domain", V DS "i=joe; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= two domains", V DS "i=@example.com@evil.org; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= encoded CRLF", V DS "i=a=0D=0A@example.com; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= encoded NUL", V DS "i=a=00@example.com; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A21 i= with a plain =", V DS "i=a=b.org@example.com; ", "from", SL_DKIM_PASS, 1 },
	{ "RFC 8616 d= in U-labels", V "d=b\xc3\xbc" "cher.example; s=sel; ", "from", SL_DKIM_PASS, 1 },
	{ "RFC 8616 i= in A-labels below d= in U-labels",
	    V "d=b\xc3\xbc" "cher.example; s=sel; i=@a.xn--bcher-kva.example; ", "from", SL_DKIM_PASS, 1 },
	{ "RFC 8616 i= in U-labels, d= in A-labels",
	    V "d=xn--bcher-kva.example; s=sel; i=j\xc3\xb6@b\xc3\xbc" "cher.example; ", "from",
	    SL_DKIM_PASS, 1 },
	{ "RFC 8616 i= of another domain",
	    V "d=b\xc3\xbc" "cher.example; s=sel; i=@b\xc3\xb6" "cher.example; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "q= ours", V DS "q=dns/txt; ", "from", SL_DKIM_PASS, 1 },
	{ "q= among others", V DS "q=other/x : dns/txt; ", "from", SL_DKIM_PASS, 1 },
	{ "q= unknown", V DS "q=http; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "c= unknown", "v=1; a=rsa-sha256; c=relaxed/nofws; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "c= with three", "v=1; a=rsa-sha256; c=relaxed/relaxed/x; " DS, "from",
	    SL_DKIM_PERMERROR, 0 },
	{ "c= empty", "v=1; a=rsa-sha256; c=; " DS, "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 t= past", V DS "t=1; ", "from", SL_DKIM_PASS, 1 },
	{ "A22 t= a bit ahead", V DS "t=1700000100; ", "from", SL_DKIM_PASS, 1 },
	{ "A22 t= far ahead", V DS "t=1700100000; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 t= no number", V DS "t=soon; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 t= negative", V DS "t=-1; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 t= 13 digits", V DS "t=1000000000000; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 x= ahead", V DS "t=1; x=1700000001; ", "from", SL_DKIM_PASS, 1 },
	{ "A22 x= over", V DS "t=1; x=1699999999; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 x= before t=", V DS "t=1700000010; x=1700000009; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 x= is t=", V DS "t=1700000010; x=1700000010; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A22 x= alone", V DS "x=1700000009; ", "from", SL_DKIM_PASS, 1 },
	{ "A16 l= all", V DS "l=47; ", "from", SL_DKIM_PASS, 1 },
	{ "A16 l= part", V DS "l=3; ", "from", SL_DKIM_PASS, 1 },
	{ "A16 l= 0", V DS "l=0; ", "from", SL_DKIM_PASS, 1 },
	{ "A16 l= beyond", V DS "l=48; ", "from", SL_DKIM_PERMERROR, 1 },
	{ "A16 l= huge", V DS "l=99999999999999999999999; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A16 l= negative", V DS "l=-1; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A16 l= empty", V DS "l=; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A18 z= is not read", V DS "z=From:x|To:=0D=0A; ", "from", SL_DKIM_PASS, 1 },
	{ "unknown tag", V DS "unknown=1; ", "from", SL_DKIM_PASS, 1 },
	{ "a tag without value", V DS "unknown; ", "from", SL_DKIM_PERMERROR, 0 },
	{ "A18 itself in h=", V DS, "from:dkim-signature:dkim-signature", SL_DKIM_PASS, 1 },
};

static void
test_crafted(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(crafted) / sizeof(crafted[0]); i++) {
		const struct sl_dkim_result *r;
		struct sl_dkim_verify *v;
		unsigned asked;

		put_crafted(&out, rsa, crafted[i].tags, crafted[i].h, plain);
		v = verify_text(sl_buf_str(&out), good_zone(), &o, &asked);
		r = sl_dkim_verify_result(v, 0);
		if (r->status != crafted[i].want || asked != crafted[i].asked)
			fail_msg("%s: %s (%s), %u questions", crafted[i].name,
			    sl_dkim_status_word(r->status), r->reason, asked);
		if (r->status != SL_DKIM_PASS)
			assert_true(r->reason[0] != '\0');
		sl_dkim_verify_free(v);
	}
	sl_buf_clear(&out);
}

#define BH	"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

/* Nothing of these could be good; most are refused before DNS is asked. */
static void
test_malformed(void **state)
{
	static const struct {
		const char *name, *tags;
		enum sl_dkim_status want;
		unsigned asked;
	} cases[] = {
		{ "A18 b= empty", DS "h=from; bh=" BH "; b=", SL_DKIM_PERMERROR, 0 },
		{ "A18 b= missing", DS "h=from; bh=" BH, SL_DKIM_PERMERROR, 0 },
		{ "A18 b= no base64", DS "h=from; bh=" BH "; b=####", SL_DKIM_PERMERROR, 0 },
		{ "A18 b= padding within", DS "h=from; bh=" BH "; b=QQ==QUJD", SL_DKIM_PERMERROR, 0 },
		{ "A18 b= short", DS "h=from; bh=" BH "; b=QUJD", SL_DKIM_FAIL, 1 },
		{ "A18 bh= empty", DS "h=from; bh=; b=QUJD", SL_DKIM_PERMERROR, 0 },
		{ "A18 bh= missing", DS "h=from; b=QUJD", SL_DKIM_PERMERROR, 0 },
		{ "A18 bh= short", DS "h=from; bh=QUJD; b=QUJD", SL_DKIM_PERMERROR, 0 },
		{ "A18 bh= long", DS "h=from; bh=" "QUJD" BH "; b=QUJD", SL_DKIM_PERMERROR, 0 },
		{ "A18 i= empty", DS "i=; h=from; bh=" BH "; b=QUJD", SL_DKIM_PERMERROR, 0 },
		{ "A18 no tags", "", SL_DKIM_PERMERROR, 0 },
	};
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct sl_dkim_result *r;
		struct sl_dkim_verify *v;
		unsigned asked;

		sl_buf_reset(&out);
		sl_buf_printf(&out, "DKIM-Signature: " V "%s\r\nFrom: joe@example.com\r\n\r\n",
		    cases[i].tags);
		v = verify_text(sl_buf_str(&out), good_zone(), &o, &asked);
		r = sl_dkim_verify_result(v, 0);
		if (r->status != cases[i].want || asked != cases[i].asked)
			fail_msg("%s: %s (%s), %u questions", cases[i].name,
			    sl_dkim_status_word(r->status), r->reason, asked);
		assert_true(r->reason[0] != '\0');
		sl_dkim_verify_free(v);
	}
	sl_buf_clear(&out);
}

/* A18: tags of megabytes cost a comparison with the limit, not work. A21: NUL in d= and s=. */
static void
test_huge_and_nul(void **state)
{
	static const char *const tags[] = { "z=", "i=", "b=", "bh=", "x=" };
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_buf out = SL_BUF_INIT;
	struct sl_dkim_verify *v;
	unsigned asked;

	(void)state;
	for (size_t i = 0; i < 7; i++) {
		sl_buf_reset(&out);
		sl_buf_puts(&out, "DKIM-Signature: " V DS "h=from; ");
		if (i < 5) {
			sl_buf_puts(&out, tags[i]);
			while (out.n < SL_DKIM_MAX_FIELD + 1000)
				sl_buf_puts(&out, "QUJDQUJDQUJDQUJDQUJDQUJDQUJDQUJD");
		}
		sl_buf_puts(&out, "; bh=" BH "; b=QUJD\r\nFrom: joe@example.com\r\n\r\n");
		if (i == 5)
			replace(&out, "d=example", "d=\1xample");
		if (i == 6)
			replace(&out, "s=sel", "s=\1el");
		for (size_t k = 0; k < out.n; k++)
			out.p[k] = out.p[k] == 1 ? '\0' : out.p[k];
		v = verify_text(sl_buf_str(&out), good_zone(), &o, &asked);
		assert_int_equal(asked, 0);
		assert_int_equal(sl_dkim_verify_status(v), SL_DKIM_PERMERROR);
		sl_dkim_verify_free(v);
	}
	sl_buf_clear(&out);
}

/* A16: never signed with unless asked for. */
static void
test_no_length(void **state)
{
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	put_signed(&out, &q, SL_STR(plain));
	assert_true(sl_str_find(sl_buf_str(&out), SL_STR(" l=")) < 0);
	sl_buf_puts(&out, "Buy this\r\n");
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_FAIL);
	sl_buf_clear(&out);
}

static void
test_lengths_share_a_pass(void **state)
{
	static const uint64_t limits[] = { 7, 0, SL_CANON_ALL, 3, 48, 1000 };
	struct sl_str body = SL_STR("A line. \r\n\r\n  And  another one, and one more \t here\r\n\r\n");
	struct sl_dkim_bodies bodies = { 0 };
	struct sl_dkim_body_hash one, many;

	(void)state;
	for (size_t i = 0; i < 12; i++)
		sl_dkim_body_want(&bodies, i < 6 ? SL_CANON_RELAXED : SL_CANON_SIMPLE, SL_DIGEST_SHA256,
		    limits[i % 6]);
	for (size_t i = 0; i < 12; i++) {
		enum sl_canon canon = i < 6 ? SL_CANON_RELAXED : SL_CANON_SIMPLE;

		assert_int_equal(sl_dkim_body_hash(NULL, body, canon, SL_DIGEST_SHA256, limits[i % 6], &one), 0);
		assert_int_equal(sl_dkim_body_hash(&bodies, body, canon, SL_DIGEST_SHA256, limits[i % 6],
		    &many), 0);
		assert_memory_equal(one.hash, many.hash, sizeof(one.hash));
		assert_int_equal(one.length, many.length);
		assert_int_equal(bodies.passes, i < 6 ? 1 : 2);
	}
	/* No room: right all the same. */
	assert_int_equal(sl_dkim_body_hash(NULL, body, SL_CANON_SIMPLE, SL_DIGEST_SHA256, 11, &one), 0);
	assert_int_equal(sl_dkim_body_hash(&bodies, body, SL_CANON_SIMPLE, SL_DIGEST_SHA256, 11, &many), 0);
	assert_memory_equal(one.hash, many.hash, sizeof(one.hash));
	assert_int_equal(bodies.n, 12);
}

/* A16, A18: ten signatures that each sign another part of the body are one pass over it. */
static void
test_many_lengths(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_buf out = SL_BUF_INIT, all = SL_BUF_INIT;
	struct sl_dkim_verify *v;
	unsigned asked;
	char tags[80];

	(void)state;
	for (int i = 0; i < 10; i++) {
		sl_buf_reset(&out);
		snprintf(tags, sizeof(tags), V DS "l=%d; ", 4 * i);
		put_crafted(&out, rsa, tags, "from", plain);
		sl_buf_putstr(&all, sl_str_sub(sl_buf_str(&out), 0, out.n - strlen(plain)));
	}
	sl_buf_puts(&all, plain);
	v = verify_text(sl_buf_str(&all), good_zone(), &o, &asked);
	assert_int_equal(asked, 1);
	assert_int_equal(sl_dkim_verify_count(v), 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(sl_dkim_verify_result(v, i)->status, SL_DKIM_PASS);
	sl_dkim_verify_free(v);
	sl_buf_clear(&out);
	sl_buf_clear(&all);
}

/* A16 */
static void
test_length(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW, .refuse_length = true };
	struct sl_buf out = SL_BUF_INIT;
	struct sl_dkim_verify *v;
	struct sl_dkim_result r;
	unsigned asked;

	(void)state;
	put_crafted(&out, rsa, V DS "l=3; ", "from", plain);
	sl_buf_puts(&out, "Buy this\r\n");
	r = verify_one(sl_buf_str(&out), good_zone());
	assert_int_equal(r.status, SL_DKIM_PASS);
	assert_true(r.has_length);
	assert_int_equal(r.length, 3);
	assert_int_equal(r.body_length, 59);
	assert_string_not_equal(r.reason, "");
	v = verify_text(sl_buf_str(&out), good_zone(), &o, &asked);
	assert_int_equal(sl_dkim_verify_status(v), SL_DKIM_POLICY);
	sl_dkim_verify_free(v);
	sl_buf_clear(&out);
}

/* One From signed, another on top of it that is not. */
static void
test_unsigned_from(void **state)
{
	struct sl_buf out = SL_BUF_INIT, two = SL_BUF_INIT;

	(void)state;
	put_crafted(&out, rsa, V DS, "from", plain);
	sl_buf_puts(&two, "From: x@evil.example\r\n");
	sl_buf_putstr(&two, sl_buf_str(&out));
	assert_int_equal(verify_one(sl_buf_str(&two), good_zone()).status, SL_DKIM_POLICY);
	sl_buf_clear(&out);
	sl_buf_clear(&two);
}

/* A19: key records. "%" stands for the good base64. */
static const struct {
	const char *name, *txt;
	enum sl_dns_status status;
	enum sl_dkim_status want;
} keys[] = {
	{ "A19 bare", "p=%", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 all flags", "v=DKIM1; h=sha1:sha256; k=rsa; n=x; s=email; t=s; p=%;", SL_DNS_OK,
	    SL_DKIM_PASS },
	{ "A19 blanks in the base64", "v=DKIM1; p= % ", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 more after the base64", "v=DKIM1; p=% QUJD", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 line end", "v=DKIM1; p=%\n", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 v= not first", "k=rsa; v=DKIM1; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 v= of another", "v=DKIM2; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 v= in lower case", "v=dkim1; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 no p=", "v=DKIM1; k=rsa", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 revoked", "v=DKIM1; p=", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 revoked, blanks", "v=DKIM1; p= ;", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 p= twice", "v=DKIM1; p=%; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 p= no base64", "v=DKIM1; p=#%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 p= no key", "v=DKIM1; p=QUJD", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 k= another", "v=DKIM1; k=ed25519; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 k= unknown", "v=DKIM1; k=dsa; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 h= only sha1", "v=DKIM1; h=sha1; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 h= empty", "v=DKIM1; h=; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 s= any", "v=DKIM1; s=*; p=%", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 s= other", "v=DKIM1; s=tlsrpt; p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 t= y", "v=DKIM1; t=y; p=%", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 another text first", "v=spf1 -all|v=DKIM1; p=%", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 a bad key first", "v=DKIM1; p=|v=DKIM1; p=%", SL_DNS_OK, SL_DKIM_PASS },
	{ "A19 too many keys", "p=|p=|p=|p=|p=%", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 only another text", "v=spf1 -all", SL_DNS_OK, SL_DKIM_PERMERROR },
	{ "A19 no record", NULL, SL_DNS_NODATA, SL_DKIM_PERMERROR },
	{ "A19 no name", NULL, SL_DNS_NXDOMAIN, SL_DKIM_PERMERROR },
	{ "A19 no such name to ask", NULL, SL_DNS_INVALID, SL_DKIM_PERMERROR },
	{ "A19 time-out", NULL, SL_DNS_TIMEOUT, SL_DKIM_TEMPERROR },
	{ "A19 failure", NULL, SL_DNS_SERVFAIL, SL_DKIM_TEMPERROR },
	{ "A19 bogus", NULL, SL_DNS_BOGUS, SL_DKIM_TEMPERROR },
};

static void
put_record(struct sl_buf *out, const char *txt)
{
	sl_buf_reset(out);
	for (const char *p = txt; p != NULL && *p; p++) {
		if (*p == '%')
			sl_buf_puts(out, strstr(rsa_record.p, "p=") + 2);
		else
			sl_buf_putc(out, *p);
	}
}

static void
test_key_records(void **state)
{
	struct zone zone[2] = { { "sel._domainkey.example.com", NULL, SL_DNS_OK },
		{ NULL, NULL, SL_DNS_OK } };
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT, txt = SL_BUF_INIT;
	struct sl_dkim_result r;

	(void)state;
	put_signed(&out, &q, SL_STR(plain));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		put_record(&txt, keys[i].txt);
		zone[0].txt = keys[i].txt != NULL ? txt.p : NULL;
		zone[0].status = keys[i].status;
		r = verify_one(sl_buf_str(&out), zone);
		if (r.status != keys[i].want)
			fail_msg("%s: %s (%s)", keys[i].name, sl_dkim_status_word(r.status), r.reason);
		assert_int_equal(r.testing, strcmp(keys[i].name, "A19 t= y") == 0);
	}
	/* t=s: no subdomain in i= */
	q.options.identity = SL_STR("a@sub.example.com");
	put_signed(&out, &q, SL_STR(plain));
	put_record(&txt, "v=DKIM1; t=s; p=%");
	zone[0] = (struct zone){ "sel._domainkey.example.com", txt.p, SL_DNS_OK };
	assert_int_equal(verify_one(sl_buf_str(&out), zone).status, SL_DKIM_PERMERROR);
	sl_buf_clear(&out);
	sl_buf_clear(&txt);
}

/* The key of somebody else, and an Ed25519 signature cut short. */
static void
test_wrong_key(void **state)
{
	struct sl_dkim_request q = request(rsa);
	struct sl_key *other = rsa_key(2048);
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	q.key = other;
	put_signed(&out, &q, SL_STR(plain));
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_FAIL);
	sl_key_unref(other);
	sl_buf_clear(&out);
}

/* A18: only the first ten are looked at, before any question; equal keys are asked for once. */
static void
test_many_signatures(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_buf out = SL_BUF_INIT, all = SL_BUF_INIT;
	struct sl_dkim_verify *v;
	unsigned asked;

	(void)state;
	for (int i = 0; i < 900; i++)
		sl_buf_printf(&all, "DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s%d; h=from;"
		    " bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=QUJD\r\n", i % 3);
	sl_buf_puts(&all, plain);
	v = verify_text(sl_buf_str(&all), good_zone(), &o, &asked);
	assert_int_equal(asked, 3);
	assert_int_equal(sl_dkim_verify_count(v), 10);
	assert_int_equal(sl_dkim_verify_skipped(v), 890);
	assert_int_equal(sl_dkim_verify_status(v), SL_DKIM_PERMERROR);
	sl_dkim_verify_free(v);
	sl_buf_clear(&out);
	sl_buf_clear(&all);
}

static void
test_many_names(void **state)
{
	struct sl_buf h = SL_BUF_INIT, out = SL_BUF_INIT;

	(void)state;
	sl_buf_puts(&h, "from");
	for (int i = 1; i < SL_DKIM_MAX_H; i++)
		sl_buf_puts(&h, ":a");
	put_crafted(&out, rsa, V DS, h.p, plain);
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_PASS);
	replace(&out, "h=from", "h=from:a");
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_PERMERROR);
	while (h.n < 20000)
		sl_buf_puts(&h, ":a");
	sl_buf_reset(&out);
	sl_buf_printf(&out, "DKIM-Signature: " V DS "h=%s; bh=QUJD; b=QUJD\r\n%s", h.p, plain);
	assert_int_equal(verify_one(sl_buf_str(&out), good_zone()).status, SL_DKIM_PERMERROR);
	sl_buf_clear(&h);
	sl_buf_clear(&out);
}

static void
test_unsigned_message(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	unsigned asked;
	struct sl_dkim_verify *v = verify_text(SL_STR(plain), good_zone(), &o, &asked);

	(void)state;
	assert_int_equal(asked, 0);
	assert_int_equal(sl_dkim_verify_status(v), SL_DKIM_NONE);
	sl_dkim_verify_free(v);
}

/* Before its answer came a signature must not read as good. */
static void
test_unanswered(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_dkim_request q = request(rsa);
	struct sl_buf out = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_dkim_verify *v;

	(void)state;
	put_signed(&out, &q, SL_STR(plain));
	m = message(sl_buf_str(&out));
	v = sl_dkim_verify_new(m, &o);
	assert_int_not_equal(sl_dkim_verify_status(v), SL_DKIM_PASS);
	sl_dkim_verify_free(v);
	sl_message_unref(m);
	sl_buf_clear(&out);
}

/* Every allocation fails once: an error or a temporary result, never a wrong one. */
static void
test_out_of_memory(void **state)
{
	struct sl_dkim_verify_options o = { .now = NOW };
	struct sl_dkim_request q = request(ed);
	struct zone zone[] = {
		{ "sel._domainkey.example.com", ed_record.p, SL_DNS_OK }, { NULL, NULL, SL_DNS_OK },
	};
	struct sl_buf value = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_message *m = message(SL_STR(plain));
	int r = -1;

	(void)state;
	for (unsigned long n = 1; r < 0; n++) {
		sl_buf_clear(&value);
		sl_alloc_fail_at(n, 0);
		r = sl_dkim_sign(&value, &q, m, NULL, NULL, NOW, NULL);
		sl_alloc_fail_at(0, 0);
		assert_true(r == 0 || r == SL_ERR_NOMEM);
		assert_true(n < 500);
	}
	sl_message_unref(m);
	put_signed(&out, &q, SL_STR(plain));
	m = message(sl_buf_str(&out));
	for (unsigned long n = 1; n < 500; n++) {
		enum sl_dkim_status status = SL_DKIM_TEMPERROR;
		struct sl_question question;
		struct sl_dkim_verify *v;

		sl_alloc_fail_at(n, 0);
		v = sl_dkim_verify_new(m, &o);
		if (v != NULL) {
			struct sl_evaluator *e = sl_dkim_verify_evaluator(v);

			if (e->question(e, &question) == 1)
				answer_with(zone, e, &question);
		}
		sl_alloc_fail_at(0, 0);
		if (v != NULL)
			status = sl_dkim_verify_status(v);
		sl_dkim_verify_free(v);
		if (status == SL_DKIM_PASS)
			break;
		assert_int_equal(status, SL_DKIM_TEMPERROR);
		assert_true(n < 400);
	}
	sl_message_unref(m);
	sl_buf_clear(&value);
	sl_buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trips), cmocka_unit_test(test_field_layout),
		cmocka_unit_test(test_signed_names), cmocka_unit_test(test_refused_requests),
		cmocka_unit_test(test_from_needed), cmocka_unit_test(test_lengths_share_a_pass),
		cmocka_unit_test(test_many_lengths), cmocka_unit_test(test_head_and_bodies),
		cmocka_unit_test(test_changes), cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_crafted), cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_huge_and_nul), cmocka_unit_test(test_no_length),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_unsigned_from), cmocka_unit_test(test_key_records),
		cmocka_unit_test(test_wrong_key), cmocka_unit_test(test_many_signatures),
		cmocka_unit_test(test_many_names), cmocka_unit_test(test_unsigned_message),
		cmocka_unit_test(test_unanswered), cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
