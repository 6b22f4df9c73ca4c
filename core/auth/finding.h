/*
 * What a look at published records found, in sentences for the person who
 * publishes them: what is so, and what to do. Texts may hold bytes from DNS:
 * whoever prints them makes them harmless.
 */
#ifndef SL_AUTH_FINDING_H
#define SL_AUTH_FINDING_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_FINDINGS_MAX		500	/* of one look; the rest is dropped */

/* In order of strength: of several the strongest counts. */
enum sl_finding_weight {
	SL_FINDING_GOOD,
	SL_FINDING_NOTE,	/* works; could be better, or should be known */
	SL_FINDING_TEMPORARY,	/* DNS didn't answer: nothing is sure */
	SL_FINDING_PROBLEM,	/* mail is or can be harmed */
};

const char *sl_finding_word(enum sl_finding_weight weight);	/* "good" "note" ... */

struct sl_finding {
	enum sl_finding_weight weight;
	const char *area;	/* "spf": a literal */
	char *text;
	char *remedy;		/* what to do; NULL = nothing */
};

/* Zero to start. 'failed': out of memory, findings are missing. */
struct sl_findings {
	size_t n;
	struct sl_finding *item;
	bool failed;
};

void	 sl_findings_add(struct sl_findings *f, enum sl_finding_weight weight, const char *area,
	    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* What to do about the last one. */
void	 sl_findings_remedy(struct sl_findings *f, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
enum sl_finding_weight sl_findings_weight(const struct sl_findings *f);
void	 sl_findings_clear(struct sl_findings *f);

/*
 * What editors and web pages put into records: typographic quotes, blanks and
 * dashes, invisible characters, quotation marks, backslashes, line ends. Each
 * kind is a problem once, with byte and column (from 1). Returns how many.
 */
unsigned sl_findings_pasted(struct sl_findings *f, const char *area, const char *name,
	    struct sl_str record);

#endif
