/* Findings as a list. See finding.h. */
#include "finding.h"

#include <stdarg.h>
#include <string.h>

#include "../base/alloc.h"

const char *
sl_finding_word(enum sl_finding_weight weight)
{
	static const char *const words[] = {
		[SL_FINDING_GOOD] = "good", [SL_FINDING_NOTE] = "note",
		[SL_FINDING_TEMPORARY] = "unknown", [SL_FINDING_PROBLEM] = "problem",
	};

	return words[weight];
}

static char *format(struct sl_findings *f, const char *fmt, va_list ap)
	    __attribute__((format(printf, 2, 0)));

static char *
format(struct sl_findings *f, const char *fmt, va_list ap)
{
	struct sl_buf text = SL_BUF_INIT;
	char *taken;

	sl_buf_vprintf(&text, fmt, ap);
	taken = sl_buf_take(&text, NULL);
	if (taken == NULL)
		f->failed = true;
	return taken;
}

void
sl_findings_add(struct sl_findings *f, enum sl_finding_weight weight, const char *area,
    const char *fmt, ...)
{
	struct sl_finding *more;
	va_list ap;

	if (f->n == SL_FINDINGS_MAX)
		return;
	if (f->n % 16 == 0) {
		more = sl_realloc(f->item, (f->n + 16) * sizeof(*more));
		if (more == NULL) {
			f->failed = true;
			return;
		}
		f->item = more;
	}
	va_start(ap, fmt);
	f->item[f->n] = (struct sl_finding){ .weight = weight, .area = area,
	    .text = format(f, fmt, ap) };
	va_end(ap);
	if (f->item[f->n].text != NULL)
		f->n++;
}

void
sl_findings_remedy(struct sl_findings *f, const char *fmt, ...)
{
	va_list ap;

	if (f->failed || f->n == 0 || f->n == SL_FINDINGS_MAX || f->item[f->n - 1].remedy != NULL)
		return;
	va_start(ap, fmt);
	f->item[f->n - 1].remedy = format(f, fmt, ap);
	va_end(ap);
}

enum sl_finding_weight
sl_findings_weight(const struct sl_findings *f)
{
	enum sl_finding_weight all = SL_FINDING_GOOD;
	size_t i;

	for (i = 0; i < f->n; i++)
		if (f->item[i].weight > all)
			all = f->item[i].weight;
	return all;
}

void
sl_findings_clear(struct sl_findings *f)
{
	size_t i;

	for (i = 0; i < f->n; i++) {
		sl_free(f->item[i].text);
		sl_free(f->item[i].remedy);
	}
	sl_free(f->item);
	*f = (struct sl_findings){ 0 };
}

/* ---- pasted text ---------------------------------------------------------- */

/* Each kind is told once. */
static const struct {
	const char *bytes, *what;
} foreign[] = {
	{ "\xe2\x80\x9c", "a typographic quotation mark" },
	{ "\xe2\x80\x9d", "a typographic quotation mark" },
	{ "\xe2\x80\x9e", "a typographic quotation mark" },
	{ "\xe2\x80\x98", "a typographic apostrophe" },
	{ "\xe2\x80\x99", "a typographic apostrophe" },
	{ "\xe2\x80\x90", "a typographic hyphen" },
	{ "\xe2\x80\x91", "a typographic hyphen" },
	{ "\xe2\x80\x93", "a dash in place of a hyphen" },
	{ "\xe2\x80\x94", "a dash in place of a hyphen" },
	{ "\xe2\x88\x92", "a minus sign in place of a hyphen" },
	{ "\xc2\xa0", "a no-break space" },
	{ "\xe2\x80\xaf", "a no-break space" },
	{ "\xc2\xad", "an invisible soft hyphen" },
	{ "\xe2\x80\x8b", "an invisible zero-width space" },
	{ "\xe2\x80\x8c", "an invisible zero-width character" },
	{ "\xe2\x80\x8d", "an invisible zero-width character" },
	{ "\xef\xbb\xbf", "an invisible byte order mark" },
	{ "\"", "a quotation mark that is part of the text" },
	{ "\\", "a backslash that is part of the text" },
	{ "\r", "a line end" },
	{ "\n", "a line end" },
};

#define NFOREIGN	(sizeof(foreign) / sizeof(foreign[0]))

static size_t
foreign_at(struct sl_str rest)
{
	size_t i;

	for (i = 0; i < NFOREIGN; i++)
		if (sl_str_starts(rest, sl_str_of(foreign[i].bytes)))
			break;
	return i;
}

static bool
told(const bool *seen, size_t kind)
{
	size_t i;

	for (i = 0; i < NFOREIGN; i++)
		if (seen[i] && strcmp(foreign[i].what, foreign[kind].what) == 0)
			return true;
	return false;
}

unsigned
sl_findings_pasted(struct sl_findings *f, const char *area, const char *name, struct sl_str record)
{
	bool seen[NFOREIGN] = { false };
	size_t i, kind, column = 0;
	unsigned n = 0;

	for (i = 0; i < record.n; i++) {
		column += ((unsigned char)record.p[i] & 0xc0) != 0x80;
		kind = foreign_at(sl_str_sub(record, i, record.n));
		if (kind == NFOREIGN || told(seen, kind))
			continue;
		seen[kind] = true;
		n++;
		sl_findings_add(f, SL_FINDING_PROBLEM, area, "the record of %s has %s at byte %zu, "
		    "column %zu", name, foreign[kind].what, i + 1, column);
		sl_findings_remedy(f, "type the record by hand, or paste it as plain text, in one line "
		    "and without quotation marks");
	}
	return n;
}
