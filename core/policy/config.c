#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../mail/address.h"
#include "../net/tls.h"
#include "config_private.h"
#include "image.h"

#define AT(field)	offsetof(struct sl_config, field)

/* ---- the schema ---------------------------------------------------------------------- */

static const struct key root_keys[] = {
	{ .name = "hostname", .type = KEY_STRING, .offset = AT(hostname),
	    .text = "our name in greetings, Received and Message-ID; the system's by default" },
	{ .name = "authserv_id", .type = KEY_STRING, .offset = AT(authserv_id),
	    .text = "our name in Authentication-Results, best one for all machines of the domain; hostname by "
	    "default. Fields of that name are removed from what clients send that aren't in trusted" },
	{ .name = "spool", .type = KEY_STRING, .offset = AT(spool), .dflt = "\"/var/spool/sluice\"",
	    .text = "folder of queue and temporary files; relative to the policy folder" },
	{ .name = "user", .type = KEY_STRING, .offset = AT(user),
	    .text = "who the processes run as when started as root" },
	{ .name = "workers", .type = KEY_INT, .offset = AT(workers), .dflt = "0", .min = 0, .max = 256,
	    .text = "worker processes; 0 = one per processor" },
	{ .name = "watchdog", .type = KEY_SECONDS, .offset = AT(watchdog), .dflt = "10", .min = 1,
	    .max = 3600, .text = "a worker that stands still so long is told to drop what it does, after "
	    "twice as long it is killed" },
	{ .name = "open_relay", .type = KEY_BOOL, .offset = AT(open_relay), .dflt = "false",
	    .text = "let unknown clients use \"*\" rows; refused off loopback" },
	{ .name = "size", .type = KEY_SIZE, .offset = AT(size), .dflt = "\"50M\"",
	    .min = 1000, .max = 1e15,
	    .text = "largest message" },
	{ .name = "recipients", .type = KEY_INT, .offset = AT(recipients), .dflt = "1000", .min = 1,
	    .max = 100000, .text = "recipients per message" },
	{ .name = "hops", .type = KEY_INT, .offset = AT(hops), .dflt = "50", .min = 1, .max = 1000,
	    .text = "Received fields from which on a message is taken to loop" },
	{ .name = "line_ends", .type = KEY_CHOICE, .offset = AT(line_ends), .dflt = "\"reject\"",
	    .choices = "reject fix", .text = "messages with a bare CR or LF: refuse, or normalise "
	    "before policy and signing" },
	{ .name = "reload_grace", .type = KEY_SECONDS, .offset = AT(reload_grace), .dflt = "60",
	    .max = 1e7,
	    .text = "how long a session may go on with a policy that was replaced" },
	{ .name = "level", .type = KEY_INT, .offset = AT(level), .dflt = "2026", .min = 2016,
	    .max = 2026, .text = "level of HSL, 2016 or 2026: what rcptto without an action, absent "
	    "header fields, ids of servers and transports and DKIM's canonicalization are" },
	{ .name = "retry", .type = KEY_SKIP,
	    .text = "seconds between delivery attempts, a list; the last repeats" },
	{ .name = "expire", .type = KEY_SECONDS, .offset = AT(expire), .dflt = "345600", .min = 60,
	    .max = 3e6, .text = "age at which an undelivered message is given up" },
	{ .name = "from_check", .type = KEY_CHOICE, .offset = AT(from_check), .dflt = "\"reject\"",
	    .choices = "reject accept", .text = "messages without exactly one From field with an "
	    "address; a server may have its own" },
	{ .name = "sender_login", .type = KEY_CHOICE, .offset = AT(sender_login), .dflt = "\"none\"",
	    .choices = "none domain", .text = "domain: reverse-path and From must be of the account's "
	    "domains; that is so by itself where a listener requires auth" },
	{ .name = "dkim", .type = KEY_SKIP, .text = "by domain, a list of keys that sign for it, the newest "
	    "first: DKIMSignFor takes the first that DNS has; or csv" },
	{ .name = "dkim_recheck", .type = KEY_SECONDS, .offset = AT(dkim_recheck), .dflt = "3600",
	    .min = 1, .max = 1e7, .text = "how long what DNS says of such a key is taken for granted" },
	{ .name = "dmarc", .type = KEY_CHOICE, .offset = AT(dmarc), .dflt = "\"rfc9989\"",
	    .choices = "rfc9989 rfc7489", .text = "the RFC that ScanDMARC decides by: tree walk and np=, or "
	    "public suffix list and pct=; event dmarc_rfcs_differ when the other one would decide "
	    "otherwise" },
	{ .name = "admin", .type = KEY_STRING, .offset = AT(admin),
	    .text = "address of /metrics and /health: \"127.0.0.1:8891\"" },
	{ .name = "connections", .type = KEY_SKIP, .text = "total (1000), per_ip (50)" },
	{ .name = "timeouts", .type = KEY_SKIP, .text = "command (300), message (600): seconds" },
	{ .name = "log", .type = KEY_SKIP, .text = "file, format (text), syslog, level (info)" },
	{ .name = "tls", .type = KEY_SKIP, .text = "cert, key: PEM files of the policy, or pki:NAME" },
	{ .name = "dns", .type = KEY_SKIP, .text = "servers, zone, zone_only, dnssec, anchor, timeout" },
	{ .name = "http", .type = KEY_SKIP, .text = "allow_private (false), timeout (30)" },
	{ .name = "sockets", .type = KEY_SKIP, .text = "allow: what Socket may reach beside public "
	    "addresses" },
	{ .name = "api", .type = KEY_SKIP, .text = "what api_call asks: url, headers, timeout, ttl, "
	    "negative_ttl, stale, max_body, on_failure" },
	{ .name = "apis", .type = KEY_SKIP, .text = "further ones by name" },
	{ .name = "limits", .type = KEY_SKIP, .text = "per run: steps, memory, time, operations, dns, "
	    "http_bytes" },
	{ .name = "users", .type = KEY_SKIP, .text = "file of accounts: name:crypt hash:domain,domain" },
	{ .name = "quarantine", .type = KEY_SKIP, .text = "list of quarantine names" },
	{ .name = "files", .type = KEY_ANY, .offset = AT(files), .text = "names for files of the policy "
	    "that file, in_file and file_get_contents read: { [\"1\"] = \"data/list.txt\" }; what is in data/ "
	    "has its own" },
	{ .name = "trusted", .type = KEY_SKIP, .text = "networks of known clients, a list; what they bring "
	    "of Authentication-Results in our name stays" },
	{ .name = "milter", .type = KEY_SKIP, .text = "timeout (7210), progress (10): of milter listeners" },
	{ .name = "shadow", .type = KEY_SKIP, .text = "policy, sample (1): the next policy runs beside this one "
	    "on real sessions, without effects; see doc/shadow.md" },
	{ .name = "listen", .type = KEY_SKIP, .text = "list of { smtp =, server =, auth =, tls = } and "
	    "{ milter =, server =, authenticated =, trusted = }" },
	{ .name = "servers", .type = KEY_SKIP, .text = "flows and relay table by name" },
	{ .name = "transports", .type = KEY_SKIP, .text = "ways of delivery by name" },
	{ 0 },
};

