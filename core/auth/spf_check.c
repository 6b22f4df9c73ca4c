/*
 * check_host(), RFC 7208 4 to 6: frames, terms, what they ask for, how it
 * ends. Between questions the top frame's terms are taken one by one; a term
 * that needs an answer asks and is resumed when all its questions are answered.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/address.h"
#include "spf_private.h"

/* ---- ending -------------------------------------------------------------- */

/* Reasons go to logs and header fields: visible ASCII only. */
void
sl_spf_set_reason(struct sl_spf *spf, const char *fmt, ...)
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

void
sl_spf_pop(struct sl_spf *spf)
{
	struct sl_spf_frame *f = spf->top;

	spf->top = f->up;
	sl_free(f->text);
	sl_free(f);
}

void
sl_spf_finish(struct sl_spf *spf, enum sl_spf_status status)
{
	spf->result.status = status;
	if (status == SL_SPF_NONE || status == SL_SPF_TEMPERROR || status == SL_SPF_PERMERROR)
		spf->result.mechanism[0] = '\0';
	while (spf->top != NULL)
		sl_spf_pop(spf);
	spf->open = spf->nqueries = 0;
	spf->done = true;
}

void
sl_spf_fail_with(struct sl_spf *spf, enum sl_spf_status status, const char *why)
{
	if (spf->top != NULL)
		sl_spf_set_reason(spf, "%s: %s", spf->top->domain, why);
	else
		sl_spf_set_reason(spf, "%s", why);
	sl_spf_finish(spf, status);
}

/* ---- asking -------------------------------------------------------------- */

static void
begin_questions(struct sl_spf *spf, enum sl_spf_wait wait)
{
	spf->first_id += (unsigned)spf->nqueries;
	spf->nqueries = spf->open = 0;
	spf->wait = wait;
	spf->matched = spf->failed = false;
}

static void
add_question(struct sl_spf *spf, enum sl_dns_type type, const char *name)
{
	struct sl_spf_query *q = &spf->query[spf->nqueries++];

	q->type = type;
	q->asked = q->answered = false;
	snprintf(q->name, sizeof(q->name), "%s", name);
	spf->open++;
}

static void
ask(struct sl_spf *spf, enum sl_spf_wait wait, enum sl_dns_type type, const char *name)
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
void
sl_spf_ask_hosts(struct sl_spf *spf, enum sl_spf_wait wait, const struct sl_dns_answer *answer)
{
	char name[256];

	begin_questions(spf, wait);
	for (size_t i = 0; i < answer->n && spf->nqueries < SL_SPF_MAX_NAMES; i++)
		if (answer->records[i].data.n < sizeof(name) &&
		    sl_spf_name(name, answer->records[i].data))
			add_question(spf, address_type(spf), name);
}

/* ---- frames -------------------------------------------------------------- */

void
sl_spf_enter(struct sl_spf *spf, const char *domain, struct sl_spf_frame *up, bool redirected)
{
	struct sl_spf_frame *f = sl_calloc(1, sizeof(*f));

	if (f == NULL) {
		sl_spf_fail_with(spf, SL_SPF_TEMPERROR, "out of memory");
		return;
	}
	f->up = up;
	f->redirected = redirected;
	snprintf(f->domain, sizeof(f->domain), "%s", domain);
	spf->top = f;
	ask(spf, SL_SPF_WAIT_RECORD, SL_DNS_TXT, domain);
}

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
		sl_spf_pop(spf);
		if (status != SL_SPF_PASS)
			return;
		status = spf->top->term.qualifier;
		remember_mechanism(spf, spf->top->term.text);
	}
	if (status == SL_SPF_FAIL && spf->top->exp.p != NULL)
		sl_spf_explain(spf);
	else
		sl_spf_finish(spf, status);
}

/* No record where one must be. */
void
sl_spf_leave_none(struct sl_spf *spf, const char *why)
{
	if (spf->top->up != NULL || spf->top->redirected)
		sl_spf_fail_with(spf, SL_SPF_PERMERROR, why);
	else
		sl_spf_fail_with(spf, SL_SPF_NONE, why);
}

void
sl_spf_term_matched(struct sl_spf *spf)
{
	remember_mechanism(spf, spf->top->term.text);
	leave(spf, spf->top->term.qualifier);
}

/* ---- counting ------------------------------------------------------------ */

/* Before a term asks. False: over the limit, all is decided. */
static bool
count_lookup(struct sl_spf *spf)
{
	if (spf->result.lookups < spf->max_lookups) {
		spf->result.lookups++;
		return true;
	}
	sl_spf_fail_with(spf, SL_SPF_PERMERROR, "too many DNS look-ups");
	return false;
}

bool
sl_spf_is_void(const struct sl_dns_answer *answer)
{
	return answer->status == SL_DNS_NODATA || answer->status == SL_DNS_NXDOMAIN ||
	    (answer->status == SL_DNS_OK && answer->n == 0);
}

bool
sl_spf_count_void(struct sl_spf *spf)
{
	if (spf->explaining || ++spf->result.voids <= spf->max_voids)
		return true;
	sl_spf_fail_with(spf, SL_SPF_PERMERROR, "too many DNS look-ups without an answer");
	return false;
}

/* ---- domains of terms ---------------------------------------------------- */

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
	ask(spf, SL_SPF_WAIT_PTR, SL_DNS_PTR, name);
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
		sl_spf_fail_with(spf, SL_SPF_TEMPERROR, "out of memory");
		return TARGET_UNUSABLE;
	}
	usable = sl_spf_name(out, sl_buf_str(&text));
	sl_buf_clear(&text);
	return usable ? TARGET_READY : TARGET_UNUSABLE;
}

