/*
 * sluice.h as a host in another program uses it: many sessions at once, calls
 * out of order, and lack of memory. Each allocation of a session fails in turn,
 * ours and Lua's alike: a call says so or its verdict is one to try again, and
 * what is accepted is byte for byte what it would have been. Nothing leaks (ASan,
 * valgrind). EMBED_STRIDE, EMBED_SESSIONS: how many of them.
 */
#include <limits.h>
#include <pthread.h>
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
#include "../sluice.h"

#define STR(literal)	((struct sl_str){ (literal), sizeof(literal) - 1 })

static const struct { const char *path, *text; } files[] = {
	{ "sluice.lua",
	    "return { hostname = 'mx.example.org', quarantine = { 'spam' },\n"
	    "dns = { zone = 'zone.txt', zone_only = true },\n"
	    "servers = { inbound = { flows = { connect = 'connect.lua', mailfrom = 'mailfrom.lua',\n"
	    "  auth = 'auth.lua', rcptto = 'rcptto.lua', eod = 'eod.lua', data = 'data.lua',\n"
	    "  disconnect = 'disconnect.lua' } } } }\n" },
	{ "connect.lua", "context.seen = { senderip }\nif senderip == '192.0.2.66' then Reject('no') end\n" },
	{ "auth.lua", "if saslpassword == 'secret' then Accept() end\n" },
	{ "mailfrom.lua", "if not rate('mail', senderip, 1e9, 60) then Defer('slow') end\n" },
	{ "rcptto.lua", "if not require('users')[recipient] then Reject('unknown') end\n" },
	{ "lib/users.lua", "return { ['bob@example.org'] = true, ['eve@example.org'] = true }\n" },
	{ "eod.lua",
	    "local r = ScanDMARC()\n"
	    "if not r or r['example.com'] ~= 'pass' then Defer('DMARC can\\'t be told') end\n" },
	{ "data.lua",
	    "AddHeader('X-For', recipient)\n"
	    "local o, err = json_decode('{\"a\":[1,2,{\"b\":\"c\"}]}')\n"
	    "if not o then Defer(err) end\n"
	    "memory_store('last', { o.a[3].b, sender }, 60)\n"
	    "SetMetaData({ list = json_encode({ 1, 2, sender }) })\n"
	    "if not (dnstxt('example.com') or {})[1] then Defer('no answer') end\n"
	    "AddHeader('X-To', table.concat(GetAddressList(GetHeader('To')), ' '))\n"
	    "AddAuthenticationResults()\n"
	    "SetHeader('Subject', '[x] ' .. GetHeader('Subject'))\n"
	    "if not DKIMSign('s', 'example.com', 'pki:k') then Defer('unsigned') end\n"
	    "if not ARCSeal('s', 'example.com', 'pki:k') then Defer('unsealed') end\n"
	    "echo('delivered', recipient)\n"
	    "Deliver()\n" },
	{ "disconnect.lua", "echo('bye', context.seen[1])\n" },
	{ "zone.txt", "example.com. IN TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
	    "_dmarc.example.com. IN TXT \"v=DMARC1; p=reject\"\n" },
	{ "keys/k.pem", "-----BEGIN PRIVATE KEY-----\n"
	    "MC4CAQAwBQYDK2VwBCIEICxPuuaattNWMLDqu6oLC+Jt23SekT7af/TGNTOqYxnP\n"
	    "-----END PRIVATE KEY-----\n" },
};
static const char *const folders[] = { "lib", "keys" };

static const char message[] =
    "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: hello\r\n\r\nHello.\r\n";

static char folder[] = "/tmp/sluice-embed-XXXXXX";

static const char *
path_of(const char *name)
{
	static _Thread_local char path[200];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static int
write_policy(void **state)
{
	size_t i;
	FILE *f;

	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		mkdir(path_of(folders[i]), 0700);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		f = fopen(path_of(files[i].path), "w");
		assert_non_null(f);
		fputs(files[i].text, f);
		fclose(f);
	}
	return 0;
}

static int
remove_policy(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		unlink(path_of(files[i].path));
	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		rmdir(path_of(folders[i]));
	return rmdir(folder);
}

static int64_t
fixed_clock(void *arg)
{
	(void)arg;
	return 1700000000000000;
}

