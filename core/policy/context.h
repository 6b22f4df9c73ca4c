/*
 * What a run works on: the pointer that builtins get from sl_run_host().
 *
 * A context stands for one flow being run: its engine, generation and phase,
 * and whichever of session, transaction, draft and attempt the phase has. The
 * final action leaves its decision here; the policy layer turns it into the
 * one verdict (verdict.c) when the run has ended.
 */
#ifndef SL_POLICY_CONTEXT_H
#define SL_POLICY_CONTEXT_H

#include <jansson.h>

#include "../auth/arc.h"
#include "../mail/address.h"
#include "../mail/message.h"
#include "../net/addr.h"
#include "../net/op.h"
#include "../sluice_host.h"
#include "config.h"
#include "mail.h"
#include "phase.h"

struct sl_auth_scan;
struct sl_body;
struct sl_made;
struct sl_run;
struct sl_tape;
struct sl_taps;

/* What a final action asked for. Strings live in the context's arena. */
struct sl_decision {
	bool made;
	enum sl_action action;
	int code;			/* 0 = the phase's */
	const char *enhanced;		/* NULL = the phase's */
	const char *const *lines;	/* NULL = the phase's text */
	size_t nlines;
	bool disconnect;
	const char *quarantine;		/* Quarantine: its name */
	bool rejects;			/* Quarantine: kept, but the client hears a rejection */
	double delay;			/* Reschedule, Retry; -1 = the schedule's */
	bool counted;
	const char *recipient, *transport;	/* postdelivery Deliver; rcptto Accept: its transport */
	const char *username;		/* auth Accept: who logged in, or NULL = who said so */
	const char *address;		/* Accept: what the sender or recipient is from now on, or NULL */
};

/* A signature asked for by DKIMSign or ARCSeal: made at commit, over the final headers. */
struct sl_sign_request {
	struct sl_sign_request *next;
	struct sl_dkim_request dkim;	/* strings in the arena; key held by the transaction */
	const char *options;		/* canonical text of the options: equal text, equal signature */
	bool discard_changes;		/* over the message as received */
	bool seals;			/* an ARC set: made when all others are */
	enum sl_arc_status cv;
	struct sl_str results;		/* of the set; in the arena */
	const char *where;		/* the script line, for the event */
};

/*
 * The state of one recipient's data run (or, in eod, what all of them start
 * from): edits, envelope, and what Deliver will use. Copying it is cheap.
 */
struct sl_draft {
	struct sl_head *head;
	struct sl_body *body;		/* NULL = as received; body.h */
	const char *sender, *senderdomain;	/* senderdomain NULL for the null reverse-path */
	const char *recipient, *recipientdomain;	/* NULL in eod */
	const char *transport;		/* NULL in eod */
	const char *metadata;		/* JSON object or NULL */
	double delay;
	struct sl_sign_request *signs;	/* in order of execution */
};

/* A Deliver or Quarantine that happened: a draft as it was then. */
struct sl_chosen {
	struct sl_chosen *next;
	struct sl_draft draft;
	const char *quarantine;		/* NULL = delivery */
	bool rejects;
	const struct sl_rcpt *rcpt;	/* whose run chose it; NULL in eod */
};

/* One accepted RCPT. */
struct sl_rcpt {
	const char *address, *domain;
	const struct sl_relay_row *row;
	const char *transport;		/* the row's, or the server's default */
	bool queued;			/* eod queued the message for it: no data run */
};

/* One message on its way in: from MAIL to the outcome. */
struct sl_transaction {
	struct sl_session *session;
	struct sl_generation *generation;	/* counted */
	struct sl_arena *arena;		/* everything below that isn't counted */
	const struct sl_server *server;	/* of that generation: whose flows run */
	char id[48];			/* messageid */
	const char *queueid;		/* what the host calls it, or NULL */
	const char *sender, *senderdomain, *senderlocal;
	struct sl_mail_params params;
	struct sl_rcpt *rcpts;
	size_t nrcpts, caprcpts;
	struct sl_rcpt asked;		/* the RCPT under way */

	struct sl_buf data;		/* chunks of the message until its end; feed.c */
	struct sl_mail mail;		/* what is judged, once its message is there */
	struct sl_draft base;		/* received + edits of eod */
	char *headerfrom, *headerfromdomain;	/* NULL unless exactly one From address */
	size_t current;			/* index of the recipient whose data run it is */
	struct sl_draft draft;		/* that run's */
	struct sl_chosen *chosen, **chosen_end;
	struct sl_made *made;		/* new messages of scripts; made.h */
	struct sl_verdict strongest;	/* of the recipients so far, if 'judged' */
	bool judged;
	struct sl_auth_scan *scan;	/* results of the scans, made on first use; core/auth/scan.h */
	struct sl_auth_scan *arc;	/* and of the scan of the ARC chain */
	struct sl_auth_scan *helo;	/* and of SPF of the HELO name, which DMARC never sees */
	json_t *context;		/* context.message */
	unsigned actions;		/* actionid */

