/* The library's modules (stdlib/) without a policy: for what exec and the REPL run alone. */
#ifndef SL_POLICY_LIBRARY_H
#define SL_POLICY_LIBRARY_H

#include "../engine/vm.h"

/* Reads FOLDER/index and what it names. NULL with the reason. */
struct sl_program *sl_library_load(struct sl_vm *vm, const char *folder, struct sl_err *err);

#endif
