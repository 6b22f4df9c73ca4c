/*
 * A session is recorded and replayed: with the same policy the same verdicts and bytes, with
 * nothing of the world to be had; with another one exactly what it decides otherwise; a
 * question that wasn't asked then is told. Allocations fail in turn (REPLAY_STRIDE: each so many).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "../dns/dns.h"
#include "../dns/zone.h"
#include "../net/op.h"
#include "replay.h"

#define STR(literal)	((struct sl_str){ (literal), sizeof(literal) - 1 })
#define KEY	"-----BEGIN PRIVATE KEY-----\n" \
    "MC4CAQAwBQYDK2VwBCIEICxPuuaattNWMLDqu6oLC+Jt23SekT7af/TGNTOqYxnP\n" \
    "-----END PRIVATE KEY-----\n"

static const char message[] =
    "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello.\r\n";

static const char outside[] =
    "answer.example. IN TXT \"yes\"\nexample.com. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
    "_dmarc.example.com. IN TXT \"v=DMARC1; p=reject\"\n";

static const char config[] =
    "return { hostname = 'mx.example.org', transports = { t = { host = '192.0.2.9' } },\n"
    "servers = { inbound = { flows = { connect = 'connect.lua', auth = 'auth.lua',\n"
    "  mailfrom = 'mailfrom.lua', rcptto = 'rcptto.lua', eod = 'eod.lua', data = 'data.lua',\n"
    "  disconnect = 'disconnect.lua' } } } }\n";

struct policy {
	char folder[40];
};

static const struct { const char *path, *text; } files[] = {
	{ "sluice.lua", config },
	{ "connect.lua", "context.at = time()\n" },
	{ "auth.lua", "if password_verify('$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0',\n"
	    "  saslpassword) then Accept() end\nReject('no')\n" },
	{ "mailfrom.lua", "if not rate('mail', senderip, 2, 600) then Defer('slow') end\n" },
	{ "rcptto.lua", "local n = memory_inc('rcpt') if n % 3 == 0 then Reject('third') end\n" },
	{ "eod.lua", "local r = ScanDMARC()\n"
	    "if not r or r['example.com'] ~= 'pass' then Defer('DMARC') end\n" },
	{ "data.lua",
	    "AddHeader('X-Time', string.format('%.6f', time()))\n"
	    "AddHeader('X-Answer', dnstxt('answer.example')[1])\n"
	    "AddHeader('X-Chance', uuid() .. ' ' .. rand(1, 1000000))\n"
	    "AddHeader('X-Cached', cache({ namespace = 'n' }, function(d) return uuid() end, 1))\n"
	    "AddHeader('X-Serial', serial())\n"
	    "if not DKIMSign('s', 'example.com', 'pki:k') then Defer('unsigned') end\n"
	    "mail('me@example.com', 'you@example.org', 'copy', 'text', { transportid = 't' })\n" },
	{ "disconnect.lua", "echo(time() - context.at)\n" },
	{ "keys/k.pem", KEY },
};

static const char *
path_of(const struct policy *p, const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", p->folder, name);
	return path;
}

static void
put(const struct policy *p, const char *name, const char *text)
{
	FILE *f = fopen(path_of(p, name), "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void
policy_new(struct policy *p)
{
	size_t i;

	strcpy(p->folder, "/tmp/sluice-replay-XXXXXX");
	assert_non_null(mkdtemp(p->folder));
	mkdir(path_of(p, "keys"), 0700);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put(p, files[i].path, files[i].text);
}

static void
policy_free(struct policy *p)
{
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(p, files[i].path));
	rmdir(path_of(p, "keys"));
	assert_int_equal(rmdir(p->folder), 0);
}

/* ---- an engine ---------------------------------------------------------------------------- */

struct world {
	struct sl_loop *loop;
	struct sl_dns *dns;
	struct sl_dns_host host;
	struct sl_zone *zone;
	struct sl_engine *engine;
	unsigned asked;			/* DNS questions that got out */
};

