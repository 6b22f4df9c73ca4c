/*
 * libunbound's event interface asks for "watch this descriptor, call me after
 * this time": its events are our watches and timers.
 *
 * Options come before everything else, because adding local data locks them;
 * every return is checked. The defaults throttle (16 ports) and swallow names
 * (.test, .invalid, private reverse zones), so they are set.
 */
#include "unbound.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>
#include <unbound.h>
#include <unbound-event.h>

#include "../base/alloc.h"
#include "packet.h"

#define TYPE_RRSIG	46
#define TYPE_DNSKEY	48

struct base {
	struct ub_event_base super;
	struct sl_loop *loop;
};

struct event {
	struct ub_event super;
	struct sl_loop *loop;
	struct sl_watch watch;
	struct sl_timer timer;
	int fd;
	short bits;
	bool persist, added;
	void (*cb)(int, short, void *);
	void *arg;
};

struct sl_unbound {
	struct base base;
	struct ub_ctx *ctx;
};

/* ---- events ------------------------------------------------------------------------- */

static struct event *
event_of(struct ub_event *e)
{
	return (struct event *)(void *)e;
}

static void
stop(struct event *e)
{
	sl_watch_stop(&e->watch);
	sl_timer_stop(&e->timer);
	e->added = false;
}

static void
on_ready(struct sl_watch *watch, unsigned events)
{
	struct event *e = sl_list_entry(watch, struct event, watch);
	short bits = 0;

	if (events & (SL_READ | SL_HANGUP))
		bits |= UB_EV_READ;
	if (events & (SL_WRITE | SL_HANGUP))
		bits |= UB_EV_WRITE;
	bits &= e->bits;
	if (bits == 0)
		return;
	if ((e->bits & UB_EV_PERSIST) == 0)
		stop(e);
	e->cb(e->fd, bits, e->arg);
}

static void
on_timeout(struct sl_timer *timer)
{
	struct event *e = sl_list_entry(timer, struct event, timer);

	if ((e->bits & UB_EV_PERSIST) == 0)
		stop(e);
	e->cb(e->fd, UB_EV_TIMEOUT, e->arg);
}

static int
event_add(struct ub_event *ue, struct timeval *tv)
{
	struct event *e = event_of(ue);
	unsigned wanted = ((e->bits & UB_EV_READ) ? SL_READ : 0) | ((e->bits & UB_EV_WRITE) ? SL_WRITE : 0);

	stop(e);
	if (e->fd >= 0 && wanted != 0 && sl_watch_start(e->loop, &e->watch, e->fd, wanted, on_ready) != 0)
		return -1;
	if (tv != NULL && sl_timer_start(e->loop, &e->timer, tv->tv_sec * 1000 + tv->tv_usec / 1000,
	    on_timeout) != 0)
		return -1;
	e->added = true;
	return 0;
}

static int
event_del(struct ub_event *ue)
{
	stop(event_of(ue));
	return 0;
}

static int
timer_add(struct ub_event *ue, struct ub_event_base *base, void (*cb)(int, short, void *), void *arg,
    struct timeval *tv)
{
	struct event *e = event_of(ue);

	(void)base;
	e->cb = cb;
	e->arg = arg;
	stop(e);
	return sl_timer_start(e->loop, &e->timer, tv->tv_sec * 1000 + tv->tv_usec / 1000, on_timeout);
}

static int
timer_del(struct ub_event *ue)
{
	sl_timer_stop(&event_of(ue)->timer);
	return 0;
}

static void
add_bits(struct ub_event *ue, short bits)
{
	event_of(ue)->bits |= bits;
}

static void
del_bits(struct ub_event *ue, short bits)
{
	event_of(ue)->bits &= (short)~bits;
}

static void
set_fd(struct ub_event *ue, int fd)
{
	event_of(ue)->fd = fd;
}

static void
event_free(struct ub_event *ue)
{
	stop(event_of(ue));
	sl_free(ue);
}

static int
signal_none(struct ub_event *ue, struct timeval *tv)
{
	(void)ue;
	(void)tv;
	return 0;
}

static int
signal_del(struct ub_event *ue)
{
	(void)ue;
	return 0;
}

static void
winsock_none(struct ub_event *ue, int bits)
{
	(void)ue;
	(void)bits;
}

static struct ub_event_vmt event_vmt = {
	.add_bits = add_bits, .del_bits = del_bits, .set_fd = set_fd, .free = event_free,
	.add = event_add, .del = event_del, .add_timer = timer_add, .del_timer = timer_del,
	.add_signal = signal_none, .del_signal = signal_del,
	.winsock_unregister_wsaevent = (void (*)(struct ub_event *))(void (*)(void))signal_del,
	.winsock_tcp_wouldblock = winsock_none,
};

static struct ub_event *
new_event(struct ub_event_base *ub, int fd, short bits, void (*cb)(int, short, void *), void *arg)
{
	struct event *e = sl_calloc(1, sizeof(*e));

	if (e == NULL)
		return NULL;
	e->super.magic = UB_EVENT_MAGIC;
	e->super.vmt = &event_vmt;
	e->loop = ((struct base *)(void *)ub)->loop;
	e->fd = fd;
	e->bits = bits;
	e->cb = cb;
	e->arg = arg;
	return &e->super;
}

