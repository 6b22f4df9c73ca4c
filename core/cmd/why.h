/* Within "sluice why": what is looked for in logs, what was found, and how it is told. */
#ifndef SL_CMD_WHY_H
#define SL_CMD_WHY_H

#include <jansson.h>

#include "../base/bytes.h"

/* ---- what is looked for (why_ids.c) ------------------------------------------------------ */

enum why_kind {
	WHY_ID,			/* ours: of a message, a session, a notification */
	WHY_MSGID,		/* a Message-ID, without angle brackets */
	WHY_QUEUEID,		/* of another mail server */
};

#define WHY_MAX_IDS	8
#define WHY_MAX_ID	255	/* bytes of one */

struct why_id {
	enum why_kind kind;
	char text[WHY_MAX_ID + 1];
};

/* Finds ids in what somebody pasted; how many, at most WHY_MAX_IDS. */
size_t	 why_find_ids(struct why_id *out, struct sl_str pasted);

/* ---- the search (why_search.c) ----------------------------------------------------------- */

struct why_search;

struct why_search *why_search_new(const struct why_id *ids, size_t n);
void	 why_search_free(struct why_search *s);
/* The next line, without newline; lines before it in the same file have been given. */
void	 why_search_line(struct why_search *s, struct sl_str line);
/* The next lines are of another file. */
void	 why_search_file(struct why_search *s);
/*
 * What was found, the caller's: { messages = { { id, events = {...} } }, lines = {...},
 * left_out = n }; events in order of time, lines of logs that aren't ours as
 * { time, line }.
 */
json_t	*why_search_finish(struct why_search *s);

/* ---- the story (why_story.c, why_show.c) ------------------------------------------------- */

/* Adds what the events say as a whole: sender, msgid, ..., recipients = { { recipient, state, text } }. */
void	 why_story(json_t *message);
void	 why_show(struct sl_buf *out, const json_t *message);
/* Times and lines of logs that mention it. */
void	 why_show_lines(struct sl_buf *out, const json_t *lines);

#endif
