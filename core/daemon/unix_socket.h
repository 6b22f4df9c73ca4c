/* Listening sockets in the file system: what bind(2) leaves to do. */
#ifndef SL_DAEMON_UNIX_SOCKET_H
#define SL_DAEMON_UNIX_SOCKET_H

#include <sys/types.h>

#include "../base/err.h"
#include "../net/addr.h"

/* Before bind: removes a socket that nobody listens on. Anything else stays in its place. */
void	 sl_unix_socket_remove_stale(const struct sl_addr *addr);
/* After it: who may connect. 'group' NULL = that of the process. SL_ERR_*. */
int	 sl_unix_socket_permit(const struct sl_addr *addr, mode_t mode, const char *group,
	    struct sl_err *err);
/* Removes it; not an error if it is gone. */
void	 sl_unix_socket_remove(const struct sl_addr *addr);

#endif
