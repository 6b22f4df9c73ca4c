/*
 * The checks themselves are Lua (stdlib/check/check.lua); here they are told
 * what the program knows: sources, the phases of each script, builtins, facts,
 * and of any other name whether a run would find it.
 */
#include "check_scripts.h"

#include <lauxlib.h>
#include <limits.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

#include "../engine/builtin.h"
#include "../policy/config.h"
#include "../policy/facts.h"
#include "../policy/image.h"
#include "../policy/relay.h"
#include "../sluice_host.h"
#include "cmd.h"

/* ---- names ------------------------------------------------------------------------------- */

struct answer {
	bool over, defined;
	char near[100];
};

/* "NAME is not defined (NEAR?)"; any other error means that there is such a name. */
static void
on_answer(void *arg, const struct sl_err *err, const char *text)
{
	struct answer *a = arg;
	const char *at = err != NULL ? strstr(err->text, " is not defined") : NULL;

	(void)text;
	a->over = true;
	a->defined = at == NULL;
	if (at != NULL && sscanf(at, " is not defined (%99[^?]?)", a->near) != 1)
		a->near[0] = '\0';
}

/* Asks a run: what it says is what scripts would hear. */
static int
is_defined(lua_State *L)
{
	struct sl_engine *engine = lua_touserdata(L, lua_upvalueindex(1));
	const char *source = lua_pushfstring(L, "return %s", luaL_checkstring(L, 1));
	struct answer a = { 0 };
	struct sl_err err;

	if (sl_engine_exec(engine, "check", sl_str_of(source), on_answer, &a, &err) != 0)
		return 0;
	while (!a.over && sl_engine_wait(engine, -1) == 0)
		;
	lua_pushboolean(L, a.defined);
	if (a.near[0] == '\0')
		return 1;
	lua_pushstring(L, a.near);
	return 2;
}

/* [-0, +1] { connect = true, ... } */
static void
push_phases(lua_State *L, unsigned phases)
{
	int phase;

	lua_newtable(L);
	for (phase = 0; phase < SL_PHASES; phase++)
		if (phases & (1u << phase)) {
			lua_pushboolean(L, 1);
			lua_setfield(L, -2, sl_phase_name((enum sl_phase)phase));
		}
}

/* [-0, +1] */
static void
push_builtins(lua_State *L)
{
	const struct sl_module *m;
	const struct sl_builtin *row;

	lua_newtable(L);
	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++) {
			lua_newtable(L);
			push_phases(L, row->flags & SL_AT_ANY);
			lua_setfield(L, -2, "phases");
			lua_pushboolean(L, (row->flags & SL_FINAL) != 0);
			lua_setfield(L, -2, "final");
			lua_setfield(L, -2, row->name);
		}
}

/* [-0, +1] */
static void
push_facts(lua_State *L)
{
	const char *name, *text;
	unsigned phases;
	size_t i;

	lua_newtable(L);
	for (i = 0; (name = sl_fact_at(i, &phases, &text)) != NULL; i++) {
		push_phases(L, phases);
		lua_setfield(L, -2, name);
	}
}

/* ---- scripts ----------------------------------------------------------------------------- */

/* The phases of each script of a flow, in a table on top of the stack. */
static void
add_flow(lua_State *L, const struct sl_flow *flow, unsigned phase)
{
	unsigned known;
	size_t i;

	for (i = 0; flow != NULL && i < flow->n; i++) {
		if (flow->elements[i].script == NULL)
			continue;
		lua_getfield(L, -1, flow->elements[i].script);
		known = (unsigned)lua_tointeger(L, -1);
		lua_pop(L, 1);
		lua_pushinteger(L, known | 1u << phase);
		lua_setfield(L, -2, flow->elements[i].script);
	}
}

static lua_State *rows_state;		/* sl_relay_each gives no argument */

static void
add_row(struct sl_relay_row *row)
{
	unsigned phase;

	for (phase = 0; phase < SL_PHASES; phase++)
		add_flow(rows_state, row->flows[phase], phase);
}

/* [-0, +1] script -> bits of phases */
static void
push_uses(lua_State *L, const struct sl_config *c)
{
	unsigned phase;
	size_t i;

	lua_newtable(L);
	rows_state = L;
	for (i = 0; i < c->nservers; i++) {
		for (phase = 0; phase < SL_PHASES; phase++)
			add_flow(L, &c->servers[i].flows[phase], phase);
		if (c->servers[i].relay != NULL)
			sl_relay_each(c->servers[i].relay, add_row);
	}
}

static bool
is_script(struct sl_str path)
{
	return (sl_str_ends(path, SL_STR(".lua")) || sl_str_ends(path, SL_STR(".hsl"))) &&
	    !sl_str_eq(path, SL_STR("sluice.lua")) && !sl_str_starts(path, SL_STR("stdlib/"));
}

