/*
 * Canonicalisation: the first byte chooses how the rest is cut; every cut
 * must give what the whole gives, and a canonical body must stay as it is.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/canon.h"
#include "../../core/auth/tags.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
to_buf(void *arg, const void *p, size_t n)
{
	sl_buf_put(arg, p, n);
}

static void
run(struct sl_buf *out, enum sl_canon canon, struct sl_str in, size_t piece)
{
	struct sl_canon_body c;

	sl_canon_body_init(&c, canon, SL_CANON_ALL, to_buf, out);
	for (size_t i = 0; i < in.n; i += piece)
		sl_canon_body_update(&c, in.p + i, in.n - i < piece ? in.n - i : piece);
	if (sl_canon_body_final(&c) != out->n)
		abort();
}

static void
body(enum sl_canon canon, struct sl_str in, size_t piece)
{
	struct sl_buf whole = SL_BUF_INIT, cut = SL_BUF_INIT, again = SL_BUF_INIT;

	run(&whole, canon, in, in.n + 1);
	run(&cut, canon, in, piece);
	run(&again, canon, sl_buf_str(&whole), piece);
	if (!sl_str_eq(sl_buf_str(&whole), sl_buf_str(&cut)) ||
	    !sl_str_eq(sl_buf_str(&whole), sl_buf_str(&again)))
		abort();
	sl_buf_clear(&whole);
	sl_buf_clear(&cut);
	sl_buf_clear(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_buf out = SL_BUF_INIT;
	struct sl_tags tags;
	struct sl_str in;

	if (size < 1)
		return 0;
	in = (struct sl_str){ (const char *)data + 1, size - 1 };
	body(SL_CANON_SIMPLE, in, (size_t)data[0] + 1);
	body(SL_CANON_RELAXED, in, (size_t)data[0] + 1);
	sl_canon_header(&out, SL_CANON_RELAXED, in);
	sl_canon_signature(&out, SL_CANON_RELAXED, in);
	sl_canon_signature(&out, SL_CANON_SIMPLE, in);
	sl_tags_parse(&tags, in, data[0] & 1, NULL);
	sl_buf_clear(&out);
	return 0;
}
