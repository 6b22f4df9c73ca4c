/*
 * Recorded aggregate reports: $SLUICE_VECTORS/reports. What isn't one
 * (failure reports, reports of TLS, schemas) must not be taken for one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "report.h"
#include "vectors_testing.h"

#define LISTED	50	/* records that a case has, of however many there are */

static bool
read_file(struct sl_buf *out, const char *path)
{
	char block[8192];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL)
		return false;
	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		sl_buf_put(out, block, n);
	fclose(f);
	return true;
}

static struct sl_report *
read_report(const char *path)
{
	struct sl_buf file = SL_BUF_INIT, memory = SL_BUF_INIT;
	struct sl_report *r = NULL;
	struct sl_str xml;

	assert_true(read_file(&file, path));
	if (sl_report_unpack(&xml, &memory, sl_buf_str(&file), NULL) == 0)
		sl_report_parse(&r, xml, NULL);
	sl_buf_clear(&memory);
	sl_buf_clear(&file);
	return r;
}

/* null is "", and our keywords are in lower case. */
static bool
same(const json_t *object, const char *key, const char *ours)
{
	return strcasecmp(case_text(object, key), ours) == 0;
}

static bool
same_number(const json_t *object, const char *key, int64_t ours)
{
	return strtoll(case_text(object, key), NULL, 10) == ours;
}

static bool
same_results(const json_t *list, const struct sl_report_result *ours, size_t n)
{
	size_t i;

	if (json_array_size(list) != n)
		return false;
	for (i = 0; i < n; i++) {
		const json_t *one = json_array_get(list, i);

		if (!same(one, "domain", ours[i].domain) || !same(one, "result", ours[i].result) ||
		    !same(one, "selector", ours[i].selector) || !same(one, "scope", ours[i].scope))
			return false;
	}
	return true;
}

static bool
same_record(const json_t *one, const struct sl_report_record *r)
{
	const json_t *reasons = json_object_get(one, "reasons");
	size_t i;

	if (json_array_size(reasons) != r->nreasons)
		return false;
	for (i = 0; i < r->nreasons; i++)
		if (!same(json_array_get(reasons, i), "type", r->reasons[i].type) ||
		    !same(json_array_get(reasons, i), "comment", r->reasons[i].comment))
			return false;
	return same(one, "source_ip", r->source_ip) && same_number(one, "count", (int64_t)r->count) &&
	    same(one, "disposition", r->disposition) && same(one, "dkim", r->dkim) &&
	    same(one, "spf", r->spf) && same(one, "header_from", r->header_from) &&
	    same(one, "envelope_from", r->envelope_from) &&
	    same(one, "envelope_to", r->envelope_to) &&
	    same_results(json_object_get(one, "auth_dkim"), r->dkim_results, r->ndkim) &&
	    same_results(json_object_get(one, "auth_spf"), r->spf_results, r->nspf);
}

static bool
same_policy(const json_t *p, const struct sl_report *r)
{
	return same(p, "domain", r->domain) && same(p, "p", r->p) && same(p, "sp", r->sp) &&
	    same(p, "np", r->np) && same(p, "adkim", r->adkim) && same(p, "aspf", r->aspf) &&
	    same(p, "pct", r->pct) && same(p, "fo", r->fo) && same(p, "testing", r->testing) &&
	    same(p, "discovery_method", r->discovery_method);
}

static bool
same_report(const json_t *fields, const struct sl_report *r)
{
	const json_t *records = json_object_get(fields, "records");
	int64_t total = 0;
	size_t i;

	for (i = 0; i < r->nrecords; i++) {
		total += (int64_t)r->records[i].count;
		if (i < LISTED && !same_record(json_array_get(records, i), &r->records[i]))
			return false;
	}
	return same(fields, "version", r->version) && same(fields, "org_name", r->org_name) &&
	    same(fields, "email", r->email) && same(fields, "report_id", r->report_id) &&
	    same_number(fields, "begin", r->begin) && same_number(fields, "end", r->end) &&
	    same_policy(json_object_get(fields, "policy_published"), r) &&
	    json_integer_value(json_object_get(fields, "n_records")) == (json_int_t)r->nrecords &&
	    json_integer_value(json_object_get(fields, "total_count")) == total;
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(suite, "cases"), i, one) {
		const json_t *fields = json_object_get(json_object_get(one, "expect"), "fields");
		struct sl_report *r;
		char path[1024];

		snprintf(path, sizeof(path), "%s/%s", folder, case_text(one, "file"));
		r = read_report(path);
		if (json_is_true(json_object_get(fields, "well_formed")))
			tally_case(t, case_text(one, "id"), r != NULL && same_report(fields, r));
		else
			tally_case(t, case_text(one, "id"), r == NULL);
		sl_report_free(r);
	}
}

static void
test_suites(void **state)
{
	struct tally all;

	(void)state;
	if (!run_area("reports", run, &all))
		skip();
	assert_int_equal(all.failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suites) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