static struct ub_event *
new_signal(struct ub_event_base *ub, int fd, void (*cb)(int, short, void *), void *arg)
{
	return new_event(ub, fd, UB_EV_SIGNAL, cb, arg);
}

static struct ub_event *
winsock_register(struct ub_event_base *ub, void *wsock, void (*cb)(int, short, void *), void *arg)
{
	(void)wsock;
	return new_event(ub, -1, 0, cb, arg);
}

static void
base_free(struct ub_event_base *ub)
{
	(void)ub;
}

static int
base_none(struct ub_event_base *ub)
{
	(void)ub;
	return 0;
}

static int
base_exit(struct ub_event_base *ub, struct timeval *tv)
{
	(void)ub;
	(void)tv;
	return 0;
}

static struct ub_event_base_vmt base_vmt = {
	.free = base_free, .dispatch = base_none, .loopexit = base_exit, .new_event = new_event,
	.new_signal = new_signal, .winsock_register_wsaevent = winsock_register,
};

/* ---- options -------------------------------------------------------------------------- */

static int
set(struct sl_unbound *u, const char *option, const char *value, struct sl_err *err)
{
	int rc = ub_ctx_set_option(u->ctx, option, value);

	if (rc != 0)
		return sl_err_set(err, SL_ERR_INVAL, "resolver option %s %s: %s", option, value,
		    ub_strerror(rc));
	return 0;
}

static int
set_options(struct sl_unbound *u, struct sl_err *err)
{
	static const char *const options[][2] = {
		{ "outgoing-range:", "1024" }, { "num-queries-per-thread:", "4096" },
		{ "outgoing-num-tcp:", "50" }, { "rrset-cache-size:", "32m" },
		{ "msg-cache-size:", "16m" }, { "infra-host-ttl:", "60" },
		{ "do-not-query-localhost:", "no" }, { "unblock-lan-zones:", "yes" },
		{ "insecure-lan-zones:", "yes" }, { "use-syslog:", "no" }, { "logfile:", "/dev/null" },
		{ "local-zone:", "test. transparent" }, { "local-zone:", "invalid. transparent" },
		{ "local-zone:", "onion. transparent" }, { "verbosity:", "0" },
	};
	size_t i;
	int rc;

	for (i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if ((rc = set(u, options[i][0], options[i][1], err)) != 0)
			return rc;
	return 0;
}

/* "192.0.2.1:5353" is 192.0.2.1@5353 there. */
static int
forward(struct sl_unbound *u, const char *server, struct sl_err *err)
{
	char text[128];
	struct sl_addr addr;
	int rc;

	if (sl_addr_parse_ip(&addr, sl_str_of(server), 53) == 0) {
		snprintf(text, sizeof(text), "%s", server);
	} else if (sl_addr_parse(&addr, sl_str_of(server), err) == 0) {
		char ip[64];

		snprintf(text, sizeof(text), "%s@%u", sl_addr_ip(&addr, ip, sizeof(ip)),
		    sl_addr_port(&addr));
	} else {
		return SL_ERR_SYNTAX;
	}
	rc = ub_ctx_set_fwd(u->ctx, text);
	return rc == 0 ? 0 : sl_err_set(err, SL_ERR_INVAL, "dns server %s: %s", server, ub_strerror(rc));
}

static int
set_servers(struct sl_unbound *u, const struct sl_dns_options *o, struct sl_err *err)
{
	size_t i;
	int rc;

	if (o->recurse)
		return 0;
	if (o->servers == NULL || o->servers[0] == NULL) {
		rc = ub_ctx_resolvconf(u->ctx, NULL);
		return rc == 0 ? 0 : sl_err_set(err, SL_ERR_INVAL, "/etc/resolv.conf: %s",
		    ub_strerror(rc));
	}
	for (i = 0; o->servers[i] != NULL; i++)
		if ((rc = forward(u, o->servers[i], err)) != 0)
			return rc;
	return 0;
}

/* One record a line, as unbound wants them. */
static int
add_anchors(struct sl_unbound *u, struct sl_str text, struct sl_err *err)
{
	struct sl_str line;
	char record[2048];
	unsigned n = 0;
	int rc;

	while (sl_str_split(&text, '\n', &line)) {
		line = sl_str_trim(line);
		if (line.n == 0 || line.p[0] == ';')
			continue;
		snprintf(record, sizeof(record), "%.*s", (int)line.n, line.p);
		rc = ub_ctx_add_ta(u->ctx, record);
		if (rc != 0)
			return sl_err_set(err, SL_ERR_INVAL, "dnssec: trust anchor \"%.40s\": %s", record,
			    ub_strerror(rc));
		n++;
	}
	return n > 0 ? 0 : sl_err_set(err, SL_ERR_INVAL, "dnssec: no trust anchor in the file");
}

static int
set_anchors(struct sl_unbound *u, const struct sl_dns_options *o, struct sl_err *err)
{
	static const char *const files[] = { "/usr/share/dns/root.key", "/var/lib/unbound/root.key" };
	size_t i;
	int rc;

	if (o->anchor.n > 0)
		return add_anchors(u, o->anchor, err);
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (access(files[i], R_OK) != 0)
			continue;
		rc = ub_ctx_add_ta_file(u->ctx, files[i]);
		return rc == 0 ? 0 : sl_err_set(err, SL_ERR_INVAL, "dnssec: %s: %s", files[i],
		    ub_strerror(rc));
	}
	return sl_err_set(err, SL_ERR_NOTFOUND, "dnssec: neither %s nor %s is there", files[0], files[1]);
}

