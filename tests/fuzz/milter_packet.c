/* The stream of a mail server's milter packets, and what is in each. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/mail/message.h"
#include "../../core/milter/packet.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was taken as one field is one field of a message too, and its header ends there. */
static void
field(struct sl_str data, bool spaced)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m;
	size_t n;
	char *p;

	if (sl_milter_field_parse(&text, data, spaced, NULL) != 0) {
		sl_buf_clear(&text);
		return;
	}
	sl_buf_puts(&text, "\r\n");
	p = sl_buf_take(&text, &n);
	if (p == NULL || sl_message_from_memory(&m, p, n, NULL) != 0)
		abort();
	if (m->nfields != 1 || m->body.n != 0)
		abort();
	sl_message_unref(m);
}

static void
packet(const struct sl_milter_packet *p)
{
	struct sl_milter_options o;
	struct sl_milter_peer peer;
	struct sl_str a, b, rest;
	char command;

	sl_milter_options_parse(&o, p->data, NULL);
	sl_milter_peer_parse(&peer, p->data, NULL);
	sl_milter_path_parse(&a, &b, p->data, NULL);
	if (sl_milter_macros_parse(&command, &rest, p->data, NULL) == 0) {
		while (sl_milter_macro(&rest, &a, &b))
			;
		if (rest.n > 0)
			abort();
	}
	field(p->data, true);
	field(p->data, false);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str in = { (const char *)data, size };
	struct sl_milter_packet p;
	size_t used;

	while (sl_milter_packet_take(in, &p, &used, NULL) == 1) {
		if (used > in.n || p.data.n + 5 != used)
			abort();
		packet(&p);
		in = sl_str_sub(in, used, in.n);
	}
	return 0;
}
