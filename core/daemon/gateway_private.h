/* Shared by gateway*.c. */
#ifndef SL_DAEMON_GATEWAY_PRIVATE_H
#define SL_DAEMON_GATEWAY_PRIVATE_H

#include "../policy/config.h"
#include "../queue/control.h"
#include "../queue/delivery.h"
#include "../queue/store.h"
#include "../milter/server.h"
#include "../smtp/server.h"
#include "gateway.h"
#include "shadow.h"

/* How connections of each listener are served, of one policy. */
struct sl_services {
	struct service {
		char address[128];	/* as in sluice.lua */
		struct sl_smtp_service *smtp;		/* one of these two */
		struct sl_milter_service *milter;
	} *list;
	size_t n;
};

struct sl_gateway {
	struct sl_gateway_options o;
	struct sl_engine *engine;
	struct sl_shadow *shadow;
	struct sl_generation *prepared;
	struct sl_thread *log_thread, *thread;
	struct sl_store *store;
	struct sl_delivery *delivery;
	struct sl_queue_control *control;
	struct sl_smtp_server *smtp;
	struct sl_milter_server *milter;
	struct sl_services services, services_prepared;
	struct sl_timer gauges;
	struct sl_control_command capture;	/* gateway_capture.c */
	char *policy;			/* its folder, absolute; NULL = not known */
	char *spool;
	unsigned draining;		/* parts that aren't idle yet */
	void (*drained)(void *arg);
	void *drained_arg;
};

/* gateway_store.c: what the SMTP server stores by. 'arg' is the gateway. */
struct sl_op *sl_gateway_store(void *arg, const struct sl_smtp_delivery *delivery);

/* gateway_capture.c: the command that captures sessions. */
void	 sl_gateway_capture(struct sl_gateway *g);

/* gateway_delivery.c: what delivery asks. */
struct sl_delivery *sl_gateway_delivery(struct sl_gateway *g, struct sl_err *err);

#endif
