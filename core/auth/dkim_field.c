/* Writing a signature field: which names it signs, and folded lines. See dkim_private.h. */
#include "dkim_private.h"

#include <string.h>

#define WIDTH	76	/* of a folded line */

/* ---- the list of names -------------------------------------------------- */

size_t
sl_dkim_names_count(const struct sl_dkim_names *w, struct sl_str name)
{
	size_t total = w->head != NULL ? sl_head_count(w->head) : w->m->nfields, n = 0;

	for (size_t i = 0; i < total; i++) {
		const struct sl_field *f = w->head != NULL ? sl_head_at(w->head, i) : &w->m->fields[i];

		n += sl_str_ieq(f->name, name);
	}
	return n;
}

static bool
in_list(const struct sl_str_list *list, struct sl_str name)
{
	for (size_t i = 0; i < list->n; i++)
		if (sl_str_ieq(list->name[i], name))
			return true;
	return false;
}

static bool
may_come_later(const struct sl_dkim_names *w, struct sl_str name)
{
	return w->options->completed_later && sl_dkim_names_count(w, name) == 0 &&
	    (sl_str_ieq(name, SL_STR("Date")) || sl_str_ieq(name, SL_STR("Message-ID")));
}

static bool
is_oversigned(const struct sl_dkim_names *w, struct sl_str name)
{
	const struct sl_str_list *list = w->options->oversign;

	if (list == NULL && may_come_later(w, name))
		return false;
	return in_list(list != NULL ? list : &sl_dkim_default_oversign, name) ||
	    (w->from && sl_str_ieq(name, SL_STR("From")));
}

/* Names are as we wrote them: no blanks to look for. */
static bool
is_there(const struct sl_buf *names, struct sl_str name)
{
	const char *p = names->p, *end = names->n > 0 ? p + names->n : p, *colon;

	for (; p < end; p = colon + 1) {
		colon = memchr(p, ':', (size_t)(end - p));
		if (colon == NULL)
			colon = end;
		if ((size_t)(colon - p) == name.n && sl_str_ieq((struct sl_str){ p, name.n }, name))
			return true;
	}
	return false;
}

static int
add_name(struct sl_dkim_names *w, struct sl_str name)
{
	size_t times = sl_dkim_names_count(w, name) + is_oversigned(w, name);

	if (times == 0 || is_there(&w->out, name))
		return 0;
	w->n += times;
	if (w->n > SL_DKIM_MAX_H)
		return SL_ERR_LIMIT;
	while (times-- > 0) {
		if (w->out.n > 0)
			sl_buf_putc(&w->out, ':');
		sl_buf_putstr(&w->out, name);
	}
	return w->out.failed ? SL_ERR_NOMEM : 0;
}

int
sl_dkim_names_add(struct sl_dkim_names *w, struct sl_str name, struct sl_err *err)
{
	int r = add_name(w, name);

	if (r == SL_ERR_LIMIT)
		sl_err_set(err, r, "more than %d header fields to sign", SL_DKIM_MAX_H);
	return r;
}

static int
add_list(struct sl_dkim_names *w, const struct sl_str_list *list, struct sl_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && list != NULL && i < list->n; i++)
		r = sl_dkim_names_add(w, list->name[i], err);
	return r;
}

int
sl_dkim_names_make(struct sl_dkim_names *w, struct sl_err *err)
{
	const struct sl_dkim_options *o = w->options;
	int r = w->from ? sl_dkim_names_add(w, SL_STR("From"), err) : 0;

	if (r == 0)
		r = add_list(w, o->headers != NULL ? o->headers : &sl_dkim_default_headers, err);
	if (r == 0)
		r = add_list(w, o->additional, err);
	if (r == 0)
		r = add_list(w, o->oversign, err);
	return r;
}

/* ---- lines ---------------------------------------------------------------- */

static size_t
indent(const struct sl_dkim_writer *w)
{
	return w->blank ? 1 : 8;
}

void
sl_dkim_put_fold(struct sl_dkim_writer *w)
{
	sl_buf_puts(w->out, w->blank ? "\r\n " : "\r\n\t");
	w->column = indent(w);
}

void
sl_dkim_put_piece(struct sl_dkim_writer *w, struct sl_str piece)
{
	if (w->column + piece.n > WIDTH && w->column > indent(w)) {
		sl_dkim_put_fold(w);
		while (piece.n > 0 && piece.p[0] == ' ')
			piece = sl_str_sub(piece, 1, piece.n);
	}
	sl_buf_putstr(w->out, piece);
	w->column += piece.n;
}

void
sl_dkim_put_tag(struct sl_dkim_writer *w, const char *text, struct sl_str value)
{
	struct sl_buf piece = SL_BUF_INIT;

	sl_buf_puts(&piece, text);
	sl_buf_putstr(&piece, value);
	sl_buf_putc(&piece, ';');
	w->out->failed |= piece.failed;
	sl_dkim_put_piece(w, sl_buf_str(&piece));
	sl_buf_clear(&piece);
}

void
sl_dkim_put_number(struct sl_dkim_writer *w, const char *text, uint64_t number)
{
	struct sl_buf digits = SL_BUF_INIT;

	sl_buf_printf(&digits, "%llu", (unsigned long long)number);
	w->out->failed |= digits.failed;
	sl_dkim_put_tag(w, text, sl_buf_str(&digits));
	sl_buf_clear(&digits);
}

void
sl_dkim_put_h(struct sl_dkim_writer *w, struct sl_str names)
{
	size_t from = 0, whole = strlen(" h=;") + names.n;

	/* A list that fits on a line of its own isn't broken. */
	if (w->column + whole > WIDTH && whole <= WIDTH - indent(w))
		sl_dkim_put_fold(w);
	sl_dkim_put_piece(w, w->column == indent(w) ? SL_STR("h=") : SL_STR(" h="));
	for (size_t i = 0; i < names.n; i++) {
		if (names.p[i] == ':' || i + 1 == names.n) {
			sl_dkim_put_piece(w, sl_str_sub(names, from, i + 1));
			from = i + 1;
		}
	}
	sl_dkim_put_piece(w, SL_STR(";"));
}

void
sl_dkim_put_base64(struct sl_dkim_writer *w, struct sl_str bytes)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_str rest;

	sl_base64_encode(&text, bytes);
	w->out->failed |= text.failed;
	rest = sl_buf_str(&text);
	while (rest.n > 0) {
		size_t room = w->column < WIDTH ? WIDTH - w->column : WIDTH - indent(w);

		sl_dkim_put_piece(w, sl_str_sub(rest, 0, room));
		rest = sl_str_sub(rest, room, rest.n);
	}
	sl_buf_clear(&text);
}
