/* Authentication-Results: ours is one field on top, forged ones are gone, others are read strictly. */
#include "../session_testing.h"

#define MESSAGE	"From: ann@example.com\r\nSubject: x\r\n\r\nHello.\r\n"

static struct rig rig;

static int
set_up(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_write(&rig, "zone.txt", "example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
	    "_dmarc.example.com. TXT \"v=DMARC1; p=reject\"\n");
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

static const char *
send(const char *script, const char *message)
{
	rig_write(&rig, "data.lua", script);
	rig_load(&rig);
	if (rig_send(&rig, message, false)->code != 250 || rig.out.n != 1)
		fail_msg("%s: %s at %s", script, rig.out.text, rig.out.where);
	return rig.out.copy[0].bytes;
}

static void
ours_is_one_on_top(void **state)
{
	const char *bytes;

	(void)state;
	bytes = send("AddAuthenticationResults() AddAuthenticationResults()", MESSAGE);
	assert_true(strncmp(bytes, "Authentication-Results: mx.example.org;", 39) == 0);
	assert_null(strstr(bytes + 1, "Authentication-Results:"));
	assert_non_null(strstr(bytes, "spf=pass"));
	assert_non_null(strstr(bytes, "smtp.mailfrom="));
	assert_non_null(strstr(bytes, "dkim=none"));
	assert_non_null(strstr(bytes, "dmarc=pass"));
	assert_non_null(strstr(bytes, "header.from=example.com"));
}

static void
what_is_wanted_and_no_more(void **state)
{
	const char *bytes;

	(void)state;
	bytes = send("AddAuthenticationResults{ methods = { 'spf' }, results = { { method = 'x-list',"
	    " result = 'pass', properties = { ['policy.name'] = 'a \"b\"\\r\\nX: y' } } } }", MESSAGE);
	assert_non_null(strstr(bytes, "spf=pass"));
	assert_null(strstr(bytes, "dmarc="));
	assert_non_null(strstr(bytes, "x-list=pass"));
	assert_null(strstr(bytes, "\nX: y"));
	send("assert(not pcall(AddAuthenticationResults, { methods = { 'magic' } }))\n"
	    "assert(not pcall(AddAuthenticationResults, { method = { 'spf' } }))\n"
	    "assert(not pcall(AddAuthenticationResults, { results = { { method = 'a b', result = 'x' } } }))",
	    MESSAGE);
}

/* In our name, however it is written; others stay. */
static void
forged_ones_are_gone(void **state)
{
	static const char *const forged[] = {
		"Authentication-Results: mx.example.org; spf=pass\r\n",
		"AUTHENTICATION-RESULTS: MX.Example.ORG; spf=pass\r\n",
		"Authentication-Results:\r\n\t(a) mx.example.org (b) 1; spf=pass\r\n",
		"Authentication-Results: \"mx.example.org\"; spf=pass\r\n",
		"Authentication-Results: mx.example.org; none\r\nAuthentication-Results: mx.example.org; spf=pass\r\n",
	};
	char message[600];
	const char *bytes;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		snprintf(message, sizeof(message), "%sAuthentication-Results: other.example; spf=pass\r\n%s",
		    forged[i], MESSAGE);
		bytes = send("", message);
		assert_true(strncmp(bytes, "Authentication-Results: other.example;", 38) == 0);
		assert_null(strcasestr(bytes, "mx.example.org"));
	}
}

static void
fields_are_read(void **state)
{
	(void)state;
	send("local f = authres_parse('x.example 1; spf=pass reason=\"as it was\" smtp.mailfrom=a@b.example; '\n"
	    "  .. 'dkim=fail (bad) header.d=b.example')\n"
	    "assert(f.authserv_id == 'x.example' and f.version == 1 and #f.results == 2)\n"
	    "assert(f.results[1].reason == 'as it was')\n"
	    "assert(f.results[1].properties['smtp.mailfrom'] == 'a@b.example')\n"
	    "assert(f.results[2].result == 'fail' and f.results[2].properties['header.d'] == 'b.example')\n"
	    "assert(#authres_parse('x.example; none').results == 0)\n"
	    "for _, bad in ipairs{ '', ';', 'x.example; spf pass', '(x.example; spf=pass', '\"x; spf=pass' } do\n"
	    "local v, why, code = authres_parse(bad) assert(v == nil and #why > 0 and code, bad) end", MESSAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_is_one_on_top),
		cmocka_unit_test(what_is_wanted_and_no_more),
		cmocka_unit_test(forged_ones_are_gone),
		cmocka_unit_test(fields_are_read),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
