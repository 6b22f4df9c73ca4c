/* The door of HTTP: requests and API calls past a tape (core/tape/tape.h). */
#ifndef SL_HTTP_TAP_H
#define SL_HTTP_TAP_H

#include "../tape/tape.h"
#include "api.h"
#include "client.h"

struct sl_http_tap;

/*
 * A client whose requests 'real' makes and 'tape' notes, or which the tape answers. A question
 * is method, URL and the hash of the body; the headers of a request, where tokens are, aren't
 * kept. One that may ask for real asks GET and HEAD. Both are borrowed. NULL = out of memory.
 */
struct sl_http_tap *sl_http_tap_new(struct sl_loop *loop, struct sl_http *real, struct sl_tape *tape,
	    struct sl_events *events);
void	 sl_http_tap_free(struct sl_http_tap *tap);	/* its requests were released before */
struct sl_http *sl_http_tap_http(struct sl_http_tap *tap);	/* borrowed */

/* sl_api_call, noted or answered; 'tape' NULL = as it is. The tape outlives the operation. */
struct sl_api_op *sl_api_call_taped(struct sl_api *api, struct sl_tape *tape, const char *query);

#endif
