/* The commands of the program; each gets its own arguments and returns the exit status. */
#ifndef SL_CMD_CMD_H
#define SL_CMD_CMD_H

#include "../base/bytes.h"

struct sl_message;

int	 cmd_run(int argc, char **argv);
int	 cmd_child(int argc, char **argv);
int	 cmd_check(int argc, char **argv);
int	 cmd_exec(int argc, char **argv);
int	 cmd_repl(int argc, char **argv);
int	 cmd_queue(int argc, char **argv);
int	 cmd_quarantine(int argc, char **argv);
int	 cmd_sign(int argc, char **argv);
int	 cmd_verify(int argc, char **argv);
int	 cmd_builtins(int argc, char **argv);
int	 cmd_schema(int argc, char **argv);

/* stdlib's folder: $SLUICE_STDLIB, else the installed one. */
const char *cmd_stdlib(void);

/* Says on standard error what is wrong with a file; "-" is standard input. */
void	 cmd_complain(const char *path, const char *why);

/*
 * Reads a file whole, "-" = standard input. 'out' is new and the caller's to
 * clear. -1: it was said on standard error which file and why; 'limit' is in
 * bytes.
 */
int	 cmd_read(const char *path, size_t limit, struct sl_buf *out);

/*
 * A message, as SMTP would carry it: each LF without CR becomes CRLF, and
 * the last line ends in one. The reference is the caller's; NULL: it was said
 * why.
 */
struct sl_message *cmd_read_message(const char *path);

/* -1: not all that was printed arrived, and it was said why. */
int	 cmd_flush(void);

#endif
