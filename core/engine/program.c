/*
 * Programs: the compiled code and data of one generation. Each file is
 * compiled once, as "local _ENV = ...; <source>" on the same first line so
 * that positions hold, and called per run with the run's environment.
 */
#include <stdio.h>
#include <string.h>

#include "hsl.h"

#define PREFIX	"local _ENV = ...; "

static int
make_tables(lua_State *L)
{
	struct sl_program *p = lua_touserdata(L, 1);

	lua_newtable(L);
	p->chunks = luaL_ref(L, LUA_REGISTRYINDEX);
	lua_newtable(L);
	p->data = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

struct sl_program *
sl_program_new(struct sl_vm *vm)
{
	struct sl_program *p = sl_calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->sources = sl_dict_new();
	p->levels = sl_dict_new();
	if (p->sources == NULL || p->levels == NULL) {
		sl_dict_free(p->sources, NULL);
		sl_dict_free(p->levels, NULL);
		sl_free(p);
		return NULL;
	}
	p->refs = 1;
	p->vm = vm;
	p->chunks = p->data = p->compiler = p->compiler_host = LUA_NOREF;
	lua_pushcfunction(vm->L, make_tables);
	lua_pushlightuserdata(vm->L, p);
	if (lua_pcall(vm->L, 1, 0, 0) == LUA_OK)
		return p;
	lua_pop(vm->L, 1);
	sl_program_unref(p);
	return NULL;
}

struct sl_program *
sl_program_new_upon(struct sl_vm *vm, struct sl_program *base)
{
	struct sl_program *p = sl_program_new(vm);

	if (p != NULL && base != NULL)
		p->base = sl_program_ref(base);
	return p;
}

struct sl_program *
sl_program_ref(struct sl_program *p)
{
	p->refs++;
	return p;
}

void
sl_program_unref(struct sl_program *p)
{
	if (p == NULL || --p->refs > 0)
		return;
	luaL_unref(p->vm->L, LUA_REGISTRYINDEX, p->chunks);
	luaL_unref(p->vm->L, LUA_REGISTRYINDEX, p->data);
	luaL_unref(p->vm->L, LUA_REGISTRYINDEX, p->compiler);
	luaL_unref(p->vm->L, LUA_REGISTRYINDEX, p->compiler_host);
	sl_buf_clear(&p->report);
	sl_buf_clear(&p->warnings);
	sl_dict_free(p->sources, sl_free);
	sl_dict_free(p->levels, NULL);
	sl_program_unref(p->base);
	sl_free(p);
}

/* ---- code ---------------------------------------------------------------------- */

/* A byte-order mark is dropped; what stands behind it keeps its position. */
static struct sl_str
skip_mark(struct sl_str source)
{
	return sl_str_starts(source, SL_STR("\xef\xbb\xbf")) ?
	    sl_str_sub(source, 3, source.n) : source;
}

static int
keep_source(struct sl_program *p, const char *path, struct sl_str source)
{
	char *copy = sl_strndup(source.p, source.n);
	void *old;
	int rc;

	if (copy == NULL)
		return SL_ERR_NOMEM;
	rc = sl_dict_set(p->sources, sl_str_of(path), copy, &old);
	sl_free(rc == 0 ? old : copy);
	return rc;
}

struct code {
	struct sl_program *program;
	const char *path;		/* for messages */
	const char *key;		/* of the chunk */
	struct sl_str before, source;	/* one text in two parts */
	bool hsl;
};

/* What HSL's code calls is its only upvalue; the environment it gets as others do. */
static void
give_runtime(lua_State *L)
{
	sl_ref_push(L, sl_vm_from(L)->refs.hsl);
	lua_setupvalue(L, -2, 1);
}

static int
compile(lua_State *L)
{
	struct code *c = lua_touserdata(L, 1);
	char name[512];

	snprintf(name, sizeof(name), "@%s", c->path);
	sl_ref_push(L, c->program->chunks);
	if (sl_load_parts(L, name, c->before, c->source) != LUA_OK) {
		if (!c->hsl)
			sl_syntax_place(L, name, c->before, c->source);
		return lua_error(L);
	}
	if (c->hsl)
		give_runtime(L);
	lua_setfield(L, -2, c->key);
	return 0;
}

/* Leaves the words of what a protected call raised in 'err', and pops it. */
static int
take_error(lua_State *L, int status, const char *prefix, struct sl_err *err)
{
	if (status == LUA_ERRMEM)
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	else
		sl_err_set(err, SL_ERR_SYNTAX, "%s%s", prefix, lua_type(L, -1) == LUA_TSTRING ?
		    lua_tostring(L, -1) : "an error without a text");
	lua_pop(L, 1);
	return status == LUA_ERRMEM ? SL_ERR_NOMEM : SL_ERR_SYNTAX;
}

static int
load(struct sl_program *p, struct code *c, struct sl_err *err)
{
	lua_State *L = p->vm->L;
	int rc;

	lua_pushcfunction(L, compile);
	lua_pushlightuserdata(L, c);
	rc = lua_pcall(L, 1, 0, 0);
	return rc == LUA_OK ? 0 : take_error(L, rc, "", err);
}

/* ---- HSL ----------------------------------------------------------------------- */

#define LEVEL_LINES	5	/* from the top, where a file's level may stand */

/* "// level: 2016"; 0 = the line is another. */
static int
level_in(struct sl_str line)
{
	const struct sl_str word = SL_STR("level:");

	line = sl_str_trim(line);
	if (!sl_str_starts(line, SL_STR("//")))
		return 0;
	line = sl_str_trim(sl_str_sub(line, 2, line.n));
	if (!sl_str_starts(line, word))
		return 0;
	line = sl_str_trim(sl_str_sub(line, word.n, line.n));
	return sl_str_eq(line, SL_STR("2016")) ? 2016 : sl_str_eq(line, SL_STR("2026")) ? 2026 : 0;
}

static int
keep_level(struct sl_program *p, const char *path, struct sl_str source)
{
	struct sl_str line;
	int i, level = 0;
	void *old;

	for (i = 0; i < LEVEL_LINES && level == 0 && sl_str_split(&source, '\n', &line); i++)
		level = level_in(line);
	return sl_dict_set(p->levels, sl_str_of(path), (void *)(intptr_t)level, &old);
}

int
sl_program_level(const struct sl_program *p, const char *path)
{
	for (; p != NULL; p = p->base)
		if (sl_dict_get(p->sources, sl_str_of(path)) != NULL)
			return (int)(intptr_t)sl_dict_get(p->levels, sl_str_of(path));
	return 0;
}

static int add_hsl(struct sl_program *p, const char *path, struct sl_str source, bool included,
    struct sl_err *err);
struct form;
static int add_data(struct sl_program *p, const char *key, const char *path, struct sl_str text,
    const struct form *form, bool hsl, struct sl_err *err);

/* Files that are included have a chunk of their own for that. */
static int
add_included(struct sl_program *p, const char *path, struct sl_err *err)
{
	struct sl_str source;
	char key[512];

	snprintf(key, sizeof(key), SL_HSL_INCLUDED "%s", path);
	if (sl_chunk_push(p->vm->L, p, key)) {
		lua_pop(p->vm->L, 1);
		return 0;
	}
	if (p->files == NULL || !p->files->read(p->files->arg, path, &source))
		return 0;
	return add_hsl(p, path, source, true, err);
}

/* How data are read: Lua's by their suffix, imported ones as the compiler says behind the path. */
struct form {
	enum { BY_SUFFIX, CSV, JSON, TEXT } kind;
	char delimiter;		/* of CSV */
	bool header;		/* the first line names the columns */
};

#define IMPORT_FORM	'\x1f'	/* then "j", "t", or the delimiter and 1 or 0 for a header */
static const struct form usual_form = { BY_SUFFIX, ',', true };

static struct form
form_of(const char *text)
{
	if (text[0] == '\0' || text[1] != '\0')
		return (struct form){ CSV, text[0], text[0] != '\0' && text[1] == '1' };
	return (struct form){ text[0] == 'j' ? JSON : TEXT, ',', true };
}

/* Data that is imported is kept as HSL's values, beside those that Lua's code gets. */
static int
add_imported(struct sl_program *p, const char *path, struct sl_err *err)
{
	struct form how = usual_form;
	struct sl_str text;
	char key[512], file[512], *form;

	snprintf(key, sizeof(key), SL_HSL_DATA "%s", path);
	snprintf(file, sizeof(file), "data/%s", path);
	if ((form = strchr(file, IMPORT_FORM)) != NULL) {
		*form = '\0';
		how = form_of(form + 1);
	}
	if (sl_data_push(p->vm->L, p, key)) {
		lua_pop(p->vm->L, 1);
		return 0;
	}
	if (p->files == NULL || !p->files->read(p->files->arg, file, &text))
		return 0;
	return add_data(p, key, file + strlen("data/"), text, &how, true, err);
}

/* What the compiler said that a file needs. */
static int
add_needs(struct sl_program *p, struct sl_str paths, struct sl_err *err)
{
	struct sl_str path;
	int rc = 0;

	while (rc == 0 && sl_str_split(&paths, '\0', &path)) {
		if (path.n == 0 || path.n > 400)
			continue;
		if (sl_str_ends(path, SL_STR(".hsl")))
			rc = add_included(p, path.p, err);
		else
			rc = add_imported(p, path.p, err);
	}
	return rc;
}

static int
add_hsl(struct sl_program *p, const char *path, struct sl_str source, bool included,
    struct sl_err *err)
{
	struct sl_buf code = SL_BUF_INIT, includes = SL_BUF_INIT;
	struct code c = { .program = p, .path = path, .key = path, .hsl = true };
	char key[512];
	int rc;

	if (included) {
		snprintf(key, sizeof(key), SL_HSL_INCLUDED "%s", path);
		c.key = key;
	}
	rc = sl_hsl_compile(p, path, skip_mark(source), included ? SL_HSL_PART :
	    p->shares ? SL_HSL_LINES : SL_HSL_MAIN, &code, &includes, err);
	if (rc == 0) {
		c.source = sl_buf_str(&code);
		rc = load(p, &c, err);
		if (rc == SL_ERR_SYNTAX)	/* deeper than Lua's parser goes, or more than it counts */
			sl_err_prefix(err, "too complex to compile");
	}
	if (rc == 0)
		rc = add_needs(p, sl_buf_str(&includes), err);
	sl_buf_clear(&code);
	sl_buf_clear(&includes);
	return rc;
}

/* ---- adding ---------------------------------------------------------------------- */

int
sl_program_add(struct sl_program *p, const char *path, struct sl_str source, struct sl_err *err)
{
	struct code c = { p, path, path, SL_STR(PREFIX), skip_mark(source), false };
	int rc;

	sl_buf_reset(&p->report);
	if (sl_str_ends(sl_str_of(path), SL_STR(".hsl")))
		rc = add_hsl(p, path, source, false, err);
	else
		rc = load(p, &c, err);
	if (rc != 0)
		return rc;
	if (keep_source(p, path, skip_mark(source)) != 0 ||
	    keep_level(p, path, skip_mark(source)) != 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return 0;
}

int
sl_program_translate(struct sl_program *p, const char *path, struct sl_str source,
    struct sl_buf *code, struct sl_err *err)
{
	struct sl_buf includes = SL_BUF_INIT;
	int rc;

	sl_buf_reset(&p->report);
	sl_buf_reset(&p->warnings);
	rc = sl_hsl_compile(p, path, skip_mark(source), SL_HSL_MAIN, code, &includes, err);
	sl_buf_clear(&includes);
	return rc;
}

void
sl_program_set_files(struct sl_program *p, const struct sl_program_files *files)
{
	p->files = files;
}

void
sl_program_share_variables(struct sl_program *p)
{
	p->shares = true;
}

const char *
sl_program_report(const struct sl_program *p)
{
	return p->report.n > 0 ? p->report.p : "";
}

const char *
sl_program_warnings(const struct sl_program *p)
{
	return p->warnings.n > 0 ? p->warnings.p : "";
}

int
sl_chunk_push(lua_State *L, const struct sl_program *p, const char *path)
{
	for (; p != NULL; p = p->base) {
		sl_ref_push(L, p->chunks);
		lua_getfield(L, -1, path);
		lua_remove(L, -2);
		if (lua_isfunction(L, -1))
			return 1;
		lua_pop(L, 1);
	}
	return 0;
}

struct sl_str
sl_source_path(const struct sl_program *p, struct sl_str shown)
{
	struct sl_str path, found = shown, end = sl_str_sub(shown, 3, shown.n);
	int n = 0;
	size_t i;

	if (!sl_str_starts(shown, SL_STR("...")))
		return shown;
	for (; p != NULL; p = p->base)
		for (i = 0; sl_dict_each(p->sources, &i, &path, NULL);)
			if (sl_str_ends(path, end)) {
				found = path;
				n++;
			}
	return n == 1 ? found : shown;
}

struct sl_str
sl_source_line(const struct sl_program *p, const char *path, int line)
{
	struct sl_str rest = { "", 0 }, found = { "", 0 };
	const char *text = NULL;

	for (; p != NULL && text == NULL && rest.n == 0; p = p->base) {
		text = sl_dict_get(p->sources, sl_str_of(path));
		if (text == NULL && p->files != NULL && !p->files->read(p->files->arg, path, &rest))
			rest = SL_STR("");	/* what stands beside a script without a policy */
	}
	if (text != NULL)
		rest = sl_str_of(text);
	while (line-- > 0)
		if (!sl_str_split(&rest, '\n', &found))
			return SL_STR("");
	return found;
}

/* ---- data ---------------------------------------------------------------------- */

/* Behind the closing quote; what stands between the quotes is pushed. */
static size_t
quoted_field(lua_State *L, struct sl_str rest, size_t i)
{
	struct sl_buf *field = sl_scratch(L);

	for (i++; i < rest.n; i++) {
		if (rest.p[i] == '"' && i + 1 < rest.n && rest.p[i + 1] == '"')
			i++;
		else if (rest.p[i] == '"')
			break;
		sl_buf_putc(field, rest.p[i]);
	}
	lua_pushlstring(L, field->p != NULL ? field->p : "", field->n);
	return i < rest.n ? i + 1 : i;
}

bool
sl_csv_field(lua_State *L, struct sl_str *rest)
{
	return sl_csv_field_by(L, rest, ',');
}

bool
sl_csv_field_by(lua_State *L, struct sl_str *rest, char delimiter)
{
	struct sl_str plain;
	bool quoted, ended;
	size_t i = 0, from;

	while (i < rest->n && rest->p[i] != delimiter && (rest->p[i] == ' ' || rest->p[i] == '\t'))
		i++;
	quoted = i < rest->n && rest->p[i] == '"';
	if (quoted)
		i = quoted_field(L, *rest, i);
	for (from = i; i < rest->n && rest->p[i] != delimiter && rest->p[i] != '\n'; i++)
		;
	plain = sl_str_trim(sl_str_sub(*rest, from, i));
	if (!quoted)
		lua_pushlstring(L, plain.n > 0 ? plain.p : "", plain.n);
	ended = i >= rest->n || rest->p[i] == '\n';
	*rest = sl_str_sub(*rest, i + 1, rest->n);
	return ended;
}

bool
sl_csv_skip(struct sl_str *rest)
{
	struct sl_str after, line;

	for (after = *rest; sl_str_split(&after, '\n', &line); *rest = after) {
		line = sl_str_trim(line);
		if (line.n > 0 && line.p[0] != '#')
			return true;
	}
	return false;
}

/* The first line names the columns; each further line is a map. */
static void
push_csv(lua_State *L, struct sl_str text, char delimiter)
{
	const char *name;
	bool ended;
	int i, n = 0;

	lua_newtable(L);		/* names */
	for (ended = text.n == 0; !ended;) {
		ended = sl_csv_field_by(L, &text, delimiter);
		lua_rawseti(L, -2, ++n);
	}
	sl_list_new(L);
	while (text.n > 0) {
		sl_map_new(L);
		for (ended = false, i = 1; !ended; i++) {
			lua_rawgeti(L, -3, i);
			name = lua_tostring(L, -1);	/* the list of names holds it */
			lua_pop(L, 1);
			ended = sl_csv_field_by(L, &text, delimiter);
			if (name != NULL)
				sl_map_set(L, name);
			else
				lua_pop(L, 1);
		}
		sl_list_add(L);
	}
	lua_remove(L, -2);
}

/* Without names of columns: each line is a list. */
static void
push_csv_rows(lua_State *L, struct sl_str text, char delimiter)
{
	bool ended;

	sl_list_new(L);
	while (text.n > 0) {
		sl_list_new(L);
		for (ended = false; !ended;) {
			ended = sl_csv_field_by(L, &text, delimiter);
			sl_list_add(L);
		}
		sl_list_add(L);
	}
}

static void
push_lines(lua_State *L, struct sl_str text)
{
	struct sl_str line;

	sl_list_new(L);
	while (sl_str_split(&text, '\n', &line)) {
		line = sl_str_trim(line);
		if (line.n == 0)
			continue;
		sl_string(L, line);
		sl_list_add(L);
	}
}

struct data {
	struct sl_program *program;
	const char *key, *path;
	struct sl_str text;
	struct sl_err *err;
	struct form form;
	bool hsl;		/* HSL's values, which no script sees: import copies them */
};

static int
parse_data(lua_State *L)
{
	struct data *d = lua_touserdata(L, 1);
	struct sl_str path = sl_str_of(d->path);
	bool by_suffix = d->form.kind == BY_SUFFIX;

	if (d->form.kind == JSON || (by_suffix && sl_str_ends(path, SL_STR(".json")))) {
		if (sl_json_decode(L, d->text, 64 * 1024 * 1024, d->err) != 0)
			return luaL_error(L, "%s", d->err->text);
	} else if (d->form.kind == TEXT) {
		sl_string(L, d->text);
	} else if (by_suffix && !sl_str_ends(path, SL_STR(".csv"))) {
		push_lines(L, d->text);
	} else if (d->form.header) {
		push_csv(L, d->text, d->form.delimiter);
	} else {
		push_csv_rows(L, d->text, d->form.delimiter);
	}
	if (lua_istable(L, -1) && !d->hsl)
		sl_readonly(L);
	sl_ref_push(L, d->program->data);
	lua_insert(L, -2);
	lua_setfield(L, -2, d->key);
	return 0;
}

static int
add_data(struct sl_program *p, const char *key, const char *path, struct sl_str text,
    const struct form *form, bool hsl, struct sl_err *err)
{
	struct sl_err why;
	struct data d = { p, key, path, skip_mark(text), &why, *form, hsl };
	lua_State *L = p->vm->L;
	char prefix[512];
	int rc;

	snprintf(prefix, sizeof(prefix), "data/%s: ", path);
	if (hsl)
		sl_hsl_function(L, parse_data);
	else
		lua_pushcfunction(L, parse_data);
	lua_pushlightuserdata(L, &d);
	lua_gc(L, LUA_GCSTOP);		/* all of it is kept: nothing to look for */
	rc = lua_pcall(L, 1, 0, 0);
	lua_gc(L, LUA_GCRESTART);
	return rc == LUA_OK ? 0 : take_error(L, rc, prefix, err);
}

int
sl_program_add_data(struct sl_program *p, const char *path, struct sl_str text, struct sl_err *err)
{
	return add_data(p, path, path, text, &usual_form, false, err);
}

bool
sl_data_push(lua_State *L, const struct sl_program *p, const char *path)
{
	for (; p != NULL; p = p->base) {
		sl_ref_push(L, p->data);
		lua_getfield(L, -1, path);
		lua_remove(L, -2);
		if (!lua_isnil(L, -1))
			return true;
		lua_pop(L, 1);
	}
	return false;
}
