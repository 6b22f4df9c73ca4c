#include "admin.h"

#include <microhttpd.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/alloc.h"

#define DEGRADED_S	60	/* after a script error */

struct sl_admin {
	struct MHD_Daemon *daemon;
	const struct sl_counters *counters;
	size_t n;
	const struct sl_process_counters *processes;
	const struct sl_metrics *metrics;
};

static void
health(const struct sl_admin *a, struct sl_buf *out)
{
	int64_t last = 0, now = (int64_t)time(NULL);
	size_t i;

	for (i = 0; i < a->n; i++)
		if (a->counters[i].failing_since > last)
			last = a->counters[i].failing_since;
	if (a->processes != NULL && a->processes->workers < a->processes->wanted)
		sl_buf_printf(out, "{\"status\":\"degraded\",\"workers\":%llu,\"wanted\":%llu}\n",
		    (unsigned long long)a->processes->workers,
		    (unsigned long long)a->processes->wanted);
	else if (last != 0 && now - last < DEGRADED_S)
		sl_buf_printf(out, "{\"status\":\"degraded\",\"script_error\":%lld}\n", (long long)last);
	else
		sl_buf_puts(out, "{\"status\":\"ok\"}\n");
}

static enum MHD_Result
reply(struct MHD_Connection *c, unsigned status, const char *type, const struct sl_buf *body)
{
	struct MHD_Response *r;
	enum MHD_Result rc;

	r = MHD_create_response_from_buffer(body->n, body->p, MHD_RESPMEM_MUST_COPY);
	if (r == NULL)
		return MHD_NO;
	MHD_add_response_header(r, "Content-Type", type);
	MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result
answer(void *arg, struct MHD_Connection *c, const char *url, const char *method, const char *version,
    const char *upload, size_t *upload_n, void **state)
{
	const struct sl_admin *a = arg;
	struct sl_buf body = SL_BUF_INIT;
	const char *type = "text/plain; version=0.0.4";
	unsigned status = MHD_HTTP_OK;
	enum MHD_Result rc;

	(void)version;
	(void)upload;
	(void)upload_n;
	(void)state;
	if (strcmp(method, "GET") != 0) {
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
		sl_buf_puts(&body, "only GET\n");
	} else if (strcmp(url, "/metrics") == 0) {
		sl_counters_format(&body, a->counters, a->n, a->processes);
		sl_metrics_format(&body, a->metrics);
	} else if (strcmp(url, "/health") == 0) {
		type = "application/json";
		health(a, &body);
	} else {
		status = MHD_HTTP_NOT_FOUND;
		sl_buf_puts(&body, "/metrics or /health\n");
	}
	rc = reply(c, status, type, &body);
	sl_buf_clear(&body);
	return rc;
}

struct sl_admin *
sl_admin_start(int fd, const struct sl_counters *counters, size_t n,
    const struct sl_process_counters *processes, const struct sl_metrics *metrics,
    struct sl_err *err)
{
	struct sl_admin *a = sl_calloc(1, sizeof(*a));

	if (a != NULL) {
		a->counters = counters;
		a->n = n;
		a->processes = processes;
		a->metrics = metrics;
		a->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, a,
		    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, 64u,
		    MHD_OPTION_CONNECTION_TIMEOUT, 10u, MHD_OPTION_END);
	}
	if (a == NULL || a->daemon == NULL) {
		close(fd);
		sl_free(a);
		sl_err_set(err, SL_ERR_IO, "the admin server can't be started");
		return NULL;
	}
	return a;
}

void
sl_admin_stop(struct sl_admin *a)
{
	if (a == NULL)
		return;
	MHD_stop_daemon(a->daemon);
	sl_free(a);
}
