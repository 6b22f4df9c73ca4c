/*
 * What a host of sluice.h does itself: builtins, DNS and HTTP answers, events,
 * and a loop that watches each descriptor for the engine.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../base/alloc.h"
#include "../sluice.h"

#define STR(literal)	((struct sl_str){ (literal), sizeof(literal) - 1 })

static char folder[] = "/tmp/sluice-host-XXXXXX";

/* The host: what it was asked and is yet to answer. */
static struct {
	struct sl_engine *engine;
	struct sl_dns_query *query;
	struct sl_http_op *request;
	struct sl_call *call;
	char asked[300], event[2000];
	unsigned cancelled;
	bool later;
} host;

static void
write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
setup(void **state)
{
	(void)state;
	memset(&host, 0, sizeof(host));
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	assert_non_null(mkdtemp(folder));
	write_file("sluice.lua", "return { hostname = 'mx.example.org', dns = { zone = 'zone.txt' },\n"
	    "servers = { inbound = { flows = { connect = 'connect.lua' } } } }\n");
	write_file("zone.txt", "here.example. IN A 192.0.2.7\n");
	return 0;
}

static int
teardown(void **state)
{
	static const char *const names[] = { "sluice.lua", "zone.txt", "connect.lua" };
	char path[200];

	(void)state;
	sl_engine_free(host.engine);
	for (size_t i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	return rmdir(folder);
}

static void
on_event(void *arg, enum sl_level level, const char *name, struct sl_str json)
{
	(void)arg, (void)name;
	if (level >= SL_INFO && json.n < sizeof(host.event))
		snprintf(host.event, sizeof(host.event), "%.*s", (int)json.n, json.p);
}

static void
start(struct sl_engine_options *o, const struct sl_host_builtin *rows, size_t n, const char *script)
{
	struct sl_err err;

	o->stdlib = "stdlib";
	o->event = on_event;
	host.engine = sl_engine_new(o, &err);
	assert_non_null(host.engine);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(sl_engine_add_builtin(host.engine, &rows[i], &err), 0);
	write_file("connect.lua", script);
	assert_int_equal(sl_engine_load(host.engine, folder, NULL, NULL), 0);
}

struct reply {
	unsigned n;
	int code;
	char text[500];
};

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	struct reply *r = arg;

	r->n++;
	r->code = v->code;
	snprintf(r->text, sizeof(r->text), "%s", v->nlines > 0 ? v->lines[0] : "");
}

static struct sl_session *
begin(struct reply *r)
{
	struct sl_session_info info = { .server = "inbound", .senderip = "192.0.2.1", .serverip = "" };
	struct sl_session *s;

	memset(r, 0, sizeof(*r));
	assert_int_equal(sl_session_open(host.engine, &info, &s, NULL), 0);
	assert_int_equal(sl_session_connect(s, on_verdict, r), 0);
	return s;
}

static void
turn_until(const bool *condition)
{
	while (!*condition)
		assert_int_equal(sl_engine_wait(host.engine, -1), 0);
}

/* What the script's Reject said. */
static void
expect(const char *text)
{
	struct reply r;
	struct sl_session *s = begin(&r);

	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(r.n, 1);
	if (strcmp(r.text, text) != 0)
		fail_msg("\"%s\" instead of \"%s\": %s", r.text, text, host.event);
	sl_session_close(s);
}

/* ---- builtins ---------------------------------------------------------------------------- */

static void
give_back(void *arg, struct sl_call *c)
{
	struct sl_str s;
	double n;
	bool b;
	int i;

	assert_ptr_equal(arg, &host);
	assert_true(strlen(sl_call_id(c)) > 10);
	for (i = 1; i <= 5; i++)
		if (sl_call_string(c, i, &s))
			sl_call_give_string(c, s);
		else if (sl_call_number(c, i, &n))
			sl_call_give_number(c, n);
		else if (sl_call_bool(c, i, &b))
			sl_call_give_bool(c, b);
		else if (sl_call_json(c, i, &s))
			sl_call_give_json(c, s);
		else
			sl_call_give_none(c);
	sl_call_later(c);		/* it doesn't wait: nothing happens */
}

