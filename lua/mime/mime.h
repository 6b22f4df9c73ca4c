/* Parts of the message, for other modules that work on them. */
#ifndef SL_LUA_MIME_H
#define SL_LUA_MIME_H

#include <lua.h>

#include "../../core/policy/parts.h"

/* The message's parts, found on first use at the script's cost. Raises without memory. */
const struct sl_mime *sl_mime_parts(lua_State *L);
/* The index of the MIMEPart at 'arg'; raises if it is none. */
unsigned sl_mime_part_arg(lua_State *L, int arg);

#endif
