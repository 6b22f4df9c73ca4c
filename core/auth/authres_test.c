/* Authentication-Results: recorded fields, what we write, whose a field is (A10, A29). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "authres.h"
#include "evaluator_testing.h"

/* ---- recorded fields -------------------------------------------------------------- */

static const char *
text_of(json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

/* The next child of a type, comments and versions left out. */
static json_t *
next_child(json_t *node, size_t *i, const char *type)
{
	json_t *list = json_object_get(node, "children"), *child;

	while (*i < json_array_size(list)) {
		child = json_array_get(list, (*i)++);
		if (strcmp(text_of(child, "type"), type) == 0)
			return child;
	}
	return NULL;
}

static bool
same_pair(json_t *node, struct sl_str key, struct sl_str value)
{
	return sl_str_eq(key, sl_str_of(text_of(node, "key"))) &&
	    sl_str_eq(value, sl_str_of(text_of(node, "value")));
}

static bool
same_entry(json_t *node, const struct sl_authres_entry *entry)
{
	size_t at = 0;

	if (!same_pair(node, entry->method, entry->result))
		return false;
	for (size_t i = 0; i < entry->nprops; i++) {
		json_t *prop = next_child(node, &at, "subentry");

		if (prop == NULL || !same_pair(prop, entry->props[i].name, entry->props[i].value))
			return false;
	}
	return next_child(node, &at, "subentry") == NULL;
}

static bool
same_field(json_t *node, const struct sl_authres *a)
{
	size_t at = 0;

	if (!sl_str_eq(a->authserv_id, sl_str_of(text_of(json_object_get(node, "authserv_id"), "value"))))
		return false;
	for (size_t i = 0; i < a->n; i++) {
		json_t *entry = next_child(node, &at, "entry");

		if (entry == NULL || !same_entry(entry, &a->entries[i]))
			return false;
	}
	return next_child(node, &at, "entry") == NULL;
}

static struct sl_str
without_name(struct sl_str header)
{
	struct sl_str name = SL_STR("Authentication-Results:");

	return sl_str_istarts(header, name) ? sl_str_sub(header, name.n, header.n) : header;
}

static void
test_recorded(void **state)
{
	json_t *suite = load_vectors("authres/mail-authenticationresults.json"), *one;
	size_t i, n = 0, bad = 0;

	(void)state;
	if (suite == NULL)
		skip();
	json_array_foreach(json_object_get(suite, "cases"), i, one) {
		json_t *expect = json_object_get(one, "expect");
		struct sl_authres a;
		struct sl_err err = { 0 };
		int r = sl_authres_parse(&a, without_name(sl_str_of(text_of(one, "header"))), &err);
		bool good = json_object_get(expect, "error") != NULL ? r != 0 :
		    r == 0 && same_field(json_object_get(expect, "json"), &a);

		n++;
		bad += !good;
		if (!good)
			printf("%s: %s (%s)\n", text_of(one, "id"), text_of(one, "header"), err.text);
		sl_authres_clear(&a);
	}
	json_decref(suite);
	printf("mail-authenticationresults: %zu cases, %zu bad\n", n, bad);
	assert_int_equal(bad, 0);
	assert_int_equal(n, 47);
}

/* Sections that another writer makes can be read. Received-SPF values are among
 * them; some pieces are cut off in the origin (a lone comment or backslash). */
static void
test_sections(void **state)
{
	json_t *suite = load_vectors("authres/stalwart-generated.json"), *one;
	size_t i, n = 0;

	(void)state;
	if (suite == NULL)
		skip();
	json_array_foreach(json_object_get(suite, "strings"), i, one) {
		const char *text = json_string_value(one);
		size_t word = strcspn(text, " =(");
		const char *open = strchr(text, '(');
		struct sl_buf field = SL_BUF_INIT;
		struct sl_authres a;

		if (text[word] != '=' || (open != NULL && strchr(open, ')') == NULL))
			continue;
		n++;
		sl_buf_printf(&field, "mx.example.org; %s", text);
		assert_int_equal(sl_authres_parse(&a, sl_buf_str(&field), NULL), 0);
		assert_int_equal(a.n, 1);
		assert_true(sl_str_eq(a.entries[0].method, (struct sl_str){ text, word }));
		sl_authres_clear(&a);
		sl_buf_clear(&field);
	}
	json_decref(suite);
	assert_true(n >= 12);
}

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

/* ---- what we write ---------------------------------------------------------------------- */

static void
test_written(void **state)
{
	struct sl_spf_result spf = { .status = SL_SPF_PASS, .domain = "a.example",
		.sender = "joe@a.example" };
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
	sl_authres_dkim(&w, &dkim);
	sl_authres_dmarc(&w, &dmarc);
	assert_int_equal(sl_authres_end(&w), 0);
	assert_string_equal(out.p, "mx.example.org;\r\n\tspf=pass smtp.mailfrom=joe@a.example;\r\n"
	    "\tdkim=fail (body hash did not verify) header.d=a.example header.s=s1\r\n"
	    "\theader.i=@a.example header.a=rsa-sha256 header.b=\"AbC/+123\";\r\n"
	    "\tdmarc=fail header.from=a.example policy.dmarc=quarantine");
	assert_int_equal(sl_authres_parse(&a, sl_buf_str(&out), NULL), 0);
	assert_true(a.conforming);
	assert_int_equal(a.n, 3);
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
		cmocka_unit_test(test_recorded), cmocka_unit_test(test_sections),
		cmocka_unit_test(test_fields), cmocka_unit_test(test_caps),
		cmocka_unit_test(test_claims), cmocka_unit_test(test_written),
		cmocka_unit_test(test_injection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
