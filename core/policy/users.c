#include "users.h"

#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "password.h"

struct sl_users {
	struct sl_dict *by_name;
};

static void
user_free(void *p)
{
	struct sl_user *u = p;
	size_t i;

	if (u == NULL)
		return;
	for (i = 0; i < u->ndomains; i++)
		sl_free(u->domains[i]);
	sl_free(u->domains);
	sl_free(u->name);
	sl_free(u->hash);
	sl_free(u);
}

static int
take_domains(struct sl_user *u, struct sl_str text)
{
	struct sl_str part;
	size_t n = 1, i;

	for (i = 0; i < text.n; i++)
		n += text.p[i] == ',';
	if ((u->domains = sl_calloc(n, sizeof(*u->domains))) == NULL)
		return SL_ERR_NOMEM;
	while (sl_str_split(&text, ',', &part)) {
		part = sl_str_trim(part);
		if (part.n == 0)
			continue;
		if ((u->domains[u->ndomains] = sl_strndup(part.p, part.n)) == NULL)
			return SL_ERR_NOMEM;
		sl_lower_in_place(u->domains[u->ndomains++], part.n);
	}
	return 0;
}

static int
add_line(struct sl_users *users, struct sl_str line, const char **why)
{
	struct sl_user *u = sl_calloc(1, sizeof(*u));
	struct sl_str name, hash;
	int rc;

	*why = "out of memory";
	if (u == NULL)
		return SL_ERR_NOMEM;
	if (!sl_str_split(&line, ':', &name) || !sl_str_split(&line, ':', &hash) || name.n == 0) {
		*why = "name:hash:domain,domain expected";
		goto bad;
	}
	u->name = sl_strndup(name.p, name.n);
	u->hash = sl_strndup(hash.p, hash.n);
	if (u->name == NULL || u->hash == NULL || take_domains(u, line) != 0)
		goto bad;
	if (!sl_password_usable(u->hash)) {
		*why = "the second field is not a hash that crypt(3) knows";
		goto bad;
	}
	if (sl_dict_has(users->by_name, name)) {
		*why = "the name stands twice";
		goto bad;
	}
	if ((rc = sl_dict_set(users->by_name, name, u, NULL)) == 0)
		return 0;
bad:
	user_free(u);
	return SL_ERR_SYNTAX;
}

int
sl_users_parse(struct sl_users **out, const char *file, struct sl_str text, struct sl_buf *report)
{
	struct sl_users *users = sl_calloc(1, sizeof(*users));
	struct sl_str line;
	const char *why;
	unsigned number = 0, bad = 0;

	if (users == NULL || (users->by_name = sl_dict_new()) == NULL) {
		sl_free(users);
		return SL_ERR_NOMEM;
	}
	while (sl_str_split(&text, '\n', &line)) {
		number++;
		line = sl_str_trim(line);
		if (line.n == 0 || line.p[0] == '#')
			continue;
		why = "a NUL byte";
		if (sl_str_chr(line, '\0') >= 0 || add_line(users, line, &why) != 0) {
			sl_buf_printf(report, "%s:%u: %s\n", file, number, why);
			bad++;
		}
	}
	if (bad > 0) {
		sl_users_free(users);
		return SL_ERR_SYNTAX;
	}
	*out = users;
	return 0;
}

void
sl_users_free(struct sl_users *users)
{
	if (users == NULL)
		return;
	sl_dict_free(users->by_name, user_free);
	sl_free(users);
}

const struct sl_user *
sl_users_find(const struct sl_users *users, struct sl_str name)
{
	return sl_dict_get(users->by_name, name);
}
