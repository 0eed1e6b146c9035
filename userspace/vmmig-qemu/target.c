// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmdline.h"
#include "target.h"

#define LOG_DIR		"/var/log/vmmig"
#define START_MS	60000
/* Descriptor of the monitor's socket inside the new QEMU. */
#define MON_FD		3

void target_init(struct target *t, struct loop *l, const struct plan *plan)
{
	memset(t, 0, sizeof(*t));
	t->loop = l;
	t->plan = plan;
	t->pidfd = -1;
	keeper_init(&t->keeper);
	for (int i = 0; i < VMMIG_MAX_BLOCKS; i++)
		t->ram_fd[i] = -1;
}

int target_create_ram(struct target *t, struct vmmig_error *err)
{
	int ret = keeper_start(&t->keeper, t->plan, err);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < t->plan->nr_blocks; i++) {
		const struct plan_block *b = &t->plan->block[i];
		int fd = open(b->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
			      0600);

		if (fd < 0)
			return vmmig_fail(err, -errno,
					  "RAM file %s: %s%s", b->path,
					  strerror(errno), errno == EEXIST ?
					  "; is it in use by another VM?" : "");
		t->ram_fd[i] = fd;
		ret = keeper_has_ram(&t->keeper, err);
		if (ret)
			return ret;
		if (ftruncate(fd, b->size) ||
		    (t->uid && fchown(fd, t->uid, t->gid)))
			return vmmig_fail(err, -errno, "RAM file %s: %s",
					  b->path, strerror(errno));
	}
	return 0;
}

static int target_open_log(struct target *t, struct vmmig_error *err)
{
	struct stat st;
	int fd;

	if (t->plan->log) {
		t->log = xstrdup(t->plan->log);
	} else {
		const char *name = t->plan->name ? t->plan->name : "vm";

		mkdir(LOG_DIR, 0750);
		t->log = xasprintf("%s/%.100s.log", LOG_DIR, name);
		for (char *c = t->log + strlen(LOG_DIR) + 1; *c; c++)
			if (*c == '/')
				*c = '_';
	}
	fd = open(t->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC |
		  O_NOFOLLOW, 0640);
	if (fd < 0)
		return vmmig_fail(err, -errno,
				  "the log file %s: %s; give --dest-log",
				  t->log, strerror(errno));
	if (!fstat(fd, &st))
		t->log_start = st.st_size;
	return fd;
}

static void target_argv(struct target *t, struct strv *args)
{
	strv_add(args, t->program);
	for (size_t i = 1; i < t->plan->argv.n; i++)
		strv_add(args, t->plan->argv.v[i]);
	/* It runs when we say so, whatever the device state holds. */
	strv_add(args, "-S");
	strv_add(args, "-incoming");
	strv_add(args, "defer");
	strv_add(args, "-chardev");
	strv_addf(args, "socket,id=" CMDLINE_MON ",fd=%d", MON_FD);
	strv_add(args, "-mon");
	strv_add(args, "chardev=" CMDLINE_MON ",mode=control");
}

/* In the child: QEMU must not notice when we or our terminal go away. */
static void target_exec(struct target *t, const struct strv *args, int mon,
			int log)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	if (keeper_has_qemu(&t->keeper))
		_exit(127);
	setsid();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* A low number could be one of those that are about to be replaced. */
	mon = fcntl(mon, F_DUPFD, 16);
	log = fcntl(log, F_DUPFD, 16);
	if (mon < 0 || log < 0 || null < 0 || dup2(null, 0) < 0 ||
	    dup2(log, 1) < 0 || dup2(log, 2) < 0 || dup2(mon, MON_FD) < 0)
		_exit(127);
	syscall(SYS_close_range, MON_FD + 1, ~0U, 0);
	if (!t->plan->cwd || chdir(t->plan->cwd))
		if (chdir("/"))
			_exit(127);
	if (t->uid && (initgroups(t->plan->user, t->gid) || setgid(t->gid) ||
		       setuid(t->uid))) {
		dprintf(2, "cannot become user %s: %s\n", t->plan->user,
			strerror(errno));
		_exit(127);
	}
	execv(t->program, args->v);
	dprintf(2, "cannot run %s: %s\n", t->program, strerror(errno));
	_exit(127);
}

