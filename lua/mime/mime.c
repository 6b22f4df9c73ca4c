/*
 * Parts of messages, to read: objects of the class MIMEPart. They are numbers of
 * parts; what is known of them is their message's (core/policy/parts.h).
 */
#include <string.h>

#include "../../core/engine/builtin.h"
#include "../../core/engine/value.h"
#include "../../core/mail/charset.h"
#include "../../core/policy/parts.h"
#include "../compose/compose.h"
#include "../pcre/pcre.h"

#define BYTES_PER_STEP	16
#define PIECE		(64 * 1024)	/* decoded at a time */

/* ---- helpers --------------------------------------------------------------- */

static const struct sl_mime_part *
part_at(lua_State *L, int arg)
{
	return &sl_part_tree(L, arg)->parts[sl_part_index(L, arg)];
}

/* The part of the number at 'number', or none, of the message that the one at 'arg' is of. */
static int
push_numbered(lua_State *L, int arg, int number)
{
	int index = sl_mime_find(sl_part_tree(L, arg), sl_arg_string(L, number));

	if (index < 0)
		sl_none(L);
	else
		sl_part_push(L, arg, (unsigned)index);
	return 1;
}

/* ---- the root and its parts ------------------------------------------------ */

/*lua
A part of the message, by its number: "0" is the message itself, "2" its second
part, "2.1" the first part of that. A message/rfc822 has one part, the message in it.

The structure is that of the message as it was received, found when a script
first asks. At most 1000 parts and 30 levels are looked at; getErrors says where
something was left or is wrong.

Without a number: a new message or part, empty, of the class MIME, in any phase.

@param id? string
@return MIMEPart|MIME? part  none if there is no such part

    local part = MIME("1")
    if part and part:getType() == "text/html" then echo(part:getSize()) end
*/
static int
mime(lua_State *L)
{
	if (lua_gettop(L) == 0) {
		sl_compose_new(L);
		return 1;
	}
	if ((sl_run_phase(L) & SL_AT_MESSAGE) == 0)
		return luaL_error(L, "MIME(id) needs a message: only in eod, data");
	return push_numbered(L, 0, 1);
}

/*lua
The number of a part, as MIME takes it.

@return string id

    assert(MIME("0"):getID() == "0")
*/
static int
get_id(lua_State *L)
{
	const struct sl_mime *m = sl_part_tree(L, 1);
	struct sl_buf *id = sl_scratch(L);

	sl_mime_id(m, sl_part_index(L, 1), id);
	sl_string(L, sl_buf_str(id));
	return 1;
}

/*lua
The part of another number, anywhere in the message.

@param id string
@return MIMEPart? part

    local first = MIME("0"):getByID("1")
*/
static int
get_by_id(lua_State *L)
{
	return push_numbered(L, 1, 2);
}

/*lua
The parts in a part, not those in them.

@return MIMEPart[] parts  empty unless it is a multipart or a message

    for _, part in ipairs(MIME("0"):getParts()) do echo(part:getID(), part:getType()) end
*/
static int
get_parts(lua_State *L)
{
	unsigned index = sl_part_index(L, 1), i;
	const struct sl_mime *m = sl_part_tree(L, 1);

	sl_list_new(L);
	for (i = index + 1; i < m->parts[index].next; i = m->parts[i].next) {
		sl_part_push(L, 1, i);
		sl_list_add(L);
	}
	return 1;
}

/*lua
What is wrong with a part, or may be read in another way by others.

@return string[] errors  in words; empty if nothing is

    if #MIME("0"):getErrors() > 0 then AddHeader("X-MIME", "defects") end
*/
static int
get_errors(lua_State *L)
{
	uint32_t defects = part_at(L, 1)->defects;
	int d;

	sl_list_new(L);
	for (d = 0; d < SL_MIME_NDEFECTS; d++) {
		if ((defects & 1u << d) == 0)
			continue;
		sl_text(L, sl_mime_defect_text((enum sl_mime_defect)d));
		sl_list_add(L);
	}
	return 1;
}

/* ---- what a part is -------------------------------------------------------- */

/*lua
The size of a part's body as it stands in the message, in bytes.

@return number bytes

    local size = MIME("0"):getSize()
*/
static int
get_size(lua_State *L)
{
	sl_number(L, (double)part_at(L, 1)->body.n);
	return 1;
}

static void
put_type(const struct sl_mime_part *part, struct sl_buf *out)
{
	sl_buf_putstr(out, part->type);
	sl_buf_putc(out, '/');
	sl_buf_putstr(out, part->subtype);
	sl_lower_in_place(out->p, out->n);
}

