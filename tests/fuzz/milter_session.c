/*
 * Whole connections of the milter host: packets of any kind in any order, a small policy that edits and
 * decides by the message. A connection must end when the mail server has left, and what it is told must be
 * packets.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../core/milter/server.h"
#include "../../core/sluice_host.h"

#define MAX_TURNS	100000
#define MAX_REPLY	(1u << 20)

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] =
    "return { hostname = 'mx.example.org', quarantine = { 'spam' }, trusted = { '198.51.100.0/24' },\n"
    "listen = { { milter = 'inet:127.0.0.1:8890', server = 'inbound', authenticated = 'outbound' } },\n"
    "servers = { inbound = { flows = { connect = 'envelope.lua', helo = 'envelope.lua', mailfrom = 'envelope.lua',\n"
    "rcptto = 'envelope.lua', data = 'data.lua' } }, outbound = { flows = { data = 'data.lua' } } },\n"
    "dns = { zone_only = true }, size = 100000, recipients = 4 }\n";
static const char envelope[] =
    "if #senderip == 9 then Reject('no') elseif sender and #sender == 3 then Defer('later') end\n";
static const char data_flow[] =
    "local subject = GetHeader('Subject') or ''\n"
    "AddHeader('X-Seen', recipient)\n"
    "for _, field in ipairs(GetHeaders(true)) do if #field[2] > 40 then DelHeader(field[1]) end end\n"
    "if #subject > 3 then SetHeader('Subject', subject:rep(2)) SetSender('a@example.org') end\n"
    "if #recipient % 3 == 0 then Delete() elseif #subject == 1 then Quarantine('spam', { reject = false })\n"
    "elseif #subject == 2 then MIME('0'):setBody('other') elseif #subject == 5 then SetRecipient('b@example.org')\n"
    "elseif #subject == 7 then Reject('no') end\n";

static struct {
	struct sl_engine *engine;
	struct sl_loop *loop;
	struct sl_milter_server *server;
	struct sl_milter_service *service;
} rig;

static void
need(bool truth, const char *what)
{
	if (truth)
		return;
	fprintf(stderr, "milter_session: %s\n", what);
	abort();
}

static void
write_file(const char *folder, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	need(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0, path);
}

static void
print_line(void *arg, struct sl_str line)
{
	(void)arg;
	fprintf(stderr, "%.*s\n", (int)line.n, line.p);
}

static void
set_up(void)
{
	char folder[] = "/tmp/sluice-fuzz-XXXXXX";
	struct sl_engine_parts parts = { 0 };
	struct sl_engine_options options = { .stdlib = "stdlib", .parts = &parts };
	struct sl_milter_server_options server = { 0 };
	struct sl_milter_service_options service = { .server = "inbound", .authenticated = "outbound",
	    .size = 100000, .recipients = 4 };
	struct sl_err err;
	char command[100];

	need(mkdtemp(folder) != NULL, "mkdtemp");
	write_file(folder, "sluice.lua", config);
	write_file(folder, "envelope.lua", envelope);
	write_file(folder, "data.lua", data_flow);
	parts.loop = rig.loop = sl_loop_new(&err);
	rig.engine = sl_engine_new(&options, &err);
	need(rig.engine != NULL && sl_engine_load(rig.engine, folder, print_line, NULL) == 0, "the policy");
	server.loop = rig.loop;
	server.engine = rig.engine;
	rig.server = sl_milter_server_new(&server, &err);
	rig.service = sl_milter_service_new(&service, &err);
	need(rig.server != NULL && rig.service != NULL, "the server");
	snprintf(command, sizeof(command), "rm -r %s", folder);
	need(system(command) == 0, command);
}

static void
put_packet(struct sl_buf *out, char command, struct sl_str data)
{
	uint32_t n = (uint32_t)data.n + 1;
	char head[5] = { (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n, command };

	sl_buf_put(out, head, sizeof(head));
	sl_buf_putstr(out, data);
}

#define PACKET(command, data)	{ command, { data, sizeof(data) - 1 } }

/* The steps that a mail server takes up to the header of a message. */
static const struct {
	char command;
	struct sl_str data;
} steps[] = {
	PACKET('O', "\0\0\0\6\0\0\1\377\0\37\377\377"), PACKET('C', "c.example\0" "4\20\341192.0.2.1\0"),
	PACKET('H', "c.example\0"), PACKET('D', "Mi\0ID\0"), PACKET('M', "<a@example.com>\0"),
	PACKET('R', "<b@example.org>\0"), PACKET('L', "From\0a@example.com\0"), PACKET('N', ""),
};

