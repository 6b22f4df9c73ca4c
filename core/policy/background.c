/* Requests of scripts that nobody waits for: core/http/background.h, with the generation that asks. */
#include "../engine/doors.h"
#include "../engine/vm.h"
#include "../http/background.h"
#include "../tape/tape.h"
#include "context.h"
#include "engine.h"
#include "owner.h"

static void
over(void *arg)
{
	sl_generation_unref(arg);
}

int
sl_engine_background(lua_State *L, const struct sl_http_request *request,
    const struct sl_background_turn *in)
{
	struct sl_engine *e = sl_vm_owner(sl_vm_of(L));
	struct sl_generation *g = sl_run_generation(L);
	struct sl_http *http = g != NULL && g->http != NULL ? g->http : e->http;
	struct sl_background_turn turn = *in;
	int rc;

	if (sl_tape_plays(sl_run_tape(L)))
		return 0;
	if (e->background == NULL && (e->background = sl_background_new(e->loop, e->events)) == NULL)
		return SL_ERR_NOMEM;
	turn.over = g != NULL ? over : NULL;
	turn.arg = g;
	if (g != NULL)
		sl_generation_ref(g);
	rc = sl_background_add(e->background, http, request, &turn);
	if (rc != 0 && g != NULL)
		sl_generation_unref(g);
	return rc;
}

size_t
sl_engine_background_count(const struct sl_engine *e)
{
	return e->background != NULL ? sl_background_count(e->background) : 0;
}

void
sl_engine_background_drain(struct sl_engine *e, void (*idle)(void *arg), void *arg)
{
	if (e->background == NULL)
		e->background = sl_background_new(e->loop, e->events);
	if (e->background != NULL)
		sl_background_drain(e->background, idle, arg);
	else
		idle(arg);
}
