#include "listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../net/addr.h"
#include "plan.h"
#include "unix_socket.h"

#define BACKLOG		1024
#define PER_TURN	64	/* connections of one listener before others get their turn */
#define PAUSE_MS	1000	/* when there are no descriptors left */
#define FIRST_FD	3	/* of those that systemd hands down (sd_listen_fds(3)) */
#define MAX_INHERITED	64

struct listener {
	struct sl_listeners *owner;
	struct sl_watch watch;
	struct sl_timer pause;
	int fd;
	bool milter, handed_down;	/* by systemd */
	struct sl_addr made;		/* a unix socket that we bound; len 0 = none */
	char address[128];
};

struct set {
	struct listener *list;
	size_t n;
};

struct conn {
	bool used;
	int owner;
	uint32_t serial;		/* of this use: an old tag isn't taken for a new one */
	size_t next;			/* free one */
	char ip[64];
};

struct sl_listeners {
	struct sl_listeners_options o;
	struct set now, prepared;
	bool held;
	size_t total, per_ip, total_prepared, per_ip_prepared;
	struct conn *conns;
	size_t nconns, free, used;
	struct sl_dict *ips;
	int inherited[MAX_INHERITED];	/* -1 = used */
	int ninherited;
	bool handed_down;		/* what was bound last was one of these */
};

/* ---- who is connected ---------------------------------------------------------- */

static int
more_conns(struct sl_listeners *l)
{
	size_t n = l->nconns * 2 + 256, i;
	struct conn *more = sl_realloc(l->conns, n * sizeof(*more));

	if (more == NULL)
		return SL_ERR_NOMEM;
	memset(more + l->nconns, 0, (n - l->nconns) * sizeof(*more));
	for (i = l->nconns; i < n; i++)
		more[i].next = i + 1;
	l->free = l->nconns;
	l->conns = more;
	l->nconns = n;
	return 0;
}

static size_t
count_ip(struct sl_listeners *l, const char *ip)
{
	return (uintptr_t)sl_dict_get(l->ips, sl_str_of(ip));
}

/* Too many, or no memory to count it: why. Else NULL and its tag. */
static const char *
admit(struct sl_listeners *l, const char *ip, size_t per_ip, uint64_t *tag)
{
	size_t n = count_ip(l, ip);
	struct conn *c;

	if (l->used >= l->total || (l->free == l->nconns && more_conns(l) != 0))
		return "Too many connections";
	if (n >= per_ip || sl_dict_set(l->ips, sl_str_of(ip), (void *)(uintptr_t)(n + 1), NULL) < 0)
		return "Too many connections from your address";
	c = &l->conns[l->free];
	*tag = (uint64_t)++c->serial << 32 | l->free;
	l->free = c->next;
	l->used++;
	c->used = true;
	c->owner = -1;
	snprintf(c->ip, sizeof(c->ip), "%s", ip);
	return NULL;
}

static void
release(struct sl_listeners *l, struct conn *c)
{
	size_t n = count_ip(l, c->ip);

	if (n > 1)
		sl_dict_set(l->ips, sl_str_of(c->ip), (void *)(uintptr_t)(n - 1), NULL);
	else
		sl_dict_remove(l->ips, sl_str_of(c->ip));
	c->used = false;
	c->next = l->free;
	l->free = (size_t)(c - l->conns);
	l->used--;
}

static struct conn *
find(struct sl_listeners *l, uint64_t tag)
{
	size_t i = (size_t)(tag & UINT32_MAX);

	return i < l->nconns && l->conns[i].used && l->conns[i].serial == tag >> 32 ? &l->conns[i] :
	    NULL;
}

bool
sl_listeners_gone(struct sl_listeners *l, uint64_t tag, int owner)
{
	struct conn *c = find(l, tag);

	if (c == NULL || c->owner != owner)
		return false;
	release(l, c);
	return true;
}

void
sl_listeners_assign(struct sl_listeners *l, uint64_t tag, int owner)
{
	struct conn *c = find(l, tag);

	if (c != NULL)
		c->owner = owner;
}

void
sl_listeners_lost(struct sl_listeners *l, int owner)
{
	size_t i;

	for (i = 0; i < l->nconns; i++)
		if (l->conns[i].used && l->conns[i].owner == owner)
			release(l, &l->conns[i]);
}

/* ---- accepting --------------------------------------------------------------------- */

static void on_connection(struct sl_watch *watch, unsigned events);

static void
listen_on(struct listener *x)
{
	sl_watch_start(x->owner->o.loop, &x->watch, x->fd, SL_READ, on_connection);
}

static void
go_on(struct sl_timer *timer)
{
	listen_on(sl_list_entry(timer, struct listener, pause));
}

