/* Secrets in texts: many of every length are found wherever they stand, the longest first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../crypto/random.h"
#include "../net/loop.h"
#include "vm.h"

#define SECRETS	2000

static size_t
make_secret(unsigned n, char out[64])
{
	size_t length = 4 + n % 40, i;

	snprintf(out, 64, "%04x", n);
	for (i = 4; i < length; i++)
		out[i] = (char)('A' + (n + i * 7) % 26);
	out[length] = '\0';
	return length;
}

static void
assert_redacted(struct sl_vm *vm, const char *text, const char *expected)
{
	struct sl_buf out = SL_BUF_INIT;

	assert_int_equal(sl_vm_redact(vm, sl_str_of(text), &out), 0);
	assert_string_equal(out.p != NULL ? out.p : "", expected);
	sl_buf_clear(&out);
}

static void
test_every_length(void **state)
{
	char secret[64], mark[SL_SECRET_MARK], text[300], expected[300];
	struct sl_err err;
	struct sl_loop *loop = sl_loop_new(&err);
	struct sl_vm *vm = sl_vm_new(loop, NULL, &err);
	struct sl_str s;
	unsigned n;

	(void)state;
	assert_non_null(vm);
	for (n = 0; n < SECRETS; n++) {
		s = (struct sl_str){ secret, make_secret(n, secret) };
		assert_int_equal(sl_vm_add_secret(vm, s), 0);
	}
	for (n = 0; n < SECRETS; n++) {
		s = (struct sl_str){ secret, make_secret(n, secret) };
		sl_secret_mark(s, mark);
		snprintf(text, sizeof(text), "zz %s- %s", secret, secret);
		snprintf(expected, sizeof(expected), "zz %s- %s", mark, mark);
		assert_redacted(vm, text, expected);
		secret[3] = 'z';	/* nearly one */
		assert_redacted(vm, secret, secret);
	}
	assert_redacted(vm, "", "");
	assert_redacted(vm, "000", "000");
	sl_vm_free(vm);
	sl_loop_free(loop);
}

static void
test_longest_and_json(void **state)
{
	struct sl_err err;
	struct sl_loop *loop = sl_loop_new(&err);
	struct sl_vm *vm = sl_vm_new(loop, NULL, &err);
	char mark[SL_SECRET_MARK], whole[SL_SECRET_MARK], text[200], expected[200];

	(void)state;
	assert_int_equal(sl_vm_add_secret(vm, SL_STR("-----BEGIN")), 0);
	assert_int_equal(sl_vm_add_secret(vm, SL_STR("-----BEGIN\nkey")), 0);
	assert_int_equal(sl_vm_add_secret(vm, SL_STR("abc")), 0);	/* too short to be one */
	sl_secret_mark(SL_STR("-----BEGIN"), mark);
	sl_secret_mark(SL_STR("-----BEGIN\nkey"), whole);
	snprintf(text, sizeof(text), "-------BEGIN\nkey -----BEGIN\\nkey -----BEGIN\nke abc");
	snprintf(expected, sizeof(expected), "--%s %s %s\nke abc", whole, whole, mark);
	assert_redacted(vm, text, expected);
	sl_vm_free(vm);
	sl_loop_free(loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_longest_and_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
