/* The desk as a table of functions for Lua. */
#ifndef SL_CMD_TEST_LUA_H
#define SL_CMD_TEST_LUA_H

#include <lua.h>

#include "desk.h"

/* [-0, +1, m] 'd' outlives the state. */
void	 test_push_desk(lua_State *L, struct desk *d);
/* [-0, +1, m] Engines for test files in HSL, as a table of functions. test_hsl.c */
void	 test_push_hsl(lua_State *L);

/* [-0, +1, m] NULL is nil; objects and arrays are tables. */
void	 test_push_json(lua_State *L, const json_t *value);
json_t	*test_to_json(lua_State *L, int index);	/* the caller's */

#endif
