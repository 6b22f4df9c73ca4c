#include "shared.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "../base/bytes.h"

/*
 * Then the counters of each worker, then their slots, worker by worker. All
 * of it is zero at first, and pages nobody touched take no memory. A broken
 * worker can write nonsense here: sizes are nowhere but in our own memory.
 */
struct map {
	struct sl_process_counters processes;
	struct sl_metrics metrics;
	_Atomic uint16_t slots[SL_DESTINATIONS];	/* in use by all */
	struct sl_counters counters[];
};

#define PER_WORKER	(sizeof(struct sl_counters) + SL_DESTINATIONS * sizeof(_Atomic uint16_t))

struct sl_shared {
	struct map *map;
	size_t size;
	unsigned workers;
};

static _Atomic uint16_t *
own_slots(struct sl_shared *s, unsigned worker)
{
	_Atomic uint16_t *first = (void *)&s->map->counters[s->workers];

	return first + (size_t)worker * SL_DESTINATIONS;
}

struct sl_shared *
sl_shared_map(int fd, struct sl_err *err)
{
	struct sl_shared *s = sl_calloc(1, sizeof(*s));
	struct stat st;

	if (s == NULL || fstat(fd, &st) != 0 || (size_t)st.st_size < sizeof(struct map))
		goto fail;
	s->size = (size_t)st.st_size;
	s->workers = (unsigned)((s->size - sizeof(struct map)) / PER_WORKER);
	s->map = mmap(NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->map != MAP_FAILED)
		return s;
fail:
	sl_err_errno(err, "shared memory");
	sl_free(s);
	return NULL;
}

struct sl_shared *
sl_shared_new(unsigned workers, int *fd, struct sl_err *err)
{
	struct sl_shared *s;

	*fd = memfd_create("sluice-shared", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*fd < 0 || ftruncate(*fd, (off_t)(sizeof(struct map) + workers * PER_WORKER)) != 0 ||
	    fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0) {
		sl_err_errno(err, "shared memory");
		if (*fd >= 0)
			close(*fd);
		return NULL;
	}
	s = sl_shared_map(*fd, err);
	if (s == NULL)
		close(*fd);
	return s;
}

void
sl_shared_unmap(struct sl_shared *s)
{
	if (s == NULL)
		return;
	munmap(s->map, s->size);
	sl_free(s);
}

unsigned
sl_shared_workers(const struct sl_shared *s)
{
	return s->workers;
}

struct sl_counters *
sl_shared_counters(struct sl_shared *s, unsigned worker)
{
	return &s->map->counters[worker];
}

struct sl_process_counters *
sl_shared_processes(struct sl_shared *s)
{
	return &s->map->processes;
}

struct sl_metrics *
sl_shared_metrics(struct sl_shared *s)
{
	return &s->map->metrics;
}

static size_t
bucket(const char *destination)
{
	return sl_crc32c(0, destination, strlen(destination)) % SL_DESTINATIONS;
}

bool
sl_shared_slot_take(struct sl_shared *s, unsigned worker, const char *destination, unsigned limit)
{
	size_t b = bucket(destination);

	if (atomic_fetch_add(&s->map->slots[b], 1) >= limit) {
		atomic_fetch_sub(&s->map->slots[b], 1);
		return false;
	}
	atomic_fetch_add(&own_slots(s, worker)[b], 1);
	return true;
}

void
sl_shared_slot_give(struct sl_shared *s, unsigned worker, const char *destination)
{
	size_t b = bucket(destination);

	atomic_fetch_sub(&own_slots(s, worker)[b], 1);
	atomic_fetch_sub(&s->map->slots[b], 1);
}

void
sl_shared_worker_died(struct sl_shared *s, unsigned worker)
{
	_Atomic uint16_t *own = own_slots(s, worker);
	struct sl_counters *c = &s->map->counters[worker];
	size_t b;

	for (b = 0; b < SL_DESTINATIONS; b++)
		if (own[b] != 0)
			atomic_fetch_sub(&s->map->slots[b], atomic_exchange(&own[b], 0));
	c->queue = c->held = c->sessions = c->milters = c->runs = 0;
	memset(&c->now, 0, sizeof(c->now));
}
