/* Clock and calendar, ids made of the clock, and waiting for it. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../core/base/alloc.h"
#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/mail/date.h"
#include "../../core/policy/config.h"
#include "../../core/policy/owner.h"

#define MAX_TIME	253402300799.0	/* the end of the year 9999 */
#define MIN_TIME	(-62135596800.0)	/* the beginning of the year 1 */
#define MAX_FORMAT	1000
#define MAX_SLEEP	3600.0

static double
now(lua_State *L)
{
	return (double)sl_run_time(L) / 1e6;
}

/*lua
The seconds that a clock on the wall of this machine has counted since 1970: `time()` and the
offset of the local time zone, without a fraction.

@return number seconds

    assert(abs(timelocal() - time()) < 24 * 3600)
*/
static int
time_timelocal(lua_State *L)
{
	double t = floor(now(L));

	sl_number(L, t + 60.0 * sl_date_local_offset((int64_t)t));
	return 1;
}

/*lua
How long this machine runs.

@return number seconds

    assert(uptime() > 0)
*/
static int
time_uptime(lua_State *L)
{
	struct timespec t = { 0 };

	(void)L;
	clock_gettime(CLOCK_BOOTTIME, &t);
	sl_number(L, sl_door_number(sl_run_tape(L), "uptime", (double)t.tv_sec));
	return 1;
}

/*lua
How long this run takes so far, waiting included.

@return number seconds  with a fraction

    assert(executiontime() < 60)
*/
static int
time_executiontime(lua_State *L)
{
	sl_number(L, sl_door_number(sl_run_tape(L), "executiontime", (double)sl_run_age_us(L) / 1e6));
	return 1;
}

static int
slept(lua_State *L, struct sl_op *op)
{
	(void)op;
	sl_number(L, 0);
	return 1;
}

/*lua
Wait. The run's limit of time counts on.

@param seconds number   at most 3600, with a fraction
@return number left     always 0

    sleep(0.01)
*/
static int
time_sleep(lua_State *L)
{
	double seconds = sl_arg_number(L, 1, 0, MAX_SLEEP);

	return sl_await(L, sl_op_sleep(sl_vm_loop(sl_vm_of(L)), (int64_t)ceil(seconds * 1000)), slept);
}

/* ---- calendar ------------------------------------------------------------------------- */

static bool
wants_local(lua_State *L, int arg)
{
	static const char *const names[] = { "local", NULL };

	sl_options(L, arg, names);
	return sl_opt_bool(L, arg, "local", true);
}

static struct sl_str
format_of(lua_State *L, int arg)
{
	struct sl_str s = sl_arg_string(L, arg);

	if (s.n > MAX_FORMAT)
		sl_arg_error(L, arg, "the format is longer than 1000 bytes");
	if (memchr(s.p, '\0', s.n) != NULL)
		sl_arg_error(L, arg, "the format has a NUL byte");
	return s;
}

/* strftime(3); the format is the script's: an unknown conversion is only text there. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t
format_time(char *out, size_t size, const char *format, const struct tm *tm)
{
	return strftime(out, size, format, tm);
}
#pragma GCC diagnostic pop

/*lua
A time as text, by the conversions of strftime(3), in English.

@param format string    at most 1000 bytes
@param time? number     seconds since 1970 (now)
@param options? table   local (in this machine's time zone; else UTC, true)
@return string text

    assert(strftime("%Y-%m-%d %H:%M:%S", 86400, { ["local"] = false }) == "1970-01-02 00:00:00")
*/
static int
time_strftime(lua_State *L)
{
	struct sl_str format = format_of(L, 1);
	time_t t = (time_t)floor(sl_arg_opt_number(L, 2, MIN_TIME, MAX_TIME, now(L)));
	bool local = wants_local(L, 3);
	char marked[MAX_FORMAT + 2], text[64 * 1024];
	struct tm tm;
	size_t n;

	if ((local ? localtime_r(&t, &tm) : gmtime_r(&t, &tm)) == NULL)
		return sl_arg_error(L, 2, "no calendar has this time");
	/* The mark tells an empty result from one that doesn't fit. */
	snprintf(marked, sizeof(marked), "%s.", format.p);
	sl_charge(L, format.n * 8);
	n = format_time(text, sizeof(text), marked, &tm);
	if (n == 0)
		return sl_arg_error(L, 1, "the text gets too long");
	sl_charge(L, n / 8);
	sl_string(L, (struct sl_str){ text, n - 1 });
	return 1;
}

