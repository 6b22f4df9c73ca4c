/* Domain names: LDH, U-labels to A-labels (IDNA 2008, RFC 5891), address literals. */
#include <arpa/inet.h>
#include <idn2.h>
#include <string.h>

#include "address_parts.h"

#define MAX_NAME	253
#define MAX_LABEL	63

static int
bad(struct sl_err *err, const char *why)
{
	return sl_err_set(err, SL_ERR_SYNTAX, "not a domain name: %s", why);
}

/* One label of lower-case ASCII: Let-dig [Ldh-str] (RFC 5321 4.1.2). */
static int
check_label(struct sl_str s, bool underscore, struct sl_err *err)
{
	if (s.n == 0)
		return bad(err, "empty label");
	if (s.n > MAX_LABEL)
		return bad(err, "label over 63 bytes");
	for (size_t i = 0; i < s.n; i++) {
		if (!sl_isalnum(s.p[i]) && s.p[i] != '-' && !(underscore && s.p[i] == '_'))
			return bad(err, "a byte that isn't letter, digit or hyphen");
	}
	if (s.p[0] == '-' || s.p[s.n - 1] == '-')
		return bad(err, "label begins or ends with a hyphen");
	return 0;
}

static int
check_labels(const char *name, bool underscore, struct sl_err *err)
{
	struct sl_str rest = sl_str_of(name), label;
	int r = 0;

	while (r == 0 && sl_str_split(&rest, '.', &label))
		r = check_label(label, underscore, err);
	return r;
}

/*
 * No mapping of look-alikes (UTS 46): a full-width dot or a zero-width space
 * is an error, since others may read another name there.
 */
static int
to_ascii(char *out, struct sl_str name, struct sl_err *err)
{
	char text[4 * MAX_NAME + 1];
	uint8_t *ascii;
	int r;

	if (name.n >= sizeof(text))
		return bad(err, "too long");
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	sl_lower_in_place(text, name.n);
	r = idn2_lookup_u8((const uint8_t *)text, &ascii, IDN2_NFC_INPUT | IDN2_NO_TR46);
	if (r != IDN2_OK)
		return r == IDN2_MALLOC ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") :
		    bad(err, idn2_strerror(r));
	r = strlen((char *)ascii) <= MAX_NAME ? 0 : bad(err, "over 253 bytes");
	if (r == 0)
		strcpy(out, (char *)ascii);
	idn2_free(ascii);
	return r;
}

/* RFC 5321 4.1.3; out keeps the brackets. */
static int
parse_literal(char *out, struct sl_str s, struct sl_err *err)
{
	struct sl_str ip = sl_str_sub(s, 1, s.n - 1);
	bool v6 = sl_str_istarts(ip, SL_STR("IPv6:"));
	char text[64];
	unsigned char addr[16];

	if (v6)
		ip = sl_str_sub(ip, 5, ip.n);
	if (s.n < 2 || s.p[s.n - 1] != ']' || ip.n >= sizeof(text) ||
	    (ip.n > 0 && memchr(ip.p, '\0', ip.n) != NULL))
		return bad(err, "malformed address literal");
	memcpy(text, ip.p, ip.n);
	text[ip.n] = '\0';
	if (inet_pton(v6 ? AF_INET6 : AF_INET, text, addr) != 1)
		return bad(err, "not an IP address in the literal");
	sl_lower_in_place(text, ip.n);
	strcpy(out, v6 ? "[IPv6:" : "[");
	strcat(out, text);
	strcat(out, "]");
	return 0;
}

int
sl_domain_parse(char *out, struct sl_str domain, unsigned flags, struct sl_err *err)
{
	bool underscore = (flags & SL_DOMAIN_UNDERSCORE) != 0;
	int r = 0;

	out[0] = '\0';
	if (domain.n > 0 && domain.p[0] == '[' && (flags & SL_DOMAIN_LITERAL) != 0)
		return parse_literal(out, domain, err);
	if ((flags & SL_DOMAIN_FINAL_DOT) != 0 && domain.n > 1 && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (domain.n == 0)
		return bad(err, "empty");
	if (!sl_is_text(domain))
		return bad(err, "control bytes or invalid UTF-8");
	if (!sl_is_ascii(domain)) {
		r = to_ascii(out, domain, err);
	} else if (domain.n > MAX_NAME) {
		r = bad(err, "over 253 bytes");
	} else {
		memcpy(out, domain.p, domain.n);
		out[domain.n] = '\0';
		sl_lower_in_place(out, domain.n);
	}
	if (r == 0)
		r = check_labels(out, underscore, err);
	if (r < 0)
		out[0] = '\0';
	return r;
}

int
sl_domain_normalize(char *out, struct sl_str domain, struct sl_err *err)
{
	return sl_domain_parse(out, domain, SL_DOMAIN_UNDERSCORE | SL_DOMAIN_FINAL_DOT, err);
}

int
sl_domain_to_unicode(struct sl_buf *out, struct sl_str domain, struct sl_err *err)
{
	char name[256], *text;
	int r = sl_domain_normalize(name, domain, err);

	if (r < 0)
		return r;
	r = idn2_to_unicode_8z8z(name, &text, 0);
	if (r != IDN2_OK)
		return r == IDN2_MALLOC ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") :
		    bad(err, idn2_strerror(r));
	sl_buf_puts(out, text);
	idn2_free(text);
	return out->failed ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") : 0;
}

bool
sl_domain_is_within(const char *child, const char *parent)
{
	size_t c = strlen(child), p = strlen(parent);

	if (p == 0 || c < p || strcmp(child + c - p, parent) != 0)
		return false;
	return c == p || child[c - p - 1] == '.';
}
