/*
 * Endings: whatever construct a final action is called in, no later statement,
 * handler or builtin runs. And runaways: each ends with its limit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "internal.h"

struct harness {
	struct sl_loop *loop;
	struct sl_vm *vm;
	struct sl_program *program;
	enum sl_run_end how;
	struct sl_err err;
	struct sl_run_stats stats;
	bool over;
	unsigned finals, marks;
	char text[4096], source[200], stack[200];
};

/* ---- builtins of the test --------------------------------------------------------- */

static struct harness *
harness_of(lua_State *L)
{
	return sl_run_host(L);
}

static int
b_end(lua_State *L)
{
	bool go_on = lua_istable(L, 1);

	harness_of(L)->finals++;
	if (go_on)
		return 0;	/* done = false */
	return sl_end(L);
}

static int
b_mark(lua_State *L)
{
	harness_of(L)->marks++;
	return 0;
}

static int
b_note(lua_State *L)
{
	struct harness *h = harness_of(L);
	size_t n = strlen(h->text);

	snprintf(h->text + n, sizeof(h->text) - n, "%s;", luaL_tolstring(L, 1, NULL));
	return 0;
}

static int
slept(lua_State *L, struct sl_op *op)
{
	lua_pushinteger(L, op->status);
	return 1;
}

static int
b_sleep(lua_State *L)
{
	return sl_await(L, sl_op_sleep(sl_vm_loop(sl_vm_of(L)), luaL_checkinteger(L, 1)), slept);
}

static int
b_map(lua_State *L)
{
	sl_map_new(L);
	sl_number(L, 1);
	sl_map_set(L, "zebra");
	sl_number(L, 2);
	sl_map_set(L, "apple");
	sl_number(L, 3);
	sl_map_set(L, "mango");
	return 1;
}

static const struct sl_builtin rows[] = {
	{ "End", b_end, SL_FINAL | SL_AT_ANY },
	{ "mark", b_mark, SL_AT_ANY },
	{ "note", b_note, SL_AT_ANY },
	{ "nap", b_sleep, SL_AT_ANY | SL_WAITS },
	{ "elsewhere", b_mark, SL_AT_CONNECT },
	{ "a_map", b_map, SL_AT_ANY },
	{ NULL, NULL, 0 },
};

static int
fact(lua_State *L, void *host, const char *name, unsigned *phases)
{
	(void)host;
	if (strcmp(name, "saslusername") == 0) {
		lua_pushliteral(L, "ann");
		return 1;
	}
	if (strcmp(name, "recipient") == 0) {
		*phases = SL_AT_RCPTTO;
		return -1;
	}
	return 0;
}

/* ---- harness ------------------------------------------------------------------------- */

static void
run_done(struct sl_run *run, enum sl_run_end how, const struct sl_err *err, void *host)
{
	struct harness *h = host;

	h->over = true;
	h->how = how;
	h->stats = *sl_run_stats(run);
	snprintf(h->source, sizeof(h->source), "%s", h->stats.source != NULL ? h->stats.source : "");
	snprintf(h->stack, sizeof(h->stack), "%s", h->stats.stack != NULL ? h->stats.stack : "");
	if (err != NULL)
		h->err = *err;
}

static int
setup(void **state)
{
	struct harness *h = sl_calloc(1, sizeof(*h));
	struct sl_err err;

	h->loop = sl_loop_new(&err);
	h->vm = sl_vm_new(h->loop, NULL, &err);
	assert_non_null(h->vm);
	assert_int_equal(sl_vm_add_builtins(h->vm, rows), 0);
	h->program = sl_program_new(h->vm);
	*state = h;
	return 0;
}

static int
teardown(void **state)
{
	struct harness *h = *state;

	sl_program_unref(h->program);
	sl_vm_free(h->vm);
	sl_loop_free(h->loop);
	sl_free(h);
	return 0;
}

static void
add(struct harness *h, const char *path, const char *source)
{
	struct sl_err err = { 0 };

	if (sl_program_add(h->program, path, sl_str_of(source), &err) != 0)
		fail_msg("%s: %s", path, err.text);
}

