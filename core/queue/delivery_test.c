/*
 * Delivery with a real engine, store and resolver (zone text), against a small
 * server on the same loop that answers by the recipient's name: no@ 550,
 * later@ 451, hang@ never, others 250. The wall clock is set by the test.
 */
#include "delivery.h"

#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"
#include "../net/stream.h"
#include "../smtp/client_reply.h"
#include "command.h"
#include "seize.h"

#define START_US	(1700000000 * (int64_t)1000000)
#define PEERS		50

static struct sl_loop *loop;
static struct sl_engine *engine;
static struct sl_dns *dns;
static char folder[] = "/tmp/sluice-delivery-XXXXXX";

/* ---- the server ------------------------------------------------------------- */

struct peer {
	struct server *server;
	struct sl_stream *s;
	bool data, hangs;
	unsigned rcpts;
};

static struct server {
	struct sl_watch watch;
	int fd;
	uint16_t port;
	struct peer peers[PEERS];
	unsigned connections, open, most_open, messages, rcpts, auths, bare;
	int refuse;		/* at the greeting: 421, 554 */
	struct sl_buf data;
} server;

static void
reply_rcpt(struct peer *p, struct sl_str line)
{
	p->server->rcpts++;
	if (sl_str_find(line, SL_STR("<no@")) >= 0) {
		sl_stream_printf(p->s, "550 5.1.1 unknown\r\n");
	} else if (sl_str_find(line, SL_STR("<later@")) >= 0) {
		sl_stream_printf(p->s, "451 4.2.1 later\r\n");
	} else if (sl_str_find(line, SL_STR("<hang@")) >= 0) {
		p->hangs = true;
	} else {
		p->rcpts++;
		sl_stream_printf(p->s, "250 ok\r\n");
	}
}

static void
take_line(struct peer *p, struct sl_str line)
{
	if (p->data) {
		sl_buf_putstr(&p->server->data, line);
		sl_buf_puts(&p->server->data, "\n");
		if (!sl_str_eq(line, SL_STR(".")))
			return;
		p->data = false;
		p->server->messages++;
		sl_stream_printf(p->s, "250 2.0.0 taken\r\n");
	} else if (sl_str_starts(line, SL_STR("EHLO"))) {
		sl_stream_printf(p->s, "250-mx\r\n250-AUTH PLAIN\r\n250 PIPELINING\r\n");
	} else if (sl_str_starts(line, SL_STR("AUTH"))) {
		p->server->auths++;
		sl_stream_printf(p->s, "235 welcome\r\n");
	} else if (sl_str_starts(line, SL_STR("RCPT"))) {
		reply_rcpt(p, line);
	} else if (sl_str_starts(line, SL_STR("DATA"))) {
		p->data = true;
		sl_stream_printf(p->s, "354 go\r\n");
	} else {
		sl_stream_printf(p->s, "250 ok\r\n");
	}
}

static void
peer_read(struct sl_stream *s, void *arg)
{
	struct peer *p = arg;
	struct sl_str line;
	size_t used;

	while (!p->hangs && sl_reply_cut(sl_buf_str(sl_stream_in(s)), &line, &used)) {
		take_line(p, line);
		sl_buf_drop(sl_stream_in(s), used);
	}
}

static void
peer_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct peer *p = arg;

	(void)err;
	sl_stream_close(s);
	p->s = NULL;
	p->server->open--;
}

static void
peer_drain(struct sl_stream *s, void *arg)
{
	(void)s;
	(void)arg;
}

static const struct sl_stream_handler peer_handler = { peer_read, peer_drain, NULL, NULL, peer_end };

static void
server_accept(struct sl_watch *watch, unsigned events)
{
	struct server *v = sl_list_entry(watch, struct server, watch);
	int fd = accept4(v->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	size_t i = 0;

	(void)events;
	while (i < PEERS - 1 && v->peers[i].s != NULL)
		i++;
	memset(&v->peers[i], 0, sizeof(v->peers[i]));
	v->peers[i].server = v;
	v->peers[i].s = sl_stream_accept(loop, fd, &peer_handler, &v->peers[i], NULL);
	v->connections++;
	if (++v->open > v->most_open)
		v->most_open = v->open;
	sl_stream_printf(v->peers[i].s, v->refuse == 554 ?
	    "554 5.3.2 never\r\n" : v->refuse ? "421 4.3.2 not now\r\n" : "220 hi\r\n");
}

static void
server_start(void)
{
	struct sl_addr a;

	memset(&server, 0, sizeof(server));
	sl_addr_parse(&a, SL_STR("127.0.0.1:0"), NULL);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(server.fd, &a.sa, a.len), 0);
	assert_int_equal(listen(server.fd, 50), 0);
	assert_int_equal(getsockname(server.fd, &a.sa, &a.len), 0);
	server.port = sl_addr_port(&a);
	assert_int_equal(sl_watch_start(loop, &server.watch, server.fd, SL_READ, server_accept), 0);
}

