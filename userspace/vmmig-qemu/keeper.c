// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper.h"

/* Time for QEMU to remove its sockets and its pid file after SIGTERM. */
#define TERM_MS	3000

/* Shorter than PIPE_BUF, so each arrives whole. */
struct word {
	enum { HAS_RAM, HAS_QEMU, LET_GO } what;
	pid_t pid;
};

/* What to remove. */
struct kept {
	const struct plan *plan;
	unsigned int nr_ram;
	int pidfd;
};

static void kept_end_qemu(const struct kept *kept)
{
	struct pollfd p = { .fd = kept->pidfd, .events = POLLIN };

	if (kept->pidfd < 0)
		return;
	syscall(SYS_pidfd_send_signal, kept->pidfd, SIGTERM, NULL, 0);
	if (poll(&p, 1, TERM_MS) > 0)
		return;
	syscall(SYS_pidfd_send_signal, kept->pidfd, SIGKILL, NULL, 0);
	poll(&p, 1, -1);
}

static void kept_remove(const struct kept *kept)
{
	kept_end_qemu(kept);
	for (unsigned int i = 0; i < kept->nr_ram; i++)
		unlink(kept->plan->block[i].path);
}

/* Not even a host without memory may end it, nor a terminal or a logout. */
static void keeper_detach(int fd)
{
	int oom = open("/proc/self/oom_score_adj", O_WRONLY);
	int null = open("/dev/null", O_RDWR);
	sigset_t all;

	if (oom >= 0)
		dprintf(oom, "-1000");
	setsid();
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0 || dup2(fd, 3) < 0)
		_exit(1);
	syscall(SYS_close_range, 4, ~0U, 0);
}

/* The other end is held by the receiver, and by QEMU's process till it runs. */
static void keeper_run(int fd, const struct plan *plan)
{
	struct kept kept = { .plan = plan, .pidfd = -1 };
	struct word w;

	keeper_detach(fd);
	while (read(3, &w, sizeof(w)) == sizeof(w)) {
		if (w.what == LET_GO)
			_exit(0);
		if (w.what == HAS_RAM)
			kept.nr_ram++;
		else
			kept.pidfd = syscall(SYS_pidfd_open, w.pid, 0);
	}
	kept_remove(&kept);
	_exit(0);
}

static int keeper_tell(struct keeper *k, struct word w)
{
	ssize_t n = write(k->fd, &w, sizeof(w));

	return n == sizeof(w) ? 0 : n < 0 ? -errno : -EIO;
}

void keeper_init(struct keeper *k)
{
	k->pid = 0;
	k->fd = -1;
}

int keeper_start(struct keeper *k, const struct plan *plan,
		 struct vmmig_error *err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC))
		return vmmig_fail(err, -errno, "pipe: %s", strerror(errno));
	k->pid = fork();
	if (!k->pid)
		keeper_run(p[0], plan);
	close(p[0]);
	if (k->pid < 0) {
		k->pid = 0;
		close(p[1]);
		return vmmig_fail(err, -errno, "fork: %s", strerror(errno));
	}
	k->fd = p[1];
	return 0;
}

int keeper_has_ram(struct keeper *k, struct vmmig_error *err)
{
	int ret = keeper_tell(k, (struct word){ .what = HAS_RAM });

	if (!ret)
		return 0;
	return vmmig_fail(err, ret, "the process that cleans up has gone: %s",
			  strerror(-ret));
}

int keeper_has_qemu(struct keeper *k)
{
	return keeper_tell(k, (struct word){ .what = HAS_QEMU,
					     .pid = getpid() });
}

void keeper_let_go(struct keeper *k)
{
	keeper_tell(k, (struct word){ .what = LET_GO });
}

bool keeper_finish(struct keeper *k)
{
	int status = 0;

	if (k->fd >= 0)
		close(k->fd);
	while (k->pid && waitpid(k->pid, &status, 0) < 0 && errno == EINTR)
		;
	keeper_init(k);
	return !status;
}
