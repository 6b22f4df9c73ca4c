/*
 * From a file as it came to the XML of a report: gzip (RFC 1952), zip, a mail.
 * zlib inflates; what is around the compressed bytes is read here. Sizes that
 * a file states are never believed: what is written is counted. See report.h.
 */
#include <string.h>
#include <zlib.h>

#include "report.h"
#include "report_private.h"

#define BLOCK	65536

/* ---- inflating ------------------------------------------------------------------ */

static int
inflate_error(int rc, struct sl_err *err)
{
	if (rc == Z_MEM_ERROR)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return sl_err_set(err, SL_ERR_CORRUPT, "the compressed bytes are damaged or cut off");
}

/* One stream to its end. The buffer's limit is what ends a bomb. */
static int
inflate_stream(z_stream *z, struct sl_buf *out, struct sl_err *err)
{
	char block[BLOCK];
	int rc, put;

	do {
		z->next_out = (Bytef *)block;
		z->avail_out = sizeof(block);
		rc = inflate(z, Z_NO_FLUSH);
		put = sl_buf_put(out, block, sizeof(block) - z->avail_out);
		if (put == SL_ERR_LIMIT)
			return sl_err_set(err, put, "unpacked it is larger than any report");
		if (put != 0)
			return inflate_error(Z_MEM_ERROR, err);
	} while (rc == Z_OK && (z->avail_in > 0 || z->avail_out == 0));
	return rc == Z_STREAM_END ? 0 : inflate_error(rc, err);
}

static bool
is_gzip(struct sl_str s)
{
	return sl_str_starts(s, SL_STR("\x1f\x8b"));
}

/* Members one after another are one file; bytes that are none end it. */
static int
unpack_gzip(struct sl_buf *out, struct sl_str in, struct sl_err *err)
{
	z_stream z = { .next_in = (Bytef *)in.p, .avail_in = (uInt)in.n };
	int rc = inflateInit2(&z, 15 + 16) == Z_OK ? 0 : inflate_error(Z_MEM_ERROR, err);

	if (rc != 0)
		return rc;
	do {
		rc = inflate_stream(&z, out, err);
	} while (rc == 0 && is_gzip((struct sl_str){ (char *)z.next_in, z.avail_in }) &&
	    inflateReset(&z) == Z_OK);
	inflateEnd(&z);
	return rc;
}

/* ---- zip ---------------------------------------------------------------------------- */

#define END_SIZE	22	/* end of central directory, without its comment */
#define ENTRY_SIZE	46	/* of the central directory, without names */
#define LOCAL_SIZE	30	/* local header, without names */
#define MAX_ENTRIES	100

struct entry {
	struct sl_str name;
	unsigned flags, method;
	uint32_t crc, packed, size, offset;
};

static unsigned
u16(const char *p)
{
	return (unsigned char)p[0] | (unsigned)(unsigned char)p[1] << 8;
}