static const struct key connections_keys[] = {
	{ .name = "total", .type = KEY_INT, .offset = AT(connections.total), .dflt = "1000", .min = 1,
	    .max = 1e6, .text = "connections at once" },
	{ .name = "per_ip", .type = KEY_INT, .offset = AT(connections.per_ip), .dflt = "50", .min = 1,
	    .max = 1e6, .text = "of them from one address" },
	{ 0 },
};

static const struct key timeouts_keys[] = {
	{ .name = "command", .type = KEY_SECONDS, .offset = AT(timeouts.command), .dflt = "300",
	    .min = 1, .max = 3600, .text = "wait for a command" },
	{ .name = "message", .type = KEY_SECONDS, .offset = AT(timeouts.message), .dflt = "600",
	    .min = 1, .max = 7200, .text = "for a whole message" },
	{ 0 },
};

static const struct key log_keys[] = {
	{ .name = "file", .type = KEY_STRING, .offset = AT(log.file), .text = "JSON lines go there" },
	{ .name = "syslog", .type = KEY_STRING, .offset = AT(log.syslog), .text = "socket, /dev/log" },
	{ .name = "level", .type = KEY_STRING, .offset = AT(log.level), .dflt = "\"info\"",
	    .text = "least level: debug, info, notice, warning, error, critical" },
	{ 0 },
};

static const struct key tls_keys[] = {
	{ .name = "cert", .type = KEY_STRING, .offset = AT(tls.cert), .text = "certificate chain" },
	{ .name = "key", .type = KEY_STRING, .offset = AT(tls.key), .text = "private key" },
	{ 0 },
};

static const struct key dns_keys[] = {
	{ .name = "servers", .type = KEY_ANY, .offset = AT(dns.servers),
	    .text = "forwarders; the system's by default" },
	{ .name = "zone", .type = KEY_STRING, .offset = AT(dns.zone),
	    .text = "master-file text in the policy that answers first" },
	{ .name = "zone_only", .type = KEY_BOOL, .offset = AT(dns.zone_only), .dflt = "false",
	    .text = "ask nobody else" },
	{ .name = "dnssec", .type = KEY_CHOICE, .offset = AT(dns.dnssec), .dflt = "\"auto\"",
	    .choices = "auto on off", .text = "validation; auto: if the forwarder gives signatures" },
	{ .name = "anchor", .type = KEY_STRING, .offset = AT(dns.anchor), .text =
	    "file of the root's trust anchors in the policy; the system's by default" },
	{ .name = "timeout", .type = KEY_SECONDS, .offset = AT(dns.timeout), .dflt = "5", .min = 0.1,
	    .max = 60, .text = "of a question" },
	{ 0 },
};

