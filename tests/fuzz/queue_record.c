/* Records of the queue: refused, or written again they read the same. */
#include <stdlib.h>
#include <string.h>

#include "../../core/queue/record.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
look_at_header(const uint8_t *data)
{
	uint8_t again[SL_RECORD_HEADER];
	uint64_t number, salt;
	struct sl_record r;

	sl_segment_header_parse(data, &number, &salt);
	memcpy(&salt, data, sizeof(salt));
	if (!sl_record_header_parse(data, &r, salt, 0))
		return;
	if (r.len > SL_RECORD_MAX)
		abort();
	sl_record_header(again, &r, salt, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_reader r = { .rest = { (const char *)data, size } };
	struct sl_buf first = SL_BUF_INIT, second = SL_BUF_INIT;
	struct sl_envelope *e;

	if (size >= SL_RECORD_HEADER && size >= SL_SEGMENT_HEADER)
		look_at_header(data);
	if ((e = sl_get_envelope(&r)) == NULL)
		return 0;
	sl_put_envelope(&first, e);
	sl_envelope_free(e);
	r = (struct sl_reader){ .rest = sl_buf_str(&first) };
	e = sl_get_envelope(&r);
	if (e == NULL || r.rest.n != 0)
		abort();
	sl_put_envelope(&second, e);
	if (!sl_str_eq(sl_buf_str(&first), sl_buf_str(&second)))
		abort();
	sl_envelope_free(e);
	sl_buf_clear(&first);
	sl_buf_clear(&second);
	return 0;
}
