/* Authentication of inbound mail: SPF, DKIM, DMARC, ARC; each scanned once per message. */
#include <string.h>

#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"
#include "../../core/policy/scan.h"

static const struct sl_auth_scan *
scan_of(lua_State *L)
{
	return sl_context_of(L)->transaction->scan;
}

static int
scan(lua_State *L, int (*done)(lua_State *L, struct sl_op *op))
{
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	return sl_await(L, sl_scan(sl_context_of(L)), done);
}

static int
dmarc_done(lua_State *L, struct sl_op *op)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan_of(L));

	(void)op;
	if (d == NULL || d->status == SL_DMARC_PERMERROR) {
		sl_none(L);
		sl_text(L, "permerror");
		sl_text(L, d == NULL ? sl_auth_scan_from(scan_of(L))->reason : d->reason);
		return 3;
	}
	sl_map_new(L);
	sl_text(L, sl_dmarc_status_word(d->status));
	sl_map_set(L, d->from);
	return 1;
}

/*lua
Evaluate DMARC (RFC 9989) for the message's From domain.

SPF, DKIM and the policy are looked up in parallel, once per message.

@return table? result   { [From domain] = "pass" | "none" | "quarantine" | "reject" | "temperror" | "policy_absent" }
@return string? err     "permerror": there isn't exactly one From field with one domain
@return string? reason

    local result = ScanDMARC()
    for domain, policy in pairs(result or {}) do echo(domain, " ", policy) end
*/
static int
auth_scan_dmarc(lua_State *L)
{
	return scan(L, dmarc_done);
}

static int
spf_done(lua_State *L, struct sl_op *op)
{
	const struct sl_spf_result *r = sl_auth_scan_spf(scan_of(L));

	(void)op;
	sl_map_new(L);
	sl_text(L, sl_spf_status_word(r->status));
	sl_map_set(L, "result");
	sl_text(L, r->reason);
	sl_map_set(L, "reason");
	sl_text(L, r->domain);
	sl_map_set(L, "domain");
	sl_text(L, r->mechanism);
	sl_map_set(L, "mechanism");
	return 1;
}

/*lua
Evaluate SPF (RFC 7208) for the message's reverse-path.

@return table result  result ("pass" "fail" "softfail" "neutral" "none" "temperror" "permerror"), reason, domain, mechanism

    if ScanSPF().result == "fail" then Reject("SPF: not a sender of this domain") end
*/
static int
auth_scan_spf(lua_State *L)
{
	return scan(L, spf_done);
}

static void
push_signature(lua_State *L, const struct sl_dkim_result *r)
{
	sl_map_new(L);
	sl_text(L, sl_dkim_status_word(r->status));
	sl_map_set(L, "result");
	sl_text(L, r->reason);
	sl_map_set(L, "reason");
	sl_text(L, r->domain);
	sl_map_set(L, "domain");
	sl_text(L, r->selector);
	sl_map_set(L, "selector");
	sl_text(L, sl_dkim_algorithm_word(r->algorithm));
	sl_map_set(L, "algorithm");
	sl_number(L, r->bits);
	sl_map_set(L, "bits");
}

static int
dkim_done(lua_State *L, struct sl_op *op)
{
	const struct sl_dkim_verify *v = sl_auth_scan_dkim(scan_of(L));
	size_t i;

	(void)op;
	sl_list_new(L);
	for (i = 0; i < sl_dkim_verify_count(v); i++) {
		push_signature(L, sl_dkim_verify_result(v, i));
		sl_list_add(L);
	}
	return 1;
}

/*lua
Verify the DKIM signatures (RFC 6376) of the message as received.

@return table[] signatures  top down: result, reason, domain, selector, algorithm, bits; empty without signatures

    for _, signature in ipairs(ScanDKIM()) do echo(signature.domain, " ", signature.result) end
*/
static int
auth_scan_dkim(lua_State *L)
{
	return scan(L, dkim_done);
}

/* ---- ARC ------------------------------------------------------------------------------ */

static void
push_arc_signature(lua_State *L, const struct sl_dkim_result *r, const char *name)
{
	push_signature(L, r);
	sl_map_set(L, name);
}

static void
push_set(lua_State *L, const struct sl_arc_set *set, size_t instance)
{
	sl_map_new(L);
	sl_number(L, (double)instance);
	sl_map_set(L, "instance");
	sl_text(L, sl_arc_status_word(set->cv));
	sl_map_set(L, "cv");
	sl_string(L, set->results);
	sl_map_set(L, "results");
	push_arc_signature(L, &set->message, "message_signature");
	push_arc_signature(L, &set->seal, "seal");
}