static void
ask(void *arg, struct sl_dns_query *query, const char *name)
{
	struct world *w = arg;
	char left[256];
	int64_t delay;

	w->asked++;
	sl_dns_give(query, w->zone != NULL ? sl_zone_answer(w->zone, name, query->type, &delay, left) :
	    NULL);
}

static void
complain(void *arg, struct sl_str line)
{
	(void)arg;
	fprintf(stderr, "%.*s\n", (int)line.n, line.p);
}

/* REPLAY_EVENTS=1 shows what scripts say. */
static void
event(void *arg, enum sl_level level, const char *name, struct sl_str json)
{
	(void)arg;
	(void)level;
	(void)name;
	if (getenv("REPLAY_EVENTS") != NULL)
		fprintf(stderr, "%.*s\n", (int)json.n, json.p);
}

static void
world_open(struct world *w, const struct policy *p, bool answers)
{
	struct sl_engine_parts parts = { 0 };
	struct sl_engine_options o = { .stdlib = getenv("SLUICE_STDLIB") != NULL ?
	    getenv("SLUICE_STDLIB") : "stdlib", .parts = &parts, .event = event, .level = SL_DEBUG };
	struct sl_dns_options dns = { .host = &w->host };
	struct sl_err err;

	memset(w, 0, sizeof(*w));
	w->host = (struct sl_dns_host){ ask, NULL, w };
	assert_non_null(w->loop = sl_loop_new(&err));
	if (answers)
		assert_int_equal(sl_zone_parse(&w->zone, sl_str_of(outside), &err), 0);
	assert_non_null(w->dns = sl_dns_open(w->loop, &dns, &err));
	parts.loop = w->loop;
	parts.dns = w->dns;
	assert_non_null(w->engine = sl_engine_new(&o, &err));
	assert_int_equal(sl_engine_load(w->engine, p->folder, complain, NULL), 0);
}

static void
world_close(struct world *w)
{
	sl_engine_free(w->engine);
	sl_dns_unref(w->dns);
	sl_zone_free(w->zone);
	sl_loop_free(w->loop);
}

/* ---- a session that is recorded ----------------------------------------------------------- */

struct watching {
	struct sl_watcher watcher;
	struct sl_tape *tape;
};

static bool
wants(struct sl_watcher *w, const struct sl_session_info *info)
{
	(void)w;
	(void)info;
	return true;
}

static void
ended(struct sl_watcher *w, struct sl_tape *tape)
{
	struct watching *me = (struct watching *)w;

	assert_null(me->tape);
	me->tape = sl_tape_ref(tape);
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	*(int *)arg = v->code;
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	*(int *)arg = o->verdict->code;
}

/* Waits for what a call began; the code that came of it. */
static int
wait_for(struct sl_session *s, int rc, const int *code)
{
	assert_int_equal(rc, 0);
	assert_int_equal(sl_session_wait(s), 0);
	return *code;
}

#define DO(call)	wait_for(s, (call), &code)

static void
transaction(struct sl_session *s, int expected)
{
	static const struct sl_mail_params params;
	int code = 0;

	if (DO(sl_session_mail(s, STR("<ann@example.com>"), &params, on_verdict, &code)) != 250) {
		assert_int_equal(code, expected);
		return;
	}
	DO(sl_session_rcpt(s, STR("<bob@example.org>"), on_verdict, &code));
	DO(sl_session_rcpt(s, STR("<eve@example.org>"), on_verdict, &code));
	assert_int_equal(sl_session_data(s, STR(message)), 0);
	DO(sl_session_data_end(s, on_outcome, &code));
	assert_int_equal(code, expected);
	sl_session_reset(s);
}

static struct sl_tape *
record(struct world *w)
{
	struct sl_session_info info = { .server = "inbound", .senderip = "192.0.2.1", .serverip = "" };
	struct watching me = { { .wants = wants, .ended = ended }, NULL };
	struct sl_session *s;
	struct sl_err err;
	int code = 0;

