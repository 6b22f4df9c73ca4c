/*
 * Whole sessions of the milter host: frames of any kind in any order, on a real
 * connection, with a policy that judges and changes what comes. Whatever the mail
 * server sends, it hears packets of the protocol, no more final answers than
 * it asked for, and its session ends with its connection.
 *
 * An input is a byte that says how far an ordinary session has come when it takes over, and
 * how its message ends, then frames: a command (of the table), a length, data; or bytes that are no frame.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../core/milter/packet.h"
#include "../../core/milter/server.h"
#include "../../core/net/loop.h"
#include "../../core/sluice_host.h"

#define MAX_INPUT	(64 * 1024)	/* fits the socket's buffer: written before anything is read */

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_loop *loop;
static struct sl_engine *engine;
static struct sl_milter_server *server;
static struct sl_milter_service *service;

static void
open_once(void)
{
	const char *folder = getenv("SLUICE_STDLIB");
	struct sl_milter_service_options so = { .server = "inbound", .authenticated = "outbound",
		.trusted = "outbound", .size = 16 * 1024, .recipients = 5 };
	struct sl_engine_options eo = { .stdlib = folder != NULL ? folder : "stdlib" };
	struct sl_engine_parts parts = { 0 };
	struct sl_milter_server_options o = { 0 };
	struct sl_err err;

	if (server != NULL)
		return;
	parts.loop = o.loop = loop = sl_loop_new(&err);
	eo.parts = &parts;
	o.engine = engine = sl_engine_new(&eo, &err);
	if (engine == NULL || sl_engine_load(engine, "tests/fuzz/milter_policy", NULL, NULL) != 0)
		abort();	/* run it in the folder of the project */
	service = sl_milter_service_new(&so, &err);
	server = sl_milter_server_new(&o, &err);
	if (service == NULL || server == NULL)
		abort();
}

/* ---- what is sent --------------------------------------------------------------------- */

static size_t frames;

static void
frame(struct sl_buf *out, char command, struct sl_str data)
{
	size_t n = data.n + 1;
	char length[4] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n };

	sl_buf_put(out, length, 4);
	sl_buf_putc(out, command);
	sl_buf_putstr(out, data);
	frames++;
}

/* A session as mail servers begin it, up to one of its steps. */
static void
begin(struct sl_buf *out, unsigned how_far, unsigned end)
{
	static const char *const ends[] = { "delete", "delete bob@example.org", "reject",
		"reject carol@example.org", "defer", "spam", "kept", "copy", "rename",
		"delay", "error", "spam bob@example.org" };
	struct sl_buf field = SL_BUF_INIT;
	static const struct {
		char command;
		struct sl_str data;
	} steps[] = {
		{ 'O', SL_STR("\0\0\0\6\0\0\1\377\0\37\377\377") },
		{ 'D', SL_STR("Cj\0mx.example.org\0{daemon_name}\0inbound\0") },
		{ 'C', SL_STR("client.example\0" "4\20\1" "192.0.2.1\0") },
		{ 'H', SL_STR("client.example\0") },
		{ 'M', SL_STR("<ann@example.net>\0SIZE=100\0") },
		{ 'R', SL_STR("<bob@example.org>\0") },
		{ 'R', SL_STR("<carol@example.org>\0") },
		{ 'L', SL_STR("From\0 ann@example.net\0") },
		{ 'L', SL_STR("X-Do\0 apsfvb\0") },
		{ 'L', SL_STR("") },	/* X-End */
		{ 'N', SL_STR("") },
		{ 'B', SL_STR("Hello\r\n") },
	};
	size_t i;

	sl_buf_put(&field, "X-End\0 ", 7);
	if (end < sizeof(ends) / sizeof(ends[0]))
		sl_buf_puts(&field, ends[end]);
	sl_buf_putc(&field, '\0');
	for (i = 0; i < how_far && i < sizeof(steps) / sizeof(steps[0]); i++)
		frame(out, steps[i].command, steps[i].command == 'L' && steps[i].data.n == 0 ?
		    sl_buf_str(&field) : steps[i].data);
	sl_buf_clear(&field);
}

static void
compose(struct sl_buf *out, struct sl_str in)
{
	static const char commands[] = "LLLMRREEBNDHCAKOTUQ";
	size_t n, at, op;

	while (in.n >= 2) {
		op = (unsigned char)in.p[0];
		n = (unsigned char)in.p[1];
		at = 2;
		if (n >= 0xf0 && in.n > 2)	/* a long one */
			n = (n & 15) << 8 | (unsigned char)in.p[at++];
		if (op >= 0xf0)
			sl_buf_putstr(out, sl_str_sub(in, at, at + n));
		else
			frame(out, op >= 0xe0 ? (char)(op * 31) : commands[op % (sizeof(commands) - 1)],
			    sl_str_sub(in, at, at + n));
		in = sl_str_sub(in, at + n, in.n);
	}
}

/* ---- what is heard ---------------------------------------------------------------------- */

static bool
receive(int fd, struct sl_buf *heard)
{
	char bytes[4096];
	ssize_t n, all = 0;

	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
		sl_buf_put(heard, bytes, (size_t)n);
		all += n;
	}
	return all > 0;
}

static void
judge(struct sl_str heard)
{
	struct sl_milter_packet p;
	size_t used, answers = 0;

	while (sl_milter_packet_take(heard, &p, &used, NULL) == 1) {
		if (strchr("+-bcdehimpqrstyO", p.command) == NULL || p.data.n > SL_MILTER_MAX_REPLY)
			abort();
		answers += strchr("cdrstyO", p.command) != NULL;
		heard = sl_str_sub(heard, used, heard.n);
	}
	if (heard.n > 0 || answers > frames)
		abort();
}

/* Turns the loop until nothing moves any more: no answer comes, no script runs. */
static void
settle(int fd, struct sl_buf *heard)
{
	int quiet = 0;

	while (quiet < 3) {
		if (sl_loop_step(loop, 0) < 0)
			abort();
		quiet = receive(fd, heard) || sl_engine_runs(engine) > 0 ? 0 : quiet + 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_buf out = SL_BUF_INIT, heard = SL_BUF_INIT;
	int pair[2];

	open_once();
	frames = 0;
	if (size > 0) {
		begin(&out, data[0] % 16, data[0] / 16);
		compose(&out, (struct sl_str){ (const char *)data + 1, size - 1 });
	}
	if (out.n > MAX_INPUT || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) {
		sl_buf_clear(&out);
		return 0;
	}
	if (sl_milter_server_accept(server, service, pair[1], 0) != 0 ||
	    write(pair[0], out.p, out.n) != (ssize_t)out.n)
		abort();
	settle(pair[0], &heard);
	close(pair[0]);
	while (sl_milter_server_counters(server)->sessions > 0)
		if (sl_loop_step(loop, 1000) < 0)
			abort();
	judge(sl_buf_str(&heard));
	sl_buf_clear(&out);
	sl_buf_clear(&heard);
	return 0;
}
