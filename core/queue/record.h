/*
 * Records of the segment log.
 *
 * A segment begins with a header that holds a random salt; every record begins
 * with the salt mixed with its own offset. A message can't contain what looks
 * like a record, because its sender doesn't know the salt: so a damaged
 * segment can be searched for the next record.
 *
 * Each record tells how far the segment was synced when it was written. A bad
 * record below that mark is damage; beyond it, it is the torn end of writes
 * that nobody was told of.
 */
#ifndef SL_QUEUE_RECORD_H
#define SL_QUEUE_RECORD_H

#include "store.h"

#define SL_SEGMENT_HEADER	32
#define SL_RECORD_HEADER	32
#define SL_RECORD_MAX		(1ull << 31)

enum sl_record_type {
	SL_RECORD_ACCEPT = 1,	/* one or more messages of one transaction */
	SL_RECORD_UPDATE,	/* a recipient's new state */
	SL_RECORD_REMOVE,	/* all recipients done */
	SL_RECORD_ABANDON,	/* a segment's records from an offset on don't count */
	SL_RECORD_HOLD,		/* all recipients held, the name of the quarantine */
	SL_RECORD_TYPES
};

struct sl_record {
	uint32_t crc, type;
	uint64_t len;		/* of the payload behind the header */
	uint64_t synced;
};

void	 sl_segment_header(uint8_t out[SL_SEGMENT_HEADER], uint64_t number, uint64_t salt);
int	 sl_segment_header_parse(const uint8_t in[SL_SEGMENT_HEADER], uint64_t *number, uint64_t *salt);

void	 sl_record_header(uint8_t out[SL_RECORD_HEADER], const struct sl_record *r, uint64_t salt,
	    uint64_t offset);
/* False when the salt doesn't fit, the type is unknown or the length absurd. */
bool	 sl_record_header_parse(const uint8_t in[SL_RECORD_HEADER], struct sl_record *out,
	    uint64_t salt, uint64_t offset);
/* The CRC of a record: over type, len and synced, then the payload in pieces. */
uint32_t sl_record_crc(const struct sl_record *r);

/* Payload of fields. A writer appends; a reader consumes and fails for good. */
void	 sl_put_u64(struct sl_buf *b, uint64_t n);
void	 sl_put_text(struct sl_buf *b, const char *s);	/* NULL is kept */
struct sl_reader {
	struct sl_str rest;
	bool failed;
};
uint64_t sl_get_u64(struct sl_reader *r);
char	*sl_get_text(struct sl_reader *r);		/* sl_malloc; NULL for NULL or failure */

void	 sl_put_entry(struct sl_buf *b, const struct sl_entry *e);
int	 sl_get_entry(struct sl_reader *r, struct sl_entry *e);
void	 sl_put_envelope(struct sl_buf *b, const struct sl_envelope *e);
struct sl_envelope *sl_get_envelope(struct sl_reader *r);
void	 sl_entry_clear(struct sl_entry *e);
void	 sl_envelope_free(struct sl_envelope *e);

#endif
