/* For builtins of other modules that take patterns: compiled ones, as pcre_compile makes them. */
#ifndef SL_LUA_PCRE_H
#define SL_LUA_PCRE_H

#include <lua.h>

#include "../../core/base/bytes.h"

bool	 sl_is_pattern(lua_State *L, int arg);
/* Whether the pattern at 'arg' matches somewhere in 'subject'. Raises when that takes too long. */
bool	 sl_pattern_matches(lua_State *L, int arg, struct sl_str subject);	/* [-0, +0, e] */

#endif
