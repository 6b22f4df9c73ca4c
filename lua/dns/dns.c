/* DNS look-ups. One function per record type; all wait. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "../../core/dns/dns.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"

#define MAX_SERVERS	8

static void
push_record(lua_State *L, const struct sl_dns_query *q, const struct sl_dns_record *r)
{
	char text[64];

	if (q->type == SL_DNS_A || q->type == SL_DNS_AAAA) {
		inet_ntop(q->type == SL_DNS_A ? AF_INET : AF_INET6, r->data.p, text, sizeof(text));
		sl_text(L, text);
	} else {
		sl_string(L, r->data);
	}
}

/* MX by preference, as a mail system tries them. */
static void
push_records(lua_State *L, const struct sl_dns_query *q)
{
	const struct sl_dns_answer *a = q->answer;
	unsigned last = 0, next;
	size_t i, left = a->n;

	sl_list_new(L);
	if (q->type != SL_DNS_MX) {
		for (i = 0; i < a->n; i++) {
			push_record(L, q, &a->records[i]);
			sl_list_add(L);
		}
		return;
	}
	while (left > 0) {
		next = UINT32_MAX;
		for (i = 0; i < a->n; i++)
			if (a->records[i].preference >= last && a->records[i].preference < next)
				next = a->records[i].preference;
		for (i = 0; i < a->n; i++)
			if (a->records[i].preference == next) {
				push_record(L, q, &a->records[i]);
				sl_list_add(L);
				left--;
			}
		last = next + 1;
	}
}

/* What the options are behind 'at' arguments, for 'answered' as well. */
static bool
extended(lua_State *L, int at)
{
	return sl_opt_bool(L, at, "extended_result", false);
}

static bool
has_failed(const struct sl_dns_query *q)
{
	return sl_dns_temporary(q->answer->status) || q->answer->status == SL_DNS_INVALID;
}

/* What fails: published HSL compares it with these words, and a forged answer is SERVFAIL to who doesn't
 * validate. */
static const char *
error_word(lua_State *L, enum sl_dns_status status)
{
	if (sl_is_hsl(L) && sl_dns_temporary(status))
		return status == SL_DNS_TIMEOUT ? "TRY_AGAIN" : "SERVFAIL";
	return sl_dns_status_word(status);
}

static int
push_extended(lua_State *L, const struct sl_dns_query *q)
{
	bool failed = has_failed(q);

	sl_map_new(L);
	if (failed)
		sl_text(L, error_word(L, q->answer->status));
	else
		push_records(L, q);
	sl_map_set(L, failed ? "error" : "result");
	sl_bool(L, q->answer->secure);
	sl_map_set(L, "dnssec");
	return 1;
}

static int
answered_at(lua_State *L, const struct sl_dns_query *q, int options)
{
	const char *word = sl_dns_status_word(q->answer->status);

	if (extended(L, options))
		return push_extended(L, q);
	if (has_failed(q))
		return sl_fail(L, word, "%s %s: %s", sl_dns_type_word(q->type), q->name, word);
	push_records(L, q);
	return 1;
}

static int
answered(lua_State *L, struct sl_op *op)
{
	return answered_at(L, (const struct sl_dns_query *)op, 2);
}

static int
listed(lua_State *L, struct sl_op *op)
{
	return answered_at(L, (const struct sl_dns_query *)op, 3);
}

/* The option 'servers', or the policy's resolver. Raises for what is no address. */
static struct sl_dns *
resolver(lua_State *L, int options)
{
	const char *servers[MAX_SERVERS + 1] = { NULL };
	struct sl_addr addr;
	struct sl_err err;
	struct sl_dns *dns;
	int top = lua_gettop(L);
	size_t i, n = 0;

	if (sl_engine_dns(L) == NULL)
		luaL_error(L, "DNS isn't to be had here");
	if (!sl_opt_push(L, options, "servers")) {
		lua_settop(L, top);
		return sl_engine_dns(L);
	}
	sl_arg_table(L, top + 1);
	for (i = 1; sl_list_get(L, top + 1, i); i++) {
		struct sl_str server = sl_arg_string(L, lua_gettop(L));

		if (n == MAX_SERVERS)
			luaL_error(L, "option \"servers\": more than %d", MAX_SERVERS);
		if (sl_addr_parse_ip(&addr, server, 53) != 0 && sl_addr_parse(&addr, server, &err) != 0)
			luaL_error(L, "option \"servers\": \"%s\" is no address", server.p);
		servers[n++] = server.p;	/* stays on the stack */
	}
	if (n == 0)
		luaL_error(L, "option \"servers\": an empty list");
	dns = sl_engine_dns_at(L, servers, &err);
	if (dns == NULL)
		luaL_error(L, "%s", err.text);
	lua_settop(L, top);
	return dns;
}

