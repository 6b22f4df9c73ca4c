/* Recording, copies, looking. See tape.h; play.c plays. */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "tape_private.h"

#define OVERHEAD	128	/* of an entry, about */

/* ---- life ---------------------------------------------------------------------------------- */

struct sl_tape *
sl_tape_new(size_t max)
{
	struct sl_tape *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->refs = 1;
	t->max = max != 0 ? max : SL_TAPE_MAX;
	return t;
}

struct sl_tape_room *
sl_tape_room_new(size_t max)
{
	struct sl_tape_room *r = sl_calloc(1, sizeof(*r));

	if (r != NULL)
		*r = (struct sl_tape_room){ .refs = 1, .max = max };
	return r;
}

void
sl_tape_room_unref(struct sl_tape_room *r)
{
	if (r != NULL && --r->refs == 0)
		sl_free(r);
}

void
sl_tape_share(struct sl_tape *t, struct sl_tape_room *room)
{
	room->refs++;
	t->room = room;
}

struct sl_tape *
sl_tape_ref(struct sl_tape *t)
{
	t->refs++;
	return t;
}

static void
forget(struct sl_tape *t)
{
	while (t->n > 0) {
		struct entry *e = t->list[--t->n];

		sl_wipe(e->bytes, e->e.key.n + e->e.value.n);
		sl_free(e);
	}
	sl_free(t->list);
	t->list = NULL;
	if (t->room != NULL)
		t->room->bytes -= t->bytes;
	t->cap = t->bytes = 0;
}

void
sl_tape_unref(struct sl_tape *t)
{
	if (t == NULL || --t->refs > 0)
		return;
	forget(t);
	while (t->npasswords > 0)
		sl_mask_free(t->password[--t->npasswords]);
	while (t->nsecrets > 0)
		sl_mask_free(t->secret[--t->nsecrets].mask);
	if (t->chains != NULL)
		sl_dict_free(t->chains, sl_tape_chain_free);
	sl_tape_room_unref(t->room);
	sl_tape_unref(t->recorded);
	sl_buf_clear(&t->missing);
	sl_buf_clear(&t->place);
	sl_free(t);
}

/* ---- recording ------------------------------------------------------------------------------ */

static bool
has_room(struct sl_tape *t, size_t more)
{
	struct entry **list;
	size_t cap;

	if (t->full || more > t->max - t->bytes || t->n >= SL_TAPE_ENTRIES ||
	    (t->room != NULL && more > t->room->max - t->room->bytes))
		return false;
	if (t->n < t->cap)
		return true;
	cap = t->cap == 0 ? 32 : t->cap * 2;
	if ((list = sl_realloc(t->list, cap * sizeof(*list))) == NULL)
		return false;
	t->list = list;
	t->cap = cap;
	return true;
}

static void
copy(char *to, struct sl_str from)
{
	if (from.n > 0)
		memcpy(to, from.p, from.n);
}

static void
add(struct sl_tape *t, enum sl_tape_sign sign, const char *kind, int64_t time_us,
    struct sl_str key, struct sl_str value)
{
	size_t size = key.n + value.n;
	struct entry *e = has_room(t, size + OVERHEAD) ? sl_calloc(1, sizeof(*e) + size + 1) : NULL;

	if (e == NULL) {
		t->full = true;
		forget(t);	/* what isn't whole is good for nothing */
		return;
	}
	copy(e->bytes, key);
	copy(e->bytes + key.n, value);
	e->e = (struct sl_tape_entry){ .sign = sign, .step = t->step, .time_us = time_us,
	    .key = { e->bytes, key.n }, .value = { e->bytes + key.n, value.n } };
	snprintf(e->e.kind, sizeof(e->e.kind), "%s", kind);
	t->list[t->n++] = e;
	t->bytes += size + OVERHEAD;
	if (t->room != NULL)
		t->room->bytes += size + OVERHEAD;
}

void
sl_tape_input(struct sl_tape *t, const char *kind, int64_t time_us, struct sl_str key,
    struct sl_str value)
{
	t->step++;
	sl_buf_reset(&t->place);
	add(t, SL_TAPE_INPUT, kind, time_us, key, value);
}

/* What can't be kept out isn't noted: short ones nobody could tell from other words. */
static bool
has_mask(struct sl_tape *t, const struct sl_mask *mask, struct sl_str secret, bool room)
{
	if (mask != NULL && room)
		return true;
	if (secret.n > 0) {
		t->full = true;
		forget(t);
	}
	return false;
}

