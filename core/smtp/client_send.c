/*
 * One message over a connection: RSET if it was used before, MAIL, RCPT for
 * each recipient (all at once where the host offers PIPELINING, RFC 2920),
 * DATA, the bytes with dots doubled, the final reply or (LMTP) replies.
 *
 * DATA waits for the replies to RCPT also where it could be sent with them:
 * so it is never said for nobody.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "client_private.h"

#define CHUNK		(64 * 1024)

struct sl_transfer {
	struct sl_client_op public;	/* first: the operation is the transfer */
	struct sl_client *client;	/* NULL = done */
	struct sl_client_message m;
	char *sender;
	char **recipients;
	size_t next;			/* recipient to say RCPT for */
	size_t pending;			/* RCPTs said and not answered */
	size_t cursor;			/* whose RCPT is answered next is here or later */
	size_t accepted;		/* and without a final reply */
	size_t final;			/* LMTP: those before this have their final reply */
	bool served;			/* MAIL was answered */
	bool mail_failed;
	uint64_t read;			/* of the message */
	char last;			/* byte of it sent last */
	bool utf8;			/* some address needs SMTPUTF8 */
};

/* A recipient that the host has accepted and that waits for the final reply. */
#define ACCEPTED	(-1)

/* ---- results ------------------------------------------------------------------ */

/* Of a connection that came about. */
static void
set_connection(const struct sl_stream *stream, struct sl_send_result *r)
{
	if (sl_stream_local(stream)->len == 0)
		return;
	sl_addr_ip(sl_stream_peer(stream), r->remoteip, sizeof(r->remoteip));
	sl_addr_ip(sl_stream_local(stream), r->localip, sizeof(r->localip));
	r->tls = sl_stream_tls(stream);
	if (!r->tls)
		return;
	snprintf(r->tls_protocol, sizeof(r->tls_protocol), "%s", sl_stream_tls_protocol(stream));
	snprintf(r->tls_cipher, sizeof(r->tls_cipher), "%s", sl_stream_tls_cipher(stream));
	r->tls_bits = sl_stream_tls_bits(stream);
}

static void
set_result(struct sl_transfer *t, size_t i, int code, const char *enhanced, const char *text)
{
	struct sl_send_result *r = &t->public.results[i];
	const struct sl_client *c = t->client;

	r->code = code;
	snprintf(r->enhanced, sizeof(r->enhanced), "%s", enhanced);
	snprintf(r->text, sizeof(r->text), "%s", text);
	snprintf(r->host, sizeof(r->host), "%s", c->host != NULL ? c->host : "");
	if (c->stream != NULL)
		set_connection(c->stream, r);
}

/* Neither a result nor a reply to RCPT yet. */
static bool
is_new(const struct sl_send_result *r)
{
	return r->code == 0 && r->text[0] == '\0';
}

static bool
is_open(const struct sl_send_result *r)
{
	return r->code == ACCEPTED || is_new(r);
}

static const char *
reply_text(const struct sl_client *c)
{
	return c->reply.text[0] != '\0' ? c->reply.text : "(no text)";
}

/* The operation is done. The connection goes on, or its owner ends it. */
static void
complete(struct sl_transfer *t)
{
	struct sl_client *c = t->client;

	t->client = NULL;
	c->transfer = NULL;
	if (!t->served) {
		t->public.unserved = true;
		t->public.stale = c->served;
	} else {
		c->served = true;
	}
	sl_op_finish(&t->public.op, 0);
}

static void
fill_open(struct sl_transfer *t, int code, const char *enhanced, const char *text)
{
	for (size_t i = 0; i < t->m.n; i++) {
		if (is_open(&t->public.results[i]))
			set_result(t, i, code, enhanced, text[0] != '\0' ? text : "(no text)");
	}
}

void
sl_transfer_end(struct sl_client *c, int code, const char *enhanced, const char *text)
{
	struct sl_transfer *t = c->transfer;

	if (t == NULL)
		return;
	fill_open(t, code, enhanced, text);
	complete(t);
}

