/* What the files of the REPL share. */
#ifndef SL_CMD_REPL_H
#define SL_CMD_REPL_H

#include <histedit.h>
#include <signal.h>

#include "desk.h"

struct repl {
	struct desk *desk;
	EditLine *editor;		/* NULL = input is no terminal */
	History *history;
	struct sl_buf input;		/* lines of a chunk so far */
	char *line;			/* of getline */
	size_t line_size;
	unsigned chunks;
	bool quit, failed;
	bool over;			/* the chunk that runs has ended */
	bool color, trace, live;
	bool hsl;			/* the language of lines; else Lua */
	struct sl_dict *names;		/* that lines assigned, for completion */
	struct sl_buf session;		/* the steps of the conversation, a line each */
};

/* An error of the line that runs. */
void	 repl_complain(struct repl *r, const char *text);
/* The next line as typed, or NULL; for commands that read more. */
const char *repl_next_line(struct repl *r);
/* Runs a chunk in the language of lines: 0, or SL_ERR_SYNTAX and why. */
int	 repl_execute(struct repl *r, struct sl_str source, struct sl_err *err);
/* What was asked and nobody answered since the line began. */
void	 repl_tell_unanswered(struct repl *r);

/* A line that begins with ':'. */
void	 repl_command(struct repl *r, const char *line);
/* Each name of a command, for completion; NULL = no more. */
const char *repl_command_name(size_t i);

struct repl_command {
	const char *name, *usage, *text;
	void (*fn)(struct repl *r, int argc, char **argv);
	int least, most;		/* arguments */
};
extern const struct repl_command repl_session_commands[];	/* repl_session.c; ends with a NULL name */

void	 repl_complete_open(struct repl *r);
/* Notes names that a chunk assigns. */
void	 repl_complete_learn(struct repl *r, struct sl_str source);

#endif
