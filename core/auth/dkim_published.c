/* Key records, judged for their owner. See dkim_published.h. */
#include "dkim_published.h"

#include <stdio.h>
#include <string.h>

/* One record, with all that can be said of it. */
struct judged {
	enum sl_dkim_published state;
	char why[200];
	bool testing, strict, versioned;
	enum sl_key_type type;
	unsigned bits;
};

const char *
sl_dkim_published_word(enum sl_dkim_published state)
{
	static const char *const words[] = {
		[SL_DKIM_PUB_UNKNOWN] = "unknown", [SL_DKIM_PUB_MISSING] = "missing",
		[SL_DKIM_PUB_BROKEN] = "broken", [SL_DKIM_PUB_UNFIT] = "unfit",
		[SL_DKIM_PUB_REVOKED] = "revoked", [SL_DKIM_PUB_OTHER] = "other key",
		[SL_DKIM_PUB_GOOD] = "published",
	};

	return words[state];
}

bool
sl_dkim_key_name(char *out, struct sl_str selector, struct sl_str domain)
{
	int n = snprintf(out, 256, "%.*s._domainkey.%.*s", (int)selector.n, selector.p,
	    (int)domain.n, domain.p);

	if (n < 0 || n > 253)
		return false;
	sl_lower_in_place(out, (size_t)n);
	return true;
}

/* Whatever form p= has: what the one half signs, the other must verify. */
static bool
same_key(const struct sl_key *key, struct sl_pubkey *public)
{
	static const char digest[32] = "half of one key, or of two?";
	struct sl_str text = { digest, sizeof(digest) };
	struct sl_buf signature = SL_BUF_INIT;
	struct sl_err err;
	bool same = sl_key_sign(key, SL_DIGEST_SHA256, text, &signature, &err) == 0 &&
	    sl_pubkey_verify(public, SL_DIGEST_SHA256, text, sl_buf_str(&signature)) == 1;

	sl_buf_clear(&signature);
	return same;
}

static void
judge_public(struct judged *j, const struct sl_dkim_key *record, const struct sl_key *key)
{
	struct sl_pubkey *public = NULL;
	struct sl_err err = { 0 };
	int r = sl_pubkey_parse(&public, record->type, sl_buf_str(&record->p), &j->bits, &err);

	if (r != 0) {
		j->state = r == SL_ERR_NOMEM ? SL_DKIM_PUB_UNKNOWN :
		    r == SL_ERR_LIMIT ? SL_DKIM_PUB_UNFIT : SL_DKIM_PUB_BROKEN;
		snprintf(j->why, sizeof(j->why), "%.190s", err.text);
	} else if (key != NULL && !same_key(key, public)) {
		j->state = SL_DKIM_PUB_OTHER;
	} else {
		j->state = SL_DKIM_PUB_GOOD;
	}
	sl_pubkey_unref(public);
}

static enum sl_dkim_algorithm
algorithm_for(enum sl_key_type type)
{
	return type == SL_KEY_RSA ? SL_DKIM_RSA_SHA256 : SL_DKIM_ED25519_SHA256;
}

static void
judge(struct judged *j, struct sl_str text, const struct sl_key *key)
{
	struct sl_dkim_key record;
	struct sl_err err = { 0 };
	const char *unfit;
	int r = sl_dkim_key_parse(&record, text, &err);

	*j = (struct judged){ .testing = record.testing, .strict = record.strict,
	    .type = record.type, .versioned = sl_str_starts(text, SL_STR("v=")) };
	if (r != 0) {
		j->state = r == SL_ERR_NOMEM ? SL_DKIM_PUB_UNKNOWN : SL_DKIM_PUB_BROKEN;
		snprintf(j->why, sizeof(j->why), "%.190s", err.text);
	} else if (record.revoked) {
		j->state = SL_DKIM_PUB_REVOKED;
	} else if (!record.known_type) {
		j->state = SL_DKIM_PUB_UNFIT;
		snprintf(j->why, sizeof(j->why), "its k= is neither rsa nor ed25519");
	} else if (key != NULL && record.type != sl_key_type(key)) {
		j->state = SL_DKIM_PUB_UNFIT;
		snprintf(j->why, sizeof(j->why), "its k= says %s, the private key is %s",
		    sl_key_type_word(record.type), sl_key_type_word(sl_key_type(key)));
	} else if ((unfit = sl_dkim_key_unfit(&record, algorithm_for(record.type))) != NULL) {
		j->state = SL_DKIM_PUB_UNFIT;
		snprintf(j->why, sizeof(j->why), "%s", unfit);
	} else {
		judge_public(j, &record, key);
	}
	sl_dkim_key_clear(&record);
}

enum sl_dkim_published
sl_dkim_published(const struct sl_dns_answer *answer, const struct sl_key *key)
{
	enum sl_dkim_published best = SL_DKIM_PUB_MISSING;
	struct judged j;
	size_t i;

	if (sl_dns_temporary(answer->status))
		return SL_DKIM_PUB_UNKNOWN;
	for (i = 0; i < answer->n && i < SL_DKIM_MAX_RECORDS; i++) {
		judge(&j, answer->records[i].data, key);
		if (j.state > best)
			best = j.state;
	}
	return best;
}

/* ---- in sentences --------------------------------------------------------- */

