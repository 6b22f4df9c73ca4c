/* The name that a misspelled one may have meant: edit distance, small. */
#include <string.h>

#include "internal.h"

#define MAX_WORD	48

static unsigned
min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static unsigned
distance(const char *a, const char *b)
{
	unsigned row[MAX_WORD + 1], above, diagonal;
	size_t na = strlen(a), nb = strlen(b), i, j;

	if (na > MAX_WORD || nb > MAX_WORD)
		return MAX_WORD;
	for (j = 0; j <= nb; j++)
		row[j] = (unsigned)j;
	for (i = 1; i <= na; i++) {
		diagonal = row[0];
		row[0] = (unsigned)i;
		for (j = 1; j <= nb; j++) {
			above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal +
			    (sl_lower(a[i - 1]) != sl_lower(b[j - 1])));
			diagonal = above;
		}
	}
	return row[nb];
}

const char *
sl_suggest(const char *word, const char *const *names)
{
	unsigned limit = (unsigned)strlen(word) / 4 + 1, best = limit + 1, d;
	const char *near = NULL;

	for (; *names != NULL; names++) {
		d = distance(word, *names);
		if (d < best) {
			best = d;
			near = *names;
		}
	}
	return near;
}
