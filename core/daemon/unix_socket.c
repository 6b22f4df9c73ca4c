#include "unix_socket.h"

#include <errno.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

void
sl_unix_socket_remove_stale(const struct sl_addr *addr)
{
	struct stat st;
	int fd;

	if (addr->sa.sa_family != AF_UNIX || lstat(addr->un.sun_path, &st) != 0 ||
	    !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, &addr->sa, addr->len) != 0 && errno == ECONNREFUSED)
		unlink(addr->un.sun_path);
	close(fd);
}

int
sl_unix_socket_permit(const struct sl_addr *addr, mode_t mode, const char *group,
    struct sl_err *err)
{
	const char *path = addr->un.sun_path;
	const struct group *g = group != NULL ? getgrnam(group) : NULL;

	if (group != NULL && g == NULL)
		return sl_err_set(err, SL_ERR_NOTFOUND, "group %s: there is none", group);
	if (g != NULL && chown(path, (uid_t)-1, g->gr_gid) != 0)
		return sl_err_errno(err, "group %s", group);
	if (chmod(path, mode) != 0)
		return sl_err_errno(err, "mode %04o", (unsigned)mode);
	return 0;
}

void
sl_unix_socket_remove(const struct sl_addr *addr)
{
	if (addr->sa.sa_family == AF_UNIX)
		unlink(addr->un.sun_path);
}
