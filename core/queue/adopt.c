/* Moves the messages of a shard without a worker into another. */
#include "store_private.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BATCH		64		/* messages on their way at once */
#define BATCH_BYTES	(32 * 1024 * 1024)

struct moving {
	const char *id;
	struct sl_op *op;
	bool here;			/* durable in the shard that takes it */
	char *map;
	size_t mapped;
};

struct adoption {
	struct sl_store *to, *from;
	struct sl_err *err;
	struct moving moving[BATCH];
	size_t n;
	uint64_t bytes;
};

/* ---- the bytes ---------------------------------------------------------------- */

/* The message as one piece; files of the store are whole pages to map. */
static int
map_message(struct adoption *a, struct moving *m, struct sl_str *piece)
{
	uint64_t offset, size, page = (uint64_t)sysconf(_SC_PAGESIZE);
	int fd;

	if (sl_store_message(a->from, m->id, &fd, &offset, &size, a->err) != 0)
		return a->err->code;
	*piece = (struct sl_str){ "", 0 };
	if (size > 0) {
		m->mapped = (size_t)(size + offset % page);
		m->map = mmap(NULL, m->mapped, PROT_READ, MAP_PRIVATE, fd, (off_t)(offset - offset % page));
		if (m->map == MAP_FAILED) {
			m->map = NULL;
			sl_err_errno(a->err, "%s", m->id);
		} else
			*piece = (struct sl_str){ m->map + offset % page, (size_t)size };
	}
	close(fd);
	return size == 0 || m->map != NULL ? 0 : SL_ERR_IO;
}

/* ---- moving ------------------------------------------------------------------------ */

static int
begin(struct adoption *a, const struct sl_envelope *env)
{
	struct moving *m = &a->moving[a->n];
	struct sl_str piece;
	int rc;

	*m = (struct moving){ .id = env->id };
	a->n++;
	if (sl_store_get(a->to, env->id) != NULL) {	/* it came before a kill */
		m->here = true;
		return 0;
	}
	if ((rc = map_message(a, m, &piece)) != 0)
		return rc;
	a->bytes += piece.n;
	m->op = sl_store_accept(a->to, env, &piece, 1);
	return m->op != NULL ? 0 : sl_err_set(a->err, SL_ERR_NOMEM, "out of memory");
}

/* Waits for what began; then it is removed where it was: also when another
 * message couldn't be moved, since what is in both would be delivered twice. */
static int
finish(struct adoption *a, int rc, size_t *moved)
{
	struct sl_op *removed;
	struct moving *m;
	size_t i;

	for (i = 0; i < a->n; i++) {
		m = &a->moving[i];
		if (m->op != NULL)
			m->here = sl_op_block(m->op) == 0;
		if (m->op != NULL && !m->here && rc == 0)
			rc = sl_err_set(a->err, m->op->status, "%s: %s", m->id,
			    sl_err_word(m->op->status));
		sl_op_release(m->op);
		if (m->map != NULL)
			munmap(m->map, m->mapped);
	}
	for (i = 0; i < a->n; i++) {
		if (!a->moving[i].here)
			continue;
		removed = sl_store_remove(a->from, a->moving[i].id);
		if ((removed == NULL || sl_op_block(removed) != 0) && rc == 0)
			rc = sl_err_set(a->err, SL_ERR_IO, "%s: can't be removed", a->moving[i].id);
		sl_op_release(removed);
		(*moved)++;
	}
	a->n = 0;
	a->bytes = 0;
	return rc;
}

static int
move_all(struct adoption *a, size_t *moved)
{
	const struct sl_envelope *env;
	size_t i;
	int rc = 0;

	while (rc == 0 && sl_store_count(a->from) > 0) {
		for (i = 0; rc == 0 && a->n < BATCH && a->bytes < BATCH_BYTES &&
		    (env = sl_store_each(a->from, &i)) != NULL;)
			rc = begin(a, env);
		rc = finish(a, rc, moved);
	}
	return rc;
}

/* ---- the folder ---------------------------------------------------------------------- */

/* In the order of their names: the oldest segment first, for a later one may
 * hold the end of a message in it. What was damaged is kept, and the folder
 * with it. The store leaves the body file of what was removed last. */
static void
remove_folder(const char *folder)
{
	struct sl_buf path = SL_BUF_INIT;
	struct dirent **names;
	int i, n = scandir(folder, &names, NULL, alphasort);

	for (i = 0; i < n; i++) {
		sl_buf_reset(&path);
		sl_buf_printf(&path, "%s/%s", folder, names[i]->d_name);
		if (names[i]->d_name[0] != '.' && strstr(names[i]->d_name, ".bad") == NULL &&
		    !path.failed) {
			if (names[i]->d_type == DT_DIR)
				remove_folder(path.p);
			else if (unlink(path.p) == 0)
				sl_file_real.sync_folder(NULL, folder);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	sl_buf_clear(&path);
	rmdir(folder);
}

int
sl_store_adopt(struct sl_store *to, const char *folder, size_t *moved, struct sl_err *err)
{
	struct sl_store_options o = { .folder = folder, .events = to->options.events,
		.lock_ms = to->options.lock_ms };
	struct adoption *a = sl_calloc(1, sizeof(*a));
	int rc;

	*moved = 0;
	if (a == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	a->to = to;
	a->err = err;
	rc = sl_store_open(&a->from, to->loop, &o, err);
	if (rc == 0) {
		rc = move_all(a, moved);
		sl_store_close(a->from);
		if (rc == 0)
			remove_folder(folder);
	}
	sl_free(a);
	return rc;
}
