/* Socket addresses and networks. Numbers only; names are DNS's. See addr.h. */
#include "addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void
set4(struct sl_addr *out, const void *bytes, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	out->len = sizeof(out->in4);
	out->in4.sin_family = AF_INET;
	out->in4.sin_port = htons(port);
	memcpy(&out->in4.sin_addr, bytes, 4);
}

static void
set6(struct sl_addr *out, const void *bytes, uint16_t port)
{
	memset(out, 0, sizeof(*out));
	out->len = sizeof(out->in6);
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons(port);
	memcpy(&out->in6.sin6_addr, bytes, 16);
}

int
sl_addr_parse_ip(struct sl_addr *out, struct sl_str text, uint16_t port)
{
	char buf[INET6_ADDRSTRLEN + 1];
	uint8_t bytes[16];

	if (text.n == 0 || text.n >= sizeof(buf) || memchr(text.p, '\0', text.n) != NULL)
		return SL_ERR_SYNTAX;
	memcpy(buf, text.p, text.n);
	buf[text.n] = '\0';
	if (inet_pton(AF_INET, buf, bytes) == 1)
		set4(out, bytes, port);
	else if (inet_pton(AF_INET6, buf, bytes) != 1)
		return SL_ERR_SYNTAX;
	else if (memcmp(bytes, mapped, 12) == 0)
		set4(out, bytes + 12, port);
	else
		set6(out, bytes, port);
	return 0;
}

static int
parse_unix(struct sl_addr *out, struct sl_str path, struct sl_err *err)
{
	memset(out, 0, sizeof(*out));
	if (path.n == 0 || path.n >= sizeof(out->un.sun_path) ||
	    memchr(path.p, '\0', path.n) != NULL)
		return sl_err_set(err, SL_ERR_SYNTAX, "a socket path has 1 to %zu bytes",
		    sizeof(out->un.sun_path) - 1);
	out->un.sun_family = AF_UNIX;
	memcpy(out->un.sun_path, path.p, path.n);
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.n + 1);
	return 0;
}

int
sl_addr_parse(struct sl_addr *out, struct sl_str text, struct sl_err *err)
{
	struct sl_str host, port;
	uint64_t number;
	ssize_t colon = -1;

	if (sl_str_starts(text, SL_STR("unix:")))
		return parse_unix(out, sl_str_sub(text, 5, text.n), err);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == ':')
			colon = (ssize_t)i;
	}
	if (colon < 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "%.*s: no port", (int)text.n, text.p);
	host = sl_str_sub(text, 0, (size_t)colon);
	port = sl_str_sub(text, (size_t)colon + 1, text.n);
	if (!sl_str_u64(port, &number) || number > 65535)
		return sl_err_set(err, SL_ERR_SYNTAX, "%.*s: not a port", (int)port.n, port.p);
	if (sl_str_eq(host, SL_STR("*"))) {
		set6(out, &in6addr_any, (uint16_t)number);
		return 0;
	}
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = sl_str_sub(host, 1, host.n - 1);
	else if (sl_str_chr(host, ':') >= 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "%.*s: an IPv6 address needs brackets",
		    (int)text.n, text.p);
	if (sl_addr_parse_ip(out, host, (uint16_t)number) < 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "%.*s: not an IP address", (int)host.n,
		    host.p);
	return 0;
}

/* The address as 16 bytes, IPv4 in the mapped form; false for others. */
static bool
bytes_of(const struct sl_addr *a, uint8_t out[16])
{
	if (a->len == 0)
		return false;
	if (a->sa.sa_family == AF_INET) {
		memcpy(out, mapped, 12);
		memcpy(out + 12, &a->in4.sin_addr, 4);
		return true;
	}
	if (a->sa.sa_family == AF_INET6) {
		memcpy(out, &a->in6.sin6_addr, 16);
		return true;
	}
	return false;
}

const char *
sl_addr_ip(const struct sl_addr *a, char *out, size_t size)
{
	uint8_t b[16];

	if (size == 0)
		return "";
	out[0] = '\0';
	if (a->len > offsetof(struct sockaddr_un, sun_path) && a->sa.sa_family == AF_UNIX)
		snprintf(out, size, "%s", a->un.sun_path);
	else if (!bytes_of(a, b))
		return out;
	else if (memcmp(b, mapped, 12) == 0)
		inet_ntop(AF_INET, b + 12, out, (socklen_t)size);
	else
		inet_ntop(AF_INET6, b, out, (socklen_t)size);
	return out;
}

uint16_t
sl_addr_port(const struct sl_addr *a)
{
	if (a->len != 0 && a->sa.sa_family == AF_INET)
		return ntohs(a->in4.sin_port);
	if (a->len != 0 && a->sa.sa_family == AF_INET6)
		return ntohs(a->in6.sin6_port);
	return 0;
}

const char *
sl_addr_text(const struct sl_addr *a, char *out, size_t size)
{
	char ip[128];

	sl_addr_ip(a, ip, sizeof(ip));
	if (a->len != 0 && a->sa.sa_family == AF_UNIX)
		snprintf(out, size, "unix:%s", ip);
	else if (strchr(ip, ':') != NULL)
		snprintf(out, size, "[%s]:%u", ip, sl_addr_port(a));
	else
		snprintf(out, size, "%s:%u", ip, sl_addr_port(a));
	return out;
}

struct block {
	uint8_t prefix[16];
	unsigned bits;
};

#define V4(a, b, c, d)	{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, (a), (b), (c), (d) }

