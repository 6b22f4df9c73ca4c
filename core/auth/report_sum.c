/*
 * Several reports added up: per domain who sent how much, and of what failed
 * DMARC whose it seems to be. A sender may fill reports with addresses and
 * domains: everything is found by keyed hashes and sorted once. See report.h.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/dict.h"
#include "../mail/address.h"
#include "report.h"

struct sl_report_sum {
	struct sl_dict *domains;	/* of struct sl_report_domain */
	struct sl_dict *seen;		/* reports, by digest */
	struct sl_dict *ids;		/* the same, by who made them and their id */
	struct sl_report_domain **sorted;
};

/* Failed messages of one source. */
struct share {
	enum sl_report_cause cause;
	uint64_t messages;
	char name[];
};

const char *
sl_report_cause_word(enum sl_report_cause cause)
{
	static const char *const words[SL_REPORT_CAUSES] = {
		[SL_REPORT_UNKNOWN] = "unknown", [SL_REPORT_OTHER] = "other",
		[SL_REPORT_FORWARDED] = "forwarded", [SL_REPORT_PARTLY] = "partly",
	};

	return words[cause];
}

const char *
sl_report_harm_word(enum sl_report_harm harm)
{
	static const char *const words[] = {
		[SL_REPORT_HARMLESS] = "no", [SL_REPORT_MAYBE] = "maybe", [SL_REPORT_HARMS] = "yes",
	};

	return words[harm];
}

static bool
is(const char *word, const char *other)
{
	return strcmp(word, other) == 0;
}

/* ---- one record ------------------------------------------------------------------ */

/* Its own, as far as can be told without asking for organizational domains. */
static bool
is_own(const struct sl_report_domain *d, const struct sl_report_record *r, const char *domain)
{
	return sl_domain_is_within(domain, d->domain) || sl_domain_is_within(r->header_from, domain);
}

/* A domain, not the record's own, that the mail was authenticated as. DKIM before SPF. */
static const char *
other_name(const struct sl_report_domain *d, const struct sl_report_record *r)
{
	size_t i;

	for (i = 0; i < r->ndkim; i++)
		if (is(r->dkim_results[i].result, "pass") && r->dkim_results[i].domain[0] != '\0' &&
		    !is_own(d, r, r->dkim_results[i].domain))
			return r->dkim_results[i].domain;
	for (i = 0; i < r->nspf; i++)
		if (is(r->spf_results[i].result, "pass") && r->spf_results[i].domain[0] != '\0' &&
		    !is_own(d, r, r->spf_results[i].domain))
			return r->spf_results[i].domain;
	return "";
}

static bool
was_forwarded(const struct sl_report_domain *d, const struct sl_report_record *r)
{
	size_t i;

	for (i = 0; i < r->nreasons; i++)
		if (is(r->reasons[i].type, "forwarded") || is(r->reasons[i].type, "mailing_list") ||
		    is(r->reasons[i].type, "trusted_forwarder"))
			return true;
	for (i = 0; i < r->ndkim; i++)
		if (r->dkim_results[i].domain[0] != '\0' && is_own(d, r, r->dkim_results[i].domain) &&
		    !is(r->dkim_results[i].result, "pass") && !is(r->dkim_results[i].result, "none"))
			return true;
	return false;
}

static bool
passed(const struct sl_report_record *r)
{
	return is(r->dkim, "pass") || is(r->spf, "pass");
}

/* ---- adding ------------------------------------------------------------------------ */

static int
add_share(struct sl_report_source *s, enum sl_report_cause cause, const char *name, uint64_t n)
{
	struct sl_dict *shares = s->failures;
	struct sl_buf key = SL_BUF_INIT;
	struct share *share;
	int rc = SL_ERR_NOMEM;

	if (shares == NULL && (shares = s->failures = sl_dict_new()) == NULL)
		return rc;
	if (sl_buf_printf(&key, "%d %s", (int)cause, name) != 0)
		return rc;
	share = sl_dict_get(shares, sl_buf_str(&key));
	if (share != NULL) {
		rc = 0;
	} else if ((share = sl_calloc(1, sizeof(*share) + strlen(name) + 1)) != NULL) {
		share->cause = cause;
		memcpy(share->name, name, strlen(name));
		rc = sl_dict_set(shares, sl_buf_str(&key), share, NULL);
		if (rc != 0)
			sl_free(share);
	}
	if (rc == 0)
		share->messages += n;
	sl_buf_clear(&key);
	return rc;
}

