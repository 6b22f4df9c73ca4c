#include "scan.h"

#include "../engine/doors.h"
#include "engine.h"
#include "taps.h"

/* What a reader of DMARC results (opendmarc-halonlog) gets of each message. */
static void
log_dmarc(const struct sl_auth_scan *scan, void *arg)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan);
	const struct sl_transaction *t = arg;
	const struct sl_session *s = t->session;
	struct sl_buf line = SL_BUF_INIT;
	struct sl_dmarc_log log = {
		.id = t->id, .ts = sl_loop_time_us(s->engine->loop) / 1000000, .ip = s->senderip,
		.helo = s->helo != NULL ? s->helo : "", .mailfrom = t->senderdomain,
	};

	if (d == NULL || !sl_event_wanted(s->engine->events, SL_INFO))
		return;
	if (sl_dmarc_log_line(&line, d, &log) == 0)
		sl_event(s->engine->events, SL_INFO, "dmarc", SL_FIELDS(
		    SL_F_TEXT("id", t->id), SL_F_STR("line", sl_buf_str(&line))));
	sl_buf_clear(&line);
}

/* Who changes from one RFC to the other wants to know where they disagree. */
static void
tell_difference(const struct sl_auth_scan *scan, const struct sl_transaction *t)
{
	const struct sl_dmarc_details *d = sl_auth_scan_dmarc(scan), *other = sl_auth_scan_other(scan);
	const struct sl_dmarc_details *by_walk = d, *by_list = other;

	if (other == NULL || d->status == other->status || d->status == SL_DMARC_TEMPERROR ||
	    other->status == SL_DMARC_TEMPERROR)
		return;
	if (d->profile == SL_DMARC_RFC7489) {
		by_walk = other;
		by_list = d;
	}
	sl_event(t->session->engine->events, SL_NOTICE, "dmarc_rfcs_differ", SL_FIELDS(
	    SL_F_TEXT("id", t->id), SL_F_TEXT("from", d->from),
	    SL_F_TEXT("rfc9989", sl_dmarc_status_word(by_walk->status)),
	    SL_F_TEXT("rfc7489", sl_dmarc_status_word(by_list->status)),
	    SL_F_TEXT("org_rfc9989", by_walk->org), SL_F_TEXT("org_rfc7489", by_list->org),
	    SL_F_TEXT("reason_rfc9989", by_walk->reason),
	    SL_F_TEXT("reason_rfc7489", by_list->reason)));
}

static void
on_concluded(const struct sl_auth_scan *scan, void *arg)
{
	log_dmarc(scan, arg);
	tell_difference(scan, arg);
}

/* pct= of RFC 7489; without a draw nobody is spared. */
static unsigned
draw(const struct sl_context *ctx)
{
	uint64_t drawn;

	return sl_door_random_below(sl_context_tape(ctx), 100, &drawn) == 0 ? (unsigned)drawn : 0;
}

static void
spf_options(const struct sl_context *ctx, struct sl_spf_options *o, enum sl_spf_identity identity)
{
	const struct sl_session *s = ctx->session;

	*o = (struct sl_spf_options){
		.identity = identity, .ip = s->sender_addr, .helo = sl_str_of(s->helo),
		.sender = sl_str_of(ctx->transaction->sender),
		.now = sl_door_time(sl_context_tape(ctx), ctx->engine->loop) / 1000000,
		.receiver = sl_str_of(sl_config_hostname(ctx->generation->config)),
	};
}

static struct sl_auth_scan *
scan_message(const struct sl_context *ctx, const struct sl_auth_scan_options *common)
{
	struct sl_transaction *t = ctx->transaction;
	struct sl_auth_scan_options o = *common;
	struct sl_spf_options spf;

	spf_options(ctx, &spf, SL_SPF_MAILFROM);
	o.spf = &spf;
	o.sender_domain = t->senderdomain;
	o.dmarc = (struct sl_dmarc_options){
		.profile = ctx->generation->config->dmarc == 0 ? SL_DMARC_RFC9989 : SL_DMARC_RFC7489,
		.sample = draw(ctx),
	};
	o.compare = sl_event_wanted(ctx->engine->events, SL_NOTICE) &&
	    !sl_tape_plays(sl_context_tape(ctx));	/* it asks more */
	o.concluded = on_concluded;
	o.arg = t;
	return sl_auth_scan_start(&o);
}

