/*
 * Facts: one table row each. Names are those of the 2016 dialect; a fact
 * without a value is none. Today's dialect has tables of the same: fact_views.c.
 */
#include "facts.h"

#include <string.h>

#include "../engine/plain.h"
#include "../engine/value.h"
#include "../engine/vm.h"
#include "context.h"
#include "engine.h"
#include "facts_private.h"
#include "owner.h"
#include "transaction.h"

#define CONNECTED	(SL_AT_CONNECT | SL_AT_HELO | SL_AT_AUTH | SL_AT_MAILFROM | SL_AT_RCPTTO | \
			    SL_AT_EOD | SL_AT_DATA | SL_AT_DISCONNECT)
#define GREETED		(CONNECTED & ~(unsigned)SL_AT_CONNECT)
#define ENVELOPE	(SL_AT_MAILFROM | SL_AT_RCPTTO | SL_AT_EOD | SL_AT_DATA)
#define RECIPIENTS	(SL_AT_RCPTTO | SL_AT_EOD | SL_AT_DATA)
#define MESSAGE		(SL_AT_EOD | SL_AT_DATA)
#define LEAVING		(SL_AT_PREDELIVERY | SL_AT_POSTDELIVERY)

static void
text_or_none(lua_State *L, const char *s)
{
	if (s == NULL || s[0] == '\0')
		sl_none(L);
	else
		sl_text(L, s);
}

/* A profile's name; in 2016 its kind stood before it. */
static void
profile(lua_State *L, const char *kind, const char *name)
{
	if (name == NULL || name[0] == '\0')
		sl_none(L);
	else if (sl_engine_is_2016(L))
		lua_pushfstring(L, "%s%s", kind, name);
	else
		sl_text(L, name);
}

static void
queued_fact(lua_State *L, const struct sl_queued *q, const char *name)
{
	const json_t *v = json_object_get(q->facts, name);

	if (json_is_string(v))
		sl_string(L, (struct sl_str){ json_string_value(v), json_string_length(v) });
	else if (json_is_number(v))
		sl_number(L, json_number_value(v));
	else if (json_is_boolean(v))
		sl_bool(L, json_is_true(v));
	else
		sl_none(L);
}

/*
 * Facts of the connection. A queued message carries those that outlive it, see sl_fact.
 */
static void
f_senderip(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->session->senderip);
}

static void
f_senderport(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->session->senderport);
}

static void
f_serverip(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->session->serverip);
}

static void
f_serverport(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->session->serverport);
}

static void
f_serverid(lua_State *L, struct sl_context *ctx)
{
	profile(L, "mailserver:", sl_call_server(ctx)->name);
}

static void
f_senderhelo(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->session->helo);
}

static void
f_tlsstarted(lua_State *L, struct sl_context *ctx)
{
	sl_bool(L, ctx->session->tls_protocol[0] != '\0');
}

static void
f_tlsprotocol(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->session->tls_protocol);
}

static void
f_tlscipher(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->session->tls_cipher);
}

static void
f_saslauthed(lua_State *L, struct sl_context *ctx)
{
	sl_bool(L, ctx->session->saslusername != NULL);
}

static void
f_saslmechanism(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->session->saslmechanism);
}

static void
f_family(lua_State *L, struct sl_context *ctx)
{
	sl_text(L, strchr(ctx->session->senderip, ':') != NULL ? "ipv6" : "ipv4");
}

static void
f_tlskeysize(lua_State *L, struct sl_context *ctx)
{
	if (ctx->session->tls_protocol[0] != '\0')
		sl_number(L, ctx->session->tls_bits);
	else
		sl_none(L);
}

static void
f_saslusername(lua_State *L, struct sl_context *ctx)
{
	if (ctx->phase == SL_AUTH)
		sl_string(L, ctx->saslusername);
	else
		text_or_none(L, ctx->session->saslusername);
}

static void
f_saslpassword(lua_State *L, struct sl_context *ctx)
{
	sl_string(L, ctx->saslpassword);
}

static void
f_messageid(lua_State *L, struct sl_context *ctx)
{
	sl_text(L, sl_context_id(ctx));
}

static void
f_queueid(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->transaction->queueid);
}

/* The null reverse-path is "", not none: it is a sender. */
static void
f_sender(lua_State *L, struct sl_context *ctx)
{
	if (ctx->draft != NULL)
		sl_text(L, ctx->draft->sender);
	else if (ctx->attempt != NULL)
		sl_text(L, ctx->attempt->in.sender);
	else
		sl_text(L, ctx->transaction->sender);
}

static void
f_senderdomain(lua_State *L, struct sl_context *ctx)
{
	if (ctx->draft != NULL)
		text_or_none(L, ctx->draft->senderdomain);
	else if (ctx->attempt != NULL)
		text_or_none(L, ctx->attempt->senderdomain);
	else
		text_or_none(L, ctx->transaction->senderdomain);
}

