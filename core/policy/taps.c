/* A session's own doors to the services. See taps.h. */
#include "taps.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../crypto/key.h"
#include "../crypto/random.h"
#include "../dns/tap.h"
#include "../http/tap.h"
#include "engine.h"

struct sl_taps {
	struct sl_engine *engine;
	struct sl_tape *tape;
	struct sl_dict *dns;		/* real one and whom -> struct sl_dns_tap */
	struct sl_dict *http;		/* real one -> struct sl_http_tap */
	void (*ended)(void *arg);
	void *ended_arg;
	struct sl_buf watchers;		/* uint64_t each */
	struct sl_dict *keys;		/* public half -> struct sl_key, signed past the tape */
};

static void
free_dns(void *tap)
{
	sl_dns_tap_free(tap);
}

static void
free_http(void *tap)
{
	sl_http_tap_free(tap);
}

static void
free_key(void *key)
{
	sl_key_unref(key);
}

struct sl_taps *
sl_taps_new(struct sl_engine *engine, struct sl_tape *tape)
{
	struct sl_taps *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->engine = engine;
	t->tape = sl_tape_ref(tape);
	t->dns = sl_dict_new();
	t->http = sl_dict_new();
	t->keys = sl_dict_new();
	if (t->dns != NULL && t->http != NULL && t->keys != NULL)
		return t;
	sl_taps_free(t);
	return NULL;
}

void
sl_taps_free(struct sl_taps *t)
{
	if (t == NULL)
		return;
	if (t->dns != NULL)
		sl_dict_free(t->dns, free_dns);
	if (t->http != NULL)
		sl_dict_free(t->http, free_http);
	if (t->keys != NULL)
		sl_dict_free(t->keys, free_key);
	sl_tape_unref(t->tape);
	sl_buf_clear(&t->watchers);
	sl_free(t);
}

void
sl_taps_for(struct sl_taps *t, struct sl_buf *watchers)
{
	t->watchers = *watchers;
	*watchers = (struct sl_buf)SL_BUF_INIT;
}

struct sl_buf
sl_taps_watchers(struct sl_taps *t)
{
	struct sl_buf watchers = t->watchers;

	t->watchers = (struct sl_buf)SL_BUF_INIT;
	return watchers;
}

void
sl_taps_on_end(struct sl_taps *t, void (*fn)(void *arg), void *arg)
{
	t->ended = fn;
	t->ended_arg = arg;
}

void
sl_taps_ended(struct sl_taps *t)
{
	if (t->ended != NULL)
		t->ended(t->ended_arg);
}

struct sl_tape *
sl_taps_tape(const struct sl_taps *t)
{
	return t != NULL ? t->tape : NULL;
}

struct sl_tape *
sl_context_tape(const struct sl_context *ctx)
{
	struct sl_tape *tape = ctx->session != NULL ? sl_taps_tape(ctx->session->taps) : NULL;

	if (tape != NULL)
		sl_tape_place(tape, sl_phase_name(ctx->phase), ctx->draft != NULL ? ctx->draft->recipient :
		    NULL, NULL);
	return tape;
}

/* ---- DNS and HTTP ------------------------------------------------------------------------- */

struct sl_dns *
sl_taps_dns(struct sl_taps *t, struct sl_dns *real, const char *whom)
{
	struct sl_buf name = SL_BUF_INIT;
	struct sl_dns_tap *tap;

	if (t == NULL || real == NULL)
		return real;
	sl_buf_put(&name, &real, sizeof(real));
	sl_buf_puts(&name, whom);
	tap = sl_dict_get(t->dns, sl_buf_str(&name));
	if (tap == NULL && (tap = sl_dns_tap_new(real, t->tape, whom)) != NULL &&
	    (name.failed || sl_dict_set(t->dns, sl_buf_str(&name), tap, NULL) != 0)) {
		sl_dns_tap_free(tap);
		tap = NULL;
	}
	sl_buf_clear(&name);
	return tap != NULL ? sl_dns_tap_dns(tap) : NULL;
}

