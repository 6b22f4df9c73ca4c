/* Questions past a tape. See tap.h. */
#include "tap.h"

#include <stdio.h>
#include <string.h>

#include "../base/alloc.h"
#include "answer.h"

struct sl_dns_tap {
	struct sl_dns *real, *dns;
	struct sl_dns_host host;
	struct sl_tape *tape;
	char *whom;
	struct sl_list asking;
};

/* A question that went on to the real one. */
struct asking {
	struct sl_list link;
	struct sl_dns_tap *tap;
	struct sl_dns_query *for_whom, *real;
	struct sl_buf question;
};

/* ---- answers as bytes --------------------------------------------------------------------- */

static void
put_record(struct sl_buf *out, const struct sl_dns_record *r)
{
	struct sl_buf text = SL_BUF_INIT;

	sl_buf_printf(&text, "%u %u %u %u ", r->ttl, r->preference, r->weight, r->port);
	sl_buf_putstr(&text, r->data);
	sl_tape_put(out, "record", sl_buf_str(&text));
	out->failed = out->failed || text.failed;
	sl_buf_clear(&text);
}

void
sl_dns_answer_put(struct sl_buf *out, const struct sl_dns_answer *a)
{
	size_t i;

	sl_tape_put(out, "status", sl_str_of(sl_dns_status_word(a->status)));
	sl_tape_put_number(out, "secure", a->secure);
	sl_tape_put_number(out, "ttl", a->ttl);
	if (a->canonical != NULL)
		sl_tape_put(out, "canonical", sl_str_of(a->canonical));
	for (i = 0; i < a->n; i++)
		put_record(out, &a->records[i]);
}

static bool
take_number(struct sl_str *text, uint32_t max, uint32_t *out)
{
	struct sl_str word;
	uint64_t n;

	if (!sl_str_split(text, ' ', &word) || !sl_str_u64(word, &n) || n > max)
		return false;
	*out = (uint32_t)n;
	return true;
}

static void
add_record(struct sl_answer_builder *b, struct sl_str text)
{
	struct sl_dns_record r = { 0 };
	uint32_t preference, weight, port;

	if (!take_number(&text, UINT32_MAX, &r.ttl) || !take_number(&text, UINT16_MAX, &preference) ||
	    !take_number(&text, UINT16_MAX, &weight) || !take_number(&text, UINT16_MAX, &port))
		return;
	r.preference = (uint16_t)preference;
	r.weight = (uint16_t)weight;
	r.port = (uint16_t)port;
	r.data = text.p != NULL ? text : SL_STR("");
	sl_answer_add(b, &r);
}

static enum sl_dns_status
status_of(struct sl_str word)
{
	int i;

	for (i = SL_DNS_OK; i <= SL_DNS_INVALID; i++)
		if (sl_str_eq(word, sl_str_of(sl_dns_status_word((enum sl_dns_status)i))))
			return (enum sl_dns_status)i;
	return SL_DNS_SERVFAIL;
}

struct sl_dns_answer *
sl_dns_answer_get(struct sl_str parts)
{
	struct sl_str rest = parts, name, value, canonical = sl_tape_get(parts, "canonical");
	enum sl_dns_status status = status_of(sl_tape_get(parts, "status"));
	struct sl_answer_builder b;
	struct sl_dns_answer *a;
	char text[1024];

	sl_answer_begin(&b);
	while (sl_tape_part(&rest, &name, &value))
		if (sl_str_eq(name, SL_STR("record")))
			add_record(&b, value);
	snprintf(text, sizeof(text), "%.*s", canonical.n < 1000 ? (int)canonical.n : 1000, canonical.p);
	a = sl_answer_end(&b, status != SL_DNS_OK ? status : SL_DNS_NODATA, text);
	if (a == NULL)
		return NULL;
	if (status != SL_DNS_OK)
		a->status = status;
	a->secure = sl_tape_get_number(parts, "secure") != 0;
	a->ttl = (uint32_t)sl_tape_get_number(parts, "ttl");
	return a;
}

/* ---- asking ------------------------------------------------------------------------------- */

static void
asking_free(struct asking *a)
{
	sl_list_remove(&a->link);
	if (a->real != NULL)
		sl_op_release(&a->real->op);
	sl_buf_clear(&a->question);
	sl_free(a);
}

