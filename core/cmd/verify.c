/*
 * sluice verify: SPF, DKIM, DMARC and the ARC chain of a message from a file,
 * as a gateway would find them. All that is printed may come from outside.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../auth/scan.h"
#include "../base/terminal.h"
#include "cmd.h"

struct job {
	const char *message, *zone;	/* paths; zone NULL = the system's resolver */
	const char *ip, *helo, *from;	/* NULL = not given */
	bool json;
	struct sl_addr addr;		/* of ip */
};

/* What a result means for the whole. */
enum weight { OPEN, GOOD, BAD, TEMPORARY };

static enum weight
weigh_spf(const struct sl_spf_result *r)
{
	if (r == NULL)
		return OPEN;
	switch (r->status) {
	case SL_SPF_PASS:
		return GOOD;
	case SL_SPF_FAIL:
	case SL_SPF_PERMERROR:
		return BAD;
	case SL_SPF_TEMPERROR:
		return TEMPORARY;
	default:
		return OPEN;
	}
}

static enum weight
weigh_dkim(enum sl_dkim_status status)
{
	switch (status) {
	case SL_DKIM_NONE:
		return OPEN;
	case SL_DKIM_PASS:
		return GOOD;
	case SL_DKIM_TEMPERROR:
		return TEMPORARY;
	default:
		return BAD;
	}
}

static enum sl_dmarc_status
dmarc_status(const struct sl_auth_scan *scan)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan);

	return d != NULL ? d->status : SL_DMARC_PERMERROR;
}

static enum weight
weigh_dmarc(enum sl_dmarc_status status)
{
	switch (status) {
	case SL_DMARC_POLICY_ABSENT:
		return OPEN;
	case SL_DMARC_PASS:
		return GOOD;
	case SL_DMARC_TEMPERROR:
		return TEMPORARY;
	default:
		return BAD;
	}
}

static enum weight
weigh_arc(const struct sl_arc_result *r)
{
	return r->status == SL_ARC_PASS ? GOOD : r->status == SL_ARC_NONE ? OPEN :
	    r->temporary ? TEMPORARY : BAD;
}

/* A failure is one, whatever else couldn't be found out. A broken chain is none: it's as if there
 * were no chain (RFC 8617 5.2). */
static enum weight
weigh_all(const struct sl_auth_scan *scan)
{
	enum weight w[] = { weigh_spf(sl_auth_scan_spf(scan)),
	    weigh_dkim(sl_dkim_verify_status(sl_auth_scan_dkim(scan))),
	    weigh_dmarc(dmarc_status(scan)) };
	enum weight all = GOOD;
	size_t i;

	for (i = 0; i < sizeof(w) / sizeof(w[0]); i++)
		if (w[i] == BAD || (w[i] == TEMPORARY && all != BAD))
			all = w[i];
	return all;
}

/* ---- for people ----------------------------------------------------------------------- */

/* "dkim   fail       example.com ..."; colour on a terminal only. */
static void
print_result(const char *what, enum weight weight, const char *word)
{
	static const char *const colors[] = {
		[OPEN] = "\033[33m", [GOOD] = "\033[32m", [BAD] = "\033[31m", [TEMPORARY] = "\033[33m",
	};
	bool color = sl_terminal_colors(STDOUT_FILENO);

	printf("%-6s %s%-13s%s ", what, color ? colors[weight] : "", word, color ? "\033[0m" : "");
}

/* A line below a result; none for an empty text. */
static void
print_detail(const char *name, const char *text)
{
	if (text[0] == '\0')
		return;
	printf("       %-13s ", name);
	cmd_print(text);
	putchar('\n');
}

static void
print_spf(const struct sl_spf_result *r, const char *ip)
{
	print_result("spf", weigh_spf(r), sl_spf_status_word(r->status));
	cmd_print(r->sender);
	printf(" from %s\n", ip);
	print_detail("mechanism", r->mechanism);
	print_detail("reason", r->reason);
	print_detail("explanation", r->explanation);
}

