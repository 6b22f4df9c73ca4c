/*
 * The connection: from connect to READY (banner, EHLO, STARTTLS, AUTH), the
 * dispatch of replies, and its end. Each state has one function for the reply
 * that comes in it.
 */
#include "client.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "client_private.h"

#define LINGER_MS	2000

static int	 connect_to(struct sl_client *c, struct sl_err *err);

/* ---- the end ------------------------------------------------------------- */

static void
drop_stream(struct sl_client *c)
{
	sl_timer_stop(&c->timer);
	sl_stream_close(c->stream);
	c->stream = NULL;
}

void
sl_client_die(struct sl_client *c, int code, const char *enhanced, const char *text)
{
	if (c->state == SL_C_DEAD)
		return;
	drop_stream(c);
	/* The transfer looks at the state to see how far it came. */
	sl_transfer_end(c, code, enhanced, text);
	c->state = SL_C_DEAD;
}

static void
too_slow(struct sl_timer *timer)
{
	struct sl_client *c = sl_list_entry(timer, struct sl_client, timer);

	if (c->state == SL_C_CONNECTING)
		sl_client_die(c, 0, "4.4.1", "connect: timed out");
	else
		sl_client_die(c, 0, "4.4.2", "timed out waiting for the host");
}

/* ---- saying --------------------------------------------------------------- */

void
sl_client_expect(struct sl_client *c, enum sl_client_state state, int64_t ms)
{
	c->state = state;
	sl_reply_begin(&c->reply);
	if (sl_timer_start(c->loop, &c->timer, ms, too_slow) < 0)
		sl_client_die(c, 0, "4.3.0", "out of memory");
}

void
sl_client_say(struct sl_client *c, const char *fmt, ...)
{
	struct sl_buf line = SL_BUF_INIT;
	va_list ap;

	if (c->state == SL_C_DEAD)
		return;
	va_start(ap, fmt);
	sl_buf_vprintf(&line, fmt, ap);
	va_end(ap);
	sl_buf_puts(&line, "\r\n");
	if (line.failed || sl_stream_write(c->stream, line.p, line.n) < 0)
		sl_client_die(c, 0, "4.3.0", "out of memory, or the connection is closed");
	sl_wipe(line.p, line.n);
	sl_buf_clear(&line);
}

static void
hello(struct sl_client *c)
{
	memset(&c->offer, 0, sizeof(c->offer));
	sl_client_expect(c, SL_C_EHLO, c->o.timeouts.greeting);
	sl_client_say(c, "%s %s", c->o.lmtp ? "LHLO" : "EHLO", c->helo);
}

void
sl_client_ready(struct sl_client *c)
{
	sl_timer_stop(&c->timer);
	c->state = SL_C_READY;
	sl_reply_begin(&c->reply);
	if (c->transfer != NULL)
		sl_transfer_begin(c);
}

/* What the host said ends the connection: its words are the result. */
static void
refused(struct sl_client *c)
{
	const struct sl_reply r = c->reply;

	sl_client_die(c, r.code, r.enhanced, r.text);
}

/* ---- AUTH (RFC 4954) ------------------------------------------------------- */

static void
say_secret(struct sl_client *c, const char *prefix, struct sl_str secret)
{
	struct sl_buf encoded = SL_BUF_INIT;

	if (sl_base64_encode(&encoded, secret) < 0)
		sl_client_die(c, 0, "4.3.0", "out of memory");
	else
		sl_client_say(c, "%s%s", prefix, encoded.p != NULL ? encoded.p : "");
	if (encoded.p != NULL)
		sl_wipe(encoded.p, encoded.n);
	sl_buf_clear(&encoded);
}

static void
say_plain(struct sl_client *c)
{
	struct sl_buf b = SL_BUF_INIT;

	sl_buf_putc(&b, '\0');
	sl_buf_puts(&b, c->username);
	sl_buf_putc(&b, '\0');
	sl_buf_puts(&b, c->password);
	if (b.failed)
		sl_client_die(c, 0, "4.3.0", "out of memory");
	else
		say_secret(c, "AUTH PLAIN ", sl_buf_str(&b));
	if (b.p != NULL)
		sl_wipe(b.p, b.n);
	sl_buf_clear(&b);
}

