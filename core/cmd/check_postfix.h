/* What a Postfix that asks a policy as its milter has set otherwise than the policy relies on. */
#ifndef SL_CMD_CHECK_POSTFIX_H
#define SL_CMD_CHECK_POSTFIX_H

#include <jansson.h>

struct sl_config;

/*
 * Adds findings (check_scripts.h). 'path' is a main.cf, or what "postconf" or "postconf -n" prints, "-" =
 * standard input; values aren't expanded. -1: it can't be read, which was said.
 */
int	 check_postfix(json_t *findings, const char *path, const struct sl_config *config);

#endif
