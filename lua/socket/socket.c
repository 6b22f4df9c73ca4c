/*
 * Sockets of scripts: TCP and unix stream sockets, and TLS on them. They wait on our loop as
 * everything else does, reach what the policy allows, and are closed when their run ends.
 */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "../../core/base/alloc.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/net/talk.h"
#include "../../core/policy/config.h"
#include "../../core/policy/owner.h"

#define MAX_OPEN	16			/* of a run, at once */
#define MAX_SEND	(16 * 1024 * 1024)	/* bytes of one send */
#define TIMEOUT		30			/* seconds, unless settimeout says another */
#define MAX_TIMEOUT	600

/* Of class Socket, and of TLSSocket, which talks by the connection of its Socket (user value 1). */
struct socket {
	struct sl_talk *talk;
	int family;		/* 0 = that of the address */
	int64_t timeout_ms;
	int error;		/* errno of what failed last */
	bool tls;		/* TLSSocket: the handshake is done */
	bool peek;
};

static void
clear(void *data)
{
	sl_talk_unref(((struct socket *)data)->talk);
}

static struct socket *
socket_at(lua_State *L, int arg)
{
	struct socket *s = sl_object_at(L, arg, "TLSSocket");

	return s != NULL ? s : sl_arg_object(L, arg, "Socket");
}

/* ---- failures -------------------------------------------------------------------- */

static int
fail(lua_State *L, struct socket *s, int error, const char *code, const char *text)
{
	s->error = error;
	return sl_fail(L, code, "%s", text);
}

static int
errno_of(int status)
{
	return status == SL_ERR_TIMEOUT ? ETIMEDOUT : status == SL_ERR_CLOSED ? EPIPE :
	    status == SL_ERR_INVAL ? ENOTCONN : status == SL_ERR_NOMEM ? ENOMEM : EIO;
}

static int
failed(lua_State *L, const struct sl_op *op)
{
	struct socket *s = socket_at(L, 1);
	const struct sl_talk_op *o = (const struct sl_talk_op *)op;

	return fail(L, s, errno_of(op->status), sl_err_word(op->status),
	    op->status == SL_ERR_TIMEOUT ? "no answer in time" : o->err.text);
}

/* this, for chains; or the failure. */
static int
done(lua_State *L, struct sl_op *op)
{
	if (op->status != 0)
		return failed(L, op);
	lua_settop(L, 1);
	return 1;
}

/* ---- the run's connections --------------------------------------------------------- */

struct open {
	struct sl_at_end at_end;
	struct sl_talk *talk;
};

static void
close_open(struct sl_at_end *at_end)
{
	struct open *o = (struct open *)at_end;

	sl_talk_close(o->talk);
	sl_talk_unref(o->talk);
	sl_free(o);
}

/* That of this connection, 'talk' NULL: any; the number of them in *n (may be NULL). */
static struct open *
find_open(lua_State *L, const struct sl_talk *talk, unsigned *n)
{
	struct sl_at_end *at_end = NULL;
	struct open *found = NULL;

	while ((at_end = sl_run_at_end_next(L, at_end)) != NULL) {
		if (at_end->fn != close_open)
			continue;
		if (n != NULL)
			(*n)++;
		if (((struct open *)at_end)->talk == talk)
			found = (struct open *)at_end;
	}
	return found;
}

static void
keep_open(lua_State *L, struct sl_talk *talk)
{
	struct open *o;
	unsigned n = 0;

	find_open(L, NULL, &n);
	if (n >= MAX_OPEN)
		luaL_error(L, "more than %d sockets are open", MAX_OPEN);
	if ((o = sl_calloc(1, sizeof(*o))) == NULL)
		luaL_error(L, "out of memory");
	o->at_end.fn = close_open;
	o->talk = sl_talk_ref(talk);
	sl_run_at_end(L, &o->at_end);
}

static void
close_now(lua_State *L, struct sl_talk *talk)
{
	struct open *o = find_open(L, talk, NULL);

	if (o == NULL) {
		sl_talk_close(talk);
		return;
	}
	sl_run_at_end_now(L, &o->at_end);
}

/* ---- Socket ------------------------------------------------------------------------- */

static int
family_of(struct sl_str name)
{
	return sl_str_eq(name, SL_STR("AF_INET")) ? AF_INET : sl_str_eq(name, SL_STR("AF_INET6")) ?
	    AF_INET6 : sl_str_eq(name, SL_STR("AF_UNIX")) ? AF_UNIX : 0;
}

