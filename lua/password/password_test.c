/* password_verify: hashes of the system's crypt, what is no hash, and a run
 * that ends while its hash is computed. */
#include <crypt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../core/net/loop.h"
#include "../../core/sluice_host.h"

static char said[500];
static bool over;

static void
on_echo(void *arg, struct sl_str line)
{
	(void)arg;
	snprintf(said, sizeof(said), "%.*s", (int)line.n, line.p);
}

static void
ended(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)text;
	over = true;
	if (err != NULL)
		snprintf(said, sizeof(said), "error: %s", err->text);
}

static struct sl_engine *
engine_new(void)
{
	const char *stdlib = getenv("SLUICE_STDLIB");
	struct sl_engine_options o = { .stdlib = stdlib != NULL ? stdlib : "stdlib" };
	struct sl_engine *e = sl_engine_new(&o, NULL);

	assert_non_null(e);
	sl_engine_on_echo(e, on_echo, NULL);
	return e;
}

static void
start(struct sl_engine *e, const char *hash, const char *password)
{
	char script[1000];

	snprintf(script, sizeof(script), "local ok, err, code = password_verify(\"%s\", \"%s\")\n"
	    "echo(tostring(ok), ' ', code or '-')", hash, password);
	over = false;
	assert_int_equal(sl_engine_exec(e, "test.lua", sl_str_of(script), ended, NULL, NULL), 0);
}

static const char *
verify(struct sl_engine *e, const char *hash, const char *password)
{
	start(e, hash, password);
	while (!over)
		assert_int_equal(sl_engine_wait(e, -1), 0);
	return said;
}

static void
hashes(void **state)
{
	static const char *const methods[] = { "$6$", "$5$", "$y$", "$2b$", "$1$" };
	static const char salt[] = "0123456789abcdefghijklmnopqrstuv";
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data = { 0 };
	struct sl_engine *e = engine_new();
	const char *hash;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		assert_non_null(crypt_gensalt_rn(methods[i], 0, salt, 32, setting, sizeof(setting)));
		hash = crypt_r("s3cret", setting, &data);
		assert_non_null(hash);
		assert_string_equal(verify(e, hash, "s3cret"), "true -");
		assert_string_equal(verify(e, hash, "s3creT"), "false -");
		assert_string_equal(verify(e, hash, ""), "false -");
		assert_string_equal(verify(e, hash, "s3cret\\0"), "false -");
	}
	sl_engine_free(e);
}

/* Of "x" where it is a hash at all. */
static const struct { const char *name, *hash, *password, *result; } refused[] = {
	{ "nothing", "", "", "nil syntax" },
	{ "crypt's failure", "*0", "x", "nil syntax" },
	{ "crypt's other failure", "*1", "x", "nil syntax" },
	{ "locked", "!", "x", "nil syntax" },
	{ "plain text", "x", "x", "nil syntax" },
	{ "DES", "ab1MTKBM5p.Bw", "x", "nil syntax" },
	{ "unknown method", "$99$abc$0123456789012345678901234567890", "x", "nil syntax" },
	{ "salt alone", "$6$abc$", "x", "nil syntax" },
	{ "salt without end", "$6$abc", "x", "nil syntax" },
	{ "cut", "$5$abc$wrong0123456789wrong0123456789", "x", "false -" },
	{ "NUL", "$5$abc$wrong0123456789wrong01234\\0", "x", "nil syntax" },
	{ "SHA rounds", "$6$rounds=900000000$abc$0123456789012345678901234567890", "x", "nil limit" },
	{ "bcrypt rounds", "$2b$31$01234567890123456789012345678901234567890123456789012", "x",
	    "nil limit" },
	{ "yescrypt memory", "$y$jFT$0123456789$0123456789012345678901234567890", "x", "nil limit" },
};

static void
no_hashes(void **state)
{
	struct sl_engine *e = engine_new();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (strcmp(verify(e, refused[i].hash, refused[i].password), refused[i].result) != 0)
			fail_msg("%s: %s", refused[i].name, said);
	sl_engine_free(e);
}

/* The thread's job outlives the run; what it uses is freed with the engine. */
static void
engine_ends_first(void **state)
{
	struct sl_engine *e = engine_new();
	int i;

	(void)state;
	start(e, "$6$rounds=200000$abc$0123456789012345678901234567890", "x");
	for (i = 0; i < 3; i++)
		assert_int_equal(sl_engine_dispatch(e), 0);
	sl_engine_free(e);
	assert_false(over);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes), cmocka_unit_test(no_hashes),
		cmocka_unit_test(engine_ends_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
