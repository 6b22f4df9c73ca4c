/* Numbers of scripts' own in /metrics, one for all workers. */
#include <math.h>
#include <string.h>

#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/metrics.h"
#include "../../core/policy/owner.h"

#define MAX_LABELS	8

static struct sl_metrics *
metrics_of(lua_State *L)
{
	struct sl_metrics *m = sl_engine_metrics(L);

	if (m == NULL)
		luaL_error(L, "out of memory");
	return m;
}

/* What a replay does isn't counted; whether there was room is what it was then. */
static bool
count(lua_State *L, struct sl_metrics *metrics, const char *series, enum sl_metric_change how,
    double value)
{
	struct sl_tape *tape = sl_run_tape(L);
	struct sl_str full = SL_STR("metrics full"), found;
	bool kept;

	if (sl_tape_plays(tape))
		return !sl_tape_find(tape, "reading", full, SL_TAPE_AGAIN, &found);
	kept = sl_metrics_change(metrics, series, how, value);
	if (tape != NULL && !kept)
		sl_tape_note(tape, "reading", full, SL_STR("1"));
	return kept;
}

/* ---- stat ---------------------------------------------------------------------------- */

static bool
is_stat_name(struct sl_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!(s.p[i] >= 'a' && s.p[i] <= 'z') && !sl_isdigit(s.p[i]) && s.p[i] != '.' && s.p[i] != '-')
			return false;
	return s.n > 0 && s.n <= 64;
}

/*lua
Count something in /metrics, as sluice_stat_total{name=,legend=}: each legend's number is added to what
it has. Workers count together; a restart begins anew. With 0 a legend is there before anything is
counted. A policy has 512 of these numbers at most.

@param name string     a-z, 0-9, "." and "-", 64 bytes at most
@param legends table   what to add, by names of the same letters
@return boolean? kept  false: there are 512 already. In HSL nothing is given
@return string? err    a name has other letters
@return string? code

    stat("ip-family", { ipv4 = senderip:find(":") and 0 or 1, ipv6 = senderip:find(":") and 1 or 0 })
*/
static int
metrics_stat(lua_State *L)
{
	struct sl_str name = sl_arg_string(L, 1), legend;
	struct sl_metrics *metrics = metrics_of(L);
	struct sl_buf *text;
	bool kept = true;
	double value;
	size_t i;
	int top;

	sl_arg_table(L, 2);
	lua_settop(L, 2);
	if (!is_stat_name(name))
		return sl_fail(L, "syntax", "stat: names have a-z, 0-9, \".\" and \"-\"");
	for (i = 0; sl_each(L, 2, &i); lua_settop(L, 2)) {
		sl_charge(L, 50);
		top = lua_gettop(L);
		value = sl_arg_number(L, top, 0, 1e300);
		lua_pushvalue(L, top - 1);
		legend = sl_arg_string(L, top + 1);
		if (!is_stat_name(legend))
			return sl_fail(L, "syntax", "stat: legends have a-z, 0-9, \".\" and \"-\"");
		text = sl_scratch(L);
		sl_buf_printf(text, "sluice_stat_total{name=\"%.*s\",legend=\"%.*s\"}", (int)name.n, name.p,
		    (int)legend.n, legend.p);
		if (text->failed || !count(L, metrics, text->p, SL_METRIC_ADD, value))
			kept = false;
	}
	if (sl_is_hsl(L))
		sl_none(L);
	else
		sl_bool(L, kept);
	return 1;
}

/* ---- metrics_* ----------------------------------------------------------------------------- */

static bool
is_word(struct sl_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++)
		if (!sl_isalnum(s.p[i]) && s.p[i] != '_')
			return false;
	return s.n > 0 && !sl_isdigit(s.p[0]);
}

struct label {
	struct sl_str name, value;
};

