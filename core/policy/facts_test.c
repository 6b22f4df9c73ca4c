/* The tables of today's dialect: what each phase has in them. */
#include "../../lua/session_testing.h"

static struct rig rig;

static int
set_up(void **state)
{
	(void)state;
	rig_init(&rig);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_write(&rig, "postdelivery.lua", "");
	char path[200];

	snprintf(path, sizeof(path), "%s/postdelivery.lua", rig.folder);
	remove(path);
	rig_clear(&rig);
	return 0;
}

/* Each fails its phase if something isn't as it should be. */
static const struct { const char *file, *script; } phases[] = {
	{ "connect.lua", "assert(connection.id and connection.remoteip == '192.0.2.1' and connection.localport == 25)\n"
	    "assert(arguments.remoteip == '192.0.2.1' and arguments.remoteport == 4711 and arguments.serverid == 'inbound')\n"
	    "assert(connection.helo == nil and connection.tls == nil and next(transaction) == nil)\n"
	    "message = 1 assert(message == 1)" },
	{ "helo.lua", "assert(arguments.verb == 'EHLO' and arguments.host == 'client.example.com')\n"
	    "assert(connection.helo.host == arguments.host and connection.auth == nil and arguments.remoteip == nil)" },
	{ "mailfrom.lua", "assert(arguments.sender == 'ann@example.com' and arguments.address.localpart == 'ann')\n"
	    "assert(arguments.address.domain == 'example.com' and transaction.id == messageid)\n"
	    "assert(connection.helo.verb == 'EHLO' and arguments.recipient == nil)" },
	{ "rcptto.lua", "assert(arguments.recipient == 'bob@example.org' and arguments.address.localpart == 'bob')\n"
	    "assert(arguments.address.domain == 'example.org' and arguments.transportid == 'box' and next(arguments.params) == nil)\n"
	    "assert(transaction.sender == 'ann@example.com' and #transaction.recipients == 0)" },
	{ "eod.lua", "assert(arguments.mail:getID() == '0' and arguments.mail:getHeader('To') == 'bob@example.org')\n"
	    "assert(transaction.senderaddress.localpart == 'ann' and transaction.ts > 1e9)\n"
	    "local to = transaction.recipients\n"
	    "assert(#to == 1 and to[1].recipient == 'bob@example.org' and to[1].transportid == 'box')\n"
	    "assert(to[1].address.localpart == 'bob' and to[1].address.domain == 'example.org')\n"
	    "assert(next(transaction.senderparams) == nil and arguments.recipient == nil)" },
	{ "data.lua", "assert(arguments.recipient == 'bob@example.org' and arguments.mail:getType() == 'text/plain')\n"
	    "SetRecipient('x.y@example.net') assert(arguments.address.localpart == 'x.y')\n"
	    "assert(not pcall(function() connection.remoteip = 'x' end) or connection.remoteip == '192.0.2.1')" },
};

static void
in_a_session(void **state)
{
	const struct outcome *o;

	(void)state;
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		rig_write(&rig, phases[i].file, phases[i].script);
	rig_load(&rig);
	o = rig_send(&rig, rig_message, false);
	if (o->action != SL_DELIVER || o->failed)
		fail_msg("%s at %s", o->text, o->where);
}

struct attempted {
	bool done, failed;
	char where[60], context[100];
};

static void
attempted(void *arg, const struct sl_verdict *v, const struct sl_attempt_changes *changes)
{
	struct attempted *a = arg;

	a->failed = v->failed;
	snprintf(a->context, sizeof(a->context), "%s",
	    changes != NULL && changes->context != NULL ? changes->context : "");
	snprintf(a->where, sizeof(a->where), "%s", v->where);
	a->done = true;
}

