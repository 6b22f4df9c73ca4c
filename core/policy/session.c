/*
 * Sessions: one connection, from connect to disconnect. Each call of the host
 * runs one flow; the answers of rules that no script decides (relaying,
 * sender_login, syntax of paths) take the same way out (sl_flow_decide).
 */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../engine/doors.h"
#include "engine.h"
#include "flow.h"
#include "password.h"
#include "record.h"
#include "relay.h"
#include "taps.h"
#include "transaction.h"
#include "users.h"

#define MAX_ARENA	(1024 * 1024)

/* ---- life ------------------------------------------------------------ */

static void
call_clear(struct sl_session *s)
{
	sl_flow_cancel(&s->call);
	sl_op_release(s->op);
	s->op = NULL;
	if (s->call.arena != NULL &&
	    (s->transaction == NULL || s->call.arena != s->transaction->arena))
		sl_arena_free(s->call.arena);
	memset(&s->call, 0, sizeof(s->call));
	s->busy = false;
}

static void
forget_account(struct sl_session *s)
{
	size_t i;

	for (i = 0; i < s->ndomains; i++)
		sl_free(s->domains[i]);
	sl_free(s->domains);
	sl_free(s->saslusername);
	sl_free(s->saslmechanism);
	s->domains = NULL;
	s->ndomains = 0;
	s->saslusername = s->saslmechanism = NULL;
}

static void
forget_transaction(struct sl_session *s)
{
	if (s->busy && s->call.phase != SL_DISCONNECT)
		call_clear(s);
	sl_transaction_free(s->transaction);
	s->transaction = NULL;
}

static void
session_free(struct sl_session *s)
{
	call_clear(s);
	sl_transaction_free(s->transaction);
	forget_account(s);
	sl_list_remove(&s->link);
	json_decref(s->context);
	sl_free(s->helo);
	sl_free(s->servername);
	sl_generation_unref(s->generation);
	sl_record_end(s->engine, s->taps);
	sl_free(s);
}

/* 's->taps' of a tape that plays, if there is one; or of a new one that somebody wants. */
static int
take_tape(struct sl_session *s, const struct sl_session_info *info, struct sl_tape *played)
{
	if (played != NULL && (s->taps = sl_taps_new(s->engine, played)) == NULL)
		return SL_ERR_NOMEM;
	return sl_record_open(s, info);
}

int
sl_session_open_taped(struct sl_engine *engine, const struct sl_session_info *info,
    struct sl_tape *tape, struct sl_session **out, struct sl_err *err)
{
	const struct sl_server *server;
	struct sl_session *s;

