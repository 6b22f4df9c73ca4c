/* What builtins reach of the engine that runs them. Borrowed. */
#ifndef SL_POLICY_OWNER_H
#define SL_POLICY_OWNER_H

#include <lua.h>

#include "../base/bytes.h"
#include "../base/err.h"
#include "../crypto/key.h"

struct sl_http_request;
struct sl_background_turn;

/* These raise when there is no memory for the doors of a session with a tape. NULL = none. */
struct sl_dns	*sl_engine_dns(lua_State *L);
/* One that asks these servers ("ip[:port]", at most 8, NULL-terminated) instead; where the
 * policy asks nobody (zone_only) it is that of the policy. 16 different lists per
 * generation. NULL and 'err' if it can't be made. */
struct sl_dns	*sl_engine_dns_at(lua_State *L, const char *const *servers, struct sl_err *err);
struct sl_http	*sl_engine_http(lua_State *L);
/* TLS of scripts' sockets, made on first use; with 'verify' the system's roots vouch. NULL and 'err'. */
struct sl_tls	*sl_engine_tls(lua_State *L, bool verify, struct sl_err *err);
/* Where scripts count; NULL = out of memory. */
struct sl_metrics *sl_engine_metrics(lua_State *L);
struct sl_state	*sl_engine_state(lua_State *L);
/* The thread for password hashes; NULL if it can't be started. */
struct sl_thread *sl_engine_passwords(lua_State *L);
/* The API profile: "" for api = {}, else a name of apis = {}. NULL = there is none. */
struct sl_api	*sl_engine_api(lua_State *L, const char *name);
/* Makes it when nobody waits, with the run's HTTP client (core/http/background.h); 'over' of the turn isn't
 * the caller's. 0, SL_ERR_LIMIT, SL_ERR_NOMEM; nothing is asked where a tape plays. */
int	 sl_engine_background(lua_State *L, const struct sl_http_request *request,
	    const struct sl_background_turn *turn);
/* Whether scripts reach private addresses too: those that a person runs without a policy. */
bool	 sl_engine_reaches_all(lua_State *L);
/* Whether the host has sockets connect there. */
bool	 sl_engine_may_connect(lua_State *L, const char *to);
/* A PEM or DER key, or "pki:NAME" of the policy. A reference, or NULL with the reason. */
struct sl_key	*sl_engine_key(lua_State *L, struct sl_str spec, struct sl_err *err);
/* Keys of DKIM records that were seen before. */
struct sl_pubkey_cache *sl_engine_pubkeys(lua_State *L);
const struct sl_config *sl_engine_config_of(lua_State *L);
/* Whether HSL code called, of the level 2016: its file's, else the policy's. */
bool	 sl_engine_is_2016(lua_State *L);
/* A file that scripts may read (sl_config_file); bytes of the generation's image. */
bool	 sl_engine_file(lua_State *L, struct sl_str name, struct sl_str *bytes);
const char *sl_engine_generation_of(lua_State *L);	/* its name; "" outside of a policy */

#endif
