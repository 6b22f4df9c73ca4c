/* Parts, parameters, transfer encodings; attacks A13. */
#include "mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sl_mime *
parse(struct sl_str text)
{
	char *copy = sl_malloc(text.n + 1);
	struct sl_message *m;
	struct sl_mime *mime;

	memcpy(copy, text.p, text.n);
	assert_int_equal(sl_message_from_memory(&m, copy, text.n, NULL), 0);
	assert_int_equal(sl_mime_new(&mime, m), 0);
	sl_message_unref(m);
	return mime;
}

/* ---- structure ----------------------------------------------------------- */

static const char *const words[SL_MIME_NDEFECTS] = {
	[SL_MIME_NO_BOUNDARY] = "no-boundary", [SL_MIME_LONG_BOUNDARY] = "long-boundary",
	[SL_MIME_SAME_BOUNDARY] = "same-boundary", [SL_MIME_NO_PARTS] = "no-parts",
	[SL_MIME_UNCLOSED] = "unclosed", [SL_MIME_NEAR_DELIMITER] = "near",
	[SL_MIME_HEADER_CUT] = "cut", [SL_MIME_HEADER_END] = "header-end",
	[SL_MIME_HEADER_SIZE] = "header-size", [SL_MIME_BARE_LF] = "bare-lf",
	[SL_MIME_BAD_TYPE] = "bad-type", [SL_MIME_BAD_PARAMETER] = "bad-parameter",
	[SL_MIME_TWO_TYPES] = "two-types", [SL_MIME_BAD_ENCODING] = "bad-encoding",
	[SL_MIME_ENCODED_TREE] = "encoded", [SL_MIME_TOO_DEEP] = "deep", [SL_MIME_TOO_MANY] = "many",
};

static void
put_text(struct sl_buf *out, const char *before, struct sl_str s)
{
	sl_buf_puts(out, before);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\r')
			continue;
		sl_buf_putc(out, s.p[i] == '\n' ? '~' : s.p[i]);
	}
}

/* "0 multipart/mixed unclosed<preamble>epilogue|1 text/plain=body|": line ends as "~". */
static void
describe(struct sl_buf *out, const struct sl_mime *m)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct sl_mime_part *p = &m->parts[i];

		sl_mime_id(m, i, out);
		put_text(out, " ", p->type);
		put_text(out, "/", p->subtype);
		for (int d = 0; d < SL_MIME_NDEFECTS; d++)
			if (p->defects & 1u << d)
				sl_buf_printf(out, " %s", words[d]);
		if (p->nparts == 0)
			put_text(out, "=", p->body);
		if (p->preamble.n > 0)
			put_text(out, "<", p->preamble);
		if (p->epilogue.n > 0)
			put_text(out, ">", p->epilogue);
		sl_buf_puts(out, "|");
	}
}

#define MIXED(b)	"Content-Type: multipart/mixed; boundary=" b "\r\n\r\n"
#define ENC(e)		"Content-Transfer-Encoding: " e "\r\n"

