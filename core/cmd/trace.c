/*
 * sluice trace: one message through a policy, as a timeline of what its
 * scripts called, asked and decided. What a simulation needs is said on the
 * command line; questions that nobody answered are reported.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/terminal.h"
#include "../mail/date.h"
#include "cmd.h"
#include "desk.h"
#include "desk_show.h"

#define MAX_MESSAGE	(256 * 1024 * 1024)
#define MAX_ZONE	(16 * 1024 * 1024)
#define MAX_BODY	(16 * 1024 * 1024)
#define MAX_LIST	100

struct options {
	const char *policy, *file, *from, *helo, *auth, *zone, *time;
	struct desk_peer peer;
	const char *to[MAX_LIST], *http[MAX_LIST];
	size_t nto, nhttp;
	bool tls, live, json;
};

/* ---- the world --------------------------------------------------------------------------- */

/* URL=FILE; the last '=' parts them, for queries have some. */
static int
add_route(struct desk *d, const char *arg)
{
	const char *cut = strrchr(arg, '=');
	json_t *answers = json_array(), *answer = json_object();
	struct sl_buf body;
	char *url;

	if (cut == NULL || cmd_read(cut + 1, MAX_BODY, &body) != 0) {
		if (cut == NULL)
			fprintf(stderr, "sluice: --http: URL=FILE is expected, not \"%s\"\n", arg);
		json_decref(answers);
		json_decref(answer);
		return -1;
	}
	json_object_set_new(answer, "body", json_stringn_nocheck(body.p != NULL ? body.p : "", body.n));
	json_array_append_new(answers, answer);
	url = strndup(arg, (size_t)(cut - arg));
	desk_route(d, NULL, url, answers);
	free(url);
	sl_buf_clear(&body);
	return 0;
}

