// SPDX-License-Identifier: GPL-2.0
/* The source's end: connect every stream and introduce it. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "preamble.h"
#include "sock_priv.h"

static int wait_connected(int fd, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int rc, error = 0;

	do {
		rc = poll(&p, 1, sock_left(deadline));
	} while (rc < 0 && errno == EINTR);
	if (rc < 0)
		return -errno;
	if (!rc)
		return -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int send_preamble(int fd, const uint8_t *token, unsigned int stream,
			 unsigned int streams)
{
	struct preamble p = { .stream = stream, .streams = streams };
	uint8_t bytes[PREAMBLE_LEN];
	ssize_t sent;

	memcpy(p.token, token, VMMIG_TOKEN_LEN);
	preamble_encode(&p, bytes);
	/* Always fits into the empty buffer of a new connection. */
	sent = send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
	if (sent < 0)
		return -errno;
	return sent == sizeof(bytes) ? 0 : -EIO;
}

static int connect_one(const struct addrinfo *ai, const uint8_t *token,
		       unsigned int stream, unsigned int streams,
		       int64_t deadline)
{
	int fd, rc;

	fd = sock_new(ai);
	if (fd < 0)
		return fd;
	rc = connect(fd, ai->ai_addr, ai->ai_addrlen) ? -errno : 0;
	if (rc == -EINPROGRESS || rc == -EINTR)
		rc = wait_connected(fd, deadline);
	if (!rc)
		rc = send_preamble(fd, token, stream, streams);
	if (!rc)
		rc = sock_blocking(fd);
	if (!rc)
		return fd;
	close(fd);
	return rc;
}

/* All streams go to one address: the peer waits there for each of them. */
static int connect_all(const struct addrinfo *ai, const uint8_t *token,
		       unsigned int streams, int *socks, int64_t first,
		       int64_t deadline)
{
	unsigned int i;
	int fd;

	for (i = 0; i < streams; i++) {
		fd = connect_one(ai, token, i, streams, i ? deadline : first);
		if (fd < 0) {
			sock_close_all(socks, i);
			return fd;
		}
		socks[i] = fd;
	}
	return 0;
}

static int explain(const char *host, const char *port, int rc,
		   struct vmmig_error *err)
{
	switch (rc) {
	case -ECONNREFUSED:
		return vmmig_fail(err, rc, "%s port %s: connection refused; does the destination listen there?",
				  host, port);
	case -ETIMEDOUT:
		return vmmig_fail(err, rc, "%s port %s: no answer in time; check address, routes and firewall",
				  host, port);
	default:
		return vmmig_fail(err, rc, "%s port %s: cannot connect: %s",
				  host, port, strerror(-rc));
	}
}

int vmmig_sock_connect(const char *host, const char *port,
		       const uint8_t token[VMMIG_TOKEN_LEN],
		       unsigned int streams, int *socks, int timeout_ms,
		       struct vmmig_error *err)
{
	int64_t deadline = sock_deadline(timeout_ms), first;
	struct addrinfo *list, *ai;
	int rc, left, nr = 0;

	if (!streams || streams > VMMIG_MAX_STREAMS)
		return vmmig_fail(err, -EINVAL, "%u streams; give 1 to %u",
				  streams, VMMIG_MAX_STREAMS);
	rc = sock_resolve(host, port, AI_ADDRCONFIG, &list, err);
	if (rc)
		return rc;
	for (ai = list; ai; ai = ai->ai_next)
		nr++;

	/*
	 * An address that does not answer at all must leave time for the
	 * others: each gets its share of what is left.
	 */
	for (ai = list; ai; ai = ai->ai_next, nr--) {
		left = sock_left(deadline);
		first = left < 0 ? deadline : sock_now() + left / nr;
		rc = connect_all(ai, token, streams, socks, first, deadline);
		if (!rc)
			break;
	}
	freeaddrinfo(list);
	return rc ? explain(host, port, rc, err) : 0;
}
