/*
 * For tests of builtins that need a message: a policy in a folder of the
 * test's own, and one message after the other through its flows.
 */
#ifndef SL_SESSION_TESTING_H
#define SL_SESSION_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../core/base/alloc.h"
#include "../core/mail/message.h"
#include "../core/sluice_host.h"

#define MAX_COPIES	8

/* What became of a message. */
struct outcome {
	enum sl_action action;
	int code;
	char text[600];			/* "550 5.7.1 no": the reply, lines joined by "|" */
	char where[100];		/* "data.lua:3" */
	bool failed;			/* by an error or limit of the script */
	size_t n;			/* copies to deliver or keep */
	struct {
		char *bytes;
		char sender[100], recipient[100], transport[40], quarantine[40], metadata[200];
		double delay;
	} copy[MAX_COPIES];
};

struct rig {
	char folder[40];
	struct sl_engine *engine;
	struct sl_buf log;		/* what scripts echoed, a line each */
	struct outcome out;
	bool done;
};

static const char rig_config[] =
    "return { hostname = 'mx.example.org', quarantine = { 'spam' }, retry = { 60 },\n"
    "listen = { { smtp = '127.0.0.1:2525', server = 'inbound' } },\n"
    "servers = { inbound = { relay = { ['example.org'] = { transport = 'box' } } } },\n"
    "transports = { box = { discard = true }, other = { discard = true } },\n"
    "dns = { zone = 'zone.txt', zone_only = true } }\n";

static const char rig_message[] =
    "From: Ann <ann@example.com>\r\nTo: bob@example.org\r\n"
    "Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n and more\r\nX-Twice: 1\r\nX-Twice: 2\r\n\r\nHello.\r\n";

static void
rig_write(const struct rig *r, const char *name, const char *text)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

/* Of the policy's files; one that isn't there is fine. */
static inline void
rig_remove(const struct rig *r, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", r->folder, name);
	remove(path);
}

static void
rig_echo(void *arg, struct sl_str line)
{
	struct rig *r = arg;

	sl_buf_putstr(&r->log, line);
	sl_buf_putc(&r->log, '\n');
}

static void
rig_init(struct rig *r)
{
	struct sl_engine_options o = { .gateway = true, .stdlib = "stdlib" };
	struct sl_err err;

	memset(r, 0, sizeof(*r));
	strcpy(r->folder, "/tmp/sluice-builtin-XXXXXX");
	assert_non_null(mkdtemp(r->folder));
	rig_write(r, "sluice.lua", rig_config);
	rig_write(r, "zone.txt", "");
	r->engine = sl_engine_new(&o, &err);
	assert_non_null(r->engine);
	sl_engine_on_echo(r->engine, rig_echo, r);
}

static void
rig_forget(struct rig *r)
{
	for (size_t i = 0; i < r->out.n; i++)
		free(r->out.copy[i].bytes);
	memset(&r->out, 0, sizeof(r->out));
	sl_buf_reset(&r->log);
}

static void
rig_clear(struct rig *r)
{
	static const char *const names[] = { "sluice.lua", "zone.txt", "connect.lua", "helo.lua",
	    "mailfrom.lua", "rcptto.lua", "eod.lua", "data.lua", "data.hsl", "predelivery.lua", "keys/k.pem", "keys" };
	char path[200];

	rig_forget(r);
	sl_buf_clear(&r->log);
	sl_engine_free(r->engine);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", r->folder, names[i]);
		remove(path);
	}
	assert_int_equal(rmdir(r->folder), 0);
}

/* The policy as its files are now. */
static void
rig_load(struct rig *r)
{
	struct sl_generation *g;
	struct sl_buf report = SL_BUF_INIT;

	if (sl_engine_prepare_folder(r->engine, r->folder, &g, &report) != 0)
		fail_msg("%.*s", (int)report.n, report.p);
	sl_buf_clear(&report);
	sl_engine_commit(r->engine, g);
}

