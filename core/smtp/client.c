/*
 * A state machine over replies: each state names what was sent last; a reply
 * moves it on. What isn't understood, too long or out of turn is a temporary
 * failure of the host, never a guess.
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"

#define MAX_LINE	2048
#define MAX_LINES	100
#define CHUNK		(64 * 1024)

enum state { CONNECTING, BANNER, HELLO, HELLO_OLD, STARTTLS, HANDSHAKE, AUTH, MAIL, RCPT, DATA,
	BODY, SENT, OVER };

struct client {
	struct sl_client_op op;		/* first: the operation is the client */
	struct sl_client_options o;
	char *host, *helo, *username, *password, *sender, *recipient;
	struct sl_addr source;
	struct sl_stream *stream;
	struct sl_tls *tls;
	enum state state;
	bool starttls, eightbit, utf8, size, auth_plain;
	unsigned lines;
	int code;			/* of a multi-line reply under way */
	struct sl_buf text;
	uint64_t sent;
	char last[2];			/* bytes of the message sent last */
	bool refused;			/* a bare CR or LF: not sent on */
};

/* ---- the end ----------------------------------------------------------------------- */

static void
finish(struct client *c, int code, const char *enhanced, const char *text)
{
	struct sl_send_result *r = &c->op.result;

	if (c->state == OVER)
		return;
	c->state = OVER;
	r->code = code;
	snprintf(r->enhanced, sizeof(r->enhanced), "%s", enhanced);
	snprintf(r->text, sizeof(r->text), "%s", text);
	r->tls = c->stream != NULL && sl_stream_tls(c->stream);
	if (c->stream != NULL && sl_stream_pending(c->stream) < 4096 && code != 0) {
		sl_stream_printf(c->stream, "QUIT\r\n");
		sl_stream_finish(c->stream, 2000);
	} else {
		sl_stream_close(c->stream);
	}
	c->stream = NULL;
	sl_op_finish(&c->op.op, 0);
}

static void
broken(struct client *c, const char *text)
{
	finish(c, 0, "4.4.2", text);
}

/* The reply that refused: its code, its enhanced code if it has one. */
static void
refused(struct client *c)
{
	const char *text = c->text.p != NULL ? c->text.p : "";
	char enhanced[12] = "";
	size_t n = strspn(text, "0123456789.");

	if (n >= 5 && n < sizeof(enhanced) && text[n] == ' ' && text[1] == '.') {
		memcpy(enhanced, text, n);
		enhanced[n] = '\0';
		text += n + 1;
	}
	finish(c, c->code, enhanced, text);
}

/* ---- sending ------------------------------------------------------------------------- */

static void
say_mail(struct client *c)
{
	c->state = MAIL;
	sl_stream_printf(c->stream, "MAIL FROM:<%s>", c->sender);
	if (c->size)
		sl_stream_printf(c->stream, " SIZE=%llu", (unsigned long long)c->o.size);
	if (c->eightbit)
		sl_stream_printf(c->stream, " BODY=8BITMIME");
	if (c->utf8 && c->o.smtputf8)
		sl_stream_printf(c->stream, " SMTPUTF8");
	sl_stream_printf(c->stream, "\r\n");
}

static void
say_auth(struct client *c)
{
	struct sl_buf plain = SL_BUF_INIT, encoded = SL_BUF_INIT;

	c->state = AUTH;
	sl_buf_putc(&plain, '\0');
	sl_buf_puts(&plain, c->username);
	sl_buf_putc(&plain, '\0');
	sl_buf_puts(&plain, c->password != NULL ? c->password : "");
	sl_base64_encode(&encoded, sl_buf_str(&plain));
	if (plain.failed || encoded.failed)
		broken(c, "out of memory");
	else
		sl_stream_printf(c->stream, "AUTH PLAIN %s\r\n", encoded.p);
	sl_wipe(plain.p, plain.n);
	sl_wipe(encoded.p, encoded.n);
	sl_buf_clear(&plain);
	sl_buf_clear(&encoded);
}

/* One piece, dots at line beginnings doubled (RFC 5321 4.5.2). */
static void
write_stuffed(struct client *c, const char *p, size_t n)
{
	size_t from = 0, i;

	for (i = 0; i < n; i++) {
		bool line_start = (c->last[0] == '\r' && c->last[1] == '\n') ||
		    (c->sent == 0 && i == 0);

		if ((p[i] == '\n') != (c->last[1] == '\r'))
			c->refused = true;	/* a bare CR or LF */
		if (p[i] == '.' && line_start) {
			sl_stream_write(c->stream, p + from, i - from);
			sl_stream_write(c->stream, ".", 1);
			from = i;
		}
		c->last[0] = c->last[1];
		c->last[1] = p[i];
	}
	sl_stream_write(c->stream, p + from, n - from);
	c->sent += n;
}

static void
end_body(struct client *c)
{
	if (c->last[1] != '\n' && c->sent > 0)
		sl_stream_printf(c->stream, "\r\n");
	sl_stream_printf(c->stream, ".\r\n");
	c->state = SENT;
}