static void
in_the_queue(void **state)
{
	struct sl_attempt attempt = { .id = "m1", .sender = "ann@example.com",
	    .recipient = "bob@example.org", .transport = "box", .size = 77, .retry = 2,
	    .received_us = 1700000000000000, .code = 550, .enhanced = "5.7.1", .text = "no\nreally",
	    .host = "mx.example.org", .transfertime = 0.5, .dflt = SL_GENERATE_DSN,
	    .facts = "{\"serverid\":\"inbound\",\"senderip\":\"192.0.2.1\",\"senderhelo\":\"h\"}" };
	struct attempted a = { .done = false };
	static const char both[] = "assert(message.id.transaction == 'm1' and message.size == 77)\n"
	    "assert(message.ts == 1700000000 and message.serverid == 'inbound')\n"
	    "assert(message.senderaddress.domain == 'example.com' and message.recipientaddress.localpart == 'bob')\n"
	    "assert(message.transportid == 'box' and arguments.retry == 2 and connection.helo.host == 'h')\n";
	char script[2000];

	(void)state;
	rig_write(&rig, "predelivery.lua", both);
	snprintf(script, sizeof(script), "%s%s", both,
	    "local r = arguments.attempt.result assert(r.code == 550 and table.concat(r.enhanced, '.') == '5.7.1')\n"
	    "assert(table.concat(r.reason, '|') == 'no|really' and arguments.attempt.duration == 0.5)\n"
	    "assert(arguments.attempt.connection.remotemx == 'mx.example.org')");
	rig_write(&rig, "postdelivery.lua", script);
	rig_load(&rig);
	assert_int_equal(sl_engine_predelivery(rig.engine, &attempt, attempted, &a), 0);
	while (!a.done)
		assert_int_equal(sl_engine_wait(rig.engine, -1), 0);
	if (a.failed)
		fail_msg("%s", a.where);
	a.done = false;
	assert_int_equal(sl_engine_postdelivery(rig.engine, &attempt, attempted, &a), 0);
	while (!a.done)
		assert_int_equal(sl_engine_wait(rig.engine, -1), 0);
	if (a.failed)
		fail_msg("%s", a.where);
}

static void
attempt(int (*begin)(struct sl_engine *, const struct sl_attempt *, sl_attempt_fn *, void *),
    const struct sl_attempt *in, struct attempted *a)
{
	memset(a, 0, sizeof(*a));
	assert_int_equal(begin(rig.engine, in, attempted, a), 0);
	while (!a->done)
		assert_int_equal(sl_engine_wait(rig.engine, -1), 0);
	if (a->failed)
		fail_msg("%s", a->where);
}

static int
predelivery(struct sl_engine *engine, const struct sl_attempt *in, sl_attempt_fn *fn, void *arg)
{
	return sl_engine_predelivery(engine, in, fn, arg);
}

static int
postdelivery(struct sl_engine *engine, const struct sl_attempt *in, sl_attempt_fn *fn, void *arg)
{
	return sl_engine_postdelivery(engine, in, fn, arg);
}

/* What predelivery leaves, postdelivery of the same attempt has; and how the attempt ended. */
static void
an_attempt_has_context(void **state)
{
	static const struct { int code; enum sl_action dflt; const char *script; } ends[] = {
		{ 250, SL_DELETE, "assert(arguments.action == nil and not arguments.expired and r.code == 250 and not e)" },
		{ 450, SL_RETRY, "assert(arguments.action == 'QUEUE' and not arguments.expired and r.code == 450 and not e)" },
		{ 450, SL_GENERATE_DSN, "assert(arguments.action == 'BOUNCE' and arguments.expired and not e)" },
		{ 550, SL_GENERATE_DSN, "assert(arguments.action == 'BOUNCE' and not arguments.expired and not e)" },
		{ 550, SL_DELETE, "assert(arguments.action == 'DELETE')" },
		{ 0, SL_RETRY, "assert(arguments.action == 'QUEUE' and not r and e.temporary and e.message == 'no route')" },
		{ 0, SL_GENERATE_DSN, "assert(arguments.expired and e.temporary and errorcode == 0)" },
	};
	struct sl_attempt in = { .id = "m1", .sender = "ann@example.com", .recipient = "bob@example.org",
	    .transport = "box", .text = "no route", .facts = "{\"serverid\":\"inbound\"}" };
	struct attempted a;
	char script[600];

	(void)state;
	rig_write(&rig, "predelivery.lua", "assert(context.way == nil and sourceip == nil and destinationport == nil)\n"
	    "SetDestination('mx.example.org', 2525) assert(destinationport == 2525 and destination == 'mx.example.org')\n"
	    "context.way = { 'a', 2 } assert(context.way[2] == 2)");
	rig_load(&rig);
	attempt(predelivery, &in, &a);
	assert_string_equal(a.context, "{\"way\":[\"a\",2]}");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		snprintf(script, sizeof(script), "local r, e = arguments.attempt.result, arguments.attempt.error\n"
		    "assert(context.way[1] == 'a')\n%s", ends[i].script);
		rig_write(&rig, "postdelivery.lua", script);
		rig_load(&rig);
		in.code = ends[i].code;
		in.dflt = ends[i].dflt;
		in.context = "{\"way\":[\"a\",2]}";
		attempt(postdelivery, &in, &a);
		assert_string_equal(a.context, "");
	}
}

