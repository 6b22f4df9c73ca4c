/* New messages of scripts, and that they share the fate of the one that is judged. */
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

static void
assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void
mail_is_a_whole_message(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "local id = mail('post@example.org', { 'eve@example.org', 'ann@example.org' }, 'Grüße', 'Für dich',\n"
	    "  { sender_name = 'The \"Post\"', recipient_name = 'Eve', headers = { ['X-Why'] = 'test' },\n"
	    "    metadata = { a = 'b' }, delay = 60 })\n"
	    "assert(id == messageid .. '-new1')");
	if (o->n != 3)
		fail_msg("%zu messages: %s %s", o->n, o->text, o->where);
	assert_string_equal(o->copy[0].recipient, "bob@example.org");
	assert_string_equal(o->copy[1].sender, "post@example.org");
	assert_string_equal(o->copy[1].recipient, "eve@example.org");
	assert_string_equal(o->copy[2].recipient, "ann@example.org");
	assert_string_equal(o->copy[1].transport, "box");
	assert_string_equal(o->copy[1].metadata, "{\"a\":\"b\"}");
	assert_true(o->copy[1].delay == 60);
	assert_has(o->copy[1].bytes, "From: \"The \\\"Post\\\"\" <post@example.org>\r\n"
	    "To: \"Eve\" <eve@example.org>, ann@example.org\r\n");
	assert_has(o->copy[1].bytes, "\r\nSubject: =?UTF-8?B?R3LDvMOfZQ==?=\r\n");
	assert_has(o->copy[1].bytes, "\r\nAuto-Submitted: auto-generated\r\nX-Why: test\r\nDate: ");
	assert_has(o->copy[1].bytes, "@mx.example.org>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
	assert_has(o->copy[1].bytes, "\r\n\r\nF=C3=BCr dich");
}

static void
built_messages_are_queued(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "MIME():addHeader('From', 'a@example.org'):setType('text/html'):setBody('<p>x</p>')\n"
	    ":queue('', 'far@example.net', 'other')\n"
	    "mail('', 'x@example.org', 's', '<b>t</b>', 'other', { plaintext = false })");
	assert_int_equal(o->n, 3);
	assert_string_equal(o->copy[1].sender, "");
	assert_string_equal(o->copy[1].recipient, "far@example.net");
	assert_string_equal(o->copy[1].transport, "other");
	assert_has(o->copy[1].bytes, "\r\nMessage-ID: <");
	assert_has(o->copy[2].bytes, "From: MAILER-DAEMON@mx.example.org\r\n");
	assert_has(o->copy[2].bytes, "\r\nContent-Type: text/html\r\n");
	o = rig_run(&rig, "mail('', 'x@example.org', 's', 't') Delete()");
	assert_int_equal(o->action, SL_DELETE);
	assert_int_equal(o->n, 1);
	assert_string_equal(o->copy[0].recipient, "x@example.org");
}

static void
nothing_is_queued_unless_it_is_accepted(void **state)
{
	static const char *const scripts[] = { "mail('', 'x@example.org', 's', 't') Reject('no')",
	    "mail('', 'x@example.org', 's', 't') Defer('no')", "mail('', 'x@example.org', 's', 't') error('x')",
	    "mail('', 'x@example.org', 's', 't') Quarantine('spam', { reject = true })" };
	const struct outcome *o;

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		o = rig_run(&rig, scripts[i]);
		if (o->code < 400 || o->n != (i == 3))
			fail_msg("%s: %s, %zu", scripts[i], o->text, o->n);
		for (size_t k = 0; k < o->n; k++)
			assert_string_equal(o->copy[k].quarantine, "spam");
	}
}

