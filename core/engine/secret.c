/*
 * Secrets by value: each known secret's bytes, wherever they turn up in a text
 * that leaves the engine, become [secret sha256:1f3a...].
 */
#include <string.h>

#include "../crypto/random.h"
#include "doors.h"
#include "internal.h"

#define SHORTEST	4	/* bytes; shorter ones would hide ordinary words */

#define LONG		8

/*
 * Of 10,000 secrets few begin like a text: the others cost nothing. Eight bytes of those that
 * have them, for keys begin with dashes as other texts do.
 */
static unsigned
start_of(struct sl_str s)
{
	uint64_t first = 0;

	memcpy(&first, s.p, s.n < LONG ? SHORTEST : LONG);
	return (unsigned)(first * 0x9e3779b97f4a7c15u >> 48);
}

static bool
has_start(const struct sl_vm *vm, struct sl_str s)
{
	unsigned h = start_of(s);

	return (vm->secret_starts[h / 8] & (1u << h % 8)) != 0;
}

static bool
may_begin(const struct sl_vm *vm, struct sl_str rest)
{
	return (rest.n >= SHORTEST && has_start(vm, sl_str_sub(rest, 0, SHORTEST))) ||
	    (rest.n >= LONG && has_start(vm, rest));
}

static int
add_form(struct sl_vm *vm, struct sl_str form, struct sl_str secret)
{
	char mark[SL_SECRET_MARK], *text;
	int rc;

	if (sl_dict_has(vm->secrets, form))
		return 0;
	sl_secret_mark(secret, mark);
	if ((text = sl_strdup(mark)) == NULL)
		return SL_ERR_NOMEM;
	if ((rc = sl_dict_set(vm->secrets, form, text, NULL)) != 0) {
		sl_free(text);
		return rc;
	}
	vm->secret_starts[start_of(form) / 8] |= (uint8_t)(1u << start_of(form) % 8);
	return 0;
}

/* A secret of several lines (a PEM key) is also known as JSON writes it. */
int
sl_vm_add_secret(struct sl_vm *vm, struct sl_str secret)
{
	struct sl_buf json = SL_BUF_INIT;
	size_t i;
	int rc;

	if (secret.n < SHORTEST || sl_dict_has(vm->secrets, secret))
		return 0;
	rc = add_form(vm, secret, secret);
	for (i = 0; i < secret.n; i++)
		if (secret.p[i] == '\n' || secret.p[i] == '\r')
			sl_buf_puts(&json, secret.p[i] == '\n' ? "\\n" : "\\r");
		else
			sl_buf_putc(&json, secret.p[i]);
	if (rc == 0)
		rc = json.failed ? SL_ERR_NOMEM : add_form(vm, sl_buf_str(&json), secret);
	sl_wipe(json.p, json.n);
	sl_buf_clear(&json);
	return rc;
}

void
sl_secret_add(lua_State *L, struct sl_str secret)
{
	struct sl_tape *tape = sl_run_tape(L);
	char mark[SL_SECRET_MARK];

	if (sl_tape_plays(tape) && sl_str_starts(secret, SL_STR("[secret ")))
		return;		/* a tape has the mark in its place */
	if (sl_tape_records(tape)) {
		sl_secret_mark(secret, mark);
		sl_tape_secret(tape, secret, mark);
	}
	if (sl_vm_add_secret(sl_vm_from(L), secret) != 0)
		luaL_error(L, "out of memory");
}

/* The longest secret that begins at 'rest'. */
static const char *
secret_at(const struct sl_vm *vm, struct sl_str rest, size_t *len)
{
	const char *found = NULL;
	struct sl_str secret;
	void *text;
	size_t i;

	*len = 0;
	if (!may_begin(vm, rest))
		return NULL;
	for (i = 0; sl_dict_each(vm->secrets, &i, &secret, &text);)
		if (secret.n > *len && sl_str_starts(rest, secret)) {
			found = text;
			*len = secret.n;
		}
	return found;
}

static bool
has_any(const struct sl_vm *vm, struct sl_str text)
{
	size_t i, len;

	for (i = 0; i + SHORTEST <= text.n; i++)
		if (secret_at(vm, sl_str_sub(text, i, text.n), &len) != NULL)
			return true;
	return false;
}

int
sl_vm_redact(struct sl_vm *vm, struct sl_str text, struct sl_buf *out)
{
	const char *with;
	size_t at = 0, len;

	if (!has_any(vm, text))
		return sl_buf_putstr(out, text);
	while (at < text.n) {
		with = secret_at(vm, sl_str_sub(text, at, text.n), &len);
		if (with != NULL) {
			sl_buf_puts(out, with);
			at += len;
		} else {
			sl_buf_putc(out, text.p[at++]);
		}
	}
	return out->failed ? SL_ERR_NOMEM : 0;
}
