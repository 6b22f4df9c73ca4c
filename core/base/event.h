/*
 * The one stream of events: log, trace, REPL and tests read the same records.
 * An event is a level, a name (noun_verb) and fields. A field's text may come
 * from the network: writers escape it, in one place (event_text.c).
 */
#ifndef SL_BASE_EVENT_H
#define SL_BASE_EVENT_H

#include "bytes.h"
#include "err.h"

enum sl_field_kind { SL_FIELD_END, SL_FIELD_STR, SL_FIELD_INT, SL_FIELD_REAL, SL_FIELD_BOOL };

struct sl_event_field {
	const char *name;
	enum sl_field_kind kind;
	struct sl_str str;
	int64_t num;
	double real;
};

#define SL_F_STR(k, v)	((struct sl_event_field){ .name = (k), .kind = SL_FIELD_STR, .str = (v) })
#define SL_F_TEXT(k, v)	((struct sl_event_field){ .name = (k), .kind = SL_FIELD_STR, .str = sl_str_of(v) })
#define SL_F_INT(k, v)	((struct sl_event_field){ .name = (k), .kind = SL_FIELD_INT, .num = (int64_t)(v) })
#define SL_F_REAL(k, v)	((struct sl_event_field){ .name = (k), .kind = SL_FIELD_REAL, .real = (v) })
#define SL_F_BOOL(k, v)	((struct sl_event_field){ .name = (k), .kind = SL_FIELD_BOOL, .num = (v) })
#define SL_F_END	((struct sl_event_field){ .kind = SL_FIELD_END })
#define SL_FIELDS(...)	((struct sl_event_field[]){ __VA_ARGS__, SL_F_END })

struct sl_event {
	int64_t time_us;		/* wall clock, microseconds since 1970 */
	enum sl_level level;
	const char *name;
	const struct sl_event_field *fields;	/* ends with SL_F_END; borrowed during the call */
};

/* A reader of events. Embedded by its owner; 'write' is called in emit order. */
struct sl_event_sink {
	struct sl_event_sink *next;
	enum sl_level level;		/* least level it wants */
	void (*write)(struct sl_event_sink *sink, const struct sl_event *event);
	void (*flush)(struct sl_event_sink *sink);	/* may be NULL */
};

struct sl_events {
	struct sl_event_sink *sinks;
	enum sl_level level;		/* least level any sink wants */
	int64_t (*time_us)(void *arg);	/* NULL = the system's clock */
	void *time_arg;
};

void	 sl_events_init(struct sl_events *events);	/* no sink: every event is dropped */
void	 sl_events_add(struct sl_events *events, struct sl_event_sink *sink);
void	 sl_events_remove(struct sl_events *events, struct sl_event_sink *sink);
void	 sl_events_flush(struct sl_events *events);

/* An event nobody reads isn't built: if (sl_event_wanted(ev, SL_DEBUG)) ... */
static inline bool
sl_event_wanted(const struct sl_events *events, enum sl_level level)
{
	return events != NULL && events->sinks != NULL && level >= events->level;
}

/* sl_event(ev, SL_INFO, "relay_denied", SL_FIELDS(SL_F_TEXT("recipient", r))); */
void	 sl_event(struct sl_events *events, enum sl_level level, const char *name,
	    const struct sl_event_field *fields);

/* Not "trace": no log has it, for keys that scripts pass on aren't known as secrets at once. */
int	 sl_level_parse(const char *word, enum sl_level *out);

/* One line without its newline: control bytes and invalid UTF-8 escaped. */
int	 sl_event_format_text(struct sl_buf *out, const struct sl_event *event, bool color);
int	 sl_event_format_json(struct sl_buf *out, const struct sl_event *event);

/* A text from outside as such a line has it, for a terminal; without quotes. */
int	 sl_event_put_harmless(struct sl_buf *out, struct sl_str s);
/* ... as a JSON string, with its quotes. */
void	 sl_event_put_json(struct sl_buf *out, struct sl_str s);

/*
 * Sinks. fd: lines are gathered and written by flush with one write(2);
 * 'owned' descriptors are closed with it. syslog: own non-blocking datagrams
 * to 'path' (default /dev/log), drops are counted.
 */
enum sl_event_format { SL_EVENT_TEXT, SL_EVENT_COLOR, SL_EVENT_JSON };
struct sl_event_sink *sl_event_sink_fd(int fd, bool owned, enum sl_event_format format,
	    enum sl_level level);
struct sl_event_sink *sl_event_sink_syslog(const char *path, const char *ident,
	    enum sl_level level, struct sl_err *err);
void	 sl_event_sink_free(struct sl_event_sink *sink);	/* flushes */

#endif
