/*
 * The plan: what the master needs of a policy, as a checker that loaded it
 * says: lines "key value". The master parses no more than that.
 *
 *   generation HEX     listen ADDRESS (several)     admin ADDRESS
 *   milter MODE GROUP ADDRESS (several)     a group of "-" = none; both of unix sockets
 *   workers N          user NAME                    spool FOLDER
 *   log.file PATH      log.syslog PATH              log.level WORD
 *   connections N      connections.per_ip N         watchdog SECONDS
 *
 * A START packet is a plan with further lines for that child.
 */
#ifndef SL_DAEMON_PLAN_H
#define SL_DAEMON_PLAN_H

#include "../base/bytes.h"
#include "../base/err.h"
#include "../sluice_host.h"

/* A value with a line end in it is refused. */
int	 sl_plan_of(const struct sl_config *config, const char *generation, struct sl_buf *out,
	    struct sl_err *err);

/* The first line with that key; *value is borrowed from the plan. */
bool	 sl_plan_get(struct sl_str plan, const char *key, struct sl_str *value);
/* As a string of the caller's; NULL: there is no such line (or no memory). */
char	*sl_plan_string(struct sl_str plan, const char *key);
/* The folder of the spool: 'override' if there is one, else the plan's, relative to the
 * policy's folder. The caller's; NULL = out of memory. */
char	*sl_plan_spool(struct sl_str plan, const char *policy, const char *override);
/* 'dflt' when it is missing or no number. */
int64_t	 sl_plan_number(struct sl_str plan, const char *key, int64_t dflt);
/* for (rest = plan; sl_plan_each(&rest, "listen", &value);) */
bool	 sl_plan_each(struct sl_str *rest, const char *key, struct sl_str *value);

#endif
