/*
 * Rates and memory: what outlives a connection. Keys of both kinds are apart.
 * When the shared state can't be reached, rates allow and everything else
 * fails; core/state/remote.c makes the event.
 */
#include <string.h>

#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"
#include "../../core/state/tap.h"
#include "barrier.h"

static int
ask(lua_State *L, struct sl_state_request *r, const char *kind, int parts,
    int (*done)(lua_State *L, struct sl_op *op))
{
	struct sl_buf *key = sl_scratch(L);
	int i;

	if (sl_engine_state(L) == NULL)
		return luaL_error(L, "state isn't to be had here");
	sl_buf_puts(key, kind);
	for (i = 1; i <= parts; i++) {
		sl_buf_putc(key, '\0');
		sl_buf_putstr(key, sl_arg_string(L, i));
	}
	if (strcmp(kind, "rate") == 0)
		sl_buf_printf(key, "%c%lld", '\0', (long long)r->ms);
	r->key = sl_buf_str(key);
	return sl_await(L, (struct sl_op *)sl_state_ask_taped(sl_engine_state(L),
	    sl_run_tape(L), r), done);
}

static int
failure(lua_State *L, int status)
{
	if (status == SL_ERR_LIMIT)
		return sl_fail(L, "limit", "the key or value is too long");
	return sl_fail(L, sl_err_word(status), "the state can't be reached");
}

static int
yes_or_no(lua_State *L, struct sl_op *op)
{
	if (op->status != 0)
		return failure(L, op->status);
	sl_bool(L, ((struct sl_state_op *)op)->ok);
	return 1;
}

static int
within(lua_State *L, struct sl_op *op)
{
	if (op->status == 0 || op->status == SL_ERR_LIMIT)
		return yes_or_no(L, op);
	sl_bool(L, true);
	return 1;
}

static int
new_number(lua_State *L, struct sl_op *op)
{
	struct sl_state_op *s = (struct sl_state_op *)op;

	if (op->status != 0)
		return failure(L, op->status);
	if (!s->ok)
		return sl_fail(L, "type", "the value is not a number");
	sl_number(L, (double)s->number);
	return 1;
}

static int
count(lua_State *L, struct sl_op *op)
{
	if (op->status == SL_ERR_LIMIT)
		return failure(L, op->status);
	sl_number(L, op->status == 0 ? (double)((struct sl_state_op *)op)->number : 0);
	return 1;
}

static int
value(lua_State *L, struct sl_op *op)
{
	struct sl_state_op *s = (struct sl_state_op *)op;
	struct sl_err err;

	if (op->status != 0)
		return failure(L, op->status);
	if (!s->ok)
		sl_none(L);
	else if (sl_json_decode(L, sl_buf_str(&s->value), 0, &err) != 0)
		return sl_fail_err(L, &err);
	return 1;
}

/* Of the product family's functions some call one with what is stored, which is a lock there. */
static void
refuse_callback(lua_State *L, int arg)
{
	if (lua_isfunction(L, arg))
		sl_arg_error(L, arg, "callbacks aren't built: barrier makes several steps one");
}

/* Values are kept as JSON, so only plain data is. */
static struct sl_str
value_arg(lua_State *L, int arg)
{
	struct sl_buf *text = sl_scratch(L);
	struct sl_err err;
	struct sl_str s;

	luaL_checkany(L, arg);
	luaL_argcheck(L, !sl_holds_object(L, arg), arg, "an object isn't plain data");
	if (sl_json_encode(L, arg, text, false, false, &err) != 0)
		sl_arg_error(L, arg, err.text);
	s.p = lua_pushlstring(L, text->p, text->n);	/* the scratch is needed for the key */
	s.n = text->n;
	return s;
}

/*lua
Count an event, and tell whether the rate is kept: a sliding window. In HSL a count of 0 counts
nothing and gives what rate_count gives.

@param namespace string
@param entry string
@param count number     events allowed in the interval
@param interval number  seconds
@param options? table   sync: all workers of a machine count together, whatever it says (true)
@return boolean within  true: counted and within, or the state can't be reached; false: over, and not counted

    if not rate("outbound", saslusername or "", 100, 3600) then Defer("Slow down") end
*/
static int
state_rate(lua_State *L)
{
	static const char *const names[] = { "sync", NULL };
	struct sl_state_request r = { .command = SL_STATE_RATE };

	sl_options(L, 5, names);
	sl_opt_bool(L, 5, "sync", true);
	r.number = (int64_t)sl_arg_number(L, 3, sl_is_hsl(L) ? 0 : 1, 1e9);
	r.ms = (int64_t)(1000 * sl_arg_number(L, 4, 0.1, 1e8));
	if (r.number == 0)
		r.command = SL_STATE_RATE_COUNT;
	return ask(L, &r, "rate", 2, r.number == 0 ? count : within);
}

/*lua
How many events rate counted in the interval.

@param namespace string
@param entry string
@param interval number  seconds, the same as given to rate
@return number count    0 also when the state can't be reached

    local n = rate_count("outbound", "ann", 3600)
*/
static int
state_rate_count(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_RATE_COUNT };

	r.ms = (int64_t)(1000 * sl_arg_number(L, 3, 0.1, 1e8));
	return ask(L, &r, "rate", 2, count);
}

