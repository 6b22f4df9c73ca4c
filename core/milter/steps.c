/*
 * What each command of a mail server does, and in which states it may come.
 * Commands that the mail server doesn't wait for an answer to, by agreement,
 * get none.
 */
#include "server_private.h"

#include <stdio.h>
#include <string.h>

#define TRANSACTION	(SL_MILTER_ENVELOPE | SL_MILTER_IN_HEADER | SL_MILTER_IN_BODY)
#define CLIENT		(SL_MILTER_CONNECTED | TRANSACTION)
#define ANY		(SL_MILTER_READY | CLIENT)

typedef int step_fn(struct sl_milter_session *s, struct sl_str data, struct sl_err *err);

/* A continue, unless the mail server doesn't wait for one. */
static void
continue_unless(struct sl_milter_session *s, uint32_t quiet)
{
	if ((s->agreed.steps & quiet) == 0)
		sl_milter_reply(s, SL_MILTER_CONTINUE);
}

/* ---- negotiation --------------------------------------------------------- */

static uint32_t
wanted_steps(const struct sl_milter_session *s)
{
	uint32_t steps = SL_MILTER_NO_UNKNOWN | SL_MILTER_NO_DATA | SL_MILTER_QUIET_HEADER |
	    SL_MILTER_QUIET_EOH | SL_MILTER_QUIET_BODY | SL_MILTER_SKIPS | SL_MILTER_LEADING_SPACE;

	if (!sl_engine_needs_body(s->server->o.engine))
		steps |= SL_MILTER_NO_BODY;
	return steps;
}

static int
negotiate(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	const uint32_t actions = SL_MILTER_ADDS_FIELDS | SL_MILTER_ADDS_RCPTS |
	    SL_MILTER_DELETES_RCPTS | SL_MILTER_CHANGES_FIELDS | SL_MILTER_QUARANTINES |
	    SL_MILTER_CHANGES_FROM | SL_MILTER_CHOOSES_MACROS | SL_MILTER_CHANGES_BODY;
	struct sl_milter_options offered;
	struct sl_buf out = SL_BUF_INIT;

	if (sl_milter_options_parse(&offered, data, err) != 0)
		return err->code;
	s->agreed.version = offered.version < SL_MILTER_VERSION ? offered.version :
	    SL_MILTER_VERSION;
	s->agreed.actions = offered.actions & actions;
	s->agreed.steps = offered.steps & wanted_steps(s);
	s->state = SL_MILTER_READY;
	sl_milter_put_options(&out, &s->agreed);
	sl_milter_send(s, &out);
	return 0;
}

static int
take_macros(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	return sl_milter_macros_set(&s->macros, data, err);
}

/* ---- answers of the policy ------------------------------------------------- */

static void
keep_path(struct sl_milter_session *s)
{
	size_t cap = s->cappaths == 0 ? 4 : s->cappaths * 2;
	char **more;

	if (s->npaths == s->cappaths) {
		more = sl_realloc(s->paths, cap * sizeof(*more));
		if (more == NULL) {
			s->no_memory = true;
			return;
		}
		s->paths = more;
		s->cappaths = cap;
	}
	s->paths[s->npaths++] = s->asked;
	s->asked = NULL;
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	struct sl_milter_session *s = arg;

	s->waiting = false;
	if (v->phase == SL_MAILFROM && v->action == SL_ACCEPT)
		s->state = SL_MILTER_ENVELOPE;
	if (v->phase == SL_RCPTTO && v->action == SL_ACCEPT)
		keep_path(s);
	sl_free(s->asked);
	s->asked = NULL;
	sl_milter_reply_verdict(s, v);
	sl_milter_session_go_on(s);
}

/* What a call of the engine that didn't begin comes to. */
static void
asked(struct sl_milter_session *s, int rc)
{
	if (rc == 0)
		s->waiting = true;
	else
		sl_milter_reply(s, SL_MILTER_TEMPFAIL);
}

/* ---- the client -------------------------------------------------------------- */

