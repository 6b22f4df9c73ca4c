/* DKIM and ARC: signing is asked for here and done at commit, over the final headers. */
#include <string.h>

#include "../../core/dns/dns.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/body.h"
#include "../../core/policy/context.h"
#include "../../core/policy/engine.h"
#include "../../core/policy/owner.h"
#include "../../core/policy/parts.h"
#include "../../core/policy/preflight.h"
#include "../../core/policy/rotation.h"
#include "../../core/policy/scan.h"
#include "../../core/policy/sign.h"
#include "../../core/policy/taps.h"
#include "../compose/compose.h"

#define MAX_NAMES	100
#define MAX_TEXT_SIGNS	4	/* of a message made of a text */

#define SIGN_OPTIONS	"canonicalization_header", "canonicalization_body", "algorithm", \
    "additional_headers", "headers", "oversign_headers", "timestamp", "expiration", \
    "expiration_relative", "identity", "discard_changes", "return_header"

static const char *const option_names[] = { SIGN_OPTIONS, "preflight", NULL };
static const char *const for_option_names[] = { SIGN_OPTIONS, NULL };

static const char *const composed_option_names[] = { "canonicalization_header",
    "canonicalization_body", "algorithm", "additional_headers", "headers", "oversign_headers",
    "timestamp", "expiration", "expiration_relative", "identity", NULL };

static const char *const seal_option_names[] = { "results", "canonicalization_header",
    "canonicalization_body", "algorithm", "additional_headers", "headers", "oversign_headers",
    "timestamp", NULL };

static int64_t
now_of(lua_State *L)
{
	return sl_run_time(L) / 1000000;
}

static void *
keep_bytes(lua_State *L, struct sl_mail *mail, const void *p, size_t n)
{
	void *copy = sl_arena_alloc(mail->arena, n + 1);

	if (copy == NULL)
		luaL_error(L, "out of memory");
	memcpy(copy, p, n);
	((char *)copy)[n] = '\0';
	return copy;
}

static struct sl_str
keep(lua_State *L, struct sl_mail *mail, struct sl_str s)
{
	return (struct sl_str){ keep_bytes(L, mail, s.p, s.n), s.n };
}

static enum sl_canon
canon_option(lua_State *L, int arg, const char *name)
{
	struct sl_str s = sl_opt_string(L, arg, name, sl_engine_is_2016(L) ? "simple" : "relaxed");

	if (sl_str_eq(s, SL_STR("relaxed")))
		return SL_CANON_RELAXED;
	if (!sl_str_eq(s, SL_STR("simple")))
		luaL_error(L, "option \"%s\": \"simple\" or \"relaxed\" expected", name);
	return SL_CANON_SIMPLE;
}

static const struct sl_str_list *
list_option(lua_State *L, struct sl_mail *mail, int arg, const char *name)
{
	struct sl_str names[MAX_NAMES];
	struct sl_str_list *list;
	size_t i, n = 0;
	int at;

	if (!sl_opt_push(L, arg, name)) {
		lua_pop(L, 1);
		return NULL;
	}
	at = lua_gettop(L);
	sl_arg_table(L, at);
	for (i = 0; sl_each(L, at, &i) && n < MAX_NAMES; lua_pop(L, 2))
		names[n++] = keep(L, mail, sl_arg_string(L, lua_gettop(L)));
	lua_settop(L, at - 1);
	list = keep_bytes(L, mail, &(struct sl_str_list){ .n = n }, sizeof(*list));
	list->name = keep_bytes(L, mail, names, n * sizeof(names[0]));
	return list;
}

/* Then Date and Message-ID may be added to what is signed. */
static bool
leaves_by_another_server(lua_State *L, const struct sl_mail *mail)
{
	return (sl_run_phase(L) & SL_AT_MESSAGE) != 0 && mail == sl_part_mail(L, 0) &&
	    sl_context_of(L)->session->changes;
}

