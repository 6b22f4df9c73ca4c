#include "packet.h"

#include <stdio.h>
#include <string.h>

#define LENGTH	4

static uint32_t
get32(const char *p)
{
	const unsigned char *b = (const unsigned char *)p;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void
put32(struct sl_buf *out, uint32_t n)
{
	char b[4] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };

	sl_buf_put(out, b, sizeof(b));
}

/* ---- reading ------------------------------------------------------------- */

int
sl_milter_packet_take(struct sl_str in, struct sl_milter_packet *out, size_t *used,
    struct sl_err *err)
{
	uint32_t n;

	*used = LENGTH;
	if (in.n < LENGTH)
		return 0;
	n = get32(in.p);
	if (n == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "a packet of length 0");
	if (n > SL_MILTER_MAX_PACKET)
		return sl_err_set(err, SL_ERR_SYNTAX, "a packet of %lu bytes", (unsigned long)n);
	*used = LENGTH + (size_t)n;
	if (in.n < *used)
		return 0;
	out->command = in.p[LENGTH];
	out->data = sl_str_sub(in, LENGTH + 1, *used);
	return 1;
}

int
sl_milter_options_parse(struct sl_milter_options *out, struct sl_str data, struct sl_err *err)
{
	if (data.n < 12)
		return sl_err_set(err, SL_ERR_SYNTAX, "a negotiation of %zu bytes", data.n);
	out->version = get32(data.p);
	out->actions = get32(data.p + 4);
	out->steps = get32(data.p + 8);
	if (out->version < SL_MILTER_VERSION_MIN)
		return sl_err_set(err, SL_ERR_SYNTAX, "protocol version %lu",
		    (unsigned long)out->version);
	return 0;
}

bool
sl_milter_string(struct sl_str *data, struct sl_str *out)
{
	ssize_t nul = sl_str_chr(*data, '\0');

	if (nul < 0)
		return false;
	*out = sl_str_sub(*data, 0, (size_t)nul);
	*data = sl_str_sub(*data, (size_t)nul + 1, data->n);
	return true;
}

int
sl_milter_string_parse(struct sl_str *out, struct sl_str data, struct sl_err *err)
{
	if (!sl_milter_string(&data, out))
		return sl_err_set(err, SL_ERR_SYNTAX, "a string without its end");
	if (data.n > 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "%zu bytes behind a string", data.n);
	return 0;
}

int
sl_milter_path_parse(struct sl_str *out, struct sl_str *rest, struct sl_str data,
    struct sl_err *err)
{
	if (!sl_milter_string(&data, out))
		return sl_err_set(err, SL_ERR_SYNTAX, "a path without its end");
	if (data.n > 0 && data.p[data.n - 1] != '\0')
		return sl_err_set(err, SL_ERR_SYNTAX, "a parameter without its end");
	*rest = data;
	return 0;
}

int
sl_milter_peer_parse(struct sl_milter_peer *out, struct sl_str data, struct sl_err *err)
{
	const struct sl_str prefix = SL_STR("IPv6:");

	memset(out, 0, sizeof(*out));
	if (!sl_milter_string(&data, &out->hostname) || data.n == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "a connection without address family");
	out->family = data.p[0];
	data = sl_str_sub(data, 1, data.n);
	if (out->family == 'U')
		return 0;
	if (memchr("46L", out->family, 3) == NULL)
		return sl_err_set(err, SL_ERR_SYNTAX, "address family 0x%02x",
		    (unsigned char)out->family);
	if (data.n < 2)
		return sl_err_set(err, SL_ERR_SYNTAX, "a connection without port");
	out->port = (uint16_t)((unsigned char)data.p[0] << 8 | (unsigned char)data.p[1]);
	if (sl_milter_string_parse(&out->address, sl_str_sub(data, 2, data.n), err) != 0)
		return SL_ERR_SYNTAX;
	if (sl_str_istarts(out->address, prefix))
		out->address = sl_str_sub(out->address, prefix.n, out->address.n);
	return 0;
}