void
sl_tape_password(struct sl_tape *t, struct sl_str password)
{
	struct sl_mask *m = sl_mask_new(password);

	if (has_mask(t, m, password, t->npasswords < MAX_PASSWORDS))
		t->password[t->npasswords++] = m;
	else
		sl_mask_free(m);
}

void
sl_tape_secret(struct sl_tape *t, struct sl_str secret, const char *mark)
{
	struct sl_mask *m;
	size_t i;

	for (i = 0; i < t->nsecrets; i++)
		if (sl_mask_is(t->secret[i].mask, secret))
			return;
	m = sl_mask_new(secret);
	if (!has_mask(t, m, secret, t->nsecrets < MAX_SECRETS)) {
		sl_mask_free(m);
		return;
	}
	t->secret[t->nsecrets].mask = m;
	snprintf(t->secret[t->nsecrets++].mark, sizeof(t->secret[0].mark), "%s", mark);
}

/* *text with 'with' in place of what the mask finds. */
static void
replace(struct sl_buf *text, const struct sl_mask *mask, const char *with)
{
	struct sl_buf to = SL_BUF_INIT;

	if (!sl_mask_finds(mask, sl_buf_str(text)))
		return;
	sl_mask_put(mask, sl_buf_str(text), with, &to);
	to.failed = to.failed || text->failed;
	sl_wipe(text->p, text->n);
	sl_buf_clear(text);
	*text = to;
}

void
sl_tape_put_masked(const struct sl_tape *t, bool secrets, struct sl_str text, struct sl_buf *out)
{
	struct sl_buf b = SL_BUF_INIT;
	size_t i;

	sl_buf_putstr(&b, text);
	for (i = 0; i < t->npasswords; i++)
		replace(&b, t->password[i], SL_TAPE_PASSWORD);
	for (i = 0; secrets && i < t->nsecrets; i++)
		replace(&b, t->secret[i].mask, t->secret[i].mark);
	sl_buf_putstr(out, sl_buf_str(&b));
	out->failed = out->failed || b.failed;
	sl_wipe(b.p, b.n);
	sl_buf_clear(&b);
}

bool
sl_tape_same(struct sl_str noted, struct sl_str now)
{
	static const struct sl_str mark = { SL_TAPE_PASSWORD, sizeof(SL_TAPE_PASSWORD) - 1 };
	ssize_t at = sl_str_find(noted, mark), next;
	struct sl_str part;

	if (at < 0)
		return sl_str_eq(noted, now);
	if (!sl_str_starts(now, sl_str_sub(noted, 0, (size_t)at)))
		return false;
	for (now = sl_str_sub(now, (size_t)at, now.n); at >= 0; at = next) {
		noted = sl_str_sub(noted, (size_t)at + mark.n, noted.n);
		next = sl_str_find(noted, mark);
		if (next < 0)
			return sl_str_ends(now, noted);
		part = sl_str_sub(noted, 0, (size_t)next);
		at = sl_str_find(now, part);
		if (at < 0)
			return false;
		now = sl_str_sub(now, (size_t)at + part.n, now.n);
	}
	return true;
}

void
sl_tape_mask(const struct sl_tape *t, struct sl_str text, struct sl_buf *out)
{
	sl_tape_put_masked(t, true, text, out);
}

static void
mask_part(void *arg, struct sl_str value, struct sl_buf *out)
{
	sl_tape_put_masked(arg, false, value, out);
}

/* Values that can't have what a client said, unless by chance: then they mustn't be changed. */
static bool
is_public(const char *kind)
{
	static const char *const kinds[] = { "dns", "time", "random", "key", "signature" };
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i], kind) == 0)
			return true;
	return false;
}

void
sl_tape_note(struct sl_tape *t, const char *kind, struct sl_str key, struct sl_str value)
{
	struct sl_buf k = SL_BUF_INIT, v = SL_BUF_INIT;

	if (t->npasswords == 0) {
		add(t, SL_TAPE_ANSWER, kind, 0, key, value);
		return;
	}
	sl_tape_put_masked(t, false, key, &k);
	if (is_public(kind)) {
		sl_buf_putstr(&v, value);
	} else if (!sl_tape_map(value, mask_part, t, &v)) {
		sl_buf_reset(&v);
		sl_tape_put_masked(t, false, value, &v);
	}
	t->full = t->full || k.failed || v.failed;
	add(t, SL_TAPE_ANSWER, kind, 0, sl_buf_str(&k), sl_buf_str(&v));
	sl_buf_clear(&k);
	sl_buf_clear(&v);
}

