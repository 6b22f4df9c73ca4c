/* Mailboxes and paths of SMTP, RFC 5321 4.1.2, with RFC 6531 3.3 for UTF-8. */
#include "address.h"

#include <string.h>

#include "address_parts.h"

#define MAX_PATH	254	/* RFC 5321 4.5.3.1.3: 256 with the brackets */

bool
sl_is_atext(char c)
{
	return sl_isalnum(c) || (unsigned char)c > 127 ||
	    (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
}

bool
sl_is_ascii(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] > 127)
			return false;
	}
	return true;
}

bool
sl_is_text(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c < 32 || c == 127)
			return false;
		/* U+0080 to U+009F */
		if (c == 0xc2 && i + 1 < s.n && (unsigned char)s.p[i + 1] < 0xa0)
			return false;
	}
	return sl_utf8_valid(s);
}

static bool
is_dot_string(struct sl_str s)
{
	if (s.n == 0 || s.p[0] == '.' || s.p[s.n - 1] == '.')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!sl_is_atext(s.p[i]) && (s.p[i] != '.' || s.p[i - 1] == '.'))
			return false;
	}
	return true;
}

/* out has 2 * s.n + 2 bytes. Returns the bytes written. */
static size_t
quote(char *out, struct sl_str s)
{
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			out[n++] = '\\';
		out[n++] = s.p[i];
	}
	out[n++] = '"';
	return n;
}

int
sl_address_make(struct sl_address *out, struct sl_str local, struct sl_err *err)
{
	char quoted[2 * sizeof(out->local) + 2];
	size_t domain = strlen(out->domain), n;

	if (local.n >= sizeof(out->local))
		return sl_err_set(err, SL_ERR_LIMIT, "the local part is over 255 bytes");
	if (!sl_is_text(local))
		return sl_err_set(err, SL_ERR_SYNTAX,
		    "control bytes or invalid UTF-8 in the local part");
	n = local.n;
	if (is_dot_string(local))
		memcpy(quoted, local.p, n);
	else
		n = quote(quoted, local);
	if (n + 1 + domain >= sizeof(out->address))
		return sl_err_set(err, SL_ERR_LIMIT, "the address is too long");
	if (local.n > 0)
		memcpy(out->local, local.p, local.n);
	out->local[local.n] = '\0';
	memcpy(out->address, quoted, n);
	if (domain > 0)
		out->address[n++] = '@';
	memcpy(out->address + n, out->domain, domain + 1);
	out->utf8 = !sl_is_ascii(local);
	return 0;
}

/* The quoted string at the front of s into 'local' (256 bytes): bytes of s
 * used, 0 = malformed. Quoted pairs and qtextSMTP are 32-126 (or UTF-8). */
static size_t
parse_quoted(struct sl_str s, char *local, size_t *n)
{
	size_t i = 1;

	*n = 0;
	for (; i < s.n && s.p[i] != '"'; i++) {
		if (s.p[i] == '\\') {
			i++;
			if (i == s.n || (unsigned char)s.p[i] > 126)
				return 0;
		}
		if ((unsigned char)s.p[i] < 32 || s.p[i] == 127 || *n == 255)
			return 0;
		local[(*n)++] = s.p[i];
	}
	return i < s.n ? i + 1 : 0;
}

/* The local part at the front of s: bytes used, 0 = malformed. 'local' has 256 bytes. */
static size_t
parse_local(struct sl_str s, char *local, size_t *n)
{
	size_t i = 0;

	if (s.n > 0 && s.p[0] == '"')
		return parse_quoted(s, local, n);
	while (i < s.n && (sl_is_atext(s.p[i]) || s.p[i] == '.'))
		i++;
	if (i > 255 || !is_dot_string(sl_str_sub(s, 0, i)))
		return 0;
	memcpy(local, s.p, i);
	*n = i;
	return i;
}

/* Where the domain or literal at the front of s ends. */
static size_t
domain_length(struct sl_str s)
{
	ssize_t end;
	size_t i = 0;

	if (s.n > 0 && s.p[0] == '[') {
		end = sl_str_chr(s, ']');
		return end < 0 ? s.n : (size_t)end + 1;
	}
	while (i < s.n && (sl_isalnum(s.p[i]) || s.p[i] == '-' || s.p[i] == '.' ||
	    (unsigned char)s.p[i] > 127))
		i++;
	return i;
}

