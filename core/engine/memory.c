/* Lua's allocator: every block is charged to an account. */
#include <string.h>

#include "internal.h"

struct block {
	uint32_t account;
	uint32_t unused[3];	/* keeps what follows aligned to 16 */
};

int
sl_accounts_init(struct accounts *a)
{
	memset(a, 0, sizeof(*a));
	a->list = sl_calloc(16, sizeof(*a->list));
	a->free = sl_calloc(16, sizeof(*a->free));
	if (a->list == NULL || a->free == NULL) {
		sl_accounts_clear(a);
		return SL_ERR_NOMEM;
	}
	a->cap = 16;
	a->n = 1;		/* 0: the engine itself, never refused */
	a->list[0].open = true;
	return 0;
}

void
sl_accounts_clear(struct accounts *a)
{
	sl_free(a->list);
	sl_free(a->free);
	memset(a, 0, sizeof(*a));
}

static int
grow(struct accounts *a)
{
	uint32_t cap = a->cap * 2;
	struct account *list = sl_realloc(a->list, cap * sizeof(*list));
	uint32_t *nofree;

	if (list == NULL)
		return SL_ERR_NOMEM;
	a->list = list;
	nofree = sl_realloc(a->free, cap * sizeof(*nofree));
	if (nofree == NULL)
		return SL_ERR_NOMEM;
	a->free = nofree;
	a->cap = cap;
	return 0;
}

int
sl_account_open(struct accounts *a, size_t limit, uint32_t *index)
{
	if (a->nfree > 0)
		*index = a->free[--a->nfree];
	else if (a->n < a->cap || grow(a) == 0)
		*index = a->n++;
	else
		return SL_ERR_NOMEM;
	memset(&a->list[*index], 0, sizeof(a->list[0]));
	a->list[*index].limit = limit;
	a->list[*index].open = true;
	return 0;
}

static void
recycle(struct accounts *a, uint32_t index)
{
	if (index != 0 && !a->list[index].open && a->list[index].used == 0)
		a->free[a->nfree++] = index;
}

void
sl_account_close(struct accounts *a, uint32_t index)
{
	a->list[index].open = false;
	recycle(a, index);
}

static bool
refuses(const struct account *acc, size_t more)
{
	return acc->limit != 0 && acc->used + more > acc->limit;
}

static void
charge(struct account *acc, size_t more)
{
	acc->used += more;
	if (acc->used > acc->peak)
		acc->peak = acc->used;
}

bool
sl_account_hold(struct accounts *a, uint32_t index, size_t bytes)
{
	if (refuses(&a->list[index], bytes))
		return false;
	charge(&a->list[index], bytes);
	return true;
}

void
sl_account_release(struct accounts *a, uint32_t index, size_t bytes)
{
	a->list[index].used -= bytes;
	recycle(a, index);
}

/* A block stays with the account it was first charged to, also when it grows. */
void *
sl_lua_alloc(void *ud, void *p, size_t osize, size_t nsize)
{
	struct accounts *a = ud;
	struct block *b = p != NULL ? (struct block *)p - 1 : NULL;
	uint32_t index = b != NULL ? b->account : a->current;
	struct account *acc = &a->list[index];
	struct block *nb;

	if (nsize == 0) {
		if (b != NULL) {
			sl_free(b);
			sl_account_release(a, index, osize);
		}
		return NULL;
	}
	if (b == NULL)
		osize = 0;
	if (nsize > osize && refuses(acc, nsize - osize))
		return NULL;	/* Lua collects and asks again */
	nb = sl_realloc(b, sizeof(*b) + nsize);
	if (nb == NULL)
		return NULL;
	nb->account = index;
	charge(acc, nsize - osize);
	return nb + 1;
}
