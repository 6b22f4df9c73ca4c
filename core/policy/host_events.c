/* Events for a host of sluice.h: its function gets each one as a line of JSON. */
#include "engine.h"

static void
tell(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct sl_host_events *h = sl_list_entry(sink, struct sl_host_events, sink);

	sl_buf_reset(&h->line);
	if (sl_event_format_json(&h->line, event) == 0)
		h->fn(h->arg, event->level, event->name, sl_buf_str(&h->line));
}

void
sl_host_events_open(struct sl_engine *e, const struct sl_engine_options *options)
{
	struct sl_host_events *h = &e->host_events;

	e->own_events.time_us = options->clock;
	e->own_events.time_arg = options->arg;
	if (options->event == NULL)
		return;
	h->fn = options->event;
	h->arg = options->arg;
	h->sink.level = options->level;
	h->sink.write = tell;
	sl_events_add(e->events, &h->sink);
}

void
sl_host_events_close(struct sl_engine *e)
{
	sl_events_remove(e->events, &e->host_events.sink);
	sl_buf_clear(&e->host_events.line);
}
