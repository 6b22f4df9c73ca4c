/* See shadow.h. */
#include "shadow.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../crypto/random.h"
#include "../policy/capture.h"
#include "../policy/config.h"
#include "../policy/image.h"
#include "../policy/replay.h"

#define MAX_RUNNING	8			/* sessions that are seen again at once */
#define MAX_WAITING	1000
#define MAX_BYTES	(64u * 1024 * 1024)	/* of those that wait */
#define MAX_TOLD	10			/* differences told of one session */
#define MAX_LINE	300			/* bytes of a line of a message that are shown */
#define OF_THESE	1000000			/* what a share is told in */
#define SUMMARY_MS	60000

struct sl_shadow {
	struct sl_shadow_options o;
	char *stdlib;
	struct sl_engine *engine;	/* NULL = there is no shadow */
	struct sl_events events;	/* of that engine */
	struct sl_event_sink sink;
	struct sl_watcher watcher;
	char folder[256];
	double sample;
	struct sl_list waiting, running;
	size_t nwaiting, nrunning, bytes;
	struct sl_timer timer;
	uint64_t counts[SL_REPLAY_INCOMPLETE + 1], left_out;	/* since the last summary */
};

/* A session that waits to be seen again, or is. */
struct take {
	struct sl_list link;
	struct sl_shadow *shadow;
	struct sl_tape *tape;
	size_t bytes;
	struct sl_replay *replay;	/* NULL while it waits */
};

static void start_some(struct sl_shadow *s);

static void
take_free(struct take *t)
{
	sl_list_remove(&t->link);
	if (t->replay == NULL) {
		t->shadow->nwaiting--;
		t->shadow->bytes -= t->bytes;
	} else {
		t->shadow->nrunning--;
	}
	sl_replay_free(t->replay);
	sl_tape_unref(t->tape);
	sl_free(t);
}

/* ---- telling ---------------------------------------------------------------------------- */

static struct sl_str
string_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_string(v) ? (struct sl_str){ json_string_value(v), json_string_length(v) } : SL_STR("");
}

/* What a message goes out as, but for its bytes. */
static void
describe_envelope(const json_t *message, struct sl_buf *out)
{
	const json_t *recipient;
	size_t i;

	sl_buf_puts(out, "from <");
	sl_buf_putstr(out, string_of(message, "sender"));
	sl_buf_puts(out, "> to");
	json_array_foreach(json_object_get(message, "recipients"), i, recipient) {
		sl_buf_putc(out, ' ');
		sl_buf_puts(out, json_string_value(recipient));
	}
	if (string_of(message, "quarantine").n > 0) {
		sl_buf_puts(out, ", held in ");
		sl_buf_putstr(out, string_of(message, "quarantine"));
	}
}

/* The line that begins at or before 'at'. */
static struct sl_str
line_at(struct sl_str text, size_t at)
{
	size_t from = at < text.n ? at : text.n, to = from;

	while (from > 0 && text.p[from - 1] != '\n')
		from--;
	while (to < text.n && text.p[to] != '\r' && text.p[to] != '\n')
		to++;
	return sl_str_sub(text, from, to - from > MAX_LINE ? from + MAX_LINE : to);
}

/* Two messages: their envelopes if they differ, else the first line that does. */
static void
describe_messages(const json_t *was, const json_t *is, struct sl_buf *before, struct sl_buf *after)
{
	struct sl_str a = string_of(was, "bytes"), b = string_of(is, "bytes");
	size_t i = 0;

	describe_envelope(was, before);
	describe_envelope(is, after);
	if (!sl_str_eq(sl_buf_str(before), sl_buf_str(after)))
		return;
	sl_buf_reset(before);
	sl_buf_reset(after);
	while (i < a.n && i < b.n && a.p[i] == b.p[i])
		i++;
	sl_buf_putstr(before, line_at(a, i));
	sl_buf_putstr(after, line_at(b, i));
}

