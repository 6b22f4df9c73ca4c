/*
 * Which lines of scripts have code, for coverage: read out of what Lua itself
 * says of a compiled function, its dump (the format of 5.4). The implicit return
 * at a function's end isn't a line of the script's; neither is what
 * stands in front of each file (program.c).
 */
#include <string.h>

#include "internal.h"

#define SIGNATURE	"\x1bLua\x54"
#define HEADER		(4 + 1 + 1 + 6 + 3 + 8 + 8)	/* up to the number of upvalues */
#define OWN		2		/* instructions of "local _ENV = ..." */
#define ABSOLUTE	(-0x80)		/* the line stands in a list of its own */
#define MAX_DEPTH	200

struct dump {
	const unsigned char *p;
	size_t n;
	bool broken;
	sl_lines_fn *fn;
	void *arg;
	const char *path;
};

static const unsigned char *
take(struct dump *d, size_t n)
{
	const unsigned char *at = d->p;

	if (n > d->n) {
		d->broken = true;
		d->n = 0;
		return NULL;
	}
	d->p += n;
	d->n -= n;
	return at;
}

static unsigned
take_byte(struct dump *d)
{
	const unsigned char *p = take(d, 1);

	return p != NULL ? *p : 0;
}

/* Seven bits a byte, the last one has the eighth. */
static size_t
take_size(struct dump *d)
{
	size_t v = 0;
	unsigned c;

	do {
		c = take_byte(d);
		v = v << 7 | (c & 0x7f);
	} while ((c & 0x80) == 0 && !d->broken);
	return v;
}

static void
skip_string(struct dump *d)
{
	size_t n = take_size(d);

	if (n > 0)
		take(d, n - 1);
}

static void
skip_constant(struct dump *d)
{
	switch (take_byte(d)) {
	case 0x03:		/* integer */
	case 0x13:		/* float */
		take(d, 8);
		break;
	case 0x04:		/* short string */
	case 0x14:		/* long string */
		skip_string(d);
		break;
	default:		/* nil, false, true */
		break;
	}
}

static void
tell(struct dump *d, const signed char *deltas, size_t n, const struct dump *absolute, int line,
    size_t first)
{
	struct dump abs = *absolute;
	size_t i;

	for (i = 0; i + 1 < n; i++) {	/* the last one is the implicit return */
		if (deltas[i] == ABSOLUTE) {
			take_size(&abs);
			line = (int)take_size(&abs);
		} else {
			line += deltas[i];
		}
		if (i >= first)
			d->fn(d->arg, d->path, line);
	}
}

static void
read_function(struct dump *d, int depth)
{
	const signed char *deltas;
	struct dump absolute;
	size_t n, i, ndeltas;
	int line;

	if (depth > MAX_DEPTH) {
		d->broken = true;
		return;
	}
	skip_string(d);			/* source */
	line = (int)take_size(d);
	take_size(d);			/* last line */
	take(d, 3);			/* parameters, vararg, stack */
	n = take_size(d);
	take(d, n * 4);			/* instructions */
	for (n = take_size(d), i = 0; i < n && !d->broken; i++)
		skip_constant(d);
	take(d, take_size(d) * 3);	/* upvalues */
	for (n = take_size(d), i = 0; i < n && !d->broken; i++)
		read_function(d, depth + 1);
	ndeltas = take_size(d);
	deltas = (const signed char *)take(d, ndeltas);
	n = take_size(d);
	absolute = *d;
	for (i = 0; i < n * 2 && !d->broken; i++)
		take_size(d);
	for (n = take_size(d), i = 0; i < n && !d->broken; i++) {
		skip_string(d);		/* a local's name, and where it is known */
		take_size(d);
		take_size(d);
	}
	for (n = take_size(d), i = 0; i < n && !d->broken; i++)
		skip_string(d);		/* an upvalue's name */
	if (!d->broken)
		tell(d, deltas, ndeltas, &absolute, line, depth == 0 ? OWN : 0);
}

static int
append(lua_State *L, const void *p, size_t n, void *out)
{
	(void)L;
	return sl_buf_put(out, p, n);
}

/* The function on top: its file may be compiled in several ways, and is told by its own name. */
static int
read_chunk(lua_State *L, sl_lines_fn *fn, void *arg)
{
	struct sl_buf bytes = SL_BUF_INIT;
	struct dump d = { .fn = fn, .arg = arg };
	lua_Debug ar;

	lua_pushvalue(L, -1);
	if (lua_getinfo(L, ">S", &ar) == 0 || ar.source[0] != '@')
		return 0;
	d.path = ar.source + 1;
	if (lua_dump(L, append, &bytes, 0) == 0) {
		d.p = (const unsigned char *)bytes.p;
		d.n = bytes.n;
		d.broken = bytes.n < HEADER || memcmp(bytes.p, SIGNATURE, 5) != 0;
		take(&d, HEADER + 1);
		if (!d.broken)
			read_function(&d, 0);
	} else {
		d.broken = true;
	}
	sl_buf_clear(&bytes);
	return d.broken ? SL_ERR_CORRUPT : 0;
}

/* The policy's own: not the library's, nor the second form of an HSL file, for who includes it,
 * which has the same lines. */
static bool
is_counted(const char *path)
{
	return strncmp(path, "stdlib/", 7) != 0 &&
	    strncmp(path, SL_HSL_INCLUDED, sizeof(SL_HSL_INCLUDED) - 1) != 0;
}

int
sl_program_lines(struct sl_program *p, sl_lines_fn *fn, void *arg)
{
	lua_State *L = p->vm->L;
	int rc = 0;

	sl_ref_push(L, p->chunks);
	for (lua_pushnil(L); rc == 0 && lua_next(L, -2) != 0; lua_pop(L, 1))
		if (is_counted(lua_tostring(L, -2)))
			rc = read_chunk(L, fn, arg);
	lua_settop(L, 0);
	return rc;
}

void
sl_vm_on_line(struct sl_vm *vm, sl_lines_fn *fn, void *arg)
{
	vm->on_line = fn;
	vm->on_line_arg = arg;
}
