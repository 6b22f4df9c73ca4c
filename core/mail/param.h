/*
 * Values of the form "token; name=value; ...": Content-Type, Content-Disposition.
 * RFC 2045 5.1, RFC 2183, with the continuations and charsets of RFC 2231.
 */
#ifndef SL_MAIL_PARAM_H
#define SL_MAIL_PARAM_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_MAX_PARAMS	64	/* of a field; further ones aren't looked at */

/* As written: 'name' with the stars of RFC 2231, 'value' without the quotes around it. */
struct sl_param {
	struct sl_str name, value;
	bool quoted;
};

struct sl_params {
	struct sl_str type, subtype;	/* "text", "plain" as written; "attachment", "" */
	struct sl_param param[SL_MAX_PARAMS];
	size_t n;
	bool broken;			/* there is text that isn't of the grammar */
	bool many;			/* more than SL_MAX_PARAMS */
	bool twice;			/* a name stands there twice: the first counts */
};

/* Views into 'value', which is a field's value with its folds. Takes what is there. */
void	 sl_params_parse(struct sl_params *out, struct sl_str value);

/*
 * Appends the value of a parameter as UTF-8: name*, else name*0, name*1, ...,
 * else name. Bytes of a charset that isn't known stay as they are. With 'words'
 * encoded words are decoded, which RFC 2047 5 forbids and many senders write.
 * SL_ERR_NOTFOUND: there is none.
 */
int	 sl_param_get(const struct sl_params *params, struct sl_str name, bool words,
	    struct sl_buf *out);
/* Only the form without stars. */
int	 sl_param_plain(const struct sl_params *params, struct sl_str name, struct sl_buf *out);
/* Whether the parameter is there in more than one form: readers differ about its value. */
bool	 sl_param_ambiguous(const struct sl_params *params, struct sl_str name);

#endif
