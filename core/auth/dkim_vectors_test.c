/*
 * Recorded DKIM suites: $SLUICE_VECTORS/dkim. Cases with weak keys may be
 * refused by us (RFC 8301); the others must give what was recorded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dkim.h"
#include "evaluator_testing.h"
#include "vectors_testing.h"

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

/* Cases without a clock are looked at one second after they were signed. */
static int64_t
clock_of(const struct sl_message *m, const json_t *one)
{
	struct sl_dkim_signature sig;
	json_t *now = json_object_get(one, "now");
	int64_t latest = 1700000000;

	if (now != NULL)
		return json_integer_value(now);
	for (size_t i = 0; i < m->nfields; i++)
		if (sl_str_ieq(m->fields[i].name, SL_STR("DKIM-Signature")) &&
		    sl_dkim_signature_parse(&sig, m->fields[i].value, 0, NULL) == 0 &&
		    sig.timestamp > latest)
			latest = sig.timestamp;
	return latest + 1;
}

static struct sl_dkim_verify *
verify(json_t *suite, json_t *one, const char *folder)
{
	struct sl_dkim_verify_options options = { 0 };
	struct sl_dkim_verify *v;
	struct sl_message *m;
	struct sl_buf bytes = SL_BUF_INIT;
	json_t *zone = json_object_get(one, "zone");
	char path[1024];
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", folder, case_text(one, "message"));
	assert_true(read_file(&bytes, path));
	n = bytes.n;
	assert_int_equal(sl_message_from_memory(&m, sl_buf_take(&bytes, NULL), n, NULL), 0);
	options.now = clock_of(m, one);
	v = sl_dkim_verify_new(m, &options);
	assert_non_null(v);
	sl_message_unref(m);
	run_in_zone(sl_dkim_verify_evaluator(v), zone != NULL ? zone : json_object_get(suite, "zone"),
	    false);
	assert_true(sl_dkim_verify_evaluator(v)->done(sl_dkim_verify_evaluator(v)));
	return v;
}

static bool
refused_for_weakness(const struct sl_dkim_verify *v)
{
	enum sl_dkim_status s = sl_dkim_verify_status(v);

	return s == SL_DKIM_PERMERROR || s == SL_DKIM_POLICY;
}

static bool
signatures_as_wanted(const struct sl_dkim_verify *v, json_t *wanted)
{
	json_t *w;
	size_t i;

	json_array_foreach(wanted, i, w) {
		const char *want = json_string_value(json_object_get(w, "result"));

		if (i >= sl_dkim_verify_count(v) || (want != NULL &&
		    strcmp(want, sl_dkim_status_word(sl_dkim_verify_result(v, i)->status)) != 0))
			return false;
	}
	return true;
}

/* Its limit is 8192 bits, ours SL_RSA_MAX_BITS, which RFC 8301 3.2 asks for: refused for the size
 * instead of the signature. */
static bool
beyond_our_limit(const struct sl_dkim_verify *v, json_t *one)
{
	return strcmp(json_string_value(json_object_get(one, "id")),
	    "rspamd-dkim/dkim-accept-large-key-below-limit") == 0 &&
	    sl_dkim_verify_status(v) == SL_DKIM_POLICY && sl_dkim_verify_result(v, 0)->bits == 8192;
}

static bool
case_good(const struct sl_dkim_verify *v, json_t *one)
{
	const char *got = sl_dkim_status_word(sl_dkim_verify_status(v));

	if (listed_word(json_object_get(one, "not_result"), got))
		return false;
	if (beyond_our_limit(v, one))
		return true;
	if (json_object_get(one, "weak") != NULL && refused_for_weakness(v))
		return true;
	return listed_word(json_object_get(one, "result"), got) &&
	    signatures_as_wanted(v, json_object_get(one, "signatures"));
}

static void
report(const struct sl_dkim_verify *v, const json_t *one)
{
	printf("%s: %s\n", json_string_value(json_object_get(one, "id")),
	    sl_dkim_status_word(sl_dkim_verify_status(v)));
	for (size_t i = 0; i < sl_dkim_verify_count(v); i++) {
		const struct sl_dkim_result *r = sl_dkim_verify_result(v, i);

		printf("    %s._domainkey.%s: %s (%s)\n", r->selector, r->domain,
		    sl_dkim_status_word(r->status), r->reason);
	}
}

/* What is optional depends on limits that each program chooses (RFC 6376 6.1: how many signatures
 * are tried is the verifier's matter). */
static void
run_case(struct tally *t, json_t *suite, json_t *one, const char *folder)
{
	struct sl_dkim_verify *v = verify(suite, one, folder);
	bool good = case_good(v, one);

	if (!good && json_object_get(one, "optional") != NULL) {
		t->disputed++;
	} else {
		tally_case(t, case_text(one, "id"), good);
		if (!good)
			report(v, one);
	}
	sl_dkim_verify_free(v);
}

/* ---- syntax ---------------------------------------------------------------- */

static bool
field_good(const char *header)
{
	struct sl_dkim_signature sig;
	struct sl_str text = sl_str_of(header);
	ssize_t colon = sl_str_chr(text, ':');

	if (!sl_str_ends(text, SL_STR("\r\n")) || colon < 0 ||
	    !sl_str_ieq(sl_str_sub(text, 0, (size_t)colon), SL_STR("dkim-signature")))
		return false;	/* not the parser's business */
	return sl_dkim_signature_parse(&sig, sl_str_sub(text, (size_t)colon + 1, text.n - 2), 0,
	    NULL) == 0;
}

static bool
record_good(const char *txt)
{
	struct sl_dkim_key key;
	struct sl_pubkey *pubkey = NULL;
	bool good = sl_dkim_key_parse(&key, sl_str_of(txt), NULL) == 0 && key.known_type &&
	    (key.revoked || sl_pubkey_parse(&pubkey, key.type, sl_buf_str(&key.p), NULL, NULL) == 0);

	sl_pubkey_unref(pubkey);
	sl_dkim_key_clear(&key);
	return good;
}

/*
 * Where we differ on purpose. UTF-8 in i=, recorded as wrong in a message that
 * isn't internationalized: RFC 6532 3.2 makes the message that has it one, and
 * RFC 8616 5 allows it there. A blank behind the last ";" of a record: RFC 6376
 * 3.2 has none there, 6.1.2 doesn't ask to refuse it, and it is common.
 */
static bool
is_disputed(const json_t *one)
{
	const char *txt = json_string_value(json_object_get(one, "txt"));

	if (json_is_false(json_object_get(one, "smtputf8")))
		return true;
	return txt != NULL && strcmp(txt, "v=DKIM1; p=; ") == 0;
}

static void
run_syntax(struct tally *t, const json_t *one, const char *text, bool good)
{
	if (is_disputed(one))
		t->disputed++;
	else
		tally_case(t, text, good == json_is_true(json_object_get(one, "ok")));
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(suite, "cases"), i, one)
		if (json_object_get(one, "message") != NULL)
			run_case(t, suite, one, folder);
	json_array_foreach(json_object_get(suite, "signature_headers"), i, one)
		run_syntax(t, one, case_text(one, "header"), field_good(case_text(one, "header")));
	json_array_foreach(json_object_get(suite, "key_records"), i, one)
		run_syntax(t, one, case_text(one, "txt"), record_good(case_text(one, "txt")));
}

static void
test_suites(void **state)
{
	struct tally all;

	(void)state;
	if (!run_area("dkim", run, &all))
		skip();
	assert_int_equal(all.failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_suites) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
