/*
 * check_host(), RFC 7208 4, as an evaluator. A frame is one record under
 * evaluation: the outermost, or one that an include entered. Between
 * questions the top frame's terms are taken one by one; a term that needs an
 * answer asks and is resumed when all its questions are answered. See spf.h.
 */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/address.h"
#include "spf_private.h"

#define LIMIT_CAP	50

enum wait {
	WAIT_RECORD,	/* TXT of the top frame's domain */
	WAIT_HOSTS,	/* addresses of a or of the hosts of mx */
	WAIT_MX,
	WAIT_EXISTS,
	WAIT_PTR,	/* names of the client, for ptr and %{p} */
	WAIT_NAMES,	/* their addresses */
	WAIT_EXP,
};

struct frame {
	struct frame *up;
	bool redirected;		/* entered by redirect=: no record is an error */
	bool counted;			/* the current term was counted already */
	char domain[256];
	struct sl_str rest;		/* terms not yet taken */
	struct sl_spf_term term;	/* the current one */
	struct sl_str redirect, exp;	/* p NULL = none */
	char *text;			/* the record */
};

struct query {
	enum sl_dns_type type;
	char name[256];
	bool asked, answered;
};

struct sl_spf {
	struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
	struct sl_spf_result result;
	bool done;
	unsigned max_lookups, max_voids;

	struct sl_addr ip;
	char local[320], sender_domain[256], helo[256], receiver[256];
	bool local_utf8;
	int64_t now;

	struct frame *top;
	enum wait wait;
	bool explaining;		/* the result is fail; its explanation is looked for */
	char *explanation;		/* as published, while it waits for %{p} */

	unsigned first_id;		/* of query[0] */
	size_t nqueries, open;
	struct query query[SL_SPF_MAX_NAMES];
	bool matched, failed, found;	/* what the answers of this term said so far */

	bool names_known;
	size_t nnames;
	char names[SL_SPF_MAX_NAMES][256];	/* validated names of the client */
};

/* ---- ending ------------------------------------------------------------------ */

static void set_reason(struct sl_spf *spf, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));

/* Reasons go to logs and header fields: visible ASCII only. */
static void
set_reason(struct sl_spf *spf, const char *fmt, ...)
{
	char *p = spf->result.reason;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p, sizeof(spf->result.reason), fmt, ap);
	va_end(ap);
	for (; *p != '\0'; p++)
		if (*p < ' ' || *p >= 0x7f)
			*p = '?';
}

static void
pop(struct sl_spf *spf)
{
	struct frame *f = spf->top;

	spf->top = f->up;
	sl_free(f->text);
	sl_free(f);
}

static void
finish(struct sl_spf *spf, enum sl_spf_status status)
{
	spf->result.status = status;
	if (status == SL_SPF_NONE || status == SL_SPF_TEMPERROR || status == SL_SPF_PERMERROR)
		spf->result.mechanism[0] = '\0';
	while (spf->top != NULL)
		pop(spf);
	spf->open = spf->nqueries = 0;
	spf->done = true;
}

static void
fail_with(struct sl_spf *spf, enum sl_spf_status status, const char *why)
{
	if (spf->top != NULL)
		set_reason(spf, "%s: %s", spf->top->domain, why);
	else
		set_reason(spf, "%s", why);
	finish(spf, status);
}

/* ---- asking -------------------------------------------------------------------- */

static void
begin_questions(struct sl_spf *spf, enum wait wait)
{
	spf->first_id += (unsigned)spf->nqueries;
	spf->nqueries = spf->open = 0;
	spf->wait = wait;
	spf->matched = spf->failed = spf->found = false;
}

static void
add_question(struct sl_spf *spf, enum sl_dns_type type, const char *name)
{
	struct query *q = &spf->query[spf->nqueries++];

	q->type = type;
	q->asked = q->answered = false;
	snprintf(q->name, sizeof(q->name), "%s", name);
	spf->open++;
}

static void
ask(struct sl_spf *spf, enum wait wait, enum sl_dns_type type, const char *name)
{
	begin_questions(spf, wait);
	add_question(spf, type, name);
}

static enum sl_dns_type
address_type(const struct sl_spf *spf)
{
	return spf->ip.sa.sa_family == AF_INET ? SL_DNS_A : SL_DNS_AAAA;
}

