/*
 * Signs and verifies from the command line, for the comparison with other
 * programs.
 *
 *   dkim_tool sign KEYFILE SELECTOR DOMAIN HEADER/BODY NOW <message >signed
 *   dkim_tool record KEYFILE
 *   dkim_tool verify RECORDS NOW <message       RECORDS: lines "name text"
 *   dkim_tool seal KEYFILE SELECTOR DOMAIN NOW RECORDS <message >sealed
 *   dkim_tool validate RECORDS NOW <message
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../core/auth/arc.h"

static void
die(const char *what, const struct sl_err *err)
{
	fprintf(stderr, "%s: %s\n", what, err != NULL ? err->text : "failed");
	exit(1);
}

static void
read_all(struct sl_buf *out, FILE *f)
{
	char block[65536];
	size_t n;

	while ((n = fread(block, 1, sizeof(block), f)) > 0)
		sl_buf_put(out, block, n);
}

static void
read_path(struct sl_buf *out, const char *path)
{
	FILE *f = fopen(path, "rb");

	if (f == NULL)
		die(path, NULL);
	read_all(out, f);
	fclose(f);
}

static struct sl_message *
read_message(void)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err = { 0 };
	struct sl_message *m;
	size_t n;
	char *bytes;

	read_all(&text, stdin);
	bytes = sl_buf_take(&text, &n);
	if (sl_message_from_memory(&m, bytes, n, &err) < 0)
		die("message", &err);
	return m;
}

static struct sl_key *
read_key(const char *path)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_err err = { 0 };
	struct sl_key *key;

	read_path(&text, path);
	if (sl_key_parse(&key, sl_buf_str(&text), &err) < 0)
		die("key", &err);
	sl_buf_clear(&text);
	return key;
}

static void
sign(char **argv)
{
	struct sl_dkim_request q = { sl_str_of(argv[1]), sl_str_of(argv[2]), read_key(argv[0]), { 0 } };
	struct sl_message *m = read_message();
	struct sl_buf value = SL_BUF_INIT;
	struct sl_err err = { 0 };
	struct sl_str body = sl_str_of(argv[3]), header;

	sl_str_split(&body, '/', &header);
	if (!sl_canon_parse(header, &q.options.header) || !sl_canon_parse(body, &q.options.body))
		die("canonicalization", NULL);
	if (sl_dkim_sign(&value, &q, m, NULL, NULL, atoll(argv[4]), &err) < 0)
		die("sign", &err);
	printf("DKIM-Signature: %s\r\n", value.p);
	fwrite(m->bytes.p, 1, m->bytes.n, stdout);
	sl_buf_clear(&value);
	sl_message_unref(m);
	sl_key_unref((struct sl_key *)(void *)(uintptr_t)q.key);
}

static void
record(char **argv)
{
	struct sl_key *key = read_key(argv[0]);
	struct sl_buf out = SL_BUF_INIT;

	if (sl_dkim_record(&out, key) < 0)
		die("record", NULL);
	printf("%s\n", out.p);
	sl_buf_clear(&out);
	sl_key_unref(key);
}

static void
answer(struct sl_evaluator *e, const struct sl_question *q, struct sl_str records)
{
	struct sl_dns_record one = { 0 };
	struct sl_dns_answer a = { .refs = 1, .status = SL_DNS_NXDOMAIN, .records = &one };
	struct sl_str line, name;

	while (a.n == 0 && sl_str_split(&records, '\n', &line)) {
		if (!sl_str_split(&line, ' ', &name) || !sl_str_ieq(name, sl_str_of(q->name)))
			continue;
		one.data = line;
		a.n = 1;
		a.status = SL_DNS_OK;
	}
	e->answer(e, q->id, &a);
}

static void
verify(char **argv)
{
	struct sl_dkim_verify_options options = { .now = atoll(argv[1]) };
	struct sl_buf records = SL_BUF_INIT;
	struct sl_message *m = read_message();
	struct sl_dkim_verify *v = sl_dkim_verify_new(m, &options);
	struct sl_evaluator *e;
	struct sl_question q;

	if (v == NULL)
		die("verify", NULL);
	e = sl_dkim_verify_evaluator(v);
	read_path(&records, argv[0]);
	while (e->question(e, &q) == 1)
		answer(e, &q, sl_buf_str(&records));
	for (size_t i = 0; i < sl_dkim_verify_count(v); i++) {
		const struct sl_dkim_result *r = sl_dkim_verify_result(v, i);

		printf("%s %s\n", sl_dkim_status_word(r->status), r->reason);
	}
	sl_dkim_verify_free(v);
	sl_message_unref(m);
	sl_buf_clear(&records);
}

static struct sl_arc *
validated(struct sl_message *m, const char *path, int64_t now)
{
	struct sl_arc_options options = { .now = now };
	struct sl_buf records = SL_BUF_INIT;
	struct sl_arc *a = sl_arc_new(m, &options);
	struct sl_evaluator *e;
	struct sl_question q;

	if (a == NULL)
		die("validate", NULL);
	e = sl_arc_evaluator(a);
	read_path(&records, path);
	while (e->question(e, &q) == 1)
		answer(e, &q, sl_buf_str(&records));
	sl_buf_clear(&records);
	return a;
}

static void
validate(char **argv)
{
	struct sl_message *m = read_message();
	struct sl_arc *a = validated(m, argv[0], atoll(argv[1]));
	const struct sl_arc_result *r = sl_arc_result(a);

	printf("%s %zu %u %s\n", sl_arc_status_word(r->status), r->n, r->oldest_pass, r->reason);
	sl_arc_free(a);
	sl_message_unref(m);
}

static void
seal(char **argv)
{
	struct sl_arc_request q = {
		.dkim = { sl_str_of(argv[1]), sl_str_of(argv[2]), read_key(argv[0]), { 0 } },
		.results = SL_STR("mx.example.com; spf=pass smtp.mailfrom=joe@example.com"),
	};
	struct sl_message *m = read_message();
	struct sl_arc *a = validated(m, argv[4], atoll(argv[3]));
	struct sl_arc_seal s;
	struct sl_err err = { 0 };

	q.cv = sl_arc_result(a)->status;
	if (sl_arc_seal(&s, &q, m, NULL, NULL, atoll(argv[3]), &err) < 0)
		die("seal", &err);
	printf("ARC-Seal: %s\r\nARC-Message-Signature: %s\r\nARC-Authentication-Results: %s\r\n",
	    s.seal.p, s.message.p, s.results.p);
	fwrite(m->bytes.p, 1, m->bytes.n, stdout);
	sl_arc_seal_clear(&s);
	sl_arc_free(a);
	sl_message_unref(m);
	sl_key_unref((struct sl_key *)(void *)(uintptr_t)q.dkim.key);
}

int
main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[1], "sign") == 0)
		sign(argv + 2);
	else if (argc == 3 && strcmp(argv[1], "record") == 0)
		record(argv + 2);
	else if (argc == 4 && strcmp(argv[1], "verify") == 0)
		verify(argv + 2);
	else if (argc == 7 && strcmp(argv[1], "seal") == 0)
		seal(argv + 2);
	else if (argc == 4 && strcmp(argv[1], "validate") == 0)
		validate(argv + 2);
	else
		die("usage: dkim_tool sign|record|verify|seal|validate ...", NULL);
	return 0;
}
