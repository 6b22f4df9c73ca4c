/* Scripts outside of SMTP: exec, the lines of a REPL, what is evaluated where a step stopped. */
#include <stdio.h>

#include "../base/alloc.h"
#include "../engine/value.h"
#include "beside.h"
#include "engine.h"
#include "library.h"

#define MAX_RESULTS	100
#define MAX_TEXT	16384	/* bytes of one described result */

struct exec {
	struct sl_list link;
	struct sl_engine *engine;
	struct sl_program *program;
	struct sl_run *run, *at;	/* at: the stopped one in whose place it runs; NULL = none */
	struct sl_element element;
	sl_exec_fn *fn;
	void *arg;
	struct sl_buf text;
	char name[300];
};

static void
exec_free(struct exec *x)
{
	sl_list_remove(&x->link);
	sl_program_unref(x->program);
	sl_buf_clear(&x->text);
	sl_free(x);
}

void
sl_execs_drop(struct sl_engine *e)
{
	struct exec *x;

	while (!sl_list_empty(&e->execs)) {
		x = sl_list_entry(e->execs.next, struct exec, link);
		sl_run_kill(x->run);
		exec_free(x);
	}
}

void
sl_engine_exec_stop(struct sl_engine *e)
{
	struct sl_err err;
	struct exec *x;

	while (!sl_list_empty(&e->execs)) {
		x = sl_list_entry(e->execs.next, struct exec, link);
		if (x->run == sl_vm_stopped(e->vm, NULL))
			break;		/* it isn't what runs */
		sl_run_kill(x->run);
		sl_err_set(&err, SL_ERR_CANCELED, "%s: interrupted", x->name);
		x->fn(x->arg, &err, NULL);
		exec_free(x);
	}
}

static void
exec_results(lua_State *L, int n, void *host)
{
	struct exec *x = host;
	int i;

	for (i = 1; i <= n && i <= MAX_RESULTS; i++) {
		if (i > 1)
			sl_buf_puts(&x->text, ", ");
		sl_describe(L, i, &x->text, MAX_TEXT);
	}
	if (n > MAX_RESULTS)
		sl_buf_puts(&x->text, ", ...");
}

/* What stands below an error: source line, caret (tabs stay tabs above it), stack. */
static void
describe(const struct sl_run_stats *stats, struct sl_buf *out)
{
	int i;

	if (stats->source != NULL)
		sl_buf_printf(out, "    %s\n", stats->source);
	if (stats->source != NULL && stats->caret >= 0) {
		sl_buf_puts(out, "    ");
		for (i = 0; i < stats->caret; i++)
			if (((unsigned char)stats->source[i] & 0xc0) != 0x80)	/* one for a character of UTF-8 */
				sl_buf_putc(out, stats->source[i] == '\t' ? '\t' : ' ');
		sl_buf_puts(out, "^\n");
	}
	if (stats->stack != NULL)
		sl_buf_printf(out, "%s\n", stats->stack);
}

static void
exec_done(struct sl_run *run, enum sl_run_end how, const struct sl_err *err, void *host)
{
	struct exec *x = host;
	struct sl_engine *e = x->engine;
	bool ends = how == SL_RUN_ENDED && x->at != NULL && x->at == sl_vm_stopped(e->vm, NULL);

	if (err != NULL) {
		sl_buf_reset(&x->text);
		describe(sl_run_stats(run), &x->text);
	}
	x->fn(x->arg, err, x->text.n > 0 ? x->text.p : NULL);
	exec_free(x);
	if (ends)
		sl_vm_end_stopped(e->vm, sl_run_stats(run)->where);
}

int
sl_engine_exec_keep(struct sl_engine *e)
{
	if (e->names == NULL)
		e->names = sl_scope_new(e->vm);
	return e->names != NULL ? 0 : SL_ERR_NOMEM;
}

void
sl_engine_exec_operations(struct sl_engine *e, unsigned n)
{
	e->exec_limits.ops = n;
}

void
sl_engine_on_echo(struct sl_engine *e, void (*fn)(void *arg, struct sl_str line), void *arg)
{
	e->echo = fn;
	e->echo_arg = arg;
}

/* HSL's compiler is a part of the library. */
static bool
needs_library(struct sl_str name)
{
	return sl_str_ends(name, SL_STR(".hsl"));
}

static struct sl_program *
library(struct sl_engine *e, struct sl_err *err)
{
	if (e->library == NULL)
		e->library = sl_library_load(e->vm, e->stdlib, err);
	return e->library;
}

