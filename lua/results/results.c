/* Authentication-Results (RFC 8601): the field of ours, and reading those of others. */
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/engine.h"
#include "../../core/policy/owner.h"
#include "../../core/policy/scan.h"

#define MAX_ADDED	20	/* results of a script's own */
#define MAX_PROPERTIES	20	/* of one of them */

/* ---- what to write ---------------------------------------------------------------------- */

static unsigned
method_bit(lua_State *L, struct sl_str word)
{
	static const char *const words[] = { "spf", "dkim", "dmarc", "arc", "auth", NULL };
	const char *near;
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (sl_str_eq(word, sl_str_of(words[i])))
			return 1u << i;	/* enum sl_results */
	near = sl_suggest(word.p, words);
	return (unsigned)luaL_error(L, near != NULL ? "option \"methods\": \"%s\" is unknown (%s?)" :
	    "option \"methods\": \"%s\" is unknown", word.p, near);
}

/* Without the option all; ARC then only if the chain was looked at before. */
static unsigned
methods_option(lua_State *L, int arg, bool *chosen)
{
	unsigned which = 0;
	size_t i;

	*chosen = sl_opt_push(L, arg, "methods");
	if (!*chosen) {
		lua_pop(L, 1);
		return SL_RESULTS_MAIL | SL_RESULTS_AUTH;
	}
	sl_arg_table(L, lua_gettop(L));
	for (i = 0; sl_each(L, lua_gettop(L), &i); lua_pop(L, 2))
		which |= method_bit(L, sl_arg_string(L, lua_gettop(L)));
	lua_pop(L, 1);
	return which;
}

/* ---- results of the script's own -------------------------------------------------------- */

/* Names that stand in the field as they are. */
static const char *
keyword(lua_State *L, struct sl_str s, const char *what)
{
	if (!sl_authres_keyword(s))
		luaL_error(L, "option \"results\": \"%s\" is no %s (letters, digits, \"-\")",
		    s.p != NULL ? s.p : "", what);
	return s.p;
}

/* "policy.iprev" */
static void
add_property(lua_State *L, struct sl_authres_writer *w, struct sl_str name, struct sl_str value)
{
	ssize_t dot = sl_str_chr(name, '.');
	char ptype[64];

	if (dot < 0 || dot >= (ssize_t)sizeof(ptype))
		luaL_error(L, "option \"results\": property \"%s\": ptype.name expected", name.p);
	memcpy(ptype, name.p, (size_t)dot);
	ptype[dot] = '\0';
	keyword(L, sl_str_of(ptype), "ptype");
	sl_authres_property(w, ptype, keyword(L, sl_str_sub(name, (size_t)dot + 1, name.n), "property"),
	    value);
}

/* The result at the top of the stack. */
static void
add_result(lua_State *L, struct sl_authres_writer *w)
{
	static const char *const names[] = { "method", "result", "reason", "properties", NULL };
	int at = lua_gettop(L), properties;
	struct sl_str name;
	size_t i;

	sl_arg_table(L, at);
	sl_options(L, at, names);
	sl_authres_result(w, keyword(L, sl_opt_string(L, at, "method", ""), "method"),
	    keyword(L, sl_opt_string(L, at, "result", ""), "result"),
	    sl_opt_string(L, at, "reason", "").p);
	if (sl_opt_push(L, at, "properties")) {
		properties = lua_gettop(L);
		sl_arg_table(L, properties);
		if (sl_count(L, properties) > MAX_PROPERTIES)
			luaL_error(L, "option \"results\": more than %d properties", MAX_PROPERTIES);
		for (i = 0; sl_each(L, properties, &i); lua_pop(L, 2)) {
			name = sl_arg_string(L, lua_gettop(L) - 1);
			add_property(L, w, name, sl_arg_string(L, lua_gettop(L)));
		}
	}
	lua_settop(L, at);
}

static void
add_results(lua_State *L, struct sl_authres_writer *w)
{
	int list;
	size_t i;

	if (sl_opt_push(L, 1, "results")) {
		list = lua_gettop(L);
		sl_arg_table(L, list);
		if (sl_count(L, list) > MAX_ADDED)
			luaL_error(L, "option \"results\": more than %d", MAX_ADDED);
		for (i = 0; sl_each(L, list, &i); lua_pop(L, 2))
			add_result(L, w);
	}
	lua_settop(L, 1);
}

/* ---- the field -------------------------------------------------------------------------- */

/* One field of ours: what was there of others or of an earlier call goes. */
static int
put_field(lua_State *L, unsigned which)
{
	struct sl_context *ctx = sl_context_of(L);
	const char *id = ctx->generation->config->authserv_id;
	struct sl_buf *value = sl_scratch(L);
	struct sl_authres_writer w;
	struct sl_err err;

	sl_authres_begin(&w, value, id);
	sl_scan_write(ctx, &w, which);
	add_results(L, &w);
	if (sl_authres_end(&w) != 0 || sl_authres_strip(ctx->draft->head, id) < 0)
		return luaL_error(L, "out of memory");
	if (sl_head_insert(ctx->draft->head, 0, SL_STR("Authentication-Results"), sl_buf_str(value),
	    false, &err) != 0)
		return luaL_error(L, "%s", err.text);
	sl_string(L, sl_buf_str(value));
	return 1;
}

static int next_scan(lua_State *L, struct sl_op *op);

