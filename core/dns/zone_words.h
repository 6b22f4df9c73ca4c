/* A master file as words: entries, numbers, times, strings, names. For zone_read.c. */
#ifndef SL_DNS_ZONE_WORDS_H
#define SL_DNS_ZONE_WORDS_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_ZONE_MAX_WORDS	64	/* of an entry */

/* A word as it is written, escapes and all. */
struct sl_zone_word {
	char *text;
	bool quoted;
	unsigned line, column;
};

struct sl_zone_text {
	struct sl_str s;
	size_t at, begin;	/* begin: of this line */
	unsigned line;
	struct sl_zone_word words[SL_ZONE_MAX_WORDS];
	size_t n, next;		/* words; the next to be taken */
	bool indented;		/* the entry began with a blank: owner as before */
	uint8_t origin[256];	/* wire form */
	size_t origin_n;
	struct sl_err *err;
	/* kept for zone_read.c */
	struct sl_zone *zone;
	char owner[256];
	uint32_t ttl;
};

/* All return 0 or SL_ERR_SYNTAX, SL_ERR_NOMEM; errors name line and column. */

/* The words of one entry; parentheses continue it over lines. */
int	 sl_zone_entry(struct sl_zone_text *p);
void	 sl_zone_drop(struct sl_zone_text *p);
/* An error at the word taken last: 'what' was expected. */
int	 sl_zone_fail(struct sl_zone_text *p, const char *what);

/* The next word, or NULL and an error that says that 'what' is missing. */
const char *sl_zone_take(struct sl_zone_text *p, const char *what);
int	 sl_zone_take_number(struct sl_zone_text *p, const char *what, uint32_t max, uint32_t *out);
int	 sl_zone_take_time(struct sl_zone_text *p, const char *what, uint32_t *out);

/* Seconds, or numbers with units: 300, 1h, 1w2d. */
bool	 sl_zone_time(const char *s, uint32_t *out);
/* Escapes resolved; 'text' is the word taken last. */
int	 sl_zone_put_string(struct sl_zone_text *p, const char *text, struct sl_buf *out);
/* The name in wire form (RFC 1035 3.1); a relative one gets the origin. */
int	 sl_zone_name(struct sl_zone_text *p, const char *text, uint8_t out[256], size_t *n);

#endif
