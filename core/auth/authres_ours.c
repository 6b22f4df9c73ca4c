/* Authentication-Results fields that claim to be ours: RFC 8601 5. See authres.h. */
#include <string.h>

#include "../mail/address.h"
#include "authres_private.h"

static struct sl_str
without_dots(struct sl_str s)
{
	while (s.n > 0 && s.p[s.n - 1] == '.')
		s.n--;
	return s;
}

static bool
same_name(struct sl_str a, struct sl_str b)
{
	char one[256], two[256];
	struct sl_err err;

	a = without_dots(a);
	b = without_dots(b);
	if (sl_str_ieq(a, b))
		return true;
	return sl_domain_normalize(one, a, &err) == 0 && sl_domain_normalize(two, b, &err) == 0 &&
	    strcmp(one, two) == 0;
}

static bool
ends_id(char c)
{
	return sl_authres_ends_value(c) || c == '=' || c == '/' || c == '\0';
}

/*
 * The id at the beginning; 'join' drops comments in the middle of it, as a
 * reader may that takes all comments out first. False: it can't be read.
 */
static bool
read_id(struct sl_str s, bool join, char *id, size_t size, size_t *n)
{
	*n = 0;
	while (s.n > 0 && *n < size) {
		if (s.p[0] == '"') {
			struct sl_str part = sl_str_sub(s, 0, size - *n);

			if (!sl_authres_quoted(&part, id, n))
				return false;
			s = sl_str_sub(s, (size_t)(part.p - s.p), s.n);
		} else if (join && s.p[0] == '(') {
			if (!sl_skip_cfws(&s))
				return false;
		} else if (ends_id(s.p[0])) {
			break;
		} else {
			id[(*n)++] = s.p[0];
			s = sl_str_sub(s, 1, s.n);
		}
	}
	return *n > 0;
}

bool
sl_authres_claims(struct sl_str value, const char *authserv_id)
{
	struct sl_str ours = sl_str_of(authserv_id);
	char id[1024];
	size_t n;
	int join;

	if (!sl_skip_cfws(&value))
		return true;
	for (join = 0; join < 2; join++)
		if (!read_id(value, join == 1, id, sizeof(id), &n) ||
		    same_name((struct sl_str){ id, n }, ours))
			return true;
	return false;
}

/* From the bottom, so that what is removed moves nothing that is still to be looked at. */
int
sl_authres_strip(struct sl_head *head, const char *authserv_id)
{
	size_t i = sl_head_count(head);
	int n = 0;

	while (i-- > 0) {
		const struct sl_field *f = sl_head_at(head, i);

		if (!sl_str_ieq(f->name, SL_STR("Authentication-Results")) ||
		    !sl_authres_claims(f->value, authserv_id))
			continue;
		if (sl_head_remove(head, i) != 0)
			return SL_ERR_NOMEM;
		n++;
	}
	return n;
}
