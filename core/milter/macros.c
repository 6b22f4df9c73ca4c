#include "macros.h"

#include <string.h>

#define MAX_MACROS	(64 * 1024)	/* bytes of one stage */

/* In the order in which a message goes through them. */
static const char stages[SL_MILTER_STAGES + 1] = {
	SL_MILTER_CONNECT, SL_MILTER_HELO, SL_MILTER_MAIL, SL_MILTER_RCPT, SL_MILTER_DATA,
	SL_MILTER_HEADER, SL_MILTER_EOH, SL_MILTER_BODY, SL_MILTER_EOM, '\0',
};

static int
stage_of(char command)
{
	const char *at = command != '\0' ? strchr(stages, command) : NULL;

	return at != NULL ? (int)(at - stages) : -1;
}

int
sl_milter_macros_set(struct sl_milter_macros *m, struct sl_str data, struct sl_err *err)
{
	struct sl_str pairs;
	struct sl_buf *b;
	char command;
	int stage;

	if (sl_milter_macros_parse(&command, &pairs, data, err) != 0)
		return SL_ERR_SYNTAX;
	if (pairs.n > MAX_MACROS)
		return sl_err_set(err, SL_ERR_LIMIT, "%zu bytes of macros", pairs.n);
	stage = stage_of(command);
	if (stage < 0)		/* of a command that says nothing to us */
		return 0;
	b = &m->stages[stage];
	sl_buf_reset(b);
	m->fresh[stage] = true;
	return sl_buf_putstr(b, pairs) == 0 ? 0 : sl_err_set(err, SL_ERR_NOMEM, "out of memory");
}

static void
forget_from(struct sl_milter_macros *m, int stage)
{
	for (; stage < SL_MILTER_STAGES; stage++) {
		sl_buf_reset(&m->stages[stage]);
		m->fresh[stage] = false;
	}
}

void
sl_milter_macros_forget(struct sl_milter_macros *m, enum sl_milter_command command)
{
	forget_from(m, stage_of((char)command));
}

void
sl_milter_macros_enter(struct sl_milter_macros *m, enum sl_milter_command command)
{
	int stage = stage_of((char)command);

	forget_from(m, m->fresh[stage] ? stage + 1 : stage);
	m->fresh[stage] = false;
}

static bool
find(const struct sl_buf *stage, struct sl_str wanted, struct sl_str *out)
{
	struct sl_str rest = sl_buf_str(stage), name, value;

	while (sl_milter_macro(&rest, &name, &value))
		if (sl_str_eq(name, wanted)) {
			*out = value;
			return true;
		}
	return false;
}

struct sl_str
sl_milter_macros_get(const struct sl_milter_macros *m, const char *name)
{
	struct sl_str value = { 0 };
	int i;

	for (i = SL_MILTER_STAGES; i-- > 0;)
		if (find(&m->stages[i], sl_str_of(name), &value))
			break;
	return value;
}

const char *
sl_milter_macros_text(const struct sl_milter_macros *m, const char *name, char *out, size_t size)
{
	struct sl_str value = sl_str_sub(sl_milter_macros_get(m, name), 0, size - 1);

	if (value.n > 0)
		memcpy(out, value.p, value.n);
	out[value.n] = '\0';
	return out;
}

void
sl_milter_macros_clear(struct sl_milter_macros *m)
{
	int i;

	for (i = 0; i < SL_MILTER_STAGES; i++)
		sl_buf_clear(&m->stages[i]);
}
