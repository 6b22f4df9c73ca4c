/*
 * A worker: a gateway whose connections, policies and state come from the
 * master. START: image, connection to state, shared memory, [log file].
 */
#include "child.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../state/state.h"
#include "gateway.h"
#include "plan.h"

#define MAX_CLOSED	4096	/* tags told in one packet */
#define RECONNECT_MS	1000	/* to state; one that restarts connects by itself */

struct worker {
	struct sl_child *child;
	struct sl_gateway *gateway;
	struct sl_state *state;
	struct sl_shared *shared;
	struct sl_timer reconnect;
	struct sl_now *now;
	uint64_t closed[MAX_CLOSED];
	size_t nclosed;
};

/* ---- connections --------------------------------------------------------------------- */

static void
tell_closed(struct worker *w)
{
	if (w->nclosed > 0)
		sl_channel_say(w->child->channel, SL_PACKET_CLOSED,
		    (struct sl_str){ (const char *)w->closed, w->nclosed * sizeof(w->closed[0]) });
	w->nclosed = 0;
}

static void
closed(void *arg, uint64_t tag)
{
	struct worker *w = arg;

	w->closed[w->nclosed++] = tag;
	if (w->nclosed == MAX_CLOSED)
		tell_closed(w);
}

static void
on_turn(void *arg)
{
	struct worker *w = arg;

	tell_closed(w);
	w->now->beat++;
}

static void
connection(struct worker *w, struct sl_packet *p)
{
	struct sl_connection c = { .fd = sl_packet_take_fd(p, 0), .tag = p->number };
	struct sl_str rest = p->text, part;
	char listener[128] = "", why[128] = "";

	if (c.fd < 0)
		return;
	if (sl_str_split(&rest, '\n', &part) && part.n < sizeof(listener))
		memcpy(listener, part.p, part.n);
	if (rest.n < sizeof(why))
		memcpy(why, rest.p, rest.n);
	c.listener = listener;
	c.refused = why[0] != '\0' ? why : NULL;
	sl_gateway_accept(w->gateway, &c);
}

/* ---- what the master says ---------------------------------------------------------------- */

static void
prepare(struct worker *w, const struct sl_packet *p)
{
	struct sl_buf report = SL_BUF_INIT;
	int rc = p->nfds > 0 ? sl_gateway_prepare(w->gateway, p->fds[0], &report) : SL_ERR_INVAL;

	sl_channel_say(w->child->channel, rc == 0 ? SL_PACKET_READY : SL_PACKET_REFUSED,
	    sl_buf_str(&report));
	sl_buf_clear(&report);
}

static void
drained(void *arg)
{
	sl_child_exit(((struct worker *)arg)->child, 0);
}

static void
packet(struct sl_child *child, struct sl_packet *p)
{
	struct worker *w = child->own;

	switch (p->kind) {
	case SL_PACKET_CONNECTION:
		connection(w, p);
		break;
	case SL_PACKET_PREPARE:
		prepare(w, p);
		break;
	case SL_PACKET_SWITCH:
		sl_gateway_switch(w->gateway);
		break;
	case SL_PACKET_FORGET:
		sl_gateway_forget(w->gateway);
		break;
	case SL_PACKET_STATE:
		sl_state_connect(w->state, sl_packet_take_fd(p, 0));
		break;
	case SL_PACKET_DRAIN:
		sl_gateway_drain(w->gateway, drained, w);
		break;
	}
}

/* ---- the connection to state -------------------------------------------------------------- */

static void
reconnect(struct sl_timer *timer)
{
	struct worker *w = sl_list_entry(timer, struct worker, reconnect);

	if (!sl_state_connected(w->state))
		sl_channel_say(w->child->channel, SL_PACKET_STATE_LOST, (struct sl_str){ 0 });
}

static void
state_lost(void *arg)
{
	struct worker *w = arg;

	sl_timer_start(w->child->loop, &w->reconnect, RECONNECT_MS, reconnect);
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct sl_gateway *watched;

/* The watchdog's first word: what executes now is dropped. */
static void
interrupt(int signo)
{
	(void)signo;
	if (watched != NULL)
		sl_gateway_interrupt(watched);
}

static void
hold_crashed(struct worker *w)
{
	struct sl_str rest = w->child->start, id;
	char *text;

	while (sl_plan_each(&rest, "hold", &id))
		if ((text = sl_strndup(id.p, id.n)) != NULL) {
			sl_gateway_hold(w->gateway, text);
			sl_free(text);
		}
}

static int
open_parts(struct worker *w, struct sl_packet *p, struct sl_buf *report)
{
	struct sl_child *child = w->child;
	char *stdlib = sl_plan_string(child->start, "stdlib"), *spool;
	char *policy = sl_plan_string(child->start, "policy");
	struct sl_gateway_options o = {
		.loop = child->loop, .events = &child->logs.events, .stdlib = stdlib, .policy = policy,
		.worker = (unsigned)sl_plan_number(child->start, "worker", 0), .closed = closed, .arg = w,
	};
	struct sl_err err;
	int rc;

	o.state = w->state = sl_state_remote(child->loop, &child->logs.events);
	o.shared = w->shared = p->nfds >= 3 ? sl_shared_map(p->fds[2], &err) : NULL;
	if (w->state == NULL || w->shared == NULL) {
		sl_free(stdlib);
		sl_free(policy);
		return SL_ERR_NOMEM;
	}
	sl_state_on_lost(w->state, state_lost, w);
	sl_state_connect(w->state, sl_packet_take_fd(p, 1));
	w->now = &sl_shared_counters(w->shared, o.worker)->now;
	rc = sl_gateway_open(&w->gateway, &o, p->fds[0], report);
	sl_free(stdlib);
	sl_free(policy);
	if (rc != 0)
		return rc;
	spool = sl_plan_string(child->start, "spool");
	rc = spool != NULL ? sl_gateway_start(w->gateway, spool, report) : SL_ERR_NOMEM;
	sl_free(spool);
	if (rc != 0)
		return rc;
	hold_crashed(w);
	return sl_gateway_deliver(w->gateway, report);
}

static int
start(struct sl_child *child, struct sl_packet *p, struct sl_buf *report)
{
	struct worker *w = child->own = sl_calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return SL_ERR_NOMEM;
	w->child = child;
	rc = open_parts(w, p, report);
	if (rc != 0)
		return rc;
	watched = w->gateway;
	signal(SIGUSR2, interrupt);
	sl_loop_on_turn(child->loop, on_turn, w);
	return sl_channel_say(child->channel, SL_PACKET_READY, (struct sl_str){ 0 });
}

static void
end(struct sl_child *child)
{
	struct worker *w = child->own;

	watched = NULL;
	sl_gateway_close(w->gateway);
	sl_loop_on_turn(child->loop, NULL, w);
	sl_timer_stop(&w->reconnect);
	sl_state_free(w->state);
	sl_shared_unmap(w->shared);
	sl_free(w);
}

const struct sl_child_kind sl_worker = {
	.name = "worker", .start = start, .packet = packet, .end = end,
};
