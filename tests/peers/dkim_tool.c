/*
 * Signs and verifies from the command line, for the comparison with other
 * programs.
 *
 *   dkim_tool sign KEYFILE SELECTOR DOMAIN HEADER/BODY NOW <message >signed
 *   dkim_tool record KEYFILE
 *   dkim_tool verify RECORDS NOW <message       RECORDS: lines "name text"
 *   dkim_tool seal KEYFILE SELECTOR DOMAIN NOW RECORDS <message >sealed
 *   dkim_tool validate RECORDS NOW <message
 *   dkim_tool batch RECORDS NOW <jobs       one process for many, see below
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
message_of(struct sl_buf *text)
{
	struct sl_err err = { 0 };
	struct sl_message *m;
	size_t n;
	char *bytes = sl_buf_take(text, &n);

	if (sl_message_from_memory(&m, bytes, n, &err) < 0)
		die("message", &err);
	return m;
}

static struct sl_message *
read_message(void)
{
	struct sl_buf text = SL_BUF_INIT;

	read_all(&text, stdin);
	return message_of(&text);
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

/* argv: KEYFILE SELECTOR DOMAIN HEADER/BODY NOW. The signed message. */
static void
sign_message(struct sl_buf *out, struct sl_message *m, char **argv)
{
	struct sl_dkim_request q = { sl_str_of(argv[1]), sl_str_of(argv[2]), read_key(argv[0]), { 0 } };
	struct sl_buf value = SL_BUF_INIT;
	struct sl_err err = { 0 };
	struct sl_str body = sl_str_of(argv[3]), header;

	sl_str_split(&body, '/', &header);
	if (!sl_canon_parse(header, &q.options.header) || !sl_canon_parse(body, &q.options.body))
		die("canonicalization", NULL);
	if (sl_dkim_sign(&value, &q, m, NULL, NULL, atoll(argv[4]), &err) < 0)
		die("sign", &err);
	sl_buf_printf(out, "DKIM-Signature: %s\r\n", value.p);
	sl_buf_putstr(out, m->bytes);
	sl_buf_clear(&value);
	sl_key_unref((struct sl_key *)(void *)(uintptr_t)q.key);
}