static struct sl_auth_scan *
scan_helo(const struct sl_context *ctx, const struct sl_auth_scan_options *common)
{
	struct sl_auth_scan_options o = *common;
	struct sl_spf_options spf;

	spf_options(ctx, &spf, SL_SPF_HELO);
	o.spf = &spf;
	o.spf_alone = true;
	return sl_auth_scan_start(&o);
}

static struct sl_auth_scan *
start(const struct sl_context *ctx, enum sl_scan_kind kind)
{
	struct sl_auth_scan_options o = {
		.now = sl_door_time(sl_context_tape(ctx), ctx->engine->loop) / 1000000,
		.loop = ctx->engine->loop, .dns = sl_context_dns(ctx), .message = ctx->transaction->mail.message,
		.keys = ctx->engine->pubkeys, .arc = kind == SL_SCAN_ARC,
	};

	if (o.dns == NULL)
		return NULL;
	switch (kind) {
	case SL_SCAN_MESSAGE:
		return scan_message(ctx, &o);
	case SL_SCAN_HELO:
		return scan_helo(ctx, &o);
	default:
		return sl_auth_scan_start(&o);
	}
}

static struct sl_auth_scan **
place(const struct sl_context *ctx, enum sl_scan_kind kind)
{
	struct sl_transaction *t = ctx->transaction;

	return kind == SL_SCAN_MESSAGE ? &t->scan : kind == SL_SCAN_HELO ? &t->helo : &t->arc;
}

int
sl_scan_begin(struct sl_context *ctx, enum sl_scan_kind kind)
{
	struct sl_auth_scan **scan = place(ctx, kind);

	if (*scan == NULL)
		*scan = start(ctx, kind);
	return *scan != NULL ? 0 : SL_ERR_NOMEM;
}

struct sl_op *
sl_scan(struct sl_context *ctx, enum sl_scan_kind kind)
{
	return sl_scan_begin(ctx, kind) == 0 ? sl_auth_scan_wait(*place(ctx, kind)) : NULL;
}

/* ---- results of ours ------------------------------------------------------------------ */

static void
write_spf(const struct sl_auth_scan *scan, struct sl_authres_writer *w)
{
	if (scan != NULL && sl_auth_scan_done(scan) && sl_auth_scan_spf(scan) != NULL)
		sl_authres_spf(w, sl_auth_scan_spf(scan));
}

static void
write_dkim(const struct sl_dkim_verify *dkim, struct sl_authres_writer *w)
{
	size_t i, n = sl_dkim_verify_count(dkim);

	for (i = 0; i < n; i++)
		sl_authres_dkim(w, sl_dkim_verify_result(dkim, i));
	if (n == 0)
		sl_authres_result(w, "dkim", "none", "no signature");
}

static void
write_dmarc(const struct sl_auth_scan *scan, struct sl_authres_writer *w)
{
	if (sl_auth_scan_dmarc(scan) != NULL)
		sl_authres_dmarc(w, sl_auth_scan_dmarc(scan));
	else
		sl_authres_result(w, "dmarc", "permerror", sl_auth_scan_from(scan)->reason);
}

void
sl_scan_write(const struct sl_context *ctx, struct sl_authres_writer *w, unsigned which)
{
	const struct sl_transaction *t = ctx->transaction;
	const struct sl_session *s = ctx->session;
	bool scanned = t->scan != NULL && sl_auth_scan_done(t->scan);

	if ((which & SL_RESULTS_AUTH) && s->saslusername != NULL)
		sl_authres_auth(w, s->saslmechanism, s->saslusername);
	if ((which & SL_RESULTS_ARC) && t->arc != NULL && sl_auth_scan_done(t->arc))
		sl_authres_arc(w, sl_auth_scan_arc(t->arc));
	if (which & SL_RESULTS_SPF) {
		write_spf(t->scan, w);
		write_spf(t->helo, w);
	}
	if ((which & SL_RESULTS_DKIM) && scanned)
		write_dkim(sl_auth_scan_dkim(t->scan), w);
	if ((which & SL_RESULTS_DMARC) && scanned)
		write_dmarc(t->scan, w);
}
