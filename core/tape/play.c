/* Playing: answers by question and step. See tape.h. */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "tape_private.h"

#define MAX_MISSING	400	/* bytes of a question, told */

void
sl_tape_chain_free(void *arg)
{
	struct chain *c = arg;

	sl_free(c->at);
	sl_free(c->given);
	sl_free(c);
}

static void
put_name(struct sl_buf *out, const char *kind, struct sl_str key)
{
	sl_buf_puts(out, kind);
	sl_buf_putc(out, '\0');
	sl_buf_putstr(out, key);
}

static struct chain *
chain_of(struct sl_tape *t, const char *kind, struct sl_str key)
{
	struct sl_buf name = SL_BUF_INIT;
	struct chain *c = NULL;

	put_name(&name, kind, key);
	if (!name.failed)
		c = sl_dict_get(t->chains, sl_buf_str(&name));
	sl_buf_clear(&name);
	return c;
}

/* NULL = out of memory; also where chain_of found none for the lack of it. */
static struct chain *
new_chain(struct sl_tape *t, const struct sl_tape_entry *e)
{
	struct chain *c = sl_calloc(1, sizeof(*c));
	struct sl_buf name = SL_BUF_INIT;

	put_name(&name, e->kind, e->key);
	if (c != NULL && (name.failed || sl_dict_has(t->chains, sl_buf_str(&name)) ||
	    sl_dict_set(t->chains, sl_buf_str(&name), c, NULL) != 0)) {
		sl_free(c);
		c = NULL;
	}
	sl_buf_clear(&name);
	return c;
}

static int
chain_add(struct chain *c, size_t number)
{
	size_t cap = c->cap == 0 ? 4 : c->cap * 2, *at;
	bool *given;

	if (c->n == c->cap) {
		if ((at = sl_realloc(c->at, cap * sizeof(*at))) == NULL)
			return SL_ERR_NOMEM;
		c->at = at;
		if ((given = sl_realloc(c->given, cap * sizeof(*given))) == NULL)
			return SL_ERR_NOMEM;
		c->given = given;
		c->cap = cap;
	}
	c->given[c->n] = false;
	c->at[c->n++] = number;
	return 0;
}

static int
link_answers(struct sl_tape *t)
{
	const struct sl_tape_entry *e;
	struct chain *c;
	size_t i;

	for (i = 0; i < t->recorded->n; i++) {
		e = &t->recorded->list[i]->e;
		if (e->sign != SL_TAPE_ANSWER)
			continue;
		c = chain_of(t, e->kind, e->key);
		if (c == NULL && (c = new_chain(t, e)) == NULL)
			return SL_ERR_NOMEM;
		if (c->n == 0 && t->nmasked < MAX_MASKED && sl_str_find(e->key, SL_STR(SL_TAPE_PASSWORD)) >= 0)
			t->masked[t->nmasked++] = c;
		if (chain_add(c, i) != 0)
			return SL_ERR_NOMEM;
	}
	return 0;
}

struct sl_tape *
sl_tape_play(struct sl_tape *recorded, bool live)
{
	struct sl_tape *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->refs = 1;
	t->max = 2 * SL_TAPE_MAX;
	t->recorded = sl_tape_ref(recorded);
	t->live = live;
	sl_tape_password(t, SL_STR(SL_TAPE_PASSWORD));
	if (t->npasswords == 0 || (t->chains = sl_dict_new()) == NULL || link_answers(t) != 0) {
		sl_tape_unref(t);
		return NULL;
	}
	return t;
}

bool
sl_tape_plays(const struct sl_tape *t)
{
	return t != NULL && t->recorded != NULL;
}

bool
sl_tape_records(const struct sl_tape *t)
{
	return t != NULL && t->recorded == NULL;
}

bool
sl_tape_live(const struct sl_tape *t)
{
	return t->live;
}

void
sl_tape_seek(struct sl_tape *t, unsigned step)
{
	const struct sl_tape_entry *e;
	size_t i;

	t->step = step;
	sl_buf_reset(&t->place);
	sl_buf_reset(&t->missing);
	for (i = 0; i < t->recorded->n; i++) {
		e = &t->recorded->list[i]->e;
		if (e->sign == SL_TAPE_INPUT && e->step == step)
			t->time_us = e->time_us;
	}
}

static unsigned
step_of(const struct sl_tape *t, const struct chain *c, size_t i)
{
	return t->recorded->list[c->at[i]]->e.step;
}

