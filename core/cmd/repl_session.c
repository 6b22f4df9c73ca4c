/* The REPL's session commands: a conversation with the policy, step by step. */
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "desk_show.h"
#include "repl.h"

#define MAX_MESSAGE	(256 * 1024 * 1024)
#define MAX_WORDS	100

/* ---- showing ----------------------------------------------------------------------------- */

/* What went wrong in scripts is told with the verdict; the rest only in a trace. */
static void
show_errors(struct repl *r, struct sl_buf *out)
{
	const json_t *e;
	const char *name;
	size_t i;

	json_array_foreach(desk_events(r->desk), i, e) {
		name = json_string_value(json_object_get(e, "event"));
		if (!r->trace && name != NULL && (strcmp(name, "script_error") == 0 ||
		    strcmp(name, "script_limit") == 0)) {
			sl_buf_puts(out, "  ");
			sl_event_put_harmless(out, sl_str_of(json_string_value(json_object_get(e, "error"))));
			sl_buf_putc(out, '\n');
		}
	}
}

/* Takes the verdict; true: the conversation goes on. */
static bool
show(struct repl *r, json_t *verdict, struct sl_str sent, const struct sl_err *err)
{
	struct sl_buf out = SL_BUF_INIT;
	bool ok;

	if (verdict == NULL) {
		repl_complain(r, err->text);
		return false;
	}
	desk_show_verdict(&out, verdict, r->color);
	show_errors(r, &out);
	desk_show_messages(&out, verdict, sent, r->color);
	desk_print(r->desk, &out);
	sl_buf_clear(&out);
	ok = json_integer_value(json_object_get(verdict, "code")) < 400 &&
	    !json_is_true(json_object_get(verdict, "disconnect"));
	if (json_is_true(json_object_get(verdict, "disconnect"))) {
		desk_disconnect(r->desk);
		sl_buf_reset(&r->session);
		printf("  the connection is closed\n");
	}
	json_decref(verdict);
	return ok;
}

static bool
step(struct repl *r, json_t *verdict, const struct sl_err *err)
{
	return show(r, verdict, SL_STR(""), err);
}

static void
remember(struct repl *r, const char *what, const char *value)
{
	sl_buf_printf(&r->session, "%s %s\n", what, value);
}

/* Of the conversation so far, what belongs to a message. */
static void
forget_message(struct repl *r)
{
	ssize_t at = sl_str_find(sl_buf_str(&r->session), SL_STR("\nmail from "));

	if (at >= 0)
		r->session.n = (size_t)at + 1;
}

/* ---- steps ------------------------------------------------------------------------------- */

static void
connect_peer(struct repl *r, int argc, char **argv)
{
	struct desk_peer peer = { .ip = argv[1], .server = argc > 2 ? argv[2] : NULL };
	struct sl_err err;

	sl_buf_reset(&r->session);
	if (step(r, desk_connect(r->desk, &peer, &err), &err))
		remember(r, "connected from", argv[1]);
}

static void
tls(struct repl *r, int argc, char **argv)
{
	const char *protocol = argc > 1 ? argv[1] : "TLSv1.3";
	char facts[200];
	struct sl_err err;

	snprintf(facts, sizeof(facts), "%.60s, %s, %d bits", protocol, DESK_CIPHER, DESK_CIPHER_BITS);
	if (desk_tls(r->desk, protocol, &err) != 0) {
		repl_complain(r, err.text);
		return;
	}
	remember(r, "encrypted by", facts);
	printf("  encrypted by %s\n", facts);
}

static void
auth(struct repl *r, int argc, char **argv)
{
	struct sl_err err;

	if (argc == 2 && desk_account(r->desk, argv[1], &err) != 0)
		repl_complain(r, err.text);
	else if (argc == 2 || step(r, desk_auth(r->desk, "PLAIN", argv[1], argv[2], &err), &err))
		remember(r, "authenticated as", argv[1]);
}

static void
helo(struct repl *r, int argc, char **argv)
{
	struct sl_err err;

	(void)argc;
	if (step(r, desk_helo(r->desk, argv[1], &err), &err))
		remember(r, "helo", argv[1]);
}

