/*
 * Changes of parts: methods of MIMEPart. The message stays as received; the run's draft
 * says which of its bytes are others (core/policy/body.h). What is read of a part stays
 * what was received, only the message's own header ("0") shows its edits.
 */
#include <stdio.h>
#include <string.h>

#include "../../core/crypto/random.h"
#include "../../core/engine/builtin.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/policy/body.h"
#include "../../core/policy/parts.h"
#include "../compose/compose.h"

/* ---- helpers ---------------------------------------------------------------- */

static const struct sl_mime_part *
part_at(lua_State *L, int arg)
{
	return &sl_part_tree(L, arg)->parts[sl_part_index(L, arg)];
}

static bool
is_root(lua_State *L, int arg)
{
	return sl_part_index(L, arg) == 0;
}

/* Of the message that the part at 1 is of. */
static struct sl_head *
head_of(lua_State *L)
{
	return sl_part_draft(L, 1)->head;
}

static void
must(lua_State *L, int rc, const struct sl_err *err)
{
	if (rc != 0)
		luaL_error(L, "%s", err->text);
}

/* Replaces bytes of the message; false: what is around them was replaced before. */
static bool
splice(lua_State *L, const char *from, const char *to, struct sl_str bytes, enum sl_splice_kind kind)
{
	const struct sl_mail *mail = sl_part_mail(L, 1);
	struct sl_draft *draft = sl_part_draft(L, 1);
	const char *start = mail->message->bytes.p;
	struct sl_body *body;
	int rc;

	sl_charge(L, bytes.n / 8 + (draft->body != NULL ? draft->body->n : 0));
	rc = sl_body_splice(mail->arena, draft->body, (size_t)(from - start), (size_t)(to - start),
	    bytes, kind, &body);
	if (rc == SL_ERR_LIMIT)
		luaL_error(L, "more than %d changes of one message, or too large ones", SL_BODY_MAX_SPLICES);
	if (rc == 0)
		draft->body = body;
	return rc == 0;
}

/* The part itself, or none: it is gone, or can't be changed so. */
static int
self_if(lua_State *L, bool done)
{
	lua_settop(L, 1);
	if (!done)
		sl_none(L);
	return 1;
}

/* How many fields were changed; false for none in Lua, where 0 is true. */
static int
changed(lua_State *L, unsigned n)
{
	if (n > 0 || sl_is_hsl(L))
		sl_number(L, n);
	else
		sl_bool(L, false);
	return 1;
}

/* ---- header ------------------------------------------------------------------- */

/* The value at 3, encoded unless the option at 4 says no; it stays on the stack. */
static struct sl_str
value_arg(lua_State *L)
{
	struct sl_str value = sl_arg_string(L, 3);
	struct sl_buf *encoded;

	if (!sl_opt_bool(L, 4, "encode", true) || sl_str_chr(value, '\n') >= 0 ||
	    sl_str_chr(value, '\r') >= 0)
		return value;
	encoded = sl_scratch(L);
	if (sl_field_encode(encoded, value) != 0)
		luaL_error(L, "out of memory");
	sl_string(L, sl_buf_str(encoded));
	return sl_arg_string(L, lua_gettop(L));
}

/* From 0; -1: the option isn't given. */
static int
index_option(lua_State *L, int arg)
{
	int first = sl_is_hsl(L) ? 0 : 1;

	return (int)sl_opt_number(L, arg, "index", first, SL_MAX_FIELDS, first - 1) - first;
}

static bool
add_field(lua_State *L, struct sl_str name, struct sl_str value)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_buf *text = sl_scratch(L);
	struct sl_err err;

	if (is_root(L, 1)) {
		must(L, sl_head_insert(head_of(L), 0, name, value, true, &err), &err);
		return true;
	}
	must(L, sl_field_write(text, name, value, true, &err), &err);
	/* Without an empty line behind the header there is nothing to put it in. */
	if (part->defects & (1u << SL_MIME_HEADER_CUT | 1u << SL_MIME_HEADER_END))
		return false;
	return splice(L, part->raw.p, part->raw.p, sl_buf_str(text), SL_INSERT_FIRST);
}

/* One field of the root's head: replaced, or removed (text NULL). */
static void
edit_root(lua_State *L, size_t at, const struct sl_str *value)
{
	struct sl_err err;

	if (value != NULL)
		must(L, sl_head_replace(head_of(L), at, *value, true, &err), &err);
	else if (sl_head_remove(head_of(L), at) != 0)
		luaL_error(L, "out of memory");
}

