/* Parsed private keys by the digest of their text. See key.h. */
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../base/list.h"
#include "key.h"

#define HASH_SIZE	32

struct entry {
	struct sl_list node;
	struct sl_key *key;
	char hash[HASH_SIZE];
};

struct sl_key_cache {
	struct sl_dict *dict;
	struct sl_list recent;		/* most recently used first */
	size_t max;
	uint64_t hits, misses;
};

static void
free_entry(void *p)
{
	struct entry *e = p;

	sl_list_remove(&e->node);
	sl_key_unref(e->key);
	sl_free(e);
}

struct sl_key_cache *
sl_key_cache_new(size_t max)
{
	struct sl_key_cache *cache = sl_calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	sl_list_init(&cache->recent);
	cache->max = max;
	cache->dict = sl_dict_new();
	if (cache->dict == NULL) {
		sl_free(cache);
		return NULL;
	}
	return cache;
}

void
sl_key_cache_free(struct sl_key_cache *cache)
{
	if (cache == NULL)
		return;
	sl_dict_free(cache->dict, free_entry);
	sl_free(cache);
}

static void
drop_oldest(struct sl_key_cache *cache)
{
	struct entry *e = sl_list_entry(cache->recent.prev, struct entry, node);

	sl_dict_remove(cache->dict, (struct sl_str){ e->hash, HASH_SIZE });
	free_entry(e);
}

/* Not being able to keep a key is no failure: it was parsed. */
static void
keep(struct sl_key_cache *cache, const uint8_t *hash, struct sl_key *key)
{
	struct entry *e;

	if (cache->max == 0)
		return;
	e = sl_calloc(1, sizeof(*e));
	if (e == NULL)
		return;
	memcpy(e->hash, hash, HASH_SIZE);
	if (sl_dict_set(cache->dict, (struct sl_str){ e->hash, HASH_SIZE }, e, NULL) < 0) {
		sl_free(e);
		return;
	}
	e->key = sl_key_ref(key);
	sl_list_insert(cache->recent.next, &e->node);
	if (sl_dict_count(cache->dict) > cache->max)
		drop_oldest(cache);
}

int
sl_key_cache_get(struct sl_key_cache *cache, struct sl_str text, struct sl_key **out,
    struct sl_err *err)
{
	uint8_t hash[SL_DIGEST_MAX];
	struct entry *e;
	int r;

	*out = NULL;
	if (sl_digest_of(SL_DIGEST_SHA256, text, hash) < 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	e = sl_dict_get(cache->dict, (struct sl_str){ (char *)hash, HASH_SIZE });
	if (e != NULL) {
		cache->hits++;
		sl_list_remove(&e->node);
		sl_list_insert(cache->recent.next, &e->node);
		*out = sl_key_ref(e->key);
		return 0;
	}
	cache->misses++;
	r = sl_key_parse(out, text, err);
	if (r == 0)
		keep(cache, hash, *out);
	return r;
}

void
sl_key_cache_stats(const struct sl_key_cache *cache, uint64_t *hits, uint64_t *misses)
{
	*hits = cache->hits;
	*misses = cache->misses;
}
