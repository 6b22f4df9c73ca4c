/* Events: the two forms of a line, escaping (case A38), and the sinks. */
#include "event.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "alloc.h"

#define NOON 45296789123	/* 1970-01-01 12:34:56.789123 */

static int64_t
fixed_time(void *arg)
{
	(void)arg;
	return NOON;
}

static void
forms(void **state)
{
	static const struct {
		const char *name, *value, *text, *json;
	} cases[] = {
		{ "plain", "a@b.example", "a@b.example", "\"a@b.example\"" },
		{ "empty", "", "\"\"", "\"\"" },
		{ "blank", "a b", "\"a b\"", "\"a b\"" },
		{ "newline", "a\r\nb", "\"a\\r\\nb\"", "\"a\\r\\nb\"" },
		{ "terminal", "\033[2J", "\"\\x1b[2J\"", "\"\\u001b[2J\"" },
		{ "quote", "a\"b\\", "\"a\\\"b\\\\\"", "\"a\\\"b\\\\\"" },
		{ "field injection", "x code=250", "\"x code=250\"", "\"x code=250\"" },
		{ "utf-8", "\xc3\xa9", "\"\xc3\xa9\"", "\"\xc3\xa9\"" },
		{ "not utf-8", "a\xff", "\"a\\xff\"", "\"a\\\\xff\"" },
		{ "cut utf-8", "\xe2\x82", "\"\\xe2\\x82\"", "\"\\\\xe2\\\\x82\"" },
		{ "C1", "\xc2\x9b", "\"\\u009b\"", "\"\\u009b\"" },
		{ "direction", "\xe2\x80\xae", "\"\\u202e\"", "\"\\u202e\"" },
	};
	struct sl_buf b = SL_BUF_INIT;
	char want[200];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct sl_event e = { NOON, SL_INFO, "relay_denied",
			SL_FIELDS(SL_F_TEXT("recipient", cases[i].value), SL_F_INT("code", 550)) };

		sl_buf_reset(&b);
		assert_int_equal(sl_event_format_text(&b, &e, false), 0);
		snprintf(want, sizeof(want), "12:34:56.789 info   relay_denied recipient=%s code=550",
		    cases[i].text);
		assert_string_equal(b.p, want);
		sl_buf_reset(&b);
		assert_int_equal(sl_event_format_json(&b, &e), 0);
		snprintf(want, sizeof(want), "{\"time\":\"1970-01-01T12:34:56.789123Z\",\"level\":"
		    "\"info\",\"event\":\"relay_denied\",\"recipient\":%s,\"code\":550}", cases[i].json);
		assert_string_equal(b.p, want);
	}
	sl_buf_clear(&b);
}

static void
numbers(void **state)
{
	struct sl_event e = { NOON, SL_ERROR, "x\n", SL_FIELDS(SL_F_REAL("r", 0.25),
		SL_F_BOOL("b", true), SL_F_REAL("inf", 1e308 * 10), SL_F_INT("a b", -1)) };
	struct sl_buf b = SL_BUF_INIT;

	(void)state;
	sl_event_format_json(&b, &e);
	assert_non_null(strstr(b.p, "\"event\":\"x_\",\"r\":0.25,\"b\":true,\"inf\":null,\"a_b\":-1}"));
	sl_buf_reset(&b);
	sl_event_format_text(&b, &e, true);
	assert_non_null(strstr(b.p, "\033[31merror \033[0m"));
	sl_buf_clear(&b);
}

