/* Reading Authentication-Results. See authres.h. */
#include <string.h>

#include "../base/alloc.h"
#include "authres_private.h"

struct parser {
	struct sl_str rest;
	struct sl_authres *out;
	size_t used;		/* bytes of out->text */
	size_t nprops;
	struct sl_err *err;
};

static int
bad(struct sl_err *err, const char *why)
{
	return sl_err_set(err, SL_ERR_SYNTAX, "Authentication-Results: %s", why);
}

/* ---- tokens ------------------------------------------------------------------- */

static void
skip(struct sl_str *s, size_t n)
{
	*s = sl_str_sub(*s, n, s->n);
}

bool
sl_skip_cfws(struct sl_str *s)
{
	size_t depth = 0;

	for (; s->n > 0; skip(s, 1)) {
		char c = s->p[0];

		if (c == '(') {
			depth++;
		} else if (depth > 0 && c == ')') {
			depth--;
		} else if (depth > 0 && c == '\\' && s->n > 1) {
			skip(s, 1);
		} else if (depth == 0 && !sl_isspace(c)) {
			return true;
		}
	}
	return depth == 0;
}

bool
sl_authres_quoted(struct sl_str *s, char *text, size_t *used)
{
	skip(s, 1);
	while (s->n > 0 && s->p[0] != '"') {
		if (s->p[0] == '\\' && s->n > 1)
			skip(s, 1);
		if (s->p[0] != '\r' && s->p[0] != '\n')
			text[(*used)++] = s->p[0];
		skip(s, 1);
	}
	if (s->n == 0)
		return false;
	skip(s, 1);
	return true;
}

bool
sl_authres_ends_value(char c)
{
	return sl_isspace(c) || c == ';' || c == '(' || c == '"';
}

static void
take_until(struct parser *p, bool (*ends)(char))
{
	while (p->rest.n > 0 && !ends(p->rest.p[0])) {
		p->out->text[p->used++] = p->rest.p[0];
		skip(&p->rest, 1);
	}
}

static bool
ends_word(char c)
{
	return !sl_isalnum(c) && c != '-' && c != '_' && c != '.';
}

static struct sl_str
text_from(const struct parser *p, size_t from)
{
	return (struct sl_str){ p->out->text + from, p->used - from };
}

static int
cfws(struct parser *p)
{
	return sl_skip_cfws(&p->rest) ? 0 : bad(p->err, "a comment that isn't closed");
}

static char
next(const struct parser *p)
{
	return p->rest.n > 0 ? p->rest.p[0] : '\0';
}

/* ---- names, values -------------------------------------------------------------- */

static int
take_word(struct parser *p, struct sl_str *out)
{
	size_t from = p->used;

	take_until(p, ends_word);
	*out = text_from(p, from);
	if (out->n == 0 || out->p[0] == '.')
		return bad(p->err, "a name is missing");
	return cfws(p);
}

/* ptype "." property, blanks around the dot allowed. */
static int
take_property_name(struct parser *p, struct sl_str *out)
{
	size_t from = p->used;
	struct sl_str part;
	int r = take_word(p, out);

	if (r == 0 && next(p) == '.' && sl_str_chr(*out, '.') < 0) {
		p->out->text[p->used++] = '.';
		skip(&p->rest, 1);
		if ((r = cfws(p)) == 0)
			r = take_word(p, &part);
		*out = text_from(p, from);
	}
	if (r == 0 && out->p[out->n - 1] == '.') {
		if ((r = take_word(p, &part)) == 0)
			*out = text_from(p, from);
	}
	if (r == 0 && sl_str_chr(*out, '.') < 0 && !sl_str_ieq(*out, SL_STR("reason")))
		p->out->conforming = false;
	return r;
}

static void
check_value(struct parser *p, struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (sl_str_chr(SL_STR(")<>,:\\/[]?="), s.p[i]) >= 0)
			p->out->conforming = false;
}

/* "=" and a value; without, the value is empty. */
static int
take_value(struct parser *p, struct sl_str *out)
{
	size_t from = p->used;
	int r;

	*out = text_from(p, from);
	if (next(p) != '=') {
		p->out->conforming = false;
		return 0;
	}
	skip(&p->rest, 1);
	if ((r = cfws(p)) < 0)
		return r;
	if (next(p) == '=')
		return bad(p->err, "\"=\" twice");
	if (next(p) == '"') {
		if (!sl_authres_quoted(&p->rest, p->out->text, &p->used))
			return bad(p->err, "quotes that aren't closed");
		if (next(p) == '@')
			take_until(p, sl_authres_ends_value);
	} else {
		take_until(p, sl_authres_ends_value);
		check_value(p, text_from(p, from));
		if (p->used == from)
			p->out->conforming = false;
	}
	*out = text_from(p, from);
	return next(p) == '"' ? bad(p->err, "quotes inside a value") : cfws(p);
}

/* ---- parts ------------------------------------------------------------------------ */

