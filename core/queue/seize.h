/*
 * Beside delivery: walking a store that changes meanwhile, and taking its
 * recipients to change them by hand (command.h).
 */
#ifndef SL_QUEUE_SEIZE_H
#define SL_QUEUE_SEIZE_H

#include "store.h"

/* As sl_store_each, but the store may change between two calls: what stays is
 * given once. *at begins with 0. */
const struct sl_envelope *sl_store_after(const struct sl_store *store, uint64_t *at);

/*
 * Takes this recipient, due or held: no attempt begins until an update, a
 * remove or sl_store_untake. False: it is taken already, an attempt is under
 * way; an update would let a second one begin.
 */
bool	 sl_store_seize(struct sl_store *store, const char *id, size_t index);
/* Of one that is taken: anybody's to seize, but sl_store_take doesn't give it
 * until it was seized and untaken, or updated. Opening the store anew forgets it. */
void	 sl_store_set_aside(struct sl_store *store, const char *id, size_t index);

#endif