/* Addresses of several hosts at once; names that can't be asked for are left out. */
static void
ask_hosts(struct sl_spf *spf, enum wait wait, const struct sl_dns_answer *answer)
{
	char name[256];

	begin_questions(spf, wait);
	for (size_t i = 0; i < answer->n && spf->nqueries < SL_SPF_MAX_NAMES; i++)
		if (answer->records[i].data.n < sizeof(name) &&
		    sl_spf_name(name, answer->records[i].data))
			add_question(spf, address_type(spf), name);
}

/* ---- frames ------------------------------------------------------------------- */

static void
enter(struct sl_spf *spf, const char *domain, struct frame *up, bool redirected)
{
	struct frame *f = sl_calloc(1, sizeof(*f));

	if (f == NULL) {
		fail_with(spf, SL_SPF_TEMPERROR, "out of memory");
		return;
	}
	f->up = up;
	f->redirected = redirected;
	snprintf(f->domain, sizeof(f->domain), "%s", domain);
	spf->top = f;
	ask(spf, WAIT_RECORD, SL_DNS_TXT, domain);
}

static void	 explain(struct sl_spf *spf);

static void
remember_mechanism(struct sl_spf *spf, struct sl_str text)
{
	size_t n = text.n < sizeof(spf->result.mechanism) ? text.n :
	    sizeof(spf->result.mechanism) - 1;

	if (spf->top->up != NULL)
		return;
	memcpy(spf->result.mechanism, text.p, n);
	spf->result.mechanism[n] = '\0';
}

/* The record of the top frame gave 'status': the result, or what includes make of it (5.2). */
static void
leave(struct sl_spf *spf, enum sl_spf_status status)
{
	while (spf->top->up != NULL) {
		pop(spf);
		if (status != SL_SPF_PASS)
			return;
		status = spf->top->term.qualifier;
		remember_mechanism(spf, spf->top->term.text);
	}
	if (status == SL_SPF_FAIL && spf->top->exp.p != NULL)
		explain(spf);
	else
		finish(spf, status);
}

/* No record where one must be. */
static void
leave_none(struct sl_spf *spf, const char *why)
{
	if (spf->top->up != NULL || spf->top->redirected)
		fail_with(spf, SL_SPF_PERMERROR, why);
	else
		fail_with(spf, SL_SPF_NONE, why);
}

static void
term_matched(struct sl_spf *spf)
{
	remember_mechanism(spf, spf->top->term.text);
	leave(spf, spf->top->term.qualifier);
}

/* ---- counting ------------------------------------------------------------------ */

/* Before a term asks. False: over the limit, all is decided. */
static bool
count_lookup(struct sl_spf *spf)
{
	if (spf->result.lookups < spf->max_lookups) {
		spf->result.lookups++;
		return true;
	}
	fail_with(spf, SL_SPF_PERMERROR, "too many DNS look-ups");
	return false;
}

static bool
is_void(const struct sl_dns_answer *answer)
{
	return answer->status == SL_DNS_NODATA || answer->status == SL_DNS_NXDOMAIN ||
	    (answer->status == SL_DNS_OK && answer->n == 0);
}

static bool
count_void(struct sl_spf *spf)
{
	if (spf->explaining || ++spf->result.voids <= spf->max_voids)
		return true;
	fail_with(spf, SL_SPF_PERMERROR, "too many DNS look-ups without an answer");
	return false;
}

/* ---- domains of terms ------------------------------------------------------------ */

/* 7.3: the domain itself if validated, else a name below it, else any. */
static const char *
validated_name(const struct sl_spf *spf, const char *domain)
{
	const char *below = NULL;

	for (size_t i = 0; i < spf->nnames; i++) {
		if (strcmp(spf->names[i], domain) == 0)
			return spf->names[i];
		if (below == NULL && sl_domain_is_within(spf->names[i], domain))
			below = spf->names[i];
	}
	if (below != NULL)
		return below;
	return spf->nnames > 0 ? spf->names[0] : "unknown";
}

