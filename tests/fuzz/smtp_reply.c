/* Replies of a server, in any pieces: what comes out is printable and within its caps. */
#include <stdlib.h>
#include <string.h>

#include "../../core/smtp/client_reply.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
	if (!ok)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str in = { (const char *)data, size }, line;
	struct sl_reply reply;
	size_t used;
	int r;

	sl_reply_begin(&reply);
	while (sl_reply_cut(in, &line, &used)) {
		r = sl_reply_line(&reply, line);
		check(r < 0 || (reply.code >= 200 && reply.code <= 599));
		check(reply.n < sizeof(reply.text) && reply.text[reply.n] == '\0');
		check(strlen(reply.enhanced) < sizeof(reply.enhanced));
		for (size_t i = 0; i < reply.n; i++)
			check(reply.text[i] >= 32 && reply.text[i] < 127);
		if (r != 0)
			sl_reply_begin(&reply);
		in = sl_str_sub(in, used, in.n);
	}
	return 0;
}