/* Its address as facts have it; "" when the mail server doesn't know. */
static void
client_address(const struct sl_milter_session *s, const struct sl_milter_peer *peer, char *out,
    size_t size, uint16_t *port)
{
	struct sl_str text = peer->family == '4' || peer->family == '6' ? peer->address :
	    peer->family == 'L' ? SL_STR("127.0.0.1") : sl_milter_macros_get(&s->macros, "client_addr");
	struct sl_addr addr;

	out[0] = '\0';
	*port = peer->port;
	if (sl_addr_parse_ip(&addr, text, peer->port) == 0)
		sl_addr_ip(&addr, out, size);
}

static int
open_policy(struct sl_milter_session *s, const struct sl_milter_peer *peer, struct sl_err *err)
{
	char senderip[64], serverip[64], port[16];
	struct sl_session_info info = {
		.server = s->service->o.server, .senderip = senderip, .serverip = serverip,
		.changes = true,
	};
	uint64_t n;

	client_address(s, peer, senderip, sizeof(senderip), &info.senderport);
	sl_milter_macros_text(&s->macros, "daemon_addr", serverip, sizeof(serverip));
	if (serverip[0] == '\0')
		sl_milter_macros_text(&s->macros, "if_addr", serverip, sizeof(serverip));
	sl_milter_macros_text(&s->macros, "daemon_port", port, sizeof(port));
	if (sl_str_u64(sl_str_of(port), &n) && n <= UINT16_MAX)
		info.serverport = (uint16_t)n;
	return sl_session_open(s->server->o.engine, &info, &s->policy, err);
}

static int
connect_client(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	struct sl_milter_peer peer;

	if (sl_milter_peer_parse(&peer, data, err) != 0)
		return err->code;
	sl_milter_macros_enter(&s->macros, SL_MILTER_CONNECT);
	if (open_policy(s, &peer, err) != 0)
		return err->code;
	s->state = SL_MILTER_CONNECTED;
	asked(s, sl_session_connect(s->policy, on_verdict, s));
	return 0;
}

/* What the mail server's connection to the client is protected by. */
static void
tell_tls(struct sl_milter_session *s)
{
	char protocol[16], cipher[64], bits[16];
	uint64_t n = 0;

	sl_milter_macros_text(&s->macros, "tls_version", protocol, sizeof(protocol));
	sl_milter_macros_text(&s->macros, "cipher", cipher, sizeof(cipher));
	sl_milter_macros_text(&s->macros, "cipher_bits", bits, sizeof(bits));
	if (!sl_str_u64(sl_str_of(bits), &n) || n > 100000)
		n = 0;
	sl_session_encrypted(s->policy, protocol, cipher, (int)n);
}

static int
helo(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	struct sl_str text;
	char name[256];

	if (sl_milter_string_parse(&text, data, err) != 0)
		return err->code;
	snprintf(name, sizeof(name), "%.*s", (int)(text.n < 255 ? text.n : 255), text.p);
	sl_milter_transaction_reset(s);
	sl_milter_macros_enter(&s->macros, SL_MILTER_HELO);
	tell_tls(s);
	asked(s, sl_session_helo(s->policy, name, true, on_verdict, s));
	return 0;
}

/* ---- the envelope --------------------------------------------------------------- */

/*
 * A path as the engine takes it: in brackets, and with a domain: mail servers
 * accept mail of their own users without one, whose domain is their host's.
 */
static int
complete_path(const struct sl_milter_session *s, struct sl_str path, struct sl_buf *out)
{
	struct sl_str host = sl_milter_macros_get(&s->macros, "j");

	if (path.n >= 2 && path.p[0] == '<' && path.p[path.n - 1] == '>')
		path = sl_str_sub(path, 1, path.n - 1);
	sl_buf_putc(out, '<');
	sl_buf_putstr(out, path);
	if (path.n > 0 && host.n > 0 && sl_str_chr(path, '@') < 0) {
		sl_buf_putc(out, '@');
		sl_buf_putstr(out, host);
	}
	return sl_buf_putc(out, '>');
}

