/* files: names for files of the policy that scripts may read. */
#include <stdio.h>
#include <string.h>

#include "config_private.h"
#include "image.h"

/* What scripts never get to see as text. */
static bool
is_private(struct sl_str path)
{
	return sl_str_starts(path, SL_STR("keys/")) || sl_str_starts(path, SL_STR("secrets/")) ||
	    sl_str_starts(path, SL_STR("stdlib/")) || sl_str_eq(path, SL_STR("sluice.lua"));
}

static void
check_file(struct loader *l, const char *name, const json_t *v)
{
	const char *path = json_string_value(v);
	char where[200];
	struct sl_str bytes;

	snprintf(where, sizeof(where), "files.%s", name);
	if (path == NULL)
		schema_error(l, where, "%s: a file of the policy expected", where);
	else if (is_private(sl_str_of(path)))
		schema_error(l, where, "%s: scripts can't read \"%s\"", where, path);
	else if (!sl_image_find(l->config->image, path, &bytes))
		schema_error(l, where, "%s: the policy has no \"%s\"", where, path);
}

void
sl_config_check_files(struct loader *l)
{
	const json_t *files = l->config->files;
	const char *name;
	json_t *v;

	if (files == NULL || json_array_size(files) > 0) {
		if (files != NULL)
			schema_error(l, "files", "files: a table of files by name expected");
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)files, name, v)
		check_file(l, name, v);
}

/* "file:1", "file://list.txt", "list.txt": the name. */
static struct sl_str
without_prefix(struct sl_str name)
{
	if (sl_str_starts(name, SL_STR("file://")))
		return sl_str_sub(name, 7, name.n);
	if (sl_str_starts(name, SL_STR("file:")))
		return sl_str_sub(name, 5, name.n);
	return name;
}

bool
sl_config_file(const struct sl_config *c, struct sl_str name, char path[SL_CONFIG_PATH])
{
	const char *named;

	name = without_prefix(name);
	if (name.n + sizeof("data/") > SL_CONFIG_PATH || sl_str_chr(name, '\0') >= 0)
		return false;
	snprintf(path, SL_CONFIG_PATH, "%.*s", (int)name.n, name.p);
	named = json_string_value(json_object_get(c->files, path));
	if (named == NULL)
		snprintf(path, SL_CONFIG_PATH, "data/%.*s", (int)name.n, name.p);
	else
		snprintf(path, SL_CONFIG_PATH, "%s", named);
	return true;
}
