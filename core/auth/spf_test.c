/* SPF: identities, limits, hostile records and names, what is asked, Received-SPF. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "evaluator_testing.h"
#include "spf_private.h"

/* Zones here: "name TYPE value" lines; TXT takes the rest of the line. */
static json_t *
zone_of(const char *text)
{
	json_t *zone = json_object();
	char line[2048], name[256], type[16];
	int at;

	for (; *text != '\0'; text += strcspn(text, "\n") + 1) {
		json_t *entry, *records, *list, *value;

		snprintf(line, sizeof(line), "%.*s", (int)strcspn(text, "\n"), text);
		assert_int_equal(sscanf(line, "%255s %15s %n", name, type, &at), 2);
		entry = json_object_get(zone, name);
		if (entry == NULL) {
			entry = json_pack("{s:{}}", "records");
			json_object_set_new(zone, name, entry);
		}
		if (strcmp(type, "FAIL") == 0) {
			json_object_set_new(entry, "servfail", json_pack("[s]", "*"));
			continue;
		}
		records = json_object_get(entry, "records");
		list = json_object_get(records, type);
		if (list == NULL) {
			list = json_array();
			json_object_set_new(records, type, list);
		}
		if (strcmp(type, "TXT") == 0)
			value = json_pack("[s]", line + at);
		else if (strcmp(type, "MX") == 0)
			value = json_pack("[i,s]", 10, line + at);
		else
			value = json_string(line + at);
		json_array_append_new(list, value);
	}
	return zone;
}

struct asked {
	const char *ip, *helo, *sender;
	enum sl_spf_identity identity;
};

static struct sl_spf *
make(const struct asked *a)
{
	struct sl_spf_options o = {
		.identity = a->identity, .helo = sl_str_of(a->helo), .sender = sl_str_of(a->sender),
		.receiver = SL_STR("mx.here.example"), .now = 1700000000,
	};

	assert_int_equal(sl_addr_parse_ip(&o.ip, sl_str_of(a->ip != NULL ? a->ip : "192.0.2.1"), 25),
	    0);
	return sl_spf_new(&o);
}

static struct sl_spf *
evaluate(const char *zone_text, const struct asked *a)
{
	json_t *zone = zone_of(zone_text);
	struct sl_spf *spf = make(a);

	run_in_zone(sl_spf_evaluator(spf), zone, false);
	assert_true(sl_spf_evaluator(spf)->done(sl_spf_evaluator(spf)));
	json_decref(zone);
	return spf;
}

/* ---- results ------------------------------------------------------------- */

