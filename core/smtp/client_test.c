/*
 * The client against a scripted server on the same loop. A script is a list of
 * lines: "> text" is sent, "< text" is a line that must begin so, "." takes a
 * message up to its final dot, "tls" begins TLS, "reset" drops the connection,
 * "mute" says nothing any more, "raw text" is sent without a line end. When the
 * script is over the server closes.
 */
#include "client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"
#include "client_reply.h"

#define MAX_STEPS	40

static struct sl_loop *loop;
static struct sl_tls *server_tls, *trusting;
static struct sl_buf certificate;

/* ---- the server ------------------------------------------------------------ */

struct server {
	struct sl_watch watch;
	int fd;
	struct sl_addr addr;
	const char *const *script;
	size_t step, steps;		/* done, in all */
	size_t cut;			/* drops the connection before this step; SIZE_MAX = never */
	struct sl_stream *s;
	unsigned connections;
	struct sl_buf data;		/* of the messages, as they came */
	char wrong[400];		/* the first line that wasn't as the script has it */
};

static struct server server;

static void	 server_go(struct server *v);

static void
server_read(struct sl_stream *s, void *arg)
{
	(void)s;
	server_go(arg);
}

static void
server_tls_done(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct server *v = arg;

	(void)s;
	if (err->code == 0) {
		server_go(v);
		return;
	}
	sl_stream_close(v->s);
	v->s = NULL;
}

static void
server_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct server *v = arg;

	(void)err;
	sl_stream_close(s);
	if (v->s == s)
		v->s = NULL;
}

static void
server_drain(struct sl_stream *s, void *arg)
{
	(void)s;
	(void)arg;
}

static const struct sl_stream_handler server_handler = {
	server_read, server_drain, server_tls_done, NULL, server_end,
};

/* false: the line isn't there yet. */
static bool
expect_line(struct server *v, const char *want)
{
	struct sl_str line;
	size_t used;

	if (!sl_reply_cut(sl_buf_str(sl_stream_in(v->s)), &line, &used))
		return false;
	if (!sl_str_starts(line, sl_str_of(want)) && v->wrong[0] == '\0')
		snprintf(v->wrong, sizeof(v->wrong), "wanted \"%s\", got \"%.*s\"", want,
		    (int)line.n, line.p);
	sl_buf_drop(sl_stream_in(v->s), used);
	return true;
}

static bool
take_message(struct server *v)
{
	struct sl_buf *in = sl_stream_in(v->s);
	ssize_t end;

	sl_buf_put(&v->data, in->p, in->n);
	sl_buf_drop(in, in->n);
	if (sl_str_eq(sl_buf_str(&v->data), SL_STR(".\r\n")))
		end = 0;
	else if ((end = sl_str_find(sl_buf_str(&v->data), SL_STR("\r\n.\r\n"))) < 0)
		return false;
	else
		end += 2;
	/* What came behind the dot belongs to the next step; here nothing may. */
	if ((size_t)end + 3 != v->data.n)
		snprintf(v->wrong, sizeof(v->wrong), "text behind the final dot");
	v->data.n = (size_t)end;
	v->data.p[end] = '\0';
	return true;
}

static void
drop(struct server *v)
{
	sl_stream_finish(v->s, 1000);
	v->s = NULL;
}

/* One step; false = it waits. */
static bool
server_step(struct server *v, const char *step)
{
	struct sl_err err;

	if (step[0] == '>')
		sl_stream_printf(v->s, "%s\r\n", step + 2);
	else if (strncmp(step, "raw ", 4) == 0)
		sl_stream_printf(v->s, "%s", step + 4);
	else if (step[0] == '<')
		return expect_line(v, step + 2);
	else if (step[0] == '.')
		return take_message(v);
	else if (strcmp(step, "reset") == 0)
		drop(v);
	else if (strcmp(step, "mute") == 0)
		return false;
	else if (strcmp(step, "tls") == 0)
		sl_stream_starttls(v->s, server_tls, true, NULL, &err);
	return true;
}

static void
server_go(struct server *v)
{
	const char *step;

	while (v->s != NULL && v->step < v->steps) {
		if (v->step == v->cut) {
			drop(v);
			return;
		}
		step = v->script[v->step];
		if (!server_step(v, step))
			return;
		v->step++;
		/* After "reset" the script goes on with the next connection. */
		if (strcmp(step, "tls") == 0)
			return;
	}
	if (v->s != NULL) {
		sl_stream_finish(v->s, 1000);
		v->s = NULL;
	}
}

static void
server_accept(struct sl_watch *watch, unsigned events)
{
	struct server *v = sl_list_entry(watch, struct server, watch);
	int fd = accept4(v->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd < 0)
		return;
	v->connections++;
	v->s = sl_stream_accept(loop, fd, &server_handler, v, NULL);
	if (v->s != NULL)
		server_go(v);
}

