/*
 * sluice.h - the public API of the sluice policy engine.
 *
 * An engine holds one loaded policy and runs its scripts for the sessions
 * that a host feeds to it. The host says what happens on a connection (peer,
 * HELO, TLS, account, envelope, message), gets a verdict for each step, and at
 * the end what is to be done with the message; doing it is the host's part.
 *
 *	engine = sl_engine_new(&options, &err);
 *	sl_engine_load(engine, "/etc/sluice", on_line, NULL);
 *	sl_session_open(engine, &info, &session, &err);
 *	sl_session_connect(session, on_verdict, me);
 *	... sl_session_helo, _mail, _rcpt, _data, _data_end ...
 *	sl_session_close(session);
 *	sl_engine_free(engine);
 *
 * Threads: an engine belongs to the thread that uses it, with all its sessions;
 * engines share nothing, so a program may have one per thread. Nothing here
 * exits, prints, installs signal handlers, raises SIGPIPE or changes the
 * locale. A thread is started for one thing only: checking a password against
 * the policy's users file or by password_verify().
 *
 * Results: 0 or a negative SL_ERR_*; out of memory is SL_ERR_NOMEM like any
 * other. A struct sl_err gets the words, and may be NULL. Strings given to a
 * call are copied unless it says otherwise; NULL is allowed where it says so.
 *
 * Waiting: calls that take a function and a pointer begin something. The
 * function is called exactly once, while the engine is turned, never inside the
 * call that took it, unless that returned an error: then never. After
 * sl_session_close none of the session's is called any more. A session does one
 * thing at a time; SL_ERR_INVAL says that another is under way. From inside the
 * function the next call on the session may be made.
 *
 * Turning the engine, in one of these ways:
 *	sl_session_wait(session)	waits until the call under way is over
 *	sl_engine_fd, sl_engine_dispatch	one descriptor for poll, epoll or any
 *			loop: readable = call dispatch
 *	options.watch, .timer	the host's loop watches each descriptor itself
 *	sl_engine_wait(engine, ms)	a host that has nothing else to wait for
 *
 * Later versions: a program built with this header runs with every later library of
 * the same soname. Structs that it gives may get more members at their end, 0 in such a
 * program: so calls that take one are inline, and tell the library its size by a
 * sl_..._sized of the same arguments (what other languages call). A library that is
 * older than the program takes the members it doesn't know if they are 0, else
 * the call is SL_ERR_INVAL. Initialize them by name or with { 0 }. Structs that
 * the library gives grow at their end too, those in arrays within 'reserved';
 * enums may get more values.
 */
#ifndef SLUICE_H
#define SLUICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/types.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sl_engine;
struct sl_session;
struct sl_dns_query;	/* a question that the host answers */
struct sl_http_op;	/* a request that the host answers */
struct sl_fetch;
struct sl_engine_parts;	/* sluice_host.h: of programs that are part of sluice */

#define SL_VERSION "0.1.0"
const char *sl_version(void);	/* of the library that runs */

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

#define SL_WATCH_READ	1u
#define SL_WATCH_WRITE	2u

struct sl_engine_options {
	/*
	 * false: permission to relay, from_check and sender_login are the host's
	 * business, as in a library. true: decided here, by the configuration.
	 */
	bool gateway;
	const char *stdlib;		/* folder of the library's Lua part; NULL = the installed one */
	const struct sl_engine_parts *parts;	/* NULL */
	/*
	 * What the engine calls, each with 'arg', or NULL. They are called while the
	 * engine is turned or one of its calls is made, and mustn't call back into it
	 * unless it says so.
	 */
	void *arg;
	/* What happened, for a log: script errors, verdicts, signatures, echo(). 'json' is the
	 * whole event as one line without its newline; borrowed. Those of 'level' and above. */
	void (*event)(void *arg, enum sl_level level, const char *name, struct sl_str json);
	enum sl_level level;
	/*
	 * For a loop that watches each descriptor and one timer itself, and calls
	 * sl_engine_dispatch when any of them is ready. watch: SL_WATCH_* of a descriptor,
	 * level-triggered, 0 = no more, it may be closed. timer: in so many ms, once; it
	 * replaces the one before; -1 = none. Both or none; instead of sl_engine_fd.
	 */
	void (*watch)(void *arg, int fd, unsigned events);
	void (*timer)(void *arg, int64_t ms);
	/*
	 * Questions to DNS and HTTP requests, instead of the network and what dns = {}
	 * of the policy says; zone text still comes first. Answered by sl_dns_give_packet
	 * or sl_http_give, inside the function or later, once. cancel (may be NULL):
	 * nobody waits any more, and the question is gone when it returns.
	 */
	void (*dns)(void *arg, struct sl_dns_query *query, const char *name, int type);
	void (*dns_cancel)(void *arg, struct sl_dns_query *query);
	void (*http)(void *arg, struct sl_http_op *request, const struct sl_fetch *fetch);
	void (*http_cancel)(void *arg, struct sl_http_op *request);
	/* The time of day that scripts and signatures see, microseconds since 1970. NULL = the system's. */
	int64_t (*clock)(void *arg);
};

