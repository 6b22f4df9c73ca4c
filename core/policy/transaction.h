/* One message on its way in: MAIL, RCPT, the eod and data flows, commit. */
#ifndef SL_POLICY_TRANSACTION_H
#define SL_POLICY_TRANSACTION_H

#include "context.h"

/* NULL = out of memory. 'generation', which has 'server', is referenced. */
struct sl_transaction *sl_transaction_new(struct sl_session *session,
	    struct sl_generation *generation, const struct sl_server *server);
/* Everything of it; NULL is fine. Calls under way were cancelled before. */
void	 sl_transaction_free(struct sl_transaction *t);

/* Session's side of a call: SL_ERR_INVAL when one is under way. */
int	 sl_call_begin(struct sl_session *s, enum sl_phase phase, sl_verdict_fn *fn, void *arg);
/* Drops the call under way; nobody is told. */
void	 sl_call_end(struct sl_session *s);
/* The host hears the verdict; the call is over before. */
void	 sl_call_answer(struct sl_context *ctx, struct sl_verdict *verdict);
const struct sl_server *sl_call_server(const struct sl_context *ctx);

/*
 * Commit: turns what was chosen into messages to store. Deliveries with equal
 * edits, sender and signatures become one message, signed once. SL_ERR_* when
 * a signature can't be made: then nothing may be stored.
 */
int	 sl_commit(struct sl_transaction *t, struct sl_err *err);

/* Whether relaying, From and sender are for us to judge, not for another mail server. */
bool	 sl_session_is_gateway(const struct sl_session *s);
/* Whether the account of the session may use 'domain' (sender_login). */
bool	 sl_session_owns(const struct sl_session *s, const char *domain);

#endif
