/* The whole message as an object: states, bytes, queueing, signatures; in Lua and in HSL. */
#include "../session_testing.h"

static struct rig rig;

#define KEY \
	"-----BEGIN PRIVATE KEY-----\n" \
	"MC4CAQAwBQYDK2VwBCIEICxPuuaattNWMLDqu6oLC+Jt23SekT7af/TGNTOqYxnP\n" \
	"-----END PRIVATE KEY-----\n"

static int
set_up(void **state)
{
	char path[200];

	(void)state;
	rig_init(&rig);
	snprintf(path, sizeof(path), "%s/keys", rig.folder);
	assert_int_equal(mkdir(path, 0700), 0);
	rig_write(&rig, "keys/k.pem", KEY);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_remove(&rig, "eod.hsl");
	rig_clear(&rig);
	return 0;
}

static const struct outcome *
run(const char *file, const char *script, const char *message, bool two)
{
	static const char *const names[] = { "eod.lua", "data.lua", "eod.hsl", "data.hsl" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		rig_remove(&rig, names[i]);
	rig_write(&rig, file, script);
	rig_load(&rig);
	return rig_send(&rig, message, two);
}

#define HEAD	"From: a@example.com\r\nX: 1\r\nX: 2\r\n"
#define PLAIN	HEAD "\r\none\r\ntwo\r\n"
#define START	"local s = #'" "From: a@example.com..X: 1..X: 2...." "'\n"	/* of the body */

/* Edits as they leave. The body begins at byte 35. */
static const struct { const char *name, *file, *script, *wanted; } edits[] = {
	{ "restored", "data.lua", "local m = MIME('0') local id = m:snapshot()\n"
	    "m:setHeader('X', 'new') m:setBody('x') m:signDKIM('s', 'example.com', 'pki:k')\n"
	    "assert(m:restore(id) and m:getHeader('X') == '1')", PLAIN },
	{ "to and fro", "data.lua", "local m = MIME('0') m:addHeader('A', '1') local one = m:snapshot()\n"
	    "m:addHeader('A', '2') local two = m:snapshot() m:restore(one) assert(#m:getHeaders('A') == 1)\n"
	    "m:restore(two) assert(#m:getHeaders('A') == 2) m:restore(one)", "A: 1\r\n" PLAIN },
	{ "no such state", "data.lua", "local m = MIME('0') local id = m:snapshot()\n"
	    "assert(m:restore(id + 1) == false and m:restore(0) == false) m:addHeader('A', '1')", "A: 1\r\n" PLAIN },
	{ "reset", "data.lua", "local m = MIME('0') assert(m:reset() == false)\n"
	    "m:addHeader('A', '1') m:setHeader('X', 'y') m:setBody('z') m:signDKIM('s', 'example.com', 'pki:k')\n"
	    "assert(m:reset() == 4 and m:reset() == false)", PLAIN },
	{ "the name of 2016", "data.lua", "AddHeader('A', '1') assert(DiscardMailDataChanges() == 1)", PLAIN },
	{ "a part is a part", "data.lua", "assert(not pcall(function() return MIME('0'):getParts()[1].reset end))\n"
	    "assert(arguments.mail:getID() == '0' and not pcall(MIME('0').reset, {}))", PLAIN },
	{ "bytes replaced", "data.lua", START "assert(MIME('0'):modifyContent(s, 3, 'eins'):getID() == '0')",
	    HEAD "\r\neins\r\ntwo\r\n" },
	{ "bytes put in", "data.lua", START "local m = MIME('0') m:modifyContent(messagesize, 0, 'end\\r\\n')\n"
	    "m:modifyContent(s, 0, 'a') m:modifyContent(s, 0, 'b')", HEAD "\r\nabone\r\ntwo\r\nend\r\n" },
	{ "bytes of what was replaced", "data.lua", START "local m = MIME('0') m:modifyContent(s, 8, 'x')\n"
	    "assert(m:modifyContent(s + 1, 1, 'y') == nil)", HEAD "\r\nx\r\n" },
	{ "bytes and setBody", "data.lua", START "local m = MIME('0') m:modifyContent(s, 1, 'x') m:setBody('all')", HEAD "\r\nall" },
	{ "as text", "data.lua", "local m = MIME('0') m:addHeader('A', '1') assert(m:toString():find('^A: 1\\r\\nFrom:'))\n"
	    "m:reset()", PLAIN },
	{ "in HSL", "data.hsl", "$m = MIME(\"0\"); if ($m->reset() !== 0) Reject(); $id = $m->snapshot();\n"
	    "$m->addHeader(\"A\", \"1\"); $m->restore($id); $m->addHeader(\"B\", \"2\");\n"
	    "$m->modifyContent(35, 3, \"eins\"); if ($m->restore(99)) Reject();",
	    "B: 2\r\n" HEAD "\r\neins\r\ntwo\r\n" },
	{ "in HSL, 2016", "data.hsl", "AddHeader(\"A\", \"1\"); if (DiscardMailDataChanges() != 1) Reject();", PLAIN },
};

static void
edits_leave(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct outcome *o = run(edits[i].file, edits[i].script, PLAIN, false);

		if (o->action != SL_DELIVER || o->n != 1 || o->failed)
			fail_msg("%s: %s at %s", edits[i].name, o->text, o->where);
		if (strcmp(o->copy[0].bytes, edits[i].wanted) != 0)
			fail_msg("%s:\n%s", edits[i].name, o->copy[0].bytes);
	}
}

