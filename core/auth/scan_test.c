/* A message's scan: decided once, joined, left early, without SPF, without an author. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "scan.h"

static const char zone[] =
    "_dmarc.b.example. IN TXT \"v=DMARC1; p=none; psd=y\"\n"
    "_dmarc.a.b.example. IN TXT \"v=DMARC1; p=reject\"\n"
    "a.b.example. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\nb.example. IN TXT \"v=spf1 +all\"\n"
    "_dmarc.half.example. IN TXT \"v=DMARC1; p=reject; pct=50\"\n"
    "_dmarc.np.example. IN TXT \"v=DMARC1; p=none; np=reject\"\n"
    "_dmarc.test.example. IN TXT \"v=DMARC1; p=reject; t=y\"\n"
    "good.example. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
    "_dmarc.good.example. IN TXT \"v=DMARC1; p=reject\"\n"
    "slow.example. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\nslow.example. DELAY 30\n";

struct bed {
	struct sl_dmarc_options dmarc;
	bool compare;
	struct sl_loop *loop;
	struct sl_dns *dns;
	struct sl_message *message;
	unsigned concluded;
};

static int
set_up(void **state)
{
	static struct bed bed;
	struct sl_dns_options options = { .zone = { zone, sizeof(zone) - 1 }, .zone_only = true };
	struct sl_err err = { 0 };

	bed = (struct bed){ .loop = sl_loop_new(&err) };
	bed.dns = sl_dns_open(bed.loop, &options, &err);
	*state = &bed;
	return bed.dns != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct bed *bed = *state;

	sl_message_unref(bed->message);
	sl_dns_unref(bed->dns);
	sl_loop_free(bed->loop);
	return 0;
}

static void
on_concluded(const struct sl_auth_scan *scan, void *arg)
{
	assert_non_null(sl_auth_scan_dkim(scan));
	((struct bed *)arg)->concluded++;
}

/* 'domain' NULL: no SPF; 'from' NULL: a message without an author. */
static struct sl_auth_scan *
start(struct bed *bed, const char *domain, const char *from)
{
	struct sl_buf text = SL_BUF_INIT, sender = SL_BUF_INIT;
	struct sl_spf_options spf = { .now = 1 };
	struct sl_auth_scan_options o = { .loop = bed->loop, .dns = bed->dns,
		.spf = domain != NULL ? &spf : NULL, .sender_domain = domain,
		.dmarc = bed->dmarc, .compare = bed->compare,
		.concluded = on_concluded, .arg = bed };
	struct sl_auth_scan *scan;
	struct sl_err err;
	size_t n;

	sl_buf_printf(&text, "%s%s%s\r\nhi\r\n", from != NULL ? "From: a@" : "",
	    from != NULL ? from : "", from != NULL ? "\r\n" : "");
	sl_buf_printf(&sender, "a@%s", domain != NULL ? domain : "");
	spf.sender = sl_buf_str(&sender);
	assert_int_equal(sl_addr_parse_ip(&spf.ip, SL_STR("192.0.2.1"), 0), 0);
	n = text.n;
	assert_int_equal(sl_message_from_memory(&bed->message, sl_buf_take(&text, NULL), n, &err), 0);
	o.message = bed->message;
	scan = sl_auth_scan_start(&o);
	assert_non_null(scan);
	sl_buf_clear(&sender);
	return scan;
}

static void
finish(struct sl_auth_scan *scan)
{
	struct sl_op *op = sl_auth_scan_wait(scan);

	assert_non_null(op);
	assert_int_equal(sl_op_block(op), 0);
	sl_op_release(op);
}

static void
test_outcomes(void **state)
{
	static const struct {
		const char *name, *domain, *from;
		enum sl_spf_status spf;
		enum sl_dmarc_status dmarc;
	} cases[] = {
		{ "aligned", "good.example", "good.example", SL_SPF_PASS, SL_DMARC_PASS },
		{ "another domain", "slow.example", "good.example", SL_SPF_PASS, SL_DMARC_REJECT },
		{ "SPF not checked", NULL, "good.example", SL_SPF_NONE, SL_DMARC_REJECT },
		{ "no policy", "good.example", "other.example", SL_SPF_PASS, SL_DMARC_POLICY_ABSENT },
		{ "no author", "good.example", NULL, SL_SPF_PASS, SL_DMARC_PERMERROR },
	};
	struct bed *bed = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_auth_scan *scan = start(bed, cases[i].domain, cases[i].from);
		const struct sl_dmarc_details *d;

		print_message("%s\n", cases[i].name);
		finish(scan);
		d = sl_auth_scan_dmarc(scan);
		assert_int_equal(d != NULL ? d->status : SL_DMARC_PERMERROR, cases[i].dmarc);
		assert_int_equal(sl_auth_scan_spf(scan) != NULL, cases[i].domain != NULL);
		if (cases[i].domain != NULL)
			assert_int_equal(sl_auth_scan_spf(scan)->status, cases[i].spf);
		assert_int_equal(bed->concluded, i + 1);
		sl_auth_scan_free(scan);
		sl_message_unref(bed->message);
		bed->message = NULL;
	}
}

