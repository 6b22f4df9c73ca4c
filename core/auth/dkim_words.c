/* Words, domains and the fields of a header as DKIM needs them. See dkim.h. */
#include "dkim.h"

#include "../mail/address.h"

static const struct {
	const char *word;
	enum sl_key_type key;
	enum sl_digest_alg digest;
} algorithms[] = {
	[SL_DKIM_BY_KEY] = { "", SL_KEY_RSA, SL_DIGEST_SHA256 },
	[SL_DKIM_RSA_SHA256] = { "rsa-sha256", SL_KEY_RSA, SL_DIGEST_SHA256 },
	[SL_DKIM_ED25519_SHA256] = { "ed25519-sha256", SL_KEY_ED25519, SL_DIGEST_SHA256 },
	[SL_DKIM_RSA_SHA1] = { "rsa-sha1", SL_KEY_RSA, SL_DIGEST_SHA1 },
};

const char *
sl_dkim_algorithm_word(enum sl_dkim_algorithm algorithm)
{
	return algorithms[algorithm].word;
}

bool
sl_dkim_algorithm_parse(struct sl_str word, enum sl_dkim_algorithm *out)
{
	for (int i = SL_DKIM_RSA_SHA256; i <= SL_DKIM_RSA_SHA1; i++) {
		if (sl_str_ieq(word, sl_str_of(algorithms[i].word))) {
			*out = (enum sl_dkim_algorithm)i;
			return true;
		}
	}
	return false;
}

enum sl_key_type
sl_dkim_algorithm_key(enum sl_dkim_algorithm algorithm)
{
	return algorithms[algorithm].key;
}

enum sl_digest_alg
sl_dkim_algorithm_digest(enum sl_dkim_algorithm algorithm)
{
	return algorithms[algorithm].digest;
}

const char *
sl_dkim_status_word(enum sl_dkim_status status)
{
	static const char *const words[] = {
		[SL_DKIM_PASS] = "pass", [SL_DKIM_TEMPERROR] = "temperror", [SL_DKIM_FAIL] = "fail",
		[SL_DKIM_POLICY] = "policy", [SL_DKIM_NEUTRAL] = "neutral",
		[SL_DKIM_PERMERROR] = "permerror", [SL_DKIM_NONE] = "none",
	};

	return words[status];
}

static bool
label_ok(struct sl_str label)
{
	if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
		return false;
	for (size_t i = 0; i < label.n; i++) {
		char c = label.p[i];

		if (!sl_isalnum(c) && c != '-' && c != '_' && (unsigned char)c < 0x80)
			return false;
	}
	return true;
}

bool
sl_dkim_domain_ok(struct sl_str domain)
{
	struct sl_str rest = domain, label;

	if (domain.n == 0 || domain.n > 253 || !sl_utf8_valid(domain))
		return false;
	while (sl_str_split(&rest, '.', &label))
		if (!label_ok(label))
			return false;
	return true;
}

static bool
is_ascii(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] > 0x7f)
			return false;
	return true;
}

/* RFC 8616: one may be written in U-labels, the other in A-labels. */
static bool
within_as_ascii(struct sl_str sub, struct sl_str domain)
{
	char a[256], b[256];
	struct sl_err err;

	return sl_domain_normalize(a, sub, &err) == 0 && sl_domain_normalize(b, domain, &err) == 0 &&
	    sl_domain_is_within(a, b);
}

bool
sl_dkim_domain_within(struct sl_str sub, struct sl_str domain)
{
	if (!is_ascii(sub) || !is_ascii(domain))
		return within_as_ascii(sub, domain);
	if (sub.n == domain.n)
		return sl_str_ieq(sub, domain);
	return sub.n > domain.n && sl_str_iends(sub, domain) && sub.p[sub.n - domain.n - 1] == '.';
}
