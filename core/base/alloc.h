/*
 * Memory. Everything that isn't a script value comes from here, so that a
 * test can let the n-th allocation fail. A NULL result is an error to return
 * (SL_ERR_NOMEM); nothing here exits. sl_free(NULL) is fine.
 */
#ifndef SL_BASE_ALLOC_H
#define SL_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

void	*sl_malloc(size_t size);
void	*sl_calloc(size_t n, size_t size);	/* zeroed, overflow checked */
void	*sl_realloc(void *p, size_t size);
void	 sl_free(void *p);
char	*sl_strdup(const char *s);
char	*sl_strndup(const char *s, size_t n);

/* Overwrites secrets before their memory is given back. */
void	 sl_wipe(void *p, size_t n);

/*
 * For tests: the n-th allocation from now (1 = the next) returns NULL, and
 * all after it too when 'sticky'. 0 switches it off. Per thread.
 */
void	 sl_alloc_fail_at(unsigned long n, int sticky);

/*
 * An arena: allocations that end together. Blocks are 16-byte aligned and
 * can't be given back one by one. 'limit' bytes at most (0 = none); beyond,
 * sl_arena_alloc answers NULL.
 */
struct sl_arena;
struct sl_arena	*sl_arena_new(size_t limit);
void		 sl_arena_free(struct sl_arena *arena);
void		*sl_arena_alloc(struct sl_arena *arena, size_t size);
/* Who is asked before it takes so many bytes more; false = it may not. */
void		 sl_arena_ask(struct sl_arena *arena, bool (*may)(void *arg, size_t bytes), void *arg);
char		*sl_arena_strndup(struct sl_arena *arena, const char *s, size_t n);

#endif