	if (engine->generation == NULL)
		return sl_err_set(err, SL_ERR_INVAL, "no policy is loaded");
	server = sl_config_server(engine->generation->config, info->server);
	if (server == NULL)
		return sl_err_set(err, SL_ERR_NOTFOUND, "server \"%s\" is not in the policy",
		    info->server);
	s = sl_calloc(1, sizeof(*s));
	if (s == NULL || (s->servername = sl_strdup(info->server)) == NULL ||
	    (s->context = json_object()) == NULL) {
		if (s != NULL)
			sl_free(s->servername);
		sl_free(s);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	sl_list_init(&s->link);
	s->engine = engine;
	s->generation = sl_generation_ref(engine->generation);
	s->server = server;
	s->changes = info->changes;
	if (take_tape(s, info, tape) != 0) {
		session_free(s);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	if (sl_door_uuid4(sl_taps_tape(s->taps), s->id) != 0) {
		session_free(s);
		return sl_err_set(err, SL_ERR_IO, "no random bytes to be had");
	}
	snprintf(s->senderip, sizeof(s->senderip), "%s", info->senderip);
	snprintf(s->serverip, sizeof(s->serverip), "%s", info->serverip);
	s->senderport = info->senderport;
	s->serverport = info->serverport;
	if (sl_addr_parse_ip(&s->sender_addr, sl_str_of(s->senderip), s->senderport) == 0)
		s->known = sl_config_trusted(s->generation->config, &s->sender_addr);
	sl_list_insert(&engine->sessions, &s->link);
	*out = s;
	return 0;
}

int
sl_session_open_sized(struct sl_engine *engine, const struct sl_session_info *given, size_t size,
    struct sl_session **out, struct sl_err *err)
{
	struct sl_session_info info;
	int rc = sl_host_struct(&info, sizeof(info), given, size, err);

	return rc == 0 ? sl_session_open_taped(engine, &info, NULL, out, err) : rc;
}

void
sl_sessions_drop(struct sl_engine *engine)
{
	while (!sl_list_empty(&engine->sessions))
		session_free(sl_list_entry(engine->sessions.next, struct sl_session, link));
}

static void
disconnected(struct sl_context *ctx, struct sl_verdict *verdict)
{
	(void)verdict;
	session_free(ctx->session);
}

void
sl_session_close(struct sl_session *s)
{
	const struct sl_flow *flow;

	if (s == NULL)
		return;
	forget_transaction(s);
	sl_record_input(s, "close", SL_STR(""));
	s->fn = NULL;
	flow = &s->server->flows[SL_DISCONNECT];
	if (flow->n == 0 || sl_call_begin(s, SL_DISCONNECT, NULL, NULL) != 0) {
		session_free(s);
		return;
	}
	s->call.done = disconnected;
	sl_flow_run(&s->call, flow);
}

const char *
sl_session_id(const struct sl_session *s)
{
	return s->id;
}

int64_t
sl_session_outdated(const struct sl_session *s)
{
	if (s->generation->replaced_at < 0)
		return -1;
	return sl_loop_now(s->engine->loop) - s->generation->replaced_at;
}

size_t
sl_session_recipients(const struct sl_session *s)
{
	return s->transaction != NULL ? s->transaction->nrcpts : 0;
}

bool
sl_session_is_gateway(const struct sl_session *s)
{
	return s->engine->gateway && !s->changes;
}

bool
sl_session_trusted(const struct sl_session *s)
{
	return s->sender_addr.len > 0 && (sl_addr_is_loopback(&s->sender_addr) ||
	    sl_config_trusted(s->engine->generation->config, &s->sender_addr));
}

bool
sl_session_has_server(const struct sl_session *s, const char *name)
{
	return sl_config_server(s->engine->generation->config, name) != NULL;
}

bool
sl_session_authenticated(const struct sl_session *s)
{
	return s->saslusername != NULL;
}

/* ---- one call -------------------------------------------------------- */

void
sl_call_end(struct sl_session *s)
{
	call_clear(s);
}

/* The answer leaves: the call is over before the host hears of it, so that it
 * may begin the next one from its callback. */
void
sl_call_answer(struct sl_context *ctx, struct sl_verdict *verdict)
{
	struct sl_session *s = ctx->session;
	struct sl_arena *arena = ctx->transaction == NULL || ctx->arena != ctx->transaction->arena ?
	    ctx->arena : NULL;
	sl_verdict_fn *fn = s->fn;
	void *arg = s->arg;

	sl_record_verdict(s, verdict);
	ctx->arena = NULL;
	call_clear(s);
	if (fn != NULL)
		fn(arg, verdict);
	sl_arena_free(arena);
}

int
sl_call_begin(struct sl_session *s, enum sl_phase phase, sl_verdict_fn *fn, void *arg)
{
	struct sl_transaction *t = s->transaction;

	if (s->busy)
		return SL_ERR_INVAL;
	memset(&s->call, 0, sizeof(s->call));
	s->call.arena = phase == SL_EOD ? t->arena : sl_arena_new(MAX_ARENA);
	if (s->call.arena == NULL)
		return SL_ERR_NOMEM;
	s->call.engine = s->engine;
	s->call.generation = t != NULL ? t->generation : s->generation;
	s->call.phase = phase;
	s->call.session = s;
	s->call.transaction = t;
	s->call.done = sl_call_answer;
	s->busy = true;
	s->fn = fn;
	s->arg = arg;
	return 0;
}

/* The server's flows as the transaction's generation has them. */
const struct sl_server *
sl_call_server(const struct sl_context *ctx)
{
	return ctx->transaction != NULL ? ctx->transaction->server : ctx->session->server;
}

int
sl_session_connect(struct sl_session *s, sl_verdict_fn *fn, void *arg)
{
	int rc = sl_call_begin(s, SL_CONNECT, fn, arg);

	if (rc != 0)
		return rc;
	sl_record_input(s, "connect", SL_STR(""));
	sl_flow_run(&s->call, &s->server->flows[SL_CONNECT]);
	return 0;
}

int
sl_session_helo(struct sl_session *s, const char *name, bool extended, sl_verdict_fn *fn, void *arg)
{
	char *copy;
	int rc;

	if (s->busy)
		return SL_ERR_INVAL;
	forget_transaction(s);	/* RFC 5321 4.1.4: EHLO clears as RSET does */
	if ((rc = sl_call_begin(s, SL_HELO, fn, arg)) != 0)
		return rc;
	if ((copy = sl_strdup(name)) == NULL) {
		call_clear(s);
		return SL_ERR_NOMEM;
	}
	sl_record_helo(s, name, extended);
	sl_free(s->helo);
	s->helo = copy;
	s->extended = extended;
	sl_flow_run(&s->call, &s->server->flows[SL_HELO]);
	return 0;
}

static void
set_tls(struct sl_session *s, const char *protocol, const char *cipher, int bits)
{
	snprintf(s->tls_protocol, sizeof(s->tls_protocol), "%s", protocol);
	snprintf(s->tls_cipher, sizeof(s->tls_cipher), "%s", cipher);
	s->tls_bits = bits;
}

void
sl_session_encrypted(struct sl_session *s, const char *protocol, const char *cipher, int bits)
{
	sl_record_tls(s, "encrypted", protocol, cipher, bits);
	set_tls(s, protocol, cipher, bits);
}

void
sl_session_tls(struct sl_session *s, const char *protocol, const char *cipher, int bits)
{
	sl_record_tls(s, "tls", protocol, cipher, bits);
	forget_transaction(s);
	forget_account(s);
	sl_free(s->helo);
	s->helo = NULL;
	set_tls(s, protocol, cipher, bits);
}

void
sl_session_reset(struct sl_session *s)
{
	if (s->busy || s->transaction != NULL)
		sl_record_input(s, "reset", SL_STR(""));
	forget_transaction(s);
}

/* ---- auth ------------------------------------------------------------ */

static int
take_domains(struct sl_session *s, const char *const *domains, size_t n)
{
	size_t i;

	if (n == 0)
		return 0;
	s->domains = sl_calloc(n, sizeof(*s->domains));
	if (s->domains == NULL)
		return SL_ERR_NOMEM;
	for (i = 0; i < n; i++) {
		if ((s->domains[i] = sl_strdup(domains[i])) == NULL)
			return SL_ERR_NOMEM;
		s->ndomains++;
	}
	return 0;
}

/* Accept makes the session authenticated; without the memory for it, it isn't. */
static int
become(struct sl_session *s, const struct sl_context *ctx)
{
	const struct sl_users *users = sl_config_users(s->generation->config);
	const struct sl_user *user = users != NULL ? sl_users_find(users, ctx->saslusername) : NULL;

	forget_account(s);
	s->saslusername = sl_strndup(ctx->saslusername.p, ctx->saslusername.n);
	s->saslmechanism = sl_strdup(ctx->saslmechanism);
	if (s->saslusername == NULL || s->saslmechanism == NULL || (user != NULL &&
	    take_domains(s, (const char *const *)user->domains, user->ndomains) != 0)) {
		forget_account(s);
		return SL_ERR_NOMEM;
	}
	s->known = true;
	return 0;
}

static void
auth_answered(struct sl_context *ctx, struct sl_verdict *verdict)
{
	if (ctx->decision.username != NULL)
		ctx->saslusername = sl_str_of(ctx->decision.username);
	if (verdict->action == SL_ACCEPT && become(ctx->session, ctx) != 0)
		sl_verdict_make_error(verdict, ctx);
	sl_call_answer(ctx, verdict);
}

/* Without an auth flow the users file decides. */
static void
password_checked(struct sl_op *op, void *arg)
{
	struct sl_session *s = arg;
	enum sl_action action = op->status != 0 ? SL_DEFER :
	    ((struct sl_password_op *)op)->ok ? SL_ACCEPT : SL_REJECT;

	sl_op_release(op);
	s->op = NULL;
	sl_flow_decide(&s->call, action, 0, NULL, NULL, "users");
}

static void
check_password(struct sl_session *s)
{
	const struct sl_users *users = sl_config_users(s->generation->config);
	const struct sl_user *user;

	if (users == NULL) {
		sl_flow_decide(&s->call, SL_REJECT, 0, NULL, NULL, "users");
		return;
	}
	user = sl_users_find(users, s->call.saslusername);
	s->op = (struct sl_op *)sl_password_check_taped(s->engine->loop, sl_engine_thread(s->engine),
	    sl_taps_tape(s->taps), user != NULL ? user->hash : NULL, s->call.saslpassword);
	if (s->op == NULL) {
		sl_flow_decide(&s->call, SL_DEFER, 0, NULL, NULL, "users");
		return;
	}
	sl_op_wait(s->op, password_checked, s);
}

int
sl_session_account(struct sl_session *s, const char *mechanism, struct sl_str username)
{
	struct sl_context vouched = { .saslusername = username, .saslmechanism = mechanism };

	if (s->busy || s->transaction != NULL)
		return SL_ERR_INVAL;
	sl_record_account(s, "account", mechanism, username, SL_STR(""));
	if (username.n > 0)
		return become(s, &vouched);
	forget_account(s);
	return 0;
}

static bool
keep_str(struct sl_arena *arena, struct sl_str in, struct sl_str *out)
{
	out->p = sl_arena_strndup(arena, in.p, in.n);
	out->n = in.n;
	return out->p != NULL;
}

int
sl_session_auth(struct sl_session *s, const char *mechanism, struct sl_str username,
    struct sl_str password, sl_verdict_fn *fn, void *arg)
{
	const struct sl_flow *flow = &s->server->flows[SL_AUTH];
	struct sl_context *ctx = &s->call;
	int rc;

	if ((rc = sl_call_begin(s, SL_AUTH, fn, arg)) != 0)
		return rc;
	sl_record_account(s, "auth", mechanism, username, password);
	ctx->done = auth_answered;
	ctx->saslmechanism = sl_arena_strndup(ctx->arena, mechanism, strlen(mechanism));
	if (!keep_str(ctx->arena, username, &ctx->saslusername) ||
	    !keep_str(ctx->arena, password, &ctx->saslpassword) || ctx->saslmechanism == NULL ||
	    sl_vm_add_secret(s->engine->vm, password) != 0)
		sl_flow_decide(ctx, SL_DEFER, 0, NULL, NULL, "memory");
	else if (flow->n > 0)
		sl_flow_run(ctx, flow);
	else
		check_password(s);
	return 0;
}
