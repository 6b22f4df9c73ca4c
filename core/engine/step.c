/*
 * Steps: whether a line is one to stop at. A run that stops yields in the line hook, as one
 * whose slice is over, and isn't resumed until somebody says how to go on. So the loop turns
 * meanwhile, and what is evaluated where it stands is a run like any other.
 */
#include <stdio.h>
#include <string.h>

#include "internal.h"

#define MAX_LOCALS	200	/* Lua's own limit */

struct breakpoint {
	struct sl_list link;
	int line;
	char path[];
};

struct sl_stepper {
	enum sl_step mode;
	struct sl_list breakpoints;
	/* What 'mode' is about: NEXT and OUT count from this function. Other runs are stopped at
	 * their first line. */
	struct sl_run *of;
	lua_State *thread;		/* anchored in the registry */
	int depth;			/* of its functions */
	size_t element;
	bool repeated;			/* its last line was passed once more */

	struct sl_run *stopped;		/* NULL = none */
	unsigned number, frame;
	char path[512];
	int line;
	const char *locals[MAX_LOCALS];	/* their names, the function's */
	int nlocals;
};

static const char thread_key = 0;	/* in the registry */

/* ---- which lines ----------------------------------------------------------------- */

static bool
is_breakpoint(const struct sl_stepper *s, const char *path, int line)
{
	const struct sl_list *l;
	const struct breakpoint *b;

	for (l = s->breakpoints.next; l != &s->breakpoints; l = l->next) {
		b = sl_list_entry(l, const struct breakpoint, link);
		if (b->line == line && strcmp(b->path, path) == 0)
			return true;
	}
	return false;
}

/* It resumed the coroutine that runs now, or one that did. */
static bool
is_below(lua_State *thread)
{
	lua_Debug ar;

	return lua_status(thread) == LUA_OK && lua_getstack(thread, 0, &ar) != 0;
}

static bool
is_wanted(const struct sl_stepper *s, lua_State *L, const struct sl_run *run)
{
	int depth = s->mode == SL_STEP_NEXT ? s->depth : s->depth - 1;
	lua_Debug ar;

	if (s->mode <= SL_STEP_CONTINUE)
		return false;
	if (s->mode == SL_STEP_INTO || s->of != run || run->element != s->element)
		return true;
	if (L != s->thread)
		return !is_below(s->thread);
	return lua_getstack(L, depth, &ar) == 0;
}

/* "end)", "}," */
static bool
is_end(struct sl_str text)
{
	size_t i = sl_str_starts(text, SL_STR("end")) ? 3 : 0;

	while (i < text.n && strchr("})],; ", text.p[i]) != NULL)
		i++;
	return i > 0 && i == text.n;
}

static bool
is_comment(struct sl_str text)
{
	return text.n == 0 || sl_str_starts(text, SL_STR("//")) || sl_str_starts(text, SL_STR("#")) ||
	    sl_str_starts(text, SL_STR("/*"));
}

/*
 * Lines that say nothing to a person. Functions are made where they end, then what they are
 * part of goes on at its own line, as the head of a loop does; HSL's functions are made before
 * other code, from the file's first line.
 */
static bool
is_idle(struct sl_stepper *s, const struct sl_run *run, const char *path, int line)
{
	struct sl_str text = sl_str_trim(sl_source_line(run->program, path, line));

	if (is_end(text))
		return true;
	if (!s->repeated && s->of == run && s->line == line && strcmp(s->path, path) == 0) {
		s->repeated = true;
		return true;
	}
	return sl_str_ends(sl_str_of(path), SL_STR(".hsl")) &&
	    (is_comment(text) || sl_str_starts(text, SL_STR("function ")));
}

static int
depth_of(lua_State *L)
{
	lua_Debug ar;
	int n = 0;

	while (lua_getstack(L, n, &ar) != 0)
		n++;
	return n;
}

static void
note_locals(struct sl_stepper *s, lua_State *L, const lua_Debug *ar)
{
	const char *name;

	for (s->nlocals = 0; s->nlocals < MAX_LOCALS; s->nlocals++) {
		if ((name = lua_getlocal(L, ar, s->nlocals + 1)) == NULL)
			return;
		lua_pop(L, 1);
		if (strcmp(name, "(temporary)") == 0)
			return;
		s->locals[s->nlocals] = name;
	}
}

bool
sl_step_stops(lua_State *L, lua_Debug *ar, struct sl_run *run)
{
	struct sl_stepper *s = run->vm->stepper;
	const char *path;
	int depth;

	if (s->stopped != NULL || run->spec.at != NULL || run->unyieldable > 0 || !lua_isyieldable(L) ||
	    lua_getinfo(L, "Sl", ar) == 0 || ar->source[0] != '@' ||
	    strncmp(ar->source, "@stdlib/", 8) == 0)
		return false;
	path = ar->source + 1;
	if ((run->spec.passed != NULL && strcmp(path, run->spec.passed) == 0) ||
	    (!is_breakpoint(s, path, ar->currentline) &&
	    (!is_wanted(s, L, run) || is_idle(s, run, path, ar->currentline))))
		return false;
	depth = depth_of(L);
	if (s->of != run || s->thread != L || s->depth != depth)
		s->frame++;
	lua_pushthread(L);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &thread_key);
	s->of = s->stopped = run;
	s->thread = L;
	s->depth = depth;
	s->element = run->element;
	s->repeated = false;
	s->number++;
	s->line = ar->currentline;
	note_locals(s, L, ar);
	snprintf(s->path, sizeof(s->path), "%s", path);
	return true;
}

