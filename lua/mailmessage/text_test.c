/*
 * Messages of texts beside the one that is judged: the same readings and the same edits of the
 * same bytes, what queue and signatures do of them, limits.
 */
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
	rig_write(&rig, "zone.txt", "s._domainkey.example.com. IN TXT "
	    "\"v=DKIM1; k=ed25519; p=qJ0J4vDU/o2J0jsVcqLOu5/HPAOazkp/XZLcVUcYihU=\"\n");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_remove(&rig, "data.hsl");
	rig_clear(&rig);
	return 0;
}

static const struct outcome *
run(const char *script, const char *message)
{
	rig_write(&rig, "data.lua", script);
	rig_load(&rig);
	return rig_send(&rig, message, false);
}

/* 'script' with the message as the variable text. */
static const struct outcome *
run_with_text(const char *script, const char *message)
{
	struct sl_buf all = SL_BUF_INIT;
	const struct outcome *o;

	sl_buf_puts(&all, "local text = \"");
	for (const char *p = message; *p != '\0'; p++)
		sl_buf_printf(&all, "\\%03u", (unsigned)(unsigned char)*p);
	sl_buf_printf(&all, "\"\n%s", script);
	o = run(all.p, message);
	sl_buf_clear(&all);
	return o;
}

static void
must_deliver(const struct outcome *o, const char *what)
{
	if (o->action != SL_DELIVER || o->failed)
		fail_msg("%s: %s at %s %s", what, o->text, o->where, rig.log.n > 0 ? rig.log.p : "");
}

/* ---- the same as what is judged ------------------------------------------------ */

/* All that can be read, then edits of each kind on both. */
static const char same[] =
    "local function show(m)\n"
    "  local out = {}\n"
    "  local function put(...) for _, v in ipairs{...} do out[#out + 1] = tostring(v) end end\n"
    "  local function part(p)\n"
    "    put(p:getID(), p:getType(), p:getSize(), p:getFileName() or '-', p:getTypeParameter('charset') or '-')\n"
    "    put(table.concat(p:getHeaderNames(), ','), p:getHeader('Subject') or '-', #p:getHeaders('X'))\n"
    "    put(p:getBody(), p:getBody{ decode = false }, p:getPreamble() or '-', p:getEpilogue() or '-')\n"
    "    put(table.concat(p:getErrors(), ','))\n"
    "    for _, q in ipairs(p:getParts()) do part(q) end\n"
    "  end\n"
    "  part(m)\n"
    "  for _, p in ipairs(m:findByType('text/')) do put(p:getID()) end\n"
    "  for _, p in ipairs(m:findByType('^message/')) do put(p:getID()) end\n"
    "  for _, p in ipairs(m:findByFileName('*.txt')) do put(p:getID()) end\n"
    "  return table.concat(out, '|')\n"
    "end\n"
    "local judged = MIME('0')\n"
    "local own = MailMessage.String(text)\n"
    "if show(judged) ~= show(own) then Reject('reads ' .. show(judged) .. ' not ' .. show(own)) end\n"
    "local function change(m, k)\n"
    "  m:setHeader('Subject', 'gr\\u{fc}n') m:addHeader('X', k) m:delHeader('Date') m:renameHeader('To', 'X-To')\n"
    "  local before = m:snapshot()\n"
    "  local p = m:getByID(k)\n"
    "  if p then\n"
    "    p:addHeader('A', 'b') p:setHeader('Content-Language', 'de') p:setBody('new ' .. k)\n"
    "    p:setPreamble('before') p:setEpilogue('behind')\n"
    "    pcall(p.replacePart, p, MIME():setBody('instead'))\n"
    "  end\n"
    "  local q = m:getByID('1')\n"
    "  if q and k == '2' then pcall(q.remove, q) end\n"
    "  if m:getSize() > 0 and k == '1.1' then m:modifyContent(#m:toString() * 0 + messagesize, 0, 'end\\r\\n') end\n"
    "  local after = m:toString()\n"
    "  m:restore(before)\n"
    "  return after .. '/' .. m:toString() .. '/' .. tostring(m:reset()) .. '/' .. m:toString()\n"
    "end\n"
    "for _, k in ipairs{ '0', '1', '2', '1.1' } do\n"
    "  local a, b = change(judged, k), change(own, k)\n"
    "  if a ~= b then Reject('writes ' .. k .. ': ' .. a .. ' not ' .. b) end\n"
    "end\n";

