/* From results to tables. See push.h. */
#include "push.h"

#include <stdio.h>
#include <string.h>

#include "../../core/auth/authres.h"
#include "../../core/engine/value.h"

static void
set_text(lua_State *L, const char *key, const char *text)
{
	sl_text(L, text);
	sl_map_set(L, key);
}

/* Left out when there is nothing to say. */
static void
set_some(lua_State *L, const char *key, const char *text)
{
	if (text[0] != '\0')
		set_text(L, key, text);
}

static void
set_bool(lua_State *L, const char *key, bool b)
{
	sl_bool(L, b);
	sl_map_set(L, key);
}

static void
set_number(lua_State *L, const char *key, double n)
{
	sl_number(L, n);
	sl_map_set(L, key);
}

/* What every result begins with. */
static void
begin(lua_State *L, const char *result, const char *reason)
{
	sl_map_new(L);
	set_text(L, "result", result);
	set_text(L, "reason", reason);
}

/* ---- SPF, DKIM -------------------------------------------------------------------------- */

void
sl_push_spf(lua_State *L, const struct sl_spf_result *r, struct sl_str received)
{
	begin(L, sl_spf_status_word(r->status), r->reason);
	set_text(L, "scope", r->identity == SL_SPF_HELO ? "helo" : "mfrom");
	set_some(L, "domain", r->domain);
	set_text(L, "sender", r->sender);
	set_some(L, "mechanism", r->mechanism);
	set_some(L, "explanation", r->explanation);
	set_number(L, "lookups", r->lookups);
	if (received.n > 0) {
		sl_string(L, received);
		sl_map_set(L, "received");
	}
}

static const char *
canon_word(enum sl_canon canon)
{
	return canon == SL_CANON_RELAXED ? "relaxed" : "simple";
}

/* What is only in a field that could be read. */
static void
set_tags(lua_State *L, const struct sl_dkim_result *r)
{
	char canon[20];

	snprintf(canon, sizeof(canon), "%s/%s", canon_word(r->header), canon_word(r->body));
	set_text(L, "algorithm", sl_dkim_algorithm_word(r->algorithm));
	set_text(L, "canonicalization", canon);
	set_some(L, "identity", r->identity);
	set_some(L, "b", r->b);
	if (r->timestamp >= 0)
		set_number(L, "timestamp", (double)r->timestamp);
	if (r->expiration >= 0)
		set_number(L, "expiration", (double)r->expiration);
	if (r->has_length) {
		set_number(L, "length", (double)r->length);
		set_number(L, "body_length", (double)r->body_length);
	}
}

void
sl_push_signature(lua_State *L, const struct sl_dkim_result *r)
{
	begin(L, sl_dkim_status_word(r->status), r->reason);
	set_some(L, "domain", r->domain);
	set_some(L, "selector", r->selector);
	if (r->algorithm != SL_DKIM_BY_KEY)
		set_tags(L, r);
	set_number(L, "bits", r->bits);
	set_bool(L, "testing", r->testing);
	set_bool(L, "dnssec", r->secure);
}

/* ---- ARC -------------------------------------------------------------------------------- */

static void
push_set(lua_State *L, const struct sl_arc_set *set, size_t instance)
{
	sl_map_new(L);
	set_number(L, "instance", (double)instance);
	set_text(L, "cv", sl_arc_status_word(set->cv));
	sl_string(L, set->results);
	sl_map_set(L, "results");
	sl_push_signature(L, &set->message);
	sl_map_set(L, "message_signature");
	sl_push_signature(L, &set->seal);
	sl_map_set(L, "seal");
}

void
sl_push_arc(lua_State *L, const struct sl_arc_result *r)
{
	begin(L, sl_arc_status_word(r->status), r->reason);
	set_bool(L, "temporary", r->temporary);
	set_number(L, "instances", r->instances);
	set_number(L, "oldest_pass", r->oldest_pass);
	set_bool(L, "from_signed", r->from_signed);
	sl_list_new(L);
	for (size_t i = 0; i < r->n; i++) {
		push_set(L, &r->sets[i], i + 1);
		sl_list_add(L);
	}
	sl_map_set(L, "sets");
}

/* ---- DMARC ------------------------------------------------------------------------------ */

static void
set_uris(lua_State *L, const char *key, const struct sl_str *uris, size_t n)
{
	sl_list_new(L);
	for (size_t i = 0; i < n; i++) {
		sl_string(L, uris[i]);
		sl_list_add(L);
	}
	sl_map_set(L, key);
}