/* One side of a verdict, of changes or of a message that the other side doesn't have. */
static void
describe(const json_t *side, struct sl_buf *out)
{
	if (json_is_string(side)) {
		sl_buf_putstr(out, sl_str_sub((struct sl_str){ json_string_value(side), json_string_length(side) },
		    0, MAX_LINE));
	} else if (json_object_get(side, "action") != NULL) {
		sl_buf_putstr(out, string_of(side, "action"));
		sl_buf_putc(out, ' ');
		sl_buf_putstr(out, string_of(side, "reply"));
	} else if (json_is_object(side)) {
		describe_envelope(side, out);
	} else {
		sl_buf_puts(out, "nothing");
	}
}

/* What was a secret to either policy becomes its mark. */
static void
redact(const struct sl_shadow *s, struct sl_buf *text)
{
	struct sl_buf once = SL_BUF_INIT;

	sl_engine_redact(s->o.engine, sl_buf_str(text), &once);
	sl_buf_reset(text);
	sl_engine_redact(s->engine, sl_buf_str(&once), text);
	sl_buf_clear(&once);
}

static void
tell_difference(struct sl_shadow *s, struct sl_str session, const json_t *d)
{
	const json_t *was = json_object_get(d, "before"), *is = json_object_get(d, "after");
	struct sl_buf before = SL_BUF_INIT, after = SL_BUF_INIT, where = SL_BUF_INIT;
	struct sl_str what = string_of(d, "what");

	if (sl_str_eq(what, SL_STR("missing"))) {
		sl_buf_puts(&after, "asks what nobody has asked: ");
		sl_buf_putstr(&after, string_of(d, "question"));
	} else if (sl_str_eq(what, SL_STR("message")) && json_is_object(was) && json_is_object(is)) {
		describe_messages(was, is, &before, &after);
	} else {
		describe(was, &before);
		describe(is, &after);
	}
	redact(s, &before);
	redact(s, &after);
	if (string_of(is, "where").n > 0 && !sl_str_eq(string_of(is, "where"), SL_STR("default")))
		sl_buf_printf(&where, "%s/", s->folder);
	sl_buf_putstr(&where, string_of(is, "where"));
	sl_event(s->o.events, SL_NOTICE, "shadow_difference", SL_FIELDS(SL_F_STR("session", session),
	    SL_F_STR("input", string_of(d, "input")), SL_F_STR("what", what),
	    SL_F_STR("phase", string_of(is, "phase")), SL_F_STR("before", sl_buf_str(&before)),
	    SL_F_STR("before_where", string_of(was, "where")), SL_F_STR("after", sl_buf_str(&after)),
	    SL_F_STR("after_where", sl_buf_str(&where)),
	    SL_F_TEXT("generation", sl_engine_generation(s->engine))));
	sl_buf_clear(&before);
	sl_buf_clear(&after);
	sl_buf_clear(&where);
}

/* A message that is there on one side only, where a verdict of the same step says why. */
static bool
follows(const json_t *d, json_int_t decided)
{
	return sl_str_eq(string_of(d, "what"), SL_STR("message")) &&
	    json_integer_value(json_object_get(d, "step")) == decided &&
	    (json_is_null(json_object_get(d, "before")) || json_is_null(json_object_get(d, "after")));
}

static void
tell_differences(struct sl_shadow *s, struct sl_str session, json_t *differences)
{
	json_int_t decided = -1;
	unsigned told = 0;
	json_t *d;
	size_t i;

	json_array_foreach(differences, i, d) {
		if (follows(d, decided))
			continue;
		if (sl_str_eq(string_of(d, "what"), SL_STR("verdict")))
			decided = json_integer_value(json_object_get(d, "step"));
		if (told++ < MAX_TOLD)
			tell_difference(s, session, d);
	}
}