static struct sl_spf_macros
macros_of(const struct sl_spf *spf)
{
	return (struct sl_spf_macros){
		.local = spf->local, .sender_domain = spf->sender_domain,
		.domain = spf->top->domain, .helo = spf->helo, .receiver = spf->receiver,
		.validated = validated_name(spf, spf->top->domain),
		.ip = &spf->ip, .now = spf->now, .local_utf8 = spf->local_utf8,
	};
}

static void
ask_names(struct sl_spf *spf)
{
	char name[80];

	sl_dns_reverse(&spf->ip, name, sizeof(name));
	ask(spf, WAIT_PTR, SL_DNS_PTR, name);
}

enum target { TARGET_READY, TARGET_WAIT, TARGET_UNUSABLE };

/*
 * The domain a term is about. WAIT: %{p} asks first, the term is taken again
 * then. UNUSABLE: no name to ask for (4.8), such a term finds nothing; or all
 * is decided.
 */
static enum target
target_of(struct sl_spf *spf, struct sl_str spec, char out[256])
{
	struct sl_spf_macros macros = macros_of(spf);
	struct sl_buf text = SL_BUF_INIT;
	bool usable;

	if (spec.p == NULL) {
		snprintf(out, 256, "%s", spf->top->domain);
		return TARGET_READY;
	}
	if (spf->local_utf8 && sl_spf_macro_uses(spec, "sl"))
		return TARGET_UNUSABLE;
	if (!spf->names_known && sl_spf_macro_uses(spec, "p")) {
		if (spf->explaining || count_lookup(spf)) {
			ask_names(spf);
			return TARGET_WAIT;
		}
		return TARGET_UNUSABLE;
	}
	if (sl_spf_expand(&text, spec, SL_SPF_IN_DOMAIN, &macros) < 0) {
		sl_buf_clear(&text);
		fail_with(spf, SL_SPF_TEMPERROR, "out of memory");
		return TARGET_UNUSABLE;
	}
	usable = sl_spf_name(out, sl_buf_str(&text));
	sl_buf_clear(&text);
	return usable ? TARGET_READY : TARGET_UNUSABLE;
}

/* ---- terms -------------------------------------------------------------------------- */

static bool
same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

static const uint8_t *
client_bytes(const struct sl_spf *spf)
{
	return spf->ip.sa.sa_family == AF_INET ? (const uint8_t *)&spf->ip.in4.sin_addr :
	    spf->ip.in6.sin6_addr.s6_addr;
}

static bool
network_matches(const struct sl_spf *spf, const struct sl_spf_term *t)
{
	bool v4 = t->kind == SL_SPF_IP4;

	if (v4 != (spf->ip.sa.sa_family == AF_INET))
		return false;
	return same_prefix(client_bytes(spf), t->ip, v4 ? t->prefix4 : t->prefix6);
}

static void
take_ptr(struct sl_spf *spf, const char *target)
{
	if (!spf->names_known) {
		ask_names(spf);
		return;
	}
	for (size_t i = 0; i < spf->nnames; i++) {
		if (sl_domain_is_within(spf->names[i], target)) {
			term_matched(spf);
			return;
		}
	}
}

/* include a mx ptr exists: what asks the DNS. */
static void
take_asking_term(struct sl_spf *spf)
{
	struct frame *f = spf->top;
	char target[256];
	enum target ready;

	if (!f->counted && !count_lookup(spf))
		return;
	f->counted = true;
	ready = target_of(spf, f->term.domain, target);
	if (ready == TARGET_UNUSABLE && !spf->done && f->term.kind == SL_SPF_INCLUDE)
		fail_with(spf, SL_SPF_PERMERROR, "include of a name that can't be looked up");
	if (ready != TARGET_READY)
		return;
	switch (f->term.kind) {
	case SL_SPF_INCLUDE:
		enter(spf, target, f, false);
		break;
	case SL_SPF_A:
		ask(spf, WAIT_HOSTS, address_type(spf), target);
		break;
	case SL_SPF_MX:
		ask(spf, WAIT_MX, SL_DNS_MX, target);
		break;
	case SL_SPF_EXISTS:
		ask(spf, WAIT_EXISTS, SL_DNS_A, target);
		break;
	default:
		take_ptr(spf, target);
	}
}

