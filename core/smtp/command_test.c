/* Command lines: verbs, MAIL and RCPT, EHLO names; A06, A07. AUTH's decoder. */
#include "command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "server_auth.h"
#include "server_reply.h"

static void
verbs(void **state)
{
	static const struct {
		const char *line, *verb, *args;
	} cases[] = {
		{ "NOOP", "NOOP", "" }, { "noop  x ", "NOOP", "x" }, { "DATA ", "DATA", "" },
		{ "MAIL FROM:<a@b>", "MAIL", "FROM:<a@b>" }, { "DATA_", NULL, NULL },
		{ "", NULL, NULL }, { " NOOP", NULL, NULL }, { "NOO", NULL, NULL },
		{ "NOOPS", NULL, NULL }, { "QUIT\t", "QUIT", "" }, { "get / HTTP/1.1", "GET", "/ HTTP/1.1" },
	};
	const struct sl_smtp_verb *verb;
	struct sl_str args;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		verb = sl_smtp_verb_find(sl_str_of(cases[i].line), &args);
		if (cases[i].verb == NULL) {
			assert_null(verb);
			continue;
		}
		assert_non_null(verb);
		assert_string_equal(verb->name, cases[i].verb);
		assert_true(sl_str_eq(args, sl_str_of(cases[i].args)));
	}
}

static const struct {
	const char *name, *args;
	int code;			/* 0 = fine */
	const char *path;
	uint64_t size;
} mails[] = {
	{ "plain", "FROM:<a@b.example>", 0, "<a@b.example>", 0 },
	{ "case", "from:<a@b> size=10 body=8bitmime smtputf8", 0, "<a@b>", 10 },
	{ "A07 null sender", "FROM:<>", 0, "<>", 0 },
	{ "A07 blank after the colon", "FROM:  <a@b>", 0, "<a@b>", 0 },
	{ "A07 source route", "FROM:<@x,@y:a@b>", 0, "<@x,@y:a@b>", 0 },
	{ "A07 quoted", "FROM:<\"a>b\\\"c\"@d> SIZE=1", 0, "<\"a>b\\\"c\"@d>", 1 },
	{ "A07 literal", "FROM:<a@[IPv6:::1]>", 0, "<a@[IPv6:::1]>", 0 },
	{ "A07 text after it", "FROM:<a@b>c", 501, NULL, 0 },
	{ "A07 two brackets", "FROM:<a@b>>", 501, NULL, 0 },
	{ "A07 bracket inside", "FROM:<a<b@c>", 501, NULL, 0 },
	{ "A07 no brackets", "FROM:a@b", 501, NULL, 0 },
	{ "A07 not closed", "FROM:<a@b", 501, NULL, 0 },
	{ "A07 quote not closed", "FROM:<\"a@b>", 501, NULL, 0 },
	{ "A07 blank before the colon", "FROM :<a@b>", 501, NULL, 0 },
	{ "no colon", "FROM <a@b>", 501, NULL, 0 },
	{ "nothing", "", 501, NULL, 0 },
	{ "A06 control byte", "FROM:<a\tb@c>", 501, NULL, 0 },
	{ "A06 8-bit without SMTPUTF8", "FROM:<\xc3\xa9@b>", 550, NULL, 0 },
	{ "A06 8-bit with it", "FROM:<\xc3\xa9@b> SMTPUTF8", 0, "<\xc3\xa9@b>", 0 },
	{ "A06 not UTF-8", "FROM:<\xff@b> SMTPUTF8", 501, NULL, 0 },
	{ "size too big a number", "FROM:<> SIZE=99999999999999999999", 501, NULL, 0 },
	{ "size negative", "FROM:<> SIZE=-1", 501, NULL, 0 },
	{ "size twice", "FROM:<> SIZE=1 SIZE=2", 501, NULL, 0 },
	{ "body other", "FROM:<> BODY=BINARYMIME", 501, NULL, 0 },
	{ "auth", "FROM:<> AUTH=<>", 0, "<>", 0 },
	{ "auth xtext", "FROM:<> AUTH=e+3Dmc2@example.com", 0, "<>", 0 },
	{ "A06 xtext NUL", "FROM:<> AUTH=a+00", 501, NULL, 0 },
	{ "A06 xtext cut", "FROM:<> AUTH=a+0", 501, NULL, 0 },
	{ "unknown", "FROM:<> RET=HDRS", 555, NULL, 0 },
	{ "keyword", "FROM:<> =x", 501, NULL, 0 },
	{ "keyword of odd letters", "FROM:<> A_B=x", 501, NULL, 0 },
};

