#include "scan.h"

#include "../auth/authres.h"
#include "../crypto/random.h"
#include "engine.h"

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
draw(void)
{
	uint64_t drawn;

	return sl_random_below(100, &drawn) == 0 ? (unsigned)drawn : 0;
}

static struct sl_dns *
dns_of(const struct sl_context *ctx)
{
	return ctx->generation->dns != NULL ? ctx->generation->dns : ctx->engine->dns;
}

static struct sl_auth_scan *
start(struct sl_context *ctx)
{
	struct sl_transaction *t = ctx->transaction;
	const struct sl_session *s = ctx->session;
	struct sl_loop *loop = ctx->engine->loop;
	struct sl_spf_options spf = {
		.identity = SL_SPF_MAILFROM, .ip = s->sender_addr, .helo = sl_str_of(s->helo),
		.sender = sl_str_of(t->sender), .now = sl_loop_time_us(loop) / 1000000,
		.receiver = sl_str_of(sl_config_hostname(ctx->generation->config)),
	};
	struct sl_auth_scan_options o = {
		.loop = loop, .message = t->message, .keys = ctx->engine->pubkeys, .spf = &spf,
		.sender_domain = t->senderdomain,
		.dns = dns_of(ctx),
		.dmarc = { .profile = ctx->generation->config->dmarc == 0 ? SL_DMARC_RFC9989 :
		    SL_DMARC_RFC7489, .sample = draw() },
		.compare = sl_event_wanted(ctx->engine->events, SL_NOTICE),
		.concluded = on_concluded, .arg = t,
	};

	return sl_auth_scan_start(&o);
}

struct sl_op *
sl_scan(struct sl_context *ctx)
{
	struct sl_transaction *t = ctx->transaction;

	if (t->scan == NULL)
		t->scan = start(ctx);
	return t->scan != NULL ? sl_auth_scan_wait(t->scan) : NULL;
}

struct sl_op *
sl_scan_arc(struct sl_context *ctx)
{
	struct sl_transaction *t = ctx->transaction;
	struct sl_auth_scan_options o = {
		.loop = ctx->engine->loop, .dns = dns_of(ctx), .message = t->message,
		.keys = ctx->engine->pubkeys, .arc = true,
	};

	if (t->arc == NULL)
		t->arc = sl_auth_scan_start(&o);
	return t->arc != NULL ? sl_auth_scan_wait(t->arc) : NULL;
}

int
sl_scan_results(const struct sl_context *ctx, struct sl_buf *out)
{
	const struct sl_transaction *t = ctx->transaction;
	const struct sl_dkim_verify *dkim = sl_auth_scan_dkim(t->scan);
	struct sl_authres_writer w;

	sl_authres_begin(&w, out, sl_config_hostname(ctx->generation->config));
	sl_authres_arc(&w, sl_auth_scan_arc(t->arc));
	sl_authres_spf(&w, sl_auth_scan_spf(t->scan));
	for (size_t i = 0; i < sl_dkim_verify_count(dkim); i++)
		sl_authres_dkim(&w, sl_dkim_verify_result(dkim, i));
	if (sl_auth_scan_dmarc(t->scan) != NULL)
		sl_authres_dmarc(&w, sl_auth_scan_dmarc(t->scan));
	return sl_authres_end(&w);
}
