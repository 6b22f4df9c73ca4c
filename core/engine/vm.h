/*
 * The script machine: one Lua state per engine, runs as coroutines in it. It
 * knows nothing of mail. Sandbox, limits, endings, accounts of memory,
 * scheduling. See doc/design.md "The engine" for why each is as it is.
 */
#ifndef SL_ENGINE_VM_H
#define SL_ENGINE_VM_H

#include <stdatomic.h>

#include "../base/event.h"
#include "../base/step.h"
#include "../net/op.h"
#include "builtin.h"

struct json_t;
struct sl_cache;
struct sl_vm;
struct sl_program;
struct sl_run;
struct sl_scope;
struct sl_tape;

struct sl_limits {			/* per run unless said; 0 = the default */
	uint64_t steps;			/* VM instructions and charged work; default 10,000,000 */
	size_t memory;			/* bytes of script values; default 32 MB */
	int64_t time_ms;		/* wall time of the run, waiting included; default 60,000 */
	unsigned ops;			/* operations started; default 200 */
	unsigned dns;			/* DNS queries; default 500 */
	uint64_t http_bytes;		/* default 16 MB */
	unsigned slice_steps;		/* preempted and resumed after so many; default 1,000,000 */
};

struct sl_vm	*sl_vm_new(struct sl_loop *loop, struct sl_events *events, struct sl_err *err);
void		 sl_vm_free(struct sl_vm *vm);		/* drops all runs; no callback is made */
size_t		 sl_vm_memory(const struct sl_vm *vm);	/* bytes in use by the Lua state */
unsigned	 sl_vm_runs(const struct sl_vm *vm);	/* runs alive */
struct sl_loop	*sl_vm_loop(const struct sl_vm *vm);
struct sl_vm	*sl_vm_of(lua_State *L);
struct sl_events *sl_vm_events(const struct sl_vm *vm);
struct sl_cache	*sl_vm_cache(const struct sl_vm *vm);	/* cache.h; outlives runs and generations */
const char	*sl_vm_run_id(lua_State *L);	/* id of the calling run, for events */
/*
 * What the machine does now, for who watches this process from another one:
 * words that may be half written when they are read.
 */
struct sl_now {
	_Atomic uint64_t beat;		/* grows with each turn of the loop */
	char id[72];			/* of the run that executes; "" = none does */
	char phase[16];
	char builtin[32];		/* the last one it called */
};
void		 sl_vm_show(struct sl_vm *vm, struct sl_now *now);	/* the host's memory */
/* Ends the run that executes, when it comes back from C; for signal handlers. */
void		 sl_vm_interrupt(struct sl_vm *vm);
/* The engine's own pointer, for builtins (resolver, HTTP client, ...). */
void		 sl_vm_set_owner(struct sl_vm *vm, void *owner);
void		*sl_vm_owner(const struct sl_vm *vm);

/*
 * The compiled code of one generation. Files are named by their path in the
 * policy ("data.lua", "lib/acme/keys.lua"), stdlib's by "stdlib/...".
 */
struct sl_program *sl_program_new(struct sl_vm *vm);
/* One whose runs find what it hasn't itself in 'base' (referenced; NULL is fine). */
struct sl_program *sl_program_new_upon(struct sl_vm *vm, struct sl_program *base);
struct sl_program *sl_program_ref(struct sl_program *program);
void		 sl_program_unref(struct sl_program *program);	/* freed when no run uses it */
/* Compiles Lua, and HSL (.hsl), for which the program or its base needs the library's hsl/.
 * A syntax error names file, line and column. */
int		 sl_program_add(struct sl_program *program, const char *path, struct sl_str source,
		    struct sl_err *err);
/* The Lua that a .hsl file becomes, on the same lines. */
int		 sl_program_translate(struct sl_program *program, const char *path, struct sl_str source,
		    struct sl_buf *code, struct sl_err *err);

