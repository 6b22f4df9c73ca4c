#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../base/alloc.h"
#include "plan.h"

/* ---- the master's side ------------------------------------------------------------ */

int
sl_identity_of(struct sl_identity *out, const char *name, struct sl_err *err)
{
	const struct passwd *pw;

	memset(out, 0, sizeof(*out));
	errno = 0;
	pw = getpwnam(name);
	if (pw == NULL)
		return sl_err_set(err, SL_ERR_NOTFOUND, "user \"%s\": there is no such account", name);
	if (geteuid() != 0 && geteuid() != pw->pw_uid)
		return sl_err_set(err, SL_ERR_REFUSED,
		    "user \"%s\": only root can run as somebody else", name);
	out->uid = pw->pw_uid;
	out->gid = pw->pw_gid;
	snprintf(out->name, sizeof(out->name), "%s", name);
	return 0;
}

static int
become(const struct sl_identity *who)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	if (who->uid == 0 || geteuid() != 0)
		return 0;
	return initgroups(who->name, who->gid) != 0 || setgid(who->gid) != 0 ||
	    setuid(who->uid) != 0 || setuid(0) == 0 ? -1 : 0;
}

static void
execute(const char *kind, const struct sl_identity *who, int fd)
{
	sigset_t none;

	/* dup2 on itself would keep close-on-exec. */
	if (fd == SL_CHILD_FD ? fcntl(fd, F_SETFD, 0) < 0 : dup2(fd, SL_CHILD_FD) < 0)
		_exit(70);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (become(who) != 0)
		_exit(77);
	execl("/proc/self/exe", "sluice", "child", kind, (char *)NULL);
	_exit(71);
}

int
sl_child_spawn(const char *kind, const struct sl_identity *who, pid_t *pid, int *fd,
    struct sl_err *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return sl_err_errno(err, "socketpair");
	*pid = fork();
	if (*pid == 0)
		execute(kind, who, pair[1]);
	close(pair[1]);
	if (*pid < 0) {
		close(pair[0]);
		return sl_err_errno(err, "fork");
	}
	*fd = pair[0];
	return 0;
}

/* ---- the child's side ----------------------------------------------------------------- */

int
sl_packet_take_fd(struct sl_packet *p, unsigned i)
{
	int fd = i < p->nfds ? p->fds[i] : -1;

	if (fd >= 0)
		p->fds[i] = -1;
	return fd;
}

void
sl_child_exit(struct sl_child *child, int status)
{
	child->status = status;
	sl_loop_stop(child->loop);
}

/* Text that stays while the child lives. */
static int
begin(struct sl_child *child, struct sl_packet *p, struct sl_buf *report)
{
	enum sl_level level = (enum sl_level)sl_plan_number(p->text, "level", SL_INFO);
	int64_t log = sl_plan_number(p->text, "log.fd", -1);
	char *text = sl_strndup(p->text.p, p->text.n);
	struct sl_err err = { 0 };
	int rc = text == NULL ? SL_ERR_NOMEM : 0;

	child->start = (struct sl_str){ text, text != NULL ? p->text.n : 0 };
	if (rc == 0)
		rc = sl_logs_open(&child->logs, child->loop, level);
	if (rc == 0)
		rc = sl_logs_plan(&child->logs, child->start, &err);
	if (rc == 0 && log >= 0 && log < p->nfds)
		rc = sl_logs_use(&child->logs, sl_packet_take_fd(p, (unsigned)log));
	if (rc != 0) {
		sl_buf_printf(report, "%s\n", err.code != 0 ? err.text : sl_err_word(rc));
		return rc;
	}
	return child->kind->start(child, p, report);
}

static void
on_start(struct sl_child *child, struct sl_packet *p)
{
	struct sl_buf report = SL_BUF_INIT;

	if (p->kind != SL_PACKET_START) {
		sl_child_exit(child, 70);
	} else if (begin(child, p, &report) != 0) {
		sl_channel_say(child->channel, SL_PACKET_REFUSED, sl_buf_str(&report));
		sl_child_exit(child, 78);
	}
	sl_buf_clear(&report);
}

static void
on_log(struct sl_child *child, struct sl_packet *p)
{
	int fd = sl_packet_take_fd(p, 0);

	if (fd >= 0)
		sl_logs_use(&child->logs, fd);
}

static void
on_packet(void *arg, struct sl_packet *p)
{
	struct sl_child *child = arg;

	if (child->start.p == NULL)
		on_start(child, p);
	else if (p->kind == SL_PACKET_LOG)
		on_log(child, p);
	else
		child->kind->packet(child, p);
}

/* Without its master a child is nothing: what was accepted is on the disk. */
static void
on_closed(void *arg)
{
	sl_child_exit(arg, 1);
}

static const struct sl_child_kind *
find_kind(const char *name)
{
	static const struct sl_child_kind *const kinds[] = {
		&sl_checker, &sl_worker, &sl_state_child, &sl_admin_child,
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

/* The master says when to end: signals to the whole group don't. */
static void
set_up(const char *kind)
{
	char name[16];

	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	prctl(PR_SET_DUMPABLE, 0);	/* keys and passwords are in memory: no core files */
	snprintf(name, sizeof(name), "sluice-%s", kind);
	prctl(PR_SET_NAME, name);
}

int
sl_child_main(const char *kind)
{
	struct sl_child child = { .kind = find_kind(kind) };
	struct sl_channel_options o = { .fd = SL_CHILD_FD, .packet = on_packet, .closed = on_closed,
		.arg = &child };
	struct sl_err err;
	int type = 0;
	socklen_t n = sizeof(type);

	if (child.kind == NULL || getsockopt(SL_CHILD_FD, SOL_SOCKET, SO_TYPE, &type, &n) != 0 ||
	    type != SOCK_SEQPACKET) {
		fprintf(stderr, "sluice: \"child\" is what \"sluice run\" starts, not for people\n");
		return 2;
	}
	set_up(kind);
	fcntl(SL_CHILD_FD, F_SETFD, FD_CLOEXEC);
	o.loop = child.loop = sl_loop_new(&err);
	if (child.loop != NULL)
		child.channel = sl_channel_open(&o, &err);
	if (child.channel == NULL) {
		fprintf(stderr, "sluice: %s\n", err.text);
		return 71;
	}
	sl_loop_run(child.loop);
	if (child.own != NULL)
		child.kind->end(&child);
	if (child.logs.loop != NULL)
		sl_logs_close(&child.logs);
	sl_channel_free(child.channel);
	sl_loop_free(child.loop);
	sl_free((void *)(uintptr_t)child.start.p);
	return child.status;
}
