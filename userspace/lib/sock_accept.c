// SPDX-License-Identifier: GPL-2.0
/*
 * The destination's end, second half: wait for the right peer.
 *
 * Whoever can reach the port may connect. Connections are therefore read side
 * by side, each with a deadline of its own, and only one with the token is
 * kept. A kept one whose peer closes it before all are there makes room again,
 * so that a source that gave up can come back.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "preamble.h"
#include "sock_priv.h"

#define MAX_PENDING	32
#define PREAMBLE_MS	2000

/* A connection that has not introduced itself yet; fd < 0: free slot. */
struct pending {
	int fd;
	unsigned int got;
	int64_t deadline;
	uint8_t bytes[PREAMBLE_LEN];
};

struct acceptor {
	const int *listeners;
	unsigned int nr_listeners;
	const uint8_t *token;
	unsigned int streams;
	int *socks;			/* -1: not there yet */
	struct pending pending[MAX_PENDING];
	unsigned int dropped;
	const char *why;		/* the last one was dropped */
};

static void drop(struct acceptor *a, struct pending *p, const char *why)
{
	close(p->fd);
	p->fd = -1;
	a->dropped++;
	a->why = why;
}

static struct pending *pending_free(struct acceptor *a)
{
	for (int i = 0; i < MAX_PENDING; i++)
		if (a->pending[i].fd < 0)
			return &a->pending[i];
	return NULL;
}

static bool accept_passes(int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
	case ECONNABORTED:
	/* Linux hands errors of the new connection to accept(). */
	case ENETDOWN:
	case EPROTO:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case ENONET:
	case EHOSTUNREACH:
	case EOPNOTSUPP:
	case ENETUNREACH:
	case ETIMEDOUT:
	case ECONNRESET:
		return true;
	default:
		return false;
	}
}

static int take_connection(struct acceptor *a, int listener,
			   int64_t deadline)
{
	struct pending *p = pending_free(a);
	int fd, on = 1;

	if (!p)
		return 0;
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return accept_passes(errno) ? 0 : -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	p->fd = fd;
	p->got = 0;
	p->deadline = sock_now() + PREAMBLE_MS;
	if (p->deadline > deadline)
		p->deadline = deadline;
	return 0;
}

static void keep(struct acceptor *a, struct pending *p, unsigned int stream)
{
	/* Has the token, so it is the same peer, which connected again. */
	if (a->socks[stream] >= 0)
		close(a->socks[stream]);
	a->socks[stream] = p->fd;
	p->fd = -1;
}

static void read_preamble(struct acceptor *a, struct pending *p)
{
	struct preamble pre;
	const char *wrong;
	ssize_t got;

	/* Not a byte more: what follows belongs to the module. */
	got = recv(p->fd, p->bytes + p->got, PREAMBLE_LEN - p->got, 0);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(a, p, "was closed by the peer");
		return;
	}
	p->got += got;
	if (p->got < PREAMBLE_LEN)
		return;
	wrong = preamble_decode(p->bytes, a->token, a->streams, &pre);
	if (wrong)
		drop(a, p, wrong);
	else
		keep(a, p, pre.stream);
}

static void expire(struct acceptor *a)
{
	int64_t now = sock_now();

	for (int i = 0; i < MAX_PENDING; i++) {
		struct pending *p = &a->pending[i];

		if (p->fd >= 0 && p->deadline <= now)
			drop(a, p, "said nothing");
	}
}

static bool complete(const struct acceptor *a)
{
	for (unsigned int i = 0; i < a->streams; i++)
		if (a->socks[i] < 0)
			return false;
	return true;
}

/* When poll() has to come back though nothing happened. */
static int64_t next_deadline(const struct acceptor *a, int64_t deadline)
{
	for (int i = 0; i < MAX_PENDING; i++)
		if (a->pending[i].fd >= 0 && a->pending[i].deadline < deadline)
			deadline = a->pending[i].deadline;
	return deadline;
}

