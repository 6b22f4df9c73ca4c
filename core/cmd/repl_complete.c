/*
 * Completion at a terminal: commands behind a colon; else builtins, facts,
 * Lua's library, names that lines assigned, variables where a script stands, and
 * behind "name." the fields of that table. One candidate is put in, several
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

/* ---- fields ------------------------------------------------------------------------------ */

struct fields {
	struct candidates *c;
	struct sl_str table;		/* "a.b" */
	bool over;
};

static void
on_fields(void *arg, const struct sl_err *err, const char *text)
{
	struct fields *f = arg;
	struct sl_str rest, name;
	char full[256];

	f->over = true;
	if (err != NULL || text == NULL || text[0] != '"')
		return;
	rest = sl_str_of(text + 1);
	rest.n -= rest.n > 0;		/* its quote */
	while (sl_str_split(&rest, ' ', &name)) {
		snprintf(full, sizeof(full), "%.*s.%.*s", (int)f->table.n, f->table.p, (int)name.n, name.p);
		offer(f->c, full);
	}
}

/* The table is looked at by a line of its own: what can't be read has no fields. */
static void
offer_fields(struct candidates *c, struct repl *r, struct sl_str table)
{
	struct fields f = { .c = c, .table = table };
	struct sl_buf source = SL_BUF_INIT;
	struct sl_err err;

	sl_buf_printf(&source, "local ok, t = pcall(function() return %.*s end)\n"
	    "local names = {}\n"
	    "if ok and type(t) == 'table' then for k in pairs(t) do\n"
	    "  if type(k) == 'string' and k:find('^[%%a_][%%w_]*$') then names[#names + 1] = k end\n"
	    "end end\n"
	    "return table.concat(names, ' ')", (int)table.n, table.p);
	if (sl_engine_exec(desk_engine(r->desk), "completion", sl_buf_str(&source), on_fields, &f, &err) == 0)
		while (!f.over && sl_engine_wait(desk_engine(r->desk), -1) == 0)
			;
	sl_buf_clear(&source);
}

/* The table in front of the last dot; false: there is none. */
static bool
table_before(struct sl_str word, struct sl_str *table)
{
	size_t n = word.n;

	while (n > 0 && word.p[n - 1] != '.')
		n--;
	*table = sl_str_sub(word, 0, n > 0 ? n - 1 : 0);
	return table->n > 0 && !sl_isdigit(table->p[0]);
}

/* ---- names ------------------------------------------------------------------------------- */

static void
offer_names(struct candidates *c, const struct repl *r)
{
	const struct sl_module *m;
	const struct sl_builtin *row;
	struct sl_str key;
	const json_t *variable;
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
	if (r->stopped)
		json_object_foreach(r->seen, fact, variable)
			offer(c, fact);
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
	struct sl_str table;
	struct repl *r;
	size_t i;

	(void)ch;
	el_get(editor, EL_CLIENTDATA, &r);
	if (c.word.n > 0 && c.word.p[0] == ':')
		for (i = 0; (name = repl_command_name(i)) != NULL; i++)
			offer(&c, name);
	else
		offer_names(&c, r);
	if (c.n == 0 && !r->hsl && table_before(c.word, &table))
		offer_fields(&c, r, table);
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