static void
authenticate(struct sl_client *c)
{
	if (!sl_stream_tls(c->stream) && !sl_addr_is_loopback(&c->o.to)) {
		sl_client_die(c, 0, "4.7.11", "AUTH needs TLS, and the connection has none");
	} else if (c->offer.plain) {
		sl_client_expect(c, SL_C_AUTH, c->o.timeouts.greeting);
		say_plain(c);
	} else if (c->offer.login) {
		sl_client_expect(c, SL_C_AUTH_USER, c->o.timeouts.greeting);
		sl_client_say(c, "AUTH LOGIN");
	} else {
		sl_client_die(c, 0, "4.7.4", "the host offers neither AUTH PLAIN nor LOGIN");
	}
}

/* A refused password is for the operator to mend: the message waits. */
static void
auth_refused(struct sl_client *c)
{
	char text[sizeof(c->reply.text) + 32];

	snprintf(text, sizeof(text), "our AUTH was refused: %d %s", c->reply.code, c->reply.text);
	sl_client_die(c, 0, "4.7.8", text);
}

static void
on_auth(struct sl_client *c)
{
	if (c->reply.code / 100 == 2)
		sl_client_ready(c);
	else
		auth_refused(c);
}

static void
on_auth_user(struct sl_client *c)
{
	if (c->reply.code != 334) {
		auth_refused(c);
		return;
	}
	sl_client_expect(c, SL_C_AUTH_PASSWORD, c->o.timeouts.greeting);
	say_secret(c, "", sl_str_of(c->username));
}

static void
on_auth_password(struct sl_client *c)
{
	if (c->reply.code != 334) {
		auth_refused(c);
		return;
	}
	sl_client_expect(c, SL_C_AUTH, c->o.timeouts.greeting);
	say_secret(c, "", sl_str_of(c->password));
}

/* ---- the greeting ------------------------------------------------------------ */

static void
on_banner(struct sl_client *c)
{
	if (c->reply.code / 100 == 2)
		hello(c);
	else
		refused(c);
}

static bool
wants_tls(const struct sl_client *c)
{
	return c->o.tls != SL_CLIENT_TLS_NONE && !c->in_clear && !sl_stream_tls(c->stream);
}

static void
go_on(struct sl_client *c)
{
	if (wants_tls(c) && c->offer.starttls) {
		sl_client_expect(c, SL_C_STARTTLS, c->o.timeouts.greeting);
		sl_client_say(c, "STARTTLS");
	} else if (wants_tls(c) && c->o.tls >= SL_CLIENT_TLS_REQUIRE) {
		sl_client_die(c, 0, "4.7.10", "the host offers no STARTTLS, and TLS is required");
	} else if (c->username != NULL) {
		authenticate(c);
	} else {
		sl_client_ready(c);
	}
}

static void
on_ehlo(struct sl_client *c)
{
	bool refusal = c->reply.code / 100 == 5 && !c->o.lmtp;

	if (c->reply.code / 100 == 2) {
		go_on(c);
	} else if (refusal && !sl_stream_tls(c->stream)) {
		sl_client_expect(c, SL_C_HELO, c->o.timeouts.greeting);
		sl_client_say(c, "HELO %s", c->helo);
	} else {
		refused(c);
	}
}

static void
on_helo(struct sl_client *c)
{
	if (c->reply.code / 100 == 2)
		go_on(c);
	else
		refused(c);
}

static struct sl_tls *
context_of(struct sl_client *c, struct sl_err *err)
{
	if (c->o.context == NULL)
		c->o.context = sl_tls_client(c->o.tls == SL_CLIENT_TLS_VERIFY,
		    (struct sl_str){ NULL, 0 }, err);
	return c->o.context;
}

static void
on_starttls(struct sl_client *c)
{
	struct sl_err err = { 0 };

	if (c->reply.code / 100 != 2) {
		if (c->o.tls >= SL_CLIENT_TLS_REQUIRE) {
			sl_client_die(c, 0, "4.7.10", "STARTTLS was refused, and TLS is required");
			return;
		}
		c->in_clear = true;
		go_on(c);
		return;
	}
	if (context_of(c, &err) == NULL ||
	    sl_stream_starttls(c->stream, c->o.context, false, c->host, &err) < 0) {
		sl_client_die(c, 0, "4.7.5", err.text);
		return;
	}
	sl_client_expect(c, SL_C_HANDSHAKE, c->o.timeouts.greeting);
}

/* ---- replies ------------------------------------------------------------------- */