/* An HTTP request as the host gets it: borrowed during the call. */
struct sl_fetch {
	const char *method, *url;
	const char *const *headers;	/* "Name: value", NULL-terminated */
	struct sl_str body;
	int64_t timeout_ms;		/* it is given up after that */
};
/* The answer: the whole DNS packet as it came, or empty when there is none to be had (a
 * temporary failure). 'secure': DNSSEC was validated on the way. */
void	 sl_dns_give_packet(struct sl_dns_query *query, struct sl_str packet, bool secure);
/* 'headers' are lines that end in CRLF; both are copied. */
void	 sl_http_give(struct sl_http_op *request, long status, struct sl_str headers, struct sl_str body);
/* 'stage' is a literal: "connect", "tls", "timeout", "refused", "size" or "protocol". */
void	 sl_http_give_failure(struct sl_http_op *request, const char *stage, const char *text);

/* options may be NULL. */
struct sl_engine *sl_engine_new_sized(const struct sl_engine_options *options, size_t size,
	    struct sl_err *err);
static inline struct sl_engine *
sl_engine_new(const struct sl_engine_options *options, struct sl_err *err)
{
	return sl_engine_new_sized(options, sizeof(*options), err);
}
/* NULL is fine. Sessions that are still open end without their disconnect flow. Not from
 * inside a callback. */
void	 sl_engine_free(struct sl_engine *engine);

/*
 * Loads the policy in 'folder' and runs it from now on. Every error in it is
 * told to 'line' (may be NULL), one "file:line:column: text" each, borrowed; a
 * policy loaded before then goes on. Sessions and transactions keep the policy
 * they began with. Reads files and blocks for it.
 */
typedef void sl_line_fn(void *arg, struct sl_str line);
int	 sl_engine_load(struct sl_engine *engine, const char *folder, sl_line_fn *line, void *arg);
/* The running policy: hex SHA-256 of its content, "" = none yet. */
const char *sl_engine_generation(const struct sl_engine *engine);

int	 sl_engine_fd(const struct sl_engine *engine);	/* readable = call dispatch; the engine's */
int	 sl_engine_dispatch(struct sl_engine *engine);	/* what can be done now; doesn't wait */
/* Waits up to timeout_ms (-1 = for ever) for something to do, and does it. */
int	 sl_engine_wait(struct sl_engine *engine, int timeout_ms);

/* Whether some flow of the running policy may look at the body of a message; if none does, a
 * host that gets messages in pieces needn't ask for it. The header is always needed: results
 * of authentication that others wrote in our name are removed from it, scripts or not. */
bool	 sl_engine_needs_body(const struct sl_engine *engine);

/* ---- builtins of the host -------------------------------------------- */

/*
 * A function that scripts call by its name like any other builtin, and can
 * override like any other. 'fn' reads arguments, gives results, in order, and
 * returns. If 'waits' is set it may call sl_call_later instead: the script waits
 * then, other sessions go on, and the answer is given later from outside, ending
 * with sl_call_done. 'cancel': nobody waits any more; the call is gone when it returns.
 */