/*
 * Fields of a name: the one at 'index', or (-1) the first gets the value and the others
 * go. Without a value all that are meant go. Returns how many.
 */
static unsigned
edit_root_fields(lua_State *L, struct sl_str name, const struct sl_str *value, int index)
{
	ssize_t at = sl_head_find(head_of(L), name, 0);
	unsigned n = 0;
	int i;

	for (i = 0; at >= 0; i++) {
		bool meant = index < 0 || i == index, keeps = index >= 0 || i == 0;

		if (meant)
			edit_root(L, (size_t)at, keeps ? value : NULL);
		n += meant;
		at = sl_head_find(head_of(L), name, (size_t)at + !(meant && (value == NULL || !keeps)));
	}
	return n;
}

static unsigned
edit_part_fields(lua_State *L, struct sl_str name, const struct sl_str *value, int index)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_str rest = part->head;
	struct sl_buf *text;
	struct sl_field f;
	struct sl_err err;
	unsigned n = 0;
	int i = 0;

	while (sl_mime_field(&rest, &f)) {
		if (!sl_str_ieq(f.name, name))
			continue;
		text = sl_scratch(L);
		if (value != NULL && (index >= 0 || i == 0))
			must(L, sl_field_write(text, f.name, *value, true, &err), &err);
		if (index < 0 || i == index)
			n += splice(L, f.raw.p, f.raw.p + f.raw.n, sl_buf_str(text), SL_REPLACE);
		i++;
	}
	return n;
}

static unsigned
edit_fields(lua_State *L, struct sl_str name, const struct sl_str *value, int index)
{
	sl_charge(L, part_at(L, 1)->head.n / 8);
	return is_root(L, 1) ? edit_root_fields(L, name, value, index) :
	    edit_part_fields(L, name, value, index);
}

/*lua
Add a header field on top of a part.

@param name string
@param value string    without line breaks, other than folds
@param options? table  encode (encoded words for what isn't ASCII; true)

    MIME("0"):addHeader("X-Policy", "checked")
*/
static int
add_header(lua_State *L)
{
	static const char *const names[] = { "encode", NULL };
	struct sl_str name = sl_arg_string(L, 2);

	sl_options(L, 4, names);
	add_field(L, name, value_arg(L));
	return 0;
}

/*lua
Give the first header field of a name a new value, drop the others of that name; add it on top
when there is none. With `index` only that one is changed.

@param name string
@param value string    without line breaks, other than folds
@param options? table  index (1 is the first, in HSL 0), encode (encoded words for what isn't ASCII; true)
@return number|false changed  fields that were there; false: none

    MIME("0"):setHeader("Subject", "[external] " .. (GetHeader("Subject") or ""))
*/
static int
set_header(lua_State *L)
{
	static const char *const names[] = { "index", "encode", NULL };
	struct sl_str name = sl_arg_string(L, 2), value;
	unsigned n;
	int index;

	sl_options(L, 4, names);
	index = index_option(L, 4);
	value = value_arg(L);
	n = edit_fields(L, name, &value, index);
	if (n == 0 && index < 0)
		add_field(L, name, value);
	return changed(L, n);
}

/*lua
Delete all header fields of a name, or the one of that index.

@param name string
@param options? table  index (1 is the first, in HSL 0)
@return number|false deleted  how many there were; false: none

    MIME("0"):delHeader("X-Spam-Score")
*/
static int
del_header(lua_State *L)
{
	static const char *const names[] = { "index", NULL };

	sl_options(L, 3, names);
	return changed(L, edit_fields(L, sl_arg_string(L, 2), NULL, index_option(L, 3)));
}

/* A field of the root under another name, at its place. */
static void
rename_root_field(lua_State *L, size_t at, struct sl_str name)
{
	struct sl_str value = sl_head_at(head_of(L), at)->value;
	struct sl_err err;

	must(L, sl_head_insert(head_of(L), at, name, sl_str_trim(value), false, &err), &err);
	edit_root(L, at + 1, NULL);
}

