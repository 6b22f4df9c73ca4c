#include "queue_answer.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/event.h"
#include "../base/terminal.h"

#define MAX_LINE	(256u * 1024 * 1024)	/* a million recipients */

/* ---- a message for a person ------------------------------------------------------- */

static const char *
style(const struct queue_answer *a, const char *code)
{
	return a->color ? code : "";
}

static const char *
text_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

/* Without what would move a terminal's cursor, padded to 'width'. */
static void
put_padded(struct sl_buf *out, const char *text, size_t width)
{
	size_t from = out->n;

	sl_event_put_harmless(out, sl_str_of(text));
	while (!out->failed && out->n - from < width)
		sl_buf_putc(out, ' ');
}

static void
put_time(struct sl_buf *out, const json_t *seconds)
{
	time_t at = (time_t)json_integer_value(seconds);
	struct tm tm;
	char when[32];

	if (gmtime_r(&at, &tm) == NULL ||
	    strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(when, sizeof(when), "-");
	sl_buf_printf(out, "%-19s", when);
}

static void
put_recipient(const struct queue_answer *a, struct sl_buf *out, const json_t *r, size_t width)
{
	const char *state = text_of(r, "state");

	sl_buf_printf(out, "    %s%-6s%s  ", style(a, strcmp(state, "held") == 0 ? "\033[33m" :
	    strcmp(state, "done") == 0 ? "\033[2m" : "\033[32m"), state, style(a, "\033[0m"));
	put_padded(out, text_of(r, "recipient"), width);
	sl_buf_puts(out, "  ");
	put_padded(out, text_of(r, "transport"), 8);
	sl_buf_printf(out, "  %3lld  ",
	    (long long)json_integer_value(json_object_get(r, "attempts")));
	if (strcmp(state, "queued") == 0)
		put_time(out, json_object_get(r, "next"));
	else
		sl_buf_printf(out, "%-19s", "-");
	if (json_object_get(r, "info") != NULL) {
		sl_buf_puts(out, "  ");
		put_padded(out, text_of(r, "info"), 0);
	}
	sl_buf_putc(out, '\n');
}

static void
put_message(const struct queue_answer *a, struct sl_buf *out, const json_t *m)
{
	const json_t *recipients = json_object_get(m, "recipients"), *r;
	size_t i, width = 0;

	sl_buf_printf(out, "%s%-36s%s  ", style(a, "\033[1m"), text_of(m, "id"),
	    style(a, "\033[0m"));
	put_time(out, json_object_get(m, "received"));
	sl_buf_printf(out, "  %9lld bytes  from <",
	    (long long)json_integer_value(json_object_get(m, "size")));
	if (text_of(m, "sender")[0] != '\0')
		put_padded(out, text_of(m, "sender"), 0);
	sl_buf_putc(out, '>');
	if (json_object_get(m, "quarantine") != NULL) {
		sl_buf_printf(out, "  quarantine %s", style(a, "\033[33m"));
		put_padded(out, text_of(m, "quarantine"), 0);
		sl_buf_puts(out, style(a, "\033[0m"));
	}
	sl_buf_putc(out, '\n');
	json_array_foreach(recipients, i, r)
		if (strlen(text_of(r, "recipient")) > width)
			width = strlen(text_of(r, "recipient"));
	json_array_foreach(recipients, i, r)
		put_recipient(a, out, r, width < 60 ? width : 60);
}

/* ---- reading ---------------------------------------------------------------------------- */

static int
take_status(struct queue_answer *a, const json_t *o)
{
	const char *code = text_of(o, "code");

	a->ended = true;
	if (strcmp(text_of(o, "status"), "ok") == 0) {
		a->found = true;
		a->messages += (uint64_t)json_integer_value(json_object_get(o, "messages"));
		a->busy += (uint64_t)json_integer_value(json_object_get(o, "busy"));
	} else if (strcmp(code, "notfound") != 0) {
		fprintf(stderr, "sluice: %s\n", text_of(o, "text"));
		a->refused = true;
	}
	return 0;
}

static int
take_message(struct queue_answer *a, const json_t *o, struct sl_str line)
{
	struct sl_buf out = SL_BUF_INIT;

	if (a->json) {
		sl_buf_putstr(&out, line);
		sl_buf_putc(&out, '\n');
	} else {
		put_message(a, &out, o);
	}
	if (!out.failed)
		fwrite(out.p, 1, out.n, stdout);
	sl_buf_clear(&out);
	return out.failed || ferror(stdout) ? SL_ERR_IO : 0;
}

static int
take_line(struct queue_answer *a)
{
	struct sl_str line = sl_buf_str(&a->line);
	bool as_it_is = a->json && !a->show && sl_str_starts(line, SL_STR("{\"id\":"));
	json_t *o = as_it_is ? NULL : json_loadb(line.p, line.n, 0, NULL);
	int rc = 0;

	if (as_it_is)
		rc = take_message(a, NULL, line);
	else if (!json_is_object(o))
		rc = SL_ERR_SYNTAX;
	else if (json_object_get(o, "status") != NULL)
		rc = take_status(a, o);
	else if (a->show && !a->sized) {
		a->raw = (uint64_t)json_integer_value(json_object_get(o, "size"));
		a->sized = true;
	} else
		rc = take_message(a, o, line);
	json_decref(o);
	sl_buf_reset(&a->line);
	return rc;
}

static size_t
take_raw(struct queue_answer *a, const char *p, size_t n)
{
	n = n < a->raw ? n : (size_t)a->raw;
	a->raw -= n;
	return fwrite(p, 1, n, stdout);
}

int
queue_answer_feed(struct queue_answer *a, const char *p, size_t n)
{
	const char *end;
	size_t k;
	int rc = 0;

	for (; n > 0 && rc == 0; p += k, n -= k) {
		if (a->raw > 0) {
			k = take_raw(a, p, n);
			rc = k == 0 ? SL_ERR_IO : 0;
			continue;
		}
		end = memchr(p, '\n', n);
		k = end != NULL ? (size_t)(end - p) + 1 : n;
		if (a->line.n + k > MAX_LINE || sl_buf_put(&a->line, p, k - (end != NULL)) != 0)
			return SL_ERR_LIMIT;
		if (end != NULL)
			rc = take_line(a);
	}
	return rc;
}

/* ---- life ----------------------------------------------------------------------------------- */

void
queue_answer_open(struct queue_answer *a, bool quarantine, const char *verb)
{
	a->quarantine = quarantine;
	a->show = strcmp(verb, "show") == 0;
	a->remove = strcmp(verb, "remove") == 0;
	a->color = sl_terminal_colors(STDOUT_FILENO) && !a->json;
}

void
queue_answer_clear(struct queue_answer *a)
{
	sl_buf_clear(&a->line);
}

void
queue_answer_begin(struct queue_answer *a)
{
	sl_buf_reset(&a->line);
	a->raw = 0;
	a->sized = a->ended = a->broken = false;
}

int
queue_answer_conclude(struct queue_answer *a, const char *id, int failed)
{
	if (fflush(stdout) != 0)
		failed = 1;
	if (id != NULL && !a->found && !a->refused && !failed)
		fprintf(stderr, "sluice: there is no message %s in the %s\n", id,
		    a->quarantine ? "quarantine" : "queue");
	if (a->busy > 0)
		fprintf(stderr, "sluice: %llu left alone: being delivered\n",
		    (unsigned long long)a->busy);
	if (id != NULL)
		return a->found ? 0 : 1;
	return failed || a->refused || (a->remove && a->busy > 0) ? 1 : 0;
}
