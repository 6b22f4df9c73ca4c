/*
 * Delivery to a Maildir: written under tmp/, synced, linked to new/, synced.
 * Blocking: a job for the thread.
 */
#ifndef SL_QUEUE_MAILDIR_H
#define SL_QUEUE_MAILDIR_H

#include "../base/err.h"
#include "../base/bytes.h"

struct sl_maildir_job {
	char *path;			/* of the Maildir, see sl_maildir_path */
	char *head;			/* Return-Path and Delivered-To, put on top */
	int fd;				/* the message: [offset, offset + size) */
	uint64_t offset, size;
	char name[160];			/* unique file name */
	struct sl_err err;
};

/* For sl_thread_run: 0, or SL_ERR_IO with err. Creates the Maildir if needed. */
int	 sl_maildir_work(void *job);
void	 sl_maildir_job_free(void *job);	/* closes fd */

/* 'pattern' with %u and %d of the address filled in. A part that would leave
 * its folder ("..", "/", a leading dot, NUL) is refused: SL_ERR_SYNTAX. */
int	 sl_maildir_path(const char *pattern, const char *address, struct sl_buf *out,
	    struct sl_err *err);

#endif
