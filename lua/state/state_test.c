/*
 * rate and memory_* on tables here, in a state process, and without one:
 * rates allow, everything else says that it failed, no script is ended.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../core/net/loop.h"
#include "../../core/sluice_host.h"
#include "../../core/state/server.h"
#include "../../core/state/state.h"

static const char works[] =
    "assert(rate('out', 'ann', 2, 60) == true and rate('out', 'ann', 2, 60) == true)\n"
    "assert(rate('out', 'ann', 2, 60) == false and rate('out', 'bob', 2, 60) == true)\n"
    "assert(rate_count('out', 'ann', 60) == 2 and rate_count('out', 'eve', 60) == 0)\n"
    "assert(memory_fetch('k') == nil and select('#', memory_fetch('k')) == 1)\n"
    "assert(memory_add('k', { list = { 1, 'two' } }) == true and memory_add('k', 2) == false)\n"
    "assert(memory_fetch('k').list[2] == 'two')\n"
    "assert(memory_store('k', 41) == true and memory_inc('k') == 42)\n"
    "assert(memory_dec('k') == 41 and memory_dec('k', 40) == 1 and memory_dec('new') == -1)\n"
    "assert(memory_dec('k', 1, false) == 0 and memory_exists('k') and memory_inc('k') == 1)\n"
    "assert(memory_dec('k', 1, true) == 0 and not memory_exists('k') and memory_inc('k') == 1)\n"
    "for _, f in ipairs({ memory_fetch, memory_exists, memory_delete }) do\n"
    "  assert(select(2, pcall(f, 'k', echo)):find(\"callbacks aren't built\"))\n"
    "end\n"
    "assert(select(2, pcall(memory_store, 'k', 1, echo)):find('#3'))\n"
    "assert(rate('o', 'p', 1, 60, { sync = false }) and not pcall(rate, 'o', 'p', 1, 60, { sink = 1 }))\n"
    "assert(memory_exists('k') == true and memory_exists('nothing') == false)\n"
    "assert(memory_delete('k') == true and memory_delete('k') == false)\n"
    "memory_store('text', 'x')\n"
    "local n, err, code = memory_inc('text')\n"
    "assert(n == nil and code == 'type', code)\n";

static const char too_long[] =
    "local long = ('k'):rep(2000)\n"
    "for _, f in ipairs({ memory_fetch, memory_inc, memory_delete }) do\n"
    "  local v, err, code = f(long)\n"
    "  assert(v == nil and code == 'limit', code)\n"
    "end\n"
    "local v, err, code = memory_store('k', ('v'):rep(50000))\n"
    "assert(v == nil and code == 'limit', code)\n"
    "v, err, code = rate(long, 'x', 1, 1)\n"
    "assert(v == nil and code == 'limit', code)\n"
    "v, err, code = rate_count(long, 'x', 1)\n"
    "assert(v == nil and code == 'limit', code)\n";

static const char fails[] =
    "for i = 1, 3 do assert(rate('out', 'ann', 1, 60) == true) end\n"
    "assert(rate_count('out', 'ann', 60) == 0)\n"
    "local function failed(v, err, code)\n"
    "  assert(v == nil and #err > 0 and code == 'io', code)\n"
    "end\n"
    "failed(memory_fetch('k'))\n"
    "failed(memory_add('k', 1))\n"
    "failed(memory_store('k', 1, 60))\n"
    "failed(memory_inc('k'))\n"
    "failed(memory_dec('k'))\n"
    "failed(memory_exists('k'))\n"
    "failed(memory_delete('k'))\n";

static const char late[] =
    "assert(rate('out', 'ann', 1, 60) == true)\n"
    "local v, err, code = memory_fetch('k')\n"
    "assert(v == nil and code == 'timeout', code)\n";

static struct sl_loop *loop;
static char failure[500];
static bool over;

static void
ended(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)text;
	over = true;
	strcpy(failure, err != NULL ? err->text : "");
}

static void
run(struct sl_state *state, const char *script)
{
	const char *stdlib = getenv("SLUICE_STDLIB");
	struct sl_engine_parts parts = { .loop = loop, .state = state };
	struct sl_engine_options o = { .stdlib = stdlib != NULL ? stdlib : "stdlib",
		.parts = &parts };
	struct sl_err err;
	struct sl_engine *e = sl_engine_new(&o, &err);

	assert_non_null(e);
	over = false;
	assert_int_equal(sl_engine_exec(e, "test.lua", sl_str_of(script), ended, NULL, &err), 0);
	while (!over)
		assert_int_equal(sl_engine_wait(e, -1), 0);
	assert_string_equal(failure, "");
	sl_engine_free(e);
}

static void
in_this_process(void **state)
{
	(void)state;
	run(NULL, works);
	run(NULL, too_long);
}

static void
in_a_state_process(void **state)
{
	struct sl_state_server *server = sl_state_server_new(loop, NULL, NULL, NULL);
	struct sl_state *s = sl_state_remote(loop, NULL);
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	assert_int_equal(sl_state_server_add(server, ends[0]), 0);
	sl_state_connect(s, ends[1]);
	run(s, works);
	run(s, too_long);
	sl_state_server_free(server);
	run(s, fails);
	sl_state_free(s);
}

static void
not_connected(void **state)
{
	struct sl_state *s = sl_state_remote(loop, NULL);

	(void)state;
	run(s, fails);
	run(s, too_long);
	sl_state_free(s);
}

static void
without_an_answer(void **state)
{
	struct sl_state *s = sl_state_remote(loop, NULL);
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	sl_state_connect(s, ends[1]);
	run(s, late);
	sl_state_free(s);
	close(ends[0]);
}

static int
setup(void **state)
{
	(void)state;
	loop = sl_loop_new(NULL);
	return loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_loop_free(loop);
	return 0;
}

#define T(fn)	cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(in_this_process), T(in_a_state_process), T(not_connected), T(without_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
