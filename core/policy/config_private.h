/* What the files of the configuration share. */
#ifndef SL_POLICY_CONFIG_PRIVATE_H
#define SL_POLICY_CONFIG_PRIVATE_H

#include "config.h"
#include "schema.h"

extern const struct sl_builtin sl_config_functions[];

/* config.c: of a list, also one that is empty (Lua's {} is an object in JSON). */
size_t	 sl_config_list_size(struct loader *l, const json_t *v, const char *path);
/* Never "nothing" for want of memory. */
void	*sl_config_rows(struct loader *l, size_t n, size_t size);
/* A file of the policy, or "pki:NAME". */
void	 sl_config_take_pem(struct loader *l, const char *name, const char *path, struct sl_str *out);

/* config_keys.c: the root's own keys, and those of its tables. */
void	 sl_config_take_keys(struct loader *l, const json_t *root);

/* config_listeners.c; the check is made when servers are known. */
void	 sl_config_take_listeners(struct loader *l, const json_t *list);
void	 sl_config_check_listeners(struct loader *l);

/* config_servers.c: servers, their flows and relay tables. */
void	 sl_config_take_servers(struct loader *l, const json_t *servers);
void	 sl_config_clear_servers(struct sl_config *config);
/* config_transports.c */
void	 sl_config_take_transports(struct loader *l, const json_t *transports);

/* config_blocks.c: { block = NAME, ... } in a flow of a phase, checked by the block's description. */
void	 sl_config_take_block(struct loader *l, struct sl_element *e, const json_t *v,
	    const char *phase, const char *path);
int	 sl_config_begin_blocks(struct loader *l);	/* 0 or SL_ERR_NOMEM; before any */
void	 sl_config_check_blocks(struct loader *l);	/* when all is taken: each block's own check */
void	 sl_config_drop_blocks(struct loader *l);

/* config_apis.c */
void	 sl_config_take_apis(struct loader *l, const json_t *api, const json_t *apis);

/* config_files.c */
void	 sl_config_check_files(struct loader *l);

/* config_sockets.c */
void	 sl_config_take_sockets(struct loader *l);

/* config_dkim.c */
void	 sl_config_take_dkim(struct loader *l, const json_t *dkim);
void	 sl_config_clear_dkim(struct sl_config *config);

extern const struct key sl_listener_keys[], sl_milter_listener_keys[];
extern const struct key sl_server_keys[], sl_transport_keys[], sl_dkim_keys[], sl_api_keys[];

#endif