static void
rig_verdict(void *arg, const struct sl_verdict *v)
{
	struct rig *r = arg;
	struct outcome *o = &r->out;
	size_t i, n;

	o->action = v->action;
	o->code = v->code;
	o->failed = v->failed;
	snprintf(o->where, sizeof(o->where), "%s", v->where);
	n = (size_t)snprintf(o->text, sizeof(o->text), "%d %s", v->code, v->enhanced);
	for (i = 0; i < v->nlines && n < sizeof(o->text); i++)
		n += (size_t)snprintf(o->text + n, sizeof(o->text) - n, "%s%s", i == 0 ? " " : "|",
		    v->lines[i]);
	r->done = true;
}

static char *
rig_bytes(const struct sl_out_message *m)
{
	char *bytes = calloc(1, m->size + 1);
	size_t i, at = 0;

	for (i = 0; i < m->npieces; at += m->pieces[i++].n)
		memcpy(bytes + at, m->pieces[i].p, m->pieces[i].n);
	return bytes;
}

/* One entry for each recipient of each copy. */
static void
rig_outcome(void *arg, const struct sl_outcome *outcome)
{
	struct rig *r = arg;
	size_t i, k, n = 0;

	rig_verdict(r, outcome->verdict);
	for (i = 0; i < outcome->n; i++)
		for (k = 0; k < outcome->messages[i].n; k++, n++) {
			const struct sl_out_message *m = &outcome->messages[i];
			const struct sl_out_recipient *to = &m->recipients[k];

			assert_true(n < MAX_COPIES);
			r->out.copy[n].bytes = rig_bytes(m);
			r->out.copy[n].delay = to->delay;
#define TAKE(field, value) \
	snprintf(r->out.copy[n].field, sizeof(r->out.copy[n].field), "%s", (value) != NULL ? (value) : "")
			TAKE(sender, m->sender);
			TAKE(recipient, to->recipient);
			TAKE(transport, to->transport);
			TAKE(quarantine, m->quarantine);
			TAKE(metadata, to->metadata);
#undef TAKE
		}
	r->out.n = n;
}

/* Goes on until the callback came; false: it refused, and that is the outcome. */
static bool
rig_passed(struct rig *r, int rc)
{
	assert_int_equal(rc, 0);
	while (!r->done)
		assert_int_equal(sl_engine_wait(r->engine, -1), 0);
	r->done = false;
	return r->out.code < 400;
}

static void
rig_data(struct rig *r, struct sl_session *s, const char *text)
{
	struct sl_message *m;
	struct sl_err err;

	assert_int_equal(sl_message_from_memory(&m, sl_strdup(text), strlen(text), &err), 0);
	rig_passed(r, sl_session_message(s, m, rig_outcome, r));
	sl_message_unref(m);
}

/* One message from ann@example.com, to bob@example.org and, with 'two', eve@example.org. */
static const struct outcome *
rig_send(struct rig *r, const char *message, bool two)
{
	struct sl_session_info info = { .server = "inbound", .senderip = "192.0.2.1",
	    .senderport = 4711, .serverip = "192.0.2.25", .serverport = 25 };
	struct sl_mail_params params = { 0 };
	struct sl_session *s;
	struct sl_err err;

	rig_forget(r);
	assert_int_equal(sl_session_open(r->engine, &info, &s, &err), 0);
	if (rig_passed(r, sl_session_connect(s, rig_verdict, r)) &&
	    rig_passed(r, sl_session_helo(s, "client.example.com", true, rig_verdict, r)) &&
	    rig_passed(r, sl_session_mail(s, SL_STR("<ann@example.com>"), &params, rig_verdict, r)) &&
	    rig_passed(r, sl_session_rcpt(s, SL_STR("<bob@example.org>"), rig_verdict, r)) &&
	    (!two || rig_passed(r, sl_session_rcpt(s, SL_STR("<eve@example.org>"), rig_verdict, r))))
		rig_data(r, s, message);
	sl_session_reset(s);
	sl_session_close(s);
	return &r->out;
}

/* One message through this data script. */
static inline const struct outcome *
rig_run(struct rig *r, const char *script)
{
	rig_write(r, "data.lua", script);
	rig_load(r);
	return rig_send(r, rig_message, false);
}

#endif
