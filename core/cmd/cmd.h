/* The commands of the program; each gets its own arguments and returns the exit status. */
#ifndef SL_CMD_CMD_H
#define SL_CMD_CMD_H

#include <jansson.h>

#include "../base/bytes.h"

struct sl_dns;
struct sl_findings;
struct sl_key;
struct sl_loop;
struct sl_message;

#define CMD_TEMPORARY	75	/* EX_TEMPFAIL of sysexits.h: nothing is sure now */

int	 cmd_run(int argc, char **argv);
int	 cmd_child(int argc, char **argv);
int	 cmd_check(int argc, char **argv);
int	 cmd_exec(int argc, char **argv);
int	 cmd_hsl(int argc, char **argv);
int	 cmd_init(int argc, char **argv);
int	 cmd_repl(int argc, char **argv);
int	 cmd_test(int argc, char **argv);
int	 cmd_trace(int argc, char **argv);
int	 cmd_capture(int argc, char **argv);
int	 cmd_replay(int argc, char **argv);
int	 cmd_why(int argc, char **argv);
int	 cmd_shadow(int argc, char **argv);
int	 cmd_queue(int argc, char **argv);
int	 cmd_quarantine(int argc, char **argv);
int	 cmd_sign(int argc, char **argv);
int	 cmd_verify(int argc, char **argv);
int	 cmd_keys(int argc, char **argv);
int	 cmd_dmarc(int argc, char **argv);
int	 cmd_domain(int argc, char **argv);
int	 cmd_builtins(int argc, char **argv);
int	 cmd_schema(int argc, char **argv);

/*
 * stdlib's folder: $SLUICE_STDLIB; else the one that belongs to the running program by its place (so that
 * a build is tried without installing it, and never with another version's); else PREFIX's.
 */
const char *cmd_stdlib(void);

/* The lines that say how a command is called; "" when it takes no arguments. */
const char *cmd_usage_text(const char *name);
/* The same on standard error; 2, the exit status for arguments that are wrong. */
int	 cmd_usage(const char *name);

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
void	 cmd_put_crlf(struct sl_buf *out, struct sl_str text);

/* A private key from a file. NULL: it was said why. */
struct sl_key *cmd_read_key(const char *path);

/* The system's resolver, or the names of a zone file alone. NULL: it was said why. */
struct sl_dns *cmd_open_dns(struct sl_loop *loop, const char *zone);

/* "2026-01-01", "2026-01-01T12:00:00Z" or with a blank; UTC, microseconds since 1970. -1: it isn't one. */
int	 cmd_parse_time(const char *text, int64_t *us);

/* Prints text that may come from outside. */
void	 cmd_print(const char *text);
/* The same for JSON: bytes that aren't UTF-8 are as people see them. */
json_t	*cmd_json_text(const char *text);
/* A value with such text in all of its strings; the caller's. */
json_t	*cmd_json_presentable(const json_t *value);

/* One line each, what to do below; colours on a terminal only. */
void	 cmd_print_findings(const struct sl_findings *f);
/* A list of objects: area, weight, text, remedy. */
json_t	*cmd_json_findings(const struct sl_findings *f);
/* 0 nothing wrong, 1 a problem, CMD_TEMPORARY, 2 what was to be said is lost. */
int	 cmd_findings_status(const struct sl_findings *f);

/* -1: not all that was printed arrived, and it was said why. */
int	 cmd_flush(void);

#endif
