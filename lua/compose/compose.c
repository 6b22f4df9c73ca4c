/*
 * MIME(): a message or part under construction. Its texts are values of the object,
 * in the memory of the script that makes it; it is written when somebody asks.
 */
#include "compose.h"

#include <stdio.h>
#include <string.h>

#include "../../core/crypto/random.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/date.h"
#include "../../core/mail/message.h"
#include "../../core/mail/param.h"
#include "../../core/mail/transfer.h"

#define MAX_LEVELS	20	/* of parts in parts */
#define MAX_SIGNS	4
#define MAX_LINE	998	/* RFC 5322 2.1.1 */

/* User values of the object. */
enum { HEADER = 1, TYPE, BODY, BOUNDARY, FILE_NAME, DISPOSITION, PARTS, NVALUES = PARTS };

/* Parts are a chain of these, the last one first: user values of an object of its own. */
#define LINK		"MIMELink"
enum { CHILD = 1, PREVIOUS };

struct composed {
	unsigned nparts;
	unsigned nsigns;
	struct sl_dkim_request sign[MAX_SIGNS];
};

/* ---- values ---------------------------------------------------------------- */

static struct composed *
composed_at(lua_State *L, int arg)
{
	return sl_arg_object(L, arg, SL_COMPOSED);
}

/* The text of a user value; p NULL: not set. It lives as long as the object keeps it. */
static struct sl_str
get(lua_State *L, int arg, int which)
{
	struct sl_str s = { NULL, 0 };

	if (lua_getiuservalue(L, arg, which) == LUA_TSTRING)
		s.p = lua_tolstring(L, -1, &s.n);
	lua_pop(L, 1);
	return s;
}

static void
set(lua_State *L, int arg, int which, struct sl_str s)
{
	arg = lua_absindex(L, arg);
	composed_at(L, arg);
	if (s.n > SL_COMPOSED_MAX)
		luaL_error(L, "larger than %d bytes", SL_COMPOSED_MAX);
	sl_string(L, s);
	lua_setiuservalue(L, arg, which);
}

/* Methods that change it give it back, so that calls can stand in a row. */
static int
self(lua_State *L)
{
	lua_settop(L, 1);
	return 1;
}

static void
must(lua_State *L, int rc, const struct sl_err *err)
{
	if (rc != 0)
		luaL_error(L, "%s", err->text);
}

void
sl_compose_new(lua_State *L)
{
	sl_object_new(L, SL_COMPOSED, sizeof(struct composed), NVALUES, NULL);
}

/* ---- header ---------------------------------------------------------------- */

void
sl_compose_header(lua_State *L, int arg, struct sl_str name, struct sl_str value)
{
	struct sl_buf *text = sl_scratch(L);
	struct sl_str before = get(L, arg, HEADER);
	struct sl_err err;

	composed_at(L, arg);
	sl_charge(L, (before.n + value.n) / 8);
	if (before.n + value.n > SL_MAX_HEADER_BYTES)
		luaL_error(L, "a header of more than %d bytes", SL_MAX_HEADER_BYTES);
	sl_buf_putstr(text, before);
	must(L, sl_field_write(text, name, value, true, &err), &err);
	set(L, arg, HEADER, sl_buf_str(text));
}

bool
sl_compose_has_header(lua_State *L, int arg, struct sl_str name)
{
	struct sl_str rest = get(L, arg, HEADER);
	struct sl_field f;
	size_t n;

	for (; rest.n > 0 && (n = sl_field_scan(rest, &f)) > 0; rest = sl_str_sub(rest, n, rest.n))
		if (sl_str_ieq(f.name, name))
			return true;
	return false;
}

