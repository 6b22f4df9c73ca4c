/*
 * Recorded ARC suites: $SLUICE_VECTORS/arc. validate.json and cases.json hold
 * chains and what they must give; sign.json what a seal must look like.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "arc.h"
#include "authres.h"
#include "evaluator_testing.h"
#include "vectors_testing.h"

static bool
read_file(struct sl_buf *out, const char *folder, const char *name)
{
	char path[1024], block[8192];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if ((f = fopen(path, "rb")) == NULL)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		sl_buf_put(out, block, n);
	fclose(f);
	return true;
}

static struct sl_message *
load_message(const json_t *one, const char *folder)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_message *m;
	size_t n;

	assert_true(read_file(&bytes, folder, json_string_value(json_object_get(one, "message"))));
	n = bytes.n;
	assert_int_equal(sl_message_from_memory(&m, n > 0 ? sl_buf_take(&bytes, NULL) :
	    sl_calloc(1, 1), n, NULL), 0);
	return m;
}

static json_t *
zone_of(const json_t *suite, const json_t *one)
{
	json_t *zone = json_object_get(one, "zone"), *ref = json_object_get(one, "zone_ref");

	if (zone != NULL)
		return zone;
	if (ref != NULL)
		return json_array_get(json_object_get(suite, "zones"), (size_t)json_integer_value(ref));
	return json_object_get(suite, "zone");
}

static int64_t
clock_of(const json_t *one)
{
	json_t *now = json_object_get(one, "now");

	return now != NULL ? json_integer_value(now) : 1700000000;
}

static struct sl_arc *
validate(struct sl_message *m, const json_t *suite, const json_t *one)
{
	struct sl_arc_options options = { .now = clock_of(one) };
	struct sl_arc *a = sl_arc_new(m, &options);

	assert_non_null(a);
	run_in_zone(sl_arc_evaluator(a), zone_of(suite, one), false);
	assert_true(sl_arc_evaluator(a)->done(sl_arc_evaluator(a)));
	return a;
}

static bool
validates(const json_t *suite, const json_t *one, const char *folder)
{
	struct sl_message *m = load_message(one, folder);
	struct sl_arc *a = validate(m, suite, one);
	const struct sl_arc_result *r = sl_arc_result(a);
	bool good = listed_word(json_object_get(one, "cv"), sl_arc_status_word(r->status));

	if (!good)
		printf("%s: %s (%s)\n", json_string_value(json_object_get(one, "id")),
		    sl_arc_status_word(r->status), r->reason);
	sl_arc_free(a);
	sl_message_unref(m);
	return good;
}

/* ---- seals -------------------------------------------------------------------- */

/* Tags, one a line, without white space. */
static void
tag_set(struct sl_buf *out, struct sl_str value)
{
	for (size_t i = 0; i < value.n; i++) {
		if (value.p[i] == ';')
			sl_buf_putc(out, '\n');
		else if (!sl_isspace(value.p[i]))
			sl_buf_putc(out, value.p[i]);
	}
}

static bool
same_tags(const json_t *one, const char *name, const struct sl_buf *value)
{
	json_t *wanted = json_object_get(json_object_get(one, "expected"), name);
	struct sl_buf a = SL_BUF_INIT, b = SL_BUF_INIT;
	bool good;

	tag_set(&a, sl_str_of(json_string_value(wanted)));
	tag_set(&b, sl_buf_str(value));
	good = sl_str_eq(sl_buf_str(&a), sl_buf_str(&b));
	if (!good)
		printf("%s: %s wanted\n%s\nmade\n%s\n", json_string_value(json_object_get(one, "id")),
		    name, a.p, b.p);
	sl_buf_clear(&a);
	sl_buf_clear(&b);
	return good;
}

/* What stands behind "i=N;", with the line ends of mail. */
static void
payload_of(struct sl_buf *out, const json_t *one)
{
	struct sl_str text = sl_str_of(json_string_value(json_object_get(json_object_get(one,
	    "expected"), "ARC-Authentication-Results"))), instance;

	if (text.n == 0)
		text = SL_STR("i=1; lists.example.org; none");
	sl_str_split(&text, ';', &instance);
	text = sl_str_trim(text);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			sl_buf_puts(out, "\r\n\t");
		else
			sl_buf_putc(out, text.p[i]);
	}
}

