/*
 * SPF as an evaluator: who is checked, questions out, answers in. The work is
 * in spf_check.c and spf_answers.c. See spf.h.
 */
#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../mail/address.h"
#include "spf_private.h"

#define LIMIT_CAP	50

/* ---- the evaluator ------------------------------------------------------- */

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
		struct sl_spf_query *q = &spf->query[i];

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
	struct sl_spf_query q;

	if (spf->done || spf->open == 0 || i >= spf->nqueries || spf->query[i].answered)
		return;
	spf->query[i].answered = true;
	spf->open--;
	q = spf->query[i];	/* the next questions overwrite it */
	sl_spf_take_answer(spf, &q, answer);
	sl_spf_advance(spf);
}

static bool
is_done(const struct sl_evaluator *e)
{
	return ((const struct sl_spf *)(const void *)e)->done;
}

/* ---- life ---------------------------------------------------------------- */

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
		sl_spf_fail_with(spf, SL_SPF_NONE, "the client has no IP address");
	else if (spf->result.domain[0] == '\0')
		sl_spf_fail_with(spf, SL_SPF_NONE, "the identity is not a domain");
	else
		sl_spf_enter(spf, spf->result.domain, NULL, false);
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
		sl_spf_pop(spf);
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