/*lua
A socket: a TCP connection to an address, or one to a unix socket of this machine.

Private addresses and unix sockets are refused unless `sockets = { allow = { ... } }` in sluice.lua
lists them. Every wait counts as an operation, every byte received as one of `http_bytes`; what has come
already is given without waiting. At most 16 are open in a run, and its end closes them.

@param family string  "AF_INET", "AF_INET6" or "AF_UNIX"
@param type? string   "SOCK_STREAM", which is the only one
@return Socket socket

    local socket = Socket("AF_INET", "SOCK_STREAM"):settimeout(5)
    local ok, err, code = socket:connect("127.0.0.1", 11211)
    assert(not ok and code == "refused")	-- sockets.allow lists nothing
*/
static int
socket_make(lua_State *L)
{
	int family = family_of(sl_arg_string(L, 1));
	struct sl_str type = sl_arg_opt_string(L, 2, "SOCK_STREAM");
	struct sl_talk *talk;
	struct socket *s;

	luaL_argcheck(L, family != 0, 1, "\"AF_INET\", \"AF_INET6\" or \"AF_UNIX\" expected");
	luaL_argcheck(L, sl_str_eq(type, SL_STR("SOCK_STREAM")), 2, "only \"SOCK_STREAM\" is built");
	s = sl_object_new(L, "Socket", sizeof(*s), 1, clear);
	s->talk = talk = sl_talk_new(sl_vm_loop(sl_vm_of(L)));
	s->family = family;
	s->timeout_ms = 1000 * TIMEOUT;
	if (talk == NULL)
		return luaL_error(L, "out of memory");
	return 1;
}

/*lua
The family of an address, for Socket.

@param address string
@return string? family  "AF_INET" or "AF_INET6"; none for what is no address

    $address = "2001:db8::25";
    $socket = Socket(Socket::AF($address), "SOCK_STREAM");
*/
static int
socket_family(lua_State *L)
{
	struct sl_addr a;

	if (sl_addr_parse_ip(&a, sl_arg_string(L, 1), 0) != 0)
		sl_none(L);
	else
		sl_text(L, a.sa.sa_family == AF_INET ? "AF_INET" : "AF_INET6");
	return 1;
}

static int
take_address(lua_State *L, const struct socket *s, struct sl_addr *to)
{
	struct sl_str text = sl_arg_string(L, 2);
	struct sl_err err;

	if (s->family == AF_UNIX) {
		sl_string(L, SL_STR("unix:"));
		lua_pushvalue(L, 2);
		lua_concat(L, 2);
		return sl_addr_parse(to, sl_arg_string(L, lua_gettop(L)), &err);
	}
	if (sl_addr_parse_ip(to, text, (uint16_t)sl_arg_number(L, 3, 1, 65535)) != 0)
		return SL_ERR_SYNTAX;
	return to->sa.sa_family == s->family ? 0 : SL_ERR_SYNTAX;
}

static int
connected(lua_State *L, struct sl_op *op)
{
	if (op->status == 0)
		return done(L, op);
	close_now(L, socket_at(L, 1)->talk);
	if (op->status == SL_ERR_IO)
		return fail(L, socket_at(L, 1), ECONNREFUSED, "connect", ((struct sl_talk_op *)op)->err.text);
	return failed(L, op);
}

/*lua
Connect.

@param address string  an IP address of the socket's family, or the path of a unix socket
@param port? number    of an IP address
@return Socket? this
@return string? err
@return string? code   "refused": not allowed; "connect" "timeout" "syntax"

    local socket = Socket("AF_INET")
    local ok, err, code = socket:connect("192.0.2.25", 25)
*/
static int
socket_connect(lua_State *L)
{
	struct socket *s = sl_arg_object(L, 1, "Socket");
	struct sl_addr to;
	char text[128];

	lua_settop(L, 3);
	if (take_address(L, s, &to) != 0)
		return fail(L, s, EINVAL, "syntax", "this is no address of the socket's family");
	if (!sl_engine_reaches_all(L) && !sl_config_socket(sl_engine_config_of(L), &to))
		return fail(L, s, EACCES, "refused", "private addresses and unix sockets have to be listed in sockets.allow of "
		    "sluice.lua");
	if (sl_talk_is_open(s->talk))
		return fail(L, s, EISCONN, "connect", "connected already");
	if (!sl_engine_may_connect(L, sl_addr_text(&to, text, sizeof(text))))
		return fail(L, s, ECONNREFUSED, "connect", "nobody answers there");
	keep_open(L, s->talk);
	return sl_await(L, (struct sl_op *)sl_talk_connect(s->talk, &to, s->timeout_ms), connected);
}

