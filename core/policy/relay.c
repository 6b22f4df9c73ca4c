#include "relay.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../mail/address.h"
#include "config.h"

struct sl_relay {
	struct sl_dict *rows;
};

struct sl_relay *
sl_relay_new(void)
{
	struct sl_relay *r = sl_calloc(1, sizeof(*r));

	if (r == NULL || (r->rows = sl_dict_new()) == NULL) {
		sl_free(r);
		return NULL;
	}
	return r;
}

void
sl_relay_free(struct sl_relay *r)
{
	if (r == NULL)
		return;
	sl_dict_free(r->rows, sl_free);
	sl_free(r);
}

int
sl_relay_add(struct sl_relay *r, struct sl_str domain, const struct sl_relay_row *row,
    struct sl_err *err)
{
	bool parent = domain.n > 0 && domain.p[0] == '.';
	struct sl_relay_row *copy;
	char name[258] = "*";
	int rc;

	if (!sl_str_eq(domain, SL_STR("*"))) {
		name[0] = '.';
		rc = sl_domain_normalize(name + parent, parent ? sl_str_sub(domain, 1, domain.n) :
		    domain, err);
		if (rc != 0)
			return rc;
	}
	if (sl_dict_has(r->rows, sl_str_of(name)))
		return sl_err_set(err, SL_ERR_EXISTS, "%s stands twice", name);
	copy = sl_malloc(sizeof(*copy));
	if (copy == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	*copy = *row;
	copy->any = name[0] == '*';
	rc = sl_dict_set(r->rows, sl_str_of(name), copy, NULL);
	if (rc != 0)
		sl_free(copy);
	return rc;
}

const struct sl_relay_row *
sl_relay_find(const struct sl_relay *r, const char *domain)
{
	const struct sl_relay_row *row;
	const char *dot;

	if (r == NULL)
		return NULL;
	row = sl_dict_get(r->rows, sl_str_of(domain));
	for (dot = strchr(domain, '.'); row == NULL && dot != NULL; dot = strchr(dot + 1, '.'))
		row = sl_dict_get(r->rows, sl_str_of(dot));
	if (row == NULL)
		row = sl_dict_get(r->rows, SL_STR("*"));
	return row;
}

bool
sl_relay_permits(const struct sl_relay_row *row, bool known_client)
{
	return !row->any || row->open || known_client;
}

const struct sl_flow *
sl_relay_flow(const struct sl_server *server, const struct sl_relay_row *row, enum sl_phase phase)
{
	if (row != NULL && row->flows[phase] != NULL)
		return row->flows[phase];
	return &server->flows[phase];
}

void
sl_relay_each(struct sl_relay *r, void (*fn)(struct sl_relay_row *row))
{
	struct sl_str domain;
	void *row;
	size_t i;

	if (r == NULL)
		return;
	for (i = 0; sl_dict_each(r->rows, &i, &domain, &row);)
		fn(row);
}
