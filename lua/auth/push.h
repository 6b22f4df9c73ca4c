/*
 * Results as scripts get them: one shape, in doc/results.md. Each pushes one
 * table.
 */
#ifndef SL_LUA_AUTH_PUSH_H
#define SL_LUA_AUTH_PUSH_H

#include <lua.h>

#include "../../core/auth/scan.h"

/* 'received': the value for a Received-SPF field, empty = left out. */
void	 sl_push_spf(lua_State *L, const struct sl_spf_result *r, struct sl_str received);
void	 sl_push_signature(lua_State *L, const struct sl_dkim_result *r);
void	 sl_push_arc(lua_State *L, const struct sl_arc_result *r);
/* All behind the decision of a scan of the message. */
void	 sl_push_dmarc(lua_State *L, const struct sl_auth_scan *scan);

#endif
