/*
 * sluice.h - the public API of the sluice policy engine.
 *
 * An engine holds one loaded policy and runs its scripts for the sessions
 * that a host feeds to it: the gateway, the milter, a program that embeds
 * libsluice, the REPL and the tests use these calls and nothing else.
 *
 *   engine = sl_engine_new(&options, &err);
 *   sl_engine_load(engine, image, ...);
 *   session = sl_session_open(engine, &info, &err);
 *   sl_session_connect(session, on_verdict, me);
 *   ... sl_session_helo, _mail, _rcpt, _message ...
 *   sl_session_close(session);
 *
 * One engine belongs to one thread. Nothing here exits, prints, installs
 * signal handlers or starts threads (unless asked in the options). Calls
 * return 0 or a negative SL_ERR_* (base/err.h) and fill struct sl_err.
 *
 * Asynchronous calls take a function and a pointer. The function is called
 * exactly once, from sl_engine_dispatch, never inside the call that took it;
 * after sl_session_close none of the session's is called any more. One call
 * per session may be under way.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct sl_engine;
struct sl_session;
struct sl_loop;		/* core/net/loop.h, for hosts that are part of sluice */
struct sl_dns;
struct sl_http;
struct sl_events;
struct sl_state;
struct sl_message;
struct sl_config;	/* the effective configuration, core/policy/config.h */

#define SL_VERSION "0.1.0"

enum sl_phase {
	SL_CONNECT, SL_HELO, SL_AUTH, SL_MAILFROM, SL_RCPTTO, SL_EOD, SL_DATA,
	SL_PREDELIVERY, SL_POSTDELIVERY, SL_DISCONNECT, SL_PHASES
};
const char *sl_phase_name(enum sl_phase phase);		/* "connect" ... */

enum sl_action {
	SL_ACCEPT, SL_REJECT, SL_DEFER,			/* connect .. rcptto, eod, data */
	SL_DELIVER, SL_DELETE, SL_QUARANTINE,		/* eod, data, postdelivery */
	SL_TRY, SL_RESCHEDULE,				/* predelivery */
	SL_RETRY, SL_GENERATE_DSN,			/* postdelivery */
	SL_NO_ACTION,					/* disconnect; postdelivery: the default of the result */
};
const char *sl_action_name(enum sl_action action);	/* "Accept" ... */

/* What a phase decided. Borrowed during the callback. */
struct sl_verdict {
	enum sl_phase phase;
	enum sl_action action;
	int code;			/* SMTP reply, 250 550 451 ...; 0 where there is no reply */
	char enhanced[12];		/* "5.7.1", "" = none */
	const char *const *lines;	/* reply text, at most 450 bytes each, no control bytes */
	size_t nlines;
	bool disconnect;		/* close after the reply */
	bool failed;			/* error or limit of the script, not its decision */
	const char *where;		/* "data.lua:12" that decided, or "default" */
	const char *id;			/* message id, or session id before MAIL */
	double delay;			/* Reschedule, Retry: seconds; -1 = the schedule's */
	bool counted;			/* Reschedule: counts as a retry */
	const char *recipient, *transport;	/* postdelivery Deliver; else NULL */
};
typedef void sl_verdict_fn(void *arg, const struct sl_verdict *verdict);

/* ---- engine ---------------------------------------------------------- */

struct sl_engine_options {
	struct sl_loop *loop;		/* NULL = an own one */
	struct sl_dns *dns;		/* NULL = by the policy's dns = {} */
	struct sl_http *http;		/* NULL = an own one */
	struct sl_state *state;		/* rates, memory_*; NULL = in this process */
	struct sl_events *events;	/* NULL = none */
	bool gateway;			/* permission to relay is decided here (design: gateway only) */
	const char *stdlib;		/* folder of stdlib/; NULL = the installed one */
};

struct sl_engine *sl_engine_new(const struct sl_engine_options *options, struct sl_err *err);
void	 sl_engine_free(struct sl_engine *engine);	/* sessions must be closed */
int	 sl_engine_fd(const struct sl_engine *engine);	/* readable = call dispatch */
int	 sl_engine_dispatch(struct sl_engine *engine);	/* doesn't wait */
int	 sl_engine_wait(struct sl_engine *engine, int timeout_ms);	/* waits, then dispatches */

/*
 * Loading a policy makes a generation. prepare reads and compiles everything
 * and reports all errors (one per line in *report, "file:line:column: text");
 * the running generation serves on. commit switches: sessions and
 * transactions under way stay with theirs.
 */
struct sl_generation;
int	 sl_engine_prepare(struct sl_engine *engine, int image_fd, struct sl_generation **out,
	    struct sl_buf *report);
int	 sl_engine_prepare_folder(struct sl_engine *engine, const char *folder,
	    struct sl_generation **out, struct sl_buf *report);
