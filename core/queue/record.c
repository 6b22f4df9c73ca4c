#include "record.h"

#include <endian.h>
#include <string.h>

#include "../base/alloc.h"

#define MAX_RECIPIENTS	1000000
#define NO_TEXT		UINT32_MAX

static const char magic[8] = "sluiceQ1";

/* ---- headers ------------------------------------------------------------------ */

static void
put64(uint8_t *p, uint64_t n)
{
	n = htole64(n);
	memcpy(p, &n, 8);
}

static uint64_t
get64(const uint8_t *p)
{
	uint64_t n;

	memcpy(&n, p, 8);
	return le64toh(n);
}

void
sl_segment_header(uint8_t out[SL_SEGMENT_HEADER], uint64_t number, uint64_t salt)
{
	memcpy(out, magic, 8);
	put64(out + 8, number);
	put64(out + 16, salt);
	put64(out + 24, sl_crc32c(0, out, 24));
}

int
sl_segment_header_parse(const uint8_t in[SL_SEGMENT_HEADER], uint64_t *number, uint64_t *salt)
{
	if (memcmp(in, magic, 8) != 0 || get64(in + 24) != sl_crc32c(0, in, 24))
		return SL_ERR_CORRUPT;
	*number = get64(in + 8);
	*salt = get64(in + 16);
	return 0;
}

void
sl_record_header(uint8_t out[SL_RECORD_HEADER], const struct sl_record *r, uint64_t salt,
    uint64_t offset)
{
	put64(out, salt ^ offset);
	put64(out + 8, (uint64_t)r->crc << 32 | r->type);
	put64(out + 16, r->len);
	put64(out + 24, r->synced);
}

bool
sl_record_header_parse(const uint8_t in[SL_RECORD_HEADER], struct sl_record *out, uint64_t salt,
    uint64_t offset)
{
	uint64_t word = get64(in + 8);

	if (get64(in) != (salt ^ offset))
		return false;
	out->crc = (uint32_t)(word >> 32);
	out->type = (uint32_t)word;
	out->len = get64(in + 16);
	out->synced = get64(in + 24);
	return out->type >= SL_RECORD_ACCEPT && out->type < SL_RECORD_TYPES &&
	    out->len <= SL_RECORD_MAX;
}

uint32_t
sl_record_crc(const struct sl_record *r)
{
	uint8_t fields[24];

	put64(fields, r->type);
	put64(fields + 8, r->len);
	put64(fields + 16, r->synced);
	return sl_crc32c(0, fields, sizeof(fields));
}

/* ---- fields --------------------------------------------------------------------- */

void
sl_put_u64(struct sl_buf *b, uint64_t n)
{
	uint8_t bytes[8];

	put64(bytes, n);
	sl_buf_put(b, bytes, 8);
}

void
sl_put_text(struct sl_buf *b, const char *s)
{
	size_t n = s != NULL ? strlen(s) : 0;

	sl_put_u64(b, s != NULL ? n : NO_TEXT);
	sl_buf_put(b, s, n);
}

uint64_t
sl_get_u64(struct sl_reader *r)
{
	uint64_t n;

	if (r->failed || r->rest.n < 8) {
		r->failed = true;
		return 0;
	}
	n = get64((const uint8_t *)r->rest.p);
	r->rest = sl_str_sub(r->rest, 8, r->rest.n);
	return n;
}

char *
sl_get_text(struct sl_reader *r)
{
	uint64_t n = sl_get_u64(r);
	char *s;

	if (r->failed || n == NO_TEXT)
		return NULL;
	if (n > r->rest.n || (s = sl_strndup(r->rest.p, n)) == NULL) {
		r->failed = true;
		return NULL;
	}
	r->rest = sl_str_sub(r->rest, n, r->rest.n);
	return s;
}

/* ---- envelopes -------------------------------------------------------------------- */

void
sl_put_entry(struct sl_buf *b, const struct sl_entry *e)
{
	sl_put_text(b, e->recipient);
	sl_put_text(b, e->transport);
	sl_put_u64(b, e->state);
	sl_put_u64(b, (uint64_t)e->next_us);
	sl_put_u64(b, e->retry);
	sl_put_text(b, e->metadata);
	sl_put_text(b, e->info);
}

int
sl_get_entry(struct sl_reader *r, struct sl_entry *e)
{
	e->recipient = sl_get_text(r);
	e->transport = sl_get_text(r);
	e->state = (enum sl_entry_state)sl_get_u64(r);
	e->next_us = (int64_t)sl_get_u64(r);
	e->retry = (uint32_t)sl_get_u64(r);
	e->metadata = sl_get_text(r);
	e->info = sl_get_text(r);
	if (e->recipient == NULL || e->state > SL_ENTRY_DONE)
		r->failed = true;
	return r->failed ? SL_ERR_CORRUPT : 0;
}

void
sl_put_envelope(struct sl_buf *b, const struct sl_envelope *e)
{
	size_t i;

	sl_put_text(b, e->id);
	sl_put_text(b, e->sender);
	sl_put_text(b, e->facts);
	sl_put_text(b, e->quarantine);
	sl_put_u64(b, (uint64_t)e->received_us);
	sl_put_u64(b, e->size);
	sl_put_u64(b, e->n);
	for (i = 0; i < e->n; i++)
		sl_put_entry(b, &e->entries[i]);
}

struct sl_envelope *
sl_get_envelope(struct sl_reader *r)
{
	struct sl_envelope *e = sl_calloc(1, sizeof(*e));
	uint64_t n, i;

	if (e == NULL)
		return NULL;
	e->id = sl_get_text(r);
	e->sender = sl_get_text(r);
	e->facts = sl_get_text(r);
	e->quarantine = sl_get_text(r);
	e->received_us = (int64_t)sl_get_u64(r);
	e->size = sl_get_u64(r);
	n = sl_get_u64(r);
	if (r->failed || e->id == NULL || e->sender == NULL || n > MAX_RECIPIENTS)
		goto bad;
	e->entries = sl_calloc(n > 0 ? n : 1, sizeof(*e->entries));
	if (e->entries == NULL)
		goto bad;
	for (i = 0; i < n; i++) {
		e->n++;
		if (sl_get_entry(r, &e->entries[i]) != 0)
			goto bad;
	}
	return e;
bad:
	sl_envelope_free(e);
	return NULL;
}

void
sl_entry_clear(struct sl_entry *e)
{
	sl_free(e->recipient);
	sl_free(e->transport);
	sl_free(e->metadata);
	sl_free(e->info);
}

void
sl_envelope_free(struct sl_envelope *e)
{
	size_t i;

	if (e == NULL)
		return;
	for (i = 0; i < e->n; i++)
		sl_entry_clear(&e->entries[i]);
	sl_free(e->entries);
	sl_free(e->id);
	sl_free(e->sender);
	sl_free(e->facts);
	sl_free(e->quarantine);
	sl_free(e);
}