/* What was counted since the last one, if anything was. */
static void
summarize(struct sl_shadow *s)
{
	uint64_t agreed = s->counts[SL_REPLAY_SAME], differed = s->counts[SL_REPLAY_DIFFERS],
	    incomplete = s->counts[SL_REPLAY_INCOMPLETE],
	    sessions = agreed + differed + incomplete + s->left_out;

	if (sessions == 0)
		return;
	sl_event(s->o.events, SL_NOTICE, "shadow_summary", SL_FIELDS(SL_F_INT("sessions", sessions),
	    SL_F_INT("agreed", agreed), SL_F_INT("differed", differed), SL_F_INT("incomplete", incomplete),
	    SL_F_INT("left_out", s->left_out), SL_F_TEXT("generation", sl_engine_generation(s->engine))));
	memset(s->counts, 0, sizeof(s->counts));
	s->left_out = 0;
}

static void
each_minute(struct sl_timer *timer)
{
	struct sl_shadow *s = sl_list_entry(timer, struct sl_shadow, timer);

	summarize(s);
	sl_timer_start(s->o.loop, timer, SUMMARY_MS, each_minute);
}

/* The next policy's errors would be lost, or taken for the serving one's. */
static void
hear(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct sl_shadow *s = sl_list_entry(sink, struct sl_shadow, sink);

	if (strcmp(event->name, "script_error") == 0)
		sl_event(s->o.events, SL_WARNING, "shadow_script_error", event->fields);
}

/* ---- seeing sessions again ----------------------------------------------------------------- */

static void
compared(void *arg, struct sl_replay *replay)
{
	struct take *t = arg;
	struct sl_shadow *s = t->shadow;

	s->counts[sl_replay_result(replay)]++;
	tell_differences(s, sl_capture_id(t->tape), sl_replay_differences(replay));
	take_free(t);
	start_some(s);
}

static void
start_some(struct sl_shadow *s)
{
	struct take *t;
	struct sl_err err;

	while (s->nrunning < MAX_RUNNING && !sl_list_empty(&s->waiting)) {
		t = sl_list_entry(s->waiting.next, struct take, link);
		if (sl_replay_start(&t->replay, s->engine, t->tape, true, compared, t, &err) != 0) {
			t->replay = NULL;
			s->left_out++;
			take_free(t);
			continue;
		}
		sl_list_remove(&t->link);
		sl_list_insert(&s->running, &t->link);
		s->nwaiting--;
		s->bytes -= t->bytes;
		s->nrunning++;
	}
}

static bool
wants(struct sl_watcher *watcher, const struct sl_session_info *info)
{
	struct sl_shadow *s = sl_list_entry(watcher, struct sl_shadow, watcher);
	uint64_t drawn = 0;

	(void)info;
	return s->sample >= 1 ||
	    (sl_random_below(OF_THESE, &drawn) == 0 && (double)drawn < s->sample * OF_THESE);
}

static void
ended(struct sl_watcher *watcher, struct sl_tape *tape)
{
	struct sl_shadow *s = sl_list_entry(watcher, struct sl_shadow, watcher);
	size_t bytes = sl_tape_bytes(tape);
	struct take *t = NULL;

	if (!sl_tape_full(tape) && s->nwaiting < MAX_WAITING && s->bytes + bytes <= MAX_BYTES)
		t = sl_calloc(1, sizeof(*t));
	if (t == NULL) {
		s->left_out++;
		return;
	}
	t->shadow = s;
	t->tape = sl_tape_ref(tape);
	t->bytes = bytes;
	sl_list_insert(&s->waiting, &t->link);
	s->nwaiting++;
	s->bytes += bytes;
	start_some(s);
}

/* ---- life ------------------------------------------------------------------------------ */