static void
server_start(struct server *v, const char *const *script, size_t cut)
{
	struct sl_err err;

	memset(v, 0, sizeof(*v));
	v->script = script;
	while (script[v->steps] != NULL)
		v->steps++;
	v->cut = cut;
	assert_int_equal(sl_addr_parse(&v->addr, SL_STR("127.0.0.1:0"), &err), 0);
	v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(v->fd, &v->addr.sa, v->addr.len), 0);
	assert_int_equal(listen(v->fd, 10), 0);
	assert_int_equal(getsockname(v->fd, &v->addr.sa, &v->addr.len), 0);
	assert_int_equal(sl_watch_start(loop, &v->watch, v->fd, SL_READ, server_accept), 0);
}

static void
server_stop(struct server *v)
{
	sl_watch_stop(&v->watch);
	close(v->fd);
	sl_stream_close(v->s);
	sl_buf_clear(&v->data);
}

/* ---- the client's side -------------------------------------------------------- */

static int
file_of(const char *text, size_t n)
{
	char path[] = "/tmp/sluice-client-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(write(fd, text, n), n);
	return fd;
}

static struct sl_client_options
options(void)
{
	struct sl_client_options o = {
		.to = server.addr, .host = "mx.example", .helo = "me.example",
		.timeouts = { .connect = 5000, .greeting = 5000, .command = 5000, .data = 5000,
		    .block = 5000, .final = 5000 },
	};

	return o;
}

static void
wait_done(struct sl_client_op *op)
{
	assert_non_null(op);
	sl_op_block(&op->op);
	assert_int_equal(op->op.status, 0);
}

static const char *const two[] = { "a@b.example", "c@d.example" };
static const char body[] = "Subject: x\r\n\r\nHello\r\n";

static struct sl_client_op *
send_text(struct sl_client *c, const char *text, size_t n, size_t recipients)
{
	struct sl_client_message m = {
		.sender = "s@e.example", .recipients = two, .n = recipients,
		.fd = file_of(text, n), .size = n,
	};
	struct sl_client_op *op = sl_client_send(c, &m);

	wait_done(op);
	close(m.fd);
	return op;
}

static struct sl_client *
connect_client(const struct sl_client_options *o)
{
	struct sl_err err = { 0 };
	struct sl_client *c = sl_client_new(loop, o, &err);

	if (c == NULL)
		fail_msg("%s", err.text);
	return c;
}

static void
describe(struct sl_buf *out, const struct sl_client_op *op)
{
	for (size_t i = 0; i < op->n; i++) {
		const struct sl_send_result *r = &op->results[i];

		sl_buf_printf(out, "%s%d %s%s%s", i > 0 ? " | " : "", r->code, r->enhanced,
		    r->enhanced[0] != '\0' ? " " : "", r->text);
	}
	if (op->unserved)
		sl_buf_puts(out, " (unserved)");
}

/* ---- dialogues ------------------------------------------------------------------ */

#define LMTP		1
#define AUTH		2
#define ONE		4	/* recipient */
#define TLS_OPTIONAL	8
#define TLS_REQUIRE	16
#define TLS_VERIFY	32
#define TRUSTED		64	/* the server's certificate is a root */
#define MUTE		128	/* short time-outs */

#define PLAIN_START	"> 220 hi", "< EHLO me.example", "> 250 mx"
#define PIPE_START	"> 220 hi", "< EHLO me.example", "> 250-mx", "> 250 PIPELINING"
#define BOTH_RCPT	"< MAIL FROM:<s@e.example>", "< RCPT TO:<a@b.example>", "< RCPT TO:<c@d.example>"

