/* The index in memory: messages by id, and recipients by when they are due. */
#include <string.h>

#include "store_private.h"

/* ---- the heap -------------------------------------------------------------------- */

static int64_t
due(const struct slot *slot)
{
	return slot->message->env->entries[slot->index].next_us;
}

static void
put(struct sl_store *s, size_t at, struct slot *slot)
{
	s->heap[at] = slot;
	slot->heap = at + 1;
}

static void
up(struct sl_store *s, size_t at, struct slot *slot)
{
	size_t parent;

	for (; at > 0; at = parent) {
		parent = (at - 1) / 2;
		if (due(s->heap[parent]) <= due(slot))
			break;
		put(s, at, s->heap[parent]);
	}
	put(s, at, slot);
}

static void
down(struct sl_store *s, size_t at, struct slot *slot)
{
	size_t child;

	while ((child = 2 * at + 1) < s->nheap) {
		if (child + 1 < s->nheap && due(s->heap[child + 1]) < due(s->heap[child]))
			child++;
		if (due(slot) <= due(s->heap[child]))
			break;
		put(s, at, s->heap[child]);
		at = child;
	}
	put(s, at, slot);
}

/* Room was made when the message came (sl_index_add), so this can't fail. */
void
sl_heap_add(struct sl_store *s, struct slot *slot)
{
	if (slot->heap == 0)
		up(s, s->nheap++, slot);
}

void
sl_heap_remove(struct sl_store *s, struct slot *slot)
{
	size_t at = slot->heap - 1;
	struct slot *last;

	if (slot->heap == 0)
		return;
	slot->heap = 0;
	last = s->heap[--s->nheap];
	if (last == slot)
		return;
	if (at > 0 && due(last) < due(s->heap[(at - 1) / 2]))
		up(s, at, last);
	else
		down(s, at, last);
}

static int
reserve(struct sl_store *s, size_t more)
{
	struct slot **heap;
	size_t cap;

	s->slots += more;
	if (s->slots <= s->capheap)
		return 0;
	cap = s->slots * 2 + 64;
	heap = sl_realloc(s->heap, cap * sizeof(*heap));
	if (heap == NULL) {
		s->slots -= more;
		return SL_ERR_NOMEM;
	}
	s->heap = heap;
	s->capheap = cap;
	return 0;
}

/* ---- messages --------------------------------------------------------------------- */

struct message *
sl_message_wrap(struct sl_envelope *env)
{
	struct message *m = sl_calloc(1, sizeof(*m));
	size_t i;

	if (m == NULL || (m->slots = sl_calloc(env->n > 0 ? env->n : 1, sizeof(*m->slots))) == NULL) {
		sl_free(m);
		sl_envelope_free(env);
		return NULL;
	}
	m->env = env;
	for (i = 0; i < env->n; i++) {
		m->slots[i].message = m;
		m->slots[i].index = i;
		m->open += env->entries[i].state != SL_ENTRY_DONE;
		m->held += env->entries[i].state == SL_ENTRY_HELD;
	}
	return m;
}

void
sl_message_drop(struct message *m)
{
	if (m == NULL)
		return;
	sl_envelope_free(m->env);
	sl_free(m->body);
	sl_free(m->slots);
	sl_free(m);
}

struct message *
sl_index_find(const struct sl_store *s, const char *id)
{
	return sl_dict_get(s->index, sl_str_of(id));
}

uint64_t
sl_message_in_log(const struct message *m)
{
	return m->body == NULL ? m->env->size : 0;
}

static void
leave(struct sl_store *s, struct message *m)
{
	size_t i;

	for (i = 0; i < m->env->n; i++)
		sl_heap_remove(s, &m->slots[i]);
	s->slots -= m->env->n;
	s->held -= m->held > 0;
	s->bytes -= m->env->size;
	m->segment->live--;
	m->segment->live_bytes -= sl_message_in_log(m);
}

int
sl_index_add(struct sl_store *s, struct message *m)
{
	void *old;
	size_t i;
	int rc;

	if ((rc = reserve(s, m->env->n)) != 0)
		return rc;
	if ((rc = sl_dict_set(s->index, sl_str_of(m->env->id), m, &old)) != 0) {
		s->slots -= m->env->n;
		return rc;
	}
	if (old != NULL) {
		leave(s, old);
		sl_message_drop(old);
	}
	s->held += m->held > 0;
	s->bytes += m->env->size;
	m->segment->live++;
	m->segment->live_bytes += sl_message_in_log(m);
	for (i = 0; i < m->env->n; i++)
		if (m->env->entries[i].state == SL_ENTRY_QUEUED)
			sl_heap_add(s, &m->slots[i]);
	return 0;
}

void
sl_index_remove(struct sl_store *s, struct message *m)
{
	sl_dict_remove(s->index, sl_str_of(m->env->id));
	leave(s, m);
	if (m->body != NULL)
		sl_store_unlink_later(s, m->body);
	m->body = NULL;
	sl_message_drop(m);
}

/* One recipient more, or one less, is held. */
static void
count_held(struct sl_store *s, struct message *m, int change)
{
	s->held -= m->held > 0;
	m->held = change > 0 ? m->held + 1 : m->held - 1;
	s->held += m->held > 0;
}

int
sl_index_hold(struct sl_store *s, struct message *m, const char *quarantine)
{
	size_t i;

	if (m->env->quarantine == NULL && (m->env->quarantine = sl_strdup(quarantine)) == NULL)
		return SL_ERR_NOMEM;
	for (i = 0; i < m->env->n; i++) {
		if (m->env->entries[i].state != SL_ENTRY_QUEUED)
			continue;
		m->env->entries[i].state = SL_ENTRY_HELD;
		count_held(s, m, 1);
		sl_heap_remove(s, &m->slots[i]);
	}
	return 0;
}

/* Takes what *e holds. The message is gone when its last recipient is done. */
int
sl_index_apply(struct sl_store *s, struct message *m, size_t index, struct sl_entry *e)
{
	struct sl_entry *now = &m->env->entries[index];
	struct slot *slot = &m->slots[index];

	sl_heap_remove(s, slot);
	if (now->state != SL_ENTRY_DONE && e->state == SL_ENTRY_DONE)
		m->open--;
	else if (now->state == SL_ENTRY_DONE && e->state != SL_ENTRY_DONE)
		m->open++;
	if ((now->state == SL_ENTRY_HELD) != (e->state == SL_ENTRY_HELD))
		count_held(s, m, e->state == SL_ENTRY_HELD ? 1 : -1);
	sl_entry_clear(now);
	*now = *e;
	memset(e, 0, sizeof(*e));
	slot->taken = false;
	if (now->state == SL_ENTRY_QUEUED)
		sl_heap_add(s, slot);
	if (m->open == 0)
		sl_index_remove(s, m);
	return 0;
}
