/* The engine behind sluice.h: what sessions, flows and builtins share. */
#ifndef SL_POLICY_ENGINE_H
#define SL_POLICY_ENGINE_H

#include "../base/dict.h"
#include "../base/event.h"
#include "../base/list.h"
#include "../dns/dns.h"
#include "../engine/vm.h"
#include "../http/client.h"
#include "../net/op.h"
#include "../net/tls.h"
#include "config.h"
#include "context.h"

struct sl_key_cache;
struct sl_pubkey_cache;
struct sl_repeats;

/* What a host of sluice.h does itself; host.c. */
struct sl_host {
	struct sl_engine_options o;	/* its functions */
	struct sl_event_sink sink;
	struct sl_buf line;
	struct sl_dns_host dns;
	struct sl_http_host http;
};

struct sl_engine {
	struct sl_loop *loop;
	struct sl_vm *vm;
	struct sl_dns *dns;
	struct sl_http *http;
	const struct sl_dns_host *dns_host;	/* NULL = the network */
	const struct sl_http_host *http_host;	/* NULL = the network */
	struct sl_state *state;
	bool (*may_connect)(void *arg, const char *to);		/* NULL = nothing is against it */
	void *may_connect_arg;
	struct sl_events *events;
	struct sl_thread *thread;	/* password hashes; started on first use */
	struct sl_key_cache *keys;	/* parsed private keys, by content */
	struct sl_pubkey_cache *pubkeys;	/* of DKIM records, by content */
	struct sl_generation *generation;
	struct sl_list sessions, queued, execs;
	struct sl_list watchers;	/* who wants tapes of sessions */
	uint64_t watched;		/* how often somebody began to */
	struct sl_tape_room *tapes;	/* that they share; NULL = none was recorded yet */
	struct sl_repeats *repeats;	/* script errors on their way to the log */
	struct sl_background *background;	/* requests that no script waits for; NULL = none yet */
	bool reaches_all;		/* what no policy says: parts.reaches_all */
	struct sl_counters *counters;	/* metrics; NULL = none */
	struct sl_metrics *metrics;	/* of scripts; made on first use where the host gave none */
	bool own_metrics;
	struct sl_program *library;	/* stdlib, where exec has no policy; made on first use */
	struct sl_tls *tls[2];		/* of scripts' sockets: any certificate, verified; NULL = not used yet */
	struct sl_beside *beside;	/* files for exec without a policy; NULL = none */
	struct sl_buf report;		/* of the last exec that didn't compile */
	struct sl_scope *names;		/* of exec; NULL = each has its own */
	struct sl_limits exec_limits;	/* zeros: the usual ones */
	char *stdlib;
	bool gateway;
	bool keyless;			/* what is secret in policies may be missing */
	bool own_loop, own_dns, own_http, own_state;
	struct sl_events own_events;	/* unless the host gave its stream */
	struct sl_host host;
	struct sl_list host_builtins;
	void (*echo)(void *arg, struct sl_str line);
	void *echo_arg;
};

/* One loaded policy. Counted: sessions, transactions and the engine hold it. */
struct sl_generation {
	unsigned refs;
	struct sl_engine *engine;
	char name[65];			/* hex SHA-256 of its content */
	struct sl_image *image;
	struct sl_config *config;
	struct sl_program *program;
	struct sl_program_files files;	/* of the image, for HSL's compiler */
	struct sl_dns *dns;		/* its resolver; NULL = the host's */
	struct sl_dict *others;		/* "server server" -> struct sl_dns that scripts asked for */
	struct sl_http *http;
	struct sl_dict *apis;		/* name -> struct sl_api */
	struct sl_dict *preflight;	/* what is known of keys that signed; preflight.c */
	struct sl_dict *rotation;	/* what is known of the domains of 'dkim'; rotation.c */
	int64_t replaced_at;		/* sl_loop_now() when another took over, -1 = running */
};

/*
 * A struct as a host of another version gave it: what it has no member for is 0 in
 * 'out'. SL_ERR_INVAL if it uses members that we don't know. 'in' may be NULL.
 */
int	 sl_host_struct(void *out, size_t out_size, const void *in, size_t in_size, struct sl_err *err);
/* The host's functions take their places. */
void	 sl_host_open(struct sl_engine *engine, const struct sl_engine_options *options);
void	 sl_host_close(struct sl_engine *engine);
void	 sl_host_builtins_free(struct sl_engine *engine);	/* after the machine */
/* The thread for password hashes; NULL if it can't be started. */
struct sl_thread *sl_engine_thread(struct sl_engine *engine);
/* Frees sessions that closed and wait for their disconnect flow. */
void	 sl_sessions_drop(struct sl_engine *engine);
/* Drops pre- and postdelivery runs; nobody is told. */
void	 sl_attempts_cancel(struct sl_engine *engine);
/* Drops scripts outside of SMTP; nobody is told. */
void	 sl_execs_drop(struct sl_engine *engine);

/* services.c: resolver, HTTP client, APIs and state as the running policy wants
 * them; those the host gave stay. */
int	 sl_services_prepare(struct sl_engine *engine, struct sl_generation *generation,
	    struct sl_buf *report);
struct sl_dns *sl_services_dns_at(struct sl_engine *e, struct sl_generation *g,
	    const char *const *servers, struct sl_err *err);
void	 sl_services_inherit(struct sl_generation *g, const struct sl_generation *old);
void	 sl_services_drop(struct sl_generation *generation);
void	 sl_services_open(struct sl_engine *engine);
void	 sl_services_close(struct sl_engine *engine);

/* The generation that the calling run belongs to; NULL outside of a policy (exec). */
struct sl_generation *sl_run_generation(lua_State *L);
struct sl_generation *sl_generation_ref(struct sl_generation *g);
void	 sl_generation_unref(struct sl_generation *g);

/* A PEM or DER key, or "pki:NAME" of the generation; parsed once, cached by
 * content. A reference, or NULL with the reason. */
struct sl_key *sl_generation_key(struct sl_generation *g, struct sl_str spec, struct sl_err *err);

#endif
