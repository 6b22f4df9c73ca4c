/*
 * Values between builtins and scripts. Builtins use these calls and never raw
 * lua_*table or lua_pushinteger, because they know the language of the caller:
 * HSL maps keep order and count from 0, Lua's count from 1. What makes a value
 * makes the caller's kind; what reads one takes both kinds.
 * Effects are given as in Lua's manual: [-pop, +push, may raise].
 *
 * A builtin never changes a table it was given: HSL's arrays are values, others
 * may hold the same one. It makes a new one; elements may be taken over as they are.
 */
#ifndef SL_ENGINE_VALUE_H
#define SL_ENGINE_VALUE_H

#include <lua.h>
#include <lauxlib.h>

#include "../base/bytes.h"
#include "../base/err.h"

/* Whether HSL code called this builtin. True also in what continues it (sl_await's
 * 'done', continuations of lua_callk); not inside a callback. */
bool	 sl_is_hsl(lua_State *L);
/* The level that the calling file says of itself (sl_program_level). */
int	 sl_hsl_level(lua_State *L);

/* Making */
void	 sl_none(lua_State *L);					/* [-0, +1, -] nil / none */
/* Integral values print without ".0"; HSL's numbers are floats. */
void	 sl_number(lua_State *L, double n);			/* [-0, +1, -] */
void	 sl_bool(lua_State *L, bool b);				/* [-0, +1, -] */
void	 sl_string(lua_State *L, struct sl_str s);		/* [-0, +1, m] */
void	 sl_text(lua_State *L, const char *s);			/* [-0, +1, m] NULL = none */
void	 sl_list_new(lua_State *L);				/* [-0, +1, m] */
void	 sl_list_add(lua_State *L);				/* [-1, +0, m] value on top, list below */
void	 sl_map_new(lua_State *L);				/* [-0, +1, m] keeps order of insertion for pairs */
void	 sl_map_set(lua_State *L, const char *key);		/* [-1, +0, m] value on top, map below; none is left out */
void	 sl_map_set_str(lua_State *L, struct sl_str key);	/* [-1, +0, m] */
/* Any key: [-2, +0, e] key, value on top of it, map below both. Keeps the order of insertion;
 * HSL's maps keep none as a value and turn "1", 1.9, true into numbers, as HSL does. For
 * builtins that keep the keys of what they were given: for (... sl_each ...) key, value. */
void	 sl_map_set_key(lua_State *L);

/* Reading arguments: raise with argument number, name and what was given. HSL may give a number as
 * a text ("5", "0x1f") and a text as a number; true and false are 1 and 0 where a number is wanted. */
struct sl_str	 sl_arg_string(lua_State *L, int arg);
double		 sl_arg_number(lua_State *L, int arg, double min, double max);
bool		 sl_arg_bool(lua_State *L, int arg);
bool		 sl_arg_given(lua_State *L, int arg);		/* neither missing nor none */
struct sl_str	 sl_arg_opt_string(lua_State *L, int arg, const char *dflt);
double		 sl_arg_opt_number(lua_State *L, int arg, double min, double max, double dflt);
bool		 sl_arg_opt_bool(lua_State *L, int arg, bool dflt);
void		 sl_arg_table(lua_State *L, int arg);		/* raises if it isn't one */
void		 sl_arg_function(lua_State *L, int arg);
/* luaL_argerror, with the builtin's name also where a builtin calls it back. [-0, +0, error] */
int		 sl_arg_error(lua_State *L, int arg, const char *what);

/*
 * Options, the last table. First say which names exist: an unknown one raises
 * with a suggestion. A missing table is a table without options.
 *	static const char *const names[] = { "timeout", "servers", NULL };
 *	sl_options(L, 2, names);
 *	t = sl_opt_number(L, 2, "timeout", 0, 60, 5);
 */
void		 sl_options(lua_State *L, int arg, const char *const *names);
/* Borrowed while the table lives; p NULL if dflt is. */
struct sl_str	 sl_opt_string(lua_State *L, int arg, const char *name, const char *dflt);
double		 sl_opt_number(lua_State *L, int arg, const char *name, double min, double max, double dflt);
bool		 sl_opt_bool(lua_State *L, int arg, const char *name, bool dflt);
/* Pushes the option's value (none if missing); true if given. [-0, +1, m] */
bool		 sl_opt_push(lua_State *L, int arg, const char *name);

/*
 * Walks a list or map at 'index' in the script's order: pushes key and value
 * for each, the body pops the value (or settop). Lists: keys 1..n (Lua), 0..n-1 (HSL).
 *	for (i = 0; sl_each(L, index, &i); lua_pop(L, 2)) ...
 */
