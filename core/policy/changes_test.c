/*
 * Outcomes as changes: what they make of a header, in the hands of mail servers
 * of both kinds: those that count deleted fields, and those that don't.
 */
#include "changes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX	400

/* ---- a mail server -------------------------------------------------------- */

struct line {
	char text[64];
	struct sl_str name;
	bool deleted;
};

struct header {
	struct line lines[MAX];
	size_t n;
	bool counts_deleted;
};

static void
set_line(struct line *l, struct sl_str name, struct sl_str value)
{
	snprintf(l->text, sizeof(l->text), "%.*s:%.*s\r\n", (int)name.n, name.p, (int)value.n, value.p);
	l->name = (struct sl_str){ l->text, name.n };
	l->deleted = false;
}

static void
insert(struct header *h, size_t at, const struct sl_field_change *c)
{
	size_t i;

	assert_true(at <= h->n && h->n < MAX);
	for (i = h->n; i > at; i--)
		set_line(&h->lines[i], h->lines[i - 1].name, sl_str_trim(sl_str_sub(
		    sl_str_of(h->lines[i - 1].text), h->lines[i - 1].name.n + 1, 64)));
	for (i = h->n; i > at; i--)
		h->lines[i].deleted = h->lines[i - 1].deleted;
	set_line(&h->lines[at], c->name, sl_str_trim(c->value));
	h->n++;
}

static struct line *
find(struct header *h, struct sl_str name, size_t index)
{
	size_t i;

	for (i = 0; i < h->n; i++)
		if (sl_str_ieq(h->lines[i].name, name) && (h->counts_deleted || !h->lines[i].deleted) &&
		    --index == 0)
			return &h->lines[i];
	fail_msg("no field %.*s", (int)name.n, name.p);
	return NULL;
}

static void
apply(struct header *h, const struct sl_changes *changes)
{
	const struct sl_field_change *c;
	struct line *l;

	for (c = changes->fields; c < changes->fields + changes->nfields; c++) {
		if (c->edit == SL_EDIT_INSERT) {
			/* Who appends instead gets the same. */
			if (c->last)
				assert_int_equal(c->index, h->n);
			insert(h, c->index, c);
			continue;
		}
		l = find(h, c->name, c->index);
		if (c->edit == SL_EDIT_DELETE)
			l->deleted = true;
		else
			set_line(l, c->name, sl_str_trim(c->value));
	}
}

/* The fields of a header as a mail server with the changes has it, and as it shall be. */
static void
check(const struct sl_message *m, const struct sl_head *head, const struct sl_changes *changes,
    bool counts_deleted)
{
	static struct header h;
	const struct sl_field *f;
	size_t i, k = 0;

	h.n = 0;
	h.counts_deleted = counts_deleted;
	for (i = 0; i < m->nfields; i++)
		set_line(&h.lines[h.n++], m->fields[i].name, sl_str_trim(m->fields[i].value));
	apply(&h, changes);
	for (i = 0; i < h.n; i++) {
		if (h.lines[i].deleted)
			continue;
		f = sl_head_at(head, k++);
		assert_non_null(f);
		assert_true(sl_str_eq(f->name, h.lines[i].name));
		assert_true(sl_str_eq(sl_str_trim(f->value), sl_str_trim(sl_str_sub(
		    sl_str_of(h.lines[i].text), f->name.n + 1, 64))));
	}
	assert_int_equal(k, sl_head_count(head));
}

/* ---- cases ------------------------------------------------------------------- */

struct fixture {
	struct sl_message *m;
	struct sl_arena *arena;
	struct sl_head *head;
};

static void
begin(struct fixture *f, const char *text)
{
	assert_int_equal(sl_message_from_memory(&f->m, strdup(text), strlen(text), NULL), 0);
	f->arena = sl_arena_new(0);
	f->head = sl_head_new(f->m, f->arena);
}

static void
end(struct fixture *f, struct sl_changes *changes)
{
	memset(changes, 0, sizeof(*changes));
	assert_int_equal(sl_changes_of_head(f->m, f->head, f->arena, changes), 0);
	check(f->m, f->head, changes, true);
	check(f->m, f->head, changes, false);
}

static void
clear(struct fixture *f)
{
	sl_head_free(f->head);
	sl_message_unref(f->m);
	sl_arena_free(f->arena);
}

