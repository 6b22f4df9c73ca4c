/* Dates of mail: see date.h. Days are counted in the proleptic Gregorian calendar. */
#include "date.h"

#include <stdio.h>
#include <time.h>

#define MAX_COMMENTS	20

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
    "Oct", "Nov", "Dec" };

/* Days since 1970-01-01 of a day in month 1-12; years count from March here,
 * so that the leap day comes last. */
static int64_t
days_of(int64_t year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year, era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400, doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static bool
is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int
days_in(int64_t year, int month)
{
	static const int n[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return month == 2 && is_leap(year) ? 29 : n[month - 1];
}

const char *
sl_date_format(char *out, int64_t time, int offset)
{
	time_t local = (time_t)(time + (int64_t)offset * 60);
	int east = offset < 0 ? -offset : offset;
	struct tm tm;

	if (gmtime_r(&local, &tm) == NULL || tm.tm_year > 8099 || tm.tm_year < -1900) {
		local = 0;
		gmtime_r(&local, &tm);
	}
	snprintf(out, SL_DATE_SIZE, "%s, %d %s %04d %02d:%02d:%02d %c%02d%02d",
	    days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour,
	    tm.tm_min, tm.tm_sec, offset < 0 ? '-' : '+', east / 60 % 24, east % 60);
	return out;
}

int
sl_date_local_offset(int64_t time)
{
	time_t t = (time_t)time;
	struct tm tm;

	return localtime_r(&t, &tm) != NULL ? (int)(tm.tm_gmtoff / 60) : 0;
}

/* ---- reading --------------------------------------------------------- */

static bool
skip_comment(struct sl_str *s)
{
	unsigned depth = 0;
	size_t i = 0;

	for (; i < s->n; i++) {
		if (s->p[i] == '(' && ++depth > MAX_COMMENTS)
			return false;
		if (s->p[i] == '\\')
			i++;
		else if (s->p[i] == ')' && --depth == 0)
			break;
	}
	if (i >= s->n)
		return false;
	*s = sl_str_sub(*s, i + 1, s->n);
	return true;
}

static bool
skip_cfws(struct sl_str *s)
{
	while (s->n > 0) {
		if (s->p[0] == '(') {
			if (!skip_comment(s))
				return false;
		} else if (sl_isspace(s->p[0])) {
			*s = sl_str_sub(*s, 1, s->n);
		} else {
			break;
		}
	}
	return true;
}

/* 1 to 'max' digits, with what follows skipped; *width may be NULL. */
static bool
number(struct sl_str *s, size_t max, int *out, size_t *width)
{
	size_t n = 0;

	*out = 0;
	for (; n < s->n && n < max && sl_isdigit(s->p[n]); n++)
		*out = *out * 10 + (s->p[n] - '0');
	if (n == 0 || (n < s->n && sl_isdigit(s->p[n])))
		return false;
	if (width != NULL)
		*width = n;
	*s = sl_str_sub(*s, n, s->n);
	return skip_cfws(s);
}

static struct sl_str
word(struct sl_str *s)
{
	struct sl_str w;
	size_t n = 0;

	while (n < s->n && sl_isalpha(s->p[n]))
		n++;
	w = sl_str_sub(*s, 0, n);
	*s = sl_str_sub(*s, n, s->n);
	return w;
}

static bool
literal(struct sl_str *s, char c)
{
	if (s->n == 0 || s->p[0] != c)
		return false;
	*s = sl_str_sub(*s, 1, s->n);
	return skip_cfws(s);
}

/* Index in a table of three-letter words, -1 = none. */
static int
named(struct sl_str w, const char (*table)[4], int n)
{
	for (int i = 0; i < n; i++) {
		if (sl_str_ieq(w, sl_str_of(table[i])))
			return i;
	}
	return -1;
}

static bool
month(struct sl_str *s, int *out)
{
	*out = named(word(s), months, 12) + 1;
	return *out > 0 && skip_cfws(s);
}

static bool
year(struct sl_str *s, int *out)
{
	size_t width;

	if (!number(s, 5, out, &width) || width < 2)
		return false;
	/* RFC 5322 4.3 */
	if (width == 2)
		*out += *out < 50 ? 2000 : 1900;
	else if (width == 3)
		*out += 1900;
	return *out >= 1900 && *out <= 9999;
}

/* RFC 5322 4.3 */
static int
named_zone(struct sl_str w)
{
	static const char names[][4] = { "EST", "EDT", "CST", "CDT", "MST", "MDT", "PST", "PDT" };
	static const int hours[] = { -5, -4, -6, -5, -7, -6, -8, -7 };
	int i = named(w, names, 8);

	return i >= 0 ? hours[i] * 60 : 0;
}

static bool
zone(struct sl_str *s, int *out)
{
	struct sl_str w;
	size_t width;
	int v, sign;

	if (s->n > 0 && (s->p[0] == '+' || s->p[0] == '-')) {
		sign = s->p[0] == '-' ? -1 : 1;
		*s = sl_str_sub(*s, 1, s->n);
		if (!number(s, 4, &v, &width) || width != 4 || v % 100 > 59 || v / 100 > 23)
			return false;
		*out = sign * (v / 100 * 60 + v % 100);
		return true;
	}
	w = word(s);
	*out = named_zone(w);
	return w.n > 0 && skip_cfws(s);
}

static bool
time_of_day(struct sl_str *s, int *out)
{
	int h, m, sec = 0;

	if (!number(s, 2, &h, NULL) || !literal(s, ':') || !number(s, 2, &m, NULL))
		return false;
	if (s->n > 0 && s->p[0] == ':' && (!literal(s, ':') || !number(s, 2, &sec, NULL)))
		return false;
	*out = h * 3600 + m * 60 + sec;
	return h < 24 && m < 60 && sec <= 60;
}

/* "Tue," or nothing. */
static bool
day_of_week(struct sl_str *s)
{
	struct sl_str w = word(s);

	if (w.n == 0)
		return true;
	return named(w, days, 7) >= 0 && skip_cfws(s) && literal(s, ',');
}

int
sl_date_parse(struct sl_str s, int64_t *time, int *offset, struct sl_err *err)
{
	int d, m, y, seconds, east;

	if (!skip_cfws(&s) || !day_of_week(&s) || !number(&s, 2, &d, NULL) || !month(&s, &m) ||
	    !year(&s, &y) || !time_of_day(&s, &seconds) || !zone(&s, &east) || s.n > 0 ||
	    d < 1 || d > days_in(y, m))
		return sl_err_set(err, SL_ERR_SYNTAX, "not a date of RFC 5322");
	*time = days_of(y, m, d) * 86400 + seconds - (int64_t)east * 60;
	if (offset != NULL)
		*offset = east;
	return 0;
}
