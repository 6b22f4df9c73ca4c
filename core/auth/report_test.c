/* Aggregate reports: what is read, what is refused (A31), what several add up to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "report.h"

#define RECORD(ip, count, dkim, spf, more, results) \
	"<record><row><source_ip>" ip "</source_ip><count>" count "</count><policy_evaluated>" \
	"<disposition>none</disposition><dkim>" dkim "</dkim><spf>" spf "</spf>" more \
	"</policy_evaluated></row><identifiers><header_from>example.com</header_from></identifiers>" \
	"<auth_results>" results "</auth_results></record>"
#define DKIM(domain, result) "<dkim><domain>" domain "</domain><selector>S</selector>" \
	"<result>" result "</result></dkim>"
#define SPF(domain, result) "<spf><domain>" domain "</domain><result>" result "</result></spf>"
#define HEAD "<report_metadata><org_name> Receiver </org_name><email>r@example.net</email>" \
	"<report_id>1</report_id><date_range><begin>100</begin><end>200.5</end></date_range>" \
	"</report_metadata><policy_published><domain>Example.COM</domain><p>none</p></policy_published>"
#define REPORT(records) "<feedback>" HEAD records "</feedback>"

static struct sl_report *
parse(const char *xml)
{
	struct sl_report *r;
	struct sl_err err = { 0 };

	if (sl_report_parse(&r, sl_str_of(xml), &err) != 0)
		fail_msg("%s", err.text);
	return r;
}

static void
test_values(void **state)
{
	struct sl_report *r = parse(REPORT("<extra><record/></extra>" RECORD("192.0.2.1", " 3 ", "PASS",
	    "fail", "<reason><type>other</type><comment>a &lt; b</comment></reason>",
	    DKIM("example.com", "pass") DKIM("example.net", "fail") SPF("example.org", "none"))));
	const struct sl_report_record *one = r->records;

	(void)state;
	assert_string_equal(r->org_name, "Receiver");
	assert_string_equal(r->domain, "example.com");
	assert_string_equal(r->np, "");
	assert_int_equal(r->begin, 100);
	assert_int_equal(r->end, 200);
	assert_int_equal(r->nrecords, 1);
	assert_int_equal(one->count, 3);
	assert_string_equal(one->dkim, "pass");
	assert_string_equal(one->envelope_to, "");
	assert_int_equal(one->ndkim, 2);
	assert_string_equal(one->dkim_results[1].domain, "example.net");
	assert_string_equal(one->dkim_results[0].selector, "S");
	assert_int_equal(one->nspf, 1);
	assert_string_equal(one->spf_results[0].result, "none");
	assert_string_equal(one->reasons[0].comment, "a < b");
	sl_report_free(r);
}

/* Namespaces by a prefix; a leaf's text ends where another element begins. */
static void
test_forms(void **state)
{
	struct sl_report *r = parse("<d:feedback xmlns:d='urn:ietf:params:xml:ns:dmarc-2.0'>"
	    "<d:policy_published><d:domain>example.com</d:domain><d:testing>y</d:testing>"
	    "</d:policy_published><d:record><d:row><d:count>9<x/>1</d:count></d:row></d:record>"
	    "</d:feedback>");

	(void)state;
	assert_string_equal(r->testing, "y");
	assert_int_equal(r->records[0].count, 1);
	assert_string_equal(r->records[0].source_ip, "");
	sl_report_free(r);
}