/* Both RFCs about one message, whichever decides. */
static void
test_compared(void **state)
{
	static const struct {
		const char *name, *domain, *from;
		unsigned sample;
		enum sl_dmarc_status walk, list;
	} cases[] = {
		{ "the same", "good.example", "good.example", 0, SL_DMARC_PASS, SL_DMARC_PASS },
		{ "aligned by the list, not by the walk", "b.example", "a.b.example", 0, SL_DMARC_REJECT,
		    SL_DMARC_PASS },
		{ "pct=50, not drawn", NULL, "half.example", 50, SL_DMARC_REJECT, SL_DMARC_QUARANTINE },
		{ "pct=50, drawn", NULL, "half.example", 49, SL_DMARC_REJECT, SL_DMARC_REJECT },
		{ "np= of a domain that isn't there", NULL, "no.np.example", 0, SL_DMARC_REJECT,
		    SL_DMARC_NONE },
		{ "t=y", NULL, "test.example", 0, SL_DMARC_QUARANTINE, SL_DMARC_REJECT },
	};
	struct bed *bed = *state;

	bed->compare = true;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool list = i % 2 == 1;
		struct sl_auth_scan *scan;

		print_message("%s\n", cases[i / 2].name);
		bed->dmarc.profile = list ? SL_DMARC_RFC7489 : SL_DMARC_RFC9989;
		bed->dmarc.sample = cases[i / 2].sample;
		scan = start(bed, cases[i / 2].domain, cases[i / 2].from);
		finish(scan);
		assert_int_equal(sl_auth_scan_dmarc(scan)->profile, bed->dmarc.profile);
		assert_int_equal(sl_auth_scan_dmarc(scan)->status,
		    list ? cases[i / 2].list : cases[i / 2].walk);
		assert_int_equal(sl_auth_scan_other(scan)->status,
		    list ? cases[i / 2].walk : cases[i / 2].list);
		assert_int_equal(bed->concluded, i + 1);
		sl_auth_scan_free(scan);
		sl_message_unref(bed->message);
		bed->message = NULL;
	}
}

/* Two wait, one leaves: the other hears, and who comes later hears too. */
static void
test_joined(void **state)
{
	struct bed *bed = *state;
	struct sl_auth_scan *scan = start(bed, "slow.example", "good.example");
	struct sl_op *left = sl_auth_scan_wait(scan), *stays = sl_auth_scan_wait(scan);

	assert_false(stays->done);
	sl_op_release(left);
	assert_int_equal(sl_op_block(stays), 0);
	sl_op_release(stays);
	finish(scan);
	assert_int_equal(bed->concluded, 1);
	sl_auth_scan_free(scan);
}

/* Freed under way: nothing is reported, and the operation can still be released. */
static void
test_freed_early(void **state)
{
	struct bed *bed = *state;
	struct sl_auth_scan *scan = start(bed, "slow.example", "good.example");
	struct sl_op *op = sl_auth_scan_wait(scan);

	sl_auth_scan_free(scan);
	assert_false(op->done);
	sl_op_release(op);
	assert_int_equal(bed->concluded, 0);
}

/* A27: the HELO identity is a scan of its own and decides nothing else. */
static void
test_helo_alone(void **state)
{
	struct bed *bed = *state;
	struct sl_spf_options spf = { .identity = SL_SPF_HELO, .now = 1,
		.helo = SL_STR("good.example"), .sender = SL_STR("a@slow.example") };
	struct sl_auth_scan_options o = { .loop = bed->loop, .dns = bed->dns, .spf = &spf,
		.spf_alone = true };
	struct sl_buf received = SL_BUF_INIT;
	struct sl_auth_scan *scan;

	assert_int_equal(sl_addr_parse_ip(&spf.ip, SL_STR("192.0.2.1"), 0), 0);
	scan = sl_auth_scan_start(&o);
	assert_non_null(scan);
	finish(scan);
	assert_true(sl_auth_scan_done(scan));
	assert_int_equal(sl_auth_scan_spf(scan)->status, SL_SPF_PASS);
	assert_int_equal(sl_auth_scan_spf(scan)->identity, SL_SPF_HELO);
	assert_string_equal(sl_auth_scan_spf(scan)->domain, "good.example");
	assert_null(sl_auth_scan_dmarc(scan));
	assert_int_equal(sl_auth_scan_received(scan, &received), 0);
	assert_non_null(strstr(received.p, "identity=helo;"));
	sl_buf_clear(&received);
	sl_auth_scan_free(scan);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_outcomes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_compared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_joined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_freed_early, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_helo_alone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
