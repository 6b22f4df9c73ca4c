/*
 * What hosts that are part of sluice (gateway, milter, REPL, tests) ask of the
 * engine beyond sluice.h: its parts given from outside, policies as sealed
 * images, generations by hand, messages that are indexed already, scripts
 * outside of SMTP. Not installed. Scripts are run through these two headers
 * only.
 */
#ifndef SLUICE_HOST_H
#define SLUICE_HOST_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/step.h"
#include "base/list.h"
#include "sluice.h"

struct sl_loop;
struct sl_dns;
struct sl_http;
struct sl_http_host;
struct sl_events;
struct sl_state;
struct sl_message;
struct sl_config;	/* the effective configuration, core/policy/config.h */
struct sl_generation;
struct sl_counters;
struct sl_metrics;
struct sl_tape;	/* core/tape/tape.h */

/* Each the host's, and outlives the engine; NULL = the engine has its own. */
struct sl_engine_parts {
	struct sl_loop *loop;
	struct sl_dns *dns;		/* NULL = by the policy's dns = {} */
	struct sl_http *http;
	const struct sl_http_host *http_host;	/* answers instead of the network; NULL = nobody */
	struct sl_state *state;		/* rates, memory_*; NULL = in this process */
	struct sl_events *events;	/* NULL = none */
	bool reaches_all;		/* without a policy scripts reach private addresses too */
	bool keyless;			/* keys and secrets of policies may be missing: for replays */
	/* Whether scripts' sockets may connect there, "192.0.2.1:25"; NULL = wherever the policy says. */
	bool (*may_connect)(void *arg, const char *to);
	void *may_connect_arg;
};

/*
 * Loading a policy makes a generation. prepare reads and compiles everything
 * and reports all errors (one per line in *report, "file:line:column: text");
 * the running generation serves on. commit switches: sessions and
 * transactions under way stay with theirs.
 */
int	 sl_engine_prepare(struct sl_engine *engine, int image_fd, struct sl_generation **out,
	    struct sl_buf *report);
int	 sl_engine_prepare_folder(struct sl_engine *engine, const char *folder,
	    struct sl_generation **out, struct sl_buf *report);
void	 sl_engine_commit(struct sl_engine *engine, struct sl_generation *generation);	/* taken */
void	 sl_generation_free(struct sl_generation *generation);	/* one that isn't committed */
const struct sl_config *sl_engine_config(const struct sl_engine *engine);	/* of the running one; NULL if none */
const struct sl_config *sl_generation_config(const struct sl_generation *generation);
/* What is odd in its HSL scripts, with source lines; "" = nothing. */
const char *sl_generation_warnings(const struct sl_generation *generation);
const char *sl_generation_name(const struct sl_generation *generation);	/* hex SHA-256 */

struct sl_dns *sl_engine_resolver(struct sl_engine *engine);	/* the one it uses; NULL if none */

/* Where the engine and its scripts count (core/policy/counters.h, metrics.h); the host's memory. */
void	 sl_engine_count(struct sl_engine *engine, struct sl_counters *counters,
	    struct sl_metrics *metrics);
unsigned sl_engine_runs(const struct sl_engine *engine);	/* alive now */
/* HTTP requests of scripts that go on without them: how many, and 'idle', called once, when none is left. */
size_t	 sl_engine_background_count(const struct sl_engine *engine);
void	 sl_engine_background_drain(struct sl_engine *engine, void (*idle)(void *arg), void *arg);
/* Ends the run that executes now, when it comes back to script code. For signal handlers. */
void	 sl_engine_interrupt(struct sl_engine *engine);

/*
 * Runs one script outside SMTP ("sluice exec"), or a line of the REPL; files
 * and data of the running policy are there. Its results, described and joined
 * by ", ", are in 'text' of the callback, NULL if there are none; of an error the
 * source line, the place on it, the functions that led there. SL_ERR_SYNTAX if
 * it doesn't compile.
 */
typedef void sl_exec_fn(void *arg, const struct sl_err *err, const char *text);
int	 sl_engine_exec(struct sl_engine *engine, const char *name, struct sl_str source,
	    sl_exec_fn *fn, void *arg, struct sl_err *err);
