/*
 * What operators do to a queue (sluice queue, sluice quarantine): one
 * implementation, for the socket of a server (control.h) and for the tool on
 * a queue that no server has.
 *
 * A request is one JSON object:
 *
 *   command     "list" "show" "retry" "release" "remove"
 *   quarantine  true: held recipients only, else only the others
 *   id          this message
 *   sender      messages of this sender; "<>" is the null one
 *   recipient   recipients of this address
 *   all         true: everything
 *
 * "@example.org" stands for all addresses of a domain. show needs an id; retry,
 * release and remove need one of id, sender, recipient, all.
 *
 * The answer: list gives one object a line for each message (id sender size
 * received quarantine recipients), show {"size":n} and n bytes. Then
 * {"status":"ok","messages":n,"busy":n}, or {"status":"error","code":...,
 * "text":...}. 'busy' counts what was left alone because a delivery attempt of
 * it is under way; for one id that is an error of remove. Codes: notfound,
 * elsewhere (held, or not held), busy, syntax, io, nomem.
 *
 * Bytes of addresses that aren't UTF-8 are written as \xNN.
 */
#ifndef SL_QUEUE_COMMAND_H
#define SL_QUEUE_COMMAND_H

#include "delivery.h"

struct sl_queue_output {
	int (*write)(void *arg, const void *p, size_t n);
	bool (*full)(void *arg);	/* it should wait for sl_queue_run_resume */
	/* The answer is whole; rc < 0: it ends in its middle. The run may be freed here. */
	void (*done)(void *arg, int rc);
	void *arg;
};

struct sl_queue_run;

/*
 * Begins; everything else comes from the loop, a bounded piece in each of its
 * turns: a list walks the store as it changes. 'delivery' may be NULL; it is
 * kicked when something became due. 'events' (may be NULL) hear of each change.
 * A request that can't be read is answered as one. NULL: out of memory.
 */
struct sl_queue_run *sl_queue_run_new(struct sl_loop *loop, struct sl_store *store,
	    struct sl_delivery *delivery, struct sl_events *events,
	    struct sl_str request, const struct sl_queue_output *output);
void	 sl_queue_run_resume(struct sl_queue_run *run);
/* Begins nothing more: done comes when what is under way is over. */
void	 sl_queue_run_stop(struct sl_queue_run *run);
/* After done; or before, when the store is closed next. NULL is fine. */
void	 sl_queue_run_free(struct sl_queue_run *run);

#endif
