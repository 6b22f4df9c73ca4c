/*
 * Builtins of a host of sluice.h. Each has a row like those of lua/, all with the
 * same function: it makes an operation of the call, hands it to the host and
 * awaits it. What the host says is kept in the operation, so that nothing of
 * the host runs while Lua can raise.
 */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../engine/value.h"
#include "engine.h"

#define MAX_RESULTS	16
#define MAX_JSON	(1024 * 1024)

struct host_builtin {
	struct sl_builtin rows[2];	/* first: the guard's upvalue leads here */
	struct sl_list link;
	struct sl_host_builtin host;
	char *name, *doc;
};

enum kind { NONE, STRING, NUMBER, BOOL, JSON };

struct value {
	enum kind kind;
	char *text;
	size_t n;
	double number;
};

struct sl_call {
	struct sl_op op;
	const struct host_builtin *builtin;
	lua_State *L;			/* NULL when 'fn' has returned */
	char id[96];
	struct sl_buf json;
	struct value results[MAX_RESULTS];
	int n;
	bool later;
	bool lost;			/* a result, for want of memory or beyond the 16th */
	char *failed, *code, *refused;
};

/* ---- the call as an operation ------------------------------------------------------ */

static void
call_cancel(struct sl_op *op)
{
	struct sl_call *c = (struct sl_call *)op;

	if (c->later && c->builtin->host.cancel != NULL)
		c->builtin->host.cancel(c->builtin->host.arg, c);
	c->later = false;
}

static void
call_free(struct sl_op *op)
{
	struct sl_call *c = (struct sl_call *)op;
	int i;

	for (i = 0; i < c->n; i++)
		sl_free(c->results[i].text);
	sl_buf_clear(&c->json);
	sl_free(c->failed);
	sl_free(c->code);
	sl_free(c->refused);
	sl_free(c);
}

static const struct sl_op_class call_class = { "host", call_cancel, call_free };

static int
push(lua_State *L, const struct value *v)
{
	struct sl_err err;

	switch (v->kind) {
	case STRING:
		sl_string(L, (struct sl_str){ v->text, v->n });
		break;
	case NUMBER:
		sl_number(L, v->number);
		break;
	case BOOL:
		sl_bool(L, v->number != 0);
		break;
	case JSON:
		if (sl_json_decode(L, (struct sl_str){ v->text, v->n }, MAX_JSON, &err) != 0)
			return luaL_error(L, "the host gave no JSON: %s", err.text);
		break;
	default:
		sl_none(L);
	}
	return 1;
}

static int
answered(lua_State *L, struct sl_op *op)
{
	struct sl_call *c = (struct sl_call *)op;
	int i;

	if (c->lost)
		return luaL_error(L, "out of memory");
	if (c->refused != NULL)
		return luaL_error(L, "%s: %s", c->builtin->name, c->refused);
	if (c->failed != NULL)
		return sl_fail(L, c->code, "%s", c->failed);
	luaL_checkstack(L, c->n + 4, NULL);
	for (i = 0; i < c->n; i++)
		push(L, &c->results[i]);
	return c->n;
}

/* The row's function: the guard's upvalue, and so this one's, says which row. */
static int
call_host(lua_State *L)
{
	const struct host_builtin *b = lua_touserdata(L, lua_upvalueindex(1));
	struct sl_call *c = sl_calloc(1, sizeof(*c));

	if (c == NULL || sl_op_init(&c->op, &call_class, sl_vm_loop(sl_vm_of(L)), 0) != 0) {
		sl_free(c);
		return luaL_error(L, "out of memory");
	}
	c->builtin = b;
	c->L = L;
	snprintf(c->id, sizeof(c->id), "%s", sl_vm_run_id(L));
	b->host.fn(b->host.arg, c);
	c->L = NULL;
	if (!c->later)
		sl_op_finish(&c->op, 0);
	return sl_await(L, &c->op, answered);
}

/* ---- adding ------------------------------------------------------------------------- */

static bool
is_name(const char *s)
{
	if (!sl_isalpha(*s) && *s != '_')
		return false;
	for (; *s != '\0'; s++)
		if (!sl_isalnum(*s) && *s != '_')
			return false;
	return true;
}

static bool
exists(const struct sl_engine *e, const char *name)
{
	const struct host_builtin *b;
	const struct sl_builtin *row;
	const struct sl_module *m;
	const struct sl_list *l;

	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++)
			if (strcmp(row->name, name) == 0)
				return true;
	for (l = e->host_builtins.next; l != &e->host_builtins; l = l->next) {
		b = sl_list_entry(l, struct host_builtin, link);
		if (strcmp(b->name, name) == 0)
			return true;
	}
	return false;
}

static void
builtin_free(struct host_builtin *b)
{
	sl_free(b->name);
	sl_free(b->doc);
	sl_free(b);
}

static struct host_builtin *
builtin_new(const struct sl_host_builtin *in)
{
	struct host_builtin *b = sl_calloc(1, sizeof(*b));

	if (b == NULL)
		return NULL;
	b->host = *in;
	b->name = sl_strdup(in->name);
	b->doc = in->doc != NULL ? sl_strdup(in->doc) : NULL;
	if (b->name == NULL || (in->doc != NULL && b->doc == NULL)) {
		builtin_free(b);
		return NULL;
	}
	b->host.name = b->name;
	b->host.doc = b->doc;
	b->rows[0] = (struct sl_builtin){ b->name, call_host, SL_IMPURE | SL_TAPED |
	    (in->phases != 0 ? in->phases & SL_AT_ANY : SL_AT_ANY) | (in->waits ? SL_WAITS : 0) };
	return b;
}