static const struct { const char *name, *text, *want; } trees[] = {
	{ "plain", "A: b\r\n\r\nHello\r\n", "0 text/plain=Hello~|" },
	{ "empty", "", "0 text/plain=|" },
	{ "a type", "Content-Type: Text/HTML; charset=utf-8\r\n\r\nx", "0 Text/HTML=x|" },
	{ "two parts", MIXED("b") "pre\r\n--b\r\n\r\none\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\ntwo\r\n--b--\r\nepi\r\n",
	    "0 multipart/mixed<pre>epi~|1 text/plain=one~|2 a/b=two|" },
	{ "no last delimiter", MIXED("b") "--b\r\n\r\none", "0 multipart/mixed unclosed|1 text/plain=one|" },
	{ "cut off behind a delimiter", MIXED("b") "--b\r\n\r\none\r\n--b\r\n",
	    "0 multipart/mixed unclosed|1 text/plain=one|" },
	{ "no delimiter", MIXED("b") "text\r\n--c\r\n", "0 multipart/mixed no-parts unclosed=text~--c~|" },
	{ "no boundary", "Content-Type: multipart/mixed\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
	    "0 multipart/mixed no-boundary no-parts=--b~~x~--b--~|" },
	{ "blanks behind delimiters", MIXED("b") "--b \t\r\n\r\none\r\n--b-- \r\n", "0 multipart/mixed|1 text/plain=one|" },
	{ "near delimiters", MIXED("b") "--b\r\n\r\none\r\n--bb\r\n--b--x\r\n--b--\r\n",
	    "0 multipart/mixed near|1 text/plain=one~--bb~--b--x|" },
	{ "A13 delimiter behind a bare LF", MIXED("b") "--b\r\n\r\none\n--b\n\nmore\r\n--b--\r\n",
	    "0 multipart/mixed|1 text/plain bare-lf=one~--b~~more|" },
	{ "nested", MIXED("b") "--b\r\n" MIXED("c") "--c\r\n\r\n1\r\n--c\r\n\r\n2\r\n--c--\r\n\r\n--b\r\n\r\n3\r\n--b--\r\n",
	    "0 multipart/mixed|1 multipart/mixed|1.1 text/plain=1|1.2 text/plain=2|2 text/plain=3|" },
	{ "the outer one ends the inner", MIXED("b") "--b\r\n" MIXED("c") "--c\r\n\r\n1\r\n--b\r\n\r\n2\r\n--c--\r\n--b--\r\n",
	    "0 multipart/mixed|1 multipart/mixed unclosed|1.1 text/plain=1|2 text/plain=2~--c--|" },
	{ "boundaries that begin alike", MIXED("b") "--b\r\n" MIXED("bc") "--bc\r\n\r\n1\r\n--bc--\r\n--b--\r\n",
	    "0 multipart/mixed|1 multipart/mixed|1.1 text/plain=1|" },
	{ "a boundary like a last delimiter", MIXED("a--") "--a--\r\n" MIXED("a----")
	    "--a----\r\n\r\n1\r\n--a------\r\n--a----\r\nepi", "0 multipart/mixed>epi|1 multipart/mixed|1.1 text/plain=1|" },
	{ "A13 the same boundary inside", MIXED("b") "--b\r\n" MIXED("b") "--b\r\n\r\n1\r\n--b--\r\n--b--\r\n",
	    "0 multipart/mixed|1 multipart/mixed same-boundary|1.1 text/plain=1|" },
	{ "a message", "Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\ninner", "0 message/rfc822|1 text/plain=inner|" },
	{ "a multipart in a message in a multipart", MIXED("b") "--b\r\nContent-Type: message/rfc822\r\n\r\n" MIXED("c")
	    "--c\r\n\r\n1\r\n--c--\r\n--b--\r\n",
	    "0 multipart/mixed|1 message/rfc822|1.1 multipart/mixed|1.1.1 text/plain=1|" },
	{ "digest", "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: s\r\n\r\nx\r\n--b--\r\n",
	    "0 multipart/digest|1 message/rfc822|1.1 text/plain=x|" },
	{ "an encoded message", "Content-Type: message/rfc822\r\n" ENC("base64") "\r\nQTogYg==",
	    "0 message/rfc822 encoded=QTogYg==|" },
	{ "an encoded multipart", ENC("quoted-printable") MIXED("b") "--b\r\n\r\nx\r\n--b--\r\n",
	    "0 multipart/mixed no-parts encoded=--b~~x~--b--~|" },
	{ "a header without end", MIXED("b") "--b\r\nA: b\r\n--b\r\ntext, no field\r\n--b--\r\n",
	    "0 multipart/mixed|1 text/plain cut=|2 text/plain header-end=text, no field|" },
	{ "no line between delimiters", MIXED("b") "--b\r\n--b\r\n\r\n--b--\r\n",
	    "0 multipart/mixed|1 text/plain cut=|2 text/plain=|" },
	{ "A13 two types", "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n",
	    "0 text/plain two-types=--b~|" },
	{ "no type", "Content-Type: text\r\n\r\nx", "0 text/plain bad-type=x|" },
	{ "unknown encoding", ENC("x-uuencode") "\r\nx", "0 text/plain bad-encoding=x|" },
	{ "boundary twice", "Content-Type: multipart/mixed; boundary=b; boundary=c\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n",
	    "0 multipart/mixed bad-parameter|1 text/plain=1|" },
	{ "A13 boundary in two forms", "Content-Type: multipart/mixed; boundary=b; boundary*0=c\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n",
	    "0 multipart/mixed bad-parameter|1 text/plain=1|" },
	{ "boundary in sections", "Content-Type: multipart/mixed; boundary*0=b; boundary*1=c\r\n\r\n--bc\r\n\r\n1\r\n--bc--\r\n",
	    "0 multipart/mixed|1 text/plain=1|" },
	{ "a type of comments", "Content-Type: (a(b\\)))multipart(c)/ mixed (d); (e) boundary = \"b\" (f\r\n\r\n--b\r\n\r\n1\r\n--b--\r\n",
	    "0 multipart/mixed|1 text/plain=1|" },
};