static const struct key http_keys[] = {
	{ .name = "allow_private", .type = KEY_BOOL, .offset = AT(http.allow_private), .dflt = "false",
	    .text = "let http() reach private addresses" },
	{ .name = "timeout", .type = KEY_SECONDS, .offset = AT(http.timeout), .dflt = "30", .min = 0.1,
	    .max = 600, .text = "of a request" },
	{ 0 },
};

static const struct key sockets_keys[] = {
	{ .name = "allow", .type = KEY_ANY, .offset = AT(sockets.allow), .text = "list of private "
	    "networks, \"127.0.0.1\" or \"10.1.0.0/16\", and unix sockets, \"unix:/run/clamd.ctl\"" },
	{ 0 },
};

static const struct key limit_keys[] = {
	{ .name = "steps", .type = KEY_INT, .offset = AT(limit_values.steps), .dflt = "10000000",
	    .min = 1000, .max = 1e12, .text = "instructions and charged work" },
	{ .name = "memory", .type = KEY_SIZE, .offset = AT(limit_values.memory), .dflt = "\"32M\"",
	    .min = 65536, .max = 1e15, .text = "script values" },
	{ .name = "time", .type = KEY_SECONDS, .offset = AT(limit_values.time), .dflt = "60",
	    .min = 0.01, .max = 3600, .text = "wall time, waiting included" },
	{ .name = "operations", .type = KEY_INT, .offset = AT(limit_values.ops), .dflt = "200", .min = 1,
	    .max = 100000, .text = "operations waited for" },
	{ .name = "dns", .type = KEY_INT, .offset = AT(limit_values.dns), .dflt = "500", .min = 1,
	    .max = 100000, .text = "DNS questions" },
	{ .name = "http_bytes", .type = KEY_SIZE, .offset = AT(limit_values.http_bytes),
	    .dflt = "\"16M\"", .max = 1e15, .text = "bytes received by HTTP and sockets" },
	{ 0 },
};

#define API(field)	offsetof(struct sl_api_config, field)
static const struct key api_keys[] = {
	{ .name = "url", .type = KEY_STRING, .offset = API(url), .text = "base URL" },
	{ .name = "headers", .type = KEY_ANY, .offset = API(headers), .text = "names and values" },
	{ .name = "ca", .type = KEY_STRING, .offset = API(ca),
	    .text = "certificates that vouch for it, a PEM file of the policy; the system's if not given" },
	{ .name = "timeout", .type = KEY_SECONDS, .offset = API(timeout), .dflt = "5", .min = 0.1,
	    .max = 600, .text = "of a request" },
	{ .name = "ttl", .type = KEY_SECONDS, .offset = API(ttl), .dflt = "3600", .min = 0, .max = 1e7,
	    .text = "how long an answer serves" },
	{ .name = "negative_ttl", .type = KEY_SECONDS, .offset = API(negative_ttl), .dflt = "60",
	    .min = 0, .max = 1e7, .text = "how long \"there is nothing\" serves" },
	{ .name = "stale", .type = KEY_SECONDS, .offset = API(stale), .dflt = "86400", .min = 0,
	    .max = 1e7, .text = "how long an old answer serves while the API fails" },
	{ .name = "max_body", .type = KEY_SIZE, .offset = API(max_body), .dflt = "\"1M\"",
	    .min = 1, .max = 1e15, .text = "largest answer" },
	{ .name = "on_failure", .type = KEY_CHOICE, .offset = API(on_failure), .dflt = "\"script\"",
	    .choices = "script defer", .text = "who decides when there is no answer" },
	{ 0 },
};

#define TRANSPORT(field) offsetof(struct sl_transport, field)
struct transport_fields {
	struct sl_transport t;
	const char *lmtp, *maildir;
	bool mx, discard;
};