/*lua
Add a header field behind those that are there.

Content-Type and the like are written by themselves, from setType and what the body is, unless
they are added here.

@param name string
@param value string    without line breaks, other than folds
@param options? table  encode (encoded words for what isn't ASCII; true)
@return MIME self

    MIME():addHeader("Subject", "Grüße"):addHeader("X-Policy", "made here")
*/
static int
add_header(lua_State *L)
{
	static const char *const names[] = { "encode", NULL };
	struct sl_str name = sl_arg_string(L, 2), value = sl_arg_string(L, 3);
	struct sl_buf *encoded;

	sl_options(L, 4, names);
	if (sl_opt_bool(L, 4, "encode", true) && sl_str_chr(value, '\n') < 0 && sl_str_chr(value, '\r') < 0) {
		encoded = sl_scratch(L);
		if (sl_field_encode(encoded, value) != 0)
			return luaL_error(L, "out of memory");
		sl_string(L, sl_buf_str(encoded));
		value = sl_arg_string(L, lua_gettop(L));
	}
	sl_compose_header(L, 1, name, value);
	return self(L);
}

/*lua
Add a Date field.

@param timestamp? number  seconds since 1970 (now)
@return MIME self

    MIME():setDate()
*/
static int
set_date(lua_State *L)
{
	double now = (double)(sl_run_time(L) / 1000000);
	double t = sl_arg_opt_number(L, 2, 0, 253402300799.0, now);
	char text[SL_DATE_SIZE];

	sl_compose_header(L, 1, SL_STR("Date"),
	    sl_str_of(sl_date_format(text, (int64_t)t, sl_date_local_offset((int64_t)t))));
	return self(L);
}

/* ---- what it is -------------------------------------------------------------- */

void
sl_compose_type(lua_State *L, int arg, struct sl_str type)
{
	struct sl_params ps;

	sl_params_parse(&ps, type);
	if (ps.type.n == 0 || ps.subtype.n == 0 || ps.broken || ps.many || ps.twice ||
	    sl_str_chr(type, '\n') >= 0 || sl_str_chr(type, '\r') >= 0 || sl_str_chr(type, '\0') >= 0)
		luaL_error(L, "\"%s\" is no content type", type.p);
	set(L, arg, TYPE, type);
}

/*lua
Say what the body is.

Text gets `charset=utf-8` if it has other bytes than ASCII and nothing is said here.

@param type string  "text/html", "multipart/alternative", with parameters if there are some
@return MIME self

    MIME():setType("text/html"):setBody("<p>Hello</p>")
*/
static int
set_type(lua_State *L)
{
	sl_compose_type(L, 1, sl_arg_string(L, 2));
	return self(L);
}

void
sl_compose_body(lua_State *L, int arg, int value)
{
	arg = lua_absindex(L, arg);
	composed_at(L, arg);
	if (sl_arg_string(L, value).n > SL_COMPOSED_MAX)
		luaL_error(L, "larger than %d bytes", SL_COMPOSED_MAX);
	lua_pushvalue(L, value);	/* the script's own, however large: not a copy */
	lua_setiuservalue(L, arg, BODY);
}

/*lua
Set the body. How it is encoded for transfer depends on what it is: text stays readable
(quoted-printable if it must be), other types are base64. With parts it stands before them.

@param body string
@return MIME self

    assert(MIME():setBody("Hello"):toString():find("\r\n\r\nHello$"))
*/
static int
set_body(lua_State *L)
{
	sl_compose_body(L, 1, 2);
	return self(L);
}

/* RFC 2046 5.1.1 */
static bool
is_boundary(struct sl_str s)
{
	if (s.n == 0 || s.n > 70 || s.p[s.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!sl_isalnum(s.p[i]) && (s.p[i] == '\0' || strchr("'()+_,-./:=? ", s.p[i]) == NULL))
			return false;
	return true;
}

/*lua
Choose the boundary between parts; without that one is made by chance.

@param boundary string  1 to 70 characters of RFC 2046 5.1.1
@return MIME self

    MIME():setBoundary("next")
*/
static int
set_boundary(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 2);

	if (!is_boundary(s))
		return sl_arg_error(L, 2, "not a boundary (RFC 2046 5.1.1)");
	set(L, 1, BOUNDARY, s);
	return self(L);
}

