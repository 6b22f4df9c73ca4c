/*
 * A policy service for Postfix (SMTPD_POLICY_README): scripts answer at RCPT. A poll
 * loop with the engine's descriptor among the others; any number of questions
 * wait for DNS and the like side by side.
 *
 *	cc poll.c $(pkg-config --cflags --libs sluice) -o poll
 *	poll POLICY PORT		# check_policy_service inet:127.0.0.1:PORT
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice.h>

#define CLIENTS	100

struct client {
	int fd;				/* -1 = free */
	char in[8192];
	size_t n;
	struct sl_session *session;
	int step;
};

static struct client clients[CLIENTS];
static struct sl_engine *engine;

/* The value of "name=" in the question, between 'open' and 'close'. */
static const char *
value(const struct client *c, const char *name, const char *open, const char *close, char out[600])
{
	size_t n = strlen(name);
	const char *p = c->in;

	while (p != NULL && (strncmp(p, name, n) != 0 || p[n] != '='))
		p = (p = strchr(p, '\n')) != NULL ? p + 1 : NULL;
	p = p != NULL ? p + n + 1 : "";
	snprintf(out, 600, "%s%.*s%s", open, (int)strcspn(p, "\n"), p, close);
	return out;
}

static void
answer(struct client *c, const char *action)
{
	char line[700];
	int n = snprintf(line, sizeof(line), "action=%s\n\n", action);

	send(c->fd, line, (size_t)n, MSG_NOSIGNAL);
	sl_session_close(c->session);
	*c = (struct client){ .fd = c->fd };
}

static void next(struct client *c);

static void
on_verdict(void *arg, const struct sl_verdict *v)
{
	struct client *c = arg;
	char action[600];

	snprintf(action, sizeof(action), "%d %s %s", v->code, v->enhanced, v->nlines > 0 ? v->lines[0] : "");
	if (v->code < 300)
		next(c);
	else
		answer(c, action);
}

/* One step after the other; the answer to each begins the next. */
static void
next(struct client *c)
{
	struct sl_session *s = c->session;
	char text[600];
	int step = c->step++, rc = 0;

	if (step == 0)
		rc = sl_session_connect(s, on_verdict, c);
	else if (step == 1)
		rc = sl_session_helo(s, value(c, "helo_name", "", "", text), true, on_verdict, c);
	else if (step == 2)
		rc = sl_session_mail(s, sl_str_of(value(c, "sender", "<", ">", text)), NULL, on_verdict, c);
	else if (step == 3)
		rc = sl_session_rcpt(s, sl_str_of(value(c, "recipient", "<", ">", text)), on_verdict, c);
	else
		answer(c, "DUNNO");
	if (rc != 0)
		answer(c, "450 4.3.0 Try again later");
}

static void
on_input(struct client *c)
{
	struct sl_session_info info = { .server = "inbound", .serverip = "" };
	ssize_t n = read(c->fd, c->in + c->n, sizeof(c->in) - 1 - c->n);
	char ip[600];

	if (n <= 0) {
		sl_session_close(c->session);
		close(c->fd);
		*c = (struct client){ .fd = -1 };
		return;
	}
	c->n += (size_t)n;
	c->in[c->n] = '\0';
	if (strstr(c->in, "\n\n") == NULL || c->session != NULL)
		return;
	info.senderip = value(c, "client_address", "", "", ip);
	if (sl_session_open(engine, &info, &c->session, NULL) != 0)
		answer(c, "450 4.3.0 Try again later");
	else
		next(c);
}

int
main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sl_engine_options options = { 0 };
	struct pollfd fds[CLIENTS + 2];
	int listener = socket(AF_INET, SOCK_STREAM, 0), i;

	to.sin_port = htons((unsigned short)(argc == 3 ? atoi(argv[2]) : 0));
	engine = sl_engine_new(&options, NULL);
	if (argc != 3 || engine == NULL || sl_engine_load(engine, argv[1], NULL, NULL) != 0 ||
	    bind(listener, (struct sockaddr *)&to, sizeof(to)) < 0 || listen(listener, 100) < 0)
		return 1;
	for (i = 0; i < CLIENTS; i++)
		clients[i].fd = -1;
	for (;;) {
		for (i = 0; i < CLIENTS; i++)
			fds[i] = (struct pollfd){ .fd = clients[i].fd, .events = POLLIN };
		fds[CLIENTS] = (struct pollfd){ .fd = listener, .events = POLLIN };
		fds[CLIENTS + 1] = (struct pollfd){ .fd = sl_engine_fd(engine), .events = POLLIN };
		poll(fds, CLIENTS + 2, -1);
		for (i = 0; i < CLIENTS; i++)
			if (fds[i].fd >= 0 && fds[i].revents != 0)
				on_input(&clients[i]);
		for (i = 0; i < CLIENTS && clients[i].fd >= 0; i++)
			;
		if (fds[CLIENTS].revents != 0 && i < CLIENTS)
			clients[i].fd = accept(listener, NULL, NULL);
		sl_engine_dispatch(engine);
	}
}
