/*
 * The server over socket pairs, with a policy of its own in place of the
 * engine: it defines the calls of sluice.h that the server makes, and decides
 * by what it is shown ("<refused@...>", "Subject: reject").
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"
#include "../mail/message.h"

static struct sl_loop *loop;

/* The policy */

struct sl_session {
	struct sl_task task;
	sl_verdict_fn *fn;
	sl_outcome_fn *outcome_fn;
	void *arg;
	struct sl_verdict verdict;
	struct sl_outcome outcome;
	struct sl_out_message out;
	struct sl_out_recipient to;
	struct sl_str piece;
	struct sl_message *message;
	bool in_transaction, authenticated;
	const char *line;
};

static struct {
	int open, resets, connects;
	int64_t outdated;
	enum sl_action at_connect;
	bool hold;		/* answers wait until it is false */
	char username[64], password[64];
} policy;

static void
tell(struct sl_task *task)
{
	struct sl_session *s = sl_list_entry(task, struct sl_session, task);
	sl_outcome_fn *outcome_fn = s->outcome_fn;

	if (policy.hold) {
		sl_task_post(loop, &s->task, tell);
		return;
	}
	s->outcome_fn = NULL;
	if (outcome_fn != NULL)
		outcome_fn(s->arg, &s->outcome);
	else
		s->fn(s->arg, &s->verdict);
}

static int
decide(struct sl_session *s, enum sl_action action, int code, const char *enhanced,
    const char *line, sl_verdict_fn *fn, void *arg)
{
	/* One call at a time, and never after the host forgot. */
	assert_null(s->task.loop);
	s->line = line;
	s->verdict = (struct sl_verdict){ .action = action, .code = code, .id = "MSGID-1",
		.where = "test", .lines = &s->line, .nlines = line != NULL };
	snprintf(s->verdict.enhanced, sizeof(s->verdict.enhanced), "%s", enhanced);
	s->fn = fn;
	s->arg = arg;
	sl_task_post(loop, &s->task, tell);
	return 0;
}

