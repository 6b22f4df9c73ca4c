#include "option.h"

#include <string.h>

#include "../../core/engine/value.h"

/* The parts of the table on top, as a text in its place. */
static void
join_parts(lua_State *L)
{
	static const char *const parts[] = { "localpart", "domain", NULL };
	int top = lua_gettop(L);
	struct sl_str local, domain;

	sl_options(L, top, parts);
	local = sl_opt_string(L, top, "localpart", "");
	domain = sl_opt_string(L, top, "domain", "");
	lua_pushfstring(L, domain.n > 0 ? "%s@%s" : "%s", local.p, domain.p);
}

bool
sl_opt_address(lua_State *L, int arg, const char *name, bool null_ok, struct sl_address *out)
{
	int top = lua_gettop(L);
	struct sl_str text;
	struct sl_err err;

	if (!sl_opt_push(L, arg, name)) {
		lua_settop(L, top);
		return false;
	}
	if (lua_istable(L, -1))
		join_parts(L);
	text = sl_arg_string(L, lua_gettop(L));
	memset(out, 0, sizeof(*out));
	if ((text.n > 0 || !null_ok) && sl_address_parse(out, text, &err) != 0)
		luaL_error(L, "option \"%s\": %s", name, err.text);
	lua_settop(L, top);
	return true;
}
