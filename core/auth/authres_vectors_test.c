/*
 * Recorded Authentication-Results: $SLUICE_VECTORS/authres. Fields with their
 * tree are read, written again by us, and read once more; sections that another
 * writer makes are read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "authres.h"
#include "vectors_testing.h"

/* The next child of a type, comments and versions left out. */
static json_t *
next_child(json_t *node, size_t *i, const char *type)
{
	json_t *list = json_object_get(node, "children"), *child;

	while (*i < json_array_size(list)) {
		child = json_array_get(list, (*i)++);
		if (strcmp(case_text(child, "type"), type) == 0)
			return child;
	}
	return NULL;
}

static bool
same_pair(json_t *node, struct sl_str key, struct sl_str value)
{
	return sl_str_eq(key, sl_str_of(case_text(node, "key"))) &&
	    sl_str_eq(value, sl_str_of(case_text(node, "value")));
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

	if (!sl_str_eq(a->authserv_id, sl_str_of(case_text(json_object_get(node, "authserv_id"), "value"))))
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

/* What was read, by our writer; not what it has no form for: results that are empty, properties
 * without a ptype. */
static bool
write_again(struct sl_buf *out, const struct sl_authres *a)
{
	struct sl_authres_writer w;
	char id[256], name[256], result[256];

	snprintf(id, sizeof(id), "%.*s", (int)a->authserv_id.n, a->authserv_id.p);
	sl_authres_begin(&w, out, id);
	for (size_t i = 0; i < a->n; i++) {
		const struct sl_authres_entry *e = &a->entries[i];

		if (!sl_authres_keyword(e->method) || !sl_authres_keyword(e->result))
			return false;
		snprintf(name, sizeof(name), "%.*s", (int)e->method.n, e->method.p);
		snprintf(result, sizeof(result), "%.*s", (int)e->result.n, e->result.p);
		sl_authres_result(&w, name, result, "");
		for (size_t k = 0; k < e->nprops; k++) {
			char *dot;

			snprintf(name, sizeof(name), "%.*s", (int)e->props[k].name.n, e->props[k].name.p);
			if ((dot = strchr(name, '.')) == NULL || e->props[k].value.n == 0)
				return false;
			*dot = '\0';
			sl_authres_property(&w, name, dot + 1, e->props[k].value);
		}
	}
	return sl_authres_end(&w) == 0;
}

static bool
round_good(json_t *tree, const struct sl_authres *a)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_authres again;
	bool good = true;

	if (write_again(&text, a)) {
		good = sl_authres_parse(&again, sl_buf_str(&text), NULL) == 0 && again.conforming &&
		    same_field(tree, &again);
		sl_authres_clear(&again);
	}
	sl_buf_clear(&text);
	return good;
}

static bool
field_good(json_t *one)
{
	json_t *expect = json_object_get(one, "expect"), *tree = json_object_get(expect, "json");
	struct sl_authres a;
	int r = sl_authres_parse(&a, without_name(sl_str_of(case_text(one, "header"))), NULL);
	bool good = json_object_get(expect, "error") != NULL ? r != 0 :
	    r == 0 && same_field(tree, &a) && round_good(tree, &a);

	sl_authres_clear(&a);
	return good;
}

static bool
section_good(const char *text)
{
	struct sl_str method = { text, strcspn(text, " =(") };
	struct sl_buf field = SL_BUF_INIT;
	struct sl_authres a;
	bool good;

	sl_buf_printf(&field, "mx.example.org; %s", text);
	good = sl_authres_parse(&a, sl_buf_str(&field), NULL) == 0 && a.n == 1 &&
	    sl_str_eq(a.entries[0].method, method);
	sl_authres_clear(&a);
	sl_buf_clear(&field);
	return good;
}

/* Values of Received-SPF, which nobody reads, and halves of sections: a comment that isn't
 * closed, a backslash at the end. */
static bool
is_no_section(const char *text)
{
	const char *open = strchr(text, '(');
	size_t n = strlen(text);

	return text[strcspn(text, " =(")] != '=' || (open != NULL && strchr(open, ')') == NULL) ||
	    (n > 0 && text[n - 1] == '\\');
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one;
	size_t i;

	(void)folder;
	json_array_foreach(json_object_get(suite, "cases"), i, one)
		if (json_object_get(one, "header") != NULL)
			tally_case(t, case_text(one, "id"), field_good(one));
	json_array_foreach(json_object_get(suite, "strings"), i, one) {
		const char *text = json_string_value(one);

		if (text == NULL || is_no_section(text))
			t->disputed++;
		else
			tally_case(t, text, section_good(text));
	}
}

static void
test_suites(void **state)
{
	struct tally all;

	(void)state;
	if (!run_area("authres", run, &all))
		skip();
	assert_int_equal(all.failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suites) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
