/*
 * On the way out: the predelivery flow before each attempt, the postdelivery
 * flow after each result. Both run in the newest generation.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "../engine/plain.h"
#include "engine.h"
#include "flow.h"

#define MAX_ARENA	(1024 * 1024)

static void
queued_free(struct sl_queued *q)
{
	struct sl_generation *generation = q->call.generation;

	sl_flow_cancel(&q->call);
	sl_list_remove(&q->link);
	json_decref(q->facts);
	json_decref(q->context);
	sl_arena_free(q->call.arena);
	sl_free(q);
	sl_generation_unref(generation);
}

void
sl_attempts_cancel(struct sl_engine *engine)
{
	while (!sl_list_empty(&engine->queued))
		queued_free(sl_list_entry(engine->queued.next, struct sl_queued, link));
}

/* For postdelivery of the same attempt; what is too much is left behind, and told. */
static void
hand_on_context(struct sl_queued *q)
{
	char *text;

	if (q->call.phase != SL_PREDELIVERY || json_object_size(q->context) == 0)
		return;
	text = json_dumps(q->context, JSON_COMPACT);
	if (text != NULL && strlen(text) <= SL_PLAIN_MAX)
		q->changes.context = sl_arena_strndup(q->call.arena, text, strlen(text));
	free(text);
	if (q->changes.context == NULL)
		sl_event(q->call.engine->events, SL_WARNING, "context_lost", SL_FIELDS(
		    SL_F_TEXT("id", q->in.id), SL_F_TEXT("reason", "larger than 64 KB")));
}

static void
attempt_done(struct sl_context *ctx, struct sl_verdict *verdict)
{
	struct sl_queued *q = ctx->attempt;

	hand_on_context(q);
	q->fn(q->arg, verdict, &q->changes);
	queued_free(q);
}

static const char *
keep(struct sl_arena *arena, const char *s, bool *failed)
{
	const char *copy;

	if (s == NULL)
		return NULL;
	copy = sl_arena_strndup(arena, s, strlen(s));
	if (copy == NULL)
		*failed = true;
	return copy;
}

/* The caller's strings are borrowed only until it returns to its loop. */
static int
copy_attempt(struct sl_queued *q, const struct sl_attempt *in)
{
	struct sl_arena *arena = q->call.arena;
	bool failed = false;

	q->in = *in;
	q->in.id = keep(arena, in->id, &failed);
	q->in.sender = keep(arena, in->sender, &failed);
	q->in.recipient = keep(arena, in->recipient, &failed);
	q->in.transport = keep(arena, in->transport, &failed);
	q->in.metadata = keep(arena, in->metadata, &failed);
	q->in.enhanced = keep(arena, in->enhanced, &failed);
	q->in.text = keep(arena, in->text, &failed);
	q->in.host = keep(arena, in->host, &failed);
	q->in.remoteip = keep(arena, in->remoteip, &failed);
	q->in.localip = keep(arena, in->localip, &failed);
	q->in.helo = keep(arena, in->helo, &failed);
	q->in.tls_protocol = keep(arena, in->tls_protocol, &failed);
	q->in.tls_cipher = keep(arena, in->tls_cipher, &failed);
	q->in.facts = NULL;
	q->facts = in->facts != NULL ? json_loads(in->facts, 0, NULL) : NULL;
	if (q->facts == NULL)
		q->facts = json_object();
	q->in.context = NULL;
	q->context = in->context != NULL ? json_loads(in->context, 0, NULL) : NULL;
	if (!json_is_object(q->context)) {
		json_decref(q->context);
		q->context = json_object();
	}
	return failed || q->facts == NULL || q->context == NULL ? SL_ERR_NOMEM : 0;
}

static void
domain_of(const char *address, char *out, size_t size)
{
	const char *at = address != NULL ? strrchr(address, '@') : NULL;

	snprintf(out, size, "%s", at != NULL ? at + 1 : "");
}

int
sl_queued_set_sender(struct sl_queued *q, const struct sl_address *a)
{
	bool failed = false;

	q->changes.sender = q->in.sender = keep(q->call.arena, a->address, &failed);
	snprintf(q->senderdomain, sizeof(q->senderdomain), "%s", a->domain);
	return failed ? SL_ERR_NOMEM : 0;
}

int
sl_queued_set_recipient(struct sl_queued *q, const struct sl_address *a)
{
	bool failed = false;

	q->changes.recipient = q->in.recipient = keep(q->call.arena, a->address, &failed);
	snprintf(q->recipientdomain, sizeof(q->recipientdomain), "%s", a->domain);
	return failed ? SL_ERR_NOMEM : 0;
}

static int
begin(struct sl_engine *engine, const struct sl_attempt *in, enum sl_phase phase,
    sl_attempt_fn *fn, void *arg, struct sl_queued **out)
{
	struct sl_queued *q = sl_calloc(1, sizeof(*q));

	if (q == NULL)
		return SL_ERR_NOMEM;
	sl_list_insert(&engine->queued, &q->link);
	q->call.generation = sl_generation_ref(engine->generation);
	q->call.arena = sl_arena_new(MAX_ARENA);
	q->call.engine = engine;
	q->call.phase = phase;
	q->call.attempt = q;
	q->call.done = attempt_done;
	q->changes.port = -1;
	q->fn = fn;
	q->arg = arg;
	if (q->call.arena == NULL || copy_attempt(q, in) != 0) {
		queued_free(q);
		return SL_ERR_NOMEM;
	}
	domain_of(q->in.sender, q->senderdomain, sizeof(q->senderdomain));
	domain_of(q->in.recipient, q->recipientdomain, sizeof(q->recipientdomain));
	*out = q;
	return 0;
}

/* The server whose flows run is the one that took the message; one that a
 * later policy dropped has no flows. */
static const struct sl_flow *
flow_of(struct sl_queued *q, enum sl_phase phase)
{
	const char *name = json_string_value(json_object_get(q->facts, "serverid"));
	const struct sl_server *server = name != NULL ?
	    sl_config_server(q->call.generation->config, name) : NULL;

	return server != NULL ? &server->flows[phase] : NULL;
}

static int
run(struct sl_engine *engine, const struct sl_attempt *given, size_t size, enum sl_phase phase,
    sl_attempt_fn *fn, void *arg)
{
	struct sl_attempt in;
	struct sl_queued *q;
	int rc = sl_host_struct(&in, sizeof(in), given, size, NULL);

	if (rc != 0 || engine->generation == NULL)
		return SL_ERR_INVAL;
	if ((rc = begin(engine, &in, phase, fn, arg, &q)) == 0)
		sl_flow_run(&q->call, flow_of(q, phase));
	return rc;
}

int
sl_engine_predelivery_sized(struct sl_engine *engine, const struct sl_attempt *in, size_t size,
    sl_attempt_fn *fn, void *arg)
{
	return run(engine, in, size, SL_PREDELIVERY, fn, arg);
}

int
sl_engine_postdelivery_sized(struct sl_engine *engine, const struct sl_attempt *in, size_t size,
    sl_attempt_fn *fn, void *arg)
{
	return run(engine, in, size, SL_POSTDELIVERY, fn, arg);
}
