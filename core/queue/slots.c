/*
 * Slots: transactions under way to one destination, and who waits for a turn.
 *
 * Only so many wait in memory, so that a destination that hangs takes neither
 * the memory nor the attention that others need. Recipients beyond that are set
 * aside: known by name only, anybody's to change, and taken again when there is
 * room. They are due all the time, so a restart takes them as any other.
 */
#include <string.h>

#include "../base/alloc.h"
#include "delivery_private.h"
#include "seize.h"

#define AGAIN_MS	1000
#define MAX_WAITING	200		/* turns of one destination */
#define MAX_PARKED	10000		/* recipients of all that wait */
#define RUN_MORE	2		/* times at_once run when many slots become free at once */

struct sl_slot {
	struct sl_delivery *delivery;
	struct sl_list waiting;		/* turns */
	size_t nwaiting;
	struct sl_list aside;		/* recipients */
	unsigned active;
	struct sl_timer timer;
	char *destination;
};

struct aside {
	struct sl_list link;
	size_t index;
	char id[];
};

static void	 wake(struct sl_slot *s);
static void	 look_at(struct sl_slot *s, int64_t ms);

/* ---- life ------------------------------------------------------------------------ */

static void
slot_free(struct sl_slot *s)
{
	sl_timer_stop(&s->timer);
	sl_dict_remove(s->delivery->slots, sl_str_of(s->destination));
	sl_free(s->destination);
	sl_free(s);
}

static void
slot_unused(struct sl_slot *s)
{
	if (s->active == 0 && sl_list_empty(&s->waiting) && sl_list_empty(&s->aside))
		slot_free(s);
}

static struct sl_slot *
slot_of(struct sl_delivery *d, const char *destination)
{
	struct sl_slot *s = sl_dict_get(d->slots, sl_str_of(destination));

	if (s != NULL || (s = sl_calloc(1, sizeof(*s))) == NULL)
		return s;
	s->delivery = d;
	sl_list_init(&s->waiting);
	sl_list_init(&s->aside);
	s->destination = sl_strdup(destination);
	if (s->destination == NULL ||
	    sl_dict_set(d->slots, sl_str_of(destination), s, NULL) < 0) {
		sl_free(s->destination);
		sl_free(s);
		return NULL;
	}
	return s;
}

/* ---- set aside --------------------------------------------------------------------- */

int
sl_slot_set_aside(struct sl_delivery *d, const char *destination, const char *id, size_t index)
{
	struct sl_slot *s = slot_of(d, destination);
	size_t n = strlen(id) + 1;
	struct aside *a = s != NULL ? sl_malloc(sizeof(*a) + n) : NULL;

	if (a == NULL)
		return SL_ERR_NOMEM;
	a->index = index;
	memcpy(a->id, id, n);
	sl_list_insert(&s->aside, &a->link);
	if (s->timer.loop == NULL)
		look_at(s, AGAIN_MS);
	return 0;
}

/* False: it is gone, or an operator's command has it. */
static bool
seize_next(struct sl_slot *s, struct aside **out)
{
	struct aside *a = sl_list_entry(sl_list_pop(&s->aside), struct aside, link);

	*out = a;
	return sl_store_seize(s->delivery->o.store, a->id, a->index);
}

/* Some of them go the whole way of an attempt again, since what they are may have changed. */
static void
take_again(struct sl_slot *s)
{
	struct sl_delivery *d = s->delivery;
	size_t room = s->nwaiting < MAX_WAITING / 2 ? MAX_WAITING - s->nwaiting : 0;
	struct aside *a;

	while (room > 0 && !d->draining && d->running < d->o.at_once && !sl_list_empty(&s->aside)) {
		if (seize_next(s, &a) && sl_try_begin(d, a->id, a->index) == 0)
			room--;
		sl_free(a);
	}
	if (!sl_list_empty(&s->aside))
		look_at(s, AGAIN_MS);
}

void
sl_slots_free(struct sl_delivery *d)
{
	struct sl_str key;
	struct aside *a;
	void *slot;

	for (size_t i = 0; sl_dict_each(d->slots, &i, &key, &slot);) {
		struct sl_slot *s = slot;

		while (!sl_list_empty(&s->aside)) {
			if (seize_next(s, &a))
				sl_store_untake(d->o.store, a->id, a->index);
			sl_free(a);
		}
		slot_free(s);
	}
	sl_dict_free(d->slots, NULL);
}

/* ---- turns ------------------------------------------------------------------------- */

static void
look(struct sl_timer *timer)
{
	wake(sl_list_entry(timer, struct sl_slot, timer));
}

static void
look_at(struct sl_slot *s, int64_t ms)
{
	if (s->timer.loop == NULL || s->timer.at > sl_loop_now(s->delivery->o.loop) + ms)
		sl_timer_start(s->delivery->o.loop, &s->timer, ms, look);
}

/* Our own count first, then the one shared with other workers. */
static bool
take_slot(struct sl_slot *s, unsigned limit)
{
	struct sl_delivery *d = s->delivery;

	if (s->active >= limit)
		return false;
	if (d->o.slot_take != NULL && !d->o.slot_take(d->o.arg, s->destination, limit)) {
		look_at(s, AGAIN_MS);
		return false;
	}
	s->active++;
	return true;
}

static void
stop_waiting(struct sl_turn *turn)
{
	sl_list_remove(&turn->link);
	turn->waits_for->nwaiting--;
	turn->waits_for = NULL;
}

/* The next turn. The others come by the timer: one that begins may end at once,
 * and the slot with it. */
static void
wake(struct sl_slot *s)
{
	struct sl_turn *turn;

	if (!sl_list_empty(&s->aside))
		take_again(s);
	if (sl_list_empty(&s->waiting)) {
		slot_unused(s);
		return;
	}
	turn = sl_list_entry(s->waiting.next, struct sl_turn, link);
	if (s->delivery->running >= RUN_MORE * s->delivery->o.at_once) {
		look_at(s, AGAIN_MS);
		return;
	}
	if (!take_slot(s, turn->limit))
		return;
	stop_waiting(turn);
	turn->slot = s;
	if (!sl_list_empty(&s->waiting))
		look_at(s, 0);
	turn->begin(turn);
}

enum sl_turn_answer
sl_turn_ask(struct sl_delivery *d, struct sl_turn *turn, const char *destination)
{
	struct sl_slot *s = slot_of(d, destination);

	if (s == NULL)
		return SL_TURN_NOMEM;
	if (sl_list_empty(&s->waiting) && take_slot(s, turn->limit)) {
		turn->slot = s;
		return SL_TURN_NOW;
	}
	if (s->nwaiting >= MAX_WAITING || (d->parked >= MAX_PARKED && s->active + s->nwaiting > 0))
		return SL_TURN_FULL;
	sl_list_insert(&s->waiting, &turn->link);
	s->nwaiting++;
	turn->waits_for = s;
	return SL_TURN_LATER;
}

void
sl_turn_end(struct sl_turn *turn)
{
	struct sl_slot *waits_for = turn->waits_for, *s = turn->slot;

	if (waits_for != NULL) {
		stop_waiting(turn);
		slot_unused(waits_for);
	}
	if (s == NULL)
		return;
	turn->slot = NULL;
	s->active--;
	if (s->delivery->o.slot_give != NULL)
		s->delivery->o.slot_give(s->delivery->o.arg, s->destination);
	if (!sl_list_empty(&s->waiting) || !sl_list_empty(&s->aside))
		look_at(s, 0);
	slot_unused(s);
}
