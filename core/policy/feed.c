/*
 * The message of a transaction as a host of sluice.h gives it: chunks that are
 * gathered, or a file. What comes of it is sl_session_message's (end_of_data.c).
 */
#include "../base/alloc.h"
#include "engine.h"
#include "transaction.h"

static bool
may_have_message(const struct sl_session *s)
{
	return !s->busy && s->transaction != NULL && s->transaction->nrcpts > 0 &&
	    s->transaction->mail.message == NULL;
}

int
sl_session_data(struct sl_session *s, struct sl_str chunk)
{
	struct sl_buf *data;

	if (!may_have_message(s))
		return SL_ERR_INVAL;
	data = &s->transaction->data;
	if (chunk.n > (uint64_t)s->transaction->generation->config->size - data->n)
		return SL_ERR_LIMIT;
	return sl_buf_putstr(data, chunk);
}

/* Ends in the middle of a line of its header: whatever is put behind it would become part of it. */
static bool
breaks_off(const struct sl_message *m)
{
	return m->nfields > 0 && m->body.n == 0 && m->bytes.p[m->bytes.n - 1] != '\n';
}

static int
give(struct sl_session *s, struct sl_message *message, sl_outcome_fn *fn, void *arg)
{
	int rc = breaks_off(message) ? SL_ERR_SYNTAX : sl_session_message(s, message, fn, arg);

	sl_message_unref(message);
	return rc;
}

int
sl_session_data_end(struct sl_session *s, sl_outcome_fn *fn, void *arg)
{
	struct sl_message *message;
	struct sl_err err;
	char *bytes;
	size_t n;

	if (!may_have_message(s))
		return SL_ERR_INVAL;
	if (sl_buf_reserve(&s->transaction->data, 0) != 0 ||
	    (bytes = sl_buf_take(&s->transaction->data, &n)) == NULL)
		return SL_ERR_NOMEM;
	if (sl_message_from_memory(&message, bytes, n, &err) != 0)
		return err.code;
	return give(s, message, fn, arg);
}

int
sl_session_data_file(struct sl_session *s, int fd, sl_outcome_fn *fn, void *arg)
{
	struct sl_message *message;
	struct sl_err err;

	if (!may_have_message(s) || s->transaction->data.n > 0)
		return SL_ERR_INVAL;
	if (sl_message_from_file(&message, fd, &err) != 0)
		return err.code;
	if (message->bytes.n > (uint64_t)s->transaction->generation->config->size) {
		sl_message_unref(message);
		return SL_ERR_LIMIT;
	}
	return give(s, message, fn, arg);
}