/* Mailbox at the front of s: bytes used or SL_ERR_SYNTAX. */
static ssize_t
parse_mailbox(struct sl_address *out, struct sl_str s, struct sl_err *err)
{
	size_t used, n, domain;
	char local[256];
	int r;

	used = parse_local(s, local, &n);
	if (used == 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "malformed local part");
	/* As written: quotes and backslashes count. */
	if (used > SL_MAX_LOCAL)
		return sl_err_set(err, SL_ERR_SYNTAX, "the local part is over %d bytes",
		    SL_MAX_LOCAL);
	if (used == s.n || s.p[used] != '@')
		return sl_err_set(err, SL_ERR_SYNTAX, "no @ after the local part");
	s = sl_str_sub(s, used + 1, s.n);
	domain = domain_length(s);
	r = sl_domain_parse(out->domain, sl_str_sub(s, 0, domain), SL_DOMAIN_LITERAL, err);
	if (r == 0)
		r = sl_address_make(out, (struct sl_str){ local, n }, err);
	if (r == 0 && strlen(out->address) > MAX_PATH)
		r = sl_err_set(err, SL_ERR_SYNTAX, "the address is over %d bytes", MAX_PATH);
	return r < 0 ? r : (ssize_t)(used + 1 + domain);
}

/* A source route "@a,@b:" is checked and dropped; *s moves behind it. */
static int
skip_route(struct sl_str *s, struct sl_err *err)
{
	char domain[256];
	size_t n;
	int r;

	while (s->n > 0 && s->p[0] == '@') {
		*s = sl_str_sub(*s, 1, s->n);
		n = domain_length(*s);
		r = sl_domain_parse(domain, sl_str_sub(*s, 0, n), SL_DOMAIN_LITERAL, err);
		if (r < 0)
			return r;
		*s = sl_str_sub(*s, n, s->n);
		if (s->n == 0 || (s->p[0] != ',' && s->p[0] != ':'))
			return sl_err_set(err, SL_ERR_SYNTAX, "malformed source route");
		if (s->p[0] == ',' && (s->n < 2 || s->p[1] != '@'))
			return sl_err_set(err, SL_ERR_SYNTAX, "malformed source route");
		n = s->p[0] == ':';
		*s = sl_str_sub(*s, 1, s->n);
		if (n)
			break;
	}
	return 0;
}

static void
set_postmaster(struct sl_address *out)
{
	strcpy(out->local, "postmaster");
	strcpy(out->address, "postmaster");
}

/* What stands between the brackets; *s moves to the '>'. */
static int
parse_inner(struct sl_address *out, struct sl_str *s, bool null_ok, bool postmaster_ok,
    struct sl_err *err)
{
	static const struct sl_str postmaster = { "postmaster>", 11 };
	ssize_t used = 0;
	int r;

	if (s->n > 0 && s->p[0] == '>')
		return null_ok ? 0 : sl_err_set(err, SL_ERR_SYNTAX, "an address is needed");
	if (postmaster_ok && sl_str_istarts(*s, postmaster)) {
		set_postmaster(out);
		used = 10;
	} else if ((r = skip_route(s, err)) < 0) {
		return r;
	} else if ((used = parse_mailbox(out, *s, err)) < 0) {
		return (int)used;
	}
	*s = sl_str_sub(*s, (size_t)used, s->n);
	return 0;
}

int
sl_path_parse(struct sl_address *out, struct sl_str text, bool null_ok, bool postmaster_ok,
    bool utf8_ok, struct sl_str *rest, struct sl_err *err)
{
	struct sl_str s = sl_str_sub(text, 1, text.n);
	int r;

	memset(out, 0, sizeof(*out));
	if (rest != NULL)
		*rest = (struct sl_str){ "", 0 };
	if (text.n == 0 || text.p[0] != '<')
		return sl_err_set(err, SL_ERR_SYNTAX, "the path doesn't begin with <");
	r = parse_inner(out, &s, null_ok, postmaster_ok, err);
	if (r == 0 && (s.n == 0 || s.p[0] != '>'))
		r = sl_err_set(err, SL_ERR_SYNTAX, "the path doesn't end with >");
	else if (r == 0 && s.n > 1 && (rest == NULL || s.p[1] != ' '))
		r = sl_err_set(err, SL_ERR_SYNTAX, "text after the path");
	if (r == 0 && !utf8_ok && !sl_is_ascii(sl_str_sub(text, 0, (size_t)(s.p - text.p))))
		r = sl_err_set(err, SL_ERR_SYNTAX, "UTF-8 in an address needs SMTPUTF8");
	if (r < 0) {
		memset(out, 0, sizeof(*out));
		return r;
	}
	if (rest != NULL)
		*rest = sl_str_sub(s, 1, s.n);
	return 0;
}

int
sl_address_parse(struct sl_address *out, struct sl_str text, struct sl_err *err)
{
	ssize_t used;

	memset(out, 0, sizeof(*out));
	used = parse_mailbox(out, text, err);
	if (used >= 0 && (size_t)used != text.n)
		used = sl_err_set(err, SL_ERR_SYNTAX, "text after the address");
	if (used < 0)
		memset(out, 0, sizeof(*out));
	return used < 0 ? (int)used : 0;
}
