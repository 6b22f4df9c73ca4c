/* Aggregate reports: from XML to records. Expat finds the elements. See report.h. */
#include "report.h"

#include <expat.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "../crypto/digest.h"

#define MAX_PATH	128	/* longer than any that is known */
#define MAX_MEMORY	((size_t)128 * 1024 * 1024)	/* of a report's texts */

struct parser {
	XML_Parser xml;
	struct sl_report *report;
	size_t cap;				/* of report->records */
	struct sl_report_record record;		/* the one being read */
	struct sl_report_result dkim[SL_REPORT_MAX_RESULTS], spf[SL_REPORT_MAX_RESULTS];
	struct sl_report_reason reasons[SL_REPORT_MAX_RESULTS];
	struct sl_report_result result;		/* what is read into until its element ends */
	struct sl_report_reason reason;
	unsigned depth;
	size_t skip;				/* depth of the element that is passed over whole; 0 = none */
	char path[MAX_PATH];			/* "/record/row": without the root */
	size_t npath;
	char text[SL_REPORT_MAX_TEXT + 1];
	size_t ntext;
	struct sl_err *err;
	int rc;
};

static void
stop(struct parser *p, int code, const char *why)
{
	if (p->rc == 0)
		p->rc = sl_err_set(p->err, code, "line %lu: %s",
		    (unsigned long)XML_GetCurrentLineNumber(p->xml), why);
	XML_StopParser(p->xml, XML_FALSE);
}

/* ---- what is where ------------------------------------------------------------- */

enum target { REPORT, RECORD, RESULT, REASON };
enum form { TEXT, WORD, TIME, COUNT };	/* WORD: in lower case */

static const struct leaf {
	const char *path;
	enum target target;
	enum form form;
	size_t offset;
} leaves[] = {
#define META(name) { "/report_metadata/" #name, REPORT, TEXT, offsetof(struct sl_report, name) }
#define PUBLISHED(name) { "/policy_published/" #name, REPORT, WORD, offsetof(struct sl_report, name) }
#define DID(name) { "/record/row/policy_evaluated/" #name, RECORD, WORD, \
	    offsetof(struct sl_report_record, name) }
#define WHO(name) { "/record/identifiers/" #name, RECORD, WORD, offsetof(struct sl_report_record, name) }
#define OF(kind, name, form) { "/record/auth_results/" kind "/" #name, RESULT, form, \
	    offsetof(struct sl_report_result, name) }
	{ "/version", REPORT, TEXT, offsetof(struct sl_report, version) },
	META(org_name), META(email), META(report_id),
	{ "/report_metadata/date_range/begin", REPORT, TIME, offsetof(struct sl_report, begin) },
	{ "/report_metadata/date_range/end", REPORT, TIME, offsetof(struct sl_report, end) },
	PUBLISHED(domain), PUBLISHED(p), PUBLISHED(sp), PUBLISHED(np), PUBLISHED(adkim),
	PUBLISHED(aspf), PUBLISHED(pct), PUBLISHED(fo), PUBLISHED(testing),
	PUBLISHED(discovery_method),
	{ "/record/row/source_ip", RECORD, WORD, offsetof(struct sl_report_record, source_ip) },
	{ "/record/row/count", RECORD, COUNT, offsetof(struct sl_report_record, count) },
	DID(disposition), DID(dkim), DID(spf),
	WHO(header_from), WHO(envelope_from), WHO(envelope_to),
	OF("dkim", domain, WORD), OF("dkim", selector, TEXT), OF("dkim", result, WORD),
	OF("spf", domain, WORD), OF("spf", scope, WORD), OF("spf", result, WORD),
	{ "/record/row/policy_evaluated/reason/type", REASON, WORD,
	    offsetof(struct sl_report_reason, type) },
	{ "/record/row/policy_evaluated/reason/comment", REASON, TEXT,
	    offsetof(struct sl_report_reason, comment) },
#undef META
#undef PUBLISHED
#undef DID
#undef WHO
#undef OF
};

static const struct leaf *
find_leaf(const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		if (strcmp(leaves[i].path, path) == 0)
			return &leaves[i];
	return NULL;
}

static void *
target_of(struct parser *p, enum target target)
{
	switch (target) {
	case REPORT:
		return p->report;
	case RECORD:
		return &p->record;
	case RESULT:
		return &p->result;
	default:
		return &p->reason;
	}
}

/* ---- values ---------------------------------------------------------------------- */

static void
take_text(struct parser *p, const char **to, struct sl_str s, bool lower)
{
	char *copy = sl_arena_strndup(p->report->texts, s.p, s.n);

	if (copy == NULL) {
		stop(p, SL_ERR_LIMIT, "too much text");
		return;
	}
	if (lower)
		sl_lower_in_place(copy, s.n);
	*to = copy;
}

