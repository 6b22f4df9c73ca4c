/* HSL's compiler: whatever the bytes, it ends with code that loads, or with errors. */
#include <stdlib.h>
#include <string.h>

#include "../../core/engine/vm.h"
#include "../../core/policy/library.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sl_vm *vm;
static struct sl_program *library;

static void
open_once(void)
{
	const char *folder = getenv("SLUICE_STDLIB");
	struct sl_err err;

	if (vm != NULL)
		return;
	vm = sl_vm_new(sl_loop_new(&err), NULL, &err);
	library = vm != NULL ? sl_library_load(vm, folder != NULL ? folder : "stdlib", &err) : NULL;
	if (library == NULL)
		abort();
}

/* A limit is an answer; an error inside of the compiler, or code that Lua's parser
 * refuses for another reason than its size, is a fault. */
static bool
is_fault(const struct sl_err *err)
{
	static const char *const limits[] = { "more than", "out of memory", "overflow", "levels",
	    "too many", "limit", "control structure too long" };
	size_t i;

	if (strstr(err->text, "the compiler gave up") == NULL &&
	    strstr(err->text, "too complex to compile") == NULL)
		return false;
	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strstr(err->text, limits[i]) != NULL)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_program *program;
	struct sl_err err;

	open_once();
	program = sl_program_new_upon(vm, library);
	if (sl_program_add(program, "f.hsl", (struct sl_str){ (const char *)data, size }, &err) != 0 &&
	    is_fault(&err))
		abort();
	sl_program_unref(program);
	return 0;
}
