/*
 * The way back: a line that event_text.c wrote, in either form, as an event's
 * name and fields. For readers of logs, whose lines may be anybody's.
 */
#ifndef SL_BASE_EVENT_READ_H
#define SL_BASE_EVENT_READ_H

#include "bytes.h"

#define SL_RECORD_FIELDS	64	/* of one line */

struct sl_record_field {
	struct sl_str name, value;	/* a number, true or false as it stands there */
	bool quoted;			/* it is a text */
};

/* Zeroed before the first line; the same one may be used for many. */
struct sl_event_record {
	struct sl_str time;	/* JSON: "2026-01-01T12:00:00.000000Z"; else what stood in front */
	struct sl_str level, name;
	struct sl_record_field fields[SL_RECORD_FIELDS];
	size_t nfields;
	struct sl_buf text;	/* where decoded values are */
};

/*
 * Takes one line without its newline: the JSON object, or the form for people,
 * with what a syslog daemon writes in front. The views borrow from 'line'
 * and the record until its next use. SL_ERR_SYNTAX: the line is no event.
 */
int	 sl_event_read(struct sl_event_record *r, struct sl_str line);
void	 sl_event_record_clear(struct sl_event_record *r);

/* The field's value; empty if there is none. The first of that name counts. */
struct sl_str sl_record_get(const struct sl_event_record *r, const char *name);

#endif
