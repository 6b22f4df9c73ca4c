/*
 * sluice dmarc report: what receivers say, in aggregate reports, of the mail
 * in a domain's name, and whether p=reject would keep out what is wanted. All
 * that is printed comes from outside, and is a claim.
 */
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../auth/report.h"
#include "../base/terminal.h"
#include "cmd.h"

#define MANY	15	/* lines of a table for people, without --all */

struct job {
	bool json, all;
	struct sl_report_sum *sum;
	json_t *reports;	/* one object per file */
	bool unread;		/* a file that isn't in the sum */
};

/* ---- for people ----------------------------------------------------------------------- */

static void
print_color(const char *color, const char *text)
{
	bool tty = sl_terminal_colors(STDOUT_FILENO);

	printf("%s%s%s", tty ? color : "", text, tty ? "\033[0m" : "");
}

static const char *
day(int64_t t, char out[32])
{
	time_t seconds = (time_t)t;
	struct tm tm;

	if (t == 0 || gmtime_r(&seconds, &tm) == NULL || strftime(out, 32, "%Y-%m-%d", &tm) == 0)
		strcpy(out, "?");
	return out;
}

static double
percent(uint64_t part, uint64_t of)
{
	return of > 0 ? 100.0 * (double)part / (double)of : 0;
}

static void
print_policy(const char *tag, const char *value)
{
	if (value[0] == '\0')
		return;
	printf(" %s=", tag);
	cmd_print(value);
}

static void
print_head(const struct sl_report_domain *d)
{
	uint64_t fail = d->messages - d->pass;
	char from[32], to[32];

	cmd_print(d->domain);
	print_policy("p", d->p);
	print_policy("sp", d->sp);
	print_policy("np", d->np);
	printf(", %zu report%s, %s to %s\n", d->reports, d->reports == 1 ? "" : "s",
	    day(d->begin, from), day(d->end, to));
	printf("  messages %9" PRIu64 "   quarantined %" PRIu64 ", rejected %" PRIu64 "\n", d->messages,
	    d->quarantined, d->rejected);
	printf("  passed   %9" PRIu64 "  %5.1f %%   by DKIM %" PRIu64 ", by SPF %" PRIu64 "\n", d->pass,
	    percent(d->pass, d->messages), d->dkim, d->spf);
	printf("  failed   %9" PRIu64 "  %5.1f %%\n", fail, percent(fail, d->messages));
}

static void
print_cause(const struct sl_report_failure *f)
{
	switch (f->cause) {
	case SL_REPORT_PARTLY:
		printf("not authenticated, from where other mail passes");
		return;
	case SL_REPORT_FORWARDED:
		printf("forwarded%s", f->name[0] != '\0' ? " by " : "");
		break;
	case SL_REPORT_OTHER:
		printf("authenticated as ");
		break;
	default:
		printf("not authenticated at all");
		return;
	}
	cmd_print(f->name);
}

static const char *
remedy(enum sl_report_cause cause)
{
	static const char *const texts[SL_REPORT_CAUSES] = {
		[SL_REPORT_UNKNOWN] = "forged, or a server of yours that needs SPF and DKIM",
		[SL_REPORT_OTHER] = "if it sends for you, let it sign with a domain of yours; else it is forged",
		[SL_REPORT_FORWARDED] = "lists that change mail break DKIM; receivers who trust ARC take it",
		[SL_REPORT_PARTLY] = "a server of yours: let it sign all that it sends",
	};

	return texts[cause];
}

static void
print_failure(const struct sl_report_failure *f)
{
	size_t i;

	printf("    %9" PRIu64 "  ", f->messages);
	print_cause(f);
	printf("; %zu address%s:", f->sources, f->sources == 1 ? "" : "es");
	for (i = 0; i < SL_REPORT_EXAMPLES && f->examples[i] != NULL; i++) {
		putchar(' ');
		cmd_print(f->examples[i]);
	}
	printf("%s\n               -> %s\n", f->sources > SL_REPORT_EXAMPLES ? " ..." : "",
	    remedy(f->cause));
}

