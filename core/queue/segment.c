/*
 * Replay: segments in order of their numbers, records in order of the log. A
 * damaged segment is searched for what is still readable, and set aside.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_private.h"

#define CHUNK	(256 * 1024)

char *
sl_segment_path(const struct sl_store *s, uint64_t number, const char *suffix)
{
	struct sl_buf path = SL_BUF_INIT;

	sl_buf_printf(&path, "%s/%08llu.%s", s->folder, (unsigned long long)number, suffix);
	return sl_buf_take(&path, NULL);
}

struct segment *
sl_segment_new(struct sl_store *s, uint64_t number)
{
	struct segment *seg = sl_calloc(1, sizeof(*seg));

	if (seg == NULL || (seg->path = sl_segment_path(s, number, "log")) == NULL) {
		sl_free(seg);
		return NULL;
	}
	sl_list_init(&seg->link);
	seg->number = number;
	seg->fd = -1;
	return seg;
}

void
sl_segment_free(struct sl_store *s, struct segment *seg)
{
	if (seg == NULL)
		return;
	sl_list_remove(&seg->link);
	if (seg->fd >= 0)
		s->files->close(s->files->arg, seg->fd);
	sl_free(seg->path);
	sl_free(seg);
}

void
sl_segment_add(struct sl_store *s, struct segment *seg)
{
	struct sl_list *at = &s->segments;

	while (at->prev != &s->segments &&
	    sl_list_entry(at->prev, struct segment, link)->number > seg->number)
		at = at->prev;
	sl_list_insert(at, &seg->link);
}

/* ---- reading one segment --------------------------------------------------------------- */

struct replay {
	struct sl_store *store;
	struct segment *seg;
	uint64_t size;
	struct sl_dict *limits;		/* segment number -> offset from which it is abandoned */
	struct sl_err *err;
	unsigned lost;			/* places that couldn't be read */
	int failed;			/* a read or an allocation: says nothing about the bytes */
	bool searched;			/* the segment, for 'synced' */
	uint64_t synced;		/* the most that any record behind the first bad one tells */
};

static int
read_at(struct replay *r, uint64_t at, void *p, size_t n)
{
	const struct sl_file_ops *files = r->store->files;
	size_t got = 0;
	ssize_t k;

	while (got < n) {
		k = files->pread(files->arg, r->seg->fd, (char *)p + got, n - got, (off_t)(at + got));
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0) {
			sl_err_errno(r->err, "%s", r->seg->path);
			return r->failed = SL_ERR_IO;
		}
		if (k == 0)
			return SL_ERR_CORRUPT;
		got += (size_t)k;
	}
	return 0;
}

static bool
header_at(struct replay *r, uint64_t at, struct sl_record *out)
{
	uint8_t header[SL_RECORD_HEADER];

	return at + SL_RECORD_HEADER <= r->size && read_at(r, at, header, sizeof(header)) == 0 &&
	    sl_record_header_parse(header, out, r->seg->salt, at) &&
	    out->len <= r->size - at - SL_RECORD_HEADER;
}

/* Checks the CRC in chunks; keeps the first 'want' bytes of the payload. */
static bool
payload_good(struct replay *r, uint64_t at, const struct sl_record *rec)
{
	uint64_t done = 0, n;
	uint32_t crc = sl_record_crc(rec);
	char *chunk = sl_malloc(CHUNK);
	bool good = chunk != NULL;

	if (chunk == NULL)
		r->failed = SL_ERR_NOMEM;
	for (; good && done < rec->len; done += n) {
		n = rec->len - done < CHUNK ? rec->len - done : CHUNK;
		good = read_at(r, at + SL_RECORD_HEADER + done, chunk, n) == 0;
		crc = good ? sl_crc32c(crc, chunk, n) : 0;
	}
	sl_free(chunk);
	return good && crc == rec->crc;
}

/* The next good record after a bad place; 0 = none. */
static uint64_t
search(struct replay *r, uint64_t from, struct sl_record *out)
{
	uint8_t *chunk = sl_malloc(CHUNK + SL_RECORD_HEADER);
	uint64_t at = from, i, n;

	if (chunk == NULL)
		r->failed = SL_ERR_NOMEM;
	while (chunk != NULL && at + SL_RECORD_HEADER <= r->size) {
		n = r->size - at < CHUNK + SL_RECORD_HEADER ? r->size - at :
		    CHUNK + SL_RECORD_HEADER;
		if (read_at(r, at, chunk, n) != 0)
			break;
		for (i = 0; i + SL_RECORD_HEADER <= n; i++)
			if (sl_record_header_parse(chunk + i, out, r->seg->salt, at + i) &&
			    header_at(r, at + i, out) && payload_good(r, at + i, out)) {
				sl_free(chunk);
				return at + i;
			}
		at += i;
	}
	sl_free(chunk);
	return 0;
}