/*lua
The media type of a part, in lower case.

@return string type  "text/plain" where the message doesn't say (RFC 2045 5.2)

    if MIME("0"):getType() == "multipart/signed" then echo("signed") end
*/
static int
get_type(lua_State *L)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_buf *type = sl_scratch(L);

	put_type(part, type);
	sl_string(L, sl_buf_str(type));
	return 1;
}

/* A text that was looked for; none if it isn't there. */
static int
found(lua_State *L, int rc, const struct sl_buf *text)
{
	if (rc == SL_ERR_NOMEM)
		return luaL_error(L, "out of memory");
	if (rc == SL_ERR_NOTFOUND)
		sl_none(L);
	else
		sl_string(L, sl_buf_str(text));
	return 1;
}

/*lua
A parameter of Content-Type, decoded (RFC 2231).

@param name string
@return string? value

    local charset = MIME("0"):getTypeParameter("charset")
*/
static int
get_type_parameter(lua_State *L)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_str name = sl_arg_string(L, 2);
	struct sl_buf *value = sl_scratch(L);

	sl_charge(L, part->head.n / BYTES_PER_STEP);
	return found(L, sl_mime_parameter(part, name, value), value);
}

/*lua
The name of a part's file: Content-Disposition's filename, else Content-Type's name.

It is what the sender wrote, decoded to UTF-8, with slashes and control bytes if there are some.

@return string? name

    local name = MIME("0"):getFileName()
    if name and name:lower():find("%.exe$") then Reject("No programs, please") end
*/
static int
get_file_name(lua_State *L)
{
	const struct sl_mime_part *part = part_at(L, 1);
	struct sl_buf *name = sl_scratch(L);

	sl_charge(L, part->head.n / BYTES_PER_STEP);
	return found(L, sl_mime_filename(part, name), name);
}

/* ---- its header ------------------------------------------------------------- */

/*
 * Walks the fields of a part: of the root those of the run's draft, with its edits.
 * The position belongs to the walk.
 */
struct fields {
	const struct sl_head *head;	/* of the root, else NULL */
	size_t at;
	struct sl_str rest;
};

static struct fields
fields_of(lua_State *L, int arg)
{
	const struct sl_mime_part *part = part_at(L, arg);

	sl_charge(L, part->head.n / BYTES_PER_STEP);
	return (struct fields){ sl_part_index(L, arg) == 0 ? sl_part_draft(L, arg)->head : NULL, 0,
	    part->head };
}

static bool
next_field(struct fields *f, struct sl_field *out)
{
	const struct sl_field *field;

	if (f->head == NULL)
		return sl_mime_field(&f->rest, out);
	field = sl_head_at(f->head, f->at++);
	if (field != NULL)
		*out = *field;
	return field != NULL;
}

static void
push_value(lua_State *L, struct sl_str value, bool decode)
{
	struct sl_buf *text = sl_scratch(L);

	sl_charge(L, value.n / 8);
	if ((decode ? sl_field_decode(text, value) : sl_field_unfold(text, value)) != 0)
		luaL_error(L, "out of memory");
	sl_string(L, sl_buf_str(text));
}

/* By the options at 3. */
static void
push_asked(lua_State *L, const struct sl_field *f, bool decode)
{
	if (sl_opt_bool(L, 3, "field", false))
		sl_string(L, f->raw);
	else
		push_value(L, f->value, decode);
}

/*lua
The value of a header field of a part.

Of the message itself ("0") as the run has edited it, of other parts as received.

@param name string
@param options? table  index (which of several: 1 is the first, in HSL 0; the first), decode (encoded words to UTF-8; true), field (the whole field as it stands; false)
@return string? value  unfolded

    local subject = MIME("0"):getHeader("Subject")
    local id = MIME("0"):getHeader("Content-ID", { decode = false })
*/
static int
get_header(lua_State *L)
{
	static const char *const names[] = { "index", "decode", "field", NULL };
	struct fields fields = fields_of(L, 1);
	struct sl_str name = sl_arg_string(L, 2);
	int first = sl_is_hsl(L) ? 0 : 1;
	struct sl_field f;
	double left;
	bool decode;

	sl_options(L, 3, names);
	left = sl_opt_number(L, 3, "index", first, SL_MAX_FIELDS, first) - first;
	decode = sl_opt_bool(L, 3, "decode", true);
	while (next_field(&fields, &f)) {
		if (!sl_str_ieq(f.name, name) || left-- >= 1)
			continue;
		push_asked(L, &f, decode);
		return 1;
	}
	sl_none(L);
	return 1;
}

