/* A story for people: what it was, what happened when, and how it ended. */
#include <string.h>

#include "../base/event.h"
#include "why.h"

static const char *
text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text != NULL ? text : "";
}

static json_int_t
int_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void
put(struct sl_buf *out, const char *text)
{
	sl_event_put_harmless(out, sl_str_of(text));
}

/* ", word TEXT" if there is one. */
static void
put_part(struct sl_buf *out, const char *before, const char *text)
{
	if (text[0] == '\0')
		return;
	sl_buf_puts(out, before);
	put(out, text);
}

/* "2026-01-01T12:00:00.123456Z" to milliseconds and with a blank; other forms as they are. */
static void
put_time(struct sl_buf *out, const char *time)
{
	if (strlen(time) == 27 && time[10] == 'T')
		sl_buf_printf(out, "%.10s %.12s", time, time + 11);
	else
		put(out, time[0] != '\0' ? time : "-");
}

/* ---- the head ---------------------------------------------------------------------------- */

static void
put_head_line(struct sl_buf *out, const char *label, const char *text)
{
	if (text[0] == '\0')
		return;
	sl_buf_printf(out, "  %-12s", label);
	put(out, text);
	sl_buf_putc(out, '\n');
}

static void
put_head(struct sl_buf *out, const json_t *m)
{
	sl_buf_puts(out, "Message ");
	put(out, text_of(m, "id"));
	sl_buf_putc(out, '\n');
	put_head_line(out, "Message-ID", text_of(m, "msgid"));
	put_head_line(out, "queue id", text_of(m, "queueid"));
	put_head_line(out, "client", text_of(m, "senderip"));
	if (json_object_get(m, "code") == NULL)
		return;
	put_head_line(out, "sender", text_of(m, "sender")[0] != '\0' ? text_of(m, "sender") : "<>");
	put_head_line(out, "From", text_of(m, "headerfrom"));
	sl_buf_printf(out, "  %-12s%lld bytes, answered %d ", "message", (long long)int_of(m, "size"),
	    (int)int_of(m, "code"));
	put(out, text_of(m, "text"));
	sl_buf_putc(out, '\n');
}

/* ---- what happened ----------------------------------------------------------------------- */

static void
put_verdict(struct sl_buf *out, const json_t *e)
{
	put(out, text_of(e, "phase"));
	put_part(out, " ", text_of(e, "recipient"));
	put_part(out, ": ", text_of(e, "action"));
	put_part(out, ", ", text_of(e, "reply"));
	put_part(out, " [", text_of(e, "where"));
	sl_buf_putc(out, ']');
}

static void
put_message(struct sl_buf *out, const json_t *e)
{
	sl_buf_printf(out, "answered %d ", (int)int_of(e, "code"));
	put(out, text_of(e, "text"));
	put_part(out, ": ", text_of(e, "action"));
}

static void
put_attempt(struct sl_buf *out, const json_t *e)
{
	put(out, text_of(e, "event"));
	put_part(out, " ", text_of(e, "recipient"));
	put_part(out, " by ", text_of(e, "transport"));
	put_part(out, ", ", text_of(e, "host"));
	sl_buf_puts(out, ": ");
	if (int_of(e, "code") != 0)
		sl_buf_printf(out, "%d ", (int)int_of(e, "code"));
	put(out, text_of(e, "status"));
	put_part(out, " ", text_of(e, "text"));
	sl_buf_printf(out, " (attempt %d)", (int)int_of(e, "retry") + 1);
}

static void
put_received(struct sl_buf *out, const json_t *e)
{
	put_part(out, "the client ", text_of(e, "senderip"));
	sl_buf_printf(out, " was told %d", (int)int_of(e, "code"));
	put_part(out, ": ", text_of(e, "reason"));
}

static void
put_error(struct sl_buf *out, const json_t *e)
{
	sl_buf_puts(out, "the script failed");
	put_part(out, " in ", text_of(e, "phase"));
	put_part(out, ": ", text_of(e, "error"));
	put_part(out, " | ", text_of(e, "source"));
}

