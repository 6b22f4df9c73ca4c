/* Parsed keys by the digest of what they were parsed from. See key.h. */
#include "../base/alloc.h"
#include "key.h"
#include "lru.h"

struct sl_key_cache {
	struct sl_lru *lru;
	uint64_t hits, misses;
};

static void
drop_key(void *key)
{
	sl_key_unref(key);
}

struct sl_key_cache *
sl_key_cache_new(size_t max)
{
	struct sl_key_cache *cache = sl_calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->lru = sl_lru_new(max, drop_key);
	if (cache->lru == NULL) {
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
	sl_lru_free(cache->lru);
	sl_free(cache);
}

int
sl_key_cache_get(struct sl_key_cache *cache, struct sl_str text, struct sl_key **out,
    struct sl_err *err)
{
	uint8_t hash[SL_DIGEST_MAX];
	struct sl_key *key;
	int r;

	*out = NULL;
	if (sl_digest_of(SL_DIGEST_SHA256, text, hash) < 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	key = sl_lru_get(cache->lru, hash);
	if (key != NULL) {
		cache->hits++;
		*out = sl_key_ref(key);
		return 0;
	}
	cache->misses++;
	r = sl_key_parse(out, text, err);
	/* Not being able to keep a key is no failure: it was parsed. */
	if (r == 0 && sl_lru_put(cache->lru, hash, *out))
		sl_key_ref(*out);
	return r;
}

void
sl_key_cache_stats(const struct sl_key_cache *cache, uint64_t *hits, uint64_t *misses)
{
	*hits = cache->hits;
	*misses = cache->misses;
}

/* ---- public keys ---------------------------------------------------------- */

struct sl_pubkey_cache {
	struct sl_lru *lru;
};

static void
drop_pubkey(void *key)
{
	sl_pubkey_unref(key);
}

struct sl_pubkey_cache *
sl_pubkey_cache_new(size_t max)
{
	struct sl_pubkey_cache *cache = sl_calloc(1, sizeof(*cache));

	if (cache == NULL)
		return NULL;
	cache->lru = sl_lru_new(max, drop_pubkey);
	if (cache->lru == NULL) {
		sl_free(cache);
		return NULL;
	}
	return cache;
}

void
sl_pubkey_cache_free(struct sl_pubkey_cache *cache)
{
	if (cache == NULL)
		return;
	sl_lru_free(cache->lru);
	sl_free(cache);
}

/* The kind is part of the name: the same bytes must not serve as both. */
static int
hash_of(enum sl_key_type type, struct sl_str p, uint8_t *out)
{
	struct sl_digest d;
	int r = sl_digest_init(&d, SL_DIGEST_SHA256);

	if (r == 0) {
		sl_digest_update(&d, type == SL_KEY_RSA ? "r" : "e", 1);
		sl_digest_update(&d, p.p, p.n);
		r = sl_digest_final(&d, out);
	}
	sl_digest_clear(&d);
	return r;
}

int
sl_pubkey_cache_get(struct sl_pubkey_cache *cache, enum sl_key_type type, struct sl_str p,
    struct sl_pubkey **out, unsigned *bits, struct sl_err *err)
{
	uint8_t hash[SL_DIGEST_MAX];
	struct sl_pubkey *key;
	int r;

	if (cache == NULL || hash_of(type, p, hash) < 0)
		return sl_pubkey_parse(out, type, p, bits, err);
	key = sl_lru_get(cache->lru, hash);
	if (key != NULL) {
		*out = sl_pubkey_ref(key);
		if (bits != NULL)
			*bits = sl_pubkey_bits(key);
		return 0;
	}
	r = sl_pubkey_parse(out, type, p, bits, err);
	if (r == 0 && sl_lru_put(cache->lru, hash, *out))
		sl_pubkey_ref(*out);
	return r;
}