static int
sent(lua_State *L, struct sl_op *op)
{
	if (op->status != 0)
		return failed(L, op);
	sl_number(L, (double)sl_arg_string(L, 2).n);
	return 1;
}

/*lua
Send all of it.

@param data string  16 MB at most
@return number? bytes
@return string? err
@return string? code  "closed" "timeout" "io"

    local n, err = socket:send("get greylist\r\n")
    if not n then syslog("warning", "memcached: " .. err) end
*/
static int
socket_send(lua_State *L)
{
	struct socket *s = socket_at(L, 1);
	struct sl_str data = sl_arg_string(L, 2);

	luaL_argcheck(L, data.n <= MAX_SEND, 2, "more than 16 MB");
	sl_charge(L, data.n / 64);
	return sl_await(L, (struct sl_op *)sl_talk_send(s->talk, data, s->timeout_ms), sent);
}

/* ---- receiving ------------------------------------------------------------------------ */

static size_t
wanted(lua_State *L)
{
	return (size_t)sl_arg_number(L, 2, 1, SL_TALK_MAX_READ);
}

/* What is there, up to what is wanted; "" at the end. */
static int
give(lua_State *L, struct socket *s)
{
	struct sl_buf *in = sl_talk_in(s->talk);
	size_t n = wanted(L);

	if (in == NULL)
		return fail(L, s, ENOTCONN, "closed", "not connected");
	if (n > in->n)
		n = in->n;
	if (n == 0 && sl_talk_end(s->talk) != SL_ERR_CLOSED)
		return fail(L, s, errno_of(sl_talk_end(s->talk)), sl_err_word(sl_talk_end(s->talk)),
		    "the connection is broken");
	sl_spend(L, SL_BUDGET_HTTP_BYTES, n);
	sl_string(L, n > 0 ? (struct sl_str){ in->p, n } : SL_STR(""));
	if (!s->peek)
		sl_buf_drop(in, n);
	return 1;
}

static int
received(lua_State *L, struct sl_op *op)
{
	if (op->status != 0)
		return failed(L, op);
	return give(L, socket_at(L, 1));
}

struct flags {
	bool peek, all, now;
};

static void
take_flag(lua_State *L, struct flags *f, struct sl_str name)
{
	if (sl_str_eq(name, SL_STR("MSG_PEEK")))
		f->peek = true;
	else if (sl_str_eq(name, SL_STR("MSG_WAITALL")))
		f->all = true;
	else if (sl_str_eq(name, SL_STR("MSG_DONTWAIT")))
		f->now = true;
	else
		sl_arg_error(L, 3, "\"MSG_PEEK\", \"MSG_WAITALL\" or \"MSG_DONTWAIT\" expected");
}

static struct flags
take_flags(lua_State *L)
{
	struct flags f = { false, false, false };
	size_t i;

	if (!sl_arg_given(L, 3))
		return f;
	if (!lua_istable(L, 3)) {
		take_flag(L, &f, sl_arg_string(L, 3));
		return f;
	}
	for (i = 1; sl_list_get(L, 3, i); i++) {
		take_flag(L, &f, sl_arg_string(L, lua_gettop(L)));
		lua_pop(L, 1);
	}
	return f;
}

/*lua
Receive.

@param length number  bytes at most, up to 1 MB
@param flags? string|string[]  "MSG_PEEK": they stay; "MSG_WAITALL": wait for all of them; "MSG_DONTWAIT": only what is there. Not with TLS
@return string? data  "" when the other side has ended
@return string? err
@return string? code  "timeout" "again" (with MSG_DONTWAIT) "closed" "io"

    local line = ""
    repeat
      local part = socket:recv(100)
      line = line .. (part or "")
    until not part or part == "" or line:find("\n")
*/
static int
socket_recv(lua_State *L)
{
	struct socket *s = socket_at(L, 1);
	struct flags f;
	const struct sl_buf *in;
	size_t n = wanted(L);

	lua_settop(L, 3);
	f = take_flags(L);
	s->peek = f.peek;
	in = sl_talk_in(s->talk);
	if (in == NULL)
		return fail(L, s, ENOTCONN, "closed", "not connected");
	sl_charge(L, 20);
	if (in->n >= (f.all ? n : 1) || sl_talk_end(s->talk) != 0)
		return give(L, s);
	if (f.now && in->n == 0)
		return fail(L, s, EAGAIN, "again", "nothing is there");
	if (f.now)
		return give(L, s);
	return sl_await(L, (struct sl_op *)sl_talk_wait(s->talk, f.all ? n : 1, s->timeout_ms), received);
}

/* ---- the rest of Socket ----------------------------------------------------------------- */