struct sl_call;
#define SL_AT(phase)	(1u << (phase))
struct sl_host_builtin {
	const char *name;		/* copied, as all that is here */
	unsigned phases;		/* where it may be called: SL_AT(SL_RCPTTO) | ...; 0 = everywhere */
	bool waits;
	void (*fn)(void *arg, struct sl_call *call);
	void (*cancel)(void *arg, struct sl_call *call);	/* may be NULL if it doesn't wait */
	void *arg;
	const char *doc;		/* for people who write scripts; may be NULL */
};
/* Before the policy is loaded. SL_ERR_EXISTS: there is one of that name. */
int	 sl_engine_add_builtin_sized(struct sl_engine *engine, const struct sl_host_builtin *builtin,
	    size_t size, struct sl_err *err);
static inline int
sl_engine_add_builtin(struct sl_engine *engine, const struct sl_host_builtin *builtin,
    struct sl_err *err)
{
	return sl_engine_add_builtin_sized(engine, builtin, sizeof(*builtin), err);
}
/* Names every builtin there is, with its phases; doc only for those of the host. */
typedef void sl_builtin_fn(void *arg, const char *name, unsigned phases, const char *doc);
void	 sl_engine_builtins(const struct sl_engine *engine, sl_builtin_fn *fn, void *arg);

/* Arguments, counted from 1, inside 'fn' only: false if the script gave none or another type. */
bool	 sl_call_string(struct sl_call *call, int i, struct sl_str *out);	/* borrowed during 'fn' */
bool	 sl_call_number(struct sl_call *call, int i, double *out);
bool	 sl_call_bool(struct sl_call *call, int i, bool *out);
/* Any value but functions, as JSON: lists and maps, for instance. Borrowed until the next one. */
bool	 sl_call_json(struct sl_call *call, int i, struct sl_str *out);
/* The message or session that the script runs for. */
const char *sl_call_id(const struct sl_call *call);

/* Results: each adds one, 16 at most. Copied. */
void	 sl_call_give_none(struct sl_call *call);
void	 sl_call_give_string(struct sl_call *call, struct sl_str value);
void	 sl_call_give_number(struct sl_call *call, double value);
void	 sl_call_give_bool(struct sl_call *call, bool value);
void	 sl_call_give_json(struct sl_call *call, struct sl_str json);	/* what isn't JSON fails the call */
/* The world's failure, instead of results: the script gets nil, text, code. */
void	 sl_call_fail(struct sl_call *call, const char *code, const char *text);
/* The script's mistake, instead of results: an error at the line that called. */
void	 sl_call_refuse(struct sl_call *call, const char *text);

void	 sl_call_later(struct sl_call *call);	/* only if it 'waits' */
void	 sl_call_done(struct sl_call *call);	/* after sl_call_later; the call is gone */

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

int	 sl_session_open_sized(struct sl_engine *engine, const struct sl_session_info *info,
	    size_t size, struct sl_session **out, struct sl_err *err);
static inline int
sl_session_open(struct sl_engine *engine, const struct sl_session_info *info,
    struct sl_session **out, struct sl_err *err)
{
	return sl_session_open_sized(engine, info, sizeof(*info), out, err);
}
/* Cancels what is under way, runs the disconnect flow, frees. NULL is fine. */
void	 sl_session_close(struct sl_session *session);
const char *sl_session_id(const struct sl_session *session);
/* Milliseconds since the policy of this session was replaced; -1 = it runs. */
int64_t	 sl_session_outdated(const struct sl_session *session);
/*
 * Turns the engine until the session's call under way has been answered; other
 * sessions move on meanwhile. 0 (also if there is none), or SL_ERR_* if the
 * engine can't wait. Not from inside a callback.
 */
int	 sl_session_wait(struct sl_session *session);

int	 sl_session_connect(struct sl_session *session, sl_verdict_fn *fn, void *arg);
int	 sl_session_helo(struct sl_session *session, const char *name, bool extended,
	    sl_verdict_fn *fn, void *arg);
/* Facts of a connection whose TLS is the host's matter; forgets nothing. Protocol "" = none. */
void	 sl_session_encrypted(struct sl_session *session, const char *protocol, const char *cipher,
	    int bits);
/* As after STARTTLS: the same facts; forgets helo, auth and transaction (RFC 3207 4.2). */
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
 * parsed by the host, NULL = none.
 */
struct sl_mail_params {
	uint64_t size;		/* SIZE=, 0 = not given */
	bool smtputf8, body8bit;
	const char *server;	/* whose flows run for this message; NULL = the session's */
};
int	 sl_session_mail_sized(struct sl_session *session, struct sl_str path,
	    const struct sl_mail_params *params, size_t size, sl_verdict_fn *fn, void *arg);