static unsigned
from_environment(const char *name, unsigned dflt)
{
	return getenv(name) != NULL ? (unsigned)atoi(getenv(name)) : dflt;
}

/* ---- a client ------------------------------------------------------------------------------ */

/* What a host keeps of one session. */
struct client {
	struct sl_session *session;
	int code;			/* of the last answer */
	unsigned answers;
	char sent[4096];		/* the message of the outcome */
	size_t n, copies;
};

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	struct client *c = arg;

	c->code = v->code;
	c->answers++;
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	struct client *c = arg;

	on_verdict(c, o->verdict);
	c->copies = o->n;
	for (size_t k = 0; k < o->n; k++)
		for (size_t i = 0; i < o->messages[k].npieces; i++) {
			struct sl_str piece = o->messages[k].pieces[i];

			assert_true(c->n + piece.n < sizeof(c->sent));
			memcpy(c->sent + c->n, piece.p, piece.n);
			c->n += piece.n;
		}
	c->sent[c->n] = '\0';
}

/* A call that was begun is answered once, one that wasn't never. Whether the next may follow. */
static bool
passed(struct client *c, int rc)
{
	unsigned before = c->answers;

	if (rc != 0) {
		assert_int_equal(rc, SL_ERR_NOMEM);
		return false;
	}
	assert_int_equal(sl_session_wait(c->session), 0);
	assert_int_equal(c->answers, before + 1);
	assert_true((c->code >= 200 && c->code < 300) || (c->code >= 400 && c->code < 500));
	return c->code < 300;
}

static bool
taken(int rc)
{
	if (rc != 0)
		assert_int_equal(rc, SL_ERR_NOMEM);
	return rc == 0;
}

static const struct sl_session_info from_192_0_2_1 = { .server = "inbound",
    .senderip = "192.0.2.1", .senderport = 4711, .serverip = "192.0.2.25", .serverport = 25 };

/* One whole session. */
static void
converse(struct sl_engine *engine, struct client *c)
{
	static const struct sl_mail_params params = { .size = 100 };
	struct sl_session *s;
	struct sl_err err;

	memset(c, 0, sizeof(*c));
	if (!taken(sl_session_open(engine, &from_192_0_2_1, &s, &err)))
		return;
	c->session = s;
	if (passed(c, sl_session_connect(s, on_verdict, c)) &&
	    passed(c, sl_session_helo(s, "client.example.com", true, on_verdict, c))) {
		sl_session_tls(s, "TLSv1.3", "TLS_AES_256_GCM_SHA384", 256);
		if (passed(c, sl_session_helo(s, "client.example.com", true, on_verdict, c)) &&
		    passed(c, sl_session_auth(s, "PLAIN", STR("ann"), STR("secret"), on_verdict, c)) &&
		    passed(c, sl_session_mail(s, STR("<ann@example.com>"), &params, on_verdict, c)) &&
		    passed(c, sl_session_rcpt(s, STR("<bob@example.org>"), on_verdict, c)) &&
		    passed(c, sl_session_rcpt(s, STR("<eve@example.org>"), on_verdict, c)) &&
		    taken(sl_session_data(s, (struct sl_str){ message, 30 })) &&
		    taken(sl_session_data(s, sl_str_of(message + 30))))
			passed(c, sl_session_data_end(s, on_outcome, c));
		sl_session_reset(s);
	}
	sl_session_close(s);
}

static struct sl_engine *
open_engine(void)
{
	static const struct sl_engine_options options = { .stdlib = "stdlib", .clock = fixed_clock };
	struct sl_engine *engine;
	struct sl_err err;

	engine = sl_engine_new(&options, &err);
	assert_non_null(engine);
	assert_int_equal(sl_engine_load(engine, folder, NULL, NULL), 0);
	return engine;
}

/* The disconnect flow of the last session may run yet. */
static void
settle(struct sl_engine *engine)
{
	for (int i = 0; i < 10; i++)
		assert_int_equal(sl_engine_dispatch(engine), 0);
}

/* ---- tests --------------------------------------------------------------------------------- */

