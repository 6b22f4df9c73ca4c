/*
 * Looks for messages in lines of logs, in one pass. An id that is only learned
 * on the way (a Message-ID tells ours) may stand in lines before: the last
 * ones are kept for that, so that memory is bounded however long the log is.
 */
#include <stdlib.h>
#include <string.h>

#include "../base/event.h"
#include "../base/event_read.h"
#include "why.h"

#define WINDOW		(8u << 20)	/* bytes; between one and two of it are kept */
#define MAX_WORDS	400
#define MAX_GROUPS	50
#define MAX_FOUND	20000		/* lines in all */
#define MAX_BYTES	(32u << 20)	/* of these */
#define UUID		36
#define TIME		27		/* "2026-01-01T12:00:00.000000Z" */

/* What lines must have to be looked at. */
struct word {
	struct why_id id;
	struct sl_buf raw;		/* as it stands in a line */
	bool seed;			/* asked for; else learned */
	bool looked_back;
};

struct found {
	uint64_t number;		/* of the line, over all files */
	char time[TIME + 1];		/* of it, or of the last one before it that has one */
	json_t *event;
};

struct founds {
	struct found *list;
	size_t n, cap;
};

/* A message, with what else belongs to it: its session, its notifications. */
struct group {
	char id[WHY_MAX_ID + 1];
	char (*aliases)[UUID + 1];
	size_t naliases;
	struct founds founds;
	bool dropped;
};

/* Lines that have been read, the newer half and the older one. */
struct window {
	struct sl_buf text;
	uint64_t first;			/* number of its first line */
	char time[TIME + 1];		/* before that line */
};

struct why_search {
	struct word words[MAX_WORDS];
	size_t nwords;
	struct group groups[MAX_GROUPS];
	size_t ngroups;
	struct founds lines;		/* of other programs */
	struct window now, before;
	uint64_t number;
	char time[TIME + 1];
	struct sl_event_record record;
	size_t nfound, bytes, left_out;
};

/* ---- words ------------------------------------------------------------------------------- */

static bool
has_word(const struct why_search *s, const char *text)
{
	for (size_t i = 0; i < s->nwords; i++)
		if (strcmp(s->words[i].id.text, text) == 0)
			return true;
	return false;
}

static void
add_word(struct why_search *s, const struct why_id *id, bool seed)
{
	struct word *w;

	if (s->nwords == MAX_WORDS || has_word(s, id->text))
		return;
	w = &s->words[s->nwords++];
	w->id = *id;
	w->seed = seed;
	/* The quotes of JSON's form are left out. */
	sl_event_put_json(&w->raw, sl_str_of(id->text));
	if (w->raw.n >= 2)
		sl_buf_drop(&w->raw, 1);
	if (w->raw.n > 0)
		w->raw.n--;
}

static bool
is_word_byte(char c)
{
	return sl_isalnum(c) || c == '_';
}

/* As a whole word: a queue id may be a piece of many things. */
static bool
mentions(struct sl_str line, struct sl_str word)
{
	const char *p = line.p, *end = line.p + line.n;

	while (word.n > 0 && (p = memmem(p, (size_t)(end - p), word.p, word.n)) != NULL) {
		if ((p == line.p || !is_word_byte(p[-1])) &&
		    (p + word.n == end || !is_word_byte(p[word.n])))
			return true;
		p++;
	}
	return false;
}

/* ---- what is kept ------------------------------------------------------------------------ */

static json_t *
json_of(struct sl_str s)
{
	return json_stringn_nocheck(s.p, s.n);
}

static json_t *
value_of(const struct sl_record_field *f)
{
	char text[40], *end;
	json_int_t number;

	if (f->quoted || f->value.n >= sizeof(text))
		return json_of(f->value);
	memcpy(text, f->value.p, f->value.n);
	text[f->value.n] = '\0';
	number = strtoll(text, &end, 10);
	if (end != text && *end == '\0')
		return json_integer(number);
	if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
		return json_boolean(text[0] == 't');
	return json_of(f->value);
}

