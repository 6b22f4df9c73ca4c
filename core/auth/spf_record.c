/* SPF records, RFC 7208 4.5, 4.6.1, 5, 6 and 12: from text to terms. */
#include <arpa/inet.h>
#include <string.h>

#include "spf_private.h"

static int
bad(struct sl_err *err, const char *why)
{
	return sl_err_set(err, SL_ERR_SYNTAX, "%s", why);
}

bool
sl_spf_is_record(struct sl_str text)
{
	return sl_str_istarts(text, SL_STR("v=spf1")) && (text.n == 6 || text.p[6] == ' ');
}

struct sl_str
sl_spf_terms(struct sl_str record)
{
	return sl_str_sub(record, 6, record.n);
}

bool
sl_spf_next_term(struct sl_str *rest, struct sl_str *term)
{
	size_t from = 0, to;

	while (from < rest->n && rest->p[from] == ' ')
		from++;
	for (to = from; to < rest->n && rest->p[to] != ' '; to++)
		;
	*term = sl_str_sub(*rest, from, to);
	*rest = sl_str_sub(*rest, to, rest->n);
	return term->n > 0;
}

/* ---- modifiers ----------------------------------------------------------- */

static size_t
name_length(struct sl_str s)
{
	size_t n = 0;

	if (s.n == 0 || !sl_isalpha(s.p[0]))
		return 0;
	while (n < s.n && (sl_isalnum(s.p[n]) || s.p[n] == '-' || s.p[n] == '_' || s.p[n] == '.'))
		n++;
	return n;
}

static int
parse_modifier(struct sl_spf_term *t, struct sl_str name, struct sl_str value, struct sl_err *err)
{
	t->domain = value;
	if (sl_str_ieq(name, SL_STR("redirect")))
		t->kind = SL_SPF_REDIRECT;
	else if (sl_str_ieq(name, SL_STR("exp")))
		t->kind = SL_SPF_EXP;
	else
		t->kind = SL_SPF_UNKNOWN;
	return sl_spf_macro_check(value,
	    t->kind == SL_SPF_UNKNOWN ? SL_SPF_IN_MODIFIER : SL_SPF_IN_DOMAIN, err);
}

/* ---- mechanisms ------------------------------------------------------------ */

/* "/24" at the end of *s: cut off. 1 found, 0 not there, else an error. */
static int
cut_prefix(struct sl_str *s, struct sl_str slash, unsigned max, unsigned *out, struct sl_err *err)
{
	size_t n = s->n;
	struct sl_str digits;
	uint64_t value;

	while (n > 0 && sl_isdigit(s->p[n - 1]))
		n--;
	digits = sl_str_sub(*s, n, s->n);
	if (digits.n == 0 || !sl_str_ends(sl_str_sub(*s, 0, n), slash))
		return 0;
	if ((digits.n > 1 && digits.p[0] == '0') || !sl_str_u64(digits, &value) || value > max)
		return bad(err, "a prefix length that isn't one");
	*out = (unsigned)value;
	s->n = n - slash.n;
	return 1;
}

/* [ ":" domain-spec ] [ "/" n ] [ "//" n ] of a and mx. */
static int
parse_host(struct sl_spf_term *t, struct sl_str rest, struct sl_err *err)
{
	int r = cut_prefix(&rest, SL_STR("//"), 128, &t->prefix6, err);

	if (r >= 0)
		r = cut_prefix(&rest, SL_STR("/"), 32, &t->prefix4, err);
	if (r < 0 || rest.n == 0)
		return r < 0 ? r : 0;
	if (rest.p[0] != ':')
		return bad(err, "neither a domain nor a prefix length");
	t->domain = sl_str_sub(rest, 1, rest.n);
	return sl_spf_macro_check(t->domain, SL_SPF_IN_DOMAIN, err);
}

static int
parse_network(struct sl_spf_term *t, struct sl_str rest, struct sl_err *err)
{
	bool v4 = t->kind == SL_SPF_IP4;
	char text[64];
	int r;

	if (rest.n < 2 || rest.p[0] != ':')
		return bad(err, "no address");
	rest = sl_str_sub(rest, 1, rest.n);
	r = cut_prefix(&rest, SL_STR("/"), v4 ? 32 : 128, v4 ? &t->prefix4 : &t->prefix6, err);
	if (r < 0)
		return r;
	if (rest.n >= sizeof(text) || memchr(rest.p, '\0', rest.n) != NULL)
		return bad(err, "not an address");
	memcpy(text, rest.p, rest.n);
	text[rest.n] = '\0';
	if (inet_pton(v4 ? AF_INET : AF_INET6, text, t->ip) != 1)
		return bad(err, "not an address");
	return 0;
}