static inline int
sl_session_mail(struct sl_session *session, struct sl_str path,
    const struct sl_mail_params *params, sl_verdict_fn *fn, void *arg)
{
	return sl_session_mail_sized(session, path, params, sizeof(*params), fn, arg);
}
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
	const void *reserved[4];
};
struct sl_out_message {
	const char *id;			/* message id, "-n" for the n-th copy */
	const char *sender;
	const char *quarantine;		/* NULL, or the quarantine's name: held until released */
	const struct sl_str *pieces;	/* the bytes: edited header, empty line, body */
	size_t npieces;
	size_t ntop;			/* pieces that stand above a Received of the host's */
	bool made;			/* a new message that a script wrote: it wasn't received */
	uint64_t size;
	const struct sl_out_recipient *recipients;
	size_t n;
	const void *reserved[4];
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
	const void *reserved[2];
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
	const struct sl_str *body;	/* the whole new body; NULL = as it was */
	bool discard;		/* nobody gets it and nothing is kept; the sender hears success */
};
struct sl_outcome {
	const struct sl_verdict *verdict;	/* the one reply */
	const char *facts;		/* JSON for the queue: senderip senderhelo saslusername serverid ... */
	/* What is to be stored or passed on before a 2xx is sent. With 4xx and 5xx: copies for a quarantine, and
	 * new messages of scripts that are sent in any case. */
	const struct sl_out_message *messages;
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
 * The message, in chunks as they come: appended, copied. Lines end in CRLF, dots
 * aren't doubled. The policy's 'size' is the cap: SL_ERR_LIMIT beyond, and the
 * transaction is to be reset. Not while a call is under way.
 */
int	 sl_session_data(struct sl_session *session, struct sl_str chunk);
/*
 * End of data: the eod flow, the data flow per recipient, signatures. The
 * outcome is borrowed until sl_session_reset, which the host calls when it has
 * done what it says. SL_ERR_INVAL without a recipient; SL_ERR_SYNTAX, _LIMIT for a
 * message that can't be taken (over 1000 header fields, say, or one that ends in the
 * middle of a header line).
 */
int	 sl_session_data_end(struct sl_session *session, sl_outcome_fn *fn, void *arg);
/* The same with a file from its start to its end instead of chunks. It is mapped, so
 * it mustn't change before the reset; the descriptor stays the caller's. */
int	 sl_session_data_file(struct sl_session *session, int fd, sl_outcome_fn *fn, void *arg);

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
	const char *context;		/* what predelivery of the attempt left, or NULL */
	/* the connection to the hop; NULL or "" = none, or not known: */
	const char *remoteip, *localip, *helo;
	const char *tls_protocol, *tls_cipher;
	int tls_bits;
};

/* How predelivery changed this attempt; NULL / -1 = unchanged. */
struct sl_attempt_changes {
	const char *host;
	int port;
	const char *sender, *recipient, *helo, *sourceip, *metadata;
	const char *sasl_username, *sasl_password, *tls;
	bool lmtp, smtp;
	const char *context;		/* JSON object for postdelivery of this attempt, or NULL */
};
typedef void sl_attempt_fn(void *arg, const struct sl_verdict *verdict,
	    const struct sl_attempt_changes *changes);

int	 sl_engine_predelivery_sized(struct sl_engine *engine, const struct sl_attempt *attempt,
	    size_t size, sl_attempt_fn *fn, void *arg);
int	 sl_engine_postdelivery_sized(struct sl_engine *engine, const struct sl_attempt *attempt,
	    size_t size, sl_attempt_fn *fn, void *arg);
static inline int
sl_engine_predelivery(struct sl_engine *engine, const struct sl_attempt *attempt,
    sl_attempt_fn *fn, void *arg)
{
	return sl_engine_predelivery_sized(engine, attempt, sizeof(*attempt), fn, arg);
}
static inline int
sl_engine_postdelivery(struct sl_engine *engine, const struct sl_attempt *attempt,
    sl_attempt_fn *fn, void *arg)
{
	return sl_engine_postdelivery_sized(engine, attempt, sizeof(*attempt), fn, arg);
}

#ifdef __cplusplus
}
#endif

#endif
