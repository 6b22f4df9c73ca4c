#include "seize.h"

#include "store_private.h"

const struct sl_envelope *
sl_store_after(const struct sl_store *s, uint64_t *at)
{
	struct sl_str id;
	void *value;

	return sl_dict_after(s->index, at, &id, &value) ? ((struct message *)value)->env : NULL;
}

bool
sl_store_seize(struct sl_store *s, const char *id, size_t index)
{
	struct message *m = sl_index_find(s, id);

	if (m == NULL || index >= m->env->n || m->slots[index].taken)
		return false;
	sl_heap_remove(s, &m->slots[index]);
	m->slots[index].taken = true;
	return true;
}

void
sl_store_set_aside(struct sl_store *s, const char *id, size_t index)
{
	struct message *m = sl_index_find(s, id);

	if (m != NULL && index < m->env->n)
		m->slots[index].taken = false;
}
