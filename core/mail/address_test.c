/*
 * Paths, addresses, lists, domains. The vectors are compared where both ask
 * the same; where we are stricter or looser on purpose stands in the tables.
 */
#include "address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "message.h"

static json_t *
vectors(const char *name)
{
	const char *folder = getenv("SLUICE_VECTORS");
	json_t *j;
	char path[512];

	snprintf(path, sizeof(path), "%s/mime/%s", folder != NULL ? folder : "../shared/vectors", name);
	j = json_load_file(path, JSON_ALLOW_NUL, NULL);
	if (j == NULL)
		print_message("%s isn't there: skipped (SLUICE_VECTORS)\n", path);
	return j;
}

/* ---- paths ----------------------------------------------------------- */

#define NULL_OK		1
#define POSTMASTER	2
#define UTF8		4

/* address NULL: refused. */
static const struct {
	const char *name, *text;
	int flags;
	const char *address, *local, *domain, *rest;
} paths[] = {
	{ "plain", "<a@Example.ORG>", 0, "a@example.org", "a", "example.org", "" },
	{ "parameters", "<a@b> SIZE=1", 0, "a@b", "a", "b", " SIZE=1" },
	{ "case of the local part", "<John.Q@b>", 0, "John.Q@b", "John.Q", "b", "" },
	{ "A07 null", "<>", NULL_OK, "", "", "", "" },
	{ "A07 null for RCPT", "<>", 0, NULL, "", "", "" },
	{ "A07 null with blank", "< >", NULL_OK, NULL, "", "", "" },
	{ "postmaster", "<PostMaster>", POSTMASTER, "postmaster", "postmaster", "", "" },
	{ "postmaster for MAIL", "<postmaster>", NULL_OK, NULL, "", "", "" },
	{ "postmasters", "<postmasters>", POSTMASTER, NULL, "", "", "" },
	{ "A07 route", "<@x.org,@y.org:a@b>", 0, "a@b", "a", "b", "" },
	{ "A07 route of one", "<@x.org:a@b>", 0, "a@b", "a", "b", "" },
	{ "A07 route without address", "<@x.org:>", 0, NULL, "", "", "" },
	{ "A07 route with a bad host", "<@x_y:a@b>", 0, NULL, "", "", "" },
	{ "A07 route without colon", "<@x.org,a@b>", 0, NULL, "", "", "" },
	{ "A07 route with a blank", "<@x.org, @y.org:a@b>", 0, NULL, "", "", "" },
	{ "A07 quoted", "<\"a b\"@c>", 0, "\"a b\"@c", "a b", "c", "" },
	{ "A07 quoted without need", "<\"ab\"@c>", 0, "ab@c", "ab", "c", "" },
	{ "A07 quoted pair", "<\"a\\\"\\b\\\\\"@c>", 0, "\"a\\\"b\\\\\"@c", "a\"b\\", "c", "" },
	{ "A07 quoted, @ and >", "<\"a@b>\"@c>", 0, "\"a@b>\"@c", "a@b>", "c", "" },
	{ "A07 quoted, empty", "<\"\"@c>", 0, "\"\"@c", "", "c", "" },
	{ "A07 quoted with LF", "<\"a\nb\"@c>", 0, NULL, "", "", "" },
	{ "A07 quoted without end", "<\"a@c>", 0, NULL, "", "", "" },
	{ "A07 word beside quotes", "<\"a\"b@c>", 0, NULL, "", "", "" },
	{ "A07 text after", "<a@b>c", 0, NULL, "", "", "" },
	{ "A07 tab after", "<a@b>\tSIZE=1", 0, NULL, "", "", "" },
	{ "A07 no brackets", "a@b", 0, NULL, "", "", "" },
	{ "A07 blank first", " <a@b>", 0, NULL, "", "", "" },
	{ "A07 not closed", "<a@b", 0, NULL, "", "", "" },
	{ "A07 two", "<<a@b>>", 0, NULL, "", "", "" },
	{ "no domain", "<a>", 0, NULL, "", "", "" },
	{ "empty domain", "<a@>", 0, NULL, "", "", "" },
	{ "no local part", "<@b>", 0, NULL, "", "", "" },
	{ "two @", "<a@b@c>", 0, NULL, "", "", "" },
	{ "dots", "<a..b@c>", 0, NULL, "", "", "" },
	{ "dot first", "<.a@c>", 0, NULL, "", "", "" },
	{ "dot last", "<a.@c>", 0, NULL, "", "", "" },
	{ "blank", "<a b@c>", 0, NULL, "", "", "" },
	{ "final dot", "<a@b.>", 0, NULL, "", "", "" },
	{ "hyphen first", "<a@-b>", 0, NULL, "", "", "" },
	{ "hyphen last", "<a@b-.c>", 0, NULL, "", "", "" },
	{ "underscore", "<a@b_c.d>", 0, NULL, "", "", "" },
	{ "percent", "<a%x@b>", 0, "a%x@b", "a%x", "b", "" },
	{ "IPv4 literal", "<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", "a", "[192.0.2.1]", "" },
	{ "IPv4 literal, short", "<a@[192.0.2]>", 0, NULL, "", "", "" },
	{ "A07 IPv6 literal", "<a@[ipv6:2001:DB8::1]>", 0, "a@[IPv6:2001:db8::1]", "a",
	    "[IPv6:2001:db8::1]", "" },
	{ "A07 IPv6 without tag", "<a@[2001:db8::1]>", 0, NULL, "", "", "" },
	{ "A07 IPv6 not closed", "<a@[IPv6:2001:db8::1>", 0, NULL, "", "", "" },
	{ "other literal", "<a@[x:y]>", 0, NULL, "", "", "" },
	{ "empty literal", "<a@[]>", 0, NULL, "", "", "" },
	{ "A07 U-label", "<a@b\xc3\xbc" "cher.example>", UTF8, "a@xn--bcher-kva.example", "a",
	    "xn--bcher-kva.example", "" },
	{ "A07 U-label without SMTPUTF8", "<a@b\xc3\xbc" "cher.example>", 0, NULL, "", "", "" },
	{ "A07 A-label", "<a@XN--BCHER-kva.example>", 0, "a@xn--bcher-kva.example", "a",
	    "xn--bcher-kva.example", "" },
	{ "UTF-8 local", "<\xc3\xbc@b>", UTF8, "\xc3\xbc@b", "\xc3\xbc", "b", "" },
	{ "UTF-8 local without SMTPUTF8", "<\xc3\xbc@b>", 0, NULL, "", "", "" },
	{ "A06 invalid UTF-8", "<\xc3@b>", UTF8, NULL, "", "", "" },
	{ "A06 overlong", "<\xc0\xaf@b>", UTF8, NULL, "", "", "" },
	{ "C1 control", "<a\xc2\x85@b>", UTF8, NULL, "", "", "" },
	{ "full-width dot", "<a@b\xef\xbc\x8e" "c>", UTF8, NULL, "", "", "" },
	{ "zero-width space", "<a@b\xe2\x80\x8b" "c.org>", UTF8, NULL, "", "", "" },
	{ "local of 65", "<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b>", 0,
	    NULL, "", "", "" },
	{ "", "", 0, NULL, "", "", "" },
	{ "<", "<", NULL_OK, NULL, "", "", "" },
};