static void
test_one_session(void **state)
{
	struct sl_engine *engine = open_engine();
	struct client c;

	(void)state;
	converse(engine, &c);
	assert_int_equal(c.code, 250);
	assert_int_equal(c.copies, 2);
	assert_int_equal(c.answers, 8);
	assert_non_null(strstr(c.sent, "\r\nSubject: [x] hello\r\n"));
	assert_non_null(strstr(c.sent, "X-For: bob@example.org\r\n"));
	assert_memory_equal(c.sent, "ARC-Seal: ", 10);
	assert_non_null(strstr(c.sent, "\r\nDKIM-Signature: "));
	sl_engine_free(engine);
}

static void
compare(const struct client *c, const struct client *whole, unsigned long n)
{
	size_t i = 0;

	if (strstr(c->sent, "=temperror (") != NULL)
		return;		/* that is a result, and it is told */
	while (c->sent[i] != '\0' && c->sent[i] == whole->sent[i])
		i++;
	if (i < c->n || i < whole->n)
		fail_msg("allocation %lu changed the message: \"%.300s\" instead of \"%.300s\"", n,
		    c->sent + i, whole->sent + i);
}

/* One session with its n-th allocation failing, or that and all behind it. Whether it got through. */
static bool
survives(struct sl_engine *engine, unsigned long n, int sticky, const struct client *whole)
{
	struct client c, after;

	sl_alloc_fail_at(n, sticky);
	converse(engine, &c);
	sl_alloc_fail_at(0, 0);
	settle(engine);
	if (c.copies > 0)
		compare(&c, whole, n);
	converse(engine, &after);	/* and the next one finds the engine whole */
	if (after.code != 250)
		fail_msg("allocation %lu%s broke the engine: %d", n, sticky ? " and all after it" : "", after.code);
	assert_string_equal(after.sent, whole->sent);
	return c.copies > 0;
}

/* 'fresh': each session is the first of an engine, which has nothing at hand yet. */
static void
torture(const struct client *whole, bool fresh, unsigned least)
{
	unsigned long n, stride = from_environment("EMBED_STRIDE", 1), last = 100000;
	unsigned long refused = 0, accepted = 0;
	struct sl_engine *engine = NULL;
	struct client c;
	int sticky;

	for (sticky = 1; sticky >= 0; sticky--)
		for (n = 1; n < last; n += stride) {
			if (engine == NULL)
				engine = open_engine();
			if (!survives(engine, n, sticky, whole)) {
				refused++;
			} else {
				accepted++;
				if (sticky)
					last = n;	/* it needs no more */
			}
			if (fresh) {
				sl_engine_free(engine);
				engine = NULL;
			}
		}
	print_message("%lu allocations, %lu refused, %lu accepted\n", last, refused, accepted);
	assert_true(last > least && refused > least / stride && accepted > 0);
	if (engine == NULL)
		engine = open_engine();
	converse(engine, &c);
	assert_string_equal(c.sent, whole->sent);
	sl_engine_free(engine);
}

static void
test_no_memory(void **state)
{
	struct sl_engine *engine = open_engine();
	struct client whole;

	(void)state;
	converse(engine, &whole);
	sl_engine_free(engine);
	torture(&whole, false, 250);
	torture(&whole, true, 300);
}

/* Many sessions one after the other, and hundreds open at once. */
static void
test_many_sessions(void **state)
{
	struct sl_engine *engine = open_engine();
	unsigned n = from_environment("EMBED_SESSIONS", 500), i;
	static struct client open[200];
	struct client c;
	struct sl_err err;

	(void)state;
	for (i = 0; i < 200; i++) {
		assert_int_equal(sl_session_open(engine, &from_192_0_2_1, &open[i].session, &err), 0);
		assert_int_equal(sl_session_connect(open[i].session, on_verdict, &open[i]), 0);
	}
	for (i = 0; i < n; i++) {
		converse(engine, &c);
		assert_int_equal(c.code, 250);
	}
	for (i = 0; i < 200; i++) {
		assert_int_equal(sl_session_wait(open[i].session), 0);
		assert_int_equal(open[i].answers, 1);
		if (i % 2 == 0)		/* the others are open when the engine ends */
			sl_session_close(open[i].session);
	}
	sl_engine_free(engine);
}