static int
set_world(struct desk *d, const struct options *o)
{
	struct sl_buf text;
	struct sl_err err;
	int64_t us;
	size_t i;

	if (o->time != NULL) {
		if (cmd_parse_time(o->time, &us) != 0) {
			fprintf(stderr, "sluice: --time: 2026-01-01 or 2026-01-01T12:00:00Z is expected\n");
			return -1;
		}
		desk_set_time(d, us);
	}
	if (o->zone != NULL) {
		if (cmd_read(o->zone, MAX_ZONE, &text) != 0)
			return -1;
		if (desk_zone(d, sl_buf_str(&text), &err) != 0) {
			cmd_complain(o->zone, err.text);
			sl_buf_clear(&text);
			return -1;
		}
		sl_buf_clear(&text);
	}
	for (i = 0; i < o->nhttp; i++)
		if (add_route(d, o->http[i]) != 0)
			return -1;
	if (o->live && desk_live(d, true, &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return -1;
	}
	return 0;
}

/* ---- the conversation -------------------------------------------------------------------- */

static bool
goes_on(const json_t *verdict)
{
	return verdict != NULL && json_integer_value(json_object_get(verdict, "code")) < 400 &&
	    !json_is_true(json_object_get(verdict, "disconnect"));
}

/* The verdict that counts from now on; the former one is dropped. */
static bool
step(json_t **last, json_t *verdict)
{
	json_decref(*last);
	*last = verdict;
	return goes_on(verdict);
}

/* USER:PASSWORD logs in, USER alone is authenticated already. */
static bool
authenticate(struct desk *d, const char *auth, json_t **last, struct sl_err *err)
{
	const char *colon = strchr(auth, ':');
	char *user;
	bool ok;

	if (colon == NULL)
		return desk_account(d, auth, err) == 0;
	user = strndup(auth, (size_t)(colon - auth));
	ok = step(last, desk_auth(d, "PLAIN", user, colon + 1, err));
	free(user);
	return ok;
}

/* NULL: *err says why it went no further. */
static json_t *
converse(struct desk *d, const struct options *o, struct sl_str message, struct sl_err *err)
{
	json_t *last = NULL;
	size_t accepted = 0, i;

	err->code = 0;
	if (!step(&last, desk_connect(d, &o->peer, err)) || !step(&last, desk_helo(d, o->helo, err)))
		return last;
	if (o->tls && (desk_tls(d, "TLSv1.3", err) != 0 || !step(&last, desk_helo(d, o->helo, err))))
		return last;
	if (o->auth != NULL && !authenticate(d, o->auth, &last, err))
		return last;
	if (!step(&last, desk_mail(d, o->from, err)))
		return last;
	for (i = 0; i < o->nto; i++)
		accepted += step(&last, desk_rcpt(d, o->to[i], err));
	if (accepted > 0)
		step(&last, desk_data(d, message, err));
	return last;
}

/* ---- telling ----------------------------------------------------------------------------- */

static void
print_text(struct desk *d, const json_t *verdict, struct sl_str message)
{
	bool color = sl_terminal_colors(STDOUT_FILENO);
	struct sl_buf out = SL_BUF_INIT;
	const json_t *item;
	size_t i;

	json_array_foreach(desk_events(d), i, item)
		desk_show_event(&out, item, color);
	sl_buf_putc(&out, '\n');
	desk_show_verdict(&out, verdict, color);
	desk_show_messages(&out, verdict, message, color);
	desk_print(d, &out);
	sl_buf_clear(&out);
}

static void
print_json(struct desk *d, const json_t *verdict)
{
	json_t *out = json_object();
	struct sl_buf text = SL_BUF_INIT;
	char *dump;

	json_object_set_new(out, "events", cmd_json_presentable(desk_events(d)));
	json_object_set_new(out, "verdict", cmd_json_presentable(verdict));
	json_object_set_new(out, "unanswered", cmd_json_presentable(desk_unanswered(d)));
	dump = json_dumps(out, JSON_INDENT(2));
	sl_buf_puts(&text, dump != NULL ? dump : "");
	sl_buf_putc(&text, '\n');
	desk_print(d, &text);
	free(dump);
	sl_buf_clear(&text);
	json_decref(out);
}

static void
complain_unanswered(struct desk *d)
{
	struct sl_buf line = SL_BUF_INIT;
	const json_t *q;
	size_t i;

	json_array_foreach(desk_unanswered(d), i, q) {
		sl_buf_reset(&line);
		desk_describe_question(q, &line);
		fprintf(stderr, "sluice: %s (--%s, or --live)\n", line.p,
		    json_object_get(q, "dns") != NULL ? "zone FILE" : "http URL=FILE");
	}
	sl_buf_clear(&line);
}

static int
run(struct desk *d, const struct options *o, struct sl_str message)
{
	struct sl_err err;
	json_t *verdict;

	if (set_world(d, o) != 0)
		return 2;
	verdict = converse(d, o, message, &err);
	desk_disconnect(d);
	if (verdict == NULL || err.code != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		json_decref(verdict);
		return 2;
	}
	if (o->json)
		print_json(d, verdict);
	else
		print_text(d, verdict, message);
	json_decref(verdict);
	complain_unanswered(d);
	if (cmd_flush() != 0)
		return 2;
	return json_array_size(desk_unanswered(d)) > 0;
}

static int
trace(const struct options *o)
{
	struct sl_buf report = SL_BUF_INIT, message;
	struct desk *d;
	int status = 2;

	if (cmd_read(o->file, MAX_MESSAGE, &message) != 0)
		return 2;
	d = desk_open(o->policy, !o->live, SL_TRACE, &report);
	if (d != NULL && desk_begin(d, &report) == 0)
		status = run(d, o, sl_buf_str(&message));
	else
		fprintf(stderr, "%s", report.p != NULL ? report.p : "");
	desk_close(d);
	sl_buf_clear(&message);
	sl_buf_clear(&report);
	return status;
}

/* ---- the command line -------------------------------------------------------------------- */

int
cmd_trace(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "ip", required_argument, NULL, 'i' }, { "helo", required_argument, NULL, 'h' },
		{ "from", required_argument, NULL, 'f' }, { "to", required_argument, NULL, 't' },
		{ "policy", required_argument, NULL, 'p' }, { "server", required_argument, NULL, 's' },
		{ "auth", required_argument, NULL, 'a' }, { "tls", no_argument, NULL, 'T' },
		{ "zone", required_argument, NULL, 'z' }, { "http", required_argument, NULL, 'H' },
		{ "time", required_argument, NULL, 'c' }, { "live", no_argument, NULL, 'l' },
		{ "json", no_argument, NULL, 'j' }, { 0 },
	};
	struct options o = { .policy = "." };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (c) {
		case 'i': o.peer.ip = optarg; break;
		case 'h': o.helo = optarg; break;
		case 'f': o.from = optarg; break;
		case 't':
			if (o.nto < MAX_LIST)
				o.to[o.nto++] = optarg;
			break;
		case 'p': o.policy = optarg; break;
		case 's': o.peer.server = optarg; break;
		case 'a': o.auth = optarg; break;
		case 'T': o.tls = true; break;
		case 'z': o.zone = optarg; break;
		case 'H':
			if (o.nhttp < MAX_LIST)
				o.http[o.nhttp++] = optarg;
			break;
		case 'c': o.time = optarg; break;
		case 'l': o.live = true; break;
		case 'j': o.json = true; break;
		default: return cmd_usage("trace");
		}
	if (optind != argc - 1)
		return cmd_usage("trace");
	o.file = argv[optind];
	if (o.peer.ip == NULL || o.helo == NULL || o.from == NULL || o.nto == 0) {
		fprintf(stderr, "sluice: %s is needed\n", o.peer.ip == NULL ? "--ip" :
		    o.helo == NULL ? "--helo" : o.from == NULL ? "--from" : "--to");
		return cmd_usage("trace");
	}
	return trace(&o);
}
