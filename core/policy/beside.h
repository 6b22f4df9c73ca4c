/*
 * Files beside a script that runs without a policy (sluice exec): what it includes and
 * imports. Read once each and kept, until another script takes its place.
 */
#ifndef SL_POLICY_BESIDE_H
#define SL_POLICY_BESIDE_H

#include "../engine/vm.h"

struct sl_beside;

/* Of the folder that 'script' stands in. NULL = out of memory. */
struct sl_beside *sl_beside_new(const char *script);
void	 sl_beside_free(struct sl_beside *beside);		/* NULL is fine */
/* A name is looked for in the folder; one of data/ in data/ first. Borrowed. */
const struct sl_program_files *sl_beside_files(const struct sl_beside *beside);

#endif