static void
path_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct sl_address a;
		struct sl_str rest;
		struct sl_err err;
		int f = paths[i].flags;
		int r = sl_path_parse(&a, sl_str_of(paths[i].text), f & NULL_OK, f & POSTMASTER,
		    f & UTF8, &rest, &err);

		if ((r == 0) != (paths[i].address != NULL) ||
		    (r == 0 && strcmp(a.address, paths[i].address) != 0) ||
		    strcmp(a.local, paths[i].local) != 0 || strcmp(a.domain, paths[i].domain) != 0)
			fail_msg("%s: %d %s [%s] [%s]", paths[i].name, r, a.address, a.local, a.domain);
		if (r == 0) {
			assert_true(sl_str_eq(rest, sl_str_of(paths[i].rest)));
			assert_int_equal(a.utf8, (unsigned char)a.local[0] > 127);
		}
	}
}

static void
path_nul(void **state)
{
	struct sl_address a;
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_path_parse(&a, SL_STR("<a\0@b>"), 0, 0, 1, NULL, &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_path_parse(&a, SL_STR("<a@b\0.c>"), 0, 0, 1, NULL, &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_path_parse(&a, SL_STR("<\"\0\"@b>"), 0, 0, 1, NULL, &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_path_parse(&a, SL_STR("<a@b> x"), 0, 0, 1, NULL, &err), SL_ERR_SYNTAX);
}

/*
 * isemail by category. Its categories of SMTP are ours, except:
 * - address literals that are no IP addresses (RFC 5321 4.1.3): both refuse
 *   in SMTP; isemail calls them RFC5322.
 * - "test@[IPv6:1111:...:6666::8888]" (a :: for one group) is deprecated in
 *   isemail, RFC 5321 4.1.3 has no form for it; inet_pton and everybody take it.
 */
static const char *const isemail_ours[] = {
	"test@[IPv6:1111:2222:3333:4444:5555:6666::8888]",
};

static bool
is_listed(const char *text, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(text, list[i]) == 0)
			return true;
	}
	return false;
}

