/*
 * A policy on the desk: an engine that runs it as the gateway does, in a world
 * of somebody's choice: DNS is zone text, HTTP is routes, the peer and the
 * clock are said. What was asked and nobody answered is told, never guessed.
 * For "sluice test", "sluice trace" and the REPL.
 */
#ifndef SL_CMD_DESK_H
#define SL_CMD_DESK_H

#include <jansson.h>
#include <signal.h>

#include "../base/event.h"
#include "../sluice_host.h"

struct desk;

/*
 * Reads the policy's folder once; NULL as folder = no policy. 'simulate': waiting
 * costs no time. 'level': which events are kept. NULL: *report says why, a line each.
 */
struct desk	*desk_open(const char *folder, bool simulate, enum sl_level level,
		    struct sl_buf *report);
/* From the next desk_begin on names come from the policy's zone text alone, and nobody else is asked:
 * for sessions that bring their world with them (core/tape/tape.h). Keys may be missing. */
void		 desk_shut(struct desk *d);
void		 desk_close(struct desk *d);		/* NULL is fine */
/* A fresh engine with the policy as it was read; answers, events, clock, session are forgotten.
 * Must be called once before all below. */
int		 desk_begin(struct desk *d, struct sl_buf *report);
/* Reads the folder again. The session ends; answers and clock stay. On failure all is as it was. */
int		 desk_reload(struct desk *d, struct sl_buf *report);

/*
 * From the next desk_begin on it is counted how often each line of the policy's
 * scripts runs. An object of objects: path, line, count; borrowed.
 */
int		 desk_cover(struct desk *d);
json_t		*desk_coverage(struct desk *d);

/* When *flag is set, the step that waits ends, and unsets it. */
void		 desk_interrupt(struct desk *d, volatile sig_atomic_t *flag);

/* fn is called when a script stopped in a step of the session (sl_engine_step), and says how
 * it goes on before it returns. */
void		 desk_on_stop(struct desk *d, void (*fn)(void *arg), void *arg);

struct sl_engine *desk_engine(struct desk *d);
struct sl_loop	*desk_loop(struct desk *d);
/* 0 = the system's clock. */
void		 desk_set_time(struct desk *d, int64_t time_us);
/* Lets time pass. */
void		 desk_wait(struct desk *d, int64_t ms);

/* ---- the world --------------------------------------------------------------------------- */

/* More names, as zone.h has them; those of the policy's own zone text are there. */
int		 desk_zone(struct desk *d, struct sl_str text, struct sl_err *err);
/*
 * An answer of HTTP. 'method' NULL = any; in 'url' each * stands for anything. Of
 * several for the same the last route said counts; its answers come one after
 * another, and the last one of them from then on. Each is an object: status (200),
 * headers (object), body, delay (seconds), fail ("timeout" "connect" "tls" "size"
 * "protocol"). Taken.
 */
int		 desk_route(struct desk *d, const char *method, const char *url, json_t *answers);
/* Nobody listens there, "192.0.2.1:25" or "unix:/path": that is an answer, too. */
int		 desk_refuse(struct desk *d, const char *address);
/* Questions that nobody answered go to the network from now on, or no longer. */
int		 desk_live(struct desk *d, bool live, struct sl_err *err);

/*
 * What was asked so far, in order: { dns = "TXT", name = } or { http = "GET", url =,
 * headers =, body = } or { socket = "192.0.2.1:25" }; and of these what nobody answered. Borrowed.
 */
json_t		*desk_questions(struct desk *d);
json_t		*desk_unanswered(struct desk *d);
/* As JSON of the log has them, and 'at': microseconds since desk_begin; borrowed. */
json_t		*desk_events(struct desk *d);
/* Hears of each as it happens; NULL = nobody. */
void		 desk_hear(struct desk *d, void (*fn)(void *arg, const json_t *event), void *arg);
void		 desk_forget(struct desk *d);		/* events and questions so far */
/* "DNS: nobody answered TXT example.org", without newline. */
void		 desk_describe_question(const json_t *question, struct sl_buf *out);

/* ---- the session --------------------------------------------------------------------------- */

struct desk_peer {
	const char *server;		/* NULL = the only one of the policy */
	const char *ip;
	int port;
	const char *serverip;		/* "" = not known */
	int serverport;
};

/*
 * One simulated connection. Each step gives its verdict, the caller's: { phase,
 * action, code, reply, where, id, disconnect, failed }; NULL: *err says why there is none.
 * Opening one ends the one before.
 */
json_t		*desk_connect(struct desk *d, const struct desk_peer *peer, struct sl_err *err);
bool		 desk_connected(const struct desk *d);
/* With the cipher below, for no handshake is made. */
int		 desk_tls(struct desk *d, const char *protocol, struct sl_err *err);
#define DESK_CIPHER		"TLS_AES_256_GCM_SHA384"
#define DESK_CIPHER_BITS	256
json_t		*desk_helo(struct desk *d, const char *name, struct sl_err *err);
json_t		*desk_auth(struct desk *d, const char *mechanism, const char *user,
		    const char *password, struct sl_err *err);
/* Authenticated without the auth flow. */
int		 desk_account(struct desk *d, const char *user, struct sl_err *err);
/* Paths without angle brackets. */
json_t		*desk_mail(struct desk *d, const char *from, struct sl_err *err);
json_t		*desk_rcpt(struct desk *d, const char *to, struct sl_err *err);
/*
 * End of data with these bytes; LF without CR becomes CRLF. The verdict has
 * 'messages' too: what would be queued, a list of { id, sender, quarantine, bytes,
 * recipients = { { recipient, transport, metadata, delay } } }.
 */
json_t		*desk_data(struct desk *d, struct sl_str bytes, struct sl_err *err);
void		 desk_reset(struct desk *d);
void		 desk_disconnect(struct desk *d);

#endif
