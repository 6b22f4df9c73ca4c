/*
 * Generations: from a policy image to compiled code. prepare reports every
 * error it finds; commit switches. What runs keeps the generation it has.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../crypto/key.h"
#include "engine.h"
#include "image.h"
#include "preflight.h"
#include "rotation.h"

struct sl_generation *
sl_generation_ref(struct sl_generation *g)
{
	g->refs++;
	return g;
}

void
sl_generation_unref(struct sl_generation *g)
{
	if (g == NULL || --g->refs > 0)
		return;
	sl_program_unref(g->program);
	sl_services_drop(g);
	sl_rotation_drop(g);
	sl_preflight_drop(g);
	sl_config_free(g->config);
	sl_image_close(g->image);
	sl_free(g);
}

void
sl_generation_free(struct sl_generation *g)
{
	sl_generation_unref(g);
}

const char *
sl_generation_warnings(const struct sl_generation *g)
{
	return sl_program_warnings(g->program);
}

const char *
sl_generation_name(const struct sl_generation *g)
{
	return g->name;
}

const struct sl_config *
sl_generation_config(const struct sl_generation *g)
{
	return g->config;
}

static void
report(struct sl_buf *out, const struct sl_err *err)
{
	sl_buf_puts(out, err->text);
	sl_buf_putc(out, '\n');
}

/* ---- code ------------------------------------------------------------ */

static bool
is_code(const struct sl_generation *g, struct sl_str path)
{
	return !sl_config_is_shadow(g->config, path) && (sl_str_ends(path, SL_STR(".lua")) || sl_str_ends(path, SL_STR(".hsl"))) &&
	    !sl_str_eq(path, SL_STR("sluice.lua")) && !sl_str_starts(path, SL_STR("stdlib/"));
}

static bool
is_data(struct sl_str path)
{
	return sl_str_starts(path, SL_STR("data/"));
}

/* Compiles every script and parses every data file; a broken one doesn't hide
 * the next. Returns how many were refused. */
static int
add_files(struct sl_generation *g, struct sl_buf *out)
{
	struct sl_str path, bytes;
	char name[512];
	struct sl_err err;
	int refused = 0, rc;
	size_t i;

	for (i = 0; sl_image_each(g->image, &i, &path, &bytes);) {
		if (path.n >= sizeof(name) || (!is_code(g, path) && !is_data(path)))
			continue;
		memcpy(name, path.p, path.n);
		name[path.n] = '\0';
		if (is_code(g, path))
			rc = sl_program_add(g->program, name, bytes, &err);
		else
			rc = sl_program_add_data(g->program, name + 5, bytes, &err);
		if (rc != 0) {
			if (is_code(g, path) && sl_program_report(g->program)[0] != '\0')
				sl_buf_puts(out, sl_program_report(g->program));
			else
				report(out, &err);
			refused++;
		}
	}
	return refused;
}

static bool
next_code(void *arg, size_t *i, struct sl_str *path, struct sl_str *source)
{
	const struct sl_generation *g = arg;

	while (sl_image_each(g->image, i, path, source))
		if (is_code(g, *path))
			return true;
	return false;
}

/* Lua that calls what isn't built; HSL's compiler tells that by itself. */
static int
check_names(struct sl_generation *g, struct sl_buf *out)
{
	struct sl_err err;

	if (sl_program_check_names(g->program, next_code, g, &err) == 0)
		return 0;
	if (sl_program_report(g->program)[0] != '\0')
		sl_buf_puts(out, sl_program_report(g->program));
	else
		report(out, &err);
	return 1;
}

#define COMPILER	"stdlib/hsl/"
#define CHECKS		"stdlib/check/"

/* What HSL's compiler asks for: code and data of the policy, and its own modules. */
static bool
read_source(void *arg, const char *path, struct sl_str *source)
{
	const struct sl_generation *g = arg;

	return (is_code(g, sl_str_of(path)) || is_data(sl_str_of(path)) ||
	    sl_str_starts(sl_str_of(path), SL_STR(COMPILER)) ||
	    sl_str_starts(sl_str_of(path), SL_STR(CHECKS))) &&
	    sl_image_find(g->image, path, source);
}

