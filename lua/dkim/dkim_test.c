/* DKIMSign: what is checked at once, what is queued, what leaves. Verified by our own evaluator's tests
 * and, over sockets, by those of others (tests/dkim_peers_test.py). */
#include "../../core/crypto/key.h"
#include "../session_testing.h"

static struct rig rig;

static int
set_up(void **state)
{
	char path[100];

	(void)state;
	rig_init(&rig);
	snprintf(path, sizeof(path), "%s/keys", rig.folder);
	return mkdir(path, 0700);
}

static int
tear_down(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

static void
make_key(void **state)
{
	struct sl_buf pem = SL_BUF_INIT;
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_key_generate(&pem, SL_KEY_ED25519, 0, &err), 0);
	sl_buf_putc(&pem, '\0');
	rig_write(&rig, "keys/k.pem", pem.p);
	sl_buf_clear(&pem);
}

static size_t
count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)) != NULL; text++)
		n++;
	return n;
}

/* Signed once, with the options asked for, over the header as it leaves. */
static void
what_leaves_is_signed(void **state)
{
	const struct outcome *o;
	const char *bytes;

	(void)state;
	o = rig_run(&rig, "assert(DKIMSign('s1', 'example.com', 'pki:k') == true)\n"
	    "AddHeader('X-Later', 'yes')");
	assert_int_equal(o->n, 1);
	bytes = o->copy[0].bytes;
	assert_int_equal(count(bytes, "DKIM-Signature:"), 1);
	assert_true(strncmp(bytes, "DKIM-Signature:", 15) == 0);
	assert_non_null(strstr(bytes, "d=example.com"));
	assert_non_null(strstr(bytes, "s=s1"));
	assert_non_null(strstr(bytes, "a=ed25519-sha256"));
	assert_non_null(strstr(bytes, "c=relaxed/relaxed"));
	assert_null(strstr(bytes, "l="));
	o = rig_run(&rig, "assert(DKIMSign('s1', 'example.com', 'pki:k', { canonicalization_header = 'simple',"
	    " canonicalization_body = 'simple', expiration_relative = 60, identity = 'ann@mail.example.com' }))\n"
	    "assert(DKIMSign('s2', 'example.org', 'pki:k'))");
	assert_int_equal(count(o->copy[0].bytes, "DKIM-Signature:"), 2);
	assert_non_null(strstr(o->copy[0].bytes, "c=simple/simple"));
	assert_non_null(strstr(o->copy[0].bytes, "i=ann@mail.example.com"));
	assert_non_null(strstr(o->copy[0].bytes, "x="));
	o = rig_run(&rig, "assert(DKIMSign('s1', 'example.com', 'pki:k', { headers = { 'Subject' } }))");
	assert_non_null(strstr(o->copy[0].bytes, "h=From:From:Subject:Subject;"));	/* RFC 6376 5.4 */
}

/* The value at once, and nothing queued. */
static void
a_header_is_returned(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "local v = DKIMSign('s1', 'example.com', 'pki:k', { return_header = true })\n"
	    "assert(type(v) == 'string' and v:find('v=1', 1, true) and v:find('bh=', 1, true))");
	assert_int_equal(o->code, 250);
	assert_int_equal(count(o->copy[0].bytes, "DKIM-Signature:"), 0);
}

/* The world's failures: false and why. */
static void
what_cannot_sign_is_told(void **state)
{
	static const char *const calls[] = {
		"'s1', 'example.com', 'pki:none'", "'s1', 'example.com', 'no key'",
		"'s1', 'example.com', '-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n'",
		"'s 1', 'example.com', 'pki:k'", "'s1', 'example', 'pki:k', { identity = 'ann@other.org' }",
		"'s1', 'exa mple.com', 'pki:k'", "'s1/../x', 'example.com', 'pki:k'",
		"'s1\\0', 'example.com', 'pki:k'", "'', 'example.com', 'pki:k'", "'s1', '', 'pki:k'",
		"'s1', 'example.com', 'pki:k', { algorithm = 'rsa-sha256' }",
		"'s1', 'example.com', 'pki:k', { expiration = 1 }",
	};
	char script[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		snprintf(script, sizeof(script), "local ok, why = DKIMSign(%s)\n"
		    "assert(ok == false and type(why) == 'string' and #why > 0)", calls[i]);
		if (rig_run(&rig, script)->code != 250)
			fail_msg("%s: %s", calls[i], rig.out.text);
		assert_int_equal(count(rig.out.copy[0].bytes, "DKIM-Signature:"), 0);
	}
}

/* The caller's mistakes raise. */
static void
mistakes_raise(void **state)
{
	static const char *const calls[] = {
		"'s1', 'example.com'", "'s1'", "'s1', 'example.com', 'pki:k', { canonicalisation_header = 'simple' }",
		"'s1', 'example.com', 'pki:k', { canonicalization_body = 'nowsp' }",
		"'s1', 'example.com', 'pki:k', { algorithm = 'rsa-sha1' }",
		"'s1', 'example.com', 'pki:k', { headers = 'From' }",
		"'s1', 'example.com', 'pki:k', { expiration_relative = -5 }",
	};
	char script[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		snprintf(script, sizeof(script), "DKIMSign(%s)", calls[i]);
		if (rig_run(&rig, script)->code != 451 || !rig.out.failed)
			fail_msg("%s: %s", calls[i], rig.out.text);
	}
}

/* Keys that sluice.lua doesn't name: the code says which failure it is. */
static void
keys_by_domain(void **state)
{
	(void)state;
	rig_run(&rig, "local ok, why, code = DKIMSignFor('example.com')\n"
	    "assert(ok == false and code == 'absent' and #why > 0)");
	assert_int_equal(rig.out.code, 250);
}

/* Over what queue adds too; a key that isn't there is told, not raised. */
static void
built_messages_are_signed(void **state)
{
	const struct outcome *o;

	(void)state;
	o = rig_run(&rig, "local m = MIME():addHeader('From', 'a@example.com'):setBody('Hello')\n"
	    "assert(m:signDKIM('s1', 'example.com', 'pki:k') == m)\n"
	    "assert(m:signDKIM('s1', 'example.com', 'pki:none') == false)\n"
	    "assert(m:toString():find('^DKIM%-Signature: '))\n"
	    "m:queue('', 'bob@example.org')");
	if (o->n != 2)
		fail_msg("%s %s", o->text, o->where);
	assert_ptr_equal(strstr(o->copy[1].bytes, "DKIM-Signature: v=1;"), o->copy[1].bytes);
	assert_int_equal(count(o->copy[1].bytes, "DKIM-Signature:"), 1);
	assert_non_null(strstr(o->copy[1].bytes, "d=example.com"));
	/* In h= too, which stands above the field. */
	assert_true(strcasestr(o->copy[1].bytes, "message-id") < strstr(o->copy[1].bytes, "\r\nMessage-ID: "));
	o = rig_run(&rig, "MIME():signDKIM('s1', 'example.com', 'pki:k'):queue('', 'bob@example.org')");
	assert_true(o->failed);		/* no From: RFC 6376 5.4 */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(make_key),
		cmocka_unit_test(what_leaves_is_signed),
		cmocka_unit_test(a_header_is_returned),
		cmocka_unit_test(what_cannot_sign_is_told),
		cmocka_unit_test(mistakes_raise),
		cmocka_unit_test(keys_by_domain),
		cmocka_unit_test(built_messages_are_signed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
