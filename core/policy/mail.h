/*
 * A message that scripts read and change. Its bytes stay as they came; what a run makes
 * of it is a draft beside it. The transaction has one, which is judged; objects made of a
 * text (parts.h) have one each.
 */
#ifndef SL_POLICY_MAIL_H
#define SL_POLICY_MAIL_H

#include "../auth/dkim.h"
#include "../mail/message.h"

struct sl_draft;
struct sl_mime;
struct sl_snapshot;

struct sl_mail {
	struct sl_message *message;	/* counted; NULL before it is there */
	struct sl_head *received;	/* the header that edits begin with */
	struct sl_mime *mime;		/* its parts, found on first use */
	struct sl_arena *arena;		/* for edits; borrowed */
	struct sl_dkim_bodies bodies;	/* body hashes, shared by signatures */
	struct sl_snapshot *snapshots;	/* of the run under way; snapshot.h */
	unsigned nsnapshots;		/* taken so far */
	struct sl_counted_key *keys;	/* references that sign requests hold */
};

/* Gives back all but the arena. What drafts have of it ends before. */
void	 sl_mail_clear(struct sl_mail *mail);

/* Takes the reference: it lives as long as the mail. SL_ERR_NOMEM: not taken. */
int	 sl_mail_hold_key(struct sl_mail *mail, struct sl_key *key);

/* Its parts; 'looked': how many bytes it took to find them now. NULL = out of memory. */
const struct sl_mime *sl_mail_parts(struct sl_mail *mail, size_t *looked);

/* Bytes of memory that the mail and that draft hold, at most; message and arena apart. */
size_t	 sl_mail_memory(const struct sl_mail *mail, const struct sl_draft *draft);

#endif
