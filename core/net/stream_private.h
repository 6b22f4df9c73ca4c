/* What stream.c, the life of a stream, and stream_io.c, its bytes, share. */
#ifndef SL_NET_STREAM_PRIVATE_H
#define SL_NET_STREAM_PRIVATE_H

#include <openssl/ssl.h>

#include "stream.h"

#define KEEP		512		/* an empty buffer that may stay */

enum state {
	CONNECTING,
	OPEN,
	HANDSHAKE,
	LINGER,		/* finish: output is with the kernel, waiting for the peer's end */
};

struct sl_stream {
	struct sl_loop *loop;
	const struct sl_stream_handler *handler;
	void *arg;
	int fd;
	enum state state;
	struct sl_watch watch;
	struct sl_timer timer, linger;
	struct sl_task task;
	struct sl_orphan orphan;
	struct sl_buf in, out;
	size_t sent;			/* of out */
	size_t clear;			/* of out: to go out before TLS starts; SIZE_MAX = no TLS wanted */
	size_t read_limit;
	size_t discarded;
	int64_t timeout_ms, moved;	/* moved: when the last byte did */
	SSL *ssl;
	bool tls;			/* handshake done */
	bool paused, limited;		/* limited: reading stopped for read_limit */
	bool read_wants_write, write_wants_read;
	bool again;			/* decrypted bytes wait inside OpenSSL */
	bool wrote;			/* on_drain is owed */
	bool prompt_ack;
	bool eof, dead, closed, finishing;
	struct sl_addr peer, local;
};

/* Tells the owner that nothing more comes; the stream stays until it is closed. */
void	 sl_stream_end(struct sl_stream *s, int code, const char *text);

/* stream_io.c */
bool	 sl_stream_may_read(const struct sl_stream *s);
size_t	 sl_stream_to_write(const struct sl_stream *s);	/* bytes that may go now */
/* These may end the stream; the owner may close it when it is told. */
void	 sl_stream_do_read(struct sl_stream *s);
void	 sl_stream_do_write(struct sl_stream *s);
void	 sl_stream_handshake(struct sl_stream *s);	/* a step of it */
void	 sl_stream_begin_handshake(struct sl_stream *s);	/* once what was written in clear is out */

#endif