static bool
has_control(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 127)
			return true;
	return false;
}

/*lua
Make it an attachment of that name (or what setDisposition says).

@param filename string  UTF-8, without control bytes
@return MIME self

    MIME():setType("text/csv"):setFileName("Übersicht.csv"):setBody("a,b\r\n")
*/
static int
set_file_name(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 2);

	if (s.n == 0 || s.n > 255 || has_control(s) || !sl_utf8_valid(s))
		return sl_arg_error(L, 2, "not a file name");
	set(L, 1, FILE_NAME, s);
	return self(L);
}

/*lua
Say how it is shown: Content-Disposition.

@param type string  "inline" or "attachment"
@return MIME self

    MIME():setDisposition("inline")
*/
static int
set_disposition(lua_State *L)
{
	struct sl_str s = sl_arg_string(L, 2);

	if (!sl_str_eq(s, SL_STR("inline")) && !sl_str_eq(s, SL_STR("attachment")))
		return sl_arg_error(L, 2, "\"inline\" or \"attachment\" expected");
	set(L, 1, DISPOSITION, s);
	return self(L);
}

/* ---- parts ------------------------------------------------------------------- */

/* Pushes the part that is n places before the last one. [-0, +1, -] */
static void
push_part(lua_State *L, int arg, unsigned n)
{
	lua_getiuservalue(L, arg, PARTS);
	for (; n > 0; n--) {
		lua_getiuservalue(L, -1, PREVIOUS);
		lua_remove(L, -2);
	}
	lua_getiuservalue(L, -1, CHILD);
	lua_remove(L, -2);
}

/* Raises when the object at 'wanted' is the one at 'at' or in it, or that is too deep. */
static void
check_tree(lua_State *L, int at, int wanted, int level)
{
	const struct composed *c = composed_at(L, at);

	if (lua_rawequal(L, at, wanted))
		luaL_error(L, "a part can't contain itself");
	if (level >= MAX_LEVELS)
		luaL_error(L, "more than %d levels of parts", MAX_LEVELS);
	luaL_checkstack(L, 4, NULL);
	sl_charge(L, (uint64_t)c->nparts * c->nparts + 1);
	for (unsigned i = 0; i < c->nparts; i++) {
		push_part(L, at, i);
		check_tree(L, lua_gettop(L), wanted, level + 1);
		lua_pop(L, 1);
	}
}

/*lua
Add a part behind those that are there. It isn't copied: what is changed later is changed in both.

@param part MIME
@return MIME self

    local text = MIME():setBody("See the attachment.")
    local file = MIME():setType("text/csv"):setFileName("a.csv"):setBody("1,2\r\n")
    local mail = MIME():addHeader("Subject", "A file"):appendPart(text):appendPart(file)
*/
static int
append_part(lua_State *L)
{
	struct composed *c = composed_at(L, 1);

	composed_at(L, 2);
	lua_settop(L, 2);
	check_tree(L, 2, 1, 1);
	sl_object_new(L, LINK, 0, 2, NULL);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, 3, CHILD);
	lua_getiuservalue(L, 1, PARTS);
	lua_setiuservalue(L, 3, PREVIOUS);
	lua_setiuservalue(L, 1, PARTS);
	c->nparts++;
	return self(L);
}

/* ---- writing ------------------------------------------------------------------- */

static bool
is_text(struct sl_str type)
{
	return type.p == NULL || sl_str_istarts(type, SL_STR("text/"));
}

static bool
is_ascii(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 126 || s.p[i] == '\0')
			return false;
	return true;
}

/* Whether the text can go as it is, its line ends made CRLF. */
static bool
is_plain(struct sl_str s)
{
	struct sl_str line;
	ssize_t cr;

	if (!is_ascii(s))
		return false;
	while (sl_str_split(&s, '\n', &line)) {
		cr = sl_str_chr(line, '\r');
		if (line.n > MAX_LINE || (cr >= 0 && (size_t)cr + 1 < line.n))
			return false;
	}
	return true;
}