/*lua
Store a value unless there is one; in one step.

@param key string
@param value any        plain data
@param ttl? number      seconds; for ever when not given
@return boolean? added  false: there was one
@return string? err     why it isn't known
@return string? code    "io" | "timeout" | "limit"

    if memory_add("seen", 1, 3600) then echo("for the first time") end
*/
static int
state_add(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_ADD };

	r.ms = (int64_t)(1000 * sl_arg_opt_number(L, 3, 0.001, 1e9, 0));
	r.value = value_arg(L, 2);
	return ask(L, &r, "memory", 1, yes_or_no);
}

/*lua
Store a value.

@param key string
@param value any        plain data
@param ttl? number      seconds; for ever when not given
@return boolean? stored
@return string? err     why it isn't
@return string? code    "io" | "timeout" | "limit"

    memory_store("greeting", "hello", 60)
*/
static int
state_store(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_STORE };

	refuse_callback(L, 3);
	r.ms = (int64_t)(1000 * sl_arg_opt_number(L, 3, 0.001, 1e9, 0));
	r.value = value_arg(L, 2);
	return ask(L, &r, "memory", 1, yes_or_no);
}

/*lua
The value stored under a key. What HSL's `barrier "name" => $var` shares is stored under the key "name".

@param key string
@return any? value    none if there is none
@return string? err   why it isn't known
@return string? code  "io" | "timeout" | "limit"

    local greeting = memory_fetch("greeting")
*/
static int
state_fetch(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_FETCH };

	refuse_callback(L, 2);
	return ask(L, &r, "memory", 1, value);
}

/*lua
Add to a stored number, in one step; one that is absent counts as 0.

@param key string
@param amount? number  1
@param ttl? number     seconds, when the number is new; for ever when not given
@return number? sum
@return string? err    why there is none
@return string? code   "type": the value is not a number | "io" | "timeout" | "limit"

    local n = memory_inc("messages")
*/
static int
state_inc(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_INC };

	r.number = (int64_t)sl_arg_opt_number(L, 2, -1e12, 1e12, 1);
	r.ms = (int64_t)(1000 * sl_arg_opt_number(L, 3, 0.001, 1e9, 0));
	return ask(L, &r, "memory", 1, new_number);
}

/*lua
Take from a stored number, in one step; one that is absent counts as 0.

@param key string
@param amount? number  1
@param remove_if_zero? boolean  forget it when it becomes 0 (false)
@return number? difference
@return string? err    why there is none
@return string? code   "type": the value is not a number | "io" | "timeout" | "limit"

    local left = memory_dec("tokens")
*/
static int
state_dec(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_INC };

	r.number = -(int64_t)sl_arg_opt_number(L, 2, -1e12, 1e12, 1);
	if (sl_arg_opt_bool(L, 3, false))
		r.value = SL_STR("0");
	return ask(L, &r, "memory", 1, new_number);
}

/*lua
Whether a value is stored under a key.

@param key string
@return boolean? stored
@return string? err   why it isn't known
@return string? code  "io" | "timeout" | "limit"

    if not memory_exists("greeting") then echo("nothing was said") end
*/
static int
state_exists(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_FETCH };

	refuse_callback(L, 2);
	return ask(L, &r, "memory", 1, yes_or_no);
}

/*lua
Delete a stored value.

@param key string
@return boolean? deleted  false: there was none
@return string? err       why it isn't known
@return string? code      "io" | "timeout" | "limit"

    memory_delete("greeting")
*/
static int
state_delete(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_DELETE };

	refuse_callback(L, 2);
	return ask(L, &r, "memory", 1, yes_or_no);
}

/*lua
Try to take a lock; HSL's `barrier` calls it.

@param name string
@return boolean taken  true also when the state can't be reached

    assert(__barrier_enter("example"))
*/
static int
barrier_enter(lua_State *L)
{
	return sl_barrier_enter(L);
}

/*lua
Wait before a lock is tried again: 10 ms, twice as long each time, at most half a second.

@param attempt number  how often it was held, from 0

    __barrier_wait(0)
*/
static int
barrier_wait(lua_State *L)
{
	return sl_barrier_wait(L);
}

/*lua
The variable shared by a barrier.

@param name string
@return any? value  none the first time

    local value = __barrier_value("example")
*/
static int
barrier_value(lua_State *L)
{
	return sl_barrier_value(L);
}

/*lua
Keep the variable shared by a barrier.

@param name string
@param value any  plain data

    __barrier_store("example", 1)
*/
static int
barrier_store(lua_State *L)
{
	return sl_barrier_store(L);
}

/*lua
Say how the variable shared by a barrier is read, for a final action that ends the run inside.

@param name string
@param read function

    __barrier_keep("example", function() return 1 end)
*/
static int
barrier_keep(lua_State *L)
{
	return sl_barrier_keep(L);
}

/*lua
Give a lock back. A run that ends gives back those it has.

@param name string

    __barrier_leave("example")
*/
static int
barrier_leave(lua_State *L)
{
	return sl_barrier_leave(L);
}

const struct sl_builtin sl_module_state[] = {
	{ "rate", state_rate, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "rate_count", state_rate_count, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "memory_add", state_add, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "memory_store", state_store, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "memory_fetch", state_fetch, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "memory_dec", state_dec, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "memory_exists", state_exists, SL_AT_ANY | SL_WAITS | SL_IMPURE | SL_YES_NO },
	{ "memory_inc", state_inc, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "memory_delete", state_delete, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "__barrier_enter", barrier_enter, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "__barrier_wait", barrier_wait, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "__barrier_value", barrier_value, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "__barrier_store", barrier_store, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "__barrier_keep", barrier_keep, SL_AT_ANY | SL_IMPURE },
	{ "__barrier_leave", barrier_leave, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
