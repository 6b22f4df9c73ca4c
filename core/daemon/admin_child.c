/* The admin process. START: listening socket, shared memory, [log file]. */
#include "child.h"

#include "../admin/admin.h"
#include "../base/alloc.h"
#include "shared.h"

struct admin {
	struct sl_shared *shared;
	struct sl_admin *server;
};

static int
start(struct sl_child *child, struct sl_packet *p, struct sl_buf *report)
{
	struct admin *a = child->own = sl_calloc(1, sizeof(*a));
	struct sl_err err = { 0 };

	if (a == NULL)
		return SL_ERR_NOMEM;
	if (p->nfds >= 2)
		a->shared = sl_shared_map(p->fds[1], &err);
	if (a->shared != NULL)
		a->server = sl_admin_start(sl_packet_take_fd(p, 0), sl_shared_counters(a->shared, 0),
		    sl_shared_workers(a->shared), sl_shared_processes(a->shared),
		    sl_shared_metrics(a->shared), &err);
	if (a->server == NULL) {
		sl_buf_printf(report, "%s\n", err.text);
		return SL_ERR_IO;
	}
	return sl_channel_say(child->channel, SL_PACKET_READY, (struct sl_str){ 0 });
}

static void
packet(struct sl_child *child, struct sl_packet *p)
{
	if (p->kind == SL_PACKET_DRAIN)
		sl_child_exit(child, 0);
}

static void
end(struct sl_child *child)
{
	struct admin *a = child->own;

	sl_admin_stop(a->server);
	sl_shared_unmap(a->shared);
	sl_free(a);
}

const struct sl_child_kind sl_admin_child = {
	.name = "admin", .start = start, .packet = packet, .end = end,
};
