/* The shards of a spool: SPOOL/queue/NN, one for each worker. */
#ifndef SL_CMD_SHARDS_H
#define SL_CMD_SHARDS_H

#include <stdint.h>
#include <sys/types.h>

#define CMD_MAX_SHARDS	10000

/* Their numbers, in order, at most CMD_MAX_SHARDS; -1: the folder ("SPOOL/queue") can't be read. */
ssize_t	 cmd_find_shards(const char *folder, uint64_t *out);

#endif
