/*
 * Loss of power and failures under a workload of group commits: several
 * requests at once, transactions of two messages, bodies in files of their
 * own, retries, removals, segments that fill and go. Power is lost after
 * every file operation, and once more after recovery.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store_disk.h"

#include "../base/alloc.h"
#include "store.h"

#define ROUNDS		14
#define EACH		4		/* requests started together */
#define MESSAGES	(ROUNDS * EACH)
#define RECIPIENTS	2
#define SURVIVALS	5

enum fate { NEVER, DOUBT, THERE, LEAVING, GONE };

/* What the host was told. retry: of recipient 0; maybe: of an update not answered with success. */
struct told {
	enum fate fate;
	int partner;			/* of the same transaction, or -1 */
	uint32_t retry, maybe;
	bool refused;			/* while the machine was up */
};

struct rig {
	struct sl_loop *loop;
	struct sl_thread *thread;
	struct disk *disk;
	struct sl_file_ops ops;
	struct sl_store *store;
	struct told told[MESSAGES];
};

static int
rig_open(struct rig *r)
{
	struct sl_store_options o = { .folder = "top/q", .files = &r->ops, .segment_bytes = 1500,
		.inline_bytes = 3000, .thread = r->thread };

	r->store = NULL;
	return sl_store_open(&r->store, r->loop, &o, NULL);
}

static void
rig_init(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->loop = sl_loop_new(NULL);
	r->thread = sl_thread_new(r->loop, "queue", NULL);
	r->disk = disk_new();
	r->ops = disk_ops(r->disk);
	for (int i = 0; i < MESSAGES; i++)
		r->told[i].partner = -1;
}

static void
rig_clear(struct rig *r)
{
	sl_store_close(r->store);
	sl_thread_free(r->thread);
	sl_loop_free(r->loop);
	disk_free(r->disk);
}

static const char *
id_of(int i)
{
	static char ids[8][16];
	static int at;
	char *id = ids[at++ % 8];

	snprintf(id, sizeof(ids[0]), "m%d", i);
	return id;
}

/* Every fifth is over inline_bytes. */
static size_t
body_of(int i, char *out)
{
	size_t n = i % 5 == 4 ? 4000 : 200 + (size_t)(i * 97 % 1200);

	for (size_t k = 0; k < n; k++)
		out[k] = (char)('a' + (i * 31 + (int)k) % 26);
	return n;
}

struct making {
	struct sl_envelope env;
	struct sl_entry entries[RECIPIENTS];
	struct sl_str pieces[2];
	char id[16], text[4096];
};

static void
make(struct making *m, int i)
{
	static char who[] = "a@example.org", via[] = "t", sender[] = "s@example.org";
	size_t n = body_of(i, m->text);

	memset(m->entries, 0, sizeof(m->entries));
	for (int k = 0; k < RECIPIENTS; k++)
		m->entries[k] = (struct sl_entry){ .recipient = who, .transport = via };
	snprintf(m->id, sizeof(m->id), "m%d", i);
	m->env = (struct sl_envelope){ .id = m->id, .sender = sender, .n = RECIPIENTS,
		.entries = m->entries };
	m->pieces[0] = (struct sl_str){ m->text, 100 };
	m->pieces[1] = (struct sl_str){ m->text + 100, n - 100 };
}

/* One request of a round: which message it is about, and what it does. */
struct request_test {
	struct sl_op *op;
	int message;
	char kind;		/* a = accept, t = two of a transaction, u = retry, r = remove */
	struct making one, two;
};

static void
begin_accept(struct rig *r, struct request_test *q, int i, bool pair)
{
	struct sl_accept_item items[2];

	q->message = i;
	q->kind = pair ? 't' : 'a';
	make(&q->one, i);
	make(&q->two, i + 1);
	items[0] = (struct sl_accept_item){ &q->one.env, q->one.pieces, 2 };
	items[1] = (struct sl_accept_item){ &q->two.env, q->two.pieces, 2 };
	q->op = sl_store_accept_all(r->store, items, pair ? 2 : 1);
	assert_non_null(q->op);
}

static void
begin_update(struct rig *r, struct request_test *q, int i)
{
	static char who[] = "a@example.org", via[] = "t";
	struct sl_entry e = { .recipient = who, .transport = via, .retry = r->told[i].retry + 1 };

	q->message = i;
	q->kind = 'u';
	r->told[i].maybe = e.retry;
	q->op = sl_store_update(r->store, id_of(i), 0, &e);
}

