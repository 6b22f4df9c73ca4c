/* Messages that scripts work on. See mail.h. */
#include "mail.h"

#include "../mail/mime.h"
#include "context.h"
#include "snapshot.h"

/* A key that stays alive as long as the mail. */
struct sl_counted_key {
	struct sl_counted_key *next;
	struct sl_key *key;
};

void
sl_mail_clear(struct sl_mail *mail)
{
	for (; mail->keys != NULL; mail->keys = mail->keys->next)
		sl_key_unref(mail->keys->key);
	sl_snapshots_drop(mail);
	sl_head_free(mail->received);
	sl_mime_free(mail->mime);
	sl_message_unref(mail->message);
	*mail = (struct sl_mail){ .arena = mail->arena };
}

int
sl_mail_hold_key(struct sl_mail *mail, struct sl_key *key)
{
	struct sl_counted_key *k = sl_arena_alloc(mail->arena, sizeof(*k));

	if (k == NULL)
		return SL_ERR_NOMEM;
	*k = (struct sl_counted_key){ mail->keys, key };
	mail->keys = k;
	return 0;
}

const struct sl_mime *
sl_mail_parts(struct sl_mail *mail, size_t *looked)
{
	*looked = 0;
	if (mail->mime == NULL && sl_mime_new(&mail->mime, mail->message) == 0)
		*looked = mail->message->bytes.n;
	return mail->mime;
}

size_t
sl_mail_memory(const struct sl_mail *mail, const struct sl_draft *draft)
{
	size_t fields = mail->message->nfields + sl_head_capacity(draft->head);

	return fields * sizeof(struct sl_field) + sl_snapshots_memory(mail) +
	    (mail->mime != NULL ? mail->mime->n * sizeof(struct sl_mime_part) : 0);
}
