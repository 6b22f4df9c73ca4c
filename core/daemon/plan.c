#include "plan.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../policy/config.h"

static int
put(struct sl_buf *out, const char *key, const char *value, struct sl_err *err)
{
	if (value == NULL)
		return 0;
	if (strpbrk(value, "\r\n") != NULL)
		return sl_err_set(err, SL_ERR_INVAL, "sluice.lua: %s: has a line end in it", key);
	return sl_buf_printf(out, "%s %s\n", key, value);
}

static int
put_number(struct sl_buf *out, const char *key, int64_t n)
{
	return sl_buf_printf(out, "%s %lld\n", key, (long long)n);
}

static int
put_listener(struct sl_buf *out, const struct sl_listener *l, struct sl_err *err)
{
	char text[300];

	if (l->milter == NULL)
		return put(out, "listen", l->address, err);
	if (l->group != NULL && strpbrk(l->group, " \t") != NULL)
		return sl_err_set(err, SL_ERR_INVAL, "sluice.lua: group \"%s\"", l->group);
	snprintf(text, sizeof(text), "%04o %s %s", (unsigned)l->mode,
	    l->group != NULL ? l->group : "-", l->address);
	return put(out, "milter", text, err);
}

int
sl_plan_of(const struct sl_config *c, const char *generation, struct sl_buf *out, struct sl_err *err)
{
	size_t i;

	for (i = 0; i < c->nlisteners; i++)
		if (put_listener(out, &c->listeners[i], err) != 0)
			return SL_ERR_INVAL;
	if (put(out, "generation", generation, err) != 0 || put(out, "admin", c->admin, err) != 0 ||
	    put(out, "user", c->user, err) != 0 || put(out, "spool", c->spool, err) != 0 ||
	    put(out, "log.file", c->log.file, err) != 0 ||
	    put(out, "log.syslog", c->log.syslog, err) != 0 ||
	    put(out, "log.level", c->log.level, err) != 0)
		return SL_ERR_INVAL;
	put_number(out, "workers", c->workers);
	put_number(out, "connections", c->connections.total);
	put_number(out, "connections.per_ip", c->connections.per_ip);
	put_number(out, "watchdog", (int64_t)c->watchdog);
	return out->failed ? sl_err_set(err, SL_ERR_NOMEM, "out of memory") : 0;
}

bool
sl_plan_each(struct sl_str *rest, const char *key, struct sl_str *value)
{
	struct sl_str line, wanted = sl_str_of(key);

	while (sl_str_split(rest, '\n', &line))
		if (sl_str_starts(line, wanted) && line.n > wanted.n && line.p[wanted.n] == ' ') {
			*value = sl_str_sub(line, wanted.n + 1, line.n);
			return true;
		}
	return false;
}

bool
sl_plan_get(struct sl_str plan, const char *key, struct sl_str *value)
{
	return sl_plan_each(&plan, key, value);
}

char *
sl_plan_string(struct sl_str plan, const char *key)
{
	struct sl_str value;

	return sl_plan_get(plan, key, &value) ? sl_strndup(value.p, value.n) : NULL;
}

char *
sl_plan_spool(struct sl_str plan, const char *policy, const char *override)
{
	struct sl_buf path = SL_BUF_INIT;
	struct sl_str spool = sl_str_of(override);

	if (override == NULL && sl_plan_get(plan, "spool", &spool) &&
	    !sl_str_starts(spool, SL_STR("/")))
		sl_buf_printf(&path, "%s/", policy);
	sl_buf_putstr(&path, spool);
	return sl_buf_take(&path, NULL);
}

int64_t
sl_plan_number(struct sl_str plan, const char *key, int64_t dflt)
{
	struct sl_str value;
	uint64_t n;

	return sl_plan_get(plan, key, &value) && sl_str_u64(value, &n) && n <= INT64_MAX ?
	    (int64_t)n : dflt;
}
