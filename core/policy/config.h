/*
 * The effective configuration: sluice.lua evaluated and checked by one schema.
 * Everything in it lives as long as the struct and is never changed.
 */
#ifndef SL_POLICY_CONFIG_H
#define SL_POLICY_CONFIG_H

#include <jansson.h>

#include "../base/dict.h"
#include "../engine/vm.h"
#include "../net/addr.h"
#include "../sluice_host.h"
#include "image.h"
#include "relay.h"
#include "users.h"

struct sl_flow {
	struct sl_element *elements;
	size_t n;
};

enum sl_tls_mode { SL_TLS_NONE, SL_TLS_OPTIONAL, SL_TLS_REQUIRED, SL_TLS_IMPLICIT };
enum sl_auth_mode { SL_AUTH_NONE, SL_AUTH_OPTIONAL, SL_AUTH_REQUIRED };

struct sl_listener {
	const char *smtp, *milter;	/* address as written: one of them is there */
	const char *address;		/* that one */
	struct sl_addr addr;
	const char *server;
	const char *authenticated, *trusted;	/* of a milter: other servers, or NULL */
	const char *group;		/* of a milter's unix socket, or NULL */
	int64_t mode;			/* of it */
	int64_t auth, tls;		/* enum sl_auth_mode, enum sl_tls_mode */
	bool auth_in_clear;		/* AUTH without TLS */
};

struct sl_server {
	const char *name;
	struct sl_flow flows[SL_PHASES];
	struct sl_relay *relay;
	bool from_check, sender_login, submission;
};

enum sl_transport_kind { SL_HOST, SL_MX, SL_LMTP, SL_MAILDIR, SL_DISCARD };
enum sl_out_tls { SL_OUT_TLS_NONE, SL_OUT_TLS_OPTIONAL, SL_OUT_TLS_REQUIRE, SL_OUT_TLS_VERIFY };

struct sl_transport {
	const char *name;
	enum sl_transport_kind kind;
	const char *host;		/* HOST, LMTP: name or address */
	int64_t port;
	const char *path;		/* MAILDIR: %u local part, %d domain */
	int64_t tls;			/* enum sl_out_tls */
	const char *username, *password, *source, *helo;
	double timeout;			/* of a command, seconds */
	int64_t connections;		/* at once to one destination */
};

struct sl_api_config {
	const char *name, *url;
	const char *ca;			/* file of the policy, or NULL */
	struct sl_str ca_pem;
	json_t *headers;		/* object of strings, or NULL */
	double timeout, ttl, negative_ttl, stale;
	int64_t max_body;
	int64_t on_failure;		/* 0 = the script decides, 1 = defer */
};

#define SL_DKIM_ENTRIES	8

/* The keys that sign for a domain, in the order in which they are wanted. */
struct sl_dkim_domain {
	size_t n;
	struct sl_dkim_entry {
		struct sl_str selector;
		struct sl_str key;	/* "pki:NAME", or the text of a key */
	} entry[];
};

struct sl_config {
	struct sl_image *image;		/* borrowed */
	json_t *root, *defaults;	/* hold the strings */
	struct sl_vm *vm;

	const char *hostname, *authserv_id, *spool, *user;
	int64_t level;			/* of HSL: 2016 or 2026 */
	int64_t workers, size, recipients, hops;
	double reload_grace, watchdog;
	bool open_relay;
	int64_t line_ends;		/* 0 reject, 1 fix */
	int64_t from_check, sender_login;	/* of servers without their own: 0 reject, 1 accept;
						 * 0 none, 1 domain */
	int64_t dmarc;			/* 0 RFC 9989, 1 RFC 7489 */
	struct sl_dict *dkim;		/* domain -> struct sl_dkim_domain */
	double dkim_recheck;		/* seconds between looks at what is published */
	char system_name[256];
	struct { int64_t total, per_ip; } connections;
	struct { double command, message; } timeouts;
	struct { double timeout, progress; } milter;
	struct { const char *file, *syslog, *level; } log;
	struct { const char *policy; double sample; } shadow;	/* no policy = none */
	struct { const char *cert, *key; struct sl_str cert_pem, key_pem; } tls;
	struct { const char *zone, *anchor; bool zone_only; int64_t dnssec; double timeout; json_t *servers;
	    struct sl_str zone_text, anchor_text; } dns;
	struct { bool allow_private; double timeout; } http;
	struct { json_t *allow; struct sl_network *networks; size_t n; } sockets;
	struct { int64_t steps, memory, ops, dns, http_bytes; double time; } limit_values;
	struct sl_limits limits;
	const char *admin;
	double *retry;			/* seconds between attempts */
	size_t nretry;
	double expire;			/* seconds after which a message is given up */

	struct sl_listener *listeners;
	size_t nlisteners;
	struct sl_server *servers;
	size_t nservers;
	struct sl_transport *transports;
	size_t ntransports;
	struct sl_api_config *apis;	/* the one named "" is api = {} */
	size_t napis;
	json_t *files;			/* name -> path in the policy, or NULL */
	const char **quarantines;
	size_t nquarantines;
	struct sl_network *trusted;
	size_t ntrusted;
	struct sl_users *users;		/* NULL = no users file */
	bool needs_body;		/* some flow does */
};

/*
 * Evaluates and checks. Every error is a line "sluice.lua:12:3: text" in
 * *report; then the result is SL_ERR_INVAL. Known secrets are told to the
 * machine. 'image' must outlive the configuration.
 */
int	 sl_config_load(struct sl_config **out, struct sl_vm *vm, struct sl_image *image,
	    struct sl_buf *report);
void	 sl_config_free(struct sl_config *config);	/* NULL is fine */

const struct sl_server *sl_config_server(const struct sl_config *config, const char *name);
const struct sl_transport *sl_config_transport(const struct sl_config *config, const char *name);
bool	 sl_config_quarantine(const struct sl_config *config, const char *name);
/* Whether scripts may connect to it: public addresses, and what sockets.allow lists. NULL = no policy. */
bool	 sl_config_socket(const struct sl_config *config, const struct sl_addr *to);
/* A file of the policy in 'shadow', which is no part of this one. */
bool	 sl_config_is_shadow(const struct sl_config *config, struct sl_str path);
bool	 sl_config_trusted(const struct sl_config *config, const struct sl_addr *client);
struct sl_users *sl_config_users(const struct sl_config *config);
const struct sl_limits *sl_config_limits(const struct sl_config *config);
const char *sl_config_hostname(const struct sl_config *config);
/* "pki:NAME": the bytes of keys/NAME.pem. */
bool	 sl_config_key(const struct sl_config *config, struct sl_str spec, struct sl_str *pem);

/* The path of a file that scripts may read: named in files, else below data/. "file:NAME"
 * and "file://NAME" are NAME. Whether it is there, the image knows. False: no such name can be. */
#define SL_CONFIG_PATH	512
bool	 sl_config_file(const struct sl_config *config, struct sl_str name, char path[SL_CONFIG_PATH]);

/* "check --defaults": each key, its effective value, and where it comes from. */
int	 sl_config_describe(const struct sl_config *config, struct sl_buf *out);
/* The schema, for the manual: key, type, default, one sentence. false after the last. */
bool	 sl_config_schema(size_t i, const char **key, const char **type, const char **dflt,
	    const char **text);

#endif