static const struct {
	const char *xml;
	int code;
	const char *why;
} refused[] = {
	{ "", SL_ERR_SYNTAX, "no element" },
	{ "<feedback>", SL_ERR_SYNTAX, "no element" },
	{ "<feedback/>", SL_ERR_SYNTAX, "for which domain" },
	{ "<html/>", SL_ERR_SYNTAX, "root" },
	{ "<feedback></feedback2>", SL_ERR_SYNTAX, "mismatched" },
	{ REPORT("<record><row><count>-1</count></row></record>"), SL_ERR_SYNTAX, "count" },
	{ REPORT("<record><row><count>x</count></row></record>"), SL_ERR_SYNTAX, "count" },
	{ REPORT("<record><row><count>99999999999999999999</count></row></record>"), SL_ERR_SYNTAX, "count" },
	{ REPORT("<record><row><count>1000000000001</count></row></record>"), SL_ERR_SYNTAX, "count" },
	/* Entities: of one level, of many, from a file, from parameters. */
	{ "<!DOCTYPE f [<!ENTITY a 'x'>]><feedback>&a;</feedback>", SL_ERR_SYNTAX, "document type" },
	{ "<!DOCTYPE f [<!ENTITY a 'xx'><!ENTITY b '&a;&a;'><!ENTITY c '&b;&b;'>]><feedback>&c;</feedback>",
	    SL_ERR_SYNTAX, "document type" },
	{ "<!DOCTYPE f [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><feedback>&a;</feedback>", SL_ERR_SYNTAX,
	    "document type" },
	{ "<!DOCTYPE f SYSTEM 'http://example.com/d.dtd'><feedback/>", SL_ERR_SYNTAX, "document type" },
	{ "<!DOCTYPE f [<!ENTITY % a SYSTEM 'x'> %a;]><feedback/>", SL_ERR_SYNTAX, "document type" },
	{ "<feedback>&undeclared;</feedback>", SL_ERR_SYNTAX, "entity" },
	{ "<?xml version='1.0' encoding='x-unknown'?><feedback/>", SL_ERR_SYNTAX, "encoding" },
};

static void
test_a31_refused(void **state)
{
	struct sl_report *r;
	struct sl_err err;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		int rc = sl_report_parse(&r, sl_str_of(refused[i].xml), &err);

		if (rc != refused[i].code || strstr(err.text, refused[i].why) == NULL)
			fail_msg("%s: %d %s", refused[i].xml, rc, err.text);
		assert_null(r);
	}
}

static void
repeat(struct sl_buf *b, const char *text, size_t n)
{
	while (n-- > 0)
		sl_buf_puts(b, text);
}

static int
parse_code(struct sl_buf *xml)
{
	struct sl_report *r;
	int rc = sl_report_parse(&r, sl_buf_str(xml), NULL);

	sl_report_free(r);
	sl_buf_clear(xml);
	return rc;
}

static void
test_a31_caps(void **state)
{
	struct sl_buf xml = SL_BUF_INIT;

	(void)state;
	sl_buf_puts(&xml, "<feedback>" HEAD);
	repeat(&xml, "<a>", 100000);
	assert_int_equal(parse_code(&xml), SL_ERR_LIMIT);

	sl_buf_puts(&xml, "<feedback>" HEAD);
	repeat(&xml, "<record/>", SL_REPORT_MAX_RECORDS);
	sl_buf_puts(&xml, "</feedback>");
	assert_int_equal(parse_code(&xml), 0);

	sl_buf_puts(&xml, "<feedback>" HEAD);
	repeat(&xml, "<record/>", SL_REPORT_MAX_RECORDS + 1);
	sl_buf_puts(&xml, "</feedback>");
	assert_int_equal(parse_code(&xml), SL_ERR_LIMIT);

	/* 10^5 results in one record: the first ones stay. */
	sl_buf_puts(&xml, "<feedback>" HEAD "<record><auth_results>");
	repeat(&xml, DKIM("example.com", "pass"), 100000);
	sl_buf_puts(&xml, "</auth_results></record></feedback>");
	assert_int_equal(parse_code(&xml), 0);
}

static void
test_long_texts_are_cut(void **state)
{
	struct sl_buf xml = SL_BUF_INIT;
	struct sl_report *r;

	(void)state;
	sl_buf_puts(&xml, "<feedback><policy_published><domain>a</domain></policy_published><version>");
	repeat(&xml, "0123456789", 1000);
	sl_buf_puts(&xml, "</version></feedback>");
	r = parse(xml.p);
	assert_int_equal(strlen(r->version), SL_REPORT_MAX_TEXT);
	sl_report_free(r);
	sl_buf_clear(&xml);
}

/* ---- files ------------------------------------------------------------------------ */

/* window: 31 gzip, -15 raw. */
static void
deflate_into(struct sl_buf *out, struct sl_str in, int window)
{
	z_stream z = { .next_in = (Bytef *)in.p, .avail_in = (uInt)in.n };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
	sl_buf_reserve(out, deflateBound(&z, in.n));
	z.next_out = (Bytef *)out->p + out->n;
	z.avail_out = (uInt)(out->cap - out->n);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out->n = (size_t)((char *)z.next_out - out->p);
	deflateEnd(&z);
}

