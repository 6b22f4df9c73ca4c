/*
 * ARC fields: a message whose header is the input, validated against fixed key
 * records. Nothing here may pass: no key is known to the input.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/arc.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
validate(struct sl_message *m)
{
	static const char txt[] = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	struct sl_dns_record record = { .data = SL_STR(txt) };
	struct sl_dns_answer answer = { .refs = 1, .status = SL_DNS_OK, .n = 1, .records = &record };
	struct sl_arc_options options = { .now = 1700000000 };
	struct sl_arc *a = sl_arc_new(m, &options);
	const struct sl_arc_result *r;
	struct sl_evaluator *e;
	struct sl_question q;
	size_t asked = 0;

	if (a == NULL)
		return;
	e = sl_arc_evaluator(a);
	r = sl_arc_result(a);
	while (e->question(e, &q) == 1 && ++asked)
		e->answer(e, q.id, &answer);
	if (!e->done(e) || r->status == SL_ARC_PASS || r->instances > SL_ARC_MAX_SETS ||
	    asked > 2 * SL_ARC_MAX_SETS || (r->status == SL_ARC_FAIL) == (r->reason[0] == '\0'))
		abort();
	sl_arc_free(a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m;
	size_t n;
	char *bytes;

	sl_buf_put(&text, data, size);
	sl_buf_puts(&text, "\r\nFrom: a@example.com\r\n\r\nbody\r\n");
	bytes = sl_buf_take(&text, &n);
	if (bytes != NULL && sl_message_from_memory(&m, bytes, n, NULL) == 0) {
		validate(m);
		sl_message_unref(m);
	}
	return 0;
}