static void
server_stop(void)
{
	sl_watch_stop(&server.watch);
	close(server.fd);
	for (size_t i = 0; i < PEERS; i++)
		sl_stream_close(server.peers[i].s);
	sl_buf_clear(&server.data);
}

/* ---- the rest of the world -------------------------------------------------------- */

static struct {
	struct sl_store *store;
	struct sl_delivery *delivery;
	struct sl_events events;
	struct sl_event_sink sink;
	struct sl_buf log;		/* "delivered a@b 250 2.0.0 taken\n" */
	struct sl_file_ops files;
	bool full;			/* the disk */
	unsigned limit;			/* connections of the route */
	unsigned at_once;
	const char *source, *username;	/* of the route */
	struct sl_str bytes;		/* of the messages */
	unsigned shared;		/* slots that other workers leave; UINT_MAX = no hook */
	unsigned taken;
	char spool[64];
	bool idle;
} w;

static ssize_t
write_or_full(void *arg, int fd, const struct iovec *iov, int n, off_t at)
{
	if (w.full) {
		errno = ENOSPC;
		return -1;
	}
	return sl_file_real.pwritev(arg, fd, iov, n, at);
}

static const char *
text_of(const struct sl_event *e, const char *name)
{
	static char copy[500];

	for (const struct sl_event_field *f = e->fields; f->kind != SL_FIELD_END; f++) {
		if (strcmp(f->name, name) == 0) {
			snprintf(copy, sizeof(copy), "%.*s", (int)f->str.n, f->str.p);
			return copy;
		}
	}
	return "";
}

static void
log_write(struct sl_event_sink *sink, const struct sl_event *e)
{
	(void)sink;
	sl_buf_printf(&w.log, "%s ", e->name);
	sl_buf_printf(&w.log, "%s ", text_of(e, "recipient"));
	sl_buf_printf(&w.log, "%s\n", text_of(e, "text"));
}

static bool
route(void *arg, const char *transport, struct sl_route *out)
{
	static char path[128];

	(void)arg;
	memset(out, 0, sizeof(*out));
	out->connections = w.limit;
	out->timeout_ms = 5000;
	out->port = server.port;
	out->source = w.source;
	out->username = w.username;
	out->password = w.username;
	if (strcmp(transport, "smtp") == 0) {
		out->kind = SL_ROUTE_SMTP;
		out->host = "127.0.0.1";
	} else if (strcmp(transport, "mx") == 0) {
		out->kind = SL_ROUTE_MX;
	} else if (strcmp(transport, "box") == 0) {
		snprintf(path, sizeof(path), "%s/mail/%%u", folder);
		out->kind = SL_ROUTE_MAILDIR;
		out->path = path;
	} else if (strcmp(transport, "discard") == 0) {
		out->kind = SL_ROUTE_DISCARD;
	} else {
		return false;
	}
	return true;
}

static double
schedule(void *arg, unsigned retry, double age)
{
	(void)arg;
	return age > 3600 ? -1 : 60.0 * retry;
}

static unsigned
attempts(void *arg)
{
	(void)arg;
	return 10;
}

static const char *
hostname(void *arg)
{
	(void)arg;
	return "me.example";
}

static const char *
transport(void *arg, const char *recipient)
{
	(void)arg;
	return strcmp(recipient, "nobody@e.example") == 0 ? NULL : "box";
}

static bool
slot_take(void *arg, const char *destination, unsigned limit)
{
	(void)arg;
	assert_true(limit > 0 && destination[0] != '\0');
	if (w.taken >= w.shared)
		return false;
	w.taken++;
	return true;
}