/* What can't be done says why; nothing leaves by it. */
static void
mistakes_raise(void **state)
{
	static const struct { const char *script, *why; } cases[] = {
		{ "MIME('0'):modifyContent(3, 1, 'x')", "byte 3 is in the header" },
		{ "MIME('0'):modifyContent(messagesize + 1, 0, 'x')", "the message has 45 bytes" },
		{ "MIME('0'):modifyContent(40, 99, 'x')", "the message has 45 bytes" },
		{ "MIME('0'):modifyContent(39, 0, 'x')", "a line's end" },
		{ "MIME('0'):modifyContent(35, 4, 'x')", "a line's end" },
		{ "MIME('0'):modifyContent(35, 0, 'x\\n.\\n')", "lines that end by CR LF" },
		{ "MIME('0'):modifyContent(35, 0, 'x\\r')", "lines that end by CR LF" },
		{ "for i = 1, 33 do MIME('0'):snapshot() end", "more than 32 snapshots" },
		{ "MIME('0'):queue('', 'nobody')", "\"nobody\"" },
		{ "MIME('0'):queue('', 'a@example.net')", "no transport for it" },
		{ "MIME('0'):queue('', 'a@example.net', 'none')", "transport \"none\"" },
		{ "MIME('0'):queue('', 'a@example.org', 'box', { hold = true })", "option \"hold\"" },
		{ "MIME('0'):queue('', { localpart = 'a b', domain = 'example.org' })", "\"a b@example.org\"" },
	};
	char script[300];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(script, sizeof(script), "local ok, why = pcall(function() %s end)\n"
		    "Reject(tostring(why):sub(1, 300))", cases[i].script);
		const struct outcome *o = run("data.lua", script, PLAIN, false);

		if (o->action != SL_REJECT || strstr(o->text, cases[i].why) == NULL)
			fail_msg("%s: %s", cases[i].script, o->text);
	}
}

/* Each recipient's run has its own; those of eod don't reach into data. */
static void
states_are_of_a_run(void **state)
{
	const struct outcome *o;

	(void)state;
	rig_write(&rig, "eod.lua", "local m = MIME('0') m:addHeader('E', '1') context.message.id = m:snapshot()");
	rig_write(&rig, "data.lua", "local m = MIME('0') assert(not m:restore(context.message.id))\n"
	    "for i = 1, 32 do m:snapshot() end m:addHeader('D', recipient)\n"
	    "if recipient == 'eve@example.org' then assert(m:reset() == 2) end");
	rig_load(&rig);
	o = rig_send(&rig, PLAIN, true);
	if (o->action != SL_DELIVER || o->n != 2)
		fail_msg("%s at %s", o->text, o->where);
	assert_string_equal(o->copy[0].bytes, "D: bob@example.org\r\nE: 1\r\n" PLAIN);
	assert_string_equal(o->copy[1].bytes, PLAIN);
}