int
sl_session_open_sized(struct sl_engine *engine, const struct sl_session_info *info, size_t size,
    struct sl_session **out, struct sl_err *err)
{
	(void)engine;
	(void)size;
	assert_string_equal(info->server, "inbound");
	*out = sl_calloc(1, sizeof(**out));
	if (*out == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	policy.open++;
	return 0;
}

void
sl_session_reset(struct sl_session *s)
{
	policy.resets++;
	s->in_transaction = false;
	sl_message_unref(s->message);
	s->message = NULL;
}

void
sl_session_close(struct sl_session *s)
{
	if (s == NULL)
		return;
	sl_session_reset(s);
	sl_task_cancel(&s->task);
	policy.open--;
	sl_free(s);
}

const char *
sl_session_id(const struct sl_session *s)
{
	(void)s;
	return "SESSION-1";
}

int64_t
sl_session_outdated(const struct sl_session *s)
{
	(void)s;
	return policy.outdated;
}

int
sl_session_connect(struct sl_session *s, sl_verdict_fn *fn, void *arg)
{
	policy.connects++;
	return decide(s, policy.at_connect, policy.at_connect == SL_ACCEPT ? 0 : 554, "5.7.1",
	    policy.at_connect == SL_ACCEPT ? NULL : "Go away", fn, arg);
}

int
sl_session_helo(struct sl_session *s, const char *name, bool extended, sl_verdict_fn *fn, void *arg)
{
	(void)extended;
	if (strcmp(name, "refused.example") == 0)
		return decide(s, SL_REJECT, 550, "5.7.1", "Not you", fn, arg);
	return decide(s, SL_ACCEPT, 250, "", NULL, fn, arg);
}

void
sl_session_tls(struct sl_session *s, const char *protocol, const char *cipher, int bits)
{
	assert_non_null(protocol);
	assert_non_null(cipher);
	assert_true(bits > 0);
	s->authenticated = false;
}

int
sl_session_auth(struct sl_session *s, const char *mechanism, struct sl_str username,
    struct sl_str password, sl_verdict_fn *fn, void *arg)
{
	(void)mechanism;
	snprintf(policy.username, sizeof(policy.username), "%.*s", (int)username.n, username.p);
	snprintf(policy.password, sizeof(policy.password), "%.*s", (int)password.n, password.p);
	s->authenticated = sl_str_eq(password, SL_STR("secret"));
	return decide(s, s->authenticated ? SL_ACCEPT : SL_REJECT, s->authenticated ? 235 : 535,
	    "5.7.8", NULL, fn, arg);
}

bool
sl_session_authenticated(const struct sl_session *s)
{
	return s->authenticated;
}

static bool
says(struct sl_str text, const char *what)
{
	return sl_str_find(text, sl_str_of(what)) >= 0;
}

int
sl_session_mail_sized(struct sl_session *s, struct sl_str path, const struct sl_mail_params *params,
    size_t size, sl_verdict_fn *fn, void *arg)
{
	(void)params;
	(void)size;
	assert_false(s->in_transaction);
	s->in_transaction = true;
	if (says(path, "<refused@"))
		return decide(s, SL_REJECT, 550, "5.7.1", "Not from you", fn, arg);
	return decide(s, SL_ACCEPT, 250, "2.1.0", NULL, fn, arg);
}

int
sl_session_rcpt(struct sl_session *s, struct sl_str path, sl_verdict_fn *fn, void *arg)
{
	assert_true(s->in_transaction);
	if (says(path, "<refused@"))
		return decide(s, SL_REJECT, 550, "5.7.1", "Not to them", fn, arg);
	return decide(s, SL_ACCEPT, 250, "2.1.5", NULL, fn, arg);
}

size_t
sl_session_recipients(const struct sl_session *s)
{
	return s->in_transaction;
}

int
sl_session_message(struct sl_session *s, struct sl_message *message, sl_outcome_fn *fn, void *arg)
{
	struct sl_str bytes = message->bytes;

	assert_true(s->in_transaction);
	s->message = sl_message_ref(message);
	memset(&s->outcome, 0, sizeof(s->outcome));
	decide(s, SL_DELIVER, 250, "2.0.0", NULL, NULL, arg);
	if (says(bytes, "Subject: reject"))
		decide((sl_task_cancel(&s->task), s), SL_REJECT, 550, "5.7.1", "Not this", NULL, arg);
	else if (says(bytes, "Subject: broken"))
		decide((sl_task_cancel(&s->task), s), SL_DEFER, 451, "4.3.0", NULL, NULL, arg);
	else if (!says(bytes, "Subject: delete"))
		s->outcome.n = 1;
	if (says(bytes, "Subject: quarantine-reject"))
		s->verdict.code = 550;
	s->piece = bytes;
	s->to.recipient = "r@example";
	s->out = (struct sl_out_message){ .id = "MSGID-1", .sender = "s@example",
		.pieces = &s->piece, .npieces = 1, .size = bytes.n, .recipients = &s->to, .n = 1 };
	s->outcome.verdict = &s->verdict;
	s->outcome.messages = &s->out;
	s->outcome.facts = "{}";
	s->outcome_fn = fn;
	return 0;
}

/* The queue */

static struct {
	struct sl_buf bytes;		/* of the last message */
	int count, status;
	bool hold;
	int pending;
} queue;

struct store_op {
	struct sl_op op;
	struct sl_task task;
};

static void
store_cancel(struct sl_op *op)
{
	(void)op;
	fail_msg("%s", "a store operation was released before it was done");
}

static void
store_free(struct sl_op *op)
{
	sl_free(op);
}

static const struct sl_op_class store_class = { "store", store_cancel, store_free };

static void
store_done(struct sl_task *task)
{
	struct store_op *op = sl_list_entry(task, struct store_op, task);

	if (queue.hold) {
		sl_task_post(loop, task, store_done);
		return;
	}
	queue.pending--;
	queue.count += queue.status == 0;
	sl_op_finish(&op->op, queue.status);
}

static struct sl_op *
store(void *arg, const struct sl_smtp_delivery *d)
{
	struct store_op *op = sl_calloc(1, sizeof(*op));

	(void)arg;
	if (op == NULL)
		return NULL;
	assert_int_equal(d->n, 1);
	sl_buf_reset(&queue.bytes);
	for (size_t i = 0; i < d->messages[0].npieces; i++)
		sl_buf_putstr(&queue.bytes, d->messages[0].pieces[i]);
	if (queue.bytes.failed) {
		sl_free(op);
		return NULL;
	}
	assert_int_equal(d->messages[0].size, queue.bytes.n);
	sl_op_init(&op->op, &store_class, loop, 0);
	sl_task_post(loop, &op->task, store_done);
	queue.pending++;
	return &op->op;
}

/* The client */

struct client {
	int fd;
	char got[200000], reply[4096];
	size_t n;
	bool eof;
};

static struct client c;
#define TAG	77	/* of every connection */

static struct sl_smtp_server *server;
static struct sl_smtp_service_options options;
static struct sl_smtp_server_options server_options;

static void
turn(void)
{
	ssize_t n;

	sl_loop_step(loop, 1);
	if (c.fd < 0 || c.eof)
		return;
	n = recv(c.fd, c.got + c.n, sizeof(c.got) - 1 - c.n, MSG_DONTWAIT);
	if (n > 0)
		c.n += (size_t)n;
	else if (n == 0 || errno != EAGAIN)
		c.eof = true;
	c.got[c.n] = '\0';
}

#define UNTIL(condition) \
	do { \
		for (int turns_ = 0; !(condition) && turns_ < 20000; turns_++) \
			turn(); \
		assert_true(condition); \
	} while (0)

static void
send_bytes(const char *p, size_t n)
{
	for (int turns = 0; n > 0 && turns < 100000; turns++) {
		ssize_t r = send(c.fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (r > 0) {
			p += r;
			n -= (size_t)r;
		} else if (errno != EAGAIN) {
			return;
		}
		if (n > 0)
			turn();
	}
}

static void
say(const char *text)
{
	send_bytes(text, strlen(text));
}

/* The end of the first whole reply in got, NULL = none yet. */
static char *
reply_end(void)
{
	for (char *p = c.got, *nl; (nl = strstr(p, "\r\n")) != NULL; p = nl + 2) {
		if (nl - p >= 4 && p[3] == ' ')
			return nl + 2;
	}
	return NULL;
}

static const char *
reply(void)
{
	size_t n;

	UNTIL(reply_end() != NULL || c.eof);
	if (reply_end() == NULL)
		return "(end)";
	n = (size_t)(reply_end() - c.got);
	snprintf(c.reply, sizeof(c.reply), "%.*s", (int)n, c.got);
	memmove(c.got, c.got + n, c.n - n + 1);
	c.n -= n;
	return c.reply;
}

#define EXPECT(start) \
	do { \
		const char *got_ = reply(); \
		if (strncmp(got_, (start), strlen(start)) != 0) \
			fail_msg("expected %s, got %s", (start), got_); \
	} while (0)

static void
gone(void)
{
	UNTIL(c.eof);
	assert_int_equal(c.n, 0);
}

static void
serve(struct sl_smtp_server *to)
{
	struct sl_smtp_service *service = sl_smtp_service_new(&options, NULL);
	int fds[2];

	if (c.fd >= 0)
		close(c.fd);
	memset(&c, 0, sizeof(c));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	c.fd = fds[0];
	sl_smtp_server_accept(to, service, fds[1], NULL, TAG);
	sl_smtp_service_unref(service);
}

static void
greeted(void)
{
	serve(server);
	EXPECT("220 mx.example ESMTP");
	say("EHLO client.example\r\n");
	EXPECT("250-mx.example");
}

static void
to_data(void)
{
	say("MAIL FROM:<a@example>\r\nRCPT TO:<b@example>\r\nDATA\r\n");
	EXPECT("250 2.1.0");
	EXPECT("250 2.1.5");
	EXPECT("354");
}

static int
setup(void **state)
{
	(void)state;
	memset(&policy, 0, sizeof(policy));
	policy.outdated = -1;
	policy.at_connect = SL_ACCEPT;
	sl_buf_clear(&queue.bytes);
	memset(&queue, 0, sizeof(queue));
	loop = sl_loop_new(NULL);
	options = (struct sl_smtp_service_options){ .hostname = "mx.example", .server = "inbound" };
	server_options = (struct sl_smtp_server_options){ .loop = loop, .store = store };
	server = sl_smtp_server_new(&server_options, NULL);
	c.fd = -1;
	return server == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	policy.hold = queue.hold = false;
	sl_smtp_server_free(server);
	if (c.fd >= 0)
		close(c.fd);
	c.fd = -1;
	sl_loop_free(loop);
	sl_buf_clear(&queue.bytes);
	/* Nothing is left open. */
	return policy.open != 0 || queue.pending != 0;
}

static void
one_message(void **state)
{
	(void)state;
	greeted();
	assert_non_null(strstr(c.reply, "250-PIPELINING\r\n"));
	assert_non_null(strstr(c.reply, "250-SIZE 52428800\r\n"));
	assert_null(strstr(c.reply, "STARTTLS"));
	assert_null(strstr(c.reply, "AUTH"));
	to_data();
	say("Subject: x\r\n\r\n..dot\r\nbody\r\n.\r\n");
	EXPECT("250 2.0.0 OK MSGID-1");
	assert_int_equal(queue.count, 1);
	assert_ptr_equal(strstr(queue.bytes.p, "Received: from client.example ([127.0.0.1])\r\n"
	    "\tby mx.example with ESMTP id MSGID-1\r\n\tfor <b@example>;\r\n\t"), queue.bytes.p);
	assert_non_null(strstr(queue.bytes.p, "\r\nSubject: x\r\n\r\n.dot\r\nbody\r\n"));
	say("QUIT\r\n");
	EXPECT("221 2.0.0");
	gone();
	assert_int_equal(sl_smtp_server_counters(server)->messages, 1);
	assert_int_equal(sl_smtp_server_counters(server)->sessions, 0);
	assert_int_equal(policy.open, 0);
}

struct step {
	const char *say, *expect;
};

static void
dialog(const struct step *steps)
{
	for (; steps->expect != NULL; steps++) {
		if (steps->say != NULL)
			say(steps->say);
		EXPECT(steps->expect);
	}
}

static void
orders(void **state)
{
	static const struct step steps[] = {
		{ NULL, "220" }, { "MAIL FROM:<a@b>\r\n", "503 5.5.1 Say EHLO" },
		{ "NOOP\r\n", "250" }, { "HELP\r\n", "214" }, { "RSET\r\n", "250" },
		{ "EHLO\r\n", "501" }, { "EHLO a b\r\n", "501" },
		{ "EHLO refused.example\r\n", "550 5.7.1 Not you" }, { "MAIL FROM:<>\r\n", "503" },
		{ "HELO c.example\r\n", "250 mx.example" }, { "VRFY x\r\n", "252" },
		{ "FOO\r\n", "500" }, { "EXPN x\r\n", "502" }, { "DATA x\r\n", "501" },
		{ "STARTTLS\r\n", "502" }, { "AUTH PLAIN =\r\n", "502" },
		{ "MAIL FROM:<refused@b>\r\n", "550 5.7.1 Not from you" },
		{ "RCPT TO:<a@b>\r\n", "503" }, { "MAIL FROM:<>\r\n", "250" },
		{ "MAIL FROM:<>\r\n", "503" }, { "DATA\r\n", "554 5.5.1 No valid" },
		{ "RCPT TO:<refused@b>\r\n", "550" }, { "DATA\r\n", "554" },
		{ "RCPT TO:<a@b>\r\n", "250" }, { "EHLO c.example\r\n", "250-" },
		{ "RCPT TO:<a@b>\r\n", "503" }, { "QUIT\r\n", "221" }, { NULL, NULL },
	};

	(void)state;
	options.errors = 100;
	serve(server);
	dialog(steps);
	gone();
}

static void
foreign_protocols(void **state)
{
	(void)state;
	greeted();
	say("POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b>\r\n");
	EXPECT("502");
	gone();
	greeted();
	say("BDAT 20 LAST\r\nMAIL FROM:<a@b>\r\n");
	EXPECT("502");
	gone();
}

static void
a01_only_one_end_of_data(void **state)
{
	static const char *const ends[] = { "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r",
		"\r.\r\n", "\r\r\n.\r\r\n" };

	(void)state;
	options.idle_commands = 1000;
	for (int fix = 0; fix < 2; fix++) {
		options.fix_line_ends = fix;
		greeted();
		for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
			to_data();
			say("Subject: x\r\n\r\nbody");
			say(ends[i]);
			say("RSET\r\nMAIL FROM:<smuggled@example>\r\n");
			for (int k = 0; k < 5; k++)
				turn();
			assert_int_equal(c.n, 0);	/* all of it is content */
			say(".\r\n");
			EXPECT(fix ? "250 2.0.0" : "550 5.6.0");
		}
	}
	assert_int_equal(queue.count, sizeof(ends) / sizeof(ends[0]));
}

static void
a02_fix_normalises_before_policy(void **state)
{
	(void)state;
	options.fix_line_ends = true;
	greeted();
	to_data();
	say("Subject: x\n\na\rb\n.\nc\r\n.\r\n");
	EXPECT("250");
	assert_non_null(strstr(queue.bytes.p, "Subject: x\r\n\r\na\r\nb\r\n.\r\nc\r\n"));
}

static void
a02_commands_end_with_crlf(void **state)
{
	(void)state;
	greeted();
	say("NOOP\n");
	EXPECT("500 5.5.2");
	say("NOOP\rNOOP\r\n");
	EXPECT("500 5.5.2");
	say("NOOP\r\n");
	EXPECT("250");
}

static void
a03_pipelined_after_the_end(void **state)
{
	(void)state;
	greeted();
	to_data();
	say("Subject: x\r\n\r\n.\r\nRSET\r\nMAIL FROM:<c@example>\r\nQUIT\r\n");
	EXPECT("250 2.0.0 OK");
	EXPECT("250 2.0.0 OK");
	EXPECT("250 2.1.0");
	EXPECT("221");
}

static void
a03_early_talkers(void **state)
{
	(void)state;
	policy.hold = true;
	serve(server);
	say("EHLO x\r\n");
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(c.n, 0);
	policy.hold = false;
	EXPECT("554 5.5.1");
	gone();
	greeted();
	say("MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\nSubject: x\r\n");
	EXPECT("250");
	EXPECT("250");
	EXPECT("554 5.5.1");
	gone();
}

static void
a05_each_end_resets(void **state)
{
	static const struct {
		const char *subject, *expect;
		int status;
	} cases[] = {
		{ "x", "250", 0 }, { "reject", "550 5.7.1 Not this", 0 }, { "broken", "451", 0 },
		{ "delete", "250", 0 }, { "quarantine-reject", "550", 0 },
		{ "x", "451 4.3.0", SL_ERR_IO }, { "x\n", "550 5.6.0", 0 },
	};
	char text[100];

	(void)state;
	options.errors = 100;
	greeted();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int before = policy.resets;

		queue.status = cases[i].status;
		to_data();
		snprintf(text, sizeof(text), "Subject: %s\r\n\r\n.\r\n", cases[i].subject);
		say(text);
		EXPECT(cases[i].expect);
		assert_true(policy.resets > before);
		say("RCPT TO:<c@example>\r\n");
		EXPECT("503");
		say("DATA\r\n");
		EXPECT("503");
	}
	/* Kept although refused; not kept when it couldn't be. */
	assert_int_equal(queue.count, 2);
}