/* The remedy for the last finding: publish our record. */
static void
publish(struct sl_findings *f, const char *what, const char *name, const struct sl_key *key)
{
	struct sl_buf record = SL_BUF_INIT;

	if (key == NULL)
		sl_findings_remedy(f, "%s a TXT record at %s", what, name);
	else if (sl_dkim_record(&record, key) == 0)
		sl_findings_remedy(f, "%s a TXT record at %s: %s", what, name, record.p);
	sl_buf_clear(&record);
}

static void
say_unfit(struct sl_findings *f, const char *area, const char *name, const struct judged *j,
    const struct sl_key *key)
{
	sl_findings_add(f, SL_FINDING_PROBLEM, area, "no signature verifies with the record of %s: %s",
	    name, j->why);
	if (j->bits > 0 && j->bits < SL_RSA_MIN_BITS)
		sl_findings_remedy(f, "make a new key of %d bits under a new selector with \"sluice keys "
		    "generate\"", SL_RSA_NEW_BITS);
	else
		publish(f, "replace it by", name, key);
}

static void
say_state(struct sl_findings *f, const char *area, const char *name, const struct judged *j,
    const struct sl_key *key)
{
	switch (j->state) {
	case SL_DKIM_PUB_BROKEN:
		sl_findings_add(f, SL_FINDING_PROBLEM, area, "the record of %s can't be read: %s", name,
		    j->why);
		publish(f, "replace it by", name, key);
		break;
	case SL_DKIM_PUB_UNFIT:
		say_unfit(f, area, name, j, key);
		break;
	case SL_DKIM_PUB_REVOKED:
		sl_findings_add(f, SL_FINDING_PROBLEM, area, "the key of %s is revoked (its p= is empty): "
		    "signatures with this selector fail", name);
		sl_findings_remedy(f, "don't sign with it: make a key under a new selector with \"sluice "
		    "keys generate\"");
		break;
	case SL_DKIM_PUB_OTHER:
		sl_findings_add(f, SL_FINDING_PROBLEM, area, "the record of %s has another key's public half:"
		    " signatures with the private key fail", name);
		publish(f, "sign with the key that belongs to it, or publish", name, key);
		break;
	case SL_DKIM_PUB_GOOD:
		sl_findings_add(f, SL_FINDING_GOOD, area, "the record of %s has %s %s key of %u bits", name,
		    key != NULL ? "the public half of this" : "a good",
		    j->type == SL_KEY_RSA ? "RSA" : "Ed25519", j->bits);
		break;
	default:
		sl_findings_add(f, SL_FINDING_TEMPORARY, area, "the record of %s could not be judged: %s",
		    name, j->why);
	}
}

static void
say_more(struct sl_findings *f, const char *area, const char *name, const struct judged *j)
{
	if (j->testing) {
		sl_findings_add(f, SL_FINDING_PROBLEM, area, "the record of %s says that the domain is "
		    "testing DKIM (t=y): receivers need not count its signatures", name);
		sl_findings_remedy(f, "take t=y out of the record when the tests are over");
	}
	if (j->state != SL_DKIM_PUB_GOOD)
		return;
	if (j->type == SL_KEY_RSA && j->bits < SL_RSA_NEW_BITS) {
		sl_findings_add(f, SL_FINDING_NOTE, area, "an RSA key of %u bits is weak (RFC 8301 asks for "
		    "%d)", j->bits, SL_RSA_NEW_BITS);
		sl_findings_remedy(f, "make a new key under a new selector with \"sluice keys generate\"");
	}
	if (j->strict)
		sl_findings_add(f, SL_FINDING_NOTE, area, "t=s: the domain of i= must be the signing domain "
		    "itself, not one below it");
	if (!j->versioned)
		sl_findings_add(f, SL_FINDING_NOTE, area, "the record of %s doesn't begin with v=DKIM1, which "
		    "is recommended", name);
}

static void
say_number(struct sl_findings *f, const char *area, const char *name, size_t n)
{
	if (n < 2)
		return;
	sl_findings_add(f, SL_FINDING_PROBLEM, area, "there are %zu TXT records at %s: verifiers may take "
	    "any of them (RFC 6376 3.6.2.2)", n, name);
	sl_findings_remedy(f, "leave one record with this name; a second key needs a selector of its own");
}

void
sl_dkim_look(struct sl_findings *f, const char *area, const char *name,
    const struct sl_dns_answer *answer, const struct sl_key *key)
{
	struct judged j;
	size_t i;

	if (sl_dns_temporary(answer->status)) {
		sl_findings_add(f, SL_FINDING_TEMPORARY, area, "%s can't be looked up now (%s)", name,
		    sl_dns_status_word(answer->status));
		sl_findings_remedy(f, "try again; if it stays, look at the name servers of the domain");
		return;
	}
	if (answer->n == 0) {
		sl_findings_add(f, SL_FINDING_PROBLEM, area, "there is no TXT record at %s%s", name,
		    answer->status == SL_DNS_NODATA ? ", though the name exists" : "");
		publish(f, "publish", name, key);
		return;
	}
	say_number(f, area, name, answer->n);
	for (i = 0; i < answer->n && i < SL_DKIM_MAX_RECORDS; i++) {
		struct sl_str text = answer->records[i].data;

		judge(&j, text, key);
		say_state(f, area, name, &j, key);
		sl_findings_pasted(f, area, name, text);
		say_more(f, area, name, &j);
	}
}
