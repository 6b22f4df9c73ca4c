/* Connections of the SMTP server, and their limits. See server.h. */
#include "server_private.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Services */

static void
set_defaults(struct sl_smtp_service_options *o)
{
	o->size = o->size != 0 ? o->size : 50 * 1024 * 1024;
	o->max_line = o->max_line != 0 ? o->max_line : 1024 * 1024;
	o->recipients = o->recipients != 0 ? o->recipients : 1000;
	o->hops = o->hops != 0 ? o->hops : 50;
	o->errors = o->errors != 0 ? o->errors : 20;
	o->idle_commands = o->idle_commands != 0 ? o->idle_commands : 100;
	o->auth_failures = o->auth_failures != 0 ? o->auth_failures : 3;
	o->timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : 300 * 1000;
	o->message_ms = o->message_ms != 0 ? o->message_ms : 3600 * 1000;
	o->tls_ms = o->tls_ms != 0 ? o->tls_ms :
	    o->timeout_ms < 60 * 1000 ? o->timeout_ms : 60 * 1000;
	o->reload_grace_ms = o->reload_grace_ms != 0 ? o->reload_grace_ms : 60 * 1000;
}

struct sl_smtp_service *
sl_smtp_service_new(const struct sl_smtp_service_options *options, struct sl_err *err)
{
	struct sl_smtp_service *service = sl_calloc(1, sizeof(*service));

	if (service == NULL)
		goto nomem;
	service->refs = 1;
	service->o = *options;
	if (service->o.tls != NULL)
		sl_tls_ref(service->o.tls);
	set_defaults(&service->o);
	service->hostname = sl_strdup(options->hostname);
	service->server = sl_strdup(options->server);
	if (service->hostname == NULL || service->server == NULL)
		goto nomem;
	if (options->spool != NULL && (service->spool = sl_strdup(options->spool)) == NULL)
		goto nomem;
	service->o.hostname = service->hostname;
	service->o.server = service->server;
	service->o.spool = service->spool;
	return service;
nomem:
	sl_smtp_service_unref(service);
	sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	return NULL;
}

void
sl_smtp_service_unref(struct sl_smtp_service *service)
{
	if (service == NULL || --service->refs > 0)
		return;
	sl_tls_unref(service->o.tls);
	sl_free(service->hostname);
	sl_free(service->server);
	sl_free(service->spool);
	sl_free(service);
}

/* The server */

struct sl_smtp_server *
sl_smtp_server_new(const struct sl_smtp_server_options *options, struct sl_err *err)
{
	struct sl_smtp_server *server = sl_calloc(1, sizeof(*server));

	if (server == NULL) {
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	server->o = *options;
	sl_list_init(&server->sessions);
	sl_list_init(&server->dead);
	return server;
}

void
sl_smtp_server_free(struct sl_smtp_server *server)
{
	struct sl_list *node, *next;

	if (server == NULL)
		return;
	server->draining = true;
	for (node = server->sessions.next; node != &server->sessions; node = next) {
		next = node->next;
		sl_smtp_session_end(sl_list_entry(node, struct sl_smtp_session, link));
	}
	/* What is left waits for the queue, which has their bytes. */
	while (!sl_list_empty(&server->sessions)) {
		if (sl_loop_step(server->o.loop, -1) < 0)
			break;
	}
	while ((node = sl_list_pop(&server->dead)) != NULL)
		sl_smtp_session_free(sl_list_entry(node, struct sl_smtp_session, link));
	sl_task_cancel(&server->idle_task);
	sl_free(server);
}

static void
tell_idle(struct sl_task *task)
{
	struct sl_smtp_server *server = sl_list_entry(task, struct sl_smtp_server, idle_task);
	void (*idle)(void *arg) = server->idle;

	server->idle = NULL;
	if (idle != NULL)
		idle(server->idle_arg);
}

static void
look_whether_idle(struct sl_smtp_server *server)
{
	if (server->idle != NULL && sl_list_empty(&server->sessions))
		sl_task_post(server->o.loop, &server->idle_task, tell_idle);
}

void
sl_smtp_server_left(struct sl_smtp_session *s)
{
	struct sl_smtp_server *server = s->server;

	if (server->o.closed != NULL)
		server->o.closed(server->o.closed_arg, s->tag);
	server->counters.sessions--;
	sl_list_remove(&s->link);
	sl_list_insert(&server->dead, &s->link);
	look_whether_idle(server);
}

/* A socket of this machine without an address (unix) is local. */
void
sl_smtp_peer_ip(const struct sl_addr *peer, char *out, size_t size)
{
	if (peer->len == 0 || peer->sa.sa_family == AF_UNIX)
		snprintf(out, size, "127.0.0.1");
	else
		sl_addr_ip(peer, out, size);
}

static void
peer_of(int fd, struct sl_addr *out)
{
	out->len = sizeof(out->storage);
	if (getpeername(fd, &out->sa, &out->len) < 0)
		out->len = 0;
}

/* One line and the end, without a session. What doesn't fit at once isn't worth waiting for. */
void
sl_smtp_server_refuse(struct sl_smtp_server *server, struct sl_smtp_service *service, int fd,
    const char *why)
{
	struct sl_addr peer;
	char line[600], ip[64];
	int n = 0;

	peer_of(fd, &peer);
	sl_smtp_peer_ip(&peer, ip, sizeof(ip));
	server->counters.refused++;
	sl_event(server->o.events, SL_NOTICE, "connection_refused",
	    SL_FIELDS(SL_F_TEXT("senderip", ip), SL_F_TEXT("reason", why)));
	/* Nobody can read it inside TLS. */
	if (!service->o.tls_implicit)
		n = snprintf(line, sizeof(line), "421 4.7.0 %.200s %s\r\n", service->hostname, why);
	if (n > 0 && send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}

int
sl_smtp_server_accept(struct sl_smtp_server *server, struct sl_smtp_service *service, int fd,
    const struct sl_addr *peer, uint64_t tag)
{
	struct sl_addr socket_peer;
	struct sl_smtp_session *s;

	server->counters.connections++;
	if (server->draining) {
		sl_smtp_server_refuse(server, service, fd, "Service is shutting down");
		return SL_ERR_REFUSED;
	}
	if (peer == NULL) {
		peer_of(fd, &socket_peer);
		peer = &socket_peer;
	}
	s = sl_smtp_session_new(server, service, fd, peer);
	if (s == NULL)
		return SL_ERR_NOMEM;
	s->tag = tag;
	sl_list_insert(&server->sessions, &s->link);
	server->counters.sessions++;
	return sl_smtp_session_start(s);
}

void
sl_smtp_server_drain(struct sl_smtp_server *server, void (*idle)(void *arg), void *arg)
{
	struct sl_list *node, *next;

	server->draining = true;
	server->idle = idle;
	server->idle_arg = arg;
	for (node = server->sessions.next; node != &server->sessions; node = next) {
		struct sl_smtp_session *s = sl_list_entry(node, struct sl_smtp_session, link);

		next = node->next;
		if (s->mode == SL_MODE_COMMAND && sl_smtp_between_transactions(s) &&
		    !sl_smtp_has_input(s))
			sl_smtp_goodbye(s, "4.3.2", "Service is shutting down");
		else if (s->mode == SL_MODE_TLS)
			sl_smtp_session_end(s);		/* it can't be told */
	}
	look_whether_idle(server);
}

const struct sl_smtp_counters *
sl_smtp_server_counters(const struct sl_smtp_server *server)
{
	return &server->counters;
}