/* Random commands against a model of the states; the policy asserts its own side. */
static void
a05_random_commands(void **state)
{
	enum { READY, MAIL, RCPT } at = READY;

	(void)state;
	srand(5);
	options.errors = options.idle_commands = 1000000;
	greeted();
	for (int i = 0; i < 3000; i++) {
		switch (rand() % 9) {
		case 0:
			say("MAIL FROM:<a@example>\r\n");
			EXPECT(at == READY ? "250" : "503");
			at = at == READY ? MAIL : at;
			break;
		case 1:
			say("MAIL FROM:<refused@example>\r\n");
			EXPECT(at == READY ? "550" : "503");
			break;
		case 2:
		case 3:
			say("RCPT TO:<a@example>\r\n");
			EXPECT(at == READY ? "503" : "250");
			at = at == READY ? READY : RCPT;
			break;
		case 4:
			say("RCPT TO:<refused@example>\r\n");
			EXPECT(at == READY ? "503" : "550");
			break;
		case 5:
		case 6:
			say("DATA\r\n");
			EXPECT(at == READY ? "503" : at == MAIL ? "554" : "354");
			if (at != RCPT)
				break;
			queue.status = rand() % 3 == 0 ? SL_ERR_IO : 0;
			say(rand() % 2 ? "Subject: reject\r\n\r\n.\r\n"
			    : rand() % 2 ? "a\nb\r\n.\r\n" : "Subject: x\r\n\r\n.\r\n");
			reply();
			at = READY;
			break;
		case 7:
			say("RSET\r\n");
			EXPECT("250");
			at = READY;
			break;
		case 8:
			say(rand() % 2 ? "MAIL FROM:<a@b>c\r\n" : "NONSENSE\r\n");
			EXPECT("50");
			break;
		}
	}
}

