/* Records: a head of fixed size, then the strings. */
#include "packet.h"

#include <string.h>

#include "state_private.h"

struct request_head {
	uint32_t id;
	uint16_t command, key;
	uint32_t value, reserved;
	int64_t number, ms;
};

struct reply_head {
	uint32_t id;
	int32_t status;
	uint32_t value, ok;
	int64_t number;
};

int
sl_state_put_request(struct sl_buf *out, uint32_t id, const struct sl_state_request *r)
{
	struct request_head h = {
		.id = id, .command = (uint16_t)r->command,
		.key = (uint16_t)r->key.n, .value = (uint32_t)r->value.n,
		.number = r->number, .ms = r->ms,
	};

	sl_buf_put(out, &h, sizeof(h));
	sl_buf_putstr(out, r->key);
	sl_buf_putstr(out, r->value);
	return out->failed ? SL_ERR_NOMEM : 0;
}

int
sl_state_put_reply(struct sl_buf *out, uint32_t id, int status, const struct sl_state_reply *r)
{
	struct reply_head h = {
		.id = id, .status = status, .value = (uint32_t)r->value.n, .ok = r->ok,
		.number = r->number,
	};

	sl_buf_put(out, &h, sizeof(h));
	sl_buf_putstr(out, r->value);
	return out->failed ? SL_ERR_NOMEM : 0;
}

/* Cuts a head of 'n' bytes off. As sl_state_get_request. */
static int
cut_head(struct sl_str *packet, void *head, size_t n)
{
	if (packet->n == 0)
		return 0;
	if (packet->n < n)
		return SL_ERR_SYNTAX;
	memcpy(head, packet->p, n);
	*packet = sl_str_sub(*packet, n, packet->n);
	return 1;
}

static struct sl_str
cut(struct sl_str *packet, size_t n)
{
	struct sl_str s = sl_str_sub(*packet, 0, n);

	*packet = sl_str_sub(*packet, n, packet->n);
	return s;
}

int
sl_state_get_request(struct sl_str *packet, uint32_t *id, struct sl_state_request *r)
{
	struct request_head h;
	int rc = cut_head(packet, &h, sizeof(h));

	if (rc <= 0)
		return rc;
	if (h.reserved != 0 || (size_t)h.key + h.value > packet->n)
		return SL_ERR_SYNTAX;
	*id = h.id;
	*r = (struct sl_state_request){ .command = h.command, .number = h.number, .ms = h.ms };
	r->key = cut(packet, h.key);
	r->value = cut(packet, h.value);
	return sl_state_permits(r) ? 1 : SL_ERR_SYNTAX;
}

int
sl_state_get_reply(struct sl_str *packet, uint32_t *id, int *status, struct sl_state_reply *r)
{
	struct reply_head h;
	int rc = cut_head(packet, &h, sizeof(h));

	if (rc <= 0)
		return rc;
	if (h.ok > 1 || h.status > 0 || h.value > packet->n || h.value > SL_STATE_MAX_VALUE)
		return SL_ERR_SYNTAX;
	*id = h.id;
	*status = h.status;
	*r = (struct sl_state_reply){ .ok = h.ok == 1, .number = h.number };
	r->value = cut(packet, h.value);
	return 1;
}