/*lua
The values of all header fields of a name, top down.

@param name string
@param options? table  decode (encoded words to UTF-8; true), field (whole fields as they stand; false)
@return string[] values

    echo(#MIME("0"):getHeaders("Received"))
*/
static int
get_headers(lua_State *L)
{
	static const char *const names[] = { "decode", "field", NULL };
	struct fields fields = fields_of(L, 1);
	struct sl_str name = sl_arg_string(L, 2);
	struct sl_field f;
	bool decode;

	sl_options(L, 3, names);
	decode = sl_opt_bool(L, 3, "decode", true);
	sl_list_new(L);
	while (next_field(&fields, &f)) {
		if (!sl_str_ieq(f.name, name))
			continue;
		push_asked(L, &f, decode);
		sl_list_add(L);
	}
	return 1;
}

/*lua
The names of a part's header fields, top down, as they are written.

@return string[] names

    for _, name in ipairs(MIME("0"):getHeaderNames()) do echo(name) end
*/
static int
get_header_names(lua_State *L)
{
	struct fields fields = fields_of(L, 1);
	struct sl_field f;

	sl_list_new(L);
	while (next_field(&fields, &f)) {
		sl_string(L, f.name);
		sl_list_add(L);
	}
	return 1;
}

/* ---- its body ----------------------------------------------------------------- */

/* Pushes the body without its transfer encoding, in the script's own memory. */
static void
push_decoded(lua_State *L, const struct sl_mime_part *part)
{
	struct sl_buf *piece;
	struct sl_transfer t;
	luaL_Buffer text;
	int r;

	luaL_buffinit(L, &text);
	sl_transfer_start(&t, part->encoding, part->body);
	do {
		piece = sl_scratch(L);
		r = sl_transfer_read(&t, piece, PIECE);
		if (r < 0)
			luaL_error(L, "out of memory");
		luaL_addlstring(&text, piece->p != NULL ? piece->p : "", piece->n);
	} while (r > 0);
	luaL_pushresult(&text);
}

/* The text on top in its charset, which RFC 2046 4.1.2 says is US-ASCII without a word; UTF-8 is
 * what many mean. Replaces it by UTF-8. */
static int
to_utf8(lua_State *L, const struct sl_mime_part *part)
{
	struct sl_str text = { NULL, 0 };
	struct sl_buf charset = SL_BUF_INIT, *out = sl_scratch(L);
	int r;

	text.p = lua_tolstring(L, -1, &text.n);
	r = sl_mime_parameter(part, SL_STR("charset"), &charset);
	if (r == SL_ERR_NOTFOUND || (r == 0 && sl_str_ieq(sl_buf_str(&charset), SL_STR("us-ascii"))))
		r = sl_charset_to_utf8(out, SL_STR("utf-8"), text);
	else if (r == 0)
		r = sl_charset_to_utf8(out, sl_buf_str(&charset), text);
	sl_buf_clear(&charset);
	if (r == SL_ERR_NOMEM)
		return luaL_error(L, "out of memory");
	if (r != 0)
		return sl_fail(L, "charset", "the text can't be converted to UTF-8");
	sl_string(L, sl_buf_str(out));
	return 1;
}

/*lua
The body of a part without its transfer encoding: base64 and quoted-printable as most
readers take them, mistakes and all.

@param options? table  decode (the transfer encoding; true), utf8 (convert the part's charset; false)
@return string? body
@return string? err    with utf8: the charset isn't known, or the text not of it
@return string? code   "charset"

    local text = MIME("0"):getBody({ utf8 = true })
    if text and text:find("viagra", 1, true) then Quarantine("spam") end
*/
static int
get_body(lua_State *L)
{
	static const char *const names[] = { "decode", "utf8", NULL };
	const struct sl_mime_part *part = part_at(L, 1);

	sl_options(L, 2, names);
	sl_charge(L, part->body.n / 4);
	if (!sl_opt_bool(L, 2, "decode", true)) {
		sl_string(L, part->body);
		return 1;
	}
	push_decoded(L, part);
	return sl_opt_bool(L, 2, "utf8", false) ? to_utf8(L, part) : 1;
}

/* Views that are there or not: n 0 is as good as none. */
static int
push_view(lua_State *L, struct sl_str s)
{
	sl_charge(L, s.n / BYTES_PER_STEP);
	if (s.n > 0)
		sl_string(L, s);
	else
		sl_none(L);
	return 1;
}

/*lua
What stands before the first part of a multipart; no reader shows it.

@return string? text

    if MIME("0"):getPreamble() then echo("a preamble") end
*/
static int
get_preamble(lua_State *L)
{
	return push_view(L, part_at(L, 1)->preamble);
}

/*lua
What stands behind the last delimiter of a multipart; no reader shows it.

@return string? text

    if MIME("0"):getEpilogue() then echo("an epilogue") end
*/
static int
get_epilogue(lua_State *L)
{
	return push_view(L, part_at(L, 1)->epilogue);
}

/* ---- looking for parts ---------------------------------------------------------- */

