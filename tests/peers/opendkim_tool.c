/*
 * The same with libopendkim, as a second opinion.
 *
 *   opendkim_tool verify RECORDS <message       prints "pass" or why not
 *   opendkim_tool sign KEYFILE SELECTOR DOMAIN HEADER/BODY rsa|ed25519 <message >signed
 *   opendkim_tool batch RECORDS <jobs       as dkim_tool's; an answer "-" is a refusal
 */
#include <sys/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <opendkim/dkim.h>

/* Says why and returns false. */
static bool
failed(FILE *out, const char *what, DKIM *dkim, DKIM_STAT status)
{
	const char *words = dkim != NULL ? dkim_geterror(dkim) : NULL;

	fprintf(out, "%s: %s%s%s\n", what, dkim_getresultstr(status), words ? ": " : "",
	    words ? words : "");
	return false;
}

static char *
read_all(FILE *f, size_t *n)
{
	size_t cap = 1 << 20;
	char *p = malloc(cap);

	*n = 0;
	for (;;) {
		size_t got = fread(p + *n, 1, cap - *n - 1, f);

		if (got == 0)
			break;
		*n += got;
		if (cap - *n < 2)
			p = realloc(p, cap *= 2);
	}
	p[*n] = '\0';
	return p;
}

static DKIM_STAT
feed(DKIM *dkim, char *message, size_t n)
{
	DKIM_STAT status = DKIM_STAT_OK;

	for (size_t i = 0; i < n && status == DKIM_STAT_OK; i += 65536)
		status = dkim_chunk(dkim, (unsigned char *)message + i, n - i < 65536 ? n - i : 65536);
	if (status == DKIM_STAT_OK)
		status = dkim_chunk(dkim, NULL, 0);
	if (status == DKIM_STAT_OK)
		status = dkim_eom(dkim, NULL);
	return status;
}

static bool
verify(DKIM_LIB *lib, FILE *out, char *records, char *message, size_t n)
{
	dkim_query_t method = DKIM_QUERY_FILE;
	DKIM_STAT status;
	DKIM *dkim;
	bool good;

	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &method, sizeof(method));
	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, records, strlen(records));
	dkim = dkim_verify(lib, (const unsigned char *)"id", NULL, &status);
	if (dkim == NULL)
		return failed(out, "verify", NULL, status);
	status = feed(dkim, message, n);
	good = status == DKIM_STAT_OK;
	if (good)
		fputs("pass\n", out);
	else
		failed(out, "eom", dkim, status);
	dkim_free(dkim);
	return good;
}

static dkim_canon_t
canon(const char *word)
{
	return strncmp(word, "relaxed", 7) == 0 ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE;
}

/* The library folds with LF alone, as milters want it. */
static void
put_field(FILE *out, const unsigned char *header)
{
	fputs("DKIM-Signature: ", out);
	for (const unsigned char *p = header; *p; p++) {
		if (*p == '\n' && (p == header || p[-1] != '\r'))
			putc('\r', out);
		putc(*p, out);
	}
	fputs("\r\n", out);
}

/* argv: KEYFILE SELECTOR DOMAIN HEADER/BODY */
static bool
sign(DKIM_LIB *lib, FILE *out, char **argv, dkim_alg_t algorithm, char *message, size_t n)
{
	unsigned char header[8192];
	DKIM_STAT status;
	DKIM *dkim;
	size_t key_n;
	FILE *f = fopen(argv[0], "rb");
	char *key;

	if (f == NULL)
		return failed(out, argv[0], NULL, DKIM_STAT_INTERNAL);
	key = read_all(f, &key_n);
	fclose(f);
	dkim = dkim_sign(lib, (const unsigned char *)"id", NULL, (unsigned char *)key,
	    (const unsigned char *)argv[1], (const unsigned char *)argv[2], canon(argv[3]),
	    canon(strchr(argv[3], '/') + 1), algorithm, -1, &status);
	if (dkim == NULL) {
		free(key);
		return failed(out, "sign", NULL, status);
	}
	status = feed(dkim, message, n);
	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr(dkim, header, sizeof(header), sizeof("DKIM-Signature: "));
	if (status == DKIM_STAT_OK) {
		put_field(out, header);
		fwrite(message, 1, n, out);
	} else {
		failed(out, "sign", dkim, status);
	}
	free(key);
	dkim_free(dkim);
	return status == DKIM_STAT_OK;
}

static void
batch(DKIM_LIB *lib, char *records)
{
	char line[1024], word[6][256];

	while (fgets(line, sizeof(line), stdin) != NULL) {
		int n = sscanf(line, "%255s %255s %255s %255s %255s %255s", word[0], word[1], word[2],
		    word[3], word[4], word[5]);
		char *argv[] = { word[1], word[2], word[3], word[4] }, *answer = NULL, *message;
		size_t size = strtoul(word[n > 0 ? n - 1 : 0], NULL, 10), answer_n = 0;
		FILE *out = open_memstream(&answer, &answer_n);
		bool good;

		message = malloc(size + 1);
		size = fread(message, 1, size, stdin);
		good = n == 6 ? sign(lib, out, argv, DKIM_SIGN_RSASHA256, message, size) :
		    verify(lib, out, records, message, size);
		fclose(out);
		if (!good && n == 6)
			printf("2\n-\n");
		else
			printf("%zu\n", answer_n);
		if (good || n != 6)
			fwrite(answer, 1, answer_n, stdout);
		free(answer);
		free(message);
	}
}

int
main(int argc, char **argv)
{
	DKIM_LIB *lib = dkim_init(NULL, NULL);
	char *message = NULL;
	bool good = true;
	size_t n;

	if (lib == NULL)
		return 1;
	if (argc == 3 && strcmp(argv[1], "batch") == 0) {
		batch(lib, argv[2]);
	} else if (argc == 3 && strcmp(argv[1], "verify") == 0) {
		message = read_all(stdin, &n);
		good = verify(lib, stdout, argv[2], message, n);
	} else if (argc == 7 && strcmp(argv[1], "sign") == 0) {
		message = read_all(stdin, &n);
		good = sign(lib, stdout, argv + 2, strcmp(argv[6], "rsa") == 0 ? DKIM_SIGN_RSASHA256 :
		    DKIM_SIGN_ED25519SHA256, message, n);
	} else if (argc == 2 && strcmp(argv[1], "ed25519") == 0) {
		puts(dkim_libfeature(lib, DKIM_FEATURE_ED25519) ? "yes" : "no");
	}
	free(message);
	dkim_close(lib);
	return good ? 0 : 1;
}