static bool
isemail_smtp(const char *category)
{
	return strcmp(category, "ISEMAIL_VALID_CATEGORY") == 0 ||
	    strcmp(category, "ISEMAIL_DNSWARN") == 0 || strcmp(category, "ISEMAIL_RFC5321") == 0;
}

static void
isemail_address(void **state)
{
	json_t *j = vectors("isemail.json"), *c;
	size_t i;

	(void)state;
	if (j == NULL)
		skip();
	json_array_foreach(json_object_get(j, "cases"), i, c) {
		json_t *t = json_object_get(c, "address");
		struct sl_str s = { json_string_value(t), json_string_length(t) };
		struct sl_address a;
		struct sl_err err;
		bool want = isemail_smtp(json_string_value(json_object_get(c, "category"))) ||
		    is_listed(s.p, isemail_ours, 1);

		if ((sl_address_parse(&a, s, &err) == 0) != want)
			fail_msg("%s: %s wanted %d: %s", json_string_value(json_object_get(c, "id")),
			    s.p, want, err.text);
	}
	json_decref(j);
}

/*
 * The same as address lists, where comments and folds are allowed (CFWS,
 * DEPREC) and long local parts too. Refused though isemail takes them in a header:
 * control bytes (RFC 5322 4.1 obs-NO-WS-CTL, "MUST NOT generate"; they end up in
 * logs and replies), literals that are no address. Taken though it doesn't: UTF-8
 * behind a backslash (RFC 6532 3.2 makes it VCHAR, so RFC 5322 3.2.1 allows it).
 */
static bool
list_refuses(const char *diagnosis)
{
	static const char *const refused[] = {
		"ISEMAIL_RFC5322_DOMAINLITERAL", "ISEMAIL_RFC5322_DOMLIT_OBSDTEXT",
		"ISEMAIL_RFC5322_IPV6_GRPCOUNT", "ISEMAIL_RFC5322_IPV6_MAXGRPS",
		"ISEMAIL_RFC5322_IPV6_COLONSTRT", "ISEMAIL_RFC5322_IPV6_COLONEND",
		"ISEMAIL_RFC5322_IPV6_2X2XCOLON", "ISEMAIL_RFC5322_IPV6_BADCHAR",
		"ISEMAIL_DEPREC_QTEXT", "ISEMAIL_DEPREC_CTEXT", "ISEMAIL_DEPREC_QP",
		"ISEMAIL_RFC5322_TOOLONG", "ISEMAIL_RFC5322_DOMAIN_TOOLONG",
		"ISEMAIL_RFC5322_LABEL_TOOLONG", "ISEMAIL_RFC5322_DOMAIN",
	};

	return is_listed(diagnosis, refused, sizeof(refused) / sizeof(refused[0]));
}

/* isemail asks RFC 5322; we ask that the domain can be one (RFC 1035 2.3.4:
 * labels of 63, names of 253 bytes), and drop a final line end no more than it does. */
