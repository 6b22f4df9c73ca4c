/*
 * Completion at a terminal: commands behind a colon; else builtins, facts,
 * Lua's library and names that lines assigned. One candidate is put in, several
 * are put in as far as they agree, and listed.
 */
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#include "../base/dict.h"
#include "../engine/builtin.h"
#include "../policy/facts.h"
#include "repl.h"

#define MAX_SHOWN	100

static const char *const library[] = {
	"and", "assert", "break", "builtin", "coroutine.", "coroutine.create", "coroutine.resume",
	"coroutine.status", "coroutine.wrap", "coroutine.yield", "do", "else", "elseif", "end", "error",
	"false", "for", "function", "goto", "if", "in", "ipairs", "local", "math.", "math.abs", "math.ceil",
	"math.floor", "math.huge", "math.max", "math.min", "math.tointeger", "next", "nil", "not", "or",
	"pairs", "pcall", "repeat", "require", "return", "select", "setmetatable", "string.",
	"string.byte", "string.char", "string.find", "string.format", "string.gmatch", "string.gsub",
	"string.len", "string.lower", "string.match", "string.pack", "string.rep", "string.reverse",
	"string.sub", "string.unpack", "string.upper", "table.", "table.concat", "table.insert",
	"table.move", "table.pack", "table.remove", "table.sort", "table.unpack", "then", "tonumber",
	"tostring", "true", "type", "until", "utf8.", "utf8.char", "utf8.charpattern", "utf8.codepoint",
	"utf8.codes", "utf8.len", "while", "xpcall", NULL,
};

struct candidates {
	struct sl_str word;
	char common[256];
	size_t n;
	struct sl_buf shown;
};

static void
offer(struct candidates *c, const char *name)
{
	size_t i;

	if (!sl_str_starts(sl_str_of(name), c->word))
		return;
	if (c->n++ == 0) {
		snprintf(c->common, sizeof(c->common), "%s", name);
	} else {
		for (i = 0; c->common[i] != '\0' && c->common[i] == name[i]; i++)
			;
		c->common[i] = '\0';
	}
	if (c->n <= MAX_SHOWN)
		sl_buf_printf(&c->shown, "%s%s", c->n > 1 ? "  " : "", name);
}

static void
offer_names(struct candidates *c, const struct repl *r)
{
	const struct sl_module *m;
	const struct sl_builtin *row;
	struct sl_str key;
	const char *fact, *text;
	unsigned phases;
	void *value;
	size_t i;

	for (m = sl_modules; m->name != NULL; m++)
		for (row = m->builtins; row->name != NULL; row++)
			offer(c, row->name);
	for (i = 0; (fact = sl_fact_at(i, &phases, &text)) != NULL; i++)
		offer(c, fact);
	for (i = 0; library[i] != NULL; i++)
		offer(c, library[i]);
	for (i = 0; sl_dict_each(r->names, &i, &key, &value);)
		offer(c, value);
}

static bool
is_word(char c)
{
	return sl_isalnum(c) || c == '_' || c == '.';
}

/* What stands left of the cursor: a name with its dots, or a command. */
static struct sl_str
word_before(const LineInfo *line)
{
	const char *from = line->cursor;

	while (from > line->buffer && is_word(from[-1]))
		from--;
	if (from == line->buffer + 1 && line->buffer[0] == ':')
		from--;
	return (struct sl_str){ from, (size_t)(line->cursor - from) };
}

static unsigned char
complete(EditLine *editor, wint_t ch)
{
	struct candidates c = { .word = word_before(el_line(editor)) };
	unsigned char done = CC_ERROR;
	const char *name;
	struct repl *r;
	size_t i;

	(void)ch;
	el_get(editor, EL_CLIENTDATA, &r);
	if (c.word.n > 0 && c.word.p[0] == ':')
		for (i = 0; (name = repl_command_name(i)) != NULL; i++)
			offer(&c, name);
	else
		offer_names(&c, r);
	if (c.n > 0 && strlen(c.common) > c.word.n) {
		el_insertstr(editor, c.common + c.word.n);
		done = CC_REFRESH;
	} else if (c.n > 1 && c.word.n > 0) {
		printf("\n%s%s\n", c.shown.p, c.n > MAX_SHOWN ? "  ..." : "");
		done = CC_REDISPLAY;
	}
	sl_buf_clear(&c.shown);
	return done;
}

void
repl_complete_open(struct repl *r)
{
	/* the narrow form would leak its texts */
	el_wset(r->editor, EL_ADDFN, L"sluice-complete", L"Complete a name", complete);
	el_set(r->editor, EL_BIND, "^I", "sluice-complete", NULL);
}

/* ---- names that lines assign ------------------------------------------------------------- */

static void
learn(struct repl *r, struct sl_str name)
{
	char *copy;

	if (sl_dict_has(r->names, name) || (copy = strndup(name.p, name.n)) == NULL)
		return;
	if (sl_dict_set(r->names, name, copy, NULL) != 0)
		free(copy);
}

/* "name =" and "function name" at the begin of a line: what a person types. */
void
repl_complete_learn(struct repl *r, struct sl_str source)
{
	struct sl_str line, name;
	size_t n;

	while (r->names != NULL && sl_str_split(&source, '\n', &line)) {
		line = sl_str_trim(line);
		if (sl_str_starts(line, SL_STR("function ")))
			line = sl_str_trim(sl_str_sub(line, 9, line.n));
		else if (sl_str_find(line, SL_STR("=")) < 0)
			continue;
		for (n = 0; n < line.n && (sl_isalnum(line.p[n]) || line.p[n] == '_'); n++)
			;
		name = sl_str_sub(line, 0, n);
		if (n > 1 && !sl_isdigit(name.p[0]) && !sl_str_eq(name, SL_STR("local")))
			learn(r, name);
	}
}
