/*
 * What the code that stdlib/hsl makes of HSL calls while it runs. Not for other folders.
 *
 * The functions stand in one table per machine (vm->refs.hsl), which only emitted code sees. All
 * are closures that carry sl_hsl_mark, so the values they make are HSL's. None raises an
 * error that names itself: what fails is the script's line.
 */
#ifndef SL_ENGINE_HSL_H
#define SL_ENGINE_HSL_H

#include "internal.h"

/* Values that no script has: a variable or element that isn't assigned; "behind the last" and
 * "all of this array" as keys; none in the table of shared variables. */
extern const char sl_hsl_unset, sl_hsl_end, sl_hsl_spread, sl_hsl_none;

/* Adds functions to the table on top. */
void	 sl_hsl_functions(lua_State *L, const luaL_Reg *functions);
void	 sl_hsl_function(lua_State *L, lua_CFunction fn);	/* [-0, +1, m] */

/* Each adds its functions to the table on top. */
void	 sl_hsl_open_operators(lua_State *L);	/* hsl_operators.c */
void	 sl_hsl_open_arrays(lua_State *L);	/* hsl_arrays.c */
void	 sl_hsl_open_elements(lua_State *L);	/* hsl_elements.c */
void	 sl_hsl_open_control(lua_State *L);	/* hsl_control.c */
void	 sl_hsl_open_calls(lua_State *L);	/* hsl_calls.c */
void	 sl_hsl_open_objects(lua_State *L);	/* hsl_objects.c */
void	 sl_hsl_open_modules(lua_State *L);	/* hsl_modules.c */

/* Imported variables stand for those of their module: arguments 1 and 2 of what reads or writes
 * one (variables, name) become the module's. hsl_modules.c */
void	 sl_hsl_follow(lua_State *L);
/* define(functions, name, function) for the run's: under a builtin's name it redefines it. hsl.c */
int	 sl_hsl_define(lua_State *L);
/* Pushes the functions of the run: E of its main code. hsl.c */
void	 sl_hsl_run_functions(lua_State *L, struct sl_run *run);
/* Pushes the functions of the module whose variables are at 'shared'; false = no module's. */
bool	 sl_hsl_module_functions(lua_State *L, int shared);

/* Gives the variables at 'to' the module's functions of those at 'from', if they are a module's. */
void	 sl_hsl_same_functions(lua_State *L, int from, int to);
/* As sl_fact_push, for the table of variables at 1: those of a call hide the facts. hsl.c */
int	 sl_hsl_fact_of(lua_State *L, const char *name);

/* Whether the function that called the running C function is HSL's. */
bool	 sl_hsl_calls(lua_State *L);

/* Pushes the variables that lines of HSL share in the environment on top; false = none. hsl.c */
bool	 sl_hsl_shared_variables(lua_State *L);

/* Merges the map at 'from' into the one at 'into': numbers are appended, names replaced. */
void	 sl_hsl_merge(lua_State *L, int into, int from);
/* The value on top becomes an element of one more array. hsl_elements.c */
void	 sl_hsl_share(lua_State *L);
/* base[key] for any value; [-1, +1, e] key */
void	 sl_hsl_index(lua_State *L, int base);
/* A shared variable's array may have another holder now. */
void	 sl_hsl_release(lua_State *L, int shared, int name);
/* The key on top for an element of context. */
void	 sl_hsl_plain_key(lua_State *L);
/* "%s" % value: [-0, +1, e] hsl_format.c */
void	 sl_hsl_format(lua_State *L, int format, int values);

/* Raises unless the script's function at 'function' takes 'given' arguments, and 'hidden' ones that no
 * script writes; 'what' is called. Builtins count for themselves. hsl_calls.c */
void	 sl_hsl_check_count(lua_State *L, int function, int given, int hidden, const char *what);
/* Behind lua_callk: what it gave, above the first 'below' values. hsl_calls.c */
int	 sl_hsl_returned(lua_State *L, int status, lua_KContext below);
/* Pushes the class's function of the name at 'name', or nil, for an object. hsl_objects.c */
void	 sl_hsl_method(lua_State *L, int object, int name);

/* The name at 'name' as scripts write it. hsl_objects.c */
const char *sl_hsl_member_name(lua_State *L, int name);

/* Whether it is an object of a class of a script's, hsl_objects.c; what catch got of an error, hsl_control.c. */
bool	 sl_hsl_has_class(lua_State *L, int index);
bool	 sl_hsl_is_exception(lua_State *L, int index);
/* What Lua says in code made of HSL ("attempt to compare nil with number"), in HSL's words; false = it said
 * something else, and nothing is written. hsl_words.c */
bool	 sl_hsl_words(struct sl_str path, struct sl_str text, struct sl_buf *out);
/* Text of what was thrown, if the value is that; error.c. */
bool	 sl_hsl_thrown(lua_State *L, int index, struct sl_str *text);

#endif