static void
decline(void *arg, struct sl_call *c)
{
	(void)arg;
	sl_call_give_string(c, STR("dropped"));
	sl_call_fail(c, "timeout", "no answer");
}

static void
refuse(void *arg, struct sl_call *c)
{
	(void)arg;
	sl_call_refuse(c, "needs a mailbox");
}

static void
not_json(void *arg, struct sl_call *c)
{
	(void)arg;
	sl_call_give_json(c, STR("{"));
}

static void
too_many(void *arg, struct sl_call *c)
{
	(void)arg;
	for (int i = 0; i < 17; i++)
		sl_call_give_none(c);
}

static void
look_up(void *arg, struct sl_call *c)
{
	(void)arg;
	sl_call_later(c);
	host.call = c;
	host.later = true;
}

static void
dont_look_up(void *arg, struct sl_call *c)
{
	(void)arg;
	assert_ptr_equal(c, host.call);
	host.cancelled++;
}

static void
at_once(void *arg, struct sl_call *c)
{
	(void)arg;
	sl_call_later(c);
	sl_call_give_number(c, 1);
	sl_call_done(c);
}

static const struct sl_host_builtin rows[] = {
	{ "give_back", 0, false, give_back, NULL, &host, "Gives back what it gets." },
	{ "decline", 0, false, decline, NULL, NULL, NULL },
	{ "refuse", 0, false, refuse, NULL, NULL, NULL },
	{ "not_json", 0, false, not_json, NULL, NULL, NULL },
	{ "too_many", 0, false, too_many, NULL, NULL, NULL },
	{ "in_data_only", SL_AT(SL_DATA) | SL_AT(SL_EOD), false, refuse, NULL, NULL, NULL },
	{ "look_up", 0, true, look_up, dont_look_up, NULL, NULL },
	{ "at_once", 0, true, at_once, dont_look_up, NULL, NULL },
};
#define NROWS (sizeof(rows) / sizeof(rows[0]))

static void
test_builtins(void **state)
{
	struct sl_engine_options o = { 0 };

	(void)state;
	start(&o, rows, NROWS,
	    "local s, n, b, none, t = give_back('a\\0b', 2.5, true, nil, { x = { 1, 'y' } })\n"
	    "assert(s == 'a\\0b' and n == 2.5 and b == true and none == nil)\n"
	    "assert(t.x[1] == 1 and t.x[2] == 'y')\n"
	    "local v, err, code = decline()\n"
	    "assert(v == nil and err == 'no answer' and code == 'timeout')\n"
	    "local ok, why = pcall(refuse)\n"
	    "assert(not ok and why:find('refuse: needs a mailbox', 1, true))\n"
	    "assert(not pcall(not_json) and not pcall(too_many))\n"
	    "ok, why = pcall(in_data_only)\n"
	    "assert(not ok and why:find('only in eod, data', 1, true))\n"
	    "assert(at_once() == 1)\n"
	    "function give_back(x) return builtin.give_back(x .. '!') end\n"
	    "Reject(give_back('overridden'))\n");
	expect("overridden!");
}

static void
test_builtin_waits(void **state)
{
	struct sl_engine_options o = { 0 };
	struct sl_session *s;
	struct reply r;

	(void)state;
	start(&o, rows, NROWS, "Reject('it is ' .. look_up('x'))");
	s = begin(&r);
	turn_until(&host.later);
	assert_int_equal(sl_engine_dispatch(host.engine), 0);
	assert_int_equal(r.n, 0);
	sl_call_give_string(host.call, STR("found"));
	sl_call_done(host.call);
	assert_int_equal(sl_session_wait(s), 0);
	assert_string_equal(r.text, "it is found");
	sl_session_close(s);
	assert_int_equal(host.cancelled, 0);
}

