/* What commands read whole (a key, a zone, a message), and what they print. See cmd.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../mail/message.h"
#include "cmd.h"

#define MAX_MESSAGE	(256 * 1024 * 1024)

void
cmd_complain(const char *path, const char *why)
{
	fprintf(stderr, "sluice: %s: %s\n", strcmp(path, "-") == 0 ? "standard input" : path, why);
}

/* NULL when the file's end was reached, else why it wasn't. */
static const char *
read_all(FILE *f, struct sl_buf *out)
{
	char block[65536];
	size_t n;
	int r;

	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		if ((r = sl_buf_put(out, block, n)) != 0)
			return r == SL_ERR_LIMIT ? "too large" : "out of memory";
	return ferror(f) ? strerror(errno) : NULL;
}

int
cmd_read(const char *path, size_t limit, struct sl_buf *out)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	const char *why;

	*out = (struct sl_buf){ .limit = limit };
	why = f != NULL ? read_all(f, out) : strerror(errno);
	if (f != NULL && f != stdin)
		fclose(f);
	if (why == NULL)
		return 0;
	cmd_complain(path, why);
	sl_buf_clear(out);
	return -1;
}

/* Every line ends in CRLF afterwards, the last one too. */
void
cmd_put_crlf(struct sl_buf *out, struct sl_str s)
{
	size_t i, plain = 0;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] != '\n' || (i > 0 && s.p[i - 1] == '\r'))
			continue;
		sl_buf_put(out, s.p + plain, i - plain);
		sl_buf_putc(out, '\r');
		plain = i;
	}
	sl_buf_put(out, s.n > 0 ? s.p + plain : "", s.n - plain);
	if (s.n > 0 && s.p[s.n - 1] != '\n')
		sl_buf_puts(out, "\r\n");
}

struct sl_message *
cmd_read_message(const char *path)
{
	struct sl_buf text, crlf = SL_BUF_INIT;
	struct sl_message *m = NULL;
	struct sl_err err;
	char *bytes;
	size_t n;

	if (cmd_read(path, MAX_MESSAGE, &text) != 0)
		return NULL;
	cmd_put_crlf(&crlf, sl_buf_str(&text));
	sl_buf_clear(&text);
	bytes = sl_buf_take(&crlf, &n);
	if (bytes == NULL)
		cmd_complain(path, "out of memory");
	else if (sl_message_from_memory(&m, bytes, n, &err) != 0)
		cmd_complain(path, err.text);
	return m;
}

int
cmd_parse_time(const char *text, int64_t *us)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S" };
	struct tm tm;
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		end = strptime(text, forms[i], &tm);
		if (end != NULL && *end == '\0') {
			*us = (int64_t)timegm(&tm) * 1000000;
			return 0;
		}
	}
	return -1;
}

int
cmd_flush(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return 0;
	perror("sluice: standard output");
	return -1;
}
