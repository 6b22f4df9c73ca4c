/* What is known of keys that sign. See preflight.h. */
#include "preflight.h"

#include <string.h>

#include "../base/alloc.h"
#include "../tape/tape.h"

#define MAX_KNOWN	10000	/* keys; beyond, all are looked at anew */
#define RETRY_MS	60000	/* of what isn't good, so that a repair is seen soon */

struct known {
	enum sl_dkim_published state;
	int64_t due_ms;			/* sl_loop_now() of the next look */
};

/* Where DNS has it, and which key it is. */
static int
identify(struct sl_buf *out, const char *name, const struct sl_key *key)
{
	struct sl_buf public = SL_BUF_INIT;
	uint8_t hash[SL_DIGEST_MAX];
	int rc = sl_key_public(key, &public);

	if (rc == 0)
		rc = sl_digest_of(SL_DIGEST_SHA256, sl_buf_str(&public), hash);
	sl_buf_puts(out, name);
	sl_buf_putc(out, ' ');
	sl_buf_put(out, hash, 32);
	sl_buf_clear(&public);
	return rc != 0 || out->failed ? SL_ERR_NOMEM : 0;
}

static struct known *
find(struct sl_generation *g, const char *name, const struct sl_key *key)
{
	struct sl_buf id = SL_BUF_INIT;
	struct known *k = NULL;

	if (g->preflight != NULL && identify(&id, name, key) == 0)
		k = sl_dict_get(g->preflight, sl_buf_str(&id));
	sl_buf_clear(&id);
	return k;
}

/* NULL for want of memory: then it is asked again next time. */
static struct known *
add(struct sl_generation *g, const char *name, const struct sl_key *key)
{
	struct sl_buf id = SL_BUF_INIT;
	struct known *k = NULL;

	if (g->preflight != NULL && sl_dict_count(g->preflight) >= MAX_KNOWN)
		sl_preflight_drop(g);
	if (g->preflight == NULL)
		g->preflight = sl_dict_new();
	if (g->preflight != NULL && identify(&id, name, key) == 0)
		k = sl_calloc(1, sizeof(*k));
	if (k != NULL && sl_dict_set(g->preflight, sl_buf_str(&id), k, NULL) != 0) {
		sl_free(k);
		k = NULL;
	}
	sl_buf_clear(&id);
	return k;
}

/* "SELECTOR._domainkey.DOMAIN": the word of what was known. */
static void
note(struct sl_tape *tape, const char *name, enum sl_dkim_published state)
{
	if (sl_tape_records(tape))
		sl_tape_note(tape, "preflight", sl_str_of(name),
		    sl_str_of(sl_dkim_published_word(state)));
}

static bool
known_then(struct sl_tape *tape, const char *name, enum sl_dkim_published *state)
{
	struct sl_str word;
	int i;

	if (!sl_tape_plays(tape) ||
	    !sl_tape_find(tape, "preflight", sl_str_of(name), SL_TAPE_AGAIN, &word))
		return false;
	for (i = SL_DKIM_PUB_UNKNOWN; i <= SL_DKIM_PUB_GOOD; i++)
		if (sl_str_eq(word, sl_str_of(sl_dkim_published_word((enum sl_dkim_published)i)))) {
			*state = (enum sl_dkim_published)i;
			return true;
		}
	return false;
}

bool
sl_preflight_known(struct sl_generation *g, struct sl_tape *tape, const struct sl_dkim_request *r,
    char name[256], enum sl_dkim_published *state)
{
	const struct known *k;

	*state = SL_DKIM_PUB_MISSING;
	if (!sl_dkim_key_name(name, r->selector, r->domain) || known_then(tape, name, state))
		return true;
	k = sl_tape_plays(tape) ? NULL : find(g, name, r->key);
	if (k == NULL || k->due_ms <= sl_loop_now(g->engine->loop))
		return false;
	*state = k->state;
	note(tape, name, *state);
	return true;
}

static void
tell_mismatch(struct sl_generation *g, const struct sl_dkim_request *r,
    enum sl_dkim_published state)
{
	sl_event(g->engine->events, SL_WARNING, "dkim_key_mismatch", SL_FIELDS(
	    SL_F_STR("domain", r->domain), SL_F_STR("selector", r->selector),
	    SL_F_TEXT("published", sl_dkim_published_word(state))));
}

static enum sl_dkim_published
judge(struct sl_generation *g, const struct sl_dkim_request *r, const struct sl_dns_answer *answer,
    const char *name)
{
	enum sl_dkim_published state = sl_dkim_published(answer, r->key);
	int64_t wait = (int64_t)(g->config->dkim_recheck * 1000);
	struct known *k = find(g, name, r->key);

	if (state == SL_DKIM_PUB_UNKNOWN && k != NULL)
		state = k->state;
	else if (state != SL_DKIM_PUB_GOOD && state != SL_DKIM_PUB_UNKNOWN)
		tell_mismatch(g, r, state);
	if (k == NULL && (k = add(g, name, r->key)) == NULL)
		return state;
	if ((state != SL_DKIM_PUB_GOOD || sl_dns_temporary(answer->status)) && wait > RETRY_MS)
		wait = RETRY_MS;
	k->state = state;
	k->due_ms = sl_loop_now(g->engine->loop) + wait;
	return state;
}

enum sl_dkim_published
sl_preflight_tell(struct sl_generation *g, struct sl_tape *tape, const struct sl_dkim_request *r,
    const struct sl_dns_answer *answer)
{
	enum sl_dkim_published state;
	char name[256];

	if (!sl_dkim_key_name(name, r->selector, r->domain))
		return SL_DKIM_PUB_MISSING;
	if (sl_tape_plays(tape))
		return sl_dkim_published(answer, r->key);	/* nothing is known afterwards */
	state = judge(g, r, answer, name);
	note(tape, name, state);
	return state;
}

static void
free_known(void *known)
{
	sl_free(known);
}

void
sl_preflight_drop(struct sl_generation *g)
{
	if (g->preflight != NULL)
		sl_dict_free(g->preflight, free_known);
	g->preflight = NULL;
}
