/*
 * The schema of sluice.lua: each key's type, default, bounds and sentence, in
 * one table per level. Checking, defaults, "check --defaults" and the manual
 * are made from it.
 */
#ifndef SL_POLICY_SCHEMA_H
#define SL_POLICY_SCHEMA_H

#include "config.h"
#include "lines.h"

enum key_type {
	KEY_STRING,	/* const char * */
	KEY_BOOL,	/* bool */
	KEY_INT,	/* int64_t */
	KEY_SIZE,	/* int64_t: bytes, or "10M" */
	KEY_SECONDS,	/* double */
	KEY_NUMBER,	/* double */
	KEY_CHOICE,	/* int64_t: place in 'choices' */
	KEY_ANY,	/* json_t *: checked by config.c */
	KEY_SKIP,	/* checked by config.c, no field */
};

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
	const char *dflt;	/* as in Lua, or NULL: none */
	double min, max;	/* of numbers; 0, 0 = none */
	const char *choices;	/* "none optional required" */
	const char *text;
};

struct loader {
	struct sl_config *config;
	struct sl_lines *lines;
	struct sl_buf *report;
	unsigned errors;
	/* config_blocks.c: descriptions by name; parameters of uses that are good; good keys;
	 * by name and path, the parameters that a block is to check itself */
	json_t *blocks, *uses, *keys, *unchecked;
};

/* One error line: position of 'path', then the text. */
void	 schema_error(struct loader *l, const char *path, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/*
 * Fills 'base' from 'object' (NULL = all defaults) by the rows up to one
 * without a name. 'path' is where the object stands ("" = the root).
 */
void	 schema_take(struct loader *l, const struct key *keys, const json_t *object,
	    const char *path, void *base);

#endif
