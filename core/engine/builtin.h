/*
 * The table of builtins. A builtin is one row: name, function, flags. The
 * rows of a folder lua/<module>/ stand in 'const struct sl_builtin
 * sl_module_<module>[]', ended by a row of NULL; make gathers them.
 */
#ifndef SL_ENGINE_BUILTIN_H
#define SL_ENGINE_BUILTIN_H

#include <lua.h>
#include <lauxlib.h>

#include "../base/list.h"
#include "../net/op.h"

/* Phases in which a builtin may be called; the guard refuses elsewhere. */
enum sl_phase_bit {
	SL_AT_CONNECT = 1 << 0, SL_AT_HELO = 1 << 1, SL_AT_AUTH = 1 << 2,
	SL_AT_MAILFROM = 1 << 3, SL_AT_RCPTTO = 1 << 4, SL_AT_EOD = 1 << 5,
	SL_AT_DATA = 1 << 6, SL_AT_PREDELIVERY = 1 << 7, SL_AT_POSTDELIVERY = 1 << 8,
	SL_AT_DISCONNECT = 1 << 9,
	SL_AT_NONE = 1 << 10,		/* outside a phase: exec, repl */
	SL_AT_ANY = (1 << 11) - 1,
	SL_AT_MESSAGE = SL_AT_EOD | SL_AT_DATA,
};

#define SL_WAITS	(1u << 16)	/* may wait: can't be called inside comparator, gsub callback, ... */
#define SL_IMPURE	(1u << 17)	/* result isn't a function of its inputs: captures record it */
#define SL_FINAL	(1u << 18)	/* a final action: never returns */
#define SL_HSL		(1u << 19)	/* HSL's only: Lua has something else of this name, or no use for it */
#define SL_HEADER	(1u << 20)	/* of eod and data, and looks at no more than envelope and header */
#define SL_TAPED	(1u << 21)	/* a tape notes and gives its results (core/tape/tape.h): nothing else of it is seen */
#define SL_YES_NO	(1u << 22)	/* a question: in HSL none where an argument is needed is answered with false */

/*
 * "Name", a function; or "Class:method" of the objects of a class, which are made by
 * functions (sl_object_new): the same guard, the same flags, the object is argument 1;
 * or "Class.name", a function of a class: Class::name in HSL, and in Lua a field of the
 * read-only table Class, which is no builtin's name then.
 */
struct sl_builtin {
	const char *name;
	lua_CFunction fn;
	unsigned flags;
};

/* All modules of this build, NULL-terminated; written by make (build/modules.c). */
struct sl_module {
	const char *name;		/* the folder */
	const struct sl_builtin *builtins;
};
extern const struct sl_module sl_modules[];

/* The row of the function at 'index'; NULL if it is no builtin. */
const struct sl_builtin *sl_builtin_at(lua_State *L, int index);

/*
 * Waiting, the only way: return sl_await(L, op, done). Takes 'op' (NULL = out
 * of memory: raises). If it is done already nothing yields. 'done' then runs
 * in the script's coroutine, with the builtin's arguments still on the stack,
 * pushes results and returns their number; 'op' is released after it.
 */
int	 sl_await(lua_State *L, struct sl_op *op, int (*done)(lua_State *L, struct sl_op *op));

/*
 * Ends the run: for final actions, after the verdict is stored with the host.
 * return sl_end(L). Never returns to the script.
 */
int	 sl_end(lua_State *L);

/* What the run belongs to: the pointer given to sl_run_start. */
void	*sl_run_host(lua_State *L);
unsigned sl_run_phase(lua_State *L);		/* one SL_AT_* bit */
int64_t	 sl_run_age_us(lua_State *L);		/* since it began, waiting included */

/*
 * What is called when the run that calls is over, however it ends: for what it holds
 * outside. 'fn' frees the struct around. One that was taken out of its list isn't called.
 */
struct sl_at_end {
	struct sl_list link;
	void (*fn)(struct sl_at_end *at_end);
	lua_CFunction before;		/* NULL, or sl_run_before_end */
	int ref;
};
void	 sl_run_at_end(lua_State *L, struct sl_at_end *at_end);
/* Calls it now, and not at the end. */
void	 sl_run_at_end_now(lua_State *L, struct sl_at_end *at_end);
/*
 * Before a final action ends the run, 'before', as a function of HSL's, gets 'at_end' (a light userdata) and the value on
 * top, which is popped here: for what only the script knows. What it raises is dropped; it can't
 * wait. [-1, +0, m]
 */
void	 sl_run_before_end(lua_State *L, struct sl_at_end *at_end, lua_CFunction before);
/* The one behind 'at_end', NULL = the first; NULL = there are no more. */
struct sl_at_end *sl_run_at_end_next(lua_State *L, struct sl_at_end *at_end);

/* "data.lua:12" of the calling script line; buffer lives until the next call. */
const char *sl_where(lua_State *L);

/* Charges 'n' units of work (about one VM instruction each) before doing it;
 * ends the run with its limit when the steps are used up. */
void	 sl_charge(lua_State *L, uint64_t n);

uint64_t sl_steps_left(lua_State *L);

enum sl_budget { SL_BUDGET_OPS, SL_BUDGET_DNS, SL_BUDGET_HTTP_BYTES };
/* Takes from a budget of the message; ends the run with that limit when used up. */
void	 sl_spend(lua_State *L, enum sl_budget budget, uint64_t n);

/* nil, message, code: the world's failure. Returns 3. */
int	 sl_fail(lua_State *L, const char *code, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
int	 sl_fail_err(lua_State *L, const struct sl_err *err);	/* code = sl_err_word */

/* Secrets are replaced by [secret sha256:1f3a...] wherever text leaves the engine. */
void	 sl_secret_add(lua_State *L, struct sl_str secret);

#endif
