/* From the table of sluice.lua to struct sl_config, and what is asked of it. See config.h. */
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

void
sl_config_take_pem(struct loader *l, const char *name, const char *path, struct sl_str *out)
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
	char name[256];

	if (c->hostname != NULL && sl_domain_normalize(name, sl_str_of(c->hostname), &err) != 0)
		schema_error(l, "hostname", "hostname: %s", err.text);
	if (c->level != 2016 && c->level != 2026)
		schema_error(l, "level", "level: 2016 or 2026 expected");
	if (c->admin != NULL && sl_addr_parse(&addr, sl_str_of(c->admin), &err) != 0)
		schema_error(l, "admin", "admin: %s", err.text);
	if (c->authserv_id != NULL && !is_service_id(sl_str_of(c->authserv_id)))
		schema_error(l, "authserv_id", "authserv_id: a name like \"example.org\" expected");
	if (c->log.level != NULL && sl_level_parse(c->log.level, &level) != 0)
		schema_error(l, "log.level", "log.level: \"%s\" is none of debug, info, notice, "
		    "warning, error, critical", c->log.level);
}

static void
take_all(struct loader *l)
{
	struct sl_config *c = l->config;
	const json_t *root = c->root;
	struct sl_limits *limits = &c->limits;

	sl_config_take_keys(l, root);
	*limits = (struct sl_limits){
		.steps = (uint64_t)c->limit_values.steps, .memory = (size_t)c->limit_values.memory,
		.time_ms = (int64_t)(c->limit_values.time * 1000), .ops = (unsigned)c->limit_values.ops,
		.dns = (unsigned)c->limit_values.dns,
		.http_bytes = (uint64_t)c->limit_values.http_bytes,
	};
	check_words(l);
	check_dns_servers(l);
	take_retry(l, json_object_get(root, "retry"));
	sl_config_check_files(l);
	take_names(l, json_object_get(root, "quarantine"));
	take_trusted(l, json_object_get(root, "trusted"));
	sl_config_take_sockets(l);
	sl_config_take_apis(l, json_object_get(root, "api"), json_object_get(root, "apis"));
	take_users(l, json_object_get(root, "users"));
	sl_config_take_pem(l, c->tls.cert, "tls.cert", &c->tls.cert_pem);
	sl_config_take_pem(l, c->tls.key, "tls.key", &c->tls.key_pem);
	check_tls(l);
	check_shadow(l);
	sl_config_take_pem(l, c->dns.zone, "dns.zone", &c->dns.zone_text);
	sl_config_take_pem(l, c->dns.anchor, "dns.anchor", &c->dns.anchor_text);
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