struct sl_shadow *
sl_shadow_new(const struct sl_shadow_options *options)
{
	struct sl_shadow *s = sl_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->o = *options;
	s->stdlib = options->stdlib != NULL ? sl_strdup(options->stdlib) : NULL;
	if (options->stdlib != NULL && s->stdlib == NULL) {
		sl_free(s);
		return NULL;
	}
	sl_list_init(&s->waiting);
	sl_list_init(&s->running);
	sl_events_init(&s->events);
	s->sink = (struct sl_event_sink){ .level = SL_WARNING, .write = hear };
	s->watcher.wants = wants;
	s->watcher.ended = ended;
	return s;
}

/* Sessions that were to be seen again aren't. */
static void
end(struct sl_shadow *s)
{
	if (s->engine == NULL)
		return;
	sl_engine_unwatch(&s->watcher);
	s->left_out += s->nwaiting + s->nrunning;
	while (!sl_list_empty(&s->waiting))
		take_free(sl_list_entry(s->waiting.next, struct take, link));
	while (!sl_list_empty(&s->running))
		take_free(sl_list_entry(s->running.next, struct take, link));
	sl_timer_stop(&s->timer);
	summarize(s);
	sl_engine_free(s->engine);
	sl_events_remove(&s->events, &s->sink);
	s->engine = NULL;
}

void
sl_shadow_free(struct sl_shadow *s)
{
	if (s == NULL)
		return;
	end(s);
	sl_free(s->stdlib);
	sl_free(s);
}

void
sl_shadow_interrupt(struct sl_shadow *s)
{
	if (s->engine != NULL)
		sl_engine_interrupt(s->engine);
}

/* An engine with the policy that stands in 'folder' of the serving one; NULL: *report says why. */
static struct sl_engine *
open_engine(struct sl_shadow *s, const struct sl_config *serving, struct sl_buf *report)
{
	struct sl_engine_parts parts = { .loop = s->o.loop, .state = s->o.state, .events = &s->events };
	struct sl_engine_options o = { .gateway = true, .stdlib = s->stdlib, .parts = &parts };
	struct sl_generation *generation;
	struct sl_engine *engine = NULL;
	struct sl_err err;
	int image;

	if (sl_image_part(serving->image, serving->shadow.policy, &image, &err) != 0) {
		sl_buf_puts(report, err.text);
		return NULL;
	}
	engine = sl_engine_new(&o, &err);
	if (engine == NULL) {
		sl_buf_puts(report, err.text);
	} else if (sl_engine_prepare(engine, image, &generation, report) != 0) {
		sl_engine_free(engine);
		engine = NULL;
	} else {
		sl_engine_commit(engine, generation);
	}
	close(image);
	return engine;
}

void
sl_shadow_load(struct sl_shadow *s)
{
	const struct sl_config *serving = sl_engine_config(s->o.engine);
	struct sl_buf report = SL_BUF_INIT;

	end(s);
	if (serving->shadow.policy == NULL || serving->shadow.sample <= 0)
		return;
	sl_events_add(&s->events, &s->sink);
	s->engine = open_engine(s, serving, &report);
	if (s->engine == NULL) {
		sl_events_remove(&s->events, &s->sink);
		sl_event(s->o.events, SL_ERROR, "shadow_not_loaded", SL_FIELDS(
		    SL_F_TEXT("policy", serving->shadow.policy), SL_F_STR("errors", sl_buf_str(&report))));
	} else {
		snprintf(s->folder, sizeof(s->folder), "%s", serving->shadow.policy);
		s->sample = serving->shadow.sample;
		sl_engine_watch(s->o.engine, &s->watcher);
		sl_timer_start(s->o.loop, &s->timer, SUMMARY_MS, each_minute);
		sl_event(s->o.events, SL_NOTICE, "shadow_loaded", SL_FIELDS(
		    SL_F_TEXT("policy", serving->shadow.policy), SL_F_REAL("sample", s->sample),
		    SL_F_TEXT("generation", sl_engine_generation(s->engine))));
	}
	sl_buf_clear(&report);
}
