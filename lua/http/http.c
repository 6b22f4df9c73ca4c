/* HTTP: any URL (http), and the policy's own API (api_call). */
#include <stdio.h>
#include <string.h>

#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/http/background.h"
#include "../../core/http/tap.h"
#include "../../core/policy/config.h"
#include "../../core/policy/context.h"
#include "../../core/policy/owner.h"

#define MAX_URL		8192
#define MAX_HEADERS	64
#define MAX_FORM	(1024 * 1024)
#define MAX_RETRIES	100
#define MAX_DELAY	3600	/* seconds between tries in the background */

/* ---- $1 .. $n ----------------------------------------------------------------------- */

static void
put_encoded(struct sl_buf *out, struct sl_str s)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t i;

	for (i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (sl_isalnum(s.p[i]) || strchr("-._~", c) != NULL) {
			sl_buf_putc(out, s.p[i]);
			continue;
		}
		sl_buf_putc(out, '%');
		sl_buf_putc(out, hex[c >> 4]);
		sl_buf_putc(out, hex[c & 15]);
	}
}

/* In HSL a boolean goes out as the text that "." makes of it. */
static void
take_text(lua_State *L)
{
	if (!sl_is_hsl(L) || !lua_isboolean(L, -1))
		return;
	sl_to_string(L, -1);
	lua_replace(L, -2);
}

/* The longest number behind '$' counts: $10 is the tenth. What an argument
 * itself holds is never looked at again. */
static size_t
put_argument(lua_State *L, struct sl_buf *out, struct sl_str text, size_t at, int args)
{
	unsigned n = 0;
	int top = lua_gettop(L);

	while (at < text.n && sl_isdigit(text.p[at]) && n < 10000)
		n = n * 10 + (unsigned)(text.p[at++] - '0');
	if (!lua_istable(L, args) || !sl_list_get(L, args, n))
		luaL_error(L, "$%d has no argument", (int)n);
	take_text(L);
	if (!lua_isstring(L, -1))
		luaL_error(L, "argument $%d is a %s", (int)n, sl_type_name(L, -1));
	put_encoded(out, sl_arg_string(L, lua_gettop(L)));
	lua_settop(L, top);
	return at;
}

static const char *
fill_arguments(lua_State *L, struct sl_str text, int args)
{
	struct sl_buf *out = sl_scratch(L);
	size_t at = 0;

	out->limit = MAX_URL;
	while (at < text.n) {
		if (text.p[at] == '$' && at + 1 < text.n && sl_isdigit(text.p[at + 1]))
			at = put_argument(L, out, text, at + 1, args);
		else
			sl_buf_putc(out, text.p[at++]);
	}
	out->limit = 0;
	if (out->failed)
		luaL_error(L, "the URL is longer than %d bytes", MAX_URL);
	return lua_pushlstring(L, out->p != NULL ? out->p : "", out->n);
}

/* on_failure = "defer": the engine decides, in both languages the same. */
static int
defer_run(lua_State *L)
{
	struct sl_context *ctx = sl_context_of(L);
	const char **line = sl_arena_alloc(ctx->arena, sizeof(*line));

	memset(&ctx->decision, 0, sizeof(ctx->decision));
	ctx->decision.made = true;
	ctx->decision.action = SL_DEFER;
	ctx->decision.code = ctx->phase == SL_CONNECT ? 421 : ctx->phase == SL_AUTH ? 454 : 451;
	ctx->decision.enhanced = "4.4.3";
	if (line != NULL) {
		*line = "A service that the policy needs doesn't answer";
		ctx->decision.lines = line;
		ctx->decision.nlines = 1;
	}
	return sl_end(L);
}

static bool
defers(lua_State *L)
{
	const struct sl_config *c = sl_engine_config_of(L);
	struct sl_str name = sl_opt_string(L, 3, "api", "");
	size_t i;

	if (c == NULL || (sl_run_phase(L) & (SL_AT_PREDELIVERY | SL_AT_POSTDELIVERY |
	    SL_AT_DISCONNECT | SL_AT_NONE)) != 0)
		return false;
	for (i = 0; i < c->napis; i++)
		if (strcmp(c->apis[i].name, name.p) == 0)
			return c->apis[i].on_failure == 1;
	return false;
}

