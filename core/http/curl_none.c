/*
 * In a build without libcurl (WITH_CURL=0): the network isn't asked. A host's
 * function may answer, so URLs are still taken apart.
 */
#include "client_private.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

int
sl_net_open(struct sl_http *http)
{
	(void)http;
	return 0;
}

void
sl_net_close(struct sl_net *net)
{
	(void)net;
}

/* RFC 3986 3.2 without user information, which no request of ours needs. */
int
sl_net_split_url(struct sl_request *r)
{
	bool tls = strncasecmp(r->url, "https://", 8) == 0;
	const char *host = r->url + (tls ? 8 : 7), *end, *port;
	struct sl_str digits;
	uint64_t n = tls ? 443 : 80;

	if (!tls && strncasecmp(r->url, "http://", 7) != 0)
		return SL_ERR_SYNTAX;
	end = host + strcspn(host, "/?#");
	port = *host == '[' ? memchr(host, ']', (size_t)(end - host)) : host + strcspn(host, ":/?#");
	if (port == NULL || memchr(host, '@', (size_t)(end - host)) != NULL)
		return SL_ERR_SYNTAX;
	snprintf(r->host, sizeof(r->host), "%.*s", (int)(port - host - (*host == '[')),
	    host + (*host == '['));
	port += *port == ']';
	digits = (struct sl_str){ port + 1, (size_t)(end - port) - (port < end) };
	if (r->host[0] == '\0' || (port < end && (*port != ':' ||
	    (digits.n > 0 && (!sl_str_u64(digits, &n) || n > 65535)))))
		return SL_ERR_SYNTAX;
	r->port = (int)n;
	return 0;
}

void
sl_net_start(struct sl_request *r, const char *const *headers)
{
	(void)headers;
	sl_request_fail(r, SL_ERR_REFUSED, "refused", "this sluice was built without libcurl (WITH_CURL=0)");
}

void
sl_net_cancel(struct sl_request *r)
{
	(void)r;
}

void
sl_net_free(struct sl_request *r)
{
	(void)r;
}
