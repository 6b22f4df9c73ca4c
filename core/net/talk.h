/*
 * A connection that is used step by step: connect, send, wait for bytes, TLS, one operation
 * at a time. For scripts; protocols of our own are state machines on a stream (stream.h).
 */
#ifndef SL_NET_TALK_H
#define SL_NET_TALK_H

#include "addr.h"
#include "op.h"
#include "tls.h"

#define SL_TALK_MAX_READ	(1024 * 1024)	/* bytes that one sl_talk_wait may ask for */

struct sl_talk;

/* Counted: its owner and each operation hold it. NULL = out of memory. */
struct sl_talk	*sl_talk_new(struct sl_loop *loop);
struct sl_talk	*sl_talk_ref(struct sl_talk *talk);
void		 sl_talk_unref(struct sl_talk *talk);	/* the last one closes; NULL is fine */
/* What isn't with the kernel yet is lost. A pending operation fails with SL_ERR_CLOSED. */
void		 sl_talk_close(struct sl_talk *talk);
bool		 sl_talk_is_open(const struct sl_talk *talk);	/* connected, and not closed by us */

struct sl_talk_op {
	struct sl_op op;	/* status: SL_ERR_TIMEOUT, _CLOSED, _IO, _INVAL (not now) */
	struct sl_err err;	/* why it failed; not set after a timeout */
};

/*
 * Each is done when it has happened, or failed. 'timeout_ms' 0 = none. A second one while
 * another is pending, or one that the state doesn't allow, is done with SL_ERR_INVAL. NULL =
 * out of memory. When connect or starttls don't succeed the connection is closed.
 */
struct sl_talk_op *sl_talk_connect(struct sl_talk *talk, const struct sl_addr *to,
		    int64_t timeout_ms);
/* Done when all is with the kernel. The bytes are copied. */
struct sl_talk_op *sl_talk_send(struct sl_talk *talk, struct sl_str bytes, int64_t timeout_ms);
/* Done when 'n' bytes are in sl_talk_in, or when nothing more comes. */
struct sl_talk_op *sl_talk_wait(struct sl_talk *talk, size_t n, int64_t timeout_ms);
/* 'name': for SNI, and checked if 'tls' does so. Bytes in clear that were not taken are dropped. */
struct sl_talk_op *sl_talk_starttls(struct sl_talk *talk, struct sl_tls *tls, const char *name,
		    int64_t timeout_ms);

/* What has come and wasn't taken (sl_buf_drop); NULL before the connection. */
struct sl_buf	*sl_talk_in(struct sl_talk *talk);
/* Why nothing more comes: 0 = more may; SL_ERR_CLOSED: the other side's end. */
int		 sl_talk_end(const struct sl_talk *talk);
/* We send no more (not in TLS): the other side sees our end. */
void		 sl_talk_shutdown(struct sl_talk *talk);

#endif
