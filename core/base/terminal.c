#include "terminal.h"

#include <stdlib.h>
#include <unistd.h>

bool
sl_terminal_colors(int fd)
{
	const char *no = getenv("NO_COLOR");

	return isatty(fd) && (no == NULL || no[0] == '\0');
}
