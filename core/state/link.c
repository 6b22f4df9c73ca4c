#include "link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "packet.h"

struct packet {
	struct sl_list link;
	size_t n;
	char bytes[];
};

static void
on_event(struct sl_watch *watch, unsigned events)
{
	struct sl_state_link *l = sl_list_entry(watch, struct sl_state_link, watch);

	l->fn(l, events);
}

int
sl_state_link_watch(struct sl_state_link *l, bool paused)
{
	unsigned events = (paused ? 0 : SL_READ) | (sl_list_empty(&l->waiting) ? 0 : SL_WRITE);

	return sl_watch_start(l->loop, &l->watch, l->fd, events, on_event);
}

int
sl_state_link_open(struct sl_state_link *l, struct sl_loop *loop, int fd,
    void (*fn)(struct sl_state_link *, unsigned))
{
	int rc;

	memset(l, 0, sizeof(*l));
	l->loop = loop;
	l->fd = fd;
	l->fn = fn;
	sl_list_init(&l->waiting);
	if ((rc = sl_state_link_watch(l, false)) != 0)
		sl_state_link_close(l);
	return rc;
}

static void
drop_first(struct sl_state_link *l)
{
	struct packet *p = sl_list_entry(sl_list_pop(&l->waiting), struct packet, link);

	l->waiting_bytes -= p->n;
	sl_free(p);
}

void
sl_state_link_close(struct sl_state_link *l)
{
	if (l->fd < 0)
		return;
	sl_watch_stop(&l->watch);
	close(l->fd);
	l->fd = -1;
	sl_buf_clear(&l->packet);
	while (!sl_list_empty(&l->waiting))
		drop_first(l);
}

/* ---- sending ------------------------------------------------------------------- */

/* 0, SL_ERR_TEMP (no room now) or SL_ERR_CLOSED. */
static int
send_now(int fd, const void *p, size_t n)
{
	while (send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		if (errno != EINTR)
			return errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM ?
			    SL_ERR_TEMP : SL_ERR_CLOSED;
	return 0;
}

static int
send_waiting(struct sl_state_link *l)
{
	while (!sl_list_empty(&l->waiting)) {
		struct packet *p = sl_list_entry(l->waiting.next, struct packet, link);
		int rc = send_now(l->fd, p->bytes, p->n);

		if (rc != 0)
			return rc;
		drop_first(l);
	}
	return 0;
}

static int
keep(struct sl_state_link *l)
{
	struct packet *p = sl_malloc(sizeof(*p) + l->packet.n);

	if (p == NULL)
		return SL_ERR_NOMEM;
	p->n = l->packet.n;
	memcpy(p->bytes, l->packet.p, p->n);
	sl_list_insert(&l->waiting, &p->link);
	l->waiting_bytes += p->n;
	return 0;
}

int
sl_state_link_flush(struct sl_state_link *l)
{
	int rc = send_waiting(l);

	if (l->packet.n == 0)
		return rc == SL_ERR_TEMP ? 0 : rc;
	if (rc == 0)
		rc = send_now(l->fd, l->packet.p, l->packet.n);
	if (rc == SL_ERR_TEMP)
		rc = keep(l);
	sl_buf_reset(&l->packet);
	return rc;
}

struct sl_buf *
sl_state_link_room(struct sl_state_link *l, size_t n)
{
	if (l->packet.n + n > SL_STATE_PACKET && sl_state_link_flush(l) != 0)
		return NULL;
	return sl_buf_reserve(&l->packet, n) == 0 ? &l->packet : NULL;
}

/* ---- receiving ------------------------------------------------------------------ */

/* An empty packet can't be told from the end, and nobody sends one. */
int
sl_state_link_receive(struct sl_state_link *l, char *buffer, struct sl_str *packet)
{
	ssize_t n;

	do
		n = recv(l->fd, buffer, SL_STATE_PACKET, MSG_DONTWAIT | MSG_TRUNC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return SL_ERR_CLOSED;
	if (n > SL_STATE_PACKET)
		return SL_ERR_SYNTAX;
	*packet = (struct sl_str){ buffer, (size_t)n };
	return 1;
}
