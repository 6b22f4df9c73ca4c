/* The users file: lines "name:crypt(3) hash:domain,domain". */
#ifndef SL_POLICY_USERS_H
#define SL_POLICY_USERS_H

#include "../base/bytes.h"
#include "../base/err.h"

struct sl_user {
	char *name, *hash;
	char **domains;
	size_t ndomains;
};

struct sl_users;

/* Reports every malformed line, "file:line: text", and fails if there was one. */
int	 sl_users_parse(struct sl_users **out, const char *file, struct sl_str text,
	    struct sl_buf *report);
void	 sl_users_free(struct sl_users *users);
const struct sl_user *sl_users_find(const struct sl_users *users, struct sl_str name);

#endif
