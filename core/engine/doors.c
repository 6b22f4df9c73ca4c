/* What a run sees of clock, chance and machine. See doors.h. */
#include "doors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../crypto/random.h"
#include "internal.h"
#include "plain.h"

struct sl_tape *
sl_run_tape(lua_State *L)
{
	const struct sl_run *run = sl_running(L);
	const struct sl_builtin *row;

	if (run == NULL || run->spec.tape == NULL)
		return NULL;
	row = sl_builtin_running(L);
	sl_tape_place(run->spec.tape, run->spec.name, run->spec.recipient, row != NULL ? row->name : NULL);
	return run->spec.tape;
}

/* ---- clock ------------------------------------------------------------------------------ */

int64_t
sl_door_time(struct sl_tape *tape, const struct sl_loop *loop)
{
	int64_t us;

	if (sl_tape_plays(tape))
		return sl_tape_time(tape);
	us = sl_loop_time_us(loop);
	if (tape != NULL)
		sl_tape_note_time(tape, us);
	return us;
}

int64_t
sl_run_time(lua_State *L)
{
	return sl_door_time(sl_run_tape(L), sl_vm_from(L)->loop);
}

/* ---- chance ----------------------------------------------------------------------------- */

/* What was drawn then; false: something else is to be done, 'rc' says what. */
static bool
drawn(struct sl_tape *tape, const char *key, struct sl_str *value, int *rc)
{
	*rc = 0;
	if (!sl_tape_plays(tape))
		return false;
	if (sl_tape_find_drawn(tape, key, value))
		return true;
	if (!sl_tape_live(tape)) {
		sl_tape_miss_drawn(tape, key);
		*rc = SL_ERR_NOTFOUND;
	}
	return false;
}

int
sl_door_random(struct sl_tape *tape, void *p, size_t n)
{
	char key[32];
	struct sl_str value;
	int rc;

	snprintf(key, sizeof(key), "bytes %zu", n);
	if (drawn(tape, key, &value, &rc) && value.n == n) {
		memcpy(p, value.p, n);
		return 0;
	}
	if (rc == 0)
		rc = sl_random_bytes(p, n);
	if (rc == 0 && sl_tape_records(tape))
		sl_tape_note_drawn(tape, key, (struct sl_str){ p, n });
	return rc;
}

int
sl_door_random_below(struct sl_tape *tape, uint64_t below, uint64_t *out)
{
	char key[40], text[24];
	struct sl_str value;
	int rc;

	snprintf(key, sizeof(key), "below %llu", (unsigned long long)below);
	if (drawn(tape, key, &value, &rc) && sl_str_u64(value, out) && *out < below)
		return 0;
	if (rc == 0)
		rc = sl_random_below(below, out);
	if (rc == 0 && sl_tape_records(tape)) {
		snprintf(text, sizeof(text), "%llu", (unsigned long long)*out);
		sl_tape_note_drawn(tape, key, sl_str_of(text));
	}
	return rc;
}

int
sl_door_uuid4(struct sl_tape *tape, char out[37])
{
	struct sl_str value;
	int rc;

	if (drawn(tape, "uuid", &value, &rc) && value.n == SL_UUID_SIZE - 1) {
		memcpy(out, value.p, value.n);
		out[value.n] = '\0';
		return 0;
	}
	if (rc == 0)
		rc = sl_uuid4(out);
	if (rc == 0 && sl_tape_records(tape))
		sl_tape_note_drawn(tape, "uuid", sl_str_of(out));
	return rc;
}

/* ---- readings --------------------------------------------------------------------------- */

struct sl_str
sl_door_text(struct sl_tape *tape, const char *name, struct sl_str real)
{
	struct sl_str value;

	if (tape == NULL)
		return real;
	if (!sl_tape_plays(tape)) {
		sl_tape_note(tape, "reading", sl_str_of(name), real);
		return real;
	}
	if (sl_tape_find(tape, "reading", sl_str_of(name), SL_TAPE_AGAIN, &value))
		return value;
	if (!sl_tape_live(tape))
		sl_tape_miss(tape, "reading", sl_str_of(name));
	return real;
}

struct sl_str
sl_door_unique(struct sl_tape *tape, const char *name, struct sl_str real)
{
	struct sl_str value;
	int rc;

	if (drawn(tape, name, &value, &rc))
		return value;
	if (sl_tape_records(tape))
		sl_tape_note_drawn(tape, name, real);
	return real;
}

double
sl_door_number(struct sl_tape *tape, const char *name, double real)
{
	char text[32], *end;
	struct sl_str value;
	double n;

	if (tape == NULL)
		return real;
	snprintf(text, sizeof(text), "%.17g", real);
	value = sl_door_text(tape, name, sl_str_of(text));
	snprintf(text, sizeof(text), "%.*s", value.n < 31 ? (int)value.n : 31, value.p);
	n = strtod(text, &end);
	return end != text ? n : real;
}

/* ---- cache ------------------------------------------------------------------------------ */

static void
put_key(struct sl_buf *out, struct sl_str space, struct sl_str key)
{
	sl_buf_putstr(out, space);
	sl_buf_putc(out, '\0');
	sl_buf_putstr(out, key);
}

static void
note_hit(struct sl_tape *tape, struct sl_str key, bool found, struct sl_str value, size_t head)
{
	struct sl_buf text = SL_BUF_INIT;

	if (found) {
		sl_tape_put(&text, "head", sl_str_sub(value, 0, head));
		sl_plain_to_parts(sl_str_sub(value, head, value.n), &text);
	}
	sl_tape_note(tape, "cache", key, sl_buf_str(&text));
	sl_buf_clear(&text);
}

static bool
played_hit(struct sl_tape *tape, struct sl_str key, struct sl_buf *found)
{
	struct sl_str parts, name, head;

	if (!sl_tape_find(tape, "cache", key, SL_TAPE_ONCE, &parts) ||
	    !sl_tape_part(&parts, &name, &head) || !sl_str_eq(name, SL_STR("head")))
		return false;
	sl_buf_putstr(found, head);
	return sl_plain_from_parts(parts, found);
}

bool
sl_door_cache_get(struct sl_tape *tape, struct sl_cache *cache, struct sl_str space,
    struct sl_str key, size_t head, struct sl_buf *found, struct sl_str *value)
{
	struct sl_buf name = SL_BUF_INIT;
	bool hit;

	if (tape == NULL)
		return sl_cache_get(cache, space, key, value);
	put_key(&name, space, key);
	if (sl_tape_plays(tape)) {
		hit = played_hit(tape, sl_buf_str(&name), found);
		*value = sl_buf_str(found);
	} else {
		hit = sl_cache_get(cache, space, key, value);
		note_hit(tape, sl_buf_str(&name), hit, *value, head);
	}
	sl_buf_clear(&name);
	return hit;
}

void
sl_door_cache_put(struct sl_tape *tape, struct sl_cache *cache, struct sl_str space,
    struct sl_str key, struct sl_str value, int64_t ttl_us, size_t size, bool least)
{
	if (!sl_tape_plays(tape))
		sl_cache_put(cache, space, key, value, ttl_us, size, least);
}
