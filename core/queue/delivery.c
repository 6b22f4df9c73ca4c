/* What is due: taking it, not too much at once, and the end. */
#include "delivery.h"

#include "../base/alloc.h"
#include "delivery_private.h"

#define AT_ONCE		100
#define PATIENCE_MS	5000		/* with hosts that are slow when there is an end to be made */
#define MAX_WAIT_MS	3600000		/* the wall clock may be set */

static int64_t
wall(const struct sl_delivery *d)
{
	return sl_loop_time_us(d->o.loop);
}

static void
due(struct sl_timer *timer)
{
	sl_delivery_look(sl_list_entry(timer, struct sl_delivery, timer));
}

void
sl_delivery_later(struct sl_delivery *d, int64_t ms)
{
	if (!d->draining && (d->timer.loop == NULL || d->timer.at > sl_loop_now(d->o.loop) + ms))
		sl_timer_start(d->o.loop, &d->timer, ms, due);
}

static void
take_due(struct sl_task *task)
{
	struct sl_delivery *d = sl_list_entry(task, struct sl_delivery, task);
	int64_t next = INT64_MAX, now = wall(d), ms;
	const char *id;
	size_t index;

	while (!d->draining && d->running < d->o.at_once) {
		if (!sl_store_take(d->o.store, now, &id, &index, &next)) {
			ms = next == INT64_MAX ? MAX_WAIT_MS : (next - now) / 1000 + 1;
			sl_timer_stop(&d->timer);
			sl_delivery_later(d, ms < MAX_WAIT_MS ? ms : MAX_WAIT_MS);
			return;
		}
		if (sl_try_begin(d, id, index) < 0) {
			sl_delivery_later(d, 1000);
			return;
		}
	}
}

void
sl_delivery_look(struct sl_delivery *d)
{
	if (!d->draining)
		sl_task_post(d->o.loop, &d->task, take_due);
}

void
sl_delivery_left(struct sl_delivery *d, bool soon)
{
	void (*idle)(void *arg) = d->idle;

	if (soon)
		sl_delivery_look(d);
	else
		sl_delivery_later(d, 1000);
	if (d->running + d->parked > 0 || idle == NULL)
		return;
	d->idle = NULL;
	sl_connections_close(d);
	idle(d->idle_arg);
}

struct sl_delivery *
sl_delivery_new(const struct sl_delivery_options *options, struct sl_err *err)
{
	struct sl_delivery *d = sl_calloc(1, sizeof(*d));

	if (d == NULL || (d->slots = sl_dict_new()) == NULL) {
		sl_free(d);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	d->o = *options;
	if (d->o.at_once == 0)
		d->o.at_once = AT_ONCE;
	sl_list_init(&d->pre);
	sl_list_init(&d->tries);
	sl_list_init(&d->gathering);
	sl_list_init(&d->batches);
	sl_list_init(&d->kept);
	sl_delivery_look(d);
	return d;
}

void
sl_delivery_kick(struct sl_delivery *d)
{
	sl_delivery_look(d);
}

/* Results that couldn't be recorded keep their recipient busy: let them go. */
static void
give_back_unrecorded(struct sl_delivery *d)
{
	struct sl_list *node, *next;

	for (node = d->tries.next; node != &d->tries; node = next) {
		struct sl_try *t = sl_list_entry(node, struct sl_try, link);

		next = node->next;
		if (t->again.loop != NULL)
			sl_try_give_back(t);
	}
}

/* What no host can have yet is sent by who comes next; a host that may have it is waited for,
 * since it would get it twice. */
static void
out_of_patience(struct sl_timer *timer)
{
	sl_batches_give_back(sl_list_entry(timer, struct sl_delivery, patience), SL_BATCHES_INCOMPLETE);
}

void
sl_delivery_drain(struct sl_delivery *d, void (*idle)(void *arg), void *arg)
{
	d->draining = true;
	sl_timer_stop(&d->timer);
	sl_task_cancel(&d->task);
	sl_batches_give_back(d, SL_BATCHES_WAITING);
	sl_timer_start(d->o.loop, &d->patience, PATIENCE_MS, out_of_patience);
	give_back_unrecorded(d);
	sl_connections_close(d);
	d->idle = idle;
	d->idle_arg = arg;
	if (d->running + d->parked == 0)
		sl_delivery_left(d, false);
}

void
sl_delivery_free(struct sl_delivery *d)
{
	if (d == NULL)
		return;
	d->draining = true;
	d->idle = NULL;
	sl_batches_give_back(d, SL_BATCHES_ALL);
	while (!sl_list_empty(&d->pre))
		sl_try_give_back(sl_list_entry(d->pre.next, struct sl_try, link));
	while (!sl_list_empty(&d->tries))
		sl_try_give_back(sl_list_entry(d->tries.next, struct sl_try, link));
	sl_connections_close(d);
	sl_slots_free(d);
	sl_tls_unref(d->tls[0]);
	sl_tls_unref(d->tls[1]);
	sl_timer_stop(&d->timer);
	sl_timer_stop(&d->patience);
	sl_task_cancel(&d->task);
	sl_free(d);
}