#define FROM	"From: a@example.com\r\nTo: b@example.org\r\n"

static const char *const messages[] = {
	FROM "Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX: 1\r\nX: 2\r\n\r\nHello.\r\n",
	FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\none\r\n--b\r\n"
	    "Content-Type: text/html; charset=latin1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	    "=FC\r\n--b--\r\npost\r\n",
	FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
	    "From: c@d\r\nSubject: in\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n--c\r\n\r\nx\r\n"
	    "--c--\r\n\r\n--b\r\nContent-Disposition: attachment; filename=\"a.txt\"\r\n"
	    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n",
	FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nunclosed\r\n",
	FROM "Content-Type: multipart/mixed\r\n\r\nno boundary\r\n",
	FROM "\r\n",				/* no body */
	FROM,					/* no end of the header */
	FROM "no field\r\nX: 1\r\n\r\nbody\r\n",
	FROM "X: a\nY: b\r\n c\r\n\r\nbare\nline\r\n",
	FROM "Subject : blank\r\nX:\r\n\r\n\r\n\r\n",
	FROM "Content-Type: text/plain; charset\r\nContent-Type: text/html\r\n\r\ntwo types\r\n",
};

static void
reads_and_writes_as_the_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		must_deliver(run_with_text(same, messages[i]), messages[i]);
}

/* Pieces of messages in any order; the same seed each time. */
static void
by_chance(void **state)
{
	static const char *const pieces[] = {
		"\r\n", "\r\n\r\n", "--b", "--b--", "--b\r\n", "\n", "\r", " ", "X: 1\r\n", "Subject: s\r\n",
		"Content-Type: multipart/mixed; boundary=b\r\n", "Content-Type: message/rfc822\r\n",
		"Content-Type: text/html; name=a.txt\r\n", "Content-Transfer-Encoding: base64\r\n", "aGk=", "text",
		"\xc3\xbc", ":", "Date: x\r\n", "\r\n--b\r\n\r\n", "\r\n--b--\r\n",
	};
	char message[2000];

	(void)state;
	srand(5);
	for (int round = 0; round < 400; round++) {
		size_t n = (size_t)snprintf(message, sizeof(message), "%sContent-Type: multipart/mixed; boundary=b\r\n"
		    "%s", FROM, rand() % 4 == 0 ? "" : "\r\n--b\r\n");

		for (int k = rand() % 30; k > 0; k--)
			n += (size_t)snprintf(message + n, sizeof(message) - n, "%s",
			    pieces[(size_t)rand() % (sizeof(pieces) / sizeof(pieces[0]))]);
		must_deliver(run_with_text(same, message), message);
	}
}

/* ---- what becomes of it ---------------------------------------------------------- */

#define PLAIN	"From: a@example.com\r\nX: 1\r\n\r\none\r\n"

static void
queue_makes_a_new_message(void **state)
{
	const struct outcome *o;

	(void)state;
	o = run("local m = MailMessage.String('From: x@example.com\\nSubject: s\\n\\nbody\\n') m:setHeader('Subject', 't')\n"
	    "local id = m:queue('', { 'c@example.org', 'd@example.org' }, 'other', { delay = 60, metadata = { k = 'v' } })\n"
	    "assert(id.transaction == messageid .. '-new1')\n"
	    "m:addHeader('X', '2') assert(m:queue('x@example.com', 'e@example.org').transaction == messageid .. '-new2')\n"
	    "assert(GetHeader('Subject') == nil)", PLAIN);
	must_deliver(o, "queue");
	assert_int_equal(o->n, 4);
	assert_string_equal(o->copy[0].bytes, PLAIN);
	assert_string_equal(o->copy[1].bytes, "From: x@example.com\r\nSubject: t\r\n\r\nbody\r\n");
	assert_string_equal(o->copy[1].sender, "");
	assert_string_equal(o->copy[1].recipient, "c@example.org");
	assert_string_equal(o->copy[1].transport, "other");
	assert_string_equal(o->copy[1].metadata, "{\"k\":\"v\"}");
	assert_string_equal(o->copy[2].recipient, "d@example.org");
	assert_string_equal(o->copy[3].bytes, "X: 2\r\nFrom: x@example.com\r\nSubject: t\r\n\r\nbody\r\n");
	assert_string_equal(o->copy[3].transport, "box");
	o = run("MailMessage.String('A: b\\n\\n'):queue('', 'c@example.org') Reject('no')", PLAIN);
	assert_true(o->action == SL_REJECT && o->n == 0);
}

