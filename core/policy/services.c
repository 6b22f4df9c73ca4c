/* Resolver, HTTP client, APIs and state as the running policy wants them. */
#include "engine.h"

void
sl_services_open(struct sl_engine *e)
{
	(void)e;
}

void
sl_services_close(struct sl_engine *e)
{
	(void)e;
}
