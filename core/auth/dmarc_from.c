/* The author domain, RFC 9989 5.3.1. See dmarc.h. */
#include <stdio.h>
#include <string.h>

#include "../mail/address.h"
#include "dmarc.h"

static int
none(struct sl_dmarc_from *out, const char *why)
{
	out->domain[0] = '\0';
	snprintf(out->reason, sizeof(out->reason), "%s", why);
	return SL_ERR_SYNTAX;
}

/* The only field called From; NULL when there are none or several. */
static const struct sl_field *
find_from(struct sl_dmarc_from *out, const struct sl_message *m, const struct sl_head *head)
{
	size_t n = head != NULL ? sl_head_count(head) : m->nfields;
	const struct sl_field *found = NULL;

	for (size_t i = 0; i < n; i++) {
		const struct sl_field *f = head != NULL ? sl_head_at(head, i) : &m->fields[i];

		if (!sl_str_ieq(f->name, SL_STR("From")))
			continue;
		out->fields++;
		found = f;
	}
	return out->fields == 1 ? found : NULL;
}

static int
take_mailboxes(struct sl_dmarc_from *out, const struct sl_address_list *list)
{
	out->mailboxes = list->n;
	if (list->n == 0)
		return none(out, "the From field has no address");
	for (size_t i = 0; i < list->n; i++) {
		const char *domain = list->mailboxes[i].address.domain;

		if (domain[0] == '\0' || domain[0] == '[')
			return none(out, "an address in the From field has no domain name");
		if (i > 0 && strcmp(domain, out->domain) != 0)
			return none(out, "the From field has addresses of several domains");
		strcpy(out->domain, domain);
	}
	return 0;
}

int
sl_dmarc_from(struct sl_dmarc_from *out, const struct sl_message *m, const struct sl_head *head)
{
	struct sl_address_list list = { 0 };
	const struct sl_field *field;
	struct sl_err err = { 0 };
	int r;

	memset(out, 0, sizeof(*out));
	field = find_from(out, m, head);
	if (field == NULL)
		return none(out, out->fields == 0 ? "no From field" : "several From fields");
	r = sl_address_list_parse(&list, field->value, SL_DMARC_MAX_FROM, &err);
	if (r == 0)
		r = take_mailboxes(out, &list);
	else if (r != SL_ERR_NOMEM)
		r = none(out, err.text);
	sl_address_list_clear(&list);
	return r;
}