static void
begin(struct harness *h, const char *end_action, const struct sl_limits *limits)
{
	static const struct sl_element main_element = { "main.lua", NULL, NULL };
	struct sl_run_spec spec = {
		.program = h->program, .phase = SL_AT_DATA, .name = "data", .id = "id",
		.limits = limits, .elements = &main_element, .n = 1, .end_action = end_action,
		.fact = fact, .host = h, .done = run_done,
	};
	struct sl_run *run;
	struct sl_err err;

	h->over = false;
	h->finals = h->marks = 0;
	h->text[0] = '\0';
	h->err.code = 0;
	h->err.text[0] = '\0';
	assert_int_equal(sl_run_start(h->vm, &spec, &run, &err), 0);
	assert_false(h->over);
}

static void
run(struct harness *h, const char *source, const char *end_action, const struct sl_limits *limits)
{
	add(h, "main.lua", source);
	begin(h, end_action, limits);
	while (!h->over)
		assert_int_equal(sl_loop_step(h->loop, 5000), 0);
}

/* ---- endings ---------------------------------------------------------------------------- */

/* In each, F is the final action; mark() stands wherever nothing may run. */
static const struct { const char *name, *source; } endings[] = {
	{ "plain", "F() mark()" },
	{ "function", "local function f() F() mark() end f() mark()" },
	{ "pcall", "pcall(F) mark()" },
	{ "pcall in function", "pcall(function() F() mark() end) mark()" },
	{ "pcall in pcall", "pcall(pcall, pcall, F) mark()" },
	{ "error after pcall", "local ok, e = pcall(F) mark() error(e)" },
	{ "xpcall", "xpcall(F, function() mark() end) mark()" },
	{ "message handler", "xpcall(error, function() F() mark() end) mark()" },
	{ "handler of a handler",
	    "xpcall(function() xpcall(error, function() F() mark() end) mark() end, mark) mark()" },
	{ "comparator", "table.sort({3,2,1}, function(a, b) F() mark() return a < b end) mark()" },
	{ "comparator in pcall",
	    "pcall(table.sort, {3,2,1}, function(a, b) F() mark() return a < b end) mark()" },
	{ "gsub", "string.gsub('abc', '.', function() F() mark() end) mark()" },
	{ "gsub in pcall", "pcall(string.gsub, 'abc', '.', function() F() mark() end) mark()" },
	{ "gsub table", "('abc'):gsub('.', setmetatable({}, {__index = function() F() mark() end})) mark()" },
	{ "__index", "local t = setmetatable({}, {__index = function() F() mark() end}) local x = t.a mark()" },
	{ "__newindex", "local t = setmetatable({}, {__newindex = function() F() mark() end}) t.a = 1 mark()" },
	{ "__call", "local t = setmetatable({}, {__call = function() F() mark() end}) t() mark()" },
	{ "__add", "local t = setmetatable({}, {__add = function() F() mark() end}) local x = t + 1 mark()" },
	{ "__concat", "local t = setmetatable({}, {__concat = function() F() mark() end}) local x = t .. 'a' mark()" },
	{ "__eq", "local m = {__eq = function() F() mark() end} local x = setmetatable({}, m) == setmetatable({}, m) mark()" },
	{ "__lt", "local m = {__lt = function() F() mark() end} local x = setmetatable({}, m) < setmetatable({}, m) mark()" },
	{ "__le", "local m = {__le = function() F() mark() end} local x = setmetatable({}, m) <= setmetatable({}, m) mark()" },
	{ "__len", "local t = setmetatable({}, {__len = function() F() mark() end}) local x = #t mark()" },
	{ "__unm", "local t = setmetatable({}, {__unm = function() F() mark() end}) local x = -t mark()" },
	{ "__tostring", "tostring(setmetatable({}, {__tostring = function() F() mark() end})) mark()" },
	{ "__pairs", "for k in pairs(setmetatable({}, {__pairs = function() F() mark() end})) do mark() end mark()" },
	{ "__name in error", "pcall(error, setmetatable({}, {__tostring = function() F() mark() end})) F() mark()" },
	{ "__close pending", "do local x <close> = setmetatable({}, {__close = mark}) F() mark() end mark()" },
	{ "__close pending in pcall",
	    "pcall(function() local x <close> = setmetatable({}, {__close = function() mark() end}) F() mark() end) mark()" },
	{ "__close pending, not yieldable",
	    "table.sort({2,1}, function(a, b) local x <close> = setmetatable({}, {__close = function() mark() end}) F() end) mark()" },
	{ "__close pending twice, not yieldable",
	    "pcall(table.sort, {2,1}, function(a, b) local x <close> = setmetatable({}, {__close = function() mark() end})"
	    " local y <close> = setmetatable({}, {__close = mark}) F() end) mark()" },
	{ "__close calling", "do local x <close> = setmetatable({}, {__close = function() F() mark() end}) end mark()" },
	{ "__close calling after error",
	    "pcall(function() local x <close> = setmetatable({}, {__close = function() F() mark() end}) error('x') end) mark()" },
	{ "for-closing value",
	    "for i in function() return 1 end, nil, nil, setmetatable({}, {__close = function() mark() end}) do F() mark() end mark()" },
	{ "for-closing value calling",
	    "for i in function() return 1 end, nil, nil, setmetatable({}, {__close = function() F() mark() end}) do break end mark()" },
	{ "coroutine", "coroutine.resume(coroutine.create(function() F() mark() end)) mark()" },
	{ "wrap", "coroutine.wrap(function() F() mark() end)() mark()" },
	{ "coroutine in coroutine",
	    "coroutine.wrap(function() coroutine.wrap(function() F() mark() end)() mark() end)() mark()" },
	{ "coroutine after yield",
	    "local c = coroutine.create(function() coroutine.yield() F() mark() end) coroutine.resume(c) coroutine.resume(c) mark()" },
	{ "coroutine with pcall", "coroutine.wrap(function() pcall(F) mark() end)() mark()" },
	{ "pcall of wrap", "pcall(coroutine.wrap(function() F() mark() end)) mark()" },
	{ "coroutine in a comparator",
	    "table.sort({2,1}, function(a, b) coroutine.wrap(function() F() mark() end)() mark() end) mark()" },
	{ "coroutine in a gsub in a coroutine",
	    "coroutine.wrap(function() ('a'):gsub('a', function() coroutine.wrap(F)() mark() end) mark() end)() mark()" },
	{ "coroutine.close",
	    "local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() F() mark() end}) coroutine.yield() end)"
	    " coroutine.resume(c) coroutine.close(c) mark()" },
	{ "coroutine.close in pcall",
	    "local c = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() pcall(F) mark() end}) coroutine.yield() end)"
	    " coroutine.resume(c) pcall(coroutine.close, c) mark()" },
	{ "wrap that fails with __close",
	    "local f = coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() F() mark() end}) error('x') end)"
	    " pcall(f) mark()" },
	{ "iterator", "for i in function() F() mark() end do mark() end mark()" },
	{ "require", "require 'ends' mark()" },
	{ "require in pcall", "pcall(require, 'ends') mark()" },
	{ "include", "include 'lib/ends.lua' mark()" },
	{ "load", "load('F() mark()')() mark()" },
	{ "tail call", "local function f() return F() end f() mark()" },
	{ "tail call chain", "local function f(n) if n == 0 then return F() end return f(n - 1) end f(1000) mark()" },
	{ "forever", "while true do pcall(F) end" },
	{ "forever with marks", "while true do pcall(F) mark() end" },
	{ "vararg", "print = nil select(1, F(), mark())" },
	{ "metamethod in sort in coroutine in pcall",
	    "pcall(coroutine.wrap(function() table.sort({{}, {}}, function(a, b) local m = setmetatable({}, {__add = function() F() end}) return m + 1 end) mark() end)) mark()" },
	{ "after waiting", "nap(1) F() mark()" },
	{ "pcall after waiting", "pcall(function() nap(1) F() mark() end) mark()" },
	{ "coroutine after waiting", "coroutine.wrap(function() nap(1) F() mark() end)() mark()" },
	{ "override", "function End(...) builtin.End(...) mark() end End() mark()" },
	{ "override in pcall", "function End(...) pcall(builtin.End, ...) mark() end pcall(End) mark()" },
	{ "override in a coroutine", "function End(...) coroutine.wrap(builtin.End)(...) mark() end End() mark()" },
};

