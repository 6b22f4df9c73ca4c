/*
 * What the files of the engine share. Not for other folders.
 *
 * One Lua state serves all runs of an engine, and one thread drives it: at any
 * moment at most one run executes, vm->running. So "the run of this lua_State"
 * needs no per-coroutine bookkeeping.
 */
#ifndef SL_ENGINE_INTERNAL_H
#define SL_ENGINE_INTERNAL_H

#include <signal.h>

#include <lua.h>
#include <lauxlib.h>
#include <lualib.h>

#include "../base/alloc.h"
#include "../base/list.h"
#include "../base/dict.h"
#include "builtin.h"
#include "cache.h"
#include "map.h"
#include "value.h"
#include "vm.h"

/* ---- memory accounts (memory.c) ---------------------------------------- */

/*
 * Each block of Lua's knows the account it was charged to by index, because a
 * block can outlive its run: an owner pointer would dangle. An account's slot
 * is free again when its run is gone and its last block was freed.
 */
struct account {
	size_t used, limit, peak;
	bool open;		/* its run is alive */
};

struct accounts {
	struct account *list;
	uint32_t n, cap, *free;
	uint32_t nfree;
	uint32_t current;	/* charged for new blocks; 0 = the engine itself */
};

int	 sl_accounts_init(struct accounts *a);
void	 sl_accounts_clear(struct accounts *a);
int	 sl_account_open(struct accounts *a, size_t limit, uint32_t *index);
void	 sl_account_close(struct accounts *a, uint32_t index);
/* Bytes that aren't Lua's, to the account's: false = more than it may have. */
bool	 sl_account_hold(struct accounts *a, uint32_t index, size_t bytes);
void	 sl_account_release(struct accounts *a, uint32_t index, size_t bytes);
void	*sl_lua_alloc(void *ud, void *p, size_t osize, size_t nsize);

/* Makes the function on top a method: "Class:method" (object.c). [-1, +0, m] */
void	 sl_method_add(lua_State *L, const char *name, bool hsl);

/* ---- the machine ------------------------------------------------------- */

/* Registry references of tables and functions that the engine uses itself. */
struct refs {
	int env_meta;		/* metatable of every run's environment */
	int names;		/* builtins (guarded) and the allowed library, by name */
	int hsl_names;		/* builtins as HSL calls them, by name */
	int hsl;		/* what emitted code calls; hsl.h */
	int hsl_functions_meta;
	int hsl_module_meta;
	int hsl_thrown_meta, hsl_exception_meta;	/* hsl_control.c */
	int builtin;		/* the read-only table "builtin" */
	int order;		/* ephemeron: table -> list of its keys in the builder's order */
	int readonly;		/* ephemeron: proxy -> what it stands for */
	int readonly_meta;
	int map_meta;			/* of HSL's arrays; map.c */
};

struct sl_vm {
	lua_State *L;
	struct accounts accounts;
	struct sl_loop *loop;
	struct sl_events *events;
	void *owner;
	struct sl_run *running;
	struct refs refs;
	const void *map_meta;		/* the same by address: asked for each value */
	lua_Integer tokens;		/* given to variables that hold an array alone; hsl_elements.c */
	struct sl_list runs;		/* all alive */
	struct sl_list waiting;		/* not begun: too many were alive */
	unsigned alive;
	uint64_t waits;
	int pool[64];			/* registry references of idle coroutines */
	unsigned npool;
	struct sl_dict *rows;		/* name -> struct sl_builtin */
	struct sl_dict *classes;	/* those with functions: names of Lua's, but no builtins */
	struct sl_cache *cache;		/* of cache() */
	const char *(*facts)(size_t i);	/* names of facts, for the compiler; NULL ends them */
	struct sl_dict *secrets;		/* text -> replacement */
	uint8_t secret_starts[8192];	/* a bit for each hash of their first bytes */
	size_t shortest_secret;
	struct sl_buf where;		/* result of sl_where */
	struct sl_buf scratch;		/* result of sl_scratch */
	void (*echo)(void *arg, struct sl_str line);
	void *echo_arg;
	sl_lines_fn *on_line;		/* hears of lines that run; NULL = nobody */
	void *on_line_arg;
	struct sl_stepper *stepper;	/* step.c; NULL = nobody steps */
	struct sl_now *now;		/* what is shown to who watches; NULL = nobody */
	volatile sig_atomic_t interrupted;
	struct {
		lua_CFunction format, rep, pack, unpack, lower, upper, reverse, sub;
	} stock;
};

