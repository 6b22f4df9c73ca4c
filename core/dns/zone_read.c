/* Reading a master file: words into records, by their wire form. */
#include <arpa/inet.h>
#include <string.h>

#include "../base/alloc.h"
#include "packet.h"
#include "zone_private.h"
#include "zone_words.h"

#define DEFAULT_TTL	300

static int
take_name_wire(struct sl_zone_text *p, struct sl_buf *out)
{
	const char *text = sl_zone_take(p, "a name");
	uint8_t wire[256];
	size_t n;
	int rc = text != NULL ? sl_zone_name(p, text, wire, &n) : SL_ERR_SYNTAX;

	return rc != 0 ? rc : sl_buf_put(out, wire, n);
}

static int
take_owner(struct sl_zone_text *p)
{
	uint8_t wire[256];
	size_t n, at = 0;
	int rc = sl_zone_name(p, p->words[p->next++].text, wire, &n);

	return rc != 0 ? rc : sl_packet_name((struct sl_str){ (char *)wire, n }, &at, p->owner) == 0 ?
	    0 : sl_zone_fail(p, "a shorter name was expected");
}

static void
put_u32(struct sl_buf *out, uint32_t v, unsigned bytes)
{
	while (bytes-- > 0)
		sl_buf_putc(out, (char)(v >> 8 * bytes));
}

/* ---- record data, in wire form ------------------------------------------------------------------ */

static int
take_address(struct sl_zone_text *p, int family, struct sl_buf *out)
{
	const char *text = sl_zone_take(p, "an address");
	char bytes[16];

	if (text == NULL)
		return SL_ERR_SYNTAX;
	if (inet_pton(family, text, bytes) != 1)
		return sl_zone_fail(p, family == AF_INET ? "an IPv4 address was expected" :
		    "an IPv6 address was expected");
	return sl_buf_put(out, bytes, family == AF_INET ? 4 : 16);
}

/* 'count' numbers of 'bytes' each. */
static int
take_numbers(struct sl_zone_text *p, unsigned count, unsigned bytes, struct sl_buf *out)
{
	uint32_t v;
	int rc = 0;

	for (; count > 0 && rc == 0; count--)
		if ((rc = sl_zone_take_number(p, "a number", bytes == 1 ? 255 : bytes == 2 ? 65535 : UINT32_MAX,
		    &v)) == 0)
			put_u32(out, v, bytes);
	return rc;
}

/* Character-strings; a long one becomes several. */
static int
take_strings(struct sl_zone_text *p, struct sl_buf *out)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_str rest, part;
	int rc = p->next < p->n || sl_zone_take(p, "a text") != NULL ? 0 : SL_ERR_SYNTAX;

	while (rc == 0 && p->next < p->n) {
		sl_buf_reset(&text);
		if ((rc = sl_zone_put_string(p, p->words[p->next++].text, &text)) != 0)
			break;
		rest = text.n > 0 ? sl_buf_str(&text) : SL_STR("");
		do {
			part = sl_str_sub(rest, 0, 255);
			rest = sl_str_sub(rest, part.n, rest.n);
			sl_buf_putc(out, (char)part.n);
			sl_buf_putstr(out, part);
		} while (rest.n > 0);
		rc = text.failed ? SL_ERR_NOMEM : 0;
	}
	sl_buf_clear(&text);
	return rc;
}

static int
take_hex(struct sl_zone_text *p, struct sl_buf *out)
{
	const char *text;

	while (p->next < p->n) {
		text = p->words[p->next++].text;
		if (sl_hex_decode(out, sl_str_of(text)) != 0 && !out->failed)
			return sl_zone_fail(p, "hexadecimal digits were expected");
	}
	return 0;
}

static int
take_soa(struct sl_zone_text *p, struct sl_buf *out)
{
	static const char *const times[] = { "refresh", "retry", "expire", "minimum" };
	uint32_t v;
	size_t i;
	int rc;

	if ((rc = take_name_wire(p, out)) != 0 || (rc = take_name_wire(p, out)) != 0 ||
	    (rc = take_numbers(p, 1, 4, out)) != 0)
		return rc;
	for (i = 0; i < 4; i++) {
		if ((rc = sl_zone_take_time(p, times[i], &v)) != 0)
			return rc;
		put_u32(out, v, 4);
	}
	return 0;
}