static void
put_notification(struct sl_buf *out, const json_t *e)
{
	put_part(out, "told ", text_of(e, "recipient"));
	put_part(out, " by the notification ", text_of(e, "notification"));
}

/* Any other: its name and fields. */
static void
put_other(struct sl_buf *out, const json_t *e)
{
	static const char *const known[] = { "time", "level", "event", "id", "messageid", "session" };
	const char *key;
	json_t *value;
	size_t i;

	put(out, text_of(e, "event"));
	json_object_foreach((json_t *)(uintptr_t)e, key, value) {
		for (i = 0; i < sizeof(known) / sizeof(known[0]) && strcmp(known[i], key) != 0; i++)
			;
		if (i < sizeof(known) / sizeof(known[0]))
			continue;
		put_part(out, " ", key);
		sl_buf_putc(out, '=');
		if (json_is_string(value))
			put(out, json_string_value(value));
		else if (json_is_integer(value))
			sl_buf_printf(out, "%lld", (long long)json_integer_value(value));
		else
			sl_buf_puts(out, json_is_true(value) ? "true" : "false");
	}
}

static void
put_event(struct sl_buf *out, const json_t *e)
{
	static const struct { const char *event; void (*put)(struct sl_buf *, const json_t *); } forms[] = {
		{ "verdict", put_verdict }, { "message", put_message },
		{ "message_received", put_received }, { "message_refused", put_received }, { "delivered", put_attempt },
		{ "deferred", put_attempt }, { "rescheduled", put_attempt }, { "redirected", put_attempt },
		{ "bounced", put_attempt }, { "dropped", put_attempt }, { "script_error", put_error },
		{ "script_limit", put_error }, { "notified", put_notification },
	};
	size_t i;

	sl_buf_puts(out, "  ");
	put_time(out, text_of(e, "time"));
	sl_buf_puts(out, "  ");
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(forms[i].event, text_of(e, "event")) == 0)
			break;
	(i < sizeof(forms) / sizeof(forms[0]) ? forms[i].put : put_other)(out, e);
	sl_buf_putc(out, '\n');
}

/* ---- the end ----------------------------------------------------------------------------- */

static void
put_recipient(struct sl_buf *out, const json_t *m, const json_t *r)
{
	const char *state = text_of(r, "state");

	sl_buf_puts(out, "  ");
	put(out, text_of(r, "recipient"));
	put_part(out, ": ", state);
	if (strcmp(state, "accepted") == 0) {
		/* What a mail server has us look at, it delivers itself. */
		sl_buf_puts(out, text_of(m, "queueid")[0] != '\0' ? "; the mail server that asked delivers it\n" :
		    ", and the log tells no attempt to deliver it\n");
		return;
	}
	if (strcmp(state, "waiting") == 0)
		sl_buf_printf(out, " after %d attempt%s", (int)int_of(r, "attempts"),
		    int_of(r, "attempts") == 1 ? "" : "s");
	put_part(out, " by ", text_of(r, "host"));
	put_part(out, ": ", text_of(r, "text"));
	if (strncmp(state, "refused", 7) == 0)
		put_part(out, ", decided at ", text_of(r, "where"));
	sl_buf_putc(out, '\n');
}

void
why_show(struct sl_buf *out, const json_t *m)
{
	const json_t *item, *recipients = json_object_get(m, "recipients");
	size_t i;

	put_head(out, m);
	sl_buf_puts(out, "\nWhat happened:\n");
	json_array_foreach(json_object_get(m, "events"), i, item)
		put_event(out, item);
	if (json_array_size(recipients) > 0)
		sl_buf_puts(out, "\nIn short:\n");
	json_array_foreach(recipients, i, item)
		put_recipient(out, m, item);
}

void
why_show_lines(struct sl_buf *out, const json_t *lines)
{
	const json_t *item;
	size_t i;

	if (json_array_size(lines) > 0)
		sl_buf_puts(out, "Other lines that mention it:\n");
	json_array_foreach(lines, i, item) {
		sl_buf_puts(out, "  ");
		sl_buf_puts(out, text_of(item, "line"));	/* made harmless when it was kept */
		sl_buf_putc(out, '\n');
	}
}