/* Results in our name stay away, however the message is reset. */
static void
forged_results_stay_away(void **state)
{
	const struct outcome *o;

	(void)state;
	o = run("data.lua", "MIME('0'):addHeader('A', '1') assert(MIME('0'):reset() == 1)",
	    "Authentication-Results: mx.example.org; dmarc=pass\r\n" PLAIN, false);
	assert_int_equal(o->n, 1);
	assert_string_equal(o->copy[0].bytes, PLAIN);
}

/* ---- queue ----------------------------------------------------------------- */

#define ALL_LUA \
	"for _, to in ipairs(transaction.recipients) do\n" \
	"  local id = MIME('0'):queue(transaction.senderaddress, to.address, to.transportid)\n" \
	"  assert(id.transaction == messageid)\n" \
	"end Accept()"
#define ALL_HSL \
	"$sender = $transaction[\"senderaddress\"];\n" \
	"$mail = $arguments[\"mail\"];\n" \
	"foreach ($transaction[\"recipients\"] as $recipient)\n" \
	"    $mail->queue($sender, $recipient[\"address\"], $recipient[\"transportid\"]);\n" \
	"Accept();\n"

static const struct queueing {
	const char *name, *eod, *script, *data;
	int code;
	const char *recipients;		/* of what leaves, in order, each with "!" if data touched it */
} queueings[] = {
	{ "all, in Lua", "eod.lua", ALL_LUA, "AddHeader('D', '1')", 250, "bob@example.org eve@example.org " },
	{ "all, in HSL", "eod.hsl", ALL_HSL, "AddHeader('D', '1')", 250, "bob@example.org eve@example.org " },
	{ "one", "eod.lua", "MIME('0'):queue(sender, 'bob@example.org') Accept()", "AddHeader('D', '1')", 250,
	    "bob@example.org eve@example.org! " },
	{ "a copy", "eod.lua", "MIME('0'):queue('', 'log@example.org', 'other')", "AddHeader('D', '1')", 250,
	    "log@example.org bob@example.org! eve@example.org! " },
	{ "one, the rest deleted", "eod.lua", "MIME('0'):queue(sender, 'bob@example.org') Delete()", "", 250, "bob@example.org " },
	{ "refused afterwards", "eod.lua", "MIME('0'):queue(sender, 'bob@example.org') Reject('no')", "", 550, "" },
	{ "refused by the other", "eod.lua", "MIME('0'):queue(sender, 'bob@example.org')", "Reject('no')", 550, "" },
	{ "data deletes", "eod.lua", "MIME('0'):queue(sender, 'bob@example.org')", "Delete()", 250, "bob@example.org " },
	{ "in data", "eod.lua", "", "MIME('0'):queue(sender, 'x@example.org')", 250,
	    "x@example.org bob@example.org x@example.org eve@example.org " },
};

/* Copies that are equal come together: in the order in which the first was chosen. */
static void
describe(const struct outcome *o, char *out, size_t size)
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < o->n; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%s ", o->copy[i].recipient,
		    strstr(o->copy[i].bytes, "D: 1\r\n") != NULL ? "!" : "");
}

static void
eod_queues(void **state)
{
	char what[300];

	(void)state;
	for (size_t i = 0; i < sizeof(queueings) / sizeof(queueings[0]); i++) {
		const struct queueing *q = &queueings[i];
		const struct outcome *o;

		run(q->eod, q->script, PLAIN, false);	/* alone, and not looked at */
		rig_write(&rig, "data.lua", q->data);
		rig_load(&rig);
		o = rig_send(&rig, PLAIN, true);
		describe(o, what, sizeof(what));
		if (o->code != q->code || strcmp(what, q->recipients) != 0)
			fail_msg("%s: %s at %s: %s", q->name, o->text, o->where, what);
	}
}