static void
print_signature(const struct sl_dkim_result *r)
{
	print_result("dkim", weigh_dkim(r->status), sl_dkim_status_word(r->status));
	cmd_print(r->domain[0] != '\0' ? r->domain : "unknown domain");
	if (r->selector[0] != '\0') {
		printf(" selector ");
		cmd_print(r->selector);
	}
	if (r->algorithm != SL_DKIM_BY_KEY)
		printf(" %s", sl_dkim_algorithm_word(r->algorithm));
	if (r->bits > 0)
		printf(" %u bits", r->bits);
	putchar('\n');
	print_detail("reason", r->reason);
	print_detail("testing", r->testing ? "the key says that a failure doesn't count (t=y)" : "");
}

static void
print_dkim(const struct sl_dkim_verify *v)
{
	size_t i, n = sl_dkim_verify_count(v);

	for (i = 0; i < n; i++)
		print_signature(sl_dkim_verify_result(v, i));
	if (n == 0) {
		print_result("dkim", OPEN, sl_dkim_status_word(SL_DKIM_NONE));
		printf("no signature\n");
	}
	if (sl_dkim_verify_skipped(v) > 0)
		printf("       %zu more signatures were not looked at\n", sl_dkim_verify_skipped(v));
}

static void
print_policy(const struct sl_dmarc_details *d)
{
	if (d->domain[0] == '\0')
		return;
	print_detail("policy", sl_dmarc_policy_word(d->policy));
	print_detail("policy of", d->domain);
	print_detail("record", d->text);
	printf("       %-13s SPF %s, DKIM %s\n", "aligned", d->spf_checked ?
	    sl_dmarc_alignment_word(d->spf_alignment) : "not checked",
	    sl_dmarc_alignment_word(d->dkim_alignment));
}

static void
print_dmarc(const struct sl_auth_scan *scan)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan);
	enum sl_dmarc_status status = dmarc_status(scan);

	print_result("dmarc", weigh_dmarc(status), sl_dmarc_status_word(status));
	cmd_print(d != NULL ? d->from : "no author domain");
	putchar('\n');
	print_detail("reason", d != NULL ? d->reason : sl_auth_scan_from(scan)->reason);
	if (d != NULL)
		print_policy(d);
}

/* "set 1  lists.example cv=none, seal pass, message fail" */
static void
print_set(size_t instance, const struct sl_arc_set *set)
{
	printf("       set %-9zu ", instance);
	cmd_print(set->seal.domain[0] != '\0' ? set->seal.domain : "unknown domain");
	printf(" cv=%s, seal %s, message %s", sl_arc_status_word(set->cv),
	    set->seal.status == SL_DKIM_NONE ? "not looked at" : sl_dkim_status_word(set->seal.status),
	    set->message.status == SL_DKIM_NONE ? "not looked at" :
	    sl_dkim_status_word(set->message.status));
	putchar('\n');
}

static void
print_arc(const struct sl_arc_result *r)
{
	size_t i;

	if (r->instances == 0)
		return;
	print_result("arc", weigh_arc(r), sl_arc_status_word(r->status));
	printf("%u set%s\n", r->instances, r->instances == 1 ? "" : "s");
	print_detail("reason", r->reason);
	for (i = 0; i < r->n; i++)
		print_set(i + 1, &r->sets[i]);
}

/* ---- for programs --------------------------------------------------------------------- */

static json_t *
spf_object(const struct sl_spf_result *r)
{
	if (r == NULL)
		return json_null();
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}",
	    "result", sl_spf_status_word(r->status), "reason", cmd_json_text(r->reason),
	    "domain", cmd_json_text(r->domain), "sender", cmd_json_text(r->sender),
	    "mechanism", cmd_json_text(r->mechanism), "explanation", cmd_json_text(r->explanation));
}

static json_t *
signature_object(const struct sl_dkim_result *r)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:i, s:b, s:b}",
	    "result", sl_dkim_status_word(r->status), "reason", cmd_json_text(r->reason),
	    "domain", cmd_json_text(r->domain), "selector", cmd_json_text(r->selector),
	    "identity", cmd_json_text(r->identity), "algorithm", sl_dkim_algorithm_word(r->algorithm),
	    "bits", (int)r->bits, "testing", r->testing, "dnssec", r->secure);
}

