// SPDX-License-Identifier: GPL-2.0
/* What both ends of a connection need. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sock_priv.h"

/*
 * Room for 10 Gbit/s at 25 ms. Only what is needed gets used; but it must be
 * set before the handshake, which fixes the window scale. The send buffer is
 * left to autotuning: what waits there at the end is downtime.
 */
#define RCVBUF		(32 * 1024 * 1024)

int64_t sock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

int64_t sock_deadline(int timeout_ms)
{
	return timeout_ms < 0 ? INT64_MAX : sock_now() + timeout_ms;
}

int sock_left(int64_t deadline)
{
	int64_t left;

	if (deadline == INT64_MAX)
		return -1;
	left = deadline - sock_now();
	if (left < 0)
		return 0;
	return left > INT_MAX ? INT_MAX : (int)left;
}

int sock_new(const struct addrinfo *ai)
{
	int fd, size = RCVBUF, on = 1;

	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    ai->ai_protocol);
	if (fd < 0)
		return -errno;
	/* FORCE is not bound by net.core.rmem_max, but needs CAP_NET_ADMIN. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

int sock_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK))
		return -errno;
	return 0;
}

void sock_close_all(int *fds, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

int sock_resolve(const char *host, const char *port, int flags,
		 struct addrinfo **list, struct vmmig_error *err)
{
	const struct addrinfo hints = {
		.ai_flags = flags,
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
	};
	int rc = getaddrinfo(host, port, &hints, list);

	switch (rc) {
	case 0:
		return 0;
	case EAI_SERVICE:
		return vmmig_fail(err, -EINVAL, "port %s: is neither a number nor a known service",
				  port);
	case EAI_MEMORY:
		return vmmig_fail(err, -ENOMEM, "host %s: out of memory",
				  host ? host : "*");
	default:
		return vmmig_fail(err, -EADDRNOTAVAIL, "host %s: %s; check the name, or give an address",
				  host ? host : "*", gai_strerror(rc));
	}
}
