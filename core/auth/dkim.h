/*
 * DKIM, RFC 6376 with RFC 8301 (no SHA-1, no short keys), RFC 8463 (Ed25519)
 * and RFC 8616 (UTF-8): signing and verifying. The parts are open, since ARC
 * (RFC 8617) is made of them too.
 */
#ifndef SL_AUTH_DKIM_H
#define SL_AUTH_DKIM_H

#include "../crypto/key.h"
#include "../mail/message.h"
#include "canon.h"
#include "evaluator.h"
#include "tags.h"

#define SL_DKIM_MAX_H		256	/* names in h= */
#define SL_DKIM_MAX_FIELD	(32 * 1024)	/* a signature field */
#define SL_DKIM_MAX_RECORDS	4	/* key records tried for one signature */

enum sl_dkim_algorithm {
	SL_DKIM_BY_KEY,		/* signing: the key's kind decides */
	SL_DKIM_RSA_SHA256,
	SL_DKIM_ED25519_SHA256,
	SL_DKIM_RSA_SHA1,	/* named in results; neither signed nor passed (RFC 8301) */
};

const char *sl_dkim_algorithm_word(enum sl_dkim_algorithm algorithm);	/* "rsa-sha256" ... */
bool	 sl_dkim_algorithm_parse(struct sl_str word, enum sl_dkim_algorithm *out);
enum sl_key_type sl_dkim_algorithm_key(enum sl_dkim_algorithm algorithm);
enum sl_digest_alg sl_dkim_algorithm_digest(enum sl_dkim_algorithm algorithm);

/* A domain or selector: labels of letters, digits, "-", "_" or UTF-8; 253 bytes; no final dot. */
bool	 sl_dkim_domain_ok(struct sl_str domain);
/* Is 'sub' the domain itself or below it? Case doesn't matter, nor U-labels for A-labels. */
bool	 sl_dkim_domain_within(struct sl_str sub, struct sl_str domain);

/* ---- hashing ---------------------------------------------------------- */

/*
 * Body hashes of one body, each computed once: signatures that agree on
 * canonicalisation, digest and length share it, and those that differ in
 * length alone share the pass, if it was said before that they are wanted.
 * Zero to start; nothing to clear. For one message only.
 */
#define SL_DKIM_BODIES	12
struct sl_dkim_bodies {
	size_t n;
	unsigned passes;		/* made over the body */
	struct sl_dkim_body_hash {
		enum sl_canon canon;
		enum sl_digest_alg alg;
		bool known;		/* else it is only wanted */
		uint64_t limit;
		uint64_t length;	/* of the whole canonical body */
		uint8_t hash[SL_DIGEST_MAX];
	} entry[SL_DKIM_BODIES];
};

/* One more that may be asked for. More than there is room for are computed one by one. */
void	 sl_dkim_body_want(struct sl_dkim_bodies *bodies, enum sl_canon canon,
	    enum sl_digest_alg alg, uint64_t limit);

/* 'limit' SL_CANON_ALL = no l=. 'bodies' may be NULL. 'out' is a copy. */
int	 sl_dkim_body_hash(struct sl_dkim_bodies *bodies, struct sl_str body, enum sl_canon canon,
	    enum sl_digest_alg alg, uint64_t limit, struct sl_dkim_body_hash *out);

/*
 * The digest over the fields that 'h' names (colon-separated, as in the tag;
 * several of a name from the bottom up; absent ones are nothing), then over
 * 'signature' with its b= emptied. 'head' NULL: the header as received.
 * 'skip' is a field of either that never counts (the signature itself when it
 * stands in the header), NULL for none. SL_ERR_LIMIT beyond SL_DKIM_MAX_H.
 */
int	 sl_dkim_header_hash(const struct sl_message *m, const struct sl_head *head, struct sl_str h,
	    enum sl_canon canon, enum sl_digest_alg alg, struct sl_str signature,
	    const struct sl_field *skip, uint8_t *out, struct sl_err *err);

/* ---- signing ---------------------------------------------------------- */

