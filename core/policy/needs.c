#include "needs.h"

#include <string.h>

#include "../engine/builtin.h"

/* Names by which a script gets at code that doesn't stand in it, the fact of the whole size, and
 * what leads to the message as an object. */
static const char *const others[] = {
	"_ENV", "_G", "load", "require", "include", "messagesize", "MIME", "arguments", NULL,
};

/* Modules of which nothing sees a message; of the others each builtin may, unless its row says so. */
static const char *const messageless[] = {
	"address", "array", "cache", "core", "dns", "encoding", "file", "hash", "http", "metrics", "net", "number",
	"pack", "password", "pcre", "socket", "state", "string", "time", NULL,
};

static bool
is_one_of(const char *const *names, struct sl_str name)
{
	for (; *names != NULL; names++)
		if (sl_str_eq(sl_str_of(*names), name))
			return true;
	return false;
}

/* A builtin that isn't known to leave the body alone. */
static bool
reads_body(struct sl_str name)
{
	const struct sl_module *m;
	const struct sl_builtin *b;

	for (m = sl_modules; m->builtins != NULL; m++) {
		if (is_one_of(messageless, sl_str_of(m->name)))
			continue;
		for (b = m->builtins; b->name != NULL; b++)
			if ((b->flags & SL_HEADER) == 0 && sl_str_eq(sl_str_of(b->name), name))
				return true;
	}
	return false;
}

static bool
is_name(char c)
{
	return sl_isalnum(c) || c == '_';
}

/* "builtin.Deliver" is looked at by its second name; any other use leads anywhere. */
static bool
leads_anywhere(struct sl_str name, struct sl_str rest)
{
	return sl_str_eq(name, SL_STR("builtin")) && (rest.n == 0 || rest.p[0] != '.');
}

static bool
script_reads_body(struct sl_str text)
{
	struct sl_str name;
	size_t i = 0, from;

	while (i < text.n) {
		if (!is_name(text.p[i])) {
			i++;
			continue;
		}
		for (from = i; i < text.n && is_name(text.p[i]); i++)
			;
		name = sl_str_sub(text, from, i);
		if (is_one_of(others, name) || leads_anywhere(name, sl_str_sub(text, i, text.n)) ||
		    reads_body(name))
			return true;
	}
	return false;
}

bool
sl_flow_needs_body(const struct sl_flow *flow, const struct sl_image *image)
{
	const struct sl_element *e;
	struct sl_str text;

	if (flow == NULL || flow->n == 0)
		return false;
	for (e = flow->elements; e < flow->elements + flow->n; e++)
		if (e->script == NULL || !sl_str_ends(sl_str_of(e->script), SL_STR(".lua")) ||
		    !sl_image_find(image, e->script, &text) || script_reads_body(text))
			return true;
	return false;
}
