/*
 * How long operations took, by kind: a histogram each. The memory is the
 * host's and may be shared with a process that reads it; one writer. What is
 * done when it is started (an answer from a cache) counts too.
 */
#ifndef SL_NET_OP_TIMES_H
#define SL_NET_OP_TIMES_H

#include <stdatomic.h>
#include <stdint.h>

#define SL_OP_KINDS		24	/* kinds beyond are not measured */
#define SL_OP_BUCKETS		6

struct sl_op_time {
	char name[16];			/* of the class; "" = a free row, and all after it */
	_Atomic uint64_t buckets[SL_OP_BUCKETS];
	_Atomic uint64_t sum_us;
};

struct sl_op_times {
	struct sl_op_time kinds[SL_OP_KINDS];
};

/* The upper bounds in microseconds, inclusive; the last bucket has none. */
extern const int64_t sl_op_bounds_us[SL_OP_BUCKETS - 1];

/* An operation of the kind 'name' is done. NULL 'times' is fine. */
void	 sl_op_times_add(struct sl_op_times *times, const char *name, int64_t took_us);

#endif