/* ":" domain-spec, which include and exists must have and ptr may. */
static int
parse_domain(struct sl_spf_term *t, struct sl_str rest, struct sl_err *err)
{
	if (rest.n == 0 && t->kind == SL_SPF_PTR)
		return 0;
	if (rest.n == 0 || rest.p[0] != ':')
		return bad(err, "no domain");
	t->domain = sl_str_sub(rest, 1, rest.n);
	return sl_spf_macro_check(t->domain, SL_SPF_IN_DOMAIN, err);
}

static int
parse_all(struct sl_spf_term *t, struct sl_str rest, struct sl_err *err)
{
	(void)t;
	return rest.n == 0 ? 0 : bad(err, "all takes nothing");
}

static const struct {
	const char *name;
	enum sl_spf_kind kind;
	int (*parse)(struct sl_spf_term *t, struct sl_str rest, struct sl_err *err);
} mechanisms[] = {
	{ "all", SL_SPF_ALL, parse_all },
	{ "include", SL_SPF_INCLUDE, parse_domain },
	{ "a", SL_SPF_A, parse_host },
	{ "mx", SL_SPF_MX, parse_host },
	{ "ptr", SL_SPF_PTR, parse_domain },
	{ "ip4", SL_SPF_IP4, parse_network },
	{ "ip6", SL_SPF_IP6, parse_network },
	{ "exists", SL_SPF_EXISTS, parse_domain },
};

static int
parse_mechanism(struct sl_spf_term *t, struct sl_str name, struct sl_str rest, struct sl_err *err)
{
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++) {
		if (sl_str_ieq(name, sl_str_of(mechanisms[i].name))) {
			t->kind = mechanisms[i].kind;
			return mechanisms[i].parse(t, rest, err);
		}
	}
	return bad(err, "not a mechanism");
}

static enum sl_spf_status
qualifier_of(char c)
{
	switch (c) {
	case '-':
		return SL_SPF_FAIL;
	case '~':
		return SL_SPF_SOFTFAIL;
	case '?':
		return SL_SPF_NEUTRAL;
	default:
		return SL_SPF_PASS;
	}
}

static int
parse_term(struct sl_spf_term *t, struct sl_err *err)
{
	bool qualified = t->text.p[0] != '\0' && strchr("+-~?", t->text.p[0]) != NULL;
	struct sl_str body = sl_str_sub(t->text, qualified, t->text.n), name, rest;
	size_t n = name_length(body);

	name = sl_str_sub(body, 0, n);
	rest = sl_str_sub(body, n, body.n);
	t->qualifier = qualifier_of(t->text.p[0]);
	if (n > 0 && rest.n > 0 && rest.p[0] == '=')
		return qualified ? bad(err, "a modifier with a qualifier") :
		    parse_modifier(t, name, sl_str_sub(rest, 1, rest.n), err);
	return parse_mechanism(t, name, rest, err);
}

int
sl_spf_term_parse(struct sl_spf_term *out, struct sl_str term, struct sl_err *err)
{
	struct sl_err why = { 0 };
	char shown[64];
	size_t n = term.n < sizeof(shown) ? term.n : sizeof(shown) - 1;
	int r;

	memset(out, 0, sizeof(*out));
	out->text = term;
	out->prefix4 = 32;
	out->prefix6 = 128;
	r = parse_term(out, &why);
	if (r == 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		shown[i] = term.p[i] > ' ' && term.p[i] < 0x7f ? term.p[i] : '?';
	shown[n] = '\0';
	return sl_err_set(err, r, "\"%s\": %s", shown, why.text);
}

int
sl_spf_check_record(struct sl_str record, struct sl_err *err)
{
	struct sl_str rest = sl_spf_terms(record), text;
	struct sl_spf_term term;
	bool redirect = false, explained = false;
	int r;

	if (!sl_spf_is_record(record))
		return bad(err, "not an SPF record");
	while (sl_spf_next_term(&rest, &text)) {
		r = sl_spf_term_parse(&term, text, err);
		if (r < 0)
			return r;
		if ((term.kind == SL_SPF_REDIRECT && redirect) || (term.kind == SL_SPF_EXP && explained))
			return bad(err, term.kind == SL_SPF_EXP ? "exp= twice" : "redirect= twice");
		redirect = redirect || term.kind == SL_SPF_REDIRECT;
		explained = explained || term.kind == SL_SPF_EXP;
	}
	return 0;
}
