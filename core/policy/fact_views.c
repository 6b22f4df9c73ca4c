/*
 * The tables of today's dialect: connection, transaction, arguments and, for what
 * is in the queue, message. The same facts, grouped under other names.
 */
#include <stdio.h>
#include <string.h>

#include "../engine/doors.h"
#include "../engine/value.h"
#include "engine.h"
#include "facts.h"
#include "facts_private.h"
#include "parts.h"
#include "taps.h"

#define CONNECTED	(SL_AT_CONNECT | SL_AT_HELO | SL_AT_AUTH | SL_AT_MAILFROM | SL_AT_RCPTTO | \
			    SL_AT_EOD | SL_AT_DATA | SL_AT_DISCONNECT)
#define ENVELOPE	(SL_AT_MAILFROM | SL_AT_RCPTTO | SL_AT_EOD | SL_AT_DATA)
#define LEAVING		(SL_AT_PREDELIVERY | SL_AT_POSTDELIVERY)
#define RECIPIENT	(SL_AT_RCPTTO | SL_AT_DATA)

/* ---- what no fact has --------------------------------------------------------- */

/* Pushes the local part of an address: all before the last "@". */
static void
push_local(lua_State *L, const char *address)
{
	const char *at = address != NULL ? strrchr(address, '@') : NULL;

	if (at != NULL)
		sl_string(L, (struct sl_str){ address, (size_t)(at - address) });
	else
		sl_none(L);
}

static void
v_senderlocal(lua_State *L, struct sl_context *ctx)
{
	push_local(L, ctx->draft != NULL ? ctx->draft->sender : ctx->attempt != NULL ?
	    ctx->attempt->in.sender : ctx->transaction->sender);
}

static void
v_recipientlocal(lua_State *L, struct sl_context *ctx)
{
	push_local(L, ctx->draft != NULL ? ctx->draft->recipient : ctx->attempt != NULL ?
	    ctx->attempt->in.recipient : ctx->recipient);
}

/* The two halves of an address as a map. */
static void
push_halves(lua_State *L, const char *address, const char *domain)
{
	sl_map_new(L);
	push_local(L, address);
	sl_map_set(L, "localpart");
	sl_text(L, domain);
	sl_map_set(L, "domain");
}

static void
v_recipients(lua_State *L, struct sl_context *ctx)
{
	const struct sl_transaction *t = ctx->transaction;

	sl_list_new(L);
	for (size_t i = 0; i < t->nrcpts; i++) {
		sl_map_new(L);
		sl_text(L, t->rcpts[i].address);
		sl_map_set(L, "recipient");
		push_halves(L, t->rcpts[i].address, t->rcpts[i].domain);
		sl_map_set(L, "address");
		sl_fact_transport(L, t->rcpts[i].transport);
		sl_map_set(L, "transportid");
		sl_list_add(L);
	}
}

/* What MAIL said beside the address; names as SMTP has them. */
static void
v_params(lua_State *L, struct sl_context *ctx)
{
	const struct sl_mail_params *p = &ctx->transaction->params;
	char size[24];

	sl_map_new(L);
	if (p->size > 0) {
		snprintf(size, sizeof(size), "%llu", (unsigned long long)p->size);
		sl_text(L, size);
		sl_map_set(L, "SIZE");
	}
	if (p->body8bit) {
		sl_text(L, "8BITMIME");
		sl_map_set(L, "BODY");
	}
	if (p->smtputf8) {
		sl_text(L, "");
		sl_map_set(L, "SMTPUTF8");
	}
}

/* RCPT has no parameters that are taken (RFC 3461 isn't announced): an empty table, to look in. */
static void
v_no_params(lua_State *L, struct sl_context *ctx)
{
	(void)ctx;
	sl_map_new(L);
}

static void
v_session(lua_State *L, struct sl_context *ctx)
{
	sl_text(L, ctx->session->id);
}

static void
v_verb(lua_State *L, struct sl_context *ctx)
{
	sl_text(L, ctx->session->helo == NULL ? NULL : ctx->session->extended ? "EHLO" : "HELO");
}