struct sl_http *
sl_taps_http(struct sl_taps *t, struct sl_http *real)
{
	struct sl_str name = { (const char *)&real, sizeof(real) };
	struct sl_http_tap *tap;

	if (t == NULL || real == NULL)
		return real;
	tap = sl_dict_get(t->http, name);
	if (tap == NULL && (tap = sl_http_tap_new(t->engine->loop, real, t->tape,
	    t->engine->events)) != NULL && sl_dict_set(t->http, name, tap, NULL) != 0) {
		sl_http_tap_free(tap);
		tap = NULL;
	}
	return tap != NULL ? sl_http_tap_http(tap) : NULL;
}

struct sl_dns *
sl_context_dns(const struct sl_context *ctx)
{
	struct sl_dns *real = ctx->generation->dns != NULL ? ctx->generation->dns : ctx->engine->dns;

	return ctx->session != NULL ? sl_taps_dns(ctx->session->taps, real, "") : real;
}

/* ---- keys ----------------------------------------------------------------------------------- */

/* "rsa 1f3a... DIGEST": which key, what it signs. Ed25519 signs digests too (RFC 8463 3). */
static int
put_question(struct sl_buf *out, struct sl_str public, struct sl_str digest)
{
	uint8_t hash[SL_DIGEST_MAX];
	int rc = sl_digest_of(SL_DIGEST_SHA256, public, hash);

	sl_hex_encode(out, (struct sl_str){ (char *)hash, 32 });
	sl_buf_putc(out, ' ');
	sl_hex_encode(out, digest);
	return rc != 0 ? rc : out->failed ? SL_ERR_NOMEM : 0;
}

static int
sign_real(struct sl_taps *t, struct sl_str question, const struct sl_key *real,
    enum sl_digest_alg alg, struct sl_str digest, struct sl_buf *signature, struct sl_err *err)
{
	size_t before = signature->n;
	int rc = sl_key_sign(real, alg, digest, signature, err);

	if (rc == 0 && sl_tape_records(t->tape))
		sl_tape_note(t->tape, "signature", question,
		    sl_str_sub(sl_buf_str(signature), before, signature->n));
	return rc;
}

static int
sign_past_tape(void *arg, const struct sl_key *key, const struct sl_key *real,
    enum sl_digest_alg alg, struct sl_str digest, struct sl_buf *signature, struct sl_err *err)
{
	struct sl_taps *t = arg;
	struct sl_buf question = SL_BUF_INIT, public = SL_BUF_INIT;
	struct sl_str value;
	int rc = sl_key_public(key, &public);

	if (rc == 0)
		rc = put_question(&question, sl_buf_str(&public), digest);
	if (rc != 0)
		sl_err_set(err, rc, "out of memory");
	else if (real != NULL)
		rc = sign_real(t, sl_buf_str(&question), real, alg, digest, signature, err);
	else if (sl_tape_find(t->tape, "signature", sl_buf_str(&question), SL_TAPE_AGAIN, &value))
		rc = sl_buf_putstr(signature, value) == 0 ? 0 :
		    sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	else {
		sl_tape_miss(t->tape, "signature", sl_buf_str(&question));
		rc = sl_err_set(err, SL_ERR_NOTFOUND,
		    "the key isn't here, and what it would sign wasn't signed in the capture");
	}
	sl_buf_clear(&question);
	sl_buf_clear(&public);
	return rc;
}

/* One for each key: equal keys must be the same one, for equal signatures are made once. */
static struct sl_key *
key_past_tape(struct sl_taps *t, struct sl_key *real, enum sl_key_type type, unsigned bits,
    struct sl_str public)
{
	const struct sl_key_signer signer = { sign_past_tape, t };
	struct sl_key *key = sl_dict_get(t->keys, public);