/* All is said; the connection can take another message. */
static void
over(struct sl_client *c)
{
	complete(c->transfer);
	sl_client_ready(c);
}

/* ---- RSET, MAIL, RCPT ------------------------------------------------------------ */

static bool
is_ascii(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s > 127)
			return false;
	}
	return true;
}

/* It would end the command. */
static bool
has_control(const char *s)
{
	for (; *s != '\0'; s++) {
		if ((unsigned char)*s < 32 || *s == 127)
			return true;
	}
	return false;
}

static void
say_mail(struct sl_client *c)
{
	const struct sl_transfer *t = c->transfer;
	char size[40] = "";

	if (c->offer.size)
		snprintf(size, sizeof(size), " SIZE=%llu", (unsigned long long)t->m.size);
	sl_client_say(c, "MAIL FROM:<%s>%s%s%s", t->sender, size,
	    c->offer.eightbit ? " BODY=8BITMIME" : "",
	    c->offer.utf8 && (t->utf8 || t->m.smtputf8) ? " SMTPUTF8" : "");
}

/* The next RCPT, or all of them. Recipients that have their result are left out. */
static void
say_rcpt(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;
	size_t i;

	/* Saying may fail and end the transfer. */
	while (c->transfer == t && t->next < t->m.n) {
		i = t->next++;
		if (!is_new(&t->public.results[i]))
			continue;
		t->pending++;
		sl_client_say(c, "RCPT TO:<%s>", t->recipients[i]);
		if (!c->offer.pipelining)
			break;
	}
}

/* RFC 6531 3.2: an address beyond ASCII can't go where SMTPUTF8 isn't offered.
 * RFC 1870 6.1: neither can what is too large. false: nobody is left. */
static bool
sort_out(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;
	bool sender = is_ascii(t->sender), any = false;

	t->utf8 = !sender;
	for (size_t i = 0; i < t->m.n; i++) {
		bool ascii = is_ascii(t->recipients[i]);

		t->utf8 |= !ascii;
		if (has_control(t->sender) || has_control(t->recipients[i]))
			set_result(t, i, 553, "5.1.3", "a control byte in an address");
		else if (!c->offer.utf8 && (!sender || !ascii))
			set_result(t, i, 553, "5.6.7",
			    "the host doesn't take addresses beyond ASCII");
		else if (c->offer.limit > 0 && t->m.size > c->offer.limit)
			set_result(t, i, 552, "5.3.4", "the message is larger than the host takes");
		else
			any = true;
	}
	return any;
}

static void
begin_mail(struct sl_client *c)
{
	sl_client_expect(c, SL_C_MAIL, c->o.timeouts.command);
	say_mail(c);
	if (c->offer.pipelining && c->state == SL_C_MAIL)
		say_rcpt(c);
}

void
sl_transfer_begin(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	if (!sort_out(c)) {
		t->served = true;
		over(c);
		return;
	}
	if (c->used) {
		sl_client_expect(c, SL_C_RSET, c->o.timeouts.command);
		sl_client_say(c, "RSET");
	} else {
		c->used = true;
		begin_mail(c);
	}
}

static void
on_rset(struct sl_client *c)
{
	if (c->reply.code / 100 == 2)
		begin_mail(c);
	else
		sl_client_die(c, c->reply.code == 421 ? 421 : 0, "4.5.0", "RSET was refused");
}

/* 421: the host closes; what it says holds for everybody who has no result. */
static bool
closes(struct sl_client *c)
{
	const struct sl_reply r = c->reply;

	if (r.code != 421)
		return false;
	sl_client_die(c, r.code, r.enhanced, r.text);
	return true;
}

static void
say_data(struct sl_client *c)
{
	sl_client_expect(c, SL_C_DATA, c->o.timeouts.data);
	sl_client_say(c, "DATA");
}

/* When all RCPTs said are answered: the next one, DATA, or the end. */
static void
after_rcpt(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	if (t->pending > 0)
		return;
	if (t->mail_failed) {
		over(c);
		return;
	}
	say_rcpt(c);
	if (c->transfer != t || t->pending > 0)
		return;
	if (t->accepted > 0)
		say_data(c);
	else
		over(c);
}

