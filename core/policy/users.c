#include "users.h"

#include <crypt.h>
#include <string.h>

#include "../base/alloc.h"
#include "../base/dict.h"
#include "../crypto/random.h"

struct sl_users {
	struct sl_dict *by_name;
};

/* What an unknown user's password is compared with: SHA-512 crypt as usual. */
#define NOBODY	"$6$nobodynobody$qS4kNIZVY2pM5fgQnbVtJr4DEPlGZWs4/0m2tWR9rQ7GJ1Bv7H3bqk6Q1dZ0M5gqk" \
		"5mEoyS5vCgvUeE0m1R5J/"

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

/* A hash that crypt(3) can't use would let crypt's failure decide. */
static bool
usable(const char *hash)
{
	const char *last = strrchr(hash, '$');
	int rc = crypt_checksalt(hash);

	return rc != CRYPT_SALT_INVALID && rc != CRYPT_SALT_METHOD_DISABLED && hash[0] == '$' &&
	    strlen(last) > 20;
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
	if (!usable(u->hash)) {
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
		if (add_line(users, line, &why) != 0) {
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

/* ---- passwords ------------------------------------------------------------------------ */

struct sl_password_check {
	char *hash, *password;
	size_t n;
	bool known, ok;
};

struct sl_password_check *
sl_password_check_new(const struct sl_user *user, struct sl_str password)
{
	struct sl_password_check *c = sl_calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->known = user != NULL;
	c->hash = sl_strdup(user != NULL ? user->hash : NOBODY);
	c->password = sl_strndup(password.p, password.n);
	c->n = password.n;
	if (c->hash == NULL || c->password == NULL) {
		sl_password_check_free(c);
		return NULL;
	}
	return c;
}

/* A password with a NUL inside would be compared only up to it. */
int
sl_password_check_work(void *arg)
{
	struct sl_password_check *c = arg;
	struct crypt_data *data = sl_calloc(1, sizeof(*data));
	const char *result;

	if (data == NULL)
		return 0;
	result = crypt_r(c->password, c->hash, data);
	c->ok = c->known && strlen(c->password) == c->n && result != NULL && result[0] != '*' &&
	    sl_equal_secret(sl_str_of(result), sl_str_of(c->hash));
	sl_wipe(data, sizeof(*data));
	sl_free(data);
	return 0;
}

bool
sl_password_check_ok(const struct sl_password_check *c)
{
	return c->ok;
}

void
sl_password_check_free(void *arg)
{
	struct sl_password_check *c = arg;

	if (c == NULL)
		return;
	if (c->password != NULL)
		sl_wipe(c->password, c->n);
	sl_free(c->password);
	sl_free(c->hash);
	sl_free(c);
}
