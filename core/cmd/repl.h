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
	long prefix;			/* columns before what was typed, in the chunk made of it */
	bool quit, failed;
	bool color, trace, live;
	bool hsl;			/* the language of lines; else Lua */
	struct sl_dict *names;		/* that lines assigned, for completion */
	struct sl_buf session;		/* the steps of the conversation, a line each */

	/* repl_step.c */
	bool steps, breaks;		/* each line is stopped at; there are breakpoints */
	bool stopped;			/* lines are evaluated where a script stands */
	bool ends_run;			/* Ctrl-C there */
	enum sl_step last_step;
	json_t *typed;			/* "input 3" -> its text, of chunks that make functions */
	json_t *seen;			/* variables at the last stop, and in which call it was */
	unsigned seen_frame;
	char place[256];		/* the prompt there */
};

/* An error of the line that runs. */
void	 repl_complain(struct repl *r, const char *text);
/* The next line as typed, or NULL; for commands that read more. */
const char *repl_next_line(struct repl *r);
/* Runs a chunk in the language of lines: 0, or SL_ERR_SYNTAX and why. */
int	 repl_execute(struct repl *r, struct sl_str source, struct sl_err *err);
/* Does what a line says, once it is complete. */
void	 repl_take_line(struct repl *r, const char *line);
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
/* Each ends with a NULL name. Those of the session can't be said where a script stands. */
extern const struct repl_command repl_session_commands[], repl_step_commands[];
/* The word behind a command; none = on. False: it's another, and that was said. */
bool	 repl_is_on(struct repl *r, int argc, char **argv, bool *on);

/* A script has stopped: reads and does lines until it goes on. 'arg' is the repl. */
void	 repl_at_stop(void *arg);
void	 repl_step_begin(struct repl *r);	/* of a command */
void	 repl_step_keep(struct repl *r, const char *name);	/* the input, that is run by this name */
void	 repl_step(struct repl *r, enum sl_step how);
void	 repl_step_variables(struct repl *r);	/* all that can be seen there */

void	 repl_complete_open(struct repl *r);
/* Notes names that a chunk assigns. */
void	 repl_complete_learn(struct repl *r, struct sl_str source);

#endif