void
sl_tape_output(struct sl_tape *t, const char *kind, struct sl_str key, struct sl_str value)
{
	add(t, SL_TAPE_OUTPUT, kind, 0, key, value);
}

void
sl_tape_fact(struct sl_tape *t, const char *name, struct sl_str value)
{
	add(t, SL_TAPE_FACT, name, 0, SL_STR(""), value);
}

bool
sl_tape_full(const struct sl_tape *t)
{
	return t->full;
}

size_t
sl_tape_bytes(const struct sl_tape *t)
{
	return t->bytes;
}

/* ---- copies for others ----------------------------------------------------------------------- */

struct mapping {
	const struct sl_tape_entry *e;
	void (*fn)(void *arg, const struct sl_tape_entry *entry, struct sl_str text, struct sl_buf *out);
	void *arg;
};

static void
map_part(void *arg, struct sl_str value, struct sl_buf *out)
{
	const struct mapping *m = arg;

	m->fn(m->arg, m->e, value, out);
}

static void
copy_entry(struct sl_tape *t, const struct mapping *m)
{
	const struct sl_tape_entry *e = m->e;
	struct sl_buf key = SL_BUF_INIT, value = SL_BUF_INIT;

	t->step = e->step;
	if (e->sign == SL_TAPE_INPUT || e->sign == SL_TAPE_FACT) {
		add(t, e->sign, e->kind, e->time_us, e->key, e->value);
		return;
	}
	m->fn(m->arg, e, e->key, &key);
	if (!sl_tape_map(e->value, map_part, (void *)(uintptr_t)m, &value)) {
		sl_buf_reset(&value);
		m->fn(m->arg, e, e->value, &value);
	}
	if (key.failed || value.failed) {
		t->full = true;
		forget(t);
	} else {
		add(t, e->sign, e->kind, e->time_us, sl_buf_str(&key), sl_buf_str(&value));
	}
	sl_buf_clear(&key);
	sl_buf_clear(&value);
}

int
sl_tape_copy(struct sl_tape *t, const struct sl_tape *from, void (*fn)(void *arg,
    const struct sl_tape_entry *entry, struct sl_str text, struct sl_buf *out), void *arg)
{
	size_t i;

	for (i = 0; i < from->n && !t->full; i++)
		copy_entry(t, &(struct mapping){ &from->list[i]->e, fn, arg });
	return t->full ? SL_ERR_NOMEM : 0;
}

static bool
finds_any(const struct sl_tape *t, struct sl_str text, bool passwords)
{
	size_t i;

	for (i = 0; passwords && i < t->npasswords; i++)
		if (sl_mask_finds(t->password[i], text))
			return true;
	for (i = 0; i < t->nsecrets; i++)
		if (sl_mask_finds(t->secret[i].mask, text))
			return true;
	return false;
}

bool
sl_tape_tells(const struct sl_tape *t, const struct sl_tape *copy)
{
	const struct sl_tape_entry *e;
	size_t i;

	for (i = 0; i < copy->n; i++) {
		e = &copy->list[i]->e;
		if (e->sign != SL_TAPE_INPUT && e->sign != SL_TAPE_FACT &&
		    (finds_any(t, e->key, true) || finds_any(t, e->value, true)))
			return true;
	}
	return false;
}

/* ---- looking -------------------------------------------------------------------------------- */

size_t
sl_tape_count(const struct sl_tape *t)
{
	return t->n;
}

const struct sl_tape_entry *
sl_tape_at(const struct sl_tape *t, size_t i)
{
	return &t->list[i]->e;
}

struct sl_str
sl_tape_fact_of(const struct sl_tape *t, const char *name)
{
	size_t i;

	if (t->recorded != NULL)
		return sl_tape_fact_of(t->recorded, name);
	for (i = 0; i < t->n; i++)
		if (t->list[i]->e.sign == SL_TAPE_FACT && strcmp(t->list[i]->e.kind, name) == 0)
			return t->list[i]->e.value;
	return SL_STR("");
}