static json_t *
event_of(const struct sl_event_record *r)
{
	json_t *out = json_object();
	size_t i;
	char name[64];

	json_object_set_new(out, "time", json_of(r->time));
	json_object_set_new(out, "level", json_of(r->level));
	json_object_set_new(out, "event", json_of(r->name));
	for (i = 0; i < r->nfields; i++) {
		const struct sl_record_field *f = &r->fields[i];

		if (f->name.n >= sizeof(name))
			continue;
		memcpy(name, f->name.p, f->name.n);
		name[f->name.n] = '\0';
		json_object_set_new(out, name, value_of(f));
	}
	return out;
}

/* 'event' is taken. */
static void
keep(struct why_search *s, struct founds *to, uint64_t number, const char *time, json_t *event,
    size_t size)
{
	struct found *list;

	/* Looking back for several words meets some lines twice; the order is nearly that of numbers. */
	for (size_t i = to->n; i > 0 && i + 64 > to->n; i--)
		if (to->list[i - 1].number == number) {
			json_decref(event);
			return;
		}
	if (s->nfound == MAX_FOUND || s->bytes + size > MAX_BYTES) {
		s->left_out++;
		json_decref(event);
		return;
	}
	if (to->n == to->cap) {
		list = realloc(to->list, (to->cap * 2 + 16) * sizeof(*list));
		if (list == NULL) {
			s->left_out++;
			json_decref(event);
			return;
		}
		to->list = list;
		to->cap = to->cap * 2 + 16;
	}
	to->list[to->n] = (struct found){ .number = number, .event = event };
	memcpy(to->list[to->n++].time, time, TIME + 1);
	s->nfound++;
	s->bytes += size;
}

/* ---- events ------------------------------------------------------------------------------ */

/* The text of one of our ids without the number of a copy; false: it isn't there. */
static bool
base_of(struct sl_str s, char *out)
{
	if (s.n == 0 || s.n > WHY_MAX_ID)
		return false;
	if (s.n > UUID && s.p[UUID] == '-' && s.p[8] == '-' && s.p[13] == '-')
		s.n = UUID;
	memcpy(out, s.p, s.n);
	out[s.n] = '\0';
	return true;
}

/* Whose event it is. */
static bool
owner_of(const struct sl_event_record *r, char *out)
{
	return base_of(sl_record_get(r, "messageid"), out) || base_of(sl_record_get(r, "id"), out);
}

static bool
field_is(const struct sl_event_record *r, const char *name, const char *text)
{
	struct sl_str value = sl_record_get(r, name);

	return value.n > 0 && sl_str_eq(value, sl_str_of(text));
}

/*
 * A sender may write anybody's id where he likes: each kind counts only in the
 * fields where it belongs.
 */
static bool
is_about(const struct sl_event_record *r, const struct word *w, const char *owner)
{
	const char *text = w->id.text;
	struct sl_str msgid;

	switch (w->id.kind) {
	case WHY_ID:
		return strcmp(owner, text) == 0 || field_is(r, "session", text) ||
		    field_is(r, "notification", text);
	case WHY_MSGID:
		msgid = sl_record_get(r, "msgid");
		if (msgid.n > 2 && msgid.p[0] == '<' && msgid.p[msgid.n - 1] == '>')
			msgid = sl_str_sub(msgid, 1, msgid.n - 1);
		return msgid.n > 0 && sl_str_eq(msgid, sl_str_of(text));
	default:
		/* "queued as ..." is how the next mail server calls it. */
		return field_is(r, "queueid", text) || strcmp(owner, text) == 0 ||
		    mentions(sl_record_get(r, "text"), sl_str_of(text));
	}
}

static struct group *
group_at(struct why_search *s, const char *id)
{
	for (size_t i = 0; i < s->ngroups; i++)
		if (strcmp(s->groups[i].id, id) == 0)
			return &s->groups[i];
	return NULL;
}

static struct group *
learn(struct why_search *s, const char *id)
{
	struct why_id word = { .kind = WHY_ID };
	struct group *g;

	if (s->ngroups == MAX_GROUPS) {
		s->left_out++;
		return NULL;
	}
	g = &s->groups[s->ngroups++];
	memcpy(g->id, id, strlen(id) + 1);
	memcpy(word.text, id, strlen(id) + 1);
	add_word(s, &word, false);
	return g;
}