static void
free_source(void *arg)
{
	struct sl_report_source *s = arg;

	if (s == NULL)
		return;
	sl_dict_free(s->failures, sl_free);
	sl_free(s->ip);
	sl_free(s->name);
	sl_free(s);
}

static struct sl_report_source *
source_of(struct sl_report_domain *d, const struct sl_report_record *r)
{
	struct sl_report_source *s = sl_dict_get(d->private, sl_str_of(r->source_ip));

	if (s != NULL)
		return s;
	s = sl_calloc(1, sizeof(*s));
	if (s != NULL && (s->ip = sl_strdup(r->source_ip)) != NULL &&
	    (s->name = sl_strdup("")) != NULL &&
	    sl_dict_set(d->private, sl_str_of(r->source_ip), s, NULL) == 0)
		return s;
	free_source(s);
	return NULL;
}

static int
name_source(struct sl_report_source *s, const struct sl_report_domain *d,
    const struct sl_report_record *r)
{
	const char *name = other_name(d, r);
	char *copy;

	if (name[0] == '\0' && passed(r))
		name = r->header_from;
	if (s->name[0] != '\0' || name[0] == '\0')
		return 0;
	if ((copy = sl_strdup(name)) == NULL)
		return SL_ERR_NOMEM;
	sl_free(s->name);
	s->name = copy;
	return 0;
}

static int
add_record(struct sl_report_domain *d, const struct sl_report_record *r)
{
	struct sl_report_source *s = source_of(d, r);
	const char *name = other_name(d, r);

	if (s == NULL || name_source(s, d, r) != 0)
		return SL_ERR_NOMEM;
	d->messages += r->count;
	s->messages += r->count;
	s->dkim += is(r->dkim, "pass") ? r->count : 0;
	s->spf += is(r->spf, "pass") ? r->count : 0;
	d->dkim += is(r->dkim, "pass") ? r->count : 0;
	d->spf += is(r->spf, "pass") ? r->count : 0;
	d->quarantined += is(r->disposition, "quarantine") ? r->count : 0;
	d->rejected += is(r->disposition, "reject") ? r->count : 0;
	if (passed(r)) {
		d->pass += r->count;
		s->pass += r->count;
		return 0;
	}
	return add_share(s, was_forwarded(d, r) ? SL_REPORT_FORWARDED :
	    name[0] != '\0' ? SL_REPORT_OTHER : SL_REPORT_UNKNOWN, name, r->count);
}

static void
free_failures(struct sl_report_domain *d)
{
	for (size_t i = 0; i < d->nfailures; i++)
		sl_free(d->failures[i].name);
	sl_free(d->failures);
}

static void
free_domain(void *arg)
{
	struct sl_report_domain *d = arg;

	if (d == NULL)
		return;
	free_failures(d);
	sl_dict_free(d->private, free_source);
	sl_free(d->sources);
	sl_free(d->domain);
	sl_free(d->p);
	sl_free(d->sp);
	sl_free(d->np);
	sl_free(d);
}

static struct sl_report_domain *
domain_of(struct sl_report_sum *sum, const char *name)
{
	struct sl_report_domain *d = sl_dict_get(sum->domains, sl_str_of(name));

	if (d != NULL)
		return d;
	d = sl_calloc(1, sizeof(*d));
	if (d != NULL && (d->domain = sl_strdup(name)) != NULL && (d->private = sl_dict_new()) != NULL &&
	    sl_dict_set(sum->domains, sl_str_of(name), d, NULL) == 0)
		return d;
	free_domain(d);
	return NULL;
}

static int
replace(char **text, const char *by)
{
	char *copy = sl_strdup(by);

	if (copy == NULL)
		return SL_ERR_NOMEM;
	sl_free(*text);
	*text = copy;
	return 0;
}

static int
add_head(struct sl_report_domain *d, const struct sl_report *r)
{
	bool latest = d->reports == 0 || r->end >= d->end;

	if (latest && (replace(&d->p, r->p) != 0 || replace(&d->sp, r->sp) != 0 ||
	    replace(&d->np, r->np) != 0))
		return SL_ERR_NOMEM;
	if (d->reports++ == 0 || r->begin < d->begin)
		d->begin = r->begin;
	if (latest)
		d->end = r->end;
	return 0;
}