static void
begin_remove(struct rig *r, struct request_test *q, int i)
{
	q->message = i;
	q->kind = 'r';
	r->told[i].fate = LEAVING;
	q->op = sl_store_remove(r->store, id_of(i));
}

static void
heard(struct rig *r, const struct request_test *q, int status)
{
	struct told *t = &r->told[q->message];

	switch (q->kind) {
	case 't':
		t[0].partner = q->message + 1;
		t[1].fate = status == 0 ? THERE : DOUBT;
		t[1].refused = status != 0;
		/* fall through */
	case 'a':
		t->fate = status == 0 ? THERE : DOUBT;
		t->refused = status != 0;
		break;
	case 'u':
		if (status == 0)
			t->retry = t->maybe;
		break;
	default:
		if (status == 0)
			t->fate = GONE;
	}
}

static int
older(const struct rig *r, int before, unsigned skip)
{
	for (int i = before - 1; i >= 0; i--) {
		if (r->told[i].fate == THERE && skip-- == 0)
			return i;
	}
	return -1;
}

/*
 * Messages that stay: every seventh. Of the rest, each is removed three rounds
 * later, so that segments empty and the stayers have to move.
 */
static void
round_of(struct rig *r, int round)
{
	struct request_test q[EACH] = { 0 };
	int base = round * EACH, n = 0, i;

	begin_accept(r, &q[n++], base, false);
	begin_accept(r, &q[n++], base + 1, round % 2 == 0);
	if ((i = older(r, base, 0)) >= 0)
		begin_update(r, &q[n++], i);
	for (i = 0; i < base - 2 * EACH; i++) {
		if (n < EACH && r->told[i].fate == THERE && i % 7 != 0)
			begin_remove(r, &q[n++], i);
	}
	for (i = 0; i < n; i++) {
		heard(r, &q[i], sl_op_block(q[i].op));
		sl_op_release(q[i].op);
	}
}

static bool
bytes_right(struct rig *r, int i)
{
	char want[4096], got[4096];
	uint64_t offset, size;
	size_t n = body_of(i, want);
	int fd;
	bool right;

	if (sl_store_message(r->store, id_of(i), &fd, &offset, &size, NULL) != 0)
		return false;
	right = size == n && r->ops.pread(r->disk, fd, got, n, (off_t)offset) == (ssize_t)n &&
	    memcmp(got, want, n) == 0;
	r->ops.close(r->disk, fd);
	return right;
}

/* What the store has against what was told; NULL = all is well. */
static const char *
wrong_about(struct rig *r, int i, bool refused_count)
{
	const struct told *t = &r->told[i];
	const struct sl_envelope *env = sl_store_get(r->store, id_of(i));
	uint32_t retry;

	if (t->fate == NEVER)
		return env != NULL ? "is there, but never was sent" : NULL;
	if (t->fate == GONE)
		return env != NULL ? "is back" : NULL;
	if (t->fate == DOUBT && env != NULL && refused_count)
		return "was refused and is there";
	if (t->fate == THERE && env == NULL)
		return "is lost";
	if (t->partner >= 0 && t->fate == DOUBT &&
	    (env == NULL) != (sl_store_get(r->store, id_of(t->partner)) == NULL))
		return "came without the other of its transaction";
	if (env == NULL)
		return NULL;
	retry = env->entries[0].retry;
	if (env->n != RECIPIENTS || (retry != t->retry && retry != t->maybe))
		return "has lost an update";
	return bytes_right(r, i) ? NULL : "has other bytes";
}

static unsigned
losses(struct rig *r, bool refused_count, char *text, size_t n)
{
	unsigned lost = 0;
	const char *what;

	for (int i = 0; i < MESSAGES; i++) {
		what = wrong_about(r, i, refused_count);
		if (what != NULL && lost++ == 0)
			snprintf(text, n, "m%d %s", i, what);
	}
	return lost;
}

static void
work(struct rig *r)
{
	for (int i = 0; i < ROUNDS; i++)
		round_of(r, i);
}

static unsigned
crash_run(unsigned die_at, unsigned how, bool no_sync, unsigned *used, char *text, size_t n)
{
	unsigned lost = 0;
	struct rig r;

	rig_init(&r);
	r.disk->die_at = die_at;
	r.disk->no_sync = no_sync;
	r.disk->seed = die_at * 8 + how;
	if (rig_open(&r) == 0) {
		work(&r);
		sl_store_close(r.store);
	}
	*used = r.disk->ops;
	for (int again = 0; again < 2 && lost == 0; again++) {
		disk_lose_power(r.disk, again == 0 ? how : 0);
		if (rig_open(&r) != 0) {
			snprintf(text, n, "it doesn't open");
			lost = 1;
			break;
		}
		lost = losses(&r, false, text, n);
		if (again == 0) {
			sl_store_close(r.store);
			r.store = NULL;
		}
	}
	rig_clear(&r);
	return lost;
}