static size_t
shown(const struct job *job, size_t n)
{
	return job->all || n < MANY ? n : MANY;
}

static void
print_rest(size_t n)
{
	if (n > 0)
		printf("               and %zu more (--all)\n", n);
}

static void
print_failures(const struct job *job, const struct sl_report_domain *d)
{
	static const struct {
		const char *color, *text;
	} says[] = {
		[SL_REPORT_HARMLESS] = { "\033[32m", "would refuse nothing that looks like yours" },
		[SL_REPORT_MAYBE] = { "\033[33m", "could hurt: look whether these send for you" },
		[SL_REPORT_HARMS] = { "\033[31m", "would hurt: some of this looks like yours" },
	};
	size_t i, n = shown(job, d->nfailures);

	printf("  p=reject ");
	print_color(says[d->harm].color, says[d->harm].text);
	putchar('\n');
	for (i = 0; i < n; i++)
		print_failure(&d->failures[i]);
	print_rest(d->nfailures - n);
}

static void
print_sources(const struct job *job, const struct sl_report_domain *d)
{
	size_t i, n = shown(job, d->nsources);

	printf("  %-39s %9s %9s %9s %9s  %s\n", "address", "messages", "passed", "DKIM", "SPF", "as");
	for (i = 0; i < n; i++) {
		const struct sl_report_source *s = d->sources[i];
		int width = (int)strlen(s->ip);

		printf("  ");
		cmd_print(s->ip);
		printf("%*s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "  ", width < 39 ? 39 - width : 0,
		    "", s->messages, s->pass, s->dkim, s->spf);
		cmd_print(s->name[0] != '\0' ? s->name : "-");
		putchar('\n');
	}
	print_rest(d->nsources - n);
}

/* ---- for programs --------------------------------------------------------------------- */

static json_t *
failure_object(const struct sl_report_failure *f)
{
	json_t *examples = json_array();
	size_t i;

	for (i = 0; i < SL_REPORT_EXAMPLES && f->examples[i] != NULL; i++)
		json_array_append_new(examples, cmd_json_text(f->examples[i]));
	return json_pack("{s:s, s:o, s:I, s:I, s:o}", "cause", sl_report_cause_word(f->cause),
	    "name", cmd_json_text(f->name), "messages", (json_int_t)f->messages,
	    "addresses", (json_int_t)f->sources, "examples", examples);
}

static json_t *
source_object(const struct sl_report_source *s)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I}", "address", cmd_json_text(s->ip),
	    "name", cmd_json_text(s->name), "messages", (json_int_t)s->messages,
	    "passed", (json_int_t)s->pass, "dkim", (json_int_t)s->dkim, "spf", (json_int_t)s->spf);
}

static json_t *
domain_object(const struct sl_report_domain *d)
{
	json_t *failures = json_array(), *sources = json_array();
	size_t i;

	for (i = 0; i < d->nfailures; i++)
		json_array_append_new(failures, failure_object(&d->failures[i]));
	for (i = 0; i < d->nsources; i++)
		json_array_append_new(sources, source_object(d->sources[i]));
	return json_pack("{s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:o, s:o}",
	    "domain", cmd_json_text(d->domain), "reports", (json_int_t)d->reports,
	    "begin", (json_int_t)d->begin, "end", (json_int_t)d->end, "p", cmd_json_text(d->p),
	    "sp", cmd_json_text(d->sp), "np", cmd_json_text(d->np), "messages", (json_int_t)d->messages,
	    "passed", (json_int_t)d->pass, "dkim", (json_int_t)d->dkim, "spf", (json_int_t)d->spf,
	    "quarantined", (json_int_t)d->quarantined, "rejected", (json_int_t)d->rejected,
	    "reject_hurts", sl_report_harm_word(d->harm), "failures", failures, "addresses", sources);
}

