/* Within SPF: terms, macros. */
#ifndef SL_AUTH_SPF_PRIVATE_H
#define SL_AUTH_SPF_PRIVATE_H

#include "spf.h"

#define SL_SPF_MAX_VALUE	520	/* bytes of one macro's value */

enum sl_spf_kind {
	SL_SPF_ALL, SL_SPF_INCLUDE, SL_SPF_A, SL_SPF_MX, SL_SPF_PTR, SL_SPF_IP4, SL_SPF_IP6,
	SL_SPF_EXISTS,
	SL_SPF_REDIRECT, SL_SPF_EXP, SL_SPF_UNKNOWN,	/* modifiers */
};

/* One term of a record; borrows from it. */
struct sl_spf_term {
	enum sl_spf_kind kind;
	enum sl_spf_status qualifier;	/* result when the mechanism matches */
	struct sl_str text;		/* all of it */
	struct sl_str domain;		/* domain-spec; p NULL = none given */
	uint8_t ip[16];			/* ip4, ip6 */
	unsigned prefix4, prefix6;	/* 32 and 128 unless given */
};

/* Cuts the next term off. The version must be gone. False at the end. */
bool	 sl_spf_next_term(struct sl_str *rest, struct sl_str *term);
/* What follows "v=spf1". */
struct sl_str sl_spf_terms(struct sl_str record);
int	 sl_spf_term_parse(struct sl_spf_term *out, struct sl_str term, struct sl_err *err);

/* What macros stand for, RFC 7208 7.2. Texts have no byte outside 0x21-0x7e,
 * except 'local' when local_utf8 (RFC 8616 4: such a term never matches). */
struct sl_spf_macros {
	const char *local, *sender_domain;	/* l, o; s is both */
	const char *domain;			/* d */
	const char *helo;			/* h */
	const char *validated;			/* p */
	const char *receiver;			/* r */
	const struct sl_addr *ip;		/* i, c, v */
	int64_t now;				/* t */
	bool local_utf8;
};

enum sl_spf_use { SL_SPF_IN_DOMAIN, SL_SPF_IN_MODIFIER, SL_SPF_IN_EXPLANATION };

/* Syntax only. SL_SPF_IN_DOMAIN: a whole domain-spec (7.1). */
int	 sl_spf_macro_check(struct sl_str spec, enum sl_spf_use use, struct sl_err *err);
/* Is one of the letters (lower case) used? The syntax was checked. */
bool	 sl_spf_macro_uses(struct sl_str spec, const char *letters);
/*
 * Appends. For SL_SPF_IN_DOMAIN only the last 1000 bytes are kept: a name is
 * cut from the left anyway (7.3). Beyond out->limit the rest is dropped.
 * SL_ERR_SYNTAX, SL_ERR_NOMEM.
 */
int	 sl_spf_expand(struct sl_buf *out, struct sl_str spec, enum sl_spf_use use,
	    const struct sl_spf_macros *macros);
/* As a name to ask for: no final dot, labels dropped from the left until it
 * fits. out has 256 bytes. False: a label is empty or too long. */
bool	 sl_spf_name(char *out, struct sl_str expanded);

/* For sl_spf_received. */
struct sl_spf_facts {
	const char *ip, *helo, *receiver, *envelope;
};
void	 sl_spf_get_facts(const struct sl_spf *spf, struct sl_spf_facts *out, char ip[64]);

#endif
