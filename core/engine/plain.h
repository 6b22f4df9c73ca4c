/*
 * Plain data that outlives runs: a JSON value of the host's, seen by scripts
 * as a table that writes through. Whatever is assigned is copied, so nothing
 * live (functions, coroutines, shared tables) outlives the run that made it.
 */
#ifndef SL_ENGINE_PLAIN_H
#define SL_ENGINE_PLAIN_H

#include <jansson.h>
#include <lua.h>

#define SL_PLAIN_MAX	(64 * 1024)	/* bytes of one assigned value as JSON */
#define SL_PLAIN_NAMES	1000		/* members of one table */

/* Pushes a table for 'value' (an object or array; a reference is taken), or the
 * plain value it is. [-0, +1, m] */
void	 sl_plain_push(lua_State *L, json_t *value);

#endif