/* ---- api_call --------------------------------------------------------------------------- */

static int
api_answered(lua_State *L, struct sl_op *op)
{
	struct sl_api_op *a = (struct sl_api_op *)op;
	struct sl_err err;

	sl_spend(L, SL_BUDGET_HTTP_BYTES, a->json.n);
	if (a->kind == SL_API_NOTHING) {
		sl_none(L);
		return 1;
	}
	if (a->kind == SL_API_FAILED && defers(L))
		return defer_run(L);
	if (a->kind == SL_API_FAILED)
		return sl_fail(L, a->code, "%s", a->why);
	if (sl_json_decode(L, a->json, a->json.n, &err) != 0)
		return sl_fail(L, "json", "%s", err.text);
	return 1;
}

/*lua
Ask the policy's API and get its answer, decoded from JSON.

Three results are told apart: a table is the answer; nil alone means that the
API says there is nothing (404, 204, null, [], {}); nil with a message and a
code means that it gave no answer and there is no old one. Answers are cached,
and an old one serves for a day while the API fails.

@param query string      put behind the base URL of `api` in sluice.lua
@param args? string[]    for $1, $2, ... in the query; percent-encoded
@param options? table    api: a name of `apis` instead of `api`
@return table? answer
@return string? err
@return string? code     "timeout" "connect" "tls" "status" "json" "size" "breaker" "refused" "protocol"

    local dkim, err = api_call("?type=dkim&user=$1", { "ann" })
    if err then Defer("Signing key not available, try again later") end
*/
static int
http_api_call(lua_State *L)
{
	static const char *const names[] = { "api", NULL };
	struct sl_str query = sl_arg_string(L, 1), name;
	struct sl_api *api;
	const char *filled;
	struct sl_op *op;

	sl_options(L, 3, names);
	name = sl_opt_string(L, 3, "api", "");
	api = sl_engine_api(L, name.p);
	if (api == NULL)
		return luaL_error(L, name.n == 0 ? "sluice.lua has no api = { url = ... }" :
		    "sluice.lua has no apis.%s", name.p);
	filled = fill_arguments(L, query, 2);
	op = (struct sl_op *)sl_api_call_taped(api, sl_run_tape(L), filled);
	lua_settop(L, 3);
	return sl_await(L, op, api_answered);
}

/* ---- http ---------------------------------------------------------------------------------- */

/* The lines of the answer's head, without the status line. */
static void
push_headers(lua_State *L, struct sl_str raw)
{
	struct sl_str line;
	bool first = true;

	sl_list_new(L);
	for (; sl_str_split(&raw, '\n', &line); first = false) {
		line = sl_str_trim(line);
		if (first || line.n == 0)
			continue;
		sl_string(L, line);
		sl_list_add(L);
	}
}

static int
http_answered(lua_State *L, struct sl_op *op)
{
	struct sl_http_op *h = (struct sl_http_op *)op;

	sl_spend(L, SL_BUDGET_HTTP_BYTES, h->received);
	if (op->status != 0)
		return sl_fail(L, h->stage, "%s%s", h->err.text, strcmp(h->stage, "tls") == 0 ?
		    " (ssl_verify_host, ssl_verify_peer)" : "");
	if (sl_opt_bool(L, 2, "extended_result", false)) {
		sl_map_new(L);
		sl_number(L, (double)h->code);
		sl_map_set(L, "status");
		sl_string(L, sl_buf_str(&h->body));
		sl_map_set(L, "content");
		if (sl_opt_bool(L, 2, "response_headers", false)) {
			push_headers(L, sl_buf_str(&h->headers));
			sl_map_set(L, "headers");
		}
		return 1;
	}
	if (h->code < 200 || h->code > 299)
		return sl_fail(L, "status", "HTTP status %d", (int)h->code);
	sl_string(L, sl_buf_str(&h->body));
	return 1;
}

