/* Intrusive doubly linked ring. A node not in a list points at itself. */
#ifndef SL_BASE_LIST_H
#define SL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sl_list {
	struct sl_list *next, *prev;
};

#define SL_LIST_INIT(name)	{ &(name), &(name) }
#define sl_list_entry(node, type, member) \
	((type *)(void *)((char *)(node) - offsetof(type, member)))

static inline void
sl_list_init(struct sl_list *l)
{
	l->next = l->prev = l;
}

static inline bool
sl_list_empty(const struct sl_list *l)
{
	return l->next == l;
}

/* Puts 'node' before 'at': at the end when 'at' is the list's head. */
static inline void
sl_list_insert(struct sl_list *at, struct sl_list *node)
{
	node->prev = at->prev;
	node->next = at;
	at->prev->next = node;
	at->prev = node;
}

/* Safe on a node that is in no list. */
static inline void
sl_list_remove(struct sl_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = node;
}

static inline struct sl_list *
sl_list_pop(struct sl_list *l)		/* first node or NULL */
{
	struct sl_list *node = l->next;

	if (node == l)
		return NULL;
	sl_list_remove(node);
	return node;
}

#endif
