/* How scripts are stepped through, and where one is stopped: of a person at a desk. */
#ifndef SL_BASE_STEP_H
#define SL_BASE_STEP_H

#include "bytes.h"

enum sl_step {
	SL_STEP_OFF,		/* lines aren't looked at */
	SL_STEP_CONTINUE,	/* stops at breakpoints only */
	SL_STEP_INTO,		/* at the next line, wherever it is */
	SL_STEP_NEXT,		/* at the next line of this function, or of what called it */
	SL_STEP_OUT,		/* at the next line of what called this function */
	SL_STEP_END,		/* the run ends here, as one that was interrupted */
};

/* Before this line is executed. Borrowed until the run goes on. */
struct sl_stop {
	const char *path;	/* of the policy's file */
	int line;
	struct sl_str source;	/* the line as it was written, "" = not known */
	const char *phase;	/* "data", or "exec" */
	unsigned at;		/* the same as a bit: SL_AT_* */
	unsigned frame;		/* another number in each call of a function, as long as it lasts */
	bool hsl;
};

/* A variable that can be seen there, and its value described. */
typedef void sl_variable_fn(void *arg, const char *name, const char *text);

#endif