static void
take_options(lua_State *L, struct sl_mail *mail, int arg, struct sl_dkim_options *o)
{
	struct sl_str algorithm = sl_opt_string(L, arg, "algorithm", NULL), identity;
	double relative = sl_opt_number(L, arg, "expiration_relative", 1, 1e9, 0);

	o->header = canon_option(L, arg, "canonicalization_header");
	o->body = canon_option(L, arg, "canonicalization_body");
	if (algorithm.p != NULL && !sl_str_eq(algorithm, SL_STR("sha256")) &&
	    (!sl_dkim_algorithm_parse(algorithm, &o->algorithm) || o->algorithm == SL_DKIM_RSA_SHA1))
		luaL_error(L, "option \"algorithm\": \"rsa-sha256\" or \"ed25519-sha256\" expected "
		    "(RFC 8301)");
	o->headers = list_option(L, mail, arg, "headers");
	o->additional = list_option(L, mail, arg, "additional_headers");
	o->oversign = list_option(L, mail, arg, "oversign_headers");
	o->completed_later = leaves_by_another_server(L, mail);
	o->timestamp = (int64_t)sl_opt_number(L, arg, "timestamp", -1, 1e12, 0);
	o->expiration = (int64_t)sl_opt_number(L, arg, "expiration", 0, 1e12, 0);
	if (relative > 0)
		o->expiration = now_of(L) + (int64_t)relative;
	identity = sl_opt_string(L, arg, "identity", NULL);
	if (identity.p != NULL)
		o->identity = keep(L, mail, identity);
}

/* Takes the reference to the key. */
static void
fill_request(lua_State *L, struct sl_mail *mail, struct sl_dkim_request *r, struct sl_str selector,
    struct sl_str domain, struct sl_key *key)
{
	if (sl_mail_hold_key(mail, key) != 0) {
		sl_key_unref(key);
		luaL_error(L, "out of memory");
	}
	r->selector = keep(L, mail, selector);
	r->domain = keep(L, mail, domain);
	r->key = key;
}

/* Selector, domain, key and the options at 'arg'. Not 0: the key isn't to be had. */
static int
take_request(lua_State *L, struct sl_mail *mail, struct sl_dkim_request *r, int arg,
    struct sl_err *err)
{
	struct sl_str selector = sl_arg_string(L, 1), domain = sl_arg_string(L, 2);
	struct sl_str spec = sl_arg_string(L, 3);
	struct sl_key *key;

	if (!sl_str_starts(spec, SL_STR("pki:")))
		sl_secret_add(L, spec);
	key = sl_engine_key(L, spec, err);
	if (key == NULL)
		return err->code;
	fill_request(L, mail, r, selector, domain, key);
	take_options(L, mail, arg, &r->options);
	return 0;
}

static int
refused(lua_State *L, const struct sl_err *err)
{
	sl_bool(L, false);
	sl_text(L, err->text);
	return 2;
}

/* Equal text, equal signature: requests are compared by it at commit. */
static const char *
describe_options(lua_State *L, struct sl_mail *mail, int arg)
{
	struct sl_buf *text = sl_scratch(L);
	struct sl_err err;

	if (!lua_istable(L, arg))
		return "";
	if (sl_json_encode(L, arg, text, false, false, &err) != 0)
		luaL_error(L, "options: %s", err.text);
	return keep(L, mail, sl_buf_str(text)).p;
}

/* A redefined Deliver signs whatever leaves: what was asked for already, when a copy left, is asked for once. */
static bool
is_queued(const struct sl_draft *draft, const struct sl_sign_request *r)
{
	const struct sl_sign_request *s;

	for (s = draft->signs; s != NULL; s = s->next)
		if (sl_same_sign(s, r))
			return true;
	return false;
}