/* RFC 6890 and the registries it began. */
static const struct block private_blocks[] = {
	{ V4(0, 0, 0, 0), 96 + 8 },
	{ V4(10, 0, 0, 0), 96 + 8 },
	{ V4(100, 64, 0, 0), 96 + 10 },
	{ V4(127, 0, 0, 0), 96 + 8 },
	{ V4(169, 254, 0, 0), 96 + 16 },
	{ V4(172, 16, 0, 0), 96 + 12 },
	{ V4(192, 0, 0, 0), 96 + 24 },
	{ V4(192, 168, 0, 0), 96 + 16 },
	{ V4(198, 18, 0, 0), 96 + 15 },
	{ V4(224, 0, 0, 0), 96 + 3 },		/* multicast, reserved, broadcast */
	{ { 0 }, 96 },				/* ::, ::1, IPv4-compatible */
	{ { 0xfc }, 7 },
	{ { 0xfe, 0x80 }, 10 },
	{ { 0xfe, 0xc0 }, 10 },
	{ { 0xff }, 8 },
};

static bool
within(const uint8_t ip[16], const struct block *b)
{
	unsigned whole = b->bits / 8, rest = b->bits % 8;

	return memcmp(ip, b->prefix, whole) == 0 &&
	    (rest == 0 || (ip[whole] ^ b->prefix[whole]) >> (8 - rest) == 0);
}

/* The IPv4 address inside a translated (RFC 6052) or 6to4 one, as mapped. */
static void
unwrap(uint8_t ip[16])
{
	static const uint8_t nat64[12] = { 0, 0x64, 0xff, 0x9b };
	uint8_t v4[4];

	if (memcmp(ip, nat64, 12) == 0)
		memcpy(v4, ip + 12, 4);
	else if (ip[0] == 0x20 && ip[1] == 0x02)
		memcpy(v4, ip + 2, 4);
	else
		return;
	memcpy(ip, mapped, 12);
	memcpy(ip + 12, v4, 4);
}

bool
sl_addr_is_private(const struct sl_addr *a)
{
	uint8_t ip[16];

	if (!bytes_of(a, ip))
		return true;
	unwrap(ip);
	for (size_t i = 0; i < sizeof(private_blocks) / sizeof(private_blocks[0]); i++) {
		if (within(ip, &private_blocks[i]))
			return true;
	}
	return false;
}

bool
sl_addr_is_loopback(const struct sl_addr *a)
{
	static const struct block four = { V4(127, 0, 0, 0), 96 + 8 };
	uint8_t ip[16];

	if (a->len != 0 && a->sa.sa_family == AF_UNIX)
		return true;
	return bytes_of(a, ip) &&
	    (within(ip, &four) || memcmp(ip, &in6addr_loopback, 16) == 0);
}

bool
sl_addr_is_linklocal(const struct sl_addr *a)
{
	static const struct block four = { V4(169, 254, 0, 0), 96 + 16 };
	static const struct block six = { { 0xfe, 0x80 }, 10 };
	uint8_t ip[16];

	if (!bytes_of(a, ip))
		return false;
	unwrap(ip);
	return within(ip, &four) || within(ip, &six);
}

static int
network_prefix(struct sl_network *out, uint64_t bits)
{
	unsigned skip = out->family == AF_INET ? 96 : 0;

	if (bits > 128 - skip)
		return SL_ERR_SYNTAX;
	for (unsigned i = skip + (unsigned)bits; i < 128; i++) {
		out->first[i / 8] &= (uint8_t)~(0x80u >> i % 8);
		out->last[i / 8] |= (uint8_t)(0x80u >> i % 8);
	}
	return 0;
}

int
sl_network_parse(struct sl_network *out, struct sl_str text, struct sl_err *err)
{
	ssize_t slash = sl_str_chr(text, '/'), dash = sl_str_chr(text, '-');
	size_t cut = slash >= 0 ? (size_t)slash : dash >= 0 ? (size_t)dash : text.n;
	struct sl_str rest = sl_str_sub(text, cut + 1, text.n);
	struct sl_addr first, last;
	uint64_t bits;

	if (sl_addr_parse_ip(&first, sl_str_sub(text, 0, cut), 0) < 0)
		goto bad;
	out->family = first.sa.sa_family;
	bytes_of(&first, out->first);
	bytes_of(&first, out->last);
	if (slash >= 0) {
		if (!sl_str_u64(rest, &bits))
			goto bad;
		/* ::ffff:192.0.2.0/120 is 192.0.2.0/24 */
		if (out->family == AF_INET && sl_str_chr(text, ':') >= 0)
			bits = bits >= 96 ? bits - 96 : UINT64_MAX;
		if (network_prefix(out, bits) < 0)
			goto bad;
	} else if (dash >= 0) {
		if (sl_addr_parse_ip(&last, rest, 0) < 0 || last.sa.sa_family != out->family)
			goto bad;
		bytes_of(&last, out->last);
		if (memcmp(out->first, out->last, 16) > 0)
			goto bad;
	}
	return 0;
bad:
	return sl_err_set(err, SL_ERR_SYNTAX, "%.*s: not a network", (int)text.n, text.p);
}

bool
sl_network_has(const struct sl_network *net, const struct sl_addr *ip)
{
	uint8_t b[16];

	if (!bytes_of(ip, b))
		return false;
	/* An IPv4 client on a dual-stack socket is an IPv4 client. */
	if ((memcmp(b, mapped, 12) == 0) != (net->family == AF_INET))
		return false;
	return memcmp(net->first, b, 16) <= 0 && memcmp(b, net->last, 16) <= 0;
}
