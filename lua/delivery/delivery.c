/*
 * How an attempt goes: where to, in which protocol, as whom. In predelivery;
 * each change is for this attempt only. Try makes it, and can say all of that
 * at once.
 */
#include <string.h>

#include "../../core/engine/builtin.h"
#include "../../core/engine/value.h"
#include "../../core/policy/context.h"
#include "../address/envelope.h"

static struct sl_attempt_changes *
changes_of(lua_State *L)
{
	return &sl_context_of(L)->attempt->changes;
}

/* ---- checks: each returns a copy that lives as long as the attempt --------------------- */

/* A name as DNS has it, or an address. */
static const char *
host_name(lua_State *L, struct sl_str s)
{
	struct sl_addr addr;
	struct sl_err err;
	char name[256];

	if (sl_addr_parse_ip(&addr, s, 0) == 0)
		return sl_keep(L, s);
	if (sl_domain_normalize(name, s, &err) != 0)
		luaL_error(L, "\"%s\" is neither a host name nor an address: %s", s.p, err.text);
	return sl_keep(L, sl_str_of(name));
}

static const char *
helo_name(lua_State *L, struct sl_str s)
{
	struct sl_err err;
	char name[256];

	if (sl_domain_normalize(name, s, &err) != 0)
		luaL_error(L, "HELO: \"%s\": %s", s.p, err.text);
	return sl_keep(L, sl_str_of(name));
}

static const char *
source_address(lua_State *L, struct sl_str s)
{
	struct sl_addr addr;

	if (sl_addr_parse_ip(&addr, s, 0) != 0)
		luaL_error(L, "\"%s\" is not an IP address", s.p);
	return sl_keep(L, s);
}

/* RFC 4616 2: the parts of a PLAIN message are between NULs. */
static const char *
credential(lua_State *L, struct sl_str s)
{
	if (memchr(s.p, '\0', s.n) != NULL)
		luaL_error(L, "a user name or password with a NUL in it can't be sent");
	return sl_keep(L, s);
}

static const char *
tls_mode(lua_State *L, struct sl_str s)
{
	static const char *const words[] = { "disabled", "optional", "require", "require_verify", NULL };

	for (size_t i = 0; words[i] != NULL; i++)
		if (sl_str_eq(s, sl_str_of(words[i])))
			return words[i];
	luaL_error(L, "tls: \"%s\" isn't done here: disabled, optional, require or require_verify", s.p);
	return NULL;
}

static void
set_protocol(lua_State *L, struct sl_str s)
{
	struct sl_attempt_changes *c = changes_of(L);

	if (!sl_str_eq(s, SL_STR("smtp")) && !sl_str_eq(s, SL_STR("lmtp")))
		luaL_error(L, "protocol: \"smtp\" or \"lmtp\" expected, got \"%s\"", s.p);
	c->lmtp = sl_str_eq(s, SL_STR("lmtp"));
	c->smtp = !c->lmtp;
}

static void
set_credentials(lua_State *L, struct sl_str username, struct sl_str password)
{
	struct sl_attempt_changes *c = changes_of(L);

	if (password.n > 0)
		sl_secret_add(L, password);
	c->sasl_username = credential(L, username);
	c->sasl_password = credential(L, password);
}

/* ---- builtins -------------------------------------------------------------------------- */

/*lua
Send this attempt to another host than the transport's.

User name and password of the transport are for its own host: another gets none
but those of SetSASL.

@param host string   a host name or an address
@param port? number  the transport's

    SetDestination("relay.example.org", 587)
*/
static int
delivery_set_destination(lua_State *L)
{
	struct sl_str host = sl_arg_string(L, 1);
	double port = sl_arg_opt_number(L, 2, 1, 65535, -1);

	changes_of(L)->host = host_name(L, host);
	if (port > 0)
		changes_of(L)->port = (int)port;
	return 0;
}

/*lua
Speak SMTP or LMTP in this attempt.

@param protocol string  "smtp" or "lmtp"

    SetProtocol("lmtp")
*/
static int
delivery_set_protocol(lua_State *L)
{
	set_protocol(L, sl_arg_string(L, 1));
	return 0;
}

/*lua
Ask for another kind of TLS in this attempt.

@param options table  tls: "disabled", "optional", "require", "require_verify" (chain and name are checked)

    SetTLS{ tls = "require" }
*/
static int
delivery_set_tls(lua_State *L)
{
	static const char *const names[] = { "tls", NULL };
	struct sl_str tls;

	sl_arg_table(L, 1);
	sl_options(L, 1, names);
	tls = sl_opt_string(L, 1, "tls", "disabled");
	changes_of(L)->tls = tls_mode(L, tls);
	return 0;
}