static void
test_nothing(void **state)
{
	struct sl_changes changes;
	struct fixture f;

	(void)state;
	begin(&f, "A: 1\r\nB: 2\r\n\r\n");
	end(&f, &changes);
	assert_int_equal(changes.nfields, 0);
	clear(&f);
}

/* A value that was replaced is one change, not a deletion and an insertion. */
static void
test_change(void **state)
{
	struct sl_changes changes;
	struct fixture f;

	(void)state;
	begin(&f, "A: 1\r\nB: 2\r\nA: 3\r\n\r\n");
	sl_head_replace(f.head, 2, SL_STR("4"), false, NULL);
	end(&f, &changes);
	assert_int_equal(changes.nfields, 1);
	assert_int_equal(changes.fields[0].edit, SL_EDIT_CHANGE);
	assert_int_equal(changes.fields[0].index, 2);
	assert_true(sl_str_eq(changes.fields[0].value, SL_STR(" 4")));
	clear(&f);
}

static void
test_delete(void **state)
{
	struct sl_changes changes;
	struct fixture f;

	(void)state;
	begin(&f, "A: 1\r\na: 2\r\nA: 3\r\n\r\n");
	sl_head_remove(f.head, 0);
	sl_head_remove(f.head, 0);
	end(&f, &changes);
	assert_int_equal(changes.nfields, 2);
	assert_int_equal(changes.fields[0].index, 2);
	assert_int_equal(changes.fields[1].index, 1);
	clear(&f);
}

static void
test_insert(void **state)
{
	struct sl_changes changes;
	struct fixture f;

	(void)state;
	begin(&f, "A: 1\r\nB: 2\r\n\r\n");
	sl_head_insert(f.head, 0, SL_STR("T"), SL_STR("top"), false, NULL);
	sl_head_insert(f.head, 2, SL_STR("M"), SL_STR("middle"), false, NULL);
	sl_head_insert(f.head, 4, SL_STR("E"), SL_STR("end"), false, NULL);
	end(&f, &changes);
	assert_int_equal(changes.nfields, 3);
	assert_int_equal(changes.fields[0].index, 0);
	assert_int_equal(changes.fields[1].index, 2);
	assert_int_equal(changes.fields[2].index, 4);
	assert_true(changes.fields[2].last && !changes.fields[1].last);
	clear(&f);
}

static void
test_no_header(void **state)
{
	struct sl_changes changes;
	struct fixture f;

	(void)state;
	begin(&f, "\r\nbody\r\n");
	sl_head_insert(f.head, 0, SL_STR("A"), SL_STR("1"), false, NULL);
	end(&f, &changes);
	assert_int_equal(changes.nfields, 1);
	assert_true(changes.fields[0].last);
	clear(&f);
}

/* Any edits: what a mail server makes of the changes is what the script saw. */
static void
test_random_edits(void **state)
{
	static const char *const names[] = { "A", "B", "a", "Received", "X-Long" };
	struct sl_changes changes;
	struct fixture f;
	unsigned seed, i;
	char text[400], value[16];
	size_t n, at, count;

	(void)state;
	srand(8);
	for (seed = 0; seed < 3000; seed++) {
		for (n = 0, i = (unsigned)rand() % 9; i > 0; i--)
			n += (size_t)sprintf(text + n, "%s: %d\r\n", names[rand() % 5], rand() % 100);
		sprintf(text + n, "\r\n");
		begin(&f, text);
		for (i = (unsigned)rand() % 12; i > 0; i--) {
			count = sl_head_count(f.head);
			at = (size_t)rand() % (count + 1);
			sprintf(value, "new %u", i);
			if (at == count || rand() % 3 == 0)
				sl_head_insert(f.head, at, sl_str_of(names[rand() % 5]), sl_str_of(value), false,
				    NULL);
			else if (rand() % 2 == 0)
				sl_head_replace(f.head, at, sl_str_of(value), false, NULL);
			else
				sl_head_remove(f.head, at);
		}
		end(&f, &changes);
		clear(&f);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing), cmocka_unit_test(test_change), cmocka_unit_test(test_delete),
		cmocka_unit_test(test_insert), cmocka_unit_test(test_no_header),
		cmocka_unit_test(test_random_edits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