static void
test_endings(void **state)
{
	struct harness *h = *state;
	char source[2048];
	size_t i;

	add(h, "lib/ends.lua", "F() mark()");
	for (i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		snprintf(source, sizeof(source), "F = End; %s", endings[i].source);
		run(h, source, NULL, NULL);
		if (h->how != SL_RUN_ENDED || h->marks != 0 || h->finals < 1)
			fail_msg("%s: how %d, marks %u, finals %u: %s", endings[i].name, h->how,
			    h->marks, h->finals, h->err.text);
	}
}

/* ---- overriding --------------------------------------------------------------------------- */

static const struct {
	const char *name, *source;
	enum sl_run_end how;
	const char *text;	/* expected notes, or part of the error */
} overrides[] = {
	{ "end action", "function End() note('mine') builtin.End() end", SL_RUN_ENDED, "mine;" },
	{ "in an included file", "include 'lib/define.lua'", SL_RUN_ENDED, "lib;" },
	{ "used by a module", "function End() note('mine') builtin.End() end require('calls')",
	    SL_RUN_ENDED, "mine;" },
	{ "from a coroutine", "function End() note('mine') builtin.End() end coroutine.wrap(function() End() end)()",
	    SL_RUN_ENDED, "mine;" },
	{ "from a nested function",
	    "function End() note('mine') builtin.End() end (function() (function() End() end)() end)()",
	    SL_RUN_ENDED, "mine;" },
	{ "that waits", "function End() nap(1) note('mine') builtin.End() end", SL_RUN_ENDED, "mine;" },
	{ "done = false goes on", "function End(o) builtin.End(o) end End({}) note('on')",
	    SL_RUN_ENDED, "on;" },
	{ "forgets builtin", "function End() end", SL_RUN_FAILED,
	    "End, redefined at main.lua:1, returned without builtin.End" },
	{ "caught", "function End() end pcall(End) note('on')", SL_RUN_FAILED,
	    "returned without builtin.End" },
	{ "no function", "End = 1", SL_RUN_FAILED, "only a function can redefine it" },
	{ "builtin is read-only", "builtin.End = function() end", SL_RUN_FAILED, "read-only" },
	{ "fact", "saslusername = 'eve'", SL_RUN_FAILED, "is a fact of the phase" },
	{ "undefined", "local x = saslusernam", SL_RUN_FAILED, "saslusernam is not defined" },
	{ "other phase", "local x = recipient", SL_RUN_FAILED, "only in rcptto" },
	{ "builtin of another phase", "elsewhere()", SL_RUN_FAILED, "can't be called in data, only in connect" },
	{ "waits in a comparator", "table.sort({2,1}, function() nap(1) end)", SL_RUN_FAILED,
	    "nap waits and can't be called inside sort" },
	{ "library is read-only", "string.rep = 1", SL_RUN_FAILED, "read-only" },
	{ "rawset on a library", "rawset(string, 'rep', 1)", SL_RUN_FAILED, "read-only" },
	{ "string metatable", "getmetatable('').__index = {}", SL_RUN_FAILED, "index" },
	{ "bytecode", "note(load('\\27Lua') == nil)", SL_RUN_ENDED, "true;" },
	{ "__gc", "setmetatable({}, {__gc = function() end})", SL_RUN_FAILED, "__gc" },
	{ "__mode", "setmetatable({}, {__mode = 'k'})", SL_RUN_FAILED, "__mode isn't available" },
	{ "a module that failed gives its own error again",
	    "for i = 1, 2 do note(select(2, pcall(require, 'broken'))) end", SL_RUN_ENDED,
	    "lib/broken.lua:1: no luck;lib/broken.lua:1: no luck;" },
	{ "a module that failed may succeed later",
	    "pcall(require, 'second') fine = true note(require('second')) note(require('second'))",
	    SL_RUN_ENDED, "done;done;" },
	{ "a module that requires itself", "require 'circle'", SL_RUN_FAILED, "\"circle\" requires itself" },
	{ "a module that waits", "note(require('waits'))", SL_RUN_ENDED, "waited;" },
	{ "integers keep their digits", "note(json_encode(json_decode('[9007199254740993,-9223372036854775808]')))",
	    SL_RUN_ENDED, "[9007199254740993,-9223372036854775808];" },
	{ "NUL in a name of JSON", "note(select(2, json_encode({ ['a\\0b'] = 1 })))", SL_RUN_ENDED, "with a NUL byte" },
	{ "no os", "local x = os", SL_RUN_FAILED, "os is not defined" },
	{ "no debug", "local x = debug", SL_RUN_FAILED, "debug is not defined" },
	{ "order of a builtin's map", "for k in pairs(a_map()) do note(k) end", SL_RUN_ENDED, "zebra;apple;mango;" },
	{ "order of a script's table", "for k in pairs{b=1, a=2, [2]=1, [1]=1} do note(k) end",
	    SL_RUN_ENDED, "1;2;a;b;" },
	{ "no address in format", "note(('%s'):format({}))", SL_RUN_ENDED, "table;" },
	{ "rawset on the environment", "rawset(_ENV, 'End', 1)", SL_RUN_FAILED, "assign instead" },
	{ "find with NUL", "note(('a\\0bc'):find('\\0b.'))", SL_RUN_ENDED, "2;" },
	{ "no address", "note({}) note(print == nil)", SL_RUN_FAILED, "print is not defined" },
};