/* The next piece, when the last one is with the kernel. Nothing of a message
 * with a bare CR or LF may reach a host that takes it for a line end. */
static void
send_body(struct client *c)
{
	char *chunk = sl_malloc(CHUNK);
	uint64_t left = c->o.size - c->sent;
	size_t want = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t n;

	if (chunk == NULL) {
		broken(c, "out of memory");
		return;
	}
	n = want > 0 ? pread(c->o.fd, chunk, want, (off_t)(c->o.offset + c->sent)) : 0;
	if (n < 0 || (n == 0 && want > 0))
		broken(c, "the stored message can't be read");
	else if (n > 0)
		write_stuffed(c, chunk, (size_t)n);
	sl_free(chunk);
	if (c->refused)
		finish(c, 0, "5.6.0", "the message has a bare CR or LF");
	else if (c->state == BODY && c->sent == c->o.size)
		end_body(c);
}

/* ---- replies --------------------------------------------------------------------------- */

static void
after_hello(struct client *c)
{
	bool tls = sl_stream_tls(c->stream);

	if (!tls && c->starttls && c->o.tls != SL_CLIENT_TLS_NONE) {
		c->state = STARTTLS;
		sl_stream_printf(c->stream, "STARTTLS\r\n");
	} else if (!tls && c->o.tls >= SL_CLIENT_TLS_REQUIRE) {
		finish(c, 0, "4.7.10", "the host doesn't offer STARTTLS, which is required");
	} else if (c->username != NULL && (tls || sl_addr_is_loopback(&c->o.to))) {
		say_auth(c);
	} else if (c->username != NULL) {
		finish(c, 0, "4.7.11", "AUTH needs TLS, which the host doesn't offer");
	} else {
		say_mail(c);
	}
}

static void
say_hello(struct client *c)
{
	c->state = HELLO;
	c->starttls = c->eightbit = c->utf8 = c->size = c->auth_plain = false;
	sl_stream_printf(c->stream, "%s %s\r\n", c->o.lmtp ? "LHLO" : "EHLO", c->helo);
}

static void
begin_tls(struct client *c)
{
	struct sl_err err;

	c->tls = sl_tls_client(c->o.tls == SL_CLIENT_TLS_VERIFY, SL_STR(""), &err);
	if (c->tls == NULL || sl_stream_starttls(c->stream, c->tls, false, c->host, &err) != 0)
		broken(c, err.text);
	c->state = c->state == OVER ? OVER : HANDSHAKE;
}

static void
reply(struct client *c)
{
	int class = c->code / 100;

	switch (c->state) {
	case BANNER:
		if (class == 2)
			say_hello(c);
		else
			refused(c);
		break;
	case HELLO:
		if (class == 2) {
			after_hello(c);
		} else if (class == 5 && !c->o.lmtp && c->o.tls < SL_CLIENT_TLS_REQUIRE &&
		    c->username == NULL) {
			c->state = HELLO_OLD;
			sl_stream_printf(c->stream, "HELO %s\r\n", c->helo);
		} else {
			refused(c);
		}
		break;
	case HELLO_OLD:
		if (class == 2)
			say_mail(c);
		else
			refused(c);
		break;
	case STARTTLS:
		if (class == 2)
			begin_tls(c);
		else if (c->o.tls >= SL_CLIENT_TLS_REQUIRE)
			finish(c, 0, "4.7.10", "STARTTLS was refused, and TLS is required");
		else
			say_mail(c);
		break;
	case AUTH:
		if (class == 2)
			say_mail(c);
		else
			finish(c, 0, "4.7.8", "our AUTH was refused");
		break;
	case MAIL:
		if (class != 2) {
			refused(c);
			break;
		}
		c->state = RCPT;
		sl_stream_printf(c->stream, "RCPT TO:<%s>\r\n", c->recipient);
		break;
	case RCPT:
		if (class != 2) {
			refused(c);
			break;
		}
		c->state = DATA;
		sl_stream_printf(c->stream, "DATA\r\n");
		break;
	case DATA:
		if (class != 3) {
			refused(c);
			break;
		}
		c->state = BODY;
		send_body(c);
		break;
	case SENT:
		refused(c);		/* whatever it is, it is the result */
		break;
	default:
		broken(c, "the host spoke out of turn");
	}
}

static void
learn(struct client *c, struct sl_str line)
{
	if (c->state != HELLO)
		return;
	if (sl_str_ieq(line, SL_STR("STARTTLS")))
		c->starttls = true;
	else if (sl_str_ieq(line, SL_STR("8BITMIME")))
		c->eightbit = true;
	else if (sl_str_ieq(line, SL_STR("SMTPUTF8")))
		c->utf8 = true;
	else if (sl_str_istarts(line, SL_STR("SIZE")))
		c->size = true;
}

