/* Whole messages, for other modules. */
#ifndef SL_LUA_MAILMESSAGE_H
#define SL_LUA_MAILMESSAGE_H

#include <lua.h>

#include "../../core/base/bytes.h"

/*
 * The MailMessage at 'arg' as it is now, in the scratch buffer; one of a text with its
 * signatures. Raises when a signature can't be made. [-0, +0, e]
 */
struct sl_buf *sl_mail_text(lua_State *L, int arg);

#endif
