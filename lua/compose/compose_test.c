/* New messages, as scripts build them. */
#include "../testing.h"

#define TEXT(build)	"(" build "):toString()"

static const struct expression written[] = {
	{ TEXT("MIME():setBody('Hello')"), "\"MIME-Version: 1.0\\r\\nContent-Type: text/plain\\r\\n\\r\\nHello\"" },
	{ TEXT("MIME():addHeader('A', 'b'):addHeader('C', 'd')"),
	    "\"A: b\\r\\nC: d\\r\\nMIME-Version: 1.0\\r\\nContent-Type: text/plain\\r\\n\\r\\n\"" },
	{ TEXT("MIME():setBody('a\\nb\\r\\n')"),
	    "\"MIME-Version: 1.0\\r\\nContent-Type: text/plain\\r\\n\\r\\na\\r\\nb\\r\\n\"" },
	{ TEXT("MIME():setBody('grün')"), "\"MIME-Version: 1.0\\r\\nContent-Type: text/plain; charset=utf-8\\r\\n"
	    "Content-Transfer-Encoding: quoted-printable\\r\\n\\r\\ngr=C3=BCn\"" },
	{ "return " TEXT("MIME():setType('text/html; charset=iso-8859-1'):setBody('gr\\xfcn')"),
	    "\"MIME-Version: 1.0\\r\\nContent-Type: text/html; charset=iso-8859-1\\r\\n"
	    "Content-Transfer-Encoding: quoted-printable\\r\\n\\r\\ngr=FCn\"" },
	{ TEXT("MIME():setType('image/png'):setBody('\\0\\1\\255')"), "\"MIME-Version: 1.0\\r\\nContent-Type: image/png\\r\\n"
	    "Content-Transfer-Encoding: base64\\r\\n\\r\\nAAH/\\r\\n\"" },
	{ TEXT("MIME():addHeader('Content-Transfer-Encoding', 'binary'):setBody('\\255')"),
	    "\"Content-Transfer-Encoding: binary\\r\\nMIME-Version: 1.0\\r\\nContent-Type: text/plain; charset=utf-8\\r\\n\\r\\n\xff\"" },
	{ TEXT("MIME():setFileName('a \"b\".txt')"), "\"MIME-Version: 1.0\\r\\nContent-Type: text/plain\\r\\n"
	    "Content-Disposition: attachment; filename=\\\"a \\\\\\\"b\\\\\\\".txt\\\"\\r\\n\\r\\n\"" },
	{ TEXT("MIME():setFileName('ä'):setDisposition('inline')"), "\"MIME-Version: 1.0\\r\\nContent-Type: text/plain\\r\\n"
	    "Content-Disposition: inline; filename*=utf-8''%C3%A4\\r\\n\\r\\n\"" },
	{ TEXT("MIME():addHeader('Subject', 'grün')"), "\"Subject: =?UTF-8?B?Z3LDvG4=?=\\r\\nMIME-Version: 1.0\\r\\n"
	    "Content-Type: text/plain\\r\\n\\r\\n\"" },
	{ TEXT("MIME():setDate(0)") ":match('^Date: (%a+, 1 Jan 1970)')", "\"Thu, 1 Jan 1970\"" },
	{ TEXT("MIME():setBoundary('b'):setBody('pre'):appendPart(MIME():setBody('1')):appendPart(MIME():setType('text/html'):setBody('2'))"),
	    "\"MIME-Version: 1.0\\r\\nContent-Type: multipart/mixed; boundary=\\\"b\\\"\\r\\n\\r\\npre\\r\\n"
	    "--b\\r\\nContent-Type: text/plain\\r\\n\\r\\n1\\r\\n--b\\r\\nContent-Type: text/html\\r\\n\\r\\n2\\r\\n--b--\\r\\n\"" },
	{ "local t = MIME():appendPart(MIME():setBody('x')):toString()\nlocal b = t:match('boundary=\"(=_%x+)\"')\n"
	    "return #b, select(2, t:gsub('%-%-' .. b, ''))", "26, 2" },
	{ "local p = MIME() local m = MIME():setBoundary('b'):appendPart(p)\np:setBody('later') return m:toString():find('later') ~= nil",
	    "true" },
};

static const struct expression refused[] = {
	{ "MIME():addHeader('A\\r\\nB', 'c')", "!" },
	{ "MIME():addHeader('A', 'b\\r\\nC: d')", "!" },
	{ "MIME():setType('text')", "!no content type" },
	{ "MIME():setType('text/plain\\r\\nX: y')", "!no content type" },
	{ "MIME():setType('')", "!no content type" },
	{ "MIME():setBoundary('a\\r\\n')", "!not a boundary" },
	{ "MIME():setBoundary(('b'):rep(71))", "!not a boundary" },
	{ "MIME():setBoundary('b '):toString()", "!not a boundary" },
	{ "MIME():setFileName('a\\nb')", "!not a file name" },
	{ "MIME():setDisposition('form-data')", "!attachment" },
	{ "MIME():setBoundary('b'):appendPart(MIME():setBody('x\\n--b\\ny')):toString()", "!boundary stands in a part" },
	{ "local m = MIME(); m:appendPart(m)", "!contain itself" },
	{ "local a, b = MIME(), MIME(); a:appendPart(b); b:appendPart(a)", "!contain itself" },
	{ "local m = MIME(); for _ = 1, 30 do m = MIME():appendPart(m) end; return m:toString()", "!levels of parts" },
	{ "MIME():appendPart('x')", "!MIME expected" },
	{ "MIME():setBody(('x'):rep(33 * 1024 * 1024))", "!" },
	{ "local m = MIME(); for _ = 1, 20 do m:addHeader('A', ('x'):rep(60000)) end", "!header of more than" },
	{ "MIME('0')", "!needs a message" },
	{ "MIME():queue('', 'a@example.org')", "!can't be called in exec" },
	/* Each level twice as large: 2^40 bytes are never written. */
	{ "local m = MIME():setBody('x'); for _ = 1, 15 do m = MIME():appendPart(m):appendPart(m) end;\n"
	    "for _ = 1, 3 do m = MIME():appendPart(m):appendPart(m):appendPart(m):appendPart(m) end; return #m:toString()", "!" },
};

CASE(written)
CASE(refused)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
