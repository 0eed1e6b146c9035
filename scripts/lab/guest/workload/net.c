// SPDX-License-Identifier: GPL-2.0
/*
 * One TCP connection to the peer that must outlive every migration. Every few
 * milliseconds a numbered message goes out; the peer sends each one back with
 * the time at which it came, so both clocks' largest gaps are known here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wl.h"

static _Atomic uint64_t msgs, bad, lost;	/* lost: connections */
static _Atomic uint64_t gap_ns, peer_gap_ns;
static atomic_bool connected, forget;

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(WL_PORT) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	inet_pton(AF_INET, WL_PEER, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* Takes in all echoes that are there; false when the connection is over */
static bool take_echoes(int fd, uint64_t *seen)
{
	static struct wl_msg m;
	static size_t have;
	static uint64_t last_ns, last_peer_ns;

	for (;;) {
		ssize_t n = recv(fd, (char *)&m + have, sizeof(m) - have, MSG_DONTWAIT);
		uint64_t now;

		if (n <= 0) {
			if (n < 0 && errno == EAGAIN)
				return true;
			have = 0;
			last_ns = 0;
			return false;
		}
		have += n;
		if (have < sizeof(m))
			continue;
		have = 0;
		if (m.seq != ++*seen || m.sum != wl_mix(m.seq)) {
			bad++;
			wl_bad("tcp message %lu came where %lu was due", m.seq, *seen);
			*seen = m.seq;
		}
		msgs++;
		now = wl_now();
		if (atomic_exchange(&forget, false))
			last_ns = 0;
		if (last_ns && now - last_ns > gap_ns)
			gap_ns = now - last_ns;
		if (last_ns && m.peer_ns - last_peer_ns > peer_gap_ns)
			peer_gap_ns = m.peer_ns - last_peer_ns;
		last_ns = now;
		last_peer_ns = m.peer_ns;
	}
}

static void *run(void *arg)
{
	(void)arg;
	for (;;) {
		struct wl_msg m = { 0 };
		uint64_t seen = 0;
		int fd = dial();

		if (fd < 0) {
			wl_sleep_ms(200);
			continue;
		}
		connected = true;
		do {
			m.seq++;
			m.sum = wl_mix(m.seq);
			if (send(fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
				break;
			wl_sleep_ms(wl.tcp);
		} while (take_echoes(fd, &seen));
		connected = false;
		lost++;
		wl_log("tcp connection lost (errno %d)", errno);
		close(fd);
	}
	return NULL;
}

void net_start(void)
{
	if (wl.tcp > 0)
		wl_thread(run, NULL);
}

void net_reset(void)
{
	forget = true;
	gap_ns = 0;
	peer_gap_ns = 0;
}

int net_status(char *buf, size_t size)
{
	return snprintf(buf, size,
			"\"tcp_ok\":%s,\"tcp_msgs\":%lu,\"tcp_bad\":%lu,\"tcp_lost\":%lu,\"tcp_gap_ms\":%.1f,\"peer_gap_ms\":%.1f,",
			connected && !lost && !bad ? "true" : "false", msgs, bad, lost,
			gap_ns / 1e6, peer_gap_ns / 1e6);
}
