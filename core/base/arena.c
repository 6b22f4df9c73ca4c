/* Arenas: allocations that end together. See alloc.h. */
#include "alloc.h"

#include <stdint.h>
#include <string.h>

#define BLOCK	4064u

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(16) char bytes[];
};

struct sl_arena {
	struct block *blocks;		/* the first one is filled */
	size_t used, limit;
	bool (*may)(void *arg, size_t bytes);	/* NULL = nobody is asked */
	void *arg;
};

struct sl_arena *
sl_arena_new(size_t limit)
{
	struct sl_arena *arena = sl_calloc(1, sizeof(*arena));

	if (arena != NULL)
		arena->limit = limit;
	return arena;
}

void
sl_arena_ask(struct sl_arena *arena, bool (*may)(void *arg, size_t bytes), void *arg)
{
	arena->may = may;
	arena->arg = arg;
}

void
sl_arena_free(struct sl_arena *arena)
{
	struct block *b, *next;

	if (arena == NULL)
		return;
	for (b = arena->blocks; b != NULL; b = next) {
		next = b->next;
		sl_free(b);
	}
	sl_free(arena);
}

static struct block *
add_block(struct sl_arena *arena, size_t size)
{
	struct block *b, *first = arena->blocks;
	size_t want = size > BLOCK / 4 ? size : BLOCK;

	if (arena->may != NULL && !arena->may(arena->arg, sizeof(*b) + want))
		return NULL;
	b = sl_malloc(sizeof(*b) + want);
	if (b == NULL)
		return NULL;
	b->used = 0;
	b->size = want;
	/* A block of its own for a large piece goes behind, so that the open one stays open. */
	if (first != NULL && want == size) {
		b->next = first->next;
		first->next = b;
	} else {
		b->next = first;
		arena->blocks = b;
	}
	return b;
}

void *
sl_arena_alloc(struct sl_arena *arena, size_t size)
{
	struct block *b = arena->blocks;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (size == 0)
		size = 16;
	if (arena->limit != 0 && size > arena->limit - arena->used)
		return NULL;
	if (b == NULL || b->size - b->used < size)
		b = add_block(arena, size);
	if (b == NULL)
		return NULL;
	p = b->bytes + b->used;
	b->used += size;
	arena->used += size;
	return p;
}

char *
sl_arena_strndup(struct sl_arena *arena, const char *s, size_t n)
{
	char *copy = n < SIZE_MAX ? sl_arena_alloc(arena, n + 1) : NULL;

	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}