/*
 * The first byte chooses: how many of the usual steps come first; then the rest as it is, or packets of it
 * (command, two bytes of length, data), whose length can't be wrong then, all else can.
 */
static void
put_stream(struct sl_buf *out, const uint8_t *data, size_t size)
{
	size_t usual = data[0] % 10, i, n;

	for (i = 0; i < usual && i < sizeof(steps) / sizeof(steps[0]); i++)
		put_packet(out, steps[i].command, steps[i].data);
	if (data[0] >= 0xe0) {
		sl_buf_put(out, (const char *)data + 1, size - 1);
		return;
	}
	for (i = 1; i + 3 <= size; i += 3 + n) {
		n = (size_t)(data[i + 1] & 15) << 8 | data[i + 2];
		n = n < size - i - 3 ? n : size - i - 3;
		put_packet(out, (char)data[i], (struct sl_str){ (const char *)data + i + 3, n });
	}
}

/* What has come so far; true: that was all. */
static bool
read_replies(int fd, struct sl_buf *replies)
{
	char block[65536];
	ssize_t n;

	while ((n = recv(fd, block, sizeof(block), MSG_DONTWAIT)) > 0) {
		sl_buf_put(replies, block, (size_t)n);
		need(replies->n < MAX_REPLY, "too many replies");
	}
	return n == 0 || (errno != EAGAIN && errno != EINTR);
}

static void
check_replies(struct sl_str s)
{
	uint32_t n;

	while (s.n > 0) {
		need(s.n >= 5, "a reply is cut off");
		n = (uint32_t)(uint8_t)s.p[0] << 24 | (uint32_t)(uint8_t)s.p[1] << 16 |
		    (uint32_t)(uint8_t)s.p[2] << 8 | (uint8_t)s.p[3];
		need(n >= 1 && n <= s.n - 4, "a reply's length is wrong");
		need(memchr("+-2acdfhimpqrstybelOA", s.p[4], 21) != NULL, "no reply has that name");
		s = sl_str_sub(s, 4 + n, s.n);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_buf stream = SL_BUF_INIT, replies = SL_BUF_INIT;
	size_t sent = 0;
	int pair[2], turns;
	bool left = false, ended = false;
	ssize_t n;

	if (rig.engine == NULL)
		set_up();
	if (size < 1)
		return 0;
	put_stream(&stream, data, size);
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
	need(sl_milter_server_accept(rig.server, rig.service, pair[0], 0) == 0, "accept");
	for (turns = 0; !ended && turns < MAX_TURNS; turns++) {
		while (sent < stream.n && (n = send(pair[1], stream.p + sent, stream.n - sent, MSG_NOSIGNAL)) > 0)
			sent += (size_t)n;
		if (!left && (sent == stream.n || errno != EAGAIN)) {
			shutdown(pair[1], SHUT_WR);
			left = true;
		}
		sl_loop_step(rig.loop, 0);
		ended = read_replies(pair[1], &replies);
	}
	need(ended, "the connection doesn't end");
	for (turns = 0; sl_milter_server_counters(rig.server)->sessions > 0; turns++) {
		need(turns < MAX_TURNS, "the session doesn't end");
		sl_loop_step(rig.loop, 0);
	}
	check_replies(sl_buf_str(&replies));
	close(pair[1]);
	sl_buf_clear(&stream);
	sl_buf_clear(&replies);
	return 0;
}