static void
take_term(struct sl_spf *spf)
{
	struct frame *f = spf->top;

	switch (f->term.kind) {
	case SL_SPF_ALL:
		term_matched(spf);
		break;
	case SL_SPF_IP4:
	case SL_SPF_IP6:
		if (network_matches(spf, &f->term))
			term_matched(spf);
		break;
	case SL_SPF_REDIRECT:
	case SL_SPF_EXP:
	case SL_SPF_UNKNOWN:
		break;
	default:
		take_asking_term(spf);
	}
}

/* 6.1: nothing matched. */
static void
take_redirect(struct sl_spf *spf)
{
	struct frame *f = spf->top;
	char target[256];
	enum target ready;

	if (!f->counted && !count_lookup(spf))
		return;
	f->counted = true;
	ready = target_of(spf, f->redirect, target);
	if (ready == TARGET_UNUSABLE && !spf->done)
		fail_with(spf, SL_SPF_PERMERROR, "redirect to a name that can't be looked up");
	if (ready != TARGET_READY)
		return;
	pop(spf);
	enter(spf, target, spf->top, true);
}

/* Takes the next term of the top frame, or the one that had to ask first. */
static void
step(struct sl_spf *spf, bool again)
{
	struct frame *f = spf->top;
	struct sl_str text;

	if (!again) {
		f->counted = false;
		if (!sl_spf_next_term(&f->rest, &text)) {
			f->term.text.n = 0;
		} else if (sl_spf_term_parse(&f->term, text, NULL) < 0) {
			fail_with(spf, SL_SPF_PERMERROR, "syntax error");
			return;
		}
	}
	if (f->term.text.n > 0) {
		take_term(spf);
	} else if (f->redirect.p != NULL) {
		take_redirect(spf);
	} else {
		remember_mechanism(spf, SL_STR("default"));
		leave(spf, SL_SPF_NEUTRAL);
	}
}

/* Goes on until there is something to wait for. */
static void
advance(struct sl_spf *spf)
{
	while (!spf->done && spf->open == 0)
		step(spf, false);
}

/* ---- the explanation (6.2) ----------------------------------------------------------- */

static void
explain(struct sl_spf *spf)
{
	char target[256];
	enum target ready;

	spf->explaining = true;
	ready = target_of(spf, spf->top->exp, target);
	if (ready == TARGET_READY)
		ask(spf, WAIT_EXP, SL_DNS_TXT, target);
	else if (ready == TARGET_UNUSABLE && !spf->done)
		finish(spf, SL_SPF_FAIL);
}

static void
expand_explanation(struct sl_spf *spf, struct sl_str record)
{
	struct sl_buf text = { .limit = sizeof(spf->result.explanation) - 1 };
	struct sl_spf_macros macros = macros_of(spf);

	if (sl_spf_expand(&text, record, SL_SPF_IN_EXPLANATION, &macros) == 0 && text.n > 0)
		memcpy(spf->result.explanation, text.p, text.n + 1);
	sl_buf_clear(&text);
	finish(spf, SL_SPF_FAIL);
}

/* Exactly one record without an error, or there is no explanation. */
static void
take_explanation(struct sl_spf *spf, const struct sl_dns_answer *answer)
{
	struct sl_str record = { NULL, 0 };

	if (answer->status == SL_DNS_OK && answer->n == 1)
		record = answer->records[0].data;
	if (record.n == 0 || sl_spf_macro_check(record, SL_SPF_IN_EXPLANATION, NULL) < 0 ||
	    (spf->local_utf8 && sl_spf_macro_uses(record, "sl"))) {
		finish(spf, SL_SPF_FAIL);
	} else if (!spf->names_known && sl_spf_macro_uses(record, "p") &&
	    (spf->explanation = sl_strndup(record.p, record.n)) != NULL) {
		ask_names(spf);
	} else {
		expand_explanation(spf, record);
	}
}

/* ---- answers --------------------------------------------------------------------------- */

static void
temporary(struct sl_spf *spf, const struct query *q, enum sl_dns_status status)
{
	set_reason(spf, "%s %s: %s", sl_dns_type_word(q->type), q->name, sl_dns_status_word(status));
	finish(spf, SL_SPF_TEMPERROR);
}

