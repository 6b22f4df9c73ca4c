/* Finds the parts of a message. See mime.h. */
#include "mime.h"

#include <string.h>

/* A multipart whose last delimiter hasn't come. */
struct open {
	unsigned part;
	size_t n;
	char line[SL_MIME_MAX_BOUNDARY + 2];	/* "--" and the boundary */
};

struct scan {
	struct sl_mime *mime;
	unsigned cap;
	const char *p, *end;		/* the line to look at next */
	unsigned current;		/* the part it belongs to */
	struct open open[SL_MIME_MAX_DEPTH];
	unsigned nopen;
};

static struct sl_mime_part *
part_at(const struct scan *s, unsigned i)
{
	return &s->mime->parts[i];
}

static struct sl_str
between(const char *from, const char *to)
{
	return (struct sl_str){ from, to > from ? (size_t)(to - from) : 0 };
}

static void
defect(const struct scan *s, unsigned part, enum sl_mime_defect d)
{
	part_at(s, part)->defects |= 1u << d;
}

/* ---- lines --------------------------------------------------------------- */

/* After the CRLF of the line at s->p. */
static const char *
line_end(const struct scan *s)
{
	const char *p = s->p, *nl;

	while (p < s->end && (nl = memchr(p, '\n', (size_t)(s->end - p))) != NULL) {
		if (nl > s->p && nl[-1] == '\r')
			return nl + 1;
		defect(s, s->current, SL_MIME_BARE_LF);
		p = nl + 1;
	}
	return s->end;
}

/*
 * The open multipart whose delimiter the line is, -1 = none; *closes: the last
 * one. Costs the line's length for each level at most.
 */
static int
delimiter(const struct scan *s, struct sl_str line, bool *closes)
{
	int near = -1;

	while (line.n > 0 && sl_isspace(line.p[line.n - 1]))
		line.n--;
	for (int k = (int)s->nopen - 1; k >= 0; k--) {
		const struct open *o = &s->open[k];

		if (line.n < o->n || memcmp(line.p, o->line, o->n) != 0)
			continue;
		*closes = line.n == o->n + 2 && line.p[o->n] == '-' && line.p[o->n + 1] == '-';
		if (line.n == o->n || *closes)
			return k;
		near = k;
	}
	if (near >= 0)
		defect(s, s->open[near].part, SL_MIME_NEAR_DELIMITER);
	return -1;
}

/* The same for the line at s->p; 'next' gets where the next one begins. */
static int
delimiter_here(const struct scan *s, const char **next, bool *closes)
{
	*next = NULL;
	if (s->nopen == 0 || s->end - s->p < 2 || s->p[0] != '-' || s->p[1] != '-')
		return -1;
	*next = line_end(s);
	return delimiter(s, between(s->p, *next), closes);
}

/* ---- a part's header ----------------------------------------------------- */

static struct sl_mime_part *
add_part(struct scan *s)
{
	struct sl_mime *m = s->mime;
	struct sl_mime_part *parts;
	unsigned want = s->cap != 0 ? s->cap * 2 : 8;

	if (m->n == s->cap) {
		parts = sl_realloc(m->parts, want * sizeof(*parts));
		if (parts == NULL)
			return NULL;
		m->parts = parts;
		s->cap = want;
	}
	memset(&m->parts[m->n], 0, sizeof(*m->parts));
	return &m->parts[m->n++];
}

/* Goes to the body's first byte; true: a delimiter ended the part already. */
static bool
read_head(struct scan *s, struct sl_mime_part *part)
{
	const char *start = s->p, *next;
	struct sl_field field;
	bool closes, cut = false;
	size_t n;

	while (s->p < s->end) {
		part->head = between(start, s->p);
		if (s->end - s->p >= 2 && s->p[0] == '\r' && s->p[1] == '\n') {
			s->p += 2;
			return false;
		}
		cut = delimiter_here(s, &next, &closes) >= 0;
		n = cut ? 0 : sl_field_scan(between(s->p, s->end), &field);
		if (n == 0) {
			part->defects |= 1u << (cut ? SL_MIME_HEADER_CUT : SL_MIME_HEADER_END);
			return cut;
		}
		if (part->head.n + n > SL_MIME_MAX_HEAD) {
			part->defects |= 1u << SL_MIME_HEADER_SIZE;
			return false;
		}
		s->p += n;
	}
	part->head = between(start, s->p);
	return false;
}

/* The type when there is no field, or none that can be read: RFC 2045 5.2, 2046 5.1.5. */
static void
default_type(const struct scan *s, struct sl_mime_part *part)
{
	bool digest = part->depth > 0 &&
	    sl_mime_is(part_at(s, part->parent), "multipart", "digest");

	part->type = sl_str_of(digest ? "message" : "text");
	part->subtype = sl_str_of(digest ? "rfc822" : "plain");
}

static bool
is_token(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= 32 || (unsigned char)s.p[i] >= 127 ||
		    strchr("()<>@,;:\\\"/[]?=", s.p[i]) != NULL)
			return false;
	return s.n > 0;
}

