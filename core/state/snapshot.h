/*
 * The tables on disk: FOLDER/state, always a whole file (written beside it,
 * synced, renamed). What changed since the last one, a minute at most, is
 * lost when the process is killed.
 */
#ifndef SL_STATE_SNAPSHOT_H
#define SL_STATE_SNAPSHOT_H

#include "../base/event.h"
#include "../net/loop.h"
#include "table.h"

struct sl_snapshot;

/* Fills 'table' (borrowed, as 'events') from the file, if there is one. */
struct sl_snapshot *sl_snapshot_open(struct sl_loop *loop, struct sl_table *table,
	    const char *folder, struct sl_events *events, struct sl_err *err);
/* The table isn't any more what the file says. Written later, on a thread. */
void	 sl_snapshot_changed(struct sl_snapshot *snapshot);
/* Writes what changed, here and now. NULL is fine. */
void	 sl_snapshot_close(struct sl_snapshot *snapshot);

#endif