/* Some reporters write fractions of seconds; a time that can't be read is none. */
static void
take_time(int64_t *to, struct sl_str s)
{
	uint64_t n;

	s.n = sl_str_chr(s, '.') >= 0 ? (size_t)sl_str_chr(s, '.') : s.n;
	*to = sl_str_u64(s, &n) && n <= INT64_C(253402300799) ? (int64_t)n : 0;
}

/* The sum of all records stays far below 2^64. */
static void
take_count(struct parser *p, uint64_t *to, struct sl_str s)
{
	if (!sl_str_u64(s, to) || *to > UINT64_C(1000000000000))
		stop(p, SL_ERR_SYNTAX, "<count> is no number of messages");
}

static void
take(struct parser *p, const struct leaf *leaf)
{
	char *to = (char *)target_of(p, leaf->target) + leaf->offset;
	struct sl_str s = sl_str_trim((struct sl_str){ p->text, p->ntext });

	switch (leaf->form) {
	case TEXT:
	case WORD:
		take_text(p, (const char **)(void *)to, s, leaf->form == WORD);
		return;
	case TIME:
		take_time((int64_t *)(void *)to, s);
		return;
	case COUNT:
		take_count(p, (uint64_t *)(void *)to, s);
	}
}

/* ---- groups ------------------------------------------------------------------------ */

static const struct sl_report_result no_result = { "", "", "", "" };

static void
begin_record(struct parser *p)
{
	p->record = (struct sl_report_record){ .source_ip = "", .disposition = "", .dkim = "", .spf = "",
	    .header_from = "", .envelope_from = "", .envelope_to = "" };
}

static void
end_result(struct parser *p, struct sl_report_result *list, size_t *n)
{
	if (*n < SL_REPORT_MAX_RESULTS)
		list[(*n)++] = p->result;
}

static const void *
keep(struct parser *p, const void *list, size_t n, size_t size)
{
	void *copy = n > 0 ? sl_arena_alloc(p->report->texts, n * size) : NULL;

	if (copy != NULL)
		memcpy(copy, list, n * size);
	else if (n > 0)
		stop(p, SL_ERR_LIMIT, "too many results");
	return copy;
}

static int
grow(struct parser *p)
{
	size_t cap = p->cap > 0 ? 2 * p->cap : 16;
	void *more = sl_realloc(p->report->records, cap * sizeof(p->record));

	if (more == NULL)
		return SL_ERR_NOMEM;
	p->report->records = more;
	p->cap = cap;
	return 0;
}

static void
end_record(struct parser *p)
{
	struct sl_report_record *r = &p->record;

	if (p->report->nrecords == SL_REPORT_MAX_RECORDS) {
		stop(p, SL_ERR_LIMIT, "too many records");
		return;
	}
	if (p->report->nrecords == p->cap && grow(p) != 0) {
		stop(p, SL_ERR_NOMEM, "out of memory");
		return;
	}
	r->dkim_results = keep(p, p->dkim, r->ndkim, sizeof(p->dkim[0]));
	r->spf_results = keep(p, p->spf, r->nspf, sizeof(p->spf[0]));
	r->reasons = keep(p, p->reasons, r->nreasons, sizeof(p->reasons[0]));
	if (p->rc == 0)
		p->report->records[p->report->nrecords++] = *r;
}

static void
end_group(struct parser *p)
{
	if (strcmp(p->path, "/record") == 0)
		end_record(p);
	else if (strcmp(p->path, "/record/auth_results/dkim") == 0)
		end_result(p, p->dkim, &p->record.ndkim);
	else if (strcmp(p->path, "/record/auth_results/spf") == 0)
		end_result(p, p->spf, &p->record.nspf);
	else if (strcmp(p->path, "/record/row/policy_evaluated/reason") == 0 &&
	    p->record.nreasons < SL_REPORT_MAX_RESULTS)
		p->reasons[p->record.nreasons++] = p->reason;
}

/* ---- what expat calls ---------------------------------------------------------------- */

/* Reports are of several namespaces, or of none, and not all that say so are of the one they say. */
static const char *
local_name(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon != NULL ? colon + 1 : name;
}

static void
start_element(void *arg, const XML_Char *name, const XML_Char **attributes)
{
	struct parser *p = arg;
	size_t n;

	(void)attributes;
	name = local_name(name);
	n = strlen(name);
	p->ntext = 0;
	if (p->rc != 0)
		return;
	if (++p->depth > SL_REPORT_MAX_DEPTH) {
		stop(p, SL_ERR_LIMIT, "elements are nested too deep");
		return;
	}
	if (p->depth == 1) {
		if (strcmp(name, "feedback") != 0)
			stop(p, SL_ERR_SYNTAX, "the root isn't <feedback>: no aggregate report");
		return;
	}
	if (p->skip != 0 || p->npath + 1 + n >= MAX_PATH) {
		p->skip = p->skip != 0 ? p->skip : p->depth;
		return;
	}
	p->npath += (size_t)snprintf(p->path + p->npath, MAX_PATH - p->npath, "/%s", name);
	if (strcmp(p->path, "/record") == 0)
		begin_record(p);
	if (strncmp(p->path, "/record/auth_results/", 21) == 0 && p->depth == 4)
		p->result = no_result;
	if (strcmp(name, "reason") == 0)
		p->reason = (struct sl_report_reason){ "", "" };
}