static void
a06_lines(void **state)
{
	char *big = malloc(200000);

	(void)state;
	memset(big, 'x', 200000);
	options.errors = 100;
	greeted();
	big[508] = '\0';
	memcpy(big, "NOOP ", 5);
	say(big);
	say("\r\n");
	EXPECT("250");		/* 510 and CRLF */
	say("x");
	say(big);
	say("\r\n");
	EXPECT("500");
	say("NOOP x");
	say(big);
	say("\r\n");
	EXPECT("500 5.5.6");
	send_bytes("NOOP a\0b\r\n", 10);
	EXPECT("501");
	say("NOOP \xff\xfe\r\n");
	EXPECT("250");
	say("MAIL FROM:<\xff@b>\r\n");
	EXPECT("550 5.6.7");
	say("MAIL FROM:<\xff@b> SMTPUTF8\r\n");
	EXPECT("501");
	say("\r\n");
	EXPECT("500");
	/* 20,000 bytes: too long for any command; the session goes on. */
	memset(big, 'x', 200000);
	send_bytes(big, 20000);
	say("\r\nNOOP\r\n");
	EXPECT("500 5.5.6");
	EXPECT("250");
	/* And without an end. */
	send_bytes(big, 200000);
	EXPECT("421");
	free(big);
}

static void
a08_recipients(void **state)
{
	char line[64];

	(void)state;
	options.recipients = 5;
	greeted();
	say("MAIL FROM:<a@b>\r\n");
	EXPECT("250");
	for (int i = 0; i < 8; i++) {
		snprintf(line, sizeof(line), "RCPT TO:<r%d@b>\r\n", i);
		say(line);
		EXPECT(i < 5 ? "250" : "452 4.5.3");
	}
	for (int i = 0; i < 200 && strncmp(c.reply, "421", 3) != 0; i++) {
		say("RCPT TO:<x@b>\r\n");
		reply();
	}
	assert_int_equal(strncmp(c.reply, "421", 3), 0);
	gone();
}