struct sl_unbound *
sl_unbound_open(struct sl_loop *loop, const struct sl_dns_options *options, bool validate,
    struct sl_err *err)
{
	struct sl_unbound *u = sl_calloc(1, sizeof(*u));
	int rc;

	if (u == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	u->base.super.magic = UB_EVENT_MAGIC;
	u->base.super.vmt = &base_vmt;
	u->base.loop = loop;
	u->ctx = ub_ctx_create_ub_event(&u->base.super);
	if (u->ctx == NULL) {
		sl_free(u);
		sl_err_set(err, SL_ERR_NOMEM, "the resolver can't be created");
		return NULL;
	}
	rc = set_options(u, err);
	if (rc == 0 && validate)
		rc = set_anchors(u, options, err);
	if (rc == 0)
		rc = set_servers(u, options, err);
	/* anchors are read when the first local data or question comes: now */
	if (rc == 0 && validate && ub_ctx_zone_remove(u->ctx, "none.invalid.") != 0)
		rc = sl_err_set(err, SL_ERR_INVAL, "dnssec: the trust anchors can't be read");
	if (rc != 0) {
		sl_unbound_close(u);
		return NULL;
	}
	return u;
}

/* Deleting fires what is pending: callers have cancelled their questions. */
void
sl_unbound_close(struct sl_unbound *u)
{
	if (u == NULL)
		return;
	ub_ctx_delete(u->ctx);
	sl_free(u);
}

/* ---- questions --------------------------------------------------------------------------- */

struct question {
	struct sl_unbound *u;
	sl_unbound_fn *done;
	void *arg;
	unsigned type;		/* wanted of the answer */
	int id;
	bool asking;		/* inside ub_resolve_event */
	bool over;
	char name[256];
};

static struct sl_dns_answer *
answer_of(const struct question *q, int rcode, void *packet, int len, int sec)
{
	struct sl_dns_answer *a;

	if (sec == 1)
		return sl_dns_answer_empty(SL_DNS_BOGUS);
	/* on failure the packet is that of some step before */
	if (rcode != 0 && rcode != 3)
		return sl_dns_answer_empty(SL_DNS_SERVFAIL);
	if (packet == NULL || len <= 0)
		return sl_dns_answer_empty(rcode == 3 ? SL_DNS_NXDOMAIN : SL_DNS_SERVFAIL);
	a = sl_packet_parse((struct sl_str){ packet, (size_t)len }, q->name,
	    (enum sl_dns_type)q->type);
	if (a != NULL)
		a->secure = sec == 2;
	return a;
}

static void
answered(void *arg, int rcode, void *packet, int len, int sec, char *why, int limited)
{
	struct question *q = arg;
	struct sl_dns_answer *a = answer_of(q, rcode, packet, len, sec);

	(void)why;
	(void)limited;
	q->over = true;
	q->done(q->arg, a);
	if (!q->asking)
		sl_free(q);
}

static int
ask(struct sl_unbound *u, const char *name, unsigned type, unsigned wanted, sl_unbound_fn *done,
    void *arg, void **question)
{
	struct question *q = sl_calloc(1, sizeof(*q));
	int rc;

	*question = NULL;
	if (q == NULL)
		return SL_ERR_NOMEM;
	q->u = u;
	q->done = done;
	q->arg = arg;
	q->type = wanted;
	q->asking = true;
	snprintf(q->name, sizeof(q->name), "%s", name);
	rc = ub_resolve_event(u->ctx, name, (int)type, 1, q, answered, &q->id);
	q->asking = false;
	if (q->over || rc != 0)
		sl_free(q);
	else
		*question = q;
	return rc != 0 ? SL_ERR_TEMP : 0;
}

int
sl_unbound_ask(struct sl_unbound *u, const char *name, enum sl_dns_type type, sl_unbound_fn *done,
    void *arg, void **question)
{
	return ask(u, name, (unsigned)type, (unsigned)type, done, arg, question);
}

int
sl_unbound_ask_root(struct sl_unbound *u, sl_unbound_fn *done, void *arg, void **question)
{
	return ask(u, ".", TYPE_DNSKEY, TYPE_RRSIG, done, arg, question);
}

void
sl_unbound_cancel(void *question)
{
	struct question *q = question;

	if (q == NULL)
		return;
	ub_cancel(q->u->ctx, q->id);
	sl_free(q);
}