static void
slot_give(void *arg, const char *destination)
{
	(void)arg;
	(void)destination;
	w.taken--;
}

static struct sl_dns *
resolver(void *arg)
{
	(void)arg;
	return dns;
}

static void
open_store(void)
{
	struct sl_store_options o = { .folder = w.spool, .files = &w.files };
	struct sl_err err;

	if (sl_store_open(&w.store, loop, &o, &err) < 0)
		fail_msg("%s", err.text);
}

static void
open_delivery(void)
{
	struct sl_delivery_options o = {
		.loop = loop, .engine = engine, .store = w.store, .dns = resolver, .events = &w.events,
		.route = route, .schedule = schedule, .attempts = attempts, .transport = transport,
		.hostname = hostname, .at_once = w.at_once,
	};
	struct sl_err err;

	if (w.shared != UINT_MAX) {
		o.slot_take = slot_take;
		o.slot_give = slot_give;
	}
	w.delivery = sl_delivery_new(&o, &err);
	assert_non_null(w.delivery);
}

static int
begin(void **state)
{
	static unsigned number;

	(void)state;
	memset(&w, 0, sizeof(w));
	w.limit = 5;
	w.bytes = SL_STR("Subject: x\r\n\r\n.dot\r\n");
	w.shared = UINT_MAX;
	w.files = sl_file_real;
	w.files.pwritev = write_or_full;
	snprintf(w.spool, sizeof(w.spool), "%s/queue%u", folder, number++);
	sl_events_init(&w.events);
	w.sink.write = log_write;
	sl_events_add(&w.events, &w.sink);
	sl_loop_set_time(loop, START_US);
	server_start();
	open_store();
	return 0;
}

static int
end(void **state)
{
	(void)state;
	sl_delivery_free(w.delivery);
	sl_store_close(w.store);
	server_stop();
	sl_buf_clear(&w.log);
	return 0;
}

static void
put(const char *id, const char *sender, const char *way, const char *const *recipients)
{
	struct sl_entry entries[20] = { 0 };
	struct sl_envelope env = { .entries = entries, .received_us = sl_loop_time_us(loop) };
	struct sl_str piece = w.bytes;
	struct sl_op *op;

	env.id = (char *)(uintptr_t)id;
	env.sender = (char *)(uintptr_t)sender;
	env.facts = (char *)(uintptr_t)"{\"serverid\":\"out\"}";
	for (; recipients[env.n] != NULL; env.n++) {
		entries[env.n].recipient = (char *)(uintptr_t)recipients[env.n];
		entries[env.n].transport = (char *)(uintptr_t)way;
		entries[env.n].next_us = sl_loop_time_us(loop);
	}
	op = sl_store_accept(w.store, &env, &piece, 1);
	assert_int_equal(sl_op_block(op), 0);
	sl_op_release(op);
	if (w.delivery != NULL)
		sl_delivery_kick(w.delivery);
}

#define PUT(id, sender, way, ...) \
	put(id, sender, way, (const char *const[]){ __VA_ARGS__, NULL })

/* Engine, loop, until the log has 'lines' lines. */
static size_t
lines(const char *word)
{
	size_t n = 0;

	for (const char *p = w.log.p; p != NULL && (p = strstr(p, word)) != NULL; p += strlen(word))
		n++;
	return n;
}

static void
turn(void)
{
	sl_loop_step(loop, 20);
	sl_engine_dispatch(engine);
}

static void
until(const char *word, size_t n)
{
	int64_t stop = sl_clock_us() + 10 * 1000000;

	while (lines(word) < n) {
		if (sl_clock_us() > stop)
			fail_msg("waited for %zu of \"%s\": %s", n, word, w.log.p != NULL ? w.log.p : "");
		turn();
	}
}

static void
later(double seconds)
{
	sl_loop_set_time(loop, sl_loop_time_us(loop) + (int64_t)(seconds * 1e6));
	sl_delivery_kick(w.delivery);
}

/* ---- tests --------------------------------------------------------------------------- */

