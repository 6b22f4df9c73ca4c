/* What the files that read Authentication-Results share. */
#ifndef SL_AUTH_AUTHRES_PRIVATE_H
#define SL_AUTH_AUTHRES_PRIVATE_H

#include "authres.h"

/* Takes a quoted string off the front; appends to the text what stands inside. False: not closed. */
bool	 sl_authres_quoted(struct sl_str *s, char *text, size_t *used);
bool	 sl_authres_ends_value(char c);

#endif