static void
isemail_list(void **state)
{
	json_t *j = vectors("isemail.json"), *c;
	size_t i;

	(void)state;
	if (j == NULL)
		skip();
	json_array_foreach(json_object_get(j, "cases"), i, c) {
		json_t *t = json_object_get(c, "address");
		struct sl_str s = { json_string_value(t), json_string_length(t) };
		const char *category = json_string_value(json_object_get(c, "category"));
		const char *diagnosis = json_string_value(json_object_get(c, "diagnosis"));
		struct sl_address_list list;
		struct sl_err err;
		bool want = (strcmp(category, "ISEMAIL_ERR") != 0 && !list_refuses(diagnosis)) ||
		    strcmp(diagnosis, "ISEMAIL_ERR_EXPECTING_QPAIR") == 0;
		int r = sl_address_list_parse(&list, s, 10, &err);

		if ((r == 0) != want || (r == 0 && list.n != 1))
			fail_msg("%s: %s wanted %d (%s): %s",
			    json_string_value(json_object_get(c, "id")), s.p, want, diagnosis,
			    r != 0 ? err.text : "taken");
		sl_address_list_clear(&list);
	}
	json_decref(j);
}

/* ---- lists ----------------------------------------------------------- */

static void
describe(struct sl_buf *out, const struct sl_address_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		const struct sl_mailbox *m = &list->mailboxes[i];

		sl_buf_puts(out, i > 0 ? ", " : "");
		if (m->group.n > 0) {
			sl_buf_putstr(out, m->group);
			sl_buf_puts(out, ":");
		}
		if (m->name.n > 0) {
			sl_buf_putstr(out, m->name);
			sl_buf_puts(out, "=");
		}
		sl_buf_puts(out, m->address.address);
	}
	sl_buf_puts(out, "");
}

/* want NULL: refused. */
static const struct {
	const char *name, *value, *want;
} lists[] = {
	{ "spec", "a@b", "a@b" },
	{ "angle", "<a@b>", "a@b" },
	{ "name", "John Doe <a@b>", "John Doe=a@b" },
	{ "name with dots", "John Q. Public <a@b>", "John Q. Public=a@b" },
	{ "quoted name", "\"Doe, John\" <a@b>", "Doe, John=a@b" },
	{ "A14 quoted pairs in the name", "\"\\\"A, Inc.\\\"\" <u@d>", "\"A, Inc.\"=u@d" },
	{ "A14 address in a quoted local part", "\"a <x@junk.com>\"@mydomain.com",
	    "\"a <x@junk.com>\"@mydomain.com" },
	{ "A14 > without <", "user@example.net>", NULL },
	{ "A14 < without >", "<user@example.net", NULL },
	{ "A10 two addresses", "<a@b>, <c@d>", "a@b, c@d" },
	{ "A10 route", "<@attack.com,@any.com:admin@legitimate.com>", "admin@legitimate.com" },
	{ "A10 quoted pair outside", "<a@b>\\,<c@d>", NULL },
	{ "A10 text after", "<any@attack.com>admin@legitimate.com", NULL },
	{ "A10 encoded word as address", "=?utf-8?B?PGFkbWluQGxlZ2l0aW1hdGUuY29tPg==?=,<c@d>", NULL },
	{ "A10 comment in address", "a(c)@(c)b(c)", "a@b" },
	{ "A10 comment that looks like one", "a@b (<c@d>)", "a@b" },
	{ "A10 two specs side by side", "a@b c@d", NULL },
	{ "A10 address as name", "admin@legitimate.com <a@b>", NULL },
	{ "A10 quoted address as name", "\"admin@legitimate.com\" <a@b>", "admin@legitimate.com=a@b" },
	{ "A10 domain injection", "a@b(.c", NULL },
	{ "A10 quote in the domain", "a@\"b\"", NULL },
	{ "obsolete local part", "a . \"b\" .c@d . e", "a.b.c@d.e" },
	{ "folds", "John\r\n Doe\r\n\t<a@b>", "John Doe=a@b" },
	{ "fold in quotes", "\"John\r\n Doe\" <a@b>", "John Doe=a@b" },
	{ "CR LF that is no fold", "a@b\r\nc@d", NULL },
	{ "A15 LF", "a@b\n<c@d>", NULL },
	{ "CR", "a@b\r", NULL },
	{ "empty elements", ",a@b,,(c),c@d,", "a@b, c@d" },
	{ "nothing", "", "" },
	{ "blanks", " \t ", "" },
	{ "null", "<>", NULL },
	{ "group", "G: a@b, N <c@d>;", "G:a@b, G:N=c@d" },
	{ "empty group", "undisclosed-recipients:;", "" },
	{ "group of From, RFC 6854", "Team:;, a@b", "a@b" },
	{ "group with comment", "G:(nobody);(x)", "" },
	{ "nested group", "G: H: a@b;;", NULL },
	{ "group not closed", "G: a@b", NULL },
	{ "; outside a group", "a@b;", NULL },
	{ "text after a group", "G:a@b; c@d", NULL },
	{ "group without name", ":a@b;", NULL },
	{ "group in brackets", "G:<a@b>;", "G:a@b" },
	{ "UTF-8", "J\xc3\xb6rg <\xc3\xb6@b\xc3\xbc" "cher.example>",
	    "J\xc3\xb6rg=\xc3\xb6@xn--bcher-kva.example" },
	{ "invalid UTF-8", "J\xf6rg <a@b>", NULL },
	{ "unquoted special in a name", "A [B] <a@b>", NULL },
	{ "A12 words only", "John Doe", NULL },
	{ "route without @", "<,a@b>", NULL },
	{ "route without colon", "<@a,b@c>", NULL },
	{ "route, obsolete commas", "<,,@a,,@b:c@d>", "c@d" },
	{ "two dots in the domain", "a@b..c", NULL },
	{ "final dot", "a@b.", NULL },
	{ "underscore", "a@b_c.d", "a@b_c.d" },
	{ "literal", "a@[192.0.2.1]", "a@[192.0.2.1]" },
	{ "literal with text after", "a@[192.0.2.1]x", NULL },
	{ "A13 comment of 20 levels", "a@b (((((((((((((((((((())))))))))))))))))))", "a@b" },
	{ "A13 comment of 21 levels", "a@b ((((((((((((((((((((()))))))))))))))))))))", NULL },
	{ "comment without end", "a@b (c", NULL },
	{ "comment closed twice", "a@b (c))", NULL },
	{ "backslash at the end of a comment", "a@b (c\\", NULL },
	{ "quote without end", "\"a@b", NULL },
	{ "backslash before the final quote", "\"a\\\" <a@b>", NULL },
	{ "control byte", "a\x01 <a@b>", NULL },
	{ "empty quoted local part", "\"\"@b", "\"\"@b" },
};

