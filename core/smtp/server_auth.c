/* See server_auth.h. Base64 is strict (RFC 4648 4); "=" is an empty initial response. */
#include "server_auth.h"

#include <string.h>

#include "../base/alloc.h"

bool
sl_smtp_auth_begin(struct sl_smtp_auth *auth, struct sl_str mechanism)
{
	memset(auth, 0, sizeof(*auth));
	auth->login = sl_str_ieq(mechanism, SL_STR("LOGIN"));
	return auth->login || sl_str_ieq(mechanism, SL_STR("PLAIN"));
}

static void
wipe(struct sl_buf *b)
{
	sl_wipe(b->p, b->cap);
	sl_buf_clear(b);
}

void
sl_smtp_auth_clear(struct sl_smtp_auth *auth)
{
	wipe(&auth->username);
	wipe(&auth->password);
}

static int
decode(struct sl_buf *out, struct sl_str line)
{
	if (sl_str_eq(line, SL_STR("=")))
		line.n = 0;
	if (line.n > 4096)
		return SL_ERR_SYNTAX;
	return sl_base64_decode(out, line, false);
}

static int
take(struct sl_buf *out, struct sl_str value)
{
	if (value.n == 0 || value.n > SL_AUTH_MAX || sl_str_chr(value, '\0') >= 0)
		return SL_ERR_SYNTAX;
	return sl_buf_putstr(out, value) < 0 ? SL_ERR_NOMEM : 0;
}

/* [authzid] NUL authcid NUL passwd (RFC 4616 2) */
static int
plain(struct sl_smtp_auth *auth, struct sl_str message)
{
	struct sl_str authzid, authcid;
	int r;

	if (!sl_str_split(&message, '\0', &authzid) || message.p == NULL ||
	    !sl_str_split(&message, '\0', &authcid) || message.p == NULL)
		return SL_ERR_SYNTAX;
	if (authzid.n > 0 && !sl_str_eq(authzid, authcid))
		return SL_ERR_REFUSED;
	r = take(&auth->username, authcid);
	return r < 0 ? r : take(&auth->password, message);
}

int
sl_smtp_auth_step(struct sl_smtp_auth *auth, const struct sl_str *line)
{
	struct sl_buf decoded = SL_BUF_INIT;
	int r;

	if (line == NULL) {
		auth->prompt = auth->login ? "VXNlcm5hbWU6" : "";	/* Username: */
		return 1;
	}
	if (sl_str_eq(*line, SL_STR("*")))
		return SL_ERR_CANCELED;
	r = decode(&decoded, *line);
	if (r == 0 && !auth->login)
		r = plain(auth, sl_buf_str(&decoded));
	else if (r == 0 && auth->steps == 0)
		r = take(&auth->username, sl_buf_str(&decoded));
	else if (r == 0)
		r = take(&auth->password, sl_buf_str(&decoded));
	wipe(&decoded);
	if (r == 0 && auth->login && auth->steps++ == 0) {
		auth->prompt = "UGFzc3dvcmQ6";				/* Password: */
		return 1;
	}
	return r;
}
