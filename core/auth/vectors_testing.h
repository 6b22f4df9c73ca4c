/*
 * For tests: the recorded suites of an area, every JSON file in the folder
 * $SLUICE_VECTORS/AREA and the folders in it. What is in a file, not its name,
 * says how it is run. One line per suite: "area/suite: N passed, N failed",
 * with the ids of those that failed behind it ("make vectors" shows it).
 */
#ifndef SL_AUTH_VECTORS_TESTING_H
#define SL_AUTH_VECTORS_TESTING_H

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/bytes.h"

struct tally {
	size_t passed, failed, disputed;
	struct sl_buf ids;
};

/* Runs what a file holds; 'folder' is where it stands. Adds nothing for a form it doesn't know. */
typedef void run_file(struct tally *t, json_t *suite, const char *folder);

static inline void
tally_case(struct tally *t, const char *id, bool good)
{
	if (good) {
		t->passed++;
		return;
	}
	t->failed++;
	sl_buf_printf(&t->ids, " %s", id != NULL ? id : "?");
}

static inline const char *
case_text(const json_t *one, const char *key)
{
	const char *text = json_string_value(json_object_get(one, key));

	return text != NULL ? text : "";
}

static inline bool
one_of(const char *const *ids, const char *id)
{
	for (; *ids != NULL; ids++)
		if (strcmp(*ids, id) == 0)
			return true;
	return false;
}

/* "dkim/dkimpy/cases.json" is dkim/dkimpy. */
static inline void
print_tally(const struct tally *t, const char *suite)
{
	struct sl_str name = sl_str_of(suite);

	name.n -= strlen(".json");
	if (sl_str_ends(name, SL_STR("/cases")))
		name.n -= strlen("/cases");
	printf("%.*s: %zu passed, %zu failed", (int)name.n, name.p, t->passed, t->failed);
	if (t->disputed > 0)
		printf(", %zu disputed", t->disputed);
	printf("%s%s\n", t->failed > 0 ? ":" : "", t->failed > 0 ? t->ids.p : "");
}

static inline void
run_one(const char *root, const char *file, run_file *run, struct tally *all)
{
	struct tally t = { 0 };
	char path[1024], *slash;
	json_error_t error;
	json_t *suite;

	snprintf(path, sizeof(path), "%s/%s", root, file);
	suite = json_load_file(path, JSON_ALLOW_NUL, &error);
	if (suite == NULL)
		printf("%s: %s\n", path, error.text);
	if ((slash = strrchr(path, '/')) != NULL)
		*slash = '\0';
	if (suite != NULL)
		run(&t, suite, path);
	if (suite == NULL || t.passed + t.failed + t.disputed > 0)
		print_tally(&t, file);
	all->passed += t.passed;
	all->failed += t.failed + (suite == NULL);
	sl_buf_clear(&t.ids);
	json_decref(suite);
}

static inline void
run_folder(const char *root, const char *folder, run_file *run, struct tally *all, int depth)
{
	struct dirent **entries;
	char path[1024];
	int i, n;

	snprintf(path, sizeof(path), "%s/%s", root, folder);
	n = scandir(path, &entries, NULL, alphasort);
	for (i = 0; i < n; i++) {
		struct sl_str name = sl_str_of(entries[i]->d_name);

		snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
		if (sl_str_ends(name, SL_STR(".json")))
			run_one(root, path, run, all);
		else if (entries[i]->d_type == DT_DIR && name.p[0] != '.' && depth > 0)
			run_folder(root, path, run, all, depth - 1);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* False: there are no suites of this area here. Else *all has the sums. */
static inline bool
run_area(const char *area, run_file *run, struct tally *all)
{
	const char *root = getenv("SLUICE_VECTORS");

	*all = (struct tally){ 0 };
	run_folder(root != NULL ? root : "../shared/vectors", area, run, all, 1);
	if (all->passed + all->failed > 0)
		return true;
	printf("no vectors of %s in %s: skipped\n", area, root != NULL ? root : "../shared/vectors");
	return false;
}

#endif
