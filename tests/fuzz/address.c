/*
 * Paths, addresses, lists, domains, dates from any bytes. What was taken must
 * hold: an address reads back to itself.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/mail/address.h"
#include "../../core/mail/date.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_address(const struct sl_address *a)
{
	struct sl_address again;

	if (a->domain[0] == '\0' || strlen(a->address) > 254 || strchr(a->domain, '_') != NULL)
		return;
	check(strpbrk(a->address, "\r\n") == NULL);
	/* List addresses may have longer local parts. */
	if (sl_address_parse(&again, sl_str_of(a->address), NULL) != 0) {
		check(strlen(a->address) - strlen(a->domain) - 1 > 64);
		return;
	}
	check(strcmp(again.address, a->address) == 0 && strcmp(again.local, a->local) == 0 &&
	    strcmp(again.domain, a->domain) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str s = { (const char *)data, size }, rest;
	struct sl_address_list list;
	struct sl_address a;
	struct sl_err err;
	char domain[256], again[256];
	int64_t t;

	if (sl_path_parse(&a, s, size % 2, size % 3 == 0, size % 5 != 0, &rest, &err) == 0)
		check_address(&a);
	if (sl_address_parse(&a, s, &err) == 0)
		check_address(&a);
	if (sl_address_list_parse(&list, s, 50, &err) == 0) {
		for (size_t i = 0; i < list.n; i++)
			check_address(&list.mailboxes[i].address);
	}
	sl_address_list_clear(&list);
	if (sl_domain_normalize(domain, s, &err) == 0)
		check(sl_domain_normalize(again, sl_str_of(domain), &err) == 0 &&
		    strcmp(domain, again) == 0);
	sl_date_parse(s, &t, NULL, &err);
	return 0;
}