/* [-0, +1] */
static void
push_files(lua_State *L, const struct sl_image *image, const struct sl_config *config)
{
	struct sl_str path, bytes;
	lua_Integer n = 0;
	size_t i;

	push_uses(L, config);
	lua_newtable(L);
	for (i = 0; sl_image_each(image, &i, &path, &bytes);) {
		if (!is_script(path) || sl_config_is_shadow(config, path))
			continue;
		lua_newtable(L);
		lua_pushlstring(L, path.p, path.n);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, "path");
		lua_gettable(L, -4);
		if (lua_isinteger(L, -1)) {
			push_phases(L, (unsigned)lua_tointeger(L, -1));
			lua_setfield(L, -3, "phases");
		}
		lua_pop(L, 1);
		lua_pushlstring(L, bytes.p, bytes.n);
		lua_setfield(L, -2, "source");
		lua_rawseti(L, -2, ++n);
	}
	lua_remove(L, -2);
}

/* ---- what scripts may name ---------------------------------------------------------------- */

/* Sets [name] = true in the table on top of the stack. */
static void
put_name(lua_State *L, struct sl_str name)
{
	lua_pushlstring(L, name.p, name.n);
	lua_pushboolean(L, 1);
	lua_settable(L, -3);
}

/* Sets fields of the table on top of the stack. */
static void
set_names(lua_State *L, const struct sl_image *image, const struct sl_config *c)
{
	struct sl_str path, bytes;
	const char *name;
	json_t *value;
	size_t i;

	lua_newtable(L);
	for (i = 0; sl_image_each(image, &i, &path, &bytes);)
		if (!sl_config_is_shadow(c, path))
			put_name(L, path);
	lua_setfield(L, -2, "paths");
	lua_newtable(L);
	for (i = 0; i < c->ntransports; i++)
		put_name(L, sl_str_of(c->transports[i].name));
	lua_setfield(L, -2, "transports");
	lua_newtable(L);
	for (i = 0; i < c->nquarantines; i++)
		put_name(L, sl_str_of(c->quarantines[i]));
	lua_setfield(L, -2, "quarantines");
	lua_newtable(L);
	for (i = 0; i < c->napis; i++)
		put_name(L, sl_str_of(c->apis[i].name));
	lua_setfield(L, -2, "apis");
	lua_newtable(L);
	json_object_foreach(c->files, name, value) {
		lua_pushstring(L, json_string_value(value));
		lua_setfield(L, -2, name);
	}
	lua_setfield(L, -2, "named_files");
}

/* ---- the mail server in front -------------------------------------------------------------- */

/* Whether something of the policy may sign, by the names it has. */
static bool
may_sign(const struct sl_image *image, const struct sl_config *c)
{
	static const char *const words[] = { "DKIMSign", "ARCSeal", "signDKIM", "dkim_delivery" };
	struct sl_str path, bytes;
	size_t i, k;

	for (i = 0; sl_image_each(image, &i, &path, &bytes);) {
		if (sl_str_starts(path, SL_STR("stdlib/")) || sl_config_is_shadow(c, path))
			continue;
		for (k = 0; k < sizeof(words) / sizeof(words[0]); k++)
			if (sl_str_find(bytes, sl_str_of(words[k])) >= 0)
				return true;
	}
	return false;
}

/* Sets fields of the table on top of the stack. */
static void
set_mail_server(lua_State *L, const struct sl_image *image, const struct sl_config *c,
    const struct check_postfix *postfix)
{
	lua_Integer n = 0;
	size_t i;

	lua_newtable(L);
	for (i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].milter != NULL) {
			lua_pushstring(L, c->listeners[i].milter);
			lua_rawseti(L, -2, ++n);
		}
	lua_setfield(L, -2, "milters");
	lua_pushboolean(L, may_sign(image, c));
	lua_setfield(L, -2, "signs");
	if (postfix == NULL)
		return;
	lua_newtable(L);
	lua_pushstring(L, postfix->file);
	lua_setfield(L, -2, "file");
	lua_pushlstring(L, postfix->text.p != NULL ? postfix->text.p : "", postfix->text.n);
	lua_setfield(L, -2, "text");
	lua_setfield(L, -2, "postfix");
}

/* ---- running ----------------------------------------------------------------------------- */

static const char *
field(lua_State *L, const char *name)
{
	const char *text;

	lua_getfield(L, -1, name);
	text = lua_tostring(L, -1);
	lua_pop(L, 1);		/* the table keeps it */
	return text != NULL ? text : "";
}