static int
take_props(struct parser *p, struct sl_authres_entry *entry)
{
	int r = 0;

	entry->props = p->out->props + p->nprops;
	while (r == 0 && p->rest.n > 0 && next(p) != ';') {
		struct sl_authres_prop *prop = &p->out->props[p->nprops];

		if (p->nprops == SL_AUTHRES_MAX_PROPS)
			return sl_err_set(p->err, SL_ERR_LIMIT, "Authentication-Results: too many properties");
		r = take_property_name(p, &prop->name);
		if (r == 0 && next(p) != '=')
			r = bad(p->err, "a property without a value");
		if (r == 0)
			r = take_value(p, &prop->value);
		p->nprops++;
		entry->nprops++;
	}
	return r;
}

/* "/" version behind a method. */
static int
take_method_version(struct parser *p)
{
	size_t from = p->used;
	uint64_t version;
	struct sl_str word;
	int r;

	if (next(p) != '/')
		return 0;
	skip(&p->rest, 1);
	if ((r = cfws(p)) < 0 || (r = take_word(p, &word)) < 0)
		return r;
	p->used = from;
	return sl_str_u64(word, &version) ? 0 : bad(p->err, "a method's version that is no number");
}

static int
take_entry(struct parser *p)
{
	struct sl_authres_entry *entry = &p->out->entries[p->out->n];
	bool valued;
	int r;

	if (p->out->n == SL_AUTHRES_MAX_RESULTS)
		return sl_err_set(p->err, SL_ERR_LIMIT, "Authentication-Results: too many results");
	if ((r = take_word(p, &entry->method)) < 0 || (r = take_method_version(p)) < 0)
		return r;
	valued = next(p) == '=';
	if (!valued && p->rest.n > 0 && next(p) != ';')
		return bad(p->err, "a method without a result");
	if (sl_str_chr(entry->method, '.') >= 0)
		p->out->conforming = false;
	if ((r = take_value(p, &entry->result)) < 0)
		return r;
	p->out->n++;
	return take_props(p, entry);
}

/* "none" as the only thing that follows. */
static bool
is_none(const struct parser *p)
{
	struct sl_str rest = sl_str_sub(p->rest, 4, p->rest.n);

	return sl_str_istarts(p->rest, SL_STR("none")) && sl_skip_cfws(&rest) && rest.n == 0;
}

static int
take_results(struct parser *p)
{
	int r = 0;

	while (r == 0 && next(p) == ';') {
		skip(&p->rest, 1);
		if ((r = cfws(p)) < 0)
			break;
		if (p->out->n == 0 && is_none(p)) {
			p->rest.n = 0;
			return 0;
		}
		if (p->rest.n == 0 || next(p) == ';')
			p->out->conforming = false;	/* nothing between or after semicolons */
		else
			r = take_entry(p);
	}
	if (r == 0 && p->rest.n > 0)
		return bad(p->err, "something that is no result");
	return r;
}

/* The id, token or quoted, and a version. Others write more there. */
static int
take_head(struct parser *p)
{
	struct sl_authres_entry ignored = { 0 };
	struct sl_str id = { p->out->text, 0 }, word;
	int r = cfws(p);

	if (r < 0)
		return r;
	if (next(p) == '"' && !sl_authres_quoted(&p->rest, p->out->text, &p->used))
		return bad(p->err, "quotes that aren't closed");
	take_until(p, sl_authres_ends_value);
	p->out->authserv_id = id = text_from(p, 0);
	if (id.n == 0 || sl_str_chr(id, '=') >= 0)
		return bad(p->err, "no authserv-id");
	if ((r = cfws(p)) < 0)
		return r;
	if (sl_isdigit(next(p))) {
		if ((r = take_word(p, &word)) < 0)
			return r;
		if (!sl_str_u64(word, &p->out->version))
			return bad(p->err, "a version that is no number");
	}
	if (p->rest.n == 0 || next(p) == ';')
		return 0;
	p->out->conforming = false;
	if ((r = take_word(p, &word)) == 0)
		r = take_value(p, &ignored.result);
	return r;
}

int
sl_authres_parse(struct sl_authres *out, struct sl_str value, struct sl_err *err)
{
	struct parser p = { .rest = value, .out = out, .err = err };
	int r;

	*out = (struct sl_authres){ .version = 1, .conforming = true };
	if (value.n > SL_AUTHRES_MAX_BYTES)
		return sl_err_set(err, SL_ERR_LIMIT, "Authentication-Results: too long");
	if (value.n > 0 && memchr(value.p, '\0', value.n) != NULL)
		return bad(err, "a NUL byte");
	out->text = sl_malloc(value.n + 1);
	out->entries = sl_calloc(SL_AUTHRES_MAX_RESULTS, sizeof(*out->entries));
	out->props = sl_calloc(SL_AUTHRES_MAX_PROPS, sizeof(*out->props));
	if (out->text == NULL || out->entries == NULL || out->props == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	r = take_head(&p);
	if (r == 0 && p.rest.n == 0)
		out->conforming = false;	/* neither results nor none */
	return r == 0 ? take_results(&p) : r;
}

void
sl_authres_clear(struct sl_authres *a)
{
	sl_free(a->text);
	sl_free(a->entries);
	sl_free(a->props);
	*a = (struct sl_authres){ 0 };
}
