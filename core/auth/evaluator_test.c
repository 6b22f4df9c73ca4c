/* Evaluators on a resolver: together, late, never, cancelled. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "evaluator.h"
#include "spf.h"

static const char zone[] =
    "a.example. 300 IN A 192.0.2.1\n"
    "slow1.example. 300 IN A 192.0.2.2\nslow1.example. DELAY 40\n"
    "slow2.example. 300 IN A 192.0.2.3\nslow2.example. DELAY 40\n"
    "never.example. TIMEOUT\n"
    "spf.example. 300 IN TXT \"v=spf1 a:never.example -all\"\n";

struct bed {
	struct sl_loop *loop;
	struct sl_dns *dns;
};

static int
set_up(void **state)
{
	static struct bed bed;
	struct sl_dns_options options = { .zone = { zone, sizeof(zone) - 1 }, .zone_only = true };
	struct sl_err err = { 0 };

	bed.loop = sl_loop_new(&err);
	bed.dns = sl_dns_open(bed.loop, &options, &err);
	if (bed.dns == NULL)
		printf("%s\n", err.text);
	*state = &bed;
	return bed.dns != NULL ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct bed *bed = *state;

	sl_dns_unref(bed->dns);
	sl_loop_free(bed->loop);
	return 0;
}

/* Asks a list of names, 'chained' one after the other, else together. */
struct asker {
	struct sl_evaluator e;
	const char *const *names;
	size_t n, asked, answered, most_open;
	bool chained, endless;
	enum sl_dns_status status[8];
};

static int
asker_question(struct sl_evaluator *e, struct sl_question *out)
{
	struct asker *a = (struct asker *)(void *)e;

	if (a->asked == a->n && !a->endless)
		return 0;
	if (a->chained && a->asked > a->answered)
		return 0;
	out->id = (unsigned)a->asked;
	out->type = SL_DNS_A;
	snprintf(out->name, sizeof(out->name), "%s", a->names[a->asked % a->n]);
	a->asked++;
	if (a->asked - a->answered > a->most_open)
		a->most_open = a->asked - a->answered;
	return 1;
}

static void
asker_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct asker *a = (struct asker *)(void *)e;

	a->status[id % 8] = answer->status;
	a->answered++;
}

static bool
asker_done(const struct sl_evaluator *e)
{
	const struct asker *a = (const struct asker *)(const void *)e;

	return !a->endless && a->answered == a->n;
}

static struct asker
asker(const char *const *names, size_t n)
{
	return (struct asker){ { asker_question, asker_answer, asker_done }, .names = names, .n = n };
}

static void
test_together(void **state)
{
	static const char *const names[] = { "slow1.example", "slow2.example", "none.example" };
	struct bed *bed = *state;
	struct asker a = asker(names, 3);
	unsigned queries = 7;
	struct sl_op *op = sl_evaluate(bed->loop, bed->dns, &a.e, 5000, &queries);

	assert_false(op->done);
	assert_int_equal(sl_op_block(op), 0);
	assert_int_equal(queries, 3);
	assert_true(a.most_open >= 2);
	assert_int_equal(a.status[0], SL_DNS_OK);
	assert_int_equal(a.status[1], SL_DNS_OK);
	assert_int_equal(a.status[2], SL_DNS_NXDOMAIN);
	sl_op_release(op);
}

static void
test_chain(void **state)
{
	static const char *const names[] = { "slow1.example", "a.example", "slow2.example" };
	struct bed *bed = *state;
	struct asker a = asker(names, 3);
	struct sl_op *op;

	a.chained = true;
	op = sl_evaluate(bed->loop, bed->dns, &a.e, 5000, NULL);
	assert_int_equal(sl_op_block(op), 0);
	assert_int_equal(a.most_open, 1);
	assert_int_equal(a.answered, 3);
	sl_op_release(op);
}

/* Without a question, and with answers that are there already, it is done at once. */
static void
test_at_once(void **state)
{
	static const char *const names[] = { "a.example", "a.example" };
	struct bed *bed = *state;

	for (size_t n = 0; n <= 2; n++) {
		struct asker a = asker(names, n);
		struct sl_op *op = sl_evaluate(bed->loop, bed->dns, &a.e, 0, NULL);

		assert_true(op->done);
		assert_int_equal(op->status, 0);
		assert_int_equal(a.answered, n);
		sl_op_release(op);
	}
}

/* The deadline answers what is open and what would still be asked. */
static void
test_deadline(void **state)
{
	static const char *const names[] = { "never.example", "a.example", "never.example" };
	struct bed *bed = *state;
	struct asker a = asker(names, 3);
	struct sl_op *op;

	a.chained = true;
	op = sl_evaluate(bed->loop, bed->dns, &a.e, 20, NULL);
	assert_int_equal(sl_op_block(op), SL_ERR_TIMEOUT);
	assert_int_equal(a.answered, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(a.status[i], SL_DNS_TIMEOUT);
	sl_op_release(op);
}

static void
test_cancel(void **state)
{
	static const char *const names[] = { "slow1.example", "never.example" };
	struct bed *bed = *state;
	struct asker a = asker(names, 2);
	struct sl_op *op = sl_evaluate(bed->loop, bed->dns, &a.e, 5000, NULL), *later;

	assert_int_equal(a.asked, 2);
	sl_op_release(op);
	later = sl_op_sleep(bed->loop, 60);	/* longer than the delay of the answer */
	sl_op_block(later);
	sl_op_release(later);
	assert_int_equal(a.answered, 0);
}

static void
test_endless(void **state)
{
	static const char *const names[] = { "a.example" };
	struct bed *bed = *state;
	struct asker a = asker(names, 1);
	struct sl_op *op;

	a.endless = true;
	op = sl_evaluate(bed->loop, bed->dns, &a.e, 5000, NULL);
	assert_int_equal(sl_op_block(op), SL_ERR_LIMIT);
	assert_true(a.asked <= 1000);
	sl_op_release(op);
}

/* A32: a domain whose name server is silent gives a temporary error in time. */
static void
test_spf_times_out(void **state)
{
	struct bed *bed = *state;
	struct sl_spf_options o = { .sender = SL_STR("joe@spf.example"), .helo = SL_STR("mx.example") };
	struct sl_spf *spf;
	struct sl_op *op;

	sl_addr_parse_ip(&o.ip, SL_STR("192.0.2.9"), 0);
	spf = sl_spf_new(&o);
	op = sl_evaluate(bed->loop, bed->dns, sl_spf_evaluator(spf), 30, NULL);
	assert_int_equal(sl_op_block(op), SL_ERR_TIMEOUT);
	assert_int_equal(sl_spf_result(spf)->status, SL_SPF_TEMPERROR);
	assert_string_equal(sl_spf_result(spf)->reason, "A never.example: timeout");
	sl_op_release(op);
	sl_spf_free(spf);
}

static void
test_no_memory(void **state)
{
	static const char *const names[] = { "a.example", "slow1.example" };
	struct bed *bed = *state;

	for (unsigned long n = 1; n < 12; n++) {
		struct asker a = asker(names, 2);
		struct sl_op *op;

		sl_alloc_fail_at(n, 1);
		op = sl_evaluate(bed->loop, bed->dns, &a.e, 5000, NULL);
		sl_alloc_fail_at(0, 0);
		if (op == NULL)
			continue;
		assert_int_equal(sl_op_block(op), 0);
		assert_int_equal(a.answered, 2);
		sl_op_release(op);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_together), cmocka_unit_test(test_chain),
		cmocka_unit_test(test_at_once), cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_cancel), cmocka_unit_test(test_endless),
		cmocka_unit_test(test_spf_times_out), cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
