/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of the guest's workload share. */
#ifndef WL_H
#define WL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WL_PAGE		4096UL
#define WL_PEER		"192.168.77.60"
#define WL_PORT		7777
#define WL_RATE_MAX	(-1.0)

/* Options from the kernel command line, wl.NAME=VALUE */
struct wl_opts {
	size_t mem;		/* bytes that are written and verified */
	size_t fill;		/* bytes that are filled once and verified */
	size_t hot;		/* bytes of mem that are written at all */
	double rate;		/* MB/s of pages touched, WL_RATE_MAX: no limit */
	double verify;		/* MB/s verified all the time */
	bool random;		/* order of the writes */
	int threads;		/* writers */
	int tick;		/* ms between what each does at a time */
	int disk;		/* file operations a second, 0: no disk */
	int files;		/* reads of the host's file a second, 0: none */
	int tcp;		/* ms between two TCP messages, 0: none */
	int beat;		/* ms between two heartbeats */
	int nested;		/* ms between two rounds of a nested guest, 0: none */
	int udp;		/* ms between two heartbeats sent, 0: none */
};

/* One TCP message each way; all numbers in host order (both ends are x86) */
struct wl_msg {
	uint64_t seq;		/* counts up from 1 on each connection */
	uint64_t peer_ns;	/* in the echo: when the peer got it */
	uint64_t sum;		/* wl_mix() of seq */
};

extern struct wl_opts wl;

/* Prints on the console; "WORKLOAD BAD" marks every data error */
void wl_log(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void wl_bad(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

uint64_t wl_now(void);			/* CLOCK_MONOTONIC in ns */
void wl_sleep_ms(int ms);		/* to the next multiple of ms */
void wl_thread(void *(*fn)(void *), void *arg);

static inline uint64_t wl_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/* Each part: start it, add its fields to the status line, forget maxima */
void mem_start(void);
int mem_status(char *buf, size_t size);
void mem_rate(double mb_s);
void mem_verify(uint64_t *pages, uint64_t *bad);

void disk_start(void);
int disk_status(char *buf, size_t size);

void files_start(void);
int files_status(char *buf, size_t size);

/* Moves the display's memory away and back; says how it went */
const char *bar_move(void);

void nested_start(void);
int nested_status(char *buf, size_t size);

void net_start(void);
int net_status(char *buf, size_t size);
void net_reset(void);

void beat_start(void);
int beat_status(char *buf, size_t size);
void beat_reset(void);

#endif