/* Reporters send again what they think got lost. */
static int
see(struct sl_report_sum *sum, const struct sl_report *r)
{
	struct sl_str key = { (const char *)r->digest, sizeof(r->digest) };

	return sl_dict_has(sum->seen, key) ? SL_ERR_EXISTS : sl_dict_set(sum->seen, key, sum, NULL);
}

/* RFC 9990: an id belongs to one report of its sender about this domain. */
static int
see_id(struct sl_report_sum *sum, const struct sl_report *r, bool *same)
{
	struct sl_buf key = SL_BUF_INIT;
	int rc = SL_ERR_NOMEM;

	if (sl_buf_printf(&key, "%s\n%s\n%s", r->org_name, r->domain, r->report_id) == 0) {
		*same = sl_dict_has(sum->ids, sl_buf_str(&key));
		rc = *same ? 0 : sl_dict_set(sum->ids, sl_buf_str(&key), sum, NULL);
	}
	sl_buf_clear(&key);
	return rc;
}

int
sl_report_sum_add(struct sl_report_sum *sum, const struct sl_report *report, bool *same_id)
{
	struct sl_report_domain *d;
	int rc = see(sum, report);
	size_t i;

	*same_id = rc == SL_ERR_EXISTS;
	if (rc == 0)
		rc = see_id(sum, report, same_id);
	if (rc != 0)
		return rc;
	d = domain_of(sum, report->domain);
	rc = d != NULL ? add_head(d, report) : SL_ERR_NOMEM;
	for (i = 0; rc == 0 && i < report->nrecords; i++)
		rc = add_record(d, &report->records[i]);
	return rc;
}

/* ---- the end ------------------------------------------------------------------------ */

static int
by_messages(const void *a, const void *b)
{
	const struct sl_report_source *s = *(struct sl_report_source *const *)a,
	    *t = *(struct sl_report_source *const *)b;

	if (s->messages != t->messages)
		return s->messages > t->messages ? -1 : 1;
	return strcmp(s->ip, t->ip);
}

static int
sort_sources(struct sl_report_domain *d)
{
	size_t at = 0, n = sl_dict_count(d->private);
	struct sl_str key;
	void *value;

	d->sources = sl_calloc(n > 0 ? n : 1, sizeof(struct sl_report_source *));
	if (d->sources == NULL)
		return SL_ERR_NOMEM;
	while (sl_dict_each(d->private, &at, &key, &value))
		d->sources[d->nsources++] = value;
	qsort(d->sources, d->nsources, sizeof(d->sources[0]), by_messages);
	return 0;
}

/* Of an address whose other mail passes: it isn't a forger's. */
static enum sl_report_cause
cause_of(const struct share *share, const struct sl_report_source *s)
{
	return share->cause == SL_REPORT_UNKNOWN && s->pass > 0 ? SL_REPORT_PARTLY : share->cause;
}

static struct sl_report_failure *
failure_of(struct sl_dict *all, enum sl_report_cause cause, const char *name)
{
	struct sl_buf key = SL_BUF_INIT;
	struct sl_report_failure *f = NULL;

	if (sl_buf_printf(&key, "%d %s", (int)cause, name) == 0 &&
	    (f = sl_dict_get(all, sl_buf_str(&key))) == NULL &&
	    (f = sl_calloc(1, sizeof(*f))) != NULL) {
		f->cause = cause;
		f->name = sl_strdup(name);
		if (f->name == NULL || sl_dict_set(all, sl_buf_str(&key), f, NULL) != 0) {
			sl_free(f->name);
			sl_free(f);
			f = NULL;
		}
	}
	sl_buf_clear(&key);
	return f;
}

static int
gather(struct sl_dict *all, const struct sl_report_source *s)
{
	struct sl_report_failure *f;
	struct share *share;
	struct sl_str key;
	size_t at = 0;
	void *value;

	while (s->failures != NULL && sl_dict_each(s->failures, &at, &key, &value)) {
		share = value;
		f = failure_of(all, cause_of(share, s), share->name);
		if (f == NULL)
			return SL_ERR_NOMEM;
		f->messages += share->messages;
		if (f->sources < SL_REPORT_EXAMPLES)
			f->examples[f->sources] = s->ip;
		f->sources++;
	}
	return 0;
}