/* sluice.lua's files. */
static const char *
path_by_id(void *arg, struct sl_str id)
{
	const struct sl_generation *g = arg;
	char name[256];

	if (id.n >= sizeof(name))
		return NULL;
	memcpy(name, id.p, id.n);
	name[id.n] = '\0';
	return json_string_value(json_object_get(g->config->files, name));
}

/* The library's modules: stdlib/index lists them, one path a line. Those of HSL's
 * compiler are read when there is something to compile. */
static int
add_stdlib(struct sl_generation *g, struct sl_buf *out)
{
	struct sl_str rest, line, source;
	char name[512];
	struct sl_err err;
	int refused = 0;

	if (!sl_image_find(g->image, "stdlib/index", &rest)) {
		sl_buf_printf(out, "%s/index is missing: is sluice installed?\n", g->engine->stdlib);
		return 1;
	}
	while (sl_str_split(&rest, '\n', &line)) {
		if (line.n == 0)
			continue;
		snprintf(name, sizeof(name), "stdlib/%.*s", (int)line.n, line.p);
		if (sl_str_starts(sl_str_of(name), SL_STR(COMPILER)))
			continue;
		if (!sl_image_find(g->image, name, &source)) {
			sl_buf_printf(out, "%s, named in its index, is missing\n", name);
			refused++;
		} else if (sl_program_add(g->program, name, source, &err) != 0) {
			report(out, &err);
			refused++;
		}
	}
	return refused;
}

/* ---- prepare --------------------------------------------------------- */

int
sl_engine_prepare(struct sl_engine *engine, int image_fd, struct sl_generation **out,
    struct sl_buf *text)
{
	struct sl_generation *g = sl_calloc(1, sizeof(*g));
	struct sl_err err;

	if (g == NULL)
		return SL_ERR_NOMEM;
	g->refs = 1;
	g->engine = engine;
	g->replaced_at = -1;
	if (sl_image_open(&g->image, image_fd, &err) != 0) {
		report(text, &err);
		goto fail;
	}
	if (engine->keyless)
		sl_image_set_keyless(g->image);
	snprintf(g->name, sizeof(g->name), "%s", sl_image_name(g->image));
	if (sl_config_load(&g->config, engine->vm, g->image, text) != 0)
		goto fail;
	if ((g->program = sl_program_new(engine->vm)) == NULL)
		goto fail;
	g->files = (struct sl_program_files){ read_source, path_by_id, g, NULL, g->config->level };
	sl_program_set_files(g->program, &g->files);
	if (add_stdlib(g, text) + add_files(g, text) != 0 || check_names(g, text) != 0)
		goto fail;
	if (sl_services_prepare(engine, g, text) != 0)
		goto fail;
	*out = g;
	return 0;
fail:
	sl_generation_unref(g);
	if (text->n == 0)
		sl_buf_puts(text, "out of memory\n");
	return SL_ERR_INVAL;
}

int
sl_engine_prepare_folder(struct sl_engine *engine, const char *folder,
    struct sl_generation **out, struct sl_buf *text)
{
	struct sl_err err;
	int fd, rc;

	if (sl_image_pack(folder, engine->stdlib, &fd, &err) != 0) {
		report(text, &err);
		return err.code;
	}
	rc = sl_engine_prepare(engine, fd, out, text);
	close(fd);
	return rc;
}

/* ---- keys ------------------------------------------------------------ */

struct sl_key *
sl_generation_key(struct sl_generation *g, struct sl_str spec, struct sl_err *err)
{
	struct sl_str text = spec;
	struct sl_key *key;

	if (sl_str_starts(spec, SL_STR("pki:")) && !sl_config_key(g->config, spec, &text)) {
		sl_err_set(err, SL_ERR_NOTFOUND, "\"%.*s\" is not in the policy's keys/",
		    (int)spec.n, spec.p);
		return NULL;
	}
	return sl_key_cache_get(g->engine->keys, text, &key, err) == 0 ? key : NULL;
}
