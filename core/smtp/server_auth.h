/* AUTH (RFC 4954): what PLAIN and LOGIN send, decoded. Checking is the policy's. */
#ifndef SL_SMTP_SERVER_AUTH_H
#define SL_SMTP_SERVER_AUTH_H

#include "../base/bytes.h"
#include "../base/err.h"

#define SL_AUTH_MAX 255		/* bytes of a name or a password, RFC 4616 2 */

/*
 * One exchange. 'step' takes each line of the client: the initial response
 * (without, pass NULL), then the answers to the prompts. Results: 1 = send
 * "334 " and 'prompt'; 0 = username and password are there; SL_ERR_CANCELED
 * for "*"; SL_ERR_SYNTAX; SL_ERR_REFUSED (acts for another); SL_ERR_NOMEM.
 */
struct sl_smtp_auth {
	bool login;
	int steps;
	const char *prompt;
	struct sl_buf username, password;
};

/* "PLAIN" or "LOGIN" in any case; false for others. */
bool	 sl_smtp_auth_begin(struct sl_smtp_auth *auth, struct sl_str mechanism);
int	 sl_smtp_auth_step(struct sl_smtp_auth *auth, const struct sl_str *line);
void	 sl_smtp_auth_clear(struct sl_smtp_auth *auth);	/* wipes */

#endif