static void
mail_params(struct sl_mail_params *params, struct sl_str path, struct sl_str rest)
{
	const struct sl_str size = SL_STR("SIZE=");
	struct sl_str one;
	size_t i;

	while (sl_milter_string(&rest, &one))
		if (sl_str_istarts(one, size))
			sl_str_u64(sl_str_sub(one, size.n, one.n), &params->size);
		else if (sl_str_ieq(one, SL_STR("SMTPUTF8")))
			params->smtputf8 = true;
		else if (sl_str_ieq(one, SL_STR("BODY=8BITMIME")))
			params->body8bit = true;
	/* Whether such an address may be used was the mail server's to decide. */
	for (i = 0; i < path.n; i++)
		params->smtputf8 |= (path.p[i] & 0x80) != 0;
}

/* Whose flows run; see server.h. */
static const char *
choose_server(const struct sl_milter_session *s, const char *daemon)
{
	const struct sl_milter_service_options *o = &s->service->o;

	if (daemon[0] != '\0' && sl_session_has_server(s->policy, daemon))
		return daemon;
	if (o->authenticated != NULL && sl_session_authenticated(s->policy))
		return o->authenticated;
	if (o->trusted != NULL && sl_session_trusted(s->policy))
		return o->trusted;
	return o->server;
}

/* A policy that came meanwhile may look at what this mail server was told not to send. */
static bool
lacks_body(const struct sl_milter_session *s)
{
	return (s->agreed.steps & SL_MILTER_NO_BODY) != 0 &&
	    sl_engine_needs_body(s->server->o.engine);
}

static int
begin_transaction(struct sl_milter_session *s, struct sl_str path, struct sl_str rest)
{
	struct sl_mail_params params = { 0 };
	struct sl_buf whole = SL_BUF_INIT;
	char daemon[128], mechanism[64];
	int rc;

	sl_milter_macros_text(&s->macros, "daemon_name", daemon, sizeof(daemon));
	sl_milter_macros_text(&s->macros, "auth_type", mechanism, sizeof(mechanism));
	rc = sl_session_account(s->policy, mechanism,
	    sl_milter_macros_get(&s->macros, "auth_authen"));
	tell_tls(s);
	mail_params(&params, path, rest);
	params.server = choose_server(s, daemon);
	if (rc == 0)
		rc = complete_path(s, path, &whole);
	if (rc == 0)
		rc = sl_session_mail(s->policy, sl_buf_str(&whole), &params, on_verdict, s);
	sl_buf_clear(&whole);
	return rc;
}

static int
mail(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	struct sl_str path, rest;

	if (sl_milter_path_parse(&path, &rest, data, err) != 0)
		return err->code;
	sl_milter_transaction_reset(s);
	sl_milter_macros_enter(&s->macros, SL_MILTER_MAIL);
	if (lacks_body(s)) {
		s->leaving = true;	/* it agrees anew when it comes back */
		sl_milter_reply_text(s, 451, "4.3.0", "The policy has changed, try again");
		return 0;
	}
	asked(s, begin_transaction(s, path, rest));
	return 0;
}

static void
tell_queueid(struct sl_milter_session *s)
{
	char id[128];

	sl_milter_macros_text(&s->macros, "i", id, sizeof(id));
	if (id[0] != '\0')
		sl_session_queueid(s->policy, id);
}

static int
rcpt(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	struct sl_buf whole = SL_BUF_INIT;
	struct sl_str path, rest;
	int rc;

	if (sl_milter_path_parse(&path, &rest, data, err) != 0)
		return err->code;
	if (s->npaths >= s->service->o.recipients) {
		sl_milter_reply_text(s, 452, "4.5.3", "Too many recipients");
		return 0;
	}
	sl_milter_macros_enter(&s->macros, SL_MILTER_RCPT);
	tell_queueid(s);
	s->asked = sl_strndup(path.p, path.n);
	rc = s->asked != NULL ? complete_path(s, path, &whole) : SL_ERR_NOMEM;
	if (rc == 0)
		rc = sl_session_rcpt(s->policy, sl_buf_str(&whole), on_verdict, s);
	sl_buf_clear(&whole);
	asked(s, rc);
	return 0;
}

/* ---- the message ------------------------------------------------------------------ */

static int
data_begins(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)data;
	(void)err;
	sl_milter_reply(s, SL_MILTER_CONTINUE);
	return 0;
}

static void
enter_header(struct sl_milter_session *s)
{
	if (s->state == SL_MILTER_ENVELOPE)
		sl_milter_message_begin(s);
	s->state = SL_MILTER_IN_HEADER;
}