/* The files of a policy that code may name, for HSL's compiler: it pastes included ones. */
struct sl_program_files {
	bool (*read)(void *arg, const char *path, struct sl_str *source);
	/* The path of "file:ID" (sluice.lua's files), NULL = none has this id. */
	const char *(*by_id)(void *arg, struct sl_str id);
	void *arg;
	/* The folder, with its slash, that scripts without a policy have in their own paths and
	 * what they name doesn't; NULL = all are names of the policy. */
	const char *folder;
	int level;	/* of HSL, of files that don't say theirs: 2016, 2026; 0 = 2026 */
};
/*
 * Whether Lua files call names that stdlib/hsl/unbuilt.lua lists and nobody defines: SL_ERR_SYNTAX, and
 * sl_program_report has a text for each. 'each' gives the policy's files, *i begins with 0; HSL's too, for
 * what they define.
 */
typedef bool sl_program_each_fn(void *arg, size_t *i, struct sl_str *path, struct sl_str *source);
int		 sl_program_check_names(struct sl_program *program, sl_program_each_fn *each, void *arg,
		    struct sl_err *err);
/* Borrowed until it is set again (NULL: no files). */
void		 sl_program_set_files(struct sl_program *program, const struct sl_program_files *files);
/* The level of HSL that a file says in a comment of its first five lines: 2016, 2026; 0 = none. */
int		 sl_program_level(const struct sl_program *program, const char *path);
/* For lines of a REPL: variables of HSL's main code stay in the scope that runs share. */
void		 sl_program_share_variables(struct sl_program *program);
/* Every error of the last file that didn't compile, with source lines; "" if it had one line. */
const char	*sl_program_report(const struct sl_program *program);
/* What is odd in the HSL files that did compile, a text each with source lines. */
const char	*sl_program_warnings(const struct sl_program *program);
/* Names of all facts, for the compiler: name(i), NULL behind the last. */
void		 sl_vm_set_facts(struct sl_vm *vm, const char *(*name)(size_t i));
/* A data file for data "name": .csv .json .txt, parsed once, read-only. */
int		 sl_program_add_data(struct sl_program *program, const char *path, struct sl_str text,
		    struct sl_err *err);

/*
 * Coverage. 'fn' hears of each line that has code, of the program's files but
 * those of stdlib, some of them several times; SL_ERR_CORRUPT: this Lua's code can't be read.
 * on_line: it hears of each line that runs; only runs that begin after it do.
 */
typedef void sl_lines_fn(void *arg, const char *path, int line);
int		 sl_program_lines(struct sl_program *program, sl_lines_fn *fn, void *arg);
void		 sl_vm_on_line(struct sl_vm *vm, sl_lines_fn *fn, void *arg);	/* NULL = nobody */

/*
 * Steps, of one person at a desk. Lines of the policy's files are stopped at, in coroutines
 * too, but not inside of what a C function called that can't be left (the function of a sort).
 * Only one run stands at a time; others pass. Deadlines of the one that stands stand, too.
 *
 * step: how to go on from where it stands, else how runs that begin are taken. SL_STEP_OFF
 * forgets breakpoints, too.
 */
int		 sl_vm_step(struct sl_vm *vm, enum sl_step step);
/* It ends there, as by a final action at 'where' that was called in its place. */
void		 sl_vm_end_stopped(struct sl_vm *vm, const char *where);
int		 sl_vm_break(struct sl_vm *vm, const char *path, int line, bool on);
struct sl_run	*sl_vm_stopped(const struct sl_vm *vm, struct sl_stop *out);	/* NULL = none */
/* The variables that can be seen where it stands: locals, then what scripts assigned. */
int		 sl_vm_variables(struct sl_vm *vm, sl_variable_fn *fn, void *arg);
/* Those that lines of HSL have in a scope. */
int		 sl_vm_shared_variables(struct sl_vm *vm, struct sl_scope *scope, sl_variable_fn *fn,
		    void *arg);

/* An element of a flow. */
struct sl_element {
	const char *script;		/* path of a script, or NULL */
	const char *block;		/* name of a block: module stdlib "blocks.NAME", its run(params) */
	const char *params;		/* JSON object for the block, all its parameters, or NULL */
};

/*
 * Names that outlive runs, for a REPL: what one run assigns or redefines, the
 * next one sees. Runs in one scope follow each other; modules are loaded anew.
 */
struct sl_scope	*sl_scope_new(struct sl_vm *vm);
void		 sl_scope_free(struct sl_scope *scope);	/* no run uses it; before sl_vm_free */

