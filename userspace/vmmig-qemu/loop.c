// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "loop.h"

static int loop_signal(void *arg, short revents)
{
	struct signalfd_siginfo info;
	struct loop *l = arg;

	(void)revents;
	while (read(l->sigfd, &info, sizeof(info)) == sizeof(info))
		l->signo = info.ssi_signo;
	return 0;
}

int loop_init(struct loop *l, struct vmmig_error *err)
{
	static const int signals[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP };
	struct sigaction old;
	sigset_t set;

	memset(l, 0, sizeof(*l));
	signal(SIGPIPE, SIG_IGN);
	/* A VM that stands still must not wait for somebody to type "fg". */
	signal(SIGTSTP, SIG_IGN);
	signal(SIGTTOU, SIG_IGN);
	sigemptyset(&set);
	/* Whoever started us ignoring one (nohup, a remote shell) means it. */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaddset(&set, signals[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	l->sigfd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (l->sigfd < 0)
		return vmmig_fail(err, -errno, "signalfd: %s",
				  strerror(errno));
	return loop_add(l, l->sigfd, POLLIN, loop_signal, l);
}

void loop_close(struct loop *l)
{
	if (l->sigfd >= 0)
		close(l->sigfd);
	l->sigfd = -1;
	l->nr = 0;
}

int loop_add(struct loop *l, int fd, short events, loop_fn fn, void *arg)
{
	if (l->nr == LOOP_MAX)
		return -ENOSPC;
	l->item[l->nr++] = (struct loop_item){ fd, events, fn, arg };
	return 0;
}

void loop_del(struct loop *l, int fd)
{
	for (unsigned int i = 0; i < l->nr; i++) {
		if (l->item[i].fd != fd)
			continue;
		l->nr--;
		memmove(&l->item[i], &l->item[i + 1],
			(l->nr - i) * sizeof(l->item[0]));
		return;
	}
}

/* A callback may remove items, its own or another: look each up again. */
static int loop_dispatch(struct loop *l, const struct pollfd *p, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (!p[i].revents)
			continue;
		for (unsigned int k = 0; k < l->nr; k++) {
			struct loop_item *item = &l->item[k];
			int ret;

			if (item->fd != p[i].fd)
				continue;
			ret = item->fn(item->arg, p[i].revents);
			if (ret < 0)
				return ret;
			break;
		}
	}
	return 0;
}

static int loop_timeout(int64_t deadline)
{
	int64_t left;

	if (!deadline)
		return -1;
	left = deadline - now_ns();
	if (left <= 0)
		return 0;
	left = (left + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	return left > 3600000 ? 3600000 : left;
}

/* One poll(); @timeout as there. */
static int loop_turn(struct loop *l, int timeout)
{
	struct pollfd p[LOOP_MAX];
	unsigned int nr = l->nr;
	int ret;

	for (unsigned int i = 0; i < nr; i++)
		p[i] = (struct pollfd){ l->item[i].fd, l->item[i].events, 0 };
	ret = poll(p, nr, timeout);
	if (ret < 0 && errno != EINTR)
		return vmmig_fail(&l->err, -errno, "poll: %s", strerror(errno));
	return ret > 0 ? loop_dispatch(l, p, nr) : 0;
}

int loop_cancelled(struct loop *l, struct vmmig_error *err)
{
	loop_poll(l);
	if (!l->signo)
		return 0;
	return vmmig_fail(err, -ECANCELED, "cancelled by signal %d (%s)",
			  l->signo, strsignal(l->signo));
}

int loop_poll(struct loop *l)
{
	return loop_turn(l, 0);
}

int loop_wait(struct loop *l, loop_cond cond, void *arg, int64_t deadline,
	      const char *what, struct vmmig_error *err)
{
	for (;;) {
		int ret;

		if (cond(arg))
			return 0;
		if (l->signo && !l->shielded)
			return vmmig_fail(err, -ECANCELED,
					  "cancelled by signal %d (%s) while waiting for %s",
					  l->signo, strsignal(l->signo), what);
		if (deadline && now_ns() >= deadline)
			return vmmig_fail(err, -ETIMEDOUT,
					  "waited too long for %s", what);
		ret = loop_turn(l, loop_timeout(deadline));
		if (ret < 0) {
			if (err)
				*err = l->err;
			return ret;
		}
	}
}
