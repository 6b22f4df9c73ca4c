/* A line of a log: anything in it, then an event with these bytes as its field. */
#include <stdlib.h>
#include <string.h>

#include "../../core/base/event.h"
#include "../../core/base/event_read.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct sl_event_record *r)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (!sl_utf8_valid(r->fields[i].value) || !sl_utf8_valid(r->fields[i].name))
			abort();
	if (r->name.n == 0 || r->level.n == 0)
		abort();
}

/* What was written is read, and is what it was where it is UTF-8. */
static void
round_trip(struct sl_event_record *r, struct sl_str value,
    int (*format)(struct sl_buf *, const struct sl_event *))
{
	struct sl_event e = { 0, SL_INFO, "x", SL_FIELDS(SL_F_STR("v", value)) };
	struct sl_buf line = SL_BUF_INIT;

	if (format(&line, &e) != 0 || sl_event_read(r, sl_buf_str(&line)) != 0 || r->nfields != 1)
		abort();
	if (sl_utf8_valid(value) && !sl_str_eq(sl_record_get(r, "v"), value))
		abort();
	check(r);
	sl_buf_clear(&line);
}

static int
format_plain(struct sl_buf *out, const struct sl_event *e)
{
	return sl_event_format_text(out, e, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str s = { (const char *)data, size };
	struct sl_event_record r = { 0 };

	if (sl_event_read(&r, s) == 0)
		check(&r);
	round_trip(&r, s, format_plain);
	round_trip(&r, s, sl_event_format_json);
	sl_event_record_clear(&r);
	return 0;
}
