/* Sessions by their facts, as files without secrets. See capture.h. */
#include "capture.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../crypto/key.h"
#include "../crypto/random.h"
#include "engine.h"

#define MAX_KNOWN	(64 * 1024)	/* bytes that are searched for every secret of the engine */

struct sl_capture {
	struct sl_watcher watcher;
	struct sl_engine *engine;
	struct sl_capture_options o;
	json_t *match;
	unsigned matched;		/* since the last one of 'every' */
	uint64_t seen, too_large;
};

/* ---- which sessions ----------------------------------------------------------------------- */

static const char *const facts[] = { "sender", "recipient", "ip", "helo", "user", "id", "server",
    NULL };

/* '*' stands for anything, also for nothing. */
static bool
matches(const char *pattern, struct sl_str text)
{
	const char *star = NULL;
	size_t i = 0, from = 0;

	while (i < text.n) {
		if (*pattern == '*') {
			star = ++pattern;
			from = i;
		} else if (*pattern != '\0' && sl_lower(*pattern) == sl_lower(text.p[i])) {
			pattern++;
			i++;
		} else if (star != NULL) {
			pattern = star;
			i = ++from;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}

static bool
matches_any(const json_t *patterns, struct sl_str text)
{
	const json_t *p;
	size_t i;

	if (json_is_string(patterns))
		return matches(json_string_value(patterns), text);
	json_array_foreach(patterns, i, p)
		if (json_is_string(p) && matches(json_string_value(p), text))
			return true;
	return false;
}

/* What is between the angle brackets, without a source route. */
static struct sl_str
address_of(struct sl_str path)
{
	ssize_t from = sl_str_chr(path, '<'), to = sl_str_chr(path, '>');

	return from >= 0 && to > from ? sl_str_sub(path, (size_t)from + 1, (size_t)to) : path;
}

/* The value of the fact that this entry has; false: it has none. */
static bool
fact_of(const struct sl_tape_entry *e, const char *fact, struct sl_str *value)
{
	static const struct { const char *fact, *kind, *part; } where[] = {
		{ "sender", "mail", NULL }, { "recipient", "rcpt", NULL }, { "helo", "helo", NULL },
		{ "ip", "open", "senderip" }, { "server", "open", "server" },
		{ "user", "auth", "username" }, { "user", "account", "username" },
		{ "id", "verdict", "id" }, { "id", "outcome", "id" },
	};
	size_t i;

	for (i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
		if (strcmp(where[i].fact, fact) != 0 || strcmp(where[i].kind, e->kind) != 0 ||
		    (e->sign != SL_TAPE_INPUT && e->sign != SL_TAPE_OUTPUT))
			continue;
		*value = where[i].part != NULL ? sl_tape_get(e->value, where[i].part) :
		    address_of(e->key);
		return true;
	}
	return false;
}

static bool
has_fact(const struct sl_tape *tape, const char *fact, const json_t *patterns)
{
	struct sl_str value;
	size_t i;

	for (i = 0; i < sl_tape_count(tape); i++)
		if (fact_of(sl_tape_at(tape, i), fact, &value) && matches_any(patterns, value))
			return true;
	return false;
}

static bool
is_wanted(const struct sl_capture *c, const struct sl_tape *tape)
{
	const json_t *patterns;
	const char *fact;

	json_object_foreach(c->match, fact, patterns)
		if (!has_fact(tape, fact, patterns))
			return false;
	return true;
}

/* ---- watching ------------------------------------------------------------------------------- */

/* Sender and recipients come later: each session is recorded, and most are dropped. */
static bool
wants(struct sl_watcher *w, const struct sl_session_info *info)
{
	const struct sl_capture *c = sl_list_entry(w, struct sl_capture, watcher);
	const json_t *ip = json_object_get(c->match, "ip"), *server = json_object_get(c->match, "server");

	return (ip == NULL || matches_any(ip, sl_str_of(info->senderip))) &&
	    (server == NULL || matches_any(server, sl_str_of(info->server)));
}

static void
ended(struct sl_watcher *w, struct sl_tape *tape)
{
	struct sl_capture *c = sl_list_entry(w, struct sl_capture, watcher);

	c->seen++;
	if (sl_tape_full(tape)) {
		c->too_large++;
		return;
	}
	if (!is_wanted(c, tape))
		return;
	if (c->o.every > 1 && ++c->matched < c->o.every)
		return;
	c->matched = 0;
	c->o.captured(c->o.arg, tape);
}

static int
check_match(const json_t *match, struct sl_err *err)
{
	const char *fact;
	const json_t *v;
	size_t i;

	if (match != NULL && !json_is_object(match))
		return sl_err_set(err, SL_ERR_INVAL, "match: an object of facts expected");
	json_object_foreach((json_t *)(uintptr_t)match, fact, v) {
		for (i = 0; facts[i] != NULL && strcmp(facts[i], fact) != 0; i++)
			;
		if (facts[i] == NULL)
			return sl_err_set(err, SL_ERR_INVAL, "\"%.40s\" is no fact to match: sender, "
			    "recipient, ip, helo, user, id, server", fact);
		if (!json_is_string(v) && !json_is_array(v))
			return sl_err_set(err, SL_ERR_INVAL, "match: \"%.40s\" needs a pattern", fact);
	}
	return 0;
}

int
sl_capture_arm(struct sl_capture **out, struct sl_engine *engine,
    const struct sl_capture_options *options, struct sl_err *err)
{
	struct sl_capture *c;
	int rc = check_match(options->match, err);

	*out = NULL;
	if (rc != 0)
		return rc;
	c = sl_calloc(1, sizeof(*c));
	if (c == NULL || (c->match = options->match != NULL ? json_deep_copy(options->match) :
	    json_object()) == NULL) {
		sl_free(c);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	c->engine = engine;
	c->o = *options;
	c->watcher.wants = wants;
	c->watcher.ended = ended;
	sl_list_init(&c->watcher.link);
	sl_engine_watch(engine, &c->watcher);
	*out = c;
	return 0;
}

void
sl_capture_disarm(struct sl_capture *c)
{
	if (c == NULL)
		return;
	sl_engine_unwatch(&c->watcher);
	json_decref(c->match);
	sl_free(c);
}

void
sl_capture_count(const struct sl_capture *c, uint64_t *seen, uint64_t *too_large)
{
	*seen = c->seen;
	*too_large = c->too_large;
}

/* ---- what is secret ---------------------------------------------------------------------- */

struct masking {
	struct sl_engine *engine;
	const struct sl_tape *tape;
};

#define BEGIN	"-----BEGIN "
#define END	"PRIVATE KEY-----"

/* The private key in PEM that stands first in the text. */
static bool
find_pem(struct sl_str text, size_t *from, size_t *to)
{
	ssize_t begin = sl_str_find(text, SL_STR(BEGIN)), first, second;
	struct sl_str rest;

	if (begin < 0)
		return false;
	rest = sl_str_sub(text, (size_t)begin, text.n);
	first = sl_str_find(rest, SL_STR(END));
	if (first < 0)
		return false;
	second = sl_str_find(sl_str_sub(rest, (size_t)first + 1, rest.n), SL_STR(END));
	*from = (size_t)begin;
	*to = second < 0 ? text.n : *from + (size_t)first + 1 + (size_t)second + sizeof(END) - 1;
	return true;
}

static void
put_mark(struct sl_str secret, struct sl_buf *out)
{
	char mark[SL_SECRET_MARK];

	sl_secret_mark(secret, mark);
	sl_buf_puts(out, mark);
}

/* DER in base64 that is a private key; shorter ones, seeds, nobody can tell from hashes. */
static bool
is_der(struct sl_str text)
{
	struct sl_key *key;
	struct sl_err err;
	size_t i;

	if (text.n < 60 || text.n > 8192)
		return false;
	for (i = 0; i < text.n; i++)
		if (!sl_isalnum(text.p[i]) && strchr("+/=\r\n ", text.p[i]) == NULL)
			return false;
	if (sl_key_parse(&key, text, &err) != 0)
		return false;
	sl_key_unref(key);
	return true;
}

/* Keys that nobody has taken yet. A text that is one has the mark that it has as a key. */
static void
put_without_keys(struct sl_str text, struct sl_buf *out)
{
	size_t from, to;

	if (is_der(text) || (sl_str_starts(sl_str_trim(text), SL_STR(BEGIN)) &&
	    find_pem(text, &from, &to) && sl_str_trim(sl_str_sub(text, to, text.n)).n == 0)) {
		put_mark(text, out);
		return;
	}
	while (find_pem(text, &from, &to)) {
		sl_buf_putstr(out, sl_str_sub(text, 0, from));
		put_mark(sl_str_sub(text, from, to), out);
		text = sl_str_sub(text, to, text.n);
	}
	sl_buf_putstr(out, text);
}

/* One text, no JSON: secrets of the session in every form, then those that the engine knows. */
static void
put_clean(const struct masking *m, struct sl_str text, struct sl_buf *out)
{
	struct sl_buf a = SL_BUF_INIT, b = SL_BUF_INIT;

	sl_tape_mask(m->tape, text, &a);
	if (a.n <= MAX_KNOWN && sl_vm_redact(m->engine->vm, sl_buf_str(&a), &b) != 0)
		b.failed = true;
	put_without_keys(a.n <= MAX_KNOWN ? sl_buf_str(&b) : sl_buf_str(&a), out);
	out->failed = out->failed || a.failed || b.failed;
	sl_wipe(a.p, a.n);
	sl_buf_clear(&a);
	sl_buf_clear(&b);
}

/* The strings of a JSON value; true: one has changed. */
static bool
clean_json(const struct masking *m, json_t *v, struct sl_buf *failed)
{
	struct sl_str text = { json_string_value(v), json_string_length(v) };
	struct sl_buf clean = SL_BUF_INIT;
	bool changed = false;
	const char *name;
	json_t *item;
	size_t i;

	json_array_foreach(v, i, item)
		changed |= clean_json(m, item, failed);
	json_object_foreach(v, name, item)
		changed |= clean_json(m, item, failed);
	if (!json_is_string(v))
		return changed;
	put_clean(m, text, &clean);
	if (!sl_str_eq(text, sl_buf_str(&clean)) && !clean.failed) {
		changed = true;
		failed->failed = failed->failed ||
		    json_string_setn_nocheck(v, clean.p != NULL ? clean.p : "", clean.n) != 0;
	}
	failed->failed = failed->failed || clean.failed;
	sl_buf_clear(&clean);
	return changed;
}

static int
put_json(const char *p, size_t n, void *out)
{
	return sl_buf_put(out, p, n);
}

/* In JSON each string is looked at as scripts see it. */
static bool
put_clean_json(const struct masking *m, struct sl_str text, struct sl_buf *out)
{
	struct sl_str trimmed = sl_str_trim(text);
	json_t *v;

	if (trimmed.n == 0 || strchr("{[\"", trimmed.p[0]) == NULL || trimmed.p[0] == '\0')
		return false;
	v = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (v == NULL)
		return false;
	if (!clean_json(m, v, out)) {
		sl_buf_putstr(out, text);
	} else if (json_dump_callback(v, put_json, out, JSON_COMPACT | JSON_ENCODE_ANY) != 0) {
		out->failed = true;
	}
	json_decref(v);
	return true;
}

static void
clean(void *arg, const struct sl_tape_entry *e, struct sl_str text, struct sl_buf *out)
{
	static const char *const harmless[] = { "signature", "time", "dns", "preflight", "rotation" };
	const struct masking *m = arg;
	size_t i;

	for (i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (e->sign == SL_TAPE_ANSWER && strcmp(e->kind, harmless[i]) == 0) {
			sl_buf_putstr(out, text);
			return;
		}
	if (!put_clean_json(m, text, out))
		put_clean(m, text, out);
}

/* ---- the file -------------------------------------------------------------------------------- */

static void
put_facts(struct sl_tape *t, const char *folder)
{
	char host[256] = "", text[64];
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	sl_tape_fact(t, "host", sl_str_of(host));
	if (folder != NULL)
		sl_tape_fact(t, "folder", sl_str_of(folder));
	if (localtime_r(&now, &tm) != NULL && strftime(text, sizeof(text), "%z %Z", &tm) > 0)
		sl_tape_fact(t, "timezone", sl_str_of(text));
}

struct sl_str
sl_capture_id(const struct sl_tape *tape)
{
	size_t i;

	for (i = 0; i < sl_tape_count(tape); i++) {
		const struct sl_tape_entry *e = sl_tape_at(tape, i);

		if (e->step == 1 && strcmp(e->kind, "random") == 0)
			return e->value;
	}
	return SL_STR("");
}

int
sl_capture_write(struct sl_engine *engine, struct sl_tape *tape, const char *folder,
    struct sl_buf *out, struct sl_err *err)
{
	struct masking m = { engine, tape };
	struct sl_tape *clean_tape;
	size_t from = out->n;
	int rc = 0;

	if (sl_tape_full(tape))
		return sl_err_set(err, SL_ERR_INVAL, "the session is too large");
	if ((clean_tape = sl_tape_new(2 * SL_TAPE_MAX)) == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	put_facts(clean_tape, folder);
	if (sl_tape_copy(clean_tape, tape, clean, &m) != 0 || sl_tape_write(clean_tape, out) != 0)
		rc = sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	else if (sl_tape_tells(tape, clean_tape))
		rc = sl_err_set(err, SL_ERR_REFUSED, "a secret would be left in it");
	sl_tape_unref(clean_tape);
	if (rc != 0) {
		sl_wipe(out->p + from, out->n - from);
		out->n = from;
	}
	return rc;
}