static void
a08_floods(void **state)
{
	static const char *const floods[] = { "NOOP\r\n", "RSET\r\n", "VRFY x\r\n", "WHAT\r\n",
		"EHLO x\r\n", "MAIL FROM:<refused@b>\r\n", "MAIL FROM:<b>x\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(floods) / sizeof(floods[0]); i++) {
		size_t before = sl_smtp_server_counters(server)->commands;

		greeted();
		for (int k = 0; k < 300; k++)
			say(floods[i]);
		UNTIL(c.eof);
		assert_non_null(strstr(c.got, "421 4.7.0"));
		assert_true(sl_smtp_server_counters(server)->commands - before <= 103);
	}
}

/* A client that sends and never reads: its commands wait, nothing grows. */
static void
a08_does_not_read(void **state)
{
	struct sl_buf flood = SL_BUF_INIT;
	uint64_t seen;
	ssize_t n;
	size_t at = 0;

	(void)state;
	options.idle_commands = 10000000;
	options.errors = 10000000;
	serve(server);
	for (int i = 0; i < 200000; i++)
		sl_buf_puts(&flood, "VRFY x\r\n");
	for (int i = 0; i < 3000; i++) {
		n = send(c.fd, flood.p + at, flood.n - at, MSG_DONTWAIT | MSG_NOSIGNAL);
		at += n > 0 ? (size_t)n : 0;
		sl_loop_step(loop, 0);
	}
	seen = sl_smtp_server_counters(server)->commands;
	assert_true(at < flood.n && seen < 100000);
	for (int i = 0; i < 100; i++)
		sl_loop_step(loop, 0);
	assert_int_equal(sl_smtp_server_counters(server)->commands, seen);
	sl_buf_clear(&flood);
}

static void
a08_slow_command(void **state)
{
	int sent = 0;

	(void)state;
	options.timeout_ms = 60;
	greeted();
	/* A byte now and then doesn't keep it open. */
	while (!c.eof && c.n == 0 && sent < 100) {
		say("N");
		sent++;
		sl_loop_step(loop, 5);
		turn();
		usleep(5000);
	}
	EXPECT("421 4.4.2");
	gone();
	assert_true(sent < 60);
	assert_int_equal(sl_smtp_server_counters(server)->timeouts, 1);
}

static void
a08_slow_data(void **state)
{
	int sent = 0;

	(void)state;
	options.timeout_ms = 1000;
	options.message_ms = 80;
	greeted();
	to_data();
	while (!c.eof && c.n == 0 && sent < 100) {
		say("x\r\n");
		sent++;
		turn();
		usleep(5000);
	}
	EXPECT("421 4.4.2");
	gone();
	assert_true(sent > 3 && sent < 60);
}

