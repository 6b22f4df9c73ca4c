/* The parts of a message as scripts read them. */
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

static const char message[] =
    "From: Ann <ann@example.com>\r\nSubject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n"
    "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n"
    "--b\r\nContent-Type: Text/Plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    "X-Twice: 1\r\nX-Twice: 2\r\n\r\ngr=FC=DFe\r\n"
    "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename*=utf-8''%C3%A4.EXE\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nAAEC\r\n/w==\r\n"
    "--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\ntext\r\n"
    "--b--\r\nepilogue\r\n";

/* Each script asserts for itself. */
static const struct { const char *name, *script; } scripts[] = {
	{ "numbers", "for _, id in ipairs{ '0', '1', '2', '3', '3.1' } do assert(MIME(id):getID() == id) end\n"
	    "for _, id in ipairs{ '4', '1.1', '', 'x' } do assert(MIME(id) == nil) end\n"
	    "assert(MIME('1'):getByID('3.1'):getID() == '3.1' and MIME('1'):getByID('9') == nil)" },
	{ "tree", "local t = MIME('0'):getParts() assert(#t == 3 and t[3]:getID() == '3')\n"
	    "assert(#MIME('1'):getParts() == 0 and MIME('3'):getParts()[1]:getID() == '3.1')" },
	{ "types", "assert(MIME('0'):getType() == 'multipart/mixed' and MIME('1'):getType() == 'text/plain')\n"
	    "assert(MIME('3.1'):getType() == 'text/plain')\n"
	    "assert(MIME('1'):getTypeParameter('Charset') == 'iso-8859-1')\n"
	    "assert(MIME('1'):getTypeParameter('x') == nil and MIME('3.1'):getTypeParameter('x') == nil)" },
	{ "file names", "assert(MIME('2'):getFileName() == 'ä.EXE' and MIME('1'):getFileName() == nil)\n"
	    "local t = MIME('0'):findByFileName('*.exe') assert(#t == 1 and t[1]:getID() == '2')\n"
	    "assert(#MIME('0'):findByFileName('ä.exe') == 1 and #MIME('1'):findByFileName('*') == 0)\n"
	    "assert(#MIME('0'):findByFileName(pcre_compile('/\\\\.exe$/i')) == 1)" },
	{ "looked for by type", "local t = MIME('0'):findByType('text/') assert(#t == 2 and t[2]:getID() == '3.1')\n"
	    "assert(#MIME('0'):findByType('TEXT/PLAIN') == 2 and #MIME('0'):findByType('text') == 0)\n"
	    "assert(#MIME('3'):findByType('text/plain') == 1 and #MIME('0'):findByType('*') == 5)\n"
	    "assert(#MIME('0'):findByType(pcre_compile('^multipart/')) == 1)" },
	{ "bodies", "assert(MIME('1'):getBody() == 'gr\\xfc\\xdfe' and MIME('1'):getBody{ utf8 = true } == 'grüße')\n"
	    "assert(MIME('1'):getBody{ decode = false } == 'gr=FC=DFe' and MIME('1'):getSize() == 9)\n"
	    "assert(MIME('2'):getBody() == '\\0\\1\\2\\255')\n"
	    "local body, err, code = MIME('2'):getBody{ utf8 = true } assert(body == nil and code == 'charset')\n"
	    "assert(MIME('3'):getBody() == 'Subject: inner\\r\\n\\r\\ntext' and MIME('3.1'):getBody() == 'text')" },
	{ "around the parts", "assert(MIME('0'):getPreamble() == 'preamble' and MIME('0'):getEpilogue() == 'epilogue\\r\\n')\n"
	    "assert(MIME('1'):getPreamble() == nil and MIME('1'):getEpilogue() == nil)" },
	{ "headers", "assert(MIME('1'):getHeader('x-twice') == '1' and MIME('1'):getHeader('X-Twice', { index = 2 }) == '2')\n"
	    "assert(MIME('1'):getHeader('X-Twice', { index = 3 }) == nil and MIME('1'):getHeader('Subject') == nil)\n"
	    "assert(table.concat(MIME('1'):getHeaders('X-Twice'), ',') == '1,2')\n"
	    "assert(table.concat(MIME('2'):getHeaderNames(), ',') == 'Content-Type,Content-Disposition,Content-Transfer-Encoding')\n"
	    "assert(MIME('3.1'):getHeader('Subject') == 'inner')\n"
	    "assert(MIME('3.1'):getHeader('subject', { field = true }) == 'Subject: inner\\r\\n')" },
	{ "the root's are the run's", "AddHeader('X-New', 'n') assert(MIME('0'):getHeader('X-New') == 'n')\n"
	    "assert(MIME('0'):getHeaderNames()[1] == 'X-New' and MIME('0'):getHeader('Subject') == 'grüße')\n"
	    "assert(MIME('0'):getHeader('Subject', { decode = false }) == '=?utf-8?q?gr=C3=BC=C3=9Fe?=')" },
	{ "errors", "assert(#MIME('0'):getErrors() == 0 and #MIME('3.1'):getErrors() == 0)" },
	{ "objects", "local ok, err = pcall(MIME('0').getID, 'x') assert(not ok and err:find('MIMEPart expected'))\n"
	    "ok, err = pcall(function() return MIME('0'):getFoo() end) assert(not ok and err:find('MailMessage has no method getFoo'))\n"
	    "ok, err = pcall(function() MIME('0').x = 1 end) assert(not ok and err:find('methods only'))\n"
	    "assert(getmetatable(MIME('0')) == false)" },
	{ "a part that is bad for nobody", "for _, f in ipairs{ 'getID', 'getType', 'getBody', 'getParts', 'getErrors' } do\n"
	    "local p = MIME('0') p[f](p) end" },
};