static void
queue_request(lua_State *L, struct sl_mail *mail, struct sl_draft *draft,
    const struct sl_sign_request *r)
{
	struct sl_sign_request *s = keep_bytes(L, mail, r, sizeof(*r)), **end, *copy;
	const struct sl_sign_request *old;

	s->where = keep(L, mail, sl_str_of(sl_where(L))).p;
	/* the list may be shared with other recipients' drafts: this run gets its own */
	old = draft->signs;
	draft->signs = NULL;
	for (end = &draft->signs; old != NULL; old = old->next, end = &copy->next) {
		copy = keep_bytes(L, mail, old, sizeof(*copy));
		copy->next = NULL;
		*end = copy;
	}
	*end = s;
}

static int
sign_now(lua_State *L, struct sl_mail *mail, const struct sl_draft *draft,
    const struct sl_dkim_request *r)
{
	struct sl_buf *value = sl_scratch(L);
	const struct sl_message *m;
	struct sl_dkim_bodies *hashes;
	struct sl_err err;

	m = sl_body_message(mail, draft->body, &hashes);
	if (m == NULL)
		return luaL_error(L, "changed bodies are too large");
	if (sl_dkim_sign(value, r, m, draft->head, hashes, now_of(L), &err) != 0)
		return refused(L, &err);
	sl_string(L, sl_buf_str(value));
	return 1;
}

/* The options are at 'arg'. */
static int
sign(lua_State *L, struct sl_mail *mail, struct sl_draft *draft, struct sl_sign_request *r, int arg)
{
	struct sl_err err;

	if (sl_dkim_check(&r->dkim, now_of(L), &err) != 0)
		return refused(L, &err);
	if (sl_opt_bool(L, arg, "return_header", false))
		return sign_now(L, mail, draft, &r->dkim);
	r->options = describe_options(L, mail, arg);
	r->discard_changes = sl_opt_bool(L, arg, "discard_changes", false);
	if (!is_queued(draft, r))
		queue_request(L, mail, draft, r);
	sl_bool(L, true);
	return 1;
}

static int
sign_judged(lua_State *L, struct sl_sign_request *r, int arg)
{
	return sign(L, sl_part_mail(L, 0), sl_part_draft(L, 0), r, arg);
}

/* ---- pre-flight ------------------------------------------------------------------------- */

/* What DNS doesn't tell stops no mail: only a record that says otherwise does. */
static int
sign_if(lua_State *L, struct sl_sign_request *r, enum sl_dkim_published state)
{
	struct sl_err err;

	if (state == SL_DKIM_PUB_GOOD || state == SL_DKIM_PUB_UNKNOWN)
		return sign_judged(L, r, 4);
	sl_err_set(&err, SL_ERR_REFUSED, "the key isn't the published one of %.200s, selector %.60s: %s",
	    r->dkim.domain.p, r->dkim.selector.p, sl_dkim_published_word(state));
	refused(L, &err);
	sl_text(L, "unpublished");
	return 3;
}

static int
record_known(lua_State *L, struct sl_op *op)
{
	const struct sl_dns_query *query = (const struct sl_dns_query *)(const void *)op;
	struct sl_sign_request r = { .next = NULL };
	struct sl_err err;

	if (take_request(L, sl_part_mail(L, 0), &r.dkim, 4, &err) != 0)
		return refused(L, &err);
	return sign_if(L, &r, sl_preflight_tell(sl_context_of(L)->generation, sl_run_tape(L), &r.dkim,
	    query->answer));
}