struct sl_str_list {
	const struct sl_str *name;
	size_t n;
};

/* All zero is a good signature: relaxed/relaxed, t=, our headers, oversigned. */
struct sl_dkim_options {
	enum sl_dkim_algorithm algorithm;
	enum sl_canon header, body;
	const struct sl_str_list *headers;	/* NULL = sl_dkim_default_headers */
	const struct sl_str_list *additional;	/* beside 'headers'; may be NULL */
	/* Signed once more than they are present, so that none can be added.
	 * NULL = sl_dkim_default_oversign; From always is. */
	const struct sl_str_list *oversign;
	/* Another mail server adds Date and Message-ID afterwards to what has none: as
	 * long as 'oversign' doesn't say so, their absence isn't signed. */
	bool completed_later;
	int64_t timestamp;	/* t=: 0 = now, -1 = none */
	int64_t expiration;	/* x=: seconds since 1970, 0 = none */
	struct sl_str identity;	/* i=, quoted here as needed; empty = none */
	bool body_length;	/* l=; never do this */
};

struct sl_dkim_request {
	struct sl_str selector, domain;		/* borrowed */
	const struct sl_key *key;
	struct sl_dkim_options options;
};

extern const struct sl_str_list sl_dkim_default_headers;
extern const struct sl_str_list sl_dkim_default_oversign;

/*
 * Everything that can be wrong without a message: selector, domain, identity
 * outside the domain, header names, key of another kind than the algorithm,
 * rsa-sha1, expiration not after the timestamp. SL_ERR_INVAL and the reason.
 */
int	 sl_dkim_check(const struct sl_dkim_request *request, int64_t now, struct sl_err *err);

/*
 * Appends the value of a DKIM-Signature field for the message as it will go
 * out: folded (CRLF TAB), without name and final CRLF; the field is
 * "DKIM-Signature: " + value + CRLF and must be added to the head unchanged.
 * 'head' NULL: the header as received. A message without exactly one From
 * field is refused (SL_ERR_SYNTAX). 'bodies' (may be NULL) is shared by the
 * signatures of one message. 'now' in seconds since 1970.
 */
int	 sl_dkim_sign(struct sl_buf *value, const struct sl_dkim_request *request,
	    const struct sl_message *m, const struct sl_head *head,
	    struct sl_dkim_bodies *bodies, int64_t now, struct sl_err *err);

/*
 * Appends a key record for the public half, "v=DKIM1; k=rsa; p=...". One
 * string; who prints a zone splits it at 255 bytes.
 */
int	 sl_dkim_record(struct sl_buf *out, const struct sl_key *key);

/* ---- the signature field and the key record -------------------------- */

/* A parsed field. Borrows from the field, except the decoded parts. */
struct sl_dkim_signature {
	enum sl_dkim_algorithm algorithm;
	enum sl_canon header, body;
	struct sl_str domain, selector;		/* ASCII as written */
	char identity[512];			/* i= without quoted-printable; "@" d= when absent */
	struct sl_str identity_domain;		/* part of 'identity' */
	struct sl_str h;			/* white space inside */
	bool has_length;
	uint64_t length;			/* l= */
	int64_t timestamp, expiration;		/* -1 = none */
	uint8_t body_hash[SL_DIGEST_MAX];
	size_t body_hash_n;
	uint8_t b[SL_SIGNATURE_MAX];
	size_t b_n;
	char b_prefix[16];			/* first 8 characters of b= (RFC 6008) */
	struct sl_tags tags;
};

/*
 * SL_DKIM_ARC: an ARC-Message-Signature (RFC 8617 4.1.2): no v=, any h= but
 * ARC-Seal. SL_DKIM_SEAL: an ARC-Seal (4.1.3): no bh=, c=, h= either; cv= isn't
 * looked at. In both i= is the instance and left to the caller. On
 * SL_ERR_SYNTAX/SL_ERR_LIMIT what was recognised before (domain, selector,
 * algorithm) is set, for reports.
 */
