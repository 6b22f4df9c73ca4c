/*
 * Recorded messages and content types: $SLUICE_VECTORS/mime. Of a field type and
 * parameters must agree; of a message the tree, and the text of its leaves.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../auth/vectors_testing.h"
#include "field.h"
#include "mime.h"

/* Decided otherwise. */
static const char *const ours[] = {
	/* RFC 2231 3: the charset stands in the first section only. */
	"mail-parser/content_type/32",
	/* RFC 2047 6.2: blanks between encoded words vanish, inside of quotes too. */
	"mail-parser/content_type/35",
	/* Stars and blanks where RFC 2231 has none: the names are what stands there. */
	"mail-parser/content_type/62",
	/* "... base64-encoded" isn't base64: we decode what there is, they give it back. */
	"mail-parser/rfc/000",
	/* Delimiters end a header, RFC 2046 5.1: they read on. */
	"mail-parser/malformed/000", "mail-parser/malformed/007",
	/* A delimiter is the whole boundary: they take "--ab" as one of "a". */
	"mail-parser/malformed/001", "mail-parser/malformed/004",
	/* The outer delimiter ends the inner multipart, RFC 2046 5.1.2: they read on. */
	"mail-parser/malformed/008", "mail-parser/malformed/009", "mail-parser/malformed/011",
	"mail-parser/malformed/012", "mail-parser/malformed/016", "mail-parser/malformed/019",
	/* Two Content-Types: the first counts, a defect says so. */
	"mail-parser/malformed/020", "mail-parser/malformed/021",
	/* A message without a header is a message. */
	"mail-parser/malformed/022",
	NULL,
};

static struct sl_str
text_of(const json_t *j)
{
	return (struct sl_str){ json_string_value(j), json_string_length(j) };
}

/* ---- fields -------------------------------------------------------------- */

static bool
same_attribute(const struct sl_params *ps, const json_t *attribute)
{
	struct sl_str name = sl_str_of(json_string_value(json_array_get(attribute, 0)));
	struct sl_buf value = SL_BUF_INIT;
	bool same;

	if (sl_str_ends(name, SL_STR("-language")))
		return true;	/* we don't tell */
	same = sl_param_get(ps, name, true, &value) == 0 &&
	    sl_str_eq(text_of(json_array_get(attribute, 1)), sl_buf_str(&value));
	if (!same)
		printf("  %.*s is \"%s\"\n", (int)name.n, name.p, value.p);
	sl_buf_clear(&value);
	return same;
}

static bool
same_value(json_t *one)
{
	json_t *expected = json_object_get(one, "expected"), *attribute;
	struct sl_params ps;
	size_t i;

	sl_params_parse(&ps, sl_str_of(case_text(one, "header")));
	if (!json_is_object(expected))
		return ps.type.n == 0;
	if (!sl_str_ieq(text_of(json_object_get(expected, "c_type")), ps.type) ||
	    !sl_str_ieq(text_of(json_object_get(expected, "c_subtype")), ps.subtype)) {
		printf("  %.*s / %.*s\n", (int)ps.type.n, ps.type.p, (int)ps.subtype.n, ps.subtype.p);
		return false;
	}
	json_array_foreach(json_object_get(expected, "attributes"), i, attribute)
		if (!same_attribute(&ps, attribute))
			return false;
	return true;
}

/* ---- messages ------------------------------------------------------------ */

/* Line ends as the message has them: LF in the file, CRLF in mail. */
static struct sl_message *
load(const char *folder, const char *name)
{
	struct sl_buf text = SL_BUF_INIT;
	struct sl_message *m = NULL;
	char path[1200];
	FILE *f;
	int c, last = 0;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if ((f = fopen(path, "r")) == NULL)
		return NULL;
	for (; (c = getc(f)) != EOF; last = c) {
		if (c == '\n' && last != '\r')
			sl_buf_putc(&text, '\r');
		sl_buf_putc(&text, (char)c);
	}
	fclose(f);
	size_t n;
	char *bytes = sl_buf_take(&text, &n);

	sl_message_from_memory(&m, bytes, n, NULL);
	return m;
}

static void
drop_cr(struct sl_buf *b)
{
	size_t n = 0;

	for (size_t i = 0; i < b->n; i++)
		if (b->p[i] != '\r')
			b->p[n++] = b->p[i];
	b->n = n;
}