/* How far the segment was synced, by all records behind a bad place: the next
 * one may be of the same batch and not know. */
static uint64_t
synced_behind(struct replay *r, uint64_t at)
{
	struct sl_record rec;

	if (r->searched)
		return r->synced;
	r->searched = true;
	r->synced = 0;
	while ((at = search(r, at + 1, &rec)) != 0) {
		if (rec.synced > r->synced)
			r->synced = rec.synced;
		at += SL_RECORD_HEADER + rec.len - 1;
	}
	return r->synced;
}

/* ---- applying records ------------------------------------------------------------------- */

static int
load_fields(struct replay *r, uint64_t at, uint64_t len, struct sl_buf *out)
{
	if (len > SL_RECORD_MAX || sl_buf_reserve(out, len) != 0)
		return SL_ERR_NOMEM;
	if (read_at(r, at, out->p, len) != 0)
		return SL_ERR_CORRUPT;
	out->n = len;
	return 0;
}

static int
apply_accept(struct replay *r, struct sl_reader *in, uint64_t bodies)
{
	uint64_t n = sl_get_u64(in), i;
	struct sl_envelope *env;
	struct message *m;
	char *file;
	int rc;

	for (i = 0; i < n; i++) {
		env = sl_get_envelope(in);
		file = sl_get_text(in);
		if (env == NULL || (m = sl_message_wrap(env)) == NULL) {
			sl_free(file);
			return SL_ERR_NOMEM;
		}
		m->body = file;
		m->offset = bodies;
		m->segment = r->seg;
		if (file == NULL)
			bodies += env->size;
		if ((rc = sl_index_add(r->store, m)) != 0) {
			sl_message_drop(m);
			return rc;
		}
	}
	return 0;
}

static int
apply_update(struct replay *r, struct sl_reader *in)
{
	char *id = sl_get_text(in);
	uint64_t index = sl_get_u64(in);
	struct sl_entry e = { 0 };
	struct message *m;

	sl_get_entry(in, &e);
	if (in->failed) {		/* its CRC is right, so it is the memory */
		sl_entry_clear(&e);
		sl_free(id);
		return SL_ERR_NOMEM;
	}
	m = id != NULL && !in->failed ? sl_index_find(r->store, id) : NULL;
	if (m != NULL && index < m->env->n)
		sl_index_apply(r->store, m, index, &e);
	sl_entry_clear(&e);
	sl_free(id);
	return 0;
}

static int
apply_hold(struct replay *r, struct sl_reader *in)
{
	char *id = sl_get_text(in), *quarantine = sl_get_text(in);
	struct message *m = id != NULL ? sl_index_find(r->store, id) : NULL;
	int rc = id == NULL || quarantine == NULL ? SL_ERR_NOMEM : 0;

	if (rc == 0 && m != NULL)
		rc = sl_index_hold(r->store, m, quarantine);
	sl_free(id);
	sl_free(quarantine);
	return rc;
}

static int
apply_remove(struct replay *r, struct sl_reader *in)
{
	char *id = sl_get_text(in);
	struct message *m = id != NULL ? sl_index_find(r->store, id) : NULL;

	if (id == NULL)
		return SL_ERR_NOMEM;
	if (m != NULL)
		sl_index_remove(r->store, m);
	sl_free(id);
	return 0;
}

/* Payload: length of the fields, the fields, the bodies. */
static int
apply(struct replay *r, uint64_t at, const struct sl_record *rec)
{
	struct sl_buf fields = SL_BUF_INIT;
	struct sl_reader in = { 0 };
	uint8_t word[8];
	uint64_t len = 0;
	int rc = SL_ERR_CORRUPT, i;

	at += SL_RECORD_HEADER;
	if (rec->type == SL_RECORD_ABANDON)
		return 0;
	if (rec->len < 8 || read_at(r, at, word, 8) != 0)
		return SL_ERR_CORRUPT;
	for (i = 7; i >= 0; i--)
		len = len << 8 | word[i];
	if (len <= rec->len - 8)
		rc = load_fields(r, at + 8, len, &fields);
	in.rest = sl_buf_str(&fields);
	if (rc == 0 && rec->type == SL_RECORD_ACCEPT)
		rc = apply_accept(r, &in, at + 8 + len);
	else if (rc == 0 && rec->type == SL_RECORD_UPDATE)
		rc = apply_update(r, &in);
	else if (rc == 0 && rec->type == SL_RECORD_HOLD)
		rc = apply_hold(r, &in);
	else if (rc == 0)
		rc = apply_remove(r, &in);
	sl_buf_clear(&fields);
	return rc;
}

