/* A policy on the desk: its engine, clock and events. See desk.h. */
#include "desk_private.h"

#include <unistd.h>

#include "../base/alloc.h"
#include "../net/op.h"
#include "../policy/config.h"
#include "../policy/image.h"
#include "cmd.h"

#define MAX_EVENTS	100000		/* kept of one case or message */

json_t *
desk_text(struct sl_str s)
{
	return json_stringn_nocheck(s.p != NULL ? s.p : "", s.n);
}

/* ---- events ------------------------------------------------------------------------------ */

static void
keep_event(struct sl_event_sink *sink, const struct sl_event *event)
{
	struct desk *d = sl_list_entry(sink, struct desk, sink);
	struct sl_buf line = SL_BUF_INIT;
	json_t *e = NULL;

	if (json_array_size(d->told) < MAX_EVENTS && sl_event_format_json(&line, event) == 0)
		e = json_loadb(line.p, line.n, 0, NULL);
	if (e != NULL) {
		json_object_set_new(e, "at", json_integer(sl_loop_clock_us(d->loop) - d->began_us));
		json_array_append_new(d->told, e);
		if (d->hear != NULL)
			d->hear(d->hear_arg, e);
	}
	sl_buf_clear(&line);
}

static int64_t
time_of(void *arg)
{
	return sl_loop_time_us(((struct desk *)arg)->loop);
}

void
desk_hear(struct desk *d, void (*fn)(void *arg, const json_t *event), void *arg)
{
	d->hear = fn;
	d->hear_arg = arg;
}

json_t *
desk_events(struct desk *d)
{
	return d->told;
}

/* ---- coverage ---------------------------------------------------------------------------- */

/* A list of counts by line; -1 where there is no code. */
static void
has_code(void *arg, const char *path, int line)
{
	struct desk *d = arg;
	json_t *counts = json_object_get(d->covered, path);

	if (counts == NULL) {
		counts = json_array();
		json_object_set_new(d->covered, path, counts);
	}
	while (json_array_size(counts) <= (size_t)line)
		json_array_append_new(counts, json_integer(-1));
	json_array_set_new(counts, (size_t)line, json_integer(0));
}

static void
ran(void *arg, const char *path, int line)
{
	struct desk *d = arg;
	json_t *count = json_array_get(json_object_get(d->covered, path), (size_t)line);

	if (count != NULL && json_integer_value(count) >= 0)
		json_integer_set(count, json_integer_value(count) + 1);
}

int
desk_cover(struct desk *d)
{
	if (d->covered == NULL)
		d->covered = json_object();
	return d->covered != NULL ? 0 : SL_ERR_NOMEM;
}

json_t *
desk_coverage(struct desk *d)
{
	return d->covered;
}

static int
cover(struct desk *d, struct sl_buf *report)
{
	int rc = sl_engine_cover(d->engine, d->lines_known ? NULL : has_code, ran, d);

	d->lines_known = true;
	if (rc != 0)
		sl_buf_puts(report, "the lines of the policy's scripts can't be read\n");
	return rc;
}

/* ---- life -------------------------------------------------------------------------------- */

static int
pack(const char *folder, int *image, struct sl_buf *report)
{
	struct sl_err err;

	if (sl_image_pack(folder, cmd_stdlib(), image, &err) == 0)
		return 0;
	sl_buf_printf(report, "%s\n", err.text);
	return err.code;
}

struct desk *
desk_open(const char *folder, bool simulate, enum sl_level level, struct sl_buf *report)
{
	struct desk *d = sl_calloc(1, sizeof(*d));

	if (d != NULL)
		d->image = -1;
	if (d == NULL || (d->told = json_array()) == NULL ||
	    (folder != NULL && (d->folder = sl_strdup(folder)) == NULL)) {
		sl_buf_puts(report, "out of memory\n");
		desk_close(d);
		return NULL;
	}
	d->simulate = simulate;
	d->gateway = true;
	sl_list_init(&d->later);
	sl_events_init(&d->events);
	d->events.time_us = time_of;
	d->events.time_arg = d;
	d->sink.level = level;
	d->sink.write = keep_event;
	if (folder != NULL && pack(folder, &d->image, report) != 0) {
		desk_close(d);
		return NULL;
	}
	return d;
}

static void
stop(struct desk *d)
{
	desk_disconnect(d);
	sl_engine_free(d->engine);
	d->engine = NULL;
	if (d->loop != NULL)
		desk_world_close(d);
	sl_loop_free(d->loop);
	d->loop = NULL;
	sl_events_remove(&d->events, &d->sink);
}

