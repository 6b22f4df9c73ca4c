/* A file that should hold an aggregate report: unpacked, parsed, added up. */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/report.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is promised of every text. */
static void
check(const struct sl_report *r)
{
	size_t i, j;

	if (r->domain[0] == '\0' || strlen(r->org_name) > SL_REPORT_MAX_TEXT)
		abort();
	for (i = 0; i < r->nrecords; i++) {
		const struct sl_report_record *one = &r->records[i];

		if (strlen(one->source_ip) > SL_REPORT_MAX_TEXT || one->ndkim > SL_REPORT_MAX_RESULTS)
			abort();
		for (j = 0; j < one->ndkim; j++)
			if (strlen(one->dkim_results[j].domain) > SL_REPORT_MAX_TEXT)
				abort();
	}
}

static void
add_up(const struct sl_report *r)
{
	struct sl_report_sum *sum = sl_report_sum_new();
	const struct sl_report_domain *d;
	uint64_t failed = 0;
	bool same;
	size_t i;

	if (sl_report_sum_add(sum, r, &same) != 0 || sl_report_sum_finish(sum) != 0)
		abort();
	d = sl_report_sum_at(sum, 0);
	for (i = 0; i < d->nfailures; i++)
		failed += d->failures[i].messages;
	if (d->pass + failed != d->messages)
		abort();
	sl_report_sum_free(sum);
}

static void
read_report(struct sl_str xml)
{
	struct sl_report *r = NULL;

	if (sl_report_parse(&r, xml, NULL) == 0) {
		check(r);
		add_up(r);
	}
	sl_report_free(r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char head[] = "<feedback><policy_published><domain>example.com</domain>"
	    "</policy_published><record>";
	struct sl_str file = { (const char *)data, size }, xml;
	struct sl_buf memory, whole = SL_BUF_INIT;

	if (sl_report_unpack(&xml, &memory, file, NULL) == 0)
		read_report(xml);
	sl_buf_clear(&memory);
	/* In the middle of a record, so that fewer bytes make one. */
	sl_buf_puts(&whole, head);
	sl_buf_putstr(&whole, file);
	sl_buf_puts(&whole, "</record></feedback>");
	read_report(sl_buf_str(&whole));
	sl_buf_clear(&whole);
	return 0;
}
