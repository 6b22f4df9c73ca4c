/*
 * A tape: what one session depended on, and what came of it. While a session is
 * recorded, every door through which the world comes in (clock, chance, DNS, HTTP,
 * state, caches, keys, passwords) notes what it gave; the session's own inputs and
 * what was answered to them stand between. Played, the same doors answer from the tape,
 * and what isn't on it is told as missing.
 *
 * Bytes only, no mail and no scripts: doors stand where the real thing is, each in its
 * own module, and look at the tape that they are given (NULL = none, the usual case).
 *
 * Steps: every input of the session (a command, the message) begins the next one. All that
 * is noted belongs to the step under way. One thread.
 */
#ifndef SL_TAPE_TAPE_H
#define SL_TAPE_TAPE_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_TAPE_MAX	(64u * 1024 * 1024)	/* bytes of one tape, unless said otherwise */
#define SL_TAPE_ENTRIES	1000000			/* on one tape, at most */
#define SL_TAPE_KIND	16			/* bytes of a kind, with its NUL */

struct sl_tape;
struct sl_tape_room;

/* What an entry is: the sign of its line in a file. */
enum sl_tape_sign {
	SL_TAPE_FACT = '#',	/* about the tape: version, policy ... */
	SL_TAPE_INPUT = '>',	/* what the client did */
	SL_TAPE_ANSWER = '=',	/* what a door gave */
	SL_TAPE_OUTPUT = '<',	/* what was decided */
};

/* Key and value are any bytes; borrowed while the tape lives and isn't added to. */
struct sl_tape_entry {
	enum sl_tape_sign sign;
	char kind[SL_TAPE_KIND];	/* a-z: "dns", "mail", "verdict" */
	unsigned step;			/* 0 = before the first input */
	int64_t time_us;		/* inputs: when, since 1970 */
	struct sl_str key, value;
};

/*
 * Where the session is in its step: "data ann@example.org time". Readings of the clock
 * and chance are kept by place, so that what another policy adds elsewhere doesn't shift
 * them. Each step begins without one.
 */
void	 sl_tape_place(struct sl_tape *tape, const char *where, const char *who, const char *what);

/* ---- recording ------------------------------------------------------------------------- */

/* Counted. 'max' bytes (0 = SL_TAPE_MAX); with more it is full. NULL = out of memory. */
struct sl_tape	*sl_tape_new(size_t max);
struct sl_tape	*sl_tape_ref(struct sl_tape *tape);
void		 sl_tape_unref(struct sl_tape *tape);	/* NULL is fine; wipes what was on it */

/*
 * Room that several tapes share: when they have 'max' bytes together, the one that needs more is full.
 * Counted: tapes hold it. NULL = out of memory.
 */
struct sl_tape_room	*sl_tape_room_new(size_t max);
void			 sl_tape_room_unref(struct sl_tape_room *room);	/* NULL is fine */
void			 sl_tape_share(struct sl_tape *tape, struct sl_tape_room *room);	/* before anything is noted */

/* Begins the next step. These copy; what finds no room makes the tape full, for good. */
void	 sl_tape_input(struct sl_tape *tape, const char *kind, int64_t time_us, struct sl_str key,
	    struct sl_str value);
void	 sl_tape_note(struct sl_tape *tape, const char *kind, struct sl_str key, struct sl_str value);
void	 sl_tape_output(struct sl_tape *tape, const char *kind, struct sl_str key, struct sl_str value);
void	 sl_tape_fact(struct sl_tape *tape, const char *name, struct sl_str value);
/* More room was needed than there is: the tape isn't whole, and is good for nothing. */
bool	 sl_tape_full(const struct sl_tape *tape);
size_t	 sl_tape_bytes(const struct sl_tape *tape);

/*
 * A password that the client said (copied, wiped at the end). It is kept out of what is
 * noted from now on: as it is, percent-encoded, in JSON, in hex, and with all of the base64
 * around it, it becomes SL_TAPE_PASSWORD. That is what a tape that plays has in its place,
 * so its questions are masked alike and meet those that were noted. A session with a password of
 * less than four bytes isn't recorded: it couldn't be told from other words.
 */
#define SL_TAPE_PASSWORD	"[password]"
void	 sl_tape_password(struct sl_tape *tape, struct sl_str password);
/*
 * A key that the session took: 'mark' stands in its place in copies for others. What is
 * noted has it as it is, for the session goes on with it.
 */
void	 sl_tape_secret(struct sl_tape *tape, struct sl_str secret, const char *mark);
/* Whether a noted text is this one; a masked password stands for anything. */
bool	 sl_tape_same(struct sl_str noted, struct sl_str now);
/* The text without passwords and secrets. */
void	 sl_tape_mask(const struct sl_tape *tape, struct sl_str text, struct sl_buf *out);