const struct key sl_transport_keys[] = {
	{ .name = "host", .type = KEY_STRING, .offset = TRANSPORT(host), .text = "deliver to this host" },
	{ .name = "port", .type = KEY_INT, .offset = TRANSPORT(port), .dflt = "0", .min = 0, .max = 65535,
	    .text = "25, LMTP 24" },
	{ .name = "mx", .type = KEY_BOOL, .offset = offsetof(struct transport_fields, mx),
	    .dflt = "false", .text = "deliver to the domain's MX" },
	{ .name = "lmtp", .type = KEY_STRING, .offset = offsetof(struct transport_fields, lmtp),
	    .text = "deliver to host:port by LMTP" },
	{ .name = "maildir", .type = KEY_STRING, .offset = offsetof(struct transport_fields, maildir),
	    .text = "deliver to this Maildir; %u local part, %d domain" },
	{ .name = "discard", .type = KEY_BOOL, .offset = offsetof(struct transport_fields, discard),
	    .dflt = "false", .text = "throw away" },
	{ .name = "tls", .type = KEY_CHOICE, .offset = TRANSPORT(tls), .dflt = "\"optional\"",
	    .choices = "none optional required verify", .text = "STARTTLS towards the host" },
	{ .name = "username", .type = KEY_STRING, .offset = TRANSPORT(username), .text = "AUTH" },
	{ .name = "password", .type = KEY_STRING, .offset = TRANSPORT(password), .text = "AUTH" },
	{ .name = "source", .type = KEY_STRING, .offset = TRANSPORT(source), .text = "source address" },
	{ .name = "helo", .type = KEY_STRING, .offset = TRANSPORT(helo), .text = "our name; hostname" },
	{ .name = "timeout", .type = KEY_SECONDS, .offset = TRANSPORT(timeout), .dflt = "300", .min = 1,
	    .max = 3600, .text = "of a command" },
	{ .name = "connections", .type = KEY_INT, .offset = TRANSPORT(connections), .dflt = "10",
	    .min = 1, .max = 10000,
	    .text = "at once to one destination (a domain, or the host), of all workers together" },
	{ 0 },
};

static const struct key milter_keys[] = {
	{ .name = "timeout", .type = KEY_SECONDS, .offset = AT(milter.timeout), .dflt = "7210", .min = 1,
	    .max = 1e6, .text = "without a word from the mail server, then its connection is closed" },
	{ .name = "progress", .type = KEY_SECONDS, .offset = AT(milter.progress), .dflt = "10",
	    .min = 0.1, .max = 3600, .text = "the mail server hears so often that scripts still work on "
	    "its message" },
	{ 0 },
};

static const struct key shadow_keys[] = {
	{ .name = "policy", .type = KEY_STRING, .offset = AT(shadow.policy),
	    .text = "folder of this policy where the next one is: \"next\"" },
	{ .name = "sample", .type = KEY_NUMBER, .offset = AT(shadow.sample), .dflt = "1", .min = 0, .max = 1,
	    .text = "share of the sessions that it sees, 0 to 1" },
	{ 0 },
};

static const struct group {
	const char *name;
	const struct key *keys;
} groups[] = {
	{ "", root_keys }, { "connections", connections_keys }, { "timeouts", timeouts_keys },
	{ "log", log_keys }, { "tls", tls_keys }, { "dns", dns_keys }, { "http", http_keys },
	{ "sockets", sockets_keys }, { "limits", limit_keys }, { "milter", milter_keys }, { "shadow", shadow_keys },
	{ "listen[]", sl_listener_keys }, { "listen[] of a milter", sl_milter_listener_keys }, { "api", api_keys }, { "servers.NAME", sl_server_keys },
	{ "transports.NAME", sl_transport_keys }, { "dkim.DOMAIN[]", sl_dkim_keys },
};

#define NGROUPS	(sizeof(groups) / sizeof(groups[0]))
#define NFIXED	11	/* of them are tables of the root, with fields of struct sl_config */

/* ---- taking the parts ------------------------------------------------------------------- */

/* A list, also one that is empty (Lua's {} is an object in JSON). */
size_t
sl_config_list_size(struct loader *l, const json_t *v, const char *path)
{
	if (v == NULL || (json_is_object(v) && json_object_size(v) == 0))
		return 0;
	if (json_is_array(v))
		return json_array_size(v);
	schema_error(l, path, "%s: a list expected", path);
	return 0;
}

/* Never "nothing" for want of memory. */
void *
sl_config_rows(struct loader *l, size_t n, size_t size)
{
	void *p = sl_calloc(n + 1, size);

	if (p == NULL)
		schema_error(l, "", "out of memory");
	return p;
}

static void
take_transport(struct loader *l, struct transport_fields *f, const char *path)
{
	struct sl_transport *t = &f->t;
	int ways = (t->host != NULL) + (f->lmtp != NULL) + (f->maildir != NULL) + f->mx + f->discard;
	struct sl_str rest;
	struct sl_addr addr;

	if (ways != 1) {
		schema_error(l, path, "%s: exactly one of host, mx, lmtp, maildir, discard expected", path);
		return;
	}
	t->kind = t->host != NULL ? SL_HOST : f->mx ? SL_MX : f->lmtp != NULL ? SL_LMTP :
	    f->maildir != NULL ? SL_MAILDIR : SL_DISCARD;
	t->path = f->maildir;
	if (f->lmtp != NULL) {
		rest = sl_str_of(f->lmtp);
		t->host = f->lmtp;
		if (sl_addr_parse(&addr, rest, NULL) == 0)
			t->port = sl_addr_port(&addr);
	}
}