/* Signed here, verified as what is judged; and both ways round. */
static void
signatures_are_its_own(void **state)
{
	const struct outcome *o;
	char *signed_;

	(void)state;
	o = run("local m = MailMessage.String('From: x@example.com\\nSubject: s\\n\\nbody\\n')\n"
	    "assert(#m:verifyDKIM() == 0)\n"
	    "assert(m:signDKIM('s', 'example.com', 'pki:k', { timestamp = 1700000000 }) == m)\n"
	    "m:addHeader('X', 'later')\n"
	    "local text = m:toString() assert(text == m:toString() and not m:getHeader('DKIM-Signature'))\n"
	    "local all = MailMessage.String(text):verifyDKIM()\n"
	        "assert(#all == 1 and all[1].result == 'pass' and all[1].domain == 'example.com')\n"
	    "assert(MailMessage.String((text:gsub('body', 'evil'))):verifyDKIM()[1].result == 'fail')\n"
	    "local f = MailMessage.String(text):getHeader('DKIM-Signature', { field = true })\n"
	    "assert(MailMessage.String(text):verifyDKIM(f).result == 'pass')\n"
	    "assert(MailMessage.String(text):verifyDKIM('X: later') == nil)\n"
	    "assert(m:signDKIM('s', 'example.com', 'pki:k', { return_header = true }):find('^v=1'))\n"
	    "local no, why = m:signDKIM('s', 'example.com', 'pki:none') assert(no == false and why:find('none'))\n"
	    "for i = 2, 4 do m:signDKIM('s', 'example.com', 'pki:k', { timestamp = 1700000000 + i }) end\n"
	    "local ok, err = pcall(m.signDKIM, m, 's', 'example.com', 'pki:k') assert(not ok and err:find('more than 4'))\n"
	    "assert(#MailMessage.String(m:toString()):verifyDKIM() == 4)\n"
	    "assert(m:reset() == 5) m:signDKIM('s', 'example.com', 'pki:k') m:queue('', 'c@example.org')\n"
	    "local bare = MailMessage.String('A: b\\n\\n') bare:signDKIM('s', 'example.com', 'pki:k')\n"
	    "ok, err = pcall(bare.toString, bare) assert(not ok and err:find('From'))\n"
	    "assert(#MIME('0'):verifyDKIM() == 0)", PLAIN);
	must_deliver(o, "signatures");
	assert_int_equal(o->n, 2);
	assert_string_equal(o->copy[0].bytes, PLAIN);
	signed_ = sl_strdup(o->copy[1].bytes);
	o = run("local all = MIME('0'):verifyDKIM() assert(#all == 1 and all[1].result == 'pass')", signed_);
	must_deliver(o, "verified as what is judged");
	sl_free(signed_);
}

/* An attached message, in HSL, and the message in that. */
static void
attached(void **state)
{
	const struct outcome *o;

	(void)state;
	rig_write(&rig, "data.hsl",
	    "$in = MailMessage::String(MIME(\"0\")->findByType(\"^message/rfc822$\")[0]->getBody());\n"
	    "$deep = MailMessage::String($in->findByType(\"message/rfc822\")[0]->getBody());\n"
	    "echo $in->getHeader(\"Subject\") . \" \" . $deep->getHeader(\"Subject\") . \" \" . $deep->getBody();\n"
	    "$in->setHeader(\"Subject\", \"new\"); $deep->getParts();\n"
	    "echo MIME(\"1\")->getParts()[0]->getHeader(\"Subject\");\n"
	    "echo array_map(MailMessage::String, [\"A: b\", \"C: d\\n\"])[1]->getHeader(\"C\");\n"
	    "try { $in->queue(\"\", \"x\"); } catch ($e) { echo $e->message(); }\n");
	rig_load(&rig);
	o = rig_send(&rig, FROM "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
	    "Subject: one\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\nContent-Type: message/rfc822\r\n\r\n"
	    "Subject: two\r\n\r\ntext\r\n--c--\r\n--b--\r\n", false);
	must_deliver(o, "attached");
	assert_non_null(rig.log.p);
	assert_string_equal(rig.log.p, "one two text\none\nd\n\"x\": no @ after the local part\n");
}

