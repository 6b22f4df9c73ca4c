/* What the files of the desk share. */
#ifndef SL_CMD_DESK_PRIVATE_H
#define SL_CMD_DESK_PRIVATE_H

#include "../dns/dns.h"
#include "../http/client.h"
#include "desk.h"

struct desk_route;
struct sl_zone;

struct desk {
	char *folder;
	bool simulate;
	bool shut;
	bool gateway;			/* permission to relay is decided by the policy */
	int image;			/* the policy's, -1 = none */
	struct sl_loop *loop;
	struct sl_events events;
	struct sl_event_sink sink;
	struct sl_engine *engine;
	volatile sig_atomic_t *interrupt;	/* NULL = nobody does */
	void (*at_stop)(void *arg);	/* NULL = nothing stops */
	void *at_stop_arg;
	json_t *told;			/* events */
	int64_t began_us;
	void (*hear)(void *arg, const json_t *event);	/* NULL = nobody */
	void *hear_arg;
	json_t *covered;		/* path -> array of counts by line, -1 = no code; NULL = not asked for */
	bool lines_known;		/* which lines have code */

	/* desk_world.c */
	struct sl_dns_host dns_host;
	struct sl_http_host http_host;
	struct sl_dns *dns;		/* what the engine has: asks us */
	struct sl_http *http;		/* the same, for scripts without a policy */
	struct sl_buf zone_text;
	bool zone_only;			/* the policy says that no other names are there */
	struct sl_zone *zone;
	struct desk_route *routes;	/* the last one said first */
	struct sl_list later;		/* answers under way */
	json_t *questions, *unanswered;
	json_t *refused;		/* addresses of sockets */
	struct sl_dns *live_dns;	/* NULL = not live */
	struct sl_http *live_http;

	/* desk_session.c */
	struct sl_session *session;
	json_t *verdict;		/* of the step under way */
	bool answered;
};

int	 desk_world_open(struct desk *d, struct sl_err *err);
bool	 desk_may_connect(void *arg, const char *to);
void	 desk_world_close(struct desk *d);	/* nothing asks any more */
int	 desk_world_of_policy(struct desk *d, struct sl_buf *report);	/* its zone text */

/* A string of any bytes: JSON here never leaves the process as it is. */
json_t	*desk_text(struct sl_str s);

#endif
