/*
 * The engine: one script machine, resolver and HTTP client, and the running
 * generation. Owned by one thread.
 */
#include "engine.h"

#include <string.h>

#include "../base/alloc.h"
#include "../dns/dns.h"
#include "../http/api.h"
#include "../http/client.h"
#include "../state/state.h"
#include "owner.h"

struct sl_dns *
sl_engine_dns(lua_State *L)
{
	return ((struct sl_engine *)sl_vm_owner(sl_vm_of(L)))->dns;
}

struct sl_http *
sl_engine_http(lua_State *L)
{
	return ((struct sl_engine *)sl_vm_owner(sl_vm_of(L)))->http;
}

struct sl_state *
sl_engine_state(lua_State *L)
{
	return ((struct sl_engine *)sl_vm_owner(sl_vm_of(L)))->state;
}
