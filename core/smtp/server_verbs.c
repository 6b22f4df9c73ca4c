/* What each command does. Order and states are the table's (command.c). */
#include "server_private.h"

#include <stdio.h>
#include <string.h>

static bool
in_tls(const struct sl_smtp_session *s)
{
	return s->stream != NULL && sl_stream_tls(s->stream);
}

static bool
offers_auth(const struct sl_smtp_session *s)
{
	return s->service->o.auth && (in_tls(s) || s->service->o.auth_in_clear);
}

static bool
offers_tls(const struct sl_smtp_session *s)
{
	return s->service->o.tls != NULL && !in_tls(s);
}

/* A call into the policy that couldn't begin. */
static void
policy_failed(struct sl_smtp_session *s)
{
	sl_smtp_transaction_reset(s);
	sl_smtp_session_await(s, SL_MODE_COMMAND);
	sl_smtp_refuse(s, 451, "4.3.0", "Out of resources");
}

/* Back from the policy. */
static void
resume(struct sl_smtp_session *s)
{
	sl_smtp_session_await(s, SL_MODE_COMMAND);
	sl_smtp_session_go_on(s);
}

/* HELO, EHLO */

static void
reply_ehlo(struct sl_smtp_session *s)
{
	struct sl_buf b = SL_BUF_INIT;

	sl_buf_printf(&b, "250-%s\r\n250-PIPELINING\r\n250-SIZE %llu\r\n", s->service->hostname,
	    (unsigned long long)s->service->o.size);
	sl_buf_puts(&b, "250-8BITMIME\r\n250-SMTPUTF8\r\n");
	if (offers_tls(s))
		sl_buf_puts(&b, "250-STARTTLS\r\n");
	if (offers_auth(s))
		sl_buf_puts(&b, "250-AUTH PLAIN LOGIN\r\n");
	sl_buf_puts(&b, "250 ENHANCEDSTATUSCODES\r\n");
	if (b.failed || sl_stream_write(s->stream, b.p, b.n) < 0)
		sl_smtp_session_end(s);
	sl_buf_clear(&b);
}

static void
helo_done(void *arg, const struct sl_verdict *v)
{
	struct sl_smtp_session *s = arg;

	if (v->action != SL_ACCEPT) {
		s->state = SL_SMTP_START;
		sl_smtp_reply_verdict(s, v, 550, "5.7.1", "Not welcome");
	} else {
		s->state = SL_SMTP_READY;
		if (s->extended && s->stream != NULL)
			reply_ehlo(s);
		else
			sl_smtp_reply(s, 250, "", s->service->hostname);
	}
	resume(s);
}

static void
verb_helo(struct sl_smtp_session *s, const struct sl_smtp_verb *verb, struct sl_str args)
{
	if (!sl_smtp_helo_valid(args)) {
		sl_smtp_refuse(s, 501, "5.5.4", "A domain name is needed");
		return;
	}
	sl_smtp_transaction_reset(s);	/* RFC 5321 4.1.4 */
	snprintf(s->helo, sizeof(s->helo), "%.*s", (int)args.n, args.p);
	s->extended = verb->id == SL_VERB_EHLO;
	sl_smtp_session_work(s, SL_MODE_POLICY);
	if (sl_session_helo(s->policy, s->helo, s->extended, helo_done, s) < 0)
		policy_failed(s);
}

/* STARTTLS */

static void
verb_starttls(struct sl_smtp_session *s)
{
	struct sl_err err = { 0 };

	if (!offers_tls(s)) {
		sl_smtp_refuse(s, in_tls(s) ? 503 : 502, "5.5.1", in_tls(s) ? "TLS is active already"
		    : "TLS isn't offered");
		return;
	}
	sl_smtp_reply(s, 220, "2.0.0", "Go ahead");
	/* RFC 3207 4.2: all that was said before is forgotten, and what came with it is dropped. */
	sl_smtp_transaction_reset(s);
	s->state = SL_SMTP_START;
	s->authenticated = s->extended = false;
	s->helo[0] = '\0';
	if (sl_stream_starttls(s->stream, s->service->o.tls, true, NULL, &err) < 0) {
		sl_smtp_session_end(s);
		return;
	}
	s->off = 0;
	sl_smtp_session_await(s, SL_MODE_TLS);
}