static void
list_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct sl_address_list list;
		struct sl_buf got = SL_BUF_INIT;
		struct sl_err err = { 0 };
		int r = sl_address_list_parse(&list, sl_str_of(lists[i].value), 10, &err);

		describe(&got, &list);
		if ((r == 0) != (lists[i].want != NULL) ||
		    (r == 0 && strcmp(got.p, lists[i].want) != 0))
			fail_msg("%s: %d %s %s", lists[i].name, r, got.p, err.text);
		sl_buf_clear(&got);
		sl_address_list_clear(&list);
	}
}

static void
list_limits(void **state)
{
	static const char *const units[] = { "a@b,", "(", "\"", "<", ",", "a ", "a.", "G:;,", "@a,",
	    "\\", "()", "a(b)", "a@b.", "\r\n ", "=?", "[", "\"a\"" };
	struct sl_address_list list;
	struct sl_err err;

	(void)state;
	assert_int_equal(sl_address_list_parse(&list, SL_STR("a@b,c@d,e@f"), 2, &err), SL_ERR_LIMIT);
	assert_int_equal(list.n, 0);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		struct sl_buf b = SL_BUF_INIT;

		for (int k = 0; k < 100000; k++)
			sl_buf_puts(&b, units[i]);
		sl_address_list_parse(&list, sl_buf_str(&b), 100, &err);
		sl_address_list_clear(&list);
		sl_buf_clear(&b);
	}
}

static void
list_out_of_memory(void **state)
{
	int r = -1;

	(void)state;
	for (unsigned long i = 1; r != 0; i++) {
		struct sl_address_list list;
		struct sl_err err;

		sl_alloc_fail_at(i, 0);
		r = sl_address_list_parse(&list, SL_STR("a@b, G:c@d, e@f, g@h;"), 10, &err);
		sl_alloc_fail_at(0, 0);
		assert_true(r == 0 || r == SL_ERR_NOMEM);
		assert_int_equal(list.n, r == 0 ? 4 : 0);
		sl_address_list_clear(&list);
		assert_true(i < 50);
	}
}

/*
 * mail-parser reads anything; we refuse what RFC 5322 doesn't have, by id:
 */
