/*
 * sluice keys: a new private key and the record to publish for it; whether
 * what is published belongs to a key; which keys of a policy sign.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "../auth/dkim_published.h"
#include "../mail/address.h"
#include "cmd.h"
#include "keys.h"

/* ---- check ------------------------------------------------------------------ */

/* A key that others may read may be in others' hands. */
static void
look_at_file(struct sl_findings *f, const struct keys_job *job)
{
	struct stat st;

	if (strcmp(job->key, "-") == 0 || stat(job->key, &st) != 0 || (st.st_mode & 077) == 0)
		return;
	sl_findings_add(f, SL_FINDING_NOTE, "key", "%s can be read by others than its owner (mode %03o)",
	    job->key, (unsigned)st.st_mode & 0777);
	sl_findings_remedy(f, "chmod 600 %s", job->key);
}

static int
report(const struct keys_job *job, const char *name, const struct sl_findings *f)
{
	json_t *out;

	if (!job->json) {
		cmd_print_findings(f);
	} else {
		out = json_pack("{s:s, s:s, s:o}", "name", name, "result",
		    sl_finding_word(sl_findings_weight(f)), "findings", cmd_json_findings(f));
		if (out != NULL)
			json_dumpf(out, stdout, JSON_COMPACT);
		printf("\n");
		json_decref(out);
	}
	return cmd_flush() == 0 ? cmd_findings_status(f) : 2;
}

static int
ask(const struct keys_job *job, struct sl_dns *dns, const struct sl_key *key)
{
	struct sl_findings f = { 0 };
	struct sl_dns_query *q;
	char name[256];
	int rc;

	if (!sl_dkim_key_name(name, job->selector, sl_str_of(job->domain))) {
		fprintf(stderr, "sluice: selector and domain are too long for a name\n");
		return 2;
	}
	q = sl_dns_query(dns, name, SL_DNS_TXT, 0);
	if (q == NULL) {
		fprintf(stderr, "sluice: out of memory\n");
		return CMD_TEMPORARY;
	}
	sl_op_block(&q->op);
	look_at_file(&f, job);
	sl_dkim_look(&f, "dkim", name, q->answer, key);
	rc = report(job, name, &f);
	sl_op_release(&q->op);
	sl_findings_clear(&f);
	return rc;
}

static int
check(const struct keys_job *job)
{
	struct sl_key *key = cmd_read_key(job->key);
	struct sl_loop *loop;
	struct sl_dns *dns;
	struct sl_err err;
	int rc = 2;

	if (key == NULL)
		return 2;
	loop = sl_loop_new(&err);
	if (loop == NULL)
		fprintf(stderr, "sluice: %s\n", err.text);
	dns = loop != NULL ? cmd_open_dns(loop, job->zone) : NULL;
	if (dns != NULL)
		rc = ask(job, dns, key);
	sl_dns_unref(dns);
	sl_loop_free(loop);
	sl_key_unref(key);
	return rc;
}

/* ---- arguments ---------------------------------------------------------------- */

static bool
take_type(struct keys_job *job, const char *value)
{
	if (strcmp(value, "rsa") == 0)
		job->type = SL_KEY_RSA;
	else if (strcmp(value, "ed25519") == 0)
		job->type = SL_KEY_ED25519;
	else
		return false;
	return true;
}

static bool
take_bits(struct keys_job *job, const char *value)
{
	uint64_t bits;

	if (!sl_str_u64(sl_str_of(value), &bits) || bits > SL_RSA_MAX_BITS)
		return false;
	job->bits = (unsigned)bits;
	return true;
}

static bool
take_option(struct keys_job *job, int c, const char *value)
{
	switch (c) {
	case 'd':
		return sl_domain_normalize(job->domain, sl_str_of(value), &(struct sl_err){ 0 }) == 0 &&
		    sl_dkim_domain_ok(sl_str_of(job->domain));
	case 's':
		job->selector = sl_str_of(value);
		return sl_dkim_domain_ok(job->selector);
	case 't':
		return take_type(job, value);
	case 'b':
		return take_bits(job, value);
	case 'o':
		job->out = value;
		return true;
	case 'p':
		job->policy = value;
		return true;
	case 'k':
		job->key = value;
		return true;
	case 'z':
		job->zone = value;
		return true;
	case 'j':
		job->json = true;
		return true;
	default:
		return false;
	}
}

static bool
generate_wanted(const struct keys_job *job)
{
	return job->key == NULL && job->zone == NULL && (job->out == NULL || job->policy == NULL) &&
	    (job->type == SL_KEY_RSA || job->bits == 0);
}

static bool
check_wanted(const struct keys_job *job)
{
	return job->key != NULL && job->selector.n > 0 && job->out == NULL && job->policy == NULL &&
	    job->bits == 0 && (job->zone == NULL || strcmp(job->zone, "-") != 0 ||
	    strcmp(job->key, "-") != 0);
}

static bool
status_wanted(const struct keys_job *job)
{
	return job->key == NULL && job->selector.n == 0 && job->out == NULL && job->policy == NULL &&
	    job->bits == 0;
}

int
cmd_keys(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "domain", required_argument, NULL, 'd' }, { "selector", required_argument, NULL, 's' },
		{ "type", required_argument, NULL, 't' }, { "bits", required_argument, NULL, 'b' },
		{ "out", required_argument, NULL, 'o' }, { "policy", required_argument, NULL, 'p' },
		{ "key", required_argument, NULL, 'k' }, { "zone", required_argument, NULL, 'z' },
		{ "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct keys_job job = { .type = SL_KEY_RSA };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (take_option(&job, c, optarg))
			continue;
		if (c != '?')
			fprintf(stderr, "sluice: \"%s\" can't be used here\n", optarg);
		return cmd_usage("keys");
	}
	if (optind == argc - 2 && strcmp(argv[optind], "status") == 0 && status_wanted(&job)) {
		job.policy = argv[optind + 1];
		return keys_status(&job);
	}
	if (optind != argc - 1 || job.domain[0] == '\0')
		return cmd_usage("keys");
	if (strcmp(argv[optind], "generate") == 0 && generate_wanted(&job))
		return keys_generate(&job);
	if (strcmp(argv[optind], "check") == 0 && check_wanted(&job))
		return check(&job);
	return cmd_usage("keys");
}