static void
structure(void **state)
{
	struct sl_buf got = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++) {
		struct sl_mime *m = parse(sl_str_of(trees[i].text));

		sl_buf_reset(&got);
		describe(&got, m);
		if (strcmp(got.p, trees[i].want) != 0)
			fail_msg("%s:\n%s", trees[i].name, got.p);
		sl_mime_free(m);
	}
	sl_buf_clear(&got);
}

static void
parts_have_names(void **state)
{
	struct sl_mime *m = parse(sl_str_of(trees[11].text));
	static const struct { const char *id; int want; } ids[] = { { "0", 0 }, { "1", 1 }, { "1.1", 2 },
	    { "1.2", 3 }, { "2", 4 }, { "3", -1 }, { "1.3", -1 }, { "2.1", -1 }, { "", -1 }, { ".", -1 },
	    { "1.", -1 }, { "0.1", -1 }, { "-1", -1 }, { "1..1", -1 }, { "x", -1 },
	    { "99999999999999999999", -1 }, { "18446744073709551615", -1 }, { "4294967297", -1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		if (sl_mime_find(m, sl_str_of(ids[i].id)) != ids[i].want)
			fail_msg("\"%s\"", ids[i].id);
	sl_mime_free(m);
}

/* ---- parameters ---------------------------------------------------------- */

static const struct { const char *value, *name, *want; } parameters[] = {
	{ "a/b; name=x", "NAME", "x" },
	{ "a/b; name=x", "other", NULL },
	{ "a/b; name=\"x;\\\"y\\\\ \"; z=1", "name", "x;\"y\\ " },
	{ "a/b; name=My File (copy).txt; z=1", "name", "My File" },
	{ "a/b; name=My File.txt ; z=1", "name", "My File.txt" },
	{ "a/b; name=x z=1", "z", "1" },
	{ "a/b; name=\"x\r\n y\"", "name", "x y" },
	{ "a/b; name=\"x", "name", "x" },
	{ "a/b; name=", "name", "" },
	{ "a/b; name==?utf-8?q?=C3=A4?=.txt", "name", "\xc3\xa4.txt" },
	{ "a/b; name*=utf-8'de'%C3%A4%2etxt", "name", "\xc3\xa4.txt" },
	{ "a/b; name*=iso-8859-1''%E4", "name", "\xc3\xa4" },
	{ "a/b; name*=x-none''%E4", "name", "\xe4" },
	{ "a/b; name*=utf-8''%E4", "name", "\xe4" },
	{ "a/b; name*=%41b", "name", "Ab" },
	{ "a/b; name*=utf-8''100%; name=x", "name", "100%" },
	{ "a/b; name*0=a; name*1=\"b c\"; name*2=d", "name", "ab cd" },
	{ "a/b; name*2=d; name*1=c; name*0=b", "name", "bcd" },
	{ "a/b; name*0*=iso-8859-1''%E4; name*1=%E4; name*2*=%E4", "name", "\xc3\xa4%E4\xc3\xa4" },
	{ "a/b; name*0=a; name*2=c", "name", "a" },
	{ "a/b; name*1=b", "name", NULL },
	{ "a/b; name*00=b", "name", NULL },
	{ "a/b; ;; =x; name=y", "name", "y" },
	{ "a/b; \"junk\"; name=y", "name", "y" },
};

static void
parameters_are_read(void **state)
{
	struct sl_buf got = SL_BUF_INIT;
	struct sl_params ps;

	(void)state;
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		const char *want = parameters[i].want;
		int r;

		sl_buf_reset(&got);
		sl_params_parse(&ps, sl_str_of(parameters[i].value));
		r = sl_param_get(&ps, sl_str_of(parameters[i].name), true, &got);
		if (r != (want != NULL ? 0 : SL_ERR_NOTFOUND) ||
		    (want != NULL && !sl_str_eq(sl_buf_str(&got), sl_str_of(want))))
			fail_msg("%s: %d \"%s\"", parameters[i].value, r, got.p);
	}
	sl_buf_clear(&got);
}

static void
file_names(void **state)
{
	static const struct { const char *head, *want; } cases[] = {
		{ "Content-Disposition: attachment; filename=a\r\nContent-Type: a/b; name=b\r\n", "a" },
		{ "Content-Type: a/b; name=\"b\"\r\n", "b" },
		{ "Content-Disposition: attachment\r\nContent-Type: a/b; name=b\r\n", "b" },
		{ "Content-Disposition: attachment; filename=a.txt; filename*=utf-8''b.exe\r\n", "b.exe" },
		{ "Content-Type: a/b\r\n", NULL },
	};
	struct sl_buf got = SL_BUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_mime *m = parse(sl_str_of(cases[i].head));
		int r;

		sl_buf_reset(&got);
		r = sl_mime_filename(&m->parts[0], &got);
		if (r != (cases[i].want != NULL ? 0 : SL_ERR_NOTFOUND) ||
		    (r == 0 && strcmp(got.p, cases[i].want) != 0))
			fail_msg("%s: %d", cases[i].head, r);
		sl_mime_free(m);
	}
	sl_buf_clear(&got);
}

