/*
 * The report in a mail: the first part of it that is an archive or XML. Only
 * as much of MIME (RFC 2045, 2046) as that needs; line ends may be LF alone.
 * Each level reads its text once, and there are few levels. See report.h.
 */
#include "report_private.h"

#define MAX_DEPTH	5
#define MAX_PARTS	100
#define MAX_BOUNDARY	200	/* RFC 2046 5.1.1 allows 70 */

struct walk {
	struct sl_buf *out;
	unsigned parts;		/* looked at */
	struct sl_err *err;
};

struct part {
	struct sl_str type, encoding;	/* values, with parameters and folds */
	struct sl_str body;
};

/* The line with its LF; false at the end. */
static bool
next_line(struct sl_str *rest, struct sl_str *line)
{
	ssize_t lf = sl_str_chr(*rest, '\n');
	size_t n = lf >= 0 ? (size_t)lf + 1 : rest->n;

	*line = sl_str_sub(*rest, 0, n);
	*rest = sl_str_sub(*rest, n, rest->n);
	return n > 0;
}

static void
take_field(struct part *part, struct sl_str field)
{
	ssize_t colon = sl_str_chr(field, ':');
	struct sl_str name = sl_str_trim(sl_str_sub(field, 0, colon > 0 ? (size_t)colon : 0));
	struct sl_str value = sl_str_trim(sl_str_sub(field, (size_t)(colon + 1), field.n));

	if (sl_str_ieq(name, SL_STR("Content-Type")) && part->type.n == 0)
		part->type = value;
	else if (sl_str_ieq(name, SL_STR("Content-Transfer-Encoding")) && part->encoding.n == 0)
		part->encoding = value;
}

/* Header up to the empty line; a line that begins with a blank goes on with its field. */
static struct part
read_part(struct sl_str text)
{
	struct part part = { { "", 0 }, { "", 0 }, { "", 0 } };
	struct sl_str line, field = { text.p, 0 };

	while (next_line(&text, &line)) {
		if (field.n > 0 && (line.p[0] == ' ' || line.p[0] == '\t')) {
			field.n += line.n;
			continue;
		}
		take_field(&part, field);
		field = line;
		if (sl_str_trim(line).n == 0)
			break;
	}
	part.body = text;
	return part;
}

/* The parameter boundary; empty = none. */
static struct sl_str
boundary_of(struct sl_str type)
{
	const char *end = type.p + type.n;
	struct sl_str one;

	while (sl_str_split(&type, ';', &one)) {
		one = sl_str_trim(one);
		if (!sl_str_istarts(one, SL_STR("boundary=")))
			continue;
		one = sl_str_sub(one, 9, one.n);
		if (!sl_str_starts(one, SL_STR("\"")))
			return one;
		/* A ";" in quotes is part of it. */
		one = (struct sl_str){ one.p + 1, (size_t)(end - one.p) - 1 };
		return sl_str_sub(one, 0, sl_str_chr(one, '"') >= 0 ? (size_t)sl_str_chr(one, '"') : 0);
	}
	return (struct sl_str){ "", 0 };
}

static bool
is_delimiter(struct sl_str line, struct sl_str boundary)
{
	return sl_str_starts(line, SL_STR("--")) &&
	    sl_str_starts(sl_str_sub(line, 2, line.n), boundary);
}

static int	look(struct walk *w, struct sl_str text, unsigned depth);

static int
look_inside(struct walk *w, struct sl_str body, struct sl_str boundary, unsigned depth)
{
	struct sl_str line, part = { NULL, 0 };
	int rc = SL_ERR_NOTFOUND;

	while (rc == SL_ERR_NOTFOUND && next_line(&body, &line)) {
		if (!is_delimiter(line, boundary)) {
			part.n += part.p != NULL ? line.n : 0;
			continue;
		}
		if (part.p != NULL)
			rc = look(w, part, depth + 1);
		part = (struct sl_str){ body.p, 0 };
	}
	/* The last one, when the mail was cut before its end. */
	if (rc == SL_ERR_NOTFOUND && part.p != NULL && part.n > 0)
		rc = look(w, part, depth + 1);
	return rc;
}

static int
look_at_content(struct walk *w, const struct part *part)
{
	int rc;

	if (sl_str_istarts(part->type, SL_STR("text/html")))
		return SL_ERR_NOTFOUND;
	sl_buf_reset(w->out);
	rc = sl_str_istarts(part->encoding, SL_STR("base64")) ?
	    sl_base64_decode(w->out, part->body, true) : sl_buf_putstr(w->out, part->body);
	if (rc == SL_ERR_NOMEM)
		return sl_err_set(w->err, rc, "out of memory");
	return rc == 0 && sl_report_is_known(sl_buf_str(w->out)) ? 0 : SL_ERR_NOTFOUND;
}

static int
look(struct walk *w, struct sl_str text, unsigned depth)
{
	struct part part = read_part(text);
	struct sl_str boundary;

	if (depth > MAX_DEPTH || ++w->parts > MAX_PARTS)
		return sl_err_set(w->err, SL_ERR_LIMIT, "the mail has too many parts");
	if (sl_str_istarts(part.type, SL_STR("message/rfc822")))
		return look(w, part.body, depth + 1);
	if (!sl_str_istarts(part.type, SL_STR("multipart/")))
		return look_at_content(w, &part);
	boundary = boundary_of(part.type);
	if (boundary.n == 0 || boundary.n > MAX_BOUNDARY)
		return SL_ERR_NOTFOUND;
	return look_inside(w, part.body, boundary, depth);
}

/* Does it begin as a header does? */
static bool
is_mail(struct sl_str text)
{
	struct sl_str line;
	size_t i;

	if (!next_line(&text, &line))
		return false;
	for (i = 0; i < line.n && line.p[i] > ' ' && line.p[i] < 0x7f && line.p[i] != ':'; i++)
		;
	return (i > 0 && i < line.n && line.p[i] == ':') || sl_str_starts(line, SL_STR("From "));
}

int
sl_report_attachment(struct sl_buf *out, struct sl_str mail, struct sl_err *err)
{
	struct walk w = { .out = out, .err = err };
	int rc;

	if (!is_mail(mail))
		return sl_err_set(err, SL_ERR_SYNTAX, "neither XML, gzip, zip nor a mail");
	rc = look(&w, mail, 0);
	if (rc == SL_ERR_NOTFOUND)
		return sl_err_set(err, SL_ERR_SYNTAX, "a mail without a report attached");
	return rc;
}
