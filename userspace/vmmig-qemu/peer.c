// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "peer.h"

#define PEER_IN_MAX	(FRAME_LINE_MAX + FRAME_BLOB_MAX + 2)

static void peer_lost(struct peer *p, const char *why)
{
	if (p->gone)
		return;
	p->gone = true;
	vmmig_fail(&p->why, -ECONNRESET, "the control channel to %s is lost: %s",
		   p->name, why);
	loop_del(p->loop, p->in_fd);
}

/* Being gone is a state that conditions look at, not an error of the loop. */
static int peer_read(void *arg, short revents)
{
	struct peer *p = arg;
	ssize_t n;

	(void)revents;
	if (p->in.len >= PEER_IN_MAX) {
		peer_lost(p, "it sends more than was asked for");
		return 0;
	}
	if (buf_reserve(&p->in, 256 << 10)) {
		peer_lost(p, "out of memory");
		return 0;
	}
	n = read(p->in_fd, p->in.data + p->in.len, p->in.size - p->in.len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		peer_lost(p, strerror(errno));
	else if (!n)
		peer_lost(p, "it ended");
	else
		p->in.len += n;
	return 0;
}

static void peer_out_lost(struct peer *p)
{
	p->out_gone = true;
	p->out.len = 0;
}

static int peer_write(void *arg, short revents)
{
	struct peer *p = arg;
	size_t done = 0;

	(void)revents;
	while (done < p->out.len) {
		ssize_t n = write(p->out_fd, p->out.data + done,
				  p->out.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			peer_out_lost(p);
			loop_del(p->loop, p->out_fd);
			return 0;
		}
		done += n;
	}
	buf_consume(&p->out, done);
	/* No events asked for would still report POLLERR again and again. */
	if (!p->out.len)
		loop_del(p->loop, p->out_fd);
	return 0;
}

static int peer_flush(struct peer *p, struct vmmig_error *err)
{
	if (p->out_gone)
		return vmmig_fail(err, -EPIPE,
				  "the control channel to %s is lost", p->name);
	loop_del(p->loop, p->out_fd);
	if (loop_add(p->loop, p->out_fd, POLLOUT, peer_write, p))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	peer_write(p, POLLOUT);
	if (p->out_gone)
		return vmmig_fail(err, -EPIPE,
				  "the control channel to %s is lost", p->name);
	return 0;
}

int peer_attach(struct peer *p, struct loop *l, int in_fd, int out_fd,
		const char *name, struct vmmig_error *err)
{
	memset(p, 0, sizeof(*p));
	p->loop = l;
	p->in_fd = in_fd;
	p->out_fd = out_fd;
	snprintf(p->name, sizeof(p->name), "%s", name);
	fd_set_nonblock(in_fd);
	fd_set_nonblock(out_fd);
	if (loop_add(l, in_fd, POLLIN, peer_read, p))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	return 0;
}

/*
 * Ctrl-C goes to the whole foreground process group, the end of a terminal or
 * of a service to all its processes. The remote shell must outlive that, as
 * roll back and commit still need the channel, and ends with us; staying in the
 * group keeps its questions for a password working.
 */
static void peer_exec(const struct strv *command, int in, int out)
{
	sigset_t none;

	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(127);
	execvp(command->v[0], command->v);
	dprintf(2, "vmmig-qemu: cannot run %s: %s\n", command->v[0],
		strerror(errno));
	_exit(127);
}

int peer_start(struct peer *p, struct loop *l, const struct strv *command,
	       const char *name, struct vmmig_error *err)
{
	int to[2], from[2];
	pid_t pid;

	if (pipe2(to, O_CLOEXEC))
		return vmmig_fail(err, -errno, "pipe: %s", strerror(errno));
	if (pipe2(from, O_CLOEXEC)) {
		close(to[0]);
		close(to[1]);
		return vmmig_fail(err, -errno, "pipe: %s", strerror(errno));
	}
	pid = fork();
	if (!pid)
		peer_exec(command, to[0], from[1]);
	close(to[0]);
	close(from[1]);
	if (pid < 0) {
		close(to[1]);
		close(from[0]);
		return vmmig_fail(err, -errno, "fork: %s", strerror(errno));
	}
	if (peer_attach(p, l, from[0], to[1], name, err))
		return -ENOSPC;
	p->pid = pid;
	return 0;
}

static bool peer_reaped(struct peer *p)
{
	if (p->pid > 0 && waitpid(p->pid, NULL, WNOHANG) == p->pid)
		p->pid = 0;
	return !p->pid;
}

void peer_close(struct peer *p, int timeout_ms)
{
	int64_t deadline = deadline_in(timeout_ms);
	const struct timespec pause = { .tv_nsec = 5 * NSEC_PER_MSEC };

	if (!p->loop)
		return;
	if (!p->gone)
		loop_del(p->loop, p->in_fd);
	loop_del(p->loop, p->out_fd);
	close(p->in_fd);
	if (p->out_fd != p->in_fd)
		close(p->out_fd);
	while (!peer_reaped(p) && now_ns() < deadline)
		nanosleep(&pause, NULL);
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
	}
	frame_put(&p->frame);
	buf_free(&p->in);
	buf_free(&p->out);
	memset(p, 0, sizeof(*p));
}

