/*
 * Hash tables of the shared state.
 *
 * A rate window is a ring of SLOTS + 1 counters, each interval/SLOTS long
 * (rounded up to a millisecond), so an entry has a fixed size whatever the
 * limit. An event leaves the window between SLOTS and SLOTS + 1 of them after
 * it came: never too early.
 */
#include "table.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"

#define SLOTS	60
#define MAGIC	"sluice state 1\n"

struct entry {
	bool rate;
	int64_t expires;	/* ms, INT64_MAX = never */
	/* rate */
	int64_t slot_ms, newest;
	uint32_t counts[SLOTS + 1];
	uint64_t total;
	/* memory */
	char *value;
	size_t n;
};

struct sl_table {
	struct sl_dict *map;
	size_t max_entries, max_bytes, bytes;
	char number[32];
};

struct sl_table *
sl_table_new(size_t max_entries, size_t max_bytes)
{
	struct sl_table *t = sl_calloc(1, sizeof(*t));

	if (t == NULL || (t->map = sl_dict_new()) == NULL) {
		sl_free(t);
		return NULL;
	}
	t->max_entries = max_entries;
	t->max_bytes = max_bytes;
	return t;
}

static void
entry_free(void *p)
{
	struct entry *e = p;

	sl_free(e->value);
	sl_free(e);
}

void
sl_table_free(struct sl_table *t)
{
	if (t == NULL)
		return;
	sl_dict_free(t->map, entry_free);
	sl_free(t);
}

size_t
sl_table_count(const struct sl_table *t)
{
	return sl_dict_count(t->map);
}

static size_t
cost(struct sl_str key, const struct entry *e)
{
	return key.n + e->n + sizeof(*e);
}

static void
drop(struct sl_table *t, struct sl_str key)
{
	struct entry *e = sl_dict_get(t->map, key);

	if (e == NULL)
		return;
	t->bytes -= cost(key, e);
	sl_dict_remove(t->map, key);
	entry_free(e);
}

/* Makes room: what expired first, then the oldest. */
static void
make_room(struct sl_table *t, int64_t now)
{
	struct sl_str key;
	void *value;
	size_t i;

	if (sl_dict_count(t->map) < t->max_entries && t->bytes < t->max_bytes)
		return;
	for (i = 0; sl_dict_each(t->map, &i, &key, &value);)
		if (((struct entry *)value)->expires <= now)
			drop(t, key);
	for (i = 0; sl_dict_each(t->map, &i, &key, &value);) {
		if (sl_dict_count(t->map) < t->max_entries - t->max_entries / 16 &&
		    t->bytes < t->max_bytes - t->max_bytes / 16)
			break;
		drop(t, key);
	}
}

static struct entry *
find(struct sl_table *t, struct sl_str key, int64_t now)
{
	struct entry *e = sl_dict_get(t->map, key);

	if (e != NULL && e->expires <= now) {
		drop(t, key);
		e = NULL;
	}
	return e;
}

static struct entry *
add(struct sl_table *t, struct sl_str key, int64_t now)
{
	struct entry *e;

	make_room(t, now);
	e = sl_calloc(1, sizeof(*e));
	if (e == NULL || sl_dict_set(t->map, key, e, NULL) != 0) {
		sl_free(e);
		return NULL;
	}
	t->bytes += cost(key, e);
	return e;
}

/* ---- rates ----------------------------------------------------------- */

/* Forgets the slots that left the window; all, if the clock was set back by more than it. */
static void
advance(struct entry *e, int64_t now)
{
	int64_t slot = now / e->slot_ms;

	if (slot - e->newest > SLOTS || e->newest - slot > SLOTS) {
		memset(e->counts, 0, sizeof(e->counts));
		e->total = 0;
		e->newest = slot;
	}
	while (e->newest < slot) {
		e->newest++;
		e->total -= e->counts[e->newest % (SLOTS + 1)];
		e->counts[e->newest % (SLOTS + 1)] = 0;
	}
}