/* ---- what stands ------------------------------------------------------------------- */

bool
sl_step_stopped(const struct sl_run *run)
{
	return run->vm->stepper != NULL && run->vm->stepper->stopped == run;
}

lua_State *
sl_step_thread(const struct sl_vm *vm)
{
	return vm->stepper->thread;
}

const char *
sl_step_local(const struct sl_vm *vm, int n)
{
	return n >= 1 && n <= vm->stepper->nlocals ? vm->stepper->locals[n - 1] : NULL;
}

unsigned
sl_step_number(const struct sl_vm *vm)
{
	return vm->stepper != NULL && vm->stepper->stopped != NULL ? vm->stepper->number : 0;
}

void
sl_step_forget(struct sl_run *run)
{
	struct sl_stepper *s = run->vm->stepper;

	if (s == NULL)
		return;
	if (s->stopped == run)
		s->stopped = NULL;
	if (s->of == run)
		s->of = NULL;
}

struct sl_run *
sl_vm_stopped(const struct sl_vm *vm, struct sl_stop *out)
{
	const struct sl_stepper *s = vm->stepper;
	struct sl_run *run = s != NULL ? s->stopped : NULL;

	if (run == NULL || out == NULL)
		return run;
	out->path = s->path;
	out->line = s->line;
	out->source = sl_source_line(run->program, s->path, s->line);
	out->phase = run->spec.name;
	out->at = run->spec.phase;
	out->frame = s->frame;
	out->hsl = sl_str_ends(sl_str_of(s->path), SL_STR(".hsl"));
	return run;
}

/* ---- what a person says -------------------------------------------------------------- */

static struct sl_stepper *
stepper_of(struct sl_vm *vm)
{
	if (vm->stepper == NULL && (vm->stepper = sl_calloc(1, sizeof(*vm->stepper))) != NULL) {
		vm->stepper->mode = SL_STEP_CONTINUE;
		sl_list_init(&vm->stepper->breakpoints);
	}
	return vm->stepper;
}

static void
remove_breakpoint(struct breakpoint *b)
{
	sl_list_remove(&b->link);
	sl_free(b);
}

static void
stepper_free(struct sl_vm *vm)
{
	struct sl_stepper *s = vm->stepper;

	vm->stepper = NULL;
	if (s == NULL)
		return;
	while (!sl_list_empty(&s->breakpoints))
		remove_breakpoint(sl_list_entry(s->breakpoints.next, struct breakpoint, link));
	sl_free(s);
}

int
sl_vm_step(struct sl_vm *vm, enum sl_step step)
{
	struct sl_run *run = sl_vm_stopped(vm, NULL);
	char where[600] = "";

	if (run != NULL)
		snprintf(where, sizeof(where), "%s:%d", vm->stepper->path, vm->stepper->line);
	if (step != SL_STEP_OFF) {
		if (stepper_of(vm) == NULL)
			return SL_ERR_NOMEM;
		vm->stepper->stopped = NULL;
		vm->stepper->mode = step == SL_STEP_END ? SL_STEP_INTO : step;
	} else {
		stepper_free(vm);
	}
	if (run != NULL && step == SL_STEP_END)
		sl_run_give_up(run, where);
	else if (run != NULL)
		sl_run_go_on(run);
	return 0;
}

void
sl_vm_end_stopped(struct sl_vm *vm, const char *where)
{
	struct sl_run *run = sl_vm_stopped(vm, NULL);

	vm->stepper->stopped = NULL;
	vm->stepper->mode = SL_STEP_INTO;
	sl_run_end(run, where);
}

int
sl_vm_break(struct sl_vm *vm, const char *path, int line, bool on)
{
	struct sl_list *l, *next;
	struct breakpoint *b;
	size_t size = strlen(path) + 1;

	if (stepper_of(vm) == NULL)
		return SL_ERR_NOMEM;
	for (l = vm->stepper->breakpoints.next; l != &vm->stepper->breakpoints; l = next) {
		next = l->next;
		b = sl_list_entry(l, struct breakpoint, link);
		if (b->line == line && strcmp(b->path, path) == 0)
			remove_breakpoint(b);
	}
	if (!on)
		return 0;
	if ((b = sl_calloc(1, sizeof(*b) + size)) == NULL)
		return SL_ERR_NOMEM;
	b->line = line;
	memcpy(b->path, path, size);
	sl_list_insert(&vm->stepper->breakpoints, &b->link);
	return 0;
}