static void
put_number(struct sl_buf *b, uint32_t v, unsigned bytes)
{
	while (bytes-- > 0) {
		sl_buf_putc(b, (char)v);
		v >>= 8;
	}
}

struct zip_file {
	const char *name;
	struct sl_str content;
	unsigned method, flags;
	uint32_t crc_off, size_off;	/* added to what is right */
};

static void
put_sizes(struct sl_buf *b, const struct zip_file *f, size_t packed)
{
	put_number(b, (uint32_t)crc32(0, (const Bytef *)f->content.p, (uInt)f->content.n) + f->crc_off, 4);
	put_number(b, (uint32_t)packed, 4);
	put_number(b, (uint32_t)f->content.n + f->size_off, 4);
	put_number(b, (uint32_t)strlen(f->name), 2);
}

/* PKWARE's APPNOTE 4.3. */
static void
zip(struct sl_buf *out, const struct zip_file *files, unsigned n)
{
	struct sl_buf dir = SL_BUF_INIT;
	uint32_t at;

	for (unsigned i = 0; i < n; i++) {
		struct sl_buf packed = SL_BUF_INIT;

		if (files[i].method == 8)
			deflate_into(&packed, files[i].content, -15);
		else
			sl_buf_putstr(&packed, files[i].content);
		at = (uint32_t)out->n;
		sl_buf_puts(out, "PK\3\4");
		put_number(out, 20, 2);
		put_number(out, files[i].flags, 2);
		put_number(out, files[i].method, 2);
		put_number(out, 0, 4);
		put_sizes(out, &files[i], packed.n);
		put_number(out, 0, 2);
		sl_buf_puts(out, files[i].name);
		sl_buf_putstr(out, sl_buf_str(&packed));
		sl_buf_puts(&dir, "PK\1\2");
		put_number(&dir, 20, 2);
		put_number(&dir, 20, 2);
		put_number(&dir, files[i].flags, 2);
		put_number(&dir, files[i].method, 2);
		put_number(&dir, 0, 4);
		put_sizes(&dir, &files[i], packed.n);
		put_number(&dir, 0, 4);
		put_number(&dir, 0, 4);
		put_number(&dir, 0, 4);
		put_number(&dir, at, 4);
		sl_buf_puts(&dir, files[i].name);
		sl_buf_clear(&packed);
	}
	at = (uint32_t)out->n;
	sl_buf_putstr(out, sl_buf_str(&dir));
	sl_buf_puts(out, "PK\5\6");
	put_number(out, 0, 4);
	put_number(out, n, 2);
	put_number(out, n, 2);
	put_number(out, (uint32_t)dir.n, 4);
	put_number(out, at, 4);
	put_number(out, 0, 2);
	sl_buf_clear(&dir);
}

/* The code, and with 0 whether it is 'want'. Clears the file. */
static int
unpack(struct sl_buf *file, const char *want)
{
	struct sl_buf memory;
	struct sl_str xml;
	int rc = sl_report_unpack(&xml, &memory, sl_buf_str(file), NULL);

	if (rc == 0 && want != NULL)
		assert_true(sl_str_eq(xml, sl_str_of(want)));
	sl_buf_clear(&memory);
	sl_buf_clear(file);
	return rc;
}

#define XML "<feedback>text text text text text</feedback>"

static void
test_gzip(void **state)
{
	struct sl_buf f = SL_BUF_INIT;
	size_t n;

	(void)state;
	deflate_into(&f, SL_STR(XML), 31);
	assert_int_equal(unpack(&f, XML), 0);
	/* Members one after another, and what isn't one behind them. */
	deflate_into(&f, SL_STR("<feedback>text text "), 31);
	deflate_into(&f, SL_STR("text text text</feedback>"), 31);
	sl_buf_puts(&f, "\n");
	assert_int_equal(unpack(&f, XML), 0);
	/* Cut anywhere. */
	deflate_into(&f, SL_STR(XML), 31);
	for (n = 2; n < f.n; n++) {
		struct sl_buf cut = SL_BUF_INIT;

		sl_buf_put(&cut, f.p, n);
		assert_int_equal(unpack(&cut, NULL), SL_ERR_CORRUPT);
	}
	f.p[f.n - 5] ^= 1;
	assert_int_equal(unpack(&f, NULL), SL_ERR_CORRUPT);
	deflate_into(&f, SL_STR("no xml"), 31);
	assert_int_equal(unpack(&f, NULL), SL_ERR_SYNTAX);
}