static void
sizes(void **state)
{
	char *big = malloc(3001);

	(void)state;
	memset(big, 'x', 3000);
	big[3000] = '\0';
	options.size = 2000;
	options.max_line = 1500;
	greeted();
	say("MAIL FROM:<a@b> SIZE=2001\r\n");
	EXPECT("552 5.3.4");
	to_data();
	say(big);
	say("\r\n.\r\n");
	EXPECT("552 5.3.4");
	to_data();
	big[1600] = '\0';
	say(big);
	say("\r\n.\r\n");
	EXPECT("550 5.6.0");
	to_data();
	big[1600] = 'x';
	for (int i = 0; i < 3; i++)
		say(big);
	EXPECT("552");
	gone();
	free(big);
	assert_int_equal(queue.count, 0);
}

static void
hops(void **state)
{
	(void)state;
	options.hops = 3;
	greeted();
	for (int n = 3; n <= 4; n++) {
		to_data();
		for (int i = 0; i < n; i++)
			say("Received: from x\r\n\tby y\r\n");
		say("Subject: x\r\n\r\n.\r\n");
		EXPECT(n == 3 ? "250" : "554 5.4.6");
	}
}

static void
a12_many_headers(void **state)
{
	struct sl_buf b = SL_BUF_INIT;

	(void)state;
	greeted();
	to_data();
	for (int i = 0; i < 100000; i++)
		sl_buf_puts(&b, "X: y\r\n");
	sl_buf_puts(&b, "\r\n.\r\n");
	send_bytes(b.p, b.n);
	EXPECT("550 5.6.0");
	to_data();
	sl_buf_reset(&b);
	sl_buf_puts(&b, "X: y\r\n");
	while (b.n < 10000000)
		sl_buf_puts(&b, " folded\r\n");
	sl_buf_puts(&b, "\r\nbody\r\n.\r\n");
	send_bytes(b.p, b.n);
	EXPECT("550 5.6.0");
	to_data();
	say("no colon here\r\n \r\n\r\nbody\r\n.\r\n");
	EXPECT("250");
	to_data();
	say(".\r\n");
	EXPECT("250");
	sl_buf_clear(&b);
}

static void
large_goes_to_a_file(void **state)
{
	char dir[] = "/tmp/sluice-spool-XXXXXX", line[81];

	(void)state;
	assert_non_null(mkdtemp(dir));
	memset(line, 'y', 78);
	memcpy(line + 78, "\r\n", 3);
	options.spool = dir;
	options.submission = true;
	greeted();
	to_data();
	say("Subject: big\r\n\r\n");
	for (int i = 0; i < 20000; i++)
		say(line);
	say(".\r\n");
	EXPECT("250");
	assert_true(queue.bytes.n > 1600000);
	assert_non_null(strstr(queue.bytes.p, "\r\nSubject: big\r\n\r\nyyyy"));
	/* It never had a name. */
	assert_int_equal(rmdir(dir), 0);
	/* The folder is gone: what needs it is deferred, what doesn't isn't. */
	to_data();
	say("\r\n");
	for (int i = 0; i < 4000; i++)
		say(line);
	say(".\r\n");
	EXPECT("451 4.3.0");
	to_data();
	say("Subject: small\r\n\r\n.\r\n");
	EXPECT("250");
}

static void
submission_completes(void **state)
{
	char *p;

	(void)state;
	options.submission = true;
	greeted();
	to_data();
	say("Subject: x\r\nbcc: hidden@example,\r\n more@example\r\nTo: b@example\r\n\r\n"
	    "Bcc: body\r\n.\r\n");
	EXPECT("250");
	p = strstr(queue.bytes.p, "Date: ");
	assert_non_null(p);
	assert_non_null(strstr(p, "\r\nSubject: x\r\nTo: b@example\r\n\r\nBcc: body\r\n"));
	assert_non_null(strstr(queue.bytes.p, "\r\nMessage-ID: <MSGID-1@mx.example>\r\n"));
	assert_null(strstr(queue.bytes.p, "hidden"));
	to_data();
	say("DATE : now\r\nmessage-id: <x@y>\r\n\r\n.\r\n");
	EXPECT("250");
	assert_null(strstr(queue.bytes.p, "MSGID-1@"));
	assert_null(strstr(queue.bytes.p, "Date: "));
	options.submission = false;
	greeted();
	to_data();
	say("Bcc: x\r\n\r\n.\r\n");
	EXPECT("250");
	assert_non_null(strstr(queue.bytes.p, "\r\nBcc: x\r\n"));
}

