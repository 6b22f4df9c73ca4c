/* Questions about addresses and names that need no network. */
#include <arpa/inet.h>
#include <string.h>

#include "../../core/auth/orgdomain.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/address.h"
#include "../../core/net/addr.h"

/* nil, message, code; what gives yes or no in HSL gives no there. */
static int
no_answer(lua_State *L, struct sl_err *err, bool yes_or_no)
{
	if (!sl_is_hsl(L) || !yes_or_no)
		return sl_fail_err(L, err);
	sl_bool(L, false);
	return 1;
}

static int
lies_in(lua_State *L, bool yes_or_no)
{
	struct sl_str ip = sl_arg_string(L, 1), text = sl_arg_string(L, 2);
	struct sl_network network;
	struct sl_addr addr;
	struct sl_err err;

	if (sl_addr_parse_ip(&addr, ip, 0) != 0) {
		sl_err_set(&err, SL_ERR_SYNTAX, "\"%s\" is not an IP address", ip.p);
		return no_answer(L, &err, yes_or_no);
	}
	if (sl_network_parse(&network, text, &err) != 0)
		return no_answer(L, &err, yes_or_no);
	sl_bool(L, sl_network_has(&network, &addr));
	return 1;
}

/*lua
Whether an IP address lies in a network. In HSL what isn't an address or a network gives false.

@param ip string       IPv4 or IPv6
@param network string  "192.0.2.0/24", "192.0.2.1-192.0.2.9" or one address
@return boolean? inside
@return string? err     what isn't an address or a network
@return string? code

    assert(in_network("192.0.2.7", "192.0.2.0/24"))
    assert(not in_network("2001:db8::1", "192.0.2.0/24"))
*/
static int
net_in_network(lua_State *L)
{
	return lies_in(L, true);
}

/*lua
Whether an IP address lies in a network. What isn't an address or a network gives none.

@param ip string       IPv4 or IPv6
@param network string  "192.0.2.0/24", "192.0.2.1-192.0.2.9" or one address
@return boolean? inside
@return string? err     what isn't an address or a network
@return string? code

    assert(inet_includes("192.0.2.7", "192.0.2.0/24"))
*/
static int
net_inet_includes(lua_State *L)
{
	return lies_in(L, false);
}

static int
is_below(lua_State *L)
{
	struct sl_str child = sl_arg_string(L, 1), parent = sl_arg_string(L, 2);
	bool below = parent.n > 0 && parent.p[0] == '.';
	char a[256], b[256];
	struct sl_err err;

	if (sl_domain_normalize(a, child, &err) != 0 ||
	    sl_domain_normalize(b, below ? sl_str_sub(parent, 1, parent.n) : parent, &err) != 0)
		return no_answer(L, &err, true);
	sl_bool(L, sl_domain_is_within(a, b) && !(below && strcmp(a, b) == 0));
	return 1;
}

/*lua
Whether a domain is another or lies below it. With a leading dot the domain
itself doesn't count. In HSL what isn't a domain name gives false.

@param d string
@param domain string  "example.org", or ".example.org" for names below it only
@return boolean? within
@return string? err    what isn't a domain name
@return string? code

    assert(is_subdomain("mail.example.org", "example.org"))
    assert(not is_subdomain("example.org", ".example.org"))
*/
static int
net_is_subdomain(lua_State *L)
{
	return is_below(L);
}

/*lua
Whether a domain is another or lies below it: today's name of is_subdomain.

@param subdomain string
@param domain string    "example.org", or ".example.org" for names below it only
@param options? table   none is known
@return boolean? within
@return string? err    what isn't a domain name
@return string? code

    assert(domain_includes("mail.example.org", "example.org"))
*/
static int
net_domain_includes(lua_State *L)
{
	static const char *const names[] = { NULL };

	sl_options(L, 3, names);
	return is_below(L);
}

/* ---- forms of an address ------------------------------------------------------------ */

/* The bytes of an address; how many. 0: it is none. */
static size_t
address_bytes(struct sl_str ip, uint8_t out[16])
{
	struct sl_addr addr;

	if (sl_addr_parse_ip(&addr, ip, 0) != 0)
		return 0;
	if (addr.sa.sa_family == AF_INET) {
		memcpy(out, &addr.in4.sin_addr, 4);
		return 4;
	}
	memcpy(out, &addr.in6.sin6_addr, 16);
	return 16;
}

static int
no_address(lua_State *L, struct sl_str ip)
{
	return sl_fail(L, "syntax", "\"%s\" is not an IP address", ip.p);
}

/*lua
The bytes of an IP address, in network order.

@param ip string
@return string? bytes  4 or 16
@return string? err    it is no IP address
@return string? code   "syntax"

    assert(inet_pton("192.0.2.1") == "\xc0\x00\x02\x01")
*/
static int
net_pton(lua_State *L)
{
	struct sl_str ip = sl_arg_string(L, 1);
	uint8_t bytes[16];
	size_t n = address_bytes(ip, bytes);

	if (n == 0)
		return no_address(L, ip);
	sl_string(L, (struct sl_str){ (const char *)bytes, n });
	return 1;
}

