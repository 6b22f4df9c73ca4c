/*
 * Blocks of flows: a module that describes itself. Its parameters are checked
 * here by its own description, so that what "sluice check" lets through, runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "../crypto/key.h"
#include "../engine/value.h"
#include "../mail/address.h"
#include "config_private.h"
#include "image.h"

#define MAX_PARAMETERS	64
#define MAX_BLOCKS	256

/*
 * Around the module's source, which keeps its lines. Its functions stay behind;
 * of each use whose parameters are given, check() says what is wrong with them
 * together.
 */
static const char before[] = "local block = (function(...) ";
static const char after[] = "\nend)()\n"
    "if type(block) ~= 'table' or type(block.run) ~= 'function' then\n"
    "  error('a block returns a table with a function run', 0)\n"
    "end\n"
    "local problems = {}\n"
    "for i, given in ipairs(parameters()) do problems[i] = block.check(given) or '' end\n"
    "block.checks, block.problems = block.check ~= nil, problems\n"
    "block.run, block.check = nil, nil\n"
    "return block\n";

/* parameters(): a list of what check() is to look at; empty at the first look. */
static int
f_parameters(lua_State *L)
{
	const char *text = sl_vm_eval_host(L);
	struct sl_err err;

	if (sl_json_decode(L, sl_str_of(text), 256 * 1024 * 1024, &err) != 0)
		return luaL_error(L, "%s", err.text);
	return 1;
}

static const struct sl_builtin functions[] = {
	{ "parameters", f_parameters, SL_AT_ANY }, { NULL, NULL, 0 },
};

/* ---- the description -------------------------------------------------------------------- */

/* As require "blocks.NAME" finds it: the policy's own before the library's. */
static bool
find_source(const struct loader *l, const char *name, char path[300], struct sl_str *source)
{
	static const char *const folders[] = { "lib", "stdlib" };
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(path, 300, "%s/blocks/%s.lua", folders[i], name);
		if (sl_image_find(l->config->image, path, source))
			return true;
	}
	return false;
}

/* "lib/blocks/NAME.lua" is a block, what stands in folders below isn't. */
static bool
is_block(struct sl_str path, struct sl_str *name)
{
	static const char *const folders[] = { "lib/blocks/", "stdlib/blocks/" };
	size_t i, n;

	for (i = 0; i < 2; i++) {
		n = strlen(folders[i]);
		if (!sl_str_starts(path, sl_str_of(folders[i])) || !sl_str_ends(path, SL_STR(".lua")))
			continue;
		*name = sl_str_sub(path, n, path.n - 4);
		return sl_str_chr(*name, '/') < 0;
	}
	return false;
}

static void
unknown_block(struct loader *l, const char *name, const char *path)
{
	char *names[MAX_BLOCKS + 1];
	struct sl_str file, bytes, block;
	const char *near;
	size_t i, n = 0;

	for (i = 0; n < MAX_BLOCKS && sl_image_each(l->config->image, &i, &file, &bytes);)
		if (is_block(file, &block) && (names[n] = sl_strndup(block.p, block.n)) != NULL)
			n++;
	names[n] = NULL;
	near = sl_suggest(name, (const char *const *)names);
	if (near != NULL)
		schema_error(l, path, "there is no block \"%s\" (%s?)", name, near);
	else
		schema_error(l, path, "there is no block \"%s\"", name);
	while (n > 0)
		sl_free(names[--n]);
}

/* The module's table; 'uses' (a JSON list) for check(). NULL = refused, and told. */
static json_t *
evaluate(struct loader *l, const char *file, struct sl_str source, char *uses)
{
	struct sl_buf text = SL_BUF_INIT;
	json_t *block = NULL;
	struct sl_err err;

	sl_buf_puts(&text, before);
	sl_buf_putstr(&text, source);
	sl_buf_puts(&text, after);
	if (text.failed)
		sl_err_set(&err, SL_ERR_NOMEM, "%s: out of memory", file);
	if (text.failed || sl_vm_eval(l->config->vm, file, sl_buf_str(&text), functions, uses,
	    &block, &err) != 0) {
		sl_buf_printf(l->report, "%s%s%s\n", strstr(err.text, file) != NULL ? "" : file,
		    strstr(err.text, file) != NULL ? "" : ": ", err.text);
		l->errors++;
	}
	sl_buf_clear(&text);
	return block;
}