static void
one_transaction(void **state)
{
	(void)state;
	open_delivery();
	PUT("m1", "s@e.example", "smtp", "a@b", "c@d", "no@x", "e@f");
	until("\n", 4);
	assert_int_equal(server.messages, 1);
	assert_int_equal(server.rcpts, 4);
	assert_int_equal(lines(" taken\n"), 3);
	assert_int_equal(lines("bounced no@x unknown\n"), 1);
	assert_string_equal(server.data.p, "Subject: x\n\n..dot\n.\n");
	/* The notification is in the queue, by the transport that was said. */
	until("delivered s@e.example stored", 1);
	assert_int_equal(sl_store_count(w.store), 0);
}

static void
reuses_connections(void **state)
{
	char id[20];

	(void)state;
	w.limit = 1;
	open_delivery();
	for (int i = 0; i < 20; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		PUT(id, "s@e.example", "smtp", "a@b");
	}
	until("delivered", 20);
	assert_int_equal(server.messages, 20);
	assert_int_equal(server.connections, 1);
}

static void
bounded_by_slots(void **state)
{
	char id[20];

	(void)state;
	w.limit = 3;
	open_delivery();
	for (int i = 0; i < 30; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		PUT(id, "s@e.example", "smtp", "a@b");
	}
	until("delivered", 30);
	assert_true(server.most_open <= 3);
	assert_true(server.connections <= 30);
}

/* Other workers have all slots for a while: asked again, nothing lost. */
static void
shared_slots(void **state)
{
	(void)state;
	w.shared = 0;
	open_delivery();
	PUT("m1", "s@e.example", "smtp", "a@b");
	PUT("m2", "s@e.example", "smtp", "a@b");
	for (int i = 0; i < 10; i++)
		turn();
	assert_int_equal(server.connections, 0);
	w.shared = 1;
	until("delivered", 2);
	assert_int_equal(w.taken, 0);
}

/* A destination that hangs keeps nobody else waiting. */
static void
others_go_on(void **state)
{
	char id[20];

	(void)state;
	w.limit = 1;
	open_delivery();
	for (int i = 0; i < 150; i++) {
		snprintf(id, sizeof(id), "h%d", i);
		PUT(id, "s@e.example", "smtp", "hang@b");
	}
	PUT("m1", "s@e.example", "discard", "a@b");
	until("delivered a@b discarded", 1);
	assert_int_equal(server.connections, 1);
}

/* Far more than may wait for it: they are set aside, still due, anybody's to
 * change, and come when there is room. */
static void
a_crowd_is_set_aside(void **state)
{
	struct sl_op *op;
	char id[20];
	int n;

	(void)state;
	w.limit = 1;
	open_delivery();
	PUT("first", "s@e.example", "smtp", "hang@b");
	while (server.rcpts == 0)
		turn();
	for (int i = 0; i < 450; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		PUT(id, "s@e.example", "smtp", "a@b");
	}
	later(1);
	PUT("last", "s@e.example", "discard", "c@d");		/* due behind all of them */
	until("delivered c@d discarded", 1);
	assert_int_equal(server.connections, 1);
	for (n = 0; n < 450; n++) {
		snprintf(id, sizeof(id), "m%d", n);
		if (sl_store_seize(w.store, id, 0))
			break;
	}
	assert_true(n <= 200);					/* those before it wait for their turn */
	op = sl_store_remove(w.store, id);
	assert_int_equal(sl_op_block(op), 0);
	sl_op_release(op);
	for (size_t i = 0; i < PEERS; i++)
		if (server.peers[i].hangs)
			peer_end(server.peers[i].s, &server.peers[i], NULL);
	until("delivered a@b", 449);
	assert_int_equal(server.messages, 449);
	assert_int_equal(sl_store_count(w.store), 1);		/* the first, to be tried again */
}

/* Freed with some set aside: all are due for who comes next. */
static void
what_is_set_aside_stays_due(void **state)
{
	char id[20];

	(void)state;
	w.limit = 1;
	open_delivery();
	for (int i = 0; i < 300; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		PUT(id, "s@e.example", "smtp", i == 0 ? "hang@b" : "a@b");
	}
	PUT("last", "s@e.example", "discard", "c@d");
	until("delivered c@d discarded", 1);
	sl_delivery_free(w.delivery);
	open_delivery();
	w.limit = 5;
	until("delivered a@b", 299);
}

