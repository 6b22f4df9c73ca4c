/* sluice sign: a message from a file, with a DKIM signature of ours on top. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../auth/dkim.h"
#include "cmd.h"

struct job {
	const char *message, *key;	/* paths */
	struct sl_dkim_request request;
	bool header_only;
};

static int
print(const struct job *job, const struct sl_message *m, struct sl_str value)
{
	printf("DKIM-Signature: ");
	fwrite(value.p, 1, value.n, stdout);
	printf("\r\n");
	if (!job->header_only)
		fwrite(m->bytes.p, 1, m->bytes.n, stdout);
	return cmd_flush() == 0 ? 0 : 1;
}

static int
sign(const struct job *job)
{
	struct sl_message *m = cmd_read_message(job->message);
	struct sl_buf value = SL_BUF_INIT;
	struct sl_err err;
	int rc = 1;

	if (m == NULL)
		return 1;
	if (sl_dkim_sign(&value, &job->request, m, NULL, NULL, time(NULL), &err) != 0)
		cmd_complain(job->message, err.text);
	else
		rc = print(job, m, sl_buf_str(&value));
	sl_buf_clear(&value);
	sl_message_unref(m);
	return rc;
}

static int
sign_with_key(struct job *job)
{
	struct sl_key *key = cmd_read_key(job->key);
	struct sl_err err;
	int rc;

	if (key == NULL)
		return 1;
	job->request.key = key;
	if (sl_dkim_check(&job->request, time(NULL), &err) == 0) {
		rc = sign(job);
	} else {
		fprintf(stderr, "sluice: %s\n", err.text);
		rc = 2;
	}
	sl_key_unref(key);
	return rc;
}

static bool
take_canonicalization(struct sl_dkim_options *o, const char *text)
{
	struct sl_str body = sl_str_of(text), header;

	return sl_str_split(&body, '/', &header) && sl_canon_parse(header, &o->header) &&
	    sl_canon_parse(body, &o->body);
}

static bool
take_option(struct job *job, int c, const char *value)
{
	switch (c) {
	case 'k':
		job->key = value;
		return true;
	case 's':
		job->request.selector = sl_str_of(value);
		return true;
	case 'd':
		job->request.domain = sl_str_of(value);
		return true;
	case 'c':
		return take_canonicalization(&job->request.options, value);
	case 'h':
		job->header_only = true;
		return true;
	default:
		return false;
	}
}

int
cmd_sign(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "key", required_argument, NULL, 'k' }, { "selector", required_argument, NULL, 's' },
		{ "domain", required_argument, NULL, 'd' },
		{ "canonicalization", required_argument, NULL, 'c' },
		{ "header-only", no_argument, NULL, 'h' }, { 0 },
	};
	struct job job = { 0 };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		if (!take_option(&job, c, optarg))
			return cmd_usage("sign");
	if (optind != argc - 1 || job.key == NULL || job.request.selector.n == 0 ||
	    job.request.domain.n == 0)
		return cmd_usage("sign");
	job.message = argv[optind];
	if (strcmp(job.message, "-") == 0 && strcmp(job.key, "-") == 0)
		return cmd_usage("sign");
	return sign_with_key(&job);
}
