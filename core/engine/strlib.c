/*
 * The string library. What takes time by its arguments charges it first; find,
 * match, gmatch and gsub use our own matcher, which charges as it goes.
 */
#include <limits.h>
#include <string.h>

#include "internal.h"
#include "pattern.h"

#define BYTES_PER_STEP	16

/* ---- patterns -------------------------------------------------------------- */

static bool
find(lua_State *L, struct sl_str pattern, struct sl_str text, size_t from, bool no_anchor,
    struct sl_match *m)
{
	struct sl_run *run = sl_running(L);
	uint64_t budget = run != NULL ? run->limits.steps - run->stats.steps : 10000000, before;
	const char *why;
	int rc;

	if (run != NULL && run->stats.steps > run->limits.steps)
		budget = 0;
	before = budget;
	rc = sl_pattern_find(pattern, text, from, no_anchor, m, &budget, &why);
	sl_charge(L, rc == SL_ERR_LIMIT ? UINT64_MAX : before - budget);
	if (rc < 0)
		luaL_error(L, "%s", why);
	return rc == 1;
}

static void
push_capture(lua_State *L, struct sl_str text, const struct sl_match *m, unsigned i)
{
	if (i >= m->n) {
		if (i > 0)
			luaL_error(L, "invalid capture index %%%d", (int)i + 1);
		lua_pushlstring(L, text.p + m->start, m->end - m->start);
	} else if (m->captures[i].position) {
		lua_pushinteger(L, (lua_Integer)m->captures[i].start + 1);
	} else {
		lua_pushlstring(L, text.p + m->captures[i].start, m->captures[i].len);
	}
}

static int
push_captures(lua_State *L, struct sl_str text, const struct sl_match *m, bool whole)
{
	unsigned n = m->n == 0 && whole ? 1 : m->n, i;

	luaL_checkstack(L, (int)n, "too many captures");
	for (i = 0; i < n; i++)
		push_capture(L, text, m, i);
	return (int)n;
}

static struct sl_str
check_str(lua_State *L, int arg)
{
	struct sl_str s;

	s.p = luaL_checklstring(L, arg, &s.n);
	return s;
}

/* A start position as the library counts it, as an offset; may be text.n + 1. */
static size_t
start_offset(lua_Integer init, size_t n)
{
	if (init > 0)
		return (size_t)init - 1;
	if (init == 0 || init < -(lua_Integer)n)
		return 0;
	return n - (size_t)-init;
}

static bool
is_plain(struct sl_str p)
{
	size_t i;

	for (i = 0; i < p.n; i++)
		if (p.p[i] != '\0' && strchr("^$*+?.([%-", p.p[i]) != NULL)
			return false;
	return true;
}

/* Charged is what was looked through, not what lies behind the hit: a scanner's loop is linear. */
static int
plain_find(lua_State *L, struct sl_str text, struct sl_str needle, size_t from)
{
	struct sl_str rest = sl_str_sub(text, from, text.n);
	const char *hit = memmem(rest.p, rest.n, needle.p, needle.n);

	sl_charge(L, (hit != NULL ? (size_t)(hit - rest.p) + needle.n : rest.n) / BYTES_PER_STEP);
	if (hit == NULL) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushinteger(L, hit - text.p + 1);
	lua_pushinteger(L, hit - text.p + (lua_Integer)needle.n);
	return 2;
}

static int
find_or_match(lua_State *L, bool positions)
{
	struct sl_str text = check_str(L, 1), pattern = check_str(L, 2);
	size_t from = start_offset(luaL_optinteger(L, 3, 1), text.n);
	struct sl_match m;
	int n = 0;

	if (from > text.n) {
		lua_pushnil(L);
		return 1;
	}
	if (positions && (lua_toboolean(L, 4) || is_plain(pattern)))
		return plain_find(L, text, pattern, from);
	if (!find(L, pattern, text, from, false, &m)) {
		lua_pushnil(L);
		return 1;
	}
	if (positions) {
		lua_pushinteger(L, (lua_Integer)m.start + 1);
		lua_pushinteger(L, (lua_Integer)m.end);
		n = 2;
	}
	return n + push_captures(L, text, &m, !positions);
}

static int
str_find(lua_State *L)
{
	return find_or_match(L, true);
}

static int
str_match(lua_State *L)
{
	return find_or_match(L, false);
}