static void
read_type(struct sl_mime_part *part, struct sl_str value, struct sl_params *ps)
{
	sl_params_parse(ps, value);
	if (is_token(ps->type) && is_token(ps->subtype)) {
		part->type = ps->type;
		part->subtype = ps->subtype;
	} else {
		part->defects |= 1u << SL_MIME_BAD_TYPE;
		ps->n = 0;
	}
	if (ps->broken || ps->twice || ps->many)
		part->defects |= 1u << SL_MIME_BAD_PARAMETER;
}

/* Type, parameters and encoding. Of a field that stands there twice the first counts. */
static void
read_fields(struct sl_mime_part *part, struct sl_params *ps)
{
	bool type = false, encoding = false, *seen;
	struct sl_str rest = part->head;
	struct sl_field f;

	while (sl_mime_field(&rest, &f)) {
		if (sl_str_ieq(f.name, SL_STR("Content-Type")))
			seen = &type;
		else if (sl_str_ieq(f.name, SL_STR("Content-Transfer-Encoding")))
			seen = &encoding;
		else
			continue;
		if (*seen)
			part->defects |= 1u << SL_MIME_TWO_TYPES;
		else if (seen == &type)
			read_type(part, f.value, ps);
		else
			part->encoding = sl_encoding_of(f.value);
		*seen = true;
	}
	if (part->encoding == SL_ENCODING_UNKNOWN)
		part->defects |= 1u << SL_MIME_BAD_ENCODING;
}

/* ---- a part's body ------------------------------------------------------- */

/* The boundary, as most readers see it: the form without stars first. 0, or it has none. */
static int
boundary(struct sl_mime_part *part, const struct sl_params *ps, struct sl_buf *out)
{
	int r = sl_param_plain(ps, SL_STR("boundary"), out);

	if (r == SL_ERR_NOTFOUND)
		r = sl_param_get(ps, SL_STR("boundary"), false, out);
	if (sl_param_ambiguous(ps, SL_STR("boundary")))
		part->defects |= 1u << SL_MIME_BAD_PARAMETER;
	while (out->n > 0 && sl_isspace(out->p[out->n - 1]))
		out->n--;
	if (r == SL_ERR_NOTFOUND || (r == 0 && (out->n == 0 || out->n > SL_MIME_MAX_BOUNDARY))) {
		part->defects |= 1u << SL_MIME_NO_BOUNDARY;
		return SL_ERR_NOTFOUND;
	}
	if (r == 0 && out->n > 70)
		part->defects |= 1u << SL_MIME_LONG_BOUNDARY;
	return r;
}

static void
push_open(struct scan *s, struct sl_str text)
{
	struct open *o = &s->open[s->nopen];

	o->part = s->current;
	o->n = text.n + 2;
	memcpy(o->line, "--", 2);
	memcpy(o->line + 2, text.p, text.n);
	for (unsigned k = 0; k < s->nopen; k++)
		if (s->open[k].n == o->n && memcmp(s->open[k].line, o->line, o->n) == 0)
			defect(s, s->current, SL_MIME_SAME_BOUNDARY);
	s->nopen++;
}

static int
open_multipart(struct scan *s, const struct sl_params *ps)
{
	struct sl_mime_part *part = part_at(s, s->current);
	struct sl_buf text = SL_BUF_INIT;
	int r = boundary(part, ps, &text);

	if (r == 0)
		push_open(s, sl_buf_str(&text));
	sl_buf_clear(&text);
	return r == SL_ERR_NOTFOUND ? 0 : r;
}

static bool
is_message(const struct sl_mime_part *part)
{
	return sl_mime_is(part, "message", "rfc822") || sl_mime_is(part, "message", "global");
}

/* Whether there may be parts in the body: of types that have some, and within the caps. */
static bool
may_enter(const struct scan *s, struct sl_mime_part *part)
{
	if (!sl_mime_is(part, "multipart", NULL) && !is_message(part))
		return false;
	if (part->encoding == SL_ENCODING_BASE64 || part->encoding == SL_ENCODING_QP)
		part->defects |= 1u << SL_MIME_ENCODED_TREE;
	else if (part->depth + 1 >= SL_MIME_MAX_DEPTH)
		part->defects |= 1u << SL_MIME_TOO_DEEP;
	else if (s->mime->n >= SL_MIME_MAX_PARTS)
		part->defects |= 1u << SL_MIME_TOO_MANY;
	else
		return true;
	return false;
}

/* The root's header is known. */
static void
root_head(struct scan *s, struct sl_mime_part *root)
{
	const struct sl_message *m = s->mime->message;
	const struct sl_field *last = m->nfields > 0 ? &m->fields[m->nfields - 1] : NULL;

	root->head = between(m->bytes.p, last != NULL ? last->raw.p + last->raw.n : m->bytes.p);
	if (m->defect_no_boundary)
		root->defects |= 1u << SL_MIME_HEADER_END;
	s->p = m->body.p;
}