void	 sl_engine_commit(struct sl_engine *engine, struct sl_generation *generation);	/* taken */
void	 sl_generation_free(struct sl_generation *generation);	/* one that isn't committed */
const char *sl_engine_generation(const struct sl_engine *engine);	/* hex SHA-256, or "" */
const struct sl_config *sl_engine_config(const struct sl_engine *engine);	/* of the running one; NULL if none */
const struct sl_config *sl_generation_config(const struct sl_generation *generation);
const char *sl_generation_name(const struct sl_generation *generation);	/* hex SHA-256 */

struct sl_dns *sl_engine_resolver(struct sl_engine *engine);	/* the one it uses; NULL if none */

/* Where the engine counts (core/policy/counters.h); the host's memory. */
struct sl_counters;
void	 sl_engine_count(struct sl_engine *engine, struct sl_counters *counters);
unsigned sl_engine_runs(const struct sl_engine *engine);	/* alive now */
/* Ends the run that executes now, when it comes back to script code. For signal handlers. */
void	 sl_engine_interrupt(struct sl_engine *engine);

/*
 * Runs one script outside SMTP ("sluice exec"), or a line of the REPL; files
 * and data of the running policy are there. Its results, described and joined
 * by ", ", are in 'text' of the callback, NULL if there are none; of an error the
 * source line, the place on it, the functions that led there. SL_ERR_SYNTAX if
 * it doesn't compile.
 */
typedef void sl_exec_fn(void *arg, const struct sl_err *err, const char *text);
int	 sl_engine_exec(struct sl_engine *engine, const char *name, struct sl_str source,
	    sl_exec_fn *fn, void *arg, struct sl_err *err);
/* From now on what one exec assigns or redefines, the next one sees, as the
 * lines of a REPL: one begins when the one before has ended. */
int	 sl_engine_exec_keep(struct sl_engine *engine);
/* Ends what exec runs, also while it waits: the callbacks get SL_ERR_CANCELED, here. */
void	 sl_engine_exec_stop(struct sl_engine *engine);
/* Where echo of exec and REPL goes; NULL = events only. */
void	 sl_engine_on_echo(struct sl_engine *engine, void (*fn)(void *arg, struct sl_str line), void *arg);

/* ---- sessions -------------------------------------------------------- */

struct sl_session_info {
	const char *server;		/* of sluice.lua: whose flows run */
	const char *senderip;
	uint16_t senderport;
	const char *serverip;		/* "" = not known */
	uint16_t serverport;
	/*
	 * Another mail server has the message: it relays, queues and delivers. Then
	 * permission to relay, from_check and sender_login are its business, and the
	 * outcome is what it is to change (struct sl_changes) instead of copies to store.
	 */
	bool changes;
};

int	 sl_session_open(struct sl_engine *engine, const struct sl_session_info *info,
	    struct sl_session **out, struct sl_err *err);
/* Cancels what is under way, runs the disconnect flow, frees. NULL is fine. */
void	 sl_session_close(struct sl_session *session);
const char *sl_session_id(const struct sl_session *session);
/* Milliseconds since the generation of this session was replaced; -1 = it runs. */
int64_t	 sl_session_outdated(const struct sl_session *session);

int	 sl_session_connect(struct sl_session *session, sl_verdict_fn *fn, void *arg);
int	 sl_session_helo(struct sl_session *session, const char *name, bool extended,
	    sl_verdict_fn *fn, void *arg);
/* Facts after STARTTLS; forgets helo, auth and transaction (RFC 3207 4.2). */
void	 sl_session_tls(struct sl_session *session, const char *protocol, const char *cipher, int bits);
int	 sl_session_auth(struct sl_session *session, const char *mechanism, struct sl_str username,
	    struct sl_str password, sl_verdict_fn *fn, void *arg);
bool	 sl_session_authenticated(const struct sl_session *session);
/* The client has authenticated to the host, which vouches for it: no flow runs.
 * An empty username: it hasn't, or no longer. Between transactions. */
int	 sl_session_account(struct sl_session *session, const char *mechanism, struct sl_str username);
/* Whether its address is in 'trusted' of sluice.lua, or of this machine. */
bool	 sl_session_trusted(const struct sl_session *session);
/* Whether the running policy has a server of that name. */
bool	 sl_session_has_server(const struct sl_session *session, const char *name);

/*
 * MAIL begins a transaction: in the session's generation, or in the newest one
 * where the outcome is changes, for such connections may last for days.
 * 'path' is what stood in the angle brackets, with them; parameters were
 * parsed by the host.
 */
struct sl_mail_params {
	uint64_t size;		/* SIZE=, 0 = not given */
	bool smtputf8, body8bit;
	const char *server;	/* whose flows run for this message; NULL = the session's */
};
int	 sl_session_mail(struct sl_session *session, struct sl_str path,
	    const struct sl_mail_params *params, sl_verdict_fn *fn, void *arg);
