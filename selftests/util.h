/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests in C share: RAM files, connected sockets, and a move from
 * one file to another over the two ends of one module.
 */
#ifndef VMMIG_TEST_UTIL_H
#define VMMIG_TEST_UTIL_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>

#include "vmmig.h"

#define PAGE		4096UL
#define MIB		(1UL << 20)
#define STREAMS		VMMIG_MAX_STREAMS
/* Longest wait for anything; tests end long before unless something hangs. */
#define PATIENCE_MS	40000

/* A set of states, for move_wait(). */
#define IN(state)	(1U << VMMIG_STATE_##state)
#define IN_END		(IN(DONE) | IN(COMPLETE) | IN(FAILED) | IN(CANCELLED))

/**
 * struct move - RAM on its way from one file to another
 * @nl: connection to the module
 * @err: the last refusal
 * @block: the RAM, one file at each end; a file of -1 is made by move_begin()
 * @streams: TCP connections
 * @family: AF_INET or AF_INET6
 * @s: sockets of the source, until move_begin() has handed them over
 * @d: of the destination
 * @rate: limit in bytes per second
 * @vm_fd: VM at the source, -1 for none
 * @tracking: as asked for
 * @src: number of the session at the source
 * @dst: at the destination
 */
struct move {
	struct vmmig_nl *nl;
	struct vmmig_error err;
	struct {
		const char *id;
		size_t size;
		int src, dst;
	} block[VMMIG_MAX_BLOCKS + 1];
	unsigned int nr_blocks;
	unsigned int streams;
	int family;
	int s[STREAMS], d[STREAMS];
	uint64_t rate;
	int vm_fd, dst_vm_fd;
	enum vmmig_tracking tracking;
	uint32_t src, dst;
};

int64_t now_ms(void);
void nap(int ms);
/* A kernel that watches itself, emulated: it moves a few MiB/s */
bool slow_host(void);
uint32_t rnd(uint32_t *state);

int ram_new(size_t size);
void ram_fill(int fd, size_t from, size_t len, uint32_t seed);
/* Pages of @a that differ from @b; -1 if the sizes do. */
long ram_differs(int a, int b);
/* Pages that are neither holes nor zero, and that are not holes. */
long ram_used(int fd);
char *ram_map(int fd, size_t size);

int tcp_listen(int family, uint16_t *port);
int tcp_connect(int family, uint16_t port);
int tcp_pair(int family, int *a, int *b);

int move_init(struct move *m);
void move_free(struct move *m);
unsigned int move_block(struct move *m, const char *id, size_t size);
int move_sockets(struct move *m);
int move_receive(struct move *m);
int move_send(struct move *m);
int move_begin(struct move *m);
/* State of session @id when it is one of @states or has ended; -1: too late */
int move_wait(struct move *m, uint32_t id, unsigned int states);
int move_get(struct move *m, uint32_t id, struct vmmig_session *s);
/* Final sync and the end of both sides: 0, or -1 with the reason in m->err */
int move_end(struct move *m);
/* Pages that differ in all blocks */
long move_differs(struct move *m);
/* Both sessions have ended somehow and gave everything back */
int move_over(struct move *m);

/* A VM of this process, with or without a dirty ring; -1 without KVM */
int kvm_vm(unsigned int ring_entries);
int kvm_slot(int vm, unsigned int slot, uint64_t gpa, void *addr, size_t size,
	     uint32_t flags);

/* Kernel log: remember its end; complaints since then, printed as comments */
void log_mark(void);
int log_bad(void);

int run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* VMMIG_TEST_UTIL_H */
