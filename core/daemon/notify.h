/*
 * Readiness for systemd (sd_notify(3), Type=notify-reload): one datagram to
 * $NOTIFY_SOCKET. Without that variable nothing is sent.
 */
#ifndef SL_DAEMON_NOTIFY_H
#define SL_DAEMON_NOTIFY_H

void	 sl_notify_ready(const char *status);		/* started, or reloaded */
void	 sl_notify_reloading(void);
void	 sl_notify_stopping(void);

#endif