/* The question, on its way; its options are at 'options'. */
static struct sl_op *
question(lua_State *L, const char *name, enum sl_dns_type type, int options)
{
	double timeout = sl_opt_number(L, options, "timeout", 0.01, 60, 5);
	struct sl_dns *dns = resolver(L, options);

	sl_spend(L, SL_BUDGET_DNS, 1);
	return (struct sl_op *)sl_dns_query(dns, name, type, (int64_t)(timeout * 1000));
}

static int
ask_name(lua_State *L, const char *name, enum sl_dns_type type, int options)
{
	extended(L, options);
	return sl_await(L, question(L, name, type, options), options == 2 ? answered : listed);
}

static const char *const option_names[] = { "timeout", "extended_result", "servers", NULL };

static int
ask(lua_State *L, enum sl_dns_type type)
{
	struct sl_str name = sl_arg_string(L, 1);

	sl_options(L, 2, option_names);
	if (memchr(name.p, '\0', name.n) != NULL)
		return sl_fail(L, "invalid", "the name has a NUL byte");
	lua_settop(L, 2);
	return ask_name(L, name.p, type, 2);
}

/*lua
Look up the IPv4 addresses of a name, as dns4 does.

@param name string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? addresses  empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "invalid"

    local addresses = dns("example.org")
*/
static int
dns_any(lua_State *L)
{
	return ask(L, SL_DNS_A);
}

/*lua
Look up the IPv4 addresses of a name.

@param name string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? addresses  empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "invalid"

    local addresses = dns4("example.org")
*/
static int
dns_4(lua_State *L)
{
	return ask(L, SL_DNS_A);
}

/*lua
Look up the IPv6 addresses of a name.

@param name string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? addresses  empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "invalid"

    local addresses = dns6("example.org")
*/
static int
dns_6(lua_State *L)
{
	return ask(L, SL_DNS_AAAA);
}

/*lua
Look up the mail exchangers of a domain, in order of preference.

@param name string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? hosts  empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "invalid"

    local hosts = dnsmx("example.org")
*/
static int
dns_mx(lua_State *L)
{
	return ask(L, SL_DNS_MX);
}

/*lua
Look up the TXT records of a name.

@param name string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? txt    the records, each with its strings joined; empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "invalid"

    local txt = dnstxt("example.org")
*/
static int
dns_txt(lua_State *L)
{
	return ask(L, SL_DNS_TXT);
}

/*lua
Look up the canonical name of an alias.

@param name string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? names  empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "invalid"

    local names = dnscname("www.example.org")
*/
static int
dns_cname(lua_State *L)
{
	return ask(L, SL_DNS_CNAME);
}

/*lua
Look up the names of an IP address.

@param ip string
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@return string[]? names  empty if there is none
@return string? err
@return string? code     "timeout" "servfail" "bogus" "syntax"

    local names = dnsptr("192.0.2.1")
*/
static int
dns_ptr(lua_State *L)
{
	struct sl_str ip = sl_arg_string(L, 1);
	struct sl_addr addr;
	char name[80];

	sl_options(L, 2, option_names);
	lua_settop(L, 2);
	if (sl_addr_parse_ip(&addr, ip, 0) != 0)
		return sl_fail(L, "syntax", "\"%s\" is not an IP address", ip.p);
	sl_dns_reverse(&addr, name, sizeof(name));
	return ask_name(L, name, SL_DNS_PTR, 2);
}

/* As in 2016, (ip, zone, resolvers, timeout): made options. */
static void
take_resolvers(lua_State *L)
{
	bool list = lua_istable(L, 3) && sl_is_list(L, 3) && sl_count(L, 3) > 0;

	if (!list && !sl_arg_given(L, 4))
		return;
	lua_settop(L, 4);
	sl_map_new(L);
	if (list) {
		lua_pushvalue(L, 3);
		sl_map_set(L, "servers");
	}
	if (sl_arg_given(L, 4)) {
		lua_pushvalue(L, 4);
		sl_map_set(L, "timeout");
	}
	lua_replace(L, 3);
}

