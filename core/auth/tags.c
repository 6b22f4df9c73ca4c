/* Tag=value lists. See tags.h. */
#include "tags.h"

#include <string.h>

/* A name is ALPHA *(ALPHA / DIGIT / "_"). */
static bool
name_ok(struct sl_str name)
{
	if (name.n == 0 || !sl_isalpha(name.p[0]))
		return false;
	for (size_t i = 1; i < name.n; i++)
		if (!sl_isalnum(name.p[i]) && name.p[i] != '_')
			return false;
	return true;
}

/* A fold is CRLF with a blank behind; text from DNS may hold CR and LF anywhere. */
static bool
bytes_ok(struct sl_str s, bool record)
{
	bool high = false;

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '\r' && !record) {
			if (s.n - i < 3 || s.p[i + 1] != '\n' ||
			    (s.p[i + 2] != ' ' && s.p[i + 2] != '\t'))
				return false;
			i++;
		} else if (c == '\n' && !record) {
			return false;
		} else if ((c < 0x20 && c != '\t' && c != '\r' && c != '\n') || c == 0x7f) {
			return false;
		}
		high |= c > 0x7f;
	}
	return !high || sl_utf8_valid(s);
}

static int
add_tag(struct sl_tags *tags, struct sl_str spec, struct sl_err *err)
{
	ssize_t eq = sl_str_chr(spec, '=');
	struct sl_str name;

	if (eq < 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "tag without \"=\"");
	name = sl_str_trim(sl_str_sub(spec, 0, (size_t)eq));
	if (!name_ok(name))
		return sl_err_set(err, SL_ERR_SYNTAX, "bad tag name");
	for (size_t i = 0; i < tags->n; i++)
		if (sl_str_eq(tags->tag[i].name, name))
			return sl_err_set(err, SL_ERR_SYNTAX, "tag \"%.*s\" twice",
			    (int)(name.n < 40 ? name.n : 40), name.p);
	if (tags->n == SL_TAGS_MAX)
		return sl_err_set(err, SL_ERR_LIMIT, "more than %d tags", SL_TAGS_MAX);
	tags->tag[tags->n].name = name;
	tags->tag[tags->n].value = sl_str_trim(sl_str_sub(spec, (size_t)eq + 1, spec.n));
	tags->n++;
	return 0;
}

int
sl_tags_parse(struct sl_tags *out, struct sl_str text, unsigned flags, struct sl_err *err)
{
	struct sl_str spec;

	out->n = 0;
	if (text.n > SL_TAGS_MAX_BYTES)
		return sl_err_set(err, SL_ERR_LIMIT, "tag list of %zu bytes", text.n);
	if (!bytes_ok(text, (flags & SL_TAGS_RECORD) != 0))
		return sl_err_set(err, SL_ERR_SYNTAX, "byte not allowed in a tag list");
	if (sl_str_trim(text).n == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "empty tag list");
	while (sl_str_split(&text, ';', &spec)) {
		int r;

		/* One ";" may end the list; blanks behind it are common and harmless. */
		if (text.p == NULL && out->n > 0 && sl_str_trim(spec).n == 0)
			break;
		r = add_tag(out, spec, err);
		if (r < 0)
			return r;
	}
	return 0;
}

ssize_t
sl_tags_index(const struct sl_tags *tags, const char *name)
{
	struct sl_str wanted = sl_str_of(name);

	for (size_t i = 0; i < tags->n; i++)
		if (sl_str_eq(tags->tag[i].name, wanted))
			return (ssize_t)i;
	return -1;
}

const struct sl_str *
sl_tags_get(const struct sl_tags *tags, const char *name)
{
	ssize_t i = sl_tags_index(tags, name);

	return i < 0 ? NULL : &tags->tag[i].value;
}

int
sl_tags_base64(struct sl_buf *out, struct sl_str value)
{
	size_t before = out->n;
	int r = sl_base64_decode(out, value, true);

	if (r == 0 && out->n == before)
		r = SL_ERR_SYNTAX;
	return r;
}

bool
sl_tags_has(struct sl_str list, char sep, struct sl_str word)
{
	struct sl_str part;

	while (sl_str_split(&list, sep, &part))
		if (sl_str_ieq(sl_str_trim(part), word))
			return true;
	return false;
}
