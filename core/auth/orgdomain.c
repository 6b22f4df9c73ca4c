/* Organizational domains. See orgdomain.h. */
#include "orgdomain.h"

#include <libpsl.h>
#include <pthread.h>
#include <string.h>

static size_t
count_labels(const char *domain)
{
	size_t n = 1;

	for (; *domain != '\0'; domain++)
		n += *domain == '.';
	return n;
}

/* NULL above the last label. */
static const char *
parent_of(const char *domain)
{
	const char *dot = strchr(domain, '.');

	return dot != NULL ? dot + 1 : NULL;
}

/* 4.10, steps 3, 4 and 7: more than 8 labels are cut to 7 after the first query. */
size_t
sl_walk_domains(const char *domain, const char *out[SL_WALK_MAX])
{
	size_t labels = count_labels(domain), n = 0;

	while (domain != NULL && n < SL_WALK_MAX) {
		out[n++] = domain;
		do {
			domain = parent_of(domain);
			labels--;
		} while (domain != NULL && labels >= SL_WALK_MAX);
	}
	return n;
}

/* The part of 'domain' that has one label more than its end 'above'. */
static const char *
one_below(const char *domain, const char *above)
{
	const char *p = above - 1;

	while (p > domain && p[-1] != '.')
		p--;
	return p;
}

void
sl_walk_end(struct sl_walk *out, const char *domain, const enum sl_walk_found *found)
{
	const char *visited[SL_WALK_MAX];
	size_t n = sl_walk_domains(domain, visited);

	*out = (struct sl_walk){ .org = domain };
	for (size_t i = 0; i < n; i++) {
		switch (found[i]) {
		case SL_WALK_NOTHING:
			break;
		case SL_WALK_ERROR:
			out->error = true;
			return;
		case SL_WALK_RECORD:
			out->org = visited[i];
			break;
		case SL_WALK_ORG:
			out->org = visited[i];
			return;
		case SL_WALK_PSD:
			if (i > 0) {
				out->psd = visited[i];
				out->org = one_below(domain, visited[i]);
			}
			return;
		}
	}
}

/* ---- the public suffix list ------------------------------------------------ */

static pthread_once_t list_once = PTHREAD_ONCE_INIT;
static psl_ctx_t *list_latest;

static void
load_list(void)
{
	list_latest = psl_latest(NULL);
}

const char *
sl_orgdomain_psl(const char *domain, bool *suffix)
{
	const char *org;

	pthread_once(&list_once, load_list);
	org = psl_registrable_domain(list_latest != NULL ? list_latest : psl_builtin(), domain);
	if (suffix != NULL)
		*suffix = org == NULL;
	return org != NULL ? org : domain;
}