static unsigned
rename_fields(lua_State *L, struct sl_str name, struct sl_str to)
{
	struct sl_str rest = part_at(L, 1)->head;
	struct sl_buf *text;
	struct sl_field f;
	struct sl_err err;
	unsigned n = 0;
	ssize_t at = -1;

	while (is_root(L, 1) && (at = sl_head_find(head_of(L), name, (size_t)(at + 1))) >= 0) {
		rename_root_field(L, (size_t)at, to);
		n++;
	}
	while (!is_root(L, 1) && sl_mime_field(&rest, &f)) {
		if (!sl_str_ieq(f.name, name))
			continue;
		text = sl_scratch(L);
		must(L, sl_field_write(text, to, sl_str_trim(f.value), false, &err), &err);
		n += splice(L, f.raw.p, f.raw.p + f.raw.n, sl_buf_str(text), SL_REPLACE);
	}
	return n;
}

/*lua
Give all header fields of a name another one.

@param name string
@param newname string
@return number|false renamed  how many there were; false: none

    MIME("0"):renameHeader("Reply-To", "X-Original-Reply-To")
*/
static int
rename_header(lua_State *L)
{
	struct sl_str name = sl_arg_string(L, 2), to = sl_arg_string(L, 3);

	sl_charge(L, part_at(L, 1)->head.n / 8);
	return changed(L, rename_fields(L, name, to));
}

/* ---- bodies ------------------------------------------------------------------- */

/* What the encoding's field must say; false: nothing was there to change it. */
static bool
set_encoding(lua_State *L, const struct sl_mime_part *part, enum sl_encoding e)
{
	struct sl_str name = SL_STR("Content-Transfer-Encoding");
	struct sl_str value = sl_str_of(e == SL_ENCODING_BASE64 ? "base64" :
	    e == SL_ENCODING_QP ? "quoted-printable" : "7bit");

	if (e == part->encoding)
		return true;
	return edit_fields(L, name, &value, -1) > 0 || add_field(L, name, value);
}

/* What sl_compose_encoding looks at. */
static struct sl_str
kind_of(const struct sl_mime_part *part)
{
	if (sl_mime_is(part, "text", NULL))
		return SL_STR("text/");
	return sl_mime_is(part, "multipart", NULL) || sl_mime_is(part, "message", NULL) ?
	    SL_STR("multipart/") : SL_STR("application/");
}

/*lua
Replace the body of a part. It is given without transfer encoding; base64 and quoted-printable
parts stay so, others become it if they must. The charset is what the header says.

@param data string
@return MIMEPart? self  none: the part isn't in the message any more

    for _, part in ipairs(MIME("0"):findByType("text/plain")) do
      part:setBody(part:getBody() .. "\r\n-- \r\nScanned.\r\n")
    end
*/
static int
set_body(lua_State *L)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_str data = sl_arg_string(L, 2);
	enum sl_encoding e = part->encoding;
	struct sl_buf *text;

	if (e != SL_ENCODING_BASE64 && e != SL_ENCODING_QP)
		e = sl_compose_encoding(kind_of(part), data);
	if (!set_encoding(L, part, e))
		return self_if(L, false);
	text = sl_scratch(L);
	sl_charge(L, data.n / 4);
	if (sl_compose_encode(text, e, data) != 0)
		return luaL_error(L, "out of memory");
	return self_if(L, splice(L, part->body.p, part->body.p + part->body.n, sl_buf_str(text), SL_REPLACE));
}

/*lua
Replace what stands before the first part of a multipart.

@param text string      7-bit
@return MIMEPart? self  none: it has no parts

    MIME("0"):setPreamble("This is a message in MIME format.")
*/
static int
set_preamble(lua_State *L)
{
	unsigned index = sl_part_index(L, 1);
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_str text = sl_arg_string(L, 2);
	struct sl_buf *lines = sl_scratch(L);

	if (part->nparts == 0 || sl_part_tree(L, 1)->parts[index + 1].opening.n == 0)
		return self_if(L, false);
	sl_compose_encode(lines, SL_ENCODING_NONE, text);
	if (sl_part_tree(L, 1)->parts[index + 1].opening.p == part->body.p)
		sl_buf_puts(lines, "\r\n");
	return self_if(L, splice(L, part->body.p, part->body.p + part->preamble.n, sl_buf_str(lines),
	    SL_REPLACE_FIRST));
}