static json_t *
dkim_object(const struct sl_dkim_verify *v)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < sl_dkim_verify_count(v); i++)
		json_array_append_new(list, signature_object(sl_dkim_verify_result(v, i)));
	return json_pack("{s:s, s:o, s:I}", "result", sl_dkim_status_word(sl_dkim_verify_status(v)),
	    "signatures", list, "skipped", (json_int_t)sl_dkim_verify_skipped(v));
}

static json_t *
dmarc_object(const struct sl_auth_scan *scan)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan);
	const char *word = sl_dmarc_status_word(dmarc_status(scan));

	if (d == NULL)
		return json_pack("{s:s, s:o}", "result", word,
		    "reason", cmd_json_text(sl_auth_scan_from(scan)->reason));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:b, s:b, s:s, s:s}",
	    "result", word, "reason", cmd_json_text(d->reason), "from", cmd_json_text(d->from),
	    "organizational_domain", cmd_json_text(d->org), "policy_domain", cmd_json_text(d->domain),
	    "record", cmd_json_text(d->text), "published", sl_dmarc_policy_word(d->published),
	    "policy", sl_dmarc_policy_word(d->policy), "testing", d->record.testing,
	    "spf_checked", d->spf_checked,
	    "spf_alignment", sl_dmarc_alignment_word(d->spf_alignment),
	    "dkim_alignment", sl_dmarc_alignment_word(d->dkim_alignment));
}

static json_t *
set_object(const struct sl_arc_set *set)
{
	struct sl_buf results = SL_BUF_INIT;
	json_t *out;

	sl_field_unfold(&results, set->results);
	out = json_pack("{s:s, s:o, s:o, s:o}", "cv", sl_arc_status_word(set->cv),
	    "results", cmd_json_text(results.p != NULL ? results.p : ""),
	    "seal", signature_object(&set->seal), "message", signature_object(&set->message));
	sl_buf_clear(&results);
	return out;
}

static json_t *
arc_object(const struct sl_arc_result *r)
{
	json_t *sets = json_array();
	size_t i;

	for (i = 0; i < r->n; i++)
		json_array_append_new(sets, set_object(&r->sets[i]));
	return json_pack("{s:s, s:o, s:b, s:i, s:i, s:b, s:o}", "result", sl_arc_status_word(r->status),
	    "reason", cmd_json_text(r->reason), "temporary", r->temporary,
	    "instances", (int)r->instances, "oldest_pass", (int)r->oldest_pass,
	    "from_signed", r->from_signed, "sets", sets);
}