static int peer_queue(struct peer *p, struct json_object *msg, const void *blob,
		      size_t len, struct vmmig_error *err)
{
	const char *text;
	size_t before = p->out.len;
	int ret;

	text = json_object_to_json_string_ext(msg, JSON_C_TO_STRING_PLAIN);
	ret = text ? buf_append(&p->out, text, strlen(text)) : -ENOMEM;
	if (!ret)
		ret = buf_append(&p->out, "\n", 1);
	if (!ret && len)
		ret = buf_append(&p->out, blob, len);
	json_object_put(msg);
	if (ret) {
		p->out.len = before;
		return vmmig_fail(err, ret, "out of memory");
	}
	return peer_flush(p, err);
}

int peer_send(struct peer *p, const char *type, struct json_object *msg,
	      struct vmmig_error *err)
{
	if (!msg)
		msg = json_object_new_object();
	js_add_str(msg, "type", type);
	return peer_queue(p, msg, NULL, 0, err);
}

int peer_send_blob(struct peer *p, const char *type, const void *data,
		   size_t len, struct vmmig_error *err)
{
	const char *at = data;

	while (len) {
		size_t part = len < FRAME_BLOB_MAX ? len : FRAME_BLOB_MAX;
		struct json_object *msg = json_object_new_object();
		int ret;

		js_add_str(msg, "type", type);
		js_add_int(msg, "blob", part);
		ret = peer_queue(p, msg, at, part, err);
		if (ret)
			return ret;
		at += part;
		len -= part;
	}
	return 0;
}

bool peer_flushed(void *arg)
{
	struct peer *p = arg;

	return p->out_gone || !p->out.len;
}

bool peer_has(void *arg)
{
	struct peer *p = arg;
	long n;

	if (p->frame.msg)
		return true;
	if (p->in.len) {
		n = frame_parse(p->in.data, p->in.len, &p->frame, &p->why);
		if (n > 0) {
			p->frame_len = n;
			return true;
		}
		if (n < 0 && !p->gone) {
			p->gone = true;
			p->garbage = true;
			loop_del(p->loop, p->in_fd);
		}
	}
	return p->gone;
}

void peer_next(struct peer *p)
{
	frame_put(&p->frame);
	buf_consume(&p->in, p->frame_len);
	p->frame_len = 0;
}

int peer_error(struct peer *p, struct vmmig_error *err)
{
	const char *text = js_str(p->frame.msg, "text");
	bool refused = js_bool(p->frame.msg, "refused");

	vmmig_fail(err, 0, "%s: %s", p->name, text ? text : "failed");
	p->took = js_bool(p->frame.msg, "committed");
	peer_next(p);
	return refused ? -EPERM : -EREMOTEIO;
}

int peer_expect(struct peer *p, const char *type, int64_t deadline,
		struct vmmig_error *err)
{
	char what[320];
	int ret;

	snprintf(what, sizeof(what), "'%s' from %s", type, p->name);
	ret = loop_wait(p->loop, peer_has, p, deadline, what, err);
	if (ret)
		return ret;
	if (!p->frame.msg) {
		*err = p->why;
		return p->garbage ? -EBADMSG : -ECONNRESET;
	}
	if (!strcmp(p->frame.type, type))
		return 0;
	if (!strcmp(p->frame.type, "error"))
		return peer_error(p, err);
	vmmig_fail(err, 0, "%s sent '%.40s' where '%s' was expected", p->name,
		   p->frame.type, type);
	peer_next(p);
	return -EBADMSG;
}