int
sl_engine_add_builtin_sized(struct sl_engine *e, const struct sl_host_builtin *given, size_t size,
    struct sl_err *err)
{
	struct sl_host_builtin copy, *in = &copy;
	struct host_builtin *b;
	int rc = sl_host_struct(&copy, sizeof(copy), given, size, err);

	if (rc != 0)
		return rc;
	if (!is_name(in->name) || in->fn == NULL || (in->waits && in->cancel == NULL))
		return sl_err_set(err, SL_ERR_INVAL, "a builtin needs a name, a function, and to be "
		    "cancelled if it waits");
	if (exists(e, in->name))
		return sl_err_set(err, SL_ERR_EXISTS, "there is a builtin %s", in->name);
	if ((b = builtin_new(in)) == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	/* The machine may know the row even if it had no memory to name it. */
	sl_list_insert(&e->host_builtins, &b->link);
	if (sl_vm_add_builtins(e->vm, b->rows) != 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return 0;
}

void
sl_host_builtins_free(struct sl_engine *e)
{
	struct sl_list *l;

	while ((l = sl_list_pop(&e->host_builtins)) != NULL)
		builtin_free(sl_list_entry(l, struct host_builtin, link));
}

void
sl_engine_builtins(const struct sl_engine *e, sl_builtin_fn *fn, void *arg)
{
	const struct host_builtin *b;
	const struct sl_builtin *row;
	const struct sl_module *m;
	const struct sl_list *l;

	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++)
			fn(arg, row->name, row->flags & (SL_AT(SL_PHASES) - 1), NULL);
	for (l = e->host_builtins.next; l != &e->host_builtins; l = l->next) {
		b = sl_list_entry(l, struct host_builtin, link);
		fn(arg, b->name, b->rows[0].flags & (SL_AT(SL_PHASES) - 1), b->doc);
	}
}

/* ---- arguments ----------------------------------------------------------------------- */

bool
sl_call_string(struct sl_call *c, int i, struct sl_str *out)
{
	/* a number would be changed in place, and that can raise */
	if (c->L == NULL || lua_type(c->L, i) != LUA_TSTRING)
		return false;
	out->p = lua_tolstring(c->L, i, &out->n);
	return true;
}

bool
sl_call_number(struct sl_call *c, int i, double *out)
{
	if (c->L == NULL || lua_type(c->L, i) != LUA_TNUMBER)
		return false;
	*out = lua_tonumber(c->L, i);
	return true;
}

bool
sl_call_bool(struct sl_call *c, int i, bool *out)
{
	if (c->L == NULL || !lua_isboolean(c->L, i))
		return false;
	*out = lua_toboolean(c->L, i);
	return true;
}

static int
encode(lua_State *L)
{
	struct sl_call *c = lua_touserdata(L, 2);
	struct sl_err err;

	sl_buf_reset(&c->json);
	lua_pushboolean(L, sl_json_encode(L, 1, &c->json, false, false, &err) == 0);
	return 1;
}

/* Protected: reading a map may run a script's metamethods, and making text may fail. */
bool
sl_call_json(struct sl_call *c, int i, struct sl_str *out)
{
	lua_State *L = c->L;
	bool ok;

	if (L == NULL || lua_isnone(L, i) || !lua_checkstack(L, 4))
		return false;
	lua_pushcfunction(L, encode);
	lua_pushvalue(L, i);
	lua_pushlightuserdata(L, c);
	ok = lua_pcall(L, 2, 1, 0) == LUA_OK && lua_toboolean(L, -1);
	lua_pop(L, 1);
	*out = sl_buf_str(&c->json);
	return ok;
}

const char *
sl_call_id(const struct sl_call *c)
{
	return c->id;
}

/* ---- results ------------------------------------------------------------------------- */

static void
give(struct sl_call *c, enum kind kind, struct sl_str text, double number)
{
	struct value v = { .kind = kind, .n = text.n, .number = number };

	if (text.p != NULL && (v.text = sl_strndup(text.p, text.n)) == NULL)
		c->lost = true;
	else if (c->n == MAX_RESULTS) {
		sl_free(v.text);
		c->lost = true;
	} else
		c->results[c->n++] = v;
}

void
sl_call_give_none(struct sl_call *c)
{
	give(c, NONE, (struct sl_str){ 0 }, 0);
}

void
sl_call_give_string(struct sl_call *c, struct sl_str value)
{
	give(c, STRING, value.p != NULL ? value : SL_STR(""), 0);
}

void
sl_call_give_number(struct sl_call *c, double value)
{
	give(c, NUMBER, (struct sl_str){ 0 }, value);
}

void
sl_call_give_bool(struct sl_call *c, bool value)
{
	give(c, BOOL, (struct sl_str){ 0 }, value);
}

void
sl_call_give_json(struct sl_call *c, struct sl_str json)
{
	give(c, JSON, json.p != NULL ? json : SL_STR(""), 0);
}

static void
keep(struct sl_call *c, char **out, const char *text)
{
	sl_free(*out);
	*out = sl_strdup(text);
	c->lost = c->lost || *out == NULL;
}

void
sl_call_fail(struct sl_call *c, const char *code, const char *text)
{
	keep(c, &c->code, code);
	keep(c, &c->failed, text);
}

void
sl_call_refuse(struct sl_call *c, const char *text)
{
	keep(c, &c->refused, text);
}

void
sl_call_later(struct sl_call *c)
{
	c->later = c->L != NULL && c->builtin->host.waits;
}

void
sl_call_done(struct sl_call *c)
{
	if (!c->later)
		return;
	c->later = false;
	sl_op_finish(&c->op, 0);
}