static void
test_zip(void **state)
{
	struct sl_buf f = SL_BUF_INIT;
	const struct zip_file stored = { .name = "r.xml", .content = SL_STR(XML) },
	    deflated = { .name = "r.xml", .content = SL_STR(XML), .method = 8 },
	    odd[] = {
		{ .name = "r.xml", .content = SL_STR(XML), .method = 8, .flags = 1 },
		{ .name = "r.xml", .content = SL_STR(XML), .method = 12 },
		{ .name = "r.xml", .content = SL_STR(XML), .method = 8, .crc_off = 1 },
		{ .name = "r.xml", .content = SL_STR(XML), .method = 8, .size_off = 1 },
		{ .name = "r.xml", .content = SL_STR(XML), .size_off = 0xffffff },
		{ .name = "r/", .content = SL_STR("") },
	    },
	    with_folder[] = { odd[5], deflated, { .name = "__MACOSX/._r.xml", .content = SL_STR("x") } },
	    two[] = { stored, stored };
	struct zip_file many[101];
	size_t i, n;

	(void)state;
	zip(&f, &stored, 1);
	assert_int_equal(unpack(&f, XML), 0);
	zip(&f, &deflated, 1);
	assert_int_equal(unpack(&f, XML), 0);
	zip(&f, with_folder, 3);
	assert_int_equal(unpack(&f, XML), 0);
	zip(&f, two, 2);
	assert_int_equal(unpack(&f, NULL), SL_ERR_SYNTAX);
	for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		zip(&f, &odd[i], 1);
		assert_int_equal(unpack(&f, NULL), i == 2 || i == 3 || i == 4 ? SL_ERR_CORRUPT : SL_ERR_SYNTAX);
	}
	for (i = 0; i < 101; i++)
		many[i] = stored;
	zip(&f, many, 101);
	assert_int_equal(unpack(&f, NULL), SL_ERR_LIMIT);
	/* Cut anywhere. */
	zip(&f, &deflated, 1);
	for (n = 4; n < f.n; n++) {
		struct sl_buf cut = SL_BUF_INIT;

		sl_buf_put(&cut, f.p, n);
		assert_int_equal(unpack(&cut, NULL), SL_ERR_CORRUPT);
	}
	sl_buf_clear(&f);
}

/* One MB that unpacks to more than a report may have, in either form, alone and in a mail. */
static void
test_a31_bombs(void **state)
{
	struct sl_buf zeros = SL_BUF_INIT, f = SL_BUF_INIT, mail = SL_BUF_INIT;
	struct zip_file bomb = { .name = "r.xml", .method = 8 };

	(void)state;
	sl_buf_reserve(&zeros, SL_REPORT_MAX_XML + 1);
	memset(zeros.p, ' ', SL_REPORT_MAX_XML + 1);
	zeros.n = SL_REPORT_MAX_XML + 1;
	deflate_into(&f, sl_buf_str(&zeros), 31);
	assert_true(f.n < 1024 * 1024);
	sl_buf_puts(&mail, "Content-Type: application/gzip\nContent-Transfer-Encoding: base64\n\n");
	sl_base64_encode(&mail, sl_buf_str(&f));
	assert_int_equal(unpack(&f, NULL), SL_ERR_LIMIT);
	assert_int_equal(unpack(&mail, NULL), SL_ERR_LIMIT);
	/* A zip that says it is small. */
	bomb.content = sl_buf_str(&zeros);
	bomb.size_off = 10 - (uint32_t)zeros.n;
	zip(&f, &bomb, 1);
	assert_int_equal(unpack(&f, NULL), SL_ERR_LIMIT);
	/* Many members that are small each. */
	deflate_into(&f, sl_str_sub(sl_buf_str(&zeros), 0, 8 * 1024 * 1024), 31);
	for (int i = 0; i < 4; i++)
		sl_buf_put(&f, f.p, f.n);
	assert_int_equal(unpack(&f, NULL), SL_ERR_LIMIT);
	sl_buf_clear(&zeros);
}

