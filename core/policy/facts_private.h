/* Between facts.c and fact_views.c. */
#ifndef SL_POLICY_FACTS_PRIVATE_H
#define SL_POLICY_FACTS_PRIVATE_H

#include <lua.h>

#include "context.h"

/* Pushes the value of a fact, none where the phase hasn't it. */
void	 sl_fact_value(lua_State *L, struct sl_context *ctx, const char *name);

/* Pushes the name of a transport as facts have it. */
void	 sl_fact_transport(lua_State *L, const char *name);

/* Pushes one of today's tables and returns 1, when 'name' is one of them in this phase. */
int	 sl_fact_view(lua_State *L, struct sl_context *ctx, const char *name);

#endif
