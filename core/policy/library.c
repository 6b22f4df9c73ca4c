#include "library.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"

#define MAX_FILE	(1024 * 1024)

static int
read_file(const char *folder, struct sl_str name, struct sl_buf *out, struct sl_err *err)
{
	char path[1024], part[8192];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%.*s", folder, (int)name.n, name.p);
	sl_buf_reset(out);
	out->limit = MAX_FILE;
	if ((f = fopen(path, "re")) == NULL)
		return sl_err_errno(err, "%s", path);
	while ((n = fread(part, 1, sizeof(part), f)) > 0)
		sl_buf_put(out, part, n);
	fclose(f);
	return out->failed ? sl_err_set(err, SL_ERR_LIMIT, "%s: too long", path) : 0;
}

static int
add_module(struct sl_program *program, const char *folder, struct sl_str name, struct sl_err *err)
{
	struct sl_buf source = SL_BUF_INIT;
	char path[512];
	int rc = read_file(folder, name, &source, err);

	snprintf(path, sizeof(path), "stdlib/%.*s", (int)name.n, name.p);
	if (rc == 0)
		rc = sl_program_add(program, path, sl_buf_str(&source), err);
	sl_buf_clear(&source);
	return rc;
}

struct sl_program *
sl_library_load(struct sl_vm *vm, const char *folder, struct sl_err *err)
{
	struct sl_program *program = sl_program_new(vm);
	struct sl_buf index = SL_BUF_INIT;
	struct sl_str rest, line;
	int rc;

	if (program == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	rc = read_file(folder, SL_STR("index"), &index, err);
	rest = sl_buf_str(&index);
	while (rc == 0 && sl_str_split(&rest, '\n', &line))
		if (line.n > 0)
			rc = add_module(program, folder, line, err);
	sl_buf_clear(&index);
	if (rc == 0)
		return program;
	sl_program_unref(program);
	return NULL;
}