/* Facts: globals that the phase provides. Pushes the value and returns 1;
 * 0 = no such fact; -1 = a fact of another phase (*phases says which). */
typedef int sl_fact_fn(lua_State *L, void *host, const char *name, unsigned *phases);

enum sl_run_end {
	SL_RUN_ENDED,		/* a final action: the host has the verdict */
	SL_RUN_RETURNED,	/* the flow ended without one, and there was no end action */
	SL_RUN_FAILED,		/* a script error: err */
	SL_RUN_LIMIT,		/* a limit: err names it and the line */
	SL_RUN_KILLED,		/* sl_run_kill */
};

struct sl_run_spec {
	struct sl_program *program;
	unsigned phase;			/* one SL_AT_* bit */
	const char *name;		/* for events: "data", "rcptto" */
	const char *id;			/* message or session id, for events */
	const struct sl_limits *limits;	/* NULL = defaults */
	const struct sl_element *elements;	/* in order; borrowed during the run */
	size_t n;
	/* Builtin called without arguments when the elements end without a final
	 * action, through an override if there is one. NULL = SL_RUN_RETURNED. */
	const char *end_action;
	sl_fact_fn *fact;
	const char *(*fact_near)(const char *name);	/* a fact that a misspelling may mean, or NULL */
	/* A script's results, at 1 to n of the stack; NULL = they are dropped. May raise. */
	void (*results)(lua_State *L, int n, void *host);
	struct sl_scope *scope;		/* names that stay; NULL = they end with the run */
	/* A run that is stopped: this one has its names, the variables of the function that
	 * stands, its facts and its host (sl_run_host). Steps don't stop in it. */
	struct sl_run *at;
	const char *passed;		/* path of a script that steps don't stop in, or NULL */
	struct sl_tape *tape;		/* past which it sees the world (doors.h); NULL = none */
	const char *recipient;		/* for whom it runs, of several runs of one phase; or NULL */
	void *host;
	/* Called once, from the top of the loop, never inside sl_run_start. */
	void (*done)(struct sl_run *run, enum sl_run_end how, const struct sl_err *err, void *host);
};

/* Waits in order when too many runs are alive. */
int		 sl_run_start(struct sl_vm *vm, const struct sl_run_spec *spec, struct sl_run **out,
		    struct sl_err *err);
/* Cancels what it waits for and drops it; 'done' isn't called. */
void		 sl_run_kill(struct sl_run *run);

/* What a run did, readable in 'done'. */
struct sl_run_stats {
	uint64_t steps;
	size_t memory_peak;
	unsigned ops, dns;
	int64_t wall_us, cpu_us;
	const char *where;		/* "data.lua:12" where it ended or failed, or NULL */
	bool returned;			/* the flow's code ran to its end */
	/* Of a script error, NULL = not known: the source line without its indent, the
	 * byte of it that a caret belongs below (-1 = not known), and "in f, called by g". */
	const char *source, *stack;
	int caret;
};
const struct sl_run_stats *sl_run_stats(const struct sl_run *run);

/* Rows of a host's or test's own, beside those of sl_modules. */
int		 sl_vm_add_builtins(struct sl_vm *vm, const struct sl_builtin *rows);
/* Where echo goes besides the event stream. */
void		 sl_vm_echo(struct sl_vm *vm, struct sl_str line);
void		 sl_vm_on_echo(struct sl_vm *vm, void (*fn)(void *arg, struct sl_str line), void *arg);

/*
 * Evaluates a chunk that returns plain data (sluice.lua) with no names but
 * 'functions' and Lua's library, under the default limits; the result as
 * a tree of jansson's, the caller's then.
 */
int		 sl_vm_eval(struct sl_vm *vm, const char *name, struct sl_str source,
		    const struct sl_builtin *functions, void *host, struct json_t **out,
		    struct sl_err *err);
/* The 'host' of the sl_vm_eval that runs; for its functions. */
void		*sl_vm_eval_host(lua_State *L);

/* Secrets are known by value: wherever 'text' holds one, *out has
 * [secret sha256:1f3a...]. Everything that leaves as text goes through it. */
int		 sl_vm_add_secret(struct sl_vm *vm, struct sl_str secret);
int		 sl_vm_redact(struct sl_vm *vm, struct sl_str text, struct sl_buf *out);

#endif