	sl_list_init(&me.watcher.link);
	sl_engine_watch(w->engine, &me.watcher);
	assert_int_equal(sl_session_open(w->engine, &info, &s, &err), 0);
	DO(sl_session_connect(s, on_verdict, &code));
	DO(sl_session_helo(s, "mail.example.com", true, on_verdict, &code));
	assert_int_equal(DO(sl_session_auth(s, "PLAIN", STR("ann"), STR("guess"), on_verdict, &code)), 535);
	assert_int_equal(DO(sl_session_auth(s, "PLAIN", STR("ann"), STR("secret"), on_verdict, &code)), 235);
	transaction(s, 250);
	transaction(s, 250);
	transaction(s, 450);	/* rate */
	sl_session_close(s);
	while (me.tape == NULL)
		assert_int_equal(sl_engine_wait(w->engine, -1), 0);
	sl_engine_unwatch(&me.watcher);
	assert_false(sl_tape_full(me.tape));
	return me.tape;
}

/* ---- replaying ------------------------------------------------------------------------------ */

static void
done(void *arg, struct sl_replay *r)
{
	(void)r;
	*(bool *)arg = true;
}

static struct sl_replay *
replay(struct world *w, struct sl_tape *tape, bool live)
{
	struct sl_replay *r;
	struct sl_err err;
	bool over = false;

	if (sl_replay_start(&r, w->engine, tape, live, done, &over, &err) != 0)
		fail_msg("%s", err.text);
	while (!over)
		assert_int_equal(sl_loop_step(w->loop, -1), 0);
	return r;
}

static void
assert_differences(const struct sl_replay *r, size_t n)
{
	char *text;

	if (json_array_size(sl_replay_differences(r)) == n)
		return;
	text = json_dumps(sl_replay_differences(r), JSON_INDENT(2));
	fprintf(stderr, "%s\n", text);
	free(text);
	assert_int_equal(json_array_size(sl_replay_differences(r)), n);
}

static const char *
member(const struct sl_replay *r, size_t i, const char *name)
{
	return json_string_value(json_object_get(json_array_get(sl_replay_differences(r), i), name));
}

/* ---- tests -------------------------------------------------------------------------------------- */

static struct policy p;
static struct sl_tape *tape;

static int
set_up(void **state)
{
	struct world w;

	(void)state;
	policy_new(&p);
	world_open(&w, &p, true);
	tape = record(&w);
	assert_true(w.asked > 3);
	world_close(&w);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	sl_tape_unref(tape);
	policy_free(&p);
	return 0;
}

/* Again and again, and from the bytes of a file: without DNS, with state of another kind. */
static void
test_same(void **state)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct sl_tape *read;
	struct sl_replay *r;
	struct sl_err err;
	struct world w;
	int i;

	(void)state;
	world_open(&w, &p, false);
	for (i = 0; i < 3; i++) {
		r = replay(&w, tape, false);
		assert_differences(r, 0);
		assert_int_equal(sl_replay_compared(r), 13);
		assert_int_equal(sl_replay_unreached(r), 0);
		sl_replay_free(r);
	}
	assert_int_equal(sl_tape_write(tape, &bytes), 0);
	assert_int_equal(sl_tape_read(&read, sl_buf_str(&bytes), &err), 0);
	r = replay(&w, read, false);
	assert_differences(r, 0);
	sl_replay_free(r);
	sl_tape_unref(read);
	assert_true(sl_str_find(sl_buf_str(&bytes), STR("secret")) < 0);
	assert_true(sl_str_find(sl_buf_str(&bytes), STR("PRIVATE")) < 0);
	assert_int_equal(w.asked, 0);
	sl_buf_clear(&bytes);
	world_close(&w);
}

/* The key that signed isn't here any more: its signatures are. */
static void
test_without_key(void **state)
{
	struct sl_replay *r;
	struct world w;

	(void)state;
	unlink(path_of(&p, "keys/k.pem"));
	world_open(&w, &p, false);
	put(&p, "keys/k.pem", KEY);
	r = replay(&w, tape, false);
	assert_differences(r, 0);
	sl_replay_free(r);
	world_close(&w);
}