/* upvalues: text, pattern, offset to go on from, end of the last match */
static int
gmatch_next(lua_State *L)
{
	struct sl_str text = check_str(L, lua_upvalueindex(1));
	struct sl_str pattern = check_str(L, lua_upvalueindex(2));
	size_t from = (size_t)lua_tointeger(L, lua_upvalueindex(3));
	lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
	struct sl_match m;

	for (; from <= text.n; from = m.start + 1) {
		if (!find(L, pattern, text, from, true, &m))
			break;
		if ((lua_Integer)m.end == last && m.start == m.end)
			continue;	/* an empty match right behind the last one */
		lua_pushinteger(L, (lua_Integer)m.end);
		lua_copy(L, -1, lua_upvalueindex(3));
		lua_replace(L, lua_upvalueindex(4));
		return push_captures(L, text, &m, true);
	}
	return 0;
}

static int
str_gmatch(lua_State *L)
{
	size_t n = check_str(L, 1).n, from = start_offset(luaL_optinteger(L, 3, 1), n);

	check_str(L, 2);
	lua_settop(L, 2);
	lua_pushinteger(L, (lua_Integer)(from > n ? n + 1 : from));
	lua_pushinteger(L, -1);
	lua_pushcclosure(L, gmatch_next, 4);
	return 1;
}

/* ---- gsub -------------------------------------------------------------------- */

/* %0..%9 and %% in a replacement text. */
static void
add_template(lua_State *L, luaL_Buffer *b, struct sl_str text, const struct sl_match *m)
{
	struct sl_str r = check_str(L, 3);
	size_t i;

	for (i = 0; i < r.n; i++) {
		if (r.p[i] != '%') {
			luaL_addchar(b, r.p[i]);
			continue;
		}
		if (++i < r.n && r.p[i] == '%') {
			luaL_addchar(b, '%');
		} else if (i < r.n && r.p[i] == '0') {
			luaL_addlstring(b, text.p + m->start, m->end - m->start);
		} else if (i < r.n && sl_isdigit(r.p[i])) {
			push_capture(L, text, m, (unsigned)(r.p[i] - '1'));
			luaL_tolstring(L, -1, NULL);
			lua_remove(L, -2);
			luaL_addvalue(b);
		} else {
			luaL_error(L, "invalid use of '%%' in replacement string");
		}
	}
}

static void
add_replacement(lua_State *L, luaL_Buffer *b, struct sl_str text, const struct sl_match *m, int type)
{
	if (type == LUA_TFUNCTION) {
		lua_pushvalue(L, 3);
		lua_call(L, push_captures(L, text, m, true), 1);
	} else if (type == LUA_TTABLE) {
		push_capture(L, text, m, 0);
		lua_gettable(L, 3);
	} else {
		add_template(L, b, text, m);
		return;
	}
	if (!lua_toboolean(L, -1)) {
		lua_pop(L, 1);
		luaL_addlstring(b, text.p + m->start, m->end - m->start);
	} else if (lua_isstring(L, -1)) {
		luaL_addvalue(b);
	} else {
		luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
	}
}

static int
str_gsub(lua_State *L)
{
	struct sl_str text = check_str(L, 1), pattern = check_str(L, 2);
	int type = lua_type(L, 3);
	lua_Integer max = luaL_optinteger(L, 4, (lua_Integer)text.n + 1), n = 0;
	bool anchored = pattern.n > 0 && pattern.p[0] == '^';
	size_t at = 0, last = SIZE_MAX;
	struct sl_match m;
	luaL_Buffer b;

	luaL_argexpected(L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
	    type == LUA_TTABLE, 3, "string/function/table");
	luaL_buffinit(L, &b);
	while (n < max && at <= text.n && find(L, pattern, text, at, false, &m)) {
		luaL_addlstring(&b, text.p + at, m.start - at);
		if (m.start == m.end && m.end == last) {	/* empty, right behind a match */
			if (m.start < text.n)
				luaL_addchar(&b, text.p[m.start]);
			at = m.start + 1;
		} else {
			add_replacement(L, &b, text, &m, type);
			n++;
			at = last = m.end;
		}
		if (anchored)
			break;
	}
	if (at < text.n)
		luaL_addlstring(&b, text.p + at, text.n - at);
	luaL_pushresult(&b);
	lua_pushinteger(L, n);
	return 2;
}

/* ---- charged -------------------------------------------------------------------- */

static int
str_rep(lua_State *L)
{
	size_t n = check_str(L, 1).n, sep = 0;
	lua_Integer times = luaL_checkinteger(L, 2);
	uint64_t total;

	luaL_optlstring(L, 3, "", &sep);
	if (times <= 0)
		times = 0;
	if (__builtin_mul_overflow((uint64_t)times, (uint64_t)n + sep, &total))
		total = UINT64_MAX / 2;
	sl_charge(L, total / BYTES_PER_STEP + (uint64_t)(n + sep == 0 ? 0 : times));
	if (n + sep == 0 || times == 0) {
		lua_pushliteral(L, "");
		return 1;
	}
	return sl_vm_from(L)->stock.rep(L);
}

