/*
 * sluice keys status: of the keys that a policy's dkim names, which sign, what
 * DNS says of the others, and when an old one can go.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../auth/dkim_published.h"
#include "../base/alloc.h"
#include "../policy/engine.h"
#include "cmd.h"
#include "keys.h"

#define WINDOW	64	/* questions under way */

/* One key of the policy. */
struct one {
	const char *domain;
	const struct sl_dkim_entry *entry;
	char name[256];
	struct sl_key *key;		/* NULL: it can't be read, and 'err' says why */
	struct sl_err err;
	struct sl_dns_query *query;
	enum sl_dkim_published state;
};

struct status {
	const struct keys_job *job;
	struct sl_generation *generation;
	struct sl_dns *dns;
	struct one *all;
	size_t n;
	enum sl_finding_weight weight;	/* the strongest of all */
	bool failed;
};

/* ---- what DNS says ---------------------------------------------------------- */

static bool
ask(struct status *s, struct one *o)
{
	o->key = sl_generation_key(s->generation, o->entry->key, &o->err);
	if (!sl_dkim_key_name(o->name, o->entry->selector, sl_str_of(o->domain)))
		o->name[0] = '\0';
	o->query = sl_dns_query(s->dns, o->name, SL_DNS_TXT, 0);
	return o->query != NULL;
}

static void
take(struct one *o)
{
	sl_op_block(&o->query->op);
	o->state = o->key != NULL ? sl_dkim_published(o->query->answer, o->key) : SL_DKIM_PUB_BROKEN;
	sl_op_release(&o->query->op);
	o->query = NULL;
}

static bool
ask_all(struct status *s)
{
	size_t asked = 0, taken;

	for (taken = 0; taken < s->n; taken++) {
		for (; asked < s->n && asked < taken + WINDOW; asked++)
			if (!ask(s, &s->all[asked]))
				return false;
		take(&s->all[taken]);
	}
	return true;
}

/* ---- what follows ------------------------------------------------------------- */

/* Mail that was signed with the old key until now is tried so long. */
static void
last_day(const struct status *s, char out[16])
{
	const struct sl_config *c = sl_generation_config(s->generation);
	time_t then = time(NULL) + (time_t)(c->expire + c->dkim_recheck) + 86400;
	struct tm tm;

	gmtime_r(&then, &tm);
	strftime(out, 16, "%Y-%m-%d", &tm);
}

static void
tell_waiting(struct sl_findings *f, const struct one *o)
{
	struct sl_buf record = SL_BUF_INIT;

	if (o->key == NULL) {
		sl_findings_add(f, SL_FINDING_PROBLEM, "dkim", "%s: the key of %.*s can't be read: %s",
		    o->domain, (int)o->entry->selector.n, o->entry->selector.p, o->err.text);
		return;
	}
	sl_findings_add(f, o->state == SL_DKIM_PUB_UNKNOWN ? SL_FINDING_TEMPORARY : SL_FINDING_NOTE,
	    "dkim", "%s: %.*s doesn't sign (%s)", o->domain, (int)o->entry->selector.n,
	    o->entry->selector.p, sl_dkim_published_word(o->state));
	if (o->state != SL_DKIM_PUB_UNKNOWN && sl_dkim_record(&record, o->key) == 0)
		sl_findings_remedy(f, "it signs when there is a TXT record at %s: %s", o->name, record.p);
	sl_buf_clear(&record);
}

static void
tell_none(struct sl_findings *f, const struct one *o, size_t n)
{
	bool unknown = false;
	size_t i;

	for (i = 0; i < n; i++)
		unknown = unknown || o[i].state == SL_DKIM_PUB_UNKNOWN;
	sl_findings_add(f, unknown ? SL_FINDING_TEMPORARY : SL_FINDING_PROBLEM, "dkim",
	    "%s: no key %s", o->domain, unknown ? "is known to be published" : "signs");
	sl_findings_remedy(f, "%s", unknown ? "try again" : "publish one of them");
}

/* The keys of one domain, n of them. */
static void
judge(const struct status *s, struct sl_findings *f, const struct one *o, size_t n, size_t signs)
{
	char day[16];
	size_t i;

	if (signs == n)
		tell_none(f, o, n);
	for (i = 0; i < n; i++) {
		if (i < signs)
			tell_waiting(f, &o[i]);
		else if (i == signs)
			sl_findings_add(f, SL_FINDING_GOOD, "dkim", "%s: %.*s signs (%s, %u bits)", o->domain,
			    (int)o[i].entry->selector.n, o[i].entry->selector.p,
			    sl_key_type_word(sl_key_type(o[i].key)), sl_key_bits(o[i].key));
		else if (o[i].state == SL_DKIM_PUB_GOOD) {
			last_day(s, day);
			sl_findings_add(f, SL_FINDING_NOTE, "dkim", "%s: %.*s is published and doesn't sign any "
			    "more: withdraw its record on %s at the earliest", o->domain,
			    (int)o[i].entry->selector.n, o[i].entry->selector.p, day);
		} else {
			sl_findings_add(f, SL_FINDING_NOTE, "dkim", "%s: %.*s is out of use (%s): take it out of "
			    "sluice.lua", o->domain, (int)o[i].entry->selector.n, o[i].entry->selector.p,
			    sl_dkim_published_word(o[i].state));
		}
	}
}