/* "image/" is any image; a star at an end is anything. */
static bool
matches(struct sl_str text, struct sl_str wanted)
{
	if (sl_str_ends(wanted, SL_STR("/")))
		return sl_str_istarts(text, wanted);
	if (sl_str_ends(wanted, SL_STR("*")))
		return sl_str_istarts(text, sl_str_sub(wanted, 0, wanted.n - 1));
	if (sl_str_starts(wanted, SL_STR("*")))
		return sl_str_iends(text, sl_str_sub(wanted, 1, wanted.n));
	return sl_str_ieq(text, wanted);
}

/* What pcre_compile made, or "/.../flags" as HSL writes it, or what has an anchor, as published
 * scripts do ("^text/(plain|html)$"): no type is so called. */
static bool
is_pattern(lua_State *L)
{
	struct sl_str s;

	if (sl_is_pattern(L, 2))
		return true;
	s = sl_arg_string(L, 2);
	return sl_str_starts(s, SL_STR("^")) || sl_str_ends(s, SL_STR("$")) ||
	    (sl_str_starts(s, SL_STR("/")) && sl_str_chr(sl_str_sub(s, 1, s.n), '/') >= 0);
}

static bool
is_wanted(lua_State *L, struct sl_str text)
{
	bool yes;

	if (!is_pattern(L))
		return matches(text, sl_arg_string(L, 2));
	/* Matching uses the scratch buffer too. */
	sl_string(L, text);
	text.p = lua_tolstring(L, -1, &text.n);
	yes = sl_pattern_matches(L, 2, text);
	lua_pop(L, 1);
	return yes;
}

/* Those in the part at 1, itself too. */
static int
find_parts(lua_State *L, bool by_type)
{
	unsigned index = sl_part_index(L, 1), i;
	const struct sl_mime *m = sl_part_tree(L, 1);
	struct sl_buf *text;
	int r = 0;

	is_pattern(L);		/* raises for what is neither */
	sl_list_new(L);
	for (i = index; i < m->parts[index].next; i++) {
		sl_charge(L, m->parts[i].head.n / BYTES_PER_STEP + 1);
		text = sl_scratch(L);
		if (by_type)
			put_type(&m->parts[i], text);
		else
			r = sl_mime_filename(&m->parts[i], text);
		if (r == SL_ERR_NOMEM || text->failed)
			return luaL_error(L, "out of memory");
		if (r != 0 || !is_wanted(L, sl_buf_str(text)))
			continue;
		sl_part_push(L, 1, i);
		sl_list_add(L);
	}
	return 1;
}

/*lua
The parts of a type, this one and those in it at any depth.

@param type string|userdata  "text/html"; "text/" is any text; "/.../i", "^...$" or what pcre_compile made: a pattern
@return MIMEPart[] parts     in the order of the message

    for _, part in ipairs(MIME("0"):findByType("text/")) do echo(part:getID()) end
*/
static int
find_by_type(lua_State *L)
{
	return find_parts(L, true);
}

/*lua
The parts whose file is so called, this one and those in it at any depth.

@param name string|userdata  in any case, with a star at its front ("*.exe") or end; or a pattern as above
@return MIMEPart[] parts     in the order of the message

    if #MIME("0"):findByFileName("*.exe") > 0 then Reject("No programs, please") end
*/
static int
find_by_file_name(lua_State *L)
{
	return find_parts(L, false);
}

const struct sl_builtin sl_module_mime[] = {
	{ "MIME", mime, SL_AT_ANY },
	{ "MIMEPart:getID", get_id, SL_AT_ANY },
	{ "MIMEPart:getByID", get_by_id, SL_AT_ANY },
	{ "MIMEPart:getParts", get_parts, SL_AT_ANY },
	{ "MIMEPart:findByType", find_by_type, SL_AT_ANY },
	{ "MIMEPart:findByFileName", find_by_file_name, SL_AT_ANY },
	{ "MIMEPart:getType", get_type, SL_AT_ANY },
	{ "MIMEPart:getTypeParameter", get_type_parameter, SL_AT_ANY },
	{ "MIMEPart:getFileName", get_file_name, SL_AT_ANY },
	{ "MIMEPart:getSize", get_size, SL_AT_ANY },
	{ "MIMEPart:getHeader", get_header, SL_AT_ANY },
	{ "MIMEPart:getHeaders", get_headers, SL_AT_ANY },
	{ "MIMEPart:getHeaderNames", get_header_names, SL_AT_ANY },
	{ "MIMEPart:getBody", get_body, SL_AT_ANY },
	{ "MIMEPart:getPreamble", get_preamble, SL_AT_ANY },
	{ "MIMEPart:getEpilogue", get_epilogue, SL_AT_ANY },
	{ "MIMEPart:getErrors", get_errors, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
