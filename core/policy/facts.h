/* Facts: the globals a phase provides, as sl_fact_fn of engine/vm.h. */
#ifndef SL_POLICY_FACTS_H
#define SL_POLICY_FACTS_H

#include <lua.h>

#include "../sluice_host.h"

int	 sl_fact(lua_State *L, void *host, const char *name, unsigned *phases);

/* The fact that a misspelled name may mean, or NULL. */
const char *sl_fact_near(const char *name);

/* For the reference: the i-th name in today's tables ("connection.tls.cipher"), the fact it
 * shows, or NULL and a sentence; NULL after the last. */
const char *sl_fact_view_at(size_t i, unsigned *phases, const char **fact, const char **text);

/* For reference, completion and check: the i-th fact, its SL_AT_* phases and
 * one sentence; NULL after the last. */
const char *sl_fact_at(size_t i, unsigned *phases, const char **text);

#endif
