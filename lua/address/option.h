/* Addresses among the options of builtins. */
#ifndef SL_LUA_ADDRESS_OPTION_H
#define SL_LUA_ADDRESS_OPTION_H

#include <lua.h>

#include "../../core/mail/address.h"

/*
 * An address of the table at 'arg': a text, or its parts { localpart = "a", domain = "b" }. Empty, all
 * of 'out' is "", where there may be none. False = it isn't given; raises for what is no address.
 */
bool	 sl_opt_address(lua_State *L, int arg, const char *name, bool null_ok, struct sl_address *out);

#endif
