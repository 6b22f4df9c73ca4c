/* Authentication-Results: what is read, what we write, whose a field is (A10, A29). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "authres.h"
#include "evaluator_testing.h"

static const struct { const char *value; bool good, conforming; } fields[] = {
	{ "mx.example; none", true, true },
	{ "mx.example 1; none", true, true },
	{ "\"mx example\"; spf=pass smtp.mailfrom=a@b.example", true, true },
	{ "mx.example; dkim/1=pass header.d=a.example header.i=\"a b\"@a.example", true, true },
	{ "mx.example; dkim=fail reason=\"no; key\" header . d=a.example", true, true },
	{ "mx.example; dkim = pass (a (nested) comment)\r\n\theader.d = a.example", true, true },
	{ "mx.example; spf=pass;", true, false },
	{ "mx.example; spf=pass x-bits=1024", true, false },
	{ "mx.example", true, false },
	{ "mx.example; spf=pass (open", false, false },
	{ "mx.example; spf=\"pass", false, false },
	{ "mx.example; spf=pa\"ss\"", false, false },
	{ "mx.example; spf/x=pass", false, false },
	{ "spf=pass", false, false },
	{ "", false, false }, { "()", false, false }, { "; none", false, false },
};

static void
test_fields(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		struct sl_authres a;
		int r = sl_authres_parse(&a, sl_str_of(fields[i].value), NULL);

		if ((r == 0) != fields[i].good || (r == 0 && a.conforming != fields[i].conforming))
			fail_msg("%s", fields[i].value);
		sl_authres_clear(&a);
	}
}

static void
test_caps(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_authres a;

	(void)state;
	sl_buf_puts(&text, "mx.example");
	for (int i = 0; i <= SL_AUTHRES_MAX_RESULTS; i++)
		sl_buf_puts(&text, "; a=b");
	assert_int_equal(sl_authres_parse(&a, sl_buf_str(&text), NULL), SL_ERR_LIMIT);
	sl_authres_clear(&a);
	sl_buf_reset(&text);
	sl_buf_puts(&text, "mx.example; a=b");
	for (int i = 0; i <= SL_AUTHRES_MAX_PROPS; i++)
		sl_buf_puts(&text, " a.b=c");
	assert_int_equal(sl_authres_parse(&a, sl_buf_str(&text), NULL), SL_ERR_LIMIT);
	sl_authres_clear(&a);
	sl_buf_reset(&text);
	for (int i = 0; i < 30000; i++)
		sl_buf_putc(&text, '(');
	assert_int_equal(sl_authres_parse(&a, sl_buf_str(&text), NULL), SL_ERR_SYNTAX);
	sl_authres_clear(&a);
	sl_buf_clear(&text);
}

/* ---- A29: whose is it? ---------------------------------------------------------------- */

static const struct { const char *value; bool ours; } claims[] = {
	{ "mx.example.org; none", true }, { "MX.Example.ORG; spf=pass", true },
	{ "\r\n\tmx.example.org;\r\n spf=pass", true }, { " (x (y)) mx.example.org (z); none", true },
	{ "\"mx.example.org\"; none", true }, { "\"mx.ex\\ample.org\"; none", true },
	{ "mx.\"example\".org; none", true },
	{ "mx.example.org. ; none", true }, { "mx.example.org 1; none", true },
	{ "mx.example.org/1; none", true }, { "mx.example.org", true },
	{ "mx.example.org = = broken", true }, { "mx.example.org(c); none", true },
	{ "(never closed mx.example.org; none", true }, { "\"never closed", true },
	{ "", true }, { " ; none", true },
	{ "mx.exam(x)ple.org; none", true }, { "mx.example.org(c)foo; none", true },
	{ "mx.(x) example.(y)org(z); none", true }, { "mx(", true },
	{ "mx.example.net(c); none", false }, { "mx.exam(x)ple.net; none", false },
	{ "mx.example.net; none", false }, { "xmx.example.org; none", false },
	{ "mx.example.org.example.net; none", false }, { "a; mx.example.org", false },
};

static void
test_claims(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++)
		if (sl_authres_claims(sl_str_of(claims[i].value), "mx.example.org") != claims[i].ours)
			fail_msg("%s", claims[i].value);
	assert_true(sl_authres_claims(SL_STR("b\xc3\xbc" "cher.example; none"), "xn--bcher-kva.example"));
}