struct sl_program {
	unsigned refs;
	struct sl_vm *vm;
	struct sl_program *base;	/* where files are that this one hasn't; NULL = nowhere */
	int chunks;			/* registry: path -> function(_ENV) */
	int data;			/* registry: path -> read-only value */
	struct sl_dict *sources;		/* path -> struct sl_source, for error texts */
	struct sl_dict *levels;		/* path -> level that the HSL file says of itself */

	/* HSL (compile.c) */
	int compiler, compiler_host;	/* registry; LUA_NOREF = not loaded yet */
	const struct sl_program_files *files;
	struct sl_buf report, warnings;
	bool shares;			/* HSL's main code has its variables where others find them */
};

/* An environment: what scripts assigned, and what they redefined. */
struct sl_scope {
	struct sl_vm *vm;
	int env, overrides;		/* registry; LUA_NOREF = none */
};

enum run_state { RUN_QUEUED, RUN_READY, RUN_EXECUTING, RUN_AWAITING, RUN_STOPPED, RUN_OVER };

struct sl_run {
	struct sl_list link;
	struct sl_vm *vm;
	struct sl_program *program;
	struct sl_run_spec spec;
	struct sl_limits limits;
	enum run_state state;
	uint32_t account;
	lua_State *co;
	int co_ref, loaded_ref;		/* LUA_NOREF = none */
	struct sl_scope own, *scope;	/* its names: its own or the spec's */
	bool begun;			/* the coroutine has its function */
	size_t element;			/* of the flow: the one that runs */
	struct sl_list at_end;		/* struct sl_at_end */

	/* ending (end.c) */
	bool ending;			/* this flag decides, never an error value */
	enum sl_run_end how;
	struct sl_err err;

	/* why control came out of a coroutine: the resumers in between look */
	bool passing;
	unsigned unyieldable;		/* resumers on the stack that can't be yielded through */

	struct sl_op *op;		/* what is waited for */
	int (*op_done)(lua_State *L, struct sl_op *op);
	uint64_t wait;			/* which of the machine's waits it is */
	struct sl_timer deadline;
	struct sl_task task;
	struct sl_run_stats stats;
	struct sl_buf where, source, stack;	/* of stats */
	struct sl_buf question;		/* the call under way, for its tape */
	unsigned finals_returned;	/* final actions that went on (done = false) */
	unsigned slice;			/* steps since the loop last had its turn */
	uint64_t http_bytes;
	int64_t started_us, resumed_us;
	int64_t stopped_us, stood_us;	/* when a step stopped it; how long it stood so far */
};

#define SL_HOOK_STEPS	1000
#define SL_HSL_INCLUDED	"include "	/* before the path: the chunk for who includes it */
#define SL_HSL_DATA	"import "	/* before the path: the data for who imports it */

/* Registry value by reference. [-0, +1, -] */
static inline void
sl_ref_push(lua_State *L, int ref)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
}

static inline struct sl_vm *
sl_vm_from(lua_State *L)
{
	return *(struct sl_vm **)lua_getextraspace(L);
}

static inline struct sl_run *
sl_running(lua_State *L)
{
	return sl_vm_from(L)->running;
}

/* The run in whose place this one runs: what a person evaluates where a run is stopped
 * belongs to that. */
static inline struct sl_run *
sl_run_meant(struct sl_run *run)
{
	return run->spec.at != NULL ? run->spec.at : run;
}

