/* What answers mean to the term that asked, RFC 7208 4.4, 4.5 and 5. */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "spf_private.h"

static void
temporary(struct sl_spf *spf, const struct sl_spf_query *q, enum sl_dns_status status)
{
	sl_spf_set_reason(spf, "%s %s: %s", sl_dns_type_word(q->type), q->name,
	    sl_dns_status_word(status));
	sl_spf_finish(spf, SL_SPF_TEMPERROR);
}

static void
use_record(struct sl_spf *spf, struct sl_str record)
{
	struct sl_spf_frame *f = spf->top;
	struct sl_err err = { 0 };
	struct sl_spf_term t;
	struct sl_str rest, text;

	if (sl_spf_check_record(record, &err) < 0) {
		sl_spf_fail_with(spf, SL_SPF_PERMERROR, err.text);
		return;
	}
	f->text = sl_strndup(record.p, record.n);
	if (f->text == NULL) {
		sl_spf_fail_with(spf, SL_SPF_TEMPERROR, "out of memory");
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
take_record(struct sl_spf *spf, const struct sl_spf_query *q, const struct sl_dns_answer *answer)
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
			sl_spf_fail_with(spf, SL_SPF_PERMERROR, "more than one SPF record");
			return;
		}
		found = &answer->records[i];
	}
	if (found == NULL)
		sl_spf_leave_none(spf, "no SPF record");
	else
		use_record(spf, found->data);
}

static bool
has_client(const struct sl_spf *spf, const struct sl_dns_answer *answer, unsigned prefix)
{
	size_t size = spf->ip.sa.sa_family == AF_INET ? 4 : 16;

	for (size_t i = 0; answer->status == SL_DNS_OK && i < answer->n; i++) {
		struct sl_str ip = answer->records[i].data;

		if (ip.n == size && sl_spf_same_prefix((const uint8_t *)ip.p,
		    sl_spf_client_bytes(spf), prefix))
			return true;
	}
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
take_host(struct sl_spf *spf, const struct sl_spf_query *q, const struct sl_dns_answer *answer)
{
	if (has_client(spf, answer, family_prefix(spf))) {
		spf->matched = true;
		spf->open = 0;
	} else if (sl_dns_temporary(answer->status) && !spf->failed) {
		spf->failed = true;
		sl_spf_set_reason(spf, "%s %s: %s", sl_dns_type_word(q->type), q->name,
		    sl_dns_status_word(answer->status));
	}
	if (spf->open > 0)
		return;
	if (spf->matched) {
		spf->result.reason[0] = '\0';
		sl_spf_term_matched(spf);
	} else if (spf->failed) {
		sl_spf_finish(spf, SL_SPF_TEMPERROR);
	} else if (spf->top->term.kind == SL_SPF_A && sl_spf_is_void(answer)) {
		sl_spf_count_void(spf);
	}
}

static void
take_mx(struct sl_spf *spf, const struct sl_spf_query *q, const struct sl_dns_answer *answer)
{
	if (sl_dns_temporary(answer->status))
		temporary(spf, q, answer->status);
	else if (sl_spf_is_void(answer))
		sl_spf_count_void(spf);
	else if (answer->status == SL_DNS_OK && answer->n > SL_SPF_MAX_NAMES)
		sl_spf_fail_with(spf, SL_SPF_PERMERROR, "an mx with more than 10 hosts");
	else
		sl_spf_ask_hosts(spf, SL_SPF_WAIT_HOSTS, answer);
}

static void
take_exists(struct sl_spf *spf, const struct sl_spf_query *q, const struct sl_dns_answer *answer)
{
	if (sl_dns_temporary(answer->status))
		temporary(spf, q, answer->status);
	else if (answer->status == SL_DNS_OK && answer->n > 0)
		sl_spf_term_matched(spf);
	else if (sl_spf_is_void(answer))
		sl_spf_count_void(spf);
}

/* The names are known now: what waited for them goes on. */
static void
resume(struct sl_spf *spf)
{
	spf->names_known = true;
	if (spf->explanation != NULL)
		sl_spf_expand_explanation(spf, sl_str_of(spf->explanation));
	else if (spf->explaining)
		sl_spf_explain(spf);
	else
		sl_spf_step(spf, true);
}

/* 5.5: errors are as if the client had no name. */
static void
take_names(struct sl_spf *spf, const struct sl_dns_answer *answer)
{
	sl_spf_ask_hosts(spf, SL_SPF_WAIT_NAMES, answer);
	if (sl_spf_is_void(answer) && !sl_spf_count_void(spf))
		return;
	if (spf->open == 0)
		resume(spf);
}

static void
take_name(struct sl_spf *spf, const struct sl_spf_query *q, const struct sl_dns_answer *answer)
{
	if (has_client(spf, answer, spf->ip.sa.sa_family == AF_INET ? 32 : 128) &&
	    spf->nnames < SL_SPF_MAX_NAMES)
		memcpy(spf->names[spf->nnames++], q->name, sizeof(q->name));
	if (spf->open == 0)
		resume(spf);
}

void
sl_spf_take_answer(struct sl_spf *spf, const struct sl_spf_query *q,
    const struct sl_dns_answer *answer)
{
	switch (spf->wait) {
	case SL_SPF_WAIT_RECORD:
		take_record(spf, q, answer);
		break;
	case SL_SPF_WAIT_HOSTS:
		take_host(spf, q, answer);
		break;
	case SL_SPF_WAIT_MX:
		take_mx(spf, q, answer);
		break;
	case SL_SPF_WAIT_EXISTS:
		take_exists(spf, q, answer);
		break;
	case SL_SPF_WAIT_PTR:
		take_names(spf, answer);
		break;
	case SL_SPF_WAIT_NAMES:
		take_name(spf, q, answer);
		break;
	case SL_SPF_WAIT_EXP:
		sl_spf_take_explanation(spf, answer);
		break;
	}
}