static void
envelopes_of_copies(void **state)
{
	const struct outcome *o;

	(void)state;
	o = run("eod.lua", "local m = MIME('0') local id = m:snapshot() m:addHeader('A', '1')\n"
	    "m:queue('', { localpart = 'x', domain = 'example.net' }, 'other', { delay = 60, metadata = { k = 'v' } })\n"
	    "m:restore(id) m:queue(transaction.senderaddress, 'bob@example.org') Accept()", PLAIN, false);
	if (o->code != 250 || o->n != 2)
		fail_msg("%s at %s", o->text, o->where);
	assert_string_equal(o->copy[0].bytes, "A: 1\r\n" PLAIN);
	assert_string_equal(o->copy[0].sender, "");
	assert_string_equal(o->copy[0].recipient, "x@example.net");
	assert_string_equal(o->copy[0].transport, "other");
	assert_string_equal(o->copy[0].metadata, "{\"k\":\"v\"}");
	assert_true(o->copy[0].delay > 59 && o->copy[0].delay < 61);
	assert_string_equal(o->copy[1].bytes, PLAIN);
	assert_string_equal(o->copy[1].sender, "ann@example.com");
	assert_string_equal(o->copy[1].transport, "box");
}

/* ---- signatures -------------------------------------------------------------- */

static char *
sign(const char *file, const char *script)
{
	const struct outcome *o = run(file, script, PLAIN, false);

	if (o->action != SL_DELIVER || o->n < 1)
		fail_msg("%s at %s", o->text, o->where);
	assert_ptr_equal(strstr(o->copy[0].bytes, "DKIM-Signature: "), o->copy[0].bytes);
	return sl_strdup(o->copy[0].bytes);
}

static void
signatures(void **state)
{
	char *bytes;
	const struct outcome *o;

	(void)state;
	rig_write(&rig, "zone.txt", "s._domainkey.example.com. IN TXT "
	    "\"v=DKIM1; k=ed25519; p=qJ0J4vDU/o2J0jsVcqLOu5/HPAOazkp/XZLcVUcYihU=\"\n");
	bytes = sign("data.hsl", "$m = MIME(\"0\")->signDKIM(\"s\", \"example.com\", \"pki:k\"); $m->addHeader(\"A\", \"1\");");
	assert_non_null(strstr(bytes, "\r\nA: 1\r\n"));
	sl_free(bytes);
	bytes = sign("eod.lua", "local m = assert(MIME('0'):signDKIM('s', 'example.com', 'pki:k')) assert(m:getID() == '0')\n"
	    "m:queue(sender, 'bob@example.org') Accept()");
	o = run("data.lua", "local m = MIME('0') local all = m:verifyDKIM()\n"
	    "assert(#all == 1 and all[1].domain == 'example.com' and all[1].result == 'pass')\n"
	    "local one = m:verifyDKIM(m:getHeader('DKIM-Signature', { field = true }))\n"
	    "assert(one.selector == 's' and one.result == all[1].result and m:verifyDKIM('DKIM-Signature: x') == nil)\n"
	    "echo(one.result)", bytes, false);
	if (o->action != SL_DELIVER)
		fail_msg("%s at %s", o->text, o->where);
	run("data.hsl", "$m = MIME(\"0\"); echo count($m->verifyDKIM());\n"
	    "echo $m->verifyDKIM($m->getHeader(\"DKIM-Signature\", [\"field\" => true]))[\"domain\"];\n"
	    "echo isset($m->verifyDKIM(\"X: 1\")[\"domain\"]);", bytes, false);
	sl_free(bytes);
	assert_string_equal(rig.log.p, "1\nexample.com\nfalse\n");
	o = run("data.lua", "local yes, why = MIME('0'):signDKIM('s', 'example.com', 'pki:none')\n"
	    "assert(yes == false and why:find('none')) assert(MIME('0'):signDKIM('s', 'example.com', 'pki:k', { return_header = true }):find('^v=1'))",
	    PLAIN, false);
	if (o->action != SL_DELIVER || strcmp(o->copy[0].bytes, PLAIN) != 0)
		fail_msg("%s at %s", o->text, o->where);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(edits_leave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mistakes_raise, set_up, tear_down),
		cmocka_unit_test_setup_teardown(states_are_of_a_run, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forged_results_stay_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(eod_queues, set_up, tear_down),
		cmocka_unit_test_setup_teardown(envelopes_of_copies, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signatures, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