/* How the hop was spoken to; nothing where nobody was. */
static void
an_attempt_has_a_connection(void **state)
{
	struct sl_attempt in = { .id = "m1", .sender = "", .recipient = "bob@example.org", .transport = "box",
	    .code = 250, .facts = "{\"serverid\":\"inbound\"}", .host = "mx.example.org" };
	struct attempted a;

	(void)state;
	rig_write(&rig, "postdelivery.lua", "local c = arguments.attempt.connection\n"
	    "assert(c.remotemx == 'mx.example.org' and c.remoteip == nil and c.helo == nil and c.tls == nil)");
	rig_load(&rig);
	attempt(postdelivery, &in, &a);
	in.remoteip = "192.0.2.9";
	in.localip = "192.0.2.1";
	in.helo = "mx.example.org";
	rig_write(&rig, "postdelivery.lua", "local c = arguments.attempt.connection assert(c.remoteip == '192.0.2.9')\n"
	    "assert(c.localip == '192.0.2.1' and c.helo == 'mx.example.org')\n"
	    "assert(c.tls.started == false and c.tls.protocol == nil and c.tls.keysize == nil)");
	rig_load(&rig);
	attempt(postdelivery, &in, &a);
	in.tls_protocol = "TLSv1.3";
	in.tls_cipher = "TLS_AES_256_GCM_SHA384";
	in.tls_bits = 256;
	rig_write(&rig, "postdelivery.lua", "local t = arguments.attempt.connection.tls\n"
	    "assert(t.started and t.protocol == 'TLSv1.3' and t.cipher == 'TLS_AES_256_GCM_SHA384' and t.keysize == 256)");
	rig_load(&rig);
	attempt(postdelivery, &in, &a);
}

/* One that is too large isn't handed on; what isn't an object is none. */
static void
a_context_has_limits(void **state)
{
	struct sl_attempt in = { .id = "m1", .sender = "", .recipient = "bob@example.org", .transport = "box",
	    .context = "[1]", .facts = "{\"serverid\":\"inbound\"}" };
	struct attempted a;

	(void)state;
	rig_write(&rig, "predelivery.lua", "assert(context[1] == nil and context.k1 == nil)\n"
	    "for i = 1, 3 do context['k' .. i] = ('x'):rep(30000) end");
	rig_load(&rig);
	attempt(predelivery, &in, &a);
	assert_string_equal(a.context, "");
}

/* HSL: the same tables as arrays. */
static void
in_hsl(void **state)
{
	const struct outcome *o;

	(void)state;
	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		rig_write(&rig, phases[i].file, "");
	rig_write(&rig, "eod.lua", "");
	char path[200];

	snprintf(path, sizeof(path), "%s/data.lua", rig.folder);
	remove(path);
	rig_write(&rig, "data.hsl", "echo $connection[\"helo\"][\"host\"];\n"
	    "echo $transaction[\"senderaddress\"][\"localpart\"] . \" \" . $arguments[\"address\"][\"domain\"];\n"
	    "echo $arguments[\"mail\"]->getHeader(\"To\");\n"
	    "echo isset($connection[\"tls\"]) ? \"tls\" : \"plain\";\n");
	rig_load(&rig);
	o = rig_send(&rig, rig_message, false);
	if (o->action != SL_DELIVER || o->failed)
		fail_msg("%s at %s", o->text, o->where);
	assert_string_equal(rig.log.p, "client.example.com\nann example.org\nbob@example.org\nplain\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_session),
		cmocka_unit_test(in_the_queue),
		cmocka_unit_test(an_attempt_has_context),
		cmocka_unit_test(an_attempt_has_a_connection),
		cmocka_unit_test(a_context_has_limits),
		cmocka_unit_test(in_hsl),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
