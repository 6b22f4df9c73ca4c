/* What predelivery changes of an attempt, and what it refuses. */
#include "../session_testing.h"

static struct rig rig;

static struct attempted {
	bool done, failed;
	enum sl_action action;
	double delay;
	bool counted;
	char where[60];
	int port;
	bool lmtp, smtp;
	char host[100], sender[100], recipient[100], helo[100], source[60], user[60], password[60], tls[30];
} got;

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
	rig_remove(&rig, "postdelivery.lua");
	rig_clear(&rig);
	return 0;
}

static void
take(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text != NULL ? text : "-");
}

static void
attempted(void *arg, const struct sl_verdict *v, const struct sl_attempt_changes *c)
{
	(void)arg;
	got.done = true;
	got.failed = v->failed;
	got.action = v->action;
	got.delay = v->delay;
	got.counted = v->counted;
	take(got.where, sizeof(got.where), v->where);
	got.port = c->port;
	got.lmtp = c->lmtp;
	got.smtp = c->smtp;
	take(got.host, sizeof(got.host), c->host);
	take(got.sender, sizeof(got.sender), c->sender);
	take(got.recipient, sizeof(got.recipient), c->recipient);
	take(got.helo, sizeof(got.helo), c->helo);
	take(got.source, sizeof(got.source), c->sourceip);
	take(got.user, sizeof(got.user), c->sasl_username);
	take(got.password, sizeof(got.password), c->sasl_password);
	take(got.tls, sizeof(got.tls), c->tls);
}

static void
run(const char *script)
{
	struct sl_attempt attempt = { .id = "m1", .sender = "ann@example.com",
	    .recipient = "bob@example.org", .transport = "box", .facts = "{\"serverid\":\"inbound\"}" };

	rig_write(&rig, "predelivery.lua", script);
	rig_load(&rig);
	memset(&got, 0, sizeof(got));
	assert_int_equal(sl_engine_predelivery(rig.engine, &attempt, attempted, NULL), 0);
	while (!got.done)
		assert_int_equal(sl_engine_wait(rig.engine, -1), 0);
}

/* Of postdelivery, after a failure for good. */
static void
run_after(const char *script)
{
	struct sl_attempt attempt = { .id = "m1", .sender = "ann@example.com", .recipient = "bob@example.org",
	    .transport = "box", .facts = "{\"serverid\":\"inbound\"}", .code = 550, .enhanced = "5.1.1",
	    .text = "no such user", .dflt = SL_GENERATE_DSN };

	rig_write(&rig, "postdelivery.lua", script);
	rig_load(&rig);
	memset(&got, 0, sizeof(got));
	assert_int_equal(sl_engine_postdelivery(rig.engine, &attempt, attempted, NULL), 0);
	while (!got.done)
		assert_int_equal(sl_engine_wait(rig.engine, -1), 0);
}

static void
nothing_is_changed(void **state)
{
	(void)state;
	run("");
	assert_int_equal(got.action, SL_TRY);
	assert_string_equal(got.host, "-");
	assert_string_equal(got.password, "-");
	assert_int_equal(got.port, -1);
	assert_false(got.lmtp || got.smtp);
}

static void
all_is_changed(void)
{
	assert_false(got.failed);
	assert_int_equal(got.action, SL_TRY);
	assert_string_equal(got.host, "relay.example.net");
	assert_int_equal(got.port, 587);
	assert_true(got.lmtp && !got.smtp);
	assert_string_equal(got.tls, "require_verify");
	assert_string_equal(got.user, "me");
	assert_string_equal(got.password, "s3cret-word");
	assert_string_equal(got.helo, "out.example.org");
	assert_string_equal(got.source, "192.0.2.25");
	assert_string_equal(got.sender, "");
	assert_string_equal(got.recipient, "eve@example.net");
}

