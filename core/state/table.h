/* The tables themselves: no sockets, no clock of their own. */
#ifndef SL_STATE_TABLE_H
#define SL_STATE_TABLE_H

#include "state.h"

struct sl_table;

struct sl_state_reply {
	bool ok;
	int64_t number;
	struct sl_str value;		/* borrowed until the next call */
};

#define SL_TABLE_ENTRIES	1000000
#define SL_TABLE_BYTES		(256u * 1024 * 1024)

/* Caps: beyond 'max_entries' or 'max_bytes' the oldest entries give way. What
 * is applied is within the caps of state.h. */
struct sl_table	*sl_table_new(size_t max_entries, size_t max_bytes);
void	 sl_table_free(struct sl_table *table);
int	 sl_table_apply(struct sl_table *table, int64_t now_ms,
	    const struct sl_state_request *request, struct sl_state_reply *reply);
size_t	 sl_table_count(const struct sl_table *table);

/* Everything that hasn't expired, as bytes; and back. A damaged file is
 * SL_ERR_CORRUPT and leaves what was read before the damage. */
int	 sl_table_save(const struct sl_table *table, int64_t now_ms, struct sl_buf *out);
int	 sl_table_load(struct sl_table *table, int64_t now_ms, struct sl_str bytes);

#endif
