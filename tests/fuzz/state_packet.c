/*
 * Packets of a worker and of the state process: what is understood says the
 * same when written again, and can be applied to tables.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/state/packet.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static void
requests(struct sl_str packet)
{
	struct sl_table *table = sl_table_new(10, 4096);
	struct sl_buf again = SL_BUF_INIT;
	const char *from = packet.p;
	struct sl_state_request r;
	struct sl_state_reply reply;
	int64_t now = 1700000000000;
	uint32_t id;

	while (sl_state_get_request(&packet, &id, &r) > 0) {
		check(sl_table_apply(table, now += 100, &r, &reply) == 0);
		check(sl_table_count(table) <= 10);
		sl_state_put_request(&again, id, &r);
		check(again.n <= (size_t)(packet.p - from));
		check(memcmp(again.p, from, again.n) == 0);
	}
	sl_buf_clear(&again);
	sl_table_free(table);
}

static void
replies(struct sl_str packet)
{
	struct sl_buf again = SL_BUF_INIT;
	const char *from = packet.p;
	struct sl_state_reply reply;
	uint32_t id;
	int status;

	while (sl_state_get_reply(&packet, &id, &status, &reply) > 0) {
		check(status <= 0);
		sl_state_put_reply(&again, id, status, &reply);
		check(memcmp(again.p, from, again.n) == 0);
	}
	sl_buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str packet = { (const char *)data, size };

	if (size > SL_STATE_PACKET)
		return 0;
	requests(packet);
	replies(packet);
	return 0;
}
