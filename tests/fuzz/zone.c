/* Master files: refused with words, or read; then every name of the seed is answered. */
#include <stdlib.h>
#include <string.h>

#include "../../core/dns/zone.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t	 LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t	 LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static const char seed_zone[] = "$TTL 1h\n$ORIGIN a.\n@ SOA ns h ( 1 1h 2 3w 4 )\n@ MX 10 x ; y\n"
    "x 5 IN A 192.0.2.1\nx TXT \"a\\\"b\" c\\068\n*.w CNAME x.b.\nl CNAME l\nt TYPE7 \\# 2 00ff\n"
    "x SRV 1 2 3 .\nx TLSA 3 1 1 00\nx CAA 0 issue \"c\"\nd DELAY 5\nd AAAA ::1\ne BOGUS\n";

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	if (seed % 64 == 0 && max >= sizeof(seed_zone)) {
		memcpy(data, seed_zone, sizeof(seed_zone) - 1);
		size = sizeof(seed_zone) - 1;
	}
	return LLVMFuzzerMutate(data, size, max);
}

static void
check(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "a", "x.a", "q.w.a", "l.a", "d.a", "e.a", "n.a", "b" };
	struct sl_dns_answer *a;
	struct sl_zone *zone;
	struct sl_err err = { 0 };
	char outside[256];
	int64_t delay;
	size_t i;

	if (sl_zone_parse(&zone, (struct sl_str){ (const char *)data, size }, &err) != 0) {
		check(strncmp(err.text, "zone line ", 10) == 0);
		return 0;
	}
	for (i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		a = sl_zone_answer(zone, names[i / 2], i % 2 ? SL_DNS_MX : SL_DNS_A, &delay, outside);
		check(a != NULL && (a->status == SL_DNS_OK) == (a->n > 0) && delay >= 0);
		sl_dns_answer_unref(a);
	}
	sl_zone_free(zone);
	return 0;
}