static int target_ended(void *arg, short revents)
{
	struct target *t = arg;

	(void)revents;
	t->ended = true;
	loop_del(t->loop, t->pidfd);
	return 0;
}

static int target_watch(struct target *t, struct vmmig_error *err)
{
	t->pidfd = syscall(SYS_pidfd_open, t->pid, 0);
	if (t->pidfd < 0)
		return vmmig_fail(err, -errno, "pidfd_open: %s",
				  strerror(errno));
	if (loop_add(t->loop, t->pidfd, POLLIN, target_ended, t))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	return 0;
}

int target_start(struct target *t, struct vmmig_error *err)
{
	struct strv args = { 0 };
	int log, mon[2], ret;

	log = target_open_log(t, err);
	if (log < 0)
		return log;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, mon)) {
		close(log);
		return vmmig_fail(err, -errno, "socketpair: %s",
				  strerror(errno));
	}
	target_argv(t, &args);
	t->pid = fork();
	if (!t->pid)
		target_exec(t, &args, mon[1], log);
	close(mon[1]);
	close(log);
	strv_free(&args);
	if (t->pid < 0) {
		t->pid = 0;
		close(mon[0]);
		return vmmig_fail(err, -errno, "fork: %s", strerror(errno));
	}
	ret = qmp_attach(&t->qmp, t->loop, mon[0], "the destination's QEMU",
			 err);
	if (!ret)
		ret = target_watch(t, err);
	if (!ret)
		ret = qmp_greet(&t->qmp, START_MS, err);
	if (ret == -ECONNRESET || t->ended)
		ret = target_explain(t, err);
	return ret;
}

char *target_last_words(struct target *t)
{
	char text[401];
	struct stat st;
	ssize_t n = 0;
	off_t from;
	int fd;

	fd = open(t->log, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && !fstat(fd, &st)) {
		from = t->log_start;
		if (st.st_size - from > (off_t)sizeof(text) - 1)
			from = st.st_size - (sizeof(text) - 1);
		n = pread(fd, text, sizeof(text) - 1, from);
	}
	if (fd >= 0)
		close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n > 0 ? n : 0] = '\0';
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	return xstrdup(text);
}

int target_explain(struct target *t, struct vmmig_error *err)
{
	char *words;

	/* Its monitor may close a moment before it has printed the reason. */
	if (!t->ended && t->pidfd >= 0) {
		struct pollfd p = { .fd = t->pidfd, .events = POLLIN };

		t->ended = poll(&p, 1, 2000) > 0;
	}
	words = target_last_words(t);
	if (*words)
		vmmig_fail(err, 0, "QEMU %s: %s", t->ended ? "ended" :
			   "closed its monitor", words);
	else
		vmmig_fail(err, 0, "QEMU %s without a word (log: %s)",
			   t->ended ? "ended" : "closed its monitor", t->log);
	free(words);
	return -ECHILD;
}

static void target_close_ram(struct target *t)
{
	for (int i = 0; i < VMMIG_MAX_BLOCKS; i++) {
		if (t->ram_fd[i] >= 0)
			close(t->ram_fd[i]);
		t->ram_fd[i] = -1;
	}
}

void target_let_go(struct target *t)
{
	keeper_let_go(&t->keeper);
	t->pid = 0;
	target_close_ram(t);
}

/* Somebody killed the keeper too. */
static void target_remove(struct target *t)
{
	if (t->pid)
		kill(t->pid, SIGKILL);
	for (unsigned int i = 0; i < t->plan->nr_blocks; i++)
		if (t->ram_fd[i] >= 0)
			unlink(t->plan->block[i].path);
}

void target_release(struct target *t)
{
	if (!keeper_finish(&t->keeper))
		target_remove(t);
	while (t->pid && waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
	qmp_close(&t->qmp);
	if (t->pidfd >= 0) {
		loop_del(t->loop, t->pidfd);
		close(t->pidfd);
	}
	target_close_ram(t);
	free(t->program);
	free(t->log);
	target_init(t, t->loop, t->plan);
}
