/*
 * For the tests of builtins: tables of expressions and what they give, as the
 * REPL prints it. A wanted text that begins with "!" is a part of the error.
 */
#ifndef SL_LUA_TESTING_H
#define SL_LUA_TESTING_H

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../core/sluice_host.h"

struct expression {
	const char *script, *wanted;	/* without "return" in front if it has a ';' or a line end */
};

static char given[4000];
static bool over;

static inline void
evaluated(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	over = true;
	if (err != NULL)
		snprintf(given, sizeof(given), "!%s", err->text);
	else
		snprintf(given, sizeof(given), "%s", text != NULL ? text : "");
}

static inline struct sl_engine *
testing_engine(void)
{
	const char *stdlib = getenv("SLUICE_STDLIB");
	struct sl_engine_options o = { .stdlib = stdlib != NULL ? stdlib : "stdlib" };
	struct sl_engine *e = sl_engine_new(&o, NULL);

	assert_non_null(e);
	return e;
}

/* What 'script' gives, until the next call. */
static inline const char *
evaluate(struct sl_engine *e, const char *name, const char *script)
{
	struct sl_err err;

	over = false;
	if (sl_engine_exec(e, name, sl_str_of(script), evaluated, NULL, &err) != 0) {
		snprintf(given, sizeof(given), "!%s", err.text);
		return given;
	}
	while (!over)
		assert_int_equal(sl_engine_wait(e, -1), 0);
	return given;
}

static inline bool
as_wanted(const char *wanted)
{
	if (wanted[0] == '!')
		return given[0] == '!' && strstr(given, wanted + 1) != NULL;
	return strcmp(given, wanted) == 0;
}

/* The engine's policy: files by name and text, in a folder that is gone afterwards. */
struct policy_file {
	const char *name, *text;
};

static inline void
write_file(const char *folder, const struct policy_file *file)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, file->name);
	if (strchr(file->name, '/') != NULL) {
		*strrchr(path, '/') = '\0';
		mkdir(path, 0700);
		*(path + strlen(path)) = '/';
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(file->text, f);
	assert_int_equal(fclose(f), 0);
}

static inline int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return remove(path);
}

/* What is wrong with it, "" = nothing; until the next call. */
static inline const char *
load_policy(struct sl_engine *e, const struct policy_file *files, size_t n)
{
	char folder[] = "/tmp/sluice-builtins-XXXXXX";
	struct sl_buf report = SL_BUF_INIT;
	struct sl_generation *g;
	size_t i;

	assert_non_null(mkdtemp(folder));
	for (i = 0; i < n; i++)
		write_file(folder, &files[i]);
	if (sl_engine_prepare_folder(e, folder, &g, &report) == 0)
		sl_engine_commit(e, g);
	nftw(folder, remove_entry, 10, FTW_DEPTH | FTW_PHYS);
	snprintf(given, sizeof(given), "%.*s", (int)report.n, report.p != NULL ? report.p : "");
	sl_buf_clear(&report);
	return given;
}

static inline void
expressions_in(struct sl_engine *e, const struct expression *rows, size_t n)
{
	char script[4000];
	size_t i;

	for (i = 0; i < n; i++) {
		snprintf(script, sizeof(script), "%s%s",
		    strpbrk(rows[i].script, ";\n") != NULL ? "" : "return ", rows[i].script);
		evaluate(e, "test.lua", script);
		if (!as_wanted(rows[i].wanted))
			fail_msg("%s\n  gives  %s\n  wanted %s", rows[i].script, given, rows[i].wanted);
	}
}

/* The same of HSL: an expression, or a program, which ends in ";". */
static inline void
hsl_expressions_in(struct sl_engine *e, const struct expression *rows, size_t n)
{
	char script[4000];
	bool program;
	size_t i;

	for (i = 0; i < n; i++) {
		program = rows[i].script[strlen(rows[i].script) - 1] == ';';
		snprintf(script, sizeof(script), program ? "%s" : "return %s;", rows[i].script);
		evaluate(e, "test.hsl", script);
		if (!as_wanted(rows[i].wanted))
			fail_msg("%s\n  gives  %s\n  wanted %s", rows[i].script, given, rows[i].wanted);
	}
}

static inline void
hsl_expressions(const struct expression *rows, size_t n)
{
	struct sl_engine *e = testing_engine();

	hsl_expressions_in(e, rows, n);
	sl_engine_free(e);
}

static inline void
expressions(const struct expression *rows, size_t n)
{
	struct sl_engine *e = testing_engine();

	expressions_in(e, rows, n);
	sl_engine_free(e);
}

/* CASE(bytes) makes a test of the table 'bytes'. */
#define CASE(rows)	static void test_##rows(void **state) \
	{ (void)state; expressions(rows, sizeof(rows) / sizeof(rows[0])); }
#define HSL_CASE(rows)	static void test_##rows(void **state) \
	{ (void)state; hsl_expressions(rows, sizeof(rows) / sizeof(rows[0])); }

#endif
