/*
 * Captures from anywhere: what is read is written the same, and played without surprise; answers of
 * DNS and cached values on it are taken apart as a replay does.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/dns/tap.h"
#include "../../core/engine/plain.h"
#include "../../core/tape/mask.h"
#include "../../core/tape/tape.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Values that can be read are written so that they are read the same. */
static void
plain(struct sl_str parts)
{
	struct sl_buf bytes = SL_BUF_INIT, again = SL_BUF_INIT, same = SL_BUF_INIT;

	if (sl_plain_from_parts(parts, &bytes) &&
	    (!sl_plain_to_parts(sl_buf_str(&bytes), &again) ||
	    !sl_plain_from_parts(sl_buf_str(&again), &same) ||
	    !sl_str_eq(sl_buf_str(&bytes), sl_buf_str(&same))))
		abort();
	sl_buf_clear(&bytes);
	sl_buf_clear(&again);
	sl_buf_clear(&same);
}

static void
take_apart(const struct sl_tape_entry *e)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_dns_answer *a;

	a = sl_dns_answer_get(e->value);
	if (a != NULL)
		sl_dns_answer_put(&out, a);
	sl_dns_answer_unref(a);
	plain(e->value);
	sl_plain_to_parts(e->value, &out);
	sl_tape_get_number(e->value, "status");
	sl_buf_clear(&out);
}

static void
play(struct sl_tape *tape)
{
	struct sl_tape *played = sl_tape_play(tape, false);
	const struct sl_tape_entry *e;
	struct sl_str value;
	size_t i;

	for (i = 0; played != NULL && i < sl_tape_count(tape); i++) {
		e = sl_tape_at(tape, i);
		if (e->sign == SL_TAPE_INPUT)
			sl_tape_seek(played, e->step);
		take_apart(e);
		if (e->sign == SL_TAPE_ANSWER && strcmp(e->kind, "time") != 0 &&
		    !sl_tape_find(played, e->kind, e->key, SL_TAPE_ONCE, &value))
			abort();	/* each is found, in some order */
		sl_tape_time(played);
		sl_tape_miss(played, e->kind, e->key);
		sl_tape_missing(played);
	}
	sl_tape_unref(played);
}

/* What it says is read again, written the same, and played. */
static bool
read_back(struct sl_str bytes)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_tape *tape;
	struct sl_err err;

	if (sl_tape_read(&tape, bytes, &err) != 0)
		return false;
	play(tape);
	if (sl_tape_write(tape, &out) != 0 || !sl_str_eq(sl_buf_str(&out), bytes))
		abort();
	sl_tape_unref(tape);
	sl_buf_clear(&out);
	return true;
}

static struct sl_str
cut(struct sl_str *rest)
{
	size_t n = rest->n > 0 ? (unsigned char)rest->p[0] % 40 : 0;
	struct sl_str part = sl_str_sub(*rest, 1, 1 + n);

	*rest = sl_str_sub(*rest, 1 + n, rest->n);
	return part;
}

/* A tape that the bytes choose. */
static void
make(struct sl_str rest, struct sl_buf *out)
{
	static const char *const kinds[] = { "time", "dns", "state", "cache", "http", "random" };
	struct sl_tape *tape = sl_tape_new(0);
	struct sl_str key, value;
	unsigned char what;

	while (rest.n > 2) {
		what = (unsigned char)rest.p[0];
		rest = sl_str_sub(rest, 1, rest.n);
		key = cut(&rest);
		value = cut(&rest);
		switch (what % 4) {
		case 0: sl_tape_input(tape, "mail", what, key, value); break;
		case 1: sl_tape_output(tape, "verdict", key, value); break;
		case 2: sl_tape_fact(tape, "fact", value); break;
		default: sl_tape_note(tape, kinds[what / 4 % 6], key, value);
		}
	}
	if (sl_tape_write(tape, out) != 0)
		abort();
	sl_tape_unref(tape);
}

static void
mask(struct sl_str bytes)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_mask *m = bytes.n > 8 ? sl_mask_new(sl_str_sub(bytes, 0, 8)) : NULL;

	if (m == NULL)
		return;
	sl_mask_put(m, sl_str_sub(bytes, 8, bytes.n), "\1", &out);
	if (sl_str_chr(bytes, '\1') < 0 && sl_mask_finds(m, sl_buf_str(&out)))
		abort();
	sl_mask_free(m);
	sl_buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str bytes = { (const char *)data, size };
	struct sl_buf file = SL_BUF_INIT;
	size_t at;

	read_back(bytes);
	mask(bytes);
	make(bytes, &file);
	if (!read_back(sl_buf_str(&file)))
		abort();
	if (size > 3) {		/* a byte of it changed, and cut off somewhere */
		at = ((size_t)data[0] << 8 | data[1]) % file.n;
		file.p[at] = (char)data[2];
		read_back(sl_buf_str(&file));
		read_back((struct sl_str){ file.p, at });
	}
	sl_buf_clear(&file);
	return 0;
}
