/*
 * A host that answers DNS and HTTP instead of the network, on a loop whose
 * waiting costs no time: what tests and traces of policies stand on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "client.h"

static struct sl_loop *loop;
static char asked[300];			/* of the last question */
static unsigned canceled;
static struct sl_http_op *open_op;	/* asked and not answered */
static struct sl_dns_query *open_query;

/* ---- DNS --------------------------------------------------------------------------------- */

static void
dns_ask(void *arg, struct sl_dns_query *query, const char *name)
{
	snprintf(asked, sizeof(asked), "%s %s", sl_dns_type_word(query->type), name);
	open_query = NULL;
	if (strcmp(name, "later.example") == 0)
		open_query = query;
	else
		sl_dns_give(query, sl_dns_answer_empty(*(enum sl_dns_status *)arg));
}

static void
dns_cancel(void *arg, struct sl_dns_query *query)
{
	(void)arg;
	assert_ptr_equal(query, open_query);
	canceled++;
}

static enum sl_dns_status
resolve(struct sl_dns *dns, const char *name)
{
	struct sl_dns_query *q = sl_dns_query(dns, name, SL_DNS_TXT, 0);
	enum sl_dns_status status;

	asked[0] = '\0';
	if (!q->op.done)
		sl_op_block(&q->op);
	status = q->answer->status;
	sl_op_release(&q->op);
	return status;
}

static void
test_dns(void **state)
{
	enum sl_dns_status says = SL_DNS_NODATA;
	const struct sl_dns_host host = { dns_ask, dns_cancel, &says };
	struct sl_dns_options o = { .host = &host, .zone = SL_STR("in.example. TXT yes\n"
	    "gone.example. NXDOMAIN\nalias.example. CNAME far.test.\n") };
	struct sl_dns *dns = sl_dns_open(loop, &o, NULL);
	struct sl_dns_query *q;

	(void)state;
	canceled = 0;
	assert_int_equal(resolve(dns, "in.example"), SL_DNS_OK);
	assert_int_equal(resolve(dns, "x.in.example"), SL_DNS_NXDOMAIN);
	assert_int_equal(resolve(dns, "gone.example"), SL_DNS_NXDOMAIN);
	q = sl_dns_query(dns, "out.example", SL_DNS_MX, 0);
	assert_true(q->op.done);
	assert_int_equal(q->answer->status, SL_DNS_NODATA);
	assert_string_equal(asked, "MX out.example");
	sl_op_release(&q->op);
	says = SL_DNS_SERVFAIL;		/* an alias leads to the host, with the name it leads to */
	q = sl_dns_query(dns, "alias.example", SL_DNS_TXT, 0);
	assert_string_equal(asked, "TXT far.test");
	assert_int_equal(q->answer->status, SL_DNS_SERVFAIL);
	sl_op_release(&q->op);
	assert_int_equal(canceled, 0);
	/* never answered: our deadline, and the host is told, once */
	assert_int_equal(resolve(dns, "later.example"), SL_DNS_TIMEOUT);
	assert_int_equal(canceled, 1);
	sl_op_release(&sl_dns_query(dns, "later.example", SL_DNS_TXT, 0)->op);
	assert_int_equal(canceled, 2);
	sl_dns_unref(dns);
}

/* ---- HTTP -------------------------------------------------------------------------------- */

static void
http_ask(void *arg, struct sl_http_op *op, const struct sl_http_request *request)
{
	(void)arg;
	snprintf(asked, sizeof(asked), "%s %.*s", request->url, (int)request->body.n,
	    request->has_body ? request->body.p : "");
	open_op = NULL;
	if (strstr(request->url, "/fails") != NULL)
		sl_http_give_failure(op, "tls", "no trust");
	else if (strstr(request->url, "/later") != NULL)
		open_op = op;
	else
		sl_http_give(op, 404, SL_STR("X: y\r\n"), SL_STR("nothing"));
}

static void
http_cancel(void *arg, struct sl_http_op *op)
{
	(void)arg;
	assert_ptr_equal(op, open_op);
	canceled++;
}

static void
test_http(void **state)
{
	const struct sl_http_host host = { http_ask, http_cancel, NULL };
	struct sl_http *http = sl_http_open(loop, NULL, NULL, NULL);
	struct sl_http_request r = { .url = "http://a.example/x", .body = SL_STR("b"), .has_body = true };
	struct sl_http_op *op;

	(void)state;
	canceled = 0;
	sl_http_set_host(http, &host);
	op = sl_http_start(http, &r);
	assert_int_equal(op->op.status, 0);
	assert_int_equal(op->code, 404);
	assert_string_equal(op->body.p, "nothing");
	assert_string_equal(op->headers.p, "X: y\r\n");
	assert_string_equal(asked, "http://a.example/x b");
	sl_op_release(&op->op);

	r.max_body = 3;
	op = sl_http_start(http, &r);
	assert_string_equal(op->stage, "size");
	sl_op_release(&op->op);

	r.url = "https://a.example/fails";
	op = sl_http_start(http, &r);
	assert_int_equal(op->op.status, SL_ERR_TEMP);
	assert_string_equal(op->stage, "tls");
	sl_op_release(&op->op);

	/* what the network's client refuses is refused: the host isn't asked */
	asked[0] = '\0';
	r.url = "http://127.0.0.1/x";
	op = sl_http_start(http, &r);
	assert_int_equal(op->op.status, SL_ERR_REFUSED);
	sl_op_release(&op->op);
	r.url = "ftp://a.example/x";
	op = sl_http_start(http, &r);
	assert_int_equal(op->op.status, SL_ERR_SYNTAX);
	sl_op_release(&op->op);
	assert_string_equal(asked, "");

	r.url = "http://a.example/later";
	op = sl_http_start(http, &r);
	assert_int_equal(sl_op_block(&op->op), SL_ERR_TIMEOUT);
	assert_int_equal(canceled, 1);
	sl_op_release(&op->op);
	sl_http_close(http);
}

/* ---- time -------------------------------------------------------------------------------- */

static int
work(void *arg)
{
	*(int *)arg = 1;
	return 0;
}

/* An hour passes at once, on both clocks; what a thread does isn't overtaken by a timer. */
static void
test_time(void **state)
{
	int64_t began = sl_clock_us(), day = 1767225600000000;
	struct sl_op *op = sl_op_sleep(loop, 3600000), *job, *timer;
	struct sl_thread *thread;
	int ran = 0;

	(void)state;
	sl_loop_set_time(loop, day);
	assert_int_equal(sl_op_block(op), 0);
	assert_true(op->took_us >= 3599000000 && sl_clock_us() - began < 3600000000);
	assert_true(sl_loop_time_us(loop) - day >= 3599000000);
	sl_op_release(op);

	thread = sl_thread_new(loop, "test", NULL);
	timer = sl_op_sleep(loop, 60000);
	job = sl_thread_run(thread, work, &ran, NULL);
	assert_int_equal(sl_op_block(job), 0);
	assert_int_equal(ran, 1);
	assert_false(timer->done);
	assert_int_equal(sl_op_block(timer), 0);
	sl_op_release(job);
	sl_op_release(timer);
	sl_thread_free(thread);
}

static int
setup(void **state)
{
	(void)state;
	loop = sl_loop_new(NULL);
	sl_loop_simulate(loop);
	return loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_loop_free(loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
