/*
 * A real HTTP server for the tests of this layer and above: libmicrohttpd on
 * loopback, a thread per connection. What it answers is the path's matter.
 */
#ifndef SL_HTTP_TESTING_H
#define SL_HTTP_TESTING_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <microhttpd.h>

struct web {
	struct MHD_Daemon *daemon;
	int port;
	atomic_uint requests;
	atomic_bool down;		/* everything is answered 500 */
	atomic_bool over;		/* what hangs may end */
	char last[300];			/* URL and query of the last request */
	char method[20], type[80];	/* of the last request */
	char body[1000];
};

static enum MHD_Result
web_say(struct MHD_Connection *c, unsigned status, const char *type, const char *text)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
	    MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;

	MHD_add_response_header(r, "Content-Type", type);
	if (status == 302)
		MHD_add_response_header(r, "Location", "http://169.254.169.254/latest/meta-data");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static ssize_t
web_endless(void *arg, uint64_t at, char *out, size_t max)
{
	(void)arg;
	(void)at;
	memset(out, 'x', max);
	return (ssize_t)max;
}

/* One gigabyte, said or unsaid. */
static enum MHD_Result
web_gigabyte(struct MHD_Connection *c, bool said)
{
	struct MHD_Response *r = MHD_create_response_from_callback(said ? 1u << 30 : MHD_SIZE_UNKNOWN,
	    65536, web_endless, NULL, NULL);
	enum MHD_Result rc = MHD_queue_response(c, 200, r);

	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result
web_deep(struct MHD_Connection *c, size_t depth)
{
	char *text = malloc(2 * depth + 1);
	enum MHD_Result rc;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	text[2 * depth] = '\0';
	rc = web_say(c, 200, "application/json", text);
	free(text);
	return rc;
}

static enum MHD_Result
web_big(struct MHD_Connection *c, size_t n)
{
	char *text = malloc(n + 20);
	enum MHD_Result rc;

	sprintf(text, "[\"%0*d\"]", (int)n, 0);
	rc = web_say(c, 200, "application/json", text);
	free(text);
	return rc;
}

static enum MHD_Result
web_route(struct web *w, struct MHD_Connection *c, const char *path)
{
	static const char json[] = "application/json";
	char text[100];
	int i;

	if (strcmp(path, "/slow") == 0)
		usleep(300000);
	for (i = 0; strcmp(path, "/hang") == 0 && i < 1000 && !w->over; i++)
		usleep(10000);
	if (w->down || strcmp(path, "/500") == 0)
		return web_say(c, 500, json, "{\"a\":1}");
	if (strcmp(path, "/redirect") == 0)
		return web_say(c, 302, json, "{\"a\":1}");
	if (strcmp(path, "/gigabyte") == 0 || strcmp(path, "/endless") == 0)
		return web_gigabyte(c, path[1] == 'g');
	if (strcmp(path, "/deep") == 0)
		return web_deep(c, 100000);
	if (strcmp(path, "/big") == 0)
		return web_big(c, 20000);
	if (strcmp(path, "/html") == 0)
		return web_say(c, 200, "text/html", "<html>no such page</html>");
	if (strcmp(path, "/broken") == 0)
		return web_say(c, 200, json, "{\"a\":");
	if (strcmp(path, "/404") == 0)
		return web_say(c, 404, json, "{\"error\":\"none\"}");
	if (strcmp(path, "/204") == 0)
		return web_say(c, 204, json, "");
	if (strcmp(path, "/null") == 0 || strcmp(path, "/list") == 0)
		return web_say(c, 200, json, path[1] == 'n' ? " null " : "[]");
	snprintf(text, sizeof(text), "{\"n\":%u}", atomic_load(&w->requests));
	return web_say(c, 200, json, text);
}

static enum MHD_Result
web_query(void *arg, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct web *w = arg;
	size_t n = strlen(w->last);

	(void)kind;
	snprintf(w->last + n, sizeof(w->last) - n, "%s%s%s%s", strchr(w->last, '?') == NULL ? "?" : "&",
	    key, value != NULL ? "=" : "", value != NULL ? value : "");
	return MHD_YES;
}

static enum MHD_Result
web_answer(void *arg, struct MHD_Connection *c, const char *path, const char *method,
    const char *version, const char *data, size_t *n, void **state)
{
	struct web *w = arg;
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	size_t have = strlen(w->body);

	(void)version;
	if (*state == NULL) {
		*state = w;
		w->body[0] = '\0';
		return MHD_YES;
	}
	if (*n > 0) {
		snprintf(w->body + have, sizeof(w->body) - have, "%.*s", (int)*n, data);
		*n = 0;
		return MHD_YES;
	}
	w->requests++;
	snprintf(w->last, sizeof(w->last), "%s", path);
	MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, web_query, w);
	snprintf(w->method, sizeof(w->method), "%s", method);
	snprintf(w->type, sizeof(w->type), "%s", type != NULL ? type : "");
	return web_route(w, c, path);
}

/* With 'cert' (PEM, key beside) it speaks TLS. */
static void
web_start(struct web *w, const char *cert, const char *key)
{
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION;
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	memset(w, 0, sizeof(*w));
	if (cert != NULL)
		w->daemon = MHD_start_daemon(flags | MHD_USE_TLS, 0, NULL, NULL, web_answer, w,
		    MHD_OPTION_SOCK_ADDR, &here,
		    MHD_OPTION_HTTPS_MEM_CERT, cert, MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
	else
		w->daemon = MHD_start_daemon(flags, 0, NULL, NULL, web_answer, w,
		    MHD_OPTION_SOCK_ADDR, &here,
		    MHD_OPTION_CONNECTION_LIMIT, 2000u, MHD_OPTION_END);
	assert_non_null(w->daemon);
	w->port = MHD_get_daemon_info(w->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
}

static void
web_stop(struct web *w)
{
	w->over = true;
	MHD_stop_daemon(w->daemon);
}

#endif
