/*
 * The engine: one script machine, resolver and HTTP client, and the running
 * generation. Owned by one thread.
 */
#include "engine.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../crypto/key.h"
#include "../dns/dns.h"
#include "../engine/value.h"
#include "../http/background.h"
#include "../tape/tape.h"
#include "../state/state.h"
#include "beside.h"
#include "counters.h"
#include "metrics.h"
#include "facts.h"
#include "owner.h"
#include "repeat.h"
#include "taps.h"

#define REPEATED_MS	60000
#define CACHED_KEYS	10000
#define CACHED_PUBKEYS	1000	/* mail comes from few; a prepared one takes some KB */

/* ---- life ------------------------------------------------------------------------------ */

static void
echo_line(void *arg, struct sl_str line)
{
	struct sl_engine *e = arg;

	if (e->echo != NULL)
		e->echo(e->echo_arg, line);
}

const char *
sl_version(void)
{
	return SL_VERSION;
}

static const char *
fact_name(size_t i)
{
	const char *text;
	unsigned phases;

	return sl_fact_at(i, &phases, &text);
}

struct sl_engine *
sl_engine_new_sized(const struct sl_engine_options *given, size_t size, struct sl_err *err)
{
	struct sl_engine_options o;
	struct sl_engine_parts parts = { 0 };
	struct sl_engine *e;

	if (sl_host_struct(&o, sizeof(o), given, size, err) != 0)
		return NULL;
	e = sl_calloc(1, sizeof(*e));
	if (e == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	sl_list_init(&e->sessions);
	sl_list_init(&e->watchers);
	sl_list_init(&e->queued);
	sl_list_init(&e->execs);
	sl_list_init(&e->host_builtins);
	sl_events_init(&e->own_events);
	if (o.parts != NULL)
		parts = *o.parts;
	e->events = parts.events != NULL ? parts.events : &e->own_events;
	e->own_loop = parts.loop == NULL;
	e->loop = e->own_loop ? sl_loop_new(err) : parts.loop;
	e->dns = parts.dns;
	e->http = parts.http;
	e->http_host = parts.http_host;
	sl_host_open(e, &o);
	e->state = parts.state;
	e->keyless = parts.keyless;
	e->may_connect = parts.may_connect;
	e->may_connect_arg = parts.may_connect_arg;
	e->reaches_all = parts.reaches_all;
	e->own_state = e->state == NULL;
	if (e->own_state && e->loop != NULL)
		e->state = sl_state_local(e->loop);
	e->gateway = o.gateway;
	e->stdlib = sl_strdup(o.stdlib != NULL ? o.stdlib : SL_STDLIB);
	e->keys = sl_key_cache_new(CACHED_KEYS);
	e->pubkeys = sl_pubkey_cache_new(CACHED_PUBKEYS);
	if (e->loop != NULL)
		e->repeats = sl_repeats_new(e->loop, e->events, REPEATED_MS);
	if (e->repeats != NULL && e->stdlib != NULL && e->keys != NULL && e->pubkeys != NULL &&
	    e->state != NULL)
		e->vm = sl_vm_new(e->loop, e->events, err);
	else
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (e->vm == NULL) {
		sl_engine_free(e);
		return NULL;
	}
	sl_vm_set_owner(e->vm, e);
	sl_vm_set_facts(e->vm, fact_name);
	sl_vm_on_echo(e->vm, echo_line, e);
	return e;
}

void
sl_engine_free(struct sl_engine *e)
{
	if (e == NULL)
		return;
	sl_attempts_cancel(e);
	sl_execs_drop(e);
	sl_sessions_drop(e);		/* those whose disconnect flow still runs */
	sl_background_free(e->background);
	sl_generation_unref(e->generation);
	sl_program_unref(e->library);
	sl_beside_free(e->beside);
	if (e->own_metrics)
		sl_free(e->metrics);
	sl_tls_unref(e->tls[0]);
	sl_tls_unref(e->tls[1]);
	sl_buf_clear(&e->report);
	sl_scope_free(e->names);
	sl_vm_free(e->vm);
	sl_host_builtins_free(e);
	sl_services_close(e);
	sl_key_cache_free(e->keys);
	sl_pubkey_cache_free(e->pubkeys);
	sl_thread_free(e->thread);
	sl_repeats_free(e->repeats);
	if (e->own_loop)
		sl_loop_free(e->loop);
	sl_tape_room_unref(e->tapes);
	sl_host_close(e);
	sl_free(e->stdlib);
	sl_free(e);
}

int
sl_engine_fd(const struct sl_engine *e)
{
	return sl_loop_fd(e->loop);
}

/*
 * A library in a connection to a peer that closes could raise SIGPIPE, which
 * ends a program that never asked for one. It is held back while we turn, and
 * one that came is taken back.
 */
static int
turn(struct sl_engine *e, int timeout_ms)
{
	static const struct timespec none;
	sigset_t pipe_only, before, pending;
	bool had;
	int rc;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	had = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
	rc = sl_loop_step(e->loop, timeout_ms);
	if (!had)
		while (sigtimedwait(&pipe_only, NULL, &none) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

int
sl_engine_dispatch(struct sl_engine *e)
{
	return turn(e, 0);
}

int
sl_engine_wait(struct sl_engine *e, int timeout_ms)
{
	return turn(e, timeout_ms);
}

int
sl_session_wait(struct sl_session *s)
{
	int rc = 0;

	while (rc == 0 && s->busy)
		rc = turn(s->engine, -1);
	return rc;
}

struct sl_thread *
sl_engine_thread(struct sl_engine *e)
{
	struct sl_err err;

	if (e->thread == NULL)
		e->thread = sl_thread_new(e->loop, "crypt", &err);
	return e->thread;
}

void
sl_engine_count(struct sl_engine *e, struct sl_counters *counters, struct sl_metrics *metrics)
{
	e->counters = counters;
	e->metrics = metrics;
	sl_vm_show(e->vm, &counters->now);
}

unsigned
sl_engine_runs(const struct sl_engine *e)
{
	return sl_vm_runs(e->vm);
}

void
sl_engine_interrupt(struct sl_engine *e)
{
	sl_vm_interrupt(e->vm);
}

bool
sl_engine_needs_body(const struct sl_engine *e)
{
	return e->generation != NULL && e->generation->config->needs_body;
}

struct sl_dns *
sl_engine_resolver(struct sl_engine *e)
{
	return e->dns;
}

/* ---- generations -------------------------------------------------------------------------- */

void
sl_engine_commit(struct sl_engine *e, struct sl_generation *g)
{
	struct sl_generation *old = e->generation;

	e->generation = g;
	if (old != NULL) {
		old->replaced_at = sl_loop_now(e->loop);
		sl_services_inherit(g, old);
	}
	sl_services_open(e);
	sl_generation_unref(old);
}

int
sl_engine_load(struct sl_engine *e, const char *folder, sl_line_fn *fn, void *arg)
{
	struct sl_generation *g;
	struct sl_buf report = SL_BUF_INIT;
	struct sl_str rest, line;
	int rc = sl_engine_prepare_folder(e, folder, &g, &report);

	if (rc == 0)
		sl_engine_commit(e, g);
	for (rest = sl_buf_str(&report); fn != NULL && sl_str_split(&rest, '\n', &line);)
		if (line.n > 0)
			fn(arg, line);
	sl_buf_clear(&report);
	return rc;
}

const char *
sl_engine_generation(const struct sl_engine *e)
{
	return e->generation != NULL ? e->generation->name : "";
}

const struct sl_config *
sl_engine_config(const struct sl_engine *e)
{
	return e->generation != NULL ? e->generation->config : NULL;
}

int
sl_engine_redact(struct sl_engine *e, struct sl_str text, struct sl_buf *out)
{
	return sl_vm_redact(e->vm, text, out);
}

int
sl_engine_cover(struct sl_engine *e, sl_source_line_fn *has_code, sl_source_line_fn *ran, void *arg)
{
	int rc = 0;

	if (has_code != NULL && e->generation != NULL)
		rc = sl_program_lines(e->generation->program, has_code, arg);
	sl_vm_on_line(e->vm, ran, arg);
	return rc;
}

/* ---- for builtins --------------------------------------------------------------------------- */

static struct sl_engine *
engine_of(lua_State *L)
{
	return sl_vm_owner(sl_vm_of(L));
}

/* What the run uses belongs to it: resolver, HTTP client, APIs. */
struct sl_generation *
sl_run_generation(lua_State *L)
{
	const struct sl_context *ctx = sl_run_phase(L) != SL_AT_NONE ? sl_run_host(L) : NULL;

	return ctx != NULL ? ctx->generation : engine_of(L)->generation;
}

/* The doors of the session that the calling run is of; NULL = it has none. */
static struct sl_taps *
taps_of(lua_State *L)
{
	const struct sl_context *ctx = sl_run_phase(L) != SL_AT_NONE ? sl_run_host(L) : NULL;

	return ctx != NULL && ctx->session != NULL ? ctx->session->taps : NULL;
}

struct sl_dns *
sl_engine_dns(lua_State *L)
{
	const struct sl_generation *g = sl_run_generation(L);

	struct sl_dns *real = g != NULL && g->dns != NULL ? g->dns : engine_of(L)->dns;
	struct sl_dns *dns = sl_taps_dns(taps_of(L), real, "");

	if (dns == NULL && real != NULL)
		luaL_error(L, "out of memory");
	return dns;
}

struct sl_dns *
sl_engine_dns_at(lua_State *L, const char *const *servers, struct sl_err *err)
{
	struct sl_generation *g = sl_run_generation(L);
	struct sl_buf whom = SL_BUF_INIT;
	struct sl_dns *dns;
	size_t i;

	if (g == NULL || g->dns == NULL || g->config->dns.zone_only)
		return sl_engine_dns(L);
	dns = sl_services_dns_at(engine_of(L), g, servers, err);
	if (dns == NULL || taps_of(L) == NULL)
		return dns;
	for (i = 0; servers[i] != NULL; i++)
		sl_buf_printf(&whom, "@%s", servers[i]);
	dns = whom.failed ? NULL : sl_taps_dns(taps_of(L), dns, whom.p != NULL ? whom.p : "");
	sl_buf_clear(&whom);
	if (dns == NULL)
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return dns;
}

struct sl_http *
sl_engine_http(lua_State *L)
{
	const struct sl_generation *g = sl_run_generation(L);

	struct sl_http *real = g != NULL && g->http != NULL ? g->http : engine_of(L)->http;
	struct sl_http *http = sl_taps_http(taps_of(L), real);

	if (http == NULL && real != NULL)
		luaL_error(L, "out of memory");
	return http;
}

bool
sl_engine_file(lua_State *L, struct sl_str name, struct sl_str *bytes)
{
	const struct sl_generation *g = sl_run_generation(L);
	char path[SL_CONFIG_PATH];

	return g != NULL && sl_config_file(g->config, name, path) &&
	    sl_image_find(g->image, path, bytes);
}

struct sl_state *
sl_engine_state(lua_State *L)
{
	return engine_of(L)->state;
}

struct sl_metrics *
sl_engine_metrics(lua_State *L)
{
	struct sl_engine *e = engine_of(L);

	if (e->metrics == NULL) {
		e->metrics = sl_calloc(1, sizeof(*e->metrics));
		e->own_metrics = true;
	}
	return e->metrics;
}

struct sl_tls *
sl_engine_tls(lua_State *L, bool verify, struct sl_err *err)
{
	struct sl_engine *e = engine_of(L);

	if (e->tls[verify] == NULL)
		e->tls[verify] = sl_tls_client(verify, SL_STR(""), err);
	return e->tls[verify];
}

/* In a replay the name of the policy that was captured: what it had cached is under that. */
const char *
sl_engine_generation_of(lua_State *L)
{
	const struct sl_generation *g = sl_run_generation(L);
	const struct sl_tape *tape = sl_taps_tape(taps_of(L));

	if (sl_tape_plays(tape) && sl_tape_fact_of(tape, "policy").n > 0)
		return sl_tape_fact_of(tape, "policy").p;
	return g != NULL ? g->name : "";
}

bool
sl_engine_may_connect(lua_State *L, const char *to)
{
	const struct sl_engine *e = engine_of(L);

	return e->may_connect == NULL || e->may_connect(e->may_connect_arg, to);
}

bool
sl_engine_reaches_all(lua_State *L)
{
	return engine_of(L)->reaches_all && sl_run_generation(L) == NULL;
}

struct sl_thread *
sl_engine_passwords(lua_State *L)
{
	return sl_engine_thread(engine_of(L));
}

struct sl_key *
sl_engine_key(lua_State *L, struct sl_str spec, struct sl_err *err)
{
	struct sl_generation *g = sl_run_generation(L);
	struct sl_key *key;

	if (sl_run_phase(L) != SL_AT_NONE)
		return sl_context_key(sl_run_host(L), spec, err);
	if (g != NULL)
		return sl_generation_key(g, spec, err);
	if (sl_str_starts(spec, SL_STR("pki:"))) {
		sl_err_set(err, SL_ERR_NOTFOUND, "\"%.*s\": there is no policy with keys/",
		    (int)sl_str_sub(spec, 0, 200).n, spec.p);
		return NULL;
	}
	return sl_key_cache_get(engine_of(L)->keys, spec, &key, err) == 0 ? key : NULL;
}

struct sl_pubkey_cache *
sl_engine_pubkeys(lua_State *L)
{
	return engine_of(L)->pubkeys;
}

struct sl_api *
sl_engine_api(lua_State *L, const char *name)
{
	const struct sl_generation *g = sl_run_generation(L);

	return g != NULL ? sl_dict_get(g->apis, sl_str_of(name)) : NULL;
}

bool
sl_engine_is_2016(lua_State *L)
{
	const struct sl_config *config = sl_engine_config_of(L);
	int level;

	if (!sl_is_hsl(L))
		return false;
	level = sl_hsl_level(L);
	return level != 0 ? level == 2016 : config != NULL && config->level == 2016;
}

const struct sl_config *
sl_engine_config_of(lua_State *L)
{
	const struct sl_generation *g = sl_run_generation(L);

	return g != NULL ? g->config : NULL;
}
