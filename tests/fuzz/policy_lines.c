/* Positions in sluice.lua: any text is scanned, and every position lies in it. */
#include <stdlib.h>
#include <string.h>

#include "../../core/policy/lines.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = { "a", "a.b", "listen.1", "listen.1.smtp", "1", "1.1", "x",
	    "servers.s.relay.*", "" };
	struct sl_str text = { (const char *)data, size };
	struct sl_lines *lines = sl_lines_scan(text);
	unsigned line, column, n = 1;
	size_t i;

	if (lines == NULL)
		return 0;
	for (i = 0; i < size; i++)
		n += data[i] == '\n' || data[i] == '\r';	/* to Lua both end a line */
	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		sl_lines_find(lines, paths[i], &line, &column);
		if (line > n || (line > 0 && (column < 1 || column > size)))
			abort();
	}
	sl_lines_free(lines);
	return 0;
}
