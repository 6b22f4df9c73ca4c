/* Within sluice keys. */
#ifndef SL_CMD_KEYS_H
#define SL_CMD_KEYS_H

#include "../crypto/key.h"

struct keys_job {
	char domain[256];		/* normalized; "" = not given */
	struct sl_str selector;		/* empty = choose one */
	enum sl_key_type type;
	unsigned bits;			/* 0 = not given */
	const char *out, *policy;	/* where a new key goes; what 'status' is of; NULL = not given */
	const char *key, *zone;		/* paths, for the check */
	bool json;
};

/* Makes a key, writes it, prints what to publish. The exit status. */
int	 keys_generate(const struct keys_job *job);

/* Says which keys of a policy's dkim sign. The exit status. */
int	 keys_status(const struct keys_job *job);

#endif
