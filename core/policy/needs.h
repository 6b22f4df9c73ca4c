/* Whether a flow may look at the body of a message. */
#ifndef SL_POLICY_NEEDS_H
#define SL_POLICY_NEEDS_H

#include "config.h"

/*
 * Of a flow of eod or data, by the names its scripts mention: the body is needed unless each
 * builtin among them is of a module that has nothing to do with messages, or has SL_HEADER, and
 * there is no way to others (require, include, load, _ENV, a block, HSL). A name in a comment
 * counts too: what isn't sure is needed.
 */
bool sl_flow_needs_body(const struct sl_flow *flow, const struct sl_image *image);

#endif
