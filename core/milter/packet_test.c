/* Packets of the milter protocol; A34: what malformed ones come to. */
#include "packet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S(literal)	SL_STR(literal)

static struct sl_err err;

/* ---- frames ---------------------------------------------------------------- */

static const struct {
	const char *name;
	struct sl_str in;
	int result;
	size_t used;
} frames[] = {
	{ "nothing", S(""), 0, 4 },
	{ "A34 half a length", S("\0\0\0"), 0, 4 },
	{ "A34 cut", S("\0\0\0\5Babc"), 0, 9 },
	{ "whole", S("\0\0\0\1N"), 1, 5 },
	{ "with data", S("\0\0\0\4Babc"), 1, 8 },
	{ "another behind it", S("\0\0\0\1N\0\0\0\1E"), 1, 5 },
	{ "A34 length 0", S("\0\0\0\0N"), SL_ERR_SYNTAX, 4 },
	{ "A34 length 2^31", S("\200\0\0\0B"), SL_ERR_SYNTAX, 4 },
	{ "A34 length 2^32 - 1", S("\377\377\377\377"), SL_ERR_SYNTAX, 4 },
	{ "longest", S("\0\20\0\0B"), 0, 4 + SL_MILTER_MAX_PACKET },
	{ "A34 one more", S("\0\20\0\1B"), SL_ERR_SYNTAX, 4 },
};

static void
test_frames(void **state)
{
	struct sl_milter_packet p;
	size_t i, used;

	(void)state;
	for (i = 0; i < sizeof(frames) / sizeof(frames[0]); i++) {
		print_message("%s\n", frames[i].name);
		assert_int_equal(sl_milter_packet_take(frames[i].in, &p, &used, &err), frames[i].result);
		assert_int_equal(used, frames[i].used);
	}
	assert_int_equal(sl_milter_packet_take(S("\0\0\0\4Babc"), &p, &used, &err), 1);
	assert_int_equal(p.command, SL_MILTER_BODY);
	assert_true(sl_str_eq(p.data, S("abc")));
}

/* ---- what is in them ------------------------------------------------------- */

static void
test_negotiation(void **state)
{
	struct sl_milter_options o;

	(void)state;
	assert_int_equal(sl_milter_options_parse(&o, S("\0\0\0\6\0\0\1\377\0\37\377\377"), &err), 0);
	assert_int_equal(o.version, 6);
	assert_int_equal(o.actions, 0x1ff);
	assert_int_equal(o.steps, 0x1fffff);
	assert_int_equal(sl_milter_options_parse(&o, S("\0\0\0\2\0\0\0\17\0\0\0\177"), &err), 0);
	assert_int_equal(sl_milter_options_parse(&o, S("\0\0\0\1\0\0\0\17\0\0\0\177"), &err),
	    SL_ERR_SYNTAX);
	assert_int_equal(sl_milter_options_parse(&o, S("\0\0\0\6\0\0\1"), &err), SL_ERR_SYNTAX);
}

static const struct {
	const char *name;
	struct sl_str in;
	int result;
	const char *hostname, *address;
	unsigned port;
} peers[] = {
	{ "IPv4", S("mx.example\0" "4\0\031192.0.2.1\0"), 0, "mx.example", "192.0.2.1", 25 },
	{ "IPv6", S("mx.example\0" "6\377\3772001:db8::1\0"), 0, "mx.example", "2001:db8::1", 65535 },
	{ "IPv6 as Sendmail has it", S("x\0" "6\0\031IPv6:2001:db8::1\0"), 0, "x", "2001:db8::1", 25 },
	{ "local", S("localhost\0" "L\0\0/run/x\0"), 0, "localhost", "/run/x", 0 },
	{ "unknown", S("localhost\0" "U"), 0, "localhost", "", 0 },
	{ "A34 no family", S("localhost\0"), SL_ERR_SYNTAX, NULL, NULL, 0 },
	{ "A34 no end of the name", S("localhost"), SL_ERR_SYNTAX, NULL, NULL, 0 },
	{ "A34 another family", S("x\0" "5\0\031192.0.2.1\0"), SL_ERR_SYNTAX, NULL, NULL, 0 },
	{ "A34 half a port", S("x\0" "4\0"), SL_ERR_SYNTAX, NULL, NULL, 0 },
	{ "A34 no end of the address", S("x\0" "4\0\031192.0.2.1"), SL_ERR_SYNTAX, NULL, NULL, 0 },
	{ "A34 text behind it", S("x\0" "4\0\031192.0.2.1\0x"), SL_ERR_SYNTAX, NULL, NULL, 0 },
};