/*lua
The time that a text says, by the conversions of strptime(3), in English.

@param datestring string
@param format string    at most 1000 bytes
@param options? table   local (the text is in this machine's time zone; else UTC, true)
@return number? seconds since 1970
@return string? err     the text isn't of that format
@return string? code    "syntax"

    assert(strptime("1970-01-02", "%Y-%m-%d", { ["local"] = false }) == 86400)
    assert(strptime("tomorrow", "%Y-%m-%d") == nil)
*/
static int
time_strptime(lua_State *L)
{
	struct sl_str text = sl_arg_string(L, 1), format = format_of(L, 2);
	bool local = wants_local(L, 3);
	struct tm tm = { .tm_mday = 1, .tm_year = 70, .tm_isdst = -1 };
	const char *end;
	long offset;
	time_t t;

	sl_charge(L, text.n + format.n * 8);
	end = strptime(text.p, format.p, &tm);
	if (end == NULL || end != text.p + text.n)
		return sl_fail(L, "syntax", "the text isn't of the format \"%s\"", format.p);
	offset = tm.tm_gmtoff;		/* of %z; mktime and timegm set it anew */
	if (strstr(format.p, "%z") != NULL)
		t = timegm(&tm) - offset;
	else
		t = local ? mktime(&tm) : timegm(&tm);
	sl_number(L, (double)t);
	return 1;
}

/* ---- who and which -------------------------------------------------------------------- */

/*lua
A number as text that is given only once on this machine, growing within a worker.

@return string serial

    assert(serial() ~= serial())
*/
static int
time_serial(lua_State *L)
{
	static _Thread_local int64_t last;
	int64_t us = sl_run_time(L);
	char text[48];

	last = us > last ? us : last + 1;
	snprintf(text, sizeof(text), "%lld%07ld", (long long)last, (long)getpid());
	sl_string(L, sl_door_unique(sl_run_tape(L), "serial", sl_str_of(text)));
	return 1;
}

/*lua
The name of this mail server: `hostname` of the policy, else that of the machine.

@return string hostname

    assert(#gethostname() > 0)
*/
static int
time_gethostname(lua_State *L)
{
	const struct sl_config *config = sl_engine_config_of(L);
	char name[256] = "";

	if (config != NULL && config->hostname != NULL) {
		sl_text(L, config->hostname);
		return 1;
	}
	gethostname(name, sizeof(name) - 1);
	sl_string(L, sl_door_text(sl_run_tape(L), "hostname", sl_str_of(name)));
	return 1;
}

const struct sl_builtin sl_module_time[] = {
	{ "timelocal", time_timelocal, SL_AT_ANY | SL_IMPURE },
	{ "uptime", time_uptime, SL_AT_ANY | SL_IMPURE },
	{ "executiontime", time_executiontime, SL_AT_ANY | SL_IMPURE },
	{ "sleep", time_sleep, SL_AT_ANY | SL_WAITS },
	{ "strftime", time_strftime, SL_AT_ANY | SL_IMPURE },
	{ "strptime", time_strptime, SL_AT_ANY | SL_IMPURE },
	{ "serial", time_serial, SL_AT_ANY | SL_IMPURE },
	{ "gethostname", time_gethostname, SL_AT_ANY | SL_IMPURE },
	{ NULL, NULL, 0 },
};
