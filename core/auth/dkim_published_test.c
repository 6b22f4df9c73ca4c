/* A key and what DNS says of it (A19, A25); text that was pasted; findings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "dkim_published.h"

static struct sl_key *rsa, *other, *ed;
static struct sl_buf rsa_record, other_record, ed_record;

static struct sl_key *
new_key(enum sl_key_type type, struct sl_buf *record)
{
	struct sl_buf pem = SL_BUF_INIT;
	struct sl_key *key;

	assert_int_equal(sl_key_generate(&pem, type, 2048, NULL), 0);
	assert_int_equal(sl_key_parse(&key, sl_buf_str(&pem), NULL), 0);
	assert_int_equal(sl_key_type(key), type);
	assert_int_equal(sl_dkim_record(record, key), 0);
	sl_buf_clear(&pem);
	return key;
}

static int
make_keys(void **state)
{
	(void)state;
	rsa = new_key(SL_KEY_RSA, &rsa_record);
	other = new_key(SL_KEY_RSA, &other_record);
	ed = new_key(SL_KEY_ED25519, &ed_record);
	return 0;
}

static int
drop_keys(void **state)
{
	(void)state;
	sl_key_unref(rsa);
	sl_key_unref(other);
	sl_key_unref(ed);
	sl_buf_clear(&rsa_record);
	sl_buf_clear(&other_record);
	sl_buf_clear(&ed_record);
	return 0;
}

/* "%r" "%o" "%e" are the p= of the keys. */
static void
put_record(struct sl_buf *out, struct sl_str text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i] == '%' && i + 1 < text.n ? text.p[++i] : '\0';

		if (c == '\0')
			sl_buf_putc(out, text.p[i]);
		else
			sl_buf_puts(out, strstr(c == 'r' ? rsa_record.p : c == 'o' ? other_record.p :
			    ed_record.p, "p=") + 2);
	}
}

/* Records are parted by "|". */
static struct sl_dns_answer *
answer_of(enum sl_dns_status status, const char *text)
{
	struct sl_dns_answer *a = sl_dns_answer_empty(status);
	struct sl_str rest = sl_str_of(text), one;

	a->records = sl_calloc(8, sizeof(*a->records));
	while (status == SL_DNS_OK && a->n < 8 && sl_str_split(&rest, '|', &one)) {
		struct sl_buf record = SL_BUF_INIT;

		put_record(&record, one);
		a->records[a->n].data.n = record.n;
		a->records[a->n++].data.p = sl_buf_take(&record, NULL);
	}
	return a;
}

static const struct {
	const char *name, *text;
	enum sl_dns_status status;
	enum sl_dkim_published rsa, ed;		/* for the two private keys */
	unsigned problems;			/* said about the RSA key */
} cases[] = {
	{ "its own", "v=DKIM1; k=rsa; p=%r", SL_DNS_OK, SL_DKIM_PUB_GOOD, SL_DKIM_PUB_UNFIT, 0 },
	{ "no k=", "v=DKIM1; p=%r", SL_DNS_OK, SL_DKIM_PUB_GOOD, SL_DKIM_PUB_UNFIT, 0 },
	{ "of the other kind", "v=DKIM1; k=ed25519; p=%e", SL_DNS_OK, SL_DKIM_PUB_UNFIT,
	    SL_DKIM_PUB_GOOD, 1 },
	{ "another's", "v=DKIM1; p=%o", SL_DNS_OK, SL_DKIM_PUB_OTHER, SL_DKIM_PUB_UNFIT, 1 },
	{ "revoked", "v=DKIM1; p=", SL_DNS_OK, SL_DKIM_PUB_REVOKED, SL_DKIM_PUB_REVOKED, 1 },
	{ "testing", "v=DKIM1; t=y; p=%r", SL_DNS_OK, SL_DKIM_PUB_GOOD, SL_DKIM_PUB_UNFIT, 1 },
	{ "strict", "v=DKIM1; t=s; p=%r", SL_DNS_OK, SL_DKIM_PUB_GOOD, SL_DKIM_PUB_UNFIT, 0 },
	{ "sha1 only", "v=DKIM1; h=sha1; p=%r", SL_DNS_OK, SL_DKIM_PUB_UNFIT, SL_DKIM_PUB_UNFIT, 1 },
	{ "not for mail", "v=DKIM1; s=x; p=%r", SL_DNS_OK, SL_DKIM_PUB_UNFIT, SL_DKIM_PUB_UNFIT, 1 },
	{ "no base64", "v=DKIM1; p=!", SL_DNS_OK, SL_DKIM_PUB_BROKEN, SL_DKIM_PUB_BROKEN, 1 },
	{ "no key", "v=DKIM1; p=QUJD", SL_DNS_OK, SL_DKIM_PUB_BROKEN, SL_DKIM_PUB_UNFIT, 1 },
	{ "one byte more", "v=DKIM1; p=%rAAAA", SL_DNS_OK, SL_DKIM_PUB_BROKEN, SL_DKIM_PUB_UNFIT, 1 },
	{ "another text", "v=spf1 -all", SL_DNS_OK, SL_DKIM_PUB_BROKEN, SL_DKIM_PUB_BROKEN, 1 },
	{ "empty", "", SL_DNS_OK, SL_DKIM_PUB_BROKEN, SL_DKIM_PUB_BROKEN, 1 },
	{ "two, one is its own", "p=%o|p=%r", SL_DNS_OK, SL_DKIM_PUB_GOOD, SL_DKIM_PUB_UNFIT, 2 },
	{ "more than are tried", "p=|p=|p=|p=|p=%r", SL_DNS_OK, SL_DKIM_PUB_REVOKED,
	    SL_DKIM_PUB_REVOKED, 5 },
	{ "no such name", "", SL_DNS_NXDOMAIN, SL_DKIM_PUB_MISSING, SL_DKIM_PUB_MISSING, 1 },
	{ "no such record", "", SL_DNS_NODATA, SL_DKIM_PUB_MISSING, SL_DKIM_PUB_MISSING, 1 },
	{ "no answer", "", SL_DNS_TIMEOUT, SL_DKIM_PUB_UNKNOWN, SL_DKIM_PUB_UNKNOWN, 0 },
	{ "bogus", "", SL_DNS_BOGUS, SL_DKIM_PUB_UNKNOWN, SL_DKIM_PUB_UNKNOWN, 0 },
};