static const struct {
	const char *mail;
	int code;
} mails[] = {
	{ "From: a@example.net\nContent-Type: text/xml\n\n" XML, 0 },
	{ "Content-Type: multipart/mixed; x=y; BOUNDARY=\"a;b\"\r\n\r\nnone\r\n--a;b\r\n\r\ntext\r\n--a;b\r\n"
	  "Content-Type: text/html\r\n\r\n<html/>\r\n--a;b\r\nContent-Type:\r\n application/xml\r\n\r\n" XML
	  "--a;b--\r\n", SL_ERR_SYNTAX },	/* the delimiter isn't at a line's start: one long text */
	{ "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/x; boundary=c\n\n--c\n"
	  "content-transfer-encoding: BASE64\n\nPGZlZWRiYWNrPnRleHQgdGV4dCB0ZXh0IHRleH\nQgdGV4dDwvZmVlZGJhY2s+\n"
	  "--c--\n--b--\n", 0 },
	{ "Content-Type: message/rfc822\n\nSubject: x\n\n" XML, 0 },
	{ "Subject: x\n\ntext", SL_ERR_SYNTAX },
	{ "Content-Type: multipart/mixed; boundary=\n\n" XML, SL_ERR_SYNTAX },
	{ "no mail\n\n" XML, SL_ERR_SYNTAX },
	{ "", SL_ERR_SYNTAX },
};

static void
test_mail(void **state)
{
	struct sl_buf f = SL_BUF_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(mails) / sizeof(mails[0]); i++) {
		sl_buf_puts(&f, mails[i].mail);
		if (i == 1) {
			struct sl_buf memory;
			struct sl_str xml;

			assert_int_equal(sl_report_unpack(&xml, &memory, sl_buf_str(&f), NULL), 0);
			assert_true(sl_str_starts(xml, SL_STR(XML)));
			sl_buf_clear(&memory);
			sl_buf_clear(&f);
		} else {
			assert_int_equal(unpack(&f, XML), mails[i].code);
		}
	}
	/* Parts in parts, and many of them. */
	repeat(&f, "Content-Type: message/rfc822\n\n", 1000);
	assert_int_equal(unpack(&f, NULL), SL_ERR_LIMIT);
	sl_buf_puts(&f, "Content-Type: multipart/mixed; boundary=b\n\n");
	repeat(&f, "--b\n\nx\n", 1000);
	assert_int_equal(unpack(&f, NULL), SL_ERR_LIMIT);
}

/* ---- together --------------------------------------------------------------------- */

static const struct sl_report_domain *
sum_of(struct sl_report_sum *sum, const char *const *xml)
{
	const char *const *first = xml;

	for (; *xml != NULL; xml++) {
		struct sl_report *r = parse(*xml);
		bool same;

		assert_int_equal(sl_report_sum_add(sum, r, &same), 0);
		assert_int_equal(same, xml != first);
		assert_int_equal(sl_report_sum_add(sum, r, &same), SL_ERR_EXISTS);
		assert_true(same);
		sl_report_free(r);
	}
	assert_int_equal(sl_report_sum_finish(sum), 0);
	assert_int_equal(sl_report_sum_count(sum), 1);
	return sl_report_sum_at(sum, 0);
}

static const struct {
	const char *records, *cause, *name, *harm;
} causes[] = {
	{ RECORD("192.0.2.1", "2", "fail", "fail", "", SPF("example.com", "fail")), "unknown", "", "no" },
	{ RECORD("192.0.2.1", "2", "fail", "fail", "", DKIM("esp.example", "pass") SPF("x.example", "pass")),
	    "other", "esp.example", "maybe" },
	{ RECORD("192.0.2.1", "2", "fail", "fail", "", DKIM("esp.example", "fail") SPF("x.example", "pass")),
	    "other", "x.example", "maybe" },
	{ RECORD("192.0.2.1", "2", "fail", "fail", "", DKIM("example.com", "fail") SPF("x.example", "pass")),
	    "forwarded", "x.example", "yes" },
	{ RECORD("192.0.2.1", "2", "fail", "fail", "", DKIM("m.example.com", "permerror")),
	    "forwarded", "", "yes" },
	{ RECORD("192.0.2.1", "2", "fail", "fail", "<reason><type>mailing_list</type></reason>", ""),
	    "forwarded", "", "yes" },
	{ RECORD("192.0.2.1", "2", "fail", "fail", "", "") RECORD("192.0.2.1", "5", "pass", "fail", "",
	    DKIM("example.com", "pass")), "partly", "", "yes" },
	/* Nothing was sent, so nothing is harmed. */
	{ RECORD("192.0.2.1", "0", "fail", "fail", "", DKIM("example.com", "fail")), "forwarded", "", "no" },
};

