/* Delivery on this machine: Maildir (on the thread) and discard. */
#include <stdio.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "delivery_private.h"

void
sl_transport_discard(struct sl_try *t)
{
	sl_try_result(t, 250, "2.0.0", "discarded");
	sl_try_finished(t);
}

static void
stored(struct sl_try *t, int status)
{
	if (status == 0)
		sl_try_result(t, 250, "2.0.0", "stored");
	else
		sl_try_result(t, 0, "4.2.0", t->maildir->err.text);
	sl_maildir_job_free(t->maildir);
	t->maildir = NULL;
	sl_try_finished(t);
}

static void
maildir_done(struct sl_op *op, void *arg)
{
	struct sl_try *t = arg;
	int status = op->status;

	t->op = NULL;
	sl_op_release(op);
	stored(t, status);
}

/* Scripts may have given it: a line break must not get in. */
static void
put_address(struct sl_buf *out, const char *s)
{
	for (; *s != '\0'; s++)
		sl_buf_putc(out, (unsigned char)*s < 32 || *s == 127 ? '?' : *s);
}

static int
make_head(struct sl_try *t, struct sl_maildir_job *j)
{
	struct sl_buf head = SL_BUF_INIT;

	sl_buf_puts(&head, "Return-Path: <");
	put_address(&head, t->from);
	sl_buf_puts(&head, ">\r\nDelivered-To: ");
	put_address(&head, t->to);
	sl_buf_puts(&head, "\r\n");
	j->head = sl_buf_take(&head, NULL);
	return j->head != NULL ? 0 : SL_ERR_NOMEM;
}

/* 1 = the address can't be a path: refused for good. */
static int
make_job(struct sl_try *t, struct sl_maildir_job *j)
{
	struct sl_delivery *d = t->delivery;
	struct sl_buf path = SL_BUF_INIT;
	int r = sl_maildir_path(t->way.path != NULL ? t->way.path : "", t->to, &path, &j->err);

	if (r == SL_ERR_SYNTAX) {
		sl_buf_clear(&path);
		return 1;
	}
	j->path = sl_buf_take(&path, NULL);
	snprintf(j->name, sizeof(j->name), "%lld.%s_%zu.sluice",
	    (long long)(sl_loop_time_us(d->o.loop) / 1000000), t->id, t->index);
	if (j->path == NULL || make_head(t, j) < 0)
		return sl_err_set(&j->err, SL_ERR_NOMEM, "out of memory");
	return sl_store_message(d->o.store, t->id, &j->fd, &j->offset, &j->size, &j->err);
}

void
sl_transport_maildir(struct sl_try *t)
{
	struct sl_delivery *d = t->delivery;
	struct sl_maildir_job *j = sl_calloc(1, sizeof(*j));
	int r;

	if (j == NULL) {
		sl_try_give_back(t);
		return;
	}
	j->fd = -1;
	r = make_job(t, j);
	if (r == 0 && d->o.thread != NULL)
		t->op = sl_thread_run(d->o.thread, sl_maildir_work, j, sl_maildir_job_free);
	if (t->op != NULL) {
		t->maildir = j;
		sl_op_wait(t->op, maildir_done, t);
	} else if (r == 0 && d->o.thread == NULL) {
		t->maildir = j;
		stored(t, sl_maildir_work(j));
	} else {
		sl_try_result(t, r > 0 ? 550 : 0, r > 0 ? "5.1.3" : "4.3.0",
		    j->err.code != 0 ? j->err.text : "out of memory");
		sl_maildir_job_free(j);
		sl_try_finished(t);
	}
}