static json_t *
take_findings(lua_State *L)
{
	static const char *const texts[] = { "file", "severity", "code", "text", "remedy" };
	json_t *list = json_array(), *finding;
	lua_Integer i;
	size_t k;

	for (i = 1; lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
		finding = json_object();
		for (k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			json_object_set_new(finding, texts[k], cmd_json_text(field(L, texts[k])));
		json_object_set_new(finding, "line", json_integer(atoi(field(L, "line"))));
		json_object_set_new(finding, "column", json_integer(atoi(field(L, "column"))));
		json_array_append_new(list, finding);
		lua_pop(L, 1);
	}
	return list;
}

static json_t *
run(lua_State *L, struct sl_engine *engine, const struct sl_image *image,
    const struct check_postfix *postfix, struct sl_err *err)
{
	char path[PATH_MAX];

	luaL_openlibs(L);
	snprintf(path, sizeof(path), "%s/check/check.lua", cmd_stdlib());
	if (luaL_loadfile(L, path) != LUA_OK)
		goto fail;
	lua_newtable(L);
	push_files(L, image, sl_engine_config(engine));
	lua_setfield(L, -2, "files");
	push_builtins(L);
	lua_setfield(L, -2, "builtins");
	push_facts(L);
	lua_setfield(L, -2, "facts");
	set_names(L, image, sl_engine_config(engine));
	set_mail_server(L, image, sl_engine_config(engine), postfix);
	lua_pushlightuserdata(L, engine);
	lua_pushcclosure(L, is_defined, 1);
	lua_setfield(L, -2, "defined");
	lua_pushstring(L, cmd_stdlib());
	if (lua_pcall(L, 2, 1, 0) == LUA_OK)
		return take_findings(L);
fail:
	sl_err_set(err, SL_ERR_IO, "%s", lua_tostring(L, -1));
	return NULL;
}

json_t *
check_scripts(struct sl_engine *engine, int image_fd, const struct check_postfix *postfix,
    struct sl_err *err)
{
	lua_State *L = luaL_newstate();
	struct sl_image *image = NULL;
	json_t *findings = NULL;

	if (L == NULL)
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	else if (sl_image_open(&image, image_fd, err) == 0)
		findings = run(L, engine, image, postfix, err);
	sl_image_close(image);
	if (L != NULL)
		lua_close(L);
	return findings;
}

/* ---- functions of other scripts ------------------------------------------------------------ */

static bool
is_word(char c)
{
	return sl_isalnum(c) || c == '_';
}

/* Whether it has "function NAME". */
static bool
defines(struct sl_str source, struct sl_str name)
{
	ssize_t at;

	while ((at = sl_str_find(source, SL_STR("function "))) >= 0) {
		source = sl_str_sub(source, (size_t)at + strlen("function "), source.n);
		while (source.n > 0 && (*source.p == ' ' || *source.p == '\t'))
			source = sl_str_sub(source, 1, source.n);
		if (sl_str_starts(source, name) && (source.n == name.n || !is_word(source.p[name.n])))
			return true;
	}
	return false;
}

static bool
is_defined_elsewhere(const struct sl_image *image, const char *name)
{
	struct sl_str path, bytes;
	size_t i;

	for (i = 0; sl_image_each(image, &i, &path, &bytes);)
		if (is_script(path) && defines(bytes, sl_str_of(name)))
			return true;
	return false;
}

void
check_functions(json_t *findings, int image_fd)
{
	struct sl_image *image = NULL;
	char name[100];
	size_t i;

	if (sl_image_open(&image, image_fd, NULL) != 0)
		return;
	for (i = json_array_size(findings); i-- > 0;)
		if (sscanf(json_string_value(json_object_get(json_array_get(findings, i), "text")),
		    "there is no function %99s here", name) == 1 && is_defined_elsewhere(image, name))
			json_array_remove(findings, i);
	sl_image_close(image);
}

/* ---- codes --------------------------------------------------------------------------------- */

/* The remedy of a code, from the list on top of the stack; NULL: it isn't there. */
static const char *
remedy_of(lua_State *L, const char *code)
{
	const char *found = NULL;
	lua_Integer i;

	for (i = 1; found == NULL && lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
		if (strcmp(field(L, "code"), code) == 0)
			found = field(L, "remedy");
		lua_pop(L, 1);		/* the list keeps it */
	}
	if (found == NULL)
		lua_pop(L, 1);
	return found;
}

static int
explain(lua_State *L, json_t *findings, struct sl_err *err)
{
	const char *code, *remedy;
	json_t *finding;
	size_t i;

	json_array_foreach(findings, i, finding) {
		code = json_string_value(json_object_get(finding, "code"));
		if ((remedy = remedy_of(L, code)) == NULL)
			return sl_err_set(err, SL_ERR_NOTFOUND, "check/codes.lua: there is no code %s", code);
		if (json_string_value(json_object_get(finding, "remedy"))[0] == '\0')
			json_object_set_new(finding, "remedy", cmd_json_text(remedy));
	}
	return 0;
}

int
check_explain(json_t *findings, struct sl_err *err)
{
	lua_State *L = luaL_newstate();
	char path[PATH_MAX];
	int rc;

	if (L == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	snprintf(path, sizeof(path), "%s/check/codes.lua", cmd_stdlib());
	if (luaL_dofile(L, path) != LUA_OK || !lua_istable(L, -1))
		rc = sl_err_set(err, SL_ERR_IO, "%s", lua_isstring(L, -1) ? lua_tostring(L, -1) : path);
	else
		rc = explain(L, findings, err);
	lua_close(L);
	return rc;
}