/* Names of the product family that mean something this one doesn't do. */
static void
refuse_options(lua_State *L)
{
	static const char *const refused[] = { "sourceip", "sourceipid", "tls_client_cert", "proxy", NULL };
	size_t i;

	for (i = 0; refused[i] != NULL; i++) {
		/* What it is unless somebody says otherwise may be said. */
		if (sl_opt_push(L, 2, refused[i]) && sl_truth(L, -1))
			luaL_error(L, "option \"%s\" of http isn't to be had here", refused[i]);
		lua_pop(L, 1);
	}
	if (sl_opt_number(L, 2, "redirects", 0, 100, 0) != 0)
		luaL_error(L, "option \"redirects\": redirects are answers here, only 0 is possible");
	if (!sl_opt_bool(L, 2, "ssl_default_ca", true) || !sl_opt_bool(L, 2, "tls_default_ca", true))
		luaL_error(L, "option \"ssl_default_ca\": the system's roots are always used");
}

/* Pushes the line of what sl_each gave: "Name: value", or a value under its name. */
static void
push_header(lua_State *L)
{
	int top = lua_gettop(L);
	struct sl_str value = sl_arg_string(L, top), line;

	if (lua_type(L, top - 1) == LUA_TSTRING)
		lua_pushfstring(L, "%s: %s", lua_tostring(L, top - 1), value.p);
	else
		sl_string(L, value);
	line = sl_arg_string(L, lua_gettop(L));
	if (strpbrk(line.p, "\r\n") != NULL)
		luaL_error(L, "option \"headers\": a header has a line break");
	if (sl_str_chr(line, ':') <= 0)
		luaL_error(L, "option \"headers\": \"%s\" is not \"Name: value\"", line.p);
}

/* The lines stay on the stack. */
static void
take_headers(lua_State *L, const char *headers[MAX_HEADERS + 1])
{
	int given = lua_gettop(L) + 1, lines = given + 1;
	size_t i;

	if (!sl_opt_push(L, 2, "headers"))
		return;
	sl_arg_table(L, given);
	luaL_checkstack(L, MAX_HEADERS + 8, NULL);
	sl_list_new(L);
	for (i = 0; sl_each(L, given, &i);) {
		push_header(L);
		lua_pushvalue(L, lines);
		lua_insert(L, -2);
		sl_list_add(L);
	}
	for (i = 0; sl_list_get(L, lines, i + 1); i++) {
		if (i == MAX_HEADERS)
			luaL_error(L, "option \"headers\": more than %d", MAX_HEADERS);
		headers[i] = sl_arg_string(L, lua_gettop(L)).p;
	}
}

/* A text as it is, a table as a form (application/x-www-form-urlencoded). Pushes it. */
static void
take_post(lua_State *L, int arg, struct sl_http_request *r)
{
	struct sl_buf *form;
	size_t i;

	if (!sl_arg_given(L, arg))
		return;
	r->has_body = true;
	if (!lua_istable(L, arg)) {
		r->body = sl_arg_string(L, arg);
		return;
	}
	form = sl_scratch(L);
	form->limit = MAX_FORM;
	for (i = 0; sl_each(L, arg, &i); lua_pop(L, 2)) {
		int top = lua_gettop(L);

		take_text(L);
		if (!lua_isstring(L, top))
			luaL_error(L, "a value of the form is a %s", sl_type_name(L, top));
		lua_pushvalue(L, top - 1);	/* a number as key stays one */
		if (form->n > 0)
			sl_buf_putc(form, '&');
		put_encoded(form, sl_arg_string(L, top + 1));
		sl_buf_putc(form, '=');
		put_encoded(form, sl_arg_string(L, top));
		lua_pop(L, 1);
	}
	form->limit = 0;
	if (form->failed)
		luaL_error(L, "the form is longer than %d bytes", MAX_FORM);
	sl_string(L, form->n > 0 ? sl_buf_str(form) : SL_STR(""));
	r->body = sl_arg_string(L, lua_gettop(L));
}

static int
ask_in_background(lua_State *L, const struct sl_http_request *r)
{
	struct sl_background_turn turn = {
		.in_row = sl_opt_push(L, 2, "background_hash"),
		.row = sl_opt_number(L, 2, "background_hash", -1e300, 1e300, 0),
		.retries = (unsigned)sl_opt_number(L, 2, "background_retry_count", 0, MAX_RETRIES, 0),
		.delay_ms = (int64_t)(1000 * sl_opt_number(L, 2, "background_retry_delay", 0, MAX_DELAY, 0)),
	};
	int rc = sl_engine_background(L, r, &turn);

	if (rc != 0)
		return sl_fail(L, "limit", rc == SL_ERR_LIMIT ? "too many requests wait in the background" :
		    "out of memory");
	sl_bool(L, true);
	return 1;
}

