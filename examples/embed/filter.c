/*
 * A filter: one message from stdin through a policy, what it becomes to stdout.
 * The blocking way to use sluice: begin a call, wait for it.
 *
 *	cc filter.c $(pkg-config --cflags --libs sluice) -o filter
 *	filter POLICY CLIENT-IP SENDER RECIPIENT... < message
 *
 * Exits with 0 (delivered to stdout, or deleted), 69 (rejected) or 75 (try again
 * later); the reply is on stderr.
 */
#include <stdio.h>
#include <string.h>

#include <sluice.h>

enum { DELIVERED = 0, REJECTED = 69, LATER = 75 };

struct answer {
	int code;		/* of the last reply; 0 = none yet */
};

static void
on_error(void *arg, struct sl_str line)
{
	(void)arg;
	fprintf(stderr, "%.*s\n", (int)line.n, line.p);
}

/* Why a script failed, for instance. */
static void
on_event(void *arg, enum sl_level level, const char *name, struct sl_str json)
{
	(void)arg, (void)level, (void)name;
	fprintf(stderr, "%.*s\n", (int)json.n, json.p);
}

/* A verdict lives as long as the callback: what is needed is taken. */
static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	struct answer *a = arg;

	a->code = v->code;
	if (v->code >= 300 && v->nlines > 0)
		fprintf(stderr, "%d %s %s\n", v->code, v->enhanced, v->lines[0]);
}

/* One message for each set of recipients whose edits are equal; a filter has one stdout. */
static void
on_outcome(void *arg, const struct sl_outcome *outcome)
{
	const struct sl_out_message *m;
	size_t i;

	on_verdict(arg, outcome->verdict);
	if (outcome->n == 0)
		return;
	m = &outcome->messages[0];
	if (m->quarantine != NULL)
		fprintf(stderr, "held in quarantine \"%s\"\n", m->quarantine);
	for (i = 0; m->quarantine == NULL && i < m->npieces; i++)
		fwrite(m->pieces[i].p, 1, m->pieces[i].n, stdout);
}

/* Lines of files end in LF, those of mail in CRLF. */
static int
read_message(struct sl_session *s, FILE *in)
{
	char chunk[8192], last = 0;
	size_t n = 0;
	int c, rc = 0;

	while (rc == 0 && (c = getc(in)) != EOF) {
		if (c == '\n' && last != '\r')
			chunk[n++] = '\r';
		chunk[n++] = last = (char)c;
		if (n < sizeof(chunk) - 1)
			continue;
		rc = sl_session_data(s, (struct sl_str){ chunk, n });
		n = 0;
	}
	return rc == 0 ? sl_session_data(s, (struct sl_str){ chunk, n }) : rc;
}

/* The call was begun, and its answer is 2xx: the next one may follow. */
static bool
ok(struct sl_session *s, int rc, const struct answer *a)
{
	if (rc == 0)
		rc = sl_session_wait(s);
	if (rc != 0)
		fprintf(stderr, "sluice: %s\n", sl_err_word(rc));
	return rc == 0 && a->code < 300;
}

static void
filter(struct sl_session *s, char **args, struct answer *a)
{
	char path[1024];

	if (!ok(s, sl_session_connect(s, on_verdict, a), a) ||
	    !ok(s, sl_session_helo(s, "localhost", true, on_verdict, a), a))
		return;
	snprintf(path, sizeof(path), "<%s>", args[0]);
	if (!ok(s, sl_session_mail(s, sl_str_of(path), NULL, on_verdict, a), a))
		return;
	while (*++args != NULL) {
		snprintf(path, sizeof(path), "<%s>", *args);
		ok(s, sl_session_rcpt(s, sl_str_of(path), on_verdict, a), a);
	}
	if (sl_session_recipients(s) == 0)
		return;
	a->code = 0;		/* one recipient is enough, whatever was said to the last */
	if (ok(s, read_message(s, stdin), a))
		ok(s, sl_session_data_end(s, on_outcome, a), a);
}

int
main(int argc, char **argv)
{
	struct sl_engine_options options = { .event = on_event, .level = SL_WARNING };
	struct sl_session_info info = { .server = "inbound", .serverip = "127.0.0.1" };
	struct sl_session *session = NULL;
	struct sl_engine *engine;
	struct answer a = { 0 };
	struct sl_err err;

	if (argc < 5) {
		fprintf(stderr, "usage: filter POLICY CLIENT-IP SENDER RECIPIENT... < message\n");
		return 64;
	}
	info.senderip = argv[2];
	engine = sl_engine_new(&options, &err);
	if (engine == NULL || sl_engine_load(engine, argv[1], on_error, NULL) != 0 ||
	    sl_session_open(engine, &info, &session, &err) != 0) {
		fprintf(stderr, "filter: the policy isn't loaded\n");
		a.code = 0;
	} else {
		filter(session, argv + 3, &a);
	}
	sl_session_close(session);
	sl_engine_free(engine);
	return a.code >= 500 ? REJECTED : a.code >= 200 && a.code < 300 ? DELIVERED : LATER;
}
