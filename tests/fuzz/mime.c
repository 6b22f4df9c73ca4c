/*
 * Parts of a message of any bytes: they lie within their parents, in order, and
 * their names lead back to them. Parameters and transfer encodings are read.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/mail/mime.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static bool
within(struct sl_str inner, struct sl_str outer)
{
	return inner.n == 0 || (inner.p >= outer.p && inner.p + inner.n <= outer.p + outer.n);
}

static void
check_place(const struct sl_mime *m, unsigned i)
{
	const struct sl_mime_part *p = &m->parts[i], *parent = &m->parts[p->parent];

	check(within(p->head, p->raw) && within(p->body, p->raw) && within(p->raw, m->message->bytes));
	check(within(p->preamble, p->body) && within(p->epilogue, p->body));
	check(p->next > i && p->next <= m->n && p->depth < SL_MIME_MAX_DEPTH);
	if (i == 0)
		return;
	check(p->parent < i && p->next <= parent->next && within(p->raw, parent->body));
	check(p->depth == parent->depth + 1 && p->number <= parent->nparts);
	if (p->number > 1)
		check(p->raw.p > m->parts[i - 1].raw.p);
}

static void
check_fields(const struct sl_mime_part *p, struct sl_buf *out)
{
	struct sl_str rest = p->head;
	struct sl_params params;
	struct sl_field f;

	while (sl_mime_field(&rest, &f)) {
		check(within(f.raw, p->head) && within(f.value, f.raw));
		sl_params_parse(&params, f.value);
		for (size_t i = 0; i < params.n; i++)
			sl_param_get(&params, params.param[i].name, i % 2 == 0, out);
		sl_buf_reset(out);
	}
	sl_mime_filename(p, out);
	sl_mime_parameter(p, SL_STR("charset"), out);
	sl_buf_reset(out);
}

static void
check_body(const struct sl_mime_part *p, struct sl_buf *out)
{
	struct sl_buf whole = SL_BUF_INIT;
	struct sl_transfer t;

	sl_transfer_start(&t, p->encoding, p->body);
	check(sl_transfer_read(&t, &whole, SIZE_MAX / 2) == 0 && whole.n <= p->body.n);
	sl_transfer_start(&t, p->encoding, p->body);
	while (sl_transfer_read(&t, out, 7) > 0)
		;
	check(sl_str_eq(sl_buf_str(&whole), sl_buf_str(out)));
	sl_buf_reset(out);
	sl_buf_reset(&whole);
	sl_transfer_qp(&whole, p->body);
	sl_transfer_start(&t, SL_ENCODING_QP, sl_buf_str(&whole));
	sl_transfer_read(&t, out, SIZE_MAX / 2);
	check(!t.broken);
	sl_buf_reset(out);
	sl_buf_clear(&whole);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = sl_malloc(size + 1);
	struct sl_buf out = SL_BUF_INIT;
	struct sl_message *message;
	struct sl_mime *m;

	memcpy(copy, data, size);
	if (sl_message_from_memory(&message, copy, size, NULL) < 0)
		return 0;
	check(sl_mime_new(&m, message) == 0 && m->n >= 1 && m->parts[0].next == m->n);
	for (unsigned i = 0; i < m->n; i++) {
		check_place(m, i);
		sl_mime_id(m, i, &out);
		check(sl_mime_find(m, sl_buf_str(&out)) == (int)i);
		sl_buf_reset(&out);
		check_fields(&m->parts[i], &out);
		check_body(&m->parts[i], &out);
	}
	sl_mime_free(m);
	sl_message_unref(message);
	sl_buf_clear(&out);
	return 0;
}