static void
use_record(struct sl_spf *spf, struct sl_str record)
{
	struct frame *f = spf->top;
	struct sl_err err = { 0 };
	struct sl_spf_term t;
	struct sl_str rest, text;

	if (sl_spf_check_record(record, &err) < 0) {
		fail_with(spf, SL_SPF_PERMERROR, err.text);
		return;
	}
	f->text = sl_strndup(record.p, record.n);
	if (f->text == NULL) {
		fail_with(spf, SL_SPF_TEMPERROR, "out of memory");
		return;
	}
	f->rest = rest = sl_spf_terms((struct sl_str){ f->text, record.n });
	while (sl_spf_next_term(&rest, &text)) {
		if (sl_str_chr(text, '=') < 0 || sl_spf_term_parse(&t, text, NULL) < 0)
			continue;
		if (t.kind == SL_SPF_REDIRECT)
			f->redirect = t.domain;
		else if (t.kind == SL_SPF_EXP)
			f->exp = t.domain;
	}
}

static void
take_record(struct sl_spf *spf, const struct query *q, const struct sl_dns_answer *answer)
{
	const struct sl_dns_record *found = NULL;

	if (sl_dns_temporary(answer->status)) {
		temporary(spf, q, answer->status);
		return;
	}
	for (size_t i = 0; answer->status == SL_DNS_OK && i < answer->n; i++) {
		if (!sl_spf_is_record(answer->records[i].data))
			continue;
		if (found != NULL) {
			fail_with(spf, SL_SPF_PERMERROR, "more than one SPF record");
			return;
		}
		found = &answer->records[i];
	}
	if (found == NULL)
		leave_none(spf, "no SPF record");
	else
		use_record(spf, found->data);
}

static bool
has_client(const struct sl_spf *spf, const struct sl_dns_answer *answer, unsigned prefix)
{
	size_t size = spf->ip.sa.sa_family == AF_INET ? 4 : 16;

	for (size_t i = 0; answer->status == SL_DNS_OK && i < answer->n; i++)
		if (answer->records[i].data.n == size &&
		    same_prefix((const uint8_t *)answer->records[i].data.p, client_bytes(spf), prefix))
			return true;
	return false;
}

static unsigned
family_prefix(const struct sl_spf *spf)
{
	const struct sl_spf_term *t = &spf->top->term;

	return spf->ip.sa.sa_family == AF_INET ? t->prefix4 : t->prefix6;
}

/* One of the addresses of a or mx. A match counts whatever else is answered. */
static void
take_host(struct sl_spf *spf, const struct query *q, const struct sl_dns_answer *answer)
{
	if (has_client(spf, answer, family_prefix(spf))) {
		spf->matched = true;
		spf->open = 0;
	} else if (sl_dns_temporary(answer->status) && !spf->failed) {
		spf->failed = true;
		set_reason(spf, "%s %s: %s", sl_dns_type_word(q->type), q->name,
		    sl_dns_status_word(answer->status));
	}
	if (spf->open > 0)
		return;
	if (spf->matched) {
		spf->result.reason[0] = '\0';
		term_matched(spf);
	} else if (spf->failed) {
		finish(spf, SL_SPF_TEMPERROR);
	} else if (spf->top->term.kind == SL_SPF_A && is_void(answer)) {
		count_void(spf);
	}
}

static void
take_mx(struct sl_spf *spf, const struct query *q, const struct sl_dns_answer *answer)
{
	if (sl_dns_temporary(answer->status))
		temporary(spf, q, answer->status);
	else if (is_void(answer))
		count_void(spf);
	else if (answer->status == SL_DNS_OK && answer->n > SL_SPF_MAX_NAMES)
		fail_with(spf, SL_SPF_PERMERROR, "an mx with more than 10 hosts");
	else
		ask_hosts(spf, WAIT_HOSTS, answer);
}

static void
take_exists(struct sl_spf *spf, const struct query *q, const struct sl_dns_answer *answer)
{
	if (sl_dns_temporary(answer->status))
		temporary(spf, q, answer->status);
	else if (answer->status == SL_DNS_OK && answer->n > 0)
		term_matched(spf);
	else if (is_void(answer))
		count_void(spf);
}

/* The names are known now: what waited for them goes on. */
static void
resume(struct sl_spf *spf)
{
	spf->names_known = true;
	if (spf->explanation != NULL)
		expand_explanation(spf, sl_str_of(spf->explanation));
	else if (spf->explaining)
		explain(spf);
	else
		step(spf, true);
}