static void
f_recipient(lua_State *L, struct sl_context *ctx)
{
	if (ctx->draft != NULL)
		text_or_none(L, ctx->draft->recipient);
	else if (ctx->attempt != NULL)
		text_or_none(L, ctx->attempt->in.recipient);
	else
		text_or_none(L, ctx->recipient);
}

static void
f_recipientdomain(lua_State *L, struct sl_context *ctx)
{
	if (ctx->draft != NULL)
		text_or_none(L, ctx->draft->recipientdomain);
	else if (ctx->attempt != NULL)
		text_or_none(L, ctx->attempt->recipientdomain);
	else
		text_or_none(L, ctx->recipientdomain);
}

static void
list_rcpts(lua_State *L, const struct sl_transaction *t, bool domains)
{
	size_t i;

	sl_list_new(L);
	for (i = 0; i < t->nrcpts; i++) {
		sl_text(L, domains ? t->rcpts[i].domain : t->rcpts[i].address);
		sl_list_add(L);
	}
}

static void
f_recipients(lua_State *L, struct sl_context *ctx)
{
	list_rcpts(L, ctx->transaction, false);
}

static void
f_recipientdomains(lua_State *L, struct sl_context *ctx)
{
	list_rcpts(L, ctx->transaction, true);
}

static void
f_transportid(lua_State *L, struct sl_context *ctx)
{
	const char *name = NULL;

	if (ctx->draft != NULL)
		name = ctx->draft->transport;
	else if (ctx->attempt != NULL)
		name = ctx->attempt->in.transport;
	else if (ctx->rcpt != NULL)
		name = ctx->rcpt->transport;
	sl_fact_transport(L, name);
}

void
sl_fact_transport(lua_State *L, const char *name)
{
	profile(L, "mailtransport:", name);
}

static void
f_actionid(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->transaction->actions);
}

static void
f_headerfrom(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->transaction->headerfrom);
}

static void
f_headerfromdomain(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->transaction->headerfromdomain);
}

static void
f_messagesize(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, (double)ctx->transaction->mail.message->bytes.n);
}

static void
f_receivedtime(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, (double)(ctx->attempt->in.received_us / 1000000));
}

static void
f_retry(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->attempt->in.retry);
}

static void
f_retries(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->attempt->in.retries);
}

static void
f_destination(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->attempt->changes.host != NULL ?
	    ctx->attempt->changes.host : ctx->attempt->in.host);
}

static void
f_errorcode(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->attempt->in.code);
}

static void
f_errormsg(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->attempt->in.text);
}

static void
f_errorndr(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->attempt->in.enhanced);
}

static void
f_transfertime(lua_State *L, struct sl_context *ctx)
{
	sl_number(L, ctx->attempt->in.transfertime);
}

static void
f_sourceip(lua_State *L, struct sl_context *ctx)
{
	text_or_none(L, ctx->attempt->changes.sourceip);
}

static void
f_destinationport(lua_State *L, struct sl_context *ctx)
{
	if (ctx->attempt->changes.port > 0)
		sl_number(L, ctx->attempt->changes.port);
	else
		sl_none(L);
}

/* Plain data that lives as long as the connection; context.message as long as
 * the transaction, so it is set anew by each MAIL. In the queue it is the attempt's. */
static void
f_context(lua_State *L, struct sl_context *ctx)
{
	json_t *context = ctx->attempt != NULL ? ctx->attempt->context : ctx->session->context;

	if (ctx->attempt != NULL) {
		sl_plain_push(L, context);
		return;
	}
	if (ctx->transaction != NULL)
		json_object_set(context, "message", ctx->transaction->context);
	else
		json_object_del(context, "message");
	sl_plain_push(L, context);
}