static const char *const parser_refused[] = {
	/* no phrase begins or stands without an address: 3.4 */
	"test@test.com\ninvalid@address.com\n",
	/* semicolons between groups without commas, text after a group: 3.4 group */
	"\"List 1\": addr1", "\"=?utf-8?b?VGj",
	/* URLs in brackets (List-* fields, RFC 2369) are no addr-spec: 3.4.1 */
	"<http://", "<mailto:", "(Use this command",
	/* a bare LF in a comment that isn't followed by a blank in the origin's text */
	"Pete(A nice",
};
/* Its names hold comments and are decoded; its domain keeps blanks. Compared: addresses only. */
static const char *const parser_domain[] = { "John Doe <jdoe@machine(comment)" };

static bool
begins(const char *text, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strncmp(text, list[i], strlen(list[i])) == 0)
			return true;
	}
	return false;
}

static void
compare_addresses(const char *id, const struct sl_address_list *list, json_t *expected)
{
	json_t *l = json_object_get(expected, "List"), *m;
	size_t i;

	if (l == NULL)
		l = json_object_get(json_array_get(json_object_get(expected, "Group"), 0), "addresses");
	assert_int_equal(list->n, json_array_size(l));
	json_array_foreach(l, i, m) {
		const char *want = json_string_value(json_object_get(m, "address"));

		if (strcmp(list->mailboxes[i].address.address, want) != 0)
			fail_msg("%s: %s", id, list->mailboxes[i].address.address);
	}
}

static void
mail_parser(void **state)
{
	json_t *j = vectors("mail-parser-address.json"), *c;
	size_t i, compared = 0;

	(void)state;
	if (j == NULL)
		skip();
	json_array_foreach(json_object_get(j, "cases"), i, c) {
		const char *header = json_string_value(json_object_get(c, "header"));
		const char *id = json_string_value(json_object_get(c, "id"));
		struct sl_str s = sl_str_of(header);
		struct sl_address_list list;
		struct sl_err err = { 0 };
		bool refused = begins(header, parser_refused,
		    sizeof(parser_refused) / sizeof(parser_refused[0]));
		int r;

		if (sl_str_ends(s, SL_STR("\n")))
			s.n--;
		r = sl_address_list_parse(&list, s, 100, &err);
		if ((r != 0) != refused)
			fail_msg("%s: %s %s", id, header, err.text);
		if (r == 0 && !begins(header, parser_domain, 1)) {
			compare_addresses(id, &list, json_object_get(c, "expected"));
			compared++;
		}
		sl_address_list_clear(&list);
	}
	assert_true(compared > 10);
	json_decref(j);
}

/* What our From of each espoofer message is: nothing to be fooled by. "-": refused, "n": fields. */
static const struct {
	const char *id, *from;
} spoofs[] = {
	{ "espoofer/server_a8", "2 fields" },
	{ "espoofer/server_a11", "0 fields" },		/* "From" without colon ends the header */
	{ "espoofer/server_a12", "0 fields" },
	{ "espoofer/server_a13", "0 fields" },
	{ "espoofer/server_a14", "first@attack.com, admin@legitimate.com" },
	{ "espoofer/server_a15", "-" },
	{ "espoofer/server_a16", "admin@legitimate.com" },
	{ "espoofer/server_a17", "-" },
	{ "espoofer/server_a19", "-" },
};

static void
describe_from(struct sl_buf *out, const struct sl_message *m)
{
	struct sl_address_list list;
	struct sl_err err;
	size_t n = 0, at = 0;

	for (size_t i = 0; i < m->nfields; i++) {
		if (sl_str_ieq(m->fields[i].name, SL_STR("From"))) {
			at = i;
			n++;
		}
	}
	if (n != 1) {
		sl_buf_printf(out, "%zu fields", n);
		return;
	}
	if (sl_address_list_parse(&list, m->fields[at].value, 10, &err) < 0)
		sl_buf_puts(out, "-");
	else
		describe(out, &list);
	sl_address_list_clear(&list);
}

