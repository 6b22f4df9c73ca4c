/* A bounded table, least recently used out. See lru.h. */
#include "lru.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../base/list.h"

#define HASH_SIZE	32

struct entry {
	struct sl_list node;
	struct sl_lru *lru;
	void *value;
	char hash[HASH_SIZE];
};

struct sl_lru {
	struct sl_dict *dict;
	struct sl_list recent;		/* most recently used first */
	size_t max;
	void (*drop)(void *value);
};

static void
free_entry(void *p)
{
	struct entry *e = p;

	sl_list_remove(&e->node);
	e->lru->drop(e->value);
	sl_free(e);
}

struct sl_lru *
sl_lru_new(size_t max, void (*drop)(void *value))
{
	struct sl_lru *lru = sl_calloc(1, sizeof(*lru));

	if (lru == NULL)
		return NULL;
	sl_list_init(&lru->recent);
	lru->max = max;
	lru->drop = drop;
	lru->dict = sl_dict_new();
	if (lru->dict == NULL) {
		sl_free(lru);
		return NULL;
	}
	return lru;
}

void
sl_lru_free(struct sl_lru *lru)
{
	if (lru == NULL)
		return;
	sl_dict_free(lru->dict, free_entry);
	sl_free(lru);
}

static struct sl_str
key_of(const void *hash)
{
	return (struct sl_str){ hash, HASH_SIZE };
}

void *
sl_lru_get(struct sl_lru *lru, const uint8_t *hash)
{
	struct entry *e = sl_dict_get(lru->dict, key_of(hash));

	if (e == NULL)
		return NULL;
	sl_list_remove(&e->node);
	sl_list_insert(lru->recent.next, &e->node);
	return e->value;
}

static void
drop_oldest(struct sl_lru *lru)
{
	struct entry *e = sl_list_entry(lru->recent.prev, struct entry, node);

	sl_dict_remove(lru->dict, key_of(e->hash));
	free_entry(e);
}

bool
sl_lru_put(struct sl_lru *lru, const uint8_t *hash, void *value)
{
	struct entry *e;

	if (lru->max == 0 || sl_dict_has(lru->dict, key_of(hash)))
		return false;
	e = sl_calloc(1, sizeof(*e));
	if (e == NULL)
		return false;
	memcpy(e->hash, hash, HASH_SIZE);
	if (sl_dict_set(lru->dict, key_of(e->hash), e, NULL) < 0) {
		sl_free(e);
		return false;
	}
	e->lru = lru;
	e->value = value;
	sl_list_insert(lru->recent.next, &e->node);
	if (sl_dict_count(lru->dict) > lru->max)
		drop_oldest(lru);
	return true;
}