void
sl_config_take_transports(struct loader *l, const json_t *v)
{
	struct sl_config *c = l->config;
	struct transport_fields f;
	const char *name;
	char path[300];
	json_t *item;

	if (v != NULL && !json_is_object(v)) {
		schema_error(l, "transports", "transports: a table of transports expected");
		return;
	}
	if ((c->transports = sl_config_rows(l, json_object_size(v), sizeof(*c->transports))) == NULL)
		return;
	json_object_foreach((json_t *)(uintptr_t)v, name, item) {
		snprintf(path, sizeof(path), "transports.%s", name);
		memset(&f, 0, sizeof(f));
		if (json_is_string(json_object_get(item, "tls")) &&
		    strncmp(json_string_value(json_object_get(item, "tls")), "dane", 4) == 0) {
			schema_error(l, path, "tls = \"dane\" isn't built in this version");
			continue;
		}
		schema_take(l, sl_transport_keys, item, path, &f);
		take_transport(l, &f, path);
		f.t.name = name;
		c->transports[c->ntransports++] = f.t;
	}
}

/* A file of the policy, or "pki:NAME". */
static void
take_pem(struct loader *l, const char *name, const char *path, struct sl_str *out)
{
	if (name == NULL)
		return;
	if (strncmp(name, "pki:", 4) == 0 ? sl_config_key(l->config, sl_str_of(name), out) :
	    sl_image_find(l->config->image, name, out))
		return;
	if (strncmp(name, "pki:", 4) == 0 && sl_image_is_keyless(l->config->image))
		return;
	schema_error(l, path, "%s: the policy has no \"%s\"", path, name);
}

static void
take_api(struct loader *l, struct sl_api_config *api, const char *name, const json_t *v,
    const char *path)
{
	const char *header;
	char below[600];
	json_t *value;

	schema_take(l, api_keys, v, path, api);
	api->name = name;
	if (api->url == NULL)
		schema_error(l, path, "%s: url is missing", path);
	snprintf(below, sizeof(below), "%s.ca", path);
	take_pem(l, api->ca, below, &api->ca_pem);
	snprintf(below, sizeof(below), "%s.headers", path);
	if (api->headers != NULL && !json_is_object(api->headers)) {
		schema_error(l, below, "%s: a table of names and values expected", below);
		api->headers = NULL;
	}
	json_object_foreach(api->headers, header, value)
		if (!json_is_string(value))
			schema_error(l, below, "%s: the value of %s must be a string", below, header);
}

static void
take_apis(struct loader *l, const json_t *api, const json_t *apis)
{
	struct sl_config *c = l->config;
	const char *name;
	char path[300];
	json_t *item;

	if (apis != NULL && !json_is_object(apis))
		schema_error(l, "apis", "apis: a table of APIs by name expected");
	if ((c->apis = sl_config_rows(l, json_object_size(apis), sizeof(*c->apis))) == NULL)
		return;
	if (api != NULL)
		take_api(l, &c->apis[c->napis++], "", api, "api");
	json_object_foreach((json_t *)(uintptr_t)apis, name, item) {
		snprintf(path, sizeof(path), "apis.%s", name);
		take_api(l, &c->apis[c->napis++], name, item, path);
	}
}

static void
take_names(struct loader *l, const json_t *v)
{
	struct sl_config *c = l->config;
	size_t n = sl_config_list_size(l, v, "quarantine"), i;

	if ((c->quarantines = sl_config_rows(l, n, sizeof(*c->quarantines))) == NULL)
		return;
	for (i = 0; i < n; i++)
		if (json_is_string(json_array_get(v, i)))
			c->quarantines[c->nquarantines++] = json_string_value(json_array_get(v, i));
		else
			schema_error(l, "quarantine", "quarantine: names expected");
}

/* So much of the address space that no list of clients is meant: more than a /8
 * of IPv4, a /16 of IPv6. */
static bool
is_everybody(const struct sl_network *net)
{
	return net->family == AF_INET ? net->first[12] != net->last[12] :	/* ::ffff:a.b.c.d */
	    memcmp(net->first, net->last, 2) != 0;
}

static void
take_trusted(struct loader *l, const json_t *v)
{
	struct sl_config *c = l->config;
	size_t n = sl_config_list_size(l, v, "trusted"), i;
	const char *text;
	struct sl_err err;

	if ((c->trusted = sl_config_rows(l, n, sizeof(*c->trusted))) == NULL)
		return;
	for (i = 0; i < n; i++) {
		text = json_string_value(json_array_get(v, i));
		if (text == NULL)
			schema_error(l, "trusted", "trusted: networks expected, as texts");
		else if (sl_network_parse(&c->trusted[c->ntrusted], sl_str_of(text), &err) != 0)
			schema_error(l, "trusted", "trusted: %s", err.text);
		else if (!c->open_relay && is_everybody(&c->trusted[c->ntrusted]))
			schema_error(l, "trusted", "trusted: %s is everybody: this lets anyone relay "
			    "and needs open_relay = true", text);
		else
			c->ntrusted++;
	}
}

