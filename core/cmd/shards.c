/* Shards of a spool. See shards.h. */
#include "shards.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "../base/bytes.h"

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

ssize_t
cmd_find_shards(const char *folder, uint64_t *out)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	ssize_t n = 0;

	if (dir == NULL)
		return -1;
	while (n < CMD_MAX_SHARDS && (e = readdir(dir)) != NULL)
		n += strlen(e->d_name) >= 2 && sl_str_u64(sl_str_of(e->d_name), &out[n]);
	closedir(dir);
	qsort(out, (size_t)n, sizeof(*out), by_number);
	return n;
}
