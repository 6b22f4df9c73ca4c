/* SPF, DKIM, DMARC and ARC as scripts see them, on a zone of the test's own. */
#include "../session_testing.h"

static struct rig rig;

static const char zone[] =
    "example.com. TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
    "client.example.com. TXT \"v=spf1 -all\"\n"
    "_dmarc.example.com. TXT \"v=DMARC1; p=reject; rua=mailto:d@example.com\"\n"
    "other.example. TXT \"v=spf1 -all\"\n"
    "_dmarc.other.example. TXT \"v=DMARC1; p=quarantine\"\n"
    "slow.example. SERVFAIL\n_dmarc.slow.example. SERVFAIL\n";

static int
set_up(void **state)
{
	(void)state;
	rig_init(&rig);
	rig_write(&rig, "zone.txt", zone);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	rig_clear(&rig);
	return 0;
}

#define FROM(from)	"From: " from "\r\nSubject: x\r\n\r\nHello.\r\n"

/* Each script asserts for itself, on a message from ann@example.com by 192.0.2.1. */
static const struct { const char *name, *message, *script; } cases[] = {
	{ "aligned SPF", FROM("ann@example.com"),
	    "local r = ScanDMARC() assert(r['example.com'] == 'pass')\n"
	    "local d = dmarc_details() assert(d.result == 'pass' and d.policy == 'pass')\n"
	    "assert(d.policy_published.p == 'reject' and d.policy_published.domain == 'example.com')\n"
	    "assert(d.identifiers.header_from == 'example.com' and d.policy_evaluated.spf == 'pass')\n"
	    "assert(d.auth_results.spf.alignment == 'pass' and #d.auth_results.dkim == 0)" },
	{ "SPF", FROM("ann@example.com"),
	    "local s = ScanSPF() assert(s.result == 'pass' and s.scope == 'mfrom' and s.domain == 'example.com')\n"
	    "assert(s.mechanism == 'ip4:192.0.2.1' and s.sender == 'ann@example.com')\n"
	    "assert(s.received:find('^pass ') and s.received:find('client-ip=192.0.2.1', 1, true))\n"
	    "assert(s.helo.result == 'fail' and s.helo.scope == 'helo' and s.helo.domain == 'client.example.com')" },
	{ "the HELO result decides nothing", FROM("ann@client.example.com"),
	    "assert(ScanSPF().helo.result == 'fail')\n"
	    "assert(ScanDMARC()['client.example.com'] == 'pass')" },	/* aligned, relaxed */
	{ "spoofed", FROM("ceo@other.example"),
	    "assert(ScanDMARC()['other.example'] == 'quarantine')\n"
	    "local d = dmarc_details() assert(d.result == 'fail' and #d.reason > 0)\n"
	    "assert(d.policy_evaluated.disposition == 'quarantine' and d.policy_evaluated.spf == 'fail')\n"
	    "assert(d.auth_results.spf.alignment == 'unaligned')" },
	{ "no answer", FROM("ann@slow.example"), "assert(ScanDMARC()['slow.example'] == 'temperror')\n"
	    "assert(dmarc_details().result == 'temperror')" },
	{ "no policy", FROM("ann@none.example"), "assert(ScanDMARC()['none.example'] == 'policy_absent')\n"
	    "local d = dmarc_details() assert(d.result == 'none' and d.policy_published == nil)" },
	{ "no signature", FROM("ann@example.com"), "assert(#ScanDKIM() == 0 and ScanARC().result == 'none')\n"
	    "assert(#ScanARC().sets == 0 and ScanARC().instances == 0)" },
	{ "a signature that can't be read", "DKIM-Signature: v=1; a=rsa-sha256\r\n" FROM("ann@example.com"),
	    "local s = ScanDKIM() assert(#s == 1 and s[1].result == 'permerror' and #s[1].reason > 0)" },
	{ "a query of one's own", FROM("ann@example.com"),
	    "assert(spf('192.0.2.9', 'h.example', 'example.com') == 'fail')\n"
	    "assert(spf('192.0.2.1', 'h.example', 'example.com') == 'pass')\n"
	    "assert(spf('192.0.2.1', 'h.example', 'slow.example') == 'temperror')\n"
	    "assert(spf('192.0.2.1', 'h.example', 'none.example') == 'none')\n"
	    "local v, why, code = spf('192.0.2', 'h.example', 'example.com')\n"
	    "assert(v == nil and #why > 0 and code == 'syntax')" },
};

static void
scans(void **state)
{
	const struct outcome *o;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rig_write(&rig, "data.lua", cases[i].script);
		rig_load(&rig);
		o = rig_send(&rig, cases[i].message, false);
		if (o->code != 250)
			fail_msg("%s: %s at %s", cases[i].name, o->text, o->where);
	}
}

/* What can't be decided without an author domain is told apart from "no policy". */
static void
without_an_author_domain(void **state)
{
	static const char *const messages[] = {
		FROM("ann@example.com, eve@other.example"),
		"From: ann@example.com\r\n" FROM("eve@other.example"), FROM("nobody:;"), FROM("ann"),
		"Subject: x\r\n\r\nHello.\r\n",
	};
	size_t i;

	(void)state;
	rig_write(&rig, "sluice.lua", "return { hostname = 'mx.example.org', from_check = 'accept',\n"
	    "servers = { inbound = { relay = { ['example.org'] = { transport = 'box' } } } },\n"
	    "transports = { box = { discard = true } }, dns = { zone = 'zone.txt', zone_only = true } }\n");
	rig_write(&rig, "data.lua", "local r, why, reason = ScanDMARC()\n"
	    "assert(r == nil and why == 'permerror' and #reason > 0)\n"
	    "assert(dmarc_details().result == 'permerror')");
	rig_load(&rig);
	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (rig_send(&rig, messages[i], false)->code != 250)
			fail_msg("%s: %s", messages[i], rig.out.text);
	rig_write(&rig, "sluice.lua", rig_config);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scans),
		cmocka_unit_test(without_an_author_domain),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