static void
sign(char **argv)
{
	struct sl_message *m = read_message();
	struct sl_buf out = SL_BUF_INIT;

	sign_message(&out, m, argv);
	fwrite(out.p, 1, out.n, stdout);
	sl_buf_clear(&out);
	sl_message_unref(m);
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

/* A line per signature: status, reason. */
static void
verify_message(struct sl_buf *out, struct sl_message *m, struct sl_str records, int64_t now)
{
	struct sl_dkim_verify_options options = { .now = now };
	struct sl_dkim_verify *v = sl_dkim_verify_new(m, &options);
	struct sl_evaluator *e;
	struct sl_question q;

	if (v == NULL)
		die("verify", NULL);
	e = sl_dkim_verify_evaluator(v);
	while (e->question(e, &q) == 1)
		answer(e, &q, records);
	for (size_t i = 0; i < sl_dkim_verify_count(v); i++) {
		const struct sl_dkim_result *r = sl_dkim_verify_result(v, i);

		sl_buf_printf(out, "%s %s\n", sl_dkim_status_word(r->status), r->reason);
	}
	sl_dkim_verify_free(v);
}

static void
verify(char **argv)
{
	struct sl_buf records = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_message *m = read_message();

	read_path(&records, argv[0]);
	verify_message(&out, m, sl_buf_str(&records), atoll(argv[1]));
	fwrite(out.p, 1, out.n, stdout);
	sl_message_unref(m);
	sl_buf_clear(&out);
	sl_buf_clear(&records);
}

static struct sl_arc *
validated(struct sl_message *m, struct sl_str records, int64_t now)
{
	struct sl_arc_options options = { .now = now };
	struct sl_arc *a = sl_arc_new(m, &options);
	struct sl_evaluator *e;
	struct sl_question q;

	if (a == NULL)
		die("validate", NULL);
	e = sl_arc_evaluator(a);
	while (e->question(e, &q) == 1)
		answer(e, &q, records);
	return a;
}

/* Status, sets, oldest-pass, reason. */
static void
validate_message(struct sl_buf *out, struct sl_message *m, struct sl_str records, int64_t now)
{
	struct sl_arc *a = validated(m, records, now);
	const struct sl_arc_result *r = sl_arc_result(a);

	sl_buf_printf(out, "%s %zu %u %s\n", sl_arc_status_word(r->status), r->n, r->oldest_pass,
	    r->reason);
	sl_arc_free(a);
}

static void
validate(char **argv)
{
	struct sl_buf records = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_message *m = read_message();

	read_path(&records, argv[0]);
	validate_message(&out, m, sl_buf_str(&records), atoll(argv[1]));
	fwrite(out.p, 1, out.n, stdout);
	sl_buf_clear(&records);
	sl_buf_clear(&out);
	sl_message_unref(m);
}

/* argv: KEYFILE SELECTOR DOMAIN NOW. The sealed message. */
static void
seal_message(struct sl_buf *out, struct sl_message *m, char **argv, struct sl_str records)
{
	struct sl_arc_request q = {
		.dkim = { sl_str_of(argv[1]), sl_str_of(argv[2]), read_key(argv[0]), { 0 } },
		.results = SL_STR("mx.example.com; spf=pass smtp.mailfrom=joe@example.com"),
	};
	struct sl_arc *a = validated(m, records, atoll(argv[3]));
	struct sl_arc_seal s;
	struct sl_err err = { 0 };

	q.cv = sl_arc_result(a)->status;
	if (sl_arc_seal(&s, &q, m, NULL, NULL, atoll(argv[3]), &err) < 0)
		die("seal", &err);
	sl_buf_printf(out, "ARC-Seal: %s\r\nARC-Message-Signature: %s\r\n"
	    "ARC-Authentication-Results: %s\r\n", s.seal.p, s.message.p, s.results.p);
	sl_buf_putstr(out, m->bytes);
	sl_arc_seal_clear(&s);
	sl_arc_free(a);
	sl_key_unref((struct sl_key *)(void *)(uintptr_t)q.dkim.key);
}

static void
seal(char **argv)
{
	struct sl_buf records = SL_BUF_INIT, out = SL_BUF_INIT;
	struct sl_message *m = read_message();

	read_path(&records, argv[4]);
	seal_message(&out, m, argv, sl_buf_str(&records));
	fwrite(out.p, 1, out.n, stdout);
	sl_buf_clear(&records);
	sl_buf_clear(&out);
	sl_message_unref(m);
}

/* ---- many at once ----------------------------------------------------------------- */

/*
 * Jobs and answers follow each other on standard input and output, each as a
 * line and as many bytes as its last word says: "sign KEYFILE SELECTOR DOMAIN
 * HEADER/BODY N", "verify N", "seal KEYFILE SELECTOR DOMAIN N", "validate N";
 * the answer's line is the number alone.
 */
#define WORDS	6

static void
work(struct sl_buf *out, char **word, size_t n, struct sl_message *m, struct sl_str records,
    char *now)
{
	char *sign_words[] = { word[1], word[2], word[3], word[4], now };
	char *seal_words[] = { word[1], word[2], word[3], now };

	if (strcmp(word[0], "sign") == 0 && n == 6)
		sign_message(out, m, sign_words);
	else if (strcmp(word[0], "verify") == 0 && n == 2)
		verify_message(out, m, records, atoll(now));
	else if (strcmp(word[0], "seal") == 0 && n == 5)
		seal_message(out, m, seal_words, records);
	else if (strcmp(word[0], "validate") == 0 && n == 2)
		validate_message(out, m, records, atoll(now));
	else
		die(word[0], NULL);
}

static size_t
split_words(char *line, char *word[WORDS])
{
	size_t n = 0;
	char *state, *one;

	for (one = strtok_r(line, " \n", &state); one != NULL && n < WORDS;
	    one = strtok_r(NULL, " \n", &state))
		word[n++] = one;
	return n;
}

static void
batch(char **argv)
{
	struct sl_buf records = SL_BUF_INIT, out = SL_BUF_INIT;
	char line[1024], *word[WORDS];

	read_path(&records, argv[0]);
	while (fgets(line, sizeof(line), stdin) != NULL) {
		size_t n = split_words(line, word), size = n > 0 ? strtoul(word[n - 1], NULL, 10) : 0;
		struct sl_buf text = SL_BUF_INIT;
		struct sl_message *m;

		sl_buf_reserve(&text, size);
		text.n = fread(text.p, 1, size, stdin);
		m = message_of(&text);
		work(&out, word, n, m, sl_buf_str(&records), argv[1]);
		printf("%zu\n", out.n);
		fwrite(out.p, 1, out.n, stdout);
		sl_buf_reset(&out);
		sl_message_unref(m);
	}
	sl_buf_clear(&out);
	sl_buf_clear(&records);
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
	else if (argc == 4 && strcmp(argv[1], "batch") == 0)
		batch(argv + 2);
	else
		die("usage: dkim_tool sign|record|verify|seal|validate|batch ...", NULL);
	return 0;
}
