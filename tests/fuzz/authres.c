/* An Authentication-Results value: read, and written again from what was read. */
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/authres.h"

int	 LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A value of any bytes comes back as one value of one result; so does a comment, as none. */
static void
write_value(struct sl_str value)
{
	char *comment = strndup(value.n > 0 ? value.p : "", value.n);
	struct sl_buf out = SL_BUF_INIT;
	struct sl_authres_writer w;
	struct sl_authres a;

	sl_authres_begin(&w, &out, "mx.example.org");
	sl_authres_result(&w, "spf", "fail", comment);
	free(comment);
	sl_authres_property(&w, "smtp", "helo", value);
	if (sl_authres_end(&w) < 0 || sl_authres_parse(&a, sl_buf_str(&out), NULL) < 0 ||
	    a.n != 1 || a.entries[0].nprops != (value.n > 0) ||
	    !sl_authres_claims(sl_buf_str(&out), "mx.example.org"))
		abort();
	sl_authres_clear(&a);
	sl_buf_clear(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sl_str value = { (const char *)data, size };
	struct sl_authres a;

	if (sl_authres_parse(&a, value, NULL) == 0 && a.authserv_id.n == 14 &&
	    sl_str_ieq(a.authserv_id, SL_STR("mx.example.org")) &&
	    !sl_authres_claims(value, "mx.example.org"))
		abort();
	sl_authres_clear(&a);
	write_value(value);
	return 0;
}