static int
by_failed(const void *a, const void *b)
{
	const struct sl_report_failure *f = a, *g = b;

	if (f->messages != g->messages)
		return f->messages > g->messages ? -1 : 1;
	return f->cause != g->cause ? (f->cause > g->cause ? -1 : 1) : strcmp(f->name, g->name);
}

/* From the dictionary into the array; the shells go. */
static int
sort_failures(struct sl_report_domain *d, struct sl_dict *all)
{
	size_t at = 0, n = sl_dict_count(all);
	struct sl_str key;
	void *value;

	d->failures = sl_calloc(n > 0 ? n : 1, sizeof(d->failures[0]));
	while (sl_dict_each(all, &at, &key, &value)) {
		struct sl_report_failure *f = value;

		if (d->failures != NULL)
			d->failures[d->nfailures++] = *f;
		else
			sl_free(f->name);
	}
	if (d->failures == NULL)
		return SL_ERR_NOMEM;
	qsort(d->failures, d->nfailures, sizeof(d->failures[0]), by_failed);
	return 0;
}

static void
judge(struct sl_report_domain *d)
{
	size_t i;

	for (i = 0; i < d->nfailures; i++) {
		enum sl_report_cause cause = d->failures[i].cause;

		if (d->failures[i].messages == 0)
			continue;
		if (cause == SL_REPORT_PARTLY || cause == SL_REPORT_FORWARDED)
			d->harm = SL_REPORT_HARMS;
		else if (cause == SL_REPORT_OTHER && d->harm == SL_REPORT_HARMLESS)
			d->harm = SL_REPORT_MAYBE;
	}
}

static int
finish_domain(struct sl_report_domain *d)
{
	struct sl_dict *all = sl_dict_new();
	int rc = all != NULL ? sort_sources(d) : SL_ERR_NOMEM, sorted;
	size_t i;

	for (i = 0; rc == 0 && i < d->nsources; i++)
		rc = gather(all, d->sources[i]);
	if (all != NULL && (sorted = sort_failures(d, all)) != 0)
		rc = sorted;
	judge(d);
	sl_dict_free(all, sl_free);
	return rc;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp((*(struct sl_report_domain *const *)a)->domain,
	    (*(struct sl_report_domain *const *)b)->domain);
}

int
sl_report_sum_finish(struct sl_report_sum *sum)
{
	size_t at = 0, i = 0, n = sl_dict_count(sum->domains);
	struct sl_str key;
	void *value;
	int rc = 0;

	sum->sorted = sl_calloc(n > 0 ? n : 1, sizeof(struct sl_report_domain *));
	if (sum->sorted == NULL)
		return SL_ERR_NOMEM;
	while (rc == 0 && sl_dict_each(sum->domains, &at, &key, &value)) {
		sum->sorted[i++] = value;
		rc = finish_domain(value);
	}
	if (rc == 0)
		qsort(sum->sorted, n, sizeof(sum->sorted[0]), by_name);
	return rc;
}

/* ---- making and freeing --------------------------------------------------------------- */

struct sl_report_sum *
sl_report_sum_new(void)
{
	struct sl_report_sum *sum = sl_calloc(1, sizeof(*sum));

	if (sum == NULL)
		return NULL;
	sum->domains = sl_dict_new();
	sum->seen = sl_dict_new();
	sum->ids = sl_dict_new();
	if (sum->domains != NULL && sum->seen != NULL && sum->ids != NULL)
		return sum;
	sl_report_sum_free(sum);
	return NULL;
}

void
sl_report_sum_free(struct sl_report_sum *sum)
{
	if (sum == NULL)
		return;
	sl_dict_free(sum->domains, free_domain);
	sl_dict_free(sum->seen, NULL);
	sl_dict_free(sum->ids, NULL);
	sl_free(sum->sorted);
	sl_free(sum);
}

size_t
sl_report_sum_count(const struct sl_report_sum *sum)
{
	return sl_dict_count(sum->domains);
}

const struct sl_report_domain *
sl_report_sum_at(const struct sl_report_sum *sum, size_t i)
{
	return sum->sorted[i];
}