/*lua
How long an operation of the socket may take; 30 seconds otherwise.

@param timeout number  seconds, 600 at most
@return Socket this

    local socket = Socket("AF_INET"):settimeout(2.5)
*/
static int
socket_settimeout(lua_State *L)
{
	struct socket *s = sl_arg_object(L, 1, "Socket");

	s->timeout_ms = (int64_t)ceil(1000 * sl_arg_number(L, 2, 0.001, MAX_TIMEOUT));
	lua_settop(L, 1);
	return 1;
}

/*lua
Close.

@return Socket this

    socket:close()
*/
static int
socket_close(lua_State *L)
{
	struct socket *s = sl_arg_object(L, 1, "Socket");

	close_now(L, s->talk);
	lua_settop(L, 1);
	return 1;
}

/*lua
End one direction, or both.

@param how string  "SHUT_WR": the other side sees our end; "SHUT_RD": nothing; "SHUT_RDWR": closes
@return Socket this

    socket:shutdown("SHUT_WR")
    local rest = socket:recv(1000)
*/
static int
socket_shutdown(lua_State *L)
{
	struct socket *s = sl_arg_object(L, 1, "Socket");
	struct sl_str how = sl_arg_string(L, 2);

	if (sl_str_eq(how, SL_STR("SHUT_RDWR")))
		close_now(L, s->talk);
	else if (sl_str_eq(how, SL_STR("SHUT_WR")))
		sl_talk_shutdown(s->talk);
	else if (!sl_str_eq(how, SL_STR("SHUT_RD")))
		return sl_arg_error(L, 2, "\"SHUT_RD\", \"SHUT_WR\" or \"SHUT_RDWR\" expected");
	lua_settop(L, 1);
	return 1;
}

/*lua
Why the last call failed, as an errno of the system: 111 connect, 110 timeout, 13 not allowed,
32 closed, 107 not connected, 11 nothing there, 22 no address, 5 anything else.

@return number errno  0: nothing failed

    if not socket:connect("192.0.2.25", 25) and socket:errno() == 110 then Defer("Try again later") end
*/
static int
socket_errno(lua_State *L)
{
	sl_number(L, socket_at(L, 1)->error);
	return 1;
}

/* ---- TLS ---------------------------------------------------------------------------------- */

/* Names of the product family that mean what isn't done here. */
static void
refuse_options(lua_State *L)
{
	static const char *const refused[] = { "tls_protocols", "tls_ciphers", "tls_client_cert", NULL };
	size_t i;

	for (i = 0; refused[i] != NULL; i++)
		if (sl_opt_push(L, 2, refused[i]))
			luaL_error(L, "option \"%s\" of TLSSocket isn't to be had here", refused[i]);
		else
			lua_pop(L, 1);
}

/* The first of tls_verify_name, else tls_sni; it stays on the stack. */
static const char *
take_name(lua_State *L)
{
	int top = lua_gettop(L);

	if (sl_opt_push(L, 2, "tls_verify_name")) {
		sl_arg_table(L, top + 1);
		if (sl_list_get(L, top + 1, 1))
			return sl_arg_string(L, lua_gettop(L)).p;
	}
	lua_settop(L, top);
	return sl_opt_string(L, 2, "tls_sni", NULL).p;
}

/*lua
TLS on a connected socket, as its client. Certificate and name are verified, unlike in the product family:
`tls_verify_ca = false` verifies nothing.

@param socket Socket
@param options? table  tls_verify_name (list: the name in the certificate), tls_sni (name asked for, verified where tls_verify_name isn't given), tls_verify_ca (true), tls_default_ca (any: the system's roots are always used)
@return TLSSocket socket

    local tls = TLSSocket(socket, { tls_verify_name = { "db.example.org" } })
    local ok, err = tls:handshake()
*/
static int
tls_make(lua_State *L)
{
	static const char *const names[] = { "tls_verify_name", "tls_verify_ca", "tls_default_ca", "tls_sni",
	    "tls_protocols", "tls_ciphers", "tls_client_cert", NULL };
	const struct socket *of = sl_arg_object(L, 1, "Socket");
	struct socket *s;
	const char *name;
	bool verify;

	sl_options(L, 2, names);
	lua_settop(L, 2);
	refuse_options(L);
	verify = sl_opt_bool(L, 2, "tls_verify_ca", true);
	name = take_name(L);
	if (verify && name == NULL)
		return luaL_error(L, "TLSSocket: tls_verify_name or tls_sni says which name is verified; "
		    "tls_verify_ca = false verifies nothing");
	s = sl_object_new(L, "TLSSocket", sizeof(*s), 3, clear);
	s->talk = sl_talk_ref(of->talk);
	s->timeout_ms = of->timeout_ms;
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	sl_text(L, name);
	lua_setiuservalue(L, -2, 2);
	sl_bool(L, verify);
	lua_setiuservalue(L, -2, 3);
	return 1;
}

