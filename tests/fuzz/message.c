/*
 * A message of any bytes: index, decode each value, edit, write. The parts
 * must be the whole again.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/mail/message.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static int
to_buf(void *arg, struct sl_str piece)
{
	return sl_buf_putstr(arg, piece);
}

static void
check_parts(const struct sl_message *m)
{
	size_t at = 0;

	for (size_t i = 0; i < m->nfields; i++) {
		check(m->fields[i].raw.p == m->bytes.p + at);
		at += m->fields[i].raw.n;
	}
	check(m->bytes.n - at - m->body.n <= 2);
}

static void
edit(struct sl_message *m)
{
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_head *head = sl_head_new(m, arena), *copy = sl_head_copy(head);
	struct sl_buf out = SL_BUF_INIT;
	struct sl_err err;
	size_t before;

	for (size_t i = 0; i < m->nfields && i < 20; i++) {
		before = sl_head_count(copy);
		if (sl_head_insert(copy, i, m->fields[i].name, m->fields[i].value, i % 2 == 0, &err) == 0)
			check(sl_head_count(copy) == before + 1);
		sl_head_replace(copy, i, m->body, true, &err);
	}
	check(sl_message_write(m, copy, to_buf, &out) == 0);
	check(out.n == sl_message_size(m, copy));
	sl_buf_clear(&out);
	sl_head_free(copy);
	sl_head_free(head);
	sl_arena_free(arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = sl_malloc(size);
	struct sl_buf out = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_err err;

	if (size > 0)
		memcpy(copy, data, size);
	if (sl_message_from_memory(&m, copy, size, &err) < 0)
		return 0;
	check_parts(m);
	for (size_t i = 0; i < m->nfields; i++) {
		sl_buf_reset(&out);
		check(sl_field_decode(&out, m->fields[i].value) == 0);
	}
	edit(m);
	sl_buf_clear(&out);
	sl_message_unref(m);
	return 0;
}
