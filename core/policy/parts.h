/*
 * Messages and their parts as objects of scripts, for builtins: of the message that is
 * judged, and of messages that a script makes of texts. A method takes what it works on
 * from its object and needn't know which of them it is.
 */
#ifndef SL_POLICY_PARTS_H
#define SL_POLICY_PARTS_H

#include <lua.h>

#include "../mail/mime.h"
#include "context.h"

#define SL_PART_CLASS	"MIMEPart"
#define SL_MAIL_CLASS	"MailMessage"

#define SL_TEXTS_MAX	1000			/* messages made of texts, in one run */
#define SL_TEXT_BYTES	(32 * 1024 * 1024)	/* of one */

/* A part as scripts have it: its index in sl_part_tree. The whole message, 0, is a MailMessage. */
struct sl_part {
	unsigned index;
	struct sl_text_mail *text;	/* whose part it is; NULL: of the message that is judged */
};

/*
 * In all of these 'arg' is an object of either class; 0 stands for the message that is
 * judged. They raise where there is none, as outside of eod and data.
 */
bool	 sl_part_is_judged(lua_State *L, int arg);
struct sl_mail	*sl_part_mail(lua_State *L, int arg);
struct sl_draft	*sl_part_draft(lua_State *L, int arg);	/* the run's edits of it */
/* The parts of its message, found on first use at the script's cost. */
const struct sl_mime *sl_part_tree(lua_State *L, int arg);
unsigned sl_part_index(lua_State *L, int arg);

/* Another part of the message that the one at 'arg' is of. [-0, +1, m] */
void	 sl_part_push(lua_State *L, int arg, unsigned index);

/*
 * Makes a message of the string at 'arg', which isn't copied; one without any CR LF gets it for
 * its LFs. SL_ERR_LIMIT: the text, its header or the run's number of them is too large; nothing
 * is pushed then. [-0, +1 or +0, e]
 */
int	 sl_part_of_text(lua_State *L, int arg, struct sl_err *err);

#endif
