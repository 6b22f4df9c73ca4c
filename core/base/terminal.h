/* Whether what is written is looked at by a person. */
#ifndef SL_BASE_TERMINAL_H
#define SL_BASE_TERMINAL_H

#include <stdbool.h>

/* The descriptor is a terminal, and NO_COLOR isn't set to anything (no-color.org). */
bool	 sl_terminal_colors(int fd);

#endif