/* ---- segments ------------------------------------------------------------------------------ */

static void
report(const struct sl_store *s, const char *name, const char *path, uint64_t at)
{
	sl_event(s->options.events, SL_ERROR, name, SL_FIELDS(SL_F_TEXT("file", path),
	    SL_F_INT("offset", at)));
}

/* Damage: the file keeps its place in the log under another name, for people
 * to look at; it is never unlinked. */
static void
set_aside(struct replay *r)
{
	struct sl_store *s = r->store;
	char *path = sl_segment_path(s, r->seg->number, "bad");

	r->seg->bad = true;
	if (path == NULL || strcmp(path, r->seg->path) == 0 ||
	    s->files->rename(s->files->arg, r->seg->path, path) != 0) {
		sl_free(path);
		return;
	}
	sl_free(r->seg->path);
	r->seg->path = path;
}

static uint64_t
abandoned_from(const struct replay *r)
{
	const uint64_t *at = sl_dict_get(r->limits, (struct sl_str){
	    (const char *)&r->seg->number, sizeof(r->seg->number) });

	return at != NULL ? *at : UINT64_MAX;
}

typedef int record_fn(struct replay *r, uint64_t at, const struct sl_record *rec);

/* Calls fn for each good record. A bad one that a later record says was synced
 * is damage; else it is the torn end. */
static int
walk(struct replay *r, record_fn *fn, bool tell)
{
	uint64_t at = SL_SEGMENT_HEADER, limit = abandoned_from(r), next;
	struct sl_record rec;
	int rc;

	while (at < r->size && at < limit) {
		if (header_at(r, at, &rec) && payload_good(r, at, &rec)) {
			if ((rc = fn(r, at, &rec)) == SL_ERR_NOMEM || r->failed != 0)
				return rc == SL_ERR_NOMEM ? rc : r->failed;
			at += SL_RECORD_HEADER + rec.len;
			continue;
		}
		next = r->failed == 0 && synced_behind(r, at) > at ? search(r, at + 1, &rec) : 0;
		if (r->failed != 0)
			return r->failed;
		if (next == 0) {
			if (tell)
				sl_event(r->store->options.events, SL_NOTICE, "queue_torn_end",
				    SL_FIELDS(SL_F_TEXT("file", r->seg->path), SL_F_INT("offset", at)));
			break;
		}
		if (tell) {
			report(r->store, "queue_damaged", r->seg->path, at);
			r->lost++;
		}
		at = next;
	}
	return 0;
}

static int
note_abandon(struct replay *r, uint64_t at, const struct sl_record *rec)
{
	struct sl_buf fields = SL_BUF_INIT;
	struct sl_reader in = { 0 };
	uint64_t number, *offset, *old = NULL;
	int rc = 0;

	if (rec->type != SL_RECORD_ABANDON)
		return 0;
	if (load_fields(r, at + SL_RECORD_HEADER, rec->len, &fields) == 0) {
		in.rest = sl_buf_str(&fields);
		number = sl_get_u64(&in);
		offset = sl_malloc(sizeof(*offset));
		if (offset == NULL)
			rc = SL_ERR_NOMEM;
		else
			*offset = sl_get_u64(&in);
		if (rc == 0)
			rc = sl_dict_set(r->limits, (struct sl_str){ (const char *)&number,
			    sizeof(number) }, offset, (void **)&old);
		sl_free(rc == 0 ? old : offset);
	}
	sl_buf_clear(&fields);
	return rc;
}

/*
 * From the header, or, when that is damaged, from the first record, which
 * tells by its CRC whether it was guessed right. A segment that died before
 * its header was whole never held anything; one of which nothing is to be
 * read is kept for people. Fails only for what r->failed says.
 */