/* One round of poll(); descriptors below zero are ignored by it. */
static int turn(struct acceptor *a, int64_t deadline)
{
	struct pollfd p[VMMIG_MAX_LISTEN + MAX_PENDING + VMMIG_MAX_STREAMS];
	struct pollfd *pending = p + a->nr_listeners;
	struct pollfd *kept = pending + MAX_PENDING;
	bool full = !pending_free(a);
	unsigned int i;
	int rc;

	for (i = 0; i < a->nr_listeners; i++)
		p[i] = (struct pollfd){ full ? -1 : a->listeners[i], POLLIN, 0 };
	for (i = 0; i < MAX_PENDING; i++)
		pending[i] = (struct pollfd){ a->pending[i].fd, POLLIN, 0 };
	for (i = 0; i < a->streams; i++)
		kept[i] = (struct pollfd){ a->socks[i], POLLRDHUP, 0 };

	rc = poll(p, a->nr_listeners + MAX_PENDING + a->streams,
		  sock_left(next_deadline(a, deadline)));
	if (rc < 0)
		return errno == EINTR ? 0 : -errno;

	/* Before a newer connection may take the place of a dead one. */
	for (i = 0; i < a->streams; i++) {
		if (!kept[i].revents)
			continue;
		close(a->socks[i]);
		a->socks[i] = -1;
		a->dropped++;
		a->why = "was closed by the peer";
	}
	for (i = 0; i < MAX_PENDING; i++)
		if (pending[i].revents)
			read_preamble(a, &a->pending[i]);
	expire(a);
	for (i = 0; i < a->nr_listeners; i++) {
		if (!p[i].revents)
			continue;
		rc = take_connection(a, a->listeners[i], deadline);
		if (rc)
			return rc;
	}
	return 0;
}

static int explain(const struct acceptor *a, int rc, struct vmmig_error *err)
{
	if (rc != -ETIMEDOUT)
		return vmmig_fail(err, rc, "cannot accept connections: %s",
				  strerror(-rc));
	if (!a->dropped)
		return vmmig_fail(err, rc, "nobody connected in time; was the source started, can it reach this port?");
	return vmmig_fail(err, rc, "the source did not connect in time; %u connections were dropped, the last one %s",
			  a->dropped, a->why);
}

int vmmig_sock_accept(const int *fds, unsigned int nr_fds,
		      const uint8_t token[VMMIG_TOKEN_LEN],
		      unsigned int streams, int *socks, int timeout_ms,
		      struct vmmig_error *err)
{
	int64_t deadline = sock_deadline(timeout_ms);
	struct acceptor a = {
		.listeners = fds,
		.nr_listeners = nr_fds,
		.token = token,
		.streams = streams,
		.socks = socks,
	};
	unsigned int i;
	int rc = 0;

	if (!streams || streams > VMMIG_MAX_STREAMS)
		return vmmig_fail(err, -EINVAL, "%u streams; give 1 to %u",
				  streams, VMMIG_MAX_STREAMS);
	if (!nr_fds || nr_fds > VMMIG_MAX_LISTEN)
		return vmmig_fail(err, -EINVAL, "%u listening sockets; give 1 to %u",
				  nr_fds, VMMIG_MAX_LISTEN);
	for (i = 0; i < MAX_PENDING; i++)
		a.pending[i].fd = -1;
	for (i = 0; i < streams; i++)
		socks[i] = -1;

	while (!rc && !complete(&a)) {
		if (!sock_left(deadline))
			rc = -ETIMEDOUT;
		else
			rc = turn(&a, deadline);
	}
	for (i = 0; !rc && i < streams; i++)
		rc = sock_blocking(socks[i]);

	for (i = 0; i < MAX_PENDING; i++)
		if (a.pending[i].fd >= 0)
			close(a.pending[i].fd);
	if (!rc)
		return 0;
	rc = explain(&a, rc, err);
	sock_close_all(socks, streams);
	return rc;
}
