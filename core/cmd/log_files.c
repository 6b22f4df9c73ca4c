/* The logs that commands read. See log_files.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/config.h"
#include "../policy/image.h"
#include "../sluice_host.h"
#include "cmd.h"
#include "log_files.h"

#define CHUNK		(256u << 10)
#define MAX_LINE	(256u << 10)	/* longer lines are passed over */
#define MAX_FILES	1000

/* ---- reading ----------------------------------------------------------------------------- */

static void
count(struct log_file *log, struct sl_str line)
{
	static const char head[] = "{\"time\":\"";
	size_t n = sizeof(head) - 1;
	char *to = log->first[0] == '\0' ? log->first : log->last;

	log->lines++;
	if (line.n < n + LOG_TIME || memcmp(line.p, head, n) != 0)
		return;
	log->events++;
	memcpy(to, line.p + n, LOG_TIME);
	to[LOG_TIME] = '\0';
}

/* Whole lines of the buffer; what is left is the beginning of one. */
static void
take_lines(struct log_file *log, struct sl_buf *b, bool *passing, bool end, log_line_fn *fn, void *arg)
{
	struct sl_str rest = sl_buf_str(b), line;
	ssize_t at;

	while ((at = sl_str_chr(rest, '\n')) >= 0 || (end && rest.n > 0)) {
		line = at >= 0 ? sl_str_sub(rest, 0, (size_t)at) : rest;
		rest = at >= 0 ? sl_str_sub(rest, (size_t)at + 1, rest.n) : sl_str_sub(rest, rest.n, rest.n);
		if (*passing) {
			*passing = false;
			continue;
		}
		count(log, line);
		fn(arg, line);
	}
	sl_buf_drop(b, b->n - rest.n);
	if (b->n <= MAX_LINE)
		return;
	log->skipped += !*passing;
	*passing = true;
	sl_buf_reset(b);
}

void
log_file_read(struct log_file *log, log_line_fn *fn, void *arg)
{
	int fd = strcmp(log->path, "-") == 0 ? STDIN_FILENO : open(log->path, O_RDONLY | O_CLOEXEC);
	struct sl_buf b = SL_BUF_INIT;
	bool passing = false;
	ssize_t n = -1;

	while (fd >= 0 && sl_buf_reserve(&b, CHUNK) == 0 && (n = read(fd, b.p + b.n, CHUNK)) > 0) {
		b.n += (size_t)n;
		if (log->lines == 0 && sl_str_starts(sl_buf_str(&b), SL_STR("\x1f\x8b")))
			log->compressed = true;
		take_lines(log, &b, &passing, false, fn, arg);
	}
	if (n < 0)
		log->error = strerror(errno);
	else
		take_lines(log, &b, &passing, true, fn, arg);
	if (fd > STDIN_FILENO)
		close(fd);
	sl_buf_clear(&b);
}

/* ---- which logs -------------------------------------------------------------------------- */

void
log_files_add(struct log_files *l, const char *path)
{
	struct log_file *more;

	if (l->n == MAX_FILES || (more = realloc(l->files, (l->n + 1) * sizeof(*more))) == NULL)
		return;
	l->files = more;
	more[l->n] = (struct log_file){ .path = strdup(path) };
	if (more[l->n].path != NULL)
		l->n++;
}

/* "log.2" beside "log": what log rotation leaves, as long as it isn't compressed. */
static bool
is_rotated(const char *name, const char *log)
{
	size_t n = strlen(log);

	return strncmp(name, log, n) == 0 && (name[n] == '.' || name[n] == '-') && name[n + 1] != '\0' &&
	    name[n + 1 + strspn(name + n + 1, "0123456789-")] == '\0';
}

static void
add_rotated(struct log_files *l, const char *path)
{
	char *a = strdup(path), *b = strdup(path), *folder = dirname(a), *name = basename(b), *full;
	struct dirent **found;
	int n = scandir(folder, &found, NULL, alphasort), i;

	for (i = 0; i < n; i++) {
		if (is_rotated(found[i]->d_name, name) &&
		    asprintf(&full, "%s/%s", folder, found[i]->d_name) >= 0) {
			log_files_add(l, full);
			free(full);
		}
		free(found[i]);
	}
	if (n >= 0)
		free(found);
	log_files_add(l, path);
	free(a);
	free(b);
}

int
log_files_find(struct log_files *l, const char *policy, const char *usage)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_generation *generation = NULL;
	struct sl_buf report = SL_BUF_INIT;
	struct sl_err err;
	struct sl_engine *engine = sl_engine_new(&options, &err);
	const char *file = NULL;
	int image = -1, rc = -1;

	if (engine == NULL || sl_image_pack(policy, cmd_stdlib(), &image, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
	} else if (sl_engine_prepare(engine, image, &generation, &report) != 0) {
		fprintf(stderr, "%sThe policy doesn't load; name the log: %s\n",
		    report.p != NULL ? report.p : "", usage);
	} else if ((file = sl_generation_config(generation)->log.file) == NULL) {
		fprintf(stderr, "sluice: %s/sluice.lua names no file in log; name one: %s\n",
		    policy, usage);
	} else {
		add_rotated(l, file);
		rc = 0;
	}
	if (generation != NULL)
		sl_generation_free(generation);
	if (image >= 0)
		close(image);
	sl_engine_free(engine);
	sl_buf_clear(&report);
	return rc;
}

void
log_files_free(struct log_files *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->files[i].path);
	free(l->files);
	*l = (struct log_files){ 0 };
}