static void
levels(void **state)
{
	struct sl_events events;
	struct sl_event_sink *a, *b;
	int fds[2];
	char got[400];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	sl_events_init(&events);
	events.time_us = fixed_time;
	assert_false(sl_event_wanted(&events, SL_CRITICAL));
	a = sl_event_sink_fd(fds[1], false, SL_EVENT_TEXT, SL_WARNING);
	b = sl_event_sink_fd(fds[1], false, SL_EVENT_JSON, SL_INFO);
	sl_events_add(&events, a);
	sl_events_add(&events, b);
	assert_true(sl_event_wanted(&events, SL_INFO));
	assert_false(sl_event_wanted(&events, SL_DEBUG));
	sl_event(&events, SL_DEBUG, "no", NULL);
	sl_event(&events, SL_INFO, "one", NULL);
	sl_event(&events, SL_ERROR, "two", NULL);
	sl_events_flush(&events);
	n = read(fds[0], got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	assert_int_equal(strncmp(got, "12:34:56.789 error  two\n{", 25), 0);
	assert_null(strstr(got, "\"no\""));
	sl_events_remove(&events, b);
	assert_int_equal(events.level, SL_WARNING);
	sl_events_remove(&events, a);
	sl_event_sink_free(a);
	sl_event_sink_free(b);
	close(fds[0]);
	close(fds[1]);
}

/* A pipe that is full: nothing blocks, whole lines come through, the loss is told. */
static void
full_pipe(void **state)
{
	struct sl_events events;
	struct sl_event_sink *sink;
	struct sl_buf all = SL_BUF_INIT;
	char big[3000], got[65536];
	int fds[2];
	ssize_t n;

	(void)state;
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	sl_events_init(&events);
	sink = sl_event_sink_fd(fds[1], false, SL_EVENT_JSON, SL_INFO);
	sl_events_add(&events, sink);
	for (int i = 0; i < 1000; i++)
		sl_event(&events, SL_INFO, "big", SL_FIELDS(SL_F_TEXT("v", big)));
	for (int i = 0; i < 100; i++) {
		while ((n = read(fds[0], got, sizeof(got))) > 0)
			sl_buf_put(&all, got, (size_t)n);
		if (i == 50)
			sl_event(&events, SL_INFO, "last", NULL);
		sl_events_flush(&events);
	}
	assert_non_null(strstr(all.p, "\"event\":\"events_dropped\""));
	assert_non_null(strstr(all.p, "\"event\":\"last\"}\n"));
	for (char *line = strtok(all.p, "\n"); line != NULL; line = strtok(NULL, "\n"))
		assert_true(line[0] == '{' && line[strlen(line) - 1] == '}');
	sl_event_sink_free(sink);
	sl_buf_clear(&all);
	close(fds[0]);
	close(fds[1]);
}

static void
syslog_socket(void **state)
{
	char dir[] = "/tmp/sluice-event-XXXXXX";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct sl_events events;
	struct sl_event_sink *sink;
	char got[9000];
	bool told = false;
	ssize_t n;
	int fd;

	(void)state;
	setenv("TZ", "UTC", 1);
	assert_non_null(mkdtemp(dir));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/log", dir);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	sl_events_init(&events);
	events.time_us = fixed_time;
	sink = sl_event_sink_syslog(at.sun_path, "sluice", SL_INFO, NULL);
	assert_non_null(sink);
	sl_events_add(&events, sink);
	sl_event(&events, SL_WARNING, "hello", SL_FIELDS(SL_F_INT("n", 1)));
	n = recv(fd, got, sizeof(got) - 1, 0);
	assert_true(n > 0);
	got[n] = '\0';
	assert_int_equal(strncmp(got, "<20>Jan  1 12:34:56 sluice[", 27), 0);
	assert_non_null(strstr(got, "]: warn   hello n=1"));
	/* Nobody reads: never blocks, and the loss is told once there is room. */
	for (int i = 0; i < 2000; i++)
		sl_event(&events, SL_WARNING, "flood", NULL);
	while (recv(fd, got, sizeof(got), 0) > 0)
		;
	sl_event(&events, SL_WARNING, "after", NULL);
	while ((n = recv(fd, got, sizeof(got) - 1, 0)) > 0) {
		got[n] = '\0';
		told = told || strstr(got, "events_dropped count=") != NULL;
	}
	assert_true(told);
	close(fd);
	sl_event_sink_free(sink);
	unlink(at.sun_path);
	rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms), cmocka_unit_test(numbers), cmocka_unit_test(levels),
		cmocka_unit_test(full_pipe),
		cmocka_unit_test(syslog_socket),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
