/* Parsing of replies: strict in form, and what they say is made printable. */
#include "client_reply.h"

#include <string.h>

#include "../base/err.h"

void
sl_reply_begin(struct sl_reply *reply)
{
	memset(reply, 0, sizeof(*reply));
}

bool
sl_reply_cut(struct sl_str in, struct sl_str *line, size_t *used)
{
	ssize_t end = sl_str_chr(in, '\n');

	if (end < 0)
		return false;
	*used = (size_t)end + 1;
	*line = sl_str_sub(in, 0, (size_t)end);
	if (line->n > 0 && line->p[line->n - 1] == '\r')
		line->n--;
	return true;
}

static size_t
digits(struct sl_str s, size_t from, size_t max)
{
	size_t n = 0;

	while (from + n < s.n && n < max && sl_isdigit(s.p[from + n]))
		n++;
	return n;
}

/* Length of "5.7.1" at the front, if it is one and agrees with the code (RFC 2034 4). */
static size_t
enhanced_length(struct sl_str s, char class)
{
	size_t a, b;

	if (s.n < 5 || s.p[0] != class || s.p[1] != '.')
		return 0;
	a = digits(s, 2, 3);
	if (a == 0 || 2 + a >= s.n || s.p[2 + a] != '.')
		return 0;
	b = digits(s, 3 + a, 3);
	if (b == 0 || (3 + a + b < s.n && s.p[3 + a + b] != ' '))
		return 0;
	return 3 + a + b;
}

static void
add_text(struct sl_reply *r, struct sl_str s)
{
	if (r->n > 0 && s.n > 0 && r->n + 1 < sizeof(r->text))
		r->text[r->n++] = ' ';
	for (size_t i = 0; i < s.n && r->n + 1 < sizeof(r->text); i++) {
		unsigned char c = (unsigned char)s.p[i];

		r->text[r->n++] = c >= 32 && c < 127 ? (char)c : '?';
	}
	r->text[r->n] = '\0';
}

static int
code_of(struct sl_str line)
{
	if (line.n < 3 || digits(line, 0, 3) != 3 || line.p[0] < '2' || line.p[0] > '5')
		return 0;
	if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
		return 0;
	return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + line.p[2] - '0';
}

int
sl_reply_line(struct sl_reply *r, struct sl_str line)
{
	int code = code_of(line);
	struct sl_str text = sl_str_sub(line, 4, line.n);
	size_t n;

	if (code == 0 || line.n > SL_REPLY_MAX_LINE || ++r->lines > SL_REPLY_MAX_LINES ||
	    (r->code != 0 && r->code != code))
		return SL_ERR_SYNTAX;
	r->code = code;
	n = enhanced_length(text, line.p[0]);
	if (n > 0 && n < sizeof(r->enhanced)) {
		if (r->lines == 1) {
			memcpy(r->enhanced, text.p, n);
			r->enhanced[n] = '\0';
		}
		text = sl_str_sub(text, n + 1, text.n);
	}
	add_text(r, text);
	return line.n > 3 && line.p[3] == '-' ? 0 : 1;
}
