/* The cache statement of HSL. */
#ifndef SL_LUA_CACHE_STATEMENT_H
#define SL_LUA_CACHE_STATEMENT_H

#include <lua.h>

int	 sl_cache_statement(lua_State *L);

#endif
