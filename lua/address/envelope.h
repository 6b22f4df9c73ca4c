/*
 * What builtins take of envelopes: addresses, transports, metadata. An address is a text, or a table
 * of its parts, { localpart = "a", domain = "b" }, as facts have them.
 */
#ifndef SL_LUA_ADDRESS_ENVELOPE_H
#define SL_LUA_ADDRESS_ENVELOPE_H

#include <lua.h>

#include "../../core/mail/address.h"

/* A copy as long as the transaction or attempt of the run; raises when there is no memory. */
const char *sl_keep(lua_State *L, struct sl_str s);

/* Whether the argument is a table of one address's parts. */
bool	 sl_is_address_parts(lua_State *L, int arg);
/* The address at 'arg'; the empty one, all of 'out' "", where 'null_ok'. Raises for what is none. */
void	 sl_arg_address(lua_State *L, int arg, bool null_ok, struct sl_address *out);
/* The same of an option of the table at 'arg'. False = it isn't given. */
bool	 sl_opt_address(lua_State *L, int arg, const char *name, bool null_ok, struct sl_address *out);

/* A name of `transports`, with or without the prefix of 2016, kept; raises if sluice.lua hasn't it. */
const char *sl_known_transport(lua_State *L, struct sl_str name);
/* The option "metadata" of the table at 'arg', as JSON, kept; NULL = it isn't given. */
const char *sl_opt_metadata(lua_State *L, int arg);

#endif