/* Accept adds the recipient. A bad path is a verdict (501), not an error. */
int	 sl_session_rcpt(struct sl_session *session, struct sl_str path, sl_verdict_fn *fn, void *arg);
size_t	 sl_session_recipients(const struct sl_session *session);
/* What the host calls the message of the transaction: the fact queueid. Copied. */
int	 sl_session_queueid(struct sl_session *session, const char *queueid);
/* RSET, a failed or finished message: forgets the transaction. The one function that does. */
void	 sl_session_reset(struct sl_session *session);

/* One copy of the message to keep: bytes and who gets it. */
struct sl_out_recipient {
	const char *recipient;
	const char *transport;
	const char *metadata;		/* JSON object or NULL */
	double delay;			/* seconds before the first attempt */
};
struct sl_out_message {
	const char *id;			/* message id, "-n" for the n-th copy */
	const char *sender;
	const char *quarantine;		/* NULL, or the quarantine's name: held until released */
	const struct sl_str *pieces;	/* the bytes: edited header, empty line, body */
	size_t npieces;
	uint64_t size;
	const struct sl_out_recipient *recipients;
	size_t n;
};

/*
 * The other form of an outcome, for sessions opened with 'changes': what turns
 * the message as the host gave it into the one that scripts decided on. All
 * recipients get the same message then; where scripts want different ones, or
 * what no list of changes can say (another transport, a later delivery), the
 * verdict is 451 4.3.0 and the event changes_failed says what and why.
 *
 * Fields are applied in the order given. Insertions come first, from the top
 * down; then changes and deletions from the bottom up, so that none of them
 * moves what a later one means, whether or not the host counts fields that
 * are deleted.
 */
enum sl_edit { SL_EDIT_INSERT, SL_EDIT_CHANGE, SL_EDIT_DELETE };

struct sl_field_change {
	enum sl_edit edit;
	struct sl_str name;
	struct sl_str value;	/* all behind the colon: its first blank, folds as CRLF; no last CRLF */
	/* insert: its place among all fields, 0 = on top; else: which one of that name, from 1 */
	size_t index;
	bool last;		/* insert: behind every field that was received */
};
struct sl_changes {
	const struct sl_field_change *fields;
	size_t nfields;
	const char *sender;	/* NULL = as it was; "" = the null reverse-path */
	const size_t *removed;	/* recipients, by their number among the accepted ones, from 0 */
	size_t nremoved;
	const char *const *added;	/* recipients */
	size_t nadded;
	const char *quarantine;	/* NULL, or the quarantine's name: keep it, deliver nothing */
	bool discard;		/* nobody gets it and nothing is kept; the sender hears success */
};
struct sl_outcome {
	struct sl_verdict verdict;	/* the one reply */
	const char *facts;		/* JSON for the queue: senderip senderhelo saslusername serverid ... */
	const struct sl_out_message *messages;	/* what must be stored before a 2xx is sent */
	size_t n;
	/*
	 * Instead of messages: what to change when the verdict is 2xx, else NULL. The
	 * exception is a Quarantine that rejects, which has changes too: the host
	 * keeps the message and answers 5xx; if it can't do both, it keeps it.
	 */
	const struct sl_changes *changes;
};
typedef void sl_outcome_fn(void *arg, const struct sl_outcome *outcome);

/*
 * End of data: the eod flow, the data flow per recipient, commit (signatures).
 * 'message' is referenced. The outcome is borrowed until sl_session_reset,
 * which the host calls when it has stored and answered.
 */
int	 sl_session_message(struct sl_session *session, struct sl_message *message,
	    sl_outcome_fn *fn, void *arg);

/* ---- delivery -------------------------------------------------------- */

/* A queued recipient, as stored; strings borrowed until the callback. */
struct sl_attempt {
	const char *id, *sender, *recipient, *transport;
	const char *metadata;		/* JSON object or NULL */
	const char *facts;		/* as in sl_outcome */
	int64_t received_us;
	uint64_t size;
	unsigned retry;			/* attempts before this one */
	unsigned retries;		/* attempts in the schedule */
	/* postdelivery: */
	int code;			/* SMTP reply of the hop, 0 = none (network) */
	const char *enhanced, *text, *host;
	double transfertime;
	enum sl_action dflt;		/* what happens without a decision: Delete after success, Retry, GenerateDSN */
};

/* How predelivery changed this attempt; NULL / -1 = unchanged. */
struct sl_attempt_changes {
	const char *host;
	int port;
	const char *sender, *recipient, *helo, *sourceip, *metadata;
	const char *sasl_username, *sasl_password, *tls;
	bool lmtp, smtp;
};
typedef void sl_attempt_fn(void *arg, const struct sl_verdict *verdict,
	    const struct sl_attempt_changes *changes);

int	 sl_engine_predelivery(struct sl_engine *engine, const struct sl_attempt *attempt,
	    sl_attempt_fn *fn, void *arg);
int	 sl_engine_postdelivery(struct sl_engine *engine, const struct sl_attempt *attempt,
	    sl_attempt_fn *fn, void *arg);

#endif
