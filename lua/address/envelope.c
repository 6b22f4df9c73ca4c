#include "envelope.h"

#include <string.h>

#include "../../core/base/alloc.h"
#include "../../core/engine/value.h"
#include "../../core/policy/config.h"
#include "../../core/policy/context.h"

const char *
sl_keep(lua_State *L, struct sl_str s)
{
	const char *copy = sl_arena_strndup(sl_context_of(L)->arena, s.p != NULL ? s.p : "", s.n);

	if (copy == NULL)
		luaL_error(L, "out of memory");
	return copy;
}

/* ---- addresses ------------------------------------------------------------------------------ */

bool
sl_is_address_parts(lua_State *L, int arg)
{
	bool yes = lua_istable(L, arg) && sl_opt_push(L, arg, "localpart");

	if (lua_istable(L, arg))
		lua_pop(L, 1);
	return yes;
}

/* The address at 'index' as a text; of a table the engine's scratch has it. */
static struct sl_str
text_of(lua_State *L, int index)
{
	static const char *const parts[] = { "localpart", "domain", NULL };
	struct sl_str local, domain;
	struct sl_buf *text;

	if (!lua_istable(L, index))
		return sl_arg_string(L, index);
	sl_options(L, index, parts);
	local = sl_opt_string(L, index, "localpart", "");
	domain = sl_opt_string(L, index, "domain", "");
	text = sl_scratch(L);
	sl_buf_putstr(text, local);
	if (domain.n > 0)
		sl_buf_putc(text, '@');
	sl_buf_putstr(text, domain);
	if (text->failed)
		luaL_error(L, "out of memory");
	return sl_buf_str(text);
}

/* False: 'err' says why it is no address. */
static bool
parse(struct sl_address *out, struct sl_str text, bool null_ok, struct sl_err *err)
{
	memset(out, 0, sizeof(*out));
	return (null_ok && text.n == 0) || sl_address_parse(out, text, err) == 0;
}

void
sl_arg_address(lua_State *L, int arg, bool null_ok, struct sl_address *out)
{
	struct sl_str text = text_of(L, arg);
	struct sl_err err;

	if (!parse(out, text, null_ok, &err))
		luaL_error(L, "\"%s\": %s", text.p != NULL ? text.p : "", err.text);
}

bool
sl_opt_address(lua_State *L, int arg, const char *name, bool null_ok, struct sl_address *out)
{
	int top = lua_gettop(L);
	struct sl_err err;
	bool given = sl_opt_push(L, arg, name);

	if (given && !parse(out, text_of(L, top + 1), null_ok, &err))
		luaL_error(L, "option \"%s\": %s", name, err.text);
	lua_settop(L, top);
	return given;
}

/* ---- transports and metadata ------------------------------------------------------------------ */

const char *
sl_known_transport(lua_State *L, struct sl_str name)
{
	const char *kept;

	if (sl_str_starts(name, SL_STR("mailtransport:")))
		name = sl_str_sub(name, 14, name.n);
	kept = sl_keep(L, name);
	if (sl_config_transport(sl_context_config(sl_context_of(L)), kept) == NULL)
		luaL_error(L, "transport \"%s\" is not in sluice.lua", kept);
	return kept;
}

const char *
sl_opt_metadata(lua_State *L, int arg)
{
	int top = lua_gettop(L);
	const char *kept = NULL;
	struct sl_buf *json;
	struct sl_err err;

	if (sl_opt_push(L, arg, "metadata")) {
		sl_arg_table(L, top + 1);
		json = sl_scratch(L);
		if (sl_json_texts(L, top + 1, json, &err) != 0)
			luaL_error(L, "option \"metadata\": %s", err.text);
		kept = sl_keep(L, sl_buf_str(json));
	}
	lua_settop(L, top);
	return kept;
}
