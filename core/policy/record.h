/*
 * A session on a tape: its inputs, and what was answered to them, as parts of values
 * (core/tape/tape.h). Who wants the tapes of an engine's sessions is a watcher
 * (sluice_host.h). All of these do nothing for a session without a tape.
 *
 *	> open      parts server senderip senderport serverip serverport changes
 *	> connect
 *	> helo      key the name; extended
 *	> tls       protocol cipher bits; encrypted: the same
 *	> auth      mechanism username; the password is nowhere
 *	> account   mechanism username
 *	> mail      key the path; size smtputf8 body8bit server generation
 *	> rcpt      key the path
 *	> queueid   key
 *	> message   the bytes
 *	> reset, close
 *	< verdict   phase action code enhanced text disconnect failed where
 *	< outcome   the same, and facts
 *	< message   key the id; sender quarantine made recipient... bytes, and 'received' where
 *	            the body is the received one, which isn't repeated
 *	< changes   what a mail server is to change
 */
#ifndef SL_POLICY_RECORD_H
#define SL_POLICY_RECORD_H

#include "context.h"

/* Bytes of all tapes of an engine that somebody holds; with more the one that grows is full. */
#define SL_RECORD_MAX	(256u * 1024 * 1024)

/* A tape for the new session, if somebody wants it. 0 or SL_ERR_NOMEM. */
int	 sl_record_open(struct sl_session *s, const struct sl_session_info *info);
/* The session has ended and holds nothing any more: who wanted the tape gets it. */
void	 sl_record_end(struct sl_engine *engine, struct sl_taps *taps);

void	 sl_record_input(struct sl_session *s, const char *kind, struct sl_str key);
void	 sl_record_helo(struct sl_session *s, const char *name, bool extended);
void	 sl_record_tls(struct sl_session *s, const char *kind, const char *protocol,
	    const char *cipher, int bits);
void	 sl_record_account(struct sl_session *s, const char *kind, const char *mechanism,
	    struct sl_str username, struct sl_str password);
void	 sl_record_mail(struct sl_session *s, struct sl_str path, const struct sl_mail_params *params,
	    const struct sl_generation *generation);
void	 sl_record_message(struct sl_session *s, const struct sl_message *message);

void	 sl_record_verdict(struct sl_session *s, const struct sl_verdict *verdict);
void	 sl_record_outcome(struct sl_session *s, const struct sl_transaction *t);

#endif