/* Who closes the session hears no more of it, and the host is told. */
static void
test_builtin_cancelled(void **state)
{
	struct sl_engine_options o = { 0 };
	struct sl_session *s;
	struct reply r;

	(void)state;
	start(&o, rows, NROWS, "Reject('it is ' .. look_up('x'))");
	s = begin(&r);
	turn_until(&host.later);
	sl_session_close(s);
	assert_int_equal(host.cancelled, 1);
	assert_int_equal(r.n, 0);
	host.later = false;
	begin(&r);			/* open when the engine ends */
	turn_until(&host.later);
	sl_engine_free(host.engine);
	host.engine = NULL;
	assert_int_equal(host.cancelled, 2);
}

static void
test_builtin_refused(void **state)
{
	static const struct { struct sl_host_builtin row; int code; } cases[] = {
		{ { "Reject", 0, false, refuse, NULL, NULL, NULL }, SL_ERR_EXISTS },
		{ { "give_back", 0, false, refuse, NULL, NULL, NULL }, SL_ERR_EXISTS },
		{ { "2nd", 0, false, refuse, NULL, NULL, NULL }, SL_ERR_INVAL },
		{ { "", 0, false, refuse, NULL, NULL, NULL }, SL_ERR_INVAL },
		{ { "a.b", 0, false, refuse, NULL, NULL, NULL }, SL_ERR_INVAL },
		{ { "ok", 0, false, NULL, NULL, NULL, NULL }, SL_ERR_INVAL },
		{ { "ok", 0, true, look_up, NULL, NULL, NULL }, SL_ERR_INVAL },
	};
	struct sl_engine_options o = { 0 };
	struct sl_err err;

	(void)state;
	start(&o, rows, 1, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(sl_engine_add_builtin(host.engine, &cases[i].row, &err), cases[i].code);
}

static void
count(void *arg, const char *name, unsigned phases, const char *doc)
{
	unsigned *seen = arg;

	if (strcmp(name, "give_back") == 0) {
		assert_string_equal(doc, "Gives back what it gets.");
		assert_int_equal(phases, SL_AT(SL_PHASES) - 1);
		++*seen;
	} else if (strcmp(name, "AddHeader") == 0) {
		assert_int_equal(phases, SL_AT(SL_EOD) | SL_AT(SL_DATA));
		++*seen;
	}
}

static void
test_builtins_listed(void **state)
{
	struct sl_engine_options o = { 0 };
	unsigned seen = 0;

	(void)state;
	start(&o, rows, 1, "");
	sl_engine_builtins(host.engine, count, &seen);
	assert_int_equal(seen, 2);
}

/* The n-th allocation of a run that calls them fails: nothing is lost in silence. */
static void
test_builtins_without_memory(void **state)
{
	struct sl_engine_options o = { 0 };
	struct sl_session_info info = { .server = "inbound", .senderip = "192.0.2.1", .serverip = "" };
	struct sl_session *s;
	unsigned long n, failed = 0;
	struct reply r;
	int rc;

	(void)state;
	start(&o, rows, NROWS, "local a, b = give_back('one', { two = { 'three' } })\n"
	    "local v, err, code = decline()\nReject(a .. b.two[1] .. err .. code)\n");
	expect("onethreeno answertimeout");
	for (n = 1; n < 400; n++) {
		memset(&r, 0, sizeof(r));
		sl_alloc_fail_at(n, 0);
		rc = sl_session_open(host.engine, &info, &s, NULL);
		if (rc == 0) {
			rc = sl_session_connect(s, on_verdict, &r);
			if (rc == 0)
				assert_int_equal(sl_session_wait(s), 0);
			sl_session_close(s);
		}
		sl_alloc_fail_at(0, 0);
		failed += rc != 0 || r.code == 421;
		if (r.code == 554)
			assert_string_equal(r.text, "onethreeno answertimeout");
		else
			assert_true(rc == SL_ERR_NOMEM || r.code == 421);
	}
	assert_true(failed > 5);
	expect("onethreeno answertimeout");
}

/* ---- DNS and HTTP -------------------------------------------------------------------------- */

static void
on_dns(void *arg, struct sl_dns_query *query, const char *name, int type)
{
	(void)arg;
	snprintf(host.asked, sizeof(host.asked), "%s %d", name, type);
	host.query = query;
	host.later = true;
}

static void
on_dns_cancel(void *arg, struct sl_dns_query *query)
{
	(void)arg;
	assert_ptr_equal(query, host.query);
	host.cancelled++;
}

/* "there.example. 300 IN A 192.0.2.9" as an answer. */
static const char packet[] = "\x12\x34\x81\x80\0\1\0\1\0\0\0\0"
    "\5there\7example\0\0\1\0\1" "\xc0\x0c\0\1\0\1\0\0\1\x2c\0\4\xc0\0\2\x09";

static void
test_dns(void **state)
{
	struct sl_engine_options o = { .dns = on_dns, .dns_cancel = on_dns_cancel };
	struct sl_session *s;
	struct reply r;

	(void)state;
	start(&o, NULL, 0, "local here = dns4('here.example')\n"
	    "local there, err = dns4('there.example')\n"
	    "Reject(here[1] .. ' ' .. (there and there[1] or err))\n");
	s = begin(&r);
	turn_until(&host.later);
	assert_string_equal(host.asked, "there.example 1");
	sl_dns_give_packet(host.query, STR(packet), false);
	assert_int_equal(sl_session_wait(s), 0);
	assert_string_equal(r.text, "192.0.2.7 192.0.2.9");
	sl_session_close(s);
	assert_int_equal(host.cancelled, 0);

	host.later = false;
	s = begin(&r);
	turn_until(&host.later);
	sl_dns_give_packet(host.query, STR(""), false);
	assert_int_equal(sl_session_wait(s), 0);
	assert_memory_equal(r.text, "192.0.2.7 ", 10);
	assert_null(strstr(r.text, "192.0.2.9"));
	sl_session_close(s);

	host.later = false;
	s = begin(&r);
	turn_until(&host.later);
	sl_session_close(s);
	assert_int_equal(host.cancelled, 1);
}

static void
on_http(void *arg, struct sl_http_op *request, const struct sl_fetch *f)
{
	(void)arg;
	snprintf(host.asked, sizeof(host.asked), "%s %s %.*s", f->method, f->url, (int)f->body.n,
	    f->body.p != NULL ? f->body.p : "");
	assert_non_null(f->headers);
	host.request = request;
	if (strstr(f->url, "/now") != NULL)
		sl_http_give(request, 200, STR("Content-Type: text/plain\r\n"), STR("at once"));
	host.later = true;
}

static void
test_http(void **state)
{
	struct sl_engine_options o = { .http = on_http };
	struct sl_session *s;
	struct reply r;

	(void)state;
	start(&o, NULL, 0, "local a = http('https://api.example/now')\n"
	    "local b, err = http('https://api.example/later', {}, nil, 'posted')\n"
	    "Reject(a .. ' ' .. (b or 'failed'))\n");
	s = begin(&r);
	turn_until(&host.later);
	while (strstr(host.asked, "/later") == NULL)
		assert_int_equal(sl_engine_wait(host.engine, -1), 0);
	assert_string_equal(host.asked, "POST https://api.example/later posted");
	sl_http_give_failure(host.request, "connect", "nobody there");
	assert_int_equal(sl_session_wait(s), 0);
	assert_string_equal(r.text, "at once failed");
	sl_session_close(s);
}

/* ---- a loop of the host's -------------------------------------------------------------------- */

static struct {
	struct pollfd fds[64];
	int n;
	int64_t timer;			/* -1 = none */
	unsigned watched;
} own;

static void
watch(void *arg, int fd, unsigned events)
{
	int i;

	(void)arg;
	for (i = 0; i < own.n && own.fds[i].fd != fd; i++)
		;
	if (events == 0) {
		assert_true(i < own.n);
		own.fds[i] = own.fds[--own.n];
		return;
	}
	if (i == own.n)
		own.n++;
	own.watched++;
	own.fds[i] = (struct pollfd){ .fd = fd, .events = (short)
	    (((events & SL_WATCH_READ) ? POLLIN : 0) | ((events & SL_WATCH_WRITE) ? POLLOUT : 0)) };
}

static void
timer(void *arg, int64_t ms)
{
	(void)arg;
	own.timer = ms;
}

/* Waits, passwords (another thread) and zone text with a delay, turned by poll(2) alone. */
static void
test_own_loop(void **state)
{
	struct sl_engine_options o = { .watch = watch, .timer = timer };
	struct sl_session *s;
	struct reply r;
	int rounds;

	(void)state;
	memset(&own, 0, sizeof(own));
	own.timer = -1;
	write_file("zone.txt", "here.example. IN A 192.0.2.7\nhere.example. DELAY 30\n");
	start(&o, NULL, 0, "local a = dns4('here.example')\n"
	    "password_verify('$5$saltsalt$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 'secret')\nReject(a[1])\n");
	s = begin(&r);
	for (rounds = 0; r.n == 0 && rounds < 10000; rounds++) {
		assert_true(own.n > 0 || own.timer >= 0);
		assert_true(poll(own.fds, (nfds_t)own.n, (int)own.timer) >= 0);
		own.timer = -1;		/* one-shot */
		assert_int_equal(sl_engine_dispatch(host.engine), 0);
	}
	assert_string_equal(r.text, "192.0.2.7");
	assert_true(own.watched > 0);
	sl_session_close(s);
	sl_engine_free(host.engine);
	host.engine = NULL;
	assert_int_equal(own.n, 0);
}

/*
 * A write to a socket whose peer has closed, from below us while the engine is turned
 * (here the host's own function does it). SIGPIPE has its default action, which ends
 * a program; one that the program had blocked and pending before stays pending.
 */
static void
write_to_closed(void *arg, struct sl_call *c)
{
	int pair[2];

	(void)arg;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	close(pair[1]);
	assert_int_equal(write(pair[0], "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	close(pair[0]);
	sl_call_give_string(c, STR("alive"));
}

static bool
pipe_pending(void)
{
	sigset_t set;

	sigpending(&set);
	return sigismember(&set, SIGPIPE) == 1;
}

static void
test_no_sigpipe(void **state)
{
	static const struct sl_host_builtin row = { "write_to_closed", 0, false, write_to_closed,
	    NULL, NULL, NULL };
	struct sl_engine_options o = { 0 };
	static const struct timespec none;
	struct sigaction action;
	sigset_t set, before, after;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, NULL, &action), 0);
	assert_true(action.sa_handler == SIG_DFL);
	start(&o, &row, 1, "Reject(write_to_closed())");
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	expect("alive");
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&before, SIGPIPE), sigismember(&after, SIGPIPE));
	assert_false(pipe_pending());

	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	raise(SIGPIPE);
	expect("alive");
	assert_true(pipe_pending());
	assert_int_equal(sigtimedwait(&set, NULL, &none), SIGPIPE);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* ---- programs of other versions ------------------------------------------------------------ */

