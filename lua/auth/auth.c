/* Authentication of inbound mail: SPF, DKIM, DMARC, ARC; each scanned once per message. */
#include <string.h>

#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"
#include "../../core/policy/parts.h"
#include "../../core/policy/scan.h"
#include "push.h"

#define VERIFY_STEPS	20000		/* of a message of a text, hashes apart: about */

static const struct sl_transaction *
scans(lua_State *L)
{
	return sl_context_of(L)->transaction;
}

static int
scan(lua_State *L, enum sl_scan_kind kind, int (*done)(lua_State *L, struct sl_op *op))
{
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	return sl_await(L, sl_scan(sl_context_of(L), kind), done);
}

/* ---- evaluations of a script's own --------------------------------------------------- */

struct evaluation {
	struct sl_op op;
	struct sl_op *under_way;
	void *of;			/* what is evaluated; freed with it */
	void (*free)(void *of);
};

static void
evaluation_cancel(struct sl_op *op)
{
	struct evaluation *e = (struct evaluation *)op;

	sl_op_release(e->under_way);
	e->under_way = NULL;
}

static void
evaluation_free(struct sl_op *op)
{
	struct evaluation *e = (struct evaluation *)op;

	evaluation_cancel(op);
	e->free(e->of);
	sl_free(op);
}

static const struct sl_op_class evaluation_class = {
	"evaluation", evaluation_cancel, evaluation_free
};

static void
evaluated(struct sl_op *op, void *arg)
{
	(void)op;
	sl_op_finish(&((struct evaluation *)arg)->op, 0);
}

static void *
evaluation_of(struct sl_op *op)
{
	return ((struct evaluation *)op)->of;
}

/* Takes 'of'. NULL = out of memory. */
static struct sl_op *
evaluation_start(lua_State *L, struct sl_evaluator *evaluator, void *of, void (*free)(void *of))
{
	struct evaluation *e = sl_calloc(1, sizeof(*e));

	if (e == NULL) {
		free(of);
		return NULL;
	}
	sl_op_init(&e->op, &evaluation_class, sl_vm_loop(sl_vm_of(L)), 0);
	e->of = of;
	e->free = free;
	e->under_way = sl_evaluate(e->op.loop, sl_engine_dns(L), evaluator, 20000, NULL);
	if (e->under_way == NULL) {
		evaluation_free(&e->op);
		return NULL;
	}
	sl_op_wait(e->under_way, evaluated, e);
	return &e->op;
}

static void
free_spf(void *spf)
{
	sl_spf_free(spf);
}

static void
free_verify(void *verify)
{
	sl_dkim_verify_free(verify);
}

/* ---- DMARC ------------------------------------------------------------------------------ */

static int
dmarc_done(lua_State *L, struct sl_op *op)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scans(L)->scan);

	(void)op;
	if (d == NULL || d->status == SL_DMARC_PERMERROR) {
		if (!sl_is_hsl(L))
			sl_none(L);
		sl_text(L, "permerror");
		sl_text(L, d == NULL ? sl_auth_scan_from(scans(L)->scan)->reason : d->reason);
		return sl_is_hsl(L) ? 2 : 3;
	}
	sl_map_new(L);
	sl_text(L, sl_dmarc_status_word(d->status));
	sl_map_set(L, d->from);
	return 1;
}

/*lua
Evaluate DMARC (RFC 9989) for the message's From domain.

SPF, DKIM and the policy are looked up in parallel, once per message. HSL gets an array, or the text
"permerror".

@param options? table   none is known
@return table? result   { [From domain] = "pass" | "none" | "quarantine" | "reject" | "temperror" | "policy_absent" }
@return string? err     "permerror": there isn't exactly one From field with one domain
@return string? reason

    local result = ScanDMARC()
    for domain, policy in pairs(result or {}) do echo(domain, " ", policy) end
*/
static int
auth_scan_dmarc(lua_State *L)
{
	static const char *const names[] = { NULL };

	sl_options(L, 1, names);
	return scan(L, SL_SCAN_MESSAGE, dmarc_done);
}

static int
details_done(lua_State *L, struct sl_op *op)
{
	(void)op;
	sl_push_dmarc(L, scans(L)->scan);
	return 1;
}

/*lua
Everything behind the decision of ScanDMARC, under the names of RFC 8601 and RFC 9990.

`policy` is ScanDMARC's word, `result` that of Authentication-Results. Without a
policy there is neither policy_published nor policy_evaluated; `disposition` is
what the domain asks for, whatever the script does. doc/results.md has the shape.

@return table details  result ("pass" "fail" "none" "temperror" "permerror"), reason, policy, organizational_domain, nonexistent, policy_published (domain, discovery_method, p, sp, np, adkim, aspf, fo, testing, psd, pct, rua, ruf, record), policy_evaluated (disposition, dkim, spf, override), identifiers (header_from, envelope_from), auth_results (spf, and a list dkim, each with alignment)

    local dmarc = dmarc_details()
    if dmarc.result == "fail" then
      syslog("notice", dmarc.identifiers.header_from .. ": " .. dmarc.reason)
    end
*/
static int
auth_dmarc_details(lua_State *L)
{
	return scan(L, SL_SCAN_MESSAGE, details_done);
}