static void
test_overrides(void **state)
{
	struct harness *h = *state;
	size_t i;

	add(h, "lib/define.lua", "function End() note('lib') builtin.End() end");
	add(h, "lib/calls.lua", "End()");
	add(h, "lib/broken.lua", "error('no luck')");
	add(h, "lib/second.lua", "if not pcall(function() return fine end) then error('x') end return 'done'");
	add(h, "lib/circle.lua", "require 'circle'");
	add(h, "lib/waits.lua", "nap(1) return 'waited'");
	for (i = 0; i < sizeof(overrides) / sizeof(overrides[0]); i++) {
		run(h, overrides[i].source, "End", NULL);
		if (h->how != overrides[i].how)
			fail_msg("%s: how %d: %s", overrides[i].name, h->how, h->err.text);
		if (overrides[i].text != NULL && strstr(h->how == SL_RUN_ENDED ? h->text :
		    h->err.text, overrides[i].text) == NULL)
			fail_msg("%s: \"%s\" / \"%s\"", overrides[i].name, h->text, h->err.text);
	}
}

/* ---- the words of an error ------------------------------------------------------------------- */

static const struct { const char *source, *text, *line, *stack; int caret; } errors[] = {
	{ "local x = 1\n  nap({})", "main.lua:2:3: bad argument #1 to 'nap'", "nap({})", NULL, 0 },
	{ "local t = {}\n\tlocal y = t.x.y", "main.lua:2:14: attempt to index a nil value (field 'x')",
	    "local y = t.x.y", NULL, 12 },
	{ "note(saslusernam)", "main.lua:1:6: saslusernam is not defined", "note(saslusernam)", NULL, 5 },
	{ "note(nope) note(nope)", "main.lua:1: nope is not defined", "note(nope) note(nope)", NULL, -1 },
	{ "local function f()\nelsewhere()\nend\nf()", "main.lua:2:1: elsewhere can't be called",
	    "elsewhere()", "in f, called at main.lua:4", 0 },
	{ "local t = {}\nfunction t.go()\nerror('x')\nend\nlocal function g(f) f()\nend\n"
	    "g(function()\nt.go()\nend)", "main.lua:3:1: x", "error('x')",
	    "in t.go, called by f at main.lua:8, called by g at main.lua:5, "
	    "called at main.lua:7", 0 },
	{ "function End()\n  error('not now')\nend", "main.lua:2:3: not now", "error('not now')",
	    "in End, called by the end of data", 0 },
	{ "error('plain', 0)", "plain", NULL, NULL, -1 },
	{ "error({})", "the script raised a value that isn't a text", NULL, NULL, -1 },
	{ "local ok, e = pcall(error, 'x')\n\nerror(e, 0)", "x", NULL, NULL, -1 },
};

