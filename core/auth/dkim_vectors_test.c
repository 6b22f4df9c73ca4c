/*
 * Recorded DKIM suites: $SLUICE_VECTORS/dkim. Cases with weak keys may be
 * refused by us (RFC 8301); the others must give what was recorded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dkim.h"

static const char *
root(void)
{
	const char *dir = getenv("SLUICE_VECTORS");

	return dir != NULL ? dir : "../shared/vectors";
}

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

/* ---- answers from a zone in JSON ----------------------------------------- */

static json_t *
find_name(json_t *zone, const char *name)
{
	const char *key;
	json_t *entry;

	json_object_foreach(zone, key, entry)
		if (sl_str_ieq(sl_str_of(key), sl_str_of(name)))
			return entry;
	return NULL;
}

static void
answer_from(json_t *zone, struct sl_evaluator *e, const struct sl_question *q)
{
	json_t *entry = find_name(zone, q->name), *txt, *strings, *s;
	struct sl_dns_record records[8] = { 0 };
	struct sl_buf text[8] = { 0 };
	struct sl_dns_answer answer = { .refs = 1, .records = records };
	size_t i, k;

	txt = json_object_get(json_object_get(entry, "records"), "TXT");
	json_array_foreach(txt, i, strings) {
		json_array_foreach(strings, k, s)
			sl_buf_puts(&text[i], json_string_value(s));
		records[i].data = sl_buf_str(&text[i]);
		answer.n++;
	}
	if (entry == NULL)
		answer.status = SL_DNS_NXDOMAIN;
	else if (json_object_get(entry, "timeout") != NULL)
		answer.status = SL_DNS_TIMEOUT;
	else
		answer.status = answer.n > 0 ? SL_DNS_OK : SL_DNS_NODATA;
	e->answer(e, q->id, &answer);
	for (i = 0; i < 8; i++)
		sl_buf_clear(&text[i]);
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
run_case(json_t *suite, json_t *one, const char *folder, unsigned max)
{
	struct sl_dkim_verify_options options = { .max_signatures = max };
	struct sl_dkim_verify *v;
	struct sl_evaluator *e;
	struct sl_message *m;
	struct sl_question q;
	struct sl_buf bytes = SL_BUF_INIT;
	json_t *zone = json_object_get(one, "zone");
	char path[1024];
	size_t n;

	snprintf(path, sizeof(path), "%s/dkim/%s/%s", root(), folder,
	    json_string_value(json_object_get(one, "message")));
	assert_true(read_file(&bytes, path));
	n = bytes.n;
	assert_int_equal(sl_message_from_memory(&m, sl_buf_take(&bytes, NULL), n, NULL), 0);
	options.now = clock_of(m, one);
	v = sl_dkim_verify_new(m, &options);
	assert_non_null(v);
	sl_message_unref(m);
	e = sl_dkim_verify_evaluator(v);
	while (e->question(e, &q) == 1)
		answer_from(zone != NULL ? zone : json_object_get(suite, "zone"), e, &q);
	assert_true(e->done(e));
	return v;
}

static bool
listed(const json_t *list, const char *word)
{
	json_t *w;
	size_t i;

	json_array_foreach(list, i, w)
		if (strcmp(json_string_value(w), word) == 0)
			return true;
	return false;
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

/* Its limit is 8192 bits, ours SL_RSA_MAX_BITS: refused for the size instead of the signature. */
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

	if (listed(json_object_get(one, "not_result"), got))
		return false;
	if (beyond_our_limit(v, one))
		return true;
	if (json_object_get(one, "weak") != NULL && refused_for_weakness(v))
		return true;
	return listed(json_object_get(one, "result"), got) &&
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

static void
run_suite(const char *folder, size_t least, unsigned max)
{
	char path[1024];
	json_t *suite, *one;
	size_t i, n = 0, bad = 0;

	snprintf(path, sizeof(path), "%s/dkim/%s/cases.json", root(), folder);
	suite = json_load_file(path, 0, NULL);
	if (suite == NULL) {
		printf("no vectors at %s: skipped\n", path);
		skip();
	}
	json_array_foreach(json_object_get(suite, "cases"), i, one) {
		struct sl_dkim_verify *v = run_case(suite, one, folder, max);

		n++;
		if (!case_good(v, one)) {
			bad++;
			report(v, one);
		}
		sl_dkim_verify_free(v);
	}
	json_decref(suite);
	printf("%s: %zu cases, %zu bad\n", folder, n, bad);
	assert_int_equal(bad, 0);
	assert_true(n >= least);
}

static void
test_dkimpy(void **state)
{
	(void)state;
	run_suite("dkimpy", 101, 0);
}

static void
test_mailauth(void **state)
{
	(void)state;
	run_suite("mailauth-rfc8463", 1, 0);
}

static void
test_mox(void **state)
{
	(void)state;
	run_suite("mox-dkim", 2, 0);
}

static void
test_rspamd(void **state)
{
	(void)state;
	run_suite("rspamd-dkim", 16, 5);	/* the limit its cases are made for */
}

static void
test_stalwart(void **state)
{
	(void)state;
	run_suite("stalwart-dkim", 6, 0);
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
 * Where we differ on purpose: whether UTF-8 is allowed is the message's
 * matter, not the field's; blanks behind the last ";" are common in DNS.
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
test_syntax(void **state)
{
	char path[1024];
	json_t *suite, *one;
	size_t i, n = 0, bad = 0;

	(void)state;
	snprintf(path, sizeof(path), "%s/dkim/mox-parse.json", root());
	suite = json_load_file(path, 0, NULL);
	if (suite == NULL) {
		printf("no vectors at %s: skipped\n", path);
		skip();
	}
	json_array_foreach(json_object_get(suite, "signature_headers"), i, one) {
		const char *header = json_string_value(json_object_get(one, "header"));

		n++;
		if (!is_disputed(one) && field_good(header) != json_is_true(json_object_get(one, "ok")) &&
		    ++bad)
			printf("field: %s", header);
	}
	json_array_foreach(json_object_get(suite, "key_records"), i, one) {
		const char *txt = json_string_value(json_object_get(one, "txt"));

		n++;
		if (!is_disputed(one) && record_good(txt) != json_is_true(json_object_get(one, "ok")) &&
		    ++bad)
			printf("record: %s\n", txt);
	}
	json_decref(suite);
	printf("mox-parse: %zu cases, %zu bad\n", n, bad);
	assert_int_equal(bad, 0);
	assert_true(n >= 30);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dkimpy), cmocka_unit_test(test_mailauth),
		cmocka_unit_test(test_mox), cmocka_unit_test(test_rspamd),
		cmocka_unit_test(test_stalwart), cmocka_unit_test(test_syntax),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