/*lua
Make an HTTP request.

Private addresses are refused unless `http = { allow_private = true }`,
link-local ones always. Certificate and host name are verified.

With `background` the script goes on at once, and the request is made beside it: its answer is of use to
nobody, and one that isn't of 2xx is a failure. Up to 1,000 are kept, in memory: what waits when
the process ends for another reason than a drain is lost, as the event http_background says. Those
with the same `background_hash` go one behind the other. A replay makes none.

@param url string        http or https; $1, $2, ... are filled from get, percent-encoded
@param options? table    timeout (seconds, 30), connect_timeout (10), method, headers (list of "Name: value", or values by name), extended_result (false), response_headers (false: with extended_result also headers), max_body, max_file_size (the same: bytes, 1 MB), ssl_verify_peer, ssl_verify_host, tls_verify_peer, tls_verify_host (true), ssl_default_ca, tls_default_ca (true, and nothing else), redirects (0, and nothing else), background (false), background_hash (number: a row), background_retry_count (0), background_retry_delay (seconds, 0)
@param get? string[]     arguments for the URL
@param post? string|table  body, a table as a form; makes the method POST
@return string|table|boolean? body  with extended_result { status =, content = } whatever the status; true in the background
@return string? err
@return string? code     "timeout" "connect" "tls" "status" "size" "refused" "protocol" "limit"

    local body, err, code = http("ftp://example.org/")
    assert(not body and code == "protocol")
*/
static int
http_http(lua_State *L)
{
	static const char *const names[] = { "timeout", "connect_timeout", "method", "headers",
	    "extended_result", "response_headers", "max_body", "max_file_size", "ssl_verify_peer",
	    "ssl_verify_host", "tls_verify_peer", "tls_verify_host", "ssl_default_ca", "tls_default_ca",
	    "redirects", "background", "background_hash", "background_retry_count",
	    "background_retry_delay", "sourceip", "sourceipid", "tls_client_cert", "proxy", NULL };
	struct sl_str url = sl_arg_string(L, 1);
	const struct sl_config *config = sl_engine_config_of(L);
	struct sl_http_request r = { 0 };
	const char *headers[MAX_HEADERS + 1] = { NULL };
	struct sl_op *op;

	sl_options(L, 2, names);
	if (sl_engine_http(L) == NULL)
		return luaL_error(L, "http isn't to be had here");
	lua_settop(L, 4);
	refuse_options(L);
	r.timeout_ms = (int64_t)(1000 * sl_opt_number(L, 2, "timeout", 0.01, 600,
	    config != NULL ? config->http.timeout : 30));
	r.connect_timeout_ms = (int64_t)(1000 * sl_opt_number(L, 2, "connect_timeout", 0.01, 600, 10));
	r.max_body = (size_t)sl_opt_number(L, 2, "max_body", 1, 64e6,
	    sl_opt_number(L, 2, "max_file_size", 1, 64e6, 1048576));
	r.no_verify_peer = !sl_opt_bool(L, 2, "ssl_verify_peer", sl_opt_bool(L, 2, "tls_verify_peer", true));
	r.no_verify_host = !sl_opt_bool(L, 2, "ssl_verify_host", sl_opt_bool(L, 2, "tls_verify_host", true));
	r.allow_private = config != NULL ? config->http.allow_private : sl_engine_reaches_all(L);
	r.method = sl_opt_string(L, 2, "method", NULL).p;
	take_headers(L, headers);
	r.headers = headers;
	take_post(L, 4, &r);
	r.url = fill_arguments(L, url, 3);
	if (sl_opt_bool(L, 2, "background", false))
		return ask_in_background(L, &r);
	op = (struct sl_op *)sl_http_start(sl_engine_http(L), &r);
	lua_settop(L, 4);
	return sl_await(L, op, http_answered);
}

const struct sl_builtin sl_module_http[] = {
	{ "http", http_http, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "api_call", http_api_call, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ NULL, NULL, 0 },
};