static void
note(const struct asking *a, const struct sl_dns_answer *answer)
{
	struct sl_buf value = SL_BUF_INIT;

	if (!sl_tape_records(a->tap->tape))
		return;
	sl_dns_answer_put(&value, answer);
	sl_tape_note(a->tap->tape, "dns", sl_buf_str(&a->question), sl_buf_str(&value));
	sl_buf_clear(&value);
}

static void
answered(struct sl_op *op, void *arg)
{
	struct asking *a = arg;
	struct sl_dns_query *for_whom = a->for_whom;
	struct sl_dns_answer *answer = sl_dns_answer_ref(((struct sl_dns_query *)op)->answer);

	note(a, answer);
	asking_free(a);
	sl_dns_give(for_whom, answer);
}

static void
put_question(const struct sl_dns_tap *t, struct sl_buf *out, const struct sl_dns_query *query,
    const char *name)
{
	sl_buf_printf(out, "%s%s%s %s", t->whom, t->whom[0] != '\0' ? " " : "",
	    sl_dns_type_word(query->type), name);
}

static void
ask_real(struct sl_dns_tap *t, struct sl_dns_query *query, const char *name)
{
	struct asking *a = sl_calloc(1, sizeof(*a));

	if (a == NULL) {
		sl_dns_give(query, NULL);
		return;
	}
	a->tap = t;
	a->for_whom = query;
	sl_list_insert(&t->asking, &a->link);
	put_question(t, &a->question, query, name);
	a->real = a->question.failed ? NULL : sl_dns_query(t->real, name, query->type, 0);
	if (a->real == NULL) {
		asking_free(a);
		sl_dns_give(query, NULL);
		return;
	}
	sl_op_wait(&a->real->op, answered, a);
}

static void
ask(void *arg, struct sl_dns_query *query, const char *name)
{
	struct sl_dns_tap *t = arg;
	struct sl_buf question = SL_BUF_INIT;
	struct sl_str value;
	bool found;

	if (sl_tape_records(t->tape)) {
		ask_real(t, query, name);
		return;
	}
	put_question(t, &question, query, name);
	found = sl_tape_find(t->tape, "dns", sl_buf_str(&question), SL_TAPE_AGAIN, &value);
	if (!found && !sl_tape_live(t->tape))
		sl_tape_miss(t->tape, "dns", sl_buf_str(&question));
	sl_buf_clear(&question);
	if (found)
		sl_dns_give(query, sl_dns_answer_get(value));
	else if (sl_tape_live(t->tape))
		ask_real(t, query, name);
	else
		sl_dns_give(query, NULL);
}

/* Its time has passed, or nobody waits any more: the script heard of a time-out. */
static void
cancel(void *arg, struct sl_dns_query *query)
{
	struct sl_dns_tap *t = arg;
	struct sl_dns_answer *late = sl_dns_answer_empty(SL_DNS_TIMEOUT);
	struct sl_list *l;

	for (l = t->asking.next; l != &t->asking; l = l->next) {
		struct asking *a = sl_list_entry(l, struct asking, link);

		if (a->for_whom != query)
			continue;
		if (late != NULL)
			note(a, late);
		asking_free(a);
		break;
	}
	sl_dns_answer_unref(late);
}

/* ---- life --------------------------------------------------------------------------------- */

struct sl_dns_tap *
sl_dns_tap_new(struct sl_dns *real, struct sl_tape *tape, const char *whom)
{
	struct sl_dns_tap *t = sl_calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	sl_list_init(&t->asking);
	t->real = sl_dns_ref(real);
	t->tape = tape;
	t->host = (struct sl_dns_host){ ask, cancel, t };
	t->whom = sl_strdup(whom);
	if (t->whom == NULL || (t->dns = sl_dns_beside(real, &t->host)) == NULL) {
		sl_dns_tap_free(t);
		return NULL;
	}
	return t;
}

void
sl_dns_tap_free(struct sl_dns_tap *t)
{
	if (t == NULL)
		return;
	while (!sl_list_empty(&t->asking))
		asking_free(sl_list_entry(t->asking.next, struct asking, link));
	sl_dns_unref(t->dns);
	sl_dns_unref(t->real);
	sl_free(t->whom);
	sl_free(t);
}

struct sl_dns *
sl_dns_tap_dns(struct sl_dns_tap *t)
{
	return t->dns;
}
