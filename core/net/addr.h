/* Socket addresses and networks: IPv4, IPv6, unix. */
#ifndef SL_NET_ADDR_H
#define SL_NET_ADDR_H

#include <sys/socket.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "../base/bytes.h"
#include "../base/err.h"

struct sl_addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in4;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		struct sockaddr_storage storage;
	};
};

/* "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path", "*:25" (:: dual-stack). No names. */
int	 sl_addr_parse(struct sl_addr *out, struct sl_str text, struct sl_err *err);
/* An IP address without port, as in a fact or a DNS answer. IPv4-mapped IPv6 becomes IPv4. */
int	 sl_addr_parse_ip(struct sl_addr *out, struct sl_str text, uint16_t port);
/* "192.0.2.1" / "2001:db8::1" / path; out has 64 bytes at least for IPs. */
const char *sl_addr_ip(const struct sl_addr *a, char *out, size_t size);
uint16_t sl_addr_port(const struct sl_addr *a);
const char *sl_addr_text(const struct sl_addr *a, char *out, size_t size);	/* with port */
bool	 sl_addr_is_loopback(const struct sl_addr *a);
/* Link-local, private, loopback, unspecified, multicast: what http() must not reach unasked. */
bool	 sl_addr_is_private(const struct sl_addr *a);
bool	 sl_addr_is_linklocal(const struct sl_addr *a);

/* "192.0.2.0/24", "2001:db8::/32", "192.0.2.1", "192.0.2.1-192.0.2.9". */
struct sl_network {
	int family;
	uint8_t first[16], last[16];
};
int	 sl_network_parse(struct sl_network *out, struct sl_str text, struct sl_err *err);
bool	 sl_network_has(const struct sl_network *net, const struct sl_addr *ip);

#endif
