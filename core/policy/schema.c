#include "schema.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../engine/value.h"

#define MAX_NAMES	64

void
schema_error(struct loader *l, const char *path, const char *fmt, ...)
{
	unsigned line, column;
	va_list ap;

	sl_lines_find(l->lines, path, &line, &column);
	if (line > 0)
		sl_buf_printf(l->report, "sluice.lua:%u:%u: ", line, column);
	else
		sl_buf_puts(l->report, "sluice.lua: ");
	va_start(ap, fmt);
	sl_buf_vprintf(l->report, fmt, ap);
	va_end(ap);
	sl_buf_putc(l->report, '\n');
	l->errors++;
}

static const char *
type_word(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT: return "table";
	case JSON_ARRAY: return "list";
	case JSON_STRING: return "string";
	case JSON_INTEGER:
	case JSON_REAL: return "number";
	case JSON_TRUE:
	case JSON_FALSE: return "boolean";
	default: return "nil";
	}
}

static void
expected(struct loader *l, const char *path, const char *what, const json_t *got)
{
	schema_error(l, path, "%s: %s expected, got a %s", path, what, type_word(got));
}

/* "10M", "64k", 1000 */
static bool
parse_size(const json_t *v, int64_t *out)
{
	const char *s = json_string_value(v);
	char *end;
	double n;

	if (json_is_integer(v)) {
		*out = json_integer_value(v);
		return *out >= 0;
	}
	if (s == NULL)
		return false;
	n = strtod(s, &end);
	if (end == s || n < 0)
		return false;
	switch (*end) {
	case 'k': case 'K': n *= 1024; end++; break;
	case 'm': case 'M': n *= 1024 * 1024; end++; break;
	case 'g': case 'G': n *= 1024.0 * 1024 * 1024; end++; break;
	default: break;
	}
	if (!(n >= 0 && n <= 1e15))
		return false;
	*out = (int64_t)n;
	return *end == '\0';
}

/* The place of 'word' among the choices, or -1. */
static int64_t
choice(const char *choices, const char *word)
{
	struct sl_str rest = sl_str_of(choices), part;
	int64_t i;

	for (i = 0; sl_str_split(&rest, ' ', &part); i++)
		if (sl_str_eq(part, sl_str_of(word)))
			return i;
	return -1;
}

static bool
in_bounds(struct loader *l, const struct key *k, const char *path, double n)
{
	if ((k->min == 0 && k->max == 0) || (n >= k->min && n <= k->max))
		return true;
	schema_error(l, path, "%s: %g is not between %g and %g", path, n, k->min, k->max);
	return false;
}

static void
take_value(struct loader *l, const struct key *k, const json_t *v, const char *path, char *base)
{
	void *field = base + k->offset;
	int64_t n;

	switch (k->type) {
	case KEY_STRING:
		if (json_is_string(v))
			*(const char **)field = json_string_value(v);
		else
			expected(l, path, "string", v);
		break;
	case KEY_BOOL:
		if (json_is_boolean(v))
			*(bool *)field = json_is_true(v);
		else
			expected(l, path, "true or false", v);
		break;
	case KEY_INT:
		if (!json_is_integer(v))
			expected(l, path, "whole number", v);
		else if (in_bounds(l, k, path, (double)json_integer_value(v)))
			*(int64_t *)field = json_integer_value(v);
		break;
	case KEY_SIZE:
		if (parse_size(v, &n)) {
			if (in_bounds(l, k, path, (double)n))
				*(int64_t *)field = n;
		} else {
			expected(l, path, "size (bytes, or a text like \"10M\")", v);
		}
		break;
	case KEY_SECONDS:
		if (!json_is_number(v))
			expected(l, path, "number of seconds", v);
		else if (in_bounds(l, k, path, json_number_value(v)))
			*(double *)field = json_number_value(v);
		break;
	case KEY_NUMBER:
		if (!json_is_number(v))
			expected(l, path, "number", v);
		else if (in_bounds(l, k, path, json_number_value(v)))
			*(double *)field = json_number_value(v);
		break;
	case KEY_CHOICE:
		n = json_is_string(v) ? choice(k->choices, json_string_value(v)) : -1;
		if (n >= 0)
			*(int64_t *)field = n;
		else
			schema_error(l, path, "%s: one of %s expected, got %s%s%s", path, k->choices,
			    json_is_string(v) ? "\"" : "a ",
			    json_is_string(v) ? json_string_value(v) : type_word(v),
			    json_is_string(v) ? "\"" : "");
		break;
	case KEY_ANY:
		*(const json_t **)field = v;
		break;
	case KEY_SKIP:
		break;
	}
}

/* Defaults are written as JSON; a string's value must outlive this call, so the
 * parsed defaults are kept by the configuration. */
static void
take_default(struct loader *l, const struct key *k, const char *path, char *base)
{
	json_t *v;

	if (k->dflt == NULL || k->type == KEY_SKIP || k->type == KEY_ANY)
		return;
	v = json_object_get(l->config->defaults, k->dflt);
	if (v == NULL) {
		v = json_loads(k->dflt, JSON_DECODE_ANY, NULL);
		if (v == NULL || json_object_set_new(l->config->defaults, k->dflt, v) != 0)
			return;
	}
	take_value(l, k, v, path, base);
}

static void
unknown(struct loader *l, const struct key *keys, const char *path, const char *name)
{
	const char *names[MAX_NAMES + 1], *near;
	size_t n = 0;

	for (; keys->name != NULL && n < MAX_NAMES; keys++)
		names[n++] = keys->name;
	names[n] = NULL;
	near = sl_suggest(name, names);
	if (near != NULL)
		schema_error(l, path, "%s is unknown (%s?)", path, near);
	else
		schema_error(l, path, "%s is unknown", path);
}

static void
join(char *out, size_t size, const char *path, const char *name)
{
	snprintf(out, size, "%s%s%s", path, path[0] != '\0' ? "." : "", name);
}

void
schema_take(struct loader *l, const struct key *keys, const json_t *object, const char *path,
    void *base)
{
	const struct key *k;
	const char *name;
	char below[512];
	json_t *v;

	if (object != NULL && !json_is_object(object)) {
		expected(l, path, "table", object);
		object = NULL;
	}
	for (k = keys; k->name != NULL; k++) {
		join(below, sizeof(below), path, k->name);
		v = object != NULL ? json_object_get(object, k->name) : NULL;
		if (v != NULL)
			take_value(l, k, v, below, base);
		else
			take_default(l, k, below, base);
	}
	if (object == NULL)
		return;
	json_object_foreach((json_t *)(uintptr_t)object, name, v) {
		for (k = keys; k->name != NULL && strcmp(k->name, name) != 0; k++)
			;
		if (k->name == NULL) {
			join(below, sizeof(below), path, name);
			unknown(l, keys, below, name);
		}
	}
}