static const struct fact {
	const char *name;
	unsigned phases;
	void (*push)(lua_State *L, struct sl_context *ctx);
	const char *text;
} facts[] = {
	{ "senderip", CONNECTED | LEAVING, f_senderip, "IP address of the client" },
	{ "senderport", CONNECTED, f_senderport, "TCP port of the client" },
	{ "serverip", CONNECTED | LEAVING, f_serverip, "our IP address of the connection" },
	{ "serverport", CONNECTED | LEAVING, f_serverport, "our TCP port of the connection" },
	{ "serverid", CONNECTED | LEAVING, f_serverid, "name of the server in sluice.lua" },
	{ "family", CONNECTED, f_family, "\"ipv4\" or \"ipv6\"" },
	{ "senderhelo", GREETED | LEAVING, f_senderhelo, "what the client called itself" },
	{ "tlsstarted", GREETED, f_tlsstarted, "whether the connection is encrypted" },
	{ "tlsprotocol", GREETED, f_tlsprotocol, "\"TLSv1.3\", none without TLS" },
	{ "tlscipher", GREETED, f_tlscipher, "name of the cipher, none without TLS" },
	{ "tlskeysize", GREETED, f_tlskeysize, "bits of the cipher, none without TLS" },
	{ "saslusername", (GREETED & ~(unsigned)SL_AT_HELO) | LEAVING, f_saslusername,
	    "the account; in auth the name offered, later none unless authenticated" },
	{ "saslpassword", SL_AT_AUTH, f_saslpassword, "the password offered" },
	{ "saslauthed", GREETED & ~(unsigned)SL_AT_HELO, f_saslauthed, "whether authenticated" },
	{ "saslmechanism", GREETED & ~(unsigned)SL_AT_HELO, f_saslmechanism,
	    "\"PLAIN\" or \"LOGIN\"" },
	{ "context", CONNECTED | LEAVING, f_context,
	    "table of plain data for the connection, context.message for the transaction; in the queue for "
	    "the attempt: what predelivery writes postdelivery reads" },
	{ "messageid", ENVELOPE | LEAVING, f_messageid, "the engine's id of the transaction" },
	{ "queueid", ENVELOPE, f_queueid,
	    "what the mail server calls the message, behind a milter; none where it has no name (yet)" },
	{ "sender", ENVELOPE | LEAVING, f_sender, "reverse-path; \"\" for the null path" },
	{ "senderdomain", ENVELOPE | LEAVING, f_senderdomain,
	    "domain of sender, none for the null path" },
	{ "recipient", SL_AT_RCPTTO | SL_AT_DATA | LEAVING, f_recipient, "forward-path" },
	{ "recipientdomain", SL_AT_RCPTTO | SL_AT_DATA | LEAVING, f_recipientdomain,
	    "domain of recipient" },
	{ "recipients", RECIPIENTS, f_recipients, "list of the recipients accepted so far" },
	{ "recipientdomains", RECIPIENTS, f_recipientdomains, "their domains, in the same order" },
	{ "transportid", SL_AT_RCPTTO | SL_AT_DATA | LEAVING, f_transportid,
	    "name of the transport in sluice.lua" },
	{ "actionid", MESSAGE, f_actionid, "number of deliveries chosen so far" },
	{ "headerfrom", MESSAGE, f_headerfrom,
	    "address of From, none unless there is exactly one" },
	{ "headerfromdomain", MESSAGE, f_headerfromdomain, "its domain" },
	{ "messagesize", MESSAGE, f_messagesize, "bytes received" },
	{ "receivedtime", LEAVING, f_receivedtime, "when it was received, seconds since 1970" },
	{ "retry", LEAVING, f_retry, "attempts before this one" },
	{ "retries", LEAVING, f_retries, "attempts in the schedule" },
	{ "destination", LEAVING, f_destination, "the host, where one is set or was tried" },
	{ "destinationport", SL_AT_PREDELIVERY, f_destinationport, "its port, where one is set" },
	{ "sourceip", SL_AT_PREDELIVERY, f_sourceip, "our address for it, where one is set" },
	{ "errorcode", SL_AT_POSTDELIVERY, f_errorcode,
	    "SMTP reply of the next hop; 0 = none was had" },
	{ "errormsg", SL_AT_POSTDELIVERY, f_errormsg, "its text" },
	{ "errorndr", SL_AT_POSTDELIVERY, f_errorndr, "its enhanced status code" },
	{ "transfertime", SL_AT_POSTDELIVERY, f_transfertime, "seconds the attempt took" },
};

#define NFACTS	(sizeof(facts) / sizeof(facts[0]))

static const struct fact *
find(const char *name)
{
	size_t i;

	for (i = 0; i < NFACTS; i++)
		if (strcmp(facts[i].name, name) == 0)
			return &facts[i];
	return NULL;
}

/* A message that left its session behind has the connection's facts as JSON. */
static void
push(lua_State *L, struct sl_context *ctx, const struct fact *f)
{
	/* of the connection */
	if (ctx->attempt != NULL && (f->phases & SL_AT_AUTH) != 0 && f->push != f_context)
		queued_fact(L, ctx->attempt, f->name);
	else
		f->push(L, ctx);
}

void
sl_fact_value(lua_State *L, struct sl_context *ctx, const char *name)
{
	const struct fact *f = find(name);

	if ((f->phases & sl_phase_table[ctx->phase].bit) != 0)
		push(L, ctx, f);
	else
		sl_none(L);
}

int
sl_fact(lua_State *L, void *host, const char *name, unsigned *phases)
{
	struct sl_context *ctx = host;
	const struct fact *f = find(name);

	if (f == NULL)
		return sl_fact_view(L, ctx, name);
	if ((f->phases & sl_phase_table[ctx->phase].bit) == 0) {
		*phases = f->phases;
		return -1;
	}
	push(L, ctx, f);
	return 1;
}

const char *
sl_fact_at(size_t i, unsigned *phases, const char **text)
{
	if (i >= NFACTS)
		return NULL;
	*phases = facts[i].phases;
	*text = facts[i].text;
	return facts[i].name;
}

const char *
sl_fact_near(const char *name)
{
	const char *names[NFACTS + 1];
	size_t i;

	for (i = 0; i < NFACTS; i++)
		names[i] = facts[i].name;
	names[i] = NULL;
	return sl_suggest(name, names);
}
