/* Within sluice: the logs that commands read (why, shadow report). */
#ifndef SL_CMD_LOG_FILES_H
#define SL_CMD_LOG_FILES_H

#include "../base/bytes.h"

#define LOG_TIME	27		/* bytes of "2026-01-01T12:00:00.000000Z" */

/* One of them, and what was read of it. */
struct log_file {
	char *path;			/* "-" = standard input */
	const char *error;		/* NULL = it was read */
	bool compressed;		/* by gzip: nothing is found in it */
	uint64_t lines, events, skipped;	/* all; JSON of ours; too long */
	char first[LOG_TIME + 1], last[LOG_TIME + 1];
};

struct log_files {			/* zeroed before the first one */
	struct log_file *files;
	size_t n;
};

void	 log_files_add(struct log_files *logs, const char *path);
/*
 * The log that the policy in the folder names, behind what was rotated away from it. Not 0: it was said
 * on standard error what is wrong; 'usage' is what names a log by hand.
 */
int	 log_files_find(struct log_files *logs, const char *policy, const char *usage);
void	 log_files_free(struct log_files *logs);

/* Gives each line without its newline, and fills in what is known of the log. */
typedef void log_line_fn(void *arg, struct sl_str line);
void	 log_file_read(struct log_file *log, log_line_fn *fn, void *arg);

#endif