static void
espoofer(void **state)
{
	json_t *j = vectors("espoofer.json"), *c;
	size_t i, seen = 0;

	(void)state;
	if (j == NULL)
		skip();
	json_array_foreach(json_object_get(j, "cases"), i, c) {
		const char *id = json_string_value(json_object_get(c, "id"));
		json_t *text = json_object_get(c, "message");
		size_t n = json_string_length(text);
		char *copy = sl_malloc(n);
		struct sl_buf got = SL_BUF_INIT;
		struct sl_message *m;
		struct sl_err err;

		memcpy(copy, json_string_value(text), n);
		assert_int_equal(sl_message_from_memory(&m, copy, n, &err), 0);
		describe_from(&got, m);
		for (size_t k = 0; k < sizeof(spoofs) / sizeof(spoofs[0]); k++) {
			if (strcmp(spoofs[k].id, id) != 0)
				continue;
			seen++;
			if (strcmp(got.p, spoofs[k].from) != 0)
				fail_msg("%s: %s", id, got.p);
		}
		sl_buf_clear(&got);
		sl_message_unref(m);
	}
	assert_int_equal(seen, sizeof(spoofs) / sizeof(spoofs[0]));
	json_decref(j);
}

/* ---- domains --------------------------------------------------------- */

static const struct {
	const char *in, *out;	/* NULL: refused */
} domains[] = {
	{ "Example.ORG", "example.org" },
	{ "example.org.", "example.org" },
	{ "_dmarc.Example.org", "_dmarc.example.org" },
	{ "b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
	{ "B\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
	{ "xn--bcher-kva", "xn--bcher-kva" },
	{ "stra\xc3\x9f" "e.example", "xn--strae-oqa.example" },
	{ "1.2.3.4", "1.2.3.4" },
	{ "", NULL },
	{ ".", NULL },
	{ "..", NULL },
	{ "a..b", NULL },
	{ ".a", NULL },
	{ "a..", NULL },
	{ "a/b", NULL },
	{ "../a", NULL },
	{ "a b", NULL },
	{ "a\nb", NULL },
	{ "-a", NULL },
	{ "a@b", NULL },
	{ "[192.0.2.1]", NULL },
	{ "a\xe2\x80\x8b" "b.c", NULL },
	{ "a\xe3\x80\x82" "b", NULL },
	{ "a\xff", NULL },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b", NULL },
};

static void
domain_cases(void **state)
{
	struct sl_err err;
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(domains) / sizeof(domains[0]); i++) {
		int r = sl_domain_normalize(out, sl_str_of(domains[i].in), &err);

		if ((r == 0) != (domains[i].out != NULL) ||
		    (r == 0 && strcmp(out, domains[i].out) != 0))
			fail_msg("%s: %d %s", domains[i].in, r, out);
	}
	assert_int_equal(sl_domain_normalize(out, SL_STR("a\0b"), &err), SL_ERR_SYNTAX);
}

static void
domain_lengths(void **state)
{
	char name[600];
	struct sl_err err;
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = i % 2 == 0 ? 'a' : '.';
	assert_int_equal(sl_domain_normalize(out, (struct sl_str){ name, 253 }, &err), 0);
	assert_int_equal(sl_domain_normalize(out, (struct sl_str){ name, 255 }, &err), SL_ERR_SYNTAX);
	assert_int_equal(sl_domain_normalize(out, (struct sl_str){ name, 599 }, &err), SL_ERR_SYNTAX);
	for (size_t i = 0; i + 1 < sizeof(name); i += 2)
		memcpy(name + i, "\xc3\xbc", 2);
	assert_int_equal(sl_domain_normalize(out, (struct sl_str){ name, 600 }, &err), SL_ERR_SYNTAX);
}

static void
domain_within(void **state)
{
	(void)state;
	assert_true(sl_domain_is_within("a.b", "a.b"));
	assert_true(sl_domain_is_within("x.a.b", "a.b"));
	assert_false(sl_domain_is_within("xa.b", "a.b"));
	assert_false(sl_domain_is_within("b", "a.b"));
	assert_false(sl_domain_is_within("a.b", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(path_cases),
		cmocka_unit_test(path_nul),
		cmocka_unit_test(isemail_address),
		cmocka_unit_test(isemail_list),
		cmocka_unit_test(list_cases),
		cmocka_unit_test(list_limits),
		cmocka_unit_test(list_out_of_memory),
		cmocka_unit_test(mail_parser),
		cmocka_unit_test(espoofer),
		cmocka_unit_test(domain_cases),
		cmocka_unit_test(domain_lengths),
		cmocka_unit_test(domain_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
