/*
 * A buffered non-blocking connection on the loop, plain or TLS. Reading is
 * pushed into 'in' and announced; what the owner doesn't consume stays. Back
 * pressure: reading pauses while in.n >= read_limit or by sl_stream_pause,
 * and on_drain tells when 'out' is empty.
 *
 * Callbacks come from the loop, never inside a call made by the owner. The
 * owner may close the stream in any callback.
 */
#ifndef SL_NET_STREAM_H
#define SL_NET_STREAM_H

#include "addr.h"
#include "loop.h"
#include "tls.h"

struct sl_stream;

struct sl_stream_handler {
	void (*on_read)(struct sl_stream *s, void *arg);	/* new bytes in 'in' */
	void (*on_drain)(struct sl_stream *s, void *arg);	/* all output is with the kernel */
	/* TLS handshake done (err->code 0) or failed; may be NULL if TLS is never started */
	void (*on_tls)(struct sl_stream *s, void *arg, const struct sl_err *err);
	/* connect result for sl_stream_connect: code 0 or why not; may be NULL */
	void (*on_connect)(struct sl_stream *s, void *arg, const struct sl_err *err);
	/* end: SL_ERR_CLOSED (peer), SL_ERR_IO, SL_ERR_TIMEOUT. Not called for sl_stream_close. */
	void (*on_end)(struct sl_stream *s, void *arg, const struct sl_err *err);
};

/* 'fd' is taken (also on failure). */
struct sl_stream *sl_stream_accept(struct sl_loop *loop, int fd,
	    const struct sl_stream_handler *handler, void *arg, struct sl_err *err);
/* Begins to connect; 'source' may be NULL. Timeout by sl_stream_timeout. */
struct sl_stream *sl_stream_connect(struct sl_loop *loop, const struct sl_addr *to,
	    const struct sl_addr *source, const struct sl_stream_handler *handler, void *arg,
	    struct sl_err *err);
/* Closes now; output not yet written is lost. NULL is fine. */
void	 sl_stream_close(struct sl_stream *s);
/* Closes after the output is written (or 'linger_ms' passed); callbacks end at once. */
void	 sl_stream_finish(struct sl_stream *s, int64_t linger_ms);

/* The other side sees the end of our output, which must be drained; reading goes on. Not in TLS. */
void	 sl_stream_shutdown(struct sl_stream *s);

/* Bytes received and not consumed; consume from the front with sl_buf_drop. */
struct sl_buf *sl_stream_in(struct sl_stream *s);
/* Appends to the output, which is written at the end of the loop's turn. */
int	 sl_stream_write(struct sl_stream *s, const void *p, size_t n);
int	 sl_stream_printf(struct sl_stream *s, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
size_t	 sl_stream_pending(const struct sl_stream *s);	/* output not yet with the kernel */

void	 sl_stream_pause(struct sl_stream *s, bool paused);
void	 sl_stream_read_limit(struct sl_stream *s, size_t limit);	/* default 64 KB */
/* For peers that write a message in pieces without TCP_NODELAY: what came is acknowledged at
 * once, or they would wait 40 ms with the next piece. Plain TCP only; costs a call per read. */
void	 sl_stream_prompt_ack(struct sl_stream *s);
/* Ends the stream (SL_ERR_TIMEOUT) when no byte moved for 'ms'; 0 = never. Restarts the count. */
void	 sl_stream_timeout(struct sl_stream *s, int64_t ms);

/*
 * Starts TLS. Bytes received in clear and not yet consumed are dropped
 * (STARTTLS injection, RFC 3207 6). 'server_name' for clients: SNI and check.
 */
int	 sl_stream_starttls(struct sl_stream *s, struct sl_tls *tls, bool server,
	    const char *server_name, struct sl_err *err);
bool	 sl_stream_tls(const struct sl_stream *s);
const char *sl_stream_tls_protocol(const struct sl_stream *s);	/* "TLSv1.3" or NULL */
const char *sl_stream_tls_cipher(const struct sl_stream *s);
int	 sl_stream_tls_bits(const struct sl_stream *s);

const struct sl_addr *sl_stream_peer(const struct sl_stream *s);
const struct sl_addr *sl_stream_local(const struct sl_stream *s);

#endif
