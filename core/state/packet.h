/*
 * What goes over the socket between a worker and the state process. A packet
 * holds one or more records, each whole: requests one way, replies the
 * other. The id of a request comes back in its reply; nothing else orders
 * them. Both ends are the same program, so numbers are in host order. What
 * the other side sends is checked all the same.
 */
#ifndef SL_STATE_PACKET_H
#define SL_STATE_PACKET_H

#include "table.h"

#define SL_STATE_PACKET		(64 * 1024)	/* bytes, at most */
#define SL_STATE_HEAD		64		/* of a record without its strings, at most */

/* Appends one record. The request is one that sl_state_permits. */
int	 sl_state_put_request(struct sl_buf *out, uint32_t id,
	    const struct sl_state_request *request);
int	 sl_state_put_reply(struct sl_buf *out, uint32_t id, int status,
	    const struct sl_state_reply *reply);

/* Cuts the first record off 'packet'; strings are borrowed from it. 1 = one,
 * 0 = there is none left, SL_ERR_SYNTAX = the packet is malformed from there. */
int	 sl_state_get_request(struct sl_str *packet, uint32_t *id,
	    struct sl_state_request *request);
int	 sl_state_get_reply(struct sl_str *packet, uint32_t *id, int *status,
	    struct sl_state_reply *reply);

#endif