static void
print(const struct status *s, const struct sl_findings *f, const struct one *o, size_t n,
    size_t signs)
{
	json_t *out;

	if (!s->job->json) {
		cmd_print_findings(f);
		return;
	}
	out = json_pack("{s:s, s:o, s:s, s:o}", "domain", o->domain, "signs", signs < n ?
	    json_stringn(o[signs].entry->selector.p, o[signs].entry->selector.n) : json_null(),
	    "result", sl_finding_word(sl_findings_weight(f)), "findings", cmd_json_findings(f));
	if (out != NULL)
		json_dumpf(out, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(out);
}

static void
tell(struct status *s)
{
	struct sl_findings f = { 0 };
	size_t i, n, signs;

	for (i = 0; i < s->n; i += n) {
		const struct one *o = &s->all[i];

		for (n = 1; i + n < s->n && o[n].domain == o->domain; n++)
			;
		for (signs = 0; signs < n && o[signs].state != SL_DKIM_PUB_GOOD; signs++)
			;
		judge(s, &f, o, n, signs);
		print(s, &f, o, n, signs);
		if (sl_findings_weight(&f) > s->weight)
			s->weight = sl_findings_weight(&f);
		s->failed = s->failed || f.failed;
		sl_findings_clear(&f);
	}
}

/* ---- the work --------------------------------------------------------------- */

/* Those of --domain, or all. False: out of memory. */
static bool
collect(struct status *s)
{
	const struct sl_dict *dkim = sl_generation_config(s->generation)->dkim;
	struct sl_str name;
	void *value;
	size_t i, k;

	s->all = sl_calloc(sl_dict_count(dkim) + 1, SL_DKIM_ENTRIES * sizeof(*s->all));
	if (s->all == NULL)
		return false;
	for (i = 0; sl_dict_each(dkim, &i, &name, &value);) {
		const struct sl_dkim_domain *d = value;

		if (s->job->domain[0] != '\0' && !sl_str_eq(name, sl_str_of(s->job->domain)))
			continue;
		for (k = 0; k < d->n; k++)
			s->all[s->n++] = (struct one){ .domain = name.p, .entry = &d->entry[k] };
	}
	return true;
}

static void
clear(struct status *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->all[i].query != NULL)
			sl_op_release(&s->all[i].query->op);
		sl_key_unref(s->all[i].key);
	}
	sl_free(s->all);
}

static int
status(struct status *s)
{
	if (!collect(s) || !ask_all(s)) {
		fprintf(stderr, "sluice: out of memory\n");
		return 2;
	}
	if (s->n == 0) {
		fprintf(stderr, "sluice: dkim of %s/sluice.lua has no key%s%s\n", s->job->policy,
		    s->job->domain[0] != '\0' ? " of " : "", s->job->domain);
		return 2;
	}
	tell(s);
	if (cmd_flush() != 0 || s->failed)
		return 2;
	return s->weight == SL_FINDING_PROBLEM ? 1 : s->weight == SL_FINDING_TEMPORARY ? CMD_TEMPORARY : 0;
}

static int
with_policy(const struct keys_job *job, struct sl_engine *engine)
{
	struct status s = { .job = job };
	struct sl_buf report = SL_BUF_INIT;
	struct sl_dns *own = NULL;
	int rc = 2;

	if (sl_engine_prepare_folder(engine, job->policy, &s.generation, &report) != 0) {
		fwrite(report.p, 1, report.n, stderr);
	} else {
		if (job->zone != NULL)
			own = cmd_open_dns(engine->loop, job->zone);
		s.dns = own != NULL ? own : s.generation->dns;
		if (job->zone == NULL || own != NULL)
			rc = status(&s);
		clear(&s);
		sl_dns_unref(own);
		sl_generation_free(s.generation);
	}
	sl_buf_clear(&report);
	return rc;
}

int
keys_status(const struct keys_job *job)
{
	struct sl_engine_options options = { .gateway = true, .stdlib = cmd_stdlib() };
	struct sl_err err;
	struct sl_engine *engine = sl_engine_new(&options, &err);
	int rc;

	if (engine == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 2;
	}
	rc = with_policy(job, engine);
	sl_engine_free(engine);
	return rc;
}
