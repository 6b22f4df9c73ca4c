/* The dot reader: whole and in two pieces must give the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../core/base/bytes.h"
#include "../../core/smtp/dot.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
collect(void *arg, const char *p, size_t n)
{
	sl_buf_put(arg, p, n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_buf whole = SL_BUF_INIT, cut = SL_BUF_INIT;
	struct sl_dot a = { 0 }, b = { 0 };
	const char *p = (const char *)data + 1;
	size_t at, used, used2;

	if (size < 2)
		return 0;
	size--;
	a.fix = b.fix = data[0] & 1;
	at = (data[0] >> 1) % size;
	used = sl_dot_feed(&a, p, size, collect, &whole);
	used2 = sl_dot_feed(&b, p, at, collect, &cut);
	if (!b.done)
		used2 += sl_dot_feed(&b, p + at, size - at, collect, &cut);
	if (used != used2 || a.done != b.done || a.bare != b.bare || a.longest != b.longest)
		abort();
	if ((a.fix || !a.bare) && !sl_str_eq(sl_buf_str(&whole), sl_buf_str(&cut)))
		abort();
	/* Whoever relays it finds no line end but CR LF. */
	for (size_t i = 0; a.fix && i < whole.n; i++) {
		if (whole.p[i] == '\n' && (i == 0 || whole.p[i - 1] != '\r'))
			abort();
		if (whole.p[i] == '\r' && i + 1 < whole.n && whole.p[i + 1] != '\n')
			abort();
	}
	sl_buf_clear(&whole);
	sl_buf_clear(&cut);
	return 0;
}
