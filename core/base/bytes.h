/*
 * Bytes: views (struct sl_str of types.h) and a growing buffer (sl_buf, owned,
 * always NUL-terminated after its content).
 */
#ifndef SL_BASE_BYTES_H
#define SL_BASE_BYTES_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "types.h"

#define SL_STR(literal)	((struct sl_str){ (literal), sizeof(literal) - 1 })

struct sl_str	 sl_str_sub(struct sl_str s, size_t from, size_t to);	/* clamped */
struct sl_str	 sl_str_trim(struct sl_str s);	/* space, tab, CR, LF */
bool		 sl_str_eq(struct sl_str a, struct sl_str b);
bool		 sl_str_ieq(struct sl_str a, struct sl_str b);	/* ASCII case only */
bool		 sl_str_starts(struct sl_str s, struct sl_str prefix);
bool		 sl_str_istarts(struct sl_str s, struct sl_str prefix);
bool		 sl_str_ends(struct sl_str s, struct sl_str suffix);
bool		 sl_str_iends(struct sl_str s, struct sl_str suffix);
ssize_t		 sl_str_chr(struct sl_str s, char c);	/* offset or -1 */
ssize_t		 sl_str_find(struct sl_str s, struct sl_str needle);
int		 sl_str_cmp(struct sl_str a, struct sl_str b);	/* bytewise */
/* Cuts the part before 'sep' off *s into *part; false when *s was used up. */
bool		 sl_str_split(struct sl_str *s, char sep, struct sl_str *part);
/* Decimal without sign or blanks; false on anything else or overflow. */
bool		 sl_str_u64(struct sl_str s, uint64_t *out);
bool		 sl_utf8_valid(struct sl_str s);

char		 sl_lower(char c);		/* ASCII, no locale */
bool		 sl_isspace(char c);
bool		 sl_isdigit(char c);
bool		 sl_isalpha(char c);
bool		 sl_isalnum(char c);
void		 sl_lower_in_place(char *p, size_t n);

/*
 * 'failed' is sticky: after the first allocation that failed (or 'limit'
 * passed) all further appends do nothing, so a writer checks once at its end.
 */
struct sl_buf {
	char *p;
	size_t n, cap;
	size_t limit;		/* largest n allowed, 0 = none */
	bool failed;
};

#define SL_BUF_INIT	((struct sl_buf){ 0 })

void	 sl_buf_clear(struct sl_buf *b);		/* frees, back to empty */
void	 sl_buf_reset(struct sl_buf *b);		/* n = 0, keeps memory, failed = false */
int	 sl_buf_reserve(struct sl_buf *b, size_t more);	/* room for 'more' after n */
int	 sl_buf_put(struct sl_buf *b, const void *p, size_t n);
int	 sl_buf_puts(struct sl_buf *b, const char *s);
int	 sl_buf_putc(struct sl_buf *b, char c);
int	 sl_buf_putstr(struct sl_buf *b, struct sl_str s);
int	 sl_buf_printf(struct sl_buf *b, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
int	 sl_buf_vprintf(struct sl_buf *b, const char *fmt, va_list ap)
	    __attribute__((format(printf, 2, 0)));
void	 sl_buf_drop(struct sl_buf *b, size_t n);	/* removes n bytes at the front */
struct sl_str sl_buf_str(const struct sl_buf *b);	/* borrowed until the next append */
/* Hands the bytes over, NUL-terminated, and empties the buffer; NULL when failed. */
char	*sl_buf_take(struct sl_buf *b, size_t *n);

/* Base64 (RFC 4648 4) and hex. Decoding skips white space when asked. */
int	 sl_base64_encode(struct sl_buf *out, struct sl_str in);
int	 sl_base64_decode(struct sl_buf *out, struct sl_str in, bool skip_space);
int	 sl_hex_encode(struct sl_buf *out, struct sl_str in);
int	 sl_hex_decode(struct sl_buf *out, struct sl_str in);
int	 sl_hex_value(char c);	/* of one digit; -1 if it is none */

uint32_t sl_crc32c(uint32_t crc, const void *p, size_t n);	/* start with 0 */

#endif
