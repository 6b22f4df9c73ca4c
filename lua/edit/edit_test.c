/* Changes of parts, seen in what leaves. */
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

#define HEAD	"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
#define ONE	"--b\r\nContent-Type: text/plain\r\nX: 1\r\nX: 2\r\n\r\none\r\n"
#define TWO	"--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nQUI=\r\n"
#define END	"--b--\r\nepilogue\r\n"

static const char message[] = HEAD "preamble\r\n" ONE TWO END;

static const struct { const char *name, *script, *wanted; } edits[] = {
	{ "nothing", "", HEAD "preamble\r\n" ONE TWO END },
	{ "a text", "assert(MIME('1'):setBody('new\\nlines'):getID() == '1')",
	    HEAD "preamble\r\n--b\r\nContent-Type: text/plain\r\nX: 1\r\nX: 2\r\n\r\nnew\r\nlines\r\n" TWO END },
	{ "a text that isn't ASCII", "MIME('1'):setBody('gr\\xc3\\xbcn')",
	    HEAD "preamble\r\n--b\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain\r\nX: 1\r\n"
	    "X: 2\r\n\r\ngr=C3=BCn\r\n" TWO END },
	{ "base64 stays base64", "MIME('2'):setBody('\\0\\1')", HEAD "preamble\r\n" ONE
	    "--b\r\nContent-Type: application/pdf; name=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAE=\r\n\r\n" END },
	{ "removed", "MIME('1'):remove()", HEAD "preamble\r\n" TWO END },
	{ "all removed", "for _, p in ipairs(MIME('0'):getParts()) do p:remove() end", HEAD "preamble\r\n" END },
	{ "replaced", "MIME('2'):replacePart(MIME():setBody('gone'))",
	    HEAD "preamble\r\n" ONE "--b\r\nContent-Type: text/plain\r\n\r\ngone\r\n" END },
	{ "edited, then replaced", "MIME('2'):setHeader('X-New', 'n') MIME('2'):setBody('x')\n"
	    "MIME('2'):replacePart(MIME():setBody('gone'))",
	    HEAD "preamble\r\n" ONE "--b\r\nContent-Type: text/plain\r\n\r\ngone\r\n" END },
	{ "removed, then edited", "MIME('1'):remove() assert(MIME('1'):setBody('x') == nil)\n"
	    "assert(MIME('1'):setHeader('X', 'y') == false and MIME('1'):delHeader('X') == false)",
	    HEAD "preamble\r\n" TWO END },
	{ "appended", "MIME('0'):appendPart(MIME():setBody('3')):appendPart(MIME():setBody('4'))", HEAD "preamble\r\n" ONE TWO
	    "--b\r\nContent-Type: text/plain\r\n\r\n3\r\n--b\r\nContent-Type: text/plain\r\n\r\n4\r\n" END },
	{ "prepended", "MIME('0'):prependPart(MIME():setBody('0')):prependPart(MIME():setBody('-1'))", HEAD "preamble\r\n"
	    "--b\r\nContent-Type: text/plain\r\n\r\n-1\r\n--b\r\nContent-Type: text/plain\r\n\r\n0\r\n" ONE TWO END },
	{ "prepended, then the first removed", "MIME('0'):prependPart(MIME():setBody('0')) MIME('1'):remove()",
	    HEAD "preamble\r\n--b\r\nContent-Type: text/plain\r\n\r\n0\r\n" TWO END },
	{ "a field set", "assert(MIME('1'):setHeader('x', 'n') == 2 and MIME('1'):getHeader('X') == '1')",
	    HEAD "preamble\r\n--b\r\nContent-Type: text/plain\r\nX: n\r\n\r\none\r\n" TWO END },
	{ "the second one", "assert(MIME('1'):setHeader('X', 'n', { index = 2 }) == 1)\n"
	    "assert(MIME('1'):setHeader('X', 'n', { index = 3 }) == false)",
	    HEAD "preamble\r\n--b\r\nContent-Type: text/plain\r\nX: 1\r\nX: n\r\n\r\none\r\n" TWO END },
	{ "fields added", "MIME('1'):addHeader('Y', '1') MIME('1'):addHeader('Y', 'ä')",
	    HEAD "preamble\r\n--b\r\nY: =?UTF-8?B?w6Q=?=\r\nY: 1\r\nContent-Type: text/plain\r\nX: 1\r\nX: 2\r\n\r\none\r\n" TWO END },
	{ "fields deleted", "assert(MIME('1'):delHeader('X', { index = 1 }) == 1 and MIME('1'):delHeader('Z') == false)",
	    HEAD "preamble\r\n--b\r\nContent-Type: text/plain\r\nX: 2\r\n\r\none\r\n" TWO END },
	{ "renamed", "assert(MIME('1'):renameHeader('X', 'Y') == 2 and MIME('1'):renameHeader('Z', 'Y') == false)\n"
	    "assert(MIME('0'):renameHeader('from', 'Sender') == 1)",
	    "Sender: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	    "preamble\r\n--b\r\nContent-Type: text/plain\r\nY: 1\r\nY: 2\r\n\r\none\r\n" TWO END },
	{ "the root's fields", "local m = MIME('0') m:addHeader('A', '1') m:addHeader('A', '2')\n"
	    "assert(m:setHeader('A', '3', { index = 2 }) == 1 and m:delHeader('A', { index = 1 }) == 1 and m:getHeader('A') == '3')\n"
	    "assert(m:setHeader('B', 'c') == false and m:delHeader('From') == 1 and m:setHeader('B', 'd') == 1)",
	    "B: d\r\nA: 3\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n" ONE TWO END },
	{ "around the parts", "MIME('0'):setPreamble('before') MIME('0'):setEpilogue('')", HEAD "before\r\n" ONE TWO "--b--\r\n" },
	{ "as it is", "MIME('1'):setBody('x') AddHeader('A', 'b') local t = MIME('0'):toString()\n"
	    "assert(t:find('^A: b\\r\\n') and t:find('\\r\\n\\r\\nx\\r\\n%-%-b')) MIME('0'):delHeader('A') MIME('1'):setBody('one')",
	    HEAD "preamble\r\n" ONE TWO END },
};

static const struct outcome *
send_through(const char *file, const char *script, const char *text, bool two)
{
	rig_write(&rig, file, script);
	rig_load(&rig);
	return rig_send(&rig, text, two);
}

static void
parts_are_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
		const struct outcome *o = send_through("data.lua", edits[i].script, message, false);

		if (o->action != SL_DELIVER || o->n != 1)
			fail_msg("%s: %s at %s", edits[i].name, o->text, o->where);
		if (strcmp(o->copy[0].bytes, edits[i].wanted) != 0)
			fail_msg("%s:\n%s", edits[i].name, o->copy[0].bytes);
	}
}