static void
retries_by_schedule(void **state)
{
	const struct sl_envelope *env;

	(void)state;
	open_delivery();
	PUT("m1", "s@e.example", "smtp", "later@b");
	until("deferred", 1);
	env = sl_store_get(w.store, "m1");
	assert_int_equal(env->entries[0].next_us, START_US + 60 * 1000000);
	assert_int_equal(env->entries[0].retry, 1);
	assert_string_equal(env->entries[0].info, "451 4.2.1 later");
	later(61);
	until("deferred", 2);
	env = sl_store_get(w.store, "m1");
	assert_int_equal(env->entries[0].next_us, START_US + (61 + 120) * (int64_t)1000000);
	/* Too old: given up, with a notification. */
	later(4000);
	until("bounced later@b", 1);
	until("delivered s@e.example stored", 1);
}

static void
no_notification(void **state)
{
	(void)state;
	open_delivery();
	/* About a notification; to somebody who can't be told. */
	PUT("m1", "", "smtp", "no@b");
	PUT("m2", "nobody@e.example", "smtp", "no@b");
	until("bounced", 2);
	until("notification_impossible", 1);
	assert_int_equal(sl_store_count(w.store), 0);
}

static void
network_failures(void **state)
{
	(void)state;
	open_delivery();
	server.refuse = 421;
	PUT("m1", "s@e.example", "smtp", "a@b");
	until("deferred a@b not now", 1);
	server.refuse = 0;
	PUT("m2", "s@e.example", "nosuch", "a@b");
	until("deferred a@b the policy has no such transport", 1);
	PUT("m3", "s@e.example", "mx", "a@null.example");
	until("bounced a@null.example the domain accepts no mail", 1);
	PUT("m4", "s@e.example", "mx", "a@fail.example");
	until("deferred a@fail.example DNS gave no answer", 1);
	later(100);
	until("delivered a@b taken", 1);
}

/* The first MX isn't there, the second is. */
static void
backup_mx(void **state)
{
	(void)state;
	open_delivery();
	PUT("m1", "s@e.example", "mx", "a@two.example", "b@two.example");
	until("delivered", 2);
	assert_int_equal(server.messages, 1);
}

/* One host can't be reached, the other wants nobody: that isn't for good. Nor
 * is it when the first refuses and no connection to the second can begin. */
static void
not_all_hosts_refuse(void **state)
{
	(void)state;
	open_delivery();
	server.refuse = 554;
	PUT("m1", "s@e.example", "mx", "a@two.example");
	until("deferred a@two.example", 1);
	PUT("m2", "s@e.example", "mx", "a@all.example");
	until("bounced a@all.example never", 1);
	w.source = "127.0.0.1";
	PUT("m3", "s@e.example", "mx", "a@mixed.example");
	until("deferred a@mixed.example", 1);
	assert_int_equal(lines("bounced"), 1);
}

/* A very long name doesn't hide that another one follows. */
static void
connections_of_one_kind_only(void **state)
{
	static char names[2][1500];

	(void)state;
	for (int i = 0; i < 2; i++) {
		memset(names[i], 'x', sizeof(names[i]) - 2);
		names[i][sizeof(names[i]) - 2] = (char)('1' + i);
	}
	open_delivery();
	w.username = names[0];
	PUT("m1", "s@e.example", "smtp", "a@b");
	until("delivered", 1);
	w.username = names[1];
	PUT("m2", "s@e.example", "smtp", "a@b");
	until("delivered", 2);
	assert_int_equal(server.connections, 2);
	PUT("m3", "s@e.example", "smtp", "a@b");
	until("delivered", 3);
	assert_int_equal(server.connections, 2);
}

/* The transport's password is for its own host, not for one that a script names. */
static void
passwords_stay_with_their_host(void **state)
{
	(void)state;
	open_delivery();
	w.username = "me";
	PUT("m1", "s@e.example", "smtp", "a@b");
	until("delivered", 1);
	assert_int_equal(server.auths, 1);
	PUT("m2", "s@e.example", "smtp", "far@b");
	until("delivered", 2);
	assert_int_equal(server.connections, 2);
	assert_int_equal(server.auths, 1);
	PUT("m3", "s@e.example", "smtp", "known@b");
	until("delivered", 3);
	assert_int_equal(server.auths, 2);
}

