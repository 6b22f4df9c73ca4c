/* DMARC: the author domain, records, walks, what decides, what is asked, the log line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dmarc.h"
#include "evaluator_testing.h"
#include "orgdomain.h"

/* ---- the author domain (A10, A11, A14) ----------------------------------- */

static const struct {
	const char *header;
	const char *domain;	/* "" = none */
} froms[] = {
	{ "From: joe@example.org", "example.org" },
	{ "From: Joe <joe@EXAMPLE.org>", "example.org" },
	{ "From : joe@example.org", "example.org" },
	{ "fRoM:\r\n joe@example.org", "example.org" },
	{ "From: joe@b\xc3\xbc" "cher.example", "xn--bcher-kva.example" },
	{ "From: a@example.org, b@example.org", "example.org" },
	{ "From: a@example.org, b@example.net", "" },
	{ "From: a@example.org\r\nFrom: a@example.org", "" },
	{ "From: a@example.org\r\nFROM: b@example.net", "" },
	{ "From: a@example.org\r\nFrom : b@example.net", "" },
	{ "Sender: a@example.org", "" },
	{ "Resent-From: a@example.org\r\nSender: b@example.org", "" },
	{ "From:", "" },
	{ "From: Joe", "" },
	{ "From: joe", "" },
	{ "From: <>", "" },
	{ "From: joe@", "" },
	{ "From: @example.org", "" },
	{ "From: joe@[192.0.2.1]", "" },
	{ "From: joe@[192.0.2.1], joe@example.org", "" },
	{ "From: group:;", "" },
	{ "From: group: a@example.org;", "example.org" },
	{ "From: group: a@example.org, b@example.net;", "" },
	{ "From: user@example.net>", "" },
	{ "From: <a@example.org><b@example.net>", "" },
	{ "From: a@example.org b@example.net", "" },
	{ "From: \"a <x@junk.example>\"@example.org", "example.org" },
	{ "From: \"\\\"A, Inc.\\\"\" <u@example.org>", "example.org" },
	{ "From: \"b@example.net\" <a@example.org>", "example.org" },
	{ "From: b@example.net <a@example.org>", "" },
	{ "From: =?utf-8?q?b=40example.net?= <a@example.org>", "example.org" },
	{ "From: =?utf-8?q?a=40example.org?=", "" },
	{ "From: <@example.net:a@example.org>", "example.org" },
	{ "From: a@example.org (b@example.net)", "example.org" },
	{ "From: a@example.net(.example.org", "" },
	{ "From: a@example..org", "" },
	{ "From: a@exa\x01mple.org", "" },
};

static struct sl_message *
message_of(const char *header)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m = NULL;
	size_t n;
	char *bytes;

	sl_buf_printf(&text, "To: x@example.com\r\n%s\r\n\r\nbody\r\n", header);
	bytes = sl_buf_take(&text, &n);
	assert_int_equal(sl_message_from_memory(&m, bytes, n, NULL), 0);
	return m;
}

static void
test_from(void **state)
{
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(froms) / sizeof(froms[0]); i++) {
		struct sl_message *m = message_of(froms[i].header);
		struct sl_arena *arena = sl_arena_new(0);
		struct sl_head *head = sl_head_new(m, arena);
		struct sl_dmarc_from from, from_head;
		int r = sl_dmarc_from(&from, m, NULL);

		if ((r == 0) != (froms[i].domain[0] != '\0') || (r != 0) != (from.reason[0] != '\0') ||
		    strcmp(from.domain, froms[i].domain) != 0 || sl_dmarc_from(&from_head, m, head) != r ||
		    strcmp(from_head.domain, from.domain) != 0) {
			bad++;
			printf("%s: \"%s\" (%s)\n", froms[i].header, from.domain, from.reason);
		}
		sl_head_free(head);
		sl_arena_free(arena);
		sl_message_unref(m);
	}
	assert_int_equal(bad, 0);
}

/* A11: more mailboxes than are looked at is no author domain either. */
static void
test_many_mailboxes(void **state)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_dmarc_from from;
	struct sl_message *m;

	(void)state;
	sl_buf_puts(&text, "From: a@example.org");
	for (int i = 0; i < SL_DMARC_MAX_FROM; i++)
		sl_buf_puts(&text, ", a@example.org");
	m = message_of(text.p);
	assert_int_equal(sl_dmarc_from(&from, m, NULL), SL_ERR_SYNTAX);
	assert_string_equal(from.domain, "");
	sl_message_unref(m);
	sl_buf_clear(&text);
}