static void
on_mail(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	t->served = true;
	if (c->reply.code / 100 != 2) {
		t->mail_failed = true;
		fill_open(t, c->reply.code, c->reply.enhanced, c->reply.text);
	}
	/* Replies to the RCPTs that are under way come also when MAIL was refused. */
	sl_client_expect(c, SL_C_RCPT, c->o.timeouts.command);
	if (c->transfer == t)
		after_rcpt(c);
}

/*
 * A host that takes no more recipients in this transaction takes them in the
 * next one, also where it says so as RFC 821 had it: 552 (RFC 5321 4.5.3.1.10).
 * With an enhanced code of its own 552 is a mailbox that is full.
 */
static bool
too_many(const struct sl_client *c)
{
	const struct sl_reply *r = &c->reply;

	return c->transfer->accepted > 0 && r->code / 100 == 5 &&
	    (strcmp(r->enhanced, "5.5.3") == 0 || (r->code == 552 && r->enhanced[0] == '\0'));
}

static void
on_rcpt(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	t->pending--;
	while (!t->mail_failed && !is_new(&t->public.results[t->cursor]))
		t->cursor++;
	if (!t->mail_failed && c->reply.code / 100 == 2) {
		t->public.results[t->cursor].code = ACCEPTED;
		t->accepted++;
	} else if (!t->mail_failed && too_many(c)) {
		set_result(t, t->cursor, 452, "4.5.3", reply_text(c));
	} else if (!t->mail_failed) {
		set_result(t, t->cursor, c->reply.code, c->reply.enhanced, reply_text(c));
	}
	sl_client_expect(c, SL_C_RCPT, c->o.timeouts.command);
	if (c->transfer == t)
		after_rcpt(c);
}

/* ---- the message -------------------------------------------------------------------- */

/* RFC 5321 4.5.2, and false at a CR or LF that stands alone. */
static bool
put_stuffed(struct sl_transfer *t, struct sl_buf *out, const char *p, size_t n)
{
	size_t from = 0;

	for (size_t i = 0; i < n; i++) {
		char before = t->last;

		if ((p[i] == '\n') != (before == '\r'))
			return false;
		if (p[i] == '.' && before == '\n') {
			sl_buf_put(out, p + from, i - from + 1);
			from = i;
		}
		t->last = p[i];
	}
	sl_buf_put(out, p + from, n - from);
	return true;
}

static void
end_body(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	t->public.complete = true;
	sl_client_expect(c, SL_C_FINAL, c->o.timeouts.final);
	if (t->m.size > 0 && t->last != '\n')
		sl_client_say(c, "\r\n.");
	else
		sl_client_say(c, ".");
}

/* The next 64 KB, once the last are with the kernel. */
static void
send_chunk(struct sl_client *c, char *chunk)
{
	struct sl_transfer *t = c->transfer;
	uint64_t left = t->m.size - t->read;
	size_t want = left < CHUNK ? (size_t)left : CHUNK;
	ssize_t n = pread(t->m.fd, chunk, want, (off_t)(t->m.offset + t->read));
	struct sl_buf out = SL_BUF_INIT;

	if (n <= 0) {
		sl_client_die(c, 0, "4.3.0", "the stored message can't be read");
		return;
	}
	t->read += (uint64_t)n;
	/* Without the final dot the host has no message: nothing of it counts. */
	if (!put_stuffed(t, &out, chunk, (size_t)n) ||
	    (t->read == t->m.size && t->last == '\r'))
		sl_client_die(c, 554, "5.6.0", "the message has a bare CR or LF and can't be sent");
	else if (out.failed || sl_stream_write(c->stream, out.p, out.n) < 0)
		sl_client_die(c, 0, "4.3.0", "out of memory, or the connection is closed");
	sl_buf_clear(&out);
}