/* Slots that become free at one moment don't make everybody run at once. */
static void
what_waited_comes_by_and_by(void **state)
{
	char id[20];

	(void)state;
	w.shared = 0;
	w.limit = 100;
	w.at_once = 2;
	open_delivery();
	for (int i = 0; i < 30; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		PUT(id, "s@e.example", "smtp", "hang@b");
	}
	for (int i = 0; i < 200; i++)
		turn();
	w.shared = 100;
	while (server.most_open < 4)
		turn();
	for (int i = 0; i < 100; i++)
		turn();
	assert_int_equal(server.most_open, 4);
}

/* The header of what is sent back is cut at the end of a line. */
static void
notification_of_a_large_header(void **state)
{
	static char big[70000];
	char command[300];

	(void)state;
	memset(big, 'x', sizeof(big));
	memcpy(big, "A: ", 3);
	for (size_t i = 65535; i >= 500; i -= 500)
		memcpy(big + i, "\r\nB: ", 5);
	memcpy(big + sizeof(big) - 4, "\r\n\r\n", 4);
	w.bytes = (struct sl_str){ big, sizeof(big) };
	open_delivery();
	PUT("m1", "large@e.example", "smtp", "no@b");
	until("delivered large@e.example stored", 1);
	snprintf(command, sizeof(command), "grep -q '^B: xx' %s/mail/large/new/* && "
	    "! grep -qP '\\r\\r|\\r.' %s/mail/large/new/*", folder, folder);
	assert_int_equal(system(command), 0);
}

static void
maildir(void **state)
{
	char path[200];

	(void)state;
	open_delivery();
	PUT("m1", "s@e.example", "box", "alice@b");
	until("delivered alice@b stored", 1);
	snprintf(path, sizeof(path), "%s/mail/alice/new/1700000000.m1_0.sluice", folder);
	assert_int_equal(access(path, R_OK), 0);
	PUT("m2", "s@e.example", "box", "\"../x\"@b");
	until("bounced \"../x\"@b", 1);
}

static void
scripts(void **state)
{
	const struct sl_envelope *env;

	(void)state;
	open_delivery();
	PUT("m1", "s@e.example", "smtp", "wait@b");
	until("rescheduled wait@b", 1);
	env = sl_store_get(w.store, "m1");
	assert_int_equal(env->entries[0].next_us, START_US + 30 * 1000000);
	assert_int_equal(env->entries[0].retry, 0);
	PUT("m2", "s@e.example", "smtp", "drop@b");
	until("dropped drop@b", 1);
	PUT("m3", "s@e.example", "smtp", "alias@b");
	until("delivered real@b taken", 1);
	/* postdelivery */
	PUT("m4", "s@e.example", "smtp", "no@elsewhere");
	until("redirected no@elsewhere", 1);
	until("delivered else@b discarded", 1);
	PUT("m5", "s@e.example", "smtp", "no@again");
	until("deferred no@again", 1);
	assert_int_equal(sl_store_get(w.store, "m5")->entries[0].next_us, START_US + 7 * 1000000);
	PUT("m6", "s@e.example", "smtp", "ok@again");
	until("delivered ok@again taken", 1);
	assert_int_equal(sl_store_count(w.store), 2);
}

/* The disk is full when the result is to be recorded: it isn't delivered again. */
static void
unrecorded(void **state)
{
	(void)state;
	open_delivery();
	PUT("m1", "s@e.example", "smtp", "a@b");
	while (server.messages == 0)
		turn();
	w.full = true;
	until("result_unrecorded", 1);
	assert_int_equal(lines("delivered"), 0);
	later(1000);
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(server.messages, 1);
	w.full = false;
	until("delivered a@b", 1);
	assert_int_equal(server.messages, 1);
	assert_int_equal(sl_store_count(w.store), 0);
}

/* ---- by hand --------------------------------------------------------------------------- */

static int
answer_put(void *arg, const void *p, size_t n)
{
	return sl_buf_put(arg, p, n);
}

static bool
answer_full(void *arg)
{
	(void)arg;
	return false;
}

static void
answer_done(void *arg, int rc)
{
	assert_int_equal(rc, 0);
	sl_buf_puts(arg, "end");
}

