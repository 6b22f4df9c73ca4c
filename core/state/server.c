/*
 * A worker that doesn't read its answers is not read from either, once
 * MAX_WAITING of them wait: the rest of its last packet is kept, and it gets
 * STALL_MS to read on.
 */
#include "server.h"

#include <unistd.h>

#include "../base/alloc.h"
#include "link.h"
#include "packet.h"
#include "snapshot.h"

#define MAX_WAITING	(1024 * 1024)
#define STALL_MS	3000
#define PER_TURN	16		/* packets of one worker before others have their turn */

struct sl_state_server {
	struct sl_loop *loop;
	struct sl_events *events;
	struct sl_table *table;
	struct sl_snapshot *snapshot;	/* NULL = memory only */
	struct sl_list workers;
	char packet[SL_STATE_PACKET];
};

struct worker {
	struct sl_list node;
	struct sl_state_link link;
	struct sl_state_server *server;
	struct sl_timer stall;
	struct sl_buf rest;		/* of a packet, not applied yet */
};

static void
free_worker(struct worker *w)
{
	sl_list_remove(&w->node);
	sl_state_link_close(&w->link);
	sl_timer_stop(&w->stall);
	sl_buf_clear(&w->rest);
	sl_free(w);
}

static void
end(struct worker *w, const char *reason)
{
	sl_event(w->server->events, SL_WARNING, "state_connection_ended",
	    SL_FIELDS(SL_F_TEXT("reason", reason)));
	free_worker(w);
}

static void
stalled(struct sl_timer *timer)
{
	end(sl_list_entry(timer, struct worker, stall), "it doesn't read its answers");
}

/* ---- requests ---------------------------------------------------------------- */

static bool
changes(const struct sl_state_request *r, const struct sl_state_reply *reply)
{
	return reply->ok && r->command != SL_STATE_FETCH && r->command != SL_STATE_RATE_COUNT;
}

static int
answer(struct worker *w, uint32_t id, const struct sl_state_request *r)
{
	struct sl_state_server *s = w->server;
	struct sl_state_reply reply;
	struct sl_buf *out;
	int rc = sl_table_apply(s->table, sl_loop_time_us(s->loop) / 1000, r, &reply);

	if (rc == 0 && s->snapshot != NULL && changes(r, &reply))
		sl_snapshot_changed(s->snapshot);
	out = sl_state_link_room(&w->link, SL_STATE_HEAD + reply.value.n);
	return out != NULL ? sl_state_put_reply(out, id, rc, &reply) : SL_ERR_CLOSED;
}

static bool
paused(const struct worker *w)
{
	return w->link.waiting_bytes >= MAX_WAITING;
}

/* Applies what 'packet' (or w->rest itself) holds; keeps what comes too early. */
static int
serve(struct worker *w, struct sl_str packet)
{
	struct sl_state_request r;
	uint32_t id;
	int rc = 0;

	while (!paused(w) && (rc = sl_state_get_request(&packet, &id, &r)) > 0)
		if ((rc = answer(w, id, &r)) != 0)
			return rc;
	if (rc < 0)
		return rc;
	if (w->rest.n > 0)
		sl_buf_drop(&w->rest, w->rest.n - packet.n);
	else if (packet.n > 0)
		return sl_buf_putstr(&w->rest, packet);
	return 0;
}

static int
serve_all(struct worker *w)
{
	struct sl_str packet;
	int rc = 0, i;

	if (w->rest.n > 0)
		rc = serve(w, sl_buf_str(&w->rest));
	for (i = 0; rc == 0 && i < PER_TURN && !paused(w); i++) {
		rc = sl_state_link_receive(&w->link, w->server->packet, &packet);
		if (rc <= 0)
			break;
		rc = serve(w, packet);
	}
	return rc;
}

/* A worker that took something of what waits has its time anew. */
static int
settle(struct worker *w, bool progress)
{
	if (!paused(w))
		sl_timer_stop(&w->stall);
	else if (w->stall.loop == NULL || progress)
		sl_timer_start(w->server->loop, &w->stall, STALL_MS, stalled);
	return sl_state_link_watch(&w->link, paused(w));
}

static void
on_event(struct sl_state_link *link, unsigned events)
{
	struct worker *w = sl_list_entry(link, struct worker, link);
	size_t waited = link->waiting_bytes;
	bool progress = false;
	int rc = 0;

	if (events & SL_WRITE) {
		rc = sl_state_link_flush(link);
		progress = link->waiting_bytes < waited;
	}
	if (rc == 0)
		rc = serve_all(w);
	if (rc == 0)
		rc = sl_state_link_flush(link);
	if (rc == 0)
		rc = settle(w, progress);
	if (rc == 0 && (events & (SL_READ | SL_HANGUP)) == SL_HANGUP)
		rc = SL_ERR_CLOSED;
	if (rc == SL_ERR_CLOSED)
		free_worker(w);
	else if (rc != 0)
		end(w, rc == SL_ERR_SYNTAX ? "malformed packet" : "out of memory");
}

/* ---- life ---------------------------------------------------------------------- */

int
sl_state_server_add(struct sl_state_server *s, int fd)
{
	struct worker *w = sl_calloc(1, sizeof(*w));
	int rc;

	if (w == NULL) {
		close(fd);
		return SL_ERR_NOMEM;
	}
	if ((rc = sl_state_link_open(&w->link, s->loop, fd, on_event)) != 0) {
		sl_free(w);
		return rc;
	}
	w->server = s;
	sl_list_insert(&s->workers, &w->node);
	return 0;
}

struct sl_state_server *
sl_state_server_new(struct sl_loop *loop, const char *folder, struct sl_events *events,
    struct sl_err *err)
{
	struct sl_state_server *s = sl_calloc(1, sizeof(*s));

	if (s == NULL || (s->table = sl_table_new(SL_TABLE_ENTRIES, SL_TABLE_BYTES)) == NULL) {
		sl_free(s);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	s->loop = loop;
	s->events = events;
	sl_list_init(&s->workers);
	if (folder == NULL)
		return s;
	s->snapshot = sl_snapshot_open(loop, s->table, folder, events, err);
	if (s->snapshot != NULL)
		return s;
	sl_state_server_free(s);
	return NULL;
}

void
sl_state_server_free(struct sl_state_server *s)
{
	if (s == NULL)
		return;
	while (!sl_list_empty(&s->workers))
		free_worker(sl_list_entry(s->workers.next, struct worker, node));
	sl_snapshot_close(s->snapshot);
	sl_table_free(s->table);
	sl_free(s);
}
