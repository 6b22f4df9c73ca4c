/*
 * sluice keys generate: a private key in a file of its own, which nobody else
 * reads and nothing overwrites, and the record for it, as zone text and in one
 * piece.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../auth/dkim_published.h"
#include "../base/alloc.h"
#include "cmd.h"
#include "keys.h"

#define STRING_MAX	255	/* RFC 1035 3.3: bytes of one character-string */

/* What is made. */
struct made {
	const struct keys_job *job;
	char selector[64], path[600], pki[600], name[256];
	struct sl_buf record;
};

/* ---- the file ------------------------------------------------------------- */

static bool
make_folder(const char *path)
{
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	cmd_complain(path, strerror(errno));
	return false;
}

/* POLICY/keys/DOMAIN; a folder without sluice.lua is no policy. */
static bool
make_folders(const struct keys_job *job)
{
	char path[600];

	snprintf(path, sizeof(path), "%s/sluice.lua", job->policy);
	if (access(path, F_OK) != 0) {
		cmd_complain(path, strerror(errno));
		return false;
	}
	snprintf(path, sizeof(path), "%s/keys", job->policy);
	if (!make_folder(path))
		return false;
	snprintf(path, sizeof(path), "%s/keys/%s", job->policy, job->domain);
	return make_folder(path);
}

static bool
set_path(struct made *m)
{
	const struct keys_job *job = m->job;
	int n;

	if (job->policy != NULL) {
		n = snprintf(m->path, sizeof(m->path), "%s/keys/%s/%s.pem", job->policy, job->domain,
		    m->selector);
		snprintf(m->pki, sizeof(m->pki), "pki:%s/%s", job->domain, m->selector);
	} else {
		n = job->out != NULL ? snprintf(m->path, sizeof(m->path), "%s", job->out) :
		    snprintf(m->path, sizeof(m->path), "%s.%s.pem", m->selector, job->domain);
	}
	return n > 0 && (size_t)n < sizeof(m->path);
}

/* The day, and a letter when there is a key of that day. */
static void
choose_selector(struct made *m)
{
	time_t now = time(NULL);
	struct tm tm;
	char day[16], letter;

	if (m->job->selector.n > 0) {
		snprintf(m->selector, sizeof(m->selector), "%.*s", (int)m->job->selector.n,
		    m->job->selector.p);
		sl_lower_in_place(m->selector, strlen(m->selector));
		return;
	}
	gmtime_r(&now, &tm);
	strftime(day, sizeof(day), "s%Y%m%d", &tm);
	snprintf(m->selector, sizeof(m->selector), "%s", day);
	for (letter = 'b'; letter <= 'z' && set_path(m) && access(m->path, F_OK) == 0; letter++)
		snprintf(m->selector, sizeof(m->selector), "%s%c", day, letter);
}

static bool
write_whole(int fd, struct sl_str text)
{
	ssize_t n;

	for (; text.n > 0; text = sl_str_sub(text, (size_t)n, text.n))
		if ((n = write(fd, text.p, text.n)) < 0)
			return false;
	return fchmod(fd, 0600) == 0 && fsync(fd) == 0;
}

static int
write_key(const char *path, struct sl_str pem)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good;

	if (fd < 0) {
		cmd_complain(path, errno == EEXIST ? "exists, and a key is never overwritten: choose another "
		    "--selector or --out" : strerror(errno));
		return -1;
	}
	good = write_whole(fd, pem);
	if (!good)
		cmd_complain(path, strerror(errno));
	if (close(fd) != 0 && good) {
		cmd_complain(path, strerror(errno));
		good = false;
	}
	if (!good)
		unlink(path);
	return good ? 0 : -1;
}

/* ---- what is printed ------------------------------------------------------ */

static size_t
strings_of(const struct made *m)
{
	return (m->record.n + STRING_MAX - 1) / STRING_MAX;
}

static struct sl_str
string_at(const struct made *m, size_t i)
{
	return sl_str_sub(sl_buf_str(&m->record), i * STRING_MAX, (i + 1) * STRING_MAX);
}

