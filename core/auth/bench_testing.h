/* For benches: how often something can be done in a second of this process's time. */
#ifndef SL_AUTH_BENCH_TESTING_H
#define SL_AUTH_BENCH_TESTING_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Calls of 'work' per second of CPU time, measured for 'seconds' of it. */
static inline double
rate_of(void (*work)(void *), void *arg, double seconds)
{
	double from, spent = 0;
	unsigned long n = 0, step = 1;

	work(arg);
	from = cpu();
	while (spent < seconds) {
		for (unsigned long i = 0; i < step; i++)
			work(arg);
		n += step;
		if (spent < seconds / 20)
			step *= 2;
		spent = cpu() - from;
	}
	return (double)n / spent;
}

static inline void
must(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "%s failed\n", what);
		exit(1);
	}
}

#endif
