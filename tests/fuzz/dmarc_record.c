/* A DMARC record, parsed, and as what is found at every name of a whole evaluation. */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/dmarc.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
run(struct sl_evaluator *e, struct sl_str record)
{
	struct sl_dns_record r = { .data = record };
	struct sl_dns_answer a = { .refs = 1, .status = SL_DNS_OK, .n = 1, .records = &r };
	struct sl_question q;
	unsigned asked = 0;

	while (!e->done(e)) {
		if (e->question(e, &q) != 1 || ++asked > SL_DMARC_MAX_NAMES + 1)
			abort();
		e->answer(e, q.id, &a);
	}
}

static void
evaluate(struct sl_str record, enum sl_dmarc_profile profile)
{
	struct sl_dmarc_options options = { profile, 50 };
	struct sl_dmarc_dkim dkim = { "x.example.org", "sel", SL_DKIM_PASS };
	struct sl_spf_result spf = { .status = SL_SPF_FAIL, .domain = "example.net" };
	struct sl_dmarc_inputs inputs = { &spf, &dkim, 1 };
	struct sl_dmarc_log log = { .id = "id", .ip = "192.0.2.1", .helo = "h" };
	struct sl_dmarc *d = sl_dmarc_new(&options, "mail.example.org");
	struct sl_buf line = SL_BUF_INIT;

	run(sl_dmarc_evaluator(d), record);
	sl_dmarc_decide(d, &inputs);
	run(sl_dmarc_evaluator(d), record);
	if (sl_dmarc_log_line(&line, sl_dmarc_result(d), &log) < 0)
		abort();
	for (size_t i = 0; i < line.n; i++)
		if (line.p[i] < ' ' || line.p[i] >= 0x7f)
			abort();
	sl_buf_clear(&line);
	sl_dmarc_free(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	evaluate((struct sl_str){ (const char *)data, size }, SL_DMARC_RFC9989);
	evaluate((struct sl_str){ (const char *)data, size }, SL_DMARC_RFC7489);
	return 0;
}
