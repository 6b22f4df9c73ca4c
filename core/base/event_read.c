/*
 * Lines of logs, read. Nothing but what event_text.c writes is understood: an
 * object of JSON without inner ones, or "level  name key=value ...".
 */
#include "event_read.h"

#include <string.h>

#include "err.h"

#define MAX_WORDS	6	/* of what a syslog daemon writes in front */

/* A place in a line. */
struct reader {
	struct sl_str rest;
	struct sl_buf *text;
	bool json;
};

static bool
take(struct reader *r, char c)
{
	if (r->rest.n == 0 || r->rest.p[0] != c)
		return false;
	r->rest = sl_str_sub(r->rest, 1, r->rest.n);
	return true;
}

static struct sl_str
take_while(struct reader *r, bool (*wanted)(char c))
{
	size_t n = 0;
	struct sl_str s;

	while (n < r->rest.n && wanted(r->rest.p[n]))
		n++;
	s = sl_str_sub(r->rest, 0, n);
	r->rest = sl_str_sub(r->rest, n, r->rest.n);
	return s;
}

static bool
is_name(char c)
{
	return sl_isalnum(c) || c == '_' || c == '-' || c == '.';
}

static bool
is_bare(char c)		/* of a value without quotes in the form for people */
{
	unsigned char u = (unsigned char)c;

	return u > ' ' && u < 0x7f && c != '"' && c != '\\' && c != '=';
}

static bool
is_number(char c)
{
	return sl_isalnum(c) || c == '-' || c == '+' || c == '.';
}

/* ---- quoted texts ------------------------------------------------------------------------ */

static void
put_code_point(struct sl_buf *b, unsigned c)
{
	if (c < 0x80) {
		sl_buf_putc(b, (char)c);
	} else if (c < 0x800) {
		sl_buf_putc(b, (char)(0xc0 | c >> 6));
		sl_buf_putc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		sl_buf_putc(b, (char)(0xe0 | c >> 12));
		sl_buf_putc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		sl_buf_putc(b, (char)(0x80 | (c & 0x3f)));
	}
}

/* So many hex digits; -1 if they aren't there. */
static int
take_hex(struct reader *r, size_t digits)
{
	int value = 0, d;

	if (r->rest.n < digits)
		return -1;
	for (size_t i = 0; i < digits; i++) {
		if ((d = sl_hex_value(r->rest.p[i])) < 0)
			return -1;
		value = value << 4 | d;
	}
	r->rest = sl_str_sub(r->rest, digits, r->rest.n);
	return value;
}

static bool
unescape_hex(struct reader *r, char kind)
{
	int value = take_hex(r, kind == 'u' ? 4 : 2);

	/* Surrogates aren't written: the characters beyond are harmless as they are. */
	if (value < 0 || (value >= 0xd800 && value < 0xe000))
		return false;
	/* A byte that was no UTF-8 has no character: JSON's form keeps its four letters. */
	if (kind == 'x' && value >= 0x80)
		sl_buf_printf(r->text, "\\x%02x", (unsigned)value);
	else
		put_code_point(r->text, (unsigned)value);
	return true;
}

/* Behind a backslash. */
static bool
unescape(struct reader *r)
{
	static const char from[] = "nrtbf\"\\/", to[] = "\n\r\t\b\f\"\\/";
	const char *at;
	char c;

	if (r->rest.n == 0)
		return false;
	c = r->rest.p[0];
	r->rest = sl_str_sub(r->rest, 1, r->rest.n);
	if (c == 'u' || (c == 'x' && !r->json))
		return unescape_hex(r, c);
	at = c != '\0' ? strchr(from, c) : NULL;
	if (at == NULL)
		return false;
	sl_buf_putc(r->text, to[at - from]);
	return true;
}

/* The text has room for a whole line, so views into it stay. */
static bool
take_text(struct reader *r, struct sl_str *out)
{
	size_t start = r->text->n;
	char c;

	if (!take(r, '"'))
		return false;
	while (r->rest.n > 0 && (c = r->rest.p[0]) != '"') {
		if ((unsigned char)c < 0x20)
			return false;
		r->rest = sl_str_sub(r->rest, 1, r->rest.n);
		if (c != '\\')
			sl_buf_putc(r->text, c);
		else if (!unescape(r))
			return false;
	}
	*out = sl_str_sub(sl_buf_str(r->text), start, r->text->n);
	return take(r, '"');
}

/* ---- fields ------------------------------------------------------------------------------ */

static bool
take_value(struct reader *r, struct sl_record_field *f)
{
	f->quoted = r->rest.n > 0 && r->rest.p[0] == '"';
	if (f->quoted)
		return take_text(r, &f->value);
	f->value = take_while(r, r->json ? is_number : is_bare);
	return f->value.n > 0;
}

