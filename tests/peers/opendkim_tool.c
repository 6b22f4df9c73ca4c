/*
 * The same with libopendkim, as a second opinion.
 *
 *   opendkim_tool verify RECORDS <message       prints "pass" or why not
 *   opendkim_tool sign KEYFILE SELECTOR DOMAIN HEADER/BODY rsa|ed25519 <message >signed
 */
#include <sys/types.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <opendkim/dkim.h>

static void
die(const char *what, DKIM *dkim, DKIM_STAT status)
{
	const char *words = dkim != NULL ? dkim_geterror(dkim) : NULL;

	printf("%s: %s%s%s\n", what, dkim_getresultstr(status), words ? ": " : "", words ? words : "");
	exit(1);
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

static void
feed(DKIM *dkim)
{
	size_t n;
	char *message = read_all(stdin, &n);
	DKIM_STAT status = DKIM_STAT_OK;

	for (size_t i = 0; i < n && status == DKIM_STAT_OK; i += 65536)
		status = dkim_chunk(dkim, (unsigned char *)message + i, n - i < 65536 ? n - i : 65536);
	if (status == DKIM_STAT_OK)
		status = dkim_chunk(dkim, NULL, 0);
	if (status == DKIM_STAT_OK)
		status = dkim_eom(dkim, NULL);
	if (status != DKIM_STAT_OK)
		die("eom", dkim, status);
	free(message);
}

static void
verify(DKIM_LIB *lib, char **argv)
{
	dkim_query_t method = DKIM_QUERY_FILE;
	DKIM_STAT status;
	DKIM *dkim;

	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_QUERYMETHOD, &method, sizeof(method));
	dkim_options(lib, DKIM_OP_SETOPT, DKIM_OPTS_QUERYINFO, argv[0], strlen(argv[0]));
	dkim = dkim_verify(lib, (const unsigned char *)"id", NULL, &status);
	if (dkim == NULL)
		die("verify", NULL, status);
	feed(dkim);
	puts("pass");
	dkim_free(dkim);
}

static dkim_canon_t
canon(const char *word)
{
	return strncmp(word, "relaxed", 7) == 0 ? DKIM_CANON_RELAXED : DKIM_CANON_SIMPLE;
}

static void
sign(DKIM_LIB *lib, char **argv)
{
	unsigned char header[8192];
	DKIM_STAT status;
	DKIM *dkim;
	size_t n;
	FILE *f = fopen(argv[0], "rb");
	char *key, *message;

	if (f == NULL)
		exit(1);
	key = read_all(f, &n);
	fclose(f);
	dkim = dkim_sign(lib, (const unsigned char *)"id", NULL, (unsigned char *)key,
	    (const unsigned char *)argv[1], (const unsigned char *)argv[2], canon(argv[3]),
	    canon(strchr(argv[3], '/') + 1),
	    strcmp(argv[4], "rsa") == 0 ? DKIM_SIGN_RSASHA256 : DKIM_SIGN_ED25519SHA256, -1, &status);
	if (dkim == NULL)
		die("sign", NULL, status);
	message = read_all(stdin, &n);
	status = dkim_chunk(dkim, (unsigned char *)message, n);
	if (status == DKIM_STAT_OK)
		status = dkim_chunk(dkim, NULL, 0);
	if (status == DKIM_STAT_OK)
		status = dkim_eom(dkim, NULL);
	if (status == DKIM_STAT_OK)
		status = dkim_getsighdr(dkim, header, sizeof(header), sizeof("DKIM-Signature: "));
	if (status != DKIM_STAT_OK)
		die("sign", dkim, status);
	/* The library folds with LF alone, as milters want it. */
	printf("DKIM-Signature: ");
	for (const unsigned char *p = header; *p; p++) {
		if (*p == '\n' && (p == header || p[-1] != '\r'))
			putchar('\r');
		putchar(*p);
	}
	printf("\r\n");
	fwrite(message, 1, n, stdout);
	free(message);
	free(key);
	dkim_free(dkim);
}

int
main(int argc, char **argv)
{
	DKIM_LIB *lib = dkim_init(NULL, NULL);

	if (lib == NULL)
		return 1;
	if (argc == 3 && strcmp(argv[1], "verify") == 0)
		verify(lib, argv + 2);
	else if (argc == 7 && strcmp(argv[1], "sign") == 0)
		sign(lib, argv + 2);
	else if (argc == 2 && strcmp(argv[1], "ed25519") == 0)
		puts(dkim_libfeature(lib, DKIM_FEATURE_ED25519) ? "yes" : "no");
	dkim_close(lib);
	return 0;
}