/* Scripts without a policy include and import the files beside 'script', from now on. */
int	 sl_engine_exec_beside(struct sl_engine *engine, const char *script, struct sl_err *err);
/* The Lua that HSL becomes, on the same lines. SL_ERR_SYNTAX as sl_engine_exec. */
int	 sl_engine_translate(struct sl_engine *engine, const char *name, struct sl_str source,
	    struct sl_buf *code, struct sl_err *err);
/* After SL_ERR_SYNTAX: every error with its source line; after a translation the warnings. "" if there is
 * no more to say. */
const char *sl_engine_exec_report(const struct sl_engine *engine);
/* From now on what one exec assigns or redefines, the next one sees, as the
 * lines of a REPL: one begins when the one before has ended. */
int	 sl_engine_exec_keep(struct sl_engine *engine);
/* How many operations one exec may start; 0 = as many as a flow. */
void	 sl_engine_exec_operations(struct sl_engine *engine, unsigned n);
/* Ends what exec runs, also while it waits: the callbacks get SL_ERR_CANCELED, here. */
void	 sl_engine_exec_stop(struct sl_engine *engine);
/* Where echo of exec and REPL goes; NULL = events only. */
void	 sl_engine_on_echo(struct sl_engine *engine, sl_line_fn *fn, void *arg);

/* What is known as a secret by now becomes [secret sha256:...]. */
int	 sl_engine_redact(struct sl_engine *engine, struct sl_str text, struct sl_buf *out);
/*
 * Coverage: 'fn' hears of each line of the running policy's own scripts that has
 * code, some of them several times, and from now on of each line that runs (those of
 * stdlib/ too). NULL as 'ran' = no longer.
 */
typedef void sl_source_line_fn(void *arg, const char *path, int line);
int	 sl_engine_cover(struct sl_engine *engine, sl_source_line_fn *has_code, sl_source_line_fn *ran,
	    void *arg);

/*
 * Tapes of sessions: everything a session depended on and what came of it, in memory
 * (core/tape/tape.h, core/policy/record.h). With no watcher nothing is recorded, and a session
 * pays a comparison when it opens. 'wants' is asked as one opens; 'ended' gets the tape of a
 * session that this watcher wanted, when it has ended, unless it has stopped watching meanwhile;
 * reference it to keep it, and don't add to it. A tape that is full isn't whole. Keys and API answers are on it as they are: see
 * sl_capture (core/policy/capture.h) before it leaves the process.
 */
struct sl_watcher {
	struct sl_list link;
	uint64_t number;	/* the engine's */
	bool (*wants)(struct sl_watcher *watcher, const struct sl_session_info *info);
	void (*ended)(struct sl_watcher *watcher, struct sl_tape *tape);
};
void	 sl_engine_watch(struct sl_engine *engine, struct sl_watcher *watcher);
void	 sl_engine_unwatch(struct sl_watcher *watcher);
/* A session that sees the world as the tape has it (sl_tape_play). See core/policy/replay.h. */
int	 sl_session_open_taped(struct sl_engine *engine, const struct sl_session_info *info,
	    struct sl_tape *tape, struct sl_session **out, struct sl_err *err);

/*
 * Steps through the lines of the policy's scripts, and of functions that exec made. step: how
 * the script that is stopped goes on, else how those that begin from now on are taken. Where
 * one is stopped the engine may be turned: sl_engine_exec runs in its place then, with the
 * variables that can be seen there; a final action ends the script, too.
 */
int	 sl_engine_step(struct sl_engine *engine, enum sl_step step);
int	 sl_engine_break(struct sl_engine *engine, const char *path, int line, bool on);
bool	 sl_engine_stopped(const struct sl_engine *engine, struct sl_stop *out);	/* NULL is fine */
/* The variables that can be seen where it is stopped, locals first; else those that HSL's lines
 * share (sl_engine_exec_keep). */
int	 sl_engine_variables(struct sl_engine *engine, sl_variable_fn *fn, void *arg);

/* sl_session_data_end with a message of the host's, which is referenced. */
int	 sl_session_message(struct sl_session *session, struct sl_message *message,
	    sl_outcome_fn *fn, void *arg);

#endif