/* The number in the chain, c->n = none. */
static size_t
choose(const struct sl_tape *t, struct chain *c, enum sl_tape_how how)
{
	size_t i;

	while (c->next < c->n && (c->given[c->next] || step_of(t, c, c->next) < t->step))
		c->next++;
	if (c->next < c->n && (how != SL_TAPE_STEP || step_of(t, c, c->next) == t->step))
		return c->next;
	if (how == SL_TAPE_STEP)
		return c->n;
	if (how == SL_TAPE_AGAIN)
		return c->n - 1;
	for (i = c->next; i > 0 && c->given[i - 1]; i--)
		;
	return i > 0 ? i - 1 : c->n;
}

/* A password may have been an ordinary word that other questions have too. */
static struct chain *
masked_chain_of(const struct sl_tape *t, const char *kind, struct sl_str key)
{
	const struct sl_tape_entry *e;
	size_t i;

	for (i = 0; i < t->nmasked; i++) {
		e = &t->recorded->list[t->masked[i]->at[0]]->e;
		if (strcmp(e->kind, kind) == 0 && sl_tape_same(e->key, key))
			return t->masked[i];
	}
	return NULL;
}

bool
sl_tape_find(struct sl_tape *t, const char *kind, struct sl_str key, enum sl_tape_how how,
    struct sl_str *value)
{
	struct sl_buf asked = SL_BUF_INIT;
	struct chain *c;
	size_t i;

	c = chain_of(t, kind, key);
	if (c == NULL) {
		sl_tape_put_masked(t, false, key, &asked);
		c = chain_of(t, kind, sl_buf_str(&asked));
	}
	if (c == NULL)
		c = masked_chain_of(t, kind, key);
	i = c != NULL ? choose(t, c, how) : 0;
	sl_buf_clear(&asked);

	if (c == NULL || i == c->n)
		return false;
	/* what is asked earlier than it was is there to be asked again in its place */
	c->given[i] = how != SL_TAPE_AGAIN || step_of(t, c, i) <= t->step;
	*value = t->recorded->list[c->at[i]]->e.value;
	return true;
}

void
sl_tape_place(struct sl_tape *t, const char *where, const char *who, const char *what)
{
	sl_buf_reset(&t->place);
	sl_buf_puts(&t->place, where);
	if (who != NULL)
		sl_buf_printf(&t->place, " %s", who);
	if (what != NULL)
		sl_buf_printf(&t->place, " %s", what);
}

void
sl_tape_note_time(struct sl_tape *t, int64_t time_us)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)time_us);
	sl_tape_note(t, "time", sl_buf_str(&t->place), sl_str_of(text));
}

int64_t
sl_tape_time(struct sl_tape *t)
{
	struct sl_str value;

	if (sl_tape_find(t, "time", sl_buf_str(&t->place), SL_TAPE_STEP, &value))
		t->time_us = sl_tape_number(value);
	return t->time_us;
}

/* "below 6 at data ann@example.org rand" */
static void
put_drawn(const struct sl_tape *t, struct sl_buf *out, const char *key)
{
	sl_buf_puts(out, key);
	if (t->place.n > 0)
		sl_buf_printf(out, " at %s", t->place.p);
}

void
sl_tape_note_drawn(struct sl_tape *t, const char *key, struct sl_str value)
{
	struct sl_buf text = SL_BUF_INIT;

	put_drawn(t, &text, key);
	sl_tape_note(t, "random", sl_buf_str(&text), value);
	sl_buf_clear(&text);
}

bool
sl_tape_find_drawn(struct sl_tape *t, const char *key, struct sl_str *value)
{
	struct sl_buf text = SL_BUF_INIT;
	bool found;

	put_drawn(t, &text, key);
	found = sl_tape_find(t, "random", sl_buf_str(&text), SL_TAPE_STEP, value);
	sl_buf_clear(&text);
	return found;
}

void
sl_tape_miss_drawn(struct sl_tape *t, const char *key)
{
	struct sl_buf text = SL_BUF_INIT;

	put_drawn(t, &text, key);
	sl_tape_miss(t, "random", sl_buf_str(&text));
	sl_buf_clear(&text);
}

void
sl_tape_miss(struct sl_tape *t, const char *kind, struct sl_str key)
{
	size_t i;

	if (t->missing.n > 0)
		return;		/* the first one is why what follows differs */
	sl_buf_printf(&t->missing, "%s ", kind);
	for (i = 0; i < key.n && i < MAX_MISSING; i++)
		sl_buf_putc(&t->missing, key.p[i] != '\0' ? key.p[i] : ' ');
}

const char *
sl_tape_missing(const struct sl_tape *t)
{
	return t->missing.n > 0 ? t->missing.p : "";
}