static void
mail_arguments(void **state)
{
	struct sl_smtp_mail m;
	struct sl_err err;

	(void)state;
	for (size_t i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		int r = sl_smtp_mail_parse(&m, sl_str_of(mails[i].args), &err);

		if ((r == 0) != (mails[i].code == 0) || m.code != mails[i].code)
			fail_msg("%s: %d, code %d", mails[i].name, r, m.code);
		if (r == 0 && (!sl_str_eq(m.path, sl_str_of(mails[i].path)) ||
		    m.size != mails[i].size))
			fail_msg("%s: path %.*s", mails[i].name, (int)m.path.n, m.path.p);
	}
	assert_int_equal(sl_smtp_rcpt_parse(&m, SL_STR("TO:<a@b>"), false, &err), 0);
	assert_int_equal(sl_smtp_rcpt_parse(&m, SL_STR("TO:<\xc3\xa9@b>"), true, &err), 0);
	assert_true(sl_smtp_rcpt_parse(&m, SL_STR("TO:<\xc3\xa9@b>"), false, &err) < 0);
	assert_int_equal(m.code, 553);
	assert_true(sl_smtp_rcpt_parse(&m, SL_STR("TO:<a@b> NOTIFY=NEVER"), false, &err) < 0);
	assert_int_equal(m.code, 555);
	assert_true(sl_smtp_mail_parse(&m, SL_STR("FROM:<a\0b@c>"), &err) < 0);
}

static void
helo_names(void **state)
{
	(void)state;
	assert_true(sl_smtp_helo_valid(SL_STR("mx.example.org")));
	assert_true(sl_smtp_helo_valid(SL_STR("host_1")));
	assert_true(sl_smtp_helo_valid(SL_STR("[192.0.2.1]")));
	assert_true(sl_smtp_helo_valid(SL_STR("[IPv6:2001:db8::1]")));
	assert_false(sl_smtp_helo_valid(SL_STR("")));
	assert_false(sl_smtp_helo_valid(SL_STR("a b")));
	assert_false(sl_smtp_helo_valid(SL_STR("a:b")));
	assert_false(sl_smtp_helo_valid(SL_STR("[]")));
	assert_false(sl_smtp_helo_valid(SL_STR("a(b)")));
	assert_false(sl_smtp_helo_valid(SL_STR("\xc3\xa9")));
	assert_false(sl_smtp_helo_valid(SL_STR("a\0b")));
}

/*
 * Lines that another parser takes. Where the verdict differs it is because
 * sluice doesn't offer the extension, or is stricter, and says so here.
 */