static void
test_errors(void **state)
{
	struct harness *h = *state;
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		h->source[0] = h->stack[0] = '\0';
		run(h, errors[i].source, "End", NULL);
		assert_int_equal(h->how, SL_RUN_FAILED);
		if (strncmp(h->err.text, errors[i].text, strlen(errors[i].text)) != 0)
			fail_msg("%s: %s", errors[i].source, h->err.text);
		assert_string_equal(h->source, errors[i].line != NULL ? errors[i].line : "");
		assert_string_equal(h->stack, errors[i].stack != NULL ? errors[i].stack : "");
		assert_int_equal(h->stats.caret, errors[i].caret);
	}
}

/* ---- runaways ------------------------------------------------------------------------------- */

static const struct { const char *name, *source; } runaways[] = {
	{ "loop", "while true do end" },
	{ "loop in pcall", "while true do pcall(function() while true do end end) end" },
	{ "loop in a handler", "xpcall(error, function() while true do end end) mark()" },
	{ "loop in a gsub callback", "('a'):gsub('a', function() while true do end end)" },
	{ "loop in a comparator", "table.sort({2,1}, function() while true do end end)" },
	{ "loop in __index", "local t = setmetatable({}, {__index = function() while true do end end}) local x = t.a" },
	{ "loop in a coroutine", "coroutine.wrap(function() while true do end end)()" },
	{ "loop in __close", "do local x <close> = setmetatable({}, {__close = function() while true do end end}) end" },
	{ "coroutines", "while true do coroutine.wrap(function() end)() end" },
	{ "coroutines in coroutines", "local function f() coroutine.wrap(f)() end while true do pcall(f) end" },
	{ "string.rep", "local s = ('x'):rep(1e9)" },
	{ "string.rep of nothing much", "local s = (''):rep(1e9, '') while true do s = ('x'):rep(1e6) end" },
	{ "table.move", "table.move({}, 1, 1e8, 2)" },
	{ "table.insert with __len", "table.insert(setmetatable({}, {__len = function() return 1 << 40 end}), 1, 2) while true do end" },
	{ "long find", "local s = ('a'):rep(1e6) while true do s:find('b', 1, true) end" },
	{ "pathological pattern", "(('a'):rep(400)):find('a*a*a*a*a*b')" },
	{ "pattern of long sets", "(('a'):rep(1e4)):find('[' .. ('b'):rep(1e5) .. ']')" },
	{ "pathological pattern in pcall", "pcall(string.find, ('a'):rep(400), ('a*'):rep(20) .. 'b') mark()" },
	{ "recursion", "local function f() return 1 + f() end while true do pcall(f) end" },
	{ "huge table", "local t = {} for i = 1, 1e9 do t[i] = i end" },
	{ "huge table in pcall", "while true do pcall(function() local t = {} for i = 1, 1e9 do t[i] = {} end end) end" },
	{ "huge string", "local s = 'x' while true do s = s .. s end" },
	{ "huge string in pcall", "while true do pcall(function() local s = 'x' while true do s = s .. s end end) end" },
	{ "concat", "local t = {} for i = 1, 1e4 do t[i] = ('x'):rep(1e4) end local s = table.concat(t)" },
	{ "long comparisons", "local s, n = ('x'):rep(1e6), 0 local u = s .. 'y' while true do if s < u then n = n + #s:lower() end end" },
	{ "pairs", "local t = {} for i = 1, 1e5 do t[i] = i end while true do for k in pairs(t) do break end end" },
	{ "next", "local t = {} for i = 1, 1e5 do t[i] = i end while true do next(t) end" },
};

