/* Finding a secret in the forms that texts have it in. For the files of core/tape and who writes tapes. */
#ifndef SL_TAPE_MASK_H
#define SL_TAPE_MASK_H

#include "../base/bytes.h"

/* Shorter secrets would be found in ordinary words. */
#define SL_MASK_SHORTEST	4

struct sl_mask;

/*
 * The forms of one secret: as it is, percent-encoded (either case), as JSON strings have it
 * (with and without "\/"), in hex (either case), in base64 at any offset, also the alphabet
 * of URLs. NULL = out of memory, or it is shorter than SL_MASK_SHORTEST.
 */
struct sl_mask	*sl_mask_new(struct sl_str secret);
void		 sl_mask_free(struct sl_mask *mask);	/* wipes; NULL is fine */
bool		 sl_mask_is(const struct sl_mask *mask, struct sl_str secret);
bool		 sl_mask_finds(const struct sl_mask *mask, struct sl_str text);
/* Appends the text, 'with' in place of each form; of base64 the whole run around it. */
void		 sl_mask_put(const struct sl_mask *mask, struct sl_str text, const char *with,
		    struct sl_buf *out);

#endif