	if (key != NULL)
		return sl_key_ref(key);
	key = sl_key_signed_by(&signer, real, type, bits, public);
	if (key != NULL && sl_dict_set(t->keys, public, key, NULL) != 0) {
		sl_key_unref(key);
		return NULL;
	}
	return key != NULL ? sl_key_ref(key) : NULL;
}

static void
note_key(struct sl_tape *tape, struct sl_str name, const struct sl_key *key, struct sl_str public,
    const struct sl_err *err)
{
	struct sl_buf value = SL_BUF_INIT;

	if (key != NULL) {
		sl_tape_put(&value, "type", sl_str_of(sl_key_type_word(sl_key_type(key))));
		sl_tape_put_number(&value, "bits", sl_key_bits(key));
		sl_tape_put(&value, "public", public);
	} else {
		sl_tape_put_number(&value, "code", err->code);
		sl_tape_put(&value, "error", sl_str_of(err->text));
	}
	sl_tape_note(tape, "key", name, sl_buf_str(&value));
	sl_buf_clear(&value);
}

/* What is known of the key of this name; NULL = nothing, or it was none, as 'err' says. */
static struct sl_key *
key_of_tape(struct sl_taps *t, struct sl_str name, struct sl_err *err)
{
	struct sl_str value, public;
	bool rsa;

	if (!sl_tape_find(t->tape, "key", name, SL_TAPE_AGAIN, &value)) {
		if (!sl_tape_live(t->tape))
			sl_tape_miss(t->tape, "key", name);
		return NULL;
	}
	public = sl_tape_get(value, "public");
	if (public.n == 0) {
		sl_err_set(err, (int)sl_tape_get_number(value, "code"), "%.*s",
		    (int)sl_str_sub(sl_tape_get(value, "error"), 0, 200).n,
		    sl_tape_get(value, "error").p);
		return NULL;
	}
	rsa = sl_str_eq(sl_tape_get(value, "type"), SL_STR("rsa"));
	return key_past_tape(t, NULL, rsa ? SL_KEY_RSA : SL_KEY_ED25519,
	    (unsigned)sl_tape_get_number(value, "bits"), public);
}

/* 'real' (taken; NULL = there is none, 'err' says why) behind the door. */
static struct sl_key *
take(struct sl_taps *t, struct sl_str name, struct sl_key *real, struct sl_err *err)
{
	struct sl_buf public = SL_BUF_INIT;
	struct sl_key *key = NULL;

	if (real == NULL && sl_tape_plays(t->tape))
		return key_of_tape(t, name, err);
	if (real != NULL && sl_key_public(real, &public) == 0) {
		key = key_past_tape(t, real, sl_key_type(real), sl_key_bits(real),
		    sl_buf_str(&public));
		if (key == NULL)
			sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	if (sl_tape_records(t->tape))
		note_key(t->tape, name, key, sl_buf_str(&public), err);
	sl_key_unref(real);
	sl_buf_clear(&public);
	return key;
}

static bool
is_mark(struct sl_str spec)
{
	return sl_str_starts(spec, SL_STR("[secret ")) && sl_str_ends(spec, SL_STR("]"));
}

struct sl_key *
sl_context_key(const struct sl_context *ctx, struct sl_str spec, struct sl_err *err)
{
	struct sl_taps *taps = ctx->session != NULL ? ctx->session->taps : NULL;
	struct sl_key *real = NULL;
	char mark[SL_SECRET_MARK];

	if (taps == NULL)
		return sl_generation_key(ctx->generation, spec, err);
	if (sl_tape_plays(taps->tape) && is_mark(spec)) {
		sl_err_set(err, SL_ERR_NOTFOUND, "the key isn't here");
		return take(taps, spec, NULL, err);
	}
	real = sl_generation_key(ctx->generation, spec, err);
	if (sl_str_starts(spec, SL_STR("pki:")))
		return take(taps, spec, real, err);
	sl_secret_mark(spec, mark);
	return take(taps, sl_str_of(mark), real, err);
}