static void
learn_alias(struct why_search *s, struct group *g, struct sl_str alias)
{
	struct why_id word = { .kind = WHY_ID };
	char (*aliases)[UUID + 1];

	if (alias.n != UUID)
		return;
	for (size_t i = 0; i < g->naliases; i++)
		if (memcmp(g->aliases[i], alias.p, UUID) == 0)
			return;
	aliases = realloc(g->aliases, (g->naliases + 1) * sizeof(*aliases));
	if (aliases == NULL)
		return;
	g->aliases = aliases;
	memcpy(aliases[g->naliases], alias.p, UUID);
	aliases[g->naliases++][UUID] = '\0';
	memcpy(word.text, alias.p, UUID);
	add_word(s, &word, false);
}

static bool
has_alias(const struct group *g, const char *id)
{
	for (size_t i = 0; i < g->naliases; i++)
		if (strcmp(g->aliases[i], id) == 0)
			return true;
	return false;
}

static bool
is_asked_for(const struct why_search *s, const char *owner)
{
	for (size_t i = 0; i < s->nwords; i++)
		if (s->words[i].seed && is_about(&s->record, &s->words[i], owner))
			return true;
	return false;
}

static void
consider_event(struct why_search *s, uint64_t number, const char *time, size_t size)
{
	const struct sl_event_record *r = &s->record;
	char owner[WHY_MAX_ID + 1];
	struct group *g;

	if (!owner_of(r, owner))
		return;
	g = group_at(s, owner);
	if (g == NULL && is_asked_for(s, owner))
		g = learn(s, owner);
	if (g != NULL) {
		learn_alias(s, g, sl_record_get(r, "session"));
		learn_alias(s, g, sl_record_get(r, "notification"));
		keep(s, &g->founds, number, time, event_of(r), size);
		return;
	}
	for (size_t i = 0; i < s->ngroups; i++)
		if (has_alias(&s->groups[i], owner))
			keep(s, &s->groups[i].founds, number, time, event_of(r), size);
}

static void
keep_foreign(struct why_search *s, struct sl_str line, uint64_t number, const char *time)
{
	struct sl_buf text = SL_BUF_INIT;
	json_t *out = json_object();

	sl_event_put_harmless(&text, sl_str_sub(line, 0, 1000));
	json_object_set_new(out, "time", json_string(time));
	json_object_set_new(out, "line", json_of(sl_buf_str(&text)));
	keep(s, &s->lines, number, time, out, text.n);
	sl_buf_clear(&text);
}

static void
consider(struct why_search *s, struct sl_str line, uint64_t number, const char *time)
{
	if (sl_event_read(&s->record, line) == 0) {
		consider_event(s, number, time, line.n);
		return;
	}
	for (size_t i = 0; i < s->nwords; i++)
		if (mentions(line, sl_buf_str(&s->words[i].raw))) {
			keep_foreign(s, line, number, time);
			return;
		}
}

/* ---- lines ------------------------------------------------------------------------------- */

static void
note_time(struct sl_str line, char *time)
{
	static const char head[] = "{\"time\":\"";
	size_t n = sizeof(head) - 1;

	if (line.n < n + TIME || memcmp(line.p, head, n) != 0)
		return;
	memcpy(time, line.p + n, TIME);
	time[TIME] = '\0';
}

static void
look_back_in(struct why_search *s, const struct window *w, struct sl_str word)
{
	struct sl_str rest = sl_buf_str(&w->text), line;
	uint64_t number = w->first;
	char time[TIME + 1];

	memcpy(time, w->time, sizeof(time));
	if (rest.n == 0 || memmem(rest.p, rest.n, word.p, word.n) == NULL)
		return;
	/* Each line ends in a newline, so an empty rest is no line. */
	while (rest.n > 0 && sl_str_split(&rest, '\n', &line)) {
		note_time(line, time);
		if (line.n >= word.n && memmem(line.p, line.n, word.p, word.n) != NULL)
			consider(s, line, number, time);
		number++;
	}
}

/* What is learned on the way back is looked for as well. */
static void
look_back(struct why_search *s)
{
	for (size_t i = 0; i < s->nwords; i++) {
		if (s->words[i].looked_back)
			continue;
		s->words[i].looked_back = true;
		look_back_in(s, &s->before, sl_buf_str(&s->words[i].raw));
		look_back_in(s, &s->now, sl_buf_str(&s->words[i].raw));
	}
}

