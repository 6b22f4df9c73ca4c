/* csv json lines secret env merge: the only functions of sluice.lua. */
#include <stdlib.h>
#include <string.h>

#include "../engine/value.h"
#include "config_private.h"
#include "image.h"

static struct sl_image *
image_of(lua_State *L)
{
	return sl_vm_eval_host(L);
}

static struct sl_str
file_of(lua_State *L, const char *folder)
{
	const char *name = luaL_checkstring(L, 1);
	struct sl_str bytes = SL_STR("");
	const char *path = lua_pushfstring(L, "%s%s", folder, name);

	if (folder[0] == '\0' && (strncmp(name, "secrets/", 8) == 0 || strncmp(name, "keys/", 5) == 0))
		luaL_error(L, "%s isn't data: use secret or pki:", name);

	if (!sl_image_find(image_of(L), path, &bytes)) {
		path = lua_pushfstring(L, "data/%s", name);
		if (folder[0] != '\0' || !sl_image_find(image_of(L), path, &bytes))
			luaL_error(L, "the policy has no file %s%s", folder, name);
	}
	return bytes;
}

/* The value of a secret is known to the machine from here on: it is replaced
 * wherever text leaves. */
static int
f_secret(lua_State *L)
{
	const char *path = lua_pushfstring(L, "secrets/%s", luaL_checkstring(L, 1));
	struct sl_str bytes;

	if (sl_image_is_keyless(image_of(L)) && !sl_image_find(image_of(L), path, &bytes)) {
		sl_string(L, SL_STR("[secret]"));
		return 1;
	}
	bytes = file_of(L, "secrets/");
	while (bytes.n > 0 && (bytes.p[bytes.n - 1] == '\n' || bytes.p[bytes.n - 1] == '\r'))
		bytes.n--;
	if (bytes.n == 0)
		return luaL_error(L, "secrets/%s is empty", lua_tostring(L, 1));
	sl_secret_add(L, bytes);
	sl_string(L, bytes);
	return 1;
}

static int
f_env(lua_State *L)
{
	const char *value = getenv(luaL_checkstring(L, 1));

	if (value == NULL)
		return luaL_error(L, "the environment has no %s", lua_tostring(L, 1));
	lua_pushstring(L, value);
	return 1;
}

static int
f_json(lua_State *L)
{
	struct sl_err err;

	if (sl_json_decode(L, file_of(L, ""), 64 * 1024 * 1024, &err) != 0)
		return luaL_error(L, "%s: %s", lua_tostring(L, 1), err.text);
	return 1;
}

static int
f_lines(lua_State *L)
{
	struct sl_str text = file_of(L, ""), line;

	sl_list_new(L);
	while (sl_str_split(&text, '\n', &line)) {
		line = sl_str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		sl_string(L, line);
		sl_list_add(L);
	}
	return 1;
}

/* The first column names the row, the first line the columns: what a relay
 * table needs. RFC 4180, with blanks around fields and lines of '#' left out. */
static int
f_csv(lua_State *L)
{
	struct sl_str text = file_of(L, "");
	bool ended = false;
	int n = 0, i;

	lua_newtable(L);			/* names of the columns */
	for (; !ended && text.n > 0; n++) {
		ended = sl_csv_field(L, &text);
		lua_rawseti(L, -2, n + 1);
	}
	lua_newtable(L);
	while (sl_csv_skip(&text)) {
		ended = sl_csv_field(L, &text);		/* the row's name */
		lua_newtable(L);
		for (i = 2; !ended; i++) {
			lua_rawgeti(L, -4, i);
			ended = sl_csv_field(L, &text);
			if (i <= n)
				lua_rawset(L, -3);
			else
				lua_pop(L, 2);
		}
		lua_rawset(L, -3);
	}
	return 1;
}

/* Later tables win. */
static int
f_merge(lua_State *L)
{
	int i, n = lua_gettop(L);

	lua_newtable(L);
	for (i = 1; i <= n; i++) {
		luaL_checktype(L, i, LUA_TTABLE);
		lua_pushnil(L);
		while (lua_next(L, i) != 0) {
			lua_pushvalue(L, -2);
			lua_insert(L, -2);
			lua_rawset(L, n + 1);
		}
	}
	return 1;
}

const struct sl_builtin sl_config_functions[] = {
	{ "csv", f_csv, 0 }, { "json", f_json, 0 }, { "lines", f_lines, 0 },
	{ "secret", f_secret, 0 }, { "env", f_env, 0 }, { "merge", f_merge, 0 },
	{ NULL, NULL, 0 },
};