/* CVE-2022-48521: with several to remove, one by one, none may be skipped. */
static void
test_strip(void **state)
{
	static const char ours[] = "Authentication-Results: mx.example.org; spf=pass\r\n";
	static const char others[] = "authentication-results: mx.example.net; none\r\n";
	struct sl_buf text = SL_BUF_INIT;
	struct sl_arena *arena = sl_arena_new(1 << 20);
	struct sl_message *m;
	struct sl_head *head;
	size_t n;

	(void)state;
	for (int i = 0; i < 30; i++) {
		sl_buf_puts(&text, "AUTHENTICATION-RESULTS :\r\n (x)\r\n \"MX.example.ORG\"; dkim=pass\r\n");
		sl_buf_puts(&text, i % 3 == 0 ? others : ours);
		sl_buf_puts(&text, ours);
	}
	sl_buf_puts(&text, "Subject: Authentication-Results: mx.example.org; none\r\n\r\nhi\r\n");
	n = text.n;
	assert_int_equal(sl_message_from_memory(&m, sl_buf_take(&text, NULL), n, NULL), 0);
	head = sl_head_new(m, arena);
	assert_int_equal(sl_authres_strip(head, "mx.example.org"), 80);
	assert_int_equal(sl_head_count(head), 11);
	assert_int_equal(sl_authres_strip(head, "mx.example.org"), 0);
	assert_int_equal(sl_authres_strip(head, "mx.example.net"), 10);
	assert_int_equal(m->nfields, 91);	/* as received */
	sl_head_free(head);
	sl_message_unref(m);
	sl_arena_free(arena);
}

/* ---- what we write ---------------------------------------------------------------------- */

static void
test_written(void **state)
{
	struct sl_spf_result spf = { .status = SL_SPF_PASS, .domain = "a.example",
		.sender = "joe@a.example" };
	struct sl_spf_result helo = { .status = SL_SPF_NONE, .identity = SL_SPF_HELO,
		.sender = "postmaster@[192.0.2.1]" };
	struct sl_dkim_result dkim = { .status = SL_DKIM_FAIL, .reason = "body hash did not verify",
		.domain = "a.example", .selector = "s1", .identity = "@a.example",
		.algorithm = SL_DKIM_RSA_SHA256, .b = "AbC/+123" };
	struct sl_dmarc_details dmarc = { .status = SL_DMARC_QUARANTINE, .from = "a.example",
		.domain = "a.example", .policy = SL_DMARC_P_REJECT };
	struct sl_authres_writer w;
	struct sl_buf out = SL_BUF_INIT;
	struct sl_authres a;

	(void)state;
	sl_authres_begin(&w, &out, "mx.example.org");
	sl_authres_spf(&w, &spf);
	sl_authres_spf(&w, &helo);
	sl_authres_dkim(&w, &dkim);
	sl_authres_dmarc(&w, &dmarc);
	assert_int_equal(sl_authres_end(&w), 0);
	assert_string_equal(out.p, "mx.example.org;\r\n\tspf=pass smtp.mailfrom=joe@a.example;\r\n"
	    "\tspf=none smtp.helo=\"[192.0.2.1]\";\r\n"
	    "\tdkim=fail (body hash did not verify) header.d=a.example header.s=s1\r\n"
	    "\theader.i=@a.example header.a=rsa-sha256 header.b=\"AbC/+123\";\r\n"
	    "\tdmarc=fail header.from=a.example policy.dmarc=quarantine");
	assert_int_equal(sl_authres_parse(&a, sl_buf_str(&out), NULL), 0);
	assert_true(a.conforming);
	assert_int_equal(a.n, 4);
	assert_true(sl_authres_claims(sl_buf_str(&out), "mx.example.org"));
	sl_authres_clear(&a);
	sl_buf_reset(&out);
	sl_authres_begin(&w, &out, "mx.example.org");
	assert_int_equal(sl_authres_end(&w), 0);
	assert_string_equal(out.p, "mx.example.org; none");
	sl_buf_clear(&out);
}

/* A10: what came from outside is read back as the one value it was. */
static void
test_injection(void **state)
{
	static const char *const hostile[] = {
		"a.example; dkim=pass", "a\") x=\"(", "a(.example", "a\\", "a\r\nX: y", "a b", "=", "\"",
		"a@b@c", "@", "a.example;", "j\xc3\xb6@a.example", "\xff", "x\x01y",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct sl_str value = sl_str_of(hostile[i]);
		struct sl_authres_writer w;
		struct sl_buf out = SL_BUF_INIT;
		struct sl_authres a;

		sl_authres_begin(&w, &out, "mx.example.org");
		sl_authres_result(&w, "spf", "fail", hostile[i]);
		sl_authres_property(&w, "smtp", "helo", value);
		sl_authres_end(&w);
		assert_int_equal(sl_authres_parse(&a, sl_buf_str(&out), NULL), 0);
		assert_true(a.conforming);
		assert_int_equal(a.n, 1);
		assert_int_equal(a.entries[0].nprops, 1);
		assert_int_equal(a.entries[0].props[0].value.n, value.n);
		for (size_t k = 0; k < value.n; k++)
			assert_true(a.entries[0].props[0].value.p[k] == value.p[k] ||
			    a.entries[0].props[0].value.p[k] == '?');
		sl_authres_clear(&a);
		sl_buf_clear(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields), cmocka_unit_test(test_caps),
		cmocka_unit_test(test_claims), cmocka_unit_test(test_strip), cmocka_unit_test(test_written),
		cmocka_unit_test(test_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
