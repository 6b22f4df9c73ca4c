/* Users files: each malformed line is told, or the accounts are found. */
#include <stdlib.h>
#include <string.h>

#include "../../core/base/alloc.h"
#include "../../core/policy/users.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str text = { (const char *)data, size }, rest = text, line, name;
	struct sl_buf report = SL_BUF_INIT;
	struct sl_users *users = NULL;
	const struct sl_user *user;

	if (sl_users_parse(&users, "users", text, &report) == 0) {
		while (sl_str_split(&rest, '\n', &line)) {
			sl_str_split(&line, ':', &name);
			user = sl_users_find(users, name);
			if (user != NULL && (strlen(user->name) == 0 || user->hash == NULL))
				abort();
		}
		sl_users_free(users);
	} else if (report.n == 0) {
		abort();
	}
	sl_buf_clear(&report);
	return 0;
}