/*lua
Replace what stands behind the last delimiter of a multipart; with "" it is removed.

@param text string      7-bit
@return MIMEPart? self  none: it has no last delimiter

    MIME("0"):setEpilogue("")
*/
static int
set_epilogue(lua_State *L)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_str text = sl_arg_string(L, 2);
	struct sl_buf *lines = sl_scratch(L);

	if (part->closing.n == 0)
		return self_if(L, false);
	sl_compose_encode(lines, SL_ENCODING_NONE, text);
	return self_if(L, splice(L, part->epilogue.p, part->epilogue.p + part->epilogue.n, sl_buf_str(lines),
	    SL_REPLACE));
}

/* ---- whole parts ---------------------------------------------------------------- */

/* A part between delimiters: not the root, not the message in a part. */
static const struct sl_mime_part *
between_delimiters(lua_State *L)
{
	const struct sl_mime_part *part = part_at(L, 1);

	if (part->opening.n == 0)
		luaL_error(L, "it isn't a part of a multipart");
	return part;
}

/* Behind the CRLF at p, which belongs to the delimiter after it. */
static const char *
over_crlf(lua_State *L, const char *p)
{
	struct sl_str all = sl_part_mail(L, 1)->message->bytes;

	return all.p + all.n - p >= 2 && p[0] == '\r' && p[1] == '\n' ? p + 2 : p;
}

/*lua
Take a part out of its multipart.

    for _, part in ipairs(MIME("0"):findByFileName("*.exe")) do part:remove() end
*/
static int
remove_part(lua_State *L)
{
	const struct sl_mime_part *part = between_delimiters(L);

	splice(L, part->opening.p, over_crlf(L, part->raw.p + part->raw.n), SL_STR(""), SL_REPLACE);
	return 0;
}

/*lua
Put a new part in the place of one.

@param part MIME

    for _, part in ipairs(MIME("0"):findByFileName("*.exe")) do
      part:replacePart(MIME():setBody("A program was removed."))
    end
*/
static int
replace_part(lua_State *L)
{
	const struct sl_mime_part *part = between_delimiters(L);

	splice(L, part->raw.p, part->raw.p + part->raw.n, sl_buf_str(sl_compose_write(L, 2, false)),
	    SL_REPLACE_ALL);
	return 0;
}

/* "--b" CRLF part CRLF, for a place in front of a delimiter; the part is at 2. */
static bool
insert_part(lua_State *L, struct sl_str delimiter, const char *at, enum sl_splice_kind kind)
{
	struct sl_str part = { NULL, 0 };
	struct sl_buf *text;

	sl_compose_render(L, 2, false);
	part.p = lua_tolstring(L, -1, &part.n);
	text = sl_scratch(L);
	sl_buf_putstr(text, delimiter);
	sl_buf_puts(text, "\r\n");
	sl_buf_putstr(text, part);
	sl_buf_puts(text, "\r\n");
	if (text->failed)
		luaL_error(L, "out of memory");
	return splice(L, at, at, sl_buf_str(text), kind);
}

/* The Content fields of the root go into 'out' and out of its head. */
static void
take_content_fields(lua_State *L, struct sl_buf *out)
{
	struct sl_head *head = head_of(L);
	const struct sl_field *f;
	size_t i;

	for (i = 0; (f = sl_head_at(head, i)) != NULL;) {
		if (!sl_str_istarts(f->name, SL_STR("Content-"))) {
			i++;
			continue;
		}
		sl_buf_putstr(out, f->raw);
		edit_root(L, i, NULL);
	}
}

static void
make_boundary(lua_State *L, char out[40])
{
	unsigned char bytes[12];
	size_t n = 2;

	if (sl_door_random(sl_run_tape(L), bytes, sizeof(bytes)) != 0)
		luaL_error(L, "no random bytes");
	memcpy(out, "=_", 3);
	for (size_t i = 0; i < sizeof(bytes); i++)
		n += (size_t)snprintf(out + n, 40 - n, "%02x", bytes[i]);
}

/*
 * The message becomes a multipart of what it was and the new part at 2. Done twice, the
 * second is around the first.
 */
