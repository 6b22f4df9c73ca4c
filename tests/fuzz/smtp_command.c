/* Command lines and AUTH exchanges of the SMTP server. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../core/smtp/command.h"
#include "../../core/smtp/server_auth.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
auth(struct sl_str rest, bool login)
{
	struct sl_smtp_auth a;
	struct sl_str line;
	int r = 1;

	sl_smtp_auth_begin(&a, login ? SL_STR("LOGIN") : SL_STR("PLAIN"));
	while (r == 1 && sl_str_split(&rest, '\n', &line))
		r = sl_smtp_auth_step(&a, &line);
	if (r == 0 && (a.username.n == 0 || a.password.n > SL_AUTH_MAX))
		abort();
	sl_smtp_auth_clear(&a);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str line = { (const char *)data, size }, args;
	struct sl_smtp_mail m;
	struct sl_err err;

	sl_smtp_verb_find(line, &args);
	if (sl_smtp_mail_parse(&m, args, &err) == 0 &&
	    (m.path.n < 2 || m.path.p[0] != '<' || m.path.p[m.path.n - 1] != '>'))
		abort();
	sl_smtp_rcpt_parse(&m, args, size % 2, &err);
	sl_smtp_helo_valid(args);
	auth(line, false);
	auth(line, true);
	return 0;
}