/* One by one, and by Try's options: the same. */
static void
one_by_one_and_at_once(void **state)
{
	(void)state;
	run("SetDestination('Relay.Example.NET', 587) SetProtocol('lmtp') SetTLS{ tls = 'require_verify' }\n"
	    "SetSASL('me', 's3cret-word') SetHELO('out.example.org') SetSourceIP('192.0.2.25')\n"
	    "SetSender('') SetRecipient('eve@example.net') assert(destination == 'relay.example.net')\n"
	    "assert(destinationport == 587 and sourceip == '192.0.2.25' and not senderdomain)\n"
	    "assert(sender == '' and recipient == 'eve@example.net' and recipientdomain == 'example.net')");
	all_is_changed();
	run("Try{ host = 'Relay.Example.NET', port = 587, protocol = 'lmtp', tls = 'require_verify',\n"
	    "saslusername = 'me', saslpassword = 's3cret-word', helo = 'out.example.org',\n"
	    "sourceip = '192.0.2.25', sender = '', recipient = 'eve@example.net' }");
	all_is_changed();
	run("Try{ host = 'Relay.Example.NET', port = 587, protocol = 'lmtp', tls = 'require_verify',\n"
	    "saslusername = 'me', saslpassword = 's3cret-word', helo = 'out.example.org',\n"
	    "sourceip = { '192.0.2.25', '192.0.2.26' }, sender = {},\n"
	    "recipient = { localpart = 'eve', domain = 'example.net' } }");
	all_is_changed();
	run("SetDestination('2001:db8::1') SetProtocol('smtp') SetTLS{} Try()");
	assert_string_equal(got.host, "2001:db8::1");
	assert_true(got.smtp && !got.lmtp);
	assert_string_equal(got.tls, "disabled");
	assert_int_equal(got.port, -1);
}

static void
put_back(void **state)
{
	(void)state;
	run("Queue{ delay = 20, reason = 'x', increment_retry = false }");
	assert_int_equal(got.action, SL_RESCHEDULE);
	assert_true(got.delay == 20 && !got.counted && !got.failed);
	run("Queue()");
	assert_int_equal(got.action, SL_RESCHEDULE);
	assert_true(got.delay == 300 && got.counted);
	run_after("Queue{ delay = 20 }");
	assert_int_equal(got.action, SL_RETRY);
	assert_true(got.delay == 20 && !got.failed);
	run_after("Queue()");
	assert_true(got.action == SL_RETRY && got.delay == -1);
	run_after("Queue{ increment_retry = false }");
	assert_true(got.failed);
	run_after("Default() Retry()");
	assert_true(got.action == SL_NO_ACTION && !got.failed);
	run_after("Bounce{ reason = 'x' }");
	assert_true(got.failed);
	run_after("Bounce() Retry()");
	assert_true(got.action == SL_GENERATE_DSN && !got.failed);
}

/* What can't be sent as it is: the attempt is put off, nothing of it reaches a command. */
static void
mistakes_put_it_off(void **state)
{
	static const char *const scripts[] = {
		"SetDestination('a b')", "SetDestination('x\\r\\ny')", "SetDestination('')",
		"SetDestination('h.example', 0)", "SetDestination('h.example', 65536)", "SetProtocol('uucp')",
		"SetTLS{ tls = 'dane' }", "SetTLS{ tls_ciphers = 'ALL' }", "SetTLS('require')",
		"SetSASL('me')", "SetSASL('me\\0you', 'x')", "SetSASL('me', 'x\\0')", "SetHELO('a\\r\\nRCPT')",
		"SetHELO('')", "SetSourceIP('netaddr:1')", "SetSourceIP('192.0.2')", "SetSourceIP('192.0.2.1', { nonlocal_source = true })", "Try{ hosts = 'x' }",
		"Try{ host = 5 }", "Try{ port = 'x' }", "Try{ sender = 'nobody' }", "Try{ recipient = '' }",
		"Try{ protocol = '' }", "Try{ recipient = { localpart = 'eve' } }", "Try{ recipient = { name = 'eve' } }",
		"Try{ sourceip = {} }", "Try{ sourceip = { 5 } }", "Queue{ hold = true }", "Default()", "Bounce()", "Delete{ x = 1 }",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		run(scripts[i]);
		if (!got.failed || got.action != SL_RESCHEDULE)
			fail_msg("%s: %d", scripts[i], got.action);
		assert_string_equal(got.where, "predelivery.lua:1");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_changed),
		cmocka_unit_test(one_by_one_and_at_once),
		cmocka_unit_test(put_back),
		cmocka_unit_test(mistakes_put_it_off),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
