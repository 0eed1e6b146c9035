/* SPDX-License-Identifier: GPL-2.0 */
/*
 * One poll() loop for everything that a migration waits for. The code reads
 * as a sequence: ask for something, then loop_wait() until a condition holds;
 * meanwhile every descriptor is served. Nothing sleeps on a timer.
 */
#ifndef LOOP_H
#define LOOP_H

#include "util.h"

#define LOOP_MAX	16

/* Negative: ends the wait with it, the sentence must be in loop->err. */
typedef int (*loop_fn)(void *arg, short revents);
typedef bool (*loop_cond)(void *arg);

struct loop_item {
	int fd;
	short events;
	loop_fn fn;
	void *arg;
};

/**
 * struct loop - what is waited for
 * @err: set by a callback that returns an error
 * @signo: the signal that asked to end, 0 for none
 * @shielded: signals are remembered but do not end waits (roll back, commit)
 */
struct loop {
	struct loop_item item[LOOP_MAX];
	unsigned int nr;
	int sigfd;
	int signo;
	bool shielded;
	struct vmmig_error err;
};

/*
 * Takes over SIGINT, SIGQUIT, SIGTERM and SIGHUP unless ignored; ignores SIGPIPE
 * and what a terminal stops programs with.
 */
int loop_init(struct loop *l, struct vmmig_error *err);
void loop_close(struct loop *l);
int loop_add(struct loop *l, int fd, short events, loop_fn fn, void *arg);
void loop_del(struct loop *l, int fd);

/*
 * Serve descriptors until @cond(@arg). @deadline: now_ns() time, 0 for none.
 * -ETIMEDOUT says "@what did not ...", -ECANCELED: a signal came.
 */
int loop_wait(struct loop *l, loop_cond cond, void *arg, int64_t deadline,
	      const char *what, struct vmmig_error *err);

/* -ECANCELED with a sentence if a signal has come. */
int loop_cancelled(struct loop *l, struct vmmig_error *err);
/* Serve what is there already, without waiting. Errors of callbacks count. */
int loop_poll(struct loop *l);

#endif /* LOOP_H */