/* ---- SPF -------------------------------------------------------------------------------- */

static void
push_spf(lua_State *L, const struct sl_auth_scan *of)
{
	struct sl_buf *received = sl_scratch(L);

	if (sl_auth_scan_received(of, received) != 0)
		luaL_error(L, "out of memory");
	sl_push_spf(L, sl_auth_scan_spf(of), sl_buf_str(received));
}

static int
helo_done(lua_State *L, struct sl_op *op)
{
	(void)op;
	push_spf(L, scans(L)->scan);
	push_spf(L, scans(L)->helo);
	sl_map_set(L, "helo");
	return 1;
}

static int
spf_done(lua_State *L, struct sl_op *op)
{
	(void)op;
	return scan(L, SL_SCAN_HELO, helo_done);
}

/*lua
Evaluate SPF (RFC 7208) for the message's reverse-path and, apart from it, for the HELO name.

`helo` has the same fields for the HELO name; DMARC never takes it for the
reverse-path. `received` is the value of a Received-SPF field.

@return table result  result ("pass" "fail" "softfail" "neutral" "none" "temperror" "permerror"), reason, scope ("mfrom"), domain, sender, mechanism, explanation, lookups, received, helo

    local spf = ScanSPF()
    if spf.result == "fail" then Reject("SPF: not a sender of this domain") end
    AddHeader("Received-SPF", spf.received)
    if spf.helo.result == "fail" then Defer("SPF: not " .. spf.helo.domain) end
*/
static int
auth_scan_spf(lua_State *L)
{
	if (sl_engine_dns(L) != NULL && sl_scan_begin(sl_context_of(L), SL_SCAN_HELO) != 0)
		return luaL_error(L, "out of memory");
	return scan(L, SL_SCAN_MESSAGE, spf_done);
}

/* ---- DKIM ------------------------------------------------------------------------------- */

static int
push_signatures(lua_State *L, const struct sl_dkim_verify *v)
{
	size_t i;

	sl_list_new(L);
	for (i = 0; i < sl_dkim_verify_count(v); i++) {
		sl_push_signature(L, sl_dkim_verify_result(v, i));
		sl_list_add(L);
	}
	return 1;
}

static int
dkim_done(lua_State *L, struct sl_op *op)
{
	(void)op;
	return push_signatures(L, sl_auth_scan_dkim(scans(L)->scan));
}

/*lua
Verify the DKIM signatures (RFC 6376) of the message as received.

The ten topmost are looked at.

@return table[] signatures  top down: result ("pass" "fail" "policy" "neutral" "temperror" "permerror"), reason, domain (d=), selector (s=), identity (i=), algorithm (a=), canonicalization, b, bits, timestamp, expiration, testing, dnssec, and with l= length and body_length; empty without signatures

    for _, signature in ipairs(ScanDKIM()) do echo(signature.domain, " ", signature.result) end
*/
static int
auth_scan_dkim(lua_State *L)
{
	return scan(L, SL_SCAN_MESSAGE, dkim_done);
}

/* What verifyDKIM gives: all, or the signature that is the field at 2; none: it isn't among those
 * looked at. */
static int
push_verified(lua_State *L, const struct sl_message *m, const struct sl_dkim_verify *v)
{
	struct sl_str wanted = sl_str_trim(sl_arg_opt_string(L, 2, ""));
	size_t i;

	if (!sl_arg_given(L, 2))
		return push_signatures(L, v);
	for (i = 0; i < sl_dkim_verify_count(v); i++) {
		const struct sl_dkim_result *r = sl_dkim_verify_result(v, i);

		if (sl_str_eq(sl_str_trim(m->fields[r->field].raw), wanted)) {
			sl_push_signature(L, r);
			return 1;
		}
	}
	sl_none(L);
	return 1;
}

static int
judged_verified(lua_State *L, struct sl_op *op)
{
	(void)op;
	return push_verified(L, scans(L)->mail.message, sl_auth_scan_dkim(scans(L)->scan));
}

/* The evaluation of a message that isn't judged: nobody shares it. */
static struct sl_op *
verify_start(lua_State *L, struct sl_message *m)
{
	struct sl_dkim_verify_options o = {
		.now = sl_run_time(L) / 1000000, .keys = sl_engine_pubkeys(L),
	};
	struct sl_dkim_verify *v = sl_dkim_verify_new(m, &o);

	return v != NULL ? evaluation_start(L, sl_dkim_verify_evaluator(v), v, free_verify) : NULL;
}