static int
take_caa(struct sl_zone_text *p, struct sl_buf *out)
{
	const char *tag;
	int rc = take_numbers(p, 1, 1, out);

	if (rc != 0 || (tag = sl_zone_take(p, "a tag")) == NULL)
		return SL_ERR_SYNTAX;
	if (strlen(tag) > 255)
		return sl_zone_fail(p, "a shorter tag was expected");
	sl_buf_putc(out, (char)strlen(tag));
	sl_buf_puts(out, tag);
	tag = sl_zone_take(p, "a value");
	return tag != NULL ? sl_zone_put_string(p, tag, out) : SL_ERR_SYNTAX;
}

/* \# LENGTH HEX, for any type (RFC 3597 5) */
static int
take_generic(struct sl_zone_text *p, struct sl_buf *out)
{
	uint32_t n;
	int rc;

	p->next++;
	if ((rc = sl_zone_take_number(p, "a length", 65535, &n)) != 0 || (rc = take_hex(p, out)) != 0)
		return rc;
	return out->n == n || out->failed ? 0 : sl_zone_fail(p, "as many bytes as the length says were expected");
}

static int
take_data(struct sl_zone_text *p, unsigned type, struct sl_buf *out)
{
	int rc;

	if (p->next < p->n && strcmp(p->words[p->next].text, "\\#") == 0 && !p->words[p->next].quoted)
		return take_generic(p, out);
	switch (type) {
	case SL_DNS_A:
		return take_address(p, AF_INET, out);
	case SL_DNS_AAAA:
		return take_address(p, AF_INET6, out);
	case SL_DNS_TXT:
	case SL_DNS_SPF:
		return take_strings(p, out);
	case SL_DNS_MX:
	case SL_DNS_SRV:
		rc = take_numbers(p, type == SL_DNS_MX ? 1 : 3, 2, out);
		return rc != 0 ? rc : take_name_wire(p, out);
	case SL_DNS_NS:
	case SL_DNS_CNAME:
	case SL_DNS_PTR:
		return take_name_wire(p, out);
	case SL_DNS_TLSA:
		rc = take_numbers(p, 3, 1, out);
		return rc != 0 ? rc : take_hex(p, out);
	case SL_DNS_SOA:
		return take_soa(p, out);
	case SL_DNS_CAA:
		return take_caa(p, out);
	default:
		return sl_zone_take(p, "data in the form \\# LENGTH HEX") == NULL ? SL_ERR_SYNTAX :
		    sl_zone_fail(p, "data in the form \\# LENGTH HEX was expected");
	}
}

/* ---- entries --------------------------------------------------------------------------------------- */

static int
end_of_entry(struct sl_zone_text *p)
{
	if (p->next == p->n)
		return 0;
	p->next++;
	return sl_zone_fail(p, "the end of the line was expected");
}

/* Data goes through the reader of packets: one form for both. */
static int
add(struct sl_zone_text *p, struct sl_zone_node *node, unsigned type, uint32_t ttl, struct sl_str data)
{
	struct sl_answer_builder b;
	int rc;

	sl_answer_begin(&b);
	if (sl_packet_record(data, 0, data.n, type, &b, ttl) != 0)
		rc = sl_zone_fail(p, "data of the type was expected");
	else
		rc = b.failed ? SL_ERR_NOMEM : sl_zone_add(node, type, &b.answer->records[0]);
	sl_dns_answer_unref(b.answer);
	return rc;
}

static int
take_record(struct sl_zone_text *p, struct sl_zone_node *node, unsigned type, uint32_t ttl)
{
	struct sl_buf data = { .limit = 65535 };
	int rc = take_data(p, type, &data);

	if (rc == 0)
		rc = end_of_entry(p);
	if (rc == 0 && data.failed)
		rc = sl_zone_fail(p, "less than 64 KB of data was expected");
	if (rc == 0)
		rc = add(p, node, type, ttl, data.n > 0 ? sl_buf_str(&data) : SL_STR(""));
	sl_buf_clear(&data);
	return rc;
}

/* 1: it wasn't a line that makes failures. */
static int
take_failure(struct sl_zone_text *p, struct sl_zone_node *node)
{
	const char *word = p->words[p->next].text;
	uint32_t ms;
	int rc;

	if (strcmp(word, "SERVFAIL") == 0) {
		node->failure = SL_DNS_SERVFAIL;
	} else if (strcmp(word, "TIMEOUT") == 0) {
		node->failure = SL_DNS_TIMEOUT;
	} else if (strcmp(word, "BOGUS") == 0) {
		node->failure = SL_DNS_BOGUS;
	} else if (strcmp(word, "NXDOMAIN") == 0) {
		node->failure = SL_DNS_NXDOMAIN;
	} else if (strcmp(word, "DELAY") == 0) {
		p->next++;
		if ((rc = sl_zone_take_number(p, "milliseconds", 3600000, &ms)) != 0)
			return rc;
		node->delay = ms;
		return end_of_entry(p);
	} else {
		return 1;
	}
	p->next++;
	return end_of_entry(p);
}