static bool
wrap(lua_State *L, bool first, struct sl_str type)
{
	const struct sl_mime_part *root = part_at(L, 1);
	const char *end = root->body.p + root->body.n;
	char boundary[40], value[300];
	struct sl_str part = { NULL, 0 };
	struct sl_buf *text;
	struct sl_err err;

	make_boundary(L, boundary);
	sl_compose_render(L, 2, false);
	part.p = lua_tolstring(L, -1, &part.n);
	text = sl_scratch(L);
	if (first)
		sl_buf_printf(text, "--%s\r\n%.*s\r\n", boundary, (int)part.n, part.p);
	sl_buf_printf(text, "--%s\r\n", boundary);
	take_content_fields(L, text);
	sl_buf_puts(text, "\r\n");
	if (text->failed)
		luaL_error(L, "out of memory");
	splice(L, root->body.p, root->body.p, sl_buf_str(text), SL_INSERT_FIRST);
	text = sl_scratch(L);
	if (!first)
		sl_buf_printf(text, "\r\n--%s\r\n%.*s", boundary, (int)part.n, part.p);
	sl_buf_printf(text, "\r\n--%s--\r\n", boundary);
	splice(L, end, end, sl_buf_str(text), SL_INSERT);
	snprintf(value, sizeof(value), "%.200s; boundary=\"%s\"", type.p, boundary);
	must(L, sl_head_insert(head_of(L), sl_head_count(head_of(L)), SL_STR("Content-Type"), sl_str_of(value),
	    true, &err), &err);
	if (sl_head_find(head_of(L), SL_STR("MIME-Version"), 0) < 0)
		must(L, sl_head_insert(head_of(L), sl_head_count(head_of(L)), SL_STR("MIME-Version"),
		    SL_STR("1.0"), true, &err), &err);
	return true;
}

/* The delimiter of a multipart's parts, without its line end. */
static struct sl_str
delimiter_of(const struct sl_mime *m, unsigned index)
{
	struct sl_str line = m->parts[index + 1].opening;

	while (line.n > 0 && sl_isspace(line.p[line.n - 1]))
		line.n--;
	return line;
}

static int
put_part(lua_State *L, bool first)
{
	static const char *const names[] = { "type", NULL };
	unsigned index = sl_part_index(L, 1);
	const struct sl_mime *m = sl_part_tree(L, 1);
	const struct sl_mime_part *part = &m->parts[index];
	struct sl_str type;

	sl_arg_object(L, 2, SL_COMPOSED);
	sl_options(L, 3, names);
	type = sl_opt_string(L, 3, "type", "multipart/mixed");
	if (!sl_str_istarts(type, SL_STR("multipart/")) || sl_str_chr(type, ';') >= 0)
		return luaL_error(L, "option \"type\": a multipart expected, without parameters");
	if (part->nparts == 0 || m->parts[index + 1].opening.n == 0)
		return self_if(L, index == 0 && wrap(L, first, type));
	if (first)
		return self_if(L, insert_part(L, delimiter_of(m, index), m->parts[index + 1].opening.p,
		    SL_INSERT_FIRST));
	return self_if(L, part->closing.n > 0 &&
	    insert_part(L, delimiter_of(m, index), part->closing.p, SL_INSERT));
}

/*lua
Put a new part behind those of a multipart. A message that is none ("0") becomes one, of what it
was and the new part.

@param part MIME
@param options? table   type (of the multipart that a message becomes; "multipart/mixed")
@return MIMEPart? self  none: it isn't a multipart, or has no last delimiter

    MIME("0"):appendPart(MIME():setType("text/plain"):setBody("Received by example.org."))
*/
static int
append_part(lua_State *L)
{
	return put_part(L, false);
}

/*lua
Put a new part in front of those of a multipart, see appendPart.

@param part MIME
@param options? table   type
@return MIMEPart? self

    MIME("0"):prependPart(MIME():setBody("This message comes from outside."))
*/
static int
prepend_part(lua_State *L)
{
	return put_part(L, true);
}

const struct sl_builtin sl_module_edit[] = {
	{ "MIMEPart:addHeader", add_header, SL_AT_ANY },
	{ "MIMEPart:setHeader", set_header, SL_AT_ANY },
	{ "MIMEPart:delHeader", del_header, SL_AT_ANY },
	{ "MIMEPart:renameHeader", rename_header, SL_AT_ANY },
	{ "MIMEPart:setBody", set_body, SL_AT_ANY },
	{ "MIMEPart:setPreamble", set_preamble, SL_AT_ANY },
	{ "MIMEPart:setEpilogue", set_epilogue, SL_AT_ANY },
	{ "MIMEPart:remove", remove_part, SL_AT_ANY },
	{ "MIMEPart:replacePart", replace_part, SL_AT_ANY },
	{ "MIMEPart:appendPart", append_part, SL_AT_ANY | SL_IMPURE },
	{ "MIMEPart:prependPart", prepend_part, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
