#include "repeat.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"

#define MAX_KINDS	256

struct kind {
	char *event, *phase, *error;
	char *id;			/* of the last one */
	int64_t told_at;
	uint64_t count;			/* since then */
};

struct sl_repeats {
	struct sl_loop *loop;
	struct sl_events *events;
	int64_t period_ms;
	struct sl_dict *kinds;
	struct sl_timer timer;		/* runs while there is a kind */
};

static void
kind_free(void *arg)
{
	struct kind *k = arg;

	if (k == NULL)
		return;
	sl_free(k->event);
	sl_free(k->phase);
	sl_free(k->error);
	sl_free(k->id);
	sl_free(k);
}

static struct kind *
kind_new(const struct sl_repeated *what)
{
	struct kind *k = sl_calloc(1, sizeof(*k));

	if (k == NULL)
		return NULL;
	k->event = sl_strdup(what->event);
	k->phase = sl_strdup(what->phase);
	k->error = sl_strdup(what->error);
	k->id = sl_strdup(what->id);
	if (k->event != NULL && k->phase != NULL && k->error != NULL && k->id != NULL)
		return k;
	kind_free(k);
	return NULL;
}

static void
tell_count(struct sl_repeats *r, struct kind *k)
{
	sl_event(r->events, SL_ERROR, k->event, SL_FIELDS(SL_F_TEXT("id", k->id),
	    SL_F_TEXT("phase", k->phase), SL_F_TEXT("error", k->error),
	    SL_F_INT("repeated", k->count)));
	k->count = 0;
	k->told_at = sl_loop_now(r->loop);
}

/* What has not come again for a minute is forgotten. */
static void
tick(struct sl_timer *timer)
{
	struct sl_repeats *r = sl_list_entry(timer, struct sl_repeats, timer);
	int64_t now = sl_loop_now(r->loop);
	struct sl_str key;
	void *value;
	size_t i;

	for (i = 0; sl_dict_each(r->kinds, &i, &key, &value);) {
		struct kind *k = value;

		if (now - k->told_at < r->period_ms)
			continue;
		if (k->count > 0)
			tell_count(r, k);
		else
			kind_free(sl_dict_remove(r->kinds, key));
	}
	if (sl_dict_count(r->kinds) > 0)
		sl_timer_start(r->loop, &r->timer, r->period_ms / 10 + 1, tick);
}

struct sl_repeats *
sl_repeats_new(struct sl_loop *loop, struct sl_events *events, int64_t period_ms)
{
	struct sl_repeats *r = sl_calloc(1, sizeof(*r));

	if (r == NULL || (r->kinds = sl_dict_new()) == NULL) {
		sl_free(r);
		return NULL;
	}
	r->loop = loop;
	r->events = events;
	r->period_ms = period_ms;
	return r;
}

void
sl_repeats_free(struct sl_repeats *r)
{
	struct sl_str key;
	void *value;
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; sl_dict_each(r->kinds, &i, &key, &value);)
		if (((struct kind *)value)->count > 0)
			tell_count(r, value);
	sl_timer_stop(&r->timer);
	sl_dict_free(r->kinds, kind_free);
	sl_free(r);
}

static void
remember(struct sl_repeats *r, struct sl_str key, const struct sl_repeated *what)
{
	struct kind *k;

	if (sl_dict_count(r->kinds) >= MAX_KINDS || (k = kind_new(what)) == NULL)
		return;
	k->told_at = sl_loop_now(r->loop);
	if (sl_dict_set(r->kinds, key, k, NULL) != 0)
		kind_free(k);
	else if (sl_dict_count(r->kinds) == 1)
		sl_timer_start(r->loop, &r->timer, r->period_ms / 10 + 1, tick);
}

static void
count(struct kind *k, const char *id)
{
	char *copy = sl_strdup(id);

	k->count++;
	if (copy == NULL)
		return;
	sl_free(k->id);
	k->id = copy;
}

void
sl_repeats_tell(struct sl_repeats *r, const struct sl_repeated *what)
{
	struct sl_buf key = SL_BUF_INIT;
	struct kind *k;

	if (!sl_event_wanted(r->events, SL_ERROR))
		return;
	sl_buf_printf(&key, "%s %s %s", what->event, what->phase, what->error);
	k = sl_dict_get(r->kinds, sl_buf_str(&key));
	if (k != NULL) {
		count(k, what->id);
	} else {
		sl_event(r->events, SL_ERROR, what->event, SL_FIELDS(SL_F_TEXT("id", what->id),
		    SL_F_TEXT("phase", what->phase), SL_F_TEXT("error", what->error),
		    SL_F_TEXT("source", what->source), SL_F_TEXT("stack", what->stack)));
		remember(r, sl_buf_str(&key), what);
	}
	sl_buf_clear(&key);
}
