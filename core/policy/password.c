#include "password.h"

#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "../crypto/digest.h"
#include "../crypto/random.h"
#include "../tape/tape.h"

#define MAX_ROUNDS	1000000	/* of SHA crypt: about a second */
#define MAX_BCRYPT	14	/* log2 of the rounds */

/* What an unknown user's password is compared with: SHA-512 crypt as usual. */
#define NOBODY	"$6$nobodynobody$qS4kNIZVY2pM5fgQnbVtJr4DEPlGZWs4/0m2tWR9rQ7GJ1Bv7H3bqk6Q1dZ0M5gqk" \
		"5mEoyS5vCgvUeE0m1R5J/"

bool
sl_password_usable(const char *hash)
{
	const char *last = strrchr(hash, '$');
	int rc = crypt_checksalt(hash);

	return rc != CRYPT_SALT_INVALID && rc != CRYPT_SALT_METHOD_DISABLED && hash[0] == '$' &&
	    strlen(last) > 20;
}

/* Only methods whose cost is known here are taken for cheap. yescrypt's cost is
 * the letter after "$y$j", '9' by default; each step doubles the memory. */
bool
sl_password_costly(const char *hash)
{
	if (strncmp(hash, "$1$", 3) == 0)
		return false;
	if (strncmp(hash, "$5$", 3) == 0 || strncmp(hash, "$6$", 3) == 0)
		return strncmp(hash + 3, "rounds=", 7) == 0 &&
		    strtoul(hash + 10, NULL, 10) > MAX_ROUNDS;
	if (strncmp(hash, "$2", 2) == 0 && hash[2] != '\0' && hash[3] == '$')
		return strtoul(hash + 4, NULL, 10) > MAX_BCRYPT;
	return strncmp(hash, "$y$j", 4) != 0 || hash[4] < '/' || hash[4] > 'C' || hash[5] == '\0' ||
	    hash[5] > 'T' || hash[6] != '$';
}

/* ---- on the thread -------------------------------------------------------------------- */

struct password_check {
	char *hash, *password;
	size_t n;
	bool known, ok;
};

static void
check_free(void *arg)
{
	struct password_check *c = arg;

	if (c == NULL)
		return;
	if (c->password != NULL)
		sl_wipe(c->password, c->n);
	sl_free(c->password);
	sl_free(c->hash);
	sl_free(c);
}

static struct password_check *
check_new(const char *hash, struct sl_str password)
{
	struct password_check *c = sl_calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->known = hash != NULL;
	c->hash = sl_strdup(hash != NULL ? hash : NOBODY);
	c->password = sl_strndup(password.p, password.n);
	c->n = password.n;
	if (c->hash != NULL && c->password != NULL)
		return c;
	check_free(c);
	return NULL;
}

/* A password with a NUL inside would be compared only up to it. */
static int
check_work(void *arg)
{
	struct password_check *c = arg;
	struct crypt_data *data = sl_calloc(1, sizeof(*data));
	const char *result;

	if (data == NULL)
		return SL_ERR_NOMEM;
	result = crypt_r(c->password, c->hash, data);
	c->ok = c->known && strlen(c->password) == c->n && result != NULL && result[0] != '*' &&
	    sl_equal_secret(sl_str_of(result), sl_str_of(c->hash));
	sl_wipe(data, sizeof(*data));
	sl_free(data);
	return 0;
}

/* ---- the operation -------------------------------------------------------------------- */

/* A job that hasn't ended still uses the check, and frees it when it does. */
static void
drop_job(struct sl_password_op *p)
{
	if (p->job == NULL)
		return;
	if (!p->job->done)
		p->check = NULL;
	sl_op_release(p->job);
	p->job = NULL;
}

static void
password_cancel(struct sl_op *op)
{
	drop_job((struct sl_password_op *)op);
}

static void
password_free(struct sl_op *op)
{
	struct sl_password_op *p = (struct sl_password_op *)op;

	drop_job(p);
	check_free(p->check);
	sl_free(p->question);
	sl_free(p);
}

static const struct sl_op_class password_class = { "password", password_cancel, password_free };

static void
note(const struct sl_password_op *p, int status)
{
	struct sl_buf value = SL_BUF_INIT;

	sl_tape_put_number(&value, "status", status);
	sl_tape_put_number(&value, "ok", p->ok);
	sl_tape_note(p->tape, "password", sl_str_of(p->question), sl_buf_str(&value));
	sl_buf_clear(&value);
}

static void
job_done(struct sl_op *job, void *arg)
{
	struct sl_password_op *p = arg;

	p->ok = job->status == 0 && p->check->ok;
	if (p->tape != NULL)
		note(p, job->status);
	sl_op_finish(&p->op, job->status);
}

struct sl_password_op *
sl_password_check(struct sl_loop *loop, struct sl_thread *thread, const char *hash,
    struct sl_str password)
{
	struct sl_password_op *p;

	if (thread == NULL || (p = sl_calloc(1, sizeof(*p))) == NULL)
		return NULL;
	sl_op_init(&p->op, &password_class, loop, 0);
	p->check = check_new(hash, password);
	if (p->check != NULL)
		p->job = sl_thread_run(thread, check_work, p->check, check_free);
	if (p->job == NULL) {
		sl_op_release(&p->op);
		return NULL;
	}
	sl_op_wait(p->job, job_done, p);
	return p;
}

/* ---- past a tape ---------------------------------------------------------------------- */

/* Which hash: a digest of it, for the hash itself would let the password be guessed. */
static char *
question_of(const char *hash)
{
	struct sl_buf text = SL_BUF_INIT;
	uint8_t digest[SL_DIGEST_MAX];

	if (hash == NULL)
		sl_buf_puts(&text, "nobody");
	else if (sl_digest_of(SL_DIGEST_SHA256, sl_str_of(hash), digest) == 0)
		sl_hex_encode(&text, (struct sl_str){ (char *)digest, 16 });
	else
		text.failed = true;
	return sl_buf_take(&text, NULL);
}

static struct sl_password_op *
play(struct sl_loop *loop, struct sl_tape *tape, const char *question)
{
	struct sl_password_op *p = sl_calloc(1, sizeof(*p));
	struct sl_str value;
	int status = SL_ERR_NOTFOUND;

	if (p == NULL)
		return NULL;
	sl_op_init(&p->op, &password_class, loop, 0);
	if (sl_tape_find(tape, "password", sl_str_of(question), SL_TAPE_ONCE, &value)) {
		status = (int)sl_tape_get_number(value, "status");
		p->ok = sl_tape_get_number(value, "ok") != 0;
	} else {
		sl_tape_miss(tape, "password", sl_str_of(question));
	}
	sl_op_finish(&p->op, status);
	return p;
}

struct sl_password_op *
sl_password_check_taped(struct sl_loop *loop, struct sl_thread *thread, struct sl_tape *tape,
    const char *hash, struct sl_str password)
{
	struct sl_password_op *p;
	char *question;

	if (tape == NULL)
		return sl_password_check(loop, thread, hash, password);
	if ((question = question_of(hash)) == NULL)
		return NULL;
	if (sl_tape_plays(tape)) {
		p = play(loop, tape, question);
		sl_free(question);
		return p;
	}
	p = sl_password_check(loop, thread, hash, password);
	if (p == NULL) {
		sl_free(question);
		return NULL;
	}
	p->tape = tape;
	p->question = question;
	return p;
}