/* ---- terms --------------------------------------------------------------- */

bool
sl_spf_same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, b, bytes) != 0)
		return false;
	return rest == 0 || ((a[bytes] ^ b[bytes]) >> (8 - rest)) == 0;
}

const uint8_t *
sl_spf_client_bytes(const struct sl_spf *spf)
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
	return sl_spf_same_prefix(sl_spf_client_bytes(spf), t->ip, v4 ? t->prefix4 : t->prefix6);
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
			sl_spf_term_matched(spf);
			return;
		}
	}
}

/* include a mx ptr exists: what asks the DNS. */
static void
take_asking_term(struct sl_spf *spf)
{
	struct sl_spf_frame *f = spf->top;
	char target[256];
	enum target ready;

	if (!f->counted && !count_lookup(spf))
		return;
	f->counted = true;
	ready = target_of(spf, f->term.domain, target);
	if (ready == TARGET_UNUSABLE && !spf->done && f->term.kind == SL_SPF_INCLUDE)
		sl_spf_fail_with(spf, SL_SPF_PERMERROR, "include of a name that can't be looked up");
	if (ready != TARGET_READY)
		return;
	switch (f->term.kind) {
	case SL_SPF_INCLUDE:
		sl_spf_enter(spf, target, f, false);
		break;
	case SL_SPF_A:
		ask(spf, SL_SPF_WAIT_HOSTS, address_type(spf), target);
		break;
	case SL_SPF_MX:
		ask(spf, SL_SPF_WAIT_MX, SL_DNS_MX, target);
		break;
	case SL_SPF_EXISTS:
		ask(spf, SL_SPF_WAIT_EXISTS, SL_DNS_A, target);
		break;
	default:
		take_ptr(spf, target);
	}
}

static void
take_term(struct sl_spf *spf)
{
	struct sl_spf_frame *f = spf->top;

	switch (f->term.kind) {
	case SL_SPF_ALL:
		sl_spf_term_matched(spf);
		break;
	case SL_SPF_IP4:
	case SL_SPF_IP6:
		if (network_matches(spf, &f->term))
			sl_spf_term_matched(spf);
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
	struct sl_spf_frame *f = spf->top;
	char target[256];
	enum target ready;

	if (!f->counted && !count_lookup(spf))
		return;
	f->counted = true;
	ready = target_of(spf, f->redirect, target);
	if (ready == TARGET_UNUSABLE && !spf->done)
		sl_spf_fail_with(spf, SL_SPF_PERMERROR, "redirect to a name that can't be looked up");
	if (ready != TARGET_READY)
		return;
	sl_spf_pop(spf);
	sl_spf_enter(spf, target, spf->top, true);
}

/* Takes the next term of the top frame, or the one that had to ask first. */
void
sl_spf_step(struct sl_spf *spf, bool again)
{
	struct sl_spf_frame *f = spf->top;
	struct sl_str text;

	if (!again) {
		f->counted = false;
		if (!sl_spf_next_term(&f->rest, &text)) {
			f->term.text.n = 0;
		} else if (sl_spf_term_parse(&f->term, text, NULL) < 0) {
			sl_spf_fail_with(spf, SL_SPF_PERMERROR, "syntax error");
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
void
sl_spf_advance(struct sl_spf *spf)
{
	while (!spf->done && spf->open == 0)
		sl_spf_step(spf, false);
}

/* ---- the explanation (6.2) ----------------------------------------------- */

void
sl_spf_explain(struct sl_spf *spf)
{
	char target[256];
	enum target ready;

	spf->explaining = true;
	ready = target_of(spf, spf->top->exp, target);
	if (ready == TARGET_READY)
		ask(spf, SL_SPF_WAIT_EXP, SL_DNS_TXT, target);
	else if (ready == TARGET_UNUSABLE && !spf->done)
		sl_spf_finish(spf, SL_SPF_FAIL);
}

void
sl_spf_expand_explanation(struct sl_spf *spf, struct sl_str record)
{
	struct sl_buf text = { .limit = sizeof(spf->result.explanation) - 1 };
	struct sl_spf_macros macros = macros_of(spf);

	if (sl_spf_expand(&text, record, SL_SPF_IN_EXPLANATION, &macros) == 0 && text.n > 0)
		memcpy(spf->result.explanation, text.p, text.n + 1);
	sl_buf_clear(&text);
	sl_spf_finish(spf, SL_SPF_FAIL);
}

/* Exactly one record without an error, or there is no explanation. */
void
sl_spf_take_explanation(struct sl_spf *spf, const struct sl_dns_answer *answer)
{
	struct sl_str record = { NULL, 0 };

	if (answer->status == SL_DNS_OK && answer->n == 1)
		record = answer->records[0].data;
	if (record.n == 0 || sl_spf_macro_check(record, SL_SPF_IN_EXPLANATION, NULL) < 0 ||
	    (spf->local_utf8 && sl_spf_macro_uses(record, "sl"))) {
		sl_spf_finish(spf, SL_SPF_FAIL);
	} else if (!spf->names_known && sl_spf_macro_uses(record, "p") &&
	    (spf->explanation = sl_strndup(record.p, record.n)) != NULL) {
		ask_names(spf);
	} else {
		sl_spf_expand_explanation(spf, record);
	}
}