static bool
has_word(struct sl_str words, const char *word)
{
	struct sl_str w;

	while (sl_str_split(&words, ' ', &w)) {
		if (sl_str_ieq(w, sl_str_of(word)))
			return true;
	}
	return false;
}

/* A line of the answer to EHLO (RFC 5321 4.1.1.1), from its fifth byte on. */
static void
learn(struct sl_client_offer *o, struct sl_str line)
{
	struct sl_str args = line, word;

	sl_str_split(&args, ' ', &word);
	if (args.p == NULL)
		args = (struct sl_str){ "", 0 };
	o->starttls |= sl_str_ieq(word, SL_STR("STARTTLS"));
	o->eightbit |= sl_str_ieq(word, SL_STR("8BITMIME"));
	o->utf8 |= sl_str_ieq(word, SL_STR("SMTPUTF8"));
	o->pipelining |= sl_str_ieq(word, SL_STR("PIPELINING"));
	if (sl_str_ieq(word, SL_STR("SIZE"))) {
		o->size = true;
		if (!sl_str_u64(sl_str_trim(args), &o->limit))
			o->limit = 0;
	}
	/* "AUTH=PLAIN" is older than the RFC and still said. */
	if (sl_str_ieq(word, SL_STR("AUTH")) || sl_str_istarts(word, SL_STR("AUTH="))) {
		args = sl_str_sub(line, 5, line.n);
		o->plain |= has_word(args, "PLAIN");
		o->login |= has_word(args, "LOGIN");
	}
}

static void
take_reply(struct sl_client *c)
{
	static void (*const on_reply[])(struct sl_client *) = {
		[SL_C_BANNER] = on_banner, [SL_C_EHLO] = on_ehlo, [SL_C_HELO] = on_helo,
		[SL_C_STARTTLS] = on_starttls, [SL_C_AUTH] = on_auth,
		[SL_C_AUTH_USER] = on_auth_user, [SL_C_AUTH_PASSWORD] = on_auth_password,
		[SL_C_RSET] = sl_transfer_reply, [SL_C_MAIL] = sl_transfer_reply,
		[SL_C_RCPT] = sl_transfer_reply, [SL_C_DATA] = sl_transfer_reply,
		[SL_C_FINAL] = sl_transfer_reply, [SL_C_DEAD] = NULL,
	};
	bool in_auth = c->state >= SL_C_AUTH && c->state <= SL_C_AUTH_PASSWORD;

	if (on_reply[c->state] == NULL) {
		/* 421 is allowed at any time (RFC 5321 3.8), and a host that has had
		 * enough of the data may say so before its end. */
		if (c->reply.code == 421 || (c->state == SL_C_BODY && c->reply.code >= 400))
			refused(c);
		else
			sl_client_die(c, 0, "4.5.0", "the host spoke out of turn");
	} else if (c->reply.code / 100 == 3 && c->state != SL_C_DATA && !in_auth) {
		sl_client_die(c, 0, "4.5.0", "the host sent a 3xx reply out of turn");
	} else {
		on_reply[c->state](c);
	}
}

static void
take_line(struct sl_client *c, struct sl_str line)
{
	int r = sl_reply_line(&c->reply, line);

	if (r < 0) {
		sl_client_die(c, 0, "4.5.0", "the host's reply is malformed");
		return;
	}
	if (c->state == SL_C_EHLO && c->reply.lines > 1)
		learn(&c->offer, sl_str_sub(line, 4, line.n));
	if (r == 1) {
		take_reply(c);
		/* In states that wait for more than one reply the next begins anew. */
		sl_reply_begin(&c->reply);
	}
}

/* ---- the stream -------------------------------------------------------------------- */

static void
on_read(struct sl_stream *s, void *arg)
{
	char copy[SL_REPLY_MAX_LINE + 1];
	struct sl_client *c = arg;
	struct sl_str line;
	size_t used;

	/* Consumed before it acts: what a line does may drop the rest, or the stream. */
	while (c->stream == s && c->state != SL_C_HANDSHAKE &&
	    sl_reply_cut(sl_buf_str(sl_stream_in(s)), &line, &used)) {
		if (line.n >= sizeof(copy)) {
			sl_client_die(c, 0, "4.5.0", "the host's reply line is too long");
			return;
		}
		memcpy(copy, line.p, line.n);
		line.p = copy;
		sl_buf_drop(sl_stream_in(s), used);
		take_line(c, line);
	}
	if (c->stream == s && sl_stream_in(s)->n > SL_REPLY_MAX_LINE)
		sl_client_die(c, 0, "4.5.0", "the host's reply line is too long");
}