static int
rate(struct sl_table *t, int64_t now, const struct sl_state_request *r, struct sl_state_reply *out)
{
	struct entry *e = find(t, r->key, now);

	if (e == NULL || !e->rate) {
		if (r->command == SL_STATE_RATE_COUNT || r->ms <= 0)
			return 0;
		drop(t, r->key);
		if ((e = add(t, r->key, now)) == NULL)
			return SL_ERR_NOMEM;
		e->rate = true;
		e->slot_ms = (r->ms + SLOTS - 1) / SLOTS;
		e->newest = now / e->slot_ms;
	}
	advance(e, now);
	if (r->command == SL_STATE_RATE && e->total < (uint64_t)r->number) {
		e->counts[e->newest % (SLOTS + 1)]++;
		e->total++;
		e->expires = now + r->ms + e->slot_ms;
		out->ok = true;
	}
	out->number = (int64_t)e->total;
	return 0;
}

/* ---- memory ---------------------------------------------------------- */

static int
store(struct sl_table *t, int64_t now, const struct sl_state_request *r, struct sl_str value)
{
	struct entry *e;
	char *copy = sl_malloc(value.n + 1);

	if (copy == NULL)
		return SL_ERR_NOMEM;
	memcpy(copy, value.p, value.n);
	drop(t, r->key);
	if ((e = add(t, r->key, now)) == NULL) {
		sl_free(copy);
		return SL_ERR_NOMEM;
	}
	e->value = copy;
	e->n = value.n;
	e->expires = r->ms > 0 ? now + r->ms : INT64_MAX;
	t->bytes += value.n;
	return 0;
}

static bool
parse_number(struct sl_str s, int64_t *out)
{
	bool minus = s.n > 0 && s.p[0] == '-';
	uint64_t n;

	if (minus)
		s = sl_str_sub(s, 1, s.n);
	if (!sl_str_u64(s, &n) || n > INT64_MAX)
		return false;
	*out = minus ? -(int64_t)n : (int64_t)n;
	return true;
}

/* The new number is stored as text, so that fetch and inc see one value. A
 * value that is no number can't be counted: ok stays false. */
static int
inc(struct sl_table *t, int64_t now, const struct sl_state_request *r, struct sl_state_reply *out)
{
	struct entry *e = find(t, r->key, now);
	struct sl_state_request keep = *r;
	int64_t n = 0;
	int rc, len;

	if (e != NULL && (e->rate || !parse_number((struct sl_str){ e->value, e->n }, &n)))
		return 0;
	if (__builtin_add_overflow(n, r->number, &n))
		return 0;
	if (e != NULL)
		keep.ms = e->expires == INT64_MAX ? 0 : e->expires - now;
	if (n == 0 && r->value.n > 0) {
		drop(t, r->key);
		out->ok = true;
		return 0;
	}
	len = snprintf(t->number, sizeof(t->number), "%lld", (long long)n);
	rc = store(t, now, &keep, (struct sl_str){ t->number, (size_t)len });
	out->ok = rc == 0;
	out->number = n;
	return rc;
}

static int
memory(struct sl_table *t, int64_t now, const struct sl_state_request *r, struct sl_state_reply *out)
{
	struct entry *e = find(t, r->key, now);
	int rc = 0;

	switch (r->command) {
	case SL_STATE_ADD:
		if (e == NULL && (rc = store(t, now, r, r->value)) == 0)
			out->ok = true;
		return rc;
	case SL_STATE_STORE:
		rc = store(t, now, r, r->value);
		out->ok = rc == 0;
		return rc;
	case SL_STATE_FETCH:
		out->ok = e != NULL && !e->rate;
		if (out->ok)
			out->value = (struct sl_str){ e->value, e->n };
		return 0;
	case SL_STATE_DELETE:
		out->ok = e != NULL;
		drop(t, r->key);
		return 0;
	default:
		return SL_ERR_INVAL;
	}
}

int
sl_table_apply(struct sl_table *t, int64_t now, const struct sl_state_request *r,
    struct sl_state_reply *out)
{
	memset(out, 0, sizeof(*out));
	out->value = SL_STR("");
	if (r->command == SL_STATE_RATE || r->command == SL_STATE_RATE_COUNT)
		return rate(t, now, r, out);
	if (r->command == SL_STATE_INC)
		return inc(t, now, r, out);
	return memory(t, now, r, out);
}

