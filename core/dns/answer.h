/* Building answers. For the files of core/dns. */
#ifndef SL_DNS_ANSWER_H
#define SL_DNS_ANSWER_H

#include "dns.h"

struct sl_answer_builder {
	struct sl_dns_answer *answer;
	size_t bytes;		/* of data so far */
	bool failed;
};

/* Starts an answer without records; NULL = out of memory (failed is set). */
void	 sl_answer_begin(struct sl_answer_builder *b);
/* Copies the record; beyond the caps of dns.h it is left out. */
void	 sl_answer_add(struct sl_answer_builder *b, const struct sl_dns_record *record);
/* The answer, with status OK or 'none' when it has no record. NULL when failed. */
struct sl_dns_answer *sl_answer_end(struct sl_answer_builder *b, enum sl_dns_status none,
	    const char *canonical);

#endif
