/* The table of verbs, and what follows them. See command.h. */
#include "command.h"

#include <string.h>

#define S	SL_SMTP_START
#define R	SL_SMTP_READY
#define M	SL_SMTP_MAIL
#define P	SL_SMTP_RCPT
#define ANY	SL_SMTP_ANY

static const struct sl_smtp_verb verbs[] = {
	/* name, id, allowed in, in clear, idle, argument, longest line */
	{ "HELO", SL_VERB_HELO, ANY, true, true, true, 512 },
	{ "EHLO", SL_VERB_EHLO, ANY, true, true, true, 512 },
	{ "STARTTLS", SL_VERB_STARTTLS, R, true, true, false, 512 },
	{ "AUTH", SL_VERB_AUTH, R, false, true, true, SL_SMTP_MAX_LINE },
	/* RFC 1870, 6152, 6531, 4954 add to the 512 of RFC 5321; A06 */
	{ "MAIL", SL_VERB_MAIL, R, false, true, true, 2048 },
	{ "RCPT", SL_VERB_RCPT, M | P, false, false, true, 2048 },
	{ "DATA", SL_VERB_DATA, M | P, false, false, false, 512 },
	{ "RSET", SL_VERB_RSET, ANY, false, true, false, 512 },
	{ "NOOP", SL_VERB_NOOP, ANY, true, true, true, 512 },
	{ "QUIT", SL_VERB_QUIT, ANY, true, true, false, 512 },
	{ "VRFY", SL_VERB_VRFY, ANY, false, true, true, 512 },
	{ "HELP", SL_VERB_HELP, ANY, true, true, true, 512 },
	{ "EXPN", SL_VERB_ABSENT, ANY, false, true, true, 512 },
	{ "ETRN", SL_VERB_ABSENT, ANY, false, true, true, 512 },
	{ "TURN", SL_VERB_ABSENT, ANY, false, true, true, 512 },
	{ "SEND", SL_VERB_ABSENT, ANY, false, true, true, 512 },
	{ "SOML", SL_VERB_ABSENT, ANY, false, true, true, 512 },
	{ "SAML", SL_VERB_ABSENT, ANY, false, true, true, 512 },
	/*
	 * A browser made to talk to us; and BDAT, which isn't offered: what
	 * follows it is a message, and must not be read as commands.
	 */
	{ "BDAT", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
	{ "GET", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
	{ "HEAD", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
	{ "POST", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
	{ "PUT", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
	{ "OPTIONS", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
	{ "CONNECT", SL_VERB_FOREIGN, ANY, true, true, true, 512 },
};

const struct sl_smtp_verb *
sl_smtp_verb_find(struct sl_str line, struct sl_str *args)
{
	ssize_t blank = sl_str_chr(line, ' ');
	size_t n = blank >= 0 ? (size_t)blank : line.n;
	struct sl_str name = sl_str_sub(line, 0, n);

	*args = sl_str_trim(sl_str_sub(line, n, line.n));
	/* "DATA\t" and the like. */
	while (name.n > 0 && blank < 0 && name.p[name.n - 1] == '\t')
		name.n--;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (sl_str_ieq(name, sl_str_of(verbs[i].name)))
			return &verbs[i];
	}
	return NULL;
}

/* The length of "<...>" at the start, with quoted strings as RFC 5321 4.1.2; 0 = none. */
static size_t
path_length(struct sl_str s)
{
	bool quoted = false;

	if (s.n == 0 || s.p[0] != '<')
		return 0;
	for (size_t i = 1; i < s.n; i++) {
		if (s.p[i] == '\\' && quoted)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '>' && !quoted)
			return i + 1;
		else if (s.p[i] == '<' && !quoted)
			return 0;
	}
	return 0;
}

static int
fail(struct sl_smtp_mail *out, int code, const char *enhanced, struct sl_err *err,
    const char *text)
{
	out->code = code;
	out->enhanced = enhanced;
	return sl_err_set(err, SL_ERR_SYNTAX, "%s", text);
}

static bool
has_bytes_over(struct sl_str s, unsigned char limit)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] > limit)
			return true;
	}
	return false;
}

static bool
has_controls(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
			return true;
	}
	return false;
}

/* esmtp-keyword of RFC 5321 4.1.2 */
static bool
is_keyword(struct sl_str s)
{
	if (s.n == 0 || !sl_isalnum(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (!sl_isalnum(s.p[i]) && s.p[i] != '-')
			return false;
	}
	return true;
}

/* RFC 3461 4: '+' and two upper-case hex digits, no NUL; not '='. */
static bool
is_xtext(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];

		if (c < '!' || c > '~' || c == '=')
			return false;
		if (c != '+')
			continue;
		if (i + 2 >= s.n || !strchr("0123456789ABCDEF", s.p[i + 1]) ||
		    !strchr("0123456789ABCDEF", s.p[i + 2]) ||
		    (s.p[i + 1] == '0' && s.p[i + 2] == '0'))
			return false;
		i += 2;
	}
	return s.n > 0;
}