static void
remember(struct why_search *s, struct sl_str line, const char *time_before)
{
	struct sl_buf old;

	if (s->now.text.n + line.n + 1 > WINDOW && s->now.text.n > 0) {
		old = s->before.text;
		s->before = s->now;
		s->now.text = old;
		sl_buf_reset(&s->now.text);
	}
	if (s->now.text.n == 0) {
		s->now.first = s->number;
		memcpy(s->now.time, time_before, sizeof(s->now.time));
	}
	sl_buf_putstr(&s->now.text, line);
	sl_buf_putc(&s->now.text, '\n');
}

void
why_search_line(struct why_search *s, struct sl_str line)
{
	char before[TIME + 1];
	size_t i, n = s->nwords;

	memcpy(before, s->time, sizeof(before));
	note_time(line, s->time);
	remember(s, line, before);
	for (i = 0; i < s->nwords; i++)
		if (line.n > 0 && memmem(line.p, line.n, s->words[i].raw.p, s->words[i].raw.n) != NULL)
			break;
	if (i < s->nwords)
		consider(s, line, s->number, s->time);
	if (s->nwords > n)
		look_back(s);
	s->number++;
}

void
why_search_file(struct why_search *s)
{
	s->time[0] = '\0';
}

struct why_search *
why_search_new(const struct why_id *ids, size_t n)
{
	struct why_search *s = calloc(1, sizeof(*s));

	for (size_t i = 0; s != NULL && i < n; i++) {
		add_word(s, &ids[i], true);
		s->words[i].looked_back = true;
	}
	return s;
}

/* ---- the end ----------------------------------------------------------------------------- */

static int
by_time(const void *a, const void *b)
{
	const struct found *x = a, *y = b;
	int d = strcmp(x->time, y->time);

	return d != 0 ? d : x->number < y->number ? -1 : x->number > y->number;
}

static json_t *
list_of(const struct founds *f)
{
	json_t *out = json_array();

	if (f->n > 0)
		qsort(f->list, f->n, sizeof(*f->list), by_time);
	for (size_t i = 0; i < f->n; i++)
		if (i == 0 || f->list[i].number != f->list[i - 1].number)
			json_array_append(out, f->list[i].event);
	return out;
}

/* What is another's session or notification is told there. */
static void
absorb(struct why_search *s, struct group *g)
{
	for (size_t i = 0; i < s->ngroups; i++) {
		struct group *to = &s->groups[i];

		if (to == g || !has_alias(to, g->id) || has_alias(g, to->id))
			continue;
		for (size_t j = 0; j < g->founds.n; j++)
			keep(s, &to->founds, g->founds.list[j].number, g->founds.list[j].time,
			    json_incref(g->founds.list[j].event), 0);
		g->dropped = true;
	}
}

json_t *
why_search_finish(struct why_search *s)
{
	json_t *messages = json_array(), *message;
	size_t i;

	for (i = 0; i < s->ngroups; i++)
		absorb(s, &s->groups[i]);
	for (i = 0; i < s->ngroups; i++) {
		if (s->groups[i].dropped || s->groups[i].founds.n == 0)
			continue;
		message = json_object();
		json_object_set_new(message, "id", json_string(s->groups[i].id));
		json_object_set_new(message, "events", list_of(&s->groups[i].founds));
		json_array_append_new(messages, message);
	}
	return json_pack("{s:o, s:o, s:I}", "messages", messages, "lines", list_of(&s->lines),
	    "left_out", (json_int_t)s->left_out);
}

static void
free_founds(struct founds *f)
{
	for (size_t i = 0; i < f->n; i++)
		json_decref(f->list[i].event);
	free(f->list);
}

void
why_search_free(struct why_search *s)
{
	size_t i;

	if (s == NULL)
		return;
	for (i = 0; i < s->nwords; i++)
		sl_buf_clear(&s->words[i].raw);
	for (i = 0; i < s->ngroups; i++) {
		free_founds(&s->groups[i].founds);
		free(s->groups[i].aliases);
	}
	free_founds(&s->lines);
	sl_buf_clear(&s->now.text);
	sl_buf_clear(&s->before.text);
	sl_event_record_clear(&s->record);
	free(s);
}
