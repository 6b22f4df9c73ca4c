/*
 * Authentication-Results, RFC 8601: writing ours, reading those of others, and
 * finding fields that pretend to be ours.
 */
#ifndef SL_AUTH_AUTHRES_H
#define SL_AUTH_AUTHRES_H

#include "../mail/message.h"
#include "arc.h"
#include "dkim.h"
#include "dmarc.h"
#include "spf.h"

/* ---- writing ----------------------------------------------------------------- */

/*
 * Builds a value piece by piece, folded (CRLF TAB), no final CRLF:
 *
 *	sl_authres_begin(&w, out, "mx.example.org");
 *	sl_authres_result(&w, "iprev", "pass", NULL);
 *	sl_authres_property(&w, "policy", "iprev", SL_STR("192.0.2.1"));
 *	r = sl_authres_end(&w);
 *
 * Comments and values may hold anything: they are quoted, cut at 400 bytes,
 * and control bytes and broken UTF-8 become '?'. Methods, results, ptypes and
 * properties are the caller's own words.
 */
struct sl_authres_writer {
	struct sl_buf *out;
	size_t results;
	size_t line;		/* where the current line begins in 'out' */
};

void	 sl_authres_begin(struct sl_authres_writer *w, struct sl_buf *out, const char *authserv_id);
/* 'comment' may be NULL or empty. */
void	 sl_authres_result(struct sl_authres_writer *w, const char *method, const char *result,
	    const char *comment);
/* An empty value is left out. */
void	 sl_authres_property(struct sl_authres_writer *w, const char *ptype, const char *property,
	    struct sl_str value);
/* "none" when there was no result. 0 or SL_ERR_NOMEM. */
int	 sl_authres_end(struct sl_authres_writer *w);

/* One result each, of what was evaluated. */
void	 sl_authres_spf(struct sl_authres_writer *w, const struct sl_spf_result *r);
void	 sl_authres_dkim(struct sl_authres_writer *w, const struct sl_dkim_result *r);
void	 sl_authres_dmarc(struct sl_authres_writer *w, const struct sl_dmarc_details *d);
void	 sl_authres_arc(struct sl_authres_writer *w, const struct sl_arc_result *r);
/* SMTP AUTH that succeeded. */
void	 sl_authres_auth(struct sl_authres_writer *w, const char *mechanism, const char *user);

/* "pass" "fail" "none" "temperror" "permerror": the result of RFC 8601 and 9989 9.1. */
const char *sl_authres_dmarc_word(enum sl_dmarc_status status);

/* May this stand as a method, a result, a ptype or property of a result that a script adds? */
bool	 sl_authres_keyword(struct sl_str s);

/* ---- reading ------------------------------------------------------------------ */

#define SL_AUTHRES_MAX_BYTES	(64 * 1024)
#define SL_AUTHRES_MAX_RESULTS	100
#define SL_AUTHRES_MAX_PROPS	400	/* of a field */

struct sl_authres_prop {
	struct sl_str name;	/* "header.d", "reason", "x-bits" */
	struct sl_str value;	/* without quotes */
};

struct sl_authres_entry {
	struct sl_str method, result;
	size_t nprops;
	struct sl_authres_prop *props;
};

struct sl_authres {
	struct sl_str authserv_id;
	uint64_t version;	/* 1 unless given */
	size_t n;		/* 0 = none */
	struct sl_authres_entry *entries;
	/* False: it has what is written in practice but not allowed by RFC 8601
	 * 2.2, like a property without ptype, an empty result, a final ";". */
	bool conforming;
	struct sl_authres_prop *props;	/* private */
	char *text;			/* private */
};

/*
 * The value of a field, folds and all. SL_ERR_SYNTAX for what can be read in
 * more than one way; SL_ERR_LIMIT, SL_ERR_NOMEM. Clear it in any case.
 */
int	 sl_authres_parse(struct sl_authres *out, struct sl_str value, struct sl_err *err);
void	 sl_authres_clear(struct sl_authres *a);

/*
 * RFC 8601 5: does this field claim to be of 'authserv_id'? Only the beginning
 * is read, so what follows may be as broken as it likes; any case, comments,
 * quotes, folds, final dots, U-labels for A-labels. True too when the
 * beginning can't be read at all: such a field is better removed.
 */
bool	 sl_authres_claims(struct sl_str value, const char *authserv_id);

/* Removes every Authentication-Results field that does, however many. Their number, or SL_ERR_NOMEM. */
int	 sl_authres_strip(struct sl_head *head, const char *authserv_id);

/* Takes blanks, folds, comments in comments off the front. False: a comment isn't closed. */
bool	 sl_skip_cfws(struct sl_str *s);

#endif