static void
on_drain(struct sl_stream *s, void *arg)
{
	struct sl_client *c = arg;

	(void)s;
	if (c->state == SL_C_BODY)
		sl_transfer_drained(c);
}

static void
on_tls(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct sl_client *c = arg;
	struct sl_err again;

	(void)s;
	if (err->code == 0) {
		hello(c);
		return;
	}
	if (c->o.tls >= SL_CLIENT_TLS_REQUIRE) {
		sl_client_die(c, 0, "4.7.5", err->text);
		return;
	}
	/* Better in clear than not at all is what "optional" says. */
	c->in_clear = true;
	drop_stream(c);
	if (connect_to(c, &again) < 0)
		sl_client_die(c, 0, "4.4.1", again.text);
}

static void
on_connect(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct sl_client *c = arg;

	(void)s;
	if (err->code != 0)
		sl_client_die(c, 0, "4.4.1", err->text);
	else
		sl_client_expect(c, SL_C_BANNER, c->o.timeouts.greeting);
}

static void
on_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	(void)s;
	sl_client_die(arg, 0, "4.4.2", err->text);
}

static const struct sl_stream_handler handler = { on_read, on_drain, on_tls, on_connect, on_end };

static int
connect_to(struct sl_client *c, struct sl_err *err)
{
	c->stream = sl_stream_connect(c->loop, &c->o.to, c->o.source, &handler, c, err);
	if (c->stream == NULL)
		return err->code;
	sl_client_expect(c, SL_C_CONNECTING, c->o.timeouts.connect);
	return 0;
}

/* ---- life ---------------------------------------------------------------------------- */

static void
client_free(struct sl_client *c)
{
	drop_stream(c);
	sl_tls_unref(c->o.context);
	sl_free(c->host);
	sl_free(c->helo);
	sl_free(c->username);
	if (c->password != NULL)
		sl_wipe(c->password, strlen(c->password));
	sl_free(c->password);
	sl_free(c);
}

static int
copy_text(char **to, const char *text)
{
	if (text == NULL)
		return 0;
	*to = sl_strdup(text);
	return *to != NULL ? 0 : SL_ERR_NOMEM;
}

static void
default_ms(int64_t *ms, int64_t seconds)
{
	if (*ms <= 0)
		*ms = seconds * 1000;
}

static int
copy_options(struct sl_client *c, const struct sl_client_options *o)
{
	c->o = *o;
	if (o->source != NULL) {
		c->source = *o->source;
		c->o.source = &c->source;
	}
	c->o.context = o->context != NULL ? sl_tls_ref(o->context) : NULL;
	default_ms(&c->o.timeouts.connect, 30);
	default_ms(&c->o.timeouts.greeting, 300);
	default_ms(&c->o.timeouts.command, 300);
	default_ms(&c->o.timeouts.data, 120);
	default_ms(&c->o.timeouts.block, 180);
	default_ms(&c->o.timeouts.final, 600);
	if (copy_text(&c->host, o->host) < 0 || copy_text(&c->helo, o->helo) < 0 ||
	    copy_text(&c->username, o->username) < 0)
		return SL_ERR_NOMEM;
	if (o->username == NULL)
		return 0;
	return copy_text(&c->password, o->password != NULL ? o->password : "");
}

struct sl_client *
sl_client_new(struct sl_loop *loop, const struct sl_client_options *options, struct sl_err *err)
{
	struct sl_client *c = sl_calloc(1, sizeof(*c));
	struct sl_err own;
	int r;

	if (c == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	c->loop = loop;
	r = copy_options(c, options);
	if (r < 0)
		r = sl_err_set(&own, r, "out of memory");
	else
		r = connect_to(c, &own);
	if (r < 0) {
		sl_err_set(err, r, "%s", own.text);
		client_free(c);
		return NULL;
	}
	return c;
}

bool
sl_client_usable(const struct sl_client *c)
{
	return c->state == SL_C_READY && c->transfer == NULL;
}

void
sl_client_close(struct sl_client *c)
{
	if (c == NULL)
		return;
	if (sl_client_usable(c)) {
		sl_stream_printf(c->stream, "QUIT\r\n");
		sl_stream_finish(c->stream, LINGER_MS);
		c->stream = NULL;
	}
	client_free(c);
}