/* 5.5: errors are as if the client had no name. */
static void
take_names(struct sl_spf *spf, const struct sl_dns_answer *answer)
{
	ask_hosts(spf, WAIT_NAMES, answer);
	if (is_void(answer) && !count_void(spf))
		return;
	if (spf->open == 0)
		resume(spf);
}

static void
take_name(struct sl_spf *spf, const struct query *q, const struct sl_dns_answer *answer)
{
	if (has_client(spf, answer, spf->ip.sa.sa_family == AF_INET ? 32 : 128) &&
	    spf->nnames < SL_SPF_MAX_NAMES)
		memcpy(spf->names[spf->nnames++], q->name, sizeof(q->name));
	if (spf->open == 0)
		resume(spf);
}

static void
take_answer(struct sl_spf *spf, const struct query *q, const struct sl_dns_answer *answer)
{
	switch (spf->wait) {
	case WAIT_RECORD:
		take_record(spf, q, answer);
		break;
	case WAIT_HOSTS:
		take_host(spf, q, answer);
		break;
	case WAIT_MX:
		take_mx(spf, q, answer);
		break;
	case WAIT_EXISTS:
		take_exists(spf, q, answer);
		break;
	case WAIT_PTR:
		take_names(spf, answer);
		break;
	case WAIT_NAMES:
		take_name(spf, q, answer);
		break;
	case WAIT_EXP:
		take_explanation(spf, answer);
		break;
	}
}

/* ---- the evaluator ---------------------------------------------------------------------- */

static struct sl_spf *
self(struct sl_evaluator *e)
{
	return (struct sl_spf *)(void *)e;
}

static int
next_question(struct sl_evaluator *e, struct sl_question *out)
{
	struct sl_spf *spf = self(e);

	for (size_t i = 0; i < spf->nqueries && spf->open > 0; i++) {
		struct query *q = &spf->query[i];

		if (q->asked)
			continue;
		q->asked = true;
		out->id = spf->first_id + (unsigned)i;
		out->type = q->type;
		memcpy(out->name, q->name, sizeof(q->name));
		return 1;
	}
	return 0;
}

static void
on_answer(struct sl_evaluator *e, unsigned id, const struct sl_dns_answer *answer)
{
	struct sl_spf *spf = self(e);
	unsigned i = id - spf->first_id;
	struct query q;

	if (spf->done || spf->open == 0 || i >= spf->nqueries || spf->query[i].answered)
		return;
	spf->query[i].answered = true;
	spf->open--;
	q = spf->query[i];	/* the next questions overwrite it */
	take_answer(spf, &q, answer);
	advance(spf);
}