/* A message that is no multipart becomes one; twice, the second around the first. */
static void
a_message_becomes_a_multipart(void **state)
{
	const struct outcome *o;
	const char *bytes;

	(void)state;
	o = send_through("data.lua", "MIME('0'):appendPart(MIME():setBody('last'))\n"
	    "MIME('0'):prependPart(MIME():setBody('first'), { type = 'multipart/related' })",
	    "From: a@example.com\r\nContent-Type: text/html\r\nSubject: s\r\n\r\n<p>", false);
	if (o->n != 1)
		fail_msg("%s at %s", o->text, o->where);
	bytes = o->copy[0].bytes;
	assert_ptr_equal(strstr(bytes, "From: a@example.com\r\nSubject: s\r\n"), bytes);
	assert_non_null(strstr(bytes, "\r\n\r\nfirst\r\n--=_"));
	assert_true(strstr(bytes, "multipart/related") < strstr(bytes, "multipart/mixed"));
	assert_non_null(strstr(bytes, "\r\nContent-Type: text/html\r\n\r\n<p>\r\n--=_"));
	assert_non_null(strstr(bytes, "\r\n\r\nlast\r\n--=_"));
	/* Read back, it is what was meant. */
	char *copy = sl_strdup(bytes);
	o = send_through("data.lua", "assert(MIME('0'):getType() == 'multipart/related' and #MIME('0'):getErrors() == 0)\n"
	    "assert(MIME('1'):getBody() == 'first' and MIME('2'):getType() == 'multipart/mixed')\n"
	    "assert(MIME('2.1'):getBody() == '<p>' and MIME('2.2'):getBody() == 'last')", copy, false);
	sl_free(copy);
	if (o->action != SL_DELIVER)
		fail_msg("%s at %s", o->text, o->where);
}

