/* Within core/mail: the parts that paths and address lists share. */
#ifndef SL_MAIL_ADDRESS_PARTS_H
#define SL_MAIL_ADDRESS_PARTS_H

#include "address.h"

#define SL_MAX_LOCAL	64	/* RFC 5321 4.5.3.1.1 */

bool	 sl_is_atext(char c);		/* RFC 5322 3.2.3, or a byte of UTF-8 (RFC 6532 3.2) */
bool	 sl_is_ascii(struct sl_str s);
/* Well-formed UTF-8 without C0 and C1 controls, DEL. */
bool	 sl_is_text(struct sl_str s);

/* Flags for domains. */
#define SL_DOMAIN_UNDERSCORE	1u	/* names that DNS has and RFC 5321 hasn't */
#define SL_DOMAIN_FINAL_DOT	2u
#define SL_DOMAIN_LITERAL	4u	/* "[192.0.2.1]", "[IPv6:2001:db8::1]" too */
int	 sl_domain_parse(char *out, struct sl_str domain, unsigned flags, struct sl_err *err);

/* From a local part without quotes and a normalized domain that stands in
 * out->domain. SL_ERR_LIMIT when it doesn't fit, SL_ERR_SYNTAX for controls. */
int	 sl_address_make(struct sl_address *out, struct sl_str local, struct sl_err *err);

#endif
