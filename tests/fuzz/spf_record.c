/*
 * An SPF record, checked and evaluated: it is also what every look-up for
 * text answers, so that includes, redirects and explanations run into it.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/spf.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
answer(struct sl_evaluator *e, const struct sl_question *q, struct sl_str record)
{
	static const char v4[] = { 10, 0, 0, 1 };
	struct sl_dns_record r = { .data = record };
	struct sl_dns_answer a = { .refs = 1, .status = SL_DNS_OK, .n = 1, .records = &r };

	switch (q->type) {
	case SL_DNS_TXT:
		break;
	case SL_DNS_A:
		r.data = (struct sl_str){ v4, 4 };
		break;
	case SL_DNS_MX:
	case SL_DNS_PTR:
		r.data = sl_str_sub(record, 0, 40);
		break;
	default:
		a.status = SL_DNS_NODATA;
		a.n = 0;
	}
	e->answer(e, q->id, &a);
}

static void
evaluate(struct sl_str record, const char *ip, enum sl_spf_identity identity)
{
	struct sl_spf_options o = { .identity = identity, .helo = SL_STR("mx.example.org"),
		.sender = sl_str_sub(record, 0, 300), .receiver = SL_STR("here.example") };
	struct sl_buf field = SL_BUF_INIT;
	struct sl_question q;
	struct sl_evaluator *e;
	struct sl_spf *spf;
	unsigned asked = 0;

	if (identity == SL_SPF_HELO)
		o.sender = SL_STR("a-b+c@example.org");
	sl_addr_parse_ip(&o.ip, sl_str_of(ip), 25);
	spf = sl_spf_new(&o);
	e = sl_spf_evaluator(spf);
	while (!e->done(e)) {
		if (e->question(e, &q) != 1 || ++asked > 200)
			abort();
		answer(e, &q, record);
	}
	if (sl_spf_received(&field, spf) < 0 || memchr(field.p, '\0', field.n) != NULL)
		abort();
	if (sl_spf_check_record(record, NULL) < 0 && identity == SL_SPF_HELO &&
	    sl_spf_result(spf)->status != SL_SPF_PERMERROR &&
	    sl_spf_result(spf)->status != SL_SPF_NONE)
		abort();
	sl_buf_clear(&field);
	sl_spf_free(spf);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str record = { (const char *)data, size };

	evaluate(record, "10.0.0.9", SL_SPF_HELO);
	evaluate(record, "2001:db8::1", SL_SPF_MAILFROM);
	return 0;
}