/*
 * Adds what 'from' has to 'tape'; keys, values and parts of values of answers and outputs as 'fn'
 * appends them. 0 or SL_ERR_NOMEM.
 */
int	 sl_tape_copy(struct sl_tape *tape, const struct sl_tape *from, void (*fn)(void *arg,
	    const struct sl_tape_entry *entry, struct sl_str text, struct sl_buf *out), void *arg);
/* Whether answers or outputs of 'copy' have a password or secret of 'tape', in any form. */
bool	 sl_tape_tells(const struct sl_tape *tape, const struct sl_tape *copy);

/* ---- looking at it --------------------------------------------------------------------- */

size_t	 sl_tape_count(const struct sl_tape *tape);
const struct sl_tape_entry *sl_tape_at(const struct sl_tape *tape, size_t i);
/* A fact's value, NUL-terminated; empty = there is none. One that plays has those of what it plays. */
struct sl_str sl_tape_fact_of(const struct sl_tape *tape, const char *name);

/* ---- playing --------------------------------------------------------------------------- */

/*
 * One that answers: what 'recorded' (referenced, not to be added to any more) has. Doors take
 * either; sl_tape_plays says which it is. 'live': what isn't on it may be asked for real,
 * where asking changes nothing; else it is missing. What is decided now is put on it as
 * outputs: sl_tape_at shows these alone.
 */
struct sl_tape	*sl_tape_play(struct sl_tape *recorded, bool live);
bool	 sl_tape_plays(const struct sl_tape *tape);	/* NULL: false */
bool	 sl_tape_records(const struct sl_tape *tape);	/* NULL: false */
bool	 sl_tape_live(const struct sl_tape *tape);
/* Playing goes on at this step. */
void	 sl_tape_seek(struct sl_tape *tape, unsigned step);

enum sl_tape_how {
	/* The answer of this step that was not given yet, else the nearest later one, else an
	 * earlier one; each is given once. For what changes by being asked: state. */
	SL_TAPE_ONCE,
	/* The same, but the last one is given again and again: DNS, pages. */
	SL_TAPE_AGAIN,
	/* In order, and of this step only: clock and chance. */
	SL_TAPE_STEP,
};
/* False: it isn't there. Nothing is told as missing yet. */
bool	 sl_tape_find(struct sl_tape *tape, const char *kind, struct sl_str key, enum sl_tape_how how,
	    struct sl_str *value);
/*
 * The clock. Noted at the place; played, the readings of this place and step in their order,
 * beyond them the last one that was given in the step, else the beginning of the step.
 */
void	 sl_tape_note_time(struct sl_tape *tape, int64_t time_us);
int64_t	 sl_tape_time(struct sl_tape *tape);
/* Chance: 'key' is what was drawn ("below 6"), at the place. In order, of this step only. */
void	 sl_tape_note_drawn(struct sl_tape *tape, const char *key, struct sl_str value);
bool	 sl_tape_find_drawn(struct sl_tape *tape, const char *key, struct sl_str *value);
void	 sl_tape_miss_drawn(struct sl_tape *tape, const char *key);
/* Tells that a question isn't on the tape. */
void	 sl_tape_miss(struct sl_tape *tape, const char *kind, struct sl_str key);
/* What was missing since the last call of sl_tape_seek: "dns TXT example.org", "" = nothing. */
const char *sl_tape_missing(const struct sl_tape *tape);

/* ---- values of several parts ------------------------------------------------------------ */

/* "name 5 hello\n": any bytes. */
void	 sl_tape_put(struct sl_buf *out, const char *name, struct sl_str value);
void	 sl_tape_put_number(struct sl_buf *out, const char *name, int64_t value);
/* Cuts the first part off *parts; false = there is no more, or what is there is malformed. */
bool	 sl_tape_part(struct sl_str *parts, struct sl_str *name, struct sl_str *value);
/* A text of parts with each value as 'fn' appends it; false: the text isn't made of parts. */
bool	 sl_tape_map(struct sl_str parts, void (*fn)(void *arg, struct sl_str value, struct sl_buf *out),
	    void *arg, struct sl_buf *out);
/* The first part of a name; empty if there is none. */
struct sl_str sl_tape_get(struct sl_str parts, const char *name);
int64_t	 sl_tape_number(struct sl_str text);	/* decimal, may be negative; 0 if it is none */
int64_t	 sl_tape_get_number(struct sl_str parts, const char *name);	/* 0 if it is none */

/* ---- files (tape_file.c; doc/capture.md) --------------------------------------------------- */

/* Appends the whole tape. 0 or SL_ERR_NOMEM. */
int	 sl_tape_write(const struct sl_tape *tape, struct sl_buf *out);
/* SL_ERR_SYNTAX names the byte where it stops making sense; SL_ERR_LIMIT beyond the caps. */
int	 sl_tape_read(struct sl_tape **out, struct sl_str bytes, struct sl_err *err);

#endif