/* ---- transfer encodings -------------------------------------------------- */

static const struct { const char *encoding, *text, *want; bool broken; } encoded[] = {
	{ "7bit", "a=3D", "a=3D", false },
	{ "BASE64 (comment)", "SGVs\r\nbG8=", "Hello", false },
	{ "base64", "SGVsbG8", "Hello", true },
	{ "base64", "SGVsbG8=\r\nSGVsbG8=", "HelloHello", true },
	{ "base64", "SGVs!bG8=", "Hello", true },
	{ "base64", "SGVsbG8=====", "Hello", false },
	{ "base64", "S", "", true },
	{ "base64", "====", "", true },
	{ "base64", "SGVsbG9=", "Hello", false },
	{ "base64", "", "", false },
	{ "quoted-printable", "a=3Db=3d=\r\nc = \r\nd  \t\r\ne \tf  ", "a=b=c d\r\ne \tf", false },
	{ "quoted-printable", "a=", "a", false },
	{ "quoted-printable", "a=XY=3", "a=XY=3", true },
	{ "quoted-printable", "a=\nb", "ab", false },
	{ "quoted-printable", "\xe4", "\xe4", false },
	{ "x-other", "a=3D", "a=3D", false },
};

/* The same, whatever the size of the pieces. */
static void
transfer_encodings(void **state)
{
	struct sl_buf got = SL_BUF_INIT;
	struct sl_transfer t;
	int r;

	(void)state;
	for (size_t i = 0; i < sizeof(encoded) / sizeof(encoded[0]); i++) {
		for (size_t max = 1; max < 20; max++) {
			sl_buf_reset(&got);
			sl_transfer_start(&t, sl_encoding_of(sl_str_of(encoded[i].encoding)),
			    sl_str_of(encoded[i].text));
			do {
				size_t before = got.n;

				r = sl_transfer_read(&t, &got, max);
				assert_true(got.n <= before + max + 4);
			} while (r > 0);
			assert_int_equal(r, 0);
			if (!sl_str_eq(sl_buf_str(&got), sl_str_of(encoded[i].want)) ||
			    t.broken != encoded[i].broken)
				fail_msg("\"%s\" by %zu: \"%s\"", encoded[i].text, max, got.p);
		}
	}
	sl_buf_clear(&got);
}