/* TTL and class stand in either order, each once. */
static int
take_ttl_and_class(struct sl_zone_text *p, uint32_t *ttl)
{
	bool have_ttl = false, have_class = false;

	for (; p->next < p->n; p->next++) {
		const char *word = p->words[p->next].text;

		if (!have_class && strcasecmp(word, "IN") == 0) {
			have_class = true;
		} else if (!have_ttl && sl_isdigit(word[0])) {
			if (!sl_zone_time(word, ttl)) {
				p->next++;
				return sl_zone_fail(p, "a TTL (300, 1h) was expected");
			}
			have_ttl = true;
		} else {
			break;
		}
	}
	return 0;
}

static bool
parse_type(const char *word, unsigned *out)
{
	enum sl_dns_type type;
	uint64_t v;

	if (sl_dns_type_parse(word, &type) == 0) {
		*out = (unsigned)type;
		return true;
	}
	if (strncasecmp(word, "TYPE", 4) != 0 || !sl_str_u64(sl_str_of(word + 4), &v) || v > 65535)
		return false;
	*out = (unsigned)v;
	return true;
}

static int
take_line(struct sl_zone_text *p)
{
	uint32_t ttl = p->ttl;
	struct sl_zone_node *node;
	const char *word;
	unsigned type;
	int rc;

	if (!p->indented && (rc = take_owner(p)) != 0)
		return rc;
	if (p->owner[0] == '\0')
		return sl_zone_fail(p, "a name was expected at the begin of the line");
	if ((rc = take_ttl_and_class(p, &ttl)) != 0)
		return rc;
	if (p->next == p->n)
		return sl_zone_take(p, "a record type") == NULL ? SL_ERR_SYNTAX : 0;
	if ((node = sl_zone_node(p->zone, p->owner)) == NULL)
		return SL_ERR_NOMEM;
	if ((rc = take_failure(p, node)) <= 0)
		return rc;
	word = sl_zone_take(p, "a record type");
	if (!parse_type(word, &type))
		return sl_zone_fail(p, "a record type known here was expected");
	return take_record(p, node, type, ttl);
}

static int
take_directive(struct sl_zone_text *p)
{
	const char *word = sl_zone_take(p, "a directive");
	const char *value;
	int rc;

	if (strcasecmp(word, "$TTL") == 0) {
		rc = sl_zone_take_time(p, "a time", &p->ttl);
	} else if (strcasecmp(word, "$ORIGIN") == 0) {
		uint8_t wire[256];
		size_t n;

		if ((value = sl_zone_take(p, "a name")) == NULL || (rc = sl_zone_name(p, value, wire, &n)) != 0)
			return SL_ERR_SYNTAX;
		memcpy(p->origin, wire, n);
		p->origin_n = n;
		rc = 0;
	} else {
		rc = sl_zone_fail(p, "$ORIGIN or $TTL was expected");
	}
	return rc != 0 ? rc : end_of_entry(p);
}

static int
read_all(struct sl_zone_text *p)
{
	int rc = 0;

	while (rc == 0 && p->at < p->s.n) {
		p->line++;
		if ((rc = sl_zone_entry(p)) == 0 && p->n > 0)
			rc = p->words[0].text[0] == '$' && !p->words[0].quoted ? take_directive(p) :
			    take_line(p);
	}
	sl_zone_drop(p);
	return rc;
}

int
sl_zone_parse(struct sl_zone **out, struct sl_str text, struct sl_err *err)
{
	struct sl_zone_text *p = sl_calloc(1, sizeof(*p));
	int rc = SL_ERR_NOMEM;

	if (p != NULL && (p->zone = sl_zone_new()) != NULL) {
		p->s = text;
		p->ttl = DEFAULT_TTL;
		p->err = err;
		p->origin_n = 1;	/* the root */
		rc = read_all(p);
	}
	if (rc == SL_ERR_NOMEM)
		sl_err_set(err, rc, "out of memory");
	if (rc == 0)
		*out = p->zone;
	else if (p != NULL)
		sl_zone_free(p->zone);
	sl_free(p);
	return rc;
}