/* Bodies of nothing: what stands at the same place keeps its order. */
static void
empty_bodies(void **state)
{
	static const struct { const char *script, *text, *begins, *has; } cases[] = {
		{ "MIME('1'):setBody('x') MIME('1'):setBody('y')", HEAD "--b\r\n\r\n\r\n--b--\r\n", HEAD, "--b\r\n\r\ny\r\n--b--" },
		{ "MIME('1'):setBody('x') MIME('1'):replacePart(MIME():setBody('z'))", HEAD "--b\r\n\r\n\r\n--b--\r\n", HEAD,
		    "\r\n\r\nz\r\n--b--\r\n" },
		{ "MIME('0'):prependPart(MIME():setBody('p')) MIME('0'):setPreamble('a') MIME('0'):setPreamble('b')",
		    HEAD ONE END, HEAD "b\r\n--b\r\n", "\r\n\r\np\r\n" ONE },
		{ "MIME('0'):appendPart(MIME():setBody('l')) MIME('0'):setBody('x')", "From: a@example.com\r\n\r\n", "From: ",
		    "\r\n\r\nx\r\n--=_" },
		{ "MIME('0'):setBody('x') MIME('0'):appendPart(MIME():setBody('l'))", "From: a@example.com\r\n\r\n", "From: ",
		    "\r\n\r\nx\r\n--=_" },
		{ "MIME('0'):appendPart(MIME():setBody('l')) MIME('0'):setBody('x')", "From: a@example.com\r\n\r\nbody", "From: ",
		    "\r\n\r\nx\r\n--=_" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct outcome *o = send_through("data.lua", cases[i].script, cases[i].text, false);

		if (o->n != 1)
			fail_msg("%s: %s at %s", cases[i].script, o->text, o->where);
		if (strncmp(o->copy[0].bytes, cases[i].begins, strlen(cases[i].begins)) != 0 ||
		    strstr(o->copy[0].bytes, cases[i].has) == NULL)
			fail_msg("%s:\n%s", cases[i].script, o->copy[0].bytes);
	}
}

/* What eod changes all have; what one recipient's run changes, that one. */
static void
each_recipient_has_its_own(void **state)
{
	const struct outcome *o;

	(void)state;
	rig_write(&rig, "eod.lua", "MIME('2'):remove()");
	o = send_through("data.lua", "if recipient == 'eve@example.org' then MIME('1'):setBody('for eve') end", message, true);
	rig_write(&rig, "eod.lua", "");
	assert_int_equal(o->n, 2);
	assert_string_equal(o->copy[0].bytes, HEAD "preamble\r\n" ONE END);
	assert_string_equal(o->copy[1].bytes, HEAD "preamble\r\n--b\r\nContent-Type: text/plain\r\nX: 1\r\nX: 2\r\n\r\nfor eve\r\n" END);
}

static void
mistakes_cost_the_message_a_4xx(void **state)
{
	static const char *const scripts[] = { "MIME('0'):remove()", "MIME('0'):replacePart(MIME())",
	    "MIME('1'):setHeader('X', 'a\\r\\nB: c')", "MIME('1'):addHeader('X:', 'a')", "MIME('1'):setBody()",
	    "MIME('0'):appendPart('x')", "MIME('0'):appendPart(MIME(), { type = 'text/plain' })",
	    "MIME('1'):toString()", "for i = 1, 501 do MIME('1'):addHeader('X', 'y') end" };

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		const struct outcome *o = send_through("data.lua", scripts[i], message, false);

		if (o->code != 451 || !o->failed || o->n != 0)
			fail_msg("%s: %s", scripts[i], o->text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_changed),
		cmocka_unit_test(a_message_becomes_a_multipart),
		cmocka_unit_test(empty_bodies),
		cmocka_unit_test(each_recipient_has_its_own),
		cmocka_unit_test(mistakes_cost_the_message_a_4xx),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
