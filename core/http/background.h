/*
 * Requests that nobody waits for: a note to an API, a report. So many are under way at once; those of
 * one row go one behind the other, in the order in which they were added. One that fails (no answer, or
 * none of 2xx) is made again after a delay, as often as it says; one that failed for good is the event
 * "http_background". They are in memory only: what waits when this is freed is lost, and told so.
 */
#ifndef SL_HTTP_BACKGROUND_H
#define SL_HTTP_BACKGROUND_H

#include "client.h"

struct sl_background;

struct sl_background	*sl_background_new(struct sl_loop *loop, struct sl_events *events);
void			 sl_background_free(struct sl_background *b);

struct sl_background_turn {
	bool in_row;			/* behind all of the same row */
	double row;
	unsigned retries;		/* after the first try */
	int64_t delay_ms;		/* between tries */
	/* Once for each that was added, when it is over: 'http' isn't used for it any more. */
	void (*over)(void *arg);
	void *arg;
};

/* 'request' is copied. SL_ERR_LIMIT: 1,000 are here, or 32 MB of bodies; SL_ERR_NOMEM. */
int	 sl_background_add(struct sl_background *b, struct sl_http *http,
	    const struct sl_http_request *request, const struct sl_background_turn *turn);
size_t	 sl_background_count(const struct sl_background *b);
/* 'idle' is called once from the loop when nothing is left to do. */
void	 sl_background_drain(struct sl_background *b, void (*idle)(void *arg), void *arg);

#endif
