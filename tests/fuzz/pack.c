/* pack and unpack: formats and bytes of any kind. What unpack gave, pack takes again. */
#include <stdlib.h>

#include "../../core/base/bytes.h"
#include "../../core/sluice_host.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_engine *engine;
static bool over;

static void
done(void *arg, const struct sl_err *err, const char *text)
{
	(void)arg;
	(void)err;		/* a limit, an argument: answers */
	(void)text;
	over = true;
}

static void
put_literal(struct sl_buf *out, const uint8_t *p, size_t n)
{
	size_t i;

	sl_buf_putc(out, '"');
	for (i = 0; i < n; i++)
		sl_buf_printf(out, "\\%03u", p[i]);
	sl_buf_puts(out, "\"");
}

/* The first byte says how long the format is. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_engine_options options = { .stdlib = getenv("SLUICE_STDLIB") };
	struct sl_buf script = SL_BUF_INIT;
	struct sl_err err;
	size_t n;

	if (size == 0)
		return 0;
	if (engine == NULL && (engine = sl_engine_new(&options, &err)) == NULL)
		abort();
	n = data[0] < size - 1 ? data[0] : size - 1;
	sl_buf_puts(&script, "local f, d = ");
	put_literal(&script, data + 1, n);
	sl_buf_putc(&script, ',');
	put_literal(&script, data + 1 + n, size - 1 - n);
	sl_buf_puts(&script, " local v = unpack(f, d) if v then pack(f, table.unpack(v)) end pack(f, d, 1, d)");
	over = false;
	if (sl_engine_exec(engine, "f", sl_buf_str(&script), done, NULL, &err) == 0)
		while (!over && sl_engine_wait(engine, -1) == 0)
			;
	sl_buf_clear(&script);
	return 0;
}