static void
put_lines(struct sl_buf *out, struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r'))
			sl_buf_putc(out, '\r');
		sl_buf_putc(out, s.p[i]);
	}
}

enum sl_encoding
sl_compose_encoding(struct sl_str type, struct sl_str body)
{
	if (type.p != NULL && (sl_str_istarts(type, SL_STR("message/")) ||
	    sl_str_istarts(type, SL_STR("multipart/"))))
		return SL_ENCODING_NONE;	/* RFC 2046 5.1, 5.2.1 */
	if (!is_text(type))
		return is_ascii(body) && is_plain(body) && body.n < MAX_LINE ? SL_ENCODING_NONE :
		    SL_ENCODING_BASE64;
	return is_plain(body) ? SL_ENCODING_NONE : SL_ENCODING_QP;
}

/* RFC 2231: a quoted string, or percent-encoded UTF-8. */
static void
put_parameter(struct sl_buf *out, const char *name, struct sl_str value)
{
	if (is_ascii(value)) {
		sl_buf_printf(out, "; %s=\"", name);
		for (size_t i = 0; i < value.n; i++) {
			if (value.p[i] == '"' || value.p[i] == '\\')
				sl_buf_putc(out, '\\');
			sl_buf_putc(out, value.p[i]);
		}
		sl_buf_putc(out, '"');
		return;
	}
	sl_buf_printf(out, "; %s*=utf-8''", name);
	for (size_t i = 0; i < value.n; i++)
		if (sl_isalnum(value.p[i]) || value.p[i] == '.' || value.p[i] == '-')
			sl_buf_putc(out, value.p[i]);
		else
			sl_buf_printf(out, "%%%02X", (unsigned)(unsigned char)value.p[i]);
}

static bool
has_parameter(struct sl_str type, const char *name)
{
	struct sl_buf value = SL_BUF_INIT;
	struct sl_params ps;
	int r;

	sl_params_parse(&ps, type);
	r = sl_param_get(&ps, sl_str_of(name), false, &value);
	sl_buf_clear(&value);
	return r != SL_ERR_NOTFOUND;
}

/* Appends a field; the value's memory is given back. */
static void
put_field(struct sl_buf *out, const char *name, struct sl_buf *value)
{
	struct sl_err err;

	if (value->failed || sl_field_write(out, sl_str_of(name), sl_buf_str(value), true, &err) != 0)
		out->failed = true;
	sl_buf_clear(value);
}

static void
put_type(lua_State *L, int arg, struct sl_buf *out, struct sl_str boundary)
{
	struct sl_str type = get(L, arg, TYPE), body = get(L, arg, BODY);
	struct sl_buf value = SL_BUF_INIT;

	if (sl_compose_has_header(L, arg, SL_STR("Content-Type")))
		return;
	if (type.p == NULL)
		type = sl_str_of(boundary.n > 0 ? "multipart/mixed" : "text/plain");
	sl_buf_putstr(&value, type);
	if (is_text(type) && !is_ascii(body) && !has_parameter(type, "charset"))
		sl_buf_puts(&value, "; charset=utf-8");
	if (boundary.n > 0)
		put_parameter(&value, "boundary", boundary);
	put_field(out, "Content-Type", &value);
}

static void
put_disposition(lua_State *L, int arg, struct sl_buf *out)
{
	struct sl_str type = get(L, arg, DISPOSITION), name = get(L, arg, FILE_NAME);
	struct sl_buf value = SL_BUF_INIT;

	if ((type.p == NULL && name.p == NULL) ||
	    sl_compose_has_header(L, arg, SL_STR("Content-Disposition")))
		return;
	sl_buf_putstr(&value, type.p != NULL ? type : SL_STR("attachment"));
	if (name.p != NULL)
		put_parameter(&value, "filename", name);
	put_field(out, "Content-Disposition", &value);
}