#define SL_DKIM_ARC	0x01u
#define SL_DKIM_SEAL	0x02u
int	 sl_dkim_signature_parse(struct sl_dkim_signature *out, struct sl_str value, unsigned flags,
	    struct sl_err *err);

struct sl_dkim_key {
	enum sl_key_type type;
	bool known_type;		/* k= is one of ours */
	bool revoked;			/* p= is empty */
	bool testing, strict;		/* t=y, t=s */
	struct sl_str hashes;		/* h=; p NULL = any */
	struct sl_str services;		/* s=; p NULL = any */
	struct sl_buf p;		/* decoded */
};

/* One TXT record. SL_ERR_SYNTAX when it is no key record. Clear it in any case. */
int	 sl_dkim_key_parse(struct sl_dkim_key *out, struct sl_str record, struct sl_err *err);
void	 sl_dkim_key_clear(struct sl_dkim_key *key);
/*
 * RFC 6376 6.1.2: why a key like this can't check signatures of 'algorithm'
 * (another kind, revoked, h=, s=); NULL when it can. t=s is the signature's.
 */
const char *sl_dkim_key_unfit(const struct sl_dkim_key *key, enum sl_dkim_algorithm algorithm);

/* ---- verifying -------------------------------------------------------- */

/* RFC 8601 2.7.1. In order of strength, the strongest last: of several the largest counts. */
enum sl_dkim_status {
	SL_DKIM_NONE, SL_DKIM_PERMERROR, SL_DKIM_NEUTRAL, SL_DKIM_POLICY, SL_DKIM_FAIL,
	SL_DKIM_TEMPERROR, SL_DKIM_PASS,
};

const char *sl_dkim_status_word(enum sl_dkim_status status);

struct sl_dkim_result {
	enum sl_dkim_status status;
	char reason[160];		/* for people; empty for a pass without remarks */
	char domain[256], selector[256];	/* lower case; empty when not even that could be read */
	char identity[512];
	enum sl_dkim_algorithm algorithm;	/* SL_DKIM_BY_KEY = unknown */
	enum sl_canon header, body;
	unsigned bits;			/* of the key; 0 = no key seen */
	char b[16];			/* header.b, RFC 6008 */
	bool testing;			/* t=y of the key: a failure must not count */
	bool secure;			/* the key record was validated with DNSSEC */
	bool has_length;
	uint64_t length, body_length;	/* l= and the whole canonical body, when has_length */
	int64_t timestamp, expiration;	/* -1 = none */
	int field;			/* index of the signature among the message's fields */
	struct sl_str h;		/* names signed; borrowed from the message */
};

struct sl_dkim_verify_options {
	int64_t now;			/* seconds since 1970 */
	unsigned max_signatures;	/* 0 = 10; the topmost are looked at */
	int64_t skew;			/* seconds t= may be ahead; 0 = a day */
	struct sl_pubkey_cache *keys;	/* borrowed for the verification; NULL = none */
	bool refuse_length;		/* l= that leaves part of the body unsigned: policy */
};

/*
 * Verifies the signatures of a message as received. The evaluator asks for
 * the key records of all signatures at once, each name once; what can be
 * refused without a key never asks. The message is kept by reference.
 */
struct sl_dkim_verify;

struct sl_dkim_verify *sl_dkim_verify_new(struct sl_message *m,
	    const struct sl_dkim_verify_options *options);	/* NULL = out of memory */
struct sl_evaluator *sl_dkim_verify_evaluator(struct sl_dkim_verify *v);
void	 sl_dkim_verify_free(struct sl_dkim_verify *v);

/* Complete when the evaluator is done. In the order of the header, top down. */
size_t	 sl_dkim_verify_count(const struct sl_dkim_verify *v);
const struct sl_dkim_result *sl_dkim_verify_result(const struct sl_dkim_verify *v, size_t i);
/* Signatures beyond max_signatures, not looked at. */
size_t	 sl_dkim_verify_skipped(const struct sl_dkim_verify *v);
/* The best of all, SL_DKIM_NONE without signatures. */
enum sl_dkim_status sl_dkim_verify_status(const struct sl_dkim_verify *v);

#endif
