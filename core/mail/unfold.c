/* Field values as scripts read them: unfolded, decoded. */
#include "field.h"

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Length of a line break in front of a blank, else 0. LF alone comes from milters. */
static size_t
fold_at(struct sl_str v, size_t i)
{
	size_t len = v.p[i] == '\n' ? 1 : 0;

	if (v.p[i] == '\r' && i + 1 < v.n && v.p[i + 1] == '\n')
		len = 2;
	return len > 0 && i + len < v.n && is_blank(v.p[i + len]) ? len : 0;
}

int
sl_field_unfold(struct sl_buf *out, struct sl_str value)
{
	size_t start = 0, i = 0, len;

	value = sl_str_trim(value);
	while (i < value.n) {
		len = fold_at(value, i);
		if (len == 0) {
			i++;
			continue;
		}
		sl_buf_putstr(out, sl_str_sub(value, start, i));
		i += len;
		start = i;
	}
	sl_buf_putstr(out, sl_str_sub(value, start, value.n));
	return out->failed ? SL_ERR_NOMEM : 0;
}

int
sl_field_decode(struct sl_buf *out, struct sl_str value)
{
	struct sl_buf text = SL_BUF_INIT;
	int r = sl_field_unfold(&text, value);

	if (r == 0)
		r = sl_encoded_words_decode(out, sl_buf_str(&text));
	sl_buf_clear(&text);
	return r;
}
