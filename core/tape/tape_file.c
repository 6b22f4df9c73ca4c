/*
 * Tapes as files: a line that names the format, an entry after the other, a line with
 * their number, so that what was cut off shows. See doc/capture.md.
 *
 *	sluice capture 1\n
 *	SIGN KIND STEP TIME KEYBYTES VALUEBYTES\n key \n value \n
 *	end NUMBER\n
 */
#include <limits.h>
#include <string.h>

#include "../base/alloc.h"
#include "tape.h"

#define FIRST		"sluice capture 1\n"
#define MAX_LINE	128
#define MAX_BYTES	(2 * SL_TAPE_MAX)	/* of a tape that was read */

/* ---- writing ---------------------------------------------------------------------------- */

int
sl_tape_write(const struct sl_tape *tape, struct sl_buf *out)
{
	const struct sl_tape_entry *e;
	size_t i, n = sl_tape_count(tape);

	sl_buf_puts(out, FIRST);
	for (i = 0; i < n; i++) {
		e = sl_tape_at(tape, i);
		sl_buf_printf(out, "%c %s %u %lld %zu %zu\n", (char)e->sign, e->kind, e->step,
		    (long long)e->time_us, e->key.n, e->value.n);
		sl_buf_putstr(out, e->key);
		sl_buf_putc(out, '\n');
		sl_buf_putstr(out, e->value);
		sl_buf_putc(out, '\n');
	}
	sl_buf_printf(out, "end %zu\n", n);
	return out->failed ? SL_ERR_NOMEM : 0;
}

/* ---- reading ---------------------------------------------------------------------------- */

struct reader {
	struct sl_str all, rest;
	struct sl_tape *tape;
	unsigned step;
	struct sl_err *err;
};

static int
broken(struct reader *r, const char *what)
{
	return sl_err_set(r->err, SL_ERR_SYNTAX, "byte %zu: %s", r->all.n - r->rest.n, what);
}

static bool
take_line(struct reader *r, struct sl_str *line)
{
	ssize_t end = sl_str_chr(sl_str_sub(r->rest, 0, MAX_LINE), '\n');

	if (end < 0)
		return false;
	*line = sl_str_sub(r->rest, 0, (size_t)end);
	r->rest = sl_str_sub(r->rest, (size_t)end + 1, r->rest.n);
	return true;
}

/* As it is written: one way for each number. */
static bool
plain_number(struct sl_str word, uint64_t *out)
{
	return (word.n == 1 || word.p == NULL || word.p[0] != '0') && sl_str_u64(word, out);
}

static bool
take_number(struct sl_str *line, uint64_t max, uint64_t *out)
{
	struct sl_str word;

	return sl_str_split(line, ' ', &word) && plain_number(word, out) && *out <= max;
}

static bool
take_bytes(struct reader *r, uint64_t n, struct sl_str *out)
{
	if (n >= r->rest.n || r->rest.p[n] != '\n')
		return false;
	*out = sl_str_sub(r->rest, 0, n);
	r->rest = sl_str_sub(r->rest, n + 1, r->rest.n);
	return true;
}

static bool
take_kind(struct sl_str *line, char kind[SL_TAPE_KIND])
{
	struct sl_str word;
	size_t i;

	if (!sl_str_split(line, ' ', &word) || word.n == 0 || word.n >= SL_TAPE_KIND)
		return false;
	for (i = 0; i < word.n; i++)
		if (word.p[i] < 'a' || word.p[i] > 'z')
			return false;
	memcpy(kind, word.p, word.n);
	kind[word.n] = '\0';
	return true;
}

/* Steps come in order, each begun by its input. */
static int
add(struct reader *r, char sign, const char *kind, unsigned step, int64_t time, struct sl_str key,
    struct sl_str value)
{
	if (sign == SL_TAPE_INPUT ? step != r->step + 1 : step != r->step)
		return broken(r, "a step out of its order");
	if (sign != SL_TAPE_INPUT && time != 0)
		return broken(r, "a time where none belongs");
	if (sign == SL_TAPE_INPUT)
		sl_tape_input(r->tape, kind, time, key, value);
	else if (sign == SL_TAPE_ANSWER)
		sl_tape_note(r->tape, kind, key, value);
	else if (sign == SL_TAPE_OUTPUT)
		sl_tape_output(r->tape, kind, key, value);
	else if (sign == SL_TAPE_FACT && key.n == 0)
		sl_tape_fact(r->tape, kind, value);
	else
		return broken(r, "no sign that this version knows");
	r->step = step;
	return sl_tape_full(r->tape) ? sl_err_set(r->err, SL_ERR_LIMIT,
	    "more than %u MB or %d entries", MAX_BYTES >> 20, SL_TAPE_ENTRIES) : 0;
}

static int
take_entry(struct reader *r, struct sl_str line)
{
	char kind[SL_TAPE_KIND], sign = line.n > 0 ? line.p[0] : '\0';
	uint64_t step, time, nkey, nvalue;
	struct sl_str word, key, value;

	if (!sl_str_split(&line, ' ', &word) || word.n != 1 || !take_kind(&line, kind) ||
	    !take_number(&line, UINT_MAX, &step) || !take_number(&line, INT64_MAX, &time) ||
	    !take_number(&line, SL_TAPE_MAX, &nkey) || !take_number(&line, SL_TAPE_MAX, &nvalue) ||
	    line.n > 0)
		return broken(r, "no entry");
	if (!take_bytes(r, nkey, &key) || !take_bytes(r, nvalue, &value))
		return broken(r, "it ends in the middle of an entry");
	return add(r, sign, kind, (unsigned)step, (int64_t)time, key, value);
}

static int
read_all(struct reader *r)
{
	struct sl_str line;
	uint64_t n;
	int rc;

	if (!sl_str_starts(r->rest, SL_STR(FIRST)))
		return broken(r, sl_str_starts(r->rest, SL_STR("sluice capture ")) ?
		    "a capture of a version that isn't known here" : "no capture of sluice");
	r->rest = sl_str_sub(r->rest, sizeof(FIRST) - 1, r->rest.n);
	while (take_line(r, &line)) {
		if (sl_str_starts(line, SL_STR("end "))) {
			if (!plain_number(sl_str_sub(line, 4, line.n), &n) || n != sl_tape_count(r->tape) ||
			    r->rest.n > 0)
				return broken(r, "its end doesn't agree with what it has");
			return 0;
		}
		if ((rc = take_entry(r, line)) != 0)
			return rc;
	}
	return broken(r, "it ends without its last line");
}

int
sl_tape_read(struct sl_tape **out, struct sl_str bytes, struct sl_err *err)
{
	struct reader r = { .all = bytes, .rest = bytes, .err = err };
	int rc;

	*out = NULL;
	if ((r.tape = sl_tape_new(MAX_BYTES)) == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if ((rc = read_all(&r)) != 0) {
		sl_tape_unref(r.tape);
		return rc;
	}
	*out = r.tape;
	return 0;
}
