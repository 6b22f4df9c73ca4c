/* Handing events to their readers. See event.h; writing them is event_text.c. */
#include "event.h"

#include <string.h>
#include <time.h>

static const char *const level_words[] = {
	"trace", "debug", "info", "notice", "warning", "error", "critical",
};

const char *
sl_level_word(enum sl_level level)
{
	size_t i = (size_t)(level - SL_TRACE);

	return i < sizeof(level_words) / sizeof(level_words[0]) ? level_words[i] : "unknown";
}

int
sl_level_parse(const char *word, enum sl_level *out)
{
	for (size_t i = 1; i < sizeof(level_words) / sizeof(level_words[0]); i++) {
		if (strcmp(word, level_words[i]) == 0) {
			*out = (enum sl_level)((int)i + SL_TRACE);
			return 0;
		}
	}
	return SL_ERR_SYNTAX;
}

void
sl_events_init(struct sl_events *events)
{
	*events = (struct sl_events){ .level = SL_CRITICAL };
}

/* The least level that any sink wants. */
static void
update_level(struct sl_events *events)
{
	events->level = SL_CRITICAL;
	for (struct sl_event_sink *s = events->sinks; s != NULL; s = s->next) {
		if (s->level < events->level)
			events->level = s->level;
	}
}

void
sl_events_add(struct sl_events *events, struct sl_event_sink *sink)
{
	struct sl_event_sink **at = &events->sinks;

	while (*at != NULL)
		at = &(*at)->next;
	sink->next = NULL;
	*at = sink;
	update_level(events);
}

void
sl_events_remove(struct sl_events *events, struct sl_event_sink *sink)
{
	for (struct sl_event_sink **at = &events->sinks; *at != NULL; at = &(*at)->next) {
		if (*at == sink) {
			*at = sink->next;
			sink->next = NULL;
			break;
		}
	}
	update_level(events);
}

void
sl_events_flush(struct sl_events *events)
{
	struct sl_event_sink *s, *next;

	for (s = events != NULL ? events->sinks : NULL; s != NULL; s = next) {
		next = s->next;
		if (s->flush != NULL)
			s->flush(s);
	}
}

static int64_t
wall_clock_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
sl_event(struct sl_events *events, enum sl_level level, const char *name,
    const struct sl_event_field *fields)
{
	static const struct sl_event_field none[] = { { .kind = SL_FIELD_END } };
	struct sl_event_sink *s, *next;
	struct sl_event event = { .level = level, .name = name };

	if (!sl_event_wanted(events, level))
		return;
	event.fields = fields != NULL ? fields : none;
	event.time_us = events->time_us != NULL ? events->time_us(events->time_arg)
	    : wall_clock_us();
	for (s = events->sinks; s != NULL; s = next) {
		next = s->next;
		if (level >= s->level)
			s->write(s, &event);
	}
}
