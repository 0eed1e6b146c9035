// SPDX-License-Identifier: GPL-2.0
/*
 * Heartbeat: the largest gap between two ticks is the pause that the guest
 * itself can notice, on the clock that stops with the guest and the one that
 * counts suspended time. Sent on to the peer, whose clock never stops.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>

#include "wl.h"

static _Atomic uint64_t gap_ns, boot_gap_ns, ticks;
static atomic_bool forget;

static uint64_t boot_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void *run(void *arg)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(WL_PORT) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	uint64_t last = wl_now(), last_boot = boot_ns(), sent = 0, seq = 0;

	(void)arg;
	inet_pton(AF_INET, WL_PEER, &to.sin_addr);
	for (;;) {
		uint64_t now, boot;

		wl_sleep_ms(wl.beat);
		now = wl_now();
		boot = boot_ns();
		if (!atomic_exchange(&forget, false)) {
			if (now - last > gap_ns)
				gap_ns = now - last;
			if (boot - last_boot > boot_gap_ns)
				boot_gap_ns = boot - last_boot;
		}
		last = now;
		last_boot = boot;
		ticks++;
		if (wl.udp && now - sent >= wl.udp * 1000000ULL) {
			sent = now;
			seq++;
			sendto(fd, &seq, sizeof(seq), 0, (struct sockaddr *)&to, sizeof(to));
		}
	}
	return NULL;
}

void beat_start(void)
{
	wl_thread(run, NULL);
}

void beat_reset(void)
{
	forget = true;
	gap_ns = 0;
	boot_gap_ns = 0;
}

int beat_status(char *buf, size_t size)
{
	return snprintf(buf, size, "\"max_gap_ms\":%.1f,\"boot_gap_ms\":%.1f,\"ticks\":%lu,",
			gap_ns / 1e6, boot_gap_ns / 1e6, ticks);
}