/* As the message's own Authentication-Results say it. */
static enum sl_arc_status
status_of(const struct sl_message *m, const char *srv_id)
{
	enum sl_arc_status status = SL_ARC_NONE;

	for (size_t i = 0; i < m->nfields; i++) {
		struct sl_authres a;

		if (!sl_str_ieq(m->fields[i].name, SL_STR("Authentication-Results")))
			continue;
		if (sl_authres_parse(&a, m->fields[i].value, NULL) == 0 &&
		    sl_str_ieq(a.authserv_id, sl_str_of(srv_id)))
			for (size_t k = 0; k < a.n; k++)
				if (sl_str_ieq(a.entries[k].method, SL_STR("arc")))
					status = sl_str_ieq(a.entries[k].result, SL_STR("pass")) ? SL_ARC_PASS :
					    sl_str_ieq(a.entries[k].result, SL_STR("fail")) ? SL_ARC_FAIL : SL_ARC_NONE;
		sl_authres_clear(&a);
	}
	return status;
}

static bool
seal_as_wanted(const json_t *one, const struct sl_message *m, struct sl_arc_request *q)
{
	bool none = json_is_null(json_object_get(json_object_get(one, "expected"), "ARC-Seal"));
	struct sl_arc_seal seal;
	struct sl_err err = { 0 };
	int r = sl_arc_seal(&seal, q, m, NULL, NULL,
	    json_integer_value(json_object_get(one, "timestamp")), &err);
	bool good;

	if (r < 0)
		printf("%s: %s\n", json_string_value(json_object_get(one, "id")), err.text);
	good = none ? r == SL_ERR_REFUSED : r == 0 && same_tags(one, "ARC-Seal", &seal.seal) &&
	    same_tags(one, "ARC-Message-Signature", &seal.message) &&
	    same_tags(one, "ARC-Authentication-Results", &seal.results);
	sl_arc_seal_clear(&seal);
	return good;
}

static bool
seals(const json_t *suite, const json_t *one, const char *folder)
{
	static const struct sl_str_list nothing = { NULL, 0 };
	struct sl_message *m = load_message(one, folder);
	struct sl_str rest = sl_str_of(json_string_value(json_object_get(one, "sign_headers")));
	struct sl_str list[32];
	struct sl_str_list headers = { list, 0 };
	struct sl_buf payload = SL_BUF_INIT;
	struct sl_arc_request q = { .dkim = {
		.selector = sl_str_of(json_string_value(json_object_get(one, "selector"))),
		.domain = sl_str_of(json_string_value(json_object_get(one, "domain"))),
		.options = { .headers = &headers, .oversign = &nothing },
	} };
	struct sl_key *key;
	bool good;

	(void)suite;
	while (headers.n < 32 && sl_str_split(&rest, ':', &list[headers.n]))
		headers.n++;
	assert_int_equal(sl_key_parse(&key,
	    sl_str_of(json_string_value(json_object_get(one, "private_key_pem"))), NULL), 0);
	payload_of(&payload, one);
	q.dkim.key = key;
	q.results = sl_buf_str(&payload);
	q.cv = status_of(m, json_string_value(json_object_get(one, "srv_id")));
	good = seal_as_wanted(one, m, &q);
	sl_buf_clear(&payload);
	sl_key_unref(key);
	sl_message_unref(m);
	return good;
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(suite, "cases"), i, one) {
		if (json_object_get(one, "cv") != NULL)
			tally_case(t, case_text(one, "id"), validates(suite, one, folder));
		else if (json_object_get(one, "expected") != NULL)
			tally_case(t, case_text(one, "id"), seals(suite, one, folder));
	}
}

static void
test_suites(void **state)
{
	struct tally all;

	(void)state;
	if (!run_area("arc", run, &all))
		skip();
	assert_int_equal(all.failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suites) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