static void
v_mechanism(lua_State *L, struct sl_context *ctx)
{
	sl_text(L, ctx->saslmechanism);
}

static void
v_now(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, (double)(sl_door_time(sl_context_tape(ctx), ctx->engine->loop) / 1000000));
}

static void
v_size(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, (double)ctx->attempt->in.size);
}

static void
v_mail(lua_State *L, struct sl_context *ctx)
{
	(void)ctx;
	sl_part_push(L, 0, 0);
}

/* "5.7.1" as a list of three numbers. */
static void
v_enhanced(lua_State *L, struct sl_context *ctx)
{
	unsigned n[3];

	if (ctx->attempt->in.code == 0 || ctx->attempt->in.enhanced == NULL ||
	    sscanf(ctx->attempt->in.enhanced, "%3u.%3u.%3u", &n[0], &n[1], &n[2]) != 3) {
		sl_none(L);
		return;
	}
	sl_list_new(L);
	for (int i = 0; i < 3; i++) {
		sl_number(L, n[i]);
		sl_list_add(L);
	}
}

static void
v_reason(lua_State *L, struct sl_context *ctx)
{
	struct sl_str rest = sl_str_of(ctx->attempt->in.text != NULL ? ctx->attempt->in.text : ""), line;

	if (ctx->attempt->in.code == 0) {
		sl_none(L);
		return;
	}
	sl_list_new(L);
	while (rest.n > 0 && sl_str_split(&rest, '\n', &line)) {
		sl_string(L, line);
		sl_list_add(L);
	}
}

/* ---- the result of an attempt ------------------------------------------------ */

static void
v_code(lua_State *L, struct sl_context *ctx)
{
	if (ctx->attempt->in.code != 0)
		sl_number(L, ctx->attempt->in.code);
	else
		sl_none(L);
}

static bool
is_delivered(const struct sl_context *ctx)
{
	return ctx->attempt->in.code >= 200 && ctx->attempt->in.code < 300;
}

/* The words of today's dialect; none after a delivery. */
static void
v_action(lua_State *L, struct sl_context *ctx)
{
	enum sl_action action = ctx->attempt->in.dflt;

	if (is_delivered(ctx))
		sl_none(L);
	else
		sl_text(L, action == SL_RETRY ? "QUEUE" : action == SL_GENERATE_DSN ? "BOUNCE" : "DELETE");
}

/* It is given up although it might have gone later. */
static void
v_expired(lua_State *L, struct sl_context *ctx)
{
	const struct sl_attempt *a = &ctx->attempt->in;

	sl_bool(L, !is_delivered(ctx) && a->code < 500 && a->dflt != SL_RETRY);
}

/* Without a reply of the host it is an error of the network, DNS, TLS: tried again until it expires. */
static void
v_temporary(lua_State *L, struct sl_context *ctx)
{
	if (ctx->attempt->in.code == 0)
		sl_bool(L, true);
	else
		sl_none(L);
}

static void
v_message(lua_State *L, struct sl_context *ctx)
{
	sl_text(L, ctx->attempt->in.code == 0 ? ctx->attempt->in.text : NULL);
}

static void
push_known(lua_State *L, const char *text)
{
	sl_text(L, text != NULL && text[0] != '\0' ? text : NULL);
}

static void
v_remoteip(lua_State *L, struct sl_context *ctx)
{
	push_known(L, ctx->attempt->in.remoteip);
}

static void
v_localip(lua_State *L, struct sl_context *ctx)
{
	push_known(L, ctx->attempt->in.localip);
}

static void
v_our_helo(lua_State *L, struct sl_context *ctx)
{
	push_known(L, ctx->attempt->in.helo);
}

static bool
is_encrypted(const struct sl_attempt *a)
{
	return a->tls_protocol != NULL && a->tls_protocol[0] != '\0';
}