/* ---- records (A28) ------------------------------------------------------- */

static const struct {
	const char *text;
	int error;
	enum sl_dmarc_policy p;
	bool usable;
} records[] = {
	{ "v=DMARC1; p=reject", 0, SL_DMARC_P_REJECT, true },
	{ "v=DMARC1;p=QUARANTINE;", 0, SL_DMARC_P_QUARANTINE, true },
	{ "v = DMARC1 ; p = none ; ;", 0, SL_DMARC_P_NONE, true },
	{ "v=DMARC1; sp=none; p=reject", 0, SL_DMARC_P_REJECT, true },
	{ "v=DMARC1", 0, SL_DMARC_P_ABSENT, false },
	{ "v=DMARC1; p=rejec", 0, SL_DMARC_P_INVALID, false },
	{ "v=DMARC1; p=rejec; rua=mailto:a@b.example", 0, SL_DMARC_P_INVALID, true },
	{ "v=DMARC1; p=rejec; rua=a@b.example", 0, SL_DMARC_P_INVALID, false },
	{ "v=DMARC1; p=reject; np=x", 0, SL_DMARC_P_REJECT, false },
	{ "v=DMARC1; p=reject; sp=", 0, SL_DMARC_P_REJECT, false },
	{ "v=DMARC1; p=reject; p=none", SL_ERR_SYNTAX, SL_DMARC_P_REJECT, true },
	{ "v=DMARC1; p=reject; x=1; x=2", 0, SL_DMARC_P_REJECT, true },
	{ "p=reject; v=DMARC1", SL_ERR_NOTFOUND, SL_DMARC_P_ABSENT, false },
	{ "v=DMARC2; p=reject", SL_ERR_NOTFOUND, SL_DMARC_P_ABSENT, false },
	{ "v=dmarc1; p=reject", SL_ERR_NOTFOUND, SL_DMARC_P_ABSENT, false },
	{ "v=DMARC1 p=reject", SL_ERR_NOTFOUND, SL_DMARC_P_ABSENT, false },
	{ "", SL_ERR_NOTFOUND, SL_DMARC_P_ABSENT, false },
};

static void
test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct sl_dmarc_record r;
		bool none;

		assert_int_equal(sl_dmarc_record_parse(&r, sl_str_of(records[i].text), NULL),
		    records[i].error);
		if (records[i].error != 0)
			continue;
		assert_int_equal(r.p, records[i].p);
		assert_int_equal(sl_dmarc_record_usable(&r, &none), records[i].usable);
		assert_int_equal(none, records[i].usable && r.p < SL_DMARC_P_NONE);
	}
}

static void
test_record_values(void **state)
{
	static const char nul[] = "v=DMARC1; p=reject\0; rua=mailto:a@b.example";
	struct sl_dmarc_record r;
	struct sl_buf big = SL_BUF_INIT;

	(void)state;
	assert_int_equal(sl_dmarc_record_parse(&r, SL_STR("v=DMARC1; p=reject; adkim=S; aspf=x; t=Y;"
	    " psd=N; pct=7; fo=1:d:s; rua=mailto:a@b.example!10m , https://c.example/x, bogus,"
	    "mailto:@x; ruf=mailto:d@e.example"), NULL), 0);
	assert_true(r.strict_dkim && !r.strict_spf && r.testing);
	assert_int_equal(r.psd, 'n');
	assert_int_equal(r.pct, 7);
	assert_int_equal(r.nrua, 2);
	assert_true(sl_str_eq(r.rua[0], SL_STR("mailto:a@b.example")));
	assert_true(sl_str_eq(r.rua[1], SL_STR("https://c.example/x")));
	assert_int_equal(r.nruf, 1);
	assert_true(sl_str_eq(r.fo, SL_STR("1:d:s")));

	assert_int_equal(sl_dmarc_record_parse(&r, SL_STR("v=DMARC1; pct=101; fo=0:1; psd=z"), NULL), 0);
	assert_int_equal(r.pct, 100);
	assert_int_equal(r.psd, 'u');
	assert_true(sl_str_eq(r.fo, SL_STR("0")));

	/* A28: a NUL is no part of a good value. */
	assert_int_equal(sl_dmarc_record_parse(&r, (struct sl_str){ nul, sizeof(nul) - 1 }, NULL), 0);
	assert_int_equal(r.p, SL_DMARC_P_INVALID);

	sl_buf_puts(&big, "v=DMARC1; p=reject; x=");
	while (big.n <= SL_DMARC_MAX_RECORD)
		sl_buf_putc(&big, 'x');
	assert_int_equal(sl_dmarc_record_parse(&r, sl_buf_str(&big), NULL), SL_ERR_LIMIT);
	sl_buf_clear(&big);
}