static int
charge_arguments(lua_State *L, lua_CFunction fn)
{
	size_t total = 0, n;
	int i;

	for (i = 1; i <= lua_gettop(L); i++)
		if (lua_type(L, i) == LUA_TSTRING) {
			lua_tolstring(L, i, &n);
			total += n;
		}
	sl_charge(L, total / BYTES_PER_STEP);
	return fn(L);
}

/* No address may get into a text: it changes from process to process. */
static int
str_format(lua_State *L)
{
	const char *f = luaL_checkstring(L, 1);
	int i;

	while ((f = strchr(f, '%')) != NULL) {
		f += 1 + strspn(f + 1, "-+ #0123456789.");
		if (*f == 'p')
			return luaL_error(L, "format: %%p isn't available");
		f += *f != '\0';
	}
	for (i = 2; i <= lua_gettop(L); i++)
		if (lua_type(L, i) > LUA_TSTRING && luaL_getmetafield(L, i, "__tostring") == LUA_TNIL) {
			lua_pushstring(L, luaL_typename(L, i));
			lua_replace(L, i);
		} else if (lua_type(L, i) > LUA_TSTRING) {
			lua_pop(L, 1);
		}
	return charge_arguments(L, sl_vm_from(L)->stock.format);
}

static int
charged_lower(lua_State *L)
{
	return charge_arguments(L, sl_vm_from(L)->stock.lower);
}

static int
charged_upper(lua_State *L)
{
	return charge_arguments(L, sl_vm_from(L)->stock.upper);
}

static int
charged_reverse(lua_State *L)
{
	return charge_arguments(L, sl_vm_from(L)->stock.reverse);
}

/* Costs what it gives, however long the text is that it is taken from. */
static int
charged_sub(lua_State *L)
{
	int n = sl_vm_from(L)->stock.sub(L);

	sl_charge(L, lua_rawlen(L, -1) / BYTES_PER_STEP);
	return n;
}

static int
str_pack(lua_State *L)
{
	return charge_arguments(L, sl_vm_from(L)->stock.pack);
}

static int
str_unpack(lua_State *L)
{
	return charge_arguments(L, sl_vm_from(L)->stock.unpack);
}

/* Takes over from the stock library what needs no charge of its own beyond the
 * length of its strings, which made them cost as much already. */
static void
copy_stock(lua_State *L, const char *const *names)
{
	for (; *names != NULL; names++) {
		lua_getfield(L, -2, *names);
		lua_setfield(L, -2, *names);
	}
}

static lua_CFunction
stock(lua_State *L, const char *name)
{
	lua_CFunction fn;

	lua_getfield(L, -1, name);
	fn = lua_tocfunction(L, -1);
	lua_pop(L, 1);
	return fn;
}

void
sl_open_string(lua_State *L)
{
	static const char *const same[] = { "byte", "char", "len", "packsize", NULL };
	static const luaL_Reg functions[] = {
		{ "find", str_find }, { "match", str_match }, { "gmatch", str_gmatch },
		{ "gsub", str_gsub }, { "rep", str_rep }, { "format", str_format },
		{ "lower", charged_lower }, { "upper", charged_upper },
		{ "reverse", charged_reverse }, { "sub", charged_sub },
		{ "pack", str_pack }, { "unpack", str_unpack }, { NULL, NULL },
	};
	struct sl_vm *vm = sl_vm_from(L);

	luaL_requiref(L, "string", luaopen_string, 0);
	vm->stock.rep = stock(L, "rep");
	vm->stock.format = stock(L, "format");
	vm->stock.lower = stock(L, "lower");
	vm->stock.upper = stock(L, "upper");
	vm->stock.reverse = stock(L, "reverse");
	vm->stock.sub = stock(L, "sub");
	vm->stock.pack = stock(L, "pack");
	vm->stock.unpack = stock(L, "unpack");
	luaL_newlib(L, functions);
	copy_stock(L, same);
	lua_remove(L, -2);
	lua_pushliteral(L, "");
	lua_newtable(L);			/* the metatable of strings */
	lua_pushvalue(L, -3);
	lua_setfield(L, -2, "__index");
	lua_pushboolean(L, 0);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
	sl_readonly_fast(L);
	lua_setfield(L, -2, "string");
}
