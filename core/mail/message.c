/* A received message: its bytes and the index of its header. See message.h. */
#include "message.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "field.h"

/* What struct sl_message hides: where the bytes live. */
struct stored {
	struct sl_message m;
	void *map;		/* NULL = m.bytes came from sl_malloc, or are borrowed */
	bool borrowed;
};

static const char *
find_newline(const char *p, const char *end)
{
	return p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
}

/* Where the line at p ends, after its CRLF; a bare LF doesn't end a line. */
static const char *
line_end(const char *p, const char *end)
{
	const char *nl = find_newline(p, end);

	while (nl != NULL && (nl == p || nl[-1] != '\r'))
		nl = find_newline(nl + 1, end);
	return nl != NULL ? nl + 1 : end;
}

/* Length of the field name in the line, 0 = the line is no field. 'colon'
 * gets the offset of the colon. Blanks before it: RFC 5322 4.5 (obs-optional). */
static size_t
field_name(const char *p, size_t n, size_t *colon)
{
	size_t len = 0, at;

	while (len < n && sl_is_ftext(p[len]))
		len++;
	for (at = len; at < n && (p[at] == ' ' || p[at] == '\t');)
		at++;
	if (len == 0 || at == n || p[at] != ':')
		return 0;
	*colon = at;
	return len;
}

static struct sl_field *
add_field(struct sl_message *m, size_t *cap)
{
	struct sl_field *fields;
	size_t want = *cap != 0 ? *cap * 2 : 16;

	if (m->nfields == *cap) {
		fields = sl_realloc(m->fields, want * sizeof(*fields));
		if (fields == NULL)
			return NULL;
		m->fields = fields;
		*cap = want;
	}
	m->fields[m->nfields].origin = (int)m->nfields;
	return &m->fields[m->nfields++];
}

/* The field at p up to 'end' (folds included). */
static void
set_field(struct sl_field *f, const char *p, const char *end, size_t name, size_t colon)
{
	size_t n = (size_t)(end - p), tail = n >= 2 && end[-2] == '\r' && end[-1] == '\n' ? 2 : 0;

	f->raw = (struct sl_str){ p, n };
	f->name = (struct sl_str){ p, name };
	f->value = sl_str_sub(f->raw, colon + 1, n - tail);
}

/* After the lines that continue the field (they begin with a blank); NULL = past 'limit'. */
static const char *
field_end(const char *p, const char *end, const char *limit)
{
	p = line_end(p, limit);
	while (p < limit && (*p == ' ' || *p == '\t'))
		p = line_end(p, limit);
	return p == limit && limit < end ? NULL : p;
}

size_t
sl_field_scan(struct sl_str text, struct sl_field *out)
{
	const char *end = text.p + text.n, *next;
	size_t colon = 0, name = field_name(text.p, text.n, &colon);

	if (name == 0)
		return 0;
	next = field_end(text.p, end, end);
	set_field(out, text.p, next, name, colon);
	return out->raw.n;
}

static int
too_big(struct sl_err *err)
{
	return sl_err_set(err, SL_ERR_LIMIT, "the header is larger than %d bytes",
	    SL_MAX_HEADER_BYTES);
}

static int
index_header(struct sl_message *m, struct sl_err *err)
{
	const char *p = m->bytes.p, *end = p + m->bytes.n, *limit = end, *next;
	struct sl_field *f;
	size_t cap = 0, name, colon = 0;

	/* One byte beyond the cap is enough to see that it is passed. */
	if (m->bytes.n > SL_MAX_HEADER_BYTES)
		limit = p + SL_MAX_HEADER_BYTES + 1;
	for (; p < end; p = next) {
		if (end - p >= 2 && p[0] == '\r' && p[1] == '\n') {
			p += 2;
			break;
		}
		name = field_name(p, (size_t)(limit - p), &colon);
		if (name == 0) {
			m->defect_no_boundary = true;
			break;
		}
		if (m->nfields == SL_MAX_FIELDS)
			return sl_err_set(err, SL_ERR_LIMIT, "more than %d header fields",
			    SL_MAX_FIELDS);
		next = field_end(p, end, limit);
		if (next == NULL)
			return too_big(err);
		f = add_field(m, &cap);
		if (f == NULL)
			return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		set_field(f, p, next, name, colon);
	}
	m->body = (struct sl_str){ p, (size_t)(end - p) };
	return 0;
}