static void
take_retry(struct loader *l, const json_t *v)
{
	static const double usual[] = { 60, 300, 900, 1800, 3600, 7200, 14400 };
	struct sl_config *c = l->config;
	size_t n = sl_config_list_size(l, v, "retry"), i;

	if ((c->retry = sl_config_rows(l, n > 7 ? n : 7, sizeof(*c->retry))) == NULL)
		return;
	for (i = 0; i < n; i++)
		if (json_number_value(json_array_get(v, i)) >= 0.01)
			c->retry[c->nretry++] = json_number_value(json_array_get(v, i));
		else
			schema_error(l, "retry", "retry: seconds expected");
	if (n == 0)
		for (; c->nretry < 7; c->nretry++)
			c->retry[c->nretry] = usual[c->nretry];
}

static void
take_users(struct loader *l, const json_t *v)
{
	const char *name = json_string_value(v);
	struct sl_str text;

	if (v == NULL)
		return;
	if (name == NULL || !sl_image_find(l->config->image, name, &text))
		schema_error(l, "users", "users: the policy has no file \"%s\"", name != NULL ? name : "?");
	else if (sl_users_parse(&l->config->users, name, text, l->report) != 0)
		l->errors++;
}

/* A certificate and its key, or neither; they must belong together. */
static void
check_tls(struct loader *l)
{
	struct sl_config *c = l->config;
	struct sl_tls_options o = { .cert_pem = c->tls.cert_pem, .key_pem = c->tls.key_pem };
	struct sl_tls *tls;
	struct sl_err err;

	if ((c->tls.cert == NULL) != (c->tls.key == NULL))
		schema_error(l, "tls", "tls: %s is missing", c->tls.cert == NULL ? "cert" : "key");
	if (o.cert_pem.p == NULL || o.key_pem.p == NULL)
		return;
	tls = sl_tls_server(&o, &err);
	if (tls == NULL)
		schema_error(l, "tls", "tls: %s", err.text);
	sl_tls_unref(tls);
}

/* Whether it is there and loads is no error here: what is tried out mustn't keep what serves from loading. */
static void
check_shadow(struct loader *l)
{
	const char *folder = l->config->shadow.policy;

	if (folder == NULL && json_object_get(l->config->root, "shadow") != NULL)
		schema_error(l, "shadow", "shadow: policy is missing");
	if (folder != NULL && (folder[0] == '\0' || folder[0] == '.' || strchr(folder, '/') != NULL))
		schema_error(l, "shadow.policy", "shadow.policy: the name of a folder in this policy expected, got \"%s\"",
		    folder);
}

static void
check_dns_servers(struct loader *l)
{
	const json_t *v = l->config->dns.servers;
	size_t n = sl_config_list_size(l, v, "dns.servers"), i;
	struct sl_addr addr;
	struct sl_err err;
	const char *text;

	for (i = 0; i < n; i++) {
		text = json_string_value(json_array_get(v, i));
		if (text == NULL)
			schema_error(l, "dns.servers", "dns.servers: addresses expected, as texts");
		else if (sl_addr_parse_ip(&addr, sl_str_of(text), 53) != 0 &&
		    sl_addr_parse(&addr, sl_str_of(text), &err) != 0)
			schema_error(l, "dns.servers", "dns.servers: %s", err.text);
	}
}

/* It stands in each field and is compared with what others wrote: no blanks, quotes, comments. */
static bool
is_service_id(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!sl_isalnum(s.p[i]) && sl_str_chr(SL_STR("-._:+"), s.p[i]) < 0)
			return false;
	return s.n > 0 && s.n <= 253;
}

/* What is text in the schema and more than that in truth. */
static void
check_words(struct loader *l)
{
	const struct sl_config *c = l->config;
	enum sl_level level;
	struct sl_addr addr;
	struct sl_err err;

	if (c->admin != NULL && sl_addr_parse(&addr, sl_str_of(c->admin), &err) != 0)
		schema_error(l, "admin", "admin: %s", err.text);
	if (c->authserv_id != NULL && !is_service_id(sl_str_of(c->authserv_id)))
		schema_error(l, "authserv_id", "authserv_id: a name like \"example.org\" expected");
	if (c->log.level != NULL && sl_level_parse(c->log.level, &level) != 0)
		schema_error(l, "log.level", "log.level: \"%s\" is none of debug, info, notice, "
		    "warning, error, critical", c->log.level);
}

/* Never ignored: what this version would not do is an error. */
static void
refuse_unbuilt(struct loader *l)
{
	const struct sl_config *c = l->config;
	struct sl_err err;
	char name[256];

	if (c->hostname != NULL && sl_domain_normalize(name, sl_str_of(c->hostname), &err) != 0)
		schema_error(l, "hostname", "hostname: %s", err.text);
	if (c->level != 2016 && c->level != 2026)
		schema_error(l, "level", "level: 2016 or 2026 expected");
}