static void
what_is_sent_always_is_sent_unless_a_script_fails(void **state)
{
	static const struct { const char *script; size_t n; } cases[] = {
		{ "mail('', 'x@example.org', 's', 't', { always = true }) Reject('no')", 1 },
		{ "mail('', 'x@example.org', 's', 't', { always = true }) mail('', 'x@example.org', 's', 't') Defer('no')", 1 },
		{ "MIME():setBody('x'):queue('', 'x@example.org', nil, { always = true }) Reject('no')", 1 },
		{ "mail('', 'x@example.org', 's', 't', { always = true }) Deliver()", 2 },
		{ "mail('', 'x@example.org', 's', 't', { always = true }) error('x')", 0 },
	};
	const struct outcome *o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		o = rig_run(&rig, cases[i].script);
		if (o->n != cases[i].n)
			fail_msg("%s: %s, %zu", cases[i].script, o->text, o->n);
		if (o->n > 0)
			assert_string_equal(o->copy[o->n - 1].recipient, "x@example.org");
	}
}

static void
mistakes_cost_the_message_a_4xx(void **state)
{
	static const char *const scripts[] = { "mail()", "mail('x', 'a@example.org', 's', 't')",
	    "mail('', '', 's', 't')", "mail('', {}, 's', 't')", "mail('', 'a@example.org', 's\\r\\nB: c', 't', 'none')",
	    "mail('', 'a@far.example', 's', 't')", "mail('', 'a@example.org', 's', 't', { x = 1 })",
	    "mail('', 'a@example.org', 's', 't', { rawbody = true })",
	    "mail('', 'a@example.org', 's', 't', { serverid = 'mailserver:none' })",
	    "mail('', 'a@example.org', 's', 't', { headers = { ['A\\n'] = 'b' } })",
	    "for _ = 1, 101 do mail('', 'a@example.org', 's', 't') end" };
	const struct outcome *o;

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		o = rig_run(&rig, scripts[i]);
		if (o->code != 451 || !o->failed || o->n != 0)
			fail_msg("%s: %s", scripts[i], o->text);
	}
}

static void
a_subject_is_one_field(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "mail('', 'a@example.org', 'a\\r\\nBcc: x@example.net', 't')");
	assert_int_equal(o->n, 2);
	assert_null(strstr(o->copy[1].bytes, "\nBcc:"));
}

/* Parts in parts, an attachment: written, read back as a message that comes in. */
static const char nested[] =
    "local function mime(type, ...) local m = MIME():setType(type) for _, p in ipairs{ ... } do m:appendPart(p) end return m end\n"
    "local logo = MIME():setType('image/png'):addHeader('Content-ID', '<logo>'):setBody('\\x89PNG\\0')\n"
    "local html = mime('multipart/related', MIME():setType('text/html'):setBody('<img src=cid:logo>'), logo)\n"
    "local text = mime('multipart/alternative', MIME():setBody('Grüße'), html)\n"
    "local file = MIME():setType('text/csv'):setFileName('Übersicht.csv'):setBody('a,b\\n1,2\\n')\n"
    "mime('multipart/mixed', text, file, MIME():setType('message/rfc822'):setBody('From: x@example.net\\r\\n\\r\\nold'))\n"
    "  :addHeader('From', 'a@example.org'):addHeader('Subject', 'Grüße'):queue('', 'eve@example.org')\n"
    "Delete()";

static void
parts_in_parts(void **state)
{
	const struct outcome *o;
	char *bytes;

	(void)state;
	o = rig_run(&rig, nested);
	if (o->n != 1)
		fail_msg("%s %s", o->text, o->where);
	bytes = sl_strdup(o->copy[0].bytes);
	rig_write(&rig, "data.lua", "local ids = {} for _, p in ipairs(MIME('0'):findByType('/./')) do\n"
	    "ids[#ids + 1] = p:getID() .. ' ' .. p:getType() assert(#p:getErrors() == 0) end echo(table.concat(ids, ','))\n"
	    "assert(MIME('1.1'):getBody() == 'Grüße' and MIME('1.2.2'):getBody() == '\\x89PNG\\0')\n"
	    "assert(MIME('2'):getFileName() == 'Übersicht.csv' and MIME('2'):getBody() == 'a,b\\r\\n1,2\\r\\n')\n"
	    "assert(MIME('3.1'):getHeader('From') == 'x@example.net' and MIME('0'):getHeader('Subject') == 'Grüße')");
	rig_load(&rig);
	o = rig_send(&rig, bytes, false);
	sl_free(bytes);
	if (o->action != SL_DELIVER)
		fail_msg("%s %s", o->text, o->where);
	assert_string_equal(rig.log.p, "0 multipart/mixed,1 multipart/alternative,1.1 text/plain,1.2 multipart/related,"
	    "1.2.1 text/html,1.2.2 image/png,2 text/csv,3 message/rfc822,3.1 text/plain\n");
}

