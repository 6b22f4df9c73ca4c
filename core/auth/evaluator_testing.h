/*
 * For tests: the zones of the recorded suites (JSON) as answers. The form is
 * in the README beside them: names to records, "timeout" and "servfail" list
 * types ("*" = every type without a record), CNAMEs are followed.
 */
#ifndef SL_AUTH_EVALUATOR_TESTING_H
#define SL_AUTH_EVALUATOR_TESTING_H

#include <arpa/inet.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/alloc.h"
#include "evaluator.h"

static inline json_t *
load_vectors(const char *file)
{
	const char *dir = getenv("SLUICE_VECTORS");
	char path[1024];
	json_error_t error;
	json_t *suite;

	snprintf(path, sizeof(path), "%s/%s", dir != NULL ? dir : "../shared/vectors", file);
	suite = json_load_file(path, JSON_ALLOW_NUL, &error);
	if (suite == NULL)
		printf("no vectors at %s: skipped (%s)\n", path, error.text);
	return suite;
}

static inline json_t *
zone_name(json_t *zone, const char *name)
{
	const char *key;
	json_t *entry;

	json_object_foreach(zone, key, entry) {
		struct sl_str k = sl_str_of(key);

		if (k.n > 0 && k.p[k.n - 1] == '.')
			k.n--;
		if (sl_str_ieq(k, sl_str_of(name)))
			return entry;
	}
	return NULL;
}

/* Characters of the suites are bytes. */
static inline void
put_latin1(struct sl_buf *out, json_t *text)
{
	const unsigned char *p = (const unsigned char *)json_string_value(text);
	size_t n = json_string_length(text);

	for (size_t i = 0; i < n; i++) {
		if ((p[i] & 0xfc) == 0xc0 && i + 1 < n) {
			sl_buf_putc(out, (char)((p[i] & 3) << 6 | (p[i + 1] & 0x3f)));
			i++;
		} else {
			sl_buf_putc(out, (char)p[i]);
		}
	}
}

static inline void
put_name(struct sl_buf *out, const char *name)
{
	size_t n = strlen(name);

	sl_buf_put(out, name, n > 1 && name[n - 1] == '.' ? n - 1 : n);
	sl_lower_in_place(out->p, out->n);
}

static inline bool
put_record(struct sl_buf *data, struct sl_dns_record *r, enum sl_dns_type type, json_t *value)
{
	unsigned char ip[16];
	json_t *part;
	size_t i;

	switch (type) {
	case SL_DNS_TXT:
		json_array_foreach(value, i, part)
			put_latin1(data, part);
		return true;
	case SL_DNS_A:
	case SL_DNS_AAAA:
		if (inet_pton(type == SL_DNS_A ? AF_INET : AF_INET6, json_string_value(value), ip) == 1)
			sl_buf_put(data, ip, type == SL_DNS_A ? 4 : 16);
		return data->n > 0;
	case SL_DNS_MX:
		r->preference = (uint16_t)json_integer_value(json_array_get(value, 0));
		value = json_array_get(value, 1);
		if (json_string_length(value) == 0) {
			sl_buf_puts(data, ".");
			return true;
		}
		/* fall through */
	default:
		put_name(data, json_string_value(value));
		return true;
	}
}

/* A type that is named fails whatever is there; "*" is for those without a record. */
static inline bool
zone_fails(json_t *entry, const char *how, const char *type, bool has_record)
{
	json_t *listed;
	size_t i;

	json_array_foreach(json_object_get(entry, how), i, listed)
		if (strcmp(json_string_value(listed), type) == 0 ||
		    (!has_record && strcmp(json_string_value(listed), "*") == 0))
			return true;
	return false;
}

static inline struct sl_dns_answer *
zone_records(json_t *entry, enum sl_dns_type type)
{
	const char *word = sl_dns_type_word(type);
	json_t *list = json_object_get(json_object_get(entry, "records"), word), *value;
	struct sl_dns_answer *a = sl_dns_answer_empty(SL_DNS_NODATA);
	size_t i;

	a->records = sl_calloc(json_array_size(list) + 1, sizeof(*a->records));
	json_array_foreach(list, i, value) {
		struct sl_buf data = SL_BUF_INIT;

		sl_buf_puts(&data, "");
		if (put_record(&data, &a->records[a->n], type, value)) {
			a->records[a->n].data.n = data.n;
			a->records[a->n++].data.p = sl_buf_take(&data, NULL);
		}
		sl_buf_clear(&data);
	}
	if (zone_fails(entry, "timeout", word, a->n > 0))
		a->status = SL_DNS_TIMEOUT;
	else if (zone_fails(entry, "servfail", word, a->n > 0))
		a->status = SL_DNS_SERVFAIL;
	else
		a->status = a->n > 0 ? SL_DNS_OK : SL_DNS_NODATA;
	return a;
}

/* The caller's to unref. */
static inline struct sl_dns_answer *
zone_answer(json_t *zone, const char *name, enum sl_dns_type type)
{
	char at[256];
	json_t *entry, *alias;

	snprintf(at, sizeof(at), "%s", name);
	for (int i = 0; i < 10; i++) {
		entry = zone_name(zone, at);
		if (entry == NULL)
			return sl_dns_answer_empty(SL_DNS_NXDOMAIN);
		alias = json_object_get(json_object_get(entry, "records"), "CNAME");
		if (json_is_array(alias))
			alias = json_array_get(alias, 0);
		if (alias == NULL)
			return zone_records(entry, type);
		snprintf(at, sizeof(at), "%s", json_string_value(alias));
		if (at[0] != '\0' && at[strlen(at) - 1] == '.')
			at[strlen(at) - 1] = '\0';
	}
	return sl_dns_answer_empty(SL_DNS_SERVFAIL);
}

/* Answers until the evaluator is done. 'last_first' turns the order of answers around. */
static inline void
run_in_zone(struct sl_evaluator *e, json_t *zone, bool last_first)
{
	struct sl_question open[64];
	size_t n = 0;

	for (;;) {
		while (n < 64 && e->question(e, &open[n]) == 1)
			n++;
		if (n == 0 || e->done(e))
			return;
		for (size_t i = 0; i < n; i++) {
			struct sl_question *q = &open[last_first ? n - 1 - i : i];
			struct sl_dns_answer *a = zone_answer(zone, q->name, q->type);

			e->answer(e, q->id, a);
			sl_dns_answer_unref(a);
		}
		n = 0;
	}
}

static inline bool
listed_word(const json_t *list, const char *word)
{
	const json_t *item;

	for (size_t i = 0; i < json_array_size(list); i++) {
		item = json_array_get(list, i);
		if (strcmp(json_string_value(item), word) == 0)
			return true;
	}
	return false;
}

#endif