static void
take_all(struct loader *l)
{
	struct sl_config *c = l->config;
	const json_t *root = c->root;
	struct sl_limits *limits = &c->limits;
	size_t i;

	schema_take(l, root_keys, root, "", c);
	for (i = 1; i < NFIXED; i++)
		schema_take(l, groups[i].keys, json_object_get(root, groups[i].name),
		    groups[i].name, c);
	*limits = (struct sl_limits){
		.steps = (uint64_t)c->limit_values.steps, .memory = (size_t)c->limit_values.memory,
		.time_ms = (int64_t)(c->limit_values.time * 1000), .ops = (unsigned)c->limit_values.ops,
		.dns = (unsigned)c->limit_values.dns,
		.http_bytes = (uint64_t)c->limit_values.http_bytes,
	};
	refuse_unbuilt(l);
	check_words(l);
	check_dns_servers(l);
	take_retry(l, json_object_get(root, "retry"));
	sl_config_check_files(l);
	take_names(l, json_object_get(root, "quarantine"));
	take_trusted(l, json_object_get(root, "trusted"));
	sl_config_take_sockets(l);
	take_apis(l, json_object_get(root, "api"), json_object_get(root, "apis"));
	take_users(l, json_object_get(root, "users"));
	take_pem(l, c->tls.cert, "tls.cert", &c->tls.cert_pem);
	take_pem(l, c->tls.key, "tls.key", &c->tls.key_pem);
	check_tls(l);
	check_shadow(l);
	take_pem(l, c->dns.zone, "dns.zone", &c->dns.zone_text);
	take_pem(l, c->dns.anchor, "dns.anchor", &c->dns.anchor_text);
	sl_config_take_dkim(l, json_object_get(root, "dkim"));
	sl_config_take_listeners(l, json_object_get(root, "listen"));
	sl_config_take_transports(l, json_object_get(root, "transports"));
	sl_config_take_servers(l, json_object_get(root, "servers"));
	sl_config_check_blocks(l);
	sl_config_check_listeners(l);
}

static void
take_names_of_host(struct sl_config *c)
{
	if (c->hostname == NULL) {
		if (gethostname(c->system_name, sizeof(c->system_name) - 1) != 0 ||
		    c->system_name[0] == '\0')
			snprintf(c->system_name, sizeof(c->system_name), "localhost");
		c->hostname = c->system_name;
	}
	if (c->authserv_id == NULL)
		c->authserv_id = c->hostname;
}

static int
evaluate(struct sl_config *c, struct sl_str source, struct sl_buf *report)
{
	struct sl_err err;

	if (sl_vm_eval(c->vm, "sluice.lua", source, sl_config_functions, c->image, &c->root,
	    &err) == 0)
		return 0;
	sl_buf_printf(report, "%s\n", err.text);
	return SL_ERR_SYNTAX;
}

int
sl_config_load(struct sl_config **out, struct sl_vm *vm, struct sl_image *image,
    struct sl_buf *report)
{
	struct loader l = { .report = report };
	struct sl_str source;
	struct sl_config *c;

	if (!sl_image_find(image, "sluice.lua", &source)) {
		sl_buf_puts(report, "the policy has no sluice.lua\n");
		return SL_ERR_NOTFOUND;
	}
	c = sl_calloc(1, sizeof(*c));
	if (c == NULL)
		return SL_ERR_NOMEM;
	c->image = image;
	c->vm = vm;
	c->defaults = json_object();
	l.config = c;
	l.lines = sl_lines_scan(source);
	if (c->defaults == NULL || l.lines == NULL || sl_config_begin_blocks(&l) != 0 ||
	    evaluate(c, source, report) != 0) {
		l.errors++;
	} else {
		take_all(&l);
		take_names_of_host(c);
	}
	sl_lines_free(l.lines);
	sl_config_drop_blocks(&l);
	if (l.errors > 0) {
		sl_config_free(c);
		return SL_ERR_INVAL;
	}
	*out = c;
	return 0;
}

void
sl_config_free(struct sl_config *c)
{
	if (c == NULL)
		return;
	sl_config_clear_servers(c);
	sl_config_clear_dkim(c);
	sl_free(c->listeners);
	sl_free(c->transports);
	sl_free(c->apis);
	sl_free(c->quarantines);
	sl_free(c->trusted);
	sl_free(c->sockets.networks);
	sl_free(c->retry);
	sl_users_free(c->users);
	json_decref(c->root);
	json_decref(c->defaults);
	sl_free(c);
}

/* ---- asking ------------------------------------------------------------------------------- */

const struct sl_server *
sl_config_server(const struct sl_config *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nservers; i++)
		if (strcmp(c->servers[i].name, name) == 0)
			return &c->servers[i];
	return NULL;
}

