/*
 * Runs: one execution of a flow. A run begins, waits and ends at the top of
 * the loop; nothing resumes a script from inside anything else.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define MAX_ALIVE	2000	/* runs that hold a coroutine; more would make GC pauses long */

static void execute_task(struct sl_task *task);
static void finish_queued(struct sl_vm *vm);

static const struct sl_limits defaults = {
	.steps = 10000000, .memory = 32 * 1024 * 1024, .time_ms = 60000, .ops = 200,
	.dns = 500, .http_bytes = 16 * 1024 * 1024, .slice_steps = 1000000,
};

static struct sl_limits
effective(const struct sl_limits *given)
{
	struct sl_limits l = defaults;

	if (given == NULL)
		return l;
	l.steps = given->steps != 0 ? given->steps : l.steps;
	l.memory = given->memory != 0 ? given->memory : l.memory;
	l.time_ms = given->time_ms != 0 ? given->time_ms : l.time_ms;
	l.ops = given->ops != 0 ? given->ops : l.ops;
	l.dns = given->dns != 0 ? given->dns : l.dns;
	l.http_bytes = given->http_bytes != 0 ? given->http_bytes : l.http_bytes;
	l.slice_steps = given->slice_steps != 0 ? given->slice_steps : l.slice_steps;
	return l;
}

/* ---- the flow, as a function in the coroutine ------------------------------------ */

enum { STAGE_NEXT, STAGE_BLOCK, STAGE_RESULTS };

static int flow_step(lua_State *L, int status, lua_KContext stage);

static int
push_params(lua_State *L, const struct sl_element *e)
{
	struct sl_err err;

	if (e->params == NULL)
		lua_newtable(L);
	else if (sl_json_decode(L, sl_str_of(e->params), 0, &err) != 0)
		return luaL_error(L, "parameters of block %s: %s", e->block, err.text);
	return 1;
}

/* A block is the module stdlib.blocks.NAME: a table with a function run. */
static void
call_block(lua_State *L, const struct sl_element *e)
{
	sl_name_push(L, "require");
	lua_pushfstring(L, "blocks.%s", e->block);
	lua_callk(L, 1, 1, STAGE_BLOCK, flow_step);
}

static void
call_element(lua_State *L, struct sl_run *run, const struct sl_element *e)
{
	int n = 1;

	if (!sl_chunk_push(L, run->program, e->script))
		luaL_error(L, "%s is not in the policy", e->script);
	if (run->spec.at != NULL)
		n = sl_frame_push(L, sl_str_ends(sl_str_of(e->script), SL_STR(".hsl")));
	else
		sl_ref_push(L, run->scope->env);
	if (run->spec.results == NULL)
		lua_callk(L, n, 0, STAGE_NEXT, flow_step);
	else
		lua_callk(L, n, LUA_MULTRET, STAGE_RESULTS, flow_step);
}

/* With STAGE_BLOCK a block's module is on top, with STAGE_RESULTS a script's results. */
static int
flow_step(lua_State *L, int status, lua_KContext stage)
{
	struct sl_run *run = sl_running(L);
	const struct sl_element *e;

	(void)status;
	if (run->ending)
		return sl_go_on_ending(L);
	for (;;) {
		if (stage == STAGE_RESULTS) {
			if (run->spec.at != NULL)
				sl_frame_take(L);
			run->spec.results(L, lua_gettop(L), run->spec.host);
			lua_settop(L, 0);
		} else if (stage == STAGE_BLOCK) {
			e = &run->spec.elements[run->element - 1];
			if (!lua_istable(L, -1) || lua_getfield(L, -1, "run") != LUA_TFUNCTION)
				return luaL_error(L, "block %s has no function run", e->block);
			push_params(L, e);
			lua_callk(L, 1, 0, 0, flow_step);
		} else if (run->element < run->spec.n) {
			lua_settop(L, 0);
			e = &run->spec.elements[run->element++];
			if (e->script != NULL) {
				call_element(L, run, e);
				stage = run->spec.results != NULL ? STAGE_RESULTS : STAGE_NEXT;
			} else {
				call_block(L, e);
				stage = STAGE_BLOCK;
			}
			continue;
		} else if (run->element == run->spec.n && run->spec.end_action != NULL) {
			run->element++;
			lua_settop(L, 0);
			sl_name_push(L, run->spec.end_action);
			lua_callk(L, 0, 0, 0, flow_step);
		} else {
			return 0;
		}
		stage = STAGE_NEXT;
	}
}