void
sl_transfer_drained(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;
	char *chunk;

	if (t->read == t->m.size) {
		end_body(c);
		return;
	}
	sl_client_expect(c, SL_C_BODY, c->o.timeouts.block);
	chunk = sl_malloc(CHUNK);
	if (chunk == NULL)
		sl_client_die(c, 0, "4.3.0", "out of memory");
	else
		send_chunk(c, chunk);
	sl_free(chunk);
	/* What fits in one piece goes out with its end. */
	if (c->state == SL_C_BODY && t->read == t->m.size)
		end_body(c);
}

static void
on_data(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	if (c->reply.code / 100 == 3) {
		t->last = '\n';
		sl_transfer_drained(c);
	} else if (c->reply.code / 100 == 2) {
		sl_client_die(c, 0, "4.5.0", "the host answered DATA with 2xx");
	} else {
		fill_open(t, c->reply.code, c->reply.enhanced, c->reply.text);
		over(c);
	}
}

/* RFC 2033 4.2: one reply for each recipient that was accepted, in order. */
static void
on_final_lmtp(struct sl_client *c)
{
	struct sl_transfer *t = c->transfer;

	while (t->final < t->m.n && t->public.results[t->final].code != ACCEPTED)
		t->final++;
	set_result(t, t->final++, c->reply.code, c->reply.enhanced, reply_text(c));
	if (--t->accepted == 0)
		over(c);
	else
		sl_client_expect(c, SL_C_FINAL, c->o.timeouts.final);
}

static void
on_final(struct sl_client *c)
{
	if (c->o.lmtp) {
		on_final_lmtp(c);
		return;
	}
	fill_open(c->transfer, c->reply.code, c->reply.enhanced, c->reply.text);
	over(c);
}

void
sl_transfer_reply(struct sl_client *c)
{
	if (c->state != SL_C_FINAL && closes(c))
		return;
	switch (c->state) {
	case SL_C_RSET:
		on_rset(c);
		break;
	case SL_C_MAIL:
		on_mail(c);
		break;
	case SL_C_RCPT:
		on_rcpt(c);
		break;
	case SL_C_DATA:
		on_data(c);
		break;
	default:
		on_final(c);
	}
}

/* ---- the operation --------------------------------------------------------------------- */

static void
transfer_cancel(struct sl_op *op)
{
	struct sl_transfer *t = (struct sl_transfer *)op;
	struct sl_client *c = t->client;

	if (c == NULL)
		return;
	c->transfer = NULL;
	t->client = NULL;
	sl_client_die(c, 0, "4.3.2", "cancelled");
}

static void
transfer_free(struct sl_op *op)
{
	struct sl_transfer *t = (struct sl_transfer *)op;

	for (size_t i = 0; t->recipients != NULL && i < t->m.n; i++)
		sl_free(t->recipients[i]);
	sl_free(t->recipients);
	sl_free(t->public.results);
	sl_free(t->sender);
	sl_free(t);
}

static const struct sl_op_class transfer_class = { "smtp", transfer_cancel, transfer_free };

static int
copy_message(struct sl_transfer *t, const struct sl_client_message *m)
{
	t->m = *m;
	t->public.n = m->n;
	t->public.results = sl_calloc(m->n, sizeof(*t->public.results));
	t->recipients = sl_calloc(m->n, sizeof(*t->recipients));
	t->sender = sl_strdup(m->sender);
	if (t->public.results == NULL || t->recipients == NULL || t->sender == NULL)
		return SL_ERR_NOMEM;
	for (size_t i = 0; i < m->n; i++) {
		t->recipients[i] = sl_strdup(m->recipients[i]);
		if (t->recipients[i] == NULL)
			return SL_ERR_NOMEM;
	}
	return 0;
}

struct sl_client_op *
sl_client_send(struct sl_client *c, const struct sl_client_message *m)
{
	struct sl_transfer *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	if (sl_op_init(&t->public.op, &transfer_class, c->loop, 0) < 0 || copy_message(t, m) < 0) {
		transfer_free(&t->public.op);
		return NULL;
	}
	t->client = c;
	c->transfer = t;
	if (c->state == SL_C_DEAD)
		sl_transfer_end(c, 0, "4.4.2", "the connection is closed");
	else if (c->state == SL_C_READY)
		sl_transfer_begin(c);
	return &t->public;
}
