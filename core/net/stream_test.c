/* Connections over socket pairs, plain and TLS, both sides on one loop. */
#include "stream.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"

struct side {
	struct sl_stream *s;
	struct sl_buf got;
	int drains, ends, tls, connects;
	struct sl_err err;
	bool keep;		/* leave the bytes in the stream */
	bool close_on_read;
};

static struct sl_loop *loop;
static struct sl_tls *server_tls, *client_tls;
static struct side a, b;

static void
on_read(struct sl_stream *s, void *arg)
{
	struct side *side = arg;
	struct sl_buf *in = sl_stream_in(s);

	if (side->keep)
		return;
	sl_buf_put(&side->got, in->p, in->n);
	sl_buf_drop(in, in->n);
	if (side->close_on_read) {
		sl_stream_close(s);
		side->s = NULL;
	}
}

static void
on_drain(struct sl_stream *s, void *arg)
{
	(void)s;
	((struct side *)arg)->drains++;
}

static void
on_tls(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct side *side = arg;

	(void)s;
	side->tls++;
	side->err = *err;
}

static void
on_connect(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct side *side = arg;

	(void)s;
	side->connects++;
	side->err = *err;
}

static void
on_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct side *side = arg;

	(void)s;
	side->ends++;
	side->err = *err;
}

static const struct sl_stream_handler handler = {
	on_read, on_drain, on_tls, on_connect, on_end,
};

static void
make_tls(void)
{
	struct sl_buf cert = SL_BUF_INIT, key = SL_BUF_INIT;
	struct sl_tls_options options = { 0 };
	uint8_t ticket[80] = { 1, 2, 3 };
	struct sl_err err;

	assert_int_equal(sl_tls_self_signed("mx.example", 3, &cert, &key, &err), 0);
	options.cert_pem = sl_buf_str(&cert);
	options.key_pem = sl_buf_str(&key);
	options.ticket_key = ticket;
	server_tls = sl_tls_server(&options, &err);
	assert_non_null(server_tls);
	client_tls = sl_tls_client(true, sl_buf_str(&cert), &err);
	assert_non_null(client_tls);
	sl_buf_clear(&cert);
	sl_buf_clear(&key);
}

static int
setup(void **state)
{
	int fds[2];

	(void)state;
	loop = sl_loop_new(NULL);
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) < 0)
		return 1;
	a.s = sl_stream_accept(loop, fds[0], &handler, &a, NULL);
	b.s = sl_stream_accept(loop, fds[1], &handler, &b, NULL);
	if (server_tls == NULL)
		make_tls();
	return a.s == NULL || b.s == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_stream_close(a.s);
	sl_stream_close(b.s);
	sl_buf_clear(&a.got);
	sl_buf_clear(&b.got);
	sl_loop_free(loop);
	return 0;
}

#define UNTIL(condition) \
	do { \
		for (int turns_ = 0; !(condition) && turns_ < 20000; turns_++) \
			sl_loop_step(loop, 100); \
		assert_true(condition); \
	} while (0)

static void
echo(void **state)
{
	(void)state;
	sl_stream_printf(a.s, "%s %d", "hello", 1);
	assert_int_equal(sl_stream_pending(a.s), 7);
	assert_int_equal(b.got.n, 0);
	UNTIL(b.got.n == 7);
	assert_string_equal(b.got.p, "hello 1");
	UNTIL(a.drains == 1);
	assert_int_equal(sl_stream_pending(a.s), 0);
	sl_stream_close(a.s);
	a.s = NULL;
	UNTIL(b.ends == 1);
	assert_int_equal(b.err.code, SL_ERR_CLOSED);
	assert_int_equal(a.ends, 0);
	/* Nothing more is told, and writing is refused or harmless, but never a signal. */
	sl_stream_write(b.s, "x", 1);
	sl_loop_step(loop, 10);
	assert_int_equal(b.ends, 1);
}

static void
closes_in_callback(void **state)
{
	(void)state;
	b.close_on_read = true;
	sl_stream_write(a.s, "x", 1);
	UNTIL(a.ends == 1);
	assert_null(b.s);
}

static void
big_both_ways(void)
{
	size_t size = 3 * 1024 * 1024;
	char *p = malloc(size);

	for (size_t i = 0; i < size; i++)
		p[i] = (char)(i * 31 >> 7);
	sl_stream_write(a.s, p, size);
	sl_stream_write(b.s, p, size);
	UNTIL(a.got.n == size && b.got.n == size);
	assert_memory_equal(a.got.p, p, size);
	assert_memory_equal(b.got.p, p, size);
	free(p);
}

static void
big(void **state)
{
	(void)state;
	big_both_ways();
}

