/*
 * Macros: what a mail server tells beside its commands. They come in front of
 * the command they belong to and hold until that stage begins anew.
 */
#ifndef SL_MILTER_MACROS_H
#define SL_MILTER_MACROS_H

#include "packet.h"

#define SL_MILTER_STAGES	9

struct sl_milter_macros {
	struct sl_buf stages[SL_MILTER_STAGES];
	bool fresh[SL_MILTER_STAGES];	/* came for a command that hasn't come yet */
};

/* The data of a MACROS packet, in place of what the stage had. Copied. */
int	 sl_milter_macros_set(struct sl_milter_macros *macros, struct sl_str data,
	    struct sl_err *err);
/* A command has come: what an earlier one of its kind brought, and later stages, is over. */
void	 sl_milter_macros_enter(struct sl_milter_macros *macros, enum sl_milter_command command);
/* Forgets what came with 'command' and later stages. */
void	 sl_milter_macros_forget(struct sl_milter_macros *macros, enum sl_milter_command command);
/* The value that came last; empty if there is none. Name without braces. Borrowed. */
struct sl_str sl_milter_macros_get(const struct sl_milter_macros *macros, const char *name);
/* As a string, cut to the size of 'out'. */
const char *sl_milter_macros_text(const struct sl_milter_macros *macros, const char *name,
	    char *out, size_t size);
void	 sl_milter_macros_clear(struct sl_milter_macros *macros);

#endif
