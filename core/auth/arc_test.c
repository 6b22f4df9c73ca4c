/* ARC without DNS: what the structure of a chain decides, and chains we make ourselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
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
#define AMS(i)	"ARC-Message-Signature: i=" i "; a=rsa-sha256; d=example.org; s=s; c=relaxed/relaxed; " \
	"h=from; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=; b=AAAA\r\n"
#define AS(i, cv)	"ARC-Seal: i=" i "; a=rsa-sha256; cv=" cv "; d=example.org; s=s; b=AAAA\r\n"
#define SET(i, cv)	AS(i, cv) AMS(i) AAR(i)

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
	{ "results without i=", AS("1", "none") AMS("1") "ARC-Authentication-Results: mx.example; none\r\n",
	    "doesn't begin with i=", 1 },
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
	{ "a selector with a slash", "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=example.org; s=../x; b=AAAA\r\n"
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_structure), cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_large_signatures), cmocka_unit_test(test_no_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
