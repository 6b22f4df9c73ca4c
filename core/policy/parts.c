/* Parts of the message. See parts.h. */
#include "parts.h"

#include "../engine/value.h"

const struct sl_mime *
sl_parts(struct sl_transaction *t, size_t *looked)
{
	*looked = 0;
	if (t->mime == NULL && sl_mime_new(&t->mime, t->message) == 0)
		*looked = t->message->bytes.n;
	return t->mime;
}

void
sl_part_push(lua_State *L, unsigned index)
{
	struct sl_part *p = sl_object_new(L, index == 0 ? SL_MAIL_CLASS : SL_PART_CLASS, sizeof(*p), 0,
	    NULL);

	p->index = index;
}