static int
flow(lua_State *L)
{
	return flow_step(L, LUA_OK, STAGE_NEXT);
}

/* ---- coroutines -------------------------------------------------------------------- */

/* Made under the engine's account: one that returned serves the next run. */
static int
new_coroutine(lua_State *L)
{
	struct sl_run *run = lua_touserdata(L, 1);

	run->co = lua_newthread(L);
	run->co_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static int
new_environment(lua_State *L)
{
	struct sl_run *run = lua_touserdata(L, 1);

	sl_scope_need(L, run->scope);
	return 0;
}

static int
protected_setup(struct sl_run *run, lua_CFunction fn)
{
	lua_State *L = run->vm->L;

	lua_pushcfunction(L, fn);
	lua_pushlightuserdata(L, run);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return 0;
	lua_pop(L, 1);
	return SL_ERR_NOMEM;
}

static int
set_up(struct sl_run *run)
{
	struct sl_vm *vm = run->vm;
	int rc;

	if (vm->npool > 0) {
		run->co_ref = vm->pool[--vm->npool];
		sl_ref_push(vm->L, run->co_ref);
		run->co = lua_tothread(vm->L, -1);
		lua_pop(vm->L, 1);
	} else if ((rc = protected_setup(run, new_coroutine)) != 0) {
		return rc;
	}
	if ((rc = protected_setup(run, new_environment)) != 0)
		return rc;
	sl_hook_install(run->co, false);
	lua_pushcfunction(run->co, flow);
	run->begun = true;
	return 0;
}

/* Only a coroutine that returned is used again: one that ended in the middle is
 * dropped for the collector, for resetting it would run its __close after the
 * verdict. */
static void
give_back(struct sl_run *run)
{
	struct sl_vm *vm = run->vm;

	if (run->co_ref == LUA_NOREF)
		return;
	if (lua_status(run->co) == LUA_OK && run->stats.returned &&
	    vm->npool < sizeof(vm->pool) / sizeof(vm->pool[0])) {
		lua_settop(run->co, 0);
		vm->pool[vm->npool++] = run->co_ref;
	} else {
		luaL_unref(vm->L, LUA_REGISTRYINDEX, run->co_ref);
	}
}

/* ---- the end of a run ----------------------------------------------------------------- */

void
sl_run_at_end_now(lua_State *L, struct sl_at_end *at_end)
{
	sl_list_remove(&at_end->link);
	if (at_end->before != NULL)
		luaL_unref(L, LUA_REGISTRYINDEX, at_end->ref);
	at_end->fn(at_end);
}

static void
call_at_end(struct sl_run *run)
{
	while (!sl_list_empty(&run->at_end))
		sl_run_at_end_now(run->vm->L,
		    sl_list_entry(run->at_end.next, struct sl_at_end, link));
}

static void
run_free(struct sl_run *run)
{
	struct sl_vm *vm = run->vm;

	sl_step_forget(run);
	call_at_end(run);
	sl_op_release(run->op);
	sl_timer_stop(&run->deadline);
	sl_task_cancel(&run->task);
	give_back(run);
	sl_scope_clear(&run->own);
	luaL_unref(vm->L, LUA_REGISTRYINDEX, run->loaded_ref);
	sl_account_close(&vm->accounts, run->account);
	sl_list_remove(&run->link);
	if (run->state != RUN_QUEUED)
		vm->alive--;
	sl_program_unref(run->program);
	sl_buf_clear(&run->where);
	sl_buf_clear(&run->source);
	sl_buf_clear(&run->stack);
	sl_buf_clear(&run->question);
	sl_free(run);
	finish_queued(vm);
}

static void
over(struct sl_run *run, enum sl_run_end how)
{
	struct account *a = &run->vm->accounts.list[run->account];

	run->stats.memory_peak = a->peak;
	run->stats.wall_us = sl_clock_us() - run->started_us - run->stood_us;
	run->stats.where = run->where.n > 0 ? run->where.p : NULL;
	run->stats.source = run->source.n > 0 ? run->source.p : NULL;
	run->stats.stack = run->stack.n > 0 ? run->stack.p : NULL;
	run->spec.done(run, how, run->err.code != 0 ? &run->err : NULL, run->spec.host);
	run_free(run);
}

static void
failed(struct sl_run *run, int status)
{
	lua_State *co = run->co;

	sl_buf_reset(&run->where);
	sl_position(co, &run->where);
	if (sl_is_memory_error(co, status, -1)) {
		sl_err_set(&run->err, SL_ERR_LIMIT, "%s: out of memory (%zu bytes)",
		    run->where.n > 0 ? run->where.p : run->spec.name, run->limits.memory);
		over(run, SL_RUN_LIMIT);
		return;
	}
	run->stats.caret = -1;
	sl_error_describe(co, run, &run->err, -1);
	over(run, SL_RUN_FAILED);
}

/* ---- execution -------------------------------------------------------------------------- */

static void
op_ready(struct sl_op *op, void *arg)
{
	struct sl_run *run = arg;

	(void)op;
	run->state = RUN_READY;
	execute_task(&run->task);
}

static void
suspended(struct sl_run *run)
{
	run->passing = false;
	if (sl_step_stopped(run)) {
		run->state = RUN_STOPPED;
		run->stopped_us = sl_clock_us();
		sl_timer_stop(&run->deadline);
	} else if (run->op != NULL && !run->op->done) {
		run->state = RUN_AWAITING;
		sl_op_wait(run->op, op_ready, run);
	} else {
		run->state = RUN_READY;
		sl_task_post(run->vm->loop, &run->task, execute_task);
	}
}

static void
show(struct sl_now *now, const struct sl_run_spec *spec)
{
	if (now == NULL)
		return;
	memccpy(now->id, spec != NULL && spec->id != NULL ? spec->id : "", '\0', sizeof(now->id) - 1);
	memccpy(now->phase, spec != NULL ? spec->name : "", '\0', sizeof(now->phase) - 1);
	now->builtin[0] = '\0';
}

static int
resume(struct sl_run *run)
{
	struct sl_vm *vm = run->vm;
	int status, n;

	run->state = RUN_EXECUTING;
	run->slice = 0;
	run->passing = false;
	run->resumed_us = sl_clock_us();
	vm->running = run;
	vm->accounts.current = run->account;
	vm->interrupted = 0;
	show(vm->now, &run->spec);
	status = lua_resume(run->co, NULL, 0, &n);
	show(vm->now, NULL);
	vm->accounts.current = 0;
	vm->running = NULL;
	run->stats.cpu_us += sl_clock_us() - run->resumed_us;
	return status;
}

static void
execute_task(struct sl_task *task)
{
	struct sl_run *run = sl_list_entry(task, struct sl_run, task);
	int status;

	if (!run->begun && set_up(run) != 0) {
		sl_err_set(&run->err, SL_ERR_NOMEM, "out of memory");
		over(run, SL_RUN_FAILED);
		return;
	}
	status = resume(run);
	if (run->ending) {
		over(run, run->how);
	} else if (status == LUA_YIELD) {
		suspended(run);
	} else if (status == LUA_OK) {
		run->stats.returned = true;
		over(run, SL_RUN_RETURNED);
	} else {
		failed(run, status);
	}
}

static void
deadline(struct sl_timer *timer)
{
	struct sl_run *run = sl_list_entry(timer, struct sl_run, deadline);

	if (run->begun) {
		sl_buf_reset(&run->where);
		sl_position(run->co, &run->where);
	}
	sl_err_set(&run->err, SL_ERR_LIMIT, "%s: more than %lld ms",
	    run->where.n > 0 ? run->where.p : run->spec.name, (long long)run->limits.time_ms);
	over(run, SL_RUN_LIMIT);
}

/* ---- runs that stand ------------------------------------------------------------------- */

void
sl_run_go_on(struct sl_run *run)
{
	int64_t now = sl_clock_us(), left;

	run->stood_us += now - run->stopped_us;
	left = run->limits.time_ms - (now - run->started_us - run->stood_us) / 1000;
	sl_timer_start(run->vm->loop, &run->deadline, left > 0 ? left : 0, deadline);
	run->state = RUN_READY;
	sl_task_post(run->vm->loop, &run->task, execute_task);
}

void
sl_run_give_up(struct sl_run *run, const char *where)
{
	sl_buf_reset(&run->where);
	sl_buf_puts(&run->where, where);
	sl_err_set(&run->err, SL_ERR_CANCELED, "%s: interrupted", where);
	over(run, SL_RUN_LIMIT);
}

void
sl_run_end(struct sl_run *run, const char *where)
{
	sl_buf_reset(&run->where);
	sl_buf_puts(&run->where, where != NULL ? where : "?");
	over(run, SL_RUN_ENDED);
}

/* ---- start ----------------------------------------------------------------------------- */

static void
admit(struct sl_run *run)
{
	run->vm->alive++;
	sl_list_remove(&run->link);
	sl_list_insert(&run->vm->runs, &run->link);
	run->state = RUN_READY;
	sl_task_post(run->vm->loop, &run->task, execute_task);
}

static void
finish_queued(struct sl_vm *vm)
{
	if (vm->alive < MAX_ALIVE && !sl_list_empty(&vm->waiting))
		admit(sl_list_entry(vm->waiting.next, struct sl_run, link));
}

int
sl_run_start(struct sl_vm *vm, const struct sl_run_spec *spec, struct sl_run **out,
    struct sl_err *err)
{
	struct sl_run *run = sl_calloc(1, sizeof(*run));

	if (run == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	run->limits = effective(spec->limits);
	if (sl_account_open(&vm->accounts, run->limits.memory, &run->account) != 0) {
		sl_free(run);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	run->vm = vm;
	run->spec = *spec;
	run->program = sl_program_ref(spec->program);
	run->co_ref = run->loaded_ref = LUA_NOREF;
	sl_list_init(&run->at_end);
	sl_scope_init(&run->own, vm);
	run->scope = spec->scope != NULL ? spec->scope : &run->own;
	if (spec->at != NULL)
		run->scope = spec->at->scope;
	run->started_us = sl_clock_us();
	run->state = RUN_QUEUED;
	sl_list_insert(&vm->waiting, &run->link);
	sl_timer_start(vm->loop, &run->deadline, run->limits.time_ms, deadline);
	if (vm->alive < MAX_ALIVE)
		admit(run);
	*out = run;
	return 0;
}

void
sl_run_at_end(lua_State *L, struct sl_at_end *at_end)
{
	sl_list_insert(&sl_run_meant(sl_running(L))->at_end, &at_end->link);
}

void
sl_run_before_end(lua_State *L, struct sl_at_end *at_end, lua_CFunction before)
{
	at_end->ref = luaL_ref(L, LUA_REGISTRYINDEX);
	at_end->before = before;
}

struct sl_at_end *
sl_run_at_end_next(lua_State *L, struct sl_at_end *at_end)
{
	struct sl_list *list = &sl_run_meant(sl_running(L))->at_end;
	struct sl_list *next = at_end != NULL ? at_end->link.next : list->next;

	return next != list ? sl_list_entry(next, struct sl_at_end, link) : NULL;
}

void
sl_run_kill(struct sl_run *run)
{
	run_free(run);
}

const struct sl_run_stats *
sl_run_stats(const struct sl_run *run)
{
	return &run->stats;
}

const char *
sl_vm_run_id(lua_State *L)
{
	const struct sl_run *run = sl_running(L);

	return run != NULL && run->spec.id != NULL ? run->spec.id : "";
}