static const struct {
	const char *name;
	int flags;
	const char *script[MAX_STEPS];
	const char *want;
} dialogues[] = {
	{ "one at a time", 0, { PLAIN_START, "< MAIL FROM:<s@e.example>", "> 250 ok",
	    "< RCPT TO:<a@b.example>", "> 250 ok", "< RCPT TO:<c@d.example>", "> 250 ok", "< DATA",
	    "> 354 go", ".", "> 250 2.0.0 queued as 1" }, "250 2.0.0 queued as 1 | 250 2.0.0 queued as 1" },
	{ "pipelined", 0, { PIPE_START, BOTH_RCPT, "> 250 ok", "> 250 ok", "> 250 ok", "< DATA",
	    "> 354 go", ".", "> 250 done" }, "250 done | 250 done" },
	{ "replies of several lines", ONE, { "> 220-hi", "> 220-there", "> 220 you", "< EHLO",
	    "> 250-mx", "> 250-SIZE 1000", "> 250-8BITMIME", "> 250 HELP",
	    "< MAIL FROM:<s@e.example> SIZE=21 BODY=8BITMIME", "> 250-2.1.0 fine", "> 250 2.1.0 so",
	    "< RCPT", "> 250 ok", "< DATA", "> 354-go", "> 354 on", ".", "> 250-2.0.0 a", "> 250 2.0.0 b" },
	    "250 2.0.0 a b" },
	{ "HELO when EHLO is unknown", ONE, { "> 220 hi", "< EHLO", "> 502 what", "< HELO me.example",
	    "> 250 ok", "< MAIL FROM:<s@e.example>", "> 250 ok", "< RCPT", "> 250 ok", "< DATA",
	    "> 354 go", ".", "> 250 ok" }, "250 ok" },
	{ "greeting refused", 0, { "> 554 5.7.1 go away" },
	    "554 5.7.1 go away | 554 5.7.1 go away (unserved)" },
	{ "greeting 421", ONE, { "> 421 busy" }, "421 busy (unserved)" },
	{ "EHLO and HELO refused", ONE, { "> 220 hi", "< EHLO", "> 502 what", "< HELO", "> 550 no" },
	    "550 no (unserved)" },
	{ "EHLO deferred", ONE, { "> 220 hi", "< EHLO", "> 451 later" }, "451 later (unserved)" },
	{ "MAIL refused", 0, { PLAIN_START, "< MAIL", "> 550 5.1.8 bad sender" },
	    "550 5.1.8 bad sender | 550 5.1.8 bad sender" },
	{ "MAIL refused, pipelined", 0, { PIPE_START, BOTH_RCPT, "> 550 no", "> 503 MAIL first",
	    "> 503 MAIL first" }, "550 no | 550 no" },
	{ "one recipient refused", 0, { PIPE_START, BOTH_RCPT, "> 250 ok", "> 550 5.1.1 unknown",
	    "> 250 ok", "< DATA", "> 354 go", ".", "> 250 ok" }, "550 5.1.1 unknown | 250 ok" },
	{ "one recipient deferred, one at a time", 0, { PLAIN_START, "< MAIL", "> 250 ok", "< RCPT",
	    "> 250 ok", "< RCPT", "> 452 4.5.3 too many", "< DATA", "> 354 go", ".", "> 250 ok" },
	    "250 ok | 452 4.5.3 too many" },
	{ "too many recipients, said as RFC 821 had it", 0, { PIPE_START, BOTH_RCPT, "> 250 ok",
	    "> 250 ok", "> 552 too many recipients", "< DATA", "> 354 go", ".", "> 250 ok" },
	    "250 ok | 452 4.5.3 too many recipients" },
	{ "too many recipients, by the enhanced code", 0, { PIPE_START, BOTH_RCPT, "> 250 ok",
	    "> 250 ok", "> 550 5.5.3 enough", "< DATA", "> 354 go", ".", "> 250 ok" },
	    "250 ok | 452 4.5.3 enough" },
	{ "a full mailbox", 0, { PIPE_START, BOTH_RCPT, "> 250 ok",
	    "> 250 ok", "> 552 5.2.2 full", "< DATA", "> 354 go", ".", "> 250 ok" },
	    "250 ok | 552 5.2.2 full" },
	{ "the first recipient isn't too many", 0, { PIPE_START, BOTH_RCPT, "> 250 ok",
	    "> 552 5.5.3 full", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 ok" },
	    "552 5.5.3 full | 250 ok" },
	{ "all recipients refused: no DATA", 0, { PIPE_START, BOTH_RCPT, "> 250 ok", "> 550 a",
	    "> 551 b", "< QUIT" }, "550 a | 551 b" },
	{ "DATA refused", 0, { PIPE_START, BOTH_RCPT, "> 250 ok", "> 550 a", "> 250 ok", "< DATA",
	    "> 451 4.3.0 no room" }, "550 a | 451 4.3.0 no room" },
	{ "DATA answered 250", ONE, { PLAIN_START, "< MAIL", "> 250 ok", "< RCPT", "> 250 ok", "< DATA",
	    "> 250 what" }, "0 4.5.0 the host answered DATA with 2xx" },
	{ "message refused", 0, { PIPE_START, BOTH_RCPT, "> 250 ok", "> 250 ok", "> 250 ok", "< DATA",
	    "> 354 go", ".", "> 554 5.7.1 spam" }, "554 5.7.1 spam | 554 5.7.1 spam" },
	{ "421 at RCPT", 0, { PIPE_START, BOTH_RCPT, "> 250 ok", "> 250 ok", "> 421 4.3.2 bye" },
	    "421 4.3.2 bye | 421 4.3.2 bye" },
	{ "too large for the host", ONE, { "> 220 hi", "< EHLO", "> 250-mx", "> 250 SIZE 20", "< QUIT" },
	    "552 5.3.4 the message is larger than the host takes" },

	{ "malformed: no code", ONE, { "> hello" }, "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed: two digits", ONE, { "> 22 hi" }, "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed: code 199", ONE, { "> 199 hi" }, "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed: code 600", ONE, { "> 600 hi" }, "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed: no blank", ONE, { "> 220hi" }, "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed: empty line", ONE, { "> " }, "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed: code changes", ONE, { "> 220-hi", "> 221 hi" },
	    "0 4.5.0 the host's reply is malformed (unserved)" },
	{ "malformed after MAIL", ONE, { PLAIN_START, "< MAIL", "> 250 ok", "< RCPT", "> ok" },
	    "0 4.5.0 the host's reply is malformed" },
	{ "3xx out of turn", ONE, { PLAIN_START, "< MAIL", "> 354 go" },
	    "0 4.5.0 the host sent a 3xx reply out of turn (unserved)" },
	{ "reply before its command", ONE, { "> 220 hi", "> 250 early", "< EHLO", "> 250 mx" },
	    NULL },
	{ "control bytes in a reply", ONE, { PLAIN_START, "< MAIL", "> 550 a\033[2Jb\x80\r" },
	    "550 a?[2Jb??" },
	{ "reply without text", ONE, { PLAIN_START, "< MAIL", "> 550" }, "550 (no text)" },
	{ "LF line ends", ONE, { "raw 220 hi\n", "< EHLO", "raw 250-mx\n250 SIZE\n", "< MAIL", "raw 550 no\n" },
	    "550 no" },
	{ "enhanced code of another class", ONE, { PLAIN_START, "< MAIL", "> 550 4.1.1 no" }, "550 4.1.1 no" },

	{ "LMTP, a reply each", LMTP, { "> 220 hi", "< LHLO me.example", "> 250-mx", "> 250 PIPELINING",
	    BOTH_RCPT, "> 250 ok", "> 250 ok", "> 250 ok", "< DATA", "> 354 go", ".",
	    "> 250 2.0.0 a stored", "> 452 4.2.2 c is full" }, "250 2.0.0 a stored | 452 4.2.2 c is full" },
	{ "LMTP, one refused at RCPT", LMTP, { "> 220 hi", "< LHLO", "> 250-mx", "> 250 PIPELINING",
	    BOTH_RCPT, "> 250 ok", "> 550 no a", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 c" },
	    "550 no a | 250 c" },
	{ "LMTP, gone between the replies", LMTP, { "> 220 hi", "< LHLO", "> 250-mx", "> 250 PIPELINING",
	    BOTH_RCPT, "> 250 ok", "> 250 ok", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 a" },
	    "250 a | 0 4.4.2 connection closed by the other side" },
	{ "LMTP knows no HELO", LMTP | ONE, { "> 220 hi", "< LHLO", "> 500 what" }, "500 what (unserved)" },

	{ "AUTH PLAIN", AUTH | ONE, { "> 220 hi", "< EHLO", "> 250-mx", "> 250 AUTH LOGIN PLAIN",
	    "< AUTH PLAIN AHVzZXIAcGFzcw==", "> 235 ok", "< MAIL", "> 550 no" }, "550 no" },
	{ "AUTH LOGIN", AUTH | ONE, { "> 220 hi", "< EHLO", "> 250-mx", "> 250 AUTH=LOGIN",
	    "< AUTH LOGIN", "> 334 VXNlcm5hbWU6", "< dXNlcg==", "> 334 UGFzc3dvcmQ6", "< cGFzcw==",
	    "> 235 ok", "< MAIL", "> 550 no" }, "550 no" },
	{ "AUTH refused", AUTH | ONE, { "> 220 hi", "< EHLO", "> 250-mx", "> 250 AUTH PLAIN", "< AUTH PLAIN",
	    "> 535 5.7.8 wrong" }, "0 4.7.8 our AUTH was refused: 535 wrong (unserved)" },
	{ "AUTH not offered", AUTH | ONE, { "> 220 hi", "< EHLO", "> 250 mx" },
	    "0 4.7.4 the host offers neither AUTH PLAIN nor LOGIN (unserved)" },

	{ "TLS optional, not offered", TLS_OPTIONAL | ONE, { PLAIN_START, "< MAIL", "> 550 no" }, "550 no" },
	{ "TLS optional", TLS_OPTIONAL | ONE, { "> 220 hi", "< EHLO", "> 250-mx", "> 250 STARTTLS",
	    "< STARTTLS", "> 220 go", "tls", "< EHLO", "> 250 mx", "< MAIL", "> 550 in TLS" },
	    "550 in TLS" },
	{ "TLS optional, refused", TLS_OPTIONAL | ONE, { "> 220 hi", "< EHLO", "> 250-mx",
	    "> 250 STARTTLS", "< STARTTLS", "> 454 not now", "< MAIL", "> 550 no" }, "550 no" },
	{ "TLS optional, broken: in clear", TLS_OPTIONAL | ONE, { "> 220 hi", "< EHLO", "> 250-mx",
	    "> 250 STARTTLS", "< STARTTLS", "> 220 go", "raw no TLS at all, this is not a handshake",
	    "reset", "> 220 hi", "< EHLO", "> 250-mx", "> 250 STARTTLS", "< MAIL", "> 550 no" }, "550 no" },
	{ "TLS required, not offered", TLS_REQUIRE | ONE, { PLAIN_START },
	    "0 4.7.10 the host offers no STARTTLS, and TLS is required (unserved)" },
	{ "TLS required, EHLO unknown", TLS_REQUIRE | ONE, { "> 220 hi", "< EHLO", "> 502 what", "< HELO",
	    "> 250 ok" }, "0 4.7.10 the host offers no STARTTLS, and TLS is required (unserved)" },
	{ "TLS required, refused", TLS_REQUIRE | ONE, { "> 220 hi", "< EHLO", "> 250-mx",
	    "> 250 STARTTLS", "< STARTTLS", "> 454 not now" },
	    "0 4.7.10 STARTTLS was refused, and TLS is required (unserved)" },
	{ "TLS verified", TLS_VERIFY | TRUSTED | ONE, { "> 220 hi", "< EHLO", "> 250-mx",
	    "> 250 STARTTLS", "< STARTTLS", "> 220 go", "tls", "< EHLO", "> 250 mx", "< MAIL",
	    "> 550 in TLS" }, "550 in TLS" },
	{ "TLS verified, unknown root", TLS_VERIFY | ONE, { "> 220 hi", "< EHLO", "> 250-mx",
	    "> 250 STARTTLS", "< STARTTLS", "> 220 go", "tls" }, NULL },
	{ "A03 injected behind STARTTLS", TLS_OPTIONAL | ONE, { "> 220 hi", "< EHLO", "> 250-mx",
	    "> 250 STARTTLS", "< STARTTLS", "raw 220 go\r\n250 injected\r\n250 injected\r\n", "tls", "< EHLO", "> 250 mx",
	    "< MAIL", "> 550 in TLS" }, "550 in TLS" },

	{ "A08 mute at the greeting", MUTE | ONE, { "mute" },
	    "0 4.4.2 timed out waiting for the host (unserved)" },
	{ "A08 mute after MAIL", MUTE | ONE, { PLAIN_START, "< MAIL", "> 250 ok", "mute" },
	    "0 4.4.2 timed out waiting for the host" },
	{ "A08 mute after the message", MUTE | ONE, { PLAIN_START, "< MAIL", "> 250 ok", "< RCPT",
	    "> 250 ok", "< DATA", "> 354 go", ".", "mute" }, "0 4.4.2 timed out waiting for the host" },
	{ "A08 a line without end", MUTE | ONE, { "raw 220-", "mute" },
	    "0 4.4.2 timed out waiting for the host (unserved)" },
};

static void
set_flags(struct sl_client_options *o, int flags)
{
	o->lmtp = (flags & LMTP) != 0;
	if ((flags & AUTH) != 0) {
		o->username = "user";
		o->password = "pass";
	}
	if ((flags & TLS_OPTIONAL) != 0)
		o->tls = SL_CLIENT_TLS_OPTIONAL;
	if ((flags & TLS_REQUIRE) != 0)
		o->tls = SL_CLIENT_TLS_REQUIRE;
	if ((flags & TLS_VERIFY) != 0)
		o->tls = SL_CLIENT_TLS_VERIFY;
	if ((flags & TRUSTED) != 0)
		o->context = trusting;
	if ((flags & MUTE) != 0)
		o->timeouts.greeting = o->timeouts.command = o->timeouts.final = 50;
}

static void
dialogue_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
		struct sl_client_options o;
		struct sl_buf got = SL_BUF_INIT;
		struct sl_client_op *op;
		struct sl_client *c;

		server_start(&server, dialogues[i].script, SIZE_MAX);
		o = options();
		set_flags(&o, dialogues[i].flags);
		c = connect_client(&o);
		op = send_text(c, body, sizeof(body) - 1, dialogues[i].flags & ONE ? 1 : 2);
		describe(&got, op);
		if (dialogues[i].want != NULL && strcmp(got.p, dialogues[i].want) != 0)
			fail_msg("%s: %s", dialogues[i].name, got.p);
		/* Not said which error: but no reply, and no result that delivers. */
		if (dialogues[i].want == NULL)
			assert_int_equal(op->results[0].code, 0);
		if (server.wrong[0] != '\0')
			fail_msg("%s: %s", dialogues[i].name, server.wrong);
		if (op->results[0].code == 250)
			assert_string_equal(server.data.p, body);
		assert_int_equal(strstr(got.p, "in TLS") != NULL, op->results[0].tls);
		assert_string_equal(op->results[0].host, "mx.example");
		sl_op_release(&op->op);
		sl_client_close(c);
		sl_buf_clear(&got);
		server_stop(&server);
	}
}

/* Gone at every step: each recipient has a result, and none says delivered
 * unless its final reply was sent. */
static void
gone_at_each_step(void **state)
{
	static const char *const smtp[] = { "> 220 hi", "< EHLO", "> 250-mx", "> 250 PIPELINING", BOTH_RCPT,
	    "> 250 ok", "> 250 ok", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 done", NULL };

	(void)state;
	for (size_t cut = 0; cut < 14; cut++) {
		struct sl_client_options o;
		struct sl_client_op *op;
		struct sl_client *c;

		server_start(&server, smtp, cut);
		o = options();
		c = connect_client(&o);
		op = send_text(c, body, sizeof(body) - 1, 2);
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(op->results[i].code, 0);
			assert_true(op->results[i].text[0] != '\0');
		}
		assert_int_equal(op->unserved, cut <= 7);
		assert_false(sl_client_usable(c));
		sl_op_release(&op->op);
		sl_client_close(c);
		server_stop(&server);
	}
}

/* ---- the message ------------------------------------------------------------------ */

#define ONE_RCPT	"< MAIL", "> 250 ok", "< RCPT", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 ok"

static const struct {
	const char *name, *text, *want;
} bodies[] = {
	{ "dots", "a\r\n.\r\n..\r\n.b\r\nc.\r\n", "a\r\n..\r\n...\r\n..b\r\nc.\r\n" },
	{ "dot first", ".a\r\n", "..a\r\n" },
	{ "A01 dot between line ends", "a\r\n.\r\nMAIL FROM:<x>\r\n", "a\r\n..\r\nMAIL FROM:<x>\r\n" },
	{ "no final line end", "a", "a\r\n" },
	{ "final dot without line end", "a\r\n.", "a\r\n..\r\n" },
	{ "empty", "", "" },
	{ "8-bit as it is", "\xe4\r\n", "\xe4\r\n" },
	{ "A02 bare LF", "a\n.\nb\r\n", NULL },
	{ "A02 bare LF first", "\na\r\n", NULL },
	{ "A02 bare CR", "a\rb\r\n", NULL },
	{ "A02 bare CR last", "a\r", NULL },
	{ "A01 CR CR LF", "a\r\r\n.\r\n", NULL },
};

static void
body_cases(void **state)
{
	static const char *const script[] = { PLAIN_START, ONE_RCPT, NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct sl_client_options o;
		struct sl_client_op *op;
		struct sl_client *c;

		server_start(&server, script, SIZE_MAX);
		o = options();
		c = connect_client(&o);
		op = send_text(c, bodies[i].text, strlen(bodies[i].text), 1);
		if (bodies[i].want == NULL) {
			assert_int_equal(op->results[0].code, 554);
			/* Nothing that ends a message went out. */
			assert_true(server.step < server.steps - 1);
		} else if (op->results[0].code != 250 || strcmp(server.data.p, bodies[i].want) != 0) {
			fail_msg("%s: %d %s", bodies[i].name, op->results[0].code, server.data.p);
		}
		sl_op_release(&op->op);
		sl_client_close(c);
		server_stop(&server);
	}
}

/* Dots and line ends on both sides of every edge of a chunk: many lines of
 * lengths that walk over them. And back pressure: 5 MB through a small socket. */
static void
large_body(void **state)
{
	static const char *const script[] = { PLAIN_START, ONE_RCPT, NULL };
	struct sl_buf text = SL_BUF_INIT, want = SL_BUF_INIT;
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	for (int i = 0; text.n < 5000000; i++) {
		sl_buf_printf(&text, ".%0*d\r\n", i % 61 + 1, i);
		sl_buf_printf(&want, "..%0*d\r\n", i % 61 + 1, i);
		sl_buf_puts(&text, i % 3 == 0 ? ".\r\n" : "");
		sl_buf_puts(&want, i % 3 == 0 ? "..\r\n" : "");
	}
	server_start(&server, script, SIZE_MAX);
	o = options();
	c = connect_client(&o);
	op = send_text(c, text.p, text.n, 1);
	assert_int_equal(op->results[0].code, 250);
	assert_int_equal(server.data.n, want.n);
	assert_memory_equal(server.data.p, want.p, want.n);
	sl_op_release(&op->op);
	sl_client_close(c);
	server_stop(&server);
	sl_buf_clear(&text);
	sl_buf_clear(&want);
}

/* Only [offset, offset + size) of the file, and a file that is too short. */
static void
range_of_file(void **state)
{
	static const char *const script[] = { PLAIN_START, ONE_RCPT, "< RSET", "> 250 ok", ONE_RCPT, NULL };
	struct sl_client_message m = { .sender = "", .recipients = two, .n = 1, .offset = 6, .size = 6 };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	server_start(&server, script, SIZE_MAX);
	o = options();
	c = connect_client(&o);
	m.fd = file_of("before.in\r\n.after", 17);
	wait_done(op = sl_client_send(c, &m));
	assert_string_equal(server.data.p, "..in\r\n..\r\n");
	sl_op_release(&op->op);
	m.size = 100;
	wait_done(op = sl_client_send(c, &m));
	assert_int_equal(op->results[0].code, 0);
	assert_string_equal(op->results[0].text, "the stored message can't be read");
	sl_op_release(&op->op);
	close(m.fd);
	sl_client_close(c);
	server_stop(&server);
}

/* ---- reuse --------------------------------------------------------------------------- */

static void
reuse(void **state)
{
	static const char *const script[] = { PIPE_START, ONE_RCPT, "< RSET", "> 250 ok", "< MAIL",
	    "< RCPT", "> 250 ok", "> 550 no", "< RSET", "> 250 ok", "< MAIL", "< RCPT", "> 250 ok",
	    "> 250 ok", "< DATA", "> 354 go", ".", "> 250 third", "< QUIT", "> 221 bye", NULL };
	static const int want[] = { 250, 550, 250 };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	server_start(&server, script, SIZE_MAX);
	o = options();
	c = connect_client(&o);
	for (size_t i = 0; i < 3; i++) {
		sl_buf_reset(&server.data);
		op = send_text(c, body, sizeof(body) - 1, 1);
		if (op->results[0].code != want[i])
			fail_msg("%zu: %d %s", i, op->results[0].code, op->results[0].text);
		assert_true(sl_client_usable(c));
		sl_op_release(&op->op);
	}
	assert_int_equal(server.connections, 1);
	sl_client_close(c);
	while (server.step < server.steps)
		sl_loop_step(loop, 1000);
	assert_string_equal(server.wrong, "");
	server_stop(&server);
}

/* The host ended a kept connection: said so by 'stale'. */
static void
stale(void **state)
{
	static const char *const script[] = { PLAIN_START, ONE_RCPT, NULL };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	server_start(&server, script, SIZE_MAX);
	o = options();
	c = connect_client(&o);
	op = send_text(c, body, sizeof(body) - 1, 1);
	assert_false(op->stale);
	sl_op_release(&op->op);
	op = send_text(c, body, sizeof(body) - 1, 1);
	assert_true(op->unserved && op->stale);
	sl_op_release(&op->op);
	assert_false(sl_client_usable(c));
	sl_client_close(c);
	server_stop(&server);
}

static void
released_under_way(void **state)
{
	static const char *const script[] = { PLAIN_START, "< MAIL", "mute", NULL };
	struct sl_client_message m = { .sender = "", .recipients = two, .n = 2, .fd = -1, .size = 1 };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	server_start(&server, script, SIZE_MAX);
	o = options();
	c = connect_client(&o);
	op = sl_client_send(c, &m);
	while (server.step < server.steps - 1)
		sl_loop_step(loop, 1000);
	sl_op_release(&op->op);
	assert_false(sl_client_usable(c));
	sl_client_close(c);
	server_stop(&server);
}

static void
cannot_connect(void **state)
{
	static const char *const script[] = { NULL };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;
	struct sl_addr addr;

	(void)state;
	server_start(&server, script, SIZE_MAX);
	addr = server.addr;
	server_stop(&server);
	server.addr = addr;
	o = options();
	c = sl_client_new(loop, &o, NULL);
	assert_non_null(c);
	op = send_text(c, body, sizeof(body) - 1, 1);
	assert_true(op->unserved && !op->stale);
	assert_string_equal(op->results[0].text, "connect: Connection refused");
	assert_string_equal(op->results[0].enhanced, "4.4.1");
	sl_op_release(&op->op);
	sl_client_close(c);
}

/* ---- addresses ------------------------------------------------------------------------ */

static void
addresses(void **state)
{
	static const char *const plain[] = { PLAIN_START, "< MAIL FROM:<>", "> 250 ok",
	    "< RCPT TO:<a@b.example>", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 ok", NULL };
	static const char *const utf8[] = { "> 220 hi", "< EHLO", "> 250-mx", "> 250 SMTPUTF8",
	    "< MAIL FROM:<> SMTPUTF8", "> 250 ok", "< RCPT TO:<\xc3\xa4@b.example>", "> 250 ok",
	    "< RCPT TO:<a@b.example>", "> 250 ok", "< DATA", "> 354 go", ".", "> 250 ok", NULL };
	static const char *const to[] = { "\xc3\xa4@b.example", "a@b.example", "x@y\r\nRCPT TO:<z@y" };
	struct sl_client_message m = { .sender = "", .recipients = to, .n = 3 };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	m.fd = file_of("a\r\n", 3);
	m.size = 3;
	for (int i = 0; i < 2; i++) {
		server_start(&server, i == 0 ? plain : utf8, SIZE_MAX);
		o = options();
		c = connect_client(&o);
		wait_done(op = sl_client_send(c, &m));
		assert_string_equal(server.wrong, "");
		assert_int_equal(op->results[0].code, i == 0 ? 553 : 250);
		assert_int_equal(op->results[1].code, 250);
		assert_int_equal(op->results[2].code, 553);
		sl_op_release(&op->op);
		sl_client_close(c);
		server_stop(&server);
	}
	close(m.fd);
}

/* ---- caps ---------------------------------------------------------------------------------- */

static void
long_replies(void **state)
{
	static char line[4096];
	static const char *script[300] = { "> 220 hi", "< EHLO" };
	struct sl_client_options o;
	struct sl_client_op *op;
	struct sl_client *c;

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	memcpy(line, "raw 250-", 8);
	/* 0: a line of 4 KB without end. 1: 200 lines. */
	for (int i = 0; i < 2; i++) {
		for (size_t k = 2; i == 1 && k < 202; k++)
			script[k] = "> 250-X";
		if (i == 0)
			script[2] = line;
		server_start(&server, script, SIZE_MAX);
		o = options();
		c = connect_client(&o);
		op = send_text(c, body, sizeof(body) - 1, 1);
		assert_int_equal(op->results[0].code, 0);
		assert_string_equal(op->results[0].enhanced, "4.5.0");
		sl_op_release(&op->op);
		sl_client_close(c);
		server_stop(&server);
	}
}

/* Each allocation fails in turn: an error or a result, and nothing is left. */
static void
out_of_memory(void **state)
{
	static const char *const script[] = { PIPE_START, BOTH_RCPT, "> 250 ok", "> 250 ok", "> 250 ok",
	    "< DATA", "> 354 go", ".", "> 250 done", NULL };

	(void)state;
	for (unsigned long n = 1; n < 60; n++) {
		struct sl_client_message m = { .sender = "s", .recipients = two, .n = 2,
			.fd = file_of(body, sizeof(body) - 1), .size = sizeof(body) - 1 };
		struct sl_client_op *op = NULL;
		struct sl_client_options o;
		struct sl_client *c;

		server_start(&server, script, SIZE_MAX);
		o = options();
		set_flags(&o, MUTE);
		o.timeouts.data = o.timeouts.block = 50;
		sl_alloc_fail_at(n, 0);
		c = sl_client_new(loop, &o, NULL);
		if (c != NULL && (op = sl_client_send(c, &m)) != NULL)
			sl_op_block(&op->op);
		sl_alloc_fail_at(0, 0);
		if (op != NULL)
			assert_true(op->results[0].code == 250 || op->results[0].code == 0);
		sl_op_release(op != NULL ? &op->op : NULL);
		sl_client_close(c);
		server_stop(&server);
		close(m.fd);
	}
}

static int
setup(void **state)
{
	struct sl_buf key = SL_BUF_INIT;
	struct sl_tls_options tls = { 0 };
	struct sl_err err;

	(void)state;
	loop = sl_loop_new(&err);
	if (sl_tls_self_signed("mx.example", 3, &certificate, &key, &err) < 0)
		return -1;
	tls.cert_pem = sl_buf_str(&certificate);
	tls.key_pem = sl_buf_str(&key);
	server_tls = sl_tls_server(&tls, &err);
	trusting = sl_tls_client(true, sl_buf_str(&certificate), &err);
	sl_buf_clear(&key);
	return server_tls != NULL && trusting != NULL ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	sl_tls_unref(server_tls);
	sl_tls_unref(trusting);
	sl_buf_clear(&certificate);
	sl_loop_free(loop);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogue_cases),
		cmocka_unit_test(gone_at_each_step),
		cmocka_unit_test(body_cases),
		cmocka_unit_test(large_body),
		cmocka_unit_test(range_of_file),
		cmocka_unit_test(reuse),
		cmocka_unit_test(stale),
		cmocka_unit_test(released_under_way),
		cmocka_unit_test(cannot_connect),
		cmocka_unit_test(addresses),
		cmocka_unit_test(long_replies),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