static void
auth(void **state)
{
	static const struct step steps[] = {
		{ "MAIL FROM:<a@b>\r\n", "530 5.7.0" }, { "AUTH CRAM-MD5\r\n", "504" },
		{ "AUTH PLAIN\r\n", "334 " }, { "*\r\n", "501 5.7.0" },
		{ "AUTH LOGIN\r\n", "334 VXNlcm5hbWU6" }, { "YWxpY2U=\r\n", "334 UGFzc3dvcmQ6" },
		{ "d3Jvbmc=\r\n", "535 5.7.8" }, { "AUTH PLAIN !\r\n", "501" },
		{ "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n", "235 2.7.0" },
		{ "AUTH PLAIN =\r\n", "503" }, { "MAIL FROM:<a@b>\r\n", "250" },
		{ "RCPT TO:<a@b>\r\n", "250" }, { "DATA\r\n", "354" },
		{ "Subject: x\r\n\r\n.\r\n", "250" }, { NULL, NULL },
	};

	(void)state;
	options.auth = options.auth_in_clear = options.auth_required = true;
	greeted();
	assert_non_null(strstr(c.reply, "250-AUTH PLAIN LOGIN"));
	dialog(steps);
	assert_string_equal(policy.username, "alice");
	assert_string_equal(policy.password, "secret");
	assert_non_null(strstr(queue.bytes.p, "with ESMTPA id"));
	greeted();
	for (int i = 0; i < 3; i++) {
		say("AUTH PLAIN AGFsaWNlAHdyb25n\r\n");
		EXPECT("535");
	}
	EXPECT("421");
	gone();
	options.auth_in_clear = false;
	greeted();
	assert_null(strstr(c.reply, "AUTH"));
	say("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
	EXPECT("538");
}

static void
leaves_while_storing(void **state)
{
	(void)state;
	queue.hold = true;
	greeted();
	to_data();
	say("Subject: x\r\n\r\n.\r\n");
	UNTIL(queue.pending == 1);
	close(c.fd);
	c.fd = -1;
	for (int i = 0; i < 5; i++)
		turn();
	assert_int_equal(policy.open, 1);	/* the queue still has its bytes */
	queue.hold = false;
	UNTIL(policy.open == 0);
	assert_int_equal(queue.count, 1);
}

/* What was sent before the client shut its side is still done. */
static void
half_closed(void **state)
{
	(void)state;
	greeted();
	say("MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\n");
	shutdown(c.fd, SHUT_WR);
	EXPECT("250");
	EXPECT("250");
	gone();
}

static void
connect_refused(void **state)
{
	(void)state;
	policy.at_connect = SL_REJECT;
	serve(server);
	EXPECT("554 5.7.1 Go away");
	gone();
}

static void
set_flag(void *arg)
{
	*(bool *)arg = true;
}

static void
drains(void **state)
{
	struct client first;
	bool idle = false;

	(void)state;
	greeted();
	to_data();
	first = c;
	c.fd = -1;
	greeted();
	sl_smtp_server_drain(server, set_flag, &idle);
	EXPECT("421 4.3.2");
	gone();
	assert_false(idle);
	close(c.fd);
	c = first;
	say("Subject: x\r\n\r\n.\r\nMAIL FROM:<a@b>\r\n");
	EXPECT("250 2.0.0 OK MSGID-1");
	EXPECT("421 4.3.2");
	gone();
	UNTIL(idle);
	serve(server);
	EXPECT("421 4.7.0");
	gone();
}

static void
outdated(void **state)
{
	(void)state;
	greeted();
	to_data();
	policy.outdated = 60001;
	say("Subject: x\r\n\r\n.\r\n");
	EXPECT("250");
	say("NOOP\r\n");
	EXPECT("421 4.3.2");
	gone();
}

static void
count_closed(void *arg, uint64_t tag)
{
	*(uint64_t *)arg += tag;
}

/* Who counts connections learns of each one's end, once. */
static void
ends_are_told(void **state)
{
	struct sl_smtp_server *counting;
	uint64_t closed = 0;

	(void)state;
	server_options.closed = count_closed;
	server_options.closed_arg = &closed;
	counting = sl_smtp_server_new(&server_options, NULL);
	serve(counting);
	EXPECT("220");
	assert_int_equal(closed, 0);
	say("QUIT\r\n");
	EXPECT("221");
	gone();
	assert_int_equal(closed, TAG);
	sl_smtp_server_free(counting);
	assert_int_equal(closed, TAG);
}

static void
refused_connections(void **state)
{
	int fds[2];
	struct sl_smtp_service *plain = sl_smtp_service_new(&options, NULL);
	char line[200] = "";

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	sl_smtp_server_refuse(server, plain, fds[0], "Too many connections");
	assert_true(read(fds[1], line, sizeof(line) - 1) > 0);
	assert_non_null(strstr(line, "421 4.7.0"));
	assert_non_null(strstr(line, "Too many connections"));
	assert_int_equal(read(fds[1], line, sizeof(line)), 0);
	assert_int_equal(sl_smtp_server_counters(server)->refused, 1);
	close(fds[1]);
	sl_smtp_service_unref(plain);
}

/* TLS */

static struct {
	struct sl_stream *stream;
	bool up;
	struct sl_buf got;
} secure;

static void
secure_read(struct sl_stream *stream, void *arg)
{
	struct sl_buf *in = sl_stream_in(stream);

	(void)arg;
	sl_buf_put(&secure.got, in->p, in->n);
	sl_buf_drop(in, in->n);
}

static void
secure_tls(struct sl_stream *stream, void *arg, const struct sl_err *err)
{
	(void)stream;
	(void)arg;
	secure.up = err->code == 0;
}

static void
secure_end(struct sl_stream *stream, void *arg, const struct sl_err *err)
{
	(void)stream;
	(void)arg;
	(void)err;
}

static const struct sl_stream_handler secure_handler = {
	.on_read = secure_read, .on_tls = secure_tls, .on_end = secure_end,
};

static struct sl_tls *
make_tls(void)
{
	struct sl_buf cert = SL_BUF_INIT, key = SL_BUF_INIT;
	struct sl_tls_options o = { 0 };
	struct sl_tls *tls;

	assert_int_equal(sl_tls_self_signed("mx.example", 1, &cert, &key, NULL), 0);
	o.cert_pem = sl_buf_str(&cert);
	o.key_pem = sl_buf_str(&key);
	tls = sl_tls_server(&o, NULL);
	assert_non_null(tls);
	sl_buf_clear(&cert);
	sl_buf_clear(&key);
	return tls;
}

static void
a03_starttls_drops_what_came_with_it(void **state)
{
	struct sl_tls *client = sl_tls_client(false, (struct sl_str){ 0 }, NULL);

	(void)state;
	memset(&secure, 0, sizeof(secure));
	options.tls = make_tls();
	options.tls_required = options.auth = true;
	greeted();
	assert_non_null(strstr(c.reply, "250-STARTTLS"));
	assert_null(strstr(c.reply, "AUTH"));
	say("MAIL FROM:<a@b>\r\n");
	EXPECT("530 5.7.0");
	say("STARTTLS\r\nEHLO injected.example\r\nNOOP\r\n");
	EXPECT("220 2.0.0");
	assert_int_equal(c.n, 0);
	secure.stream = sl_stream_accept(loop, c.fd, &secure_handler, NULL, NULL);
	c.fd = -1;
	assert_int_equal(sl_stream_starttls(secure.stream, client, false, "mx.example", NULL), 0);
	UNTIL(secure.up);
	sl_stream_printf(secure.stream, "MAIL FROM:<a@b>\r\n");
	UNTIL(secure.got.n > 0 && strchr(secure.got.p, '\n') != NULL);
	/* The first reply inside answers the first command inside, and EHLO is forgotten. */
	assert_int_equal(strncmp(secure.got.p, "503 5.5.1 Say EHLO", 18), 0);
	sl_buf_reset(&secure.got);
	sl_stream_printf(secure.stream, "EHLO c.example\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n"
	    "MAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n");
	UNTIL(strstr(secure.got.n > 0 ? secure.got.p : "", "\r\n354") != NULL);
	assert_null(strstr(secure.got.p, "STARTTLS"));
	assert_non_null(strstr(secure.got.p, "235 2.7.0"));
	sl_stream_printf(secure.stream, "Subject: x\r\n\r\n.\r\nSTARTTLS\r\n");
	UNTIL(strstr(secure.got.p, "503 5.5.1 TLS is active") != NULL);
	assert_non_null(strstr(queue.bytes.p, "with ESMTPSA id MSGID-1\r\n\t(TLSv1.3 "));
	sl_stream_close(secure.stream);
	sl_buf_clear(&secure.got);
	UNTIL(policy.open == 0);
	sl_tls_unref(options.tls);
	sl_tls_unref(client);
}

static void
a08_half_open_tls(void **state)
{
	(void)state;
	options.tls = make_tls();
	options.tls_ms = 20;
	greeted();
	say("STARTTLS\r\n");
	EXPECT("220");
	say("\x16\x03\x01");
	gone();
	/* And with TLS from the first byte: no greeting before it. */
	options.tls_implicit = true;
	serve(server);
	gone();
	assert_int_equal(policy.connects, 1);
	sl_tls_unref(options.tls);
}

/* Each allocation fails in turn: no crash, no leak, and nothing is accepted that isn't stored. */
static void
out_of_memory(void **state)
{
	int finished = 0;

	(void)state;
	for (unsigned long n = 1; n < 400 && finished < 3; n++) {
		int before = queue.count;
		bool said_ok;

		serve(server);
		EXPECT("220");
		sl_alloc_fail_at(n, 0);
		say("EHLO c.example\r\nMAIL FROM:<a@b>\r\nRCPT TO:<b@c>\r\nDATA\r\n");
		for (int i = 0; i < 200 && strstr(c.got, "\r\n354") == NULL && !c.eof; i++)
			turn();
		say("Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n");
		for (int i = 0; i < 300 && !c.eof; i++)
			turn();
		sl_alloc_fail_at(0, 0);
		said_ok = strstr(c.got, "OK MSGID-1") != NULL;
		assert_true(!said_ok || queue.count == before + 1);
		finished = said_ok ? finished + 1 : 0;
		close(c.fd);
		c.fd = -1;
		UNTIL(policy.open == 0);
	}
	assert_int_equal(finished, 3);
}

int
main(void)
{
#define T(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(one_message), T(orders), T(foreign_protocols), T(a01_only_one_end_of_data),
		T(a02_fix_normalises_before_policy), T(a02_commands_end_with_crlf),
		T(a03_pipelined_after_the_end), T(a03_early_talkers), T(a05_each_end_resets),
		T(a05_random_commands), T(a06_lines), T(a08_recipients), T(a08_floods),
		T(a08_does_not_read), T(a08_slow_command), T(a08_slow_data), T(sizes), T(hops),
		T(a12_many_headers), T(large_goes_to_a_file), T(submission_completes), T(auth),
		T(leaves_while_storing), T(half_closed), T(connect_refused), T(drains),
		T(outdated), T(ends_are_told), T(refused_connections), T(a03_starttls_drops_what_came_with_it),
		T(a08_half_open_tls), T(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