static void
keep(struct sl_event_record *e, const struct sl_record_field *f)
{
	if (e->nfields < SL_RECORD_FIELDS)
		e->fields[e->nfields++] = *f;
}

/* The first three have places of their own. */
static void
keep_json(struct sl_event_record *e, const struct sl_record_field *f)
{
	if (f->quoted && e->time.n == 0 && sl_str_eq(f->name, SL_STR("time")))
		e->time = f->value;
	else if (f->quoted && e->level.n == 0 && sl_str_eq(f->name, SL_STR("level")))
		e->level = f->value;
	else if (f->quoted && e->name.n == 0 && sl_str_eq(f->name, SL_STR("event")))
		e->name = f->value;
	else
		keep(e, f);
}

static bool
read_json(struct sl_event_record *e, struct reader *r)
{
	struct sl_record_field f;

	if (!take(r, '{'))
		return false;
	do {
		if (!take_text(r, &f.name) || !take(r, ':') || !take_value(r, &f))
			return false;
		keep_json(e, &f);
	} while (take(r, ','));
	return take(r, '}') && r->rest.n == 0 && e->name.n > 0 && e->time.n > 0 && e->level.n > 0;
}

static bool
is_level(struct sl_str word)
{
	static const char *const words[] = { "debug", "info", "notice", "warn", "error", "crit" };

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (sl_str_eq(word, sl_str_of(words[i])))
			return true;
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ';
}

static bool
is_not_blank(char c)
{
	return c != ' ';
}

static bool
is_clock(struct sl_str word)
{
	static const char form[] = "00:00:00.000";

	if (word.n != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < word.n; i++)
		if (form[i] == '0' ? !sl_isdigit(word.p[i]) : word.p[i] != form[i])
			return false;
	return true;
}

static struct sl_str
take_word(struct reader *r)
{
	struct sl_str word = take_while(r, is_not_blank);

	take_while(r, is_blank);
	return word;
}

/*
 * Over what a syslog daemon puts in front, up to "sluice[PID]:". The first word
 * of that form counts: what other programs log may hold anything behind theirs.
 */
static void
skip_tag(struct reader *r)
{
	struct reader at = *r;

	for (int i = 0; i < MAX_WORDS && at.rest.n > 0; i++) {
		struct sl_str word = take_word(&at);

		if (!sl_str_ends(word, SL_STR("]:")))
			continue;
		if (sl_str_starts(word, SL_STR("sluice[")))
			*r = at;
		return;
	}
}

/* What stands in front of the level is the time: ours, or the syslog's. */
static bool
find_level(struct sl_event_record *e, struct reader *r)
{
	const char *start = r->rest.p;
	struct reader clock;

	skip_tag(r);
	clock = *r;
	if (is_clock(take_word(&clock)))
		*r = clock;
	else if (r->rest.p == start)
		return false;
	e->time = sl_str_trim((struct sl_str){ start, (size_t)(r->rest.p - start) });
	e->level = take_word(r);
	return is_level(e->level);
}

static bool
read_text(struct sl_event_record *e, struct reader *r)
{
	struct sl_record_field f;

	if (!find_level(e, r))
		return false;
	e->name = take_while(r, is_name);
	while (r->rest.n > 0) {
		if (!take(r, ' '))
			return false;
		f.name = take_while(r, is_name);
		if (f.name.n == 0 || !take(r, '=') || !take_value(r, &f))
			return false;
		keep(e, &f);
	}
	return e->name.n > 0;
}

int
sl_event_read(struct sl_event_record *e, struct sl_str line)
{
	struct reader r = { sl_str_trim(line), &e->text, false };

	e->time = e->level = e->name = (struct sl_str){ "", 0 };
	e->nfields = 0;
	sl_buf_reset(&e->text);
	if (!sl_utf8_valid(line))
		return SL_ERR_SYNTAX;
	/* Nothing grows by being decoded. */
	if (sl_buf_reserve(&e->text, line.n + 16) != 0)
		return SL_ERR_NOMEM;
	r.json = r.rest.n > 0 && r.rest.p[0] == '{';
	if (!(r.json ? read_json(e, &r) : read_text(e, &r)))
		return SL_ERR_SYNTAX;
	return e->text.failed ? SL_ERR_NOMEM : 0;
}

void
sl_event_record_clear(struct sl_event_record *r)
{
	sl_buf_clear(&r->text);
	memset(r, 0, sizeof(*r));
}

struct sl_str
sl_record_get(const struct sl_event_record *r, const char *name)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (sl_str_eq(r->fields[i].name, sl_str_of(name)))
			return r->fields[i].value;
	return (struct sl_str){ "", 0 };
}