int
sl_milter_macros_parse(char *command, struct sl_str *rest, struct sl_str data,
    struct sl_err *err)
{
	struct sl_str part, all;

	if (data.n == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "macros of no command");
	*command = data.p[0];
	*rest = all = sl_str_sub(data, 1, data.n);
	while (all.n > 0)
		if (!sl_milter_string(&all, &part) || !sl_milter_string(&all, &part))
			return sl_err_set(err, SL_ERR_SYNTAX, "a macro without its value");
	return 0;
}

bool
sl_milter_macro(struct sl_str *rest, struct sl_str *name, struct sl_str *value)
{
	if (!sl_milter_string(rest, name) || !sl_milter_string(rest, value))
		return false;
	if (name->n > 2 && name->p[0] == '{' && name->p[name->n - 1] == '}')
		*name = sl_str_sub(*name, 1, name->n - 1);
	return true;
}

/* RFC 5322 3.6.8; blanks before the colon are of the obsolete syntax (4.5). */
static bool
is_field_name(struct sl_str name)
{
	size_t i;

	while (name.n > 0 && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
		name.n--;
	for (i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] >= 127 || name.p[i] == ':')
			return false;
	return name.n > 0;
}

/* Lines of a value: LF, or CRLF, and a blank begins the next. A line break
 * without the blank would begin another field, or end the header. */
static int
put_value(struct sl_buf *out, struct sl_str value, struct sl_err *err)
{
	struct sl_str rest = value, line;
	bool first = true;

	while (sl_str_split(&rest, '\n', &line)) {
		if (!first && (line.n == 0 || (line.p[0] != ' ' && line.p[0] != '\t')))
			return sl_err_set(err, SL_ERR_REFUSED, "a line break in a field that is no fold");
		if (!first)
			sl_buf_puts(out, "\r\n");
		if (line.n > 0 && line.p[line.n - 1] == '\r')
			line.n--;
		sl_buf_putstr(out, line);
		first = false;
	}
	if (value.n > 0 && value.p[value.n - 1] == '\n')
		return sl_err_set(err, SL_ERR_REFUSED, "a line break at the end of a field");
	return 0;
}

int
sl_milter_field_parse(struct sl_buf *out, struct sl_str data, bool spaced, struct sl_err *err)
{
	struct sl_str name, value;

	if (!sl_milter_string(&data, &name) || sl_milter_string_parse(&value, data, err) != 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "a header field without its end");
	if (!is_field_name(name))
		return sl_err_set(err, SL_ERR_REFUSED, "a name that no header field has");
	sl_buf_putstr(out, name);
	sl_buf_puts(out, spaced || value.n == 0 ? ":" : ": ");
	if (put_value(out, value, err) != 0)
		return SL_ERR_REFUSED;
	return sl_buf_puts(out, "\r\n") == 0 ? 0 : sl_err_set(err, SL_ERR_NOMEM, "out of memory");
}

/* ---- writing ------------------------------------------------------------- */

static void
begin(struct sl_buf *out, enum sl_milter_reply reply, size_t n)
{
	put32(out, (uint32_t)n + 1);
	sl_buf_putc(out, (char)reply);
}

void
sl_milter_put(struct sl_buf *out, enum sl_milter_reply reply)
{
	begin(out, reply, 0);
}

void
sl_milter_put_bytes(struct sl_buf *out, enum sl_milter_reply reply, struct sl_str bytes)
{
	begin(out, reply, bytes.n);
	sl_buf_putstr(out, bytes);
}

void
sl_milter_put_string(struct sl_buf *out, enum sl_milter_reply reply, struct sl_str text)
{
	begin(out, reply, text.n + 1);
	sl_buf_putstr(out, text);
	sl_buf_putc(out, '\0');
}

/*
 * The macros that the engine's facts are made of, by the stage they come with;
 * they spare operators the mail server's own lists of them.
 */