static const char *const types[] = {
	"string", "boolean", "number", "choice", "strings", "key", "quarantine", NULL,
};

static const char *
text_at(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static bool
described(const json_t *parameter)
{
	const char *type = text_at(parameter, "type");
	size_t i;

	for (i = 0; type != NULL && types[i] != NULL; i++)
		if (strcmp(types[i], type) == 0)
			return text_at(parameter, "name") != NULL && text_at(parameter, "text") != NULL &&
			    (strcmp(type, "choice") != 0 ||
			    json_is_array(json_object_get(parameter, "choices")));
	return false;
}

/* What a description must have, for the check here and for readers. */
static bool
is_description(const json_t *block)
{
	const json_t *parameters = json_object_get(block, "parameters"), *one;
	size_t i;

	if (text_at(block, "title") == NULL || text_at(block, "text") == NULL ||
	    !json_is_array(json_object_get(block, "phases")) ||
	    json_array_size(parameters) > MAX_PARAMETERS)
		return false;
	json_array_foreach(parameters, i, one)
		if (!described(one))
			return false;
	return true;
}

/* NULL = there is none, or none that can be used; told once. */
static const json_t *
description(struct loader *l, const char *name, const char *path)
{
	char none[] = "[]", file[300];
	struct sl_str source;
	json_t *block;

	block = json_object_get(l->blocks, name);
	if (block != NULL)
		return json_is_object(block) ? block : NULL;
	if (!find_source(l, name, file, &source)) {
		unknown_block(l, name, path);
		return NULL;
	}
	block = evaluate(l, file, source, none);
	if (block != NULL && !is_description(block)) {
		sl_buf_printf(l->report, "%s: title, text, phases and parameters (each with name, type "
		    "and text) expected\n", file);
		l->errors++;
		json_decref(block);
		block = NULL;
	}
	json_object_set_new(l->blocks, name, block != NULL ? block : json_null());
	return block;
}

/* ---- values ----------------------------------------------------------------------------- */

/* Where a parameter stands, and what it is called in errors. */
struct place {
	struct loader *l;
	const char *path;	/* of the parameter */
	const char *name;
};

static bool
wrong(const struct place *at, const char *what)
{
	schema_error(at->l, at->path, "%s: %s expected", at->name, what);
	return false;
}

static bool
check_choice(const struct place *at, const json_t *parameter, const json_t *v)
{
	const json_t *choice;
	struct sl_buf words = SL_BUF_INIT;
	size_t i;

	json_array_foreach(json_object_get(parameter, "choices"), i, choice) {
		if (json_equal(choice, v)) {
			sl_buf_clear(&words);
			return true;
		}
		sl_buf_printf(&words, "%s\"%s\"", i > 0 ? ", " : "one of ", json_string_value(choice));
	}
	wrong(at, words.n > 0 ? words.p : "nothing");
	sl_buf_clear(&words);
	return false;
}

static bool
check_number(const struct place *at, const json_t *parameter, const json_t *v)
{
	const json_t *min = json_object_get(parameter, "min"), *max = json_object_get(parameter, "max");
	char text[80];

	if (!json_is_number(v))
		return wrong(at, "a number");
	if ((min == NULL || json_number_value(v) >= json_number_value(min)) &&
	    (max == NULL || json_number_value(v) <= json_number_value(max)))
		return true;
	snprintf(text, sizeof(text), "%g to %g", min != NULL ? json_number_value(min) : -1e15,
	    max != NULL ? json_number_value(max) : 1e15);
	return wrong(at, text);
}

static bool
check_strings(const struct place *at, const json_t *v)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(v) && !(json_is_object(v) && json_object_size(v) == 0))
		return wrong(at, "a list of strings");
	json_array_foreach(v, i, one)
		if (!json_is_string(one))
			return wrong(at, "a list of strings");
	return true;
}