static bool
differs(const char *line)
{
	static const char *const ours[] = {
		"LHLO bar.com", "EXPN", "ETRN", "ATRN", "BURL", "BDAT",	/* not offered */
		"MAIL  FROM : ", "MAIL FROM:<> SMTPUTF8 REQUIRETLS", "RCPT TO:<> CONNEG",
		"MAIL FROM:<> BODY=BINARYMIME", "MAIL FROM:<> BY=", "MAIL FROM:<> HOLD",
		"RCPT TO:<> NOTIFY", "RCPT TO:<> ORCPT", "MAIL FROM:<> RET", "MAIL FROM:<> ENVID",
		"MAIL FROM:<> SOLICIT", "MAIL FROM:<>  SOLICIT", "MAIL FROM:<> TRANSID",
		"MAIL FROM:<> MTRK", "MAIL FROM:<> MT-PRIORITY", "RCPT TO:<> RRVS",
		"RCPT TO:<\xe5\xad\xab",					/* without SMTPUTF8 */
		"MAIL FROM:<@invalid>", "MAIL FROM:<hi", "MAIL FROM:<.", "MAIL FROM:<@>",
									/* the policy's path parser */
		"VRFY", "EHLO", "HELO", "AUTH",				/* arguments: the session's */
	};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		if (strncmp(line, ours[i], strlen(ours[i])) == 0)
			return true;
	}
	return false;
}

static void
vectors_of_others(void **state)
{
	const char *folder = getenv("SLUICE_VECTORS");
	json_t *root, *c;
	size_t i, compared = 0;
	char path[512];

	(void)state;
	snprintf(path, sizeof(path), "%s/smtp/stalwart-commands.json",
	    folder != NULL ? folder : "../shared/vectors");
	root = json_load_file(path, JSON_ALLOW_NUL, NULL);
	if (root == NULL) {
		print_message("%s: not there, skipped\n", path);
		skip();
	}
	json_array_foreach(json_object_get(root, "cases"), i, c) {
		struct sl_str line = sl_str_of(json_string_value(json_object_get(c, "line"))), args;
		const struct sl_smtp_verb *verb = sl_smtp_verb_find(line, &args);
		struct sl_smtp_mail m;
		bool ok = verb != NULL;

		if (differs(line.p))
			continue;
		if (ok && verb->id == SL_VERB_MAIL)
			ok = sl_smtp_mail_parse(&m, args, NULL) == 0;
		else if (ok && verb->id == SL_VERB_RCPT)
			ok = sl_smtp_rcpt_parse(&m, args, false, NULL) == 0;
		if (ok != json_is_true(json_object_get(c, "ok")))
			fail_msg("%s: ours %d", line.p, ok);
		compared++;
	}
	assert_true(compared >= 25);
	json_decref(root);
}

struct exchange {
	const char *name, *mechanism;
	struct sl_str lines[3];
	int result;			/* of the last step */
	const char *username, *password;
};

#define L(s)	{ (s), sizeof(s) - 1 }
#define NONE	{ NULL, 0 }

static const struct exchange exchanges[] = {
	{ "plain", "PLAIN", { L("AGFsaWNlAHNlY3JldA==") }, 0, "alice", "secret" },
	{ "plain, prompted", "plain", { NONE, L("AGFsaWNlAHNlY3JldA==") }, 0, "alice", "secret" },
	{ "plain, same authzid", "PLAIN", { L("YWxpY2UAYWxpY2UAc2VjcmV0") }, 0, "alice", "secret" },
	{ "plain, another authzid", "PLAIN", { L("Ym9iAGFsaWNlAHNlY3JldA==") }, SL_ERR_REFUSED, 0, 0 },
	{ "plain, empty", "PLAIN", { L("=") }, SL_ERR_SYNTAX, 0, 0 },
	{ "plain, one NUL", "PLAIN", { L("AGFsaWNl") }, SL_ERR_SYNTAX, 0, 0 },
	{ "plain, three NULs", "PLAIN", { L("AGEAYgBj") }, SL_ERR_SYNTAX, 0, 0 },
	{ "plain, no name", "PLAIN", { L("AABzZWNyZXQ=") }, SL_ERR_SYNTAX, 0, 0 },
	{ "plain, not base64", "PLAIN", { L("AGFsaWNlAHNlY3JldA=") }, SL_ERR_SYNTAX, 0, 0 },
	{ "plain, blank inside", "PLAIN", { L("AGFs aWNl") }, SL_ERR_SYNTAX, 0, 0 },
	{ "cancelled", "PLAIN", { NONE, L("*") }, SL_ERR_CANCELED, 0, 0 },
	{ "login", "LOGIN", { NONE, L("YWxpY2U="), L("c2VjcmV0") }, 0, "alice", "secret" },
	{ "login, name at once", "LOGIN", { L("YWxpY2U="), L("c2VjcmV0") }, 0, "alice", "secret" },
	{ "login, cancelled late", "LOGIN", { L("YWxpY2U="), L("*") }, SL_ERR_CANCELED, 0, 0 },
	{ "login, no password", "LOGIN", { L("YWxpY2U="), L("") }, SL_ERR_SYNTAX, 0, 0 },
	{ "login, NUL in it", "LOGIN", { L("YQBi"), L("c2VjcmV0") }, SL_ERR_SYNTAX, 0, 0 },
};