static int
text_verified(lua_State *L, struct sl_op *op)
{
	return push_verified(L, sl_part_mail(L, 1)->message, evaluation_of(op));
}

/*lua
Verify the DKIM signatures of the message as received, as ScanDKIM does: all that are looked at,
or the one that a field is. Those of a message made of a text are its own.

@param field? string           a DKIM-Signature field as it stands, name included
@param options? table          none is known
@return table[]|table? result  the list of ScanDKIM; with a field its result alone, none if it isn't one of them

    local mail = MIME("0")
    for _, signature in ipairs(mail:verifyDKIM()) do echo(signature.domain, " ", signature.result) end
    local field = mail:getHeader("DKIM-Signature", { field = true })
    local first = field and mail:verifyDKIM(field)
*/
static int
verify_dkim(lua_State *L)
{
	static const char *const names[] = { NULL };
	struct sl_mail *mail;

	sl_arg_object(L, 1, SL_MAIL_CLASS);
	sl_options(L, 3, names);
	sl_arg_opt_string(L, 2, NULL);
	if (sl_part_is_judged(L, 1)) {
		sl_part_mail(L, 1);		/* raises where there is none */
		return scan(L, SL_SCAN_MESSAGE, judged_verified);
	}
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "MailMessage:verifyDKIM asks DNS, which isn't to be had here");
	mail = sl_part_mail(L, 1);
	sl_charge(L, VERIFY_STEPS + mail->message->bytes.n / 4);
	return sl_await(L, verify_start(L, mail->message), text_verified);
}

/* The words of the product family, in order of strength. */
static const char *const sdid_words[] = { "skip", "permerror", "fail", "temperror", "pass" };
#define SDID_WORDS	(sizeof(sdid_words) / sizeof(sdid_words[0]))

static size_t
sdid_place(const char *word)
{
	size_t i;

	for (i = 0; i < SDID_WORDS - 1 && strcmp(sdid_words[i], word) != 0; i++)
		;
	return i;
}

static const char *
sdid_word(enum sl_dkim_status status)
{
	switch (status) {
	case SL_DKIM_PASS:
	case SL_DKIM_FAIL:
	case SL_DKIM_TEMPERROR:
		return sl_dkim_status_word(status);
	default:
		return "permerror";
	}
}

/* Is the domain in the list of domains at 'arg', or is there none? */
static bool
is_asked(lua_State *L, int arg, const char *domain)
{
	bool found = !sl_arg_given(L, arg);
	size_t i;

	if (!found)
		sl_arg_table(L, arg);
	for (i = 0; !found && sl_each(L, arg, &i); lua_pop(L, 2))
		found = sl_str_ieq(sl_arg_string(L, lua_gettop(L)), sl_str_of(domain));
	return found;
}

/* Of several signatures of a domain the best counts. */
static const char *
best_of(const struct sl_dkim_verify *v, const char *domain, size_t limit)
{
	size_t i, best = 0;

	for (i = 0; i < sl_dkim_verify_count(v) && i < limit; i++) {
		const struct sl_dkim_result *r = sl_dkim_verify_result(v, i);

		if (strcmp(r->domain, domain) == 0 && sdid_place(sdid_word(r->status)) > best)
			best = sdid_place(sdid_word(r->status));
	}
	return sdid_words[best];
}

static bool
seen_before(const struct sl_dkim_verify *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (strcmp(sl_dkim_verify_result(v, k)->domain, sl_dkim_verify_result(v, i)->domain) == 0)
			return true;
	return false;
}

static int
sdid_done(lua_State *L, struct sl_op *op)
{
	const struct sl_dkim_verify *v = sl_auth_scan_dkim(scans(L)->scan);
	size_t i, limit = (size_t)sl_opt_number(L, 2, "signature_limit", 0, 10, 5);
	const char *domain;
	bool asked;

	(void)op;
	lua_settop(L, 2);
	sl_map_new(L);
	for (i = 0; i < sl_dkim_verify_count(v); i++) {
		domain = sl_dkim_verify_result(v, i)->domain;
		if (domain[0] == '\0' || seen_before(v, i))
			continue;
		asked = is_asked(L, 1, domain);
		lua_settop(L, 3);
		sl_text(L, asked ? best_of(v, domain, limit) : "skip");
		sl_map_set(L, domain);
	}
	return 1;
}

/*lua
The domains that signed the message (DKIM's signing domain identifiers), each with the best of its results.

@param domains? string[]  those that matter; the others are "skip"
@param options? table     signature_limit (5): from the top so many count, at most 10
@return table results     { [domain] = "pass" | "fail" | "temperror" | "permerror" | "skip" }; ScanDKIM's "policy" and "neutral" are "permerror"

    if DKIMSDID({ "example.org" })["example.org"] == "pass" then
      echo("signed by example.org")
    end
*/
static int
auth_dkim_sdid(lua_State *L)
{
	static const char *const names[] = { "signature_limit", NULL };

	sl_options(L, 2, names);
	return scan(L, SL_SCAN_MESSAGE, sdid_done);
}

