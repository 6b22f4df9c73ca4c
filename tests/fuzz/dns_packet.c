/* Answers of DNS servers: what comes out is within its caps, whatever the packet says. */
#include <stdlib.h>
#include <string.h>

#include "../../core/dns/packet.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t	 LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t	 LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

/* A chain of one alias with compression, and a SOA: where the fuzzer begins. */
static const uint8_t seed_packet[] =
    "\x00\x00\x81\x80\x00\x01\x00\x02\x00\x01\x00\x00"
    "\x03www\x07" "example\x03org\x00\x00\x01\x00\x01"
    "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x07\x04mail\xc0\x10"
    "\xc0\x2d\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xc0\x00\x02\x01"
    "\xc0\x10\x00\x06\x00\x01\x00\x00\x0e\x10\x00\x18\xc0\x0c\xc0\x2d"
    "\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00\x05";

size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	if (seed % 64 == 0 && max >= sizeof(seed_packet)) {
		memcpy(data, seed_packet, sizeof(seed_packet));
		size = sizeof(seed_packet);
	}
	return LLVMFuzzerMutate(data, size, max);
}

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
check_answer(const struct sl_dns_answer *a, enum sl_dns_type type)
{
	size_t i, bytes = 0;

	check(a != NULL && (a->status == SL_DNS_OK) == (a->n > 0));
	check(a->n <= SL_DNS_MAX_RECORDS && !a->secure && a->ttl <= 0x7fffffff);
	check(a->n > 0 || a->ttl <= 10800);
	for (i = 0; i < a->n; i++) {
		bytes += a->records[i].data.n;
		check(type != SL_DNS_A || a->records[i].data.n == 4);
		check(type != SL_DNS_AAAA || a->records[i].data.n == 16);
		check(type != SL_DNS_MX || (a->records[i].data.n > 0 && a->records[i].data.n < 256));
	}
	check(bytes <= 65536);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum sl_dns_type types[] = { SL_DNS_A, SL_DNS_CNAME, SL_DNS_MX, SL_DNS_TXT,
	    SL_DNS_AAAA, SL_DNS_SRV, SL_DNS_TLSA, SL_DNS_SOA };
	struct sl_dns_answer *a;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		a = sl_packet_parse((struct sl_str){ (const char *)data, size }, "www.example.org", types[i]);
		check_answer(a, types[i]);
		sl_dns_answer_unref(a);
	}
	return 0;
}
