/* The state process: what workers share. START: [log file]; then a connection per worker. */
#include "child.h"

#include "../base/alloc.h"
#include "../state/server.h"
#include "plan.h"

static int
start(struct sl_child *child, struct sl_packet *p, struct sl_buf *report)
{
	char *spool = sl_plan_string(child->start, "spool");
	struct sl_err err;

	(void)p;
	child->own = sl_state_server_new(child->loop, spool, &child->logs.events, &err);
	sl_free(spool);
	if (child->own == NULL) {
		sl_buf_printf(report, "%s\n", err.text);
		return err.code;
	}
	return sl_channel_say(child->channel, SL_PACKET_READY, (struct sl_str){ 0 });
}

static void
packet(struct sl_child *child, struct sl_packet *p)
{
	int fd;

	if (p->kind == SL_PACKET_STATE && (fd = sl_packet_take_fd(p, 0)) >= 0)
		sl_state_server_add(child->own, fd);
	else if (p->kind == SL_PACKET_DRAIN)
		sl_child_exit(child, 0);
}

static void
end(struct sl_child *child)
{
	sl_state_server_free(child->own);
}

const struct sl_child_kind sl_state_child = {
	.name = "state", .start = start, .packet = packet, .end = end,
};
