/*
 * The locks of HSL's barrier: a name in the state, so that all workers share it. A run
 * that ends inside, by whatever way, gives its locks back; those of a dead worker expire.
 * The shared variable is what memory_fetch gives under the same name.
 * Without the state a barrier is open: what it protects goes on, and an event tells why.
 */
#include "barrier.h"

#include <string.h>

#include "../../core/base/alloc.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"
#include "../../core/state/tap.h"

#define LOCK		"barrier"
#define VALUE		"memory"	/* memory_store and its like have the same names (state.c) */
#define EXPIRES_MS	600000
#define LONGEST_MS	500		/* between two looks at a lock that is held */

struct lock {
	struct sl_at_end at_end;
	struct sl_state *state;
	struct sl_tape *tape;
	size_t n;
	char key[];
};

static struct sl_str
key_of(lua_State *L, const char *kind)
{
	struct sl_buf *key = sl_scratch(L);

	sl_buf_puts(key, kind);
	sl_buf_putc(key, '\0');
	sl_buf_putstr(key, sl_arg_string(L, 1));
	return sl_buf_str(key);
}

static struct sl_state *
state_of(lua_State *L)
{
	if (sl_engine_state(L) == NULL)
		luaL_error(L, "state isn't to be had here");
	return sl_engine_state(L);
}

/* Nobody waits for the answer. */
static void
give_back(struct sl_at_end *at_end)
{
	struct lock *lock = (struct lock *)at_end;
	struct sl_state_request r = { .command = SL_STATE_DELETE, .key = { lock->key, lock->n } };

	sl_state_tell_taped(lock->state, lock->tape, &r);
	sl_free(lock);
}

static void
hold(lua_State *L, struct sl_state *state, struct sl_str key)
{
	struct lock *lock = sl_calloc(1, sizeof(*lock) + key.n);

	if (lock == NULL)
		luaL_error(L, "out of memory");
	lock->at_end.fn = give_back;
	lock->state = state;
	lock->tape = sl_run_tape(L);
	lock->n = key.n;
	memcpy(lock->key, key.p, key.n);
	sl_run_at_end(L, &lock->at_end);
}

/* The run's lock of this name; NULL if the state couldn't be asked for it. */
static struct lock *
find(lua_State *L, struct sl_str key)
{
	struct sl_at_end *at_end = NULL;
	struct lock *lock;

	while ((at_end = sl_run_at_end_next(L, at_end)) != NULL) {
		lock = (struct lock *)at_end;
		if (at_end->fn == give_back && lock->n == key.n &&
		    memcmp(lock->key, key.p, key.n) == 0)
			return lock;
	}
	return NULL;
}

static int
tried(lua_State *L, struct sl_op *op)
{
	if (op->status == 0 && ((struct sl_state_op *)op)->ok)
		hold(L, state_of(L), key_of(L, LOCK));
	sl_bool(L, op->status != 0 || ((struct sl_state_op *)op)->ok);
	return 1;
}

int
sl_barrier_enter(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_ADD, .key = key_of(L, LOCK),
	    .value = SL_STR("1"), .ms = EXPIRES_MS };

	if (find(L, r.key) != NULL)
		return luaL_error(L, "barrier: this script is inside of it already");
	return sl_await(L, (struct sl_op *)sl_state_ask_taped(state_of(L), sl_run_tape(L), &r), tried);
}

static int
waited(lua_State *L, struct sl_op *op)
{
	(void)L;
	(void)op;
	return 0;
}

int
sl_barrier_wait(lua_State *L)
{
	int n = (int)sl_arg_number(L, 1, 0, 1e9);
	int64_t ms = n < 6 ? 10 << n : LONGEST_MS;

	return sl_await(L, sl_op_sleep(sl_vm_loop(sl_vm_of(L)), ms), waited);
}

static int
fetched(lua_State *L, struct sl_op *op)
{
	struct sl_state_op *s = (struct sl_state_op *)op;
	struct sl_err err;

	if (op->status != 0 || !s->ok)
		sl_none(L);
	else if (sl_json_decode(L, sl_buf_str(&s->value), 0, &err) != 0)
		return sl_fail_err(L, &err);
	return 1;
}

int
sl_barrier_value(lua_State *L)
{
	struct sl_state_request r = { .command = SL_STATE_FETCH, .key = key_of(L, VALUE) };

	return sl_await(L, (struct sl_op *)sl_state_ask_taped(state_of(L), sl_run_tape(L), &r), fetched);
}

/*
 * The request that stores the value at 'index' under 'key', a part of its kind of keys: none is
 * deleted, so that memory_exists says so too. Leaves strings on the stack, which it borrows.
 */
static struct sl_state_request
storing(lua_State *L, int index, struct sl_str key)
{
	struct sl_state_request r = { .command = SL_STATE_DELETE };
	struct sl_buf *text;
	struct sl_err err;

	r.key.p = lua_pushlstring(L, key.p, key.n);	/* the scratch may be what holds it */
	r.key.n = key.n;
	if (lua_isnil(L, index))
		return r;
	if (sl_holds_object(L, index))
		luaL_error(L, "barrier: the shared variable: an object isn't plain data");
	text = sl_scratch(L);
	if (sl_json_encode(L, index, text, false, false, &err) != 0)
		luaL_error(L, "barrier: the shared variable: %s", err.text);
	r.command = SL_STATE_STORE;
	r.value.p = lua_pushlstring(L, text->p, text->n);
	r.value.n = text->n;
	return r;
}

int
sl_barrier_store(lua_State *L)
{
	struct sl_state_request r = storing(L, 2, key_of(L, VALUE));

	return sl_await(L, (struct sl_op *)sl_state_ask_taped(state_of(L), sl_run_tape(L), &r), waited);
}

/* The lock, and the function that reads its variable: stores it, for the script ends here. */
static int
store_now(lua_State *L)
{
	struct lock *lock = lua_touserdata(L, 1);
	struct sl_str key = { lock->key, lock->n }, kind;
	struct sl_state_request r;

	lua_call(L, 0, 1);
	sl_str_split(&key, '\0', &kind);
	lua_pushlstring(L, VALUE, sizeof(VALUE));	/* and its NUL */
	lua_pushlstring(L, key.p, key.n);
	lua_concat(L, 2);
	key.p = lua_tolstring(L, -1, &key.n);
	r = storing(L, 2, key);
	sl_state_tell_taped(lock->state, lock->tape, &r);
	return 0;
}

int
sl_barrier_keep(lua_State *L)
{
	struct lock *lock = find(L, key_of(L, LOCK));

	luaL_checktype(L, 2, LUA_TFUNCTION);
	lua_settop(L, 2);
	if (lock != NULL)
		sl_run_before_end(L, &lock->at_end, store_now);
	return 0;
}

int
sl_barrier_leave(lua_State *L)
{
	struct lock *lock = find(L, key_of(L, LOCK));

	if (lock != NULL)
		sl_run_at_end_now(L, &lock->at_end);
	return 0;
}
