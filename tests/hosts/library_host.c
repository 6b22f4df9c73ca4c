/*
 * A host of libsluice for tests: sessions as lines on stdin, what the engine says as
 * lines on stdout. library_host POLICY copies|changes
 *
 *	connect IP | helo NAME | mail PATH | rcpt PATH | data FILE | end
 *
 *	reply CODE CLOSES ENHANCED TEXT|TEXT
 *	copy QUARANTINE SENDER HEX	to RECIPIENT TRANSPORT DELAY METADATA
 *	insert I NAME HEX	change I NAME HEX	delete I NAME
 *	sender S	removed I	added R	quarantine Q	body HEX	discard
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sluice.h>

static struct sl_session *session;

static void
put_hex(struct sl_str s)
{
	for (size_t i = 0; i < s.n; i++)
		printf("%02x", (unsigned char)s.p[i]);
}

static const char *
or_dash(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : "-";
}

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	(void)arg;
	printf("reply %d %d %s ", v->code, v->disconnect, or_dash(v->enhanced));
	for (size_t i = 0; i < v->nlines; i++)
		printf("%s%s", i > 0 ? "|" : "", v->lines[i]);
	putchar('\n');
}

static void
put_copy(const struct sl_out_message *m)
{
	printf("copy %s %s ", or_dash(m->quarantine), or_dash(m->sender));
	for (size_t i = 0; i < m->npieces; i++)
		put_hex(m->pieces[i]);
	for (size_t i = 0; i < m->n; i++)
		printf("\nto %s %s %g %s", m->recipients[i].recipient, or_dash(m->recipients[i].transport),
		    m->recipients[i].delay, or_dash(m->recipients[i].metadata));
	putchar('\n');
}

static void
put_changes(const struct sl_changes *c)
{
	static const char *const words[] = { "insert", "change", "delete" };

	for (size_t i = 0; i < c->nfields; i++) {
		const struct sl_field_change *f = &c->fields[i];

		printf("%s %s%zu %.*s ", words[f->edit], f->last ? "last" : "", f->index, (int)f->name.n,
		    f->name.p);
		put_hex(f->value);
		putchar('\n');
	}
	if (c->body != NULL) {
		printf("body ");
		put_hex(*c->body);
		putchar('\n');
	}
	if (c->sender != NULL)
		printf("sender %s\n", or_dash(c->sender));
	for (size_t i = 0; i < c->nremoved; i++)
		printf("removed %zu\n", c->removed[i]);
	for (size_t i = 0; i < c->nadded; i++)
		printf("added %s\n", c->added[i]);
	if (c->quarantine != NULL)
		printf("quarantine %s\n", c->quarantine);
	if (c->discard)
		printf("discard\n");
}

static void
on_outcome(void *arg, const struct sl_outcome *o)
{
	on_verdict(arg, o->verdict);
	for (size_t i = 0; i < o->n; i++)
		put_copy(&o->messages[i]);
	if (o->changes != NULL)
		put_changes(o->changes);
}

static int
data(const char *path)
{
	int fd = open(path, O_RDONLY), rc = sl_session_data_file(session, fd, on_outcome, NULL);

	close(fd);
	return rc == 0 ? sl_session_wait(session) : rc;
}

static int
step(struct sl_engine *engine, const char *word, const char *arg, bool changes)
{
	struct sl_session_info info = { .server = "inbound", .senderip = arg, .serverip = "127.0.0.1",
	    .serverport = 25, .changes = changes };
	int rc;

	if (strcmp(word, "connect") == 0) {
		sl_session_close(session);
		session = NULL;
		if ((rc = sl_session_open(engine, &info, &session, NULL)) != 0)
			return rc;
		rc = sl_session_connect(session, on_verdict, NULL);
	} else if (strcmp(word, "helo") == 0) {
		rc = sl_session_helo(session, arg, true, on_verdict, NULL);
	} else if (strcmp(word, "mail") == 0) {
		sl_session_reset(session);
		rc = sl_session_mail(session, sl_str_of(arg), NULL, on_verdict, NULL);
	} else if (strcmp(word, "rcpt") == 0) {
		rc = sl_session_rcpt(session, sl_str_of(arg), on_verdict, NULL);
	} else {
		return data(arg);
	}
	return rc == 0 ? sl_session_wait(session) : rc;
}

static int64_t
fixed(void *arg)
{
	(void)arg;
	return 1700000000000000;
}

static void
on_error(void *arg, struct sl_str line)
{
	(void)arg;
	fprintf(stderr, "%.*s\n", (int)line.n, line.p);
}

int
main(int argc, char **argv)
{
	struct sl_engine_options options = { .clock = fixed };
	struct sl_engine *engine = sl_engine_new(&options, NULL);
	char line[2000], *arg;
	int rc = 0;

	if (argc != 3 || engine == NULL || sl_engine_load(engine, argv[1], on_error, NULL) != 0)
		return 1;
	while (rc == 0 && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		arg = line + strcspn(line, " ");
		if (*arg != '\0')
			*arg++ = '\0';
		rc = strcmp(line, "end") == 0 ? 0 : step(engine, line, arg, strcmp(argv[2], "changes") == 0);
		if (strcmp(line, "end") == 0)
			puts("end"), fflush(stdout);
	}
	sl_session_close(session);
	sl_engine_free(engine);
	return rc != 0;
}
