/* Shared by master*.c. */
#ifndef SL_DAEMON_MASTER_PRIVATE_H
#define SL_DAEMON_MASTER_PRIVATE_H

#include "child.h"
#include "listeners.h"
#include "master.h"
#include "plan.h"
#include "shared.h"

enum process_state {
	GONE,			/* not running; a restart may be due */
	STARTING,		/* until it says READY */
	READY,
	PREPARING,		/* a new policy; serves meanwhile */
	LEAVING,		/* told to drain */
};

struct process {
	struct sl_master *master;
	const char *kind;
	int number;		/* of a worker */
	enum process_state state;
	pid_t pid;		/* 0 = none */
	struct sl_channel *channel;
	struct sl_timer restart;
	unsigned deaths;	/* in a row */
	int64_t started;
	size_t connections;
	uint64_t beat;		/* watchdog: as last seen, and when it changed */
	int64_t beat_at;
	bool warned;
};

enum master_state { LOADING_FIRST, STARTING_UP, SERVING, CHECKING, SWITCHING, DRAINING };

#define MAX_CRASHES	64

/* A message that was executing when a worker died. */
struct crash {
	char id[72];
	int worker;		/* whose queue it may be in */
	unsigned n;
};

struct sl_master {
	struct sl_run_options o;
	struct sl_loop *loop;
	struct sl_logs logs;
	struct sl_watch signals;
	struct sl_timer tick, patience, check_limit;
	struct sl_listeners *listeners;
	enum master_state state;
	bool again;			/* SIGHUP came while one was under way */
	int status;

	int image, image_next;		/* descriptors, -1 = none */
	struct sl_buf plan, plan_next;
	struct sl_identity who;
	char *spool;
	int admin_fd, admin_next;
	struct sl_shared *shared;
	int shared_fd;
	struct process *workers;
	unsigned nworkers;
	int64_t descriptors;		/* connections that a worker can have */
	struct process state_process, admin, checker;
	struct crash crashes[MAX_CRASHES];
};

/* master.c */
void	 sl_master_fail(struct sl_master *m, const char *text);	/* at the start: said, then the end */
void	 sl_master_serving(struct sl_master *m);		/* a worker became ready */

/* master_children.c */
/* It is ready and can be told so. One that has died can't, before SIGCHLD says so. */
bool	 sl_process_serves(const struct process *p);
int	 sl_master_spawn(struct process *p);
void	 sl_master_start_all(struct sl_master *m);
void	 sl_master_reap(struct sl_master *m);		/* SIGCHLD */
void	 sl_master_kill_all(struct sl_master *m);
void	 sl_master_watch_workers(struct sl_master *m);	/* once a second */
void	 sl_master_connected(void *arg, const struct sl_connection *connection);
/* Says it to the workers that serve. */
void	 sl_master_tell(struct sl_master *m, const struct sl_packet *packet);
unsigned sl_master_alive(const struct sl_master *m);	/* workers that have a process */

/* master_load.c */
void	 sl_master_load(struct sl_master *m);
void	 sl_master_checked(struct sl_master *m, const struct sl_packet *packet);
void	 sl_master_prepared(struct process *worker, const struct sl_packet *packet);
/* The load under way is over, for this reason (lines). */
void	 sl_master_load_failed(struct sl_master *m, struct sl_str report);

#endif