/* Reading stops at the limit and goes on once the owner has consumed. */
static void
back_pressure(void **state)
{
	size_t size = 1024 * 1024;
	char *p = calloc(1, size);

	(void)state;
	b.keep = true;
	sl_stream_read_limit(b.s, 1000);
	sl_stream_write(a.s, p, size);
	for (int i = 0; i < 50; i++)
		sl_loop_step(loop, 0);
	assert_int_equal(sl_stream_in(b.s)->n, 1000);
	assert_true(sl_stream_pending(a.s) > 0);
	assert_int_equal(a.drains, 0);
	sl_buf_drop(sl_stream_in(b.s), 1000);
	UNTIL(sl_stream_in(b.s)->n == 1000);
	b.keep = false;
	sl_stream_pause(b.s, true);
	sl_buf_drop(sl_stream_in(b.s), 1000);
	for (int i = 0; i < 50; i++)
		sl_loop_step(loop, 0);
	assert_int_equal(sl_stream_in(b.s)->n, 0);
	sl_stream_pause(b.s, false);
	UNTIL(b.got.n == size - 2000 && a.drains > 0);
	free(p);
}

static void
times_out(void **state)
{
	(void)state;
	sl_stream_timeout(a.s, 30);
	for (int i = 0; i < 4; i++) {
		struct timespec ts = { 0, 10000000 };

		nanosleep(&ts, NULL);
		sl_stream_write(b.s, "x", 1);
		UNTIL(a.got.n == (size_t)i + 1);
	}
	UNTIL(a.ends == 1);
	assert_int_equal(a.err.code, SL_ERR_TIMEOUT);
}

static void
finish_writes_all(void **state)
{
	char *p = calloc(1, 2000000);

	(void)state;
	sl_stream_write(b.s, "unread", 6);	/* must not turn into a reset */
	sl_stream_write(a.s, p, 2000000);
	sl_stream_finish(a.s, 2000);
	a.s = NULL;
	UNTIL(b.ends == 1);
	assert_int_equal(b.got.n, 2000000);
	assert_int_equal(b.err.code, SL_ERR_CLOSED);
	free(p);
}

static void
finish_gives_up(void **state)
{
	char *p = calloc(1, 2000000);

	(void)state;
	sl_stream_pause(b.s, true);
	sl_stream_write(a.s, p, 2000000);
	sl_stream_finish(a.s, 5);
	a.s = NULL;
	UNTIL(b.ends == 1);
	free(p);
}

static void
start_tls(void)
{
	struct sl_err err;

	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	assert_int_equal(sl_stream_starttls(b.s, client_tls, false, "mx.example", &err), 0);
	UNTIL(a.tls == 1 && b.tls == 1);
}

static void
tls_big(void **state)
{
	(void)state;
	start_tls();
	assert_int_equal(a.err.code, 0);
	assert_int_equal(b.err.code, 0);
	assert_true(sl_stream_tls(a.s));
	assert_string_equal(sl_stream_tls_protocol(b.s), "TLSv1.3");
	assert_true(sl_stream_tls_bits(b.s) >= 128);
	big_both_ways();
	sl_stream_finish(a.s, 1000);
	a.s = NULL;
	UNTIL(b.ends == 1);
	assert_int_equal(b.err.code, SL_ERR_CLOSED);
}

static void
tls_back_pressure(void **state)
{
	char *p = calloc(1, 100000);

	(void)state;
	start_tls();
	b.keep = true;
	sl_stream_read_limit(b.s, 100);
	sl_stream_write(a.s, p, 100000);
	UNTIL(sl_stream_in(b.s)->n == 100);
	for (int i = 0; i < 20; i++)
		sl_loop_step(loop, 0);
	assert_int_equal(b.s != NULL ? sl_stream_in(b.s)->n : 0, 100);
	b.keep = false;
	sl_buf_drop(sl_stream_in(b.s), 100);
	UNTIL(b.got.n == 99900);
	free(p);
}

/* A03: what came in clear before the handshake is gone; what was written before goes out in clear. */
static void
a03_starttls_injection(void **state)
{
	struct sl_err err;

	(void)state;
	a.keep = true;
	sl_stream_write(b.s, "STARTTLS\r\nRSET\r\n", 16);
	UNTIL(sl_stream_in(a.s)->n == 16);
	sl_stream_write(a.s, "220 go\r\n", 8);
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	sl_stream_write(a.s, "secret", 6);
	assert_int_equal(sl_stream_in(a.s)->n, 0);
	UNTIL(b.got.n >= 8);
	assert_int_equal(b.got.n, 8);
	assert_string_equal(b.got.p, "220 go\r\n");
	assert_int_equal(sl_stream_starttls(b.s, client_tls, false, "mx.example", &err), 0);
	UNTIL(a.tls == 1 && b.tls == 1 && b.got.n == 14);
	assert_string_equal(b.got.p, "220 go\r\nsecret");
	assert_int_equal(sl_stream_in(a.s)->n, 0);
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), SL_ERR_INVAL);
}

static void
tls_wrong_name(void **state)
{
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	assert_int_equal(sl_stream_starttls(b.s, client_tls, false, "other.example", &err), 0);
	UNTIL(b.tls == 1);
	assert_int_equal(b.err.code, SL_ERR_IO);
	assert_non_null(strstr(b.err.text, "verify"));
	sl_stream_close(b.s);
	b.s = NULL;
	UNTIL(a.tls + a.ends == 1);
	assert_true(a.err.code < 0);
}