/* The manual of 2016: the body is HTML unless plaintext says otherwise. */
static void
mail_as_in_2016(void **state)
{
	const struct outcome *o;

	(void)state;
	rig_remove(&rig, "data.lua");
	rig_write(&rig, "data.hsl", "mail(\"\", \"a@example.org\", \"s\", \"<b>t</b>\", [\"serverid\" => \"mailserver:inbound\","
	    " \"transportid\" => \"mailtransport:other\", \"rawbody\" => false]);\n"
	    "mail(\"\", \"b@example.org\", \"s\", \"t\", [\"plaintext\" => true]);");
	rig_load(&rig);
	o = rig_send(&rig, rig_message, false);
	assert_int_equal(o->n, 3);
	assert_has(o->copy[1].bytes, "\r\nContent-Type: text/html");
	assert_string_equal(o->copy[1].transport, "other");
	assert_has(o->copy[2].bytes, "\r\nContent-Type: text/plain");
	rig_remove(&rig, "data.hsl");
}

/* A large body is the script's once: what is written of it isn't in the script's memory. */
static void
a_large_body_is_not_copied(void **state)
{
	static const char *const scripts[][2] = {
		{ "data.lua", "local body = ('0123456789abcdef'):rep(640 * 1024)\n"
		    "MIME():addHeader('From', 'a@example.org'):appendPart(MIME():setType('application/pdf'):setBody(body))\n"
		    "  :queue('', 'eve@example.org') mail('', 'eve@example.org', 's', body) Delete()" },
		{ "data.hsl", "$body = str_repeat(\"0123456789abcdef\", 640 * 1024);\n"
		    "MIME()->addHeader(\"From\", \"a@example.org\")->appendPart(MIME()->setType(\"application/pdf\")->setBody($body))\n"
		    "->queue(\"\", \"eve@example.org\"); mail(\"\", \"eve@example.org\", \"s\", $body); Delete();" },
	};
	char config[sizeof(rig_config) + 60];

	(void)state;
	snprintf(config, sizeof(config), "%.*s, limits = { memory = '24M', steps = 100000000 } }", (int)(strrchr(rig_config, '}') - rig_config),
	    rig_config);
	rig_write(&rig, "sluice.lua", config);
	for (size_t i = 0; i < 2; i++) {
		const struct outcome *o;

		rig_write(&rig, scripts[i][0], scripts[i][1]);
		rig_load(&rig);
		o = rig_send(&rig, rig_message, false);
		if (o->code != 250 || o->n != 2)
			fail_msg("%s: %s %s", scripts[i][0], o->text, o->where);
		assert_true(strlen(o->copy[0].bytes) > 14 * 1000 * 1000 && strlen(o->copy[1].bytes) > 10 * 1024 * 1024);
		rig_remove(&rig, scripts[i][0]);
	}
	rig_write(&rig, "data.lua", "local m = MIME():setBody(('x'):rep(12 * 1024 * 1024))\n"
	    "for i = 1, 6 do m:queue('', 'eve@example.org') end");
	rig_write(&rig, "sluice.lua", config);
	rig_load(&rig);
	assert_int_equal(rig_send(&rig, rig_message, false)->code, 451);
	rig_write(&rig, "sluice.lua", rig_config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail_is_a_whole_message),
		cmocka_unit_test(built_messages_are_queued),
		cmocka_unit_test(nothing_is_queued_unless_it_is_accepted),
		cmocka_unit_test(what_is_sent_always_is_sent_unless_a_script_fails),
		cmocka_unit_test(mistakes_cost_the_message_a_4xx),
		cmocka_unit_test(a_subject_is_one_field),
		cmocka_unit_test(parts_in_parts),
		cmocka_unit_test(mail_as_in_2016),
		cmocka_unit_test(a_large_body_is_not_copied),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
