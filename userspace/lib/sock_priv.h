/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the sock_*.c files only. */
#ifndef VMMIG_SOCK_PRIV_H
#define VMMIG_SOCK_PRIV_H

#include <netdb.h>
#include <stdint.h>

#include "vmmig.h"

/* Monotonic milliseconds. */
int64_t sock_now(void);
/* When timeout_ms from now is over, INT64_MAX for none. */
int64_t sock_deadline(int timeout_ms);
/* What poll() takes: milliseconds left until deadline, at least 0; -1: none */
int sock_left(int64_t deadline);

/* Socket with big buffers, not blocking. Negative errno. */
int sock_new(const struct addrinfo *ai);
int sock_blocking(int fd);
void sock_close_all(int *fds, unsigned int nr);
int sock_resolve(const char *host, const char *port, int flags,
		 struct addrinfo **list, struct vmmig_error *err);

#endif /* VMMIG_SOCK_PRIV_H */
