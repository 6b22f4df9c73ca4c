/*
 * Hash table from byte strings to pointers, in order of insertion. Keys are
 * copied, values belong to the caller. Hashing is keyed (SipHash-1-3 with a
 * random key per process), so that a sender can't choose collisions.
 */
#ifndef SL_BASE_DICT_H
#define SL_BASE_DICT_H

#include "bytes.h"

struct sl_dict;

struct sl_dict	*sl_dict_new(void);
/* 'free_value' may be NULL. */
void		 sl_dict_free(struct sl_dict *map, void (*free_value)(void *));
void		*sl_dict_get(const struct sl_dict *map, struct sl_str key);
bool		 sl_dict_has(const struct sl_dict *map, struct sl_str key);
/* Adds or replaces; *old (may be NULL) gets the former value or NULL. */
int		 sl_dict_set(struct sl_dict *map, struct sl_str key, void *value, void **old);
void		*sl_dict_remove(struct sl_dict *map, struct sl_str key);	/* the value or NULL */
size_t		 sl_dict_count(const struct sl_dict *map);

/* for (i = 0; sl_dict_each(map, &i, &key, &value);) in order of insertion;
 * the entry just given may be removed inside the loop, nothing else. */
bool		 sl_dict_each(const struct sl_dict *map, size_t *i, struct sl_str *key, void **value);
/* As each, but the map may change in between in any way: what stays is given
 * once, what comes meanwhile is given at the end. *at begins with 0. */
bool		 sl_dict_after(const struct sl_dict *map, uint64_t *at, struct sl_str *key, void **value);

uint64_t	 sl_siphash(struct sl_str s, const uint8_t key[16]);

#endif