static void
put_zone(struct sl_buf *out, const struct made *m)
{
	size_t i, n = strings_of(m);

	sl_buf_printf(out, "%s. 3600 IN TXT%s", m->name, n > 1 ? " (" : "");
	for (i = 0; i < n; i++) {
		struct sl_str s = string_at(m, i);

		sl_buf_printf(out, "%s\"%.*s\"", n > 1 ? "\n\t" : " ", (int)s.n, s.p);
	}
	sl_buf_puts(out, n > 1 ? " )\n" : "\n");
}

/* All but the record are comments, so that the whole can go into a zone. */
static void
print_text(const struct made *m, const char *zone)
{
	const struct keys_job *job = m->job;

	printf("; The private key is in %s. Keep it secret, publish this:\n%s", m->path, zone);
	printf("; In a web form, the name is %s._domainkey and the value, in one piece,\n; %s\n",
	    m->selector, m->record.p);
	if (m->pki[0] != '\0')
		printf("; Scripts know the key as \"%s\".\n", m->pki);
	printf("; When it is published: sluice keys check --domain %s --selector %s --key %s\n",
	    job->domain, m->selector, m->path);
}

static void
print_json(const struct made *m, const char *zone)
{
	json_t *strings = json_array(), *out;
	struct sl_str s;
	size_t i;

	for (i = 0; i < strings_of(m); i++) {
		s = string_at(m, i);
		json_array_append_new(strings, json_stringn(s.p, s.n));
	}
	out = json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:s, s:o, s:s}", "domain", m->job->domain,
	    "selector", m->selector, "type", sl_key_type_word(m->job->type), "file", m->path,
	    "pki", m->pki[0] != '\0' ? json_string(m->pki) : json_null(), "name", m->name,
	    "value", m->record.p, "strings", strings, "zone", zone);
	if (out != NULL)
		json_dumpf(out, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(out);
}

static int
print(const struct made *m)
{
	struct sl_buf zone = SL_BUF_INIT;

	put_zone(&zone, m);
	if (zone.failed)
		fprintf(stderr, "sluice: out of memory\n");
	else if (m->job->json)
		print_json(m, zone.p);
	else
		print_text(m, zone.p);
	sl_buf_clear(&zone);
	return cmd_flush() == 0 ? 0 : 1;
}

/* ---- the work --------------------------------------------------------------- */

static int
make_record(struct made *m, struct sl_str pem, struct sl_err *err)
{
	struct sl_key *key = NULL;
	int r = sl_key_parse(&key, pem, err);

	if (r == 0 && (r = sl_dkim_record(&m->record, key)) != 0)
		sl_err_set(err, r, "out of memory");
	sl_key_unref(key);
	return r;
}

static int
generate(struct made *m)
{
	unsigned bits = m->job->bits > 0 ? m->job->bits : SL_RSA_NEW_BITS;
	struct sl_buf pem = SL_BUF_INIT;
	struct sl_err err;
	int rc = 1;

	if (sl_key_generate(&pem, m->job->type, bits, &err) != 0 ||
	    make_record(m, sl_buf_str(&pem), &err) != 0) {
		fprintf(stderr, "sluice: %s\n", err.text);
		rc = err.code == SL_ERR_INVAL ? 2 : 1;
	} else if (write_key(m->path, sl_buf_str(&pem)) == 0) {
		rc = print(m);
	}
	if (pem.p != NULL)
		sl_wipe(pem.p, pem.cap);
	sl_buf_clear(&pem);
	return rc;
}

int
keys_generate(const struct keys_job *job)
{
	struct made m = { .job = job };
	int rc;

	choose_selector(&m);
	if (!sl_dkim_key_name(m.name, sl_str_of(m.selector), sl_str_of(job->domain)) || !set_path(&m)) {
		fprintf(stderr, "sluice: selector, domain or path are too long\n");
		return 2;
	}
	if (job->policy != NULL && !make_folders(job))
		return 1;
	rc = generate(&m);
	sl_buf_clear(&m.record);
	return rc;
}
