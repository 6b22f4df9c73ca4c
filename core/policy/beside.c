#include "beside.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"

#define MAX_FILE	(16 * 1024 * 1024)
#define MAX_PATH	2048

struct sl_beside {
	struct sl_program_files files;
	struct sl_dict *kept;		/* name -> struct sl_buf */
	char folder[MAX_PATH];		/* with its slash; "" = where we are */
};

static bool
read_file(const char *path, struct sl_buf *out)
{
	char part[8192];
	size_t n;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return false;
	sl_buf_reset(out);
	out->limit = MAX_FILE;
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		sl_buf_put(out, part, n);
	n = ferror(f) != 0 || out->failed;	/* of a folder, for one */
	fclose(f);
	return n == 0;
}

static bool
read_in(const struct sl_beside *b, const char *name, struct sl_buf *out)
{
	char path[2 * MAX_PATH];

	snprintf(path, sizeof(path), "%s%s", b->folder, name);
	return read_file(path, out);
}

static bool
find(const struct sl_beside *b, const char *name, struct sl_buf *out)
{
	if (strlen(name) >= MAX_PATH)
		return false;
	if (read_in(b, name, out))
		return true;
	return strncmp(name, "data/", 5) == 0 && read_in(b, name + 5, out);
}

static void
free_kept(void *value)
{
	struct sl_buf *bytes = value;

	sl_buf_clear(bytes);
	sl_free(bytes);
}

static bool
read_kept(void *arg, const char *name, struct sl_str *source)
{
	struct sl_beside *b = arg;
	struct sl_buf *bytes = sl_dict_get(b->kept, sl_str_of(name));

	if (bytes == NULL) {
		if ((bytes = sl_calloc(1, sizeof(*bytes))) == NULL)
			return false;
		if (!find(b, name, bytes) || sl_dict_set(b->kept, sl_str_of(name), bytes, NULL) != 0) {
			free_kept(bytes);
			return false;
		}
	}
	*source = bytes->n > 0 ? sl_buf_str(bytes) : SL_STR("");
	return true;
}

struct sl_beside *
sl_beside_new(const char *script)
{
	struct sl_beside *b = sl_calloc(1, sizeof(*b));
	const char *slash = strrchr(script, '/');

	if (b == NULL)
		return NULL;
	if (slash != NULL && (size_t)(slash - script) + 1 < sizeof(b->folder))
		memcpy(b->folder, script, (size_t)(slash - script) + 1);
	b->files = (struct sl_program_files){ read_kept, NULL, b, b->folder, 0 };
	b->kept = sl_dict_new();
	if (b->kept != NULL)
		return b;
	sl_free(b);
	return NULL;
}

void
sl_beside_free(struct sl_beside *b)
{
	if (b == NULL)
		return;
	sl_dict_free(b->kept, free_kept);
	sl_free(b);
}

const struct sl_program_files *
sl_beside_files(const struct sl_beside *b)
{
	return &b->files;
}