static void
auth_exchanges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(exchanges) / sizeof(exchanges[0]); i++) {
		const struct exchange *e = &exchanges[i];
		struct sl_smtp_auth auth;
		int r = 1;

		assert_true(sl_smtp_auth_begin(&auth, sl_str_of(e->mechanism)));
		for (int k = 0; k < 3 && r == 1; k++)
			r = sl_smtp_auth_step(&auth, e->lines[k].p != NULL ? &e->lines[k] : NULL);
		if (r != e->result)
			fail_msg("%s: %d", e->name, r);
		if (r == 0) {
			assert_string_equal(auth.username.p, e->username);
			assert_string_equal(auth.password.p, e->password);
		}
		sl_smtp_auth_clear(&auth);
	}
}

static void
auth_limits(void **state)
{
	struct sl_buf b = SL_BUF_INIT;
	struct sl_smtp_auth auth;
	struct sl_str line;
	char big[6000];

	(void)state;
	memset(big, 'A', sizeof(big));
	line = (struct sl_str){ big, sizeof(big) };
	assert_false(sl_smtp_auth_begin(&auth, SL_STR("CRAM-MD5")));
	assert_true(sl_smtp_auth_begin(&auth, SL_STR("LOGIN")));
	assert_int_equal(sl_smtp_auth_step(&auth, &line), SL_ERR_SYNTAX);
	memset(big, 'x', sizeof(big));
	sl_base64_encode(&b, (struct sl_str){ big, 256 });
	line = sl_buf_str(&b);
	assert_int_equal(sl_smtp_auth_step(&auth, &line), SL_ERR_SYNTAX);
	sl_smtp_auth_clear(&auth);
	sl_buf_clear(&b);
}

static void
replies(void **state)
{
	const char *two[] = { "one\r\n250 fake", "tw\xc3\xa9" };
	struct sl_buf b = SL_BUF_INIT;
	char big[1000];
	const char *one = big;

	(void)state;
	sl_smtp_reply_put(&b, 550, "5.7.1", two, 2, false);
	assert_string_equal(b.p, "550-5.7.1 one  250 fake\r\n550 5.7.1 tw??\r\n");
	sl_buf_reset(&b);
	sl_smtp_reply_put(&b, 220, "", two + 1, 1, true);
	assert_string_equal(b.p, "220 tw\xc3\xa9\r\n");
	sl_buf_reset(&b);
	sl_smtp_reply_put(&b, 250, "2.0.0", NULL, 0, false);
	assert_string_equal(b.p, "250 2.0.0 \r\n");
	sl_buf_reset(&b);
	memset(big, 'a', sizeof(big));
	memcpy(big + 449, "\xe2\x82\xac", 4);
	sl_smtp_reply_put(&b, 250, "", &one, 1, true);
	assert_int_equal(b.n, 4 + 449 + 2);
	sl_buf_clear(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs), cmocka_unit_test(mail_arguments),
		cmocka_unit_test(helo_names), cmocka_unit_test(vectors_of_others),
		cmocka_unit_test(auth_exchanges), cmocka_unit_test(auth_limits),
		cmocka_unit_test(replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
