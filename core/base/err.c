/* Error records: one line of text and a code. See err.h. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* What went wrong may quote the network; no terminal sequence gets through. */
static void
clean(char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			*text = '?';
	}
}

static void
append(struct sl_err *err, const char *words)
{
	size_t n = strlen(err->text);

	snprintf(err->text + n, sizeof(err->text) - n, "%s", words);
}

int
sl_err_set(struct sl_err *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (err == NULL)
		return code;
	err->code = code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	clean(err->text);
	return code;
}

int
sl_err_errno(struct sl_err *err, const char *fmt, ...)
{
	char buf[128];
	int saved = errno;
	va_list ap;

	if (err == NULL)
		return SL_ERR_IO;
	err->code = SL_ERR_IO;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	append(err, ": ");
	append(err, strerror_r(saved, buf, sizeof(buf)));
	clean(err->text);
	errno = saved;
	return SL_ERR_IO;
}

int
sl_err_prefix(struct sl_err *err, const char *fmt, ...)
{
	char old[sizeof(err->text)];
	va_list ap;

	if (err == NULL)
		return SL_ERR_IO;
	memcpy(old, err->text, sizeof(old));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	append(err, ": ");
	append(err, old);
	clean(err->text);
	return err->code;
}

const char *
sl_err_word(int code)
{
	static const char *const words[] = {
		"ok", "memory", "syntax", "invalid", "notfound", "exists", "limit",
		"timeout", "io", "closed", "temporary", "refused", "canceled", "corrupt",
	};
	size_t i = (size_t)-(long)code;

	return code <= 0 && i < sizeof(words) / sizeof(words[0]) ? words[i] : "unknown";
}
