#include "cache.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"

#define KEEPING	400	/* an entry's share of the dictionaries */

struct space {
	struct sl_dict *entries;
	struct sl_list used;		/* the longest ago first */
	size_t n;
	size_t least;			/* the smallest size that was wanted; 0 = it doesn't count */
	size_t name_len;
	char name[];
};

struct entry {
	struct sl_list in_space, in_all;
	struct space *space;
	int64_t stored_us, expires_us;
	size_t weight;
	struct sl_str key, value;	/* in bytes */
	char bytes[];
};

struct sl_cache {
	struct sl_loop *loop;
	struct sl_dict *spaces;
	struct sl_list used;		/* the longest ago first */
	size_t n, bytes;
};

struct sl_cache *
sl_cache_new(struct sl_loop *loop)
{
	struct sl_cache *c = sl_calloc(1, sizeof(*c));

	if (c == NULL || (c->spaces = sl_dict_new()) == NULL) {
		sl_free(c);
		return NULL;
	}
	c->loop = loop;
	sl_list_init(&c->used);
	return c;
}

static void
space_free(struct sl_cache *c, struct space *s)
{
	sl_dict_remove(c->spaces, (struct sl_str){ s->name, s->name_len });
	sl_dict_free(s->entries, NULL);
	sl_free(s);
}

static void
drop(struct sl_cache *c, struct entry *e)
{
	struct space *s = e->space;

	sl_dict_remove(s->entries, e->key);
	sl_list_remove(&e->in_space);
	sl_list_remove(&e->in_all);
	s->n--;
	c->n--;
	c->bytes -= e->weight;
	sl_free(e);
	if (s->n == 0)
		space_free(c, s);
}

void
sl_cache_free(struct sl_cache *c)
{
	if (c == NULL)
		return;
	while (!sl_list_empty(&c->used))
		drop(c, sl_list_entry(c->used.next, struct entry, in_all));
	sl_dict_free(c->spaces, NULL);
	sl_free(c);
}

static struct entry *
find(struct sl_cache *c, struct sl_str space, struct sl_str key)
{
	struct space *s = sl_dict_get(c->spaces, space);

	return s != NULL ? sl_dict_get(s->entries, key) : NULL;
}

/* A clock that was set back makes nothing younger. */
bool
sl_cache_get(struct sl_cache *c, struct sl_str space, struct sl_str key, struct sl_str *value)
{
	struct entry *e = find(c, space, key);
	int64_t now = sl_loop_time_us(c->loop);

	if (e == NULL)
		return false;
	if (now < e->stored_us || now >= e->expires_us) {
		drop(c, e);
		return false;
	}
	sl_list_remove(&e->in_space);
	sl_list_insert(&e->space->used, &e->in_space);
	sl_list_remove(&e->in_all);
	sl_list_insert(&c->used, &e->in_all);
	*value = e->value;
	return true;
}

static struct space *
space_of(struct sl_cache *c, struct sl_str name)
{
	struct space *s = sl_dict_get(c->spaces, name);

	if (s != NULL || (s = sl_calloc(1, sizeof(*s) + name.n)) == NULL)
		return s;
	sl_list_init(&s->used);
	s->name_len = name.n;
	memcpy(s->name, name.p, name.n);
	s->entries = sl_dict_new();
	if (s->entries != NULL && sl_dict_set(c->spaces, name, s, NULL) == 0)
		return s;
	space_free(c, s);
	return NULL;
}

/* The dictionaries have copies of key and name. */
static struct entry *
entry_new(struct sl_cache *c, struct sl_str name, struct sl_str key, struct sl_str value,
    int64_t ttl_us)
{
	struct entry *e = sl_calloc(1, sizeof(*e) + key.n + value.n);

	if (e == NULL)
		return NULL;
	if (key.n > 0)
		memcpy(e->bytes, key.p, key.n);
	if (value.n > 0)
		memcpy(e->bytes + key.n, value.p, value.n);
	e->weight = sizeof(*e) + KEEPING + 2 * (key.n + name.n) + value.n;
	e->key = (struct sl_str){ e->bytes, key.n };
	e->value = (struct sl_str){ e->bytes + key.n, value.n };
	e->stored_us = sl_loop_time_us(c->loop);
	e->expires_us = e->stored_us + ttl_us;
	sl_list_init(&e->in_space);
	sl_list_init(&e->in_all);
	return e;
}

static void
insert(struct sl_cache *c, struct space *s, struct entry *e)
{
	if (sl_dict_set(s->entries, e->key, e, NULL) != 0) {
		sl_free(e);
		if (s->n == 0)
			space_free(c, s);
		return;
	}
	e->space = s;
	sl_list_insert(&s->used, &e->in_space);
	sl_list_insert(&c->used, &e->in_all);
	s->n++;
	c->n++;
	c->bytes += e->weight;
}

static void
make_room(struct sl_cache *c, const struct entry *e)
{
	while (c->n >= SL_CACHE_ENTRIES || (c->n > 0 && c->bytes + e->weight > SL_CACHE_BYTES))
		drop(c, sl_list_entry(c->used.next, struct entry, in_all));
}

void
sl_cache_put(struct sl_cache *c, struct sl_str name, struct sl_str key, struct sl_str value,
    int64_t ttl_us, size_t size, bool least)
{
	struct entry *old = find(c, name, key), *e;
	struct space *s;

	if ((s = sl_dict_get(c->spaces, name)) != NULL && s->least > 0 && s->least < size)
		size = s->least;
	if (old != NULL)
		drop(c, old);
	if (name.n > SL_CACHE_ENTRY_MAX || key.n > SL_CACHE_ENTRY_MAX || value.n > SL_CACHE_ENTRY_MAX)
		return;
	if ((e = entry_new(c, name, key, value, ttl_us)) == NULL)
		return;
	make_room(c, e);
	while ((s = sl_dict_get(c->spaces, name)) != NULL && s->n >= size)
		drop(c, sl_list_entry(s->used.next, struct entry, in_space));
	if ((s = space_of(c, name)) == NULL) {
		sl_free(e);
		return;
	}
	s->least = least ? size : 0;
	insert(c, s, e);
}