static void
test_peers(void **state)
{
	struct sl_milter_peer p;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(peers) / sizeof(peers[0]); i++) {
		print_message("%s\n", peers[i].name);
		assert_int_equal(sl_milter_peer_parse(&p, peers[i].in, &err), peers[i].result);
		if (peers[i].result != 0)
			continue;
		assert_true(sl_str_eq(p.hostname, sl_str_of(peers[i].hostname)));
		assert_true(sl_str_eq(p.address, sl_str_of(peers[i].address)));
		assert_int_equal(p.port, peers[i].port);
	}
}

static void
test_macros(void **state)
{
	struct sl_str rest, name, value;
	char command;

	(void)state;
	assert_int_equal(sl_milter_macros_parse(&command, &rest, S("Mi\0" "4AB\0{auth_authen}\0\0"), &err),
	    0);
	assert_int_equal(command, 'M');
	assert_true(sl_milter_macro(&rest, &name, &value));
	assert_true(sl_str_eq(name, S("i")) && sl_str_eq(value, S("4AB")));
	assert_true(sl_milter_macro(&rest, &name, &value));
	assert_true(sl_str_eq(name, S("auth_authen")) && value.n == 0);
	assert_false(sl_milter_macro(&rest, &name, &value));
	assert_int_equal(sl_milter_macros_parse(&command, &rest, S("C"), &err), 0);
	assert_false(sl_milter_macro(&rest, &name, &value));
	assert_int_equal(sl_milter_macros_parse(&command, &rest, S(""), &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_milter_macros_parse(&command, &rest, S("Mi\0"), &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_milter_macros_parse(&command, &rest, S("Mi\0x"), &err), SL_ERR_SYNTAX);
}

static void
test_paths(void **state)
{
	struct sl_str path, rest;

	(void)state;
	assert_int_equal(sl_milter_path_parse(&path, &rest, S("<a@b>\0SIZE=5\0"), &err), 0);
	assert_true(sl_str_eq(path, S("<a@b>")) && sl_str_eq(rest, S("SIZE=5\0")));
	assert_int_equal(sl_milter_path_parse(&path, &rest, S("<>\0"), &err), 0);
	assert_int_equal(sl_milter_path_parse(&path, &rest, S("<a@b>"), &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_milter_path_parse(&path, &rest, S("<a@b>\0SIZE"), &err), SL_ERR_SYNTAX);
}

/* ---- header fields ----------------------------------------------------------- */

static const struct {
	const char *name;
	struct sl_str in;
	bool spaced;
	int result;
	const char *out;
} fields[] = {
	{ "spaced", S("Subject\0 hello\0"), true, 0, "Subject: hello\r\n" },
	{ "no blank", S("Subject\0hello\0"), true, 0, "Subject:hello\r\n" },
	{ "blanks", S("Subject\0 \t hello \0"), true, 0, "Subject: \t hello \r\n" },
	{ "not spaced", S("Subject\0hello\0"), false, 0, "Subject: hello\r\n" },
	{ "empty", S("Subject\0\0"), true, 0, "Subject:\r\n" },
	{ "empty, not spaced", S("Subject\0\0"), false, 0, "Subject:\r\n" },
	{ "fold of LF", S("X\0 a\n\tb\n c\0"), true, 0, "X: a\r\n\tb\r\n c\r\n" },
	{ "fold of CRLF", S("X\0 a\r\n b\0"), true, 0, "X: a\r\n b\r\n" },
	{ "fold at the start", S("X\0\n a\0"), true, 0, "X:\r\n a\r\n" },
	{ "8 bit", S("X\0 \344\0"), true, 0, "X: \344\r\n" },
	{ "blank before the colon", S("X \0 a\0"), true, 0, "X : a\r\n" },
	{ "A34 another field in it", S("X\0 a\nY: b\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 an empty line in it", S("X\0 a\n\n b\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 line break at the end", S("X\0 a\n\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 name with a colon", S("X:Y\0 a\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 name with a line break", S("X\nY\0 a\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 name of 8 bit", S("\344\0 a\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 no name", S("\0 a\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 a name of blanks", S("  \0 a\0"), true, SL_ERR_REFUSED, NULL },
	{ "A34 no end", S("X\0 a"), true, SL_ERR_SYNTAX, NULL },
	{ "A34 no value", S("X\0"), true, SL_ERR_SYNTAX, NULL },
	{ "A34 nothing", S(""), true, SL_ERR_SYNTAX, NULL },
	{ "A34 a second value", S("X\0 a\0b\0"), true, SL_ERR_SYNTAX, NULL },
};

static void
test_fields(void **state)
{
	struct sl_buf out = SL_BUF_INIT;
	size_t i;
	int r;

	(void)state;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		print_message("%s\n", fields[i].name);
		sl_buf_reset(&out);
		r = sl_milter_field_parse(&out, fields[i].in, fields[i].spaced, &err);
		assert_int_equal(r, fields[i].result);
		if (r == 0)
			assert_string_equal(out.p, fields[i].out);
	}
	sl_buf_clear(&out);
}

/* ---- writing --------------------------------------------------------------------- */

static void
written(struct sl_buf *out, struct sl_str expected)
{
	assert_int_equal(out->n, expected.n);
	assert_memory_equal(out->p, expected.p, expected.n);
	sl_buf_reset(out);
}

static void
test_writing(void **state)
{
	const char *lines[] = { "100% no", "second" };
	struct sl_milter_options o = { 6, 1, 2 };
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	sl_milter_put(&out, SL_MILTER_CONTINUE);
	written(&out, S("\0\0\0\1c"));
	sl_milter_put_string(&out, SL_MILTER_QUARANTINE, S("spam"));
	written(&out, S("\0\0\0\6qspam\0"));
	sl_milter_put_options(&out, &o);
	written(&out, S("\0\0\0\15O\0\0\0\6\0\0\0\1\0\0\0\2"));
	sl_milter_put_reply(&out, 550, "5.7.1", lines, 1);
	written(&out, S("\0\0\0\024y550 5.7.1 100%% no\0"));
	sl_milter_put_reply(&out, 451, "", lines, 2);
	written(&out, S("\0\0\0\032y451-100%% no\r\n451 second\0"));
	assert_int_equal(sl_milter_put_field(&out, SL_MILTER_ADD_FIELD, 9, S("X"), S(" a\r\n\tb"), true,
	    &err), 0);
	written(&out, S("\0\0\0\11hX\0 a\n\tb\0"));
	assert_int_equal(sl_milter_put_field(&out, SL_MILTER_INSERT_FIELD, 1, S("X"), S(" a"), false,
	    &err), 0);
	written(&out, S("\0\0\0\11i\0\0\0\1X\0a\0"));
	assert_int_equal(sl_milter_put_field(&out, SL_MILTER_CHANGE_FIELD, 2, S("X"), S(""), true, &err),
	    0);
	written(&out, S("\0\0\0\10m\0\0\0\2X\0\0"));
	sl_buf_clear(&out);
}

static void
test_longest_field(void **state)
{
	char *value = malloc(SL_MILTER_MAX_REPLY);
	struct sl_str v = { value, SL_MILTER_MAX_REPLY - 4 };	/* command, name, two NULs */
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	memset(value, 'x', SL_MILTER_MAX_REPLY);
	assert_int_equal(sl_milter_put_field(&out, SL_MILTER_ADD_FIELD, 0, S("X"), v, true, &err), 0);
	assert_int_equal(out.n, 4 + SL_MILTER_MAX_REPLY);
	v.n++;
	assert_int_equal(sl_milter_put_field(&out, SL_MILTER_ADD_FIELD, 0, S("X"), v, true, &err),
	    SL_ERR_LIMIT);
	assert_int_equal(out.n, 4 + SL_MILTER_MAX_REPLY);
	sl_buf_clear(&out);
	free(value);
}

/* What is chosen of macros is well-formed itself: a stage and a string each. */
static void
test_chosen_macros(void **state)
{
	struct sl_milter_options o = { 6, SL_MILTER_CHOOSES_MACROS, 0 };
	struct sl_buf out = SL_BUF_INIT;
	struct sl_milter_packet p;
	struct sl_str rest, names;
	size_t used;
	char stage = 0;

	(void)state;
	sl_milter_put_options(&out, &o);
	assert_int_equal(sl_milter_packet_take(sl_buf_str(&out), &p, &used, &err), 1);
	assert_int_equal(used, out.n);
	rest = sl_str_sub(p.data, 12, p.data.n);
	while (rest.n > 0) {
		assert_memory_equal(rest.p, "\0\0\0", 3);
		assert_int_equal(rest.p[3], stage++);
		rest = sl_str_sub(rest, 4, rest.n);
		assert_true(sl_milter_string(&rest, &names) && names.n > 0);
	}
	assert_int_equal(stage, 7);
	sl_buf_clear(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frames), cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_peers), cmocka_unit_test(test_macros), cmocka_unit_test(test_paths),
		cmocka_unit_test(test_fields), cmocka_unit_test(test_writing),
		cmocka_unit_test(test_longest_field), cmocka_unit_test(test_chosen_macros),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
