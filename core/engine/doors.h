/*
 * Doors: clock, chance, and what else of the machine a run looks at. Each goes past the
 * tape of the session (core/tape/tape.h), which notes or answers; 'tape' NULL = the real
 * thing. The doors of DNS, HTTP, state, keys stand in their own modules.
 */
#ifndef SL_ENGINE_DOORS_H
#define SL_ENGINE_DOORS_H

#include <lua.h>

#include "../net/loop.h"
#include "../tape/tape.h"

struct sl_cache;

/* The tape of the run that calls, at the place of the builtin; NULL = none. */
struct sl_tape	*sl_run_tape(lua_State *L);

/* Microseconds since 1970. */
int64_t	 sl_door_time(struct sl_tape *tape, const struct sl_loop *loop);
int64_t	 sl_run_time(lua_State *L);

/* As those of core/crypto/random.h. SL_ERR_NOTFOUND: the tape has no more. */
int	 sl_door_random(struct sl_tape *tape, void *p, size_t n);
int	 sl_door_random_below(struct sl_tape *tape, uint64_t below, uint64_t *out);
int	 sl_door_uuid4(struct sl_tape *tape, char out[37]);

/* A reading by its name ("uptime"): 'real' is what it is now. */
double	 sl_door_number(struct sl_tape *tape, const char *name, double real);
/* The same for a text; borrowed from 'real' or the tape. */
struct sl_str sl_door_text(struct sl_tape *tape, const char *name, struct sl_str real);
/* The same for one that is another each time, as chance is. */
struct sl_str sl_door_unique(struct sl_tape *tape, const char *name, struct sl_str real);

/*
 * sl_cache_get and _put of values in plain bytes (plain.h), behind 'head' other ones. A tape
 * that plays has what was found then; what wasn't looked for isn't found, as in a cache that
 * lost it, and nothing is put. 'found' keeps what a tape gives.
 */
bool	 sl_door_cache_get(struct sl_tape *tape, struct sl_cache *cache, struct sl_str space,
	    struct sl_str key, size_t head, struct sl_buf *found, struct sl_str *value);
void	 sl_door_cache_put(struct sl_tape *tape, struct sl_cache *cache, struct sl_str space,
	    struct sl_str key, struct sl_str value, int64_t ttl_us, size_t size, bool least);

#endif