/* ---- ARC ------------------------------------------------------------------------------ */

static int
arc_done(lua_State *L, struct sl_op *op)
{
	(void)op;
	sl_push_arc(L, sl_auth_scan_arc(scans(L)->arc));
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
	return scan(L, SL_SCAN_ARC, arc_done);
}

/* ---- spf(ip, helo, domain) ------------------------------------------------------------ */

/* What HSL's spf gives. */
static double
spf_number(enum sl_spf_status status)
{
	switch (status) {
	case SL_SPF_PASS:
		return 0;
	case SL_SPF_SOFTFAIL:
		return 20;
	case SL_SPF_FAIL:
		return 100;
	default:
		return 50;
	}
}

static int
spf_word(lua_State *L, struct sl_op *op)
{
	const struct sl_spf_result *r = sl_spf_result(evaluation_of(op));

	if (sl_is_hsl(L))
		sl_number(L, spf_number(r->status));
	else
		sl_text(L, sl_spf_status_word(r->status));
	sl_text(L, r->reason[0] != '\0' ? r->reason : NULL);
	return 2;
}

static struct sl_op *
spf_start(lua_State *L, const struct sl_spf_options *o)
{
	struct sl_spf *spf = sl_spf_new(o);

	return spf != NULL ? evaluation_start(L, sl_spf_evaluator(spf), spf, free_spf) : NULL;
}

/*lua
Evaluate SPF for an address, a HELO name and a domain of one's own. HSL gets a number instead of the
word: 0 pass, 20 softfail, 100 fail, 50 for the others, and for what is no address.

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
	if (sl_addr_parse_ip(&o.ip, ip, 0) != 0 && sl_is_hsl(L)) {
		sl_number(L, spf_number(SL_SPF_NONE));
		return 1;
	}
	if (sl_addr_parse_ip(&o.ip, ip, 0) != 0)
		return sl_fail(L, "syntax", "\"%s\" is not an IP address", ip.p);
	o.sender.p = lua_pushfstring(L, "postmaster@%s", domain.p);
	o.sender.n = strlen(o.sender.p);
	o.now = sl_run_time(L) / 1000000;
	return sl_await(L, spf_start(L, &o), spf_word);
}

static int
spf_answer(lua_State *L, struct sl_op *op)
{
	const struct sl_spf_result *r = sl_spf_result(evaluation_of(op));

	sl_map_new(L);
	sl_text(L, sl_spf_status_word(r->status));
	sl_map_set(L, "result");
	return 1;
}

/*lua
Evaluate SPF for an address, a HELO name and a reverse-path of one's own.

@param ip string
@param helo string
@param sender string    an address, or a domain
@param options? table   none is known
@return table answer    result: "pass" "fail" "softfail" "neutral" "none" "temperror" "permerror", or "invalid" if ip is no address

    local answer = spf_query("192.0.2.1", "mail.example.org", "ann@example.org")
    if answer.result == "fail" then Reject("Not sent by " .. senderdomain) end
*/
static int
auth_spf_query(lua_State *L)
{
	static const char *const names[] = { NULL };
	struct sl_str ip = sl_arg_string(L, 1), helo = sl_arg_string(L, 2);
	struct sl_str sender = sl_arg_string(L, 3);
	struct sl_spf_options o = { .identity = SL_SPF_MAILFROM, .helo = helo, .sender = sender };

	sl_options(L, 4, names);
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	if (sl_addr_parse_ip(&o.ip, ip, 0) != 0) {
		sl_map_new(L);
		sl_text(L, "invalid");
		sl_map_set(L, "result");
		return 1;
	}
	if (sl_str_chr(sender, '@') < 0 && sender.n > 0) {
		o.sender.p = lua_pushfstring(L, "postmaster@%s", sender.p);
		o.sender.n = strlen(o.sender.p);
	}
	o.now = sl_run_time(L) / 1000000;
	return sl_await(L, spf_start(L, &o), spf_answer);
}

const struct sl_builtin sl_module_auth[] = {
	{ "spf_query", auth_spf_query, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "ScanDMARC", auth_scan_dmarc, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "dmarc_details", auth_dmarc_details, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "ScanSPF", auth_scan_spf, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "MailMessage:verifyDKIM", verify_dkim, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ "ScanDKIM", auth_scan_dkim, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "DKIMSDID", auth_dkim_sdid, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "ScanARC", auth_scan_arc, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "spf", auth_spf, SL_AT_ANY | SL_WAITS | SL_IMPURE },
	{ NULL, NULL, 0 },
};
