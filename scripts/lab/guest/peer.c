// SPDX-License-Identifier: GPL-2.0
/*
 * The outside world of the lab's guest: sends its TCP messages back, takes its
 * UDP heartbeats, and keeps the largest gaps on a clock that never stops.
 *
 * usage: peer CONTROL_SOCKET     commands there: status, reset
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "workload/wl.h"

#define CLIENTS		16

enum { LISTEN, UDP, CONTROL, FIXED };

struct client {
	bool control;
	bool sending;		/* m is whole and goes back, done bytes of it went */
	size_t done;
	struct wl_msg m;
	uint64_t seq;
};

struct flow {
	uint64_t msgs, bad, last_ns, gap_ns, gap_from_ns, seq;
};

static struct pollfd fds[FIXED + CLIENTS];
static struct client clients[FIXED + CLIENTS];
static struct flow tcp, udp;
static uint64_t conns, closed;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void count(struct flow *f, uint64_t now)
{
	if (f->last_ns && now - f->last_ns > f->gap_ns) {
		f->gap_ns = now - f->last_ns;
		f->gap_from_ns = f->last_ns;
	}
	f->last_ns = now;
	f->msgs++;
}

static void add_client(int listener, bool control)
{
	int one = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	for (int i = FIXED; i < FIXED + CLIENTS && fd >= 0; i++) {
		if (fds[i].fd >= 0)
			continue;
		fds[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
		clients[i] = (struct client){ .control = control };
		if (!control) {
			conns++;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		}
		return;
	}
	close(fd);
}

static void control(int fd)
{
	char in[64] = "", out[512];
	ssize_t n = read(fd, in, sizeof(in) - 1);
	uint64_t now = now_ns();

	if (n <= 0)
		return;
	if (!strncmp(in, "reset", 5)) {
		tcp.gap_ns = udp.gap_ns = 0;
		tcp.last_ns = udp.last_ns = 0;
		n = snprintf(out, sizeof(out), "ok\n");
	} else {
		n = snprintf(out, sizeof(out),
			     "{\"tcp_msgs\":%lu,\"tcp_bad\":%lu,\"tcp_conns\":%lu,\"tcp_closed\":%lu,\"tcp_gap_ms\":%.1f,\"udp_msgs\":%lu,\"udp_lost\":%lu,\"udp_gap_ms\":%.1f,\"udp_gap_from_ms\":%.1f,\"udp_silent_ms\":%.1f}\n",
			     tcp.msgs, tcp.bad, conns, closed, tcp.gap_ns / 1e6,
			     udp.msgs, udp.bad, udp.gap_ns / 1e6, udp.gap_from_ns / 1e6,
			     udp.last_ns ? (now - udp.last_ns) / 1e6 : -1.0);
	}
	if (write(fd, out, n) < 0)
		return;
}

static void take_message(struct client *c)
{
	c->m.peer_ns = now_ns();
	count(&tcp, c->m.peer_ns);
	if (c->m.seq != ++c->seq || c->m.sum != wl_mix(c->m.seq)) {
		tcp.bad++;
		c->seq = c->m.seq;
	}
}

/*
 * Sends whole messages back, until there are none or the socket is full: a
 * guest that was away for long has many under way. False when the client is gone.
 */
static bool echo(struct pollfd *p, struct client *c)
{
	for (;;) {
		char *at = (char *)&c->m + c->done;
		size_t left = sizeof(c->m) - c->done;
		ssize_t n = c->sending ? send(p->fd, at, left, MSG_NOSIGNAL) :
					 recv(p->fd, at, left, 0);

		if (n < 0 && errno == EAGAIN) {
			p->events = c->sending ? POLLOUT : POLLIN;
			return true;
		}
		if (n <= 0) {
			printf("peer: %s: %s\n", c->sending ? "send" : "recv",
			       n ? strerror(errno) : "closed");
			fflush(stdout);
			return false;
		}
		c->done += n;
		if (c->done < sizeof(c->m))
			continue;
		c->done = 0;
		c->sending = !c->sending;
		if (c->sending)
			take_message(c);
	}
}

static void take_beats(int fd)
{
	uint64_t seq;

	while (recv(fd, &seq, sizeof(seq), MSG_DONTWAIT) == sizeof(seq)) {
		count(&udp, now_ns());
		if (udp.seq && seq > udp.seq + 1)
			udp.bad += seq - udp.seq - 1;
		udp.seq = seq;
	}
}

static void client_event(int i)
{
	struct pollfd *p = &fds[i];
	bool live = true;

	if (clients[i].control) {
		control(p->fd);
		live = false;
	} else if (!echo(p, &clients[i])) {
		closed++;
		live = false;
	}
	if (!live) {
		close(p->fd);
		p->fd = -1;
	}
}

static int listen_on(int family, int type, const void *addr, socklen_t len)
{
	int fd = socket(family, type, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, addr, len) || (type == SOCK_STREAM && listen(fd, 16))) {
		perror("peer");
		return -1;
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(WL_PORT) };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sched_param rr = { .sched_priority = 10 };

	if (argc != 2)
		return 2;
	strncpy(un.sun_path, argv[1], sizeof(un.sun_path) - 1);
	unlink(argv[1]);
	for (int i = 0; i < FIXED + CLIENTS; i++)
		fds[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	fds[LISTEN].fd = listen_on(AF_INET, SOCK_STREAM, &in, sizeof(in));
	fds[UDP].fd = listen_on(AF_INET, SOCK_DGRAM, &in, sizeof(in));
	fds[CONTROL].fd = listen_on(AF_UNIX, SOCK_STREAM, &un, sizeof(un));
	for (int i = 0; i < FIXED; i++)
		if (fds[i].fd < 0)
			return 1;
	/* What it measures is the guest, not how busy the host is */
	sched_setscheduler(0, SCHED_RR, &rr);
	while (poll(fds, FIXED + CLIENTS, -1) > 0) {
		if (fds[LISTEN].revents)
			add_client(fds[LISTEN].fd, false);
		if (fds[UDP].revents)
			take_beats(fds[UDP].fd);
		if (fds[CONTROL].revents)
			add_client(fds[CONTROL].fd, true);
		for (int i = FIXED; i < FIXED + CLIENTS; i++)
			if (fds[i].fd >= 0 && fds[i].revents)
				client_event(i);
	}
	return 1;
}
