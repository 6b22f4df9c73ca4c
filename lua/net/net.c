/* Questions about addresses and names that need no network. */
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/address.h"
#include "../../core/net/addr.h"

/*lua
Whether an IP address lies in a network.

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
	struct sl_str ip = sl_arg_string(L, 1), text = sl_arg_string(L, 2);
	struct sl_network network;
	struct sl_addr addr;
	struct sl_err err;

	if (sl_addr_parse_ip(&addr, ip, 0) != 0)
		return sl_fail(L, "syntax", "\"%s\" is not an IP address", ip.p);
	if (sl_network_parse(&network, text, &err) != 0)
		return sl_fail_err(L, &err);
	sl_bool(L, sl_network_has(&network, &addr));
	return 1;
}

/*lua
Whether a domain is another or lies below it. With a leading dot the domain
itself doesn't count.

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
	struct sl_str child = sl_arg_string(L, 1), parent = sl_arg_string(L, 2);
	bool below = parent.n > 0 && parent.p[0] == '.';
	char a[256], b[256];
	struct sl_err err;

	if (sl_domain_normalize(a, child, &err) != 0 ||
	    sl_domain_normalize(b, below ? sl_str_sub(parent, 1, parent.n) : parent, &err) != 0)
		return sl_fail_err(L, &err);
	sl_bool(L, sl_domain_is_within(a, b) && !(below && strcmp(a, b) == 0));
	return 1;
}

const struct sl_builtin sl_module_net[] = {
	{ "in_network", net_in_network, SL_AT_ANY },
	{ "is_subdomain", net_is_subdomain, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