/* A rule that looks at the recipient: what was accepted and isn't now, nothing else. */
static void
test_other_rule(void **state)
{
	struct sl_replay *r;
	struct world w;

	(void)state;
	put(&p, "rcptto.lua", "if recipient == 'eve@example.org' then Reject('not her') end\n"
	    "local n = memory_inc('rcpt') if n % 3 == 0 then Reject('third') end\n");
	world_open(&w, &p, false);
	put(&p, "rcptto.lua", "local n = memory_inc('rcpt') if n % 3 == 0 then Reject('third') end\n");
	r = replay(&w, tape, false);
	assert_true(json_array_size(sl_replay_differences(r)) >= 2);
	assert_string_equal(member(r, 0, "what"), "verdict");
	assert_string_equal(member(r, 0, "input"), "rcpt <eve@example.org>");
	sl_replay_free(r);
	world_close(&w);
}

/* A question that wasn't asked then ends it, or is asked for real. */
static void
test_missing(void **state)
{
	struct sl_replay *r;
	struct world w;

	(void)state;
	put(&p, "eod.lua", "if not dnstxt('answer.example') then Defer('?') end\n"
	    "if (dnstxt('other.example') or {})[1] then Defer('?') end\n");
	world_open(&w, &p, true);
	put(&p, "eod.lua", files[5].text);
	r = replay(&w, tape, false);
	assert_differences(r, 1);
	assert_string_equal(member(r, 0, "what"), "missing");
	assert_string_equal(member(r, 0, "question"), "dns TXT other.example");
	assert_int_equal(w.asked, 0);
	sl_replay_free(r);
	r = replay(&w, tape, true);
	assert_differences(r, 0);
	assert_int_equal(w.asked, 2);
	sl_replay_free(r);
	world_close(&w);
}

/* Chance that wasn't drawn, state that was changed otherwise: neither is invented. */
static void
test_never_invented(void **state)
{
	static const char *const scripts[] = { "context.x = uuid()\n", "context.x = rand(1, 6)\n",
	    "memory_store('x', 1)\n", "context.x = serial()\n",
	    "context.x = password_verify('$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0', 'x')\n",
	    "http('http://example.com/')\n" };
	static const char *const questions[] = { "random uuid at connect uuid", "random below 6 at connect rand", "state store ",
	    "random serial at connect serial", "", "http GET http://example.com/" };
	struct sl_replay *r;
	struct world w;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		put(&p, "connect.lua", scripts[i]);
		world_open(&w, &p, false);
		put(&p, "connect.lua", files[1].text);
		r = replay(&w, tape, false);
		if (questions[i][0] != '\0') {
			assert_differences(r, 1);
			assert_string_equal(member(r, 0, "what"), "missing");
			assert_true(strncmp(member(r, 0, "question"), questions[i],
			    strlen(questions[i])) == 0);
		}
		sl_replay_free(r);
		world_close(&w);
	}
}

/* With each allocation failing in turn: an error or differences, never a crash, and nothing is left. */
static void
test_out_of_memory(void **state)
{
	unsigned stride = getenv("REPLAY_STRIDE") != NULL ? (unsigned)atoi(getenv("REPLAY_STRIDE")) : 23, n;
	struct sl_replay *r;
	struct sl_err err;
	struct world w;
	bool over;

	(void)state;
	world_open(&w, &p, false);
	for (n = 1; n < 12000; n += stride) {
		over = false;
		sl_alloc_fail_at(n, 0);
		if (sl_replay_start(&r, w.engine, tape, false, done, &over, &err) != 0)
			over = true;
		while (!over)
			assert_int_equal(sl_loop_step(w.loop, -1), 0);
		sl_alloc_fail_at(0, 0);
		sl_replay_free(r);
	}
	r = replay(&w, tape, false);
	assert_differences(r, 0);
	sl_replay_free(r);
	world_close(&w);
}