/* Structs as an older header had them end where 'clock' and 'changes' begin: what stands
 * behind them isn't looked at. */
static void
test_an_older_program(void **state)
{
	struct { struct sl_engine_options o; } old;
	struct { struct sl_session_info i; } info;
	struct { struct sl_mail_params p; } params;
	struct sl_session *s;
	struct reply r = { 0 };
	struct sl_err err;

	(void)state;
	memset(&old, 0xee, sizeof(old));
	memset(&old, 0, offsetof(struct sl_engine_options, dns));
	old.o.stdlib = "stdlib";
	host.engine = sl_engine_new_sized(&old.o, offsetof(struct sl_engine_options, dns), &err);
	assert_non_null(host.engine);
	write_file("connect.lua", "Reject(dnstxt('here.example') and 'an answer' or 'none')");
	assert_int_equal(sl_engine_load(host.engine, folder, NULL, NULL), 0);
	memset(&info, 0xee, sizeof(info));
	info.i = (struct sl_session_info){ .server = "inbound", .senderip = "192.0.2.1", .serverip = "" };
	memset(&info.i.changes, 0xee, sizeof(info.i.changes));
	assert_int_equal(sl_session_open_sized(host.engine, &info.i,
	    offsetof(struct sl_session_info, changes), &s, &err), 0);
	assert_int_equal(sl_session_connect(s, on_verdict, &r), 0);
	assert_int_equal(sl_session_wait(s), 0);
	assert_string_equal(r.text, "an answer");
	memset(&params, 0xee, sizeof(params));
	params.p.size = 1;
	params.p.smtputf8 = params.p.body8bit = false;
	assert_int_equal(sl_session_mail_sized(s, STR("<>"), &params.p,
	    offsetof(struct sl_mail_params, server), on_verdict, &r), 0);
	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(r.code, 250);
	sl_session_close(s);
}

