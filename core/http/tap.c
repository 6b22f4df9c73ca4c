/* Requests past a tape. See tap.h. */
#include "tap.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/list.h"
#include "../crypto/digest.h"

struct sl_http_tap {
	struct sl_http *real, *http;
	struct sl_http_host host;
	struct sl_tape *tape;
	struct sl_list asking;
};

/* A request that went on to the real client. */
struct asking {
	struct sl_list link;
	struct sl_http_tap *tap;
	struct sl_http_op *for_whom, *real;
	struct sl_buf question;
};

/* Stages are literals: those that a tape may name. */
static const char *
stage_of(struct sl_str word)
{
	static const char *const stages[] = { "connect", "tls", "timeout", "size", "refused",
	    "protocol" };
	size_t i;

	for (i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
		if (sl_str_eq(word, sl_str_of(stages[i])))
			return stages[i];
	return "connect";
}

/* ---- questions and answers as bytes ---------------------------------------------------------- */

static const char *
method_of(const struct sl_http_request *r)
{
	return r->method != NULL ? r->method : r->has_body ? "POST" : "GET";
}

static void
put_question(const struct sl_tape *tape, struct sl_buf *out, const struct sl_http_request *r)
{
	struct sl_buf body = SL_BUF_INIT;
	uint8_t hash[SL_DIGEST_MAX];

	sl_buf_printf(out, "%s %s", method_of(r), r->url);
	if (!r->has_body)
		return;
	sl_tape_mask(tape, r->body, &body);	/* the hash of a password would be guessed */
	if (body.failed || sl_digest_of(SL_DIGEST_SHA256, sl_buf_str(&body), hash) != 0) {
		out->failed = true;
	} else {
		sl_buf_puts(out, " sha256:");
		sl_hex_encode(out, (struct sl_str){ (char *)hash, 32 });
	}
	sl_buf_clear(&body);
}

static void
note(const struct asking *a, const struct sl_http_op *h)
{
	struct sl_buf value = SL_BUF_INIT;

	if (!sl_tape_records(a->tap->tape))
		return;
	if (h->err.code != 0) {
		sl_tape_put(&value, "stage", sl_str_of(h->stage != NULL ? h->stage : "timeout"));
		sl_tape_put(&value, "error", sl_str_of(h->err.text));
	} else {
		sl_tape_put_number(&value, "status", h->code);
		sl_tape_put_number(&value, "received", (int64_t)h->received);
		sl_tape_put(&value, "headers", sl_buf_str(&h->headers));
		sl_tape_put(&value, "body", sl_buf_str(&h->body));
	}
	sl_tape_note(a->tap->tape, "http", sl_buf_str(&a->question), sl_buf_str(&value));
	sl_buf_clear(&value);
}

static void
give(struct sl_http_op *op, struct sl_str value)
{
	struct sl_str stage = sl_tape_get(value, "stage"), error = sl_tape_get(value, "error");
	char *text;

	if (stage.n > 0) {
		text = sl_strndup(error.p, error.n);
		sl_http_give_failure(op, stage_of(stage), text != NULL ? text : "");
		sl_free(text);
		return;
	}
	sl_http_give(op, (long)sl_tape_get_number(value, "status"), sl_tape_get(value, "headers"),
	    sl_tape_get(value, "body"));
	op->received = (size_t)sl_tape_get_number(value, "received");
}

/* ---- asking -------------------------------------------------------------------------------- */

static void
asking_free(struct asking *a)
{
	sl_list_remove(&a->link);
	if (a->real != NULL)
		sl_op_release(&a->real->op);
	sl_buf_clear(&a->question);
	sl_free(a);
}

static void
answered(struct sl_op *op, void *arg)
{
	struct sl_http_op *h = (struct sl_http_op *)op;
	struct asking *a = arg;
	struct sl_http_op *for_whom = a->for_whom;

	note(a, h);
	if (op->status != 0) {
		sl_http_give_failure(for_whom, h->stage != NULL ? h->stage : "timeout", h->err.text);
	} else {
		sl_http_give(for_whom, h->code, sl_buf_str(&h->headers), sl_buf_str(&h->body));
		for_whom->received = h->received;
	}
	asking_free(a);
}

static void
ask_real(struct sl_http_tap *t, struct sl_http_op *op, const struct sl_http_request *request)
{
	struct asking *a = sl_calloc(1, sizeof(*a));

	if (a != NULL) {
		a->tap = t;
		a->for_whom = op;
		sl_list_insert(&t->asking, &a->link);
		put_question(t->tape, &a->question, request);
		a->real = a->question.failed ? NULL : sl_http_start(t->real, request);
	}
	if (a != NULL && a->real != NULL) {
		sl_op_wait(&a->real->op, answered, a);
		return;
	}
	if (a != NULL)
		asking_free(a);
	sl_http_give_failure(op, "connect", "out of memory");
}

static bool
only_looks(const struct sl_http_request *r)
{
	return strcmp(method_of(r), "GET") == 0 || strcmp(method_of(r), "HEAD") == 0;
}

static void
ask(void *arg, struct sl_http_op *op, const struct sl_http_request *request)
{
	struct sl_http_tap *t = arg;
	struct sl_buf question = SL_BUF_INIT;
	bool found, live = sl_tape_live(t->tape) && only_looks(request);
	struct sl_str value;

	if (sl_tape_records(t->tape)) {
		ask_real(t, op, request);
		return;
	}
	put_question(t->tape, &question, request);
	found = sl_tape_find(t->tape, "http", sl_buf_str(&question),
	    only_looks(request) ? SL_TAPE_AGAIN : SL_TAPE_ONCE, &value);
	if (!found && !live)
		sl_tape_miss(t->tape, "http", sl_buf_str(&question));
	sl_buf_clear(&question);
	if (found)
		give(op, value);
	else if (live)
		ask_real(t, op, request);
	else
		sl_http_give_failure(op, "connect", "this isn't in the capture");
}

static void
cancel(void *arg, struct sl_http_op *op)
{
	struct sl_http_tap *t = arg;
	struct sl_list *l;

	for (l = t->asking.next; l != &t->asking; l = l->next) {
		struct asking *a = sl_list_entry(l, struct asking, link);

		if (a->for_whom != op)
			continue;
		note(a, op);	/* what the script hears: no answer in time */
		asking_free(a);
		return;
	}
}

/* ---- life ---------------------------------------------------------------------------------- */

struct sl_http_tap *
sl_http_tap_new(struct sl_loop *loop, struct sl_http *real, struct sl_tape *tape,
    struct sl_events *events)
{
	struct sl_http_tap *t = sl_calloc(1, sizeof(*t));
	struct sl_err err;

	if (t == NULL)
		return NULL;
	sl_list_init(&t->asking);
	t->real = real;
	t->tape = tape;
	t->host = (struct sl_http_host){ ask, cancel, t };
	t->http = sl_http_open(loop, NULL, sl_tape_records(tape) ? NULL : events, &err);
	if (t->http == NULL) {
		sl_http_tap_free(t);
		return NULL;
	}
	sl_http_set_host(t->http, &t->host);
	return t;
}

void
sl_http_tap_free(struct sl_http_tap *t)
{
	if (t == NULL)
		return;
	while (!sl_list_empty(&t->asking))
		asking_free(sl_list_entry(t->asking.next, struct asking, link));
	sl_http_close(t->http);
	sl_free(t);
}

struct sl_http *
sl_http_tap_http(struct sl_http_tap *t)
{
	return t->http;
}

/* ---- API calls ----------------------------------------------------------------------------- */

/* Around the real call, until its answer is noted; or an answer of the tape. */
struct tapped {
	struct sl_api_op op;		/* first */
	struct sl_api_op *real;
	struct sl_tape *tape;
	struct sl_buf question;
};

static const char *
code_of(struct sl_str word)
{
	static const char *const codes[] = { "status", "json", "breaker" };
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (sl_str_eq(word, sl_str_of(codes[i])))
			return codes[i];
	return stage_of(word);
}

static void
tapped_cancel(struct sl_op *op)
{
	struct tapped *t = (struct tapped *)op;

	if (t->real != NULL)
		sl_op_release(&t->real->op);
	t->real = NULL;
}

static void
tapped_free(struct sl_op *op)
{
	struct tapped *t = (struct tapped *)op;

	tapped_cancel(op);
	sl_buf_clear(&t->question);
	sl_free(t);
}

static const struct sl_op_class tapped_class = { "api", tapped_cancel, tapped_free };

static void
note_call(const struct tapped *t)
{
	static const char *const kinds[] = { [SL_API_ANSWER] = "answer", [SL_API_NOTHING] = "nothing",
	    [SL_API_FAILED] = "failed" };
	struct sl_buf value = SL_BUF_INIT;

	if (!sl_tape_records(t->tape))
		return;
	sl_tape_put(&value, "kind", sl_str_of(kinds[t->op.kind]));
	sl_tape_put_number(&value, "stale", t->op.stale);
	if (t->op.kind == SL_API_ANSWER)
		sl_tape_put(&value, "json", t->op.json);
	if (t->op.kind == SL_API_FAILED) {
		sl_tape_put(&value, "code", sl_str_of(t->op.code));
		sl_tape_put(&value, "error", sl_str_of(t->op.why));
	}
	sl_tape_note(t->tape, "api", sl_buf_str(&t->question), sl_buf_str(&value));
	sl_buf_clear(&value);
}

static void
called(struct sl_op *op, void *arg)
{
	struct tapped *t = arg;
	const struct sl_api_op *real = (const struct sl_api_op *)op;

	t->op.kind = real->kind;
	t->op.json = real->json;	/* as long as the real one lives, which is here */
	t->op.code = real->code;
	t->op.stale = real->stale;
	memcpy(t->op.why, real->why, sizeof(t->op.why));
	note_call(t);
	sl_op_finish(&t->op.op, 0);
}

static void
fail_call(struct tapped *t, const char *code, struct sl_str why)
{
	t->op.kind = SL_API_FAILED;
	t->op.code = code;
	snprintf(t->op.why, sizeof(t->op.why), "%.*s", why.n < 199 ? (int)why.n : 199, why.p);
}

static void
give_call(struct tapped *t, struct sl_str value)
{
	struct sl_str kind = sl_tape_get(value, "kind");

	t->op.stale = sl_tape_get_number(value, "stale") != 0;
	t->op.json = sl_tape_get(value, "json");
	if (sl_str_eq(kind, SL_STR("answer")))
		t->op.kind = SL_API_ANSWER;
	else if (sl_str_eq(kind, SL_STR("nothing")))
		t->op.kind = SL_API_NOTHING;
	else
		fail_call(t, code_of(sl_tape_get(value, "code")), sl_tape_get(value, "error"));
	sl_op_finish(&t->op.op, 0);
}

struct sl_api_op *
sl_api_call_taped(struct sl_api *api, struct sl_tape *tape, const char *query)
{
	struct tapped *t;
	struct sl_str value;

	if (tape == NULL)
		return sl_api_call(api, query);
	if ((t = sl_calloc(1, sizeof(*t))) == NULL)
		return NULL;
	sl_op_init(&t->op.op, &tapped_class, sl_api_loop(api), 0);
	t->tape = tape;
	sl_buf_printf(&t->question, "%s%s%s", sl_api_name(api), sl_api_name(api)[0] != '\0' ? " " : "",
	    query);
	if (sl_tape_plays(tape) && sl_tape_find(tape, "api", sl_buf_str(&t->question), SL_TAPE_AGAIN,
	    &value)) {
		give_call(t, value);
	} else if (sl_tape_plays(tape) && !sl_tape_live(tape)) {
		sl_tape_miss(tape, "api", sl_buf_str(&t->question));
		fail_call(t, "connect", SL_STR("this isn't in the capture"));
		sl_op_finish(&t->op.op, 0);
	} else if ((t->real = sl_api_call(api, query)) != NULL) {
		sl_op_wait(&t->real->op, called, t);
	} else {
		sl_op_release(&t->op.op);
		return NULL;
	}
	return &t->op;
}
