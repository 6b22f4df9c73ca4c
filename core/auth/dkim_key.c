/* Key records, RFC 6376 3.6.1. See dkim.h. */
#include <string.h>

#include "dkim.h"

static int
check_version(const struct sl_tags *tags, struct sl_err *err)
{
	ssize_t i = sl_tags_index(tags, "v");

	if (i > 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "v= is not the first tag of the key record");
	if (i == 0 && !sl_str_eq(tags->tag[0].value, SL_STR("DKIM1")))
		return sl_err_set(err, SL_ERR_SYNTAX, "v= of the key record is not DKIM1");
	return 0;
}

static void
parse_type(struct sl_dkim_key *out, const struct sl_str *k)
{
	out->known_type = true;
	if (k == NULL || sl_str_ieq(*k, SL_STR("rsa")))
		out->type = SL_KEY_RSA;
	else if (sl_str_ieq(*k, SL_STR("ed25519")))
		out->type = SL_KEY_ED25519;
	else
		out->known_type = false;
}

static int
parse_data(struct sl_dkim_key *out, const struct sl_str *p, struct sl_err *err)
{
	int r;

	if (p == NULL)
		return sl_err_set(err, SL_ERR_SYNTAX, "the key record has no p=");
	out->revoked = p->n == 0;
	if (out->revoked)
		return 0;
	r = sl_tags_base64(&out->p, *p);
	if (r == SL_ERR_NOMEM)
		return sl_err_set(err, r, "out of memory");
	if (r < 0)
		return sl_err_set(err, SL_ERR_SYNTAX, "p= of the key record is not base64");
	return 0;
}

int
sl_dkim_key_parse(struct sl_dkim_key *out, struct sl_str record, struct sl_err *err)
{
	const struct sl_str *v;
	struct sl_tags tags;
	int r;

	memset(out, 0, sizeof(*out));
	r = sl_tags_parse(&tags, record, SL_TAGS_RECORD, err);
	if (r < 0)
		return r;
	r = check_version(&tags, err);
	if (r < 0)
		return r;
	parse_type(out, sl_tags_get(&tags, "k"));
	if ((v = sl_tags_get(&tags, "h")) != NULL)
		out->hashes = *v;
	if ((v = sl_tags_get(&tags, "s")) != NULL)
		out->services = *v;
	if ((v = sl_tags_get(&tags, "t")) != NULL) {
		out->testing = sl_tags_has(*v, ':', SL_STR("y"));
		out->strict = sl_tags_has(*v, ':', SL_STR("s"));
	}
	return parse_data(out, sl_tags_get(&tags, "p"), err);
}

void
sl_dkim_key_clear(struct sl_dkim_key *key)
{
	sl_buf_clear(&key->p);
}

const char *
sl_dkim_key_unfit(const struct sl_dkim_key *key, enum sl_dkim_algorithm algorithm)
{
	enum sl_digest_alg digest = sl_dkim_algorithm_digest(algorithm);

	if (!key->known_type || key->type != sl_dkim_algorithm_key(algorithm))
		return "the key is of another kind than the signature";
	if (key->revoked)
		return "the key is revoked";
	if (key->hashes.p != NULL &&
	    !sl_tags_has(key->hashes, ':', sl_str_of(sl_digest_word(digest))))
		return digest == SL_DIGEST_SHA1 ? "the key is not for sha1" : "the key is not for sha256";
	if (key->services.p != NULL && !sl_tags_has(key->services, ':', SL_STR("*")) &&
	    !sl_tags_has(key->services, ':', SL_STR("email")))
		return "the key is not for mail";
	return NULL;
}

int
sl_dkim_record(struct sl_buf *out, const struct sl_key *key)
{
	struct sl_buf pub = SL_BUF_INIT;
	int r = sl_key_public(key, &pub);

	if (r == 0)
		r = sl_buf_printf(out, "v=DKIM1; k=%s; p=", sl_key_type_word(sl_key_type(key)));
	if (r == 0)
		r = sl_base64_encode(out, sl_buf_str(&pub));
	sl_buf_clear(&pub);
	return r;
}