/* Members that we don't know: nothing, unless they are used. */
static void
test_a_newer_program(void **state)
{
	struct { struct sl_engine_options o; uint64_t more; } options = { .more = 1 };
	struct { struct sl_session_info i; uint64_t more; } info = {
		.i = { .server = "inbound", .senderip = "192.0.2.1", .serverip = "" }, .more = 1 };
	struct { struct sl_host_builtin b; uint64_t more; } row = {
		.b = { .name = "later", .fn = decline }, .more = 1 };
	struct { struct sl_mail_params p; uint64_t more; } params = { .more = 1 };
	struct { struct sl_attempt a; uint64_t more; } attempt = { .more = 1 };
	struct reply r = { 0 };
	struct sl_session *s;
	struct sl_err err;

	(void)state;
	options.o.stdlib = "stdlib";
	assert_null(sl_engine_new_sized(&options.o, sizeof(options), &err));
	assert_int_equal(err.code, SL_ERR_INVAL);
	assert_non_null(strstr(err.text, "a later libsluice"));
	options.more = 0;
	host.engine = sl_engine_new_sized(&options.o, sizeof(options), &err);
	assert_non_null(host.engine);
	assert_int_equal(sl_engine_add_builtin_sized(host.engine, &row.b, sizeof(row), &err),
	    SL_ERR_INVAL);
	row.more = 0;
	assert_int_equal(sl_engine_add_builtin_sized(host.engine, &row.b, sizeof(row), &err), 0);
	write_file("connect.lua", "");
	assert_int_equal(sl_engine_load(host.engine, folder, NULL, NULL), 0);
	assert_int_equal(sl_engine_predelivery_sized(host.engine, &attempt.a, sizeof(attempt), NULL,
	    NULL), SL_ERR_INVAL);
	assert_int_equal(sl_engine_postdelivery_sized(host.engine, &attempt.a, sizeof(attempt), NULL,
	    NULL), SL_ERR_INVAL);
	assert_int_equal(sl_session_open_sized(host.engine, &info.i, sizeof(info), &s, &err),
	    SL_ERR_INVAL);
	info.more = 0;
	assert_int_equal(sl_session_open_sized(host.engine, &info.i, sizeof(info), &s, &err), 0);
	assert_int_equal(sl_session_mail_sized(s, STR("<>"), &params.p, sizeof(params), on_verdict, &r),
	    SL_ERR_INVAL);
	params.more = 0;
	assert_int_equal(sl_session_mail_sized(s, STR("<>"), &params.p, sizeof(params), on_verdict, &r),
	    0);
	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(r.code, 250);
	sl_session_close(s);
}

#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_builtins), TEST(test_builtin_waits), TEST(test_builtin_cancelled),
		TEST(test_builtin_refused), TEST(test_builtins_listed),
		TEST(test_builtins_without_memory), TEST(test_dns), TEST(test_http),
		TEST(test_own_loop), TEST(test_no_sigpipe),
		TEST(test_an_older_program), TEST(test_a_newer_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
