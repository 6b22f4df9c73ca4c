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
#include "evaluator_testing.h"

static bool
read_file(struct sl_buf *out, const char *folder, const char *name)
{
	const char *dir = getenv("SLUICE_VECTORS");
	char path[1024], block[8192];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "%s/arc/%s/%s", dir != NULL ? dir : "../shared/vectors", folder,
	    name);
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

static void
run_suite(const char *folder, const char *file, size_t least,
    bool (*good)(const json_t *suite, const json_t *one, const char *folder))
{
	char path[256];
	json_t *suite, *one;
	size_t i, n, bad = 0;

	snprintf(path, sizeof(path), "arc/%s/%s", folder, file);
	suite = load_vectors(path);
	if (suite == NULL)
		skip();
	n = json_array_size(json_object_get(suite, "cases"));
	json_array_foreach(json_object_get(suite, "cases"), i, one)
		bad += !good(suite, one, folder);
	json_decref(suite);
	printf("%s/%s: %zu cases, %zu bad\n", folder, file, n, bad);
	assert_int_equal(bad, 0);
	assert_true(n >= least);
}

static void
test_valimail_validate(void **state)
{
	(void)state;
	run_suite("valimail", "validate.json", 74, validates);
}

static void
test_stalwart(void **state)
{
	(void)state;
	run_suite("stalwart-arc", "cases.json", 2, validates);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valimail_validate), cmocka_unit_test(test_stalwart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