static void
mail(struct repl *r, int argc, char **argv)
{
	struct sl_err err;
	const char *from = argc > 1 ? argv[1] : "";

	if (step(r, desk_mail(r->desk, from, &err), &err))
		remember(r, "mail from", from);
}

static void
rcpt(struct repl *r, int argc, char **argv)
{
	struct sl_err err;

	(void)argc;
	if (step(r, desk_rcpt(r->desk, argv[1], &err), &err))
		remember(r, "recipient", argv[1]);
}

/* ---- messages ---------------------------------------------------------------------------- */

/* "-": lines up to one with a dot alone. */
static int
read_message(struct repl *r, const char *path, struct sl_buf *out)
{
	const char *line;

	if (strcmp(path, "-") != 0) {
		if (cmd_read(path, MAX_MESSAGE, out) == 0)
			return 0;
		r->failed = true;
		return -1;
	}
	*out = (struct sl_buf){ .limit = MAX_MESSAGE };
	while ((line = repl_next_line(r)) != NULL && strcmp(line, ".\n") != 0)
		sl_buf_puts(out, line);
	return 0;
}

static void
data(struct repl *r, int argc, char **argv)
{
	struct sl_buf message;
	struct sl_err err;

	(void)argc;
	if (read_message(r, argv[1], &message) != 0)
		return;
	show(r, desk_data(r->desk, sl_buf_str(&message), &err), sl_buf_str(&message), &err);
	forget_message(r);
	sl_buf_clear(&message);
}

static void
reset(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	desk_reset(r->desk);
	forget_message(r);
}

static void
close_session(struct repl *r, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	desk_disconnect(r->desk);
	sl_buf_reset(&r->session);
}

/* Steps that are accepted aren't worth a line here. */
static bool
quietly(struct repl *r, json_t *verdict, const struct sl_err *err)
{
	if (verdict != NULL && json_integer_value(json_object_get(verdict, "code")) < 400) {
		json_decref(verdict);
		return true;
	}
	return step(r, verdict, err);
}

static void
send_file(struct repl *r, int argc, char **argv)
{
	const char *from = NULL, *to[MAX_WORDS];
	struct sl_buf message;
	struct sl_err err;
	size_t nto = 0, accepted = 0, n;
	int i;

	for (i = 2; i + 1 < argc; i += 2)
		if (strcmp(argv[i], "--from") == 0)
			from = argv[i + 1];
		else if (strcmp(argv[i], "--to") == 0)
			to[nto++] = argv[i + 1];
		else
			break;
	if (i != argc || from == NULL || nto == 0) {
		repl_complain(r, ":send FILE --from ADDRESS --to ADDRESS...");
		return;
	}
	if (read_message(r, argv[1], &message) != 0)
		return;
	desk_reset(r->desk);
	forget_message(r);
	if (quietly(r, desk_mail(r->desk, from, &err), &err)) {
		for (n = 0; n < nto && desk_connected(r->desk); n++)
			accepted += quietly(r, desk_rcpt(r->desk, to[n], &err), &err);
		if (accepted > 0 && desk_connected(r->desk))
			show(r, desk_data(r->desk, sl_buf_str(&message), &err), sl_buf_str(&message), &err);
	}
	sl_buf_clear(&message);
}

const struct repl_command repl_session_commands[] = {
	{ ":connect", "IP [SERVER]", "a client connects", connect_peer, 1, 2 },
	{ ":helo", "NAME", "EHLO", helo, 1, 1 },
	{ ":tls", "[PROTOCOL]", "from now on encrypted; EHLO again", tls, 0, 1 },
	{ ":auth", "USER [PASSWORD]", "logs in; without a password it has", auth, 1, 2 },
	{ ":mail", "[ADDRESS]", "MAIL FROM, without an address the null sender", mail, 0, 1 },
	{ ":rcpt", "ADDRESS", "RCPT TO", rcpt, 1, 1 },
	{ ":data", "FILE|-", "the message; - = lines that follow, up to a dot", data, 1, 1 },
	{ ":send", "FILE --from A --to A...", "MAIL, RCPT and the message at once", send_file, 5, MAX_WORDS },
	{ ":reset", "", "RSET", reset, 0, 0 },
	{ ":close", "", "the client goes", close_session, 0, 0 },
	{ NULL, NULL, NULL, NULL, 0, 0 },
};
