/* The desk as a table of functions for Lua. */
#ifndef SL_CMD_TEST_LUA_H
#define SL_CMD_TEST_LUA_H

#include <lua.h>

#include "desk.h"

/* [-0, +1, m] 'd' outlives the state. */
void	 test_push_desk(lua_State *L, struct desk *d);

#endif
