/* Making the signatures that scripts asked for. See sign.h. */
#include "sign.h"

#include <string.h>

#include "../auth/arc.h"
#include "../engine/doors.h"
#include "body.h"
#include "engine.h"
#include "taps.h"

bool
sl_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

bool
sl_same_sign(const struct sl_sign_request *a, const struct sl_sign_request *b)
{
	return a->dkim.key == b->dkim.key && a->discard_changes == b->discard_changes &&
	    sl_str_eq(a->dkim.selector, b->dkim.selector) &&
	    sl_str_eq(a->dkim.domain, b->dkim.domain) &&
	    sl_same_text(a->options, b->options) && a->seals == b->seals && a->cv == b->cv &&
	    sl_str_eq(a->results, b->results);
}

bool
sl_same_signs(const struct sl_sign_request *a, const struct sl_sign_request *b)
{
	for (; a != NULL && b != NULL && a != b; a = a->next, b = b->next)
		if (!sl_same_sign(a, b))
			return false;
	return a == b;
}

static int
sign_one(struct sl_mail *mail, struct sl_head *head, struct sl_body *body,
    const struct sl_sign_request *r, int64_t now, struct sl_err *err)
{
	struct sl_dkim_bodies *hashes;
	const struct sl_message *m = sl_body_message(mail, r->discard_changes ? NULL : body, &hashes);
	struct sl_head *received = NULL;
	struct sl_buf value = SL_BUF_INIT;
	int rc;

	if (m == NULL)
		return sl_err_set(err, SL_ERR_LIMIT, "changed bodies are too large");
	if (r->discard_changes) {
		received = sl_head_new(mail->message, mail->arena);
		if (received == NULL)
			return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	rc = sl_dkim_sign(&value, &r->dkim, m, received != NULL ? received : head, hashes, now, err);
	if (rc == 0)
		rc = sl_head_insert(head, 0, SL_STR("DKIM-Signature"), sl_buf_str(&value), false, err);
	if (rc != 0)
		sl_err_prefix(err, "%s: DKIM signature of %.*s", r->where,
		    (int)r->dkim.domain.n, r->dkim.domain.p);
	sl_head_free(received);
	sl_buf_clear(&value);
	return rc;
}

/* The set goes on top: its seal first. */
static int
seal(struct sl_mail *mail, struct sl_head *head, struct sl_body *body,
    const struct sl_sign_request *r, int64_t now, struct sl_err *err)
{
	struct sl_arc_request q = { .dkim = r->dkim, .cv = r->cv, .results = r->results };
	struct sl_dkim_bodies *hashes;
	const struct sl_message *m = sl_body_message(mail, body, &hashes);
	struct sl_arc_seal s;
	int rc;

	if (m == NULL)
		return sl_err_set(err, SL_ERR_LIMIT, "changed bodies are too large");
	rc = sl_arc_seal(&s, &q, m, head, hashes, now, err);
	if (rc == 0)
		rc = sl_head_insert(head, 0, SL_STR("ARC-Authentication-Results"),
		    sl_buf_str(&s.results), false, err);
	if (rc == 0)
		rc = sl_head_insert(head, 0, SL_STR("ARC-Message-Signature"), sl_buf_str(&s.message),
		    false, err);
	if (rc == 0)
		rc = sl_head_insert(head, 0, SL_STR("ARC-Seal"), sl_buf_str(&s.seal), false, err);
	if (rc != 0)
		sl_err_prefix(err, "%s: ARC seal of %.*s", r->where, (int)r->dkim.domain.n,
		    r->dkim.domain.p);
	sl_arc_seal_clear(&s);
	return rc;
}

int
sl_sign_all(struct sl_mail *mail, struct sl_head *head, struct sl_body *body,
    const struct sl_sign_request *signs, int64_t now, struct sl_err *err)
{
	const struct sl_sign_request *r;
	int rc = 0;

	for (r = signs; rc == 0 && r != NULL; r = r->next)
		if (!r->seals)
			rc = sign_one(mail, head, body, r, now, err);
	for (r = signs; rc == 0 && r != NULL; r = r->next)
		if (r->seals)
			rc = seal(mail, head, body, r, now, err);
	return rc;
}

static int
to_buf(void *arg, struct sl_str piece)
{
	return sl_buf_putstr(arg, piece);
}

int
sl_sign_write(struct sl_mail *mail, const struct sl_draft *draft, int64_t now, struct sl_buf *out,
    struct sl_err *err)
{
	struct sl_dkim_bodies *hashes;
	const struct sl_message *m = sl_body_message(mail, draft->body, &hashes);
	struct sl_head *head;
	int rc;

	if (m == NULL)
		return sl_err_set(err, SL_ERR_LIMIT, "changed bodies are too large");
	head = sl_head_copy(draft->head);
	if (head == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	rc = sl_sign_all(mail, head, draft->body, draft->signs, now, err);
	if (rc == 0 && sl_message_write(m, head, to_buf, out) != 0)
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	sl_head_free(head);
	return rc;
}

static int64_t
time_of(const struct sl_transaction *t)
{
	struct sl_tape *tape = sl_taps_tape(t->session->taps);

	if (tape != NULL)
		sl_tape_place(tape, "commit", NULL, NULL);
	return sl_door_time(tape, t->session->engine->loop) / 1000000;
}

int
sl_sign_draft(struct sl_transaction *t, const struct sl_draft *draft, struct sl_err *err)
{
	return draft->signs == NULL ? 0 :
	    sl_sign_all(&t->mail, draft->head, draft->body, draft->signs, time_of(t), err);
}