static const struct {
	uint32_t stage;
	const char *names;
} macros[] = {
	{ 0, "j {daemon_name} {daemon_addr} {daemon_port} {if_addr} {client_addr} {client_port}" },
	{ 1, "{tls_version} {cipher} {cipher_bits}" },
	{ 2, "i {auth_authen} {auth_type} {daemon_name} {tls_version} {cipher} {cipher_bits}" },
	{ 3, "i" },
	{ 4, "i" },
	{ 5, "i" },
	{ 6, "i" },
};

#define NMACROS	(sizeof(macros) / sizeof(macros[0]))

void
sl_milter_put_options(struct sl_buf *out, const struct sl_milter_options *o)
{
	size_t n = 12, i;
	bool chooses = (o->actions & SL_MILTER_CHOOSES_MACROS) != 0;

	for (i = 0; i < NMACROS && chooses; i++)
		n += 4 + strlen(macros[i].names) + 1;
	put32(out, (uint32_t)n + 1);
	sl_buf_putc(out, SL_MILTER_NEGOTIATE);
	put32(out, o->version);
	put32(out, o->actions);
	put32(out, o->steps);
	for (i = 0; i < NMACROS && chooses; i++) {
		put32(out, macros[i].stage);
		sl_buf_put(out, macros[i].names, strlen(macros[i].names) + 1);
	}
}

/* Folds go out as LF: mail servers put their own line ends. */
static void
put_unix_lines(struct sl_buf *out, struct sl_str value)
{
	size_t i;

	for (i = 0; i < value.n; i++)
		if (value.p[i] != '\r' || i + 1 == value.n || value.p[i + 1] != '\n')
			sl_buf_putc(out, value.p[i]);
}

int
sl_milter_put_field(struct sl_buf *out, enum sl_milter_reply reply, uint32_t index,
    struct sl_str name, struct sl_str value, bool spaced, struct sl_err *err)
{
	struct sl_buf data = SL_BUF_INIT;

	if (!spaced && value.n > 0 && value.p[0] == ' ')
		value = sl_str_sub(value, 1, value.n);
	if (reply != SL_MILTER_ADD_FIELD)
		put32(&data, index);
	sl_buf_putstr(&data, name);
	sl_buf_putc(&data, '\0');
	put_unix_lines(&data, value);
	sl_buf_putc(&data, '\0');
	if (data.failed || data.n + 1 > SL_MILTER_MAX_REPLY) {
		sl_buf_clear(&data);
		return sl_err_set(err, SL_ERR_LIMIT, "field %.*s: %zu bytes are more than a mail server "
		    "takes from a milter", (int)(name.n < 60 ? name.n : 60), name.p, value.n);
	}
	begin(out, reply, data.n);
	sl_buf_put(out, data.p, data.n);
	sl_buf_clear(&data);
	return 0;
}

/* Mail servers expand '%' in the text of a reply: it is doubled. */
static void
put_text(struct sl_buf *out, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '%')
			sl_buf_putc(out, '%');
		sl_buf_putc(out, *text);
	}
}

void
sl_milter_put_reply(struct sl_buf *out, int code, const char *enhanced,
    const char *const *lines, size_t n)
{
	struct sl_buf text = SL_BUF_INIT;
	size_t i;

	if (n == 0)
		sl_buf_printf(&text, "%03d %s", code, enhanced);
	for (i = 0; i < n; i++) {
		sl_buf_printf(&text, "%s%03d%c%s%s", i > 0 ? "\r\n" : "", code, i + 1 < n ? '-' : ' ',
		    enhanced, enhanced[0] != '\0' ? " " : "");
		put_text(&text, lines[i]);
	}
	if (text.failed)
		out->failed = true;
	else
		sl_milter_put_string(out, SL_MILTER_REPLY_CODE, sl_buf_str(&text));
	sl_buf_clear(&text);
}