/* The same for what records: the tape is whole, or it says that it isn't. */
static void
test_recorded_without_memory(void **state)
{
	struct watching me;
	struct sl_session_info info = { .server = "inbound", .senderip = "192.0.2.1", .serverip = "" };
	struct sl_session *s;
	struct sl_replay *r;
	struct sl_err err;
	struct world w, dark;
	unsigned n, whole = 0;
	int code, rc;

	(void)state;
	world_open(&w, &p, true);
	world_open(&dark, &p, false);
	for (n = 1; n < 400; n += 3) {
		me = (struct watching){ { .wants = wants, .ended = ended }, NULL };
		sl_list_init(&me.watcher.link);
		sl_engine_watch(w.engine, &me.watcher);
		sl_alloc_fail_at(n, 0);
		rc = sl_session_open(w.engine, &info, &s, &err);
		if (rc == 0 && sl_session_connect(s, on_verdict, &code) == 0)
			sl_session_wait(s);
		if (rc == 0 && sl_session_helo(s, "mail.example.com", true, on_verdict, &code) == 0)
			sl_session_wait(s);
		if (rc == 0 && sl_session_auth(s, "PLAIN", STR("ann"), STR("secret"), on_verdict, &code) == 0)
			sl_session_wait(s);
		sl_alloc_fail_at(0, 0);
		if (rc == 0)
			sl_session_close(s);
		while (rc == 0 && sl_engine_runs(w.engine) > 0)
			assert_int_equal(sl_engine_wait(w.engine, -1), 0);
		sl_engine_unwatch(&me.watcher);
		if (me.tape != NULL && !sl_tape_full(me.tape)) {
			whole++;
			r = replay(&dark, me.tape, false);
			sl_replay_free(r);
		}
		sl_tape_unref(me.tape);
	}
	assert_true(whole > 10);
	world_close(&dark);
	world_close(&w);
}

/* ---- who watches ---------------------------------------------------------------------------- */

static bool
wants_second(struct sl_watcher *w, const struct sl_session_info *info)
{
	(void)w;
	return strcmp(info->senderip, "192.0.2.2") == 0;
}

static void
short_session(struct world *w, const char *ip, struct sl_watcher *late)
{
	struct sl_session_info info = { .server = "inbound", .senderip = ip, .serverip = "" };
	struct sl_session *s;
	struct sl_err err;
	int code = 0;

	assert_int_equal(sl_session_open(w->engine, &info, &s, &err), 0);
	DO(sl_session_connect(s, on_verdict, &code));
	if (late != NULL)
		sl_engine_watch(w->engine, late);
	sl_session_close(s);
	while (sl_engine_runs(w->engine) > 0)
		assert_int_equal(sl_engine_wait(w->engine, -1), 0);
}

/* A tape goes to those who wanted its session when it opened, and to nobody else who watches. */
static void
test_watchers(void **state)
{
	struct watching all = { { .wants = wants, .ended = ended }, NULL };
	struct watching second = { { .wants = wants_second, .ended = ended }, NULL };
	struct watching late = { { .wants = wants, .ended = ended }, NULL };
	struct world w;

	(void)state;
	world_open(&w, &p, true);
	sl_engine_watch(w.engine, &all.watcher);
	sl_engine_watch(w.engine, &second.watcher);
	short_session(&w, "192.0.2.1", &late.watcher);
	assert_non_null(all.tape);
	assert_null(second.tape);
	assert_null(late.tape);
	sl_tape_unref(all.tape);
	all.tape = NULL;
	short_session(&w, "192.0.2.2", NULL);
	assert_true(all.tape != NULL && all.tape == second.tape && all.tape == late.tape);
	sl_engine_unwatch(&all.watcher);
	sl_engine_unwatch(&second.watcher);
	sl_engine_unwatch(&late.watcher);
	sl_tape_unref(all.tape);
	sl_tape_unref(second.tape);
	sl_tape_unref(late.tape);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_without_key),
		cmocka_unit_test(test_other_rule),
		cmocka_unit_test(test_missing),
		cmocka_unit_test(test_never_invented),
		cmocka_unit_test(test_out_of_memory),
		cmocka_unit_test(test_recorded_without_memory),
		cmocka_unit_test(test_watchers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
