/* Recorded milter sessions: every packet is read as the recording describes it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../auth/vectors_testing.h"
#include "packet.h"

static bool
same(const json_t *one, const char *key, struct sl_str s)
{
	return sl_str_eq(s, sl_str_of(case_text(one, key)));
}

static bool
same_negotiation(const json_t *one, struct sl_str data)
{
	struct sl_milter_options o;

	return sl_milter_options_parse(&o, data, NULL) == 0 &&
	    o.version == json_integer_value(json_object_get(one, "version")) &&
	    o.actions == strtoul(case_text(one, "actions"), NULL, 16) &&
	    o.steps == strtoul(case_text(one, "protocol"), NULL, 16);
}

static bool
same_peer(const json_t *one, struct sl_str data)
{
	struct sl_milter_peer p;

	return sl_milter_peer_parse(&p, data, NULL) == 0 && same(one, "hostname", p.hostname) &&
	    p.family == case_text(one, "family")[0] && same(one, "address", p.address) &&
	    p.port == json_integer_value(json_object_get(one, "port"));
}

static bool
same_macros(const json_t *one, struct sl_str data)
{
	const json_t *macros = json_object_get(one, "macros"), *wanted;
	struct sl_str rest, name, value;
	char command, braced[80];
	size_t n = 0;

	if (sl_milter_macros_parse(&command, &rest, data, NULL) != 0 ||
	    command != case_text(one, "for_cmd")[0])
		return false;
	while (sl_milter_macro(&rest, &name, &value)) {
		snprintf(braced, sizeof(braced), name.n > 1 ? "{%.*s}" : "%.*s", (int)name.n, name.p);
		wanted = json_object_get(macros, braced);
		if (wanted == NULL || !sl_str_eq(value, sl_str_of(json_string_value(wanted))))
			return false;
		n++;
	}
	return n == json_object_size(macros);
}

static bool
same_path(const json_t *one, struct sl_str data)
{
	struct sl_str path, rest;

	return sl_milter_path_parse(&path, &rest, data, NULL) == 0 &&
	    sl_str_eq(path, sl_str_of(json_string_value(json_array_get(
	    json_object_get(one, "args"), 0))));
}

/* As the field is in a message, and as it goes out again. */
static bool
same_field(const json_t *one, struct sl_str data)
{
	struct sl_buf text = SL_BUF_INIT, wanted = SL_BUF_INIT;
	const char *value = case_text(one, "value");
	bool good = sl_milter_field_parse(&text, data, true, NULL) == 0;

	sl_buf_printf(&wanted, "%s:", case_text(one, "header"));
	for (; *value != '\0'; value++)
		sl_buf_printf(&wanted, "%s%c", *value == '\n' && value[-1] != '\r' ? "\r" : "", *value);
	sl_buf_puts(&wanted, "\r\n");
	good = good && sl_str_eq(sl_buf_str(&text), sl_buf_str(&wanted));
	sl_buf_clear(&text);
	sl_buf_clear(&wanted);
	return good;
}

static bool
same_insert(const json_t *one, struct sl_str packet)
{
	struct sl_buf out = SL_BUF_INIT;
	bool good;

	sl_milter_put_field(&out, SL_MILTER_INSERT_FIELD,
	    (uint32_t)json_integer_value(json_object_get(one, "index")),
	    sl_str_of(case_text(one, "header")), sl_str_of(case_text(one, "value")), true, NULL);
	good = sl_str_eq(sl_str_sub(sl_buf_str(&out), 4, out.n), packet);
	sl_buf_clear(&out);
	return good;
}

static bool
same_packet(const json_t *one, struct sl_str packet)
{
	struct sl_str data = sl_str_sub(packet, 1, packet.n);

	if (packet.n == 0 || packet.p[0] != case_text(one, "cmd")[0])
		return false;
	switch (packet.p[0]) {
	case SL_MILTER_NEGOTIATE:
		return same_negotiation(one, data);
	case SL_MILTER_CONNECT:
		return same_peer(one, data);
	case SL_MILTER_MACROS:
		return same_macros(one, data);
	case SL_MILTER_MAIL:
	case SL_MILTER_RCPT:
		return same_path(one, data);
	case SL_MILTER_HEADER:
		return same_field(one, data);
	case SL_MILTER_INSERT_FIELD:
		return same_insert(one, packet);
	case SL_MILTER_BODY:
		return same(one, "data", data);
	default:
		return data.n == 0;
	}
}

/* All packets of a session come in one stream. */
static bool
session_good(const json_t *session)
{
	struct sl_buf bytes = SL_BUF_INIT, packet = SL_BUF_INIT;
	struct sl_milter_packet p;
	struct sl_str rest;
	const char *hex;
	bool good = true;
	size_t i, used;
	json_t *one;

	json_array_foreach(session, i, one) {
		hex = json_string_value(json_object_get(one, "hex"));
		if (hex == NULL)
			continue;
		sl_buf_reset(&packet);
		good = good && sl_hex_decode(&packet, sl_str_of(hex)) == 0 &&
		    same_packet(one, sl_buf_str(&packet));
		if (sl_str_eq(sl_str_of(case_text(one, "from")), SL_STR("mta"))) {
			char length[4] = { 0, (char)(packet.n >> 16), (char)(packet.n >> 8),
				(char)packet.n };
			sl_buf_put(&bytes, length, 4);
			sl_buf_put(&bytes, packet.p, packet.n);
		}
	}
	for (rest = sl_buf_str(&bytes); good && rest.n > 0; rest = sl_str_sub(rest, used, rest.n))
		good = sl_milter_packet_take(rest, &p, &used, NULL) == 1;
	sl_buf_clear(&bytes);
	sl_buf_clear(&packet);
	return good;
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one, *session;
	size_t i, k;

	(void)folder;
	json_array_foreach(json_object_get(suite, "cases"), i, one)
		json_array_foreach(json_object_get(one, "sessions"), k, session)
			tally_case(t, case_text(one, "id"), session_good(session));
}

static void
test_sessions(void **state)
{
	struct tally all;

	(void)state;
	if (!run_area("milter", run, &all))
		skip();
	assert_int_equal(all.failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sessions) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