int
sl_compose_encode(struct sl_buf *out, enum sl_encoding encoding, struct sl_str body)
{
	if (encoding == SL_ENCODING_BASE64)
		return sl_transfer_base64(out, body);
	if (encoding == SL_ENCODING_QP)
		return sl_transfer_qp(out, body);
	put_lines(out, body);
	return out->failed ? SL_ERR_NOMEM : 0;
}

/* The encoding's field, the empty line, the body. One with a field of the script's stays as it is. */
static void
put_body(lua_State *L, int arg, struct sl_buf *out)
{
	struct sl_str body = get(L, arg, BODY), type = get(L, arg, TYPE);
	enum sl_encoding e = sl_compose_encoding(type, body);

	if (sl_compose_has_header(L, arg, SL_STR("Content-Transfer-Encoding"))) {
		sl_buf_puts(out, "\r\n");
		sl_buf_putstr(out, body);
		return;
	}
	if (e == SL_ENCODING_BASE64)
		sl_buf_puts(out, "Content-Transfer-Encoding: base64\r\n");
	else if (e == SL_ENCODING_QP)
		sl_buf_puts(out, "Content-Transfer-Encoding: quoted-printable\r\n");
	sl_buf_puts(out, "\r\n");
	sl_compose_encode(out, e, body);
}

static void put_object(lua_State *L, int arg, struct sl_buf *out, bool message, int level);

static void
put_parts(lua_State *L, int arg, struct sl_buf *out, struct sl_str boundary, int level)
{
	unsigned n = composed_at(L, arg)->nparts;
	char line[80];
	size_t start;

	snprintf(line, sizeof(line), "\r\n--%.*s", (int)boundary.n, boundary.p);
	sl_buf_puts(out, "\r\n");
	put_lines(out, get(L, arg, BODY));
	sl_charge(L, (uint64_t)n * n + 1);
	while (n-- > 0) {
		sl_buf_printf(out, "%s\r\n", line);
		start = out->n;
		push_part(L, arg, n);
		put_object(L, lua_gettop(L), out, false, level + 1);
		lua_pop(L, 1);
		if (!out->failed && sl_str_find((struct sl_str){ out->p + start, out->n - start },
		    sl_str_of(line)) >= 0)
			luaL_error(L, "the boundary stands in a part: leave it to chance");
	}
	sl_buf_printf(out, "%s--\r\n", line);
}

/* By chance: what another sender wrote can't have it. */
static void
make_boundary(lua_State *L, char out[40])
{
	unsigned char bytes[12];
	size_t n = 0;

	if (sl_door_random(sl_run_tape(L), bytes, sizeof(bytes)) != 0)
		luaL_error(L, "no random bytes");
	out[n++] = '=';
	out[n++] = '_';
	for (size_t i = 0; i < sizeof(bytes); i++)
		n += (size_t)snprintf(out + n, 40 - n, "%02x", bytes[i]);
}

static void
put_object(lua_State *L, int arg, struct sl_buf *out, bool message, int level)
{
	struct sl_str boundary = get(L, arg, BOUNDARY);
	char made[40];

	if (level >= MAX_LEVELS)
		luaL_error(L, "more than %d levels of parts", MAX_LEVELS);
	luaL_checkstack(L, 8, NULL);
	sl_charge(L, get(L, arg, BODY).n / 4 + get(L, arg, HEADER).n / 4);
	if (composed_at(L, arg)->nparts == 0) {
		boundary.n = 0;
	} else if (boundary.p == NULL) {
		make_boundary(L, made);
		boundary = sl_str_of(made);
	}
	sl_buf_putstr(out, get(L, arg, HEADER));
	if (message && !sl_compose_has_header(L, arg, SL_STR("MIME-Version")))
		sl_buf_puts(out, "MIME-Version: 1.0\r\n");
	put_type(L, arg, out, boundary);
	put_disposition(L, arg, out);
	if (boundary.n > 0)
		put_parts(L, arg, out, boundary, level);
	else
		put_body(L, arg, out);
}