static void
look(const struct sl_dns_answer *a, const struct sl_key *key, unsigned wanted, const char *name)
{
	struct sl_findings f = { 0 };
	unsigned problems = 0;

	sl_dkim_look(&f, "dkim", "s._domainkey.example.com", a, key);
	assert_false(f.failed);
	for (size_t i = 0; i < f.n; i++) {
		problems += f.item[i].weight == SL_FINDING_PROBLEM;
		if (f.item[i].weight == SL_FINDING_PROBLEM && f.item[i].remedy == NULL)
			fail_msg("%s: \"%s\" has no remedy", name, f.item[i].text);
	}
	if (problems != wanted || f.n == 0)
		fail_msg("%s: %u problems, %zu findings", name, problems, f.n);
	if (sl_dns_temporary(a->status))
		assert_int_equal(sl_findings_weight(&f), SL_FINDING_TEMPORARY);
	sl_findings_clear(&f);
}

static void
test_states(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_dns_answer *a = answer_of(cases[i].status, cases[i].text);

		if (sl_dkim_published(a, rsa) != cases[i].rsa || sl_dkim_published(a, ed) != cases[i].ed)
			fail_msg("%s: %s, %s", cases[i].name,
			    sl_dkim_published_word(sl_dkim_published(a, rsa)),
			    sl_dkim_published_word(sl_dkim_published(a, ed)));
		look(a, rsa, cases[i].problems, cases[i].name);
		sl_dns_answer_unref(a);
	}
}

static void
test_names(void **state)
{
	char name[256], long_domain[254];

	(void)state;
	assert_true(sl_dkim_key_name(name, SL_STR("S1"), SL_STR("Example.com")));
	assert_string_equal(name, "s1._domainkey.example.com");
	memset(long_domain, 'a', sizeof(long_domain) - 1);
	long_domain[sizeof(long_domain) - 1] = '\0';
	assert_false(sl_dkim_key_name(name, SL_STR("s"), sl_str_of(long_domain)));
}

static void
test_pasted(void **state)
{
	static const struct {
		const char *text, *end;
		unsigned n;
	} texts[] = {
		{ "v=spf1 -all", NULL, 0 }, { "v=spf1 \xc3\xa4 -all", NULL, 0 },
		{ "\xe2\x80\x9cv=spf1\xe2\x80\x9d", "at byte 1, column 1", 1 },
		{ "\xc3\xa4\xe2\x80\x8b", "at byte 3, column 2", 1 },
		{ "a\"b\\c\"", "at byte 4, column 4", 2 }, { "a\r\nb", "at byte 2, column 2", 1 },
		{ "\xe2\x80", NULL, 0 }, { "", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct sl_findings f = { 0 };

		assert_int_equal(sl_findings_pasted(&f, "spf", "example.com", sl_str_of(texts[i].text)),
		    texts[i].n);
		assert_int_equal(f.n, texts[i].n);
		if (f.n > 0)
			assert_true(sl_str_ends(sl_str_of(f.item[f.n - 1].text), sl_str_of(texts[i].end)));
		sl_findings_clear(&f);
	}
}

/* A zone of a hostile domain can't make a report without end. */
static void
test_findings_have_a_limit(void **state)
{
	struct sl_findings f = { 0 };

	(void)state;
	for (int i = 0; i < 2 * SL_FINDINGS_MAX; i++) {
		sl_findings_add(&f, SL_FINDING_NOTE, "spf", "finding %d", i);
		sl_findings_remedy(&f, "remedy %d", i);
	}
	assert_int_equal(f.n, SL_FINDINGS_MAX);
	assert_string_equal(f.item[100].remedy, "remedy 100");
	assert_int_equal(sl_findings_weight(&f), SL_FINDING_NOTE);
	sl_findings_clear(&f);
	sl_findings_remedy(&f, "for nothing");
	assert_int_equal(f.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_states), cmocka_unit_test(test_names),
		cmocka_unit_test(test_pasted), cmocka_unit_test(test_findings_have_a_limit),
	};

	return cmocka_run_group_tests(tests, make_keys, drop_keys);
}
