/*
 * The head: the message's own field array until the first edit, a counted
 * list after it. Copies share the list; who edits a shared one takes a copy.
 */
#include <string.h>

#include "field.h"
#include "message.h"

/* Scripts may add fields, but a header can't grow without end. */
#define MAX_EDITED	(2 * SL_MAX_FIELDS)

struct list {
	unsigned refs;
	size_t n, cap;
	struct sl_field fields[];
};

struct sl_head {
	struct sl_message *m;
	struct sl_arena *arena;
	struct list *list;		/* NULL = the fields of m, unedited */
};

struct sl_head *
sl_head_new(const struct sl_message *m, struct sl_arena *arena)
{
	struct sl_head *head = sl_calloc(1, sizeof(*head));

	if (head == NULL)
		return NULL;
	/* Only the count of references changes. */
	head->m = sl_message_ref((struct sl_message *)m);
	head->arena = arena;
	return head;
}

struct sl_head *
sl_head_copy(struct sl_head *head)
{
	struct sl_head *copy = sl_head_new(head->m, head->arena);

	if (copy != NULL && head->list != NULL) {
		copy->list = head->list;
		copy->list->refs++;
	}
	return copy;
}

static void
list_unref(struct list *list)
{
	if (list != NULL && --list->refs == 0)
		sl_free(list);
}

void
sl_head_free(struct sl_head *head)
{
	if (head == NULL)
		return;
	list_unref(head->list);
	sl_message_unref(head->m);
	sl_free(head);
}

static const struct sl_field *
fields_of(const struct sl_head *head)
{
	return head->list != NULL ? head->list->fields : head->m->fields;
}

size_t
sl_head_count(const struct sl_head *head)
{
	return head->list != NULL ? head->list->n : head->m->nfields;
}

/* What own_list makes of a list that is full. */
static size_t
room_for(size_t n)
{
	return n + n / 2 + 8;
}

size_t
sl_head_capacity(const struct sl_head *head)
{
	return room_for(head->list != NULL ? head->list->cap : head->m->nfields);
}

const struct sl_field *
sl_head_at(const struct sl_head *head, size_t i)
{
	return i < sl_head_count(head) ? &fields_of(head)[i] : NULL;
}

ssize_t
sl_head_find(const struct sl_head *head, struct sl_str name, size_t i)
{
	const struct sl_field *fields = fields_of(head);
	size_t n = sl_head_count(head);

	for (; i < n; i++) {
		if (sl_str_ieq(fields[i].name, name))
			return (ssize_t)i;
	}
	return -1;
}

static bool
same_bytes(struct sl_str a, struct sl_str b)
{
	return a.n == b.n && (a.p == b.p || sl_str_eq(a, b));
}

bool
sl_head_equal(const struct sl_head *a, const struct sl_head *b)
{
	const struct sl_field *fa = fields_of(a), *fb = fields_of(b);
	size_t n = sl_head_count(a);

	if (fa == fb)
		return true;
	if (n != sl_head_count(b))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!same_bytes(fa[i].raw, fb[i].raw))
			return false;
	}
	return true;
}

/* A list of our own with room for one more field. */
static int
own_list(struct sl_head *head)
{
	size_t n = sl_head_count(head), cap = room_for(n);
	struct list *list = head->list;

	if (list != NULL && list->refs == 1 && list->n < list->cap)
		return 0;
	list = sl_malloc(sizeof(*list) + cap * sizeof(list->fields[0]));
	if (list == NULL)
		return SL_ERR_NOMEM;
	list->refs = 1;
	list->n = n;
	list->cap = cap;
	if (n > 0)
		memcpy(list->fields, fields_of(head), n * sizeof(list->fields[0]));
	list_unref(head->list);
	head->list = list;
	return 0;
}

/* Formats into the arena; 'f' has views on that text. */
static int
make_field(struct sl_head *head, struct sl_field *f, struct sl_str name, struct sl_str value,
    bool refold, struct sl_err *err)
{
	struct sl_buf text = SL_BUF_INIT;
	char *p = NULL;
	int r;

	if ((r = sl_field_name_check(name, err)) < 0 || (r = sl_field_value_check(value, err)) < 0)
		return r;
	if (sl_field_format(&text, name, value, refold) == 0)
		p = sl_arena_strndup(head->arena, text.p, text.n);
	if (p == NULL) {
		sl_buf_clear(&text);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	f->raw = (struct sl_str){ p, text.n };
	f->name = sl_str_sub(f->raw, 0, name.n);
	f->value = sl_str_sub(f->raw, name.n + 1, text.n - 2);
	f->origin = -1;
	sl_buf_clear(&text);
	return 0;
}

int
sl_head_insert(struct sl_head *head, size_t at, struct sl_str name, struct sl_str value,
    bool refold, struct sl_err *err)
{
	size_t n = sl_head_count(head);
	struct sl_field f, *fields;
	int r;

	if (at > n)
		return sl_err_set(err, SL_ERR_INVAL, "the header has %zu fields", n);
	if (n >= MAX_EDITED)
		return sl_err_set(err, SL_ERR_LIMIT, "more than %d header fields", MAX_EDITED);
	if ((r = make_field(head, &f, name, value, refold, err)) < 0)
		return r;
	if (own_list(head) < 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	fields = head->list->fields;
	memmove(fields + at + 1, fields + at, (n - at) * sizeof(*fields));
	fields[at] = f;
	head->list->n++;
	return 0;
}

int
sl_head_replace(struct sl_head *head, size_t at, struct sl_str value, bool refold,
    struct sl_err *err)
{
	const struct sl_field *old = sl_head_at(head, at);
	struct sl_field f;
	int r;

	if (old == NULL)
		return sl_err_set(err, SL_ERR_INVAL, "no field at %zu", at);
	if ((r = make_field(head, &f, old->name, value, refold, err)) < 0)
		return r;
	if (own_list(head) < 0)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	head->list->fields[at] = f;
	return 0;
}

int
sl_head_remove(struct sl_head *head, size_t at)
{
	size_t n = sl_head_count(head);
	struct sl_field *fields;

	if (at >= n)
		return SL_ERR_INVAL;
	if (own_list(head) < 0)
		return SL_ERR_NOMEM;
	fields = head->list->fields;
	memmove(fields + at, fields + at + 1, (n - at - 1) * sizeof(*fields));
	head->list->n--;
	return 0;
}