/* What it has counts as the run's memory; what nobody refers to is given back. */
static void
memory_is_the_runs(void **state)
{
	const struct outcome *o;

	(void)state;
	o = run("local text = ('A:\\r\\n'):rep(1000) .. '\\r\\n' local kept = {}\n"
	    "for i = 1, 999 do MailMessage.String(text):addHeader('B', 'c') end", PLAIN);
	must_deliver(o, "garbage");
	o = run("local text = ('A:\\r\\n'):rep(1000) .. '\\r\\n' local kept = {}\n"
	    "for i = 1, 999 do kept[i] = MailMessage.String(text) kept[i]:addHeader('B', 'c') end", PLAIN);
	assert_true(o->failed);
	o = run("local m, body = MailMessage.String('A: b\\n\\nc'), ('x'):rep(1000000)\n"
	    "for i = 1, 100 do m:setBody(body) end", PLAIN);
	assert_true(o->failed);
}

static void
limits(void **state)
{
	const struct outcome *o;

	(void)state;
	o = run("local function limited(text)\n"
	    "  local m, why, code = MailMessage.String(text) assert(m == nil and code == 'limit', why) return why\n"
	    "end\n"
	    "assert(MailMessage.String(('A: b\\r\\n'):rep(1000)))\n"
	    "assert(limited(('A: b\\r\\n'):rep(1001)):find('1000 header fields'))\n"
	    "assert(limited('A: ' .. ('x'):rep(1024 * 1024)):find('header is larger'))\n"
	    "assert(MailMessage.String(''):toString() == '\\r\\n')\n"
	    "local m = MailMessage.String('A: b')\n"
	    "for i = 1, 32 do m:snapshot() end\n"
	    "local ok, why = pcall(m.snapshot, m) assert(not ok and why:find('more than 32 snapshots'))\n"
	    "for i = 6, 1000 do assert(MailMessage.String('A: b')) end\n"
	    "assert(limited('A: b'):find('more than 1000 messages'))", PLAIN);
	must_deliver(o, "limits");
}

struct done {
	bool over, failed;
};

static void
on_done(void *arg, const struct sl_err *err, const char *text)
{
	struct done *d = arg;

	(void)text;
	d->over = true;
	d->failed = err != NULL;
}

/* The n-th allocation fails, for every n: an error or none, and nothing is lost (ASan looks). */
static void
memory_that_is_not_there(void **state)
{
	static const char script[] =
	    "local m = MailMessage.String('From: a@example.com\\nContent-Type: multipart/mixed; boundary=b\\n\\n'\n"
	    "  .. '--b\\n\\none\\n--b\\n\\ntwo\\n--b--\\n')\n"
	    "if not m then return end\n"
	    "local id = m:snapshot() m:setHeader('Subject', 'x') m:getByID('2'):setBody('y') m:getByID('1'):remove()\n"
	    "m:appendPart(MIME():setBody('z')) m:restore(id) m:reset() m:renameHeader('From', 'Z')\n"
	    "assert(MailMessage.String(m:toString()):getParts()[2]:getBody() == 'two')";
	unsigned long n, failures = 0;
	struct sl_err err;
	struct done d;

	(void)state;
	for (n = 1; n < 1200; n++) {
		d = (struct done){ false, false };
		sl_alloc_fail_at(n / 2, n % 2);		/* that one, or all from there on */
		if (sl_engine_exec(rig.engine, "x.lua", sl_str_of(script), on_done, &d, &err) != 0)
			d = (struct done){ true, true };
		while (!d.over && sl_engine_wait(rig.engine, -1) == 0)
			;
		sl_alloc_fail_at(0, 0);
		failures += d.failed;
	}
	assert_true(failures > 100 && !d.failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(reads_and_writes_as_the_judged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(by_chance, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queue_makes_a_new_message, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signatures_are_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(attached, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_is_the_runs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(memory_that_is_not_there, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