static json_t *
report_object(const char *path, const struct sl_report *r, bool duplicate, bool same_id)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:b}", "file", cmd_json_text(path),
	    "org_name", cmd_json_text(r->org_name), "email", cmd_json_text(r->email),
	    "report_id", cmd_json_text(r->report_id), "domain", cmd_json_text(r->domain),
	    "begin", (json_int_t)r->begin, "end", (json_int_t)r->end,
	    "records", (json_int_t)r->nrecords, "duplicate", duplicate,
	    "same_id", same_id);
}

static void
print_json(const struct job *job)
{
	json_t *domains = json_array(), *out;
	size_t i;

	for (i = 0; i < sl_report_sum_count(job->sum); i++)
		json_array_append_new(domains, domain_object(sl_report_sum_at(job->sum, i)));
	out = json_pack("{s:O, s:o}", "reports", job->reports, "domains", domains);
	if (out != NULL)
		json_dumpf(out, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(out);
}

/* ---- the work ------------------------------------------------------------------------- */

static int
add(struct job *job, const char *path, const struct sl_report *r)
{
	bool same_id;
	int rc = sl_report_sum_add(job->sum, r, &same_id);

	if (rc == SL_ERR_EXISTS && !job->json)
		cmd_complain(path, "the same report once more: not counted");
	else if (rc == 0 && same_id && !job->json)
		cmd_complain(path, "another report has the same id: both are counted");
	if (rc == 0 || rc == SL_ERR_EXISTS)
		json_array_append_new(job->reports, report_object(path, r, rc == SL_ERR_EXISTS, same_id));
	return rc == SL_ERR_EXISTS ? 0 : rc;
}

/* -1: out of memory. A file that can't be read is told, and the others count. */
static int
take_file(struct job *job, const char *path)
{
	struct sl_buf file, memory = SL_BUF_INIT;
	struct sl_report *report = NULL;
	struct sl_str xml;
	struct sl_err err;
	int rc = 0;

	if (cmd_read(path, SL_REPORT_MAX_FILE, &file) != 0) {
		job->unread = true;
		return 0;
	}
	if (sl_report_unpack(&xml, &memory, sl_buf_str(&file), &err) == 0 &&
	    sl_report_parse(&report, xml, &err) == 0) {
		rc = add(job, path, report);
	} else {
		cmd_complain(path, err.text);
		job->unread = true;
	}
	sl_report_free(report);
	sl_buf_clear(&memory);
	sl_buf_clear(&file);
	return rc;
}

static int
tell(const struct job *job)
{
	int status = job->unread ? 2 : 0;
	size_t i;

	if (job->json)
		print_json(job);
	for (i = 0; i < sl_report_sum_count(job->sum); i++) {
		const struct sl_report_domain *d = sl_report_sum_at(job->sum, i);

		if (d->harm != SL_REPORT_HARMLESS && status == 0)
			status = 1;
		if (job->json)
			continue;
		printf("%s", i > 0 ? "\n" : "");
		print_head(d);
		print_failures(job, d);
		print_sources(job, d);
	}
	return cmd_flush() == 0 ? status : 2;
}

static int
report(struct job *job, int n, char **files)
{
	int i, rc, status = 2;

	job->sum = sl_report_sum_new();
	job->reports = json_array();
	rc = job->sum != NULL && job->reports != NULL ? 0 : SL_ERR_NOMEM;
	for (i = 0; rc == 0 && i < n; i++)
		rc = take_file(job, files[i]);
	if (rc == 0)
		rc = sl_report_sum_finish(job->sum);
	if (rc == 0)
		status = tell(job);
	else
		fprintf(stderr, "sluice: out of memory\n");
	json_decref(job->reports);
	sl_report_sum_free(job->sum);
	return status;
}

int
cmd_dmarc(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' }, { "all", no_argument, NULL, 'a' }, { 0 },
	};
	struct job job = { 0 };
	bool good = true;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		job.json |= c == 'j';
		job.all |= c == 'a';
		good &= c != '?';
	}
	if (!good || optind + 2 > argc || strcmp(argv[optind], "report") != 0)
		return cmd_usage("dmarc");
	return report(&job, argc - optind - 1, argv + optind + 1);
}
