/*
 * ARC fields: a message whose header is the input, validated against fixed key
 * records, where nothing may pass, for no key is known to the input; and
 * sealed, where only one account of the chain may be believed.
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

static void
seal(const struct sl_message *m)
{
	static struct sl_key *key;
	struct sl_arc_request q = { .dkim = { .selector = SL_STR("s"), .domain = SL_STR("a.example") },
	    .results = SL_STR("mx.example; none") };
	unsigned good = 0;

	if (key == NULL && sl_key_parse(&key,
	    SL_STR("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="), NULL) < 0)
		abort();
	q.dkim.key = key;
	for (int cv = SL_ARC_NONE; cv <= SL_ARC_FAIL; cv++) {
		struct sl_arc_seal s;

		q.cv = (enum sl_arc_status)cv;
		if (sl_arc_seal(&s, &q, m, NULL, NULL, 1700000000, NULL) == 0)
			good |= 1u << cv;
		sl_arc_seal_clear(&s);
	}
	if ((good & 1u << SL_ARC_NONE) != 0 && good != 1u << SL_ARC_NONE)
		abort();
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
		seal(m);
		sl_message_unref(m);
	}
	return 0;
}
