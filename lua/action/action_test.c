/* Final actions: what each phase makes of them, their options, copies, and what is refused. */
#include "../session_testing.h"

static struct rig rig;

static int
set_up(void **state)
{
	(void)state;
	rig_init(&rig);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

/* What a data script decides, as the client hears it; 'n' copies stay. */
static const struct { const char *script, *reply; size_t n; } decisions[] = {
	{ "Deliver()", "250 2.0.0", 1 },
	{ "", "250 2.0.0", 1 },
	{ "Accept()", "451 4.3.0", 0 },		/* not in data */
	{ "Delete()", "250 2.0.0", 0 },
	{ "Reject('no')", "550 5.7.1 no", 0 },
	{ "Reject()", "550 5.7.1", 0 },
	{ "Reject({ 'one', 'two' })", "550 5.7.1 one|two", 0 },
	{ "Reject('no', { code = 554, enhanced = '5.6.0' })", "554 5.6.0 no", 0 },
	{ "Reject('a\\r\\nb\\0c\\td')", "550 5.7.1 a  b c d", 0 },
	{ "Defer('later')", "451 4.7.1 later", 0 },
	{ "Defer('later', { code = 452, enhanced = '4.2.2' })", "452 4.2.2 later", 0 },
	{ "Quarantine('spam')", "550 5.7.1", 1 },
	{ "Quarantine('spam', { reject = false })", "250 2.0.0", 1 },
	{ "Done()", "451 4.7.1", 0 },
	{ "Deliver{ recipient = 'x@example.net', done = false } Done()", "250 2.0.0", 1 },
	{ "Deliver{ recipient = 'x@example.net', done = false }", "250 2.0.0", 2 },
	{ "Deliver{ queue = true }", "250 2.0.0", 1 },
	{ "Deliver{ queue = false }", "451 4.3.0", 0 },		/* nothing is delivered while the client waits */
	{ "Deliver{ done = false } Reject('after')", "550 5.7.1 after", 0 },
};

/* What is no decision: the message is deferred, with the script's place. */
static const char *const mistakes[] = {
	"Reject('no', { code = 450 })", "Reject('no', { code = 'x' })", "Reject('no', { kode = 550 })",
	"Reject('no', { enhanced = '4.7.1' })", "Reject('no', { enhanced = '5.7' })", "Reject(print)",
	"Defer('no', { code = 550 })", "Deliver{ recipient = 'nobody' }", "Deliver{ recipient = '' }",
	"Deliver{ transportid = 'none' }", "Deliver{ delay = -1 }", "Deliver{ metadata = { a = 1 } }",
	"Deliver{ when = 1 }", "Quarantine('none')", "Quarantine()", "Try()", "Retry()", "GenerateDSN()",
	"Reschedule(60)",
};

static void
data_decides(void **state)
{
	const struct outcome *o;
	size_t i, n;

	(void)state;
	for (i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		o = rig_run(&rig, decisions[i].script);
		n = strlen(decisions[i].reply);
		if (strncmp(o->text, decisions[i].reply, n) != 0 || o->n != decisions[i].n)
			fail_msg("%s: %s, %zu copies", decisions[i].script, o->text, o->n);
	}
}

static void
mistakes_are_deferred(void **state)
{
	const struct outcome *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		o = rig_run(&rig, mistakes[i]);
		if (o->code != 451 || !o->failed || o->n != 0)
			fail_msg("%s: %s", mistakes[i], o->text);
		assert_string_equal(o->where, "data.lua:1");
	}
}

/* A call that raised has decided nothing, for whoever catches the error. */
static void
a_failed_call_decides_nothing(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "assert(not pcall(Reject, 'no', { code = 1 }))\n"
	    "assert(not pcall(Delete and Deliver, { delay = -1 }))");
	assert_int_equal(o->action, SL_DELIVER);
	assert_int_equal(o->n, 1);
	rig_write(&rig, "rcptto.lua", "assert(not pcall(Reject, 'no', { kode = 1 }))");
	o = rig_run(&rig, "");
	assert_int_equal(o->action, SL_DELIVER);
	rig_write(&rig, "rcptto.lua", "");
}