static int
arc_done(lua_State *L, struct sl_op *op)
{
	const struct sl_arc_result *r = sl_auth_scan_arc(sl_context_of(L)->transaction->arc);

	(void)op;
	sl_map_new(L);
	sl_text(L, sl_arc_status_word(r->status));
	sl_map_set(L, "result");
	sl_text(L, r->reason);
	sl_map_set(L, "reason");
	sl_bool(L, r->temporary);
	sl_map_set(L, "temporary");
	sl_number(L, r->instances);
	sl_map_set(L, "instances");
	sl_number(L, r->oldest_pass);
	sl_map_set(L, "oldest_pass");
	sl_bool(L, r->from_signed);
	sl_map_set(L, "from_signed");
	sl_list_new(L);
	for (size_t i = 0; i < r->n; i++) {
		push_set(L, &r->sets[i], i + 1);
		sl_list_add(L);
	}
	sl_map_set(L, "sets");
	return 1;
}

/*lua
Validate the ARC chain (RFC 8617) of the message as received.

A chain that passes says who handled the message and what they found, not that
any of them is to be believed: look at the domains of the seals. `from_signed`
is false when the newest message signature leaves a From field out.

`sets` are in the order of their making: instance, cv, results (what stood in
Authentication-Results there), message_signature and seal (each as in ScanDKIM).

@return table result  result ("none" "pass" "fail"), reason, temporary (it failed for DNS alone), instances, oldest_pass (0: every message signature passes), from_signed, sets

    local arc = ScanARC()
    local last = arc.sets[#arc.sets]
    if arc.result == "pass" and last.seal.domain == "lists.example.org" then
      echo("handled by a list we trust: ", last.results)
    end
*/
static int
auth_scan_arc(lua_State *L)
{
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	return sl_await(L, sl_scan_arc(sl_context_of(L)), arc_done);
}

/* ---- spf(ip, helo, domain) ------------------------------------------------------------ */

struct spf_op {
	struct sl_op op;
	struct sl_spf *spf;
	struct sl_op *evaluation;
};

static void
spf_op_cancel(struct sl_op *op)
{
	struct spf_op *s = (struct spf_op *)op;

	sl_op_release(s->evaluation);
	s->evaluation = NULL;
}

static void
spf_op_free(struct sl_op *op)
{
	spf_op_cancel(op);
	sl_spf_free(((struct spf_op *)op)->spf);
	sl_free(op);
}

static const struct sl_op_class spf_class = { "spf", spf_op_cancel, spf_op_free };

static void
spf_evaluated(struct sl_op *op, void *arg)
{
	(void)op;
	sl_op_finish(&((struct spf_op *)arg)->op, 0);
}

static int
spf_word(lua_State *L, struct sl_op *op)
{
	const struct sl_spf_result *r = sl_spf_result(((struct spf_op *)op)->spf);

	sl_text(L, sl_spf_status_word(r->status));
	sl_text(L, r->reason[0] != '\0' ? r->reason : NULL);
	return 2;
}

static struct sl_op *
spf_start(lua_State *L, const struct sl_spf_options *o)
{
	struct spf_op *s = sl_calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	sl_op_init(&s->op, &spf_class, sl_vm_loop(sl_vm_of(L)), 0);
	s->spf = sl_spf_new(o);
	if (s->spf != NULL)
		s->evaluation = sl_evaluate(s->op.loop, sl_engine_dns(L),
		    sl_spf_evaluator(s->spf), 20000, NULL);
	if (s->evaluation == NULL) {
		spf_op_free(&s->op);
		return NULL;
	}
	sl_op_wait(s->evaluation, spf_evaluated, s);
	return &s->op;
}

/*lua
Evaluate SPF for an address, a HELO name and a domain of one's own.

@param ip string
@param helo string
@param domain string    of the reverse-path
@return string? word    "pass" "fail" "softfail" "neutral" "none" "temperror" "permerror"
@return string? reason  why, for none and the errors

    local word = spf("192.0.2.1", "mail.example.org", "example.org")
*/
static int
auth_spf(lua_State *L)
{
	struct sl_str ip = sl_arg_string(L, 1), helo = sl_arg_string(L, 2);
	struct sl_str domain = sl_arg_string(L, 3);
	struct sl_spf_options o = { .identity = SL_SPF_MAILFROM, .helo = helo };

	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	if (sl_addr_parse_ip(&o.ip, ip, 0) != 0)
		return sl_fail(L, "syntax", "\"%s\" is not an IP address", ip.p);
	o.sender.p = lua_pushfstring(L, "postmaster@%s", domain.p);
	o.sender.n = strlen(o.sender.p);
	o.now = sl_loop_time_us(sl_vm_loop(sl_vm_of(L))) / 1000000;
	return sl_await(L, spf_start(L, &o), spf_word);
}

const struct sl_builtin sl_module_auth[] = {
	{ "ScanDMARC", auth_scan_dmarc, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "ScanSPF", auth_scan_spf, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "ScanDKIM", auth_scan_dkim, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "ScanARC", auth_scan_arc, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "spf", auth_spf, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ NULL, NULL, 0 },
};
