/*
 * Plain data that outlives runs: a JSON value of the host's, seen by scripts
 * as a table that writes through. Whatever is assigned is copied, so nothing
 * live (functions, coroutines, shared tables) outlives the run that made it.
 */
#ifndef SL_ENGINE_PLAIN_H
#define SL_ENGINE_PLAIN_H

#include <jansson.h>
#include <lua.h>

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_PLAIN_MAX	(64 * 1024)	/* bytes of one assigned value as JSON */
#define SL_PLAIN_NAMES	1000		/* members of one table */

/* Pushes a table for 'value' (an object or array; a reference is taken), or the
 * plain value it is. [-0, +1, m] */
void	 sl_plain_push(lua_State *L, json_t *value);

/*
 * The value at 'index' as bytes, appended to 'out': nil, booleans, numbers, any
 * string, tables that JSON can hold, and tables as pushed above. Equal values
 * give equal bytes (tables: if their names are in one order). SL_ERR_INVAL for
 * others. [-0, +0, m]
 */
int	 sl_plain_encode(lua_State *L, int index, struct sl_buf *out, struct sl_err *err);
/* Pushes the value at the front of 'bytes', a copy of its own, and cuts it off. [-0, +1, m] */
int	 sl_plain_decode(lua_State *L, struct sl_str *bytes, struct sl_err *err);

/* Encoded values, one behind the other, as parts of a tape's value (core/tape/tape.h), where the
 * texts can be looked through; and back. What isn't such bytes: false. */
bool	 sl_plain_to_parts(struct sl_str bytes, struct sl_buf *out);
bool	 sl_plain_from_part(struct sl_str name, struct sl_str value, struct sl_buf *out);
bool	 sl_plain_from_parts(struct sl_str parts, struct sl_buf *out);

#endif