	sl_outcome_fn *fn;
	void *arg;
	struct sl_outcome outcome;
	struct sl_verdict verdict;	/* of the outcome */
};

struct sl_context {
	struct sl_engine *engine;
	struct sl_generation *generation;
	enum sl_phase phase;
	struct sl_session *session;		/* NULL in pre- and postdelivery, exec */
	struct sl_transaction *transaction;	/* NULL before MAIL */
	struct sl_draft *draft;			/* eod and data, else NULL */
	struct sl_queued *attempt;		/* pre- and postdelivery, else NULL */
	struct sl_arena *arena;			/* for what the decision holds */
	struct sl_decision decision;
	const char *recipient, *recipientdomain;	/* rcptto: the one asked about */
	const struct sl_rcpt *rcpt;		/* rcptto, data: its row */
	unsigned chosen;			/* data: deliveries and quarantines by this run */
	bool chosen_quarantine;			/* one of them was a quarantine */
	struct sl_str saslusername, saslpassword;	/* auth: as offered; in the arena */
	const char *saslmechanism;
	struct sl_run *run;
	struct sl_task task;			/* answers that need no script */
	const char *rule;			/* the engine's rule that decided, or NULL */
	void (*done)(struct sl_context *ctx, struct sl_verdict *verdict);
	void *owner;				/* for done */
	int64_t started_us;
};

struct sl_session {
	struct sl_engine *engine;
	struct sl_generation *generation;	/* counted; of the connection */
	const struct sl_server *server;		/* of that generation's configuration */
	bool changes;			/* another mail server has the message */
	char id[48];
	char *servername;
	char senderip[64], serverip[64];
	uint16_t senderport, serverport;
	struct sl_addr sender_addr;
	bool known;			/* authenticated, or in trusted */
	char *helo;
	bool extended;			/* EHLO */
	char tls_protocol[16], tls_cipher[64];
	int tls_bits;
	char *saslusername, *saslmechanism;	/* saslusername only when authenticated */
	char **domains;			/* of the account, NULL = no list known */
	size_t ndomains;
	json_t *context;		/* plain data, per connection */
	struct sl_transaction *transaction;
	struct sl_context call;		/* the call under way */
	bool busy;
	sl_verdict_fn *fn;		/* its callback */
	void *arg;
	struct sl_op *op;		/* password check under way */
	struct sl_taps *taps;		/* with a tape; NULL = none, as usual */
	struct sl_list link;		/* all sessions of the engine */
};

/* A recipient on its way out: pre- and postdelivery. */
struct sl_queued {
	struct sl_attempt in;		/* copied */
	json_t *facts;			/* of the transaction it came from */
	json_t *metadata;
	json_t *context;		/* plain data of the attempt */
	struct sl_attempt_changes changes;
	char senderdomain[256], recipientdomain[256];
	struct sl_context call;
	sl_attempt_fn *fn;
	void *arg;
	struct sl_list link;
};

/* The context of the calling builtin; never NULL inside a run. */
static inline struct sl_context *
sl_context_of(lua_State *L)
{
	return sl_run_host(L);
}

/* The id that names it in events: message, queued message or session. */
const char *sl_context_id(const struct sl_context *ctx);

const struct sl_config *sl_context_config(const struct sl_context *ctx);

/* What a final action decides, to be filled in: of a decision before nothing is left. */
struct sl_decision *sl_context_decide(struct sl_context *ctx, enum sl_action action);

/* Changes the envelope of this attempt. 0 or SL_ERR_NOMEM. */
int	 sl_queued_set_sender(struct sl_queued *q, const struct sl_address *a);
int	 sl_queued_set_recipient(struct sl_queued *q, const struct sl_address *a);

/*
 * Records a delivery of the draft as it is now, to the envelope in 'draft'. In eod a recipient
 * of the transaction that has that address has the message then; transport NULL is that
 * one's. SL_ERR_REFUSED with the reason when nobody would know where to; SL_ERR_LIMIT.
 */
int	 sl_context_queue(struct sl_context *ctx, struct sl_draft *draft, struct sl_err *err);

/* Records Deliver (quarantine NULL) or Quarantine of the current draft. 0 or SL_ERR_NOMEM. */
int	 sl_context_choose(struct sl_context *ctx, const struct sl_draft *draft,
	    const char *quarantine, bool rejects);

/*
 * The reply of a decision: cuts each line at 450 bytes, turns control bytes
 * into spaces, fills what isn't given from the phase's table. 'verdict' borrows
 * from 'ctx'.
 */
void	 sl_verdict_make(struct sl_verdict *verdict, struct sl_context *ctx);
/* The verdict after a script error or limit; replaces the decision. */
void	 sl_verdict_make_error(struct sl_verdict *verdict, struct sl_context *ctx);

#endif
