/* Header fields, envelope and metadata as a script changes them, seen in what leaves. */
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

/* Each script asserts for itself; the header it leaves begins and contains so. */
static const struct { const char *name, *script, *begins, *holds, *lacks; } edits[] = {
	{ "read", "assert(GetHeader('subject') == 'grüße and more')\n"
	    "assert(GetHeader('Subject', false) == '=?utf-8?q?gr=C3=BC=C3=9Fe?= and more')\n"
	    "assert(GetHeader('X-None') == nil)", "From: Ann", NULL, NULL },
	{ "read all of a name", "local t = GetHeaders('x-twice')\n"
	    "assert(#t == 2 and t[1] == '1' and t[2] == '2' and #GetHeaders('X-None') == 0)",
	    "From: Ann", NULL, NULL },
	{ "read all", "local t = GetHeaders(true)\n"
	    "assert(#t == 5 and t[1][1] == 'From' and t[1][2] == 'Ann <ann@example.com>')",
	    "From: Ann", NULL, NULL },
	{ "add", "AddHeader('X-New', 'a b') assert(GetHeader('X-New') == 'a b')",
	    "X-New: a b\r\nFrom: Ann", "X-Twice: 2\r\n\r\nHello.\r\n", NULL },
	{ "set", "assert(SetHeader('X-Twice', 'new') == 2)", "From: Ann", "X-Twice: new\r\n\r\n",
	    "X-Twice: 2" },
	{ "set what isn't there", "assert(SetHeader('X-New', 'n') == false)", "X-New: n\r\nFrom:", NULL,
	    NULL },
	{ "prepend", "assert(PrependHeader('X-Twice', 'p ') == 2)\n"
	    "assert(PrependHeader('X-None', 'p') == false)", "From:",
	    "X-Twice: p 1\r\nX-Twice: p 2\r\n", "X-None" },
	{ "append", "assert(AppendHeader('X-Twice', ' a') == 2)\n"
	    "assert(AppendHeader('X-None', 'a') == false)", "From:",
	    "X-Twice: 1 a\r\nX-Twice: 2 a\r\n", "X-None" },
	{ "delete", "assert(DelHeader('x-TWICE') == 2 and DelHeader('X-Twice') == false)\n"
	    "assert(GetHeader('X-Twice') == nil)", "From:", NULL, "X-Twice" },
	{ "fold", "AddHeader('X-Long', ('word '):rep(40))", "X-Long: word ", "word\r\n word", NULL },
	{ "no fold", "AddHeader('X-Long', ('word '):rep(40) .. 'end', false)", "X-Long: word ",
	    "word end\r\nFrom", "word\r\n word" },
	{ "no line breaks", "for _, bad in ipairs{ 'a\\r\\nB: c', 'a\\nb', 'a\\0b', 'a\\r' } do\n"
	    "for _, f in ipairs{ AddHeader, SetHeader, PrependHeader, AppendHeader } do\n"
	    "assert(not pcall(f, 'X-Twice', bad)) end end\n"
	    "assert(not pcall(AddHeader, 'X: y', 'v') and not pcall(AddHeader, '', 'v'))",
	    "From: Ann", "X-Twice: 1\r\nX-Twice: 2\r\n\r\n", NULL },
	{ "addresses", "local a = GetAddressList(GetHeader('From'))\n"
	    "assert(#a == 1 and a[1] == 'ann@example.com' and #GetAddressList('<<') == 0)\n"
	    "assert(#GetAddressList(nil) == 0)", "From:", NULL, NULL },
};

static void
headers_are_edited(void **state)
{
	const struct outcome *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		o = rig_run(&rig, edits[i].script);
		if (o->action != SL_DELIVER || o->n != 1)
			fail_msg("%s: %s at %s", edits[i].name, o->text, o->where);
		if (strncmp(o->copy[0].bytes, edits[i].begins, strlen(edits[i].begins)) != 0 ||
		    (edits[i].holds != NULL && strstr(o->copy[0].bytes, edits[i].holds) == NULL) ||
		    (edits[i].lacks != NULL && strstr(o->copy[0].bytes, edits[i].lacks) != NULL))
			fail_msg("%s:\n%s", edits[i].name, o->copy[0].bytes);
	}
}

static void
envelope_is_changed(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "SetSender('bounce@example.net') SetRecipient('eve@example.net')\n"
	    "SetMailTransport('other') SetDelayedDeliver(300) SetMetaData{ customer = '42' }\n"
	    "assert(sender == 'bounce@example.net' and recipient == 'eve@example.net')\n"
	    "assert(GetMetaData().customer == '42')");
	assert_int_equal(o->n, 1);
	assert_string_equal(o->copy[0].sender, "bounce@example.net");
	assert_string_equal(o->copy[0].recipient, "eve@example.net");
	assert_string_equal(o->copy[0].transport, "other");
	assert_string_equal(o->copy[0].metadata, "{\"customer\":\"42\"}");
	assert_true(o->copy[0].delay == 300);
	o = rig_run(&rig, "SetSender{ localpart = 'x', domain = 'example.net' }"
	    " SetRecipient{ localpart = '\"a b\"', domain = 'example.net' }");
	assert_string_equal(o->copy[0].sender, "x@example.net");
	assert_string_equal(o->copy[0].recipient, "\"a b\"@example.net");
	o = rig_run(&rig, "SetSender('') assert(sender == '' and next(GetMetaData()) == nil)");
	assert_string_equal(o->copy[0].sender, "");
}

static void
bad_arguments_cost_the_message_a_4xx(void **state)
{
	static const char *const scripts[] = { "SetSender('<>')", "SetSender('a b@c')", "SetRecipient{ localpart = 'a\\0', domain = 'c' }",
	    "SetRecipient{ localpart = 'a', host = 'c' }", "SetRecipient('')",
	    "SetMailTransport('none')", "SetDelayedDeliver(-1)", "SetMetaData{ n = 1 }", "SetMetaData(7)",
	    "GetHeader()", "GetHeaders(7, {})" };
	const struct outcome *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		o = rig_run(&rig, scripts[i]);
		if (o->code != 451 || !o->failed || o->n != 0)
			fail_msg("%s: %s", scripts[i], o->text);
		assert_string_equal(o->where, "data.lua:1");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_edited),
		cmocka_unit_test(envelope_is_changed),
		cmocka_unit_test(bad_arguments_cost_the_message_a_4xx),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