/* The leaf's text in UTF-8 with LF; its last line end doesn't matter. */
static bool
same_leaf(const struct sl_mime_part *part, const json_t *wanted)
{
	struct sl_buf text = SL_BUF_INIT, utf8 = SL_BUF_INIT, charset = SL_BUF_INIT, want = SL_BUF_INIT;
	struct sl_transfer t;
	bool same;

	sl_transfer_start(&t, part->encoding, part->body);
	while (sl_transfer_read(&t, &text, 100) > 0)
		;
	if (sl_mime_parameter(part, SL_STR("charset"), &charset) != 0 ||
	    sl_charset_to_utf8(&utf8, sl_buf_str(&charset), sl_buf_str(&text)) != 0)
		sl_buf_putstr(&utf8, sl_buf_str(&text));
	drop_cr(&utf8);
	sl_buf_putstr(&want, text_of(wanted));
	drop_cr(&want);
	same = sl_str_eq(sl_str_trim(sl_buf_str(&utf8)), sl_str_trim(sl_buf_str(&want)));
	if (!same)
		printf("  \"%.*s\"\n  wanted \"%.*s\"\n", (int)utf8.n, utf8.p, (int)want.n, want.p);
	sl_buf_clear(&text);
	sl_buf_clear(&utf8);
	sl_buf_clear(&charset);
	sl_buf_clear(&want);
	return same;
}

static bool same_tree(const struct sl_mime *m, unsigned at, json_t *parts, size_t i);

static bool
same_children(const struct sl_mime *m, unsigned at, json_t *parts, json_t *numbers)
{
	unsigned child = at + 1;
	json_t *number;
	size_t i;

	if (m->parts[at].nparts != json_array_size(numbers)) {
		printf("  %u parts, not %zu\n", m->parts[at].nparts, json_array_size(numbers));
		return false;
	}
	json_array_foreach(numbers, i, number) {
		if (!same_tree(m, child, parts, (size_t)json_integer_value(number)))
			return false;
		child = m->parts[child].next;
	}
	return true;
}

static bool
same_tree(const struct sl_mime *m, unsigned at, json_t *parts, size_t i)
{
	json_t *body = json_object_get(json_array_get(parts, i), "body"), *inner;

	if (json_object_get(body, "Multipart") != NULL)
		return same_children(m, at, parts, json_object_get(body, "Multipart"));
	if ((inner = json_object_get(body, "Message")) != NULL) {
		if (m->parts[at].nparts == 0)	/* encoded: we don't enter it */
			return m->parts[at].encoding == SL_ENCODING_BASE64;
		return same_tree(m, at + 1, json_object_get(inner, "parts"), 0);
	}
	if (json_object_get(body, "Text") != NULL && m->parts[at].nparts == 0)
		return same_leaf(&m->parts[at], json_object_get(body, "Text"));
	return m->parts[at].nparts == 0;
}

static bool
same_message(json_t *one, const char *folder)
{
	struct sl_message *message = load(folder, case_text(one, "message"));
	char path[1200];
	struct sl_mime *m;
	json_t *wanted;
	bool same;

	snprintf(path, sizeof(path), "%s/%s", folder, case_text(one, "expected"));
	wanted = json_load_file(path, JSON_ALLOW_NUL, NULL);
	assert_non_null(message);
	assert_non_null(wanted);
	assert_int_equal(sl_mime_new(&m, message), 0);
	same = same_tree(m, 0, json_object_get(wanted, "parts"), 0);
	sl_mime_free(m);
	sl_message_unref(message);
	json_decref(wanted);
	return same;
}

static void
run(struct tally *t, json_t *suite, const char *folder)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(suite, "cases"), i, one) {
		const char *id = case_text(one, "id");
		bool field = strstr(id, "/content_type/") != NULL;

		if (!field && !sl_str_ends(sl_str_of(case_text(one, "message")), SL_STR(".eml")))
			continue;
		if (one_of(ours, id))
			t->disputed++;
		else
			tally_case(t, id, field ? same_value(one) : same_message(one, folder));
	}
}

static void
recorded(void **state)
{
	struct tally all;

	(void)state;
	if (!run_area("mime", run, &all))
		skip();
	assert_int_equal(all.failed, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(recorded) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