static int
shaken(lua_State *L, struct sl_op *op)
{
	struct socket *s = sl_arg_object(L, 1, "TLSSocket");

	if (op->status != 0) {
		close_now(L, s->talk);
		return failed(L, op);
	}
	s->tls = true;
	lua_settop(L, 1);
	return 1;
}

/*lua
Begin TLS.

@return TLSSocket? this
@return string? err   what is wrong with the certificate, for one
@return string? code

    if tls:handshake() then tls:send("hello\r\n") end
*/
static int
tls_handshake(lua_State *L)
{
	struct socket *s = sl_arg_object(L, 1, "TLSSocket");
	struct sl_tls *tls;
	struct sl_err err;
	bool verify;

	lua_getiuservalue(L, 1, 3);
	verify = lua_toboolean(L, -1);
	lua_getiuservalue(L, 1, 2);
	if ((tls = sl_engine_tls(L, verify, &err)) == NULL)
		return sl_fail_err(L, &err);
	return sl_await(L, (struct sl_op *)sl_talk_starttls(s->talk, tls, lua_tostring(L, -1),
	    s->timeout_ms), shaken);
}

static struct socket *
arg_tls(lua_State *L)
{
	struct socket *s = sl_arg_object(L, 1, "TLSSocket");

	if (!s->tls)
		luaL_error(L, "TLSSocket: handshake() comes first");
	return s;
}

/*lua
Send all of it, encrypted. handshake comes first.

@param data string  16 MB at most
@return number? bytes
@return string? err
@return string? code

    tls:send("hello\r\n")
*/
static int
tls_send(lua_State *L)
{
	arg_tls(L);
	return socket_send(L);
}

/*lua
Receive what was sent encrypted.

@param length number  bytes at most, up to 1 MB
@return string? data  "" when the other side has ended
@return string? err
@return string? code

    local data = tls:recv(1000)
*/
static int
tls_recv(lua_State *L)
{
	arg_tls(L);
	lua_settop(L, 2);
	return socket_recv(L);
}

/*lua
End TLS, and the connection with it.

@return number status  1

    tls:shutdown()
*/
static int
tls_shutdown(lua_State *L)
{
	sl_arg_object(L, 1, "TLSSocket");
	close_now(L, socket_at(L, 1)->talk);
	sl_number(L, 1);
	return 1;
}

/*lua
Why the last call failed, as Socket:errno has it.

@return number errno

    local error = tls:errno()
*/
static int
tls_errno(lua_State *L)
{
	return socket_errno(L);
}

/*lua
The socket below.

@return Socket socket

    tls:toSocket():close()
*/
static int
tls_to_socket(lua_State *L)
{
	sl_arg_object(L, 1, "TLSSocket");
	lua_getiuservalue(L, 1, 1);
	return 1;
}

#define WAITS	(SL_AT_ANY | SL_WAITS | SL_IMPURE | SL_TAPED)

const struct sl_builtin sl_module_socket[] = {
	{ "Socket", socket_make, SL_AT_ANY | SL_IMPURE },
	{ "Socket.AF", socket_family, SL_AT_ANY | SL_HSL },
	{ "Socket:connect", socket_connect, WAITS },
	{ "Socket:send", socket_send, WAITS },
	{ "Socket:recv", socket_recv, WAITS },
	{ "Socket:settimeout", socket_settimeout, SL_AT_ANY },
	{ "Socket:shutdown", socket_shutdown, SL_AT_ANY | SL_IMPURE },
	{ "Socket:close", socket_close, SL_AT_ANY | SL_IMPURE },
	{ "Socket:errno", socket_errno, SL_AT_ANY | SL_IMPURE | SL_TAPED },
	{ "TLSSocket", tls_make, SL_AT_ANY | SL_IMPURE },
	{ "TLSSocket:handshake", tls_handshake, WAITS },
	{ "TLSSocket:send", tls_send, WAITS },
	{ "TLSSocket:recv", tls_recv, WAITS },
	{ "TLSSocket:shutdown", tls_shutdown, SL_AT_ANY | SL_IMPURE },
	{ "TLSSocket:errno", tls_errno, SL_AT_ANY | SL_IMPURE | SL_TAPED },
	{ "TLSSocket:toSocket", tls_to_socket, SL_AT_ANY },
	{ NULL, NULL, 0 },
};
