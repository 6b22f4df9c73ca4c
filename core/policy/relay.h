/*
 * The relay table: per server, what happens to mail for a recipient domain.
 * Permission to relay comes from here alone. Match: the domain itself, the
 * longest ".parent", then "*".
 */
#ifndef SL_POLICY_RELAY_H
#define SL_POLICY_RELAY_H

#include "../base/bytes.h"
#include "../base/err.h"
#include "../sluice_host.h"

struct sl_flow;
struct sl_server;

struct sl_relay_row {
	const char *transport;
	struct sl_flow *flows[SL_PHASES];	/* rcptto, eod, data: NULL = the server's */
	bool any;			/* "*": known clients only */
	bool open;			/* open_relay: "*" for everybody */
};

struct sl_relay;

struct sl_relay	*sl_relay_new(void);
void		 sl_relay_free(struct sl_relay *relay);
/* 'domain': a name, ".name" or "*"; the row is copied. SL_ERR_EXISTS for a second one. */
int		 sl_relay_add(struct sl_relay *relay, struct sl_str domain,
		    const struct sl_relay_row *row, struct sl_err *err);
/* 'domain' is normalized (core/mail/address.h). NULL = no row. */
const struct sl_relay_row *sl_relay_find(const struct sl_relay *relay, const char *domain);
/* A row of the domain's own permits everybody, "*" only known clients. */
bool		 sl_relay_permits(const struct sl_relay_row *row, bool known_client);
/* The row's flow of the phase, else the server's. 'row' may be NULL. */
const struct sl_flow *sl_relay_flow(const struct sl_server *server,
		    const struct sl_relay_row *row, enum sl_phase phase);
void		 sl_relay_each(struct sl_relay *relay, void (*fn)(struct sl_relay_row *row));

#endif