static void
parts_are_read(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		const struct outcome *o;

		rig_write(&rig, "data.lua", scripts[i].script);
		rig_load(&rig);
		o = rig_send(&rig, message, false);
		if (o->action != SL_DELIVER || o->n != 1)
			fail_msg("%s: %s at %s", scripts[i].name, o->text, o->where);
	}
}

static void
remove_script(const struct rig *r, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	assert_int_equal(remove(path), 0);
}

/* HSL: methods by "->", lists from 0, none for what isn't there. */
static void
in_hsl(void **state)
{
	const struct outcome *o;

	(void)state;
	remove_script(&rig, "data.lua");
	rig_write(&rig, "data.hsl", "$m = MIME(\"0\");\n"
	    "foreach ($m->getParts() as $i => $part) echo $i . \" \" . $part->getID() . \" \" . $part->getType();\n"
	    "echo MIME(\"1\")->getHeader(\"X-Twice\", [\"index\" => 1]);\n"
	    "echo $m->findByFileName(\"*.exe\")[0]->getID() . count($m->findByType(#/^text/));\n"
	    "echo $m->getHeader(\"X-None\") ?? \"-\";\n"
	    "Deliver();");
	rig_load(&rig);
	o = rig_send(&rig, message, false);
	if (o->action != SL_DELIVER)
		fail_msg("%s at %s", o->text, o->where);
	remove_script(&rig, "data.hsl");
	assert_string_equal(rig.log.p, "0 1 text/plain\n1 2 application/octet-stream\n2 3 message/rfc822\n2\n22\n-\n");
}

static void
defects_are_told(void **state)
{
	const struct outcome *o;

	(void)state;
	rig_write(&rig, "data.lua", "local e = MIME('0'):getErrors()\n"
	    "assert(#e == 1 and e[1] == 'multipart without its last delimiter')\n"
	    "echo(MIME('1'))");
	rig_load(&rig);
	o = rig_send(&rig, "From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx", false);
	assert_int_equal(o->action, SL_DELIVER);
	assert_string_equal(rig.log.p, "MIMEPart\n");
}

static void
phases_and_arguments(void **state)
{
	static const struct { const char *file, *script; } cases[] = {
		{ "rcptto.lua", "MIME('0')" },
		{ "data.lua", "MIME('0'):getHeader()" },
		{ "data.lua", "MIME('0'):getHeader('X', { indexx = 1 })" },
		{ "data.lua", "MIME('0'):findByType()" },
		{ "data.lua", "MIME({})" },
	};
	const struct outcome *o;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_write(&rig, "data.lua", "");
		rig_write(&rig, cases[i].file, cases[i].script);
		rig_load(&rig);
		o = rig_send(&rig, message, false);
		if (!o->failed || o->n != 0)
			fail_msg("%s: %s", cases[i].script, o->text);
		rig_write(&rig, cases[i].file, "");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_are_read),
		cmocka_unit_test(defects_are_told),
		cmocka_unit_test(phases_and_arguments),
		cmocka_unit_test(in_hsl),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
