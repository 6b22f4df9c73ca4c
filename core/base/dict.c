/*
 * Hash table in order of insertion: a dense array of entries, and a table of
 * positions in it (open addressing, linear probing). A removed entry leaves
 * a hole in the array that the next growth closes. See map.h.
 */
#include "dict.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "alloc.h"
#include "err.h"

#define FREE	0u		/* positions are stored plus 2 */
#define GONE	1u

struct entry {
	uint64_t hash, serial;	/* serials rise along the array */
	char *key;		/* NULL = removed */
	size_t n;
	void *value;
};

struct sl_dict {
	struct entry *entries;
	uint32_t *slots;
	size_t used, cap;	/* of entries; slots has 2 * cap, a power of two */
	size_t count;
	uint64_t serial;	/* of the last entry that came */
};

static uint64_t
load64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint64_t
rotl(uint64_t v, int by)
{
	return v << by | v >> (64 - by);
}

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

/* SipHash (Aumasson, Bernstein 2012) with one round per word and three to end. */
uint64_t
sl_siphash(struct sl_str s, const uint8_t key[16])
{
	const uint8_t *p = (const uint8_t *)s.p;
	uint64_t k0 = load64(key), k1 = load64(key + 8), m;
	uint64_t v[4] = {
		k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du,
		k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u,
	};
	size_t i;

	for (i = 0; i + 8 <= s.n; i += 8) {
		m = load64(p + i);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = (uint64_t)s.n << 56;
	for (size_t k = 0; i + k < s.n; k++)
		m |= (uint64_t)p[i + k] << (8 * k);
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint8_t secret[16];
static pthread_once_t secret_once = PTHREAD_ONCE_INIT;

/* Per process, not per thread: a map may be filled on one and read on another. */
static void
make_secret(void)
{
	struct timespec ts;

	if (getrandom(secret, sizeof(secret), GRND_NONBLOCK) == sizeof(secret))
		return;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	memcpy(secret, &ts.tv_nsec, sizeof(ts.tv_nsec));
}

static uint64_t
hash(struct sl_str key)
{
	pthread_once(&secret_once, make_secret);
	return sl_siphash(key, secret);
}

struct sl_dict *
sl_dict_new(void)
{
	return sl_calloc(1, sizeof(struct sl_dict));
}

void
sl_dict_free(struct sl_dict *map, void (*free_value)(void *))
{
	if (map == NULL)
		return;
	for (size_t i = 0; i < map->used; i++) {
		if (map->entries[i].key == NULL)
			continue;
		sl_free(map->entries[i].key);
		if (free_value != NULL)
			free_value(map->entries[i].value);
	}
	sl_free(map->entries);
	sl_free(map->slots);
	sl_free(map);
}

/* The slot that holds 'key', or NULL. */
static uint32_t *
find(const struct sl_dict *map, struct sl_str key, uint64_t h)
{
	size_t mask = map->cap * 2 - 1;

	if (map->count == 0)
		return NULL;
	for (size_t i = h & mask;; i = (i + 1) & mask) {
		uint32_t at = map->slots[i];
		const struct entry *e;

		if (at == FREE)
			return NULL;
		if (at == GONE)
			continue;
		e = &map->entries[at - 2];
		if (e->hash == h && e->n == key.n &&
		    (key.n == 0 || memcmp(e->key, key.p, key.n) == 0))
			return &map->slots[i];
	}
}

static void
place(uint32_t *slots, size_t mask, uint64_t h, size_t position)
{
	size_t i = h & mask;

	while (slots[i] > GONE)
		i = (i + 1) & mask;
	slots[i] = (uint32_t)position + 2;
}

/* Closes the holes; grows unless holes were half of it. */
static int
rebuild(struct sl_dict *map)
{
	size_t cap = map->cap == 0 ? 8 : map->count > map->cap / 2 ? map->cap * 2 : map->cap;
	struct entry *entries;
	uint32_t *slots;
	size_t n = 0;

	if (cap > UINT32_MAX / 4)
		return SL_ERR_LIMIT;
	entries = sl_calloc(cap, sizeof(*entries));
	slots = sl_calloc(cap * 2, sizeof(*slots));
	if (entries == NULL || slots == NULL) {
		sl_free(entries);
		sl_free(slots);
		return SL_ERR_NOMEM;
	}
	for (size_t i = 0; i < map->used; i++) {
		if (map->entries[i].key == NULL)
			continue;
		entries[n] = map->entries[i];
		place(slots, cap * 2 - 1, entries[n].hash, n);
		n++;
	}
	sl_free(map->entries);
	sl_free(map->slots);
	map->entries = entries;
	map->slots = slots;
	map->cap = cap;
	map->used = n;
	return 0;
}

void *
sl_dict_get(const struct sl_dict *map, struct sl_str key)
{
	uint32_t *slot = map->count > 0 ? find(map, key, hash(key)) : NULL;

	return slot != NULL ? map->entries[*slot - 2].value : NULL;
}

bool
sl_dict_has(const struct sl_dict *map, struct sl_str key)
{
	return map->count > 0 && find(map, key, hash(key)) != NULL;
}

int
sl_dict_set(struct sl_dict *map, struct sl_str key, void *value, void **old)
{
	uint64_t h = hash(key);
	uint32_t *slot = find(map, key, h);
	char *copy;
	int r;

	if (old != NULL)
		*old = NULL;
	if (slot != NULL) {
		if (old != NULL)
			*old = map->entries[*slot - 2].value;
		map->entries[*slot - 2].value = value;
		return 0;
	}
	if (map->used == map->cap) {
		r = rebuild(map);
		if (r < 0)
			return r;
	}
	copy = sl_strndup(key.p, key.n);
	if (copy == NULL)
		return SL_ERR_NOMEM;
	map->entries[map->used] = (struct entry){ h, ++map->serial, copy, key.n, value };
	place(map->slots, map->cap * 2 - 1, h, map->used);
	map->used++;
	map->count++;
	return 0;
}

void *
sl_dict_remove(struct sl_dict *map, struct sl_str key)
{
	uint32_t *slot = map->count > 0 ? find(map, key, hash(key)) : NULL;
	struct entry *e;

	if (slot == NULL)
		return NULL;
	e = &map->entries[*slot - 2];
	*slot = GONE;
	sl_free(e->key);
	e->key = NULL;
	map->count--;
	return e->value;
}

size_t
sl_dict_count(const struct sl_dict *map)
{
	return map->count;
}

bool
sl_dict_each(const struct sl_dict *map, size_t *i, struct sl_str *key, void **value)
{
	while (*i < map->used && map->entries[*i].key == NULL)
		(*i)++;
	if (*i >= map->used)
		return false;
	if (key != NULL)
		*key = (struct sl_str){ map->entries[*i].key, map->entries[*i].n };
	if (value != NULL)
		*value = map->entries[*i].value;
	(*i)++;
	return true;
}

bool
sl_dict_after(const struct sl_dict *map, uint64_t *at, struct sl_str *key, void **value)
{
	size_t low = 0, high = map->used, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (map->entries[middle].serial > *at)
			high = middle;
		else
			low = middle + 1;
	}
	if (!sl_dict_each(map, &low, key, value))
		return false;
	*at = map->entries[low - 1].serial;
	return true;
}
