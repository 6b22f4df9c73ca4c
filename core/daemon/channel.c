#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../base/alloc.h"

#define MAX_KEPT	4096	/* packets that wait for the other side */
#define PER_TURN	64

struct header {
	uint32_t kind, reserved;
	uint64_t number;
};

union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(SL_PACKET_FDS * sizeof(int))];
};

struct kept {
	struct sl_list link;
	struct sl_packet packet;
	char text[];
};

struct sl_channel {
	struct sl_channel_options o;
	struct sl_watch watch;
	struct sl_list kept;
	unsigned nkept;
	bool dead;
	char *buffer;
};

static void
close_fds(struct sl_packet *p)
{
	unsigned i;

	for (i = 0; i < p->nfds; i++)
		if (p->fds[i] >= 0)
			close(p->fds[i]);
}

/* ---- sending ------------------------------------------------------------------ */

static int
send_now(int fd, const struct sl_packet *p)
{
	struct header h = { .kind = p->kind, .number = p->number };
	size_t n = p->text.n < SL_PACKET_TEXT ? p->text.n : SL_PACKET_TEXT;
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)(uintptr_t)p->text.p, n } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = n > 0 ? 2 : 1 };
	union control control;
	struct cmsghdr *c;

	if (p->nfds > 0) {
		memset(&control, 0, sizeof(control));
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(p->nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(p->nfds * sizeof(int));
		memcpy(CMSG_DATA(c), p->fds, p->nfds * sizeof(int));
	}
	for (;;) {
		if (sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return 0;
		if (errno != EINTR)
			/* ETOOMANYREFS: too many descriptors are on their way */
			return errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS ?
			    SL_ERR_TEMP : SL_ERR_CLOSED;
	}
}

static void on_event(struct sl_watch *watch, unsigned events);

static int
watch(struct sl_channel *ch)
{
	return sl_watch_start(ch->o.loop, &ch->watch, ch->o.fd,
	    SL_READ | (ch->nkept > 0 ? SL_WRITE : 0), on_event);
}

static int
keep(struct sl_channel *ch, const struct sl_packet *p)
{
	size_t n = p->text.n < SL_PACKET_TEXT ? p->text.n : SL_PACKET_TEXT;
	struct kept *k;
	unsigned i;

	if (ch->nkept == MAX_KEPT || (k = sl_calloc(1, sizeof(*k) + n)) == NULL)
		return SL_ERR_LIMIT;
	k->packet = *p;
	if (n > 0)
		memcpy(k->text, p->text.p, n);
	k->packet.text = (struct sl_str){ k->text, n };
	for (i = 0; i < p->nfds; i++)
		k->packet.fds[i] = fcntl(p->fds[i], F_DUPFD_CLOEXEC, 3);
	sl_list_insert(&ch->kept, &k->link);
	ch->nkept++;
	return watch(ch);
}

static void
drop_first(struct sl_channel *ch)
{
	struct kept *k = sl_list_entry(sl_list_pop(&ch->kept), struct kept, link);

	ch->nkept--;
	close_fds(&k->packet);
	sl_free(k);
}

static void
send_kept(struct sl_channel *ch)
{
	while (ch->nkept > 0) {
		if (send_now(ch->o.fd, &sl_list_entry(ch->kept.next, struct kept, link)->packet) ==
		    SL_ERR_TEMP)
			return;
		drop_first(ch);
	}
	watch(ch);
}

int
sl_channel_try(struct sl_channel *ch, const struct sl_packet *p)
{
	return ch->nkept > 0 ? SL_ERR_TEMP : send_now(ch->o.fd, p);
}

int
sl_channel_send(struct sl_channel *ch, const struct sl_packet *p)
{
	int rc = sl_channel_try(ch, p);

	return rc == SL_ERR_TEMP ? keep(ch, p) : rc;
}

int
sl_channel_say(struct sl_channel *ch, enum sl_packet_kind kind, struct sl_str text)
{
	struct sl_packet p = { .kind = kind, .text = text };

	return sl_channel_send(ch, &p);
}

/* ---- receiving ------------------------------------------------------------------ */

static void
take_fds(struct msghdr *m, struct sl_packet *p)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
			p->nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(p->fds, CMSG_DATA(c), p->nfds * sizeof(int));
		}
}

/* 1 = a packet, 0 = none now, -1 = the end. */
static int
receive(struct sl_channel *ch, struct sl_packet *p)
{
	struct header h;
	struct iovec iov[2] = { { &h, sizeof(h) }, { ch->buffer, SL_PACKET_TEXT } };
	union control control;
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2, .msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes) };
	ssize_t n;

	do
		n = recvmsg(ch->o.fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < (ssize_t)sizeof(h))
		return -1;
	memset(p, 0, sizeof(*p));
	take_fds(&m, p);
	p->kind = h.kind;
	p->number = h.number;
	p->text = (struct sl_str){ ch->buffer, (size_t)n - sizeof(h) };
	return 1;
}

static void
free_later(void *p)
{
	struct sl_channel *ch = p;

	sl_free(ch->buffer);
	sl_free(ch);
}

/* At most 'n' packets; less than 0: the other side is gone. */
static int
take(struct sl_channel *ch, int n)
{
	struct sl_packet p;
	int got = 1;

	while (n-- > 0 && !ch->dead && (got = receive(ch, &p)) > 0) {
		ch->o.packet(ch->o.arg, &p);
		close_fds(&p);
	}
	return got;
}

void
sl_channel_read(struct sl_channel *ch)
{
	take(ch, MAX_KEPT);
}

static void
on_event(struct sl_watch *w, unsigned events)
{
	struct sl_channel *ch = sl_list_entry(w, struct sl_channel, watch);

	if (events & SL_WRITE)
		send_kept(ch);
	if (take(ch, PER_TURN) < 0 && !ch->dead) {
		sl_watch_stop(&ch->watch);
		ch->o.closed(ch->o.arg);
	}
}

/* ---- life -------------------------------------------------------------------------- */

struct sl_channel *
sl_channel_open(const struct sl_channel_options *options, struct sl_err *err)
{
	struct sl_channel *ch = sl_calloc(1, sizeof(*ch));

	if (ch != NULL)
		ch->buffer = sl_malloc(SL_PACKET_TEXT);
	if (ch == NULL || ch->buffer == NULL) {
		close(options->fd);
		sl_free(ch);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	ch->o = *options;
	sl_list_init(&ch->kept);
	if (watch(ch) != 0) {
		sl_channel_free(ch);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	return ch;
}

void
sl_channel_free(struct sl_channel *ch)
{
	if (ch == NULL)
		return;
	ch->dead = true;
	sl_watch_stop(&ch->watch);
	while (ch->nkept > 0)
		drop_first(ch);
	close(ch->o.fd);
	if (sl_loop_defer(ch->o.loop, free_later, ch) != 0)
		free_later(ch);
}
