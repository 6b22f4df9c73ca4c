/* The dot reader: one state per thing that a chunk may end in. See dot.h. */
#include "dot.h"

#include <string.h>

enum { START, MIDDLE, CR, DOT, DOT_CR };

static void
put_some(struct sl_dot *d, const char *p, size_t n, sl_dot_put *put, void *arg)
{
	if (n > 0 && (d->fix || !d->bare))
		put(arg, p, n);
}

static void
new_line(struct sl_dot *d, sl_dot_put *put, void *arg)
{
	put_some(d, "\r\n", 2, put, arg);
	d->line = 0;
}

/*
 * The rest of the line, up to a CR, a LF or the chunk's end. *lf is where the
 * next LF is known to be: looked for once, or many CRs would cost a square.
 */
static size_t
middle(struct sl_dot *d, const char *p, size_t n, size_t i, size_t *lf, sl_dot_put *put,
    void *arg)
{
	const char *at;
	size_t stop;

	if (*lf < i || *lf > n) {
		at = memchr(p + i, '\n', n - i);
		*lf = at != NULL ? (size_t)(at - p) : n;
	}
	at = memchr(p + i, '\r', *lf - i);
	stop = at != NULL ? (size_t)(at - p) : *lf;
	put_some(d, p + i, stop - i, put, arg);
	d->line += stop - i;
	if (d->line > d->longest)
		d->longest = d->line;
	if (stop == n)
		return n;
	if (p[stop] == '\r') {
		d->state = CR;
	} else {
		d->bare = true;
		new_line(d, put, arg);
	}
	return stop + 1;
}

size_t
sl_dot_feed(struct sl_dot *d, const char *p, size_t n, sl_dot_put *put, void *arg)
{
	size_t i = 0, lf = n + 1;

	while (i < n && !d->done) {
		switch (d->state) {
		case START:
			d->state = p[i] == '.' ? DOT : MIDDLE;
			i += p[i] == '.';
			break;
		case MIDDLE:
			i = middle(d, p, n, i, &lf, put, arg);
			break;
		case CR:
			d->state = p[i] == '\n' ? START : MIDDLE;
			d->bare = d->bare || p[i] != '\n';
			new_line(d, put, arg);
			i += p[i] == '\n';
			break;
		case DOT:
			d->state = p[i] == '\r' ? DOT_CR : MIDDLE;
			i += p[i] == '\r';
			break;
		case DOT_CR:
			d->done = p[i] == '\n';
			if (d->done) {
				i++;
				break;
			}
			d->state = MIDDLE;
			d->bare = true;
			new_line(d, put, arg);
			break;
		}
	}
	return i;
}
