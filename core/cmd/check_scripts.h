/* What "sluice check" looks for in the scripts of a policy that loads. */
#ifndef SL_CMD_CHECK_SCRIPTS_H
#define SL_CMD_CHECK_SCRIPTS_H

#include <jansson.h>

#include "../base/err.h"
#include "../base/types.h"

struct sl_engine;

/* Adds one. Each has a place: what is about a whole file stands at its beginning (line 0). */
json_t	*check_add(json_t *findings, const char *file, int line, int column, const char *severity,
	    const char *code, const char *text);

/* The settings of a Postfix that asks the policy as its milter: main.cf, or what postconf prints. */
struct check_postfix {
	const char *file;		/* for findings */
	struct sl_str text;
};

/*
 * A list of { file, line, column, severity = "error" | "warning", code, text, remedy }, the
 * caller's. 'image' is the policy as the engine runs it; 'postfix' may be NULL. NULL: *err says why.
 */
json_t	*check_scripts(struct sl_engine *engine, int image, const struct check_postfix *postfix,
	    struct sl_err *err);

/* Takes away that a function isn't there, which HSL's compiler says of one file, where another script of the
 * policy has it: elements of a flow share functions. */
void	 check_functions(json_t *findings, int image);

/* Gives findings without a remedy the one of their code (stdlib/check/codes.lua); a code that isn't there is an
 * error of ours. Negative: *err says why. */
int	 check_explain(json_t *findings, struct sl_err *err);

#endif