static bool
malformed(struct client *c, struct sl_str line)
{
	if (line.n < 3 || !sl_isdigit(line.p[0]) || !sl_isdigit(line.p[1]) ||
	    !sl_isdigit(line.p[2]) || (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-'))
		return true;
	return line.p[0] < '2' || line.p[0] > '5' || ++c->lines > MAX_LINES;
}

/* One line of a reply; the last one acts. */
static void
take_line(struct client *c, struct sl_str line)
{
	struct sl_str text = sl_str_sub(line, 4, line.n);
	int code;

	if (malformed(c, line)) {
		broken(c, "the host's reply is malformed");
		return;
	}
	code = (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0';
	if (c->lines > 1 && code != c->code) {
		broken(c, "the host's reply changes its code");
		return;
	}
	c->code = code;
	learn(c, text);
	if (c->lines > 1)
		sl_buf_putc(&c->text, ' ');
	if (c->text.n < MAX_LINE)
		sl_buf_putstr(&c->text, text);
	if (line.n > 3 && line.p[3] == '-')
		return;
	reply(c);
	c->lines = 0;
	sl_buf_reset(&c->text);
}

/* ---- the stream ---------------------------------------------------------------------------- */

static void
on_read(struct sl_stream *s, void *arg)
{
	struct client *c = arg;
	struct sl_buf *in = sl_stream_in(s);
	struct sl_str line;
	ssize_t end;

	while (c->state != OVER && (end = sl_str_chr(sl_buf_str(in), '\n')) >= 0) {
		line = sl_str_trim(sl_str_sub(sl_buf_str(in), 0, (size_t)end));
		take_line(c, line);
		if (c->state != OVER)
			sl_buf_drop(in, (size_t)end + 1 < in->n ? (size_t)end + 1 : in->n);
		if (c->state == HANDSHAKE)
			return;
	}
	if (c->state != OVER && in->n > MAX_LINE)
		broken(c, "the host's reply line is too long");
}

static void
on_drain(struct sl_stream *s, void *arg)
{
	struct client *c = arg;

	(void)s;
	if (c->state == BODY)
		send_body(c);
}

static void
on_tls(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct client *c = arg;

	(void)s;
	if (err != NULL && err->code != 0)
		finish(c, 0, "4.7.5", err->text);
	else
		say_hello(c);
}

static void
on_connect(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	struct client *c = arg;

	(void)s;
	if (err != NULL && err->code != 0)
		finish(c, 0, "4.4.1", err->text);
	else
		c->state = BANNER;
}

static void
on_end(struct sl_stream *s, void *arg, const struct sl_err *err)
{
	(void)s;
	broken(arg, err->text);
}

static const struct sl_stream_handler handler = { on_read, on_drain, on_tls, on_connect, on_end };

/* ---- the operation --------------------------------------------------------------------------- */

static void
client_cancel(struct sl_op *op)
{
	struct client *c = (struct client *)op;

	sl_stream_close(c->stream);
	c->stream = NULL;
	c->state = OVER;
}

static void
client_free(struct sl_op *op)
{
	struct client *c = (struct client *)op;

	sl_tls_unref(c->tls);
	sl_buf_clear(&c->text);
	sl_free(c->host);
	sl_free(c->helo);
	sl_free(c->username);
	if (c->password != NULL)
		sl_wipe(c->password, strlen(c->password));
	sl_free(c->password);
	sl_free(c->sender);
	sl_free(c->recipient);
	sl_free(c);
}

static const struct sl_op_class client_class = { "smtp", client_cancel, client_free };

static int
copy_options(struct client *c, const struct sl_client_options *o)
{
	c->o = *o;
	c->host = sl_strdup(o->host);
	c->helo = sl_strdup(o->helo);
	c->sender = sl_strdup(o->sender);
	c->recipient = sl_strdup(o->recipient);
	c->username = o->username != NULL ? sl_strdup(o->username) : NULL;
	c->password = o->password != NULL ? sl_strdup(o->password) : NULL;
	if (o->source != NULL)
		c->source = *o->source;
	snprintf(c->op.result.host, sizeof(c->op.result.host), "%s", o->host);
	return c->host != NULL && c->helo != NULL && c->sender != NULL && c->recipient != NULL &&
	    (o->username == NULL || c->username != NULL) ? 0 : SL_ERR_NOMEM;
}

struct sl_client_op *
sl_client_send(struct sl_loop *loop, const struct sl_client_options *o)
{
	struct client *c = sl_calloc(1, sizeof(*c));
	struct sl_err err;

	if (c == NULL)
		return NULL;
	sl_op_init(&c->op.op, &client_class, loop, 0);
	if (copy_options(c, o) != 0) {
		client_free(&c->op.op);
		return NULL;
	}
	c->stream = sl_stream_connect(loop, &c->o.to, o->source != NULL ? &c->source : NULL, &handler,
	    c, &err);
	if (c->stream == NULL)
		finish(c, 0, "4.4.1", err.text);
	else
		sl_stream_timeout(c->stream, o->timeout_ms);
	return &c->op;
}
