/* dkim: which keys sign for which domain, the newest first. */
#include <stdio.h>
#include <string.h>

#include "../auth/dkim.h"
#include "../base/alloc.h"
#include "../mail/address.h"
#include "config_private.h"
#include "image.h"

/* A row as written; the second pair is for tables with one row per domain (csv). */
struct row {
	const char *selector, *key, *old_selector, *old_key;
};

const struct key sl_dkim_keys[] = {
	{ .name = "selector", .type = KEY_STRING, .offset = offsetof(struct row, selector),
	    .text = "s= of signatures" },
	{ .name = "key", .type = KEY_STRING, .offset = offsetof(struct row, key),
	    .text = "pki:NAME, or a private key as secret gives it" },
	{ .name = "old_selector", .type = KEY_STRING, .offset = offsetof(struct row, old_selector),
	    .text = "and the one before, where a domain has one row: csv" },
	{ .name = "old_key", .type = KEY_STRING, .offset = offsetof(struct row, old_key),
	    .text = "its key" },
	{ 0 },
};

static void
add_entry(struct loader *l, struct sl_dkim_domain *d, const char *selector, const char *key,
    const char *path)
{
	struct sl_str spec = sl_str_of(key), pem;

	if (selector == NULL || key == NULL) {
		schema_error(l, path, "%s: %s is missing", path, selector == NULL ? "selector" : "key");
	} else if (!sl_dkim_domain_ok(sl_str_of(selector))) {
		schema_error(l, path, "%s: \"%s\" is no selector", path, selector);
	} else if (sl_str_starts(spec, SL_STR("pki:")) && !sl_config_key(l->config, spec, &pem) &&
	    !sl_image_is_keyless(l->config->image)) {
		schema_error(l, path, "%s: the policy has no \"%s\": keys/%s.pem", path, key, key + 4);
	} else if (d->n == SL_DKIM_ENTRIES) {
		schema_error(l, path, "%s: more than %d keys for one domain", path, SL_DKIM_ENTRIES);
	} else {
		d->entry[d->n].selector = sl_str_of(selector);
		d->entry[d->n++].key = spec;
	}
}

static void
take_row(struct loader *l, struct sl_dkim_domain *d, const json_t *v, const char *path)
{
	struct row row = { 0 };

	if (!json_is_object(v)) {
		schema_error(l, path, "%s: a table like { selector = \"s1\", key = \"pki:NAME\" } expected",
		    path);
		return;
	}
	schema_take(l, sl_dkim_keys, v, path, &row);
	add_entry(l, d, row.selector, row.key, path);
	if (row.old_selector != NULL || row.old_key != NULL)
		add_entry(l, d, row.old_selector, row.old_key, path);
}

static void
take_rows(struct loader *l, struct sl_dkim_domain *d, const json_t *v, const char *path)
{
	char below[600];
	size_t i;

	if (!json_is_array(v)) {
		take_row(l, d, v, path);
		return;
	}
	for (i = 0; i < json_array_size(v); i++) {
		snprintf(below, sizeof(below), "%s.%zu", path, i + 1);
		take_row(l, d, json_array_get(v, i), below);
	}
}

static void
take_domain(struct loader *l, const char *name, const json_t *v)
{
	size_t most = json_is_array(v) ? json_array_size(v) : 1;
	struct sl_dkim_domain *d;
	char domain[256], path[300];
	struct sl_err err;

	snprintf(path, sizeof(path), "dkim.%s", name);
	if (sl_domain_normalize(domain, sl_str_of(name), &err) != 0) {
		schema_error(l, path, "dkim: \"%s\" is no domain: %s", name, err.text);
		return;
	}
	if (sl_dict_has(l->config->dkim, sl_str_of(domain))) {
		schema_error(l, path, "dkim: %s stands there twice", domain);
		return;
	}
	most = 2 * most < SL_DKIM_ENTRIES ? 2 * most : SL_DKIM_ENTRIES;
	d = sl_calloc(1, sizeof(*d) + most * sizeof(d->entry[0]));
	if (d == NULL || sl_dict_set(l->config->dkim, sl_str_of(domain), d, NULL) != 0) {
		sl_free(d);
		schema_error(l, path, "out of memory");
		return;
	}
	take_rows(l, d, v, path);
	if (d->n == 0)
		schema_error(l, path, "%s: a list of { selector =, key = } expected", path);
}

void
sl_config_take_dkim(struct loader *l, const json_t *dkim)
{
	const char *name;
	json_t *v;

	l->config->dkim = sl_dict_new();
	if (l->config->dkim == NULL)
		schema_error(l, "dkim", "out of memory");
	else if (dkim != NULL && !json_is_object(dkim))
		schema_error(l, "dkim", "dkim: a table of domains expected");
	else
		json_object_foreach((json_t *)(uintptr_t)dkim, name, v)
			take_domain(l, name, v);
}

static void
free_domain(void *domain)
{
	sl_free(domain);
}

void
sl_config_clear_dkim(struct sl_config *config)
{
	if (config->dkim != NULL)
		sl_dict_free(config->dkim, free_domain);
}