/* end.c */
int	 sl_go_on_ending(lua_State *L);		/* never returns to the script */
void	 sl_begin_ending(lua_State *L, enum sl_run_end how, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
int	 sl_is_memory_error(lua_State *L, int status, int index);

/*
 * step.c, while somebody steps. Whether the line of 'ar' is one to stop at: then L is to
 * yield, and the run stands until sl_vm_step. stopped: whether this run does now.
 */
bool	 sl_step_stops(lua_State *L, lua_Debug *ar, struct sl_run *run);
bool	 sl_step_stopped(const struct sl_run *run);
lua_State *sl_step_thread(const struct sl_vm *vm);	/* of the run that stands; must be one */
/* The name of local n of its innermost function, from 1; NULL behind the last. Once it has
 * yielded, Lua's own names are those of the instruction before. */
const char *sl_step_local(const struct sl_vm *vm, int n);
unsigned sl_step_number(const struct sl_vm *vm);	/* of the stop; 0 = nothing stands */
void	 sl_step_forget(struct sl_run *run);	/* it's gone */
/* run.c: the run that stands goes on, or ends as one that was interrupted. */
void	 sl_run_go_on(struct sl_run *run);
void	 sl_run_give_up(struct sl_run *run, const char *where);
void	 sl_run_end(struct sl_run *run, const char *where);	/* as by a final action there */

/*
 * frame.c: the variables of the function that stands, for the run that executes in its place.
 * push: what the chunk gets as arguments; their number. take: HSL's assignments take effect.
 */
int	 sl_frame_push(lua_State *L, bool hsl);	/* [-0, +n, m] */
void	 sl_frame_take(lua_State *L);		/* [-0, +0, m] */

/* hook.c */
void	 sl_hook_install(lua_State *L, bool ending);

/* sandbox.c, protect.c, coroutine.c, strlib.c, tablib.c, pairs.c, env.c */
int	 sl_sandbox_open(lua_State *L);
void	 sl_open_protect(lua_State *L);		/* [-0, +0] table of names at the top */
void	 sl_open_coroutine(lua_State *L);
void	 sl_open_string(lua_State *L);
void	 sl_open_table(lua_State *L);
void	 sl_open_pairs(lua_State *L);
void	 sl_open_modules(lua_State *L);
void	 sl_open_env(lua_State *L);
void	 sl_open_readonly(lua_State *L);
void	 sl_open_map(lua_State *L);
void	 sl_open_hsl(lua_State *L);
void	 sl_push_ephemeron(lua_State *L);	/* [-0, +1, m] a table with weak keys */
void	 sl_set_function(lua_State *L, const char *name, lua_CFunction fn);
void	 sl_readonly(lua_State *L);		/* [-1, +1] a proxy for the table on top */
void	 sl_readonly_fast(lua_State *L);	/* same, flat, for libraries */
bool	 sl_is_readonly(lua_State *L, int index);
void	 sl_readonly_real(lua_State *L, int index);	/* [-0, +1] what the proxy stands for */
void	 sl_scope_init(struct sl_scope *scope, struct sl_vm *vm);
void	 sl_scope_clear(struct sl_scope *scope);
void	 sl_scope_need(lua_State *L, struct sl_scope *scope);	/* [-0, +0, m] makes its environment */

/* env.c. Pushes what a script defined under a builtin's name; false = nothing. */
bool	 sl_override_push(lua_State *L, const struct sl_run *run, const char *name);
/* The function at 3 redefines the builtin. */
int	 sl_override_set(lua_State *L, struct sl_run *run, const struct sl_builtin *row);
/* hsl.c: HSL's code looks the builtin up anew. */
void	 sl_hsl_forget(lua_State *L, const struct sl_run *run, const char *name);
/* 1 = pushed, 0 = no fact, -1 = of other phases. */
int	 sl_fact_push(lua_State *L, const struct sl_run *run, const char *name, unsigned *phases);
/* Raises "NAME is not defined (NEAR?)", with 'sign' before each; the environment is at 1. */
int	 sl_undefined(lua_State *L, const char *name, const char *sign);

/* Pushes a data file; false if there is none. program.c */
bool	 sl_data_push(lua_State *L, const struct sl_program *program, const char *path);

/*
 * builtin.c. Which language called is an upvalue of what was called: this address
 * as the second one of the C function that runs means HSL. So it holds in a
 * builtin, in what continues it and when an operation is done, without a flag
 * that anybody could leave wrong.
 */
extern const char sl_hsl_mark;
/* What sl_arg_* raises for none where HSL called: the guard makes none of it. */
extern const char sl_none_argument;
bool	 sl_none_is_caught(lua_State *L);	/* not what an array holds: that is a wrong value */
bool	 sl_is_numeric(lua_State *L, int index, double *n);	/* convert.c */

/* The row of the builtin whose C function runs, also after it waited; NULL = none does. */
const struct sl_builtin *sl_builtin_running(lua_State *L);
/* trace.c, while somebody reads traces: with its arguments on the stack, with its n
 * results on top of it. 'row' may be NULL. */
static inline bool
sl_is_traced(const struct sl_run *run)
{
	return sl_event_wanted(run->vm->events, SL_TRACE);
}
void	 sl_trace_call(lua_State *L, const struct sl_builtin *row);
void	 sl_trace_result(lua_State *L, const struct sl_builtin *row, int n);

/*
 * taped.c. The results of rows with SL_TAPED, in runs with a tape. call: true = the tape
 * gives the *n results on top. note: the n results on top are what the call gave.
 */
static inline bool
sl_is_taped(const struct sl_run *run, const struct sl_builtin *row)
{
	return run->spec.tape != NULL && row != NULL && (row->flags & SL_TAPED) != 0;
}
bool	 sl_taped_call(lua_State *L, const struct sl_builtin *row, int *n);
void	 sl_taped_note(lua_State *L, struct sl_run *run, int n);

int	 sl_builtins_add(struct sl_vm *vm, const struct sl_builtin *rows);
/* Pushes the function a script gets for 'name': override, builtin or library. */
int	 sl_name_push(lua_State *L, const char *name);
const char *sl_phases_text(unsigned phases, char *out, size_t size);

/* vm.c: runs 'fn' with 'arg' (light userdata) at 1, within limits of its own. */
struct sl_bounds {
	const char *name;		/* for messages */
	uint64_t steps;
	size_t memory;
	void *host;			/* sl_run_host */
};
int	 sl_bounded(struct sl_vm *vm, const struct sl_bounds *bounds, lua_CFunction fn, void *arg,
	    struct sl_err *err);
/* Pushes a table with Lua's library, without builtins and what reads files of a policy. */
void	 sl_push_library(lua_State *L);

/* What a file of HSL is compiled for: to be main code, main code whose variables the next lines of a
 * REPL see, or part of a file that includes or imports it. */
enum sl_hsl_role { SL_HSL_MAIN, SL_HSL_LINES, SL_HSL_PART };

/* compile.c: HSL to Lua; the code goes to 'code', the .hsl files it includes to
 * 'includes', each ended by a NUL. All errors are in program->report. */
int	 sl_hsl_compile(struct sl_program *program, const char *path, struct sl_str source,
	    enum sl_hsl_role role, struct sl_buf *code, struct sl_buf *includes, struct sl_err *err);

/* syntax.c: [-0, +1] lua_load of text in two parts. */
int	 sl_load_parts(lua_State *L, const char *name, struct sl_str before, struct sl_str source);
/* [-1, +1, m] the message of a failed load of 'before' and 'source' on one first line,
 * "NAME:LINE: text", gets the column, "NAME:LINE:COLUMN: text", where it can be told. */
void	 sl_syntax_place(lua_State *L, const char *name, struct sl_str before, struct sl_str source);

/* program.c */
int	 sl_chunk_push(lua_State *L, const struct sl_program *program, const char *path);
/* The path of a file of the program that Lua shows without its front, "...nd/of/it.hsl"; 'shown' if it
 * is whole, or no one file's. */
struct sl_str sl_source_path(const struct sl_program *program, struct sl_str shown);
struct sl_str sl_source_line(const struct sl_program *program, const char *path, int line);

/* json.c: the value as a tree, the caller's; refuses what sl_json_encode refuses. */
void	 sl_json_push(lua_State *L, const struct json_t *v);	/* [-0, +1, m] a tree as the caller's values */
int	 sl_json_tree(lua_State *L, int index, struct json_t **out, struct sl_err *err);

/* error.c: the text of a script error; source line, caret and stack go to run->stats. */
void	 sl_error_describe(lua_State *co, struct sl_run *run, struct sl_err *err, int index);
/* The column of "path:line: text", from 1; 0 = the line doesn't have what failed, or several times. */
int	 sl_error_column(const struct sl_run *run, struct sl_str message);
/* The error on top of co leaves a coroutine: the functions there are those that led to it. */
void	 sl_error_passes(lua_State *co, struct sl_run *run);
/* Whether the error of co came to it out of a coroutine that it resumed. coroutine.c */
bool	 sl_co_passed(lua_State *co);
/* "data.lua:12" of the innermost script function of co. */
bool	 sl_position(lua_State *co, struct sl_buf *out);

/* As coroutine.wrap, but what is over gives nothing when it is called again. coroutine.c */
int	 sl_co_generator(lua_State *L);
int	 sl_sort_keys(lua_State *L, int table);	/* pushes a list of the keys in order; pairs.c */

/* pattern.c: find/match with a budget */
struct sl_pattern_state;

#endif