static void
power_loss_after_every_operation(void **state)
{
	char text[80] = "";
	unsigned total, used;

	(void)state;
	assert_int_equal(crash_run(0, 0, false, &total, text, sizeof(text)), 0);
	print_message("%u operations\n", total);
	assert_true(total > 80);
	for (unsigned die = 1; die <= total + 1; die++)
		for (unsigned how = 0; how < SURVIVALS; how++)
			if (crash_run(die, how, false, &used, text, sizeof(text)) != 0)
				fail_msg("operation %u of %u, survivors %u: %s", die, total, how,
				    text);
}

static void
without_syncs_it_is_found(void **state)
{
	unsigned total, used, found = 0;
	char text[80];

	(void)state;
	crash_run(0, 1, false, &total, text, sizeof(text));
	for (unsigned die = 20; die <= total; die += 10)
		found += crash_run(die, 0, true, &used, text, sizeof(text)) != 0;
	print_message("%u losses found\n", found);
	assert_true(found > 0);
}

/* 'power': the process only ends, or the machine does, with no or all unsynced writes. */
static void
failure_run(unsigned fail, int error, unsigned power, unsigned *used)
{
	struct request_test q = { 0 };
	char text[80] = "";
	struct rig r;
	int status;

	rig_init(&r);
	if (rig_open(&r) != 0)
		fail_msg("it doesn't open at all");
	r.disk->fail_at = fail > 0 ? r.disk->ops + fail : 0;
	r.disk->fail_errno = error;
	work(&r);
	*used = r.disk->ops;
	r.disk->fail_at = 0;
	begin_accept(&r, &q, MESSAGES - 1, false);
	status = sl_op_block(q.op);
	heard(&r, &q, status);
	sl_op_release(q.op);
	if (status != 0)
		fail_msg("operation %u (%s): no accept after it", fail, strerror(error));
	if (losses(&r, true, text, sizeof(text)) != 0)
		fail_msg("operation %u (%s), running: %s", fail, strerror(error), text);
	sl_store_close(r.store);
	r.store = NULL;
	if (power < 2)
		disk_lose_power(r.disk, power);
	assert_int_equal(rig_open(&r), 0);
	if (losses(&r, true, text, sizeof(text)) != 0)
		fail_msg("operation %u (%s), power %u: %s", fail, strerror(error), power, text);
	rig_clear(&r);
}

static void
every_operation_fails_once(void **state)
{
	static const int errors[] = { ENOSPC, EIO };
	unsigned total, used;

	(void)state;
	failure_run(0, 0, 2, &total);
	for (unsigned fail = 1; fail <= total; fail++)
		for (size_t e = 0; e < 2; e++)
			for (unsigned power = 0; power < 3; power++)
				failure_run(fail, errors[e], power, &used);
}

/* The disk is full for a while, then it has room again. */
static void
full_disk_and_room_again(void **state)
{
	char text[80] = "";
	struct request_test q = { 0 };
	struct rig r;

	(void)state;
	rig_init(&r);
	assert_int_equal(rig_open(&r), 0);
	round_of(&r, 0);
	for (int i = 0; i < 6; i++) {
		memset(&q, 0, sizeof(q));
		/* whatever comes first fails, whole; so does the next */
		r.disk->die_at = r.disk->ops + 1;
		begin_accept(&r, &q, 20 + i, false);
		heard(&r, &q, sl_op_block(q.op));
		sl_op_release(q.op);
		assert_int_equal(r.told[20 + i].fate, DOUBT);
		r.disk->die_at = 0;
	}
	round_of(&r, 2);
	assert_int_equal(r.told[8].fate, THERE);
	sl_store_close(r.store);
	disk_lose_power(r.disk, 1);
	assert_int_equal(rig_open(&r), 0);
	if (losses(&r, true, text, sizeof(text)) != 0)
		fail_msg("%s", text);
	rig_clear(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(power_loss_after_every_operation),
		cmocka_unit_test(without_syncs_it_is_found),
		cmocka_unit_test(every_operation_fails_once),
		cmocka_unit_test(full_disk_and_room_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
