/* Sockets without a network: what is refused before anybody is asked. tests/socket_test.py has peers. */
#include "../testing.h"

#define NOT_LISTED	"nil, \"private addresses and unix sockets have to be listed in sockets.allow of " \
	"sluice.lua\", \"refused\""

static const struct expression making[] = {
	{ "Socket('AF_INET') ~= Socket('AF_INET'), type(Socket('AF_UNIX', 'SOCK_STREAM'))", "true, \"userdata\"" },
	{ "Socket('INET')", "!\"AF_INET\", \"AF_INET6\" or \"AF_UNIX\" expected" },
	{ "Socket('AF_INET', 'SOCK_DGRAM')", "!only \"SOCK_STREAM\" is built" },
	{ "Socket('AF_INET'):bind('127.0.0.1')", "!has no method bind" },
};

static const struct expression addresses[] = {
	{ "Socket('AF_INET'):connect('127.0.0.1', 25)", NOT_LISTED },
	{ "Socket('AF_INET'):connect('169.254.1.1', 25)", NOT_LISTED },
	{ "Socket('AF_INET'):connect('::ffff:10.0.0.1', 25)", NOT_LISTED },
	{ "Socket('AF_INET6'):connect('::1', 25)", NOT_LISTED },
	{ "Socket('AF_UNIX'):connect('/run/clamd.ctl')", NOT_LISTED },
	{ "Socket('AF_INET'):connect('::1', 25)",
	    "nil, \"this is no address of the socket's family\", \"syntax\"" },
	{ "Socket('AF_INET'):connect('mx.example.org', 25)",
	    "nil, \"this is no address of the socket's family\", \"syntax\"" },
	{ "Socket('AF_INET'):connect('192.0.2.1', 0)", "!" },
	{ "Socket('AF_INET'):connect('192.0.2.1', 65536)", "!" },
	{ "Socket('AF_UNIX'):connect(('x'):rep(200))",
	    "nil, \"this is no address of the socket's family\", \"syntax\"" },
	{ "local s = Socket('AF_INET'); s:connect('127.0.0.1', 1); return s:errno(), s:close() == s", "13, true" },
};

static const struct expression unconnected[] = {
	{ "Socket('AF_INET'):send('x')", "nil, \"not connected\", \"invalid\"" },
	{ "Socket('AF_INET'):recv(1)", "nil, \"not connected\", \"closed\"" },
	{ "Socket('AF_INET'):recv(0)", "!" },
	{ "Socket('AF_INET'):recv(1048577)", "!" },
	{ "Socket('AF_INET'):recv(1, 'MSG_OOB')", "!\"MSG_PEEK\", \"MSG_WAITALL\" or \"MSG_DONTWAIT\" expected" },
	{ "Socket('AF_INET'):settimeout(0)", "!" },
	{ "Socket('AF_INET'):settimeout(601)", "!" },
	{ "Socket('AF_INET'):shutdown('ALL')", "!\"SHUT_RD\", \"SHUT_WR\" or \"SHUT_RDWR\" expected" },
	{ "Socket.connect", "!" },
};

static const struct expression tls[] = {
	{ "TLSSocket(Socket('AF_INET'))", "!which name is verified" },
	{ "TLSSocket(Socket('AF_INET'), { tls_ciphers = 'ALL' })", "!isn't to be had here" },
	{ "TLSSocket(Socket('AF_INET'), { sni = 'x' })", "!option \"sni\" is unknown" },
	{ "TLSSocket('x', {})", "!" },
	{ "TLSSocket(Socket('AF_INET'), { tls_verify_ca = false }):send('x')", "!handshake() comes first" },
	{ "local s = Socket('AF_INET'); local t = TLSSocket(s, { tls_sni = 'a.example' }); return t:toSocket() == s, t:errno()",
	    "true, 0" },
	{ "TLSSocket(Socket('AF_INET'), { tls_sni = 'a.example' }):handshake()", "nil, \"not connected\", \"invalid\"" },
};

static const struct expression in_hsl[] = {
	{ "[Socket::AF(\"192.0.2.1\"), Socket::AF(\"2001:db8::1\"), Socket::AF(\"x\")]",
	    "[0=>\"AF_INET\",1=>\"AF_INET6\",2=>nil]" },
	{ "array_map(Socket::AF, [\"192.0.2.1\"])", "[0=>\"AF_INET\"]" },
	{ "Socket(\"AF_INET\", \"SOCK_STREAM\")->connect(\"127.0.0.1\", 25)", "nil" },
};

HSL_CASE(in_hsl)
CASE(making)
CASE(addresses)
CASE(unconnected)
CASE(tls)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_making),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_unconnected),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_in_hsl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