static const struct {
	const char *name, *zone;
	struct asked asked;
	enum sl_spf_status status;
	const char *mechanism;	/* NULL = not looked at */
	const char *reason;	/* part of it */
} results[] = {
	{ "the term is named", "e.example TXT v=spf1 ip4:192.0.2.0/24 -all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "ip4:192.0.2.0/24", "" },
	{ "the outermost term is named",
	    "e.example TXT v=spf1 ?include:i.example -all\ni.example TXT v=spf1 +a:h.example\n"
	    "h.example A 192.0.2.1\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_NEUTRAL, "?include:i.example", "" },
	{ "nested includes that match match outwards",
	    "e.example TXT v=spf1 ~include:i.example -all\ni.example TXT v=spf1 include:k.example\n"
	    "k.example TXT v=spf1 ip4:192.0.2.1\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_SOFTFAIL, "~include:i.example", "" },
	{ "nothing matched", "e.example TXT v=spf1 ip4:10.0.0.0/8\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_NEUTRAL, "default", "" },
	{ "redirect's term is named", "e.example TXT v=spf1 redirect=r.example\n"
	    "r.example TXT v=spf1 -all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
	{ "no record", "e.example A 192.0.2.1\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_NONE, "", "no SPF record" },
	{ "two records", "e.example TXT v=spf1 -all\ne.example TXT v=spf1 +all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "more than one" },
	{ "an error after a match", "e.example TXT v=spf1 +all moo\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "\"moo\"" },
	{ "A26 zero-width space", "e.example TXT v=spf1 \xe2\x80\x8b+all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "\"???" },
	{ "A26 redirect to itself", "e.example TXT v=spf1 redirect=e.example\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "too many" },
	{ "A26 include of itself", "e.example TXT v=spf1 include:e.example -all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "too many" },
	{ "A26 two in a circle", "e.example TXT v=spf1 include:f.example\n"
	    "f.example TXT v=spf1 redirect=e.example\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "too many" },
	{ "A26 three voids", "e.example TXT v=spf1 a:x.e.example mx:y.e.example exists:z.e.example +all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "without an answer" },
	{ "A26 two voids", "e.example TXT v=spf1 a:x.e.example mx:y.e.example -all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
	{ "A26 hosts of mx without an address aren't voids",
	    "e.example TXT v=spf1 mx -all\ne.example MX a.e.example\ne.example MX b.e.example\n"
	    "e.example MX c.e.example\ne.example MX d.e.example\nd.e.example AAAA 2001:db8::1\n",
	    { "2001:db8::1", "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "mx", "" },
	{ "A26 /0", "e.example TXT v=spf1 ip4:10.0.0.0/0 -all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "ip4:10.0.0.0/0", "" },
	{ "A26 an open brace", "e.example TXT v=spf1 exists:%{\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "letter" },
	{ "A26 a huge number", "e.example TXT v=spf1 exists:%{d4294967297}.e.example\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PERMERROR, "", "too large" },
	{ "a failing server", "e.example FAIL\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_TEMPERROR, "", "servfail" },
	{ "an mx host that answers and one that fails",
	    "e.example TXT v=spf1 mx -all\ne.example MX a.e.example\ne.example MX b.e.example\n"
	    "a.e.example FAIL\nb.e.example A 192.0.2.1\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "mx", "" },
	{ "an mx host that fails", "e.example TXT v=spf1 mx -all\ne.example MX a.e.example\n"
	    "a.e.example FAIL\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_TEMPERROR, "", "A a.e.example" },
	{ "the null path is the HELO name", "m.example TXT v=spf1 +all\n",
	    { NULL, "m.example", "", SL_SPF_MAILFROM }, SL_SPF_PASS, "+all", "" },
	{ "HELO is asked for HELO", "m.example TXT v=spf1 -all\ne.example TXT v=spf1 +all\n",
	    { NULL, "m.example", "joe@e.example", SL_SPF_HELO }, SL_SPF_FAIL, "-all", "" },
	{ "HELO doesn't help MAIL FROM", "m.example TXT v=spf1 +all\ne.example TXT v=spf1 -all\n",
	    { NULL, "m.example", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
	{ "an address literal", "e.example TXT v=spf1 +all\n",
	    { NULL, "[192.0.2.1]", "", SL_SPF_MAILFROM }, SL_SPF_NONE, "", "not a domain" },
	{ "a single label", "", { NULL, "localhost", "", SL_SPF_HELO }, SL_SPF_NONE, "", "not a domain" },
	{ "an empty HELO", "", { NULL, "", "", SL_SPF_HELO }, SL_SPF_NONE, "", "not a domain" },
	{ "RFC 8616 a U-label is asked for as A-label", "xn--bcher-kva.example TXT v=spf1 +all\n",
	    { NULL, "h", "joe@b\xc3\xbc" "cher.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "+all", "" },
	{ "RFC 8616 a UTF-8 local part never matches a macro",
	    "e.example TXT v=spf1 exists:%{l}.e.example -all\nj\xc3\xb6.e.example A 127.0.0.2\n",
	    { NULL, "h", "j\xc3\xb6@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
	{ "%{p} of a validated name", "e.example TXT v=spf1 exists:%{p}.ok.example -all\n"
	    "1.2.0.192.in-addr.arpa PTR mail.e.example\nmail.e.example A 192.0.2.1\n"
	    "mail.e.example.ok.example A 127.0.0.2\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, NULL, "" },
	{ "%{p} prefers a name below the domain", "e.example TXT v=spf1 exists:%{p}.ok.example -all\n"
	    "1.2.0.192.in-addr.arpa PTR other.example\n1.2.0.192.in-addr.arpa PTR x.e.example\n"
	    "other.example A 192.0.2.1\nx.e.example A 192.0.2.1\nx.e.example.ok.example A 127.0.0.2\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, NULL, "" },
	{ "a forged PTR", "e.example TXT v=spf1 ptr -all\n1.2.0.192.in-addr.arpa PTR mail.e.example\n"
	    "mail.e.example A 192.0.2.77\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
	{ "RFC 7208 5.5 a failing PTR is no name", "e.example TXT v=spf1 ptr ?all\n"
	    "1.2.0.192.in-addr.arpa FAIL\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_NEUTRAL, "?all", "" },
	{ "RFC 7208 5.5 a name whose address fails is left out", "e.example TXT v=spf1 ptr -all\n"
	    "1.2.0.192.in-addr.arpa PTR a.e.example\n1.2.0.192.in-addr.arpa PTR b.e.example\n"
	    "a.e.example FAIL\nb.e.example A 192.0.2.1\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "ptr", "" },
	{ "RFC 7208 5.5 a name that only ends alike", "e.example TXT v=spf1 ptr -all\n"
	    "1.2.0.192.in-addr.arpa PTR xe.example\nxe.example A 192.0.2.1\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
	{ "A26 +all", "e.example TXT v=spf1 +all\n",
	    { NULL, "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, "+all", "" },
	{ "A26 reversed, cut, with delimiters", "e.example TXT v=spf1 exists:%{l2r+-}.%{ir}.%{v}.%{d1}.x "
	    "-all\nb.a.1.2.0.192.in-addr.example.x A 127.0.0.2\n",
	    { NULL, "h", "a-b+c@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, NULL, "" },
	{ "IPv4-mapped is IPv4", "e.example TXT v=spf1 ip4:192.0.2.1 -all\n",
	    { "::ffff:192.0.2.1", "h", "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_PASS, NULL, "" },
	{ "a 2 KB macro is cut to a name", "e.example TXT v=spf1 exists:%{h}.%{h}.%{h}.%{h}.%{h}.x.example"
	    " -all\n",
	    { NULL, "abcdefghijabcdefghijabcdefghij.abcdefghijabcdefghijabcdefghij.example",
	    "joe@e.example", SL_SPF_MAILFROM }, SL_SPF_FAIL, "-all", "" },
};

static void
test_results(void **state)
{
	size_t bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		struct sl_spf *spf = evaluate(results[i].zone, &results[i].asked);
		const struct sl_spf_result *r = sl_spf_result(spf);

		if (r->status != results[i].status || (results[i].mechanism != NULL &&
		    strcmp(r->mechanism, results[i].mechanism) != 0) ||
		    strstr(r->reason, results[i].reason) == NULL ||
		    (results[i].reason[0] == '\0') != (r->reason[0] == '\0')) {
			bad++;
			printf("%s: %s \"%s\" (%s)\n", results[i].name, sl_spf_status_word(r->status),
			    r->mechanism, r->reason);
		}
		sl_spf_free(spf);
	}
	assert_int_equal(bad, 0);
}

/* ---- what is asked ------------------------------------------------------- */

static void
give(struct sl_evaluator *e, json_t *zone, const struct sl_question *q)
{
	struct sl_dns_answer *a = zone_answer(zone, q->name, q->type);

	e->answer(e, q->id, a);
	sl_dns_answer_unref(a);
}

static void
test_hosts_together(void **state)
{
	json_t *zone = zone_of("e.example TXT v=spf1 mx -all\ne.example MX a.e.example\n"
	    "e.example MX b.e.example\ne.example MX c.e.example\nb.e.example A 192.0.2.1\n");
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };
	struct sl_spf *spf = make(&a);
	struct sl_evaluator *e = sl_spf_evaluator(spf);
	struct sl_question q[4], extra;

	(void)state;
	assert_int_equal(e->question(e, &q[0]), 1);
	assert_int_equal(e->question(e, &extra), 0);
	give(e, zone, &q[0]);
	assert_int_equal(e->question(e, &q[0]), 1);
	assert_int_equal(q[0].type, SL_DNS_MX);
	give(e, zone, &q[0]);
	for (int i = 0; i < 3; i++)
		assert_int_equal(e->question(e, &q[i]), 1);
	assert_int_equal(e->question(e, &extra), 0);
	give(e, zone, &q[1]);		/* matches: the others needn't be waited for */
	assert_true(e->done(e));
	give(e, zone, &q[0]);
	give(e, zone, &q[0]);
	assert_int_equal(sl_spf_result(spf)->status, SL_SPF_PASS);
	assert_int_equal(sl_spf_result(spf)->lookups, 1);
	sl_spf_free(spf);
	json_decref(zone);
}

/* A26: 100 names of the client, 10 are looked at. */
static void
test_many_names(void **state)
{
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };
	struct sl_spf *spf = make(&a);
	struct sl_evaluator *e = sl_spf_evaluator(spf);
	json_t *zone = zone_of("e.example TXT v=spf1 ptr -all\n");
	struct sl_question q;
	size_t n = 0;

	(void)state;
	json_object_set_new(zone, "1.2.0.192.in-addr.arpa", json_pack("{s:{s:[]}}", "records", "PTR"));
	for (int i = 0; i < 100; i++)
		json_array_append_new(json_object_get(json_object_get(json_object_get(zone,
		    "1.2.0.192.in-addr.arpa"), "records"), "PTR"),
		    json_sprintf("host%d.e.example", i));
	while (!e->done(e) && e->question(e, &q) == 1) {
		n++;
		give(e, zone, &q);
	}
	assert_int_equal(n, 2 + SL_SPF_MAX_NAMES);
	assert_int_equal(sl_spf_result(spf)->status, SL_SPF_FAIL);
	sl_spf_free(spf);
	json_decref(zone);
}

/* A26: 100 hosts of an mx are an error (RFC 7208 4.6.4), and none of their addresses is asked for. */
static void
test_many_hosts(void **state)
{
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };
	struct sl_spf *spf;
	struct sl_evaluator *e;
	struct sl_buf text = SL_BUF_INIT;
	struct sl_question q;
	json_t *zone;
	size_t n = 0;

	(void)state;
	sl_buf_puts(&text, "e.example TXT v=spf1 mx +all\n");
	for (int i = 0; i < 100; i++)
		sl_buf_printf(&text, "e.example MX mx%d.e.example\nmx%d.e.example A 192.0.2.1\n", i, i);
	zone = zone_of(text.p);
	spf = make(&a);
	e = sl_spf_evaluator(spf);
	while (!e->done(e) && e->question(e, &q) == 1) {
		n++;
		give(e, zone, &q);
	}
	assert_int_equal(n, 2);
	assert_int_equal(sl_spf_result(spf)->status, SL_SPF_PERMERROR);
	sl_spf_free(spf);
	json_decref(zone);
	sl_buf_clear(&text);
}

/* A26: ten terms that ask are allowed, whatever of a and mx and exists; the eleventh is an error. */
static void
test_lookup_limit(void **state)
{
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };

	(void)state;
	for (int n = 10; n <= 11; n++) {
		struct sl_buf text = SL_BUF_INIT, zone = SL_BUF_INIT;
		struct sl_spf *spf;

		for (int i = 0; i < n; i++) {
			sl_buf_puts(&text, " ");
			sl_buf_printf(&text, i % 4 == 0 ? "a:h%d.e.example" : i % 4 == 1 ? "mx:h%d.e.example" :
			    i % 4 == 2 ? "include:h%d.e.example" : "-ptr:h%d.e.example", i);
			sl_buf_printf(&zone, "h%d.e.example A 10.0.0.1\nh%d.e.example MX h%d.e.example\n"
			    "h%d.e.example TXT v=spf1 -all\n", i, i, i, i);
		}
		sl_buf_printf(&zone, "e.example TXT v=spf1%s +all\n", text.p);
		spf = evaluate(zone.p, &a);
		assert_int_equal(sl_spf_result(spf)->lookups, 10);
		assert_int_equal(sl_spf_result(spf)->status, n == 10 ? SL_SPF_PASS : SL_SPF_PERMERROR);
		sl_spf_free(spf);
		sl_buf_clear(&text);
		sl_buf_clear(&zone);
	}
}

/* A26: a record of 450 KB is read once, in linear time, with nothing kept per term. */
static void
test_huge_record(void **state)
{
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };
	struct sl_spf *spf = make(&a);
	struct sl_evaluator *e = sl_spf_evaluator(spf);
	struct sl_buf text = SL_BUF_INIT;
	struct sl_dns_record record = { .ttl = 1 };
	struct sl_dns_answer answer = { .refs = 1, .n = 1, .records = &record };
	struct sl_question q;

	(void)state;
	sl_buf_puts(&text, "v=spf1");
	while (text.n < 450000)
		sl_buf_puts(&text, " ip4:10.0.0.1 x=%{s}%{s}");
	sl_buf_puts(&text, " ip4:192.0.2.1");
	record.data = sl_buf_str(&text);
	assert_int_equal(e->question(e, &q), 1);
	e->answer(e, q.id, &answer);
	assert_true(e->done(e));
	assert_int_equal(sl_spf_result(spf)->status, SL_SPF_PASS);
	sl_spf_free(spf);
	sl_buf_clear(&text);
}

/* A domain-spec of nothing but macros: only its end can matter, nothing more is kept. */
static void
test_macro_bomb(void **state)
{
	struct sl_addr ip;
	struct sl_spf_macros m = { .local = "l", .sender_domain = "s.example", .domain = "d.example",
		.helo = "h.example", .receiver = "r", .validated = "unknown", .ip = &ip };
	struct sl_buf spec = SL_BUF_INIT, out = SL_BUF_INIT;
	char name[256];

	(void)state;
	sl_addr_parse_ip(&ip, SL_STR("2001:db8::1"), 0);
	while (spec.n < 60000)
		sl_buf_puts(&spec, "%{i}.%{S}.");
	sl_buf_puts(&spec, "%{d}");
	assert_int_equal(sl_spf_macro_check(sl_buf_str(&spec), SL_SPF_IN_DOMAIN, NULL), 0);
	assert_int_equal(sl_spf_expand(&out, sl_buf_str(&spec), SL_SPF_IN_DOMAIN, &m), 0);
	assert_true(out.cap < 16384);
	assert_true(sl_spf_name(name, sl_buf_str(&out)));
	assert_true(strlen(name) <= 253);
	assert_string_equal(name + strlen(name) - 10, ".d.example");
	sl_buf_clear(&spec);
	sl_buf_clear(&out);
}

/* ---- explanation, Received-SPF ------------------------------------------- */

static const struct { const char *name, *zone, *want; } explanations[] = {
	{ "with macros", "e.example TXT v=spf1 -all exp=x.example\n"
	    "x.example TXT %{i} isn't %{d}'s, %{t}\n",
	    "192.0.2.1 isn't e.example's, 1700000000" },
	{ "with a name asked for", "e.example TXT v=spf1 -all exp=x.example\nx.example TXT not %{p}\n"
	    "1.2.0.192.in-addr.arpa PTR m.e.example\nm.e.example A 192.0.2.1\n", "not m.e.example" },
	{ "broken", "e.example TXT v=spf1 -all exp=x.example\nx.example TXT %{\n", "" },
	{ "not ASCII", "e.example TXT v=spf1 -all exp=x.example\nx.example TXT caf\xc3\xa9\n", "" },
	{ "a control byte", "e.example TXT v=spf1 -all exp=x.example\nx.example TXT a\rb\n", "" },
	{ "of an include: not ours", "e.example TXT v=spf1 include:i.example -all\n"
	    "i.example TXT v=spf1 -all exp=x.example\nx.example TXT no\n", "" },
	{ "of the redirect", "e.example TXT v=spf1 redirect=i.example exp=y.example\n"
	    "i.example TXT v=spf1 -all exp=x.example\nx.example TXT theirs\ny.example TXT ours\n",
	    "theirs" },
	{ "not there", "e.example TXT v=spf1 -all exp=x.example\n", "" },
	{ "A26 two records", "e.example TXT v=spf1 -all exp=x.example\nx.example TXT one\n"
	    "x.example TXT two\n", "" },
	{ "A26 a failing server", "e.example TXT v=spf1 -all exp=x.example\nx.example FAIL\n", "" },
	{ "A26 its name by macros", "e.example TXT v=spf1 -all exp=%{l}.%{i}._x.%{d}\n"
	    "joe.192.0.2.1._x.e.example TXT %%%_%-%{S}\n", "% %20joe%40e.example" },
	{ "A26 letters for explanations alone", "e.example TXT v=spf1 -all exp=x.example\n"
	    "x.example TXT %{c} at %{r}\n", "192.0.2.1 at mx.here.example" },
	{ "A26 expanded once", "e.example TXT v=spf1 -all exp=x.example\nx.example TXT %%{d}\n", "%{d}" },
};

static void
test_explanations(void **state)
{
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };

	(void)state;
	for (size_t i = 0; i < sizeof(explanations) / sizeof(explanations[0]); i++) {
		struct sl_spf *spf = evaluate(explanations[i].zone, &a);

		assert_int_equal(sl_spf_result(spf)->status, SL_SPF_FAIL);
		assert_string_equal(sl_spf_result(spf)->explanation, explanations[i].want);
		sl_spf_free(spf);
	}
}

static void
check_received(const struct asked *a, const char *want)
{
	struct sl_spf *spf = evaluate("e.example TXT v=spf1 ip4:192.0.2.0/24 -all\n", a);
	struct sl_buf out = SL_BUF_INIT;

	assert_int_equal(sl_spf_received(&out, spf), 0);
	assert_string_equal(out.p, want);
	sl_buf_clear(&out);
	sl_spf_free(spf);
}

static void
test_received(void **state)
{
	struct asked plain = { NULL, "mail.e.example", "joe@e.example", SL_SPF_MAILFROM };
	struct asked hostile = { "2001:db8::1", "a);\r\nX: y\"\\", "\"j) (\"@e.example",
	    SL_SPF_MAILFROM };

	(void)state;
	check_received(&plain, "pass (mx.here.example: domain of joe@e.example designates as permitted"
	    " sender 192.0.2.1)\r\n\treceiver=mx.here.example;\r\n\tclient-ip=192.0.2.1;"
	    "\r\n\tenvelope-from=\"joe@e.example\";\r\n\thelo=mail.e.example;\r\n\tidentity=mailfrom;"
	    "\r\n\tmechanism=\"ip4:192.0.2.0/24\";");
	check_received(&hostile, "fail (mx.here.example: domain of \"j\\)?\\(\"@e.example does not"
	    " designate as permitted sender 2001:db8::1)\r\n\treceiver=mx.here.example;"
	    "\r\n\tclient-ip=\"2001:db8::1\";\r\n\tenvelope-from=\"\\\"j)?(\\\"@e.example\";"
	    "\r\n\thelo=\"a);??X:?y\\\"\\\\\";\r\n\tidentity=mailfrom;\r\n\tmechanism=-all;");
}

/* ---- terms, memory ------------------------------------------------------- */

static const struct { const char *record; bool good; } records[] = {
	{ "v=spf1", true }, { "v=spf1 ", true }, { "V=SPF1 -ALL", true }, { "v=spf1 a/24//64", true },
	{ "v=spf1 a:e.example/0", true }, { "v=spf1 a//64", true }, { "v=spf1 mx:%{d}/24", true },
	{ "v=spf1 moo=", true }, { "v=spf1 moo=%{c}", true }, { "v=spf1 a:e.example.", true },
	{ "v=spf1 ip6:::/0", true }, { "v=spf1 exists:%{ir}.%{v}.e.example", true },
	{ "v=spf1 a/33", false }, { "v=spf1 a/024", false }, { "v=spf1 a//129", false },
	{ "v=spf1 a/", false }, { "v=spf1 a:", false }, { "v=spf1 a:/24", false },
	{ "v=spf1 -moo=x", false }, { "v=spf1 =x", false }, { "v=spf1 ip4:1.2.3", false },
	{ "v=spf1 ip4:01.2.3.4", false }, { "v=spf1 ip4:1.2.3.4/", false },
	{ "v=spf1 ip6:1.2.3.4", false }, { "v=spf1 include", false }, { "v=spf1 exists:", false },
	{ "v=spf1 all:e.example", false }, { "v=spf1 redirect=", false }, { "v=spf1 a:e", false },
	{ "v=spf1 exp=x.example exp=x.example", false }, { "v=spf1 a:e.1", false }, { "v=spf1\ta", false },
	{ "v=spf1 moo=%{z}", false }, { "v=spf1 -", false }, { "v=spf10 a", false }, { "spf1 a", false },
};

static void
test_records(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		struct sl_err err = { 0 };
		bool good = sl_spf_check_record(sl_str_of(records[i].record), &err) == 0;

		if (good != records[i].good)
			printf("%s: %s\n", records[i].record, err.text);
		assert_int_equal(good, records[i].good);
	}
}

/* The n-th allocation while answer 'step' is taken fails: 0 no such answer. */
static bool
run_without_memory(json_t *zone, unsigned step, unsigned long n)
{
	struct asked a = { NULL, "h", "joe@e.example", SL_SPF_MAILFROM };
	struct sl_spf *spf = make(&a);
	struct sl_evaluator *e = sl_spf_evaluator(spf);
	struct sl_question q;
	unsigned i = 0;

	while (!e->done(e) && e->question(e, &q) == 1) {
		struct sl_dns_answer *answer = zone_answer(zone, q.name, q.type);

		sl_alloc_fail_at(i++ == step ? n : 0, 0);
		e->answer(e, q.id, answer);
		sl_alloc_fail_at(0, 0);
		sl_dns_answer_unref(answer);
	}
	assert_true(e->done(e));
	assert_true(sl_spf_result(spf)->status == SL_SPF_FAIL ||
	    sl_spf_result(spf)->status == SL_SPF_TEMPERROR);
	sl_spf_free(spf);
	return i > step;
}

/* Never a pass out of it, nothing leaks. */
static void
test_no_memory(void **state)
{
	json_t *zone = zone_of("e.example TXT v=spf1 include:i.example redirect=%{d2}.r.example\n"
	    "i.example TXT v=spf1 exists:no.%{d} -all\n"
	    "e.example.r.example TXT v=spf1 ptr -all exp=x.%{o}\nx.e.example TXT no %{p}\n");
	unsigned step = 0;

	(void)state;
	sl_alloc_fail_at(1, 0);
	assert_null(sl_spf_new(&(struct sl_spf_options){ 0 }));
	for (bool more = true; more; step++) {
		more = false;
		for (unsigned long n = 1; n < 6; n++)
			more = run_without_memory(zone, step, n);
	}
	sl_alloc_fail_at(0, 0);
	json_decref(zone);
	assert_true(step >= 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_results), cmocka_unit_test(test_hosts_together),
		cmocka_unit_test(test_many_names), cmocka_unit_test(test_many_hosts),
		cmocka_unit_test(test_lookup_limit), cmocka_unit_test(test_huge_record),
		cmocka_unit_test(test_macro_bomb), cmocka_unit_test(test_explanations),
		cmocka_unit_test(test_received), cmocka_unit_test(test_records),
		cmocka_unit_test(test_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
