/* The allocator, and the switch that lets tests exhaust it. See alloc.h. */
#include "alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned long fail_in;
static _Thread_local int fail_sticky;

/* Counts one allocation; true when this is the one to refuse. */
static int
refused(void)
{
	if (__builtin_expect(fail_in == 0, 1))
		return 0;
	if (fail_in > 1) {
		fail_in--;
		return 0;
	}
	if (!fail_sticky)
		fail_in = 0;
	return 1;
}

void
sl_alloc_fail_at(unsigned long n, int sticky)
{
	fail_in = n;
	fail_sticky = sticky;
}

void *
sl_malloc(size_t size)
{
	return refused() ? NULL : malloc(size != 0 ? size : 1);
}

void *
sl_calloc(size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		return NULL;
	if (total == 0)
		n = size = 1;
	return refused() ? NULL : calloc(n, size);
}

void *
sl_realloc(void *p, size_t size)
{
	return refused() ? NULL : realloc(p, size != 0 ? size : 1);
}

void
sl_free(void *p)
{
	free(p);
}

char *
sl_strdup(const char *s)
{
	return sl_strndup(s, strlen(s));
}

char *
sl_strndup(const char *s, size_t n)
{
	char *copy;

	if (n == SIZE_MAX)
		return NULL;
	copy = sl_malloc(n + 1);
	if (copy == NULL)
		return NULL;
	if (n > 0)
		memcpy(copy, s, n);
	copy[n] = '\0';
	return copy;
}

void
sl_wipe(void *p, size_t n)
{
	if (p != NULL && n > 0)
		explicit_bzero(p, n);
}
