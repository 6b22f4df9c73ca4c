/*
 * The resolver against a real unbound on loopback: what a forwarder does, and
 * what attackers do through one (chains, loops, size, cut answers, forgeries).
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../base/alloc.h"
#include "dns.h"

static struct sl_loop *loop;
static struct sl_events events;
static struct sl_event_sink sink;
static char names[16][40];		/* of events */
static unsigned nnames;
static char folder[] = "/tmp/sl-dns-XXXXXX";

struct server {
	pid_t pid;
	int port;
	char address[40];
};
static struct server plain, signing;	/* one that strips DNSSEC, one that has it */

static void
note(struct sl_event_sink *s, const struct sl_event *event)
{
	(void)s;
	if (nnames < 16)
		snprintf(names[nnames++], sizeof(names[0]), "%s", event->name);
}

static unsigned
noted(const char *name)
{
	unsigned i, n = 0;

	for (i = 0; i < nnames; i++)
		n += strcmp(names[i], name) == 0;
	return n;
}

/* ---- servers ------------------------------------------------------------------------- */

static int
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, n), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void
write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

/* It answers once it is there: TCP says so. */
static void
wait_for(const struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)s->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int i, fd, rc = -1;

	for (i = 0; i < 500 && rc != 0; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		rc = connect(fd, (struct sockaddr *)&a, sizeof(a));
		close(fd);
		if (rc != 0)
			usleep(10000);
	}
	if (rc != 0)
		fail_msg("unbound doesn't start");
}

static void
start(struct server *s, const char *name, const char *lines)
{
	char path[128], *text = malloc(strlen(lines) + 2048);

	s->port = free_port();
	snprintf(s->address, sizeof(s->address), "127.0.0.1:%d", s->port);
	snprintf(path, sizeof(path), "%s/%s.conf", folder, name);
	sprintf(text, "server:\n interface: 127.0.0.1@%d\n do-daemonize: no\n username: \"\"\n"
	    " chroot: \"\"\n directory: \"%s\"\n pidfile: \"\"\n use-syslog: no\n logfile: \"\"\n"
	    " verbosity: 0\n num-threads: 1\n module-config: \"iterator\"\n val-log-level: 0\n"
	    " do-ip6: no\n do-not-query-localhost: no\n max-udp-size: 1232\n%s", s->port, folder, lines);
	write_file(path, text);
	free(text);
	s->pid = fork();
	if (s->pid == 0) {
		execlp("unbound", "unbound", "-d", "-c", path, (char *)NULL);
		execl("/usr/sbin/unbound", "unbound", "-d", "-c", path, (char *)NULL);
		_exit(127);
	}
	wait_for(s);
}

static void
stop(struct server *s)
{
	kill(s->pid, SIGTERM);
	waitpid(s->pid, NULL, 0);
}

/* 200 strings of 250 bytes: 50 KB, which only TCP can bring. */
static void
put_huge(char *out)
{
	unsigned i, j;

	out += sprintf(out, " local-data: 'huge.test. 300 TXT");
	for (i = 0; i < 200; i++) {
		out += sprintf(out, " \"");
		for (j = 0; j < 250; j++)
			*out++ = (char)('a' + j % 26);
		out += sprintf(out, "\"");
	}
	sprintf(out, "'\n");
}

static const char plain_zone[] =
    " local-zone: \".\" static\n"
    " local-zone: \"test.\" static\n"
    " local-data: \"test. 3600 SOA ns.test. host.test. 1 2 3 4 900\"\n"
    " local-data: \"a.test. 77 A 192.0.2.1\"\n"
    " local-data: \"a.test. 300 TXT only\"\n"
    " local-zone: \"refused.test.\" refuse\n"
    " local-zone: \"silent.test.\" deny\n"
    " local-data: \"loop1.test. 300 CNAME loop2.test.\"\n"
    " local-data: \"loop2.test. 300 CNAME loop1.test.\"\n";