static void
test_runaways(void **state)
{
	static const struct sl_limits limits = { .steps = 3000000, .memory = 8 * 1024 * 1024 };
	struct harness *h = *state;
	size_t i;

	for (i = 0; i < sizeof(runaways) / sizeof(runaways[0]); i++) {
		run(h, runaways[i].source, NULL, &limits);
		if (strncmp(runaways[i].name, "table.move", 10) == 0) {
			assert_int_equal(h->how, SL_RUN_FAILED);
			continue;
		}
		if (h->how != SL_RUN_LIMIT && !(h->how == SL_RUN_FAILED &&
		    strstr(h->err.text, "memory") != NULL))
			fail_msg("%s: how %d: %s", runaways[i].name, h->how, h->err.text);
		assert_int_equal(h->marks, 0);
		if (h->stats.steps > limits.steps + 20000)
			fail_msg("%s: %llu steps", runaways[i].name, (unsigned long long)h->stats.steps);
		run(h, "note('alive')", "End", &limits);
		assert_int_equal(h->how, SL_RUN_ENDED);
		assert_string_equal(h->text, "alive;");
	}
}

/* ---- waiting ----------------------------------------------------------------------------------- */

static void
test_many_wait_at_once(void **state)
{
	struct harness *h = *state;
	struct harness many[500];
	int64_t from = sl_clock_us();
	size_t i, over;

	add(h, "main.lua", "nap(100) End()");
	for (i = 0; i < 500; i++) {
		many[i] = *h;
		begin(&many[i], NULL, NULL);
	}
	do {
		sl_loop_step(h->loop, 1000);
		for (i = over = 0; i < 500; i++)
			over += many[i].over;
	} while (over < 500);
	for (i = 0; i < 500; i++)
		assert_int_equal(many[i].how, SL_RUN_ENDED);
	/* in flight together: one after the other would be 50 s */
	assert_true(sl_clock_us() - from < 25 * 1000000);
}

