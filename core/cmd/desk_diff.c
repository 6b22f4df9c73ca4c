/* How a message differs from what it was: the fields of its header, in order. */
#include "desk_show.h"

#include "../base/alloc.h"
#include "../mail/message.h"
#include "cmd.h"

#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define PLAIN	"\033[m"

static struct sl_message *
parse(struct sl_str bytes)
{
	struct sl_message *m;
	struct sl_buf crlf = SL_BUF_INIT;
	size_t n;
	char *p;

	cmd_put_crlf(&crlf, bytes);
	p = sl_buf_take(&crlf, &n);
	return p != NULL && sl_message_from_memory(&m, p, n, NULL) == 0 ? m : NULL;
}

/* A field as one entry: the folds begin lines of their own, indented. */
static void
put_field(struct sl_buf *out, char sign, struct sl_str raw, bool color)
{
	struct sl_str line;
	bool first = true;

	while (sl_str_split(&raw, '\n', &line) && (line.n > 0 || first)) {
		if (color)
			sl_buf_puts(out, sign == '+' ? GREEN : RED);
		sl_buf_printf(out, first ? "  %c " : "  %c   ", sign);
		sl_event_put_harmless(out, sl_str_trim(line));
		sl_buf_puts(out, color ? PLAIN "\n" : "\n");
		first = false;
	}
}

static bool
same(const struct sl_message *a, size_t i, const struct sl_message *b, size_t j)
{
	return sl_str_eq(a->fields[i].raw, b->fields[j].raw);
}

/* lengths[i][j]: how many fields a from i and b from j have in common, in order. */
static unsigned short *
common(const struct sl_message *a, const struct sl_message *b)
{
	size_t columns = b->nfields + 1, i, j;
	unsigned short *n = sl_calloc((a->nfields + 1) * columns, sizeof(*n));

	if (n == NULL)
		return NULL;
	for (i = a->nfields; i-- > 0;)
		for (j = b->nfields; j-- > 0;) {
			unsigned short below = n[(i + 1) * columns + j], right = n[i * columns + j + 1];

			n[i * columns + j] = same(a, i, b, j) ? n[(i + 1) * columns + j + 1] + 1 :
			    below > right ? below : right;
		}
	return n;
}

static void
put_changes(struct sl_buf *out, const struct sl_message *a, const struct sl_message *b, bool color)
{
	unsigned short *n = common(a, b);
	size_t columns = b->nfields + 1, i = 0, j = 0;

	while (n != NULL && (i < a->nfields || j < b->nfields)) {
		if (i < a->nfields && j < b->nfields && same(a, i, b, j)) {
			i++;
			j++;
		} else if (j == b->nfields ||
		    (i < a->nfields && n[(i + 1) * columns + j] >= n[i * columns + j + 1])) {
			put_field(out, '-', a->fields[i++].raw, color);
		} else {
			put_field(out, '+', b->fields[j++].raw, color);
		}
	}
	sl_free(n);
}

void
desk_show_diff(struct sl_buf *out, struct sl_str before, struct sl_str after, bool color)
{
	struct sl_message *a = parse(before), *b = parse(after);

	if (a != NULL && b != NULL) {
		put_changes(out, a, b, color);
		if (!sl_str_eq(a->body, b->body))
			sl_buf_printf(out, "  the body changed: %zu bytes, %zu before\n", b->body.n, a->body.n);
	}
	sl_message_unref(a);
	sl_message_unref(b);
}