static void
command(const char *request, const char *want)
{
	struct sl_buf answer = SL_BUF_INIT;
	struct sl_queue_output out = { answer_put, answer_full, answer_done, &answer };
	struct sl_queue_run *run = sl_queue_run_new(loop, w.store, w.delivery, NULL, sl_str_of(request),
	    &out);

	assert_non_null(run);
	while (answer.n < 3 || memcmp(answer.p + answer.n - 3, "end", 3) != 0)
		turn();
	sl_queue_run_free(run);
	if (strstr(answer.p, want) == NULL)
		fail_msg("%s: %s", request, answer.p);
	sl_buf_clear(&answer);
}

/* What an attempt has is left alone: it is neither sent twice nor gone while
 * it is sent. What waits for its time is sent at once. */
static void
commands_beside_attempts(void **state)
{
	(void)state;
	open_delivery();
	PUT("m1", "", "smtp", "hang@b");
	PUT("m2", "", "smtp", "later@b");
	until("deferred later@b", 1);
	while (server.open < 1 || server.rcpts < 2)
		turn();
	command("{\"command\":\"remove\",\"id\":\"m1\"}", "\"code\":\"busy\"");
	command("{\"command\":\"retry\",\"all\":true}", "\"messages\":2,\"busy\":1");
	until("deferred later@b", 2);
	assert_int_equal(server.rcpts, 3);
	command("{\"command\":\"remove\",\"all\":true}", "\"messages\":2,\"busy\":1");
	assert_non_null(sl_store_get(w.store, "m1"));
	assert_null(sl_store_get(w.store, "m2"));
	sl_delivery_free(w.delivery);
	w.delivery = NULL;
	command("{\"command\":\"remove\",\"id\":\"m1\"}", "\"messages\":1,\"busy\":0");
	assert_int_equal(sl_store_count(w.store), 0);
	assert_int_equal(server.messages, 0);
}

static void
on_idle(void *arg)
{
	assert_ptr_equal(arg, &w);
	assert_false(w.idle);
	w.idle = true;
}

static void
drains(void **state)
{
	char id[20];

	(void)state;
	w.limit = 1;
	open_delivery();
	PUT("m0", "s@e.example", "smtp", "a@b");
	while (server.rcpts == 0)
		turn();
	for (int i = 1; i < 10; i++) {
		snprintf(id, sizeof(id), "m%d", i);
		PUT(id, "s@e.example", "smtp", "a@b");
	}
	sl_delivery_drain(w.delivery, on_idle, &w);
	while (!w.idle)
		turn();
	/* What was under way is finished, what waited is still there. */
	assert_int_equal(lines("delivered"), 1);
	assert_int_equal(sl_store_count(w.store), 9);
	sl_delivery_free(w.delivery);
	open_delivery();
	until("delivered", 10);
	assert_int_equal(server.messages, 10);
}

/* A host that hangs before it has the message isn't waited for. */
static void
drains_beside_a_host_that_hangs(void **state)
{
	(void)state;
	open_delivery();
	PUT("m0", "s@e.example", "smtp", "hang@b");
	while (server.rcpts == 0)
		turn();
	sl_delivery_drain(w.delivery, on_idle, &w);
	assert_false(w.idle);
	while (!w.idle)
		turn();
	assert_int_equal(lines("deferred"), 0);		/* due again, no attempt counted */
	assert_int_equal(sl_store_get(w.store, "m0")->entries[0].retry, 0);
}

/* Freed at any moment: nothing is lost, and what was not yet sent is sent then. */
static void
freed_at_any_time(void **state)
{
	(void)state;
	for (int turns = 0; turns < 30; turns++) {
		char id[20];

		snprintf(id, sizeof(id), "m%d", turns);
		sl_buf_reset(&w.log);
		open_delivery();
		PUT(id, "", "smtp", "a@b", "c@b");
		for (int i = 0; i < turns; i++)
			turn();
		sl_delivery_free(w.delivery);
		w.delivery = NULL;
		turn();
		open_delivery();
		while (sl_store_count(w.store) > 0)
			turn();
		sl_delivery_free(w.delivery);
		w.delivery = NULL;
	}
	assert_true(server.messages >= 30);
}

/* The n-th allocation fails while a message is delivered: it arrives all the same. */
static void
out_of_memory(void **state)
{
	(void)state;
	open_delivery();
	for (unsigned long n = 1; n < 120; n += 3) {
		char id[20];

		snprintf(id, sizeof(id), "m%lu", n);
		PUT(id, "", "smtp", "a@b");
		sl_alloc_fail_at(n, 0);
		for (int i = 0; i < 15; i++)
			turn();
		sl_alloc_fail_at(0, 0);
		later(3000);
		while (sl_store_count(w.store) > 0) {
			later(300);
			turn();
		}
	}
}