/* Out of descriptors or memory: who connects waits in the kernel's queue. */
static void
pause_listener(struct listener *x)
{
	sl_event(x->owner->o.events, SL_ERROR, "accept_failed", SL_FIELDS(
	    SL_F_TEXT("listener", x->address), SL_F_TEXT("error", strerror(errno))));
	sl_watch_stop(&x->watch);
	sl_timer_start(x->owner->o.loop, &x->pause, PAUSE_MS, go_on);
}

static void
connected(struct listener *x, int fd, const struct sl_addr *peer)
{
	struct sl_listeners *l = x->owner;
	struct sl_connection c = { .listener = x->address, .fd = fd };
	char ip[64] = "local";
	size_t per_ip = x->milter ? l->total : l->per_ip;

	if (peer->len > 0 && peer->sa.sa_family != AF_UNIX)
		sl_addr_ip(peer, ip, sizeof(ip));
	c.refused = admit(l, ip, per_ip, &c.tag);
	l->o.connected(l->o.arg, &c);
}

static void
on_connection(struct sl_watch *watch, unsigned events)
{
	struct listener *x = sl_list_entry(watch, struct listener, watch);
	struct sl_addr peer;
	int fd, i;

	(void)events;
	for (i = 0; i < PER_TURN; i++) {
		peer.len = sizeof(peer.storage);
		fd = accept4(x->fd, &peer.sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			connected(x, fd, &peer);
		else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			pause_listener(x);
			return;
		} else if (errno == EAGAIN)
			return;
	}
}

/* ---- binding -------------------------------------------------------------------------- */

/* What systemd handed down is looked at once, and not by our children. */
static void
inherit(struct sl_listeners *l)
{
	const char *pid = getenv("LISTEN_PID"), *n = getenv("LISTEN_FDS");
	int i;

	if (pid != NULL && n != NULL && strtol(pid, NULL, 10) == getpid()) {
		l->ninherited = (int)strtol(n, NULL, 10);
		if (l->ninherited < 0 || l->ninherited > MAX_INHERITED)
			l->ninherited = 0;
	}
	for (i = 0; i < l->ninherited; i++)
		l->inherited[i] = FIRST_FD + i;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
}

static int
take_inherited(struct sl_listeners *l, const struct sl_addr *wanted)
{
	char text[128], own[128];
	struct sl_addr a;
	int i, fd;

	sl_addr_text(wanted, text, sizeof(text));
	for (i = 0; i < l->ninherited; i++) {
		a.len = sizeof(a.storage);
		if (l->inherited[i] < 0 || getsockname(l->inherited[i], &a.sa, &a.len) != 0 ||
		    strcmp(sl_addr_text(&a, own, sizeof(own)), text) != 0)
			continue;
		fd = l->inherited[i];
		l->inherited[i] = -1;
		l->handed_down = true;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		return fd;
	}
	return -1;
}

int
sl_listeners_bind(struct sl_listeners *l, const char *key, struct sl_str address,
    struct sl_buf *report)
{
	struct sl_addr a;
	struct sl_err err;
	int fd = -1, one = 1;

	if (sl_addr_parse(&a, address, &err) != 0) {
		sl_buf_printf(report, "%s %.*s: %s\n", key, (int)address.n, address.p, err.text);
		return -1;
	}
	l->handed_down = false;
	if ((fd = take_inherited(l, &a)) >= 0)
		return fd;
	sl_unix_socket_remove_stale(&a);
	fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd >= 0 && bind(fd, &a.sa, a.len) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	sl_buf_printf(report, "%s %.*s: %s\n", key, (int)address.n, address.p, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static struct listener *
find_listener(struct set *s, struct sl_str address)
{
	size_t i;

	for (i = 0; i < s->n; i++)
		if (s->list[i].fd >= 0 && sl_str_eq(sl_str_of(s->list[i].address), address))
			return &s->list[i];
	return NULL;
}

/* 'keep': sockets of addresses that are in it too aren't closed. */
static void
clear(struct set *s, struct set *keep)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		sl_watch_stop(&s->list[i].watch);
		sl_timer_stop(&s->list[i].pause);
		if (s->list[i].fd >= 0 &&
		    (keep == NULL || find_listener(keep, sl_str_of(s->list[i].address)) == NULL)) {
			close(s->list[i].fd);
			sl_unix_socket_remove(&s->list[i].made);
		}
	}
	sl_free(s->list);
	s->list = NULL;
	s->n = 0;
}

/* A new one in what is prepared; 'address' is as in sluice.lua, 'socket' as bind takes it. */
static struct listener *
add(struct sl_listeners *l, const char *key, struct sl_str address, struct sl_str socket_address,
    struct sl_buf *report)
{
	struct listener *x, *old = find_listener(&l->now, address);

