/* Loads a policy image and says the plan, or what is wrong with it. */
#include "child.h"

#include "../base/alloc.h"
#include "../sluice_host.h"
#include "plan.h"

static int
check(struct sl_child *child, int image, struct sl_buf *plan, struct sl_buf *report)
{
	char *stdlib = sl_plan_string(child->start, "stdlib");
	struct sl_engine_parts parts = { .loop = child->loop };
	struct sl_engine_options o = { .gateway = true, .stdlib = stdlib, .parts = &parts };
	struct sl_generation *g = NULL;
	struct sl_engine *engine;
	struct sl_err err;
	int rc;

	engine = sl_engine_new(&o, &err);
	rc = engine == NULL ? err.code : sl_engine_prepare(engine, image, &g, report);
	if (rc == 0)
		rc = sl_plan_of(sl_generation_config(g), sl_generation_name(g), plan, &err);
	if (rc != 0 && report->n == 0)
		sl_buf_printf(report, "%s\n", err.text);
	if (g != NULL)
		sl_generation_free(g);
	sl_engine_free(engine);
	sl_free(stdlib);
	return rc;
}

static int
start(struct sl_child *child, struct sl_packet *packet, struct sl_buf *report)
{
	struct sl_buf plan = SL_BUF_INIT;
	int rc = packet->nfds > 0 ? check(child, packet->fds[0], &plan, report) : SL_ERR_INVAL;

	if (rc == 0)
		rc = sl_channel_say(child->channel, SL_PACKET_READY, sl_buf_str(&plan));
	sl_buf_clear(&plan);
	sl_child_exit(child, 0);
	return rc;
}

const struct sl_child_kind sl_checker = { .name = "checker", .start = start };