static bool
has_eightbit(struct sl_str s)
{
	uint64_t bits = 0, word;
	size_t i = 0;

	for (; i + sizeof(word) <= s.n && (bits & 0x8080808080808080u) == 0; i += sizeof(word)) {
		memcpy(&word, s.p + i, sizeof(word));
		bits |= word;
	}
	if ((bits & 0x8080808080808080u) != 0)
		return true;
	for (; i < s.n; i++) {
		if ((unsigned char)s.p[i] > 127)
			return true;
	}
	return false;
}

static size_t
longest_line(struct sl_str s)
{
	const char *p = s.p, *end = p + s.n, *next;
	size_t longest = 0, n;

	for (; p < end; p = next) {
		next = line_end(p, end);
		n = (size_t)(next - p);
		if (n >= 2 && next[-1] == '\n' && next[-2] == '\r')
			n -= 2;
		if (n > longest)
			longest = n;
	}
	return longest;
}

static void
destroy(struct stored *s)
{
	if (s->map != NULL)
		munmap(s->map, s->m.bytes.n);
	else if (!s->borrowed)
		sl_free((char *)s->m.bytes.p);
	sl_free(s->m.fields);
	sl_free(s);
}

/* Takes 's', which holds the bytes. */
static int
finish(struct sl_message **out, struct stored *s, struct sl_err *err)
{
	int r;

	s->m.refs = 1;
	r = index_header(&s->m, err);
	if (r < 0) {
		destroy(s);
		return r;
	}
	s->m.eightbit = has_eightbit(s->m.bytes);
	s->m.longest_line = longest_line(s->m.bytes);
	*out = &s->m;
	return 0;
}

int
sl_message_from_memory(struct sl_message **out, char *bytes, size_t n, struct sl_err *err)
{
	struct stored *s = sl_calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL) {
		sl_free(bytes);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	s->m.bytes = (struct sl_str){ bytes, n };
	return finish(out, s, err);
}

int
sl_message_from_bytes(struct sl_message **out, struct sl_str bytes, struct sl_err *err)
{
	struct stored *s = sl_calloc(1, sizeof(*s));

	*out = NULL;
	if (s == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	s->m.bytes = bytes;
	s->borrowed = true;
	return finish(out, s, err);
}

int
sl_message_from_file(struct sl_message **out, int fd, struct sl_err *err)
{
	struct stored *s;
	struct stat st;

	*out = NULL;
	if (fstat(fd, &st) < 0)
		return sl_err_errno(err, "message file");
	s = sl_calloc(1, sizeof(*s));
	if (s == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	s->m.bytes.n = (size_t)st.st_size;
	if (st.st_size > 0) {
		s->map = mmap(NULL, s->m.bytes.n, PROT_READ, MAP_PRIVATE, fd, 0);
		if (s->map == MAP_FAILED) {
			sl_free(s);
			return sl_err_errno(err, "message file");
		}
		s->m.bytes.p = s->map;
	}
	return finish(out, s, err);
}

struct sl_message *
sl_message_ref(struct sl_message *m)
{
	m->refs++;
	return m;
}

void
sl_message_unref(struct sl_message *m)
{
	if (m != NULL && --m->refs == 0)
		destroy((struct stored *)m);
}

/* A last field that the end of the message cut off gets its line end. */
static bool
lacks_crlf(struct sl_str raw)
{
	return !sl_str_ends(raw, SL_STR("\r\n"));
}

int
sl_message_write(const struct sl_message *m, const struct sl_head *head, sl_sink *sink, void *arg)
{
	size_t i = 0, n = sl_head_count(head);
	struct sl_str run, next;
	int r;

	while (i < n) {
		run = sl_head_at(head, i++)->raw;
		/* Neighbours of the received header go out as one piece. */
		for (; i < n; i++) {
			next = sl_head_at(head, i)->raw;
			if (next.p != run.p + run.n)
				break;
			run.n += next.n;
		}
		if ((r = sink(arg, run)) != 0)
			return r;
		if (lacks_crlf(run) && (r = sink(arg, SL_STR("\r\n"))) != 0)
			return r;
	}
	r = sink(arg, SL_STR("\r\n"));
	return r == 0 && m->body.n > 0 ? sink(arg, m->body) : r;
}

uint64_t
sl_message_size(const struct sl_message *m, const struct sl_head *head)
{
	size_t i, n = sl_head_count(head);
	uint64_t size = 2 + m->body.n;
	struct sl_str raw;

	for (i = 0; i < n; i++) {
		raw = sl_head_at(head, i)->raw;
		size += raw.n + (lacks_crlf(raw) ? 2 : 0);
	}
	return size;
}