static void
what_we_encode_reads_back(void **state)
{
	static const char text[] = "Grüße = 1\r\nblank at the end \r\n\ttab\r\n.\r\nNUL:\0 bare\rCR "
	    "and a line that is much longer than the seventy-six columns that RFC 2045 allows for one";
	struct sl_str in = SL_STR(text);
	int (*const writers[])(struct sl_buf *, struct sl_str) = { sl_transfer_qp, sl_transfer_base64 };

	(void)state;
	for (int k = 0; k < 2; k++) {
		struct sl_buf out = SL_BUF_INIT, back = SL_BUF_INIT;
		struct sl_str rest, line;
		struct sl_transfer t;

		assert_int_equal(writers[k](&out, in), 0);
		for (rest = sl_buf_str(&out); sl_str_split(&rest, '\n', &line);)
			assert_true(line.n <= 77);
		sl_transfer_start(&t, k == 0 ? SL_ENCODING_QP : SL_ENCODING_BASE64, sl_buf_str(&out));
		assert_int_equal(sl_transfer_read(&t, &back, SIZE_MAX / 2), 0);
		assert_true(sl_str_eq(sl_buf_str(&back), in) && !t.broken);
		sl_buf_clear(&out);
		sl_buf_clear(&back);
	}
}

/* ---- A13: what is meant to be expensive ---------------------------------- */

static void
repeat(struct sl_buf *out, const char *unit, size_t times)
{
	while (times-- > 0)
		sl_buf_puts(out, unit);
}

static struct sl_mime *
parse_buf(struct sl_buf *text)
{
	struct sl_mime *m = parse(sl_buf_str(text));

	sl_buf_clear(text);
	return m;
}

static bool
has(const struct sl_mime *m, enum sl_mime_defect d)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->parts[i].defects & 1u << d)
			return true;
	return false;
}