/* AUTH */

static void
auth_done(void *arg, const struct sl_verdict *v)
{
	struct sl_smtp_session *s = arg;

	s->authenticated = v->action == SL_ACCEPT;
	if (s->authenticated) {
		s->server->counters.auth++;
		sl_smtp_reply(s, 235, "2.7.0", "Authenticated");
	} else {
		s->server->counters.auth_failed++;
		sl_smtp_reply_verdict(s, v, 535, "5.7.8", "Authentication failed");
		if (++s->auth_failures >= s->service->o.auth_failures)
			sl_smtp_goodbye(s, "4.7.0", "Too many failed attempts");
	}
	resume(s);
}

static void
auth_failed(struct sl_smtp_session *s, int r)
{
	sl_smtp_auth_clear(&s->auth);
	sl_smtp_session_await(s, SL_MODE_COMMAND);
	if (r == SL_ERR_CANCELED)
		sl_smtp_refuse(s, 501, "5.7.0", "Authentication cancelled");
	else if (r == SL_ERR_REFUSED)
		sl_smtp_refuse(s, 535, "5.7.8", "Acting for another isn't supported");
	else if (r == SL_ERR_NOMEM)
		sl_smtp_refuse(s, 454, "4.7.0", "Out of resources");
	else
		sl_smtp_refuse(s, 501, "5.5.2", "Can't decode that");
}

static void
auth_step(struct sl_smtp_session *s, const struct sl_str *line)
{
	char prompt[64];
	int r = sl_smtp_auth_step(&s->auth, line);

	if (r == 1) {
		snprintf(prompt, sizeof(prompt), "%s", s->auth.prompt);
		sl_smtp_reply(s, 334, "", prompt);
		sl_smtp_session_await(s, SL_MODE_AUTH);
		return;
	}
	if (r < 0) {
		auth_failed(s, r);
		return;
	}
	sl_smtp_session_work(s, SL_MODE_POLICY);
	r = sl_session_auth(s->policy, s->auth_mechanism, sl_buf_str(&s->auth.username),
	    sl_buf_str(&s->auth.password), auth_done, s);
	sl_smtp_auth_clear(&s->auth);
	if (r < 0)
		policy_failed(s);
}

void
sl_smtp_auth_line(struct sl_smtp_session *s, struct sl_str line)
{
	auth_step(s, &line);
}

static void
verb_auth(struct sl_smtp_session *s, struct sl_str args)
{
	struct sl_str mechanism, initial;

	if (!offers_auth(s)) {
		sl_smtp_refuse(s, s->service->o.auth ? 538 : 502, s->service->o.auth ? "5.7.11" :
		    "5.5.1", s->service->o.auth ? "Encryption is needed" : "AUTH isn't offered");
		return;
	}
	if (s->authenticated) {
		sl_smtp_refuse(s, 503, "5.5.1", "Already authenticated");
		return;
	}
	sl_str_split(&args, ' ', &mechanism);
	initial = sl_str_trim(args);
	if (!sl_smtp_auth_begin(&s->auth, mechanism)) {
		sl_smtp_refuse(s, 504, "5.5.4", "Mechanism not supported");
		return;
	}
	snprintf(s->auth_mechanism, sizeof(s->auth_mechanism), "%s",
	    s->auth.login ? "LOGIN" : "PLAIN");
	auth_step(s, args.p != NULL && initial.n > 0 ? &initial : NULL);
}

/* MAIL, RCPT */

