/* New messages under construction: objects of the class MIME, for other modules. */
#ifndef SL_LUA_COMPOSE_H
#define SL_LUA_COMPOSE_H

#include <lua.h>

#include "../../core/auth/dkim.h"
#include "../../core/base/bytes.h"
#include "../../core/mail/transfer.h"

#define SL_COMPOSED	"MIME"
#define SL_COMPOSED_MAX	(32 * 1024 * 1024)	/* bytes of one */

void	 sl_compose_new(lua_State *L);		/* [-0, +1, m] an empty one */

/* The steps of the methods, on the object at 'arg'; each raises what the method raises. */
void	 sl_compose_header(lua_State *L, int arg, struct sl_str name, struct sl_str value);
bool	 sl_compose_has_header(lua_State *L, int arg, struct sl_str name);
/* Any string value: replaces the one there. */
void	 sl_compose_type(lua_State *L, int arg, struct sl_str type);
void	 sl_compose_body(lua_State *L, int arg, int value);	/* the string at 'value' */

/* How a body of that type goes best, and that body so: text lines end by CRLF then. 0 or SL_ERR_NOMEM. */
enum sl_encoding sl_compose_encoding(struct sl_str type, struct sl_str body);
int	 sl_compose_encode(struct sl_buf *out, enum sl_encoding encoding, struct sl_str body);

/* Signs it whenever it is written as a message. The request's strings and key live as long as the
 * transaction. */
void	 sl_compose_sign(lua_State *L, int arg, const struct sl_dkim_request *request);

/*
 * Writes it: with MIME-Version if it is a message, without as a part; in the scratch buffer,
 * whose memory may be taken. Raises when it is larger than SL_COMPOSED_MAX. [-0, +0, e]
 */
struct sl_buf *sl_compose_write(lua_State *L, int arg, bool message);
/* The same as a string of the script's. [-0, +1, e] */
void	 sl_compose_render(lua_State *L, int arg, bool message);

#endif