static void
a13_nesting(void **state)
{
	struct sl_buf b = SL_BUF_INIT;
	struct sl_mime *m;

	(void)state;
	repeat(&b, "Content-Type: message/rfc822\r\n\r\n", 300000);
	m = parse_buf(&b);
	assert_int_equal(m->n, SL_MIME_MAX_DEPTH);
	assert_true(has(m, SL_MIME_TOO_DEEP));
	sl_mime_free(m);
	b = SL_BUF_INIT;
	for (int i = 0; i < 50000; i++)
		sl_buf_printf(&b, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	m = parse_buf(&b);
	assert_int_equal(m->n, SL_MIME_MAX_DEPTH);
	assert_true(has(m, SL_MIME_TOO_DEEP) && has(m, SL_MIME_UNCLOSED));
	sl_mime_free(m);
}

static void
a13_many_parts(void **state)
{
	struct sl_buf b = SL_BUF_INIT;
	struct sl_mime *m;

	(void)state;
	sl_buf_puts(&b, MIXED("b"));
	repeat(&b, "--b\r\n\r\n", 500000);
	m = parse_buf(&b);
	assert_int_equal(m->n, SL_MIME_MAX_PARTS);
	assert_true(m->parts[0].defects & 1u << SL_MIME_TOO_MANY);
	assert_int_equal(sl_mime_find(m, SL_STR("999")), 999);
	sl_mime_free(m);
}

/* As many levels as may be, boundaries that differ in their last byte, and lines that nearly match all. */
static void
a13_lines_like_delimiters(void **state)
{
	struct sl_buf b = SL_BUF_INIT;
	char same[SL_MIME_MAX_BOUNDARY];
	struct sl_mime *m;

	(void)state;
	memset(same, 'x', sizeof(same));
	for (int i = 0; i < SL_MIME_MAX_DEPTH; i++)
		sl_buf_printf(&b, "Content-Type: multipart/mixed; boundary=%.190s%c\r\n\r\n--%.190s%c\r\n", same,
		    'A' + i, same, 'A' + i);
	sl_buf_puts(&b, "\r\n");
	for (int i = 0; i < 50000; i++)
		sl_buf_printf(&b, "--%.190s%c\r\n", same, '0');
	m = parse_buf(&b);
	assert_int_equal(m->n, SL_MIME_MAX_DEPTH);
	sl_mime_free(m);
}

static void
a13_fields(void **state)
{
	struct sl_buf b = SL_BUF_INIT, value = SL_BUF_INIT;
	struct sl_params ps;

	(void)state;
	repeat(&b, "(", 1000000);
	sl_params_parse(&ps, sl_buf_str(&b));
	assert_int_equal(ps.type.n, 0);
	sl_buf_reset(&b);
	sl_buf_puts(&b, "a/b");
	repeat(&b, ";(", 500000);
	sl_params_parse(&ps, sl_buf_str(&b));
	assert_int_equal(ps.n, 0);
	sl_buf_reset(&b);
	sl_buf_puts(&b, "a/b; name=");
	repeat(&b, "x ", 500000);
	sl_params_parse(&ps, sl_buf_str(&b));
	assert_int_equal(ps.param[0].value.n, 999999);
	/* Continuations: those that fit, once each. */
	sl_buf_reset(&b);
	sl_buf_puts(&b, "a/b");
	for (int i = 0; i < 100000; i++)
		sl_buf_printf(&b, "; name*%d*=utf-8''%%41", i);
	sl_params_parse(&ps, sl_buf_str(&b));
	assert_true(ps.many && ps.n == SL_MAX_PARAMS);
	assert_int_equal(sl_param_get(&ps, SL_STR("name"), true, &value), 0);
	assert_true(value.n > SL_MAX_PARAMS && value.n < 10 * SL_MAX_PARAMS);
	sl_buf_clear(&b);
	sl_buf_clear(&value);
}

static void
a13_transfer_encodings(void **state)
{
	struct sl_buf b = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_transfer t;

	(void)state;
	repeat(&b, " ", 4000000);
	sl_buf_putc(&b, 'x');
	sl_transfer_start(&t, SL_ENCODING_QP, sl_buf_str(&b));
	while (sl_transfer_read(&t, &out, 64) > 0)
		sl_buf_reset(&out);
	sl_buf_reset(&b);
	repeat(&b, "=", 4000000);
	sl_transfer_start(&t, SL_ENCODING_BASE64, sl_buf_str(&b));
	sl_buf_reset(&out);
	assert_int_equal(sl_transfer_read(&t, &out, 64), 0);
	assert_true(t.broken && out.n == 0);
	sl_buf_clear(&b);
	sl_buf_clear(&out);
}

static void
without_memory(void **state)
{
	struct sl_message *m;
	struct sl_mime *mime;
	unsigned long n = 0;
	int r;

	(void)state;
	assert_int_equal(sl_message_from_memory(&m, sl_strdup(trees[11].text), strlen(trees[11].text), NULL), 0);
	do {
		sl_alloc_fail_at(++n, 1);
		r = sl_mime_new(&mime, m);
		sl_alloc_fail_at(0, 0);
		assert_true(r == 0 || (r == SL_ERR_NOMEM && mime == NULL));
	} while (r != 0);
	assert_true(n > 3);
	sl_mime_free(mime);
	sl_message_unref(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure),
		cmocka_unit_test(parts_have_names),
		cmocka_unit_test(parameters_are_read),
		cmocka_unit_test(file_names),
		cmocka_unit_test(transfer_encodings),
		cmocka_unit_test(what_we_encode_reads_back),
		cmocka_unit_test(a13_nesting),
		cmocka_unit_test(a13_many_parts),
		cmocka_unit_test(a13_lines_like_delimiters),
		cmocka_unit_test(a13_fields),
		cmocka_unit_test(a13_transfer_encodings),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
