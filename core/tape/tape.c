/* Recording and playing. See tape.h. */
#include "tape.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "mask.h"

#define OVERHEAD	128	/* of an entry, about */
#define MAX_PASSWORDS	20	/* of a session; servers end one that guesses before */
#define MAX_SECRETS	100
#define MAX_MASKED	100
#define MAX_MISSING	400	/* bytes of a question, told */

struct entry {
	struct sl_tape_entry e;
	char bytes[];
};

/* The answers of one kind and key, in order. */
struct chain {
	size_t *at;		/* numbers of entries */
	bool *given;
	size_t n, cap;
	size_t next;		/* all before are of earlier steps, or given */
};

struct sl_tape_room {
	unsigned refs;
	size_t bytes, max;
};

struct sl_tape {
	unsigned refs;
	struct sl_tape_room *room;	/* NULL = it has its own alone */
	struct entry **list;
	size_t n, cap;
	size_t bytes, max;
	bool full;
	unsigned step;
	struct sl_buf place;
	struct sl_mask *password[MAX_PASSWORDS];
	size_t npasswords;
	struct { struct sl_mask *mask; char mark[40]; } secret[MAX_SECRETS];
	size_t nsecrets;

	/* playing */
	struct sl_tape *recorded;	/* NULL = this one records */
	bool live;
	struct sl_dict *chains;		/* kind and key -> struct chain */
	struct chain *masked[MAX_MASKED];	/* with a password in their question */
	size_t nmasked;
	int64_t time_us;		/* the last reading, or the step's beginning */
	struct sl_buf missing;
};

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
chain_free(void *arg)
{
	struct chain *c = arg;

	sl_free(c->at);
	sl_free(c->given);
	sl_free(c);
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
		sl_dict_free(t->chains, chain_free);
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

static void
put_masked(const struct sl_tape *t, bool secrets, struct sl_str text, struct sl_buf *out)
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
	put_masked(t, true, text, out);
}

static void
mask_part(void *arg, struct sl_str value, struct sl_buf *out)
{
	put_masked(arg, false, value, out);
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
	put_masked(t, false, key, &k);
	if (is_public(kind)) {
		sl_buf_putstr(&v, value);
	} else if (!sl_tape_map(value, mask_part, t, &v)) {
		sl_buf_reset(&v);
		put_masked(t, false, value, &v);
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

/* ---- playing -------------------------------------------------------------------------------- */

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
		put_masked(t, false, key, &asked);
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

static int64_t
number_of(struct sl_str text)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	uint64_t n;

	if (!sl_str_u64(sl_str_sub(text, negative, text.n), &n) || n > INT64_MAX)
		return 0;
	return negative ? -(int64_t)n : (int64_t)n;
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
		t->time_us = number_of(value);
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

/* ---- values of several parts ------------------------------------------------------------------ */

void
sl_tape_put(struct sl_buf *out, const char *name, struct sl_str value)
{
	sl_buf_printf(out, "%s %zu ", name, value.n);
	sl_buf_putstr(out, value);
	sl_buf_putc(out, '\n');
}

void
sl_tape_put_number(struct sl_buf *out, const char *name, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%lld", (long long)value);
	sl_tape_put(out, name, sl_str_of(text));
}

bool
sl_tape_part(struct sl_str *parts, struct sl_str *name, struct sl_str *value)
{
	struct sl_str rest = *parts, size;
	uint64_t n;

	if (!sl_str_split(&rest, ' ', name) || !sl_str_split(&rest, ' ', &size) ||
	    !sl_str_u64(size, &n) || n >= rest.n || rest.p[n] != '\n')
		return false;
	*value = sl_str_sub(rest, 0, n);
	*parts = sl_str_sub(rest, n + 1, rest.n);
	return true;
}

bool
sl_tape_map(struct sl_str parts, void (*fn)(void *arg, struct sl_str value, struct sl_buf *out),
    void *arg, struct sl_buf *out)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_str name, value;
	char word[64];
	bool any = false;

	while (sl_tape_part(&parts, &name, &value)) {
		any = true;
		sl_buf_reset(&text);
		fn(arg, value, &text);
		snprintf(word, sizeof(word), "%.*s", name.n < 63 ? (int)name.n : 63, name.p);
		sl_tape_put(out, word, sl_buf_str(&text));
		out->failed = out->failed || text.failed;
	}
	sl_wipe(text.p, text.n);
	sl_buf_clear(&text);
	return any && parts.n == 0;
}

struct sl_str
sl_tape_get(struct sl_str parts, const char *name)
{
	struct sl_str n, value;

	while (sl_tape_part(&parts, &n, &value))
		if (sl_str_eq(n, sl_str_of(name)))
			return value;
	return SL_STR("");
}

int64_t
sl_tape_get_number(struct sl_str parts, const char *name)
{
	return number_of(sl_tape_get(parts, name));
}