/*lua
Authenticate in this attempt. The password is a secret from here on.

@param username string
@param password string

    SetSASL("relay", "secret")
*/
static int
delivery_set_sasl(lua_State *L)
{
	struct sl_str username = sl_arg_string(L, 1), password = sl_arg_string(L, 2);

	set_credentials(L, username, password);
	return 0;
}

/*lua
Greet with another name in this attempt.

@param hostname string  a host name

    SetHELO("out2.example.org")
*/
static int
delivery_set_helo(lua_State *L)
{
	struct sl_str name = sl_arg_string(L, 1);

	changes_of(L)->helo = helo_name(L, name);
	return 0;
}

/*lua
Connect from another address of this machine in this attempt.

Hosts of the other family can't be reached from it.

@param ip string       IPv4 or IPv6
@param options? table  nonlocal_source (false, and nothing else)

    SetSourceIP("192.0.2.25")
*/
static int
delivery_set_source_ip(lua_State *L)
{
	static const char *const names[] = { "nonlocal_source", NULL };
	struct sl_str ip = sl_arg_string(L, 1);

	sl_options(L, 2, names);
	if (sl_opt_bool(L, 2, "nonlocal_source", false))
		return luaL_error(L, "option \"nonlocal_source\": only addresses of this machine are possible");
	changes_of(L)->sourceip = source_address(L, ip);
	return 0;
}

static void
take_envelope(lua_State *L, const char *name, bool null_ok,
    int (*set)(struct sl_queued *q, const struct sl_address *a))
{
	struct sl_address a;

	if (!sl_opt_address(L, 1, name, null_ok, &a))
		return;
	if (set(sl_context_of(L)->attempt, &a) != 0)
		luaL_error(L, "out of memory");
}

/* One address, or a list of them, of which the first counts. */
static void
take_source(lua_State *L, struct sl_attempt_changes *c)
{
	int top = lua_gettop(L);

	if (sl_opt_push(L, 1, "sourceip") && lua_istable(L, -1) && !sl_list_get(L, top + 1, 1))
		luaL_error(L, "option \"sourceip\": an empty list");
	if (!lua_isnil(L, -1))
		c->sourceip = source_address(L, sl_arg_string(L, lua_gettop(L)));
	lua_settop(L, top);
}

static void
take_way(lua_State *L)
{
	struct sl_attempt_changes *c = changes_of(L);
	struct sl_str s, username = sl_opt_string(L, 1, "saslusername", NULL);
	double port = sl_opt_number(L, 1, "port", 1, 65535, -1);

	if ((s = sl_opt_string(L, 1, "host", NULL)).p != NULL)
		c->host = host_name(L, s);
	if (port > 0)
		c->port = (int)port;
	if ((s = sl_opt_string(L, 1, "helo", NULL)).p != NULL)
		c->helo = helo_name(L, s);
	take_source(L, c);
	if ((s = sl_opt_string(L, 1, "tls", NULL)).p != NULL)
		c->tls = tls_mode(L, s);
	if ((s = sl_opt_string(L, 1, "protocol", NULL)).p != NULL)
		set_protocol(L, s);
	if (username.p != NULL)
		set_credentials(L, username, sl_opt_string(L, 1, "saslpassword", ""));
}

/*lua
Make the delivery attempt now, and end the flow.

Addresses are texts, or tables of localpart and domain. The options change this attempt only; SetDestination and its like do the same
one by one.

@param options? table  host, port, sender, recipient, helo, sourceip (an address, or a list: the first), saslusername, saslpassword, tls ("disabled" "optional" "require" "require_verify"), protocol ("smtp" "lmtp")

    Try{ host = "relay.example.org", port = 587, tls = "require_verify" }
*/
static int
delivery_try(lua_State *L)
{
	static const char *const names[] = { "host", "port", "sender", "recipient", "helo", "sourceip",
	    "saslusername", "saslpassword", "tls", "protocol", NULL };

	sl_options(L, 1, names);
	take_way(L);
	take_envelope(L, "sender", true, sl_queued_set_sender);
	take_envelope(L, "recipient", false, sl_queued_set_recipient);
	sl_context_decide(sl_context_of(L), SL_TRY);
	return sl_end(L);
}

const struct sl_builtin sl_module_delivery[] = {
	{ "Try", delivery_try, SL_FINAL | SL_AT_PREDELIVERY },
	{ "SetDestination", delivery_set_destination, SL_AT_PREDELIVERY },
	{ "SetProtocol", delivery_set_protocol, SL_AT_PREDELIVERY },
	{ "SetTLS", delivery_set_tls, SL_AT_PREDELIVERY },
	{ "SetSASL", delivery_set_sasl, SL_AT_PREDELIVERY },
	{ "SetHELO", delivery_set_helo, SL_AT_PREDELIVERY },
	{ "SetSourceIP", delivery_set_source_ip, SL_AT_PREDELIVERY },
	{ NULL, NULL, 0 },
};
