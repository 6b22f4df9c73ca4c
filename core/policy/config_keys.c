/* The keys of sluice.lua: what check --defaults, --schema and the manual pages say of them. See config.h. */
#include <stdio.h>
#include <string.h>

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
	{ .name = "file", .type = KEY_STRING, .offset = AT(log.file),
	    .text = "JSON lines go there; relative to the folder where the server is started" },
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

/* The first NFIXED are tables of the root, with fields of struct sl_config. */
static const struct group {
	const char *name;
	const struct key *keys;
} groups[] = {
	{ "", root_keys }, { "connections", connections_keys }, { "timeouts", timeouts_keys },
	{ "log", log_keys }, { "tls", tls_keys }, { "dns", dns_keys }, { "http", http_keys },
	{ "sockets", sockets_keys }, { "limits", limit_keys }, { "milter", milter_keys }, { "shadow", shadow_keys },
	{ "listen[]", sl_listener_keys }, { "listen[] of a milter", sl_milter_listener_keys },
	{ "api", sl_api_keys }, { "servers.NAME", sl_server_keys },
	{ "transports.NAME", sl_transport_keys }, { "dkim.DOMAIN[]", sl_dkim_keys },
};

#define NGROUPS	(sizeof(groups) / sizeof(groups[0]))
#define NFIXED	11

/* ---- taking ------------------------------------------------------------------------------- */

void
sl_config_take_keys(struct loader *l, const json_t *root)
{
	schema_take(l, groups[0].keys, root, "", l->config);
	for (size_t i = 1; i < NFIXED; i++)
		schema_take(l, groups[i].keys, json_object_get(root, groups[i].name), groups[i].name, l->config);
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
