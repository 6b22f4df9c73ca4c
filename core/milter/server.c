/* Connections of the milter host. See server.h. */
#include "server_private.h"

#include <sys/socket.h>
#include <unistd.h>

/* Services */

static void
set_defaults(struct sl_milter_service_options *o)
{
	o->size = o->size != 0 ? o->size : 50 * 1024 * 1024;
	o->recipients = o->recipients != 0 ? o->recipients : 1000;
	o->timeout_ms = o->timeout_ms != 0 ? o->timeout_ms : 7210 * 1000;
	o->progress_ms = o->progress_ms != 0 ? o->progress_ms : 10 * 1000;
}

static bool
copy(char **out, const char *text)
{
	*out = text != NULL ? sl_strdup(text) : NULL;
	return text == NULL || *out != NULL;
}

struct sl_milter_service *
sl_milter_service_new(const struct sl_milter_service_options *options, struct sl_err *err)
{
	struct sl_milter_service *service = sl_calloc(1, sizeof(*service));

	if (service != NULL) {
		service->refs = 1;
		service->o = *options;
		set_defaults(&service->o);
	}
	if (service == NULL || !copy(&service->server, options->server) ||
	    !copy(&service->authenticated, options->authenticated) ||
	    !copy(&service->trusted, options->trusted) || !copy(&service->spool, options->spool)) {
		sl_milter_service_unref(service);
		sl_err_set(err, SL_ERR_NOMEM, "out of memory");
		return NULL;
	}
	service->o.server = service->server;
	service->o.authenticated = service->authenticated;
	service->o.trusted = service->trusted;
	service->o.spool = service->spool;
	return service;
}

void
sl_milter_service_unref(struct sl_milter_service *service)
{
	if (service == NULL || --service->refs > 0)
		return;
	sl_free(service->server);
	sl_free(service->authenticated);
	sl_free(service->trusted);
	sl_free(service->spool);
	sl_free(service);
}

/* The server */

struct sl_milter_server *
sl_milter_server_new(const struct sl_milter_server_options *options, struct sl_err *err)
{
	struct sl_milter_server *server = sl_calloc(1, sizeof(*server));

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
sl_milter_server_free(struct sl_milter_server *server)
{
	struct sl_list *node;

	if (server == NULL)
		return;
	server->draining = true;
	while (!sl_list_empty(&server->sessions))
		sl_milter_session_end(sl_list_entry(server->sessions.next, struct sl_milter_session,
		    link));
	while ((node = sl_list_pop(&server->dead)) != NULL)
		sl_milter_session_free(sl_list_entry(node, struct sl_milter_session, link));
	sl_task_cancel(&server->idle_task);
	sl_free(server);
}

static void
tell_idle(struct sl_task *task)
{
	struct sl_milter_server *server = sl_list_entry(task, struct sl_milter_server, idle_task);
	void (*idle)(void *arg) = server->idle;

	server->idle = NULL;
	if (idle != NULL)
		idle(server->idle_arg);
}

static void
look_whether_idle(struct sl_milter_server *server)
{
	if (server->idle != NULL && sl_list_empty(&server->sessions))
		sl_task_post(server->o.loop, &server->idle_task, tell_idle);
}

void
sl_milter_server_left(struct sl_milter_session *s)
{
	struct sl_milter_server *server = s->server;

	if (server->o.closed != NULL)
		server->o.closed(server->o.closed_arg, s->tag);
	server->counters.sessions--;
	sl_list_remove(&s->link);
	sl_list_insert(&server->dead, &s->link);
	look_whether_idle(server);
}

void
sl_milter_server_refuse(struct sl_milter_server *server, int fd, const char *why)
{
	server->counters.refused++;
	sl_event(server->o.events, SL_WARNING, "milter_refused", SL_FIELDS(
	    SL_F_TEXT("reason", why)));
	close(fd);
}

int
sl_milter_server_accept(struct sl_milter_server *server, struct sl_milter_service *service, int fd,
    uint64_t tag)
{
	struct sl_milter_session *s;

	server->counters.connections++;
	if (server->draining) {
		sl_milter_server_refuse(server, fd, "Service is shutting down");
		return SL_ERR_REFUSED;
	}
	s = sl_milter_session_new(server, service, fd);
	if (s == NULL)
		return SL_ERR_NOMEM;
	s->tag = tag;
	sl_list_insert(&server->sessions, &s->link);
	server->counters.sessions++;
	return 0;
}

void
sl_milter_server_drain(struct sl_milter_server *server, void (*idle)(void *arg), void *arg)
{
	struct sl_list *node, *next;

	server->draining = true;
	server->idle = idle;
	server->idle_arg = arg;
	for (node = server->sessions.next; node != &server->sessions; node = next) {
		struct sl_milter_session *s = sl_list_entry(node, struct sl_milter_session, link);

		next = node->next;
		if (sl_milter_session_is_over(s))
			sl_milter_session_end(s);
	}
	look_whether_idle(server);
}

const struct sl_milter_counters *
sl_milter_server_counters(const struct sl_milter_server *server)
{
	return &server->counters;
}
