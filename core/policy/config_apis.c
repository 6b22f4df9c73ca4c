/* api and apis: whom api_call asks. See config.h. */
#include <stdio.h>

#include "config_private.h"

#define API(field)	offsetof(struct sl_api_config, field)
const struct key sl_api_keys[] = {
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

static void
take_api(struct loader *l, struct sl_api_config *api, const char *name, const json_t *v,
    const char *path)
{
	const char *header;
	char below[600];
	json_t *value;

	schema_take(l, sl_api_keys, v, path, api);
	api->name = name;
	if (api->url == NULL)
		schema_error(l, path, "%s: url is missing", path);
	snprintf(below, sizeof(below), "%s.ca", path);
	sl_config_take_pem(l, api->ca, below, &api->ca_pem);
	snprintf(below, sizeof(below), "%s.headers", path);
	if (api->headers != NULL && !json_is_object(api->headers)) {
		schema_error(l, below, "%s: a table of names and values expected", below);
		api->headers = NULL;
	}
	json_object_foreach(api->headers, header, value)
		if (!json_is_string(value))
			schema_error(l, below, "%s: the value of %s must be a string", below, header);
}

void
sl_config_take_apis(struct loader *l, const json_t *api, const json_t *apis)
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
