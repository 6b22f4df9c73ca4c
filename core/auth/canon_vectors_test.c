/* Recorded canonical headers and bodies: $SLUICE_VECTORS/dkim. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../crypto/digest.h"
#include "canon.h"
#include "evaluator_testing.h"
#include "vectors_testing.h"

static void
to_buf(void *arg, const void *p, size_t n)
{
	sl_buf_put(arg, p, n);
}

static void
run_body(struct sl_buf *out, const json_t *one, enum sl_canon canon)
{
	json_t *chunks = json_object_get(one, "chunks"), *piece;
	struct sl_buf in = SL_BUF_INIT;
	struct sl_canon_body c;
	size_t i;

	sl_canon_body_init(&c, canon, SL_CANON_ALL, to_buf, out);
	if (chunks == NULL) {
		put_latin1(&in, json_object_get(one, "input"));
		for (size_t at = 0; at < in.n; at++)
			sl_canon_body_update(&c, in.p + at, 1);
	}
	json_array_foreach(chunks, i, piece) {
		sl_buf_reset(&in);
		put_latin1(&in, piece);
		sl_canon_body_update(&c, in.p, in.n);
	}
	sl_canon_body_final(&c);
	sl_buf_clear(&in);
}

static void
run_header(struct sl_buf *out, const json_t *one, enum sl_canon canon)
{
	struct sl_buf in = SL_BUF_INIT;
	json_t *field;
	size_t i;

	json_array_foreach(json_object_get(one, "input"), i, field) {
		sl_buf_reset(&in);
		put_latin1(&in, field);
		assert_int_equal(sl_canon_header(out, canon, sl_buf_str(&in)), 0);
	}
	sl_buf_clear(&in);
}

static bool
as_wanted(const json_t *one, const struct sl_buf *out)
{
	const char *hash = json_string_value(json_object_get(one, "hash"));
	struct sl_buf want = SL_BUF_INIT, got = SL_BUF_INIT;
	enum sl_digest_alg alg = SL_DIGEST_SHA256;
	uint8_t h[SL_DIGEST_MAX];
	bool same;

	if (hash == NULL) {
		put_latin1(&want, json_object_get(one, "output"));
		sl_buf_putstr(&got, sl_buf_str(out));
	} else {
		while (strcasecmp(sl_digest_word(alg), hash) != 0)
			alg++;
		assert_int_equal(sl_digest_of(alg, sl_buf_str(out), h), 0);
		sl_base64_encode(&got, (struct sl_str){ (char *)h, sl_digest_size(alg) });
		sl_buf_puts(&want, json_string_value(json_object_get(one, "digest")));
	}
	same = sl_str_eq(sl_buf_str(&got), sl_buf_str(&want));
	sl_buf_clear(&want);
	sl_buf_clear(&got);
	return same;
}

/*
 * Cases with a bare LF were recorded from a program that makes it CRLF first. RFC 6376
 * 3.4.3 and 3.4.4 know lines that end in CRLF alone, RFC 5321 2.3.8 forbids to take
 * another byte for a line end: whoever receives the bytes decides that, before.
 */
static void
run_case(struct tally *t, const json_t *one)
{
	enum sl_canon canon = SL_CANON_SIMPLE;
	struct sl_buf out = SL_BUF_INIT;

	if (json_object_get(one, "note") != NULL) {
		t->disputed++;
		return;
	}
	sl_canon_parse(sl_str_of(case_text(one, "algo")), &canon);
	sl_buf_puts(&out, "");
	if (strcmp(case_text(one, "part"), "body") == 0)
		run_body(&out, one, canon);
	else
		run_header(&out, one, canon);
	tally_case(t, case_text(one, "id"), as_wanted(one, &out));
	sl_buf_clear(&out);
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one;
	size_t i;

	(void)folder;
	json_array_foreach(json_object_get(suite, "cases"), i, one)
		if (json_object_get(one, "part") != NULL)
			run_case(t, one);
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
