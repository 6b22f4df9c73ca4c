/*
 * A signature field: parsed, and a message around it verified against fixed
 * key records. Nothing here may pass: no key is known to the input.
 */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/dkim.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
verify(struct sl_message *m)
{
	static const char txt[] = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
	struct sl_dns_record record = { .data = SL_STR(txt) };
	struct sl_dns_answer answer = { .refs = 1, .status = SL_DNS_OK, .n = 1, .records = &record };
	struct sl_dkim_verify_options options = { .now = 1700000000 };
	struct sl_dkim_verify *v = sl_dkim_verify_new(m, &options);
	struct sl_evaluator *e;
	struct sl_question q;

	if (v == NULL)
		return;
	e = sl_dkim_verify_evaluator(v);
	while (e->question(e, &q) == 1)
		e->answer(e, q.id, &answer);
	if (!e->done(e) || sl_dkim_verify_status(v) == SL_DKIM_PASS)
		abort();
	sl_dkim_verify_free(v);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str in = { (const char *)data, size };
	struct sl_dkim_signature sig;
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m;
	size_t n;
	char *bytes;

	if (sl_dkim_signature_parse(&sig, in, 0, NULL) == 0 &&
	    (!sl_dkim_domain_within(sig.identity_domain, sig.domain) || sig.b_n > sizeof(sig.b)))
		abort();
	sl_dkim_signature_parse(&sig, in, SL_DKIM_ARC, NULL);
	sl_buf_puts(&text, "From: a@example.com\r\nDKIM-Signature:");
	sl_buf_putstr(&text, in);
	sl_buf_puts(&text, "\r\n\r\nbody\r\n");
	bytes = sl_buf_take(&text, &n);
	if (bytes != NULL && sl_message_from_memory(&m, bytes, n, NULL) == 0) {
		verify(m);
		sl_message_unref(m);
	}
	return 0;
}