/*lua
Ask a DNS block list about an IP address.

As in 2016, the servers may stand in place of the options, and the timeout behind them.

@param ip string
@param zone string      of the list
@param options? table  timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead), extended_result (a table { result = list or error = code, dnssec = validated })
@param timeout? number  seconds, where the servers stand in place of the options (5)
@return string[]? addresses  what the list answers; empty if it doesn't list the address
@return string? err
@return string? code     "timeout" "servfail" "bogus" "syntax" "invalid"

    local listed = dnsbl("192.0.2.1", "bl.example.org")
*/
static int
dns_bl(lua_State *L)
{
	struct sl_str ip = sl_arg_string(L, 1), zone = sl_arg_string(L, 2);
	struct sl_addr addr;
	char reverse[80], name[400], *end;

	take_resolvers(L);
	sl_options(L, 3, option_names);
	lua_settop(L, 3);
	if (sl_addr_parse_ip(&addr, ip, 0) != 0)
		return sl_fail(L, "syntax", "\"%s\" is not an IP address", ip.p);
	if (memchr(zone.p, '\0', zone.n) != NULL)
		return sl_fail(L, "invalid", "the zone has a NUL byte");
	sl_dns_reverse(&addr, reverse, sizeof(reverse));
	end = strstr(reverse, addr.sa.sa_family == AF_INET ? ".in-addr" : ".ip6");
	if (end != NULL)
		*end = '\0';
	snprintf(name, sizeof(name), "%s.%s", reverse, zone.p);
	return ask_name(L, name, SL_DNS_A, 3);
}

static int
queried(lua_State *L, struct sl_op *op)
{
	return push_extended(L, (const struct sl_dns_query *)op);
}

/* Of the types whose records are texts here. */
static enum sl_dns_type
type_arg(lua_State *L)
{
	static const char *const words[] = { "a", "aaaa", "mx", "txt", "cname", "ptr", "ns", NULL };
	static const enum sl_dns_type types[] = { SL_DNS_A, SL_DNS_AAAA, SL_DNS_MX, SL_DNS_TXT,
	    SL_DNS_CNAME, SL_DNS_PTR, SL_DNS_NS };
	struct sl_str word = sl_opt_string(L, 2, "type", "a");
	size_t i;

	for (i = 0; words[i] != NULL; i++)
		if (sl_str_ieq(word, sl_str_of(words[i])))
			return types[i];
	luaL_error(L, "option \"type\": a, aaaa, mx, txt, cname, ptr or ns expected");
	return 0;
}

/*lua
Look up the records of a name, with everything that is known of the answer.

@param host string      for ptr as it stands in DNS: see inet_reverse
@param options? table   type ("a" "aaaa" "mx" "txt" "cname" "ptr" "ns"; "a"), timeout (seconds, 5), servers (list of "ip[:port]" to be asked instead)
@return table answer    result (a list, empty if there is nothing) or error ("timeout" "servfail" "bogus" "invalid"; in HSL "TRY_AGAIN" "SERVFAIL" "invalid"), dnssec (validated)

    local answer = dns_query("example.org", { type = "mx" })
    if answer.error then Defer("The domain can't be looked up now") end
*/
static int
dns_query(lua_State *L)
{
	static const char *const names[] = { "type", "timeout", "servers", NULL };
	struct sl_str name = sl_arg_string(L, 1);
	enum sl_dns_type type;

	sl_options(L, 2, names);
	if (memchr(name.p, '\0', name.n) != NULL)
		return sl_arg_error(L, 1, "the name has a NUL byte");
	lua_settop(L, 2);
	type = type_arg(L);
	return sl_await(L, question(L, name.p, type, 2), queried);
}

const struct sl_builtin sl_module_dns[] = {
	{ "dns_query", dns_query, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dns", dns_any, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dns4", dns_4, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dns6", dns_6, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dnsmx", dns_mx, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dnstxt", dns_txt, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dnscname", dns_cname, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dnsptr", dns_ptr, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "dnsbl", dns_bl, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ NULL, NULL, 0 },
};