static int
header(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	enter_header(s);
	if (sl_milter_message_field(s, data, err) != 0)
		return err->code;
	continue_unless(s, SL_MILTER_QUIET_HEADER);
	return 0;
}

static void
enter_body(struct sl_milter_session *s)
{
	enter_header(s);
	s->state = SL_MILTER_IN_BODY;
	sl_milter_message_body(s, SL_STR("\r\n"));
}

static int
end_of_header(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)data;
	(void)err;
	enter_body(s);
	continue_unless(s, SL_MILTER_QUIET_EOH);
	return 0;
}

/* What is too large already needn't be sent to its end. */
static int
body(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)err;
	sl_milter_message_body(s, data);
	if (s->spool.over && (s->agreed.steps & SL_MILTER_SKIPS) != 0 &&
	    (s->agreed.steps & SL_MILTER_QUIET_BODY) == 0)
		sl_milter_reply(s, SL_MILTER_SKIP);
	else
		continue_unless(s, SL_MILTER_QUIET_BODY);
	return 0;
}

static int
end_of_message(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)err;
	if (s->state != SL_MILTER_IN_BODY)
		enter_body(s);
	sl_milter_message_body(s, data);
	tell_queueid(s);
	sl_milter_message_end(s);
	return 0;
}

/* ---- ends --------------------------------------------------------------------------- */

static int
abort_message(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)data;
	(void)err;
	sl_milter_transaction_reset(s);
	sl_milter_macros_forget(&s->macros, SL_MILTER_MAIL);
	return 0;
}

/* The client is gone; the connection waits for the next. */
static int
quit_new(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)data;
	(void)err;
	sl_milter_transaction_reset(s);
	sl_milter_macros_forget(&s->macros, SL_MILTER_CONNECT);
	sl_session_close(s->policy);
	s->policy = NULL;
	s->state = SL_MILTER_READY;
	return 0;
}

static int
quit(struct sl_milter_session *s, struct sl_str data, struct sl_err *err)
{
	(void)data;
	(void)err;
	sl_milter_session_end(s);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------ */

static const struct {
	enum sl_milter_command command;
	const char *name;
	unsigned states;
	step_fn *fn;
} steps[] = {
	{ SL_MILTER_NEGOTIATE, "negotiation", SL_MILTER_NEW, negotiate },
	{ SL_MILTER_MACROS, "macros", ANY, take_macros },
	{ SL_MILTER_CONNECT, "connect", SL_MILTER_READY, connect_client },
	{ SL_MILTER_HELO, "helo", CLIENT, helo },
	{ SL_MILTER_MAIL, "mail", CLIENT, mail },
	{ SL_MILTER_RCPT, "rcpt", SL_MILTER_ENVELOPE, rcpt },
	{ SL_MILTER_DATA, "data", SL_MILTER_ENVELOPE, data_begins },
	{ SL_MILTER_HEADER, "header", SL_MILTER_ENVELOPE | SL_MILTER_IN_HEADER, header },
	{ SL_MILTER_EOH, "end of header", SL_MILTER_ENVELOPE | SL_MILTER_IN_HEADER, end_of_header },
	{ SL_MILTER_BODY, "body", SL_MILTER_IN_BODY, body },
	{ SL_MILTER_EOM, "end of message", TRANSACTION, end_of_message },
	{ SL_MILTER_ABORT, "abort", ANY, abort_message },
	{ SL_MILTER_UNKNOWN, "unknown command", CLIENT, data_begins },
	{ SL_MILTER_QUIT_NEW, "quit, new connection", ANY, quit_new },
	{ SL_MILTER_QUIT, "quit", SL_MILTER_NEW | ANY, quit },
};

int
sl_milter_step(struct sl_milter_session *s, const struct sl_milter_packet *packet,
    struct sl_err *err)
{
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if ((char)steps[i].command != packet->command)
			continue;
		if ((steps[i].states & s->state) == 0)
			return sl_err_set(err, SL_ERR_SYNTAX, "%s out of order", steps[i].name);
		return steps[i].fn(s, packet->data, err);
	}
	return sl_err_set(err, SL_ERR_SYNTAX, "a command 0x%02x that there isn't",
	    (unsigned char)packet->command);
}
