/*
 * How fast: SPF and DMARC evaluations per second of CPU time, answers canned.
 *
 *   spf_bench [seconds per figure]
 */
#include <arpa/inet.h>
#include <string.h>

#include "bench_testing.h"
#include "dmarc.h"
#include "spf.h"

static double seconds = 1;

struct canned {
	enum sl_dns_type type;
	const char *name, *data;	/* data of A: text of the address */
};

static const struct canned answers[] = {
	{ SL_DNS_TXT, "plain.example", "v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/24 -all" },
	{ SL_DNS_TXT, "usual.example", "v=spf1 mx include:_spf.example ip6:2001:db8::/32 ~all" },
	{ SL_DNS_TXT, "_spf.example", "v=spf1 include:_a.example include:_b.example ~all" },
	{ SL_DNS_TXT, "_a.example", "v=spf1 ip4:198.51.100.0/24 ip4:198.51.101.0/24 ~all" },
	{ SL_DNS_TXT, "_b.example", "v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.0/24 ~all" },
	{ SL_DNS_MX, "usual.example", "mx.usual.example" },
	{ SL_DNS_A, "mx.usual.example", "203.0.113.9" },
	{ SL_DNS_TXT, "macro.example", "v=spf1 exists:%{ir}.%{l1r-}.%{v}._spf.%{d2} -all" },
	{ SL_DNS_TXT, "_dmarc.usual.example", "v=DMARC1; p=reject; rua=mailto:dmarc@usual.example" },
};

static void
reply(struct sl_evaluator *e, const struct sl_question *q)
{
	struct sl_dns_record record = { 0 };
	struct sl_dns_answer answer = { .refs = 1, .status = SL_DNS_NXDOMAIN, .records = &record };
	unsigned char ip[4];

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (answers[i].type != q->type || strcmp(answers[i].name, q->name) != 0)
			continue;
		answer.status = SL_DNS_OK;
		answer.n = 1;
		record.data = sl_str_of(answers[i].data);
		if (q->type == SL_DNS_A && inet_pton(AF_INET, answers[i].data, ip) == 1)
			record.data = (struct sl_str){ (const char *)ip, 4 };
	}
	e->answer(e, q->id, &answer);
}

static void
run(struct sl_evaluator *e)
{
	struct sl_question q;

	while (!e->done(e) && e->question(e, &q) == 1)
		reply(e, &q);
}

struct spf_case {
	const char *sender;
	enum sl_spf_status want;
};

static void
one_spf(void *arg)
{
	const struct spf_case *c = arg;
	struct sl_spf_options o = { .sender = sl_str_of(c->sender), .helo = SL_STR("mx.example") };
	struct sl_spf *spf;

	sl_addr_parse_ip(&o.ip, SL_STR("192.0.2.7"), 25);
	spf = sl_spf_new(&o);
	run(sl_spf_evaluator(spf));
	if (sl_spf_result(spf)->status != c->want) {
		fprintf(stderr, "%s: %s\n", c->sender, sl_spf_result(spf)->reason);
		exit(1);
	}
	sl_spf_free(spf);
}

static void
one_dmarc(void *arg)
{
	const struct sl_dmarc_options *options = arg;
	struct sl_dmarc *d = sl_dmarc_new(options, "news.usual.example");
	struct sl_dmarc_dkim dkim = { "usual.example", "sel", SL_DKIM_PASS };
	struct sl_dmarc_inputs inputs = { NULL, &dkim, 1 };

	sl_dmarc_expect(d, "usual.example");
	run(sl_dmarc_evaluator(d));
	sl_dmarc_decide(d, &inputs);
	run(sl_dmarc_evaluator(d));
	if (sl_dmarc_result(d)->status != SL_DMARC_PASS) {
		fprintf(stderr, "DMARC: %s\n", sl_dmarc_result(d)->reason);
		exit(1);
	}
	sl_dmarc_free(d);
}

int
main(int argc, char **argv)
{
	struct spf_case plain = { "joe@plain.example", SL_SPF_PASS };
	struct spf_case usual = { "joe@usual.example", SL_SPF_PASS };
	struct spf_case macro = { "joe-list@macro.example", SL_SPF_FAIL };
	struct sl_dmarc_options walk = { SL_DMARC_RFC9989, 0 }, list = { SL_DMARC_RFC7489, 0 };

	if (argc > 1)
		seconds = atof(argv[1]);
	printf("per second of one core\n");
	printf("SPF, two networks                  %8.0f\n", rate_of(one_spf, &plain, seconds));
	printf("SPF, mx and three includes         %8.0f\n", rate_of(one_spf, &usual, seconds));
	printf("SPF, exists with macros            %8.0f\n", rate_of(one_spf, &macro, seconds));
	printf("DMARC, tree walk                   %8.0f\n", rate_of(one_dmarc, &walk, seconds));
	printf("DMARC, public suffix list          %8.0f\n", rate_of(one_dmarc, &list, seconds));
	return 0;
}