void
desk_close(struct desk *d)
{
	if (d == NULL)
		return;
	if (d->loop != NULL)
		stop(d);
	if (d->image >= 0)
		close(d->image);
	json_decref(d->told);
	json_decref(d->covered);
	sl_free(d->folder);
	sl_free(d);
}

/* One that listens for SMTP decides itself who may relay; else its host does. */
static bool
is_gateway(const struct sl_config *c)
{
	size_t i;

	for (i = 0; i < c->nlisteners; i++)
		if (c->listeners[i].smtp != NULL)
			return true;
	return false;
}

/* *other: this engine is for the other kind of policy, and nothing was loaded. */
static int
load(struct desk *d, bool *other, struct sl_buf *report)
{
	struct sl_generation *generation;
	int rc;

	*other = false;
	if (d->image < 0)
		return 0;
	if ((rc = sl_engine_prepare(d->engine, d->image, &generation, report)) != 0)
		return rc;
	if (is_gateway(sl_generation_config(generation)) != d->gateway) {
		*other = true;
		sl_generation_free(generation);
	} else {
		sl_engine_commit(d->engine, generation);
		return desk_world_of_policy(d, report);
	}
	return 0;
}

void
desk_shut(struct desk *d)
{
	d->shut = true;
}

static void
nobody(void *arg, struct sl_dns_query *query, const char *name, int type)
{
	(void)arg;
	(void)name;
	(void)type;
	sl_dns_give_packet(query, SL_STR(""), false);
}

static int
start(struct desk *d, bool *other, struct sl_buf *report)
{
	struct sl_engine_parts parts = { .events = &d->events, .http_host = &d->http_host,
	    .may_connect = desk_may_connect, .may_connect_arg = d };
	struct sl_engine_options o = { .gateway = d->gateway, .stdlib = cmd_stdlib(), .parts = &parts };
	struct sl_err err;
	int rc;

	if ((d->loop = sl_loop_new(&err)) == NULL)
		goto fail;
	if (d->simulate)
		sl_loop_simulate(d->loop);
	if (desk_world_open(d, &err) != 0)
		goto fail;
	parts.loop = d->loop;
	parts.dns = d->shut ? NULL : d->dns;
	parts.http = d->http;
	o.dns = d->shut ? nobody : NULL;
	parts.keyless = d->shut;
	if ((d->engine = sl_engine_new(&o, &err)) == NULL)
		goto fail;
	if ((rc = load(d, other, report)) != 0)
		return rc;
	if (!*other && d->covered != NULL && (rc = cover(d, report)) != 0)
		return rc;
	d->began_us = sl_loop_clock_us(d->loop);
	sl_events_add(&d->events, &d->sink);	/* what loading tells belongs to no message */
	return 0;
fail:
	sl_buf_printf(report, "%s\n", err.text);
	return err.code;
}

int
desk_begin(struct desk *d, struct sl_buf *report)
{
	bool other;
	int rc;

	if (d->loop != NULL)
		stop(d);
	json_array_clear(d->told);
	rc = start(d, &other, report);
	if (rc == 0 && other) {
		d->gateway = !d->gateway;
		stop(d);
		rc = start(d, &other, report);
	}
	return rc;
}

int
desk_reload(struct desk *d, struct sl_buf *report)
{
	int image, old = d->image, rc;
	bool other;

	if (d->folder == NULL) {
		sl_buf_puts(report, "there is no policy to reload\n");
		return SL_ERR_INVAL;
	}
	if ((rc = pack(d->folder, &image, report)) != 0)
		return rc;
	d->image = image;
	if ((rc = load(d, &other, report)) == 0 && other) {
		sl_buf_puts(report, "it listens for SMTP now, or no longer: begin anew\n");
		rc = SL_ERR_INVAL;
	}
	if (rc != 0) {
		d->image = old;
		close(image);
		return rc;
	}
	desk_disconnect(d);
	close(old);
	return 0;
}

/* ---- time -------------------------------------------------------------------------------- */

void
desk_interrupt(struct desk *d, volatile sig_atomic_t *flag)
{
	d->interrupt = flag;
}

void
desk_on_stop(struct desk *d, void (*fn)(void *arg), void *arg)
{
	d->at_stop = fn;
	d->at_stop_arg = arg;
}

struct sl_engine *
desk_engine(struct desk *d)
{
	return d->engine;
}

struct sl_loop *
desk_loop(struct desk *d)
{
	return d->loop;
}

void
desk_set_time(struct desk *d, int64_t time_us)
{
	sl_loop_set_time(d->loop, time_us);
}

void
desk_wait(struct desk *d, int64_t ms)
{
	struct sl_op *op = sl_op_sleep(d->loop, ms);

	if (op == NULL)
		return;
	sl_op_block(op);
	sl_op_release(op);
}