static void
mail_done(void *arg, const struct sl_verdict *v)
{
	struct sl_smtp_session *s = arg;

	if (v->action == SL_ACCEPT) {
		s->state = SL_SMTP_MAIL;
		snprintf(s->id, sizeof(s->id), "%s", v->id != NULL ? v->id : "");
		sl_smtp_reply_verdict(s, v, 250, "2.1.0", "Sender OK");
	} else {
		sl_smtp_reply_verdict(s, v, 550, "5.7.1", "Sender refused");
		sl_smtp_transaction_reset(s);
	}
	resume(s);
}

static void
verb_mail(struct sl_smtp_session *s, struct sl_str args)
{
	struct sl_mail_params params = { 0 };
	struct sl_smtp_mail mail;
	struct sl_err err;

	if (s->service->o.auth_required && !s->authenticated) {
		sl_smtp_refuse(s, 530, "5.7.0", "Authentication required");
		return;
	}
	if (sl_smtp_mail_parse(&mail, args, &err) < 0) {
		sl_smtp_refuse(s, mail.code, mail.enhanced, err.text);
		return;
	}
	if (mail.size > s->service->o.size) {
		sl_smtp_reply(s, 552, "5.3.4", "Message too large");
		return;
	}
	params.size = mail.size;
	params.body8bit = mail.body8bit;
	params.smtputf8 = s->utf8 = mail.smtputf8;
	sl_smtp_session_work(s, SL_MODE_POLICY);
	if (sl_session_mail(s->policy, mail.path, &params, mail_done, s) < 0)
		policy_failed(s);
}

static void
rcpt_done(void *arg, const struct sl_verdict *v)
{
	struct sl_smtp_session *s = arg;

	if (v->action == SL_ACCEPT) {
		s->state = SL_SMTP_RCPT;
		s->recipients++;
		s->server->counters.recipients++;
		sl_smtp_reply_verdict(s, v, 250, "2.1.5", "Recipient OK");
	} else {
		s->server->counters.recipients_refused++;
		if (s->recipients == 0)
			s->recipient[0] = '\0';
		sl_smtp_reply_verdict(s, v, 550, "5.7.1", "Recipient refused");
	}
	resume(s);
}

static void
verb_rcpt(struct sl_smtp_session *s, struct sl_str args)
{
	struct sl_smtp_mail mail;
	struct sl_err err;

	if (sl_smtp_rcpt_parse(&mail, args, s->utf8, &err) < 0) {
		sl_smtp_refuse(s, mail.code, mail.enhanced, err.text);
		return;
	}
	/* Who tries names until one is right (A08). */
	if (++s->recipients_asked > 2 * s->service->o.recipients + 100) {
		sl_smtp_goodbye(s, "4.7.0", "Too many recipients");
		return;
	}
	if (s->recipients >= s->service->o.recipients) {
		sl_smtp_reply(s, 452, "4.5.3", "Too many recipients");
		return;
	}
	if (s->recipients == 0 && mail.path.n < sizeof(s->recipient))
		snprintf(s->recipient, sizeof(s->recipient), "%.*s", (int)mail.path.n, mail.path.p);
	sl_smtp_session_work(s, SL_MODE_POLICY);
	if (sl_session_rcpt(s->policy, mail.path, rcpt_done, s) < 0)
		policy_failed(s);
}

/* The rest */

static void
verb_data(struct sl_smtp_session *s)
{
	if (s->state != SL_SMTP_RCPT) {
		sl_smtp_refuse(s, 554, "5.5.1", "No valid recipients");
		return;
	}
	/* RFC 2920 3.1: DATA is the last of its group. Reading the message as commands would be worse. */
	if (sl_smtp_has_input(s) && !s->service->o.early_talkers) {
		sl_smtp_reply(s, 554, "5.5.1", "You spoke before the 354");
		sl_smtp_session_end(s);
		return;
	}
	sl_smtp_data_begin(s);
}

static void
verb_rset(struct sl_smtp_session *s)
{
	sl_smtp_transaction_reset(s);
	sl_smtp_reply(s, 250, "2.0.0", "OK");
}