/* ---- ---------------------------------------------------------------------------------- */

static const char config[] =
    "return { hostname = \"me.example\","
    " servers = { out = { flows = { predelivery = \"pre.lua\", postdelivery = \"post.lua\" },"
    " relay = { [\"*\"] = { transport = \"smtp\" } } } },"
    " transports = { smtp = { host = \"127.0.0.1\" }, discard = { discard = true } } }\n";
static const char pre[] =
    "if recipient == \"wait@b\" then Reschedule(30, { increment_retry = false }) end\n"
    "if recipient == \"drop@b\" then Delete() end\n"
    "if recipient == \"alias@b\" then SetRecipient(\"real@b\") end\n"
    "if recipient == \"far@b\" then SetDestination(\"mx2.two.example\") end\n"
    "if recipient == \"known@b\" then Try{ host = \"mx2.two.example\", saslusername = \"u\","
    " saslpassword = \"its own\" } end\n";
static const char post[] =
    "if recipient == \"no@elsewhere\" then Deliver(\"else@b\", \"discard\") end\n"
    "if recipientdomain == \"again\" then Retry(7) end\n";
static const char zone[] =
    "null.example. MX 0 .\nfail.example. SERVFAIL\n"
    "two.example. MX 1 mx1.two.example.\ntwo.example. MX 2 mx2.two.example.\n"
    "mx1.two.example. A 127.0.0.2\nmx2.two.example. A 127.0.0.1\n"
    "all.example. MX 1 mx2.two.example.\nmixed.example. MX 1 mx2.two.example.\n"
    "mixed.example. MX 2 six.example.\nsix.example. AAAA ::1\n";

static void
write_file(const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/policy/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int
load_policy(void)
{
	struct sl_engine_parts parts = { .loop = loop, .dns = dns };
	struct sl_engine_options o = { .stdlib = "stdlib", .parts = &parts };
	struct sl_generation *generation;
	struct sl_buf report = SL_BUF_INIT;
	struct sl_err err;
	char path[200];

	snprintf(path, sizeof(path), "mkdir -p %s/policy %s/mail", folder, folder);
	if (system(path) != 0)
		return -1;
	write_file("sluice.lua", config);
	write_file("pre.lua", pre);
	write_file("post.lua", post);
	snprintf(path, sizeof(path), "%s/policy", folder);
	engine = sl_engine_new(&o, &err);
	if (engine == NULL || sl_engine_prepare_folder(engine, path, &generation, &report) != 0) {
		print_error("%s\n", report.p != NULL ? report.p : err.text);
		return -1;
	}
	sl_engine_commit(engine, generation);
	sl_buf_clear(&report);
	return 0;
}

static int
setup(void **state)
{
	struct sl_dns_options o = { .zone = { zone, sizeof(zone) - 1 }, .zone_only = true };
	struct sl_err err;

	(void)state;
	loop = sl_loop_new(&err);
	dns = sl_dns_open(loop, &o, &err);
	if (mkdtemp(folder) == NULL || dns == NULL)
		return -1;
	return load_policy();
}

static int
teardown(void **state)
{
	char command[100];

	(void)state;
	sl_engine_free(engine);
	sl_dns_unref(dns);
	sl_loop_free(loop);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_transaction),
		TEST(reuses_connections),
		TEST(bounded_by_slots),
		TEST(shared_slots),
		TEST(others_go_on),
		TEST(a_crowd_is_set_aside),
		TEST(what_is_set_aside_stays_due),
		TEST(retries_by_schedule),
		TEST(no_notification),
		TEST(network_failures),
		TEST(backup_mx),
		TEST(not_all_hosts_refuse),
		TEST(connections_of_one_kind_only),
		TEST(passwords_stay_with_their_host),
		TEST(what_waited_comes_by_and_by),
		TEST(notification_of_a_large_header),
		TEST(maildir),
		TEST(scripts),
		TEST(unrecorded),
		TEST(commands_beside_attempts),
		TEST(drains),
		TEST(drains_beside_a_host_that_hangs),
		TEST(freed_at_any_time),
		TEST(out_of_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
