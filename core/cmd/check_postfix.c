/*
 * Settings of Postfix, beside a policy with a milter listener. Which of them break signatures was
 * measured: doc/hosts.md.
 */
#include "check_postfix.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/bytes.h"
#include "../policy/config.h"
#include "../policy/image.h"
#include "check_scripts.h"
#include "cmd.h"

#define MAX_SETTINGS	(4u << 20)

struct settings {
	const char *path;
	struct sl_str text;
};

/* ---- main.cf ----------------------------------------------------------------------------- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Cuts off the next logical line: lines that begin with blanks belong to the one before, comments and
 * empty lines are passed over (postconf(5)). *line counts. */
static bool
next_setting(struct sl_str *rest, int *line, int *at, struct sl_buf *out)
{
	struct sl_str one;

	sl_buf_reset(out);
	while (rest->n > 0) {
		if (out->n > 0 && !is_blank(rest->p[0]) && rest->p[0] != '#')
			break;
		sl_str_split(rest, '\n', &one);
		++*line;
		if (sl_str_trim(one).n == 0 || sl_str_trim(one).p[0] == '#')
			continue;
		if (out->n == 0)
			*at = *line;
		sl_buf_putc(out, ' ');
		sl_buf_putstr(out, sl_str_trim(one));
	}
	return out->n > 0 && !out->failed;
}

/* The value of a name, the caller's to clear, and its line; the last one counts. False: it isn't set there. */
static bool
setting(const struct settings *s, const char *name, struct sl_buf *value, int *line)
{
	struct sl_str rest = s->text, one;
	struct sl_buf whole = SL_BUF_INIT;
	int counted = 0, at = 0;
	bool found = false;
	ssize_t equals;

	sl_buf_reset(value);
	*line = 0;
	while (next_setting(&rest, &counted, &at, &whole)) {
		one = sl_buf_str(&whole);
		equals = sl_str_chr(one, '=');
		if (equals < 0 || !sl_str_eq(sl_str_trim(sl_str_sub(one, 0, (size_t)equals)), sl_str_of(name)))
			continue;
		sl_buf_reset(value);
		sl_buf_putstr(value, sl_str_trim(sl_str_sub(one, (size_t)equals + 1, one.n)));
		*line = at;
		found = true;
	}
	sl_buf_clear(&whole);
	return found;
}

/* ---- the policy -------------------------------------------------------------------------- */

static bool
has_milter(const struct sl_config *c)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].milter != NULL)
			return true;
	return false;
}

/* Whether a script, or a flow of blocks, may sign. */
static bool
signs(const struct sl_config *c)
{
	static const char *const names[] = { "DKIMSign", "ARCSeal", "signDKIM", "dkim_delivery" };
	struct sl_str path, bytes;

	for (size_t i = 0; sl_image_each(c->image, &i, &path, &bytes);) {
		if (sl_str_starts(path, SL_STR("stdlib/")) || sl_config_is_shadow(c, path))
			continue;
		for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++)
			if (sl_str_find(bytes, sl_str_of(names[k])) >= 0)
				return true;
	}
	return false;
}

/* The end of a listener's address that a value of Postfix has too: ":8890", or a socket's name. */
static bool
names_listener(struct sl_str value, const char *address)
{
	const char *end = strrchr(address, strncmp(address, "unix:", 5) == 0 ? '/' : ':');

	return sl_str_find(value, sl_str_of(end != NULL ? end : address)) >= 0;
}

static bool
asks(const struct sl_config *c, struct sl_str value)
{
	for (size_t i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].milter != NULL && names_listener(value, c->listeners[i].milter))
			return true;
	return false;
}

/* ---- what is looked for -------------------------------------------------------------------- */

static void
find(json_t *findings, const struct settings *s, int line, const char *code, const char *text)
{
	check_add(findings, strcmp(s->path, "-") == 0 ? "postconf" : s->path, line, 0, "warning", code, text);
}

static void
check_asking(json_t *findings, const struct settings *s, const struct sl_config *c)
{
	struct sl_buf value = SL_BUF_INIT;
	int line;

	setting(s, "smtpd_milters", &value, &line);
	if (!asks(c, sl_buf_str(&value)))
		find(findings, s, line, "postfix-milters", "smtpd_milters names no milter listener of the policy: "
		    "mail by SMTP isn't shown to it");
	setting(s, "non_smtpd_milters", &value, &line);
	if (!asks(c, sl_buf_str(&value)))
		find(findings, s, line, "postfix-milters", "non_smtpd_milters names no milter listener of the "
		    "policy: mail of the sendmail command isn't shown to it");
	if ((setting(s, "milter_default_action", &value, &line) &&
	    sl_str_eq(sl_buf_str(&value), SL_STR("accept"))) ||
	    ((setting(s, "smtpd_milters", &value, &line) || setting(s, "non_smtpd_milters", &value, &line)) &&
	    sl_str_find(sl_buf_str(&value), SL_STR("default_action=accept")) >= 0))
		find(findings, s, line, "postfix-default-action", "while the policy doesn't answer, mail passes "
		    "unseen: spoofs come in, and nothing is signed");
	if (setting(s, "milter_protocol", &value, &line) && atoi(value.p != NULL ? value.p : "6") < 6)
		find(findings, s, line, "postfix-protocol", "by this milter_protocol header fields aren't shown as "
		    "they stand, and senders can't be changed");
	sl_buf_clear(&value);
}

/* What delivery agents do to messages that have been signed. */
static void
check_signatures(json_t *findings, const struct settings *s)
{
	static const char *const rewriting[] = { "smtp_generic_maps", "smtp_header_checks",
	    "smtp_mime_header_checks", "smtp_nested_header_checks", "smtp_body_checks" };
	struct sl_buf value = SL_BUF_INIT;
	char text[200];
	int line;

	for (size_t i = 0; i < sizeof(rewriting) / sizeof(rewriting[0]); i++) {
		if (!setting(s, rewriting[i], &value, &line) || value.n == 0)
			continue;
		snprintf(text, sizeof(text), "%s changes messages after they were signed: signatures over what it "
		    "changes break", rewriting[i]);
		find(findings, s, line, "signature-rewritten", text);
	}
	if (!setting(s, "smtp_line_length_limit", &value, &line) || !sl_str_eq(sl_buf_str(&value), SL_STR("0")))
		find(findings, s, line, "signature-long-lines", "longer lines than smtp_line_length_limit (998 by "
		    "default) are broken after they were signed");
	if (!setting(s, "disable_mime_output_conversion", &value, &line) ||
	    !sl_str_eq(sl_buf_str(&value), SL_STR("yes")))
		find(findings, s, line, "signature-8bit", "8-bit mail for a server without 8BITMIME is converted "
		    "after it was signed");
	sl_buf_clear(&value);
}

int
check_postfix(json_t *findings, const char *path, const struct sl_config *config)
{
	struct sl_buf text;
	struct settings s = { .path = path };

	if (!has_milter(config)) {
		check_add(findings, "sluice.lua", 0, 0, "warning", "postfix-milters",
		    "no listener is a milter: no Postfix asks this policy");
		return 0;
	}
	if (cmd_read(path, MAX_SETTINGS, &text) != 0)
		return -1;
	s.text = sl_buf_str(&text);
	check_asking(findings, &s, config);
	if (signs(config))
		check_signatures(findings, &s);
	sl_buf_clear(&text);
	return 0;
}