static void
dispatch(struct sl_smtp_session *s, const struct sl_smtp_verb *verb, struct sl_str args)
{
	switch (verb->id) {
	case SL_VERB_HELO:
	case SL_VERB_EHLO:
		verb_helo(s, verb, args);
		break;
	case SL_VERB_STARTTLS:
		verb_starttls(s);
		break;
	case SL_VERB_AUTH:
		verb_auth(s, args);
		break;
	case SL_VERB_MAIL:
		verb_mail(s, args);
		break;
	case SL_VERB_RCPT:
		verb_rcpt(s, args);
		break;
	case SL_VERB_DATA:
		verb_data(s);
		break;
	case SL_VERB_RSET:
		verb_rset(s);
		break;
	case SL_VERB_NOOP:
		sl_smtp_reply(s, 250, "2.0.0", "OK");
		break;
	case SL_VERB_QUIT:
		sl_smtp_reply(s, 221, "2.0.0", "Bye");
		sl_smtp_session_end(s);
		break;
	case SL_VERB_VRFY:
		sl_smtp_reply(s, 252, "2.5.2", "Send some mail, I'll try my best");
		break;
	case SL_VERB_HELP:
		sl_smtp_reply(s, 214, "2.0.0", "RFC 5321");
		break;
	case SL_VERB_ABSENT:
		sl_smtp_refuse(s, 502, "5.5.1", "Not implemented");
		break;
	case SL_VERB_FOREIGN:
		sl_smtp_reply(s, 502, "5.5.1", "This is SMTP, without that");
		sl_smtp_session_end(s);
		break;
	}
}

/* What is wrong with a command before it is looked into; true = it was answered. */
static bool
out_of_place(struct sl_smtp_session *s, const struct sl_smtp_verb *verb, struct sl_str line,
    struct sl_str args)
{
	if (line.n + 2 > verb->max_line)
		sl_smtp_refuse(s, 500, "5.5.6", "Line too long");
	else if (sl_str_chr(line, '\0') >= 0)
		sl_smtp_refuse(s, 501, "5.5.2", "NUL in the command");
	else if (s->service->o.tls_required && !in_tls(s) && !verb->in_clear)
		sl_smtp_refuse(s, 530, "5.7.0", "Must issue a STARTTLS command first");
	else if (!verb->argument && args.n > 0)
		sl_smtp_refuse(s, 501, "5.5.4", "No argument is allowed");
	else if (!(verb->states & s->state))
		sl_smtp_refuse(s, 503, "5.5.1", s->state == SL_SMTP_START ? "Say EHLO first"
		    : verb->id == SL_VERB_RCPT || verb->id == SL_VERB_DATA ? "Need MAIL first"
		    : "Not in a transaction");
	else
		return false;
	return true;
}

/* Between transactions a session may be asked to come again. */
static bool
sent_away(struct sl_smtp_session *s)
{
	int64_t grace = s->service->o.reload_grace_ms;

	if (!sl_smtp_between_transactions(s))
		return false;
	if (s->server->draining) {
		sl_smtp_goodbye(s, "4.3.2", "Service is shutting down");
		return true;
	}
	if (grace >= 0 && sl_session_outdated(s->policy) > grace) {
		sl_smtp_goodbye(s, "4.3.2", "Policy was reloaded, come again");
		return true;
	}
	return false;
}

void
sl_smtp_command(struct sl_smtp_session *s, struct sl_str line)
{
	const struct sl_smtp_verb *verb;
	struct sl_str args;

	s->server->counters.commands++;
	/* A new deadline: the one before was for this line. */
	sl_smtp_session_await(s, SL_MODE_COMMAND);
	verb = sl_smtp_verb_find(line, &args);
	if ((verb == NULL || verb->id != SL_VERB_QUIT) && sent_away(s))
		return;
	if (verb == NULL) {
		sl_smtp_refuse(s, 500, "5.5.1", "Unknown command");
		return;
	}
	if (verb->idle && ++s->idle > s->service->o.idle_commands) {
		sl_smtp_goodbye(s, "4.7.0", "Too many commands without a message");
		return;
	}
	if (!out_of_place(s, verb, line, args))
		dispatch(s, verb, args);
}
