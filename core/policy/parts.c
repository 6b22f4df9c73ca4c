/* Messages and their parts as objects. See parts.h. */
#include "parts.h"

#include <string.h>

#include "../base/alloc.h"
#include "../engine/builtin.h"
#include "../engine/value.h"

#define BYTES_PER_STEP	16
#define TEXT_CLASS	"MailText"		/* scripts never see one */
#define TEXT_ARENA	(64 * 1024 * 1024)	/* for edits of one, as a transaction has */

/* A message of a text: an object that its parts keep, which keeps the text (user value 1). */
struct sl_text_mail {
	struct sl_mail mail;
	struct sl_draft draft;
	size_t counted;			/* of sl_mail_memory */
	lua_State *L;			/* of the call under way */
};

static struct sl_part *
part_arg(lua_State *L, int arg)
{
	return sl_arg_object(L, arg, SL_PART_CLASS);
}

static struct sl_text_mail *
text_of(lua_State *L, int arg)
{
	return arg != 0 ? part_arg(L, arg)->text : NULL;
}

/* What fields and parts take is counted when they are there; the arena asks before. */
static void
count(lua_State *L, struct sl_text_mail *t)
{
	size_t now = sl_mail_memory(&t->mail, &t->draft);

	t->L = L;
	if (now <= t->counted)
		return;
	if (!sl_object_hold(L, t, now - t->counted))
		luaL_error(L, "out of memory");
	t->counted = now;
}

static struct sl_context *
judged(lua_State *L)
{
	if ((sl_run_phase(L) & SL_AT_MESSAGE) == 0)
		luaL_error(L, "the message that is judged is there in eod and data only");
	return sl_context_of(L);
}

bool
sl_part_is_judged(lua_State *L, int arg)
{
	return text_of(L, arg) == NULL;
}

struct sl_mail *
sl_part_mail(lua_State *L, int arg)
{
	struct sl_text_mail *t = text_of(L, arg);

	if (t == NULL)
		return &judged(L)->transaction->mail;
	count(L, t);
	return &t->mail;
}

struct sl_draft *
sl_part_draft(lua_State *L, int arg)
{
	struct sl_text_mail *t = text_of(L, arg);

	if (t == NULL)
		return judged(L)->draft;
	count(L, t);
	return &t->draft;
}

unsigned
sl_part_index(lua_State *L, int arg)
{
	return part_arg(L, arg)->index;
}

const struct sl_mime *
sl_part_tree(lua_State *L, int arg)
{
	size_t looked;
	const struct sl_mime *m = sl_mail_parts(sl_part_mail(L, arg), &looked);

	if (m == NULL)
		luaL_error(L, "out of memory");
	sl_charge(L, looked / BYTES_PER_STEP);
	if (looked > 0)
		sl_part_mail(L, arg);	/* counts them */
	return m;
}

/* The object that owns the text is on top. [-1, +1, m] */
static void
push_of_text(lua_State *L, struct sl_text_mail *t, unsigned index)
{
	struct sl_part *p = sl_object_new(L, index == 0 ? SL_MAIL_CLASS : SL_PART_CLASS,
	    sizeof(*p), 1, NULL);

	p->index = index;
	p->text = t;
	lua_insert(L, -2);
	lua_setiuservalue(L, -2, 1);
}

void
sl_part_push(lua_State *L, int arg, unsigned index)
{
	struct sl_text_mail *t = text_of(L, arg);
	struct sl_part *p;

	if (t != NULL) {
		lua_getiuservalue(L, arg, 1);
		push_of_text(L, t, index);
		return;
	}
	p = sl_object_new(L, index == 0 ? SL_MAIL_CLASS : SL_PART_CLASS, sizeof(*p), 0, NULL);
	p->index = index;
}

/* ---- messages of texts --------------------------------------------------------------- */

/* How many the run has made. */
struct made {
	struct sl_at_end at_end;
	unsigned n;
};

static void
forget_made(struct sl_at_end *at_end)
{
	sl_free(at_end);
}

static struct made *
made_of(lua_State *L)
{
	struct sl_at_end *at_end = NULL;
	struct made *made;

	while ((at_end = sl_run_at_end_next(L, at_end)) != NULL)
		if (at_end->fn == forget_made)
			return (struct made *)at_end;
	if ((made = sl_calloc(1, sizeof(*made))) == NULL)
		luaL_error(L, "out of memory");
	made->at_end.fn = forget_made;
	sl_run_at_end(L, &made->at_end);
	return made;
}

static bool
may_grow(void *arg, size_t bytes)
{
	struct sl_text_mail *t = arg;

	return sl_object_hold(t->L, t, bytes);
}

static void
clear_text(void *data)
{
	struct sl_text_mail *t = data;

	sl_head_free(t->draft.head);
	sl_mail_clear(&t->mail);
	sl_arena_free(t->mail.arena);
}

static int
parse(lua_State *L, struct sl_text_mail *t, struct sl_str text, struct sl_err *err)
{
	int rc;

	t->L = L;
	t->mail.arena = sl_arena_new(TEXT_ARENA);
	if (t->mail.arena == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	sl_arena_ask(t->mail.arena, may_grow, t);
	if ((rc = sl_message_from_bytes(&t->mail.message, text, err)) != 0)
		return rc;
	t->mail.received = sl_head_new(t->mail.message, t->mail.arena);
	if (t->mail.received != NULL)
		t->draft.head = sl_head_copy(t->mail.received);
	return t->draft.head != NULL ? 0 : sl_err_set(err, SL_ERR_NOMEM, "out of memory");
}

/* As files and scripts have it: lines end by LF alone, all of them. */
static bool
has_bare_lines(struct sl_str s)
{
	const char *p = s.p, *end = s.p + s.n;
	bool any = false;

	while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
		if (p > s.p && p[-1] == '\r')
			return false;
		any = true;
		p++;
	}
	return any;
}

/* The string at 'arg' with lines as in mail in its place. */
static struct sl_str
end_lines(lua_State *L, int arg)
{
	struct sl_str text = sl_arg_string(L, arg);
	struct sl_buf *out;

	if (text.n > SL_TEXT_BYTES || !has_bare_lines(text))
		return text;
	out = sl_scratch(L);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\n')
			sl_buf_putc(out, '\r');
		sl_buf_putc(out, text.p[i]);
	}
	if (out->failed)
		luaL_error(L, "out of memory");
	sl_string(L, sl_buf_str(out));
	lua_replace(L, arg);
	return sl_arg_string(L, arg);
}

int
sl_part_of_text(lua_State *L, int arg, struct sl_err *err)
{
	struct sl_str text = end_lines(L, arg);
	struct made *made = made_of(L);
	struct sl_text_mail *t;
	int rc;

	if (text.n > SL_TEXT_BYTES)
		return sl_err_set(err, SL_ERR_LIMIT, "larger than %d bytes", SL_TEXT_BYTES);
	if (made->n >= SL_TEXTS_MAX)
		return sl_err_set(err, SL_ERR_LIMIT, "more than %d messages made of texts", SL_TEXTS_MAX);
	made->n++;
	sl_charge(L, text.n / BYTES_PER_STEP + 1);
	t = sl_object_new(L, TEXT_CLASS, sizeof(*t), 1, clear_text);
	lua_pushvalue(L, arg);		/* the script's own, however large: not a copy */
	lua_setiuservalue(L, -2, 1);
	rc = parse(L, t, text, err);
	if (rc != 0) {
		lua_pop(L, 1);
		return rc;
	}
	count(L, t);
	push_of_text(L, t, 0);
	return 0;
}