/* ---- walks (A28) --------------------------------------------------------- */

static const struct {
	const char *domain, *found;	/* per domain visited: - nothing, R record, Y, N, E error */
	const char *org, *psd;
	bool error;
} walks[] = {
	{ "a.mail.example.com", "-RR-", "example.com", NULL, false },
	{ "a.mail.example.com", "-N", "mail.example.com", NULL, false },
	{ "a.mail.example.com", "---Y", "example.com", "com", false },
	{ "a.mail.example.com", "----", "a.mail.example.com", NULL, false },
	{ "a.mail.example.com", "RNR-", "mail.example.com", NULL, false },
	{ "a.mail.example.com", "R-E-", "a.mail.example.com", NULL, true },
	{ "a.mail.example.com", "-NEE", "mail.example.com", NULL, false },
	{ "bank.example", "Y-", "bank.example", NULL, false },	/* psd=y where the walk starts */
	{ "giant.bank.example", "-Y", "giant.bank.example", "bank.example", false },
	{ "com", "R", "com", NULL, false },
	{ "1.2.3.4.5.6.7.8.9", "-Y", "2.3.4.5.6.7.8.9", "3.4.5.6.7.8.9", false },
};

static void
test_walks(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		enum sl_walk_found found[SL_WALK_MAX] = { SL_WALK_NOTHING };
		struct sl_walk w;

		for (size_t k = 0; walks[i].found[k] != '\0'; k++)
			found[k] = (enum sl_walk_found)(strchr("-ERYN", walks[i].found[k]) - "-ERYN");
		sl_walk_end(&w, walks[i].domain, found);
		assert_int_equal(w.error, walks[i].error);
		if (!w.error)
			assert_string_equal(w.org, walks[i].org);
		assert_string_equal(w.psd != NULL ? w.psd : "", walks[i].psd != NULL ? walks[i].psd : "");
	}
}

static void
test_walk_length(void **state)
{
	const char *out[SL_WALK_MAX];

	(void)state;
	assert_int_equal(sl_walk_domains("com", out), 1);
	assert_int_equal(sl_walk_domains("1.2.3.4.5.6.7", out), 7);
	assert_int_equal(sl_walk_domains("1.2.3.4.5.6.7.8", out), 8);
	assert_string_equal(out[1], "2.3.4.5.6.7.8");
	assert_int_equal(sl_walk_domains("1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20", out), 8);
	assert_string_equal(out[1], "14.15.16.17.18.19.20");
	assert_string_equal(out[7], "20");
}

/* ---- deciding ------------------------------------------------------------ */

/* "domain record" lines; "domain !" fails, "domain ." only exists. */
static json_t *
zone_of(const char *text)
{
	json_t *zone = json_object();
	char line[1024], name[256];
	int at;

	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		assert_int_equal(sscanf(line, "%255s %n", name, &at), 1);
		if (strcmp(line + at, "!") == 0)
			json_object_set_new(zone, name, json_pack("{s:[s]}", "servfail", "*"));
		else if (strcmp(line + at, ".") == 0)
			json_object_set_new(zone, name, json_pack("{s:{}}", "records"));
		else
			json_object_set_new(zone, name,
			    json_pack("{s:{s:[[s]]}}", "records", "TXT", line + at));
	}
	return zone;
}

