/* The commands of the program; each gets its own arguments and returns the exit status. */
#ifndef SL_CMD_CMD_H
#define SL_CMD_CMD_H

int	 cmd_run(int argc, char **argv);
int	 cmd_child(int argc, char **argv);
int	 cmd_check(int argc, char **argv);
int	 cmd_exec(int argc, char **argv);
int	 cmd_queue(int argc, char **argv);
int	 cmd_quarantine(int argc, char **argv);
int	 cmd_builtins(int argc, char **argv);
int	 cmd_schema(int argc, char **argv);

/* stdlib's folder: $SLUICE_STDLIB, else the installed one. */
const char *cmd_stdlib(void);

#endif