static void
print_json(const struct sl_auth_scan *scan, const struct sl_arc_result *arc, enum weight all)
{
	json_t *out = json_pack("{s:s, s:o, s:o, s:o, s:o}",
	    "result", all == BAD ? "fail" : all == TEMPORARY ? "temperror" : "ok",
	    "spf", spf_object(sl_auth_scan_spf(scan)), "dkim", dkim_object(sl_auth_scan_dkim(scan)),
	    "dmarc", dmarc_object(scan), "arc", arc_object(arc));

	if (out != NULL)
		json_dumpf(out, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(out);
}

/* ---- the work ------------------------------------------------------------------------- */

static int
report(const struct job *job, const struct sl_auth_scan *scan, const struct sl_arc_result *arc)
{
	enum weight all = weigh_all(scan);

	if (job->json) {
		print_json(scan, arc, all);
	} else {
		if (sl_auth_scan_spf(scan) != NULL)
			print_spf(sl_auth_scan_spf(scan), job->ip);
		print_dkim(sl_auth_scan_dkim(scan));
		print_dmarc(scan);
		print_arc(arc);
	}
	if (cmd_flush() != 0)
		return 2;
	return all == BAD ? 1 : all == TEMPORARY ? CMD_TEMPORARY : 0;
}

/* Waits for a scan; NULL: out of memory. */
static struct sl_auth_scan *
scanned(const struct sl_auth_scan_options *o)
{
	struct sl_auth_scan *s = sl_auth_scan_start(o);
	struct sl_op *op = s != NULL ? sl_auth_scan_wait(s) : NULL;

	if (op == NULL || sl_op_block(op) != 0) {
		sl_auth_scan_free(s);
		s = NULL;
	}
	sl_op_release(op);
	return s;
}

static int
scan(const struct job *job, struct sl_loop *loop, struct sl_dns *dns, struct sl_message *m)
{
	struct sl_spf_options spf = {
		.identity = SL_SPF_MAILFROM, .ip = job->addr, .helo = sl_str_of(job->helo),
		.sender = sl_str_of(job->from), .now = sl_loop_time_us(loop) / 1000000,
	};
	struct sl_auth_scan_options o = {
		.loop = loop, .dns = dns, .message = m, .spf = job->ip != NULL ? &spf : NULL,
	}, chain = { .loop = loop, .dns = dns, .message = m, .arc = true };
	struct sl_auth_scan *s = scanned(&o), *arc = s != NULL ? scanned(&chain) : NULL;
	int rc = CMD_TEMPORARY;

	if (arc != NULL)
		rc = report(job, s, sl_auth_scan_arc(arc));
	else
		fprintf(stderr, "sluice: out of memory\n");
	sl_auth_scan_free(arc);
	sl_auth_scan_free(s);
	return rc;
}

static int
verify(const struct job *job)
{
	struct sl_message *m = cmd_read_message(job->message);
	struct sl_err err;
	struct sl_loop *loop;
	struct sl_dns *dns;
	int rc = 2;

	if (m == NULL)
		return 2;
	loop = sl_loop_new(&err);
	if (loop == NULL)
		fprintf(stderr, "sluice: %s\n", err.text);
	dns = loop != NULL ? cmd_open_dns(loop, job->zone) : NULL;
	if (dns != NULL)
		rc = scan(job, loop, dns, m);
	sl_dns_unref(dns);
	sl_loop_free(loop);
	sl_message_unref(m);
	return rc;
}

/* ---- arguments ------------------------------------------------------------------------ */

static bool
take_option(struct job *job, int c, const char *value)
{
	switch (c) {
	case 'j':
		job->json = true;
		return true;
	case 'z':
		job->zone = value;
		return true;
	case 'i':
		job->ip = value;
		return true;
	case 'h':
		job->helo = value;
		return true;
	case 'f':
		job->from = value;
		return true;
	default:
		return false;
	}
}

/* SPF needs an address to judge, and a name that it is judged for. */
static bool
client_ok(struct job *job)
{
	if (job->ip == NULL)
		return job->helo == NULL && job->from == NULL;
	if (sl_addr_parse_ip(&job->addr, sl_str_of(job->ip), 0) != 0) {
		fprintf(stderr, "sluice: --ip %s is no IP address\n", job->ip);
		return false;
	}
	if (job->from != NULL && job->from[0] != '\0' &&
	    (strchr(job->from, '@') == NULL || strpbrk(job->from, "<>") != NULL)) {
		fprintf(stderr, "sluice: --from %s is no address\n", job->from);
		return false;
	}
	return job->helo != NULL || (job->from != NULL && job->from[0] != '\0');
}

int
cmd_verify(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' }, { "zone", required_argument, NULL, 'z' },
		{ "ip", required_argument, NULL, 'i' }, { "helo", required_argument, NULL, 'h' },
		{ "from", required_argument, NULL, 'f' }, { 0 },
	};
	struct job job = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!take_option(&job, c, optarg))
			return cmd_usage("verify");
	if (optind != argc - 1 || !client_ok(&job))
		return cmd_usage("verify");
	job.message = argv[optind];
	if (strcmp(job.message, "-") == 0 && job.zone != NULL && strcmp(job.zone, "-") == 0)
		return cmd_usage("verify");
	return verify(&job);
}
