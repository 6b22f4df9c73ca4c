#include "op_times.h"

#include <stdbool.h>
#include <string.h>

const int64_t sl_op_bounds_us[SL_OP_BUCKETS - 1] = { 1000, 10000, 100000, 1000000, 10000000 };

static struct sl_op_time *
row_of(struct sl_op_times *times, const char *name)
{
	size_t i;

	for (i = 0; i < SL_OP_KINDS; i++) {
		struct sl_op_time *t = &times->kinds[i];

		if (t->name[0] == '\0')
			strncpy(t->name, name, sizeof(t->name) - 1);
		if (strncmp(t->name, name, sizeof(t->name) - 1) == 0)
			return t;
	}
	return NULL;
}

void
sl_op_times_add(struct sl_op_times *times, const char *name, int64_t took_us)
{
	struct sl_op_time *t = times != NULL ? row_of(times, name) : NULL;
	size_t b = 0;

	if (t == NULL)
		return;
	while (b < SL_OP_BUCKETS - 1 && took_us > sl_op_bounds_us[b])
		b++;
	t->buckets[b]++;
	t->sum_us += (uint64_t)took_us;
}