/* ---- saving ---------------------------------------------------------- */

struct saved {
	uint32_t crc;		/* of what follows: the rest of this, key, value */
	uint32_t key, value;
	uint32_t rate;
	int64_t expires, slot_ms, newest;
};

static uint32_t
saved_crc(const struct saved *s, const char *key, const void *value)
{
	uint32_t crc = sl_crc32c(0, (const char *)s + 4, sizeof(*s) - 4);

	crc = sl_crc32c(crc, key, s->key);
	return sl_crc32c(crc, value, s->value);
}

static void
save_entry(struct sl_buf *out, struct sl_str key, const struct entry *e)
{
	const void *value = e->rate ? (const void *)e->counts : e->value;
	struct saved s = {
		.key = (uint32_t)key.n,
		.value = (uint32_t)(e->rate ? sizeof(e->counts) : e->n),
		.rate = e->rate,
		.expires = e->expires, .slot_ms = e->slot_ms, .newest = e->newest,
	};

	s.crc = saved_crc(&s, key.p, value);
	sl_buf_put(out, &s, sizeof(s));
	sl_buf_putstr(out, key);
	sl_buf_put(out, value, s.value);
}

int
sl_table_save(const struct sl_table *t, int64_t now, struct sl_buf *out)
{
	struct sl_str key;
	void *value;
	size_t i;

	sl_buf_puts(out, MAGIC);
	for (i = 0; sl_dict_each(t->map, &i, &key, &value);)
		if (((struct entry *)value)->expires > now)
			save_entry(out, key, value);
	return out->failed ? SL_ERR_NOMEM : 0;
}

static int
load_rate(struct sl_table *t, int64_t now, const struct saved *s, struct sl_str key, const char *counts)
{
	struct entry *e;
	size_t i;

	if (s->value != sizeof(e->counts) || s->slot_ms <= 0 || s->newest < 0)
		return SL_ERR_CORRUPT;
	drop(t, key);
	if ((e = add(t, key, now)) == NULL)
		return SL_ERR_NOMEM;
	e->rate = true;
	e->expires = s->expires;
	e->slot_ms = s->slot_ms;
	e->newest = s->newest;
	memcpy(e->counts, counts, sizeof(e->counts));
	for (i = 0; i <= SLOTS; i++)
		e->total += e->counts[i];
	return 0;
}

static int
load_entry(struct sl_table *t, int64_t now, const struct saved *s, const char *p)
{
	struct sl_state_request r = {
		.command = SL_STATE_STORE,
		.key = { p, s->key },
		.ms = s->expires == INT64_MAX ? 0 : s->expires - now,
	};

	if (s->expires <= now)
		return 0;
	if (s->rate)
		return load_rate(t, now, s, r.key, p + s->key);
	return store(t, now, &r, (struct sl_str){ p + s->key, s->value });
}

int
sl_table_load(struct sl_table *t, int64_t now, struct sl_str bytes)
{
	size_t at = sizeof(MAGIC) - 1;
	struct saved s;
	int rc;

	if (!sl_str_starts(bytes, SL_STR(MAGIC)))
		return SL_ERR_CORRUPT;
	while (at < bytes.n) {
		if (bytes.n - at < sizeof(s))
			return SL_ERR_CORRUPT;
		memcpy(&s, bytes.p + at, sizeof(s));
		at += sizeof(s);
		if (s.key > SL_STATE_MAX_KEY || s.value > SL_STATE_MAX_VALUE ||
		    bytes.n - at < (size_t)s.key + s.value ||
		    s.crc != saved_crc(&s, bytes.p + at, bytes.p + at + s.key))
			return SL_ERR_CORRUPT;
		if ((rc = load_entry(t, now, &s, bytes.p + at)) != 0)
			return rc;
		at += (size_t)s.key + s.value;
	}
	return 0;
}
