/* What the code of HSL's barrier calls. */
#ifndef SL_LUA_STATE_BARRIER_H
#define SL_LUA_STATE_BARRIER_H

#include <lua.h>

int	 sl_barrier_enter(lua_State *L);	/* name: true = it is ours */
int	 sl_barrier_wait(lua_State *L);		/* how often it wasn't */
int	 sl_barrier_value(lua_State *L);	/* name: the shared variable */
int	 sl_barrier_store(lua_State *L);	/* name, value */
int	 sl_barrier_keep(lua_State *L);	/* name, function: reads the variable when a final action ends the run */
int	 sl_barrier_leave(lua_State *L);	/* name */

#endif