/* By name: the same labels in another order are the same series. The texts stay on the stack. */
static size_t
take_labels(lua_State *L, struct label labels[MAX_LABELS])
{
	size_t i, n = 0, at;
	struct label label;
	int top;

	sl_arg_table(L, 2);
	for (i = 0; sl_each(L, 2, &i);) {
		top = lua_gettop(L);
		if (n == MAX_LABELS)
			luaL_error(L, "more than %d labels", MAX_LABELS);
		luaL_checkstack(L, 8, NULL);
		lua_pushvalue(L, top - 1);
		label.name = sl_arg_string(L, top + 1);
		lua_pushvalue(L, top);
		label.value = sl_arg_string(L, top + 2);
		if (!is_word(label.name))
			luaL_error(L, "a label's name has letters, digits and \"_\"");
		for (at = n++; at > 0 && sl_str_cmp(labels[at - 1].name, label.name) > 0; at--)
			labels[at] = labels[at - 1];
		labels[at] = label;
	}
	return n;
}

static void
put_value(struct sl_buf *out, struct sl_str s)
{
	size_t i;

	for (i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			sl_buf_putc(out, '\\');
		sl_buf_putc(out, s.p[i] >= 0x20 && s.p[i] < 0x7f ? s.p[i] : '?');
	}
}

/* The series in the scratch: NAME{label="value",...} */
static struct sl_buf *
series(lua_State *L)
{
	struct label labels[MAX_LABELS];
	struct sl_str name = sl_arg_string(L, 1);
	size_t n, i;
	struct sl_buf *out;

	luaL_argcheck(L, is_word(name) && !sl_str_starts(name, SL_STR("sluice_")), 1,
	    "letters, digits and \"_\" expected, and not \"sluice_\"");
	n = take_labels(L, labels);
	sl_charge(L, 50);
	out = sl_scratch(L);
	sl_buf_putstr(out, name);
	for (i = 0; i < n; i++) {
		sl_buf_putc(out, i == 0 ? '{' : ',');
		sl_buf_putstr(out, labels[i].name);
		sl_buf_puts(out, "=\"");
		put_value(out, labels[i].value);
		sl_buf_putc(out, '"');
	}
	if (n > 0)
		sl_buf_putc(out, '}');
	sl_buf_putc(out, '\0');
	if (out->failed)
		luaL_error(L, "out of memory");
	return out;
}

static int
change(lua_State *L, enum sl_metric_change how, double value)
{
	struct sl_metrics *metrics = metrics_of(L);

	sl_bool(L, count(L, metrics, series(L)->p, how, value));
	return 1;
}

/*lua
Add to a number in /metrics. Workers count together; a restart begins anew. A policy has 512 of these
numbers at most (each set of labels is one), so labels aren't what senders choose.

@param name string      letters, digits and "_"; not sluice_...
@param labels table     values by name, 8 at most; {} for none
@param value? number    1
@return boolean kept    false: there are 512 already, or name and labels are longer than 199 bytes

    metrics_increment("policy_rejects", { reason = "greylist" })
*/
static int
metrics_increment(lua_State *L)
{
	return change(L, SL_METRIC_ADD, sl_arg_opt_number(L, 3, 0, 1e300, 1));
}

/*lua
Take from a number in /metrics.

@param name string
@param labels table
@param value? number  1
@return boolean kept

    metrics_decrement("policy_open", {}, 2)
*/
static int
metrics_decrement(lua_State *L)
{
	return change(L, SL_METRIC_ADD, -sl_arg_opt_number(L, 3, 0, 1e300, 1));
}

/*lua
Set a number in /metrics.

@param name string
@param labels table
@param value number
@return boolean kept

    metrics_set("policy_list_size", { list = "forwards" }, 120)
*/
static int
metrics_set(lua_State *L)
{
	return change(L, SL_METRIC_SET, sl_arg_number(L, 3, -1e300, 1e300));
}

const struct sl_builtin sl_module_metrics[] = {
	{ "stat", metrics_stat, SL_AT_ANY | SL_IMPURE },
	{ "metrics_increment", metrics_increment, SL_AT_ANY | SL_IMPURE },
	{ "metrics_decrement", metrics_decrement, SL_AT_ANY | SL_IMPURE },
	{ "metrics_set", metrics_set, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