static void
v_tls_started(lua_State *L, struct sl_context *ctx)
{
	const struct sl_attempt *a = &ctx->attempt->in;

	if (a->remoteip != NULL && a->remoteip[0] != '\0')
		sl_bool(L, is_encrypted(a));
	else
		sl_none(L);
}

static void
v_tls_protocol(lua_State *L, struct sl_context *ctx)
{
	push_known(L, ctx->attempt->in.tls_protocol);
}

static void
v_tls_cipher(lua_State *L, struct sl_context *ctx)
{
	push_known(L, ctx->attempt->in.tls_cipher);
}

static void
v_tls_bits(lua_State *L, struct sl_context *ctx)
{
	if (is_encrypted(&ctx->attempt->in))
		sl_number(L, ctx->attempt->in.tls_bits);
	else
		sl_none(L);
}

/* ---- the rows ----------------------------------------------------------------- */

/* A path of one to three names below the table; rows with a name in common stand together. */
static const struct view {
	const char *path;
	unsigned phases;
	const char *fact;		/* or, if NULL: */
	void (*push)(lua_State *L, struct sl_context *ctx);
	const char *text;		/* of those without a fact */
} views[] = {
	{ "connection.id", CONNECTED, NULL, v_session, "the engine's id of the connection" },
	{ "connection.remoteip", CONNECTED | LEAVING, "senderip", NULL, NULL },
	{ "connection.remoteport", CONNECTED, "senderport", NULL, NULL },
	{ "connection.localip", CONNECTED | LEAVING, "serverip", NULL, NULL },
	{ "connection.localport", CONNECTED | LEAVING, "serverport", NULL, NULL },
	{ "connection.serverid", CONNECTED | LEAVING, "serverid", NULL, NULL },
	{ "connection.helo.verb", CONNECTED & ~SL_AT_CONNECT, NULL, v_verb, "\"HELO\" or \"EHLO\"" },
	{ "connection.helo.host", (CONNECTED & ~SL_AT_CONNECT) | LEAVING, "senderhelo", NULL, NULL },
	{ "connection.tls.protocol", CONNECTED & ~SL_AT_CONNECT, "tlsprotocol", NULL, NULL },
	{ "connection.tls.cipher", CONNECTED & ~SL_AT_CONNECT, "tlscipher", NULL, NULL },
	{ "connection.tls.keysize", CONNECTED & ~SL_AT_CONNECT, "tlskeysize", NULL, NULL },
	{ "connection.auth.mechanism", CONNECTED & ~(SL_AT_CONNECT | SL_AT_HELO | SL_AT_AUTH),
	    "saslmechanism", NULL, NULL },
	{ "connection.auth.username", (CONNECTED & ~(SL_AT_CONNECT | SL_AT_HELO | SL_AT_AUTH)) | LEAVING,
	    "saslusername", NULL, NULL },
	{ "transaction.id", ENVELOPE | LEAVING, "messageid", NULL, NULL },
	{ "transaction.ts", ENVELOPE, NULL, v_now, "seconds since 1970" },
	{ "transaction.sender", ENVELOPE | LEAVING, "sender", NULL, NULL },
	{ "transaction.senderdomain", ENVELOPE | LEAVING, "senderdomain", NULL, NULL },
	{ "transaction.senderaddress.localpart", ENVELOPE, NULL, v_senderlocal,
	    "sender before its \"@\"" },
	{ "transaction.senderaddress.domain", ENVELOPE, "senderdomain", NULL, NULL },
	{ "transaction.senderparams", SL_AT_RCPTTO | SL_AT_EOD | SL_AT_DATA, NULL, v_params,
	    "what MAIL said beside the address: SIZE, BODY=8BITMIME, SMTPUTF8" },
	{ "transaction.recipients", SL_AT_RCPTTO | SL_AT_EOD | SL_AT_DATA, NULL, v_recipients,
	    "list of those accepted so far: recipient, address (localpart, domain), transportid" },
	{ "arguments.remoteip", SL_AT_CONNECT, "senderip", NULL, NULL },
	{ "arguments.remoteport", SL_AT_CONNECT, "senderport", NULL, NULL },
	{ "arguments.localip", SL_AT_CONNECT, "serverip", NULL, NULL },
	{ "arguments.localport", SL_AT_CONNECT, "serverport", NULL, NULL },
	{ "arguments.serverid", SL_AT_CONNECT, "serverid", NULL, NULL },
	{ "arguments.verb", SL_AT_HELO, NULL, v_verb, "\"HELO\" or \"EHLO\"" },
	{ "arguments.host", SL_AT_HELO, "senderhelo", NULL, NULL },
	{ "arguments.username", SL_AT_AUTH, "saslusername", NULL, NULL },
	{ "arguments.password", SL_AT_AUTH, "saslpassword", NULL, NULL },
	{ "arguments.mechanism", SL_AT_AUTH, NULL, v_mechanism, "\"PLAIN\" or \"LOGIN\"" },
	{ "arguments.sender", SL_AT_MAILFROM, "sender", NULL, NULL },
	{ "arguments.recipient", RECIPIENT | LEAVING, "recipient", NULL, NULL },
	{ "arguments.address.localpart", SL_AT_MAILFROM, NULL, v_senderlocal, "sender before its \"@\"" },
	{ "arguments.address.domain", SL_AT_MAILFROM, "senderdomain", NULL, NULL },
	{ "arguments.params", SL_AT_MAILFROM, NULL, v_params,
	    "what MAIL said beside the address: SIZE, BODY=8BITMIME, SMTPUTF8" },
	{ "arguments.params", SL_AT_RCPTTO, NULL, v_no_params, "empty: RCPT has no parameters that are taken" },
	{ "arguments.address.localpart", RECIPIENT, NULL, v_recipientlocal, "recipient before its \"@\"" },
	{ "arguments.address.domain", RECIPIENT, "recipientdomain", NULL, NULL },
	{ "arguments.transportid", RECIPIENT, "transportid", NULL, NULL },
	{ "arguments.mail", SL_AT_MESSAGE, NULL, v_mail, "the message, a MailMessage: MIME(\"0\")" },
	{ "arguments.retry", LEAVING, "retry", NULL, NULL },
	{ "arguments.action", SL_AT_POSTDELIVERY, NULL, v_action,
	    "what happens without an action: \"QUEUE\", \"BOUNCE\", \"DELETE\"; none after a delivery" },
	{ "arguments.expired", SL_AT_POSTDELIVERY, NULL, v_expired,
	    "given up for its age: the failure was a temporary one" },
	{ "arguments.attempt.result.code", SL_AT_POSTDELIVERY, NULL, v_code,
	    "SMTP reply of the next hop; result is missing where there was none" },
	{ "arguments.attempt.result.enhanced", SL_AT_POSTDELIVERY, NULL, v_enhanced,
	    "its enhanced status code as three numbers" },
	{ "arguments.attempt.result.reason", SL_AT_POSTDELIVERY, NULL, v_reason, "the lines of its text" },
	{ "arguments.attempt.error.temporary", SL_AT_POSTDELIVERY, NULL, v_temporary,
	    "whether it may go later; error is missing where the next hop replied" },
	{ "arguments.attempt.error.message", SL_AT_POSTDELIVERY, NULL, v_message, "what failed" },
	{ "arguments.attempt.connection.remotemx", SL_AT_POSTDELIVERY, "destination", NULL, NULL },
	{ "arguments.attempt.connection.remoteip", SL_AT_POSTDELIVERY, NULL, v_remoteip,
	    "its address; missing where there was no connection" },
	{ "arguments.attempt.connection.localip", SL_AT_POSTDELIVERY, NULL, v_localip, "ours" },
	{ "arguments.attempt.connection.helo", SL_AT_POSTDELIVERY, NULL, v_our_helo, "our name" },
	{ "arguments.attempt.connection.tls.started", SL_AT_POSTDELIVERY, NULL, v_tls_started,
	    "whether it was encrypted" },
	{ "arguments.attempt.connection.tls.protocol", SL_AT_POSTDELIVERY, NULL, v_tls_protocol, "\"TLSv1.3\"" },
	{ "arguments.attempt.connection.tls.cipher", SL_AT_POSTDELIVERY, NULL, v_tls_cipher, "name of the cipher" },
	{ "arguments.attempt.connection.tls.keysize", SL_AT_POSTDELIVERY, NULL, v_tls_bits, "bits of the cipher" },
	{ "arguments.attempt.duration", SL_AT_POSTDELIVERY, "transfertime", NULL, NULL },
	{ "message.id.transaction", LEAVING, "messageid", NULL, NULL },
	{ "message.ts", LEAVING, "receivedtime", NULL, NULL },
	{ "message.serverid", LEAVING, "serverid", NULL, NULL },
	{ "message.sender", LEAVING, "sender", NULL, NULL },
	{ "message.senderaddress.localpart", LEAVING, NULL, v_senderlocal, "sender before its \"@\"" },
	{ "message.senderaddress.domain", LEAVING, "senderdomain", NULL, NULL },
	{ "message.recipient", LEAVING, "recipient", NULL, NULL },
	{ "message.recipientaddress.localpart", LEAVING, NULL, v_recipientlocal,
	    "recipient before its \"@\"" },
	{ "message.recipientaddress.domain", LEAVING, "recipientdomain", NULL, NULL },
	{ "message.transportid", LEAVING, "transportid", NULL, NULL },
	{ "message.size", LEAVING, NULL, v_size, "bytes" },
};

