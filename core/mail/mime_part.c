/* Questions about parts: their names, fields and parameters. See mime.h. */
#include "mime.h"

#include "field.h"

/* ---- names of parts ------------------------------------------------------ */

/* The child of that number, -1 = none. */
static int
child(const struct sl_mime *m, unsigned parent, uint64_t number)
{
	unsigned i = parent + 1;

	if (number < 1 || number > m->parts[parent].nparts)
		return -1;
	while (--number > 0)
		i = m->parts[i].next;
	return (int)i;
}

int
sl_mime_find(const struct sl_mime *mime, struct sl_str id)
{
	struct sl_str number;
	uint64_t n;
	int at = 0;

	if (sl_str_eq(id, SL_STR("0")))
		return 0;
	if (id.n == 0 || sl_str_ends(id, SL_STR(".")))
		return -1;
	while (at >= 0 && sl_str_split(&id, '.', &number))
		at = sl_str_u64(number, &n) ? child(mime, (unsigned)at, n) : -1;
	return at;
}

void
sl_mime_id(const struct sl_mime *mime, unsigned part, struct sl_buf *out)
{
	unsigned numbers[SL_MIME_MAX_DEPTH], n = 0;

	if (part == 0)
		sl_buf_putc(out, '0');
	for (; part != 0; part = mime->parts[part].parent)
		numbers[n++] = mime->parts[part].number;
	for (unsigned i = n; i-- > 0;)
		sl_buf_printf(out, "%s%u", i + 1 < n ? "." : "", numbers[i]);
}

/* ---- fields -------------------------------------------------------------- */

bool
sl_mime_is(const struct sl_mime_part *part, const char *type, const char *subtype)
{
	return sl_str_ieq(part->type, sl_str_of(type)) &&
	    (subtype == NULL || sl_str_ieq(part->subtype, sl_str_of(subtype)));
}

bool
sl_mime_field(struct sl_str *rest, struct sl_field *out)
{
	size_t n = rest->n > 0 ? sl_field_scan(*rest, out) : 0;

	*rest = sl_str_sub(*rest, n, rest->n);
	return n > 0;
}

bool
sl_mime_find_field(const struct sl_mime_part *part, struct sl_str name, struct sl_field *out)
{
	struct sl_str rest = part->head;

	while (sl_mime_field(&rest, out))
		if (sl_str_ieq(out->name, name))
			return true;
	return false;
}

static int
parameter_of(const struct sl_mime_part *part, struct sl_str field, struct sl_str name,
    struct sl_buf *out)
{
	struct sl_params ps;
	struct sl_field f;

	if (!sl_mime_find_field(part, field, &f))
		return SL_ERR_NOTFOUND;
	sl_params_parse(&ps, f.value);
	return sl_param_get(&ps, name, true, out);
}

int
sl_mime_filename(const struct sl_mime_part *part, struct sl_buf *out)
{
	int r = parameter_of(part, SL_STR("Content-Disposition"), SL_STR("filename"), out);

	if (r == SL_ERR_NOTFOUND)
		r = parameter_of(part, SL_STR("Content-Type"), SL_STR("name"), out);
	return r;
}

int
sl_mime_parameter(const struct sl_mime_part *part, struct sl_str name, struct sl_buf *out)
{
	return parameter_of(part, SL_STR("Content-Type"), name, out);
}

/* ---- defects ------------------------------------------------------------- */

const char *
sl_mime_defect_text(enum sl_mime_defect defect)
{
	static const char *const texts[SL_MIME_NDEFECTS] = {
		[SL_MIME_NO_BOUNDARY] = "multipart without a usable boundary",
		[SL_MIME_LONG_BOUNDARY] = "boundary of more than 70 bytes",
		[SL_MIME_SAME_BOUNDARY] = "boundary of an enclosing multipart used again",
		[SL_MIME_NO_PARTS] = "multipart without parts",
		[SL_MIME_UNCLOSED] = "multipart without its last delimiter",
		[SL_MIME_NEAR_DELIMITER] = "line that begins like a delimiter and isn't one",
		[SL_MIME_HEADER_CUT] = "delimiter inside a header",
		[SL_MIME_HEADER_END] = "text that is no field where the header should end",
		[SL_MIME_HEADER_SIZE] = "header too large",
		[SL_MIME_BARE_LF] = "line feed without carriage return",
		[SL_MIME_BAD_TYPE] = "content type that isn't one",
		[SL_MIME_BAD_PARAMETER] = "parameters of the content type that readers differ about",
		[SL_MIME_TWO_TYPES] = "content type or transfer encoding given twice",
		[SL_MIME_BAD_ENCODING] = "transfer encoding that isn't known",
		[SL_MIME_ENCODED_TREE] = "multipart or message in a transfer encoding",
		[SL_MIME_TOO_DEEP] = "parts nested too deeply",
		[SL_MIME_TOO_MANY] = "too many parts",
	};

	return texts[defect];
}