enum { SEEN_SIZE = 1, SEEN_BODY = 2, SEEN_UTF8 = 4, SEEN_AUTH = 8 };

/* One parameter of MAIL: its bit, 0 = unknown, -1 = a bad value. */
static int
mail_parameter(struct sl_smtp_mail *out, struct sl_str key, struct sl_str value, bool has_value)
{
	if (sl_str_ieq(key, SL_STR("SIZE")))
		/* 20 digits at most (RFC 1870 6) */
		return value.n <= 20 && sl_str_u64(value, &out->size) ? SEEN_SIZE : -1;
	if (sl_str_ieq(key, SL_STR("BODY"))) {
		out->body8bit = sl_str_ieq(value, SL_STR("8BITMIME"));
		return out->body8bit || sl_str_ieq(value, SL_STR("7BIT")) ? SEEN_BODY : -1;
	}
	if (sl_str_ieq(key, SL_STR("SMTPUTF8"))) {
		out->smtputf8 = true;
		return has_value ? -1 : SEEN_UTF8;
	}
	/* RFC 4954 5; what it says isn't believed, nor passed on. */
	if (sl_str_ieq(key, SL_STR("AUTH")))
		return sl_str_eq(value, SL_STR("<>")) || is_xtext(value) ? SEEN_AUTH : -1;
	return 0;
}

static int
parameters(struct sl_smtp_mail *out, struct sl_str rest, bool mail, struct sl_err *err)
{
	struct sl_str word, key, value;
	int seen = 0, bit;

	while (sl_str_split(&rest, ' ', &word)) {
		bool has_value;

		if (word.n == 0)
			continue;
		key = word;
		sl_str_split(&key, '=', &value);
		has_value = key.p != NULL;
		word = value;
		value = has_value ? key : (struct sl_str){ "", 0 };
		if (!is_keyword(word))
			return fail(out, 501, "5.5.4", err, "Syntax error in parameters");
		bit = mail ? mail_parameter(out, word, value, has_value) : 0;
		if (bit == 0)
			return fail(out, 555, "5.5.4", err, "Parameter not recognized");
		if (bit < 0 || (seen & bit))
			return fail(out, 501, "5.5.4", err, "Bad value of a parameter");
		seen |= bit;
	}
	return 0;
}

static int
parse(struct sl_smtp_mail *out, struct sl_str args, struct sl_str prefix, bool mail, bool utf8,
    struct sl_err *err)
{
	const char *no_path = mail ? "5.1.7" : "5.1.3";
	struct sl_str rest;
	size_t n;
	int r;

	memset(out, 0, sizeof(*out));
	if (has_controls(args))
		return fail(out, 501, "5.5.2", err, "Control bytes in the command");
	if (!sl_str_istarts(args, prefix))
		return fail(out, 501, "5.5.4", err, mail ? "Syntax: MAIL FROM:<address>"
		    : "Syntax: RCPT TO:<address>");
	args = sl_str_trim(sl_str_sub(args, prefix.n, args.n));
	n = path_length(args);
	rest = sl_str_sub(args, n, args.n);
	if (n == 0 || (rest.n > 0 && rest.p[0] != ' '))
		return fail(out, 501, no_path, err, "Syntax error in the address");
	out->path = sl_str_sub(args, 0, n);
	r = parameters(out, rest, mail, err);
	if (r < 0)
		return r;
	if (has_bytes_over(args, 0x7e)) {
		if (!(utf8 || out->smtputf8))
			return fail(out, mail ? 550 : 553, "5.6.7", err,
			    "Address needs SMTPUTF8");
		if (!sl_utf8_valid(args))
			return fail(out, 501, no_path, err, "Address isn't UTF-8");
	}
	return 0;
}

int
sl_smtp_mail_parse(struct sl_smtp_mail *out, struct sl_str args, struct sl_err *err)
{
	return parse(out, args, SL_STR("FROM:"), true, false, err);
}

int
sl_smtp_rcpt_parse(struct sl_smtp_mail *out, struct sl_str args, bool utf8, struct sl_err *err)
{
	return parse(out, args, SL_STR("TO:"), false, utf8, err);
}

bool
sl_smtp_helo_valid(struct sl_str name)
{
	bool literal = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';

	if (name.n == 0 || name.n > 255)
		return false;
	if (literal)
		name = sl_str_sub(name, 1, name.n - 1);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		if (!sl_isalnum(c) && c != '-' && c != '.' && c != '_' && !(literal && c == ':'))
			return false;
	}
	return true;
}