#define NVIEWS	(sizeof(views) / sizeof(views[0]))

/* ---- tables ------------------------------------------------------------------- */

static void
push_leaf(lua_State *L, struct sl_context *ctx, const struct view *v)
{
	if (v->fact != NULL)
		sl_fact_value(L, ctx, v->fact);
	else
		v->push(L, ctx);
}

static bool
is_below(const struct view *v, struct sl_str prefix)
{
	return sl_str_starts(sl_str_of(v->path), prefix) && v->path[prefix.n] == '.';
}

/*
 * Pushes the table of the rows below 'prefix', of which views[*i] is the first; *i
 * goes behind them. Tables in it that would be empty (tls without TLS) are left out.
 */
static void
push_table(lua_State *L, struct sl_context *ctx, struct sl_str prefix, size_t *i)
{
	unsigned bit = sl_phase_table[ctx->phase].bit;
	struct sl_str key;
	ssize_t dot;

	sl_map_new(L);
	while (*i < NVIEWS && is_below(&views[*i], prefix)) {
		key = sl_str_of(views[*i].path + prefix.n + 1);
		dot = sl_str_chr(key, '.');
		if (dot >= 0) {
			key.n = (size_t)dot;
			push_table(L, ctx, (struct sl_str){ views[*i].path, prefix.n + 1 + key.n }, i);
			if (sl_count(L, lua_gettop(L)) > 0)
				sl_map_set_str(L, key);
			else
				lua_pop(L, 1);
			continue;
		}
		if ((views[*i].phases & bit) != 0) {
			push_leaf(L, ctx, &views[*i]);
			sl_map_set_str(L, key);
		}
		++*i;
	}
}

int
sl_fact_view(lua_State *L, struct sl_context *ctx, const char *name)
{
	struct sl_str prefix = sl_str_of(name);
	size_t i;

	/* Scripts use the word in the other phases. */
	if (sl_str_eq(prefix, SL_STR("message")) && ctx->attempt == NULL)
		return 0;
	for (i = 0; i < NVIEWS; i++)
		if (is_below(&views[i], prefix) && sl_str_chr(prefix, '.') < 0) {
			push_table(L, ctx, (struct sl_str){ views[i].path, prefix.n }, &i);
			return 1;
		}
	return 0;
}

const char *
sl_fact_view_at(size_t i, unsigned *phases, const char **fact, const char **text)
{
	if (i >= NVIEWS)
		return NULL;
	*phases = views[i].phases;
	*fact = views[i].fact;
	*text = views[i].text;
	return views[i].path;
}