/*lua
The text of an IP address that is given in 4 or 16 bytes.

@param ip string
@return string? text
@return string? err   there are fewer or more bytes
@return string? code  "syntax"

    assert(inet_ntop("\xc0\x00\x02\x01") == "192.0.2.1")
    assert(inet_ntop(inet_pton("2001:DB8::1")) == "2001:db8::1")
*/
static int
net_ntop(lua_State *L)
{
	struct sl_str bytes = sl_arg_string(L, 1);
	char text[INET6_ADDRSTRLEN];

	if (bytes.n != 4 && bytes.n != 16)
		return sl_fail(L, "syntax", "an IP address has 4 or 16 bytes, not %d", (int)bytes.n);
	sl_text(L, inet_ntop(bytes.n == 4 ? AF_INET : AF_INET6, bytes.p, text, sizeof(text)));
	return 1;
}

/*lua
The name of an IP address in reverse order, as PTR records and DNS lists have it.

@param ip string
@param zone? string   what stands behind it ("in-addr.arpa" or "ip6.arpa")
@return string? name
@return string? err   it is no IP address
@return string? code  "syntax"

    assert(inet_reverse("192.0.2.1") == "1.2.0.192.in-addr.arpa")
    assert(inet_reverse("192.0.2.1", "zen.example.org") == "1.2.0.192.zen.example.org")
*/
static int
net_reverse(lua_State *L)
{
	struct sl_str ip = sl_arg_string(L, 1);
	uint8_t bytes[16];
	size_t n = address_bytes(ip, bytes), i;
	struct sl_str zone = sl_arg_opt_string(L, 2, n == 4 ? "in-addr.arpa" : "ip6.arpa");
	struct sl_buf *out = sl_scratch(L);

	if (n == 0)
		return no_address(L, ip);
	for (i = n; i-- > 0;)
		if (n == 4)
			sl_buf_printf(out, "%d.", bytes[i]);
		else
			sl_buf_printf(out, "%x.%x.", bytes[i] & 15, bytes[i] >> 4);
	sl_charge(L, zone.n / 8);
	sl_buf_putstr(out, zone);
	sl_string(L, sl_buf_str(out));
	return 1;
}

/* ---- forms of a name ------------------------------------------------------------------ */

/*lua
A domain name as DNS has it (RFC 5891): lower case, labels beyond ASCII as `xn--`.

@param domain string  UTF-8
@return string? name
@return string? err   it is no domain name
@return string? code

    assert(idna_encode("Bücher.example") == "xn--bcher-kva.example")
*/
static int
net_idna_encode(lua_State *L)
{
	char name[256];
	struct sl_err err;

	if (sl_domain_normalize(name, sl_arg_string(L, 1), &err) != 0)
		return sl_fail_err(L, &err);
	sl_text(L, name);
	return 1;
}

/*lua
A domain name as people read it: labels that begin with `xn--` in UTF-8.

@param domain string
@return string? name
@return string? err   it is no domain name
@return string? code

    assert(idna_decode("xn--bcher-kva.example") == "bücher.example")
*/
static int
net_idna_decode(lua_State *L)
{
	struct sl_buf *out = sl_scratch(L);
	struct sl_err err;

	if (sl_domain_to_unicode(out, sl_arg_string(L, 1), &err) != 0)
		return sl_fail_err(L, &err);
	sl_string(L, sl_buf_str(out));
	return 1;
}

/*lua
The public suffix that a domain is below of, as the list of publicsuffix.org has it.

@param domain string
@return string? suffix
@return string? err    it is no domain name
@return string? code

    assert(domain_publicsuffix("mail.example.co.uk") == "co.uk")
*/
static int
net_publicsuffix(lua_State *L)
{
	char name[256];
	const char *org, *dot;
	bool suffix = false;
	struct sl_err err;

	if (sl_domain_normalize(name, sl_arg_string(L, 1), &err) != 0)
		return sl_fail_err(L, &err);
	org = sl_orgdomain_psl(name, &suffix);
	dot = suffix ? NULL : strchr(org, '.');
	sl_text(L, dot != NULL ? dot + 1 : org);
	return 1;
}

const struct sl_builtin sl_module_net[] = {
	{ "in_network", net_in_network, SL_AT_ANY | SL_YES_NO },
	{ "inet_includes", net_inet_includes, SL_AT_ANY | SL_YES_NO },
	{ "is_subdomain", net_is_subdomain, SL_AT_ANY | SL_YES_NO },
	{ "domain_includes", net_domain_includes, SL_AT_ANY | SL_YES_NO },
	{ "inet_pton", net_pton, SL_AT_ANY },
	{ "inet_ntop", net_ntop, SL_AT_ANY },
	{ "inet_reverse", net_reverse, SL_AT_ANY },
	{ "idna_encode", net_idna_encode, SL_AT_ANY },
	{ "idna_decode", net_idna_decode, SL_AT_ANY },
	{ "domain_publicsuffix", net_publicsuffix, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
