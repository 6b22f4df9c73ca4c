/*
 * What the builtin cache() keeps: bytes by namespace and key, in this process
 * only. Bounded: a namespace by the size its caller names, all together by
 * SL_CACHE_BYTES and SL_CACHE_ENTRIES; what was used longest ago gives way.
 */
#ifndef SL_ENGINE_CACHE_H
#define SL_ENGINE_CACHE_H

#include "../net/loop.h"

#define SL_CACHE_BYTES		(16 * 1024 * 1024)	/* keys, values, and what keeps them */
#define SL_CACHE_ENTRIES	100000
#define SL_CACHE_ENTRY_MAX	(64 * 1024)		/* bytes of one key, and of one value */

struct sl_cache;

/* Ages are told by sl_loop_time_us. NULL = out of memory. */
struct sl_cache	*sl_cache_new(struct sl_loop *loop);
void		 sl_cache_free(struct sl_cache *cache);
/* False: there is none, or it is too old. 'value' is borrowed until the next call. */
bool		 sl_cache_get(struct sl_cache *cache, struct sl_str space, struct sl_str key,
		    struct sl_str *value);
/* Replaces. At most 'size' entries stay in the namespace; 'least': or as many as the smallest
 * size says that was wanted since it was empty. What is too long, or finds no memory, isn't kept. */
void		 sl_cache_put(struct sl_cache *cache, struct sl_str space, struct sl_str key,
		    struct sl_str value, int64_t ttl_us, size_t size, bool least);

#endif