static void
end_element(void *arg, const XML_Char *name)
{
	struct parser *p = arg;
	const struct leaf *leaf;

	(void)name;
	if (p->rc != 0)
		return;
	if (p->depth > 1 && p->skip == 0) {
		leaf = find_leaf(p->path);
		if (leaf != NULL)
			take(p, leaf);
		else
			end_group(p);
		while (p->npath > 0 && p->path[--p->npath] != '/')
			;
		p->path[p->npath] = '\0';
	}
	if (p->skip == p->depth)
		p->skip = 0;
	p->depth--;
	p->ntext = 0;
}

static void
characters(void *arg, const XML_Char *s, int n)
{
	struct parser *p = arg;
	size_t room = SL_REPORT_MAX_TEXT - p->ntext, take_n = (size_t)n < room ? (size_t)n : room;

	memcpy(p->text + p->ntext, s, take_n);
	p->ntext += take_n;
}

static void
start_doctype(void *arg, const XML_Char *name, const XML_Char *sysid, const XML_Char *pubid,
    int internal)
{
	(void)name;
	(void)sysid;
	(void)pubid;
	(void)internal;
	stop(arg, SL_ERR_SYNTAX, "a document type has no place in a report");
}

/* ---- the whole ------------------------------------------------------------------------ */

static const XML_Memory_Handling_Suite memory = { sl_malloc, sl_realloc, sl_free };

static int
run(struct parser *p, struct sl_str xml)
{
	XML_SetUserData(p->xml, p);
	XML_SetElementHandler(p->xml, start_element, end_element);
	XML_SetCharacterDataHandler(p->xml, characters);
	XML_SetStartDoctypeDeclHandler(p->xml, start_doctype);
	/* In one piece: a token that goes over many calls would be read again in each. */
	if (XML_Parse(p->xml, xml.p, (int)xml.n, 1) == XML_STATUS_OK || p->rc != 0)
		return p->rc;
	if (XML_GetErrorCode(p->xml) == XML_ERROR_NO_MEMORY)
		return sl_err_set(p->err, SL_ERR_NOMEM, "out of memory");
	return sl_err_set(p->err, SL_ERR_SYNTAX, "line %lu: %s",
	    (unsigned long)XML_GetCurrentLineNumber(p->xml),
	    XML_ErrorString(XML_GetErrorCode(p->xml)));
}

static struct sl_report *
new_report(void)
{
	struct sl_report *r = sl_calloc(1, sizeof(*r));

	if (r == NULL || (r->texts = sl_arena_new(MAX_MEMORY)) == NULL) {
		sl_free(r);
		return NULL;
	}
	r->version = r->org_name = r->email = r->report_id = r->domain = "";
	r->p = r->sp = r->np = r->adkim = r->aspf = r->pct = r->fo = "";
	r->testing = r->discovery_method = "";
	return r;
}

int
sl_report_parse(struct sl_report **out, struct sl_str xml, struct sl_err *err)
{
	struct parser *p;
	int rc = SL_ERR_NOMEM;

	*out = NULL;
	if (xml.n > SL_REPORT_MAX_XML)
		return sl_err_set(err, SL_ERR_LIMIT, "larger than any report");
	p = sl_calloc(1, sizeof(*p));
	if (p != NULL && (p->report = new_report()) != NULL &&
	    (p->xml = XML_ParserCreate_MM(NULL, &memory, NULL)) != NULL) {
		p->err = err;
		rc = run(p, xml);
		if (rc == 0 && sl_digest_of(SL_DIGEST_SHA256, xml, p->report->digest) != 0)
			rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		if (rc == 0 && p->report->domain[0] == '\0')
			rc = sl_err_set(err, SL_ERR_SYNTAX, "it doesn't say for which domain it is");
		if (rc == 0) {
			*out = p->report;
			p->report = NULL;
		}
	} else {
		sl_err_set(err, rc, "out of memory");
	}
	if (p != NULL) {
		if (p->xml != NULL)
			XML_ParserFree(p->xml);
		sl_report_free(p->report);
	}
	sl_free(p);
	return rc;
}

void
sl_report_free(struct sl_report *report)
{
	if (report == NULL)
		return;
	sl_arena_free(report->texts);
	sl_free(report->records);
	sl_free(report);
}