static int
look_first(lua_State *L, struct sl_sign_request *r)
{
	struct sl_dns *dns = sl_engine_dns(L);
	enum sl_dkim_published state;
	struct sl_dns_query *query;
	struct sl_err err;
	char name[256];

	if (sl_dkim_check(&r->dkim, now_of(L), &err) != 0)
		return refused(L, &err);
	if (dns == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	if (sl_preflight_known(sl_context_of(L)->generation, sl_run_tape(L), &r->dkim, name, &state))
		return sign_if(L, r, state);
	sl_spend(L, SL_BUDGET_DNS, 1);
	query = sl_dns_query(dns, name, SL_DNS_TXT, 0);
	return sl_await(L, query != NULL ? &query->op : NULL, record_known);
}

/*lua
Sign the message with DKIM (RFC 6376, 8463) as it will leave.

What can fail for the caller's reasons is checked at once. The signature itself
is made when the message is accepted, over the final headers; equal deliveries
share it. If it fails then, the client hears 451 and nothing is delivered.

With `preflight` the key is compared with what DNS has before anything is signed:
one that isn't published gives false and "unpublished", and an event
`dkim_key_mismatch`. The script decides: sign without preflight, don't sign,
defer. What is found is kept for dkim_recheck seconds (a minute when it isn't
good); if DNS doesn't answer, what was known holds, and without that it is signed.

@param selector string
@param domain string
@param key string       "pki:NAME", a private key in PEM, or base64 of its DER
@param options? table   canonicalization_header, canonicalization_body ("relaxed"), algorithm, headers, additional_headers, oversign_headers, timestamp, expiration, expiration_relative, identity, discard_changes (false), return_header (false), preflight (false)
@return boolean|string signed  true; with return_header the value of the field
@return string? err     with false: why it can't be signed
@return string? code    "unpublished": the key isn't what DNS has

    if not DKIMSign("s1", "example.org", "pki:example.org/s1") then
      Defer("Message could not be signed")
    end
*/
static int
dkim_sign(lua_State *L)
{
	struct sl_sign_request r = { .next = NULL };
	struct sl_err err;

	sl_options(L, 4, option_names);
	if (take_request(L, sl_part_mail(L, 0), &r.dkim, 4, &err) != 0)
		return refused(L, &err);
	return sl_opt_bool(L, 4, "preflight", false) ? look_first(L, &r) : sign_judged(L, &r, 4);
}

/* ---- the keys of sluice.lua ------------------------------------------------------------- */

static int
keys_known(lua_State *L, struct sl_op *op)
{
	struct sl_sign_request r = { .next = NULL };
	struct sl_str domain = sl_arg_string(L, 1), selector;
	struct sl_key *key;
	struct sl_err err;
	int rc = sl_rotation_choose(sl_context_of(L), domain, &selector, &key, &err);

	(void)op;
	if (rc != 0) {
		sl_bool(L, false);
		sl_text(L, err.text);
		sl_text(L, rc == SL_ERR_NOTFOUND ? "absent" : rc == SL_ERR_TEMP ? "temperror" :
		    "unpublished");
		return 3;
	}
	fill_request(L, sl_part_mail(L, 0), &r.dkim, selector, domain, key);
	take_options(L, sl_part_mail(L, 0), 2, &r.dkim.options);
	return sign_judged(L, &r, 2);
}

/*lua
Sign the message with DKIM as DKIMSign does, with the key that sluice.lua's dkim names for a domain.

Of several keys the first signs whose public half DNS has, looked at once in
dkim_recheck seconds at most: a new key goes live when it is published and not
before, and the old one can stay until then.

@param domain string
@param options? table   as of DKIMSign but preflight
@return boolean|string signed  true; with return_header the value of the field
@return string? err     with false: why it can't be signed
@return string? code    "absent": dkim doesn't have the domain; "unpublished": DNS has none of its keys; "temperror": DNS doesn't answer

    local signed, err, code = DKIMSignFor("example.org")
    if not signed and code ~= "absent" then Defer("Message could not be signed: " .. err) end
*/
static int
dkim_sign_for(lua_State *L)
{
	struct sl_str domain = sl_arg_string(L, 1);

	sl_options(L, 2, for_option_names);
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	return sl_await(L, sl_rotation_look(sl_context_of(L), domain), keys_known);
}

/* ---- ARC ------------------------------------------------------------------------------ */

static int
not_sealed(lua_State *L, const char *code, const char *why)
{
	sl_bool(L, false);
	sl_text(L, why);
	sl_text(L, code);
	return 3;
}

static bool
is_sealed(const struct sl_draft *draft)
{
	for (const struct sl_sign_request *r = draft->signs; r != NULL; r = r->next)
		if (r->seals)
			return true;
	return false;
}

static int
queue_seal(lua_State *L, struct sl_str results)
{
	struct sl_mail *mail = sl_part_mail(L, 0);
	struct sl_sign_request r = {
		.seals = true, .cv = sl_auth_scan_arc(sl_context_of(L)->transaction->arc)->status,
		.results = keep(L, mail, results),
	};
	struct sl_arc_request q;
	struct sl_err err;

	if (take_request(L, mail, &r.dkim, 4, &err) != 0)
		return not_sealed(L, NULL, err.text);
	q = (struct sl_arc_request){ r.dkim, r.cv, r.results };
	if (sl_arc_check(&q, now_of(L), &err) != 0)
		return not_sealed(L, NULL, err.text);
	r.options = describe_options(L, mail, 4);
	queue_request(L, mail, sl_part_draft(L, 0), &r);
	sl_bool(L, true);
	return 1;
}

static int
results_known(lua_State *L, struct sl_op *op)
{
	const struct sl_context *ctx = sl_context_of(L);
	struct sl_buf *results = sl_scratch(L);
	struct sl_authres_writer w;

	(void)op;
	sl_authres_begin(&w, results, ctx->generation->config->authserv_id);
	sl_scan_write(ctx, &w, SL_RESULTS_MAIL);
	if (sl_authres_end(&w) != 0)
		return luaL_error(L, "out of memory");
	return queue_seal(L, keep(L, sl_part_mail(L, 0), sl_buf_str(results)));
}

/* What forbids a set for good is known now, not only at commit. */
static int
chain_known(lua_State *L, struct sl_op *op)
{
	struct sl_context *ctx = sl_context_of(L);
	const struct sl_arc_result *r = sl_auth_scan_arc(ctx->transaction->arc);
	struct sl_str results = sl_opt_string(L, 4, "results", NULL);

	(void)op;
	if (r->temporary)
		return not_sealed(L, "temperror", r->reason);
	if (r->ended || r->full)
		return not_sealed(L, "ended", r->reason[0] != '\0' ? r->reason : "the chain is full");
	if (is_sealed(ctx->draft))
		return not_sealed(L, NULL, "the message is sealed already");
	if (results.p != NULL)
		return queue_seal(L, results);
	return sl_await(L, sl_scan(ctx, SL_SCAN_MESSAGE), results_known);
}

/*lua
Add an ARC set (RFC 8617) to the message as it will leave: what was found of it here, signed.

The chain is validated first, once per message. The set itself is made when the
message is accepted, over the final headers and after every DKIM signature; if
that fails, the client hears 451 and nothing is delivered. A chain that failed
is sealed with cv=fail over this set alone; one that had failed before it came
here, or has 50 sets, isn't sealed: false with "ended", no reason to stop the mail.

@param selector string
@param domain string
@param key string       "pki:NAME", a private key in PEM, or base64 of its DER
@param options? table   results (the value of an Authentication-Results field; what the scans find), canonicalization_header, canonicalization_body ("relaxed"), algorithm, headers, additional_headers, oversign_headers, timestamp
@return boolean sealed
@return string? err     with false: why it isn't sealed
@return string? code    "temperror": the chain can't be validated now; "ended": nobody may seal it any more

    local sealed, err, code = ARCSeal("s1", "example.org", "pki:example.org/s1")
    if not sealed and code ~= "ended" then Defer("Message could not be sealed: " .. err) end
*/
static int
arc_seal(lua_State *L)
{
	sl_options(L, 4, seal_option_names);
	if (sl_engine_dns(L) == NULL)
		return luaL_error(L, "DNS isn't to be had here");
	return sl_await(L, sl_scan(sl_context_of(L), SL_SCAN_ARC), chain_known);
}

/*lua
Sign a message that was built, whenever it is written: when it is queued, or by toString.

Fields that queue adds (Date, Message-ID) are signed too.

@param selector string
@param domain string
@param key string       "pki:NAME", a private key in PEM, or base64 of its DER
@param options? table   canonicalization_header, canonicalization_body ("relaxed"), algorithm, headers, additional_headers, oversign_headers, timestamp, expiration, expiration_relative, identity
@return MIME|false self
@return string? err     with false: why it can't be signed

    MIME():addHeader("From", "a@example.org"):signDKIM("s1", "example.org", "pki:example.org/s1")
*/
static int
mime_sign_dkim(lua_State *L)
{
	struct sl_dkim_request r = { .key = NULL };
	struct sl_err err;

	sl_arg_object(L, 1, SL_COMPOSED);
	lua_settop(L, 5);
	lua_pushvalue(L, 1);
	lua_remove(L, 1);		/* selector, domain, key, options, object */
	sl_options(L, 4, composed_option_names);
	if (take_request(L, sl_part_mail(L, 0), &r, 4, &err) != 0 || sl_dkim_check(&r, now_of(L), &err) != 0)
		return refused(L, &err);
	sl_compose_sign(L, 5, &r);
	lua_settop(L, 5);
	return 1;
}

static unsigned
count_signs(const struct sl_draft *draft)
{
	unsigned n = 0;

	for (const struct sl_sign_request *r = draft->signs; r != NULL; r = r->next)
		n++;
	return n;
}

/* What sign gave, with the object at 5 in the place of true. */
static int
signed_object(lua_State *L, int n)
{
	if (n == 1 && lua_isboolean(L, -1))
		lua_pushvalue(L, 5);
	return n;
}

/*lua
Sign the message with DKIM as DKIMSign does: when it leaves, over the header it has then.

Copies that were queued before aren't signed by it. One made of a text is signed whenever it is
written, by toString or queue, four times at most; outside of a policy there are no keys "pki:NAME".

@param selector string
@param domain string
@param key string       "pki:NAME", a private key in PEM, or base64 of its DER
@param options? table   as of DKIMSign but preflight
@return MailMessage|string|false self  with return_header the value of the field; false: it can't be signed
@return string? err     with false: why

    if not MIME("0"):signDKIM("s1", "example.org", "pki:example.org/s1") then
      Defer("Message could not be signed")
    end
*/
static int
mail_sign_dkim(lua_State *L)
{
	struct sl_sign_request r = { .next = NULL };
	struct sl_mail *mail;
	struct sl_draft *draft;
	struct sl_err err;

	sl_arg_object(L, 1, SL_MAIL_CLASS);
	lua_settop(L, 5);
	lua_pushvalue(L, 1);
	lua_remove(L, 1);		/* selector, domain, key, options, object */
	sl_options(L, 4, for_option_names);
	mail = sl_part_mail(L, 5);
	draft = sl_part_draft(L, 5);
	if (!sl_part_is_judged(L, 5) && count_signs(draft) >= MAX_TEXT_SIGNS)
		return luaL_error(L, "more than %d signatures", MAX_TEXT_SIGNS);
	if (take_request(L, mail, &r.dkim, 4, &err) != 0)
		return refused(L, &err);
	return signed_object(L, sign(L, mail, draft, &r, 4));
}

const struct sl_builtin sl_module_dkim[] = {
	{ "MailMessage:signDKIM", mail_sign_dkim, SL_AT_ANY | SL_IMPURE },
	{ "MIME:signDKIM", mime_sign_dkim, SL_AT_MESSAGE | SL_IMPURE },
	{ "DKIMSign", dkim_sign, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "DKIMSignFor", dkim_sign_for, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ "ARCSeal", arc_seal, SL_AT_MESSAGE | SL_WAITS | SL_IMPURE },
	{ NULL, NULL, 0 },
};