/* RFC 9990 policy_published, and the rest of the record. */
static void
push_published(lua_State *L, const struct sl_dmarc_details *d)
{
	const struct sl_dmarc_record *r = &d->record;
	char psd[2] = { r->psd, '\0' };

	sl_map_new(L);
	set_text(L, "domain", d->domain);
	set_text(L, "discovery_method", d->profile == SL_DMARC_RFC9989 ? "treewalk" : "psl");
	set_some(L, "p", sl_dmarc_policy_word(r->p));
	set_some(L, "sp", sl_dmarc_policy_word(r->sp));
	set_some(L, "np", sl_dmarc_policy_word(r->np));
	set_text(L, "adkim", r->strict_dkim ? "s" : "r");
	set_text(L, "aspf", r->strict_spf ? "s" : "r");
	sl_string(L, r->fo);
	sl_map_set(L, "fo");
	set_text(L, "testing", r->testing ? "y" : "n");
	set_text(L, "psd", psd);
	set_number(L, "pct", r->pct);
	set_uris(L, "rua", r->rua, r->nrua);
	set_uris(L, "ruf", r->ruf, r->nruf);
	set_text(L, "record", d->text);
}

static const char *
aligned_word(enum sl_dmarc_alignment alignment)
{
	return alignment == SL_DMARC_ALIGNED ? "pass" : "fail";
}

static const char *
disposition(enum sl_dmarc_status status)
{
	switch (status) {
	case SL_DMARC_PASS:
	case SL_DMARC_QUARANTINE:
	case SL_DMARC_REJECT:
		return sl_dmarc_status_word(status);
	default:
		return "none";
	}
}

/* RFC 9990 policy_evaluated: what the domain asks for, not what is done here. */
static void
push_evaluated(lua_State *L, const struct sl_dmarc_details *d)
{
	sl_map_new(L);
	set_text(L, "disposition", disposition(d->status));
	set_text(L, "dkim", aligned_word(d->dkim_alignment));
	set_text(L, "spf", aligned_word(d->spf_alignment));
	if (d->sampled_out)
		set_text(L, "override", "sampled_out");
	else if (d->policy != d->published && d->record.testing)
		set_text(L, "override", "policy_test_mode");
}

static void
push_identifiers(lua_State *L, const struct sl_auth_scan *scan)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan);
	const struct sl_spf_result *spf = sl_auth_scan_spf(scan);

	sl_map_new(L);
	if (d != NULL)
		set_text(L, "header_from", d->from);
	if (spf != NULL)
		set_some(L, "envelope_from", spf->domain);
}

/* 'd' is NULL without an author domain: nothing is aligned with nothing. */
static void
push_inputs(lua_State *L, const struct sl_auth_scan *scan, const struct sl_dmarc_details *d)
{
	const struct sl_dkim_verify *v = sl_auth_scan_dkim(scan);

	sl_map_new(L);
	if (sl_auth_scan_spf(scan) != NULL) {
		sl_push_spf(L, sl_auth_scan_spf(scan), SL_STR(""));
		if (d != NULL)
			set_text(L, "alignment", sl_dmarc_alignment_word(d->spf_alignment));
		sl_map_set(L, "spf");
	}
	sl_list_new(L);
	for (size_t i = 0; i < sl_dkim_verify_count(v); i++) {
		sl_push_signature(L, sl_dkim_verify_result(v, i));
		if (d != NULL && i < d->ndkim)
			set_text(L, "alignment", sl_dmarc_alignment_word(d->dkim[i].alignment));
		sl_list_add(L);
	}
	sl_map_set(L, "dkim");
}

static void
set_policy(lua_State *L, const struct sl_dmarc_details *d)
{
	set_text(L, "policy", sl_dmarc_status_word(d->status));
	set_some(L, "organizational_domain", d->org);
	set_bool(L, "nonexistent", d->nonexistent);
	if (d->domain[0] == '\0')
		return;
	push_published(L, d);
	sl_map_set(L, "policy_published");
	push_evaluated(L, d);
	sl_map_set(L, "policy_evaluated");
}

void
sl_push_dmarc(lua_State *L, const struct sl_auth_scan *scan)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan);

	if (d != NULL)
		begin(L, sl_authres_dmarc_word(d->status), d->reason);
	else
		begin(L, "permerror", sl_auth_scan_from(scan)->reason);
	if (d != NULL)
		set_policy(L, d);
	else
		set_text(L, "policy", "permerror");
	push_identifiers(L, scan);
	sl_map_set(L, "identifiers");
	push_inputs(L, scan, d);
	sl_map_set(L, "auth_results");
}