/* "pki:NAME" of the policy, or a key itself, read once. The words never hold any of it. */
static bool
check_key(const struct place *at, const json_t *v)
{
	struct sl_str spec = sl_str_of(json_string_value(v)), text = spec;
	struct sl_key *key = NULL;
	struct sl_err err;

	if (!json_is_string(v))
		return wrong(at, "\"pki:NAME\" or a private key");
	if (json_object_get(at->l->keys, spec.p) != NULL)
		return true;
	if (sl_str_starts(spec, SL_STR("pki:")) && !sl_config_key(at->l->config, spec, &text)) {
		if (sl_image_is_keyless(at->l->config->image))
			return true;
		schema_error(at->l, at->path, "%s: the policy has no \"%s\": keys/%s.pem", at->name,
		    spec.p, spec.p + 4);
		return false;
	}
	if (sl_key_parse(&key, text, &err) != 0)
		schema_error(at->l, at->path, "%s: %s", at->name, err.text);
	else
		json_object_set_new(at->l->keys, spec.p, json_true());
	sl_key_unref(key);
	return key != NULL;
}

static bool
check_quarantine(const struct place *at, const json_t *v)
{
	if (!json_is_string(v))
		return wrong(at, "a name of quarantine in sluice.lua");
	if (sl_config_quarantine(at->l->config, json_string_value(v)))
		return true;
	schema_error(at->l, at->path, "%s: \"%s\" is not in quarantine", at->name,
	    json_string_value(v));
	return false;
}

static bool
check_value(const struct place *at, const json_t *parameter, const json_t *v)
{
	const char *type = text_at(parameter, "type");

	if (strcmp(type, "string") == 0)
		return json_is_string(v) || wrong(at, "a string");
	if (strcmp(type, "boolean") == 0)
		return json_is_boolean(v) || wrong(at, "true or false");
	if (strcmp(type, "number") == 0)
		return check_number(at, parameter, v);
	if (strcmp(type, "choice") == 0)
		return check_choice(at, parameter, v);
	if (strcmp(type, "strings") == 0)
		return check_strings(at, v);
	if (strcmp(type, "key") == 0)
		return check_key(at, v);
	return check_quarantine(at, v);
}

/* ---- the parameters of one use ---------------------------------------------------------- */

static const json_t *
parameter_of(const json_t *block, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(block, "parameters"), i, one)
		if (strcmp(text_at(one, "name"), name) == 0)
			return one;
	return NULL;
}

static void
unknown_parameter(const struct place *at, const char *block_name, const json_t *block)
{
	const char *names[MAX_PARAMETERS + 1], *near;
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(block, "parameters"), i, one)
		names[i] = text_at(one, "name");
	names[json_array_size(json_object_get(block, "parameters"))] = NULL;
	near = sl_suggest(at->name, names);
	if (near != NULL)
		schema_error(at->l, at->path, "%s is no parameter of block %s (%s?)", at->name,
		    block_name, near);
	else
		schema_error(at->l, at->path, "%s is no parameter of block %s", at->name, block_name);
}

/* Each value that is given, then the defaults of the others. */
static bool
take_values(struct loader *l, const char *name, const json_t *block, json_t *params,
    const char *path)
{
	const json_t *parameter, *dflt;
	const char *given;
	char below[600];
	bool good = true;
	json_t *v;
	size_t i;

	json_object_foreach(params, given, v) {
		struct place at = { l, below, given };

		snprintf(below, sizeof(below), "%s.%s", path, given);
		parameter = parameter_of(block, given);
		if (parameter == NULL)
			unknown_parameter(&at, name, block);
		good = parameter != NULL && check_value(&at, parameter, v) && good;
	}
	json_array_foreach(json_object_get(block, "parameters"), i, parameter) {
		given = text_at(parameter, "name");
		dflt = json_object_get(parameter, "default");
		if (json_object_get(params, given) != NULL)
			continue;
		if (dflt != NULL) {
			json_object_set(params, given, (json_t *)(uintptr_t)dflt);
		} else if (json_is_true(json_object_get(parameter, "required"))) {
			schema_error(l, path, "%s of block %s is missing", given, name);
			good = false;
		}
	}
	return good;
}