static void
tls_peer_leaves(void **state)
{
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	sl_stream_write(b.s, "\x16\x03\x01\x02", 4);
	for (int i = 0; i < 10; i++)
		sl_loop_step(loop, 0);
	assert_int_equal(a.tls, 0);
	sl_stream_close(b.s);
	b.s = NULL;
	UNTIL(a.tls == 1);
	assert_int_equal(a.err.code, SL_ERR_CLOSED);
	assert_int_equal(a.ends, 0);
}

static void
tls_garbage(void **state)
{
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	sl_stream_write(b.s, "EHLO there\r\n", 12);
	UNTIL(a.tls == 1);
	assert_int_equal(a.err.code, SL_ERR_IO);
}

/* A08: a handshake that never ends is ended by the timeout. */
static void
a08_half_open_tls(void **state)
{
	struct sl_err err;

	(void)state;
	sl_stream_timeout(a.s, 10);
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	UNTIL(a.tls == 1);
	assert_int_equal(a.err.code, SL_ERR_TIMEOUT);
}

static void
tls_contexts(void **state)
{
	struct sl_buf cert = SL_BUF_INIT, key = SL_BUF_INIT, key2 = SL_BUF_INIT;
	struct sl_tls_options options = { 0 };
	struct sl_err err;

	(void)state;
	assert_true(sl_tls_expires(server_tls) > time(NULL) + 2 * 86400);
	assert_true(sl_tls_expires(server_tls) < time(NULL) + 4 * 86400);
	assert_int_equal(sl_tls_self_signed("*.example.org", 1, &cert, &key, &err), 0);
	assert_int_equal(sl_tls_add_cert(server_tls, sl_buf_str(&cert), sl_buf_str(&key), &err), 0);
	assert_true(sl_tls_expires(server_tls) < time(NULL) + 2 * 86400);
	sl_buf_reset(&cert);
	assert_int_equal(sl_tls_self_signed("x.example", 1, &cert, &key2, &err), 0);
	options.cert_pem = sl_buf_str(&cert);
	options.key_pem = sl_buf_str(&key);
	assert_null(sl_tls_server(&options, &err));	/* another one's key */
	assert_int_equal(strncmp(err.text, "private key: ", 13), 0);
	options.cert_pem = SL_STR("nonsense");
	assert_null(sl_tls_server(&options, &err));
	assert_int_equal(sl_tls_self_signed("a,DNS:b", 1, &cert, &key2, &err), SL_ERR_IO);
	sl_buf_clear(&cert);
	sl_buf_clear(&key);
	sl_buf_clear(&key2);
}

/* After tls_contexts: the second certificate is chosen by name. */
static void
tls_sni(void **state)
{
	struct sl_tls *any = sl_tls_client(false, (struct sl_str){ 0 }, NULL);
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_stream_starttls(a.s, server_tls, true, NULL, &err), 0);
	assert_int_equal(sl_stream_starttls(b.s, client_tls, false, "www.example.org", &err), 0);
	UNTIL(b.tls == 1);
	/* It isn't among the client's roots: which proves that it isn't the first one. */
	assert_non_null(strstr(b.err.text, "verify"));
	sl_tls_unref(any);
}

static void
connects(void **state)
{
	struct sl_addr to;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct side c = { 0 };

	(void)state;
	assert_int_equal(sl_addr_parse(&to, SL_STR("127.0.0.1:0"), NULL), 0);
	assert_int_equal(bind(fd, &to.sa, to.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, &to.sa, &to.len), 0);
	c.s = sl_stream_connect(loop, &to, NULL, &handler, &c, NULL);
	assert_non_null(c.s);
	sl_stream_write(c.s, "early", 5);
	assert_int_equal(c.connects, 0);
	UNTIL(c.connects == 1);
	assert_int_equal(c.err.code, 0);
	UNTIL(c.drains == 1);
	assert_int_equal(sl_addr_port(sl_stream_peer(c.s)), sl_addr_port(&to));
	sl_stream_close(c.s);
	close(fd);
	c = (struct side){ 0 };
	c.s = sl_stream_connect(loop, &to, NULL, &handler, &c, NULL);
	if (c.s != NULL) {
		UNTIL(c.connects == 1);
		assert_int_equal(c.err.code, SL_ERR_IO);
		assert_int_equal(c.ends, 0);
		sl_stream_close(c.s);
	}
}

static int
group_teardown(void **state)
{
	(void)state;
	sl_tls_unref(server_tls);
	sl_tls_unref(client_tls);
	return 0;
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(echo), T(closes_in_callback), T(big), T(back_pressure), T(times_out),
		T(finish_writes_all), T(finish_gives_up), T(tls_big), T(tls_back_pressure),
		T(a03_starttls_injection), T(tls_wrong_name), T(tls_peer_leaves), T(tls_garbage),
		T(a08_half_open_tls), T(tls_contexts), T(tls_sni), T(connects),
	};

	return cmocka_run_group_tests(tests, NULL, group_teardown);
}