static void
options_reach_the_copy(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "AddHeader('X-A', '1')\n"
	    "Deliver{ recipient = 'Archive@Example.NET', transportid = 'mailtransport:other', delay = 60,\n"
	    "  metadata = { why = 'copy' }, done = false }\n"
	    "AddHeader('X-B', '2') Quarantine('spam', { reject = false })");
	assert_int_equal(o->n, 2);
	assert_string_equal(o->copy[0].recipient, "Archive@example.net");
	assert_string_equal(o->copy[0].transport, "other");
	assert_string_equal(o->copy[0].metadata, "{\"why\":\"copy\"}");
	assert_true(o->copy[0].delay == 60);
	assert_true(strncmp(o->copy[0].bytes, "X-A: 1\r\nFrom:", 13) == 0);
	assert_string_equal(o->copy[0].quarantine, "");
	assert_string_equal(o->copy[1].quarantine, "spam");
	assert_true(strncmp(o->copy[1].bytes, "X-B: 2\r\nX-A: 1\r\n", 16) == 0);
}

/* The strongest decides for all; a rejected message leaves nothing behind. */
static void
recipients_share_a_reply(void **state)
{
	const struct outcome *o;

	(void)state;
	rig_write(&rig, "data.lua", "if recipient == 'eve@example.org' then Reject('not eve') end");
	rig_load(&rig);
	o = rig_send(&rig, rig_message, true);
	assert_string_equal(o->text, "550 5.7.1 not eve");
	assert_int_equal(o->n, 0);
	rig_write(&rig, "data.lua", "if recipient == 'eve@example.org' then Delete() end");
	rig_load(&rig);
	o = rig_send(&rig, rig_message, true);
	assert_int_equal(o->code, 250);
	assert_int_equal(o->n, 1);
	assert_string_equal(o->copy[0].recipient, "bob@example.org");
}

/* Defaults of the phases before the message. */
static void
each_phase_has_its_reply(void **state)
{
	static const struct { const char *file, *reject, *defer; } phases[] = {
		{ "connect.lua", "554 5.7.1", "421 4.7.0" }, { "helo.lua", "550 5.7.1", "450 4.7.1" },
		{ "mailfrom.lua", "550 5.7.1", "450 4.7.1" }, { "rcptto.lua", "550 5.7.1", "450 4.7.1" },
		{ "eod.lua", "550 5.7.1", "451 4.7.1" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(phases) / sizeof(phases[0]); i++) {
		rig_write(&rig, phases[i].file, "Reject('no')");
		assert_true(strncmp(rig_run(&rig, "")->text, phases[i].reject, 9) == 0);
		rig_write(&rig, phases[i].file, "Defer('no')");
		assert_true(strncmp(rig_run(&rig, "")->text, phases[i].defer, 9) == 0);
		rig_write(&rig, phases[i].file, "Accept() Reject('never')");
		assert_int_equal(rig_run(&rig, "")->action, SL_DELIVER);
		rig_write(&rig, phases[i].file, "");
	}
}

/* connect has its final actions under two names. */
static void
connect_has_names_of_its_own(void **state)
{
	(void)state;
	rig_write(&rig, "connect.lua", "Block('no')");
	assert_true(strncmp(rig_run(&rig, "")->text, "554 5.7.1 no", 12) == 0);
	rig_write(&rig, "connect.lua", "Allow() Block('never')");
	assert_int_equal(rig_run(&rig, "")->action, SL_DELIVER);
	rig_write(&rig, "connect.lua", "");
	rig_write(&rig, "helo.lua", "Block('no')");
	assert_true(strncmp(rig_run(&rig, "")->text, "451 4.3.0", 9) == 0);
	rig_write(&rig, "helo.lua", "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_decides),
		cmocka_unit_test(mistakes_are_deferred),
		cmocka_unit_test(a_failed_call_decides_nothing),
		cmocka_unit_test(options_reach_the_copy),
		cmocka_unit_test(recipients_share_a_reply),
		cmocka_unit_test(each_phase_has_its_reply),
		cmocka_unit_test(connect_has_names_of_its_own),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