/* The scans that are wanted, all under way at once, one after the other waited for. */
static int
next_scan(lua_State *L, struct sl_op *op)
{
	struct sl_context *ctx = sl_context_of(L);
	struct sl_transaction *t = ctx->transaction;
	bool chosen;
	unsigned which = methods_option(L, 1, &chosen), message = SL_RESULTS_SPF | SL_RESULTS_DKIM |
	    SL_RESULTS_DMARC;
	struct sl_auth_scan **scans[] = { &t->scan, &t->helo, &t->arc };
	bool wanted[] = { (which & message) != 0, (which & SL_RESULTS_SPF) != 0,
	    (which & SL_RESULTS_ARC) != 0 && (chosen || t->arc != NULL) };
	int kind;

	(void)op;
	for (kind = SL_SCAN_MESSAGE; kind <= SL_SCAN_ARC; kind++)
		if (wanted[kind] && sl_scan_begin(ctx, (enum sl_scan_kind)kind) != 0)
			return luaL_error(L, "out of memory");
	for (kind = SL_SCAN_MESSAGE; kind <= SL_SCAN_ARC; kind++)
		if (wanted[kind] && !sl_auth_scan_done(*scans[kind]))
			return sl_await(L, sl_scan(ctx, (enum sl_scan_kind)kind), next_scan);
	return put_field(L, which);
}

/*lua
Put one Authentication-Results field (RFC 8601) of ours on top, with what was found of the message.

SPF of the reverse-path and of the HELO name apart, each DKIM signature, DMARC,
the account if there is one, the ARC chain if ScanARC looked at it. Every field
that claims our name, `authserv_id` of sluice.lua, is removed: in any case, with
comments, quotes or folds, however many. (From clients that aren't in `trusted`
such fields are removed anyhow, before the first script.) What comes from the
mail or from DNS is quoted.

@param options? table  methods (those wanted: "spf" "dkim" "dmarc" "arc" "auth"; nothing else is looked at), results (further ones, a list of { method =, result =, reason =, properties = { ["ptype.name"] = value } })
@return string value   of the field

    AddAuthenticationResults{ methods = { "spf", "dkim", "dmarc", "arc" },
      results = { { method = "x-ours", result = "pass", properties = { ["policy.list"] = "partners" } } } }
*/
static int
results_add(lua_State *L)
{
	static const char *const names[] = { "methods", "results", NULL };

	sl_options(L, 1, names);
	lua_settop(L, 1);
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	return next_scan(L, NULL);
}

/* ---- reading ---------------------------------------------------------------------------- */

static void
push_entry(lua_State *L, const struct sl_authres_entry *e)
{
	sl_map_new(L);
	sl_string(L, e->method);
	sl_map_set(L, "method");
	sl_string(L, e->result);
	sl_map_set(L, "result");
	sl_map_new(L);
	for (size_t i = 0; i < e->nprops; i++) {
		if (sl_str_ieq(e->props[i].name, SL_STR("reason")))
			continue;
		sl_string(L, e->props[i].value);
		sl_map_set_str(L, e->props[i].name);
	}
	sl_map_set(L, "properties");
	for (size_t i = 0; i < e->nprops; i++)
		if (sl_str_ieq(e->props[i].name, SL_STR("reason"))) {
			sl_string(L, e->props[i].value);
			sl_map_set(L, "reason");
		}
}

static void
push_field(lua_State *L, const struct sl_authres *a)
{
	sl_map_new(L);
	sl_string(L, a->authserv_id);
	sl_map_set(L, "authserv_id");
	sl_number(L, (double)a->version);
	sl_map_set(L, "version");
	sl_list_new(L);
	for (size_t i = 0; i < a->n; i++) {
		push_entry(L, &a->entries[i]);
		sl_list_add(L);
	}
	sl_map_set(L, "results");
}

/* The parsed field belongs to the stack: making values may raise. */
static int
parsed_gc(lua_State *L)
{
	sl_authres_clear(lua_touserdata(L, 1));
	return 0;
}

static struct sl_authres *
new_parsed(lua_State *L)
{
	static const luaL_Reg meta[] = { { "__gc", parsed_gc }, { NULL, NULL } };
	struct sl_authres *a = lua_newuserdatauv(L, sizeof(*a), 0);

	memset(a, 0, sizeof(*a));
	sl_metatable(L, "sluice.authres", meta);
	lua_setmetatable(L, -2);
	return a;
}

/*lua
Read the value of an Authentication-Results field (RFC 8601), or of a set of ScanARC.

What can be read in more than one way isn't read at all. Whether its writer is
to be believed is for the script to know.

@param value string
@return table? field   authserv_id, version, results: a list of method, result, reason, properties ({ ["header.d"] = value })
@return string? err    why it can't be read
@return string? code

    local field = authres_parse('mx.example.org; spf=pass smtp.mailfrom="a b"@example.com')
    assert(field.authserv_id == "mx.example.org" and field.results[1].method == "spf")
    assert(field.results[1].properties["smtp.mailfrom"] == "a b@example.com")
*/
static int
results_parse(lua_State *L)
{
	struct sl_str value = sl_arg_string(L, 1);
	struct sl_authres *a = new_parsed(L);
	struct sl_err err;

	sl_charge(L, value.n);
	if (sl_authres_parse(a, value, &err) != 0)
		return sl_fail_err(L, &err);
	push_field(L, a);
	sl_authres_clear(a);
	return 1;
}

const struct sl_builtin sl_module_results[] = {
	{ "AddAuthenticationResults", results_add, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "authres_parse", results_parse, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