static void
test_causes(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		struct sl_report_sum *sum = sl_report_sum_new();
		const char *xml[] = { NULL, NULL };
		const struct sl_report_domain *d;
		struct sl_buf text = SL_BUF_INIT;

		sl_buf_printf(&text, "<feedback>" HEAD "%s</feedback>", causes[i].records);
		xml[0] = text.p;
		d = sum_of(sum, xml);
		assert_int_equal(d->nfailures, 1);
		assert_string_equal(sl_report_cause_word(d->failures[0].cause), causes[i].cause);
		assert_string_equal(d->failures[0].name, causes[i].name);
		assert_string_equal(sl_report_harm_word(d->harm), causes[i].harm);
		sl_buf_clear(&text);
		sl_report_sum_free(sum);
	}
}

static void
test_sums(void **state)
{
	struct sl_report_sum *sum = sl_report_sum_new();
	const char *xml[] = {
		REPORT(RECORD("192.0.2.1", "2", "fail", "pass", "", SPF("example.com", "pass"))
		    RECORD("192.0.2.2", "7", "fail", "fail", "", "")),
		REPORT(RECORD("192.0.2.1", "8", "pass", "pass", "", DKIM("example.com", "pass"))
		    RECORD("192.0.2.3", "1", "fail", "fail", "", "")), NULL };
	const struct sl_report_domain *d = sum_of(sum, xml);

	(void)state;
	assert_int_equal(d->reports, 2);
	assert_int_equal(d->messages, 18);
	assert_int_equal(d->pass, 10);
	assert_int_equal(d->dkim, 8);
	assert_int_equal(d->spf, 10);
	assert_string_equal(d->p, "none");
	assert_int_equal(d->nsources, 3);
	assert_string_equal(d->sources[0]->ip, "192.0.2.1");
	assert_int_equal(d->sources[0]->messages, 10);
	assert_string_equal(d->sources[0]->name, "example.com");
	assert_int_equal(d->nfailures, 1);
	assert_int_equal(d->failures[0].messages, 8);
	assert_int_equal(d->failures[0].sources, 2);
	assert_string_equal(d->failures[0].examples[0], "192.0.2.2");
	assert_null(d->failures[0].examples[2]);
	sl_report_sum_free(sum);
}

/* Every allocation fails once: an error or the result, never half of it. */
static void
test_out_of_memory(void **state)
{
	const char *xml = REPORT(RECORD("192.0.2.1", "2", "fail", "fail", "", DKIM("example.com", "fail"))
	    RECORD("192.0.2.2", "2", "fail", "fail", "", DKIM("example.net", "pass")));
	unsigned long n;
	bool done = false;

	(void)state;
	for (n = 1; !done; n++) {
		struct sl_report *r = NULL;
		struct sl_report_sum *sum = NULL;
		bool same;

		sl_alloc_fail_at(n, 0);
		done = sl_report_parse(&r, sl_str_of(xml), NULL) == 0 &&
		    (sum = sl_report_sum_new()) != NULL && sl_report_sum_add(sum, r, &same) == 0 &&
		    sl_report_sum_finish(sum) == 0 && sl_report_sum_at(sum, 0)->nfailures == 2;
		sl_alloc_fail_at(0, 0);
		sl_report_sum_free(sum);
		sl_report_free(r);
	}
	assert_true(n > 20);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values), cmocka_unit_test(test_forms),
		cmocka_unit_test(test_a31_refused), cmocka_unit_test(test_a31_caps),
		cmocka_unit_test(test_long_texts_are_cut), cmocka_unit_test(test_gzip),
		cmocka_unit_test(test_zip), cmocka_unit_test(test_a31_bombs), cmocka_unit_test(test_mail),
		cmocka_unit_test(test_causes), cmocka_unit_test(test_sums),
		cmocka_unit_test(test_out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