static uint32_t
u32(const char *p)
{
	return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static int
broken(struct sl_err *err)
{
	return sl_err_set(err, SL_ERR_CORRUPT, "the zip archive is damaged");
}

/* The end of the directory is the last thing but a comment of 64 KB at most. */
static const char *
find_end(struct sl_str zip)
{
	size_t at, lowest = zip.n > END_SIZE + 65535 ? zip.n - END_SIZE - 65535 : 0;

	for (at = zip.n; at >= lowest + END_SIZE; at--)
		if (memcmp(zip.p + at - END_SIZE, "PK\5\6", 4) == 0)
			return zip.p + at - END_SIZE;
	return NULL;
}

/* Cuts one entry off the directory. */
static int
next_entry(struct entry *e, struct sl_str *dir)
{
	const char *p = dir->p;
	size_t n;

	if (dir->n < ENTRY_SIZE || memcmp(p, "PK\1\2", 4) != 0)
		return SL_ERR_CORRUPT;
	n = (size_t)ENTRY_SIZE + u16(p + 28) + u16(p + 30) + u16(p + 32);
	if (n > dir->n)
		return SL_ERR_CORRUPT;
	*e = (struct entry){ .name = { p + ENTRY_SIZE, u16(p + 28) }, .flags = u16(p + 8),
	    .method = u16(p + 10), .crc = u32(p + 16), .packed = u32(p + 20), .size = u32(p + 24),
	    .offset = u32(p + 42) };
	*dir = sl_str_sub(*dir, n, dir->n);
	return 0;
}

/* What a desktop adds on its own, and folders, are no reports. */
static bool
may_be_report(const struct entry *e)
{
	return !sl_str_ends(e->name, SL_STR("/")) && !sl_str_starts(e->name, SL_STR("__MACOSX/")) &&
	    !sl_str_ends(e->name, SL_STR(".DS_Store"));
}

/* RFC 7489 7.2.1.1: there is one file in it. */
static int
find_report(struct entry *found, struct sl_str zip, struct sl_err *err)
{
	const char *end = find_end(zip);
	struct sl_str dir;
	struct entry e;
	unsigned i, n, reports = 0;

	if (end == NULL || (n = u16(end + 10)) != u16(end + 8) || u32(end + 16) > zip.n)
		return broken(err);
	if (n > MAX_ENTRIES)
		return sl_err_set(err, SL_ERR_LIMIT, "the zip archive has %u files", n);
	dir = sl_str_sub(zip, u32(end + 16), (size_t)(end - zip.p));
	for (i = 0; i < n; i++) {
		if (next_entry(&e, &dir) != 0)
			return broken(err);
		if (may_be_report(&e) && reports++ == 0)
			*found = e;
	}
	if (reports != 1)
		return sl_err_set(err, SL_ERR_SYNTAX, "the zip archive has %u files, not one report",
		    reports);
	return 0;
}

/* The compressed bytes: behind the local header, whose names may have other lengths. */
static int
content_of(struct sl_str *out, const struct entry *e, struct sl_str zip)
{
	struct sl_str s = sl_str_sub(zip, e->offset, zip.n);
	size_t skip;

	if (s.n < LOCAL_SIZE || memcmp(s.p, "PK\3\4", 4) != 0)
		return SL_ERR_CORRUPT;
	skip = (size_t)LOCAL_SIZE + u16(s.p + 26) + u16(s.p + 28);
	if (skip > s.n || e->packed > s.n - skip)
		return SL_ERR_CORRUPT;
	*out = sl_str_sub(s, skip, skip + e->packed);
	return 0;
}

static int
inflate_raw(struct sl_buf *out, struct sl_str in, struct sl_err *err)
{
	z_stream z = { .next_in = (Bytef *)in.p, .avail_in = (uInt)in.n };
	int rc = inflateInit2(&z, -15) == Z_OK ? 0 : inflate_error(Z_MEM_ERROR, err);

	if (rc != 0)
		return rc;
	rc = inflate_stream(&z, out, err);
	inflateEnd(&z);
	return rc;
}

static int
unpack_zip(struct sl_str *xml, struct sl_buf *memory, struct sl_str zip, struct sl_err *err)
{
	struct entry e = { 0 };
	struct sl_str in;
	int rc = find_report(&e, zip, err);

	if (rc != 0)
		return rc;
	if (e.flags & 1)
		return sl_err_set(err, SL_ERR_SYNTAX, "the zip archive is encrypted");
	if (e.method != 0 && e.method != Z_DEFLATED)
		return sl_err_set(err, SL_ERR_SYNTAX, "compressed by a method other than deflate");
	if (content_of(&in, &e, zip) != 0)
		return broken(err);
	if (e.method == 0) {
		*xml = in;
	} else {
		if ((rc = inflate_raw(memory, in, err)) != 0)
			return rc;
		*xml = sl_buf_str(memory);
	}
	if (xml->n != e.size || crc32(0, (const Bytef *)xml->p, (uInt)xml->n) != e.crc)
		return broken(err);
	return 0;
}

/* ---- what it is ------------------------------------------------------------------------ */

static bool
is_xml(struct sl_str s)
{
	/* With a byte order mark: UTF-8, UTF-16. */
	if (sl_str_starts(s, SL_STR("\xef\xbb\xbf")) || sl_str_starts(s, SL_STR("\xff\xfe")) ||
	    sl_str_starts(s, SL_STR("\xfe\xff")))
		return true;
	return sl_str_starts(sl_str_trim(s), SL_STR("<"));
}

bool
sl_report_is_known(struct sl_str s)
{
	return is_gzip(s) || sl_str_starts(s, SL_STR("PK\3\4")) || is_xml(s);
}

static int
unpack(struct sl_str *xml, struct sl_buf *memory, struct sl_str file, struct sl_err *err)
{
	int rc = 0;

	if (is_gzip(file)) {
		rc = unpack_gzip(memory, file, err);
		*xml = sl_buf_str(memory);
	} else if (sl_str_starts(file, SL_STR("PK\3\4"))) {
		rc = unpack_zip(xml, memory, file, err);
	} else {
		*xml = file;
	}
	if (rc == 0 && !is_xml(*xml))
		rc = sl_err_set(err, SL_ERR_SYNTAX, "what is packed in it isn't XML");
	return rc;
}

int
sl_report_unpack(struct sl_str *xml, struct sl_buf *memory, struct sl_str file, struct sl_err *err)
{
	struct sl_buf attached = SL_BUF_INIT;
	int rc;

	*xml = (struct sl_str){ "", 0 };
	*memory = (struct sl_buf){ .limit = SL_REPORT_MAX_XML };
	if (file.n > SL_REPORT_MAX_FILE)
		return sl_err_set(err, SL_ERR_LIMIT, "larger than any report");
	if (sl_report_is_known(file))
		return unpack(xml, memory, file, err);
	rc = sl_report_attachment(&attached, file, err);
	if (rc == 0)
		rc = unpack(xml, memory, sl_buf_str(&attached), err);
	/* Attached as plain XML: it is the attachment that stays. */
	if (rc == 0 && memory->n == 0) {
		sl_buf_clear(memory);
		*memory = attached;
		return 0;
	}
	sl_buf_clear(&attached);
	return rc;
}
