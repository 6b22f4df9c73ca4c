/*
 * The arrays of HSL: maps that keep the order of insertion, as Lua tables.
 *
 * A value stands under its key in the table itself, so that code reads t[key]
 * without a call. Keys are integers (HSL's numbers lose their decimals there),
 * strings, or functions and objects; sl_map_key makes one of any value.
 *
 * While the keys are exactly 0..n-1 in this order and no value is none, that is
 * all: a list. Otherwise the table has, under a key that no script can have, its
 * order: the list of keys, with holes where one was removed.
 *
 * A map is a value: nobody changes one that somebody else may hold. Emitted code
 * knows which it alone holds (doc/design.md); builtins make new ones. Keys and
 * values come out as HSL's: numbers are floats.
 */
#ifndef SL_ENGINE_MAP_H
#define SL_ENGINE_MAP_H

#include <stdbool.h>

#include <lua.h>

bool	 sl_is_map(lua_State *L, int index);
void	 sl_map_make(lua_State *L);			/* [-0, +1, m] an empty one */
void	 sl_map_copy(lua_State *L, int index);		/* [-0, +1, m] flat */
size_t	 sl_map_count(lua_State *L, int index);
bool	 sl_map_is_list(lua_State *L, int index);	/* keys are 0..n-1 in this order */

bool	 sl_map_is_plain(lua_State *L, int index);	/* such a list, without an order of its own */

/* Makes a key of the value on top, in its place; raises when it can't be one. */
void	 sl_map_key(lua_State *L);			/* [-0, +0, e] */
/* As sl_map_key, but false instead of raising: no map has such a key. */
bool	 sl_map_key_try(lua_State *L);

/* Each of these makes the key first. */
void	 sl_map_put(lua_State *L, int index);		/* [-2, +0, e] key and value; none is a value */
void	 sl_map_append(lua_State *L, int index);	/* [-1, +0, e] under the highest number + 1 */
bool	 sl_map_get(lua_State *L, int index);		/* [-1, +1, e] key; false and nil if it has none */
void	 sl_map_remove(lua_State *L, int index);	/* [-1, +0, e] key; nothing if it isn't there */

/*
 * Walks: pushes key and value, true; or nothing, false. The map must not change
 * meanwhile.
 *	for (at = 0; sl_map_each(L, index, &at); lua_pop(L, 2)) ...
 */
bool	 sl_map_each(lua_State *L, int index, size_t *at);	/* [-0, +2 or +0, -] */
/* The n-th key and value, from 0; false = it has fewer. Linear where keys were removed. */
bool	 sl_map_at(lua_State *L, int index, size_t n);		/* [-0, +2 or +0, -] */

#endif