/* What HSL's compiler and its code read of files: the policy's, or those beside the script. */
static const struct sl_program_files *
files_of(const struct sl_engine *e)
{
	if (e->generation != NULL)
		return &e->generation->files;
	return e->beside != NULL ? sl_beside_files(e->beside) : NULL;
}

int
sl_engine_exec_beside(struct sl_engine *e, const char *script, struct sl_err *err)
{
	struct sl_beside *beside = sl_beside_new(script);

	if (beside == NULL)
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	sl_beside_free(e->beside);
	e->beside = beside;
	if (e->library != NULL)
		sl_program_set_files(e->library, files_of(e));
	return 0;
}

/* What a compiler said at length is kept for who asks: the program may be gone then. */
static void
tell_report(struct sl_engine *e, const struct sl_program *program)
{
	sl_buf_reset(&e->report);
	sl_buf_puts(&e->report, sl_program_report(program));
}

const char *
sl_engine_exec_report(const struct sl_engine *e)
{
	return e->report.n > 0 ? e->report.p : "";
}

int
sl_engine_translate(struct sl_engine *e, const char *name, struct sl_str source,
    struct sl_buf *code, struct sl_err *err)
{
	struct sl_program *base = library(e, err);
	int rc;

	if (base == NULL)
		return err->code;
	sl_program_set_files(base, files_of(e));
	rc = sl_program_translate(base, name, source, code, err);
	tell_report(e, base);
	if (rc == 0)
		sl_buf_puts(&e->report, sl_program_warnings(base));
	return rc;
}

/* Where a script is stopped, this is one of its phase. */
static void
take_place(struct exec *x, struct sl_run_spec *spec)
{
	struct sl_stop stop;

	spec->passed = x->name;
	x->at = sl_vm_stopped(x->engine->vm, &stop);
	if (x->at == NULL)
		return;
	spec->at = x->at;
	spec->phase = stop.at;
	spec->name = stop.phase;
}

int
sl_engine_exec(struct sl_engine *e, const char *name, struct sl_str source, sl_exec_fn *fn,
    void *arg, struct sl_err *err)
{
	struct exec *x = sl_calloc(1, sizeof(*x));
	struct sl_run_spec spec = { .phase = SL_AT_NONE, .name = "exec", .n = 1,
		.results = exec_results, .done = exec_done, .scope = e->names, .limits = &e->exec_limits };
	struct sl_program *base = e->generation != NULL ? e->generation->program : NULL;
	int rc;

	if (base == NULL && needs_library(sl_str_of(name)) && (base = library(e, err)) == NULL) {
		sl_free(x);
		return err->code;
	}
	if (x == NULL || (x->program = sl_program_new_upon(e->vm, base)) == NULL) {
		sl_free(x);
		return sl_err_set(err, SL_ERR_NOMEM, "out of memory");
	}
	sl_list_insert(&e->execs, &x->link);
	x->engine = e;
	x->fn = fn;
	x->arg = arg;
	snprintf(x->name, sizeof(x->name), "%s", name);
	x->element.script = x->name;
	spec.program = x->program;
	spec.elements = &x->element;
	spec.id = x->name;
	spec.host = x;
	sl_program_set_files(x->program, files_of(e));
	take_place(x, &spec);
	if (e->names != NULL || x->at != NULL)
		sl_program_share_variables(x->program);
	rc = sl_program_add(x->program, x->name, source, err);
	tell_report(e, x->program);
	if (rc == 0)
		rc = sl_run_start(e->vm, &spec, &x->run, err);
	if (rc != 0)
		exec_free(x);
	return rc;
}

/* ---- steps ------------------------------------------------------------------------------ */

int
sl_engine_step(struct sl_engine *e, enum sl_step step)
{
	return sl_vm_step(e->vm, step);
}

int
sl_engine_break(struct sl_engine *e, const char *path, int line, bool on)
{
	return sl_vm_break(e->vm, path, line, on);
}

bool
sl_engine_stopped(const struct sl_engine *e, struct sl_stop *out)
{
	return sl_vm_stopped(e->vm, out) != NULL;
}

int
sl_engine_variables(struct sl_engine *e, sl_variable_fn *fn, void *arg)
{
	if (sl_vm_stopped(e->vm, NULL) != NULL)
		return sl_vm_variables(e->vm, fn, arg);
	return e->names != NULL ? sl_vm_shared_variables(e->vm, e->names, fn, arg) : 0;
}