/* ---- signing ------------------------------------------------------------------- */

void
sl_compose_sign(lua_State *L, int arg, const struct sl_dkim_request *request)
{
	struct composed *c = composed_at(L, arg);

	if (c->nsigns == MAX_SIGNS)
		luaL_error(L, "more than %d signatures", MAX_SIGNS);
	c->sign[c->nsigns++] = *request;
}

static int
to_buf(void *arg, struct sl_str piece)
{
	return sl_buf_putstr(arg, piece);
}

static int
sign_head(const struct composed *c, const struct sl_message *m, struct sl_head *head, int64_t now,
    struct sl_err *err)
{
	struct sl_buf value = SL_BUF_INIT;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < c->nsigns; i++) {
		sl_buf_reset(&value);
		rc = sl_dkim_sign(&value, &c->sign[i], m, head, NULL, now, err);
		if (rc == 0)
			rc = sl_head_insert(head, 0, SL_STR("DKIM-Signature"), sl_buf_str(&value), false,
			    err);
	}
	sl_buf_clear(&value);
	return rc;
}

/* Puts the signatures into the text. Raises nothing: there is memory of C's. */
static int
sign_text(const struct composed *c, struct sl_buf *text, int64_t now, struct sl_err *err)
{
	struct sl_arena *arena = sl_arena_new(0);
	struct sl_message *m = NULL;
	struct sl_head *head = NULL;
	char *bytes = text->p;
	size_t n = text->n;
	int rc;

	*text = SL_BUF_INIT;
	rc = sl_message_from_memory(&m, bytes, n, err);
	if (rc == 0 && (arena == NULL || (head = sl_head_new(m, arena)) == NULL))
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	if (rc == 0)
		rc = sign_head(c, m, head, now, err);
	if (rc == 0 && sl_message_write(m, head, to_buf, text) != 0)
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	sl_head_free(head);
	sl_message_unref(m);
	sl_arena_free(arena);
	return rc;
}

struct sl_buf *
sl_compose_write(lua_State *L, int arg, bool message)
{
	const struct composed *c = composed_at(L, arg);
	struct sl_buf *out = sl_scratch(L);
	struct sl_err err;
	bool failed;

	arg = lua_absindex(L, arg);
	out->limit = SL_COMPOSED_MAX;
	put_object(L, arg, out, message, 0);
	failed = out->failed;
	out->limit = 0;
	if (failed)
		luaL_error(L, "a message of more than %d bytes", SL_COMPOSED_MAX);
	if (message && c->nsigns > 0) {
		sl_charge(L, out->n);
		must(L, sign_text(c, out, sl_run_time(L) / 1000000, &err), &err);
	}
	return out;
}

void
sl_compose_render(lua_State *L, int arg, bool message)
{
	sl_string(L, sl_buf_str(sl_compose_write(L, arg, message)));
}

/*lua
The message as it would be sent.

@return string text  header, empty line, body; lines end by CRLF

    assert(MIME():setBody("Hello"):toString():find("MIME-Version: 1.0\r\n", 1, true))
*/
static int
to_string(lua_State *L)
{
	sl_compose_render(L, 1, true);
	return 1;
}

const struct sl_builtin sl_module_compose[] = {
	{ "MIME:addHeader", add_header, SL_AT_ANY },
	{ "MIME:setDate", set_date, SL_AT_ANY | SL_IMPURE },
	{ "MIME:setType", set_type, SL_AT_ANY },
	{ "MIME:setBody", set_body, SL_AT_ANY },
	{ "MIME:setBoundary", set_boundary, SL_AT_ANY },
	{ "MIME:setFileName", set_file_name, SL_AT_ANY },
	{ "MIME:setDisposition", set_disposition, SL_AT_ANY },
	{ "MIME:appendPart", append_part, SL_AT_ANY },
	{ "MIME:toString", to_string, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