static int
read_salt(struct replay *r)
{
	uint8_t header[SL_SEGMENT_HEADER], word[8];
	struct sl_record rec;
	off_t size = r->store->files->size(r->store->files->arg, r->seg->fd);
	uint64_t found, first = 0;
	int i;

	if (size < 0) {
		sl_err_errno(r->err, "%s", r->seg->path);
		return r->failed = SL_ERR_IO;
	}
	r->size = (uint64_t)size;
	if (read_at(r, 0, header, sizeof(header)) != 0 ||
	    sl_segment_header_parse(header, &found, &r->seg->salt) == 0)
		return r->failed;
	if (r->size < SL_SEGMENT_HEADER + SL_RECORD_HEADER)
		return 0;
	if (read_at(r, SL_SEGMENT_HEADER, word, sizeof(word)) != 0)
		return r->failed;
	for (i = 7; i >= 0; i--)
		first = first << 8 | word[i];
	r->seg->salt = first ^ SL_SEGMENT_HEADER;
	r->seg->bad = true;
	report(r->store, header_at(r, SL_SEGMENT_HEADER, &rec) &&
	    payload_good(r, SL_SEGMENT_HEADER, &rec) ? "queue_damaged" : "queue_unreadable",
	    r->seg->path, 0);
	return r->failed;
}

static int
open_segment(struct sl_store *s, uint64_t number, const char *suffix, struct sl_err *err)
{
	struct segment *seg = sl_segment_new(s, number);
	struct replay r = { .store = s, .seg = seg, .err = err };

	if (seg == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	sl_free(seg->path);
	seg->path = sl_segment_path(s, number, suffix);
	seg->closed = true;
	seg->bad = strcmp(suffix, "bad") == 0;
	if (seg->path == NULL) {
		sl_segment_free(s, seg);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	seg->fd = s->files->open(s->files->arg, seg->path, O_RDONLY, 0);
	if (seg->fd < 0) {
		sl_err_errno(err, "%s", seg->path);
		sl_segment_free(s, seg);
		return SL_ERR_IO;
	}
	if (read_salt(&r) != 0) {
		sl_segment_free(s, seg);
		return r.failed;
	}
	sl_segment_add(s, seg);
	return 0;
}

/* ---- the folder ------------------------------------------------------------------------------ */

struct listing {
	struct sl_store *store;
	struct sl_err *err;
	int rc;
};

static void
found_file(void *to, const char *name)
{
	struct listing *l = to;
	char *end;
	uint64_t number = strtoull(name, &end, 10);

	if (l->rc != 0 || end == name || number == 0)
		return;
	if (number >= l->store->next_number)
		l->store->next_number = number + 1;
	if (strcmp(end, ".log") == 0 || strcmp(end, ".bad") == 0)
		l->rc = open_segment(l->store, number, end + 1, l->err);
}

static void
found_body(void *to, const char *name)
{
	struct sl_store *s = ((struct listing *)to)->store;
	struct message *m = sl_index_find(s, name);
	struct sl_buf path = SL_BUF_INIT;

	if (m != NULL && m->body != NULL)
		return;
	sl_buf_printf(&path, "%s/%s", s->bodies, name);
	if (path.p != NULL)
		s->files->unlink(s->files->arg, path.p);
	sl_buf_clear(&path);
}

static int
walk_all(struct replay *r, record_fn *fn, bool tell)
{
	struct sl_store *s = r->store;
	struct sl_list *l;
	int rc;

	for (l = s->segments.next; l != &s->segments; l = l->next) {
		r->seg = sl_list_entry(l, struct segment, link);
		r->size = (uint64_t)s->files->size(s->files->arg, r->seg->fd);
		r->lost = 0;
		r->searched = false;
		if (r->size == UINT64_MAX)
			return sl_err_errno(r->err, "%s", r->seg->path);
		r->seg->bytes = r->seg->durable = r->size;
		if ((rc = walk(r, fn, tell)) != 0)
			return rc;
		if (tell && (r->lost > 0 || r->seg->bad))
			set_aside(r);
	}
	return 0;
}

int
sl_replay(struct sl_store *s, struct sl_err *err)
{
	struct listing l = { s, err, 0 };
	struct replay r = { .store = s, .err = err };
	int rc;

	s->next_number = 1;
	if (s->files->list(s->files->arg, s->folder, found_file, &l) != 0)
		return sl_err_errno(err, "%s", s->folder);
	if (l.rc != 0)
		return l.rc;
	if ((r.limits = sl_dict_new()) == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	rc = walk_all(&r, note_abandon, false);
	if (rc == 0)
		rc = walk_all(&r, apply, true);
	sl_dict_free(r.limits, sl_free);
	if (rc == SL_ERR_IO)
		return sl_err_prefix(err, "replay of %s", s->folder);
	if (rc != 0)
		return sl_err_set(err, rc, "replay of %s: %s", s->folder, sl_err_word(rc));
	s->files->list(s->files->arg, s->bodies, found_body, &l);
	return 0;
}
