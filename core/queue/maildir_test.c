/* Maildirs: paths that stay where they belong, and messages that appear whole. */
#include "maildir.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"

/* want NULL: refused. */
static const struct {
	const char *pattern, *address, *want;
} paths[] = {
	{ "/m/%d/%u", "a@b.example", "/m/b.example/a" },
	{ "/m/%u/Maildir", "a.b@c", "/m/a.b/Maildir" },
	{ "/m/all", "a@b", "/m/all" },
	{ "/m/100%", "a@b", "/m/100%" },
	{ "/m/%x", "a@b", "/m/%x" },
	{ "/m/%u", "\xc3\xa4@b", "/m/\xc3\xa4" },
	{ "/m/%u", "a%d@b", "/m/a%d" },
	{ "/m/%u", "a/b@c", NULL },
	{ "/m/%u", "../../etc/x@c", NULL },
	{ "/m/%u", "..@c", NULL },
	{ "/m/%u", ".@c", NULL },
	{ "/m/%u", ".ssh@c", NULL },
	{ "/m/%u", "\"a b\"@c", NULL },
	{ "/m/%u", "a\nb@c", NULL },
	{ "/m/%u", "@c", NULL },
	{ "/m/%d", "a@", NULL },
	{ "/m/%d", "postmaster", NULL },
	{ "/m/%d", "a@..", NULL },
	{ "/m/%d", "a@b/../c", NULL },
};

static void
path_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct sl_buf out = SL_BUF_INIT;
		struct sl_err err;
		int r = sl_maildir_path(paths[i].pattern, paths[i].address, &out, &err);

		if ((r == 0) != (paths[i].want != NULL) ||
		    (r == 0 && strcmp(out.p, paths[i].want) != 0))
			fail_msg("%s %s: %d %s", paths[i].pattern, paths[i].address, r, out.p);
		sl_buf_clear(&out);
	}
}

static char folder[] = "/tmp/sluice-maildir-XXXXXX";

static struct sl_maildir_job *
job(const char *name)
{
	struct sl_maildir_job *j = sl_calloc(1, sizeof(*j));
	char path[200];

	snprintf(path, sizeof(path), "%s/body", folder);
	j->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(write(j->fd, "junkSubject: x\r\n\r\nhi\r\njunk", 26), 26);
	j->offset = 4;
	j->size = 18;
	snprintf(path, sizeof(path), "%s/deep/er/box", folder);
	j->path = sl_strdup(path);
	j->head = sl_strdup("Return-Path: <a@b>\r\n");
	snprintf(j->name, sizeof(j->name), "%s", name);
	return j;
}

static void
assert_file(const char *path, const char *want)
{
	char text[200] = "";
	char full[300];
	int fd;

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	fd = open(full, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, want);
}

static int
count(const char *path)
{
	struct dirent *e;
	char full[300];
	int n = 0;
	DIR *d;

	snprintf(full, sizeof(full), "%s/%s", folder, path);
	d = opendir(full);
	while (d != NULL && (e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	if (d != NULL)
		closedir(d);
	return n;
}

static void
delivers(void **state)
{
	struct stat st;
	char path[300];

	(void)state;
	/* Twice the same name: a repeated delivery makes no second message. */
	for (int i = 0; i < 2; i++) {
		struct sl_maildir_job *j = job("1.one");

		assert_int_equal(sl_maildir_work(j), 0);
		sl_maildir_job_free(j);
	}
	assert_file("deep/er/box/new/1.one", "Return-Path: <a@b>\r\nSubject: x\r\n\r\nhi\r\n");
	assert_int_equal(count("deep/er/box/new"), 1);
	assert_int_equal(count("deep/er/box/tmp"), 0);
	assert_int_equal(count("deep/er/box"), 3);
	snprintf(path, sizeof(path), "%s/deep/er/box/new/1.one", folder);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Whatever fails, new/ has nothing and tmp/ is left clean. */
static void
fails(void **state)
{
	struct sl_maildir_job *j = job("2.short");
	char path[300], target[300];

	(void)state;
	j->size = 1000;
	assert_int_equal(sl_maildir_work(j), SL_ERR_IO);
	assert_true(j->err.text[0] != '\0');
	sl_maildir_job_free(j);
	assert_int_equal(count("deep/er/box/new"), 1);
	assert_int_equal(count("deep/er/box/tmp"), 0);

	/* A link planted under tmp/ isn't followed. */
	j = job("3.link");
	snprintf(path, sizeof(path), "%s/tmp/3.link", j->path);
	snprintf(target, sizeof(target), "%s/target", folder);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(sl_maildir_work(j), SL_ERR_IO);
	assert_int_equal(access(target, F_OK), -1);
	sl_maildir_job_free(j);
	unlink(path);

	/* A file where a folder should be. */
	j = job("4.file");
	sl_free(j->path);
	snprintf(path, sizeof(path), "%s/body/box", folder);
	j->path = sl_strdup(path);
	assert_int_equal(sl_maildir_work(j), SL_ERR_IO);
	sl_maildir_job_free(j);
}

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_cases),
		cmocka_unit_test(delivers),
		cmocka_unit_test(fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
