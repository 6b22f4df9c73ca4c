/*
 * The one hook: counts steps, ends runs that used up theirs, gives the loop
 * its turn, stops what still runs after the verdict, and hands on lines to
 * who counts or steps through them.
 */
#include "internal.h"

#define SLICE_US	10000	/* a run that executed so long lets others */

/* Instructions can be long (a comparison of two strings of megabytes): the
 * clock is looked at beside the count. Waiting has its own deadline. */
static bool
out_of_time(const struct sl_run *run, int64_t executing_us)
{
	return (run->stats.cpu_us + executing_us) / 1000 > run->limits.time_ms;
}

static void
tell_line(lua_State *L, lua_Debug *ar, const struct sl_vm *vm)
{
	if (vm->on_line != NULL && lua_getinfo(L, "S", ar) && ar->source[0] == '@')
		vm->on_line(vm->on_line_arg, ar->source + 1, ar->currentline);
}

static void
hook(lua_State *L, lua_Debug *ar)
{
	struct sl_run *run = sl_running(L);
	int64_t executing_us;

	if (run == NULL)
		return;
	if (run->ending) {
		sl_go_on_ending(L);
		return;
	}
	if (ar->event == LUA_HOOKLINE) {
		tell_line(L, ar, run->vm);
		if (run->vm->stepper != NULL && sl_step_stops(L, ar, run)) {
			run->passing = true;
			lua_yield(L, 0);
		}
		return;
	}
	run->stats.steps += SL_HOOK_STEPS;
	run->slice += SL_HOOK_STEPS;
	if (run->stats.steps > run->limits.steps) {
		sl_begin_ending(L, SL_RUN_LIMIT, "more than %llu steps",
		    (unsigned long long)run->limits.steps);
		sl_go_on_ending(L);
		return;
	}
	if (run->vm->interrupted) {
		sl_begin_ending(L, SL_RUN_LIMIT, "interrupted");
		sl_go_on_ending(L);
		return;
	}
	executing_us = sl_clock_us() - run->resumed_us;
	if (out_of_time(run, executing_us)) {
		sl_begin_ending(L, SL_RUN_LIMIT, "more than %lld ms", (long long)run->limits.time_ms);
		sl_go_on_ending(L);
		return;
	}
	if ((run->slice >= run->limits.slice_steps || executing_us > SLICE_US) && run->unyieldable == 0 &&
	    lua_isyieldable(L)) {
		run->slice = 0;
		run->passing = true;
		lua_yield(L, 0);
	}
}

void
sl_hook_install(lua_State *L, bool ending)
{
	const struct sl_vm *vm = sl_vm_from(L);
	bool lines = !ending && (vm->on_line != NULL || vm->stepper != NULL);

	lua_sethook(L, hook, LUA_MASKCOUNT | (lines ? LUA_MASKLINE : 0), ending ? 1 : SL_HOOK_STEPS);
}

void
sl_charge(lua_State *L, uint64_t n)
{
	struct sl_run *run = sl_running(L);

	if (run == NULL)
		return;
	if (n > run->limits.steps - (run->stats.steps < run->limits.steps ? run->stats.steps :
	    run->limits.steps)) {
		sl_begin_ending(L, SL_RUN_LIMIT, "more than %llu steps",
		    (unsigned long long)run->limits.steps);
		sl_go_on_ending(L);
	}
	run->stats.steps += n;
	run->slice += n < UINT32_MAX - run->slice ? (unsigned)n : 0;
}

uint64_t
sl_steps_left(lua_State *L)
{
	const struct sl_run *run = sl_running(L);

	return run->stats.steps < run->limits.steps ? run->limits.steps - run->stats.steps : 0;
}

void
sl_spend(lua_State *L, enum sl_budget budget, uint64_t n)
{
	struct sl_run *run = sl_running(L);

	if (run == NULL)
		return;
	switch (budget) {
	case SL_BUDGET_OPS:
		run->stats.ops += (unsigned)n;
		if (run->stats.ops <= run->limits.ops)
			return;
		sl_begin_ending(L, SL_RUN_LIMIT, "more than %u operations", run->limits.ops);
		break;
	case SL_BUDGET_DNS:
		run->stats.dns += (unsigned)n;
		if (run->stats.dns <= run->limits.dns)
			return;
		sl_begin_ending(L, SL_RUN_LIMIT, "more than %u DNS queries", run->limits.dns);
		break;
	case SL_BUDGET_HTTP_BYTES:
		run->http_bytes += n;
		if (run->http_bytes <= run->limits.http_bytes)
			return;
		sl_begin_ending(L, SL_RUN_LIMIT, "more than %llu bytes by HTTP",
		    (unsigned long long)run->limits.http_bytes);
		break;
	}
	sl_go_on_ending(L);
}