static bool
is_done(const struct sl_evaluator *e)
{
	return ((const struct sl_spf *)(const void *)e)->done;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Visible ASCII for macros; a domain becomes A-labels first. */
static void
set_word(char out[256], struct sl_str s, const char *none)
{
	struct sl_err err;
	size_t n = s.n < 255 ? s.n : 255;

	if (n == 0) {
		strcpy(out, none);
		return;
	}
	if (sl_domain_normalize(out, s, &err) == 0)
		return;
	for (size_t i = 0; i < n; i++)
		out[i] = s.p[i] > ' ' && s.p[i] < 0x7f ? s.p[i] : '?';
	out[n] = '\0';
}

/* 4.3: a domain has labels of proper length and more than one of them. */
static bool
check_domain(char out[256], struct sl_str s)
{
	struct sl_err err;
	bool ascii = s.n > 0 && s.n <= 254;

	for (size_t i = 0; i < s.n && ascii; i++)
		ascii = s.p[i] > ' ' && s.p[i] < 0x7f && s.p[i] != '[' && s.p[i] != ']';
	if (!ascii && sl_domain_normalize(out, s, &err) < 0)
		return false;
	if (ascii && (s.n - (s.p[s.n - 1] == '.') > 253 || !sl_spf_name(out, s)))
		return false;
	return strchr(out, '.') != NULL;
}

/* No blanks, controls, broken UTF-8 in the local part. */
static void
set_visible(struct sl_spf *spf)
{
	bool valid = sl_utf8_valid(sl_str_of(spf->local));

	for (char *p = spf->local; *p != '\0'; p++) {
		bool high = (unsigned char)*p >= 0x80;

		spf->local_utf8 = spf->local_utf8 || high;
		if ((high && !valid) || (unsigned char)*p <= ' ' || *p == 0x7f)
			*p = '?';
	}
}

static void
set_identity(struct sl_spf *spf, const struct sl_spf_options *o)
{
	struct sl_str local = { NULL, 0 }, domain = o->helo;
	bool mailfrom = o->identity == SL_SPF_MAILFROM && o->sender.n > 0;
	size_t at = o->sender.n;

	if (mailfrom) {
		while (at > 0 && o->sender.p[at - 1] != '@')
			at--;
		local = sl_str_sub(o->sender, 0, at > 0 ? at - 1 : 0);
		domain = sl_str_sub(o->sender, at, o->sender.n);
	}
	if (local.n == 0)
		local = SL_STR("postmaster");
	snprintf(spf->local, sizeof(spf->local), "%.*s", (int)(local.n < 256 ? local.n : 256), local.p);
	set_visible(spf);
	set_word(spf->sender_domain, domain, "unknown");
	spf->result.identity = o->identity;
	if (!check_domain(spf->result.domain, domain))
		spf->result.domain[0] = '\0';
	else
		strcpy(spf->sender_domain, spf->result.domain);
	snprintf(spf->result.sender, sizeof(spf->result.sender), "%s@%s", spf->local,
	    spf->sender_domain);
}

static void
set_client(struct sl_spf *spf, const struct sl_addr *ip)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	spf->ip = *ip;
	if (ip->sa.sa_family != AF_INET6 || memcmp(ip->in6.sin6_addr.s6_addr, mapped, 12) != 0)
		return;
	memset(&spf->ip, 0, sizeof(spf->ip));
	spf->ip.len = sizeof(spf->ip.in4);
	spf->ip.in4.sin_family = AF_INET;
	memcpy(&spf->ip.in4.sin_addr, ip->in6.sin6_addr.s6_addr + 12, 4);
}

static unsigned
limit_of(int wanted, unsigned standard)
{
	if (wanted == 0)
		return standard;
	if (wanted < 0)
		return 0;
	return wanted > LIMIT_CAP ? LIMIT_CAP : (unsigned)wanted;
}

struct sl_spf *
sl_spf_new(const struct sl_spf_options *options)
{
	struct sl_spf *spf = sl_calloc(1, sizeof(*spf));

	if (spf == NULL)
		return NULL;
	spf->evaluator = (struct sl_evaluator){ next_question, on_answer, is_done };
	spf->result.status = SL_SPF_TEMPERROR;
	spf->max_lookups = limit_of(options->max_lookups, SL_SPF_MAX_LOOKUPS);
	spf->max_voids = limit_of(options->max_voids, SL_SPF_MAX_VOIDS);
	spf->now = options->now;
	set_client(spf, &options->ip);
	set_word(spf->helo, options->helo, "unknown");
	set_word(spf->receiver, options->receiver, "unknown");
	set_identity(spf, options);
	if (spf->ip.sa.sa_family != AF_INET && spf->ip.sa.sa_family != AF_INET6)
		fail_with(spf, SL_SPF_NONE, "the client has no IP address");
	else if (spf->result.domain[0] == '\0')
		fail_with(spf, SL_SPF_NONE, "the identity is not a domain");
	else
		enter(spf, spf->result.domain, NULL, false);
	return spf;
}

struct sl_evaluator *
sl_spf_evaluator(struct sl_spf *spf)
{
	return &spf->evaluator;
}

void
sl_spf_free(struct sl_spf *spf)
{
	if (spf == NULL)
		return;
	while (spf->top != NULL)
		pop(spf);
	sl_free(spf->explanation);
	sl_free(spf);
}

const struct sl_spf_result *
sl_spf_result(const struct sl_spf *spf)
{
	return &spf->result;
}

void
sl_spf_get_facts(const struct sl_spf *spf, struct sl_spf_facts *out, char ip[64])
{
	out->ip = sl_addr_ip(&spf->ip, ip, 64);
	out->helo = spf->helo;
	out->receiver = spf->receiver;
	out->envelope = spf->result.sender;
}