static int
setup_servers(void **state)
{
	char *text = calloc(1, 100000), *at, cwd[500];
	unsigned i;

	(void)state;
	assert_non_null(mkdtemp(folder));
	at = text + sprintf(text, "%s", plain_zone);
	for (i = 0; i < 30; i++)
		at += sprintf(at, " local-data: \"c%u.test. 300 CNAME c%u.test.\"\n", i, i + 1);
	put_huge(at);
	start(&plain, "plain", text);
	sprintf(text, "auth-zone:\n name: \".\"\n zonefile: \"%s/tests/dns/root.zone\"\n"
	    " for-downstream: no\n for-upstream: yes\n"
	    "auth-zone:\n name: \"insecure.\"\n zonefile: \"%s/insecure.zone\"\n"
	    " for-downstream: no\n for-upstream: yes\n", getcwd(cwd, sizeof(cwd)), folder);
	at = calloc(1, 200);
	sprintf(at, "%s/insecure.zone", folder);
	write_file(at, "insecure. 300 SOA ns. host. 1 2 3 4 300\ninsecure. 300 NS ns.\n"
	    "insecure. 300 A 192.0.2.5\n");
	free(at);
	start(&signing, "signing", text);
	free(text);
	return 0;
}

static int
teardown_servers(void **state)
{
	char command[80];

	(void)state;
	stop(&plain);
	stop(&signing);
	snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* ---- asking --------------------------------------------------------------------------- */

static int
setup(void **state)
{
	(void)state;
	nnames = 0;
	sl_events_init(&events);
	sink.write = note;
	sl_events_add(&events, &sink);
	loop = sl_loop_new(NULL);
	return loop == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	sl_loop_free(loop);
	return 0;
}

/* 'anchor' 1: that of the signed root. */
static struct sl_dns *
open_dns(const char *server, const char *zone, int dnssec, bool anchor, int64_t timeout_ms)
{
	const char *servers[] = { server, NULL };
	struct sl_dns_options o = { .servers = servers, .zone = sl_str_of(zone), .dnssec = dnssec,
	    .timeout_ms = timeout_ms, .events = &events };
	static char key[1000];
	struct sl_dns *dns;
	struct sl_err err;
	FILE *f = fopen("tests/dns/root.key", "r");

	assert_non_null(f);
	key[fread(key, 1, sizeof(key) - 1, f)] = '\0';
	fclose(f);
	if (anchor)
		o.anchor = sl_str_of(key);
	dns = sl_dns_open(loop, &o, &err);
	if (dns == NULL)
		fail_msg("%s", err.text);
	return dns;
}

static struct sl_dns_answer *
answer(struct sl_dns *dns, const char *name, enum sl_dns_type type)
{
	struct sl_dns_query *q = sl_dns_query(dns, name, type, 0);
	struct sl_dns_answer *a;

	sl_op_block(&q->op);
	a = sl_dns_answer_ref(q->answer);
	sl_op_release(&q->op);
	return a;
}

static void
check(struct sl_dns *dns, const char *name, enum sl_dns_type type, enum sl_dns_status status,
    size_t n, bool secure)
{
	struct sl_dns_answer *a = answer(dns, name, type);

	if (a->status != status || a->n != n || a->secure != secure)
		fail_msg("%s: %s, %zu records%s", name, sl_dns_status_word(a->status), a->n,
		    a->secure ? ", secure" : "");
	sl_dns_answer_unref(a);
}

/* ---- a forwarder ------------------------------------------------------------------------ */

static void
test_forwarder(void **state)
{
	struct sl_dns *dns = open_dns(plain.address, "", 0, false, 2000);
	struct sl_dns_answer *a;

	(void)state;
	check(dns, "a.test", SL_DNS_A, SL_DNS_OK, 1, false);
	check(dns, "A.TEST.", SL_DNS_A, SL_DNS_OK, 1, false);
	check(dns, "a.test", SL_DNS_MX, SL_DNS_NODATA, 0, false);
	check(dns, "none.test", SL_DNS_A, SL_DNS_NXDOMAIN, 0, false);
	check(dns, "x.refused.test", SL_DNS_A, SL_DNS_SERVFAIL, 0, false);
	check(dns, "a..test", SL_DNS_A, SL_DNS_INVALID, 0, false);
	a = answer(dns, "a.test", SL_DNS_A);
	assert_in_range(a->ttl, 70, 77);
	sl_dns_answer_unref(a);
	a = answer(dns, "none.test", SL_DNS_A);		/* RFC 2308: the SOA's minimum */
	assert_in_range(a->ttl, 890, 900);
	sl_dns_answer_unref(a);
	sl_dns_unref(dns);
}

/* Zone text's aliases lead on to the forwarder; their TTL counts, and they are never secure. */
static void
test_alias_out_of_zone_text(void **state)
{
	static const char zone[] = "w.example. 20 CNAME a.test.\nv.example. CNAME none.test.\n"
	    "s.example. CNAME good.\nlater.example. 20 CNAME a.test.\n";
	struct sl_dns *dns = open_dns(plain.address, zone, 0, false, 2000);
	struct sl_dns_answer *a = answer(dns, "w.example", SL_DNS_A);

	(void)state;
	assert_int_equal(a->status, SL_DNS_OK);
	assert_int_equal(a->ttl, 20);
	assert_string_equal(a->canonical, "a.test");
	sl_dns_answer_unref(a);
	check(dns, "v.example", SL_DNS_A, SL_DNS_NXDOMAIN, 0, false);
	check(dns, "a.test", SL_DNS_A, SL_DNS_OK, 1, false);
	sl_dns_unref(dns);
	dns = open_dns(signing.address, zone, 1, true, 3000);
	check(dns, "s.example", SL_DNS_A, SL_DNS_OK, 1, false);
	check(dns, "good", SL_DNS_A, SL_DNS_OK, 1, true);
	sl_dns_unref(dns);
}

/* ---- A32 ----------------------------------------------------------------------------------- */

/* Chains and loops of aliases end as a temporary failure, at a cap. */
static void
test_a32_alias_chains(void **state)
{
	struct sl_dns *dns = open_dns(plain.address, "", 0, false, 3000);

	(void)state;
	check(dns, "loop1.test", SL_DNS_A, SL_DNS_SERVFAIL, 0, false);
	check(dns, "c0.test", SL_DNS_A, SL_DNS_SERVFAIL, 0, false);
	sl_dns_unref(dns);
}

/* 50 KB of TXT don't fit into UDP: the answer is cut, asked again over TCP, and whole. */
static void
test_a32_huge_txt_over_tcp(void **state)
{
	struct sl_dns *dns = open_dns(plain.address, "", 0, false, 3000);
	struct sl_dns_answer *a = answer(dns, "huge.test", SL_DNS_TXT);

	(void)state;
	assert_int_equal(a->status, SL_DNS_OK);
	assert_int_equal(a->n, 1);
	assert_int_equal(a->records[0].data.n, 50000);
	assert_memory_equal(a->records[0].data.p + 250 * 199, "abcdefgh", 8);
	sl_dns_answer_unref(a);
	sl_dns_unref(dns);
}

/* Forged, unsigned, silent: three words, and only one is an answer. */
static void
test_a32_bogus_insecure_and_timeout_apart(void **state)
{
	struct sl_dns *dns = open_dns(signing.address, "", 1, true, 3000);

	(void)state;
	check(dns, "good", SL_DNS_A, SL_DNS_OK, 1, true);
	check(dns, "alias", SL_DNS_A, SL_DNS_OK, 1, true);
	check(dns, "good", SL_DNS_MX, SL_DNS_NODATA, 0, true);
	check(dns, "nothing", SL_DNS_A, SL_DNS_NXDOMAIN, 0, true);
	check(dns, "forged", SL_DNS_A, SL_DNS_BOGUS, 0, false);
	check(dns, "insecure", SL_DNS_A, SL_DNS_OK, 1, false);
	sl_dns_unref(dns);
	dns = open_dns(plain.address, "", 0, false, 300);
	check(dns, "x.silent.test", SL_DNS_A, SL_DNS_TIMEOUT, 0, false);
	sl_dns_unref(dns);
	assert_true(sl_dns_temporary(SL_DNS_BOGUS) && sl_dns_temporary(SL_DNS_TIMEOUT));
	assert_false(sl_dns_temporary(SL_DNS_NXDOMAIN) || sl_dns_temporary(SL_DNS_NODATA));
}

/* ---- dnssec auto ------------------------------------------------------------------------------ */

/* Questions that come before the decision wait for it. */
static void
test_auto_with_signatures_validates(void **state)
{
	struct sl_dns *dns = open_dns(signing.address, "", -1, true, 4000);
	struct sl_dns_query *first = sl_dns_query(dns, "forged", SL_DNS_A, 0);
	struct sl_dns_query *second = sl_dns_query(dns, "good", SL_DNS_A, 0);
	struct sl_dns_query *given_up = sl_dns_query(dns, "good", SL_DNS_TXT, 0);

	(void)state;
	sl_op_release(&given_up->op);
	sl_op_block(&first->op);
	sl_op_block(&second->op);
	assert_int_equal(first->answer->status, SL_DNS_BOGUS);
	assert_int_equal(second->answer->status, SL_DNS_OK);
	assert_true(second->answer->secure);
	sl_op_release(&first->op);
	sl_op_release(&second->op);
	assert_int_equal(nnames, 0);
	sl_dns_unref(dns);
}

/* With validation on every name would be bogus here. */
static void
test_auto_without_signatures_is_off_and_says_so_once(void **state)
{
	struct sl_dns *dns = open_dns(plain.address, "", -1, false, 4000);

	(void)state;
	check(dns, "a.test", SL_DNS_A, SL_DNS_OK, 1, false);
	check(dns, "a.test", SL_DNS_TXT, SL_DNS_OK, 1, false);
	assert_int_equal(noted("dnssec_off"), 1);
	assert_int_equal(nnames, 1);
	sl_dns_unref(dns);
	dns = open_dns(plain.address, "", 1, false, 4000);
	check(dns, "a.test", SL_DNS_A, SL_DNS_BOGUS, 0, false);
	sl_dns_unref(dns);
}

/* Nobody there: nothing is decided, the question fails by its own deadline. */
static void
test_auto_without_forwarder_is_undecided(void **state)
{
	struct sl_dns_answer *a;
	struct sl_dns *dns;
	char address[40];

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%d", free_port());
	dns = open_dns(address, "own.example. A 192.0.2.9\n", -1, true, 600);
	check(dns, "own.example", SL_DNS_A, SL_DNS_OK, 1, false);	/* zone text waits for nobody */
	assert_int_equal(nnames, 0);
	a = answer(dns, "a.test", SL_DNS_A);
	assert_true(sl_dns_temporary(a->status));
	sl_dns_answer_unref(a);
	assert_int_equal(noted("dnssec_unknown"), 1);
	assert_int_equal(noted("dnssec_off"), 0);
	sl_dns_unref(dns);
}

/* The resolver goes while its probe and questions are under way. */
static void
test_gone_during_the_probe(void **state)
{
	struct sl_dns *dns = open_dns(signing.address, "", -1, true, 4000);
	struct sl_dns_query *q = sl_dns_query(dns, "good", SL_DNS_A, 0);

	(void)state;
	sl_dns_unref(dns);
	sl_op_release(&q->op);
	assert_int_equal(nnames, 0);
}

static void
test_anchors_that_are_none(void **state)
{
	const char *servers[] = { "127.0.0.1", NULL };
	struct sl_dns_options o = { .servers = servers, .dnssec = 1, .anchor = SL_STR("; nothing\n") };
	struct sl_err err;

	(void)state;
	assert_null(sl_dns_open(loop, &o, &err));
	assert_non_null(strstr(err.text, "no trust anchor"));
	o.anchor = SL_STR("this is none\n");
	assert_null(sl_dns_open(loop, &o, &err));
	o.dnssec = -1;
	assert_null(sl_dns_open(loop, &o, &err));
}

/* Wherever memory ends, a question is refused or ends as a failure. */
static void
test_out_of_memory(void **state)
{
	struct sl_dns *dns = open_dns(plain.address, "z.example. CNAME a.test.\nd.example. DELAY 5\n"
	    "d.example. A 192.0.2.1\n", 0, false, 2000);
	static const char *const asked[] = { "z.example", "d.example", "a.test" };
	struct sl_dns_query *q;
	unsigned i, n, refused = 0;

	(void)state;
	for (i = 0; i < 3; i++)
		for (n = 1; n < 12; n++) {
			sl_alloc_fail_at(n, 0);
			q = sl_dns_query(dns, asked[i], SL_DNS_A, 0);
			sl_alloc_fail_at(0, 0);
			refused += q == NULL;
			if (q == NULL)
				continue;
			sl_op_block(&q->op);
			assert_non_null(q->answer);
			sl_op_release(&q->op);
		}
	assert_true(refused >= 3);
	sl_dns_unref(dns);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_forwarder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alias_out_of_zone_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a32_alias_chains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a32_huge_txt_over_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a32_bogus_insecure_and_timeout_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_auto_with_signatures_validates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_auto_without_signatures_is_off_and_says_so_once, setup,
		    teardown),
		cmocka_unit_test_setup_teardown(test_auto_without_forwarder_is_undecided, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone_during_the_probe, setup, teardown),
		cmocka_unit_test_setup_teardown(test_anchors_that_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
	};

	return cmocka_run_group_tests(tests, setup_servers, teardown_servers);
}