	x = sl_realloc(l->prepared.list, (l->prepared.n + 1) * sizeof(*x));
	if (x == NULL) {
		sl_buf_puts(report, "out of memory\n");
		return NULL;
	}
	l->prepared.list = x;
	x += l->prepared.n++;
	memset(x, 0, sizeof(*x));
	x->owner = l;
	snprintf(x->address, sizeof(x->address), "%.*s", (int)address.n, address.p);
	if (old != NULL)
		x->made = old->made;
	x->fd = old != NULL ? old->fd : sl_listeners_bind(l, key, socket_address, report);
	x->handed_down = old != NULL ? old->handed_down : l->handed_down;
	return x->fd >= 0 ? x : NULL;
}

/* "0660 GROUP unix:/path", "0660 - inet:127.0.0.1:8890": see plan.h. */
static int
add_milter(struct sl_listeners *l, struct sl_str line, struct sl_buf *report)
{
	struct sl_str mode, group, address, socket_address;
	struct listener *x;
	char name[64];
	struct sl_addr a;
	struct sl_err err;

	if (!sl_str_split(&line, ' ', &mode) || !sl_str_split(&line, ' ', &group))
		return SL_ERR_SYNTAX;
	address = socket_address = line;
	if (sl_str_starts(address, SL_STR("inet")))
		sl_str_split(&socket_address, ':', &(struct sl_str){ 0 });
	if ((x = add(l, "milter", address, socket_address, report)) == NULL)
		return SL_ERR_IO;
	x->milter = true;
	/* A socket of systemd has its permissions, and its end, from there. */
	if (x->handed_down || sl_addr_parse(&a, socket_address, &err) != 0 ||
	    a.sa.sa_family != AF_UNIX)
		return 0;
	x->made = a;
	snprintf(name, sizeof(name), "%.*s", (int)group.n, group.p);
	if (sl_unix_socket_permit(&a, (mode_t)strtol(mode.p, NULL, 8),
	    strcmp(name, "-") != 0 ? name : NULL, &err) == 0)
		return 0;
	sl_buf_printf(report, "milter %s: %s\n", x->address, err.text);
	return err.code;
}

int
sl_listeners_prepare(struct sl_listeners *l, struct sl_str plan, struct sl_buf *report)
{
	struct sl_str rest = plan, address;
	int rc = 0;

	while (sl_plan_each(&rest, "listen", &address))
		if (add(l, "listen", address, address, report) == NULL)
			rc = SL_ERR_IO;
	for (rest = plan; sl_plan_each(&rest, "milter", &address);)
		if (add_milter(l, address, report) != 0)
			rc = SL_ERR_IO;
	l->total_prepared = (size_t)sl_plan_number(plan, "connections", 1000);
	l->per_ip_prepared = (size_t)sl_plan_number(plan, "connections.per_ip", 50);
	if (rc != 0)
		sl_listeners_forget(l);
	return rc;
}

void
sl_listeners_switch(struct sl_listeners *l)
{
	size_t i;

	clear(&l->now, &l->prepared);
	l->now = l->prepared;
	l->prepared = (struct set){ 0 };
	l->total = l->total_prepared;
	l->per_ip = l->per_ip_prepared;
	for (i = 0; i < l->now.n && !l->held; i++)
		listen_on(&l->now.list[i]);
}

void
sl_listeners_hold(struct sl_listeners *l, bool hold)
{
	size_t i;

	l->held = hold;
	for (i = 0; i < l->now.n; i++) {
		if (!hold) {
			listen_on(&l->now.list[i]);
			continue;
		}
		sl_watch_stop(&l->now.list[i].watch);
		sl_timer_stop(&l->now.list[i].pause);
	}
}

void
sl_listeners_forget(struct sl_listeners *l)
{
	clear(&l->prepared, &l->now);
}

void
sl_listeners_stop(struct sl_listeners *l)
{
	clear(&l->now, NULL);
}

/* ---- life ------------------------------------------------------------------------------- */

struct sl_listeners *
sl_listeners_new(const struct sl_listeners_options *options, struct sl_err *err)
{
	struct sl_listeners *l = sl_calloc(1, sizeof(*l));

	if (l != NULL)
		l->ips = sl_dict_new();
	if (l == NULL || l->ips == NULL) {
		sl_free(l);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	l->o = *options;
	inherit(l);
	return l;
}

void
sl_listeners_free(struct sl_listeners *l)
{
	int i;

	if (l == NULL)
		return;
	sl_listeners_forget(l);
	sl_listeners_stop(l);
	for (i = 0; i < l->ninherited; i++)
		if (l->inherited[i] >= 0)
			close(l->inherited[i]);
	sl_dict_free(l->ips, NULL);
	sl_free(l->conns);
	sl_free(l);
}
