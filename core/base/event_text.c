/*
 * Events as lines: for people, and as JSON. The one place where bytes that
 * may come from the network are made harmless for terminals, log readers and
 * JSON parsers: control bytes, C1 controls, direction marks, line separators
 * and invalid UTF-8 are written as escapes.
 */
#include "event.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* One code point at p; its length, or 0 when it isn't well-formed UTF-8. */
static size_t
code_point(struct sl_str s, size_t at, uint32_t *out)
{
	unsigned char c = (unsigned char)s.p[at];
	size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
	uint32_t v = len == 1 ? c : c & (0xffu >> (len + 1));

	if (at + len > s.n || !sl_utf8_valid(sl_str_sub(s, at, at + len)))
		return 0;
	for (size_t i = 1; i < len; i++)
		v = v << 6 | ((unsigned char)s.p[at + i] & 0x3f);
	*out = v;
	return len;
}

static bool
is_harmful(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) ||
	    (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* A control or format character in the style of the line. */
static void
put_escape(struct sl_buf *out, uint32_t c, bool json)
{
	if (c == '\n')
		sl_buf_puts(out, "\\n");
	else if (c == '\r')
		sl_buf_puts(out, "\\r");
	else if (c == '\t')
		sl_buf_puts(out, "\\t");
	else if (json || c >= 0x80)
		sl_buf_printf(out, "\\u%04x", c);
	else
		sl_buf_printf(out, "\\x%02x", c);
}

/* For both forms. A byte that isn't UTF-8 is shown as the four letters \xNN. */
static void
put_escaped(struct sl_buf *out, struct sl_str s, bool json, bool quoted)
{
	size_t i, len, plain = 0;
	uint32_t c = 0;

	for (i = 0; i < s.n; i += len) {
		len = code_point(s, i, &c);
		if (len > 0 && !is_harmful(c) && (c != '"' || !quoted) && c != '\\')
			continue;
		sl_buf_put(out, s.p + plain, i - plain);
		if (len == 0) {
			sl_buf_printf(out, json ? "\\\\x%02x" : "\\x%02x", (unsigned char)s.p[i]);
			len = 1;
		} else if (c == '"' || c == '\\') {
			sl_buf_putc(out, '\\');
			sl_buf_putc(out, (char)c);
		} else {
			put_escape(out, c, json);
		}
		plain = i + len;
	}
	sl_buf_put(out, s.n > 0 ? s.p + plain : "", s.n - plain);
}

static void
put_quoted(struct sl_buf *out, struct sl_str s, bool json)
{
	sl_buf_putc(out, '"');
	put_escaped(out, s, json, true);
	sl_buf_putc(out, '"');
}

int
sl_event_put_harmless(struct sl_buf *out, struct sl_str s)
{
	put_escaped(out, s, false, false);
	return out->failed ? SL_ERR_NOMEM : 0;
}

/* People's lines leave out the quotes where nothing can be misread. */
static bool
needs_quotes(struct sl_str s)
{
	if (s.n == 0)
		return true;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
			return true;
	}
	return false;
}

void
sl_event_put_json(struct sl_buf *out, struct sl_str text)
{
	put_quoted(out, text, true);
}

/* Names come from our code, but a script may give some: keep to one alphabet. */
static void
put_name(struct sl_buf *out, const char *name)
{
	for (; *name != '\0'; name++) {
		bool fine = sl_isalnum(*name) || *name == '_' || *name == '-' || *name == '.';

		sl_buf_putc(out, fine ? *name : '_');
	}
}

static void
put_number(struct sl_buf *out, const struct sl_event_field *f, bool json)
{
	if (f->kind == SL_FIELD_INT)
		sl_buf_printf(out, "%lld", (long long)f->num);
	else if (f->kind == SL_FIELD_BOOL)
		sl_buf_puts(out, f->num ? "true" : "false");
	else if (json && !isfinite(f->real))
		sl_buf_puts(out, "null");
	else
		sl_buf_printf(out, "%.12g", f->real);
}

static void
put_text_value(struct sl_buf *out, const struct sl_event_field *f)
{
	if (f->kind != SL_FIELD_STR)
		put_number(out, f, false);
	else if (needs_quotes(f->str))
		put_quoted(out, f->str, false);
	else
		sl_buf_putstr(out, f->str);
}

static const char *
level_color(enum sl_level level)
{
	switch (level) {
	case SL_TRACE:
	case SL_DEBUG:
		return "\033[2m";
	case SL_INFO:
		return "\033[32m";
	case SL_NOTICE:
		return "\033[36m";
	case SL_WARNING:
		return "\033[33m";
	default:
		return "\033[31m";
	}
}

/* The broken-down time, with the remainder of the second. */
static int
split_time(int64_t time_us, bool local, struct tm *tm)
{
	int64_t us = time_us % 1000000;
	time_t t;

	if (us < 0)
		us += 1000000;
	t = (time_t)((time_us - us) / 1000000);
	memset(tm, 0, sizeof(*tm));
	if (local)
		localtime_r(&t, tm);
	else
		gmtime_r(&t, tm);
	return (int)us;
}

int
sl_event_format_text(struct sl_buf *out, const struct sl_event *event, bool color)
{
	const char *word = event->level == SL_WARNING ? "warn"
	    : event->level == SL_CRITICAL ? "crit" : sl_level_word(event->level);
	const struct sl_event_field *f;
	struct tm tm;
	int us = split_time(event->time_us, true, &tm);

	sl_buf_printf(out, "%s%02d:%02d:%02d.%03d%s %s%-6s%s ", color ? "\033[2m" : "", tm.tm_hour,
	    tm.tm_min, tm.tm_sec, us / 1000, color ? "\033[0m" : "",
	    color ? level_color(event->level) : "", word, color ? "\033[0m" : "");
	if (color)
		sl_buf_puts(out, "\033[1m");
	put_name(out, event->name);
	if (color)
		sl_buf_puts(out, "\033[0m");
	for (f = event->fields; f->kind != SL_FIELD_END; f++) {
		sl_buf_puts(out, color ? " \033[2m" : " ");
		put_name(out, f->name);
		sl_buf_puts(out, color ? "=\033[0m" : "=");
		put_text_value(out, f);
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}

int
sl_event_format_json(struct sl_buf *out, const struct sl_event *event)
{
	const struct sl_event_field *f;
	struct tm tm;
	int us = split_time(event->time_us, false, &tm);

	sl_buf_printf(out, "{\"time\":\"%04d-%02d-%02dT%02d:%02d:%02d.%06dZ\",\"level\":\"%s\","
	    "\"event\":\"", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
	    tm.tm_sec, us, sl_level_word(event->level));
	put_name(out, event->name);
	sl_buf_putc(out, '"');
	for (f = event->fields; f->kind != SL_FIELD_END; f++) {
		sl_buf_puts(out, ",\"");
		put_name(out, f->name);
		sl_buf_puts(out, "\":");
		if (f->kind == SL_FIELD_STR)
			sl_event_put_json(out, f->str);
		else
			put_number(out, f, true);
	}
	sl_buf_putc(out, '}');
	return out->failed ? SL_ERR_NOMEM : 0;
}
