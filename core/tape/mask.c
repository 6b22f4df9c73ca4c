/* Secrets in the forms that texts have them in. See mask.h. */
#include "mask.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"

#define MAX_FORMS	16

struct form {
	struct sl_buf text;
	bool base64;		/* what stands around it is of it too */
};

struct sl_mask {
	struct form form[MAX_FORMS];
	size_t n;
};

/* ---- the forms ---------------------------------------------------------------------------- */

/* Takes the text, unless there is such a form already or nobody could find it. */
static void
add(struct sl_mask *m, struct sl_buf *text, bool base64)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (sl_str_eq(sl_buf_str(&m->form[i].text), sl_buf_str(text)))
			break;
	if (i < m->n || m->n == MAX_FORMS || text->failed || text->n < SL_MASK_SHORTEST) {
		sl_wipe(text->p, text->n);
		sl_buf_clear(text);
		return;
	}
	m->form[m->n++] = (struct form){ *text, base64 };
}

static void
add_percent(struct sl_mask *m, struct sl_str s, bool upper)
{
	struct sl_buf b = SL_BUF_INIT;
	size_t i;

	for (i = 0; i < s.n; i++)
		if (sl_isalnum(s.p[i]) || (s.p[i] != '\0' && strchr("-._~", s.p[i]) != NULL))
			sl_buf_putc(&b, s.p[i]);
		else
			sl_buf_printf(&b, upper ? "%%%02X" : "%%%02x", (unsigned char)s.p[i]);
	add(m, &b, false);
}

static void
add_json(struct sl_mask *m, struct sl_str s, bool slash)
{
	struct sl_buf b = SL_BUF_INIT;
	size_t i;

	for (i = 0; i < s.n; i++)
		switch (s.p[i]) {
		case '\n': sl_buf_puts(&b, "\\n"); break;
		case '\r': sl_buf_puts(&b, "\\r"); break;
		case '\t': sl_buf_puts(&b, "\\t"); break;
		case '"': sl_buf_puts(&b, "\\\""); break;
		case '\\': sl_buf_puts(&b, "\\\\"); break;
		case '/': sl_buf_puts(&b, slash ? "\\/" : "/"); break;
		default: sl_buf_putc(&b, s.p[i]);
		}
	add(m, &b, false);
}

static void
add_hex(struct sl_mask *m, struct sl_str s, bool upper)
{
	struct sl_buf b = SL_BUF_INIT;
	size_t i;

	for (i = 0; i < s.n; i++)
		sl_buf_printf(&b, upper ? "%02X" : "%02x", (unsigned char)s.p[i]);
	add(m, &b, false);
}

/* The characters that are of the secret alone, with 'before' bytes of something else in front. */
static void
add_base64(struct sl_mask *m, struct sl_str s, size_t before, bool url)
{
	static const size_t skip[] = { 0, 2, 3 };
	struct sl_buf in = SL_BUF_INIT, all = SL_BUF_INIT, core = SL_BUF_INIT;
	size_t i, end = (before + s.n) * 8 / 6;

	sl_buf_put(&in, "\0\0", before);
	sl_buf_putstr(&in, s);
	sl_base64_encode(&all, sl_buf_str(&in));
	for (i = skip[before]; i < end && i < all.n; i++)
		sl_buf_putc(&core, url && all.p[i] == '+' ? '-' : url && all.p[i] == '/' ? '_' : all.p[i]);
	core.failed = core.failed || all.failed || in.failed;
	add(m, &core, true);
	sl_wipe(in.p, in.n);
	sl_wipe(all.p, all.n);
	sl_buf_clear(&in);
	sl_buf_clear(&all);
}

struct sl_mask *
sl_mask_new(struct sl_str secret)
{
	struct sl_mask *m = secret.n >= SL_MASK_SHORTEST ? sl_calloc(1, sizeof(*m)) : NULL;
	struct sl_buf plain = SL_BUF_INIT;
	size_t before;

	if (m == NULL)
		return NULL;
	sl_buf_putstr(&plain, secret);
	add(m, &plain, false);
	if (m->n == 0) {
		sl_mask_free(m);
		return NULL;
	}
	add_percent(m, secret, true);
	add_percent(m, secret, false);
	add_json(m, secret, false);
	add_json(m, secret, true);
	add_hex(m, secret, false);
	add_hex(m, secret, true);
	for (before = 0; before < 3; before++) {
		add_base64(m, secret, before, false);
		add_base64(m, secret, before, true);
	}
	return m;
}

void
sl_mask_free(struct sl_mask *m)
{
	if (m == NULL)
		return;
	while (m->n > 0) {
		struct sl_buf *b = &m->form[--m->n].text;

		sl_wipe(b->p, b->n);
		sl_buf_clear(b);
	}
	sl_free(m);
}

/* ---- finding ------------------------------------------------------------------------------- */

static bool
is_base64(char c)
{
	return sl_isalnum(c) || (c != '\0' && strchr("+/=-_", c) != NULL);
}

bool
sl_mask_is(const struct sl_mask *m, struct sl_str secret)
{
	return sl_str_eq(sl_buf_str(&m->form[0].text), secret);
}

bool
sl_mask_finds(const struct sl_mask *m, struct sl_str text)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (sl_str_find(text, sl_buf_str(&m->form[i].text)) >= 0)
			return true;
	return false;
}

/* Where each form stands next; each is looked for once in each byte. */
struct search {
	const struct sl_mask *mask;
	struct sl_str text;
	size_t at[MAX_FORMS];		/* text.n = nowhere */
};

static void
look(struct search *s, size_t i, size_t from)
{
	ssize_t at = sl_str_find(sl_str_sub(s->text, from, s->text.n),
	    sl_buf_str(&s->mask->form[i].text));

	s->at[i] = at < 0 ? s->text.n : from + (size_t)at;
}

/* The form that stands first, the longest of those; NULL = none. */
static const struct form *
first(const struct search *s, size_t *at)
{
	const struct form *found = NULL;
	size_t i;

	*at = s->text.n;
	for (i = 0; i < s->mask->n; i++) {
		if (s->at[i] == s->text.n || s->at[i] > *at ||
		    (s->at[i] == *at && found != NULL && s->mask->form[i].text.n < found->text.n))
			continue;
		found = &s->mask->form[i];
		*at = s->at[i];
	}
	return found;
}

void
sl_mask_put(const struct sl_mask *m, struct sl_str text, const char *with, struct sl_buf *out)
{
	struct search s = { .mask = m, .text = text };
	size_t done = 0, at, end, i;
	const struct form *form;

	for (i = 0; i < m->n; i++)
		look(&s, i, 0);
	while ((form = first(&s, &at)) != NULL) {
		end = at + form->text.n;
		while (form->base64 && at > done && is_base64(text.p[at - 1]))
			at--;
		while (form->base64 && end < text.n && is_base64(text.p[end]))
			end++;
		sl_buf_putstr(out, sl_str_sub(text, done, at));
		sl_buf_puts(out, with);
		done = end;
		for (i = 0; i < m->n; i++)
			if (s.at[i] < done)
				look(&s, i, done);
	}
	sl_buf_putstr(out, sl_str_sub(text, done, text.n));
}