/* A part at s->p, up to its body. *enter: there may be parts in it. 'parent' means nothing to the root. */
static int
one_part(struct scan *s, unsigned parent, bool *enter)
{
	struct sl_mime_part *part = add_part(s);
	struct sl_params ps = { .n = 0 };
	bool cut = false;

	if (part == NULL)
		return SL_ERR_NOMEM;
	s->current = s->mime->n - 1;
	part->raw.p = s->p;
	if (s->current > 0) {
		part->parent = parent;
		part->number = ++part_at(s, parent)->nparts;
		part->depth = part_at(s, parent)->depth + 1;
		cut = read_head(s, part);
	} else {
		root_head(s, part);
	}
	default_type(s, part);
	read_fields(part, &ps);
	part->body.p = s->p;
	*enter = !cut && may_enter(s, part);
	return *enter && !is_message(part) ? open_multipart(s, &ps) : 0;
}

/* Begins a part and, if it is a message, the one in it, and so on. */
static int
begin_part(struct scan *s, unsigned parent)
{
	bool enter;
	int r;

	do {
		r = one_part(s, parent, &enter);
		if (r < 0)
			return r;
		parent = s->current;
	} while (enter && is_message(part_at(s, parent)));
	return 0;
}

/* Parts end at a delimiter without the CRLF in front of it, which belongs to that. */
static void
end_part(struct scan *s, unsigned i, const char *at)
{
	struct sl_mime_part *part = part_at(s, i);

	part->next = s->mime->n;
	part->raw = between(part->raw.p, at);
	part->body = between(part->body.p, at);
	if (part->epilogue.p != NULL)
		part->epilogue = between(part->epilogue.p, at);
}

/* All that is inside of 'parent', or everything. */
static void
end_parts(struct scan *s, const char *at, bool all, unsigned parent)
{
	unsigned i = s->current;

	for (; all || i != parent; i = part_at(s, i)->parent) {
		end_part(s, i, at);
		if (i == 0)
			break;
	}
}

/* Where what stands in front of a delimiter ends, but not before 'from'. */
static const char *
before(const char *from, const char *at)
{
	return at - from >= 2 && at[-1] == '\n' && at[-2] == '\r' ? at - 2 : at;
}

/* The delimiter of open[k] at s->p, whose line ends at 'next'. */
static int
at_delimiter(struct scan *s, unsigned k, bool closes, const char *next)
{
	unsigned parent = s->open[k].part;
	struct sl_mime_part *part = part_at(s, parent);
	const char *at = s->p;
	unsigned first;
	int r;

	for (unsigned j = k + 1; j < s->nopen; j++)
		defect(s, s->open[j].part, SL_MIME_UNCLOSED);
	if (part->nparts == 0)
		part->preamble = between(part->body.p, before(part->body.p, at));
	end_parts(s, before(part_at(s, s->current)->body.p, at), false, parent);
	s->nopen = closes ? k : k + 1;
	s->current = parent;
	s->p = next;
	if (!closes && next == s->end)	/* the message was cut off: no part begins */
		return 0;
	if (!closes && s->mime->n < SL_MIME_MAX_PARTS) {
		first = s->mime->n;
		r = begin_part(s, parent);
		if (r == 0)
			part_at(s, first)->opening = between(at, next);
		return r;
	}
	part->epilogue.p = next;
	if (closes) {
		part->closing = between(at, next);
	} else {
		part->defects |= 1u << SL_MIME_TOO_MANY;
		s->p = s->end;
	}
	return 0;
}

static int
scan_body(struct scan *s)
{
	const char *next;
	bool closes;
	int k, r;

	while (s->p < s->end && s->nopen > 0) {
		k = delimiter_here(s, &next, &closes);
		if (k < 0) {
			s->p = next != NULL ? next : line_end(s);
			continue;
		}
		r = at_delimiter(s, (unsigned)k, closes, next);
		if (r < 0)
			return r;
	}
	for (unsigned j = 0; j < s->nopen; j++)
		defect(s, s->open[j].part, SL_MIME_UNCLOSED);
	end_parts(s, s->end, true, 0);
	return 0;
}

static void
find_empty_multiparts(struct sl_mime *m)
{
	for (unsigned i = 0; i < m->n; i++)
		if (sl_mime_is(&m->parts[i], "multipart", NULL) && m->parts[i].nparts == 0)
			m->parts[i].defects |= 1u << SL_MIME_NO_PARTS;
}

int
sl_mime_new(struct sl_mime **out, struct sl_message *message)
{
	struct scan *s = sl_calloc(1, sizeof(*s));
	struct sl_mime *m = sl_calloc(1, sizeof(*m));
	int r = SL_ERR_NOMEM;

	*out = NULL;
	if (s != NULL && m != NULL) {
		m->message = sl_message_ref(message);
		s->mime = m;
		s->p = message->bytes.p;
		s->end = message->bytes.p + message->bytes.n;
		r = begin_part(s, 0);
		if (r == 0)
			r = scan_body(s);
		find_empty_multiparts(m);
	}
	sl_free(s);
	if (r < 0)
		sl_mime_free(m);
	else
		*out = m;
	return r;
}

void
sl_mime_free(struct sl_mime *mime)
{
	if (mime == NULL)
		return;
	sl_message_unref(mime->message);
	sl_free(mime->parts);
	sl_free(mime);
}
