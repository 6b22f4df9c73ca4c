/* Notifications: their parts, and what hosts and senders can't do to them. */
#include "dsn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../mail/address.h"
#include "../mail/message.h"

static const struct sl_dsn example = {
	.hostname = "mx.example.com", .id = "0a1b", .original_id = "queue-1", .sender = "s@e.example",
	.recipient = "r@d.example", .code = 550, .enhanced = "5.1.1", .text = "no such user",
	.host = "mx.d.example", .received = 0, .now = 86400,
	.header = { "From: a@b\r\nSubject: x\r\n", 23 },
};

static void
whole(void **state)
{
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	assert_int_equal(sl_dsn_write(&out, &example), 0);
	assert_string_equal(out.p,
	    "From: Mail Delivery System <MAILER-DAEMON@mx.example.com>\r\n"
	    "To: <s@e.example>\r\n"
	    "Subject: Undelivered mail returned to sender\r\n"
	    "Date: Fri, 2 Jan 1970 00:00:00 +0000\r\n"
	    "Message-ID: <0a1b@mx.example.com>\r\n"
	    "Auto-Submitted: auto-replied\r\n"
	    "MIME-Version: 1.0\r\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\r\n"
	    "\tboundary=\"0a1b\"\r\n"
	    "\r\n"
	    "--0a1b\r\n"
	    "Content-Type: text/plain; charset=us-ascii\r\n"
	    "\r\n"
	    "This is the mail system of mx.example.com.\r\n"
	    "\r\n"
	    "Your message could not be delivered to\r\n"
	    "\r\n"
	    "    r@d.example\r\n"
	    "\r\n"
	    "and won't be tried again. The last result was\r\n"
	    "\r\n"
	    "    550 5.1.1 no such user\r\n"
	    "\r\n"
	    "--0a1b\r\n"
	    "Content-Type: message/delivery-status\r\n"
	    "\r\n"
	    "Reporting-MTA: dns; mx.example.com\r\n"
	    "X-Sluice-Queue-ID: queue-1\r\n"
	    "Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n"
	    "\r\n"
	    "Final-Recipient: rfc822; r@d.example\r\n"
	    "Action: failed\r\n"
	    "Status: 5.1.1\r\n"
	    "Remote-MTA: dns; mx.d.example\r\n"
	    "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n"
	    "Last-Attempt-Date: Fri, 2 Jan 1970 00:00:00 +0000\r\n"
	    "\r\n"
	    "--0a1b\r\n"
	    "Content-Type: text/rfc822-headers\r\n"
	    "Content-Transfer-Encoding: 8bit\r\n"
	    "\r\n"
	    "From: a@b\r\n"
	    "Subject: x\r\n"
	    "\r\n"
	    "--0a1b--\r\n");
	sl_buf_clear(&out);
}

static const struct {
	const char *name;
	int code;
	const char *enhanced, *status, *diagnostic;
} statuses[] = {
	{ "of the host", 550, "5.7.1", "Status: 5.7.1\r\n", "smtp; 550 5.7.1 t" },
	{ "host without one", 550, "", "Status: 5.0.0\r\n", "smtp; 550 t" },
	{ "given up, host busy", 451, "4.3.0", "Status: 4.3.0\r\n", "smtp; 451 4.3.0 t" },
	{ "given up, no host", 0, "4.4.1", "Status: 4.4.1\r\n", "x-sluice; 4.4.1 t" },
	{ "nothing known", 0, "", "Status: 4.4.7\r\n", "x-sluice; t" },
	{ "nonsense", 550, "junk", "Status: 5.0.0\r\n", "smtp; 550 junk t" },
};

static void
status_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
		struct sl_dsn d = example;
		struct sl_buf out = SL_BUF_INIT;

		d.code = statuses[i].code;
		d.enhanced = statuses[i].enhanced;
		d.text = "t";
		assert_int_equal(sl_dsn_write(&out, &d), 0);
		if (strstr(out.p, statuses[i].status) == NULL ||
		    strstr(out.p, statuses[i].diagnostic) == NULL)
			fail_msg("%s: %s", statuses[i].name, out.p);
		sl_buf_clear(&out);
	}
}

/* A38: what others say stays on its line and in ASCII; the header parses. */
static void
hostile_texts(void **state)
{
	struct sl_dsn d = example;
	struct sl_buf out = SL_BUF_INIT;
	struct sl_message *m;
	struct sl_err err;
	size_t n;
	char *p;

	(void)state;
	d.text = "no\r\n--0a1b--\r\nBcc: x@y\r\n\033[2J\xff";
	d.host = "mx\r\nBcc: x@y";
	d.recipient = "\"a\r\nBcc: b\"@c";
	d.sender = "\"a\nBcc: b\"@c";
	d.enhanced = "5.1\r\n.1";
	d.header = (struct sl_str){ NULL, 0 };
	assert_int_equal(sl_dsn_write(&out, &d), 0);
	assert_null(strstr(out.p, "\nBcc"));
	for (size_t i = 0; i < out.n; i++) {
		assert_true((unsigned char)out.p[i] < 127);
		assert_true(out.p[i] >= 32 || strchr("\r\n\t", out.p[i]) != NULL);
	}
	assert_null(strstr(out.p, "rfc822-headers"));
	p = sl_buf_take(&out, &n);
	assert_int_equal(sl_message_from_memory(&m, p, n, &err), 0);
	assert_false(m->defect_no_boundary);
	assert_int_equal(m->nfields, 8);
	sl_message_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole),
		cmocka_unit_test(status_cases),
		cmocka_unit_test(hostile_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
