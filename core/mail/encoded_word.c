/*
 * Encoded words, RFC 2047 (with the language tag of RFC 2231 5). Neighbours
 * of one charset are decoded together: many senders cut multi-byte characters
 * between them. What can't be decoded stays as it stands.
 */
#include "field.h"

#define MAX_CHARSET	40

struct word {
	struct sl_str charset;
	bool base64;
	struct sl_str text;
	size_t n;		/* of the whole word */
};

/* Words not yet written: their bytes decoded from B and Q, and their source. */
struct run {
	struct sl_str charset;
	struct sl_buf bytes;
	size_t start, end;	/* in the text; start == end: nothing */
	bool broken;		/* not valid B or Q */
};

struct decoder {
	struct sl_buf *out;
	struct sl_str text;
	struct run run;
	size_t written;		/* of the text */
	bool after_word;	/* what was written last is a decoded word */
};

static bool
is_charset_char(char c)
{
	return sl_isalnum(c) || c == '-' || c == '_' || c == '.' || c == ':' || c == '+' ||
	    c == '*';
}

/* The word at s, which begins with "=". */
static bool
parse_word(struct sl_str s, struct word *w)
{
	size_t i = 2;
	ssize_t end, star;

	if (s.n < 2 || s.p[1] != '?')
		return false;
	while (i < s.n && i < 2 + MAX_CHARSET && is_charset_char(s.p[i]))
		i++;
	if (i == 2 || i + 3 > s.n || s.p[i] != '?' || s.p[i + 2] != '?')
		return false;
	w->charset = sl_str_sub(s, 2, i);
	star = sl_str_chr(w->charset, '*');
	if (star >= 0)
		w->charset.n = (size_t)star;
	w->base64 = sl_lower(s.p[i + 1]) == 'b';
	if (!w->base64 && sl_lower(s.p[i + 1]) != 'q')
		return false;
	w->text = sl_str_sub(s, i + 3, s.n);
	end = sl_str_chr(w->text, '?');
	if (end < 0 || (size_t)end + 1 >= w->text.n || w->text.p[end + 1] != '=')
		return false;
	w->text.n = (size_t)end;
	w->n = i + 3 + (size_t)end + 2;
	return true;
}

static bool
decode_q(struct sl_buf *out, struct sl_str s)
{
	int hi, lo;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] != '=') {
			sl_buf_putc(out, s.p[i] == '_' ? ' ' : s.p[i]);
			continue;
		}
		if (s.n - i < 3)
			return false;
		hi = sl_hex_value(s.p[i + 1]);
		lo = sl_hex_value(s.p[i + 2]);
		if (hi < 0 || lo < 0)
			return false;
		sl_buf_putc(out, (char)(hi << 4 | lo));
		i += 2;
	}
	return true;
}

/* Padding is often wrong; the digits decide. */
static bool
decode_b(struct sl_buf *out, struct sl_str s)
{
	struct sl_buf digits = SL_BUF_INIT;
	bool ok;

	for (size_t i = 0; i < s.n; i++) {
		if (!sl_isspace(s.p[i]) && s.p[i] != '=')
			sl_buf_putc(&digits, s.p[i]);
	}
	while (!digits.failed && digits.n % 4 != 0)
		sl_buf_putc(&digits, '=');
	if (digits.failed)
		out->failed = true;
	ok = !digits.failed && sl_base64_decode(out, sl_buf_str(&digits), false) == 0;
	sl_buf_clear(&digits);
	return ok;
}

/* Text as it stands, up to 'to'. Blanks between two decoded words vanish (6.2). */
static void
copy_text(struct decoder *d, size_t to, bool before_word)
{
	struct sl_str s = sl_str_sub(d->text, d->written, to);

	if (!(d->after_word && before_word && sl_str_trim(s).n == 0))
		sl_buf_putstr(d->out, s);
	if (to > d->written)
		d->after_word = false;
	d->written = to;
}

static void
flush_run(struct decoder *d)
{
	struct run *run = &d->run;
	struct sl_buf utf8 = SL_BUF_INIT;
	bool ok;

	if (run->start == run->end)
		return;
	ok = !run->broken && !run->bytes.failed &&
	    sl_charset_to_utf8(&utf8, run->charset, sl_buf_str(&run->bytes)) == 0;
	if (ok) {
		copy_text(d, run->start, true);
		sl_buf_putstr(d->out, sl_buf_str(&utf8));
		d->written = run->end;
		d->after_word = true;
	} else {
		copy_text(d, run->end, false);
	}
	if (run->bytes.failed || utf8.failed)
		d->out->failed = true;
	sl_buf_clear(&utf8);
	sl_buf_reset(&run->bytes);
	run->start = run->end = 0;
	run->broken = false;
}

static void
add_word(struct decoder *d, size_t at, const struct word *w)
{
	struct run *run = &d->run;
	bool joins = run->start != run->end && sl_str_ieq(run->charset, w->charset) &&
	    sl_str_trim(sl_str_sub(d->text, run->end, at)).n == 0;
	size_t before;

	if (!joins || run->broken) {
		flush_run(d);
		run->start = at;
		run->charset = w->charset;
	}
	before = run->bytes.n;
	if (!(w->base64 ? decode_b : decode_q)(&run->bytes, w->text)) {
		/* A broken word takes no good ones with it. */
		run->bytes.n = before;
		flush_run(d);
		run->start = at;
		run->charset = w->charset;
		run->broken = true;
	}
	run->end = at + w->n;
}

int
sl_encoded_words_decode(struct sl_buf *out, struct sl_str text)
{
	struct decoder d = { .out = out, .text = text };
	struct word w;
	ssize_t next;
	size_t i = 0;

	while ((next = sl_str_chr(sl_str_sub(text, i, text.n), '=')) >= 0) {
		i += (size_t)next;
		if (parse_word(sl_str_sub(text, i, text.n), &w)) {
			add_word(&d, i, &w);
			i += w.n;
		} else {
			i++;
		}
	}
	flush_run(&d);
	copy_text(&d, text.n, false);
	sl_buf_clear(&d.run.bytes);
	return out->failed ? SL_ERR_NOMEM : 0;
}
