/* Passwords against crypt(3) hashes. */
#include <string.h>

#include "../../core/engine/doors.h"
#include "../../core/engine/value.h"
#include "../../core/engine/vm.h"
#include "../../core/policy/owner.h"
#include "../../core/policy/password.h"

static int
verified(lua_State *L, struct sl_op *op)
{
	if (op->status != 0)
		return sl_fail(L, sl_err_word(op->status), "the password can't be checked");
	sl_bool(L, ((struct sl_password_op *)op)->ok);
	return 1;
}

/*lua
Whether a password belongs to a crypt(3) hash: `$6$` `$5$` `$y$` `$2b$` `$1$`, as the
system's crypt knows them.

What is no hash accepts nothing. Hashes that would take seconds or hundreds of
megabytes are refused. The work is done beside the other sessions', in order.

@param hash string
@param password string
@return boolean? ok    false: it is another password
@return string? err    why it can't be checked
@return string? code   "syntax": no hash that crypt knows | "limit": too costly

    local hash = "$5$abc$qsg6EHbUzHQzF1POlD7zUwBINSELQxypPaeDcZe6vH0"
    assert(password_verify(hash, "secret") == true)
    assert(password_verify(hash, "guess") == false)
    assert(select(3, password_verify("*0", "secret")) == "syntax")
*/
static int
password_verify(lua_State *L)
{
	struct sl_str hash = sl_arg_string(L, 1), password = sl_arg_string(L, 2);

	if (strlen(hash.p) != hash.n || !sl_password_usable(hash.p))
		return sl_fail(L, "syntax", "this is not a hash that crypt(3) knows");
	if (sl_password_costly(hash.p))
		return sl_fail(L, "limit", "the hash asks for too much work");
	return sl_await(L, (struct sl_op *)sl_password_check_taped(sl_vm_loop(sl_vm_of(L)),
	    sl_engine_passwords(L), sl_run_tape(L), hash.p, password), verified);
}

const struct sl_builtin sl_module_password[] = {
	{ "password_verify", password_verify, SL_AT_ANY | SL_WAITS | SL_IMPURE | SL_YES_NO },
	{ NULL, NULL, 0 },
};
