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

static void
take_apart(const struct sl_tape_entry *e)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_dns_answer *a;

	a = sl_dns_answer_get(e->value);
	if (a != NULL)
		sl_dns_answer_put(&out, a);
	sl_dns_answer_unref(a);
	sl_plain_from_parts(e->value, &out);
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
		if (e->sign == SL_TAPE_ANSWER &&
		    !sl_tape_find(played, e->kind, e->key, SL_TAPE_ONCE, &value))
			abort();	/* each is found, in some order */
		sl_tape_time(played);
		sl_tape_miss(played, e->kind, e->key);
		sl_tape_missing(played);
	}
	sl_tape_unref(played);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str bytes = { (const char *)data, size };
	struct sl_buf out = SL_BUF_INIT;
	struct sl_mask *mask;
	struct sl_tape *tape;
	struct sl_err err;

	if (sl_tape_read(&tape, bytes, &err) == 0) {
		play(tape);
		if (sl_tape_write(tape, &out) != 0 || !sl_str_eq(sl_buf_str(&out), bytes))
			abort();
		sl_tape_unref(tape);
	}
	sl_buf_reset(&out);
	if (size > 8 && (mask = sl_mask_new((struct sl_str){ bytes.p, 8 })) != NULL) {
		sl_mask_put(mask, sl_str_sub(bytes, 8, size), "-", &out);
		if (sl_mask_finds(mask, sl_buf_str(&out)) && memchr(data, '-', size) == NULL)
			abort();
		sl_mask_free(mask);
	}
	sl_buf_clear(&out);
	return 0;
}
