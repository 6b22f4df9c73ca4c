/*
 * A bounded table from SHA-256 digests to shared things, least recently used
 * out first. For the key caches of this folder. One thread.
 */
#ifndef SL_CRYPTO_LRU_H
#define SL_CRYPTO_LRU_H

#include "../base/bytes.h"

struct sl_lru;

/* 'drop' gives a value back when it leaves. max 0 keeps nothing. */
struct sl_lru	*sl_lru_new(size_t max, void (*drop)(void *value));
void		 sl_lru_free(struct sl_lru *lru);
/* Borrowed; NULL when it isn't there. Makes it the most recent. */
void		*sl_lru_get(struct sl_lru *lru, const uint8_t *hash);
/* Takes the value when true; out of memory or without room it stays the caller's. */
bool		 sl_lru_put(struct sl_lru *lru, const uint8_t *hash, void *value);

#endif