/* All uses of a block are looked at in one go, when all is taken: rows may be many. */
static void
check_later(struct loader *l, const char *name, const char *params, const char *path)
{
	json_t *uses = json_object_get(l->unchecked, name);

	if (uses == NULL && json_object_set_new(l->unchecked, name, uses = json_object()) != 0)
		return;
	json_object_set_new(uses, path, json_loads(params, 0, NULL));
}

static void
check_uses(struct loader *l, const char *name, json_t *uses)
{
	json_t *list = json_array(), *block, *params;
	struct sl_str source;
	char file[300], *text;
	const char *path;
	size_t i = 0;

	json_object_foreach(uses, path, params)
		json_array_append(list, params);
	text = json_dumps(list, JSON_COMPACT);
	json_decref(list);
	if (text == NULL || !find_source(l, name, file, &source)) {
		free(text);
		return;
	}
	block = evaluate(l, file, source, text);
	free(text);
	json_object_foreach(uses, path, params) {
		const json_t *one = json_array_get(json_object_get(block, "problems"), i++);
		const char *problem = json_string_value(one);

		if (problem != NULL && problem[0] != '\0')
			schema_error(l, path, "block %s: %s", name, problem);
	}
	json_decref(block);
}

void
sl_config_check_blocks(struct loader *l)
{
	const char *name;
	json_t *uses;

	json_object_foreach(l->unchecked, name, uses)
		check_uses(l, name, uses);
}

static bool
runs_in(const json_t *block, const char *phase)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(block, "phases"), i, one)
		if (json_is_string(one) && strcmp(json_string_value(one), phase) == 0)
			return true;
	return false;
}

/* All parameters of a use, as JSON; NULL = something is wrong, and told. */
static char *
all_parameters(struct loader *l, const char *name, const json_t *block, const json_t *v,
    const char *path)
{
	json_t *params = json_deep_copy(v);
	char *text = NULL;

	json_object_del(params, "block");
	if (take_values(l, name, block, params, path))
		text = json_dumps(params, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(params);
	if (text != NULL && json_is_true(json_object_get(block, "checks")))
		check_later(l, name, text, path);
	return text;
}

/* Relay rows may be many and alike: what was good once, and what it came to. */
static char *
known_parameters(struct loader *l, const char *use, const char *text)
{
	if (text != NULL)
		json_object_set_new(l->uses, use, json_string(text));
	else
		text = json_string_value(json_object_get(l->uses, use));
	return text != NULL ? strdup(text) : NULL;
}

void
sl_config_take_block(struct loader *l, struct sl_element *e, const json_t *v, const char *phase,
    const char *path)
{
	const json_t *block;
	char *use, *text;

	e->block = text_at(v, "block");
	if (e->block == NULL) {
		schema_error(l, path, "a script or { block = NAME } expected");
		return;
	}
	block = description(l, e->block, path);
	if (block == NULL)
		return;
	if (!runs_in(block, phase))
		schema_error(l, path, "block %s can't run in %s", e->block, phase);
	use = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);
	if (use == NULL || (e->params = known_parameters(l, use, NULL)) != NULL) {
		free(use);
		return;
	}
	text = all_parameters(l, e->block, block, v, path);
	if (text != NULL)
		e->params = known_parameters(l, use, text);
	free(text);
	free(use);
}

int
sl_config_begin_blocks(struct loader *l)
{
	l->blocks = json_object();
	l->uses = json_object();
	l->keys = json_object();
	l->unchecked = json_object();
	return l->blocks != NULL && l->uses != NULL && l->keys != NULL && l->unchecked != NULL ? 0 :
	    SL_ERR_NOMEM;
}

void
sl_config_drop_blocks(struct loader *l)
{
	json_decref(l->blocks);
	json_decref(l->uses);
	json_decref(l->keys);
	json_decref(l->unchecked);
}