static void
test_deadline_while_waiting(void **state)
{
	static const struct sl_limits limits = { .time_ms = 20 };
	struct harness *h = *state;

	run(h, "pcall(nap, 60000) mark()", NULL, &limits);
	assert_int_equal(h->how, SL_RUN_LIMIT);
	assert_non_null(strstr(h->err.text, "more than 20 ms"));
	assert_int_equal(h->marks, 0);
}

static void
test_killed_while_waiting(void **state)
{
	struct harness *h = *state;

	add(h, "main.lua", "nap(1) mark()");
	begin(h, NULL, NULL);
	sl_loop_step(h->loop, 0);
	assert_int_equal(sl_vm_runs(h->vm), 1);
	sl_run_kill(sl_list_entry(h->vm->runs.next, struct sl_run, link));
	assert_int_equal(sl_vm_runs(h->vm), 0);
	run(h, "nap(30) note('later')", NULL, NULL);
	assert_int_equal(h->marks, 0);
	assert_string_equal(h->text, "later;");
}

static void
test_slices_let_others_run(void **state)
{
	static const struct sl_limits limits = { .steps = 50000000, .slice_steps = 10000 };
	struct harness *h = *state, other = **(struct harness **)state;

	add(h, "main.lua", "for i = 1, 3e6 do end note('long')");
	begin(h, NULL, &limits);
	sl_loop_step(h->loop, 0);
	assert_false(h->over);
	add(h, "main.lua", "note('short')");
	begin(&other, NULL, NULL);
	while (!other.over)
		sl_loop_step(h->loop, 1000);
	assert_false(h->over);
	while (!h->over)
		sl_loop_step(h->loop, 1000);
	assert_int_equal(h->how, SL_RUN_RETURNED);
	assert_string_equal(h->text, "long;");
}

static void
test_runs_share_nothing(void **state)
{
	struct harness *h = *state;
	unsigned i;
	size_t before;

	run(h, "x = 1 function End() end", NULL, NULL);
	run(h, "local ok = pcall(function() return x end) note(ok) End()", NULL, NULL);
	assert_string_equal(h->text, "false;");
	assert_int_equal(h->how, SL_RUN_ENDED);
	for (i = 0; i < 1000; i++)
		run(h, "t = {} for i = 1, 100 do t[i] = {i} end End()", NULL, NULL);
	lua_gc(h->vm->L, LUA_GCCOLLECT);
	before = sl_vm_memory(h->vm);
	for (i = 0; i < 1000; i++)
		run(h, "t = {} for i = 1, 100 do t[i] = {i} end End()", NULL, NULL);
	lua_gc(h->vm->L, LUA_GCCOLLECT);
	assert_true(sl_vm_memory(h->vm) < before + 16384);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_endings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overrides, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runaways, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_wait_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deadline_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_while_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slices_let_others_run, setup, teardown),
		cmocka_unit_test_setup_teardown(test_runs_share_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
