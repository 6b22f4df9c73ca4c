/* Where the standard library is. See cmd.h. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

/* Every stdlib has this file: the names of its own. */
#define PROOF	"index"

/* From the folder of the program: of the sources it was built in, or of a tree that was moved whole. */
static const char *const beside[] = { "../stdlib", "../share/sluice/stdlib" };

static bool
is_stdlib(const char *folder)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/" PROOF, folder);

	return n > 0 && (size_t)n < sizeof(path) && access(path, R_OK) == 0;
}

/* The folder of the running program into 'dir'; false: it can't be told. */
static bool
program_folder(char *dir, size_t size)
{
	ssize_t n = readlink("/proc/self/exe", dir, size - 1);
	char *slash;

	if (n <= 0 || (size_t)n >= size - 1)
		return false;
	dir[n] = '\0';
	if ((slash = strrchr(dir, '/')) == NULL)
		return false;
	*slash = '\0';
	return true;
}

const char *
cmd_stdlib(void)
{
	static char found[PATH_MAX];
	const char *told = getenv("SLUICE_STDLIB");
	char dir[PATH_MAX];
	size_t i;
	int n;

	if (told != NULL)
		return told;
	if (found[0] != '\0')
		return found;
	if (program_folder(dir, sizeof(dir)))
		for (i = 0; i < sizeof(beside) / sizeof(beside[0]); i++) {
			n = snprintf(found, sizeof(found), "%s/%s", dir, beside[i]);
			if (n > 0 && (size_t)n < sizeof(found) && is_stdlib(found))
				return found;
		}
	snprintf(found, sizeof(found), "%s", SL_STDLIB);
	return found;
}