bool	 sl_each(lua_State *L, int index, size_t *i);		/* [-0, +2 or +0, m] */
/* The n-th element of a list, counted from 1 in every language; false = it has none. */
bool	 sl_list_get(lua_State *L, int index, size_t n);	/* [-0, +1, e] */
size_t	 sl_count(lua_State *L, int index);			/* number of elements */
bool	 sl_is_list(lua_State *L, int index);			/* keys are exactly 1..n (HSL 0..n-1); empty counts */
/* The value of a key in either kind, as the script's own t[key] would be. [-1, +1, e] key */
bool	 sl_map_lookup(lua_State *L, int index);

/* Tables of context, which outlive the run and write through. Builtins that ask for a table
 * (sl_arg_table) get a copy of such a one in its place. */
bool	 sl_is_plain(lua_State *L, int index);
size_t	 sl_plain_count(lua_State *L, int index);	/* of one that is */
bool	 sl_plain_copy(lua_State *L, int index);	/* [-0, +1 or +0, m] the copy; false: it is none */

/*
 * Objects: userdata of a class whose methods are the rows "Class:method". They
 * belong to the run and speak the language of the call that made them. A MailMessage
 * is a MIMEPart, too. 'clear' (or
 * NULL) gets the data when nothing refers to the object any more; it raises nothing.
 */
void	*sl_object_new(lua_State *L, const char *class, size_t size, int nvalues,
	    void (*clear)(void *data));			/* [-0, +1, m] zeroed; with nvalues user values */
/*
 * Memory outside of Lua that the object has taken or is about to take counts with the run that
 * made it, until the object is gone. false: more than the run may have, garbage apart.
 */
bool	 sl_object_hold(lua_State *L, void *data, size_t bytes);
void	*sl_object_at(lua_State *L, int index, const char *class);	/* NULL: none of that class */
void	*sl_arg_object(lua_State *L, int arg, const char *class);	/* raises */

/*
 * HSL's conversions (convert.c), for builtins of its library.
 */
bool	 sl_truth(lua_State *L, int index);	/* none, false, 0, "" and empty arrays are false */
bool	 sl_equal(lua_State *L, int a, int b);	/* "==": 1 == "1"; arrays by value and order */
bool	 sl_identical(lua_State *L, int a, int b);	/* "===": nothing is converted */
bool	 sl_is_object(lua_State *L, int index);	/* of a class of a script's, or an exception */
/* An exception of the place where HSL called this. [-0, +1, m] */
void	 sl_hsl_exception(lua_State *L, struct sl_str message);
bool	 sl_holds_object(lua_State *L, int index);	/* is one, or an array with one in it */
double	 sl_to_number(lua_State *L, int index);	/* number(): decimal or 0x...; what isn't one is 0 */
/* string(): numbers in their shortest form. Raises for none, arrays, functions. [-0, +1, e] */
void	 sl_to_string(lua_State *L, int index);
#define SL_NUMBER_MAX	32
size_t	 sl_number_text(double n, char out[SL_NUMBER_MAX]);	/* "1", "0.1", "1e+300" */
const char *sl_type_name(lua_State *L, int index);	/* "none", "array" for HSL; else Lua's */

/* Values to JSON and back (jansson inside); -1 and err for what JSON can't hold. */
int	 sl_json_encode(lua_State *L, int index, struct sl_buf *out, bool ascii, bool pretty,
	    struct sl_err *err);
/* Metadata: an object of texts by name. In HSL numbers and booleans become texts, as '.' makes
 * them. Where it fails the stack has more on it. */
int	 sl_json_texts(lua_State *L, int index, struct sl_buf *out, struct sl_err *err);
/* Pushes the value. Caps: depth 100, 1 MB of text unless 'max' says otherwise. */
int	 sl_json_decode(lua_State *L, struct sl_str text, size_t max, struct sl_err *err);

/* A value as a person reads it, in one line, deterministic, secrets replaced (echo, traces, errors). */
int	 sl_describe(lua_State *L, int index, struct sl_buf *out, size_t max);

/*
 * One CSV field (RFC 4180: quotes doubled inside quotes), without the blanks
 * around it: pushes it; returns whether the line ended behind it. [-0, +1, m]
 */
bool	 sl_csv_field(lua_State *L, struct sl_str *rest);
bool	 sl_csv_field_by(lua_State *L, struct sl_str *rest, char delimiter);
/* Goes over empty lines and comments (#); false at the end. */
bool	 sl_csv_skip(struct sl_str *rest);

/*
 * An empty buffer of the machine's, for texts on their way to a script: making
 * a string can raise, and this one leaks nothing then. Good until the next call.
 */
struct sl_buf *sl_scratch(lua_State *L);

/*
 * Pushes the metatable that userdata of ours called 'name' have, made on first
 * use and whole or not at all: a run may be out of memory in the middle. [-0, +1, m]
 */
void	 sl_metatable(lua_State *L, const char *name, const luaL_Reg *functions);

/* "canonicalization_header" for "canonicalisation_header"; NULL when nothing is near. */
const char *sl_suggest(const char *word, const char *const *names);

#endif