static const struct decision {
	const char *name, *from, *zone;
	enum sl_dmarc_profile profile;
	unsigned sample;
	/* SPF; domain NULL = not checked */
	const char *spf_domain;
	enum sl_spf_status spf;
	enum sl_spf_identity identity;
	/* one signature; domain NULL = none */
	const char *dkim_domain;
	enum sl_dkim_status dkim;
	enum sl_dmarc_status want;
} decisions[] = {
	{ "no author domain", "", "", 0, 0, NULL, 0, 0, NULL, 0, SL_DMARC_PERMERROR },
	{ "no policy", "a.example", "", 0, 0, NULL, 0, 0, NULL, 0, SL_DMARC_POLICY_ABSENT },
	{ "nothing checked", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0, NULL, 0, 0,
	    NULL, 0, SL_DMARC_REJECT },
	{ "A27 HELO passes, MAIL FROM not", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    "a.example", SL_SPF_PASS, SL_SPF_HELO, NULL, 0, SL_DMARC_REJECT },
	{ "MAIL FROM passes", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    "a.example", SL_SPF_PASS, SL_SPF_MAILFROM, NULL, 0, SL_DMARC_PASS },
	{ "softfail isn't pass", "a.example", "_dmarc.a.example v=DMARC1; p=quarantine\n", 0, 0,
	    "a.example", SL_SPF_SOFTFAIL, SL_SPF_MAILFROM, NULL, 0, SL_DMARC_QUARANTINE },
	{ "a name that ends alike", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    "xa.example", SL_SPF_PASS, SL_SPF_MAILFROM, NULL, 0, SL_DMARC_REJECT },
	{ "A21 d= is a public suffix", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    NULL, 0, 0, "example", SL_DKIM_PASS, SL_DMARC_REJECT },
	{ "A21 d= with a NUL's like", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    NULL, 0, 0, "a.example/x", SL_DKIM_PASS, SL_DMARC_REJECT },
	{ "siblings share the organization", "x.a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    NULL, 0, 0, "y.a.example", SL_DKIM_PASS, SL_DMARC_PASS },
	{ "siblings are two organizations when psd=n says so", "x.a.example",
	    "_dmarc.a.example v=DMARC1; p=reject\n_dmarc.x.a.example v=DMARC1; p=reject; psd=n\n", 0, 0,
	    NULL, 0, 0, "y.a.example", SL_DKIM_PASS, SL_DMARC_REJECT },
	{ "np is for what isn't there", "x.a.example", "_dmarc.a.example v=DMARC1; p=none; np=reject\n",
	    0, 0, NULL, 0, 0, NULL, 0, SL_DMARC_REJECT },
	{ "A28 np isn't for names that exist without records", "x.a.example",
	    "_dmarc.a.example v=DMARC1; p=none; np=reject\nx.a.example .\n",
	    0, 0, NULL, 0, 0, NULL, 0, SL_DMARC_NONE },
	{ "an error asking for existence", "x.a.example",
	    "_dmarc.a.example v=DMARC1; p=none; np=reject\nx.a.example !\n",
	    0, 0, NULL, 0, 0, NULL, 0, SL_DMARC_TEMPERROR },
	{ "that error doesn't matter for a pass", "x.a.example",
	    "_dmarc.a.example v=DMARC1; p=none; np=reject\nx.a.example !\n",
	    0, 0, NULL, 0, 0, "x.a.example", SL_DKIM_PASS, SL_DMARC_PASS },
	{ "A28 t=y: one level down", "a.example", "_dmarc.a.example v=DMARC1; p=reject; t=y\n", 0, 0,
	    NULL, 0, 0, NULL, 0, SL_DMARC_QUARANTINE },
	{ "A28 pct is nothing to RFC 9989", "a.example", "_dmarc.a.example v=DMARC1; p=reject; pct=0\n",
	    SL_DMARC_RFC9989, 99, NULL, 0, 0, NULL, 0, SL_DMARC_REJECT },
	{ "pct spares", "a.example", "_dmarc.a.example v=DMARC1; p=reject; pct=50\n",
	    SL_DMARC_RFC7489, 50, NULL, 0, 0, NULL, 0, SL_DMARC_QUARANTINE },
	{ "pct spares quarantine", "a.example", "_dmarc.a.example v=DMARC1; p=quarantine; pct=0\n",
	    SL_DMARC_RFC7489, 0, NULL, 0, 0, NULL, 0, SL_DMARC_NONE },
	{ "pct hits", "a.example", "_dmarc.a.example v=DMARC1; p=reject; pct=50\n",
	    SL_DMARC_RFC7489, 49, NULL, 0, 0, NULL, 0, SL_DMARC_REJECT },
	{ "t is nothing to RFC 7489", "a.example", "_dmarc.a.example v=DMARC1; p=reject; t=y\n",
	    SL_DMARC_RFC7489, 0, NULL, 0, 0, NULL, 0, SL_DMARC_REJECT },
	{ "sp of the list's organization", "x.a.co.uk", "_dmarc.a.co.uk v=DMARC1; p=reject; sp=none\n",
	    SL_DMARC_RFC7489, 0, NULL, 0, 0, NULL, 0, SL_DMARC_NONE },
	{ "the list knows suffixes", "a.co.uk", "_dmarc.a.co.uk v=DMARC1; p=reject\n",
	    SL_DMARC_RFC7489, 0, "b.co.uk", SL_SPF_PASS, SL_SPF_MAILFROM, NULL, 0, SL_DMARC_REJECT },
	{ "an error at the author domain", "x.a.example",
	    "_dmarc.x.a.example !\n_dmarc.a.example v=DMARC1; p=none\n", 0, 0,
	    "x.a.example", SL_SPF_PASS, SL_SPF_MAILFROM, NULL, 0, SL_DMARC_TEMPERROR },
	{ "the same in RFC 7489", "x.a.co.uk",
	    "_dmarc.x.a.co.uk !\n_dmarc.a.co.uk v=DMARC1; p=none\n", SL_DMARC_RFC7489, 0,
	    NULL, 0, 0, NULL, 0, SL_DMARC_TEMPERROR },
	{ "an error above doesn't matter when the domains are the same", "x.a.example",
	    "_dmarc.x.a.example v=DMARC1; p=reject\n_dmarc.example !\n", 0, 0,
	    NULL, 0, 0, "x.a.example", SL_DKIM_PASS, SL_DMARC_PASS },
	{ "but it does when they aren't", "x.a.example",
	    "_dmarc.x.a.example v=DMARC1; p=reject\n_dmarc.example !\n", 0, 0,
	    NULL, 0, 0, "a.example", SL_DKIM_PASS, SL_DMARC_TEMPERROR },
	{ "unless alignment is strict", "x.a.example",
	    "_dmarc.x.a.example v=DMARC1; p=reject; adkim=s\n_dmarc.example !\n", 0, 0,
	    NULL, 0, 0, "a.example", SL_DKIM_PASS, SL_DMARC_REJECT },
	{ "an aligned key that can't be had", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    NULL, 0, 0, "a.example", SL_DKIM_TEMPERROR, SL_DMARC_TEMPERROR },
	{ "one that isn't aligned", "a.example", "_dmarc.a.example v=DMARC1; p=reject\n", 0, 0,
	    NULL, 0, 0, "b.example", SL_DKIM_TEMPERROR, SL_DMARC_REJECT },
};

static struct sl_dmarc *
run_decision(const struct decision *c, json_t *zone, bool expected, unsigned *rounds)
{
	struct sl_dmarc_options options = { c->profile, c->sample };
	struct sl_dmarc *d = sl_dmarc_new(&options, c->from);
	struct sl_spf_result spf = { .status = c->spf, .identity = c->identity };
	struct sl_dmarc_dkim dkim = { c->dkim_domain, "sel", c->dkim };
	struct sl_dmarc_inputs inputs = { c->spf_domain != NULL ? &spf : NULL, &dkim,
		c->dkim_domain != NULL };

	if (c->spf_domain != NULL)
		snprintf(spf.domain, sizeof(spf.domain), "%s", c->spf_domain);
	if (expected) {
		sl_dmarc_expect(d, c->spf_domain);
		sl_dmarc_expect(d, c->dkim_domain);
	}
	run_in_zone(sl_dmarc_evaluator(d), zone, false);
	sl_dmarc_decide(d, &inputs);
	*rounds = 1 + !sl_dmarc_evaluator(d)->done(sl_dmarc_evaluator(d));
	run_in_zone(sl_dmarc_evaluator(d), zone, true);
	assert_true(sl_dmarc_evaluator(d)->done(sl_dmarc_evaluator(d)));
	return d;
}

static void
test_decisions(void **state)
{
	size_t bad = 0;
	unsigned rounds;

	(void)state;
	for (size_t i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		json_t *zone = zone_of(decisions[i].zone);

		for (int expected = 0; expected < 2; expected++) {
			struct sl_dmarc *d = run_decision(&decisions[i], zone, expected == 1, &rounds);
			const struct sl_dmarc_details *r = sl_dmarc_result(d);

			if (r->status != decisions[i].want || r->reason[0] == '\0') {
				bad++;
				printf("%s: %s (%s)\n", decisions[i].name, sl_dmarc_status_word(r->status),
				    r->reason);
			}
			sl_dmarc_free(d);
		}
		json_decref(zone);
	}
	assert_int_equal(bad, 0);
}

/* What was expected needs no second round; what can't be aligned is never asked for. */
static void
test_rounds(void **state)
{
	json_t *zone = zone_of("_dmarc.a.example v=DMARC1; p=reject\n");
	struct decision c = { .from = "x.a.example", .dkim_domain = "y.a.example", .dkim = SL_DKIM_PASS };
	struct sl_dmarc *d;
	unsigned rounds;

	(void)state;
	d = run_decision(&c, zone, false, &rounds);
	assert_int_equal(rounds, 2);
	assert_int_equal(sl_dmarc_result(d)->queries, 4);
	sl_dmarc_free(d);
	d = run_decision(&c, zone, true, &rounds);
	assert_int_equal(rounds, 1);
	assert_int_equal(sl_dmarc_result(d)->queries, 4);
	sl_dmarc_free(d);
	c.dkim_domain = "b.example";
	d = run_decision(&c, zone, true, &rounds);
	assert_int_equal(rounds, 1);
	assert_int_equal(sl_dmarc_result(d)->queries, 3);
	sl_dmarc_free(d);
	json_decref(zone);
}

/* A28, A32: twenty signatures of long names below the author domain. */
static void
test_query_cap(void **state)
{
	struct sl_dmarc_options options = { 0 };
	struct sl_dmarc *d = sl_dmarc_new(&options, "a.example");
	struct sl_dmarc_dkim dkim[SL_DMARC_MAX_DKIM + 5];
	struct sl_dmarc_inputs inputs = { NULL, dkim, SL_DMARC_MAX_DKIM + 5 };
	char names[SL_DMARC_MAX_DKIM + 5][64];
	json_t *zone = zone_of("_dmarc.a.example v=DMARC1; p=reject\n");

	(void)state;
	for (size_t i = 0; i < inputs.ndkim; i++) {
		snprintf(names[i], sizeof(names[i]), "1.2.3.4.5.%zu.a.example", i);
		dkim[i] = (struct sl_dmarc_dkim){ names[i], "s", SL_DKIM_PASS };
		sl_dmarc_expect(d, names[i]);
	}
	run_in_zone(sl_dmarc_evaluator(d), zone, false);
	sl_dmarc_decide(d, &inputs);
	run_in_zone(sl_dmarc_evaluator(d), zone, false);
	assert_true(sl_dmarc_evaluator(d)->done(sl_dmarc_evaluator(d)));
	assert_true(sl_dmarc_result(d)->queries <= SL_DMARC_MAX_NAMES);
	assert_int_equal(sl_dmarc_result(d)->ndkim, SL_DMARC_MAX_DKIM);
	assert_int_equal(sl_dmarc_result(d)->status, SL_DMARC_PASS);	/* the first ones are enough */
	sl_dmarc_free(d);
	json_decref(zone);
}

static void
test_no_memory(void **state)
{
	struct sl_dmarc_options options = { 0 };
	struct sl_dmarc_dkim dkim = { "y.a.example", "s", SL_DKIM_PASS };
	struct sl_dmarc_inputs inputs = { NULL, &dkim, 1 };
	json_t *zone = zone_of("_dmarc.a.example v=DMARC1; p=reject\n");

	(void)state;
	for (unsigned long n = 1; n < 6; n++) {
		struct sl_dmarc *d;

		sl_alloc_fail_at(n, 0);
		d = sl_dmarc_new(&options, "x.a.example");
		sl_alloc_fail_at(0, 0);
		if (n <= 4)
			assert_null(d);
		sl_dmarc_free(d);
	}
	for (unsigned long n = 1; n < 3; n++) {
		struct sl_dmarc *d = sl_dmarc_new(&options, "x.a.example");

		run_in_zone(sl_dmarc_evaluator(d), zone, false);
		sl_alloc_fail_at(n, 1);
		sl_dmarc_decide(d, &inputs);
		sl_alloc_fail_at(0, 0);
		run_in_zone(sl_dmarc_evaluator(d), zone, false);
		assert_int_equal(sl_dmarc_result(d)->status, n == 1 ? SL_DMARC_TEMPERROR : SL_DMARC_PASS);
		sl_dmarc_free(d);
	}
	json_decref(zone);
}

/* ---- the log line -------------------------------------------------------- */

static void
test_log_line(void **state)
{
	struct sl_dmarc_options options = { SL_DMARC_RFC7489, 60 };
	struct sl_dmarc *d = sl_dmarc_new(&options, "example.org");
	struct sl_spf_result spf = { .status = SL_SPF_PASS, .domain = "bounces.example.net" };
	struct sl_dmarc_dkim dkim[] = {
		{ "example.net", "z", SL_DKIM_PASS }, { "example.org", "s1", SL_DKIM_FAIL },
		{ "example.edu", "s1", SL_DKIM_TEMPERROR }, { "example.com", "s;x=(1)", SL_DKIM_NEUTRAL },
		{ "example.net", "z", SL_DKIM_FAIL },	/* its key stands there already */
	};
	struct sl_dmarc_inputs inputs = { &spf, dkim, 5 };
	struct sl_dmarc_log log = { "id-1", 1700000000, "192.0.2.1", "h) evil; p=none",
		"bounces.example.net" };
	json_t *zone = zone_of("_dmarc.example.org v=DMARC1; p=reject; sp=none; pct=50; adkim=s;"
	    " rua=mailto:a@example.org,mailto:b@example.org!5m\n");
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	run_in_zone(sl_dmarc_evaluator(d), zone, false);
	sl_dmarc_decide(d, &inputs);
	assert_int_equal(sl_dmarc_log_line(&out, sl_dmarc_result(d), &log), 0);
	assert_string_equal(out.p, "[DMARC] [MAIL].From=example.org SPF=unaligned DKIM=unaligned "
	    "DMARC=quarantine (action=quarantine; adkim=strict; align_dkim=unaligned; "
	    "align_spf=unaligned; aspf=relaxed; dkim:s1._domainkey.example.edu=tempfail; "
	    "dkim:s1._domainkey.example.org=permfail; dkim:s?x??1?._domainkey.example.com=softfail; "
	    "dkim:z._domainkey.example.net=pass; from=example.org; helo=h??evil??p=none; id=id-1; "
	    "ipaddr=192.0.2.1; mfrom=bounces.example.net; p=reject; pct=50; pdomain=example.org; "
	    "policy=reject; rua=mailto:a@example.org,mailto:b@example.org; sp=none; spf=pass; "
	    "ts=1700000000)");
	sl_buf_clear(&out);
	sl_dmarc_free(d);
	json_decref(zone);
}

/* Without a policy the keys of a policy lack. */
static void
test_log_line_absent(void **state)
{
	struct sl_dmarc_options options = { 0 };
	struct sl_dmarc *d = sl_dmarc_new(&options, "example.org");
	struct sl_dmarc_inputs inputs = { 0 };
	struct sl_dmarc_log log = { .id = "id-1", .ts = 1 };
	json_t *zone = json_object();
	struct sl_buf out = SL_BUF_INIT;

	(void)state;
	run_in_zone(sl_dmarc_evaluator(d), zone, false);
	sl_dmarc_decide(d, &inputs);
	assert_int_equal(sl_dmarc_log_line(&out, sl_dmarc_result(d), &log), 0);
	assert_string_equal(out.p, "[DMARC] [MAIL].From=example.org SPF=fail DKIM=fail "
	    "DMARC=policy_absent (from=example.org; id=id-1; spf=unknown; ts=1)");
	sl_buf_clear(&out);
	sl_dmarc_free(d);
	json_decref(zone);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_from), cmocka_unit_test(test_many_mailboxes),
		cmocka_unit_test(test_records), cmocka_unit_test(test_record_values),
		cmocka_unit_test(test_walks), cmocka_unit_test(test_walk_length),
		cmocka_unit_test(test_decisions), cmocka_unit_test(test_rounds),
		cmocka_unit_test(test_query_cap), cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_log_line), cmocka_unit_test(test_log_line_absent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