static void
test_out_of_order(void **state)
{
	static const struct sl_mail_params params;
	struct sl_session_info nowhere = from_192_0_2_1;
	struct sl_engine *engine = open_engine();
	struct client c = { 0 };
	struct sl_session *s;
	struct sl_err err;

	(void)state;
	nowhere.server = "outbound";
	assert_int_equal(sl_session_open(engine, &nowhere, &s, &err), SL_ERR_NOTFOUND);
	assert_string_equal(err.text, "server \"outbound\" is not in the policy");
	assert_int_equal(sl_session_open(engine, &from_192_0_2_1, &s, NULL), 0);
	assert_int_equal(sl_session_rcpt(s, STR("<bob@example.org>"), on_verdict, &c), SL_ERR_INVAL);
	assert_int_equal(sl_session_data(s, STR("x")), SL_ERR_INVAL);
	assert_int_equal(sl_session_data_end(s, on_outcome, &c), SL_ERR_INVAL);
	assert_int_equal(sl_session_connect(s, on_verdict, &c), 0);
	assert_int_equal(sl_session_helo(s, "x", true, on_verdict, &c), SL_ERR_INVAL);
	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(sl_session_mail(s, STR("<>"), &params, on_verdict, &c), 0);
	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(sl_session_data(s, STR("x")), SL_ERR_INVAL);	/* no recipient yet */
	assert_int_equal(sl_session_rcpt(s, STR("<bob@example.org>"), on_verdict, &c), 0);
	assert_int_equal(sl_session_wait(s), 0);
	assert_int_equal(sl_session_data(s, STR("From: ann@example.com\r\nSubject: half a li")), 0);
	assert_int_equal(sl_session_data_end(s, on_outcome, &c), SL_ERR_SYNTAX);
	assert_int_equal(c.answers, 3);
	sl_session_close(s);
	sl_session_close(NULL);
	sl_engine_free(engine);
	sl_engine_free(NULL);
}

/* Closing while a call is under way: nobody hears of it. */
static void
test_closed_meanwhile(void **state)
{
	struct sl_engine *engine = open_engine();
	struct client c = { 0 };
	struct sl_session *s;

	(void)state;
	assert_int_equal(sl_session_open(engine, &from_192_0_2_1, &s, NULL), 0);
	assert_int_equal(sl_session_connect(s, on_verdict, &c), 0);
	sl_session_close(s);
	settle(engine);
	assert_int_equal(c.answers, 0);
	sl_engine_free(engine);
}

static void
test_sizes(void **state)
{
	static const struct sl_mail_params params;
	struct sl_engine *engine = open_engine();
	static char chunk[1024 * 1024];
	struct client c = { 0 };
	struct sl_session *s;
	int rc = 0;

	(void)state;
	memset(chunk, 'x', sizeof(chunk));
	assert_int_equal(sl_session_open(engine, &from_192_0_2_1, &s, NULL), 0);
	c.session = s;
	assert_true(passed(&c, sl_session_mail(s, STR("<ann@example.com>"), &params, on_verdict, &c)));
	assert_true(passed(&c, sl_session_rcpt(s, STR("<bob@example.org>"), on_verdict, &c)));
	for (int i = 0; rc == 0 && i < 1000; i++)
		rc = sl_session_data(s, (struct sl_str){ chunk, sizeof(chunk) });
	assert_int_equal(rc, SL_ERR_LIMIT);
	sl_session_reset(s);
	sl_session_close(s);
	sl_engine_free(engine);
}

/* cmocka's checks belong to the thread of the test: the others bring what they got. */
static void *
one_thread(void *arg)
{
	struct sl_engine_options options = { .stdlib = "stdlib", .clock = fixed_clock };
	struct sl_engine *engine = sl_engine_new(&options, NULL);
	struct client *c = arg;

	if (engine != NULL && sl_engine_load(engine, folder, NULL, NULL) == 0)
		for (int i = 0; i < 20; i++)
			converse(engine, c);
	sl_engine_free(engine);
	return NULL;
}

/* An engine for each thread, and nothing between them (helgrind looks at it). */
static void
test_threads(void **state)
{
	static struct client clients[4];
	struct sl_engine *engine = open_engine();
	struct client whole;
	pthread_t threads[4];
	int i;

	(void)state;
	converse(engine, &whole);
	sl_engine_free(engine);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, one_thread, &clients[i]), 0);
	for (i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_string_equal(clients[i].sent, whole.sent);
	}
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_session),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_many_sessions),
		cmocka_unit_test(test_out_of_order),
		cmocka_unit_test(test_closed_meanwhile),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_threads),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, write_policy, remove_policy);
}
