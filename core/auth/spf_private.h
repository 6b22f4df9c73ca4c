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

/* ---- one evaluation ------------------------------------------------------- */

/* What the open questions are for. */
enum sl_spf_wait {
	SL_SPF_WAIT_RECORD,	/* TXT of the top frame's domain */
	SL_SPF_WAIT_HOSTS,	/* addresses of a or of the hosts of mx */
	SL_SPF_WAIT_MX,
	SL_SPF_WAIT_EXISTS,
	SL_SPF_WAIT_PTR,	/* names of the client, for ptr and %{p} */
	SL_SPF_WAIT_NAMES,	/* their addresses */
	SL_SPF_WAIT_EXP,
};

/* One record under evaluation: the outermost, or one that an include entered. */
struct sl_spf_frame {
	struct sl_spf_frame *up;
	bool redirected;		/* entered by redirect=: no record is an error */
	bool counted;			/* the current term was counted already */
	char domain[256];
	struct sl_str rest;		/* terms not yet taken */
	struct sl_spf_term term;	/* the current one */
	struct sl_str redirect, exp;	/* p NULL = none */
	char *text;			/* the record */
};

struct sl_spf_query {
	enum sl_dns_type type;
	char name[256];
	bool asked, answered;
};

struct sl_spf {
	struct sl_evaluator evaluator;	/* first: the evaluator is the whole */
	struct sl_spf_result result;
	bool done;
	unsigned max_lookups, max_voids;

	struct sl_addr ip;
	char local[320], sender_domain[256], helo[256], receiver[256];
	bool local_utf8;
	int64_t now;

	struct sl_spf_frame *top;
	enum sl_spf_wait wait;
	bool explaining;		/* the result is fail; its explanation is looked for */
	char *explanation;		/* as published, while it waits for %{p} */

	unsigned first_id;		/* of query[0] */
	size_t nqueries, open;
	struct sl_spf_query query[SL_SPF_MAX_NAMES];
	bool matched, failed;		/* what the answers of this term said so far */

	bool names_known;
	size_t nnames;
	char names[SL_SPF_MAX_NAMES][256];	/* validated names of the client */
};

/* spf_check.c */
void	 sl_spf_enter(struct sl_spf *spf, const char *domain, struct sl_spf_frame *up,
	    bool redirected);
void	 sl_spf_pop(struct sl_spf *spf);
void	 sl_spf_finish(struct sl_spf *spf, enum sl_spf_status status);
void	 sl_spf_set_reason(struct sl_spf *spf, const char *fmt, ...)
	    __attribute__((format(printf, 2, 3)));
void	 sl_spf_fail_with(struct sl_spf *spf, enum sl_spf_status status, const char *why);
void	 sl_spf_leave_none(struct sl_spf *spf, const char *why);
void	 sl_spf_term_matched(struct sl_spf *spf);
void	 sl_spf_ask_hosts(struct sl_spf *spf, enum sl_spf_wait wait,
	    const struct sl_dns_answer *answer);
bool	 sl_spf_is_void(const struct sl_dns_answer *answer);
bool	 sl_spf_count_void(struct sl_spf *spf);
bool	 sl_spf_same_prefix(const uint8_t *a, const uint8_t *b, unsigned bits);
const uint8_t *sl_spf_client_bytes(const struct sl_spf *spf);
void	 sl_spf_explain(struct sl_spf *spf);
void	 sl_spf_take_explanation(struct sl_spf *spf, const struct sl_dns_answer *answer);
void	 sl_spf_expand_explanation(struct sl_spf *spf, struct sl_str record);
void	 sl_spf_step(struct sl_spf *spf, bool again);
void	 sl_spf_advance(struct sl_spf *spf);

/* spf_answers.c */
void	 sl_spf_take_answer(struct sl_spf *spf, const struct sl_spf_query *q,
	    const struct sl_dns_answer *answer);

#endif
