/* Lines for people. Texts from outside are made harmless where they are put. */
#include "desk_show.h"

#include <stdio.h>
#include <string.h>

#include "cmd.h"

#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define YELLOW	"\033[33m"
#define FAINT	"\033[2m"
#define PLAIN	"\033[m"

/* ---- pieces ------------------------------------------------------------------------------ */

static const char *
text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "";
}

static void
put(struct sl_buf *out, const char *text)
{
	sl_event_put_harmless(out, sl_str_of(text));
}

static void
put_color(struct sl_buf *out, bool color, const char *code)
{
	if (color)
		sl_buf_puts(out, code);
}

static const char *
color_of(const json_t *verdict)
{
	const char *action = text_of(verdict, "action");

	if (json_is_true(json_object_get(verdict, "failed")))
		return RED;
	if (strcmp(action, "Reject") == 0 || strcmp(action, "Quarantine") == 0)
		return RED;
	return strcmp(action, "Defer") == 0 ? YELLOW : GREEN;
}

static void
put_ms(struct sl_buf *out, const json_t *event)
{
	sl_buf_printf(out, " (%.1f ms)", (double)json_integer_value(json_object_get(event, "us")) / 1000);
}

/* ---- events ------------------------------------------------------------------------------ */

static void
show_call(struct sl_buf *out, const json_t *e)
{
	put(out, strcmp(text_of(e, "where"), "?") == 0 ? "end of the flow" : text_of(e, "where"));
	sl_buf_puts(out, "  ");
	put(out, text_of(e, "builtin"));
	sl_buf_putc(out, '(');
	put(out, text_of(e, "arguments"));
	sl_buf_putc(out, ')');
}

static void
show_result(struct sl_buf *out, const json_t *e)
{
	sl_buf_puts(out, "  = ");
	put(out, text_of(e, "result"));
}

static void
show_dns(struct sl_buf *out, const json_t *e)
{
	sl_buf_printf(out, "DNS %s ", text_of(e, "type"));
	put(out, text_of(e, "name"));
	sl_buf_printf(out, ": %s ", text_of(e, "status"));
	put(out, text_of(e, "answer"));
	put_ms(out, e);
}

static void
show_http(struct sl_buf *out, const json_t *e)
{
	const char *failed = text_of(e, "failed");

	sl_buf_puts(out, "HTTP ");
	put(out, text_of(e, "method"));
	sl_buf_putc(out, ' ');
	put(out, text_of(e, "url"));
	if (failed[0] != '\0')
		sl_buf_printf(out, ": failed (%s)", failed);
	else
		sl_buf_printf(out, ": %d, %d bytes", (int)json_integer_value(json_object_get(e, "status")),
		    (int)json_integer_value(json_object_get(e, "bytes")));
	put_ms(out, e);
}

static void
show_verdict(struct sl_buf *out, const json_t *e)
{
	put(out, text_of(e, "action"));
	if (text_of(e, "reply")[0] != '\0')
		sl_buf_puts(out, ": ");
	put(out, text_of(e, "reply"));
	sl_buf_printf(out, "  [%s]", text_of(e, "where"));
	if (text_of(e, "recipient")[0] != '\0') {
		sl_buf_puts(out, " for ");
		put(out, text_of(e, "recipient"));
	}
}

/* Any other event: its name and what it has. */
static void
show_other(struct sl_buf *out, const json_t *e)
{
	static const char *const known[] = { "time", "level", "event", "at", "id", "phase", NULL };
	const char *key;
	json_t *value;
	char *text;
	size_t i;

	put(out, text_of(e, "event"));
	json_object_foreach((json_t *)(uintptr_t)e, key, value) {
		for (i = 0; known[i] != NULL && strcmp(known[i], key) != 0; i++)
			;
		if (known[i] != NULL)
			continue;
		sl_buf_printf(out, " %s=", key);
		if (json_is_string(value)) {
			put(out, json_string_value(value));
		} else if ((text = json_dumps(value, JSON_ENCODE_ANY)) != NULL) {
			sl_buf_puts(out, text);
			free(text);
		}
	}
}

void
desk_show_event(struct sl_buf *out, const json_t *e, bool color)
{
	static const struct {
		const char *event, *color;
		void (*show)(struct sl_buf *out, const json_t *e);
	} kinds[] = {
		{ "call", "", show_call }, { "result", FAINT, show_result }, { "dns", FAINT, show_dns },
		{ "http", FAINT, show_http }, { "verdict", NULL, show_verdict },
		{ "script_error", RED, show_other }, { "script_limit", RED, show_other },
	};
	size_t n = sizeof(kinds) / sizeof(kinds[0]), i;

	for (i = 0; i < n && strcmp(kinds[i].event, text_of(e, "event")) != 0; i++)
		;
	if (i < n && kinds[i].show == show_result && text_of(e, "result")[0] == '\0')
		return;		/* it gives nothing */
	sl_buf_printf(out, "%9.1f  %-9s  ", (double)json_integer_value(json_object_get(e, "at")) / 1000,
	    i < n && kinds[i].show == show_result ? "" : text_of(e, "phase"));
	put_color(out, color, i == n ? "" : kinds[i].color != NULL ? kinds[i].color : color_of(e));
	if (i < n)
		kinds[i].show(out, e);
	else
		show_other(out, e);
	put_color(out, color, PLAIN);
	sl_buf_putc(out, '\n');
}

/* ---- verdicts ---------------------------------------------------------------------------- */

void
desk_show_verdict(struct sl_buf *out, const json_t *v, bool color)
{
	struct sl_str rest = sl_str_of(text_of(v, "reply")), line;

	put_color(out, color, color_of(v));
	while (sl_str_split(&rest, '\n', &line)) {
		sl_event_put_harmless(out, line);
		sl_buf_putc(out, '\n');
	}
	put_color(out, color, PLAIN);
	sl_buf_printf(out, "  %s in %s, decided at %s%s\n", text_of(v, "action"), text_of(v, "phase"),
	    text_of(v, "where"), json_is_true(json_object_get(v, "failed")) ? " (the script failed)" : "");
}

void
desk_show_messages(struct sl_buf *out, const json_t *v, struct sl_str sent, bool color)
{
	const json_t *list = json_object_get(v, "messages"), *m, *r, *bytes;
	size_t i, k;

	json_array_foreach(list, i, m) {
		bytes = json_object_get(m, "bytes");
		if (json_object_get(m, "quarantine") != NULL)
			sl_buf_printf(out, "held in quarantine %s\n", text_of(m, "quarantine"));
		json_array_foreach(json_object_get(m, "recipients"), k, r) {
			sl_buf_puts(out, "queued for ");
			put(out, text_of(r, "recipient"));
			sl_buf_printf(out, " by %s\n", text_of(r, "transport")[0] != '\0' ? text_of(r, "transport") :
			    "its host");
		}
		desk_show_diff(out, sent, (struct sl_str){ json_string_value(bytes),
		    json_string_length(bytes) }, color);
	}
}

void
desk_print(struct desk *d, const struct sl_buf *text)
{
	struct sl_buf clean = SL_BUF_INIT;

	sl_engine_redact(desk_engine(d), sl_buf_str(text), &clean);
	if (clean.n > 0)
		fwrite(clean.p, 1, clean.n, stdout);
	sl_buf_clear(&clean);
}