const struct sl_transport *
sl_config_transport(const struct sl_config *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->ntransports; i++)
		if (strcmp(c->transports[i].name, name) == 0)
			return &c->transports[i];
	return NULL;
}

bool
sl_config_quarantine(const struct sl_config *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nquarantines; i++)
		if (strcmp(c->quarantines[i], name) == 0)
			return true;
	return false;
}

bool
sl_config_is_shadow(const struct sl_config *c, struct sl_str path)
{
	struct sl_str folder = sl_str_of(c->shadow.policy != NULL ? c->shadow.policy : "");

	return folder.n > 0 && path.n > folder.n && path.p[folder.n] == '/' && sl_str_starts(path, folder);
}

bool
sl_config_trusted(const struct sl_config *c, const struct sl_addr *client)
{
	size_t i;

	for (i = 0; i < c->ntrusted; i++)
		if (sl_network_has(&c->trusted[i], client))
			return true;
	return false;
}

struct sl_users *
sl_config_users(const struct sl_config *c)
{
	return c->users;
}

const struct sl_limits *
sl_config_limits(const struct sl_config *c)
{
	return &c->limits;
}

const char *
sl_config_hostname(const struct sl_config *c)
{
	return c->hostname;
}

bool
sl_config_key(const struct sl_config *c, struct sl_str spec, struct sl_str *pem)
{
	char path[300];

	if (!sl_str_starts(spec, SL_STR("pki:")) || spec.n > 200)
		return false;
	snprintf(path, sizeof(path), "keys/%.*s.pem", (int)spec.n - 4, spec.p + 4);
	return sl_image_find(c->image, path, pem);
}

/* ---- describing ------------------------------------------------------------------------------ */

bool
sl_config_schema(size_t i, const char **key, const char **type, const char **dflt,
    const char **text)
{
	static const char *const types[] = { "string", "boolean", "number", "size", "seconds",
	    "number", "choice", "table", "table" };
	static __thread char name[128];
	const struct key *k;
	size_t g;

	for (g = 0; g < NGROUPS; g++)
		for (k = groups[g].keys; k->name != NULL; k++) {
			if (i-- > 0)
				continue;
			snprintf(name, sizeof(name), "%s%s%s", groups[g].name,
			    groups[g].name[0] != '\0' ? "." : "", k->name);
			*key = name;
			*type = k->type == KEY_CHOICE ? k->choices : types[k->type];
			*dflt = k->dflt;
			*text = k->text;
			return true;
		}
	return false;
}

static void
describe_value(const struct key *k, const char *base, struct sl_buf *out)
{
	const void *field = base + k->offset;
	struct sl_str rest, word = { "", 0 };
	int64_t n;

	switch (k->type) {
	case KEY_STRING:
		sl_buf_printf(out, *(const char *const *)field != NULL ? "\"%s\"" : "none",
		    *(const char *const *)field);
		break;
	case KEY_BOOL:
		sl_buf_puts(out, *(const bool *)field ? "true" : "false");
		break;
	case KEY_INT:
	case KEY_SIZE:
		sl_buf_printf(out, "%lld", (long long)*(const int64_t *)field);
		break;
	case KEY_SECONDS:
	case KEY_NUMBER:
		sl_buf_printf(out, "%g", *(const double *)field);
		break;
	case KEY_CHOICE:
		rest = sl_str_of(k->choices);
		for (n = *(const int64_t *)field; n >= 0; n--)
			sl_str_split(&rest, ' ', &word);
		sl_buf_printf(out, "\"%.*s\"", (int)word.n, word.p);
		break;
	default:
		sl_buf_puts(out, "(table)");
	}
}

int
sl_config_describe(const struct sl_config *c, struct sl_buf *out)
{
	struct sl_lines *lines;
	struct sl_str source = SL_STR("");
	const struct key *k;
	const json_t *object;
	unsigned line, column;
	char path[256];
	size_t g;

	sl_image_find(c->image, "sluice.lua", &source);
	if ((lines = sl_lines_scan(source)) == NULL)
		return SL_ERR_NOMEM;
	for (g = 0; g < NFIXED; g++)
		for (k = groups[g].keys; k->name != NULL; k++) {
			if (k->type == KEY_SKIP || k->type == KEY_ANY)
				continue;
			snprintf(path, sizeof(path), "%s%s%s", groups[g].name,
			    groups[g].name[0] != '\0' ? "." : "", k->name);
			object = g == 0 ? c->root : json_object_get(c->root, groups[g].name);
			sl_lines_find(lines, path, &line, &column);
			sl_buf_printf(out, "%-28s ", path);
			describe_value(k, (const char *)c, out);
			if (json_object_get(object, k->name) != NULL && line > 0)
				sl_buf_printf(out, "  -- sluice.lua:%u\n", line);
			else
				sl_buf_puts(out, "  -- default\n");
		}
	sl_lines_free(lines);
	return out->failed ? SL_ERR_NOMEM : 0;
}
