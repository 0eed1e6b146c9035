// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devstate.h"

int devstate_open(struct devstate *d, struct loop *l, struct qmp *q,
		  struct vmmig_error *err)
{
	int fds[2], ret, size = 4 << 20;

	memset(d, 0, sizeof(*d));
	d->fd = -1;
	d->loop = l;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return vmmig_fail(err, -errno, "socketpair: %s",
				  strerror(errno));
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(fds[1], SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	fd_set_nonblock(fds[0]);
	ret = qmp_getfd(q, DEVSTATE_FDNAME, fds[1], err);
	close(fds[1]);
	if (ret) {
		close(fds[0]);
		return ret;
	}
	d->fd = fds[0];
	return 0;
}

static void devstate_fail(struct devstate *d, const char *why)
{
	d->failed = true;
	vmmig_fail(&d->why, -EIO, "device state: %s", why);
	loop_del(d->loop, d->fd);
}

static int devstate_read(void *arg, short revents)
{
	static char part[FRAME_BLOB_MAX];
	struct devstate *d = arg;
	ssize_t n;

	(void)revents;
	n = read(d->fd, part, sizeof(part));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0) {
		devstate_fail(d, strerror(errno));
		return 0;
	}
	if (!n) {
		d->eof = true;
		loop_del(d->loop, d->fd);
		return 0;
	}
	d->bytes += n;
	if (d->bytes > DEVSTATE_MAX) {
		devstate_fail(d, "it is longer than 1 GiB; does QEMU send RAM in it?");
		return 0;
	}
	if (peer_send_blob(d->peer, "state", part, n, &d->why)) {
		d->failed = true;
		loop_del(d->loop, d->fd);
	}
	return 0;
}

int devstate_forward(struct devstate *d, struct peer *peer,
		     struct vmmig_error *err)
{
	d->peer = peer;
	if (loop_add(d->loop, d->fd, POLLIN, devstate_read, d))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	return 0;
}

void devstate_drain(struct devstate *d)
{
	while (!d->eof && !d->failed) {
		uint64_t before = d->bytes;

		devstate_read(d, POLLIN);
		if (d->bytes == before)
			break;
	}
}

static int devstate_write(void *arg, short revents)
{
	struct devstate *d = arg;

	(void)revents;
	while (d->done < d->limit) {
		ssize_t n = send(d->fd, d->data.data + d->done,
				 d->limit - d->done, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0) {
			/* QEMU says why on its own channel. */
			devstate_fail(d, strerror(errno));
			return 0;
		}
		d->done += n;
	}
	loop_del(d->loop, d->fd);
	d->writing = false;
	if (d->ending) {
		shutdown(d->fd, SHUT_WR);
		d->eof = true;
	} else if (d->done == d->data.len) {
		d->data.len = 0;
		d->done = 0;
		d->limit = 0;
	}
	return 0;
}

static int devstate_kick(struct devstate *d, struct vmmig_error *err)
{
	/* QEMU's own reason is about to come and says more. */
	if (d->failed)
		return 0;
	if (!d->writing && loop_add(d->loop, d->fd, POLLOUT, devstate_write, d))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	d->writing = true;
	devstate_write(d, POLLOUT);
	return 0;
}

int devstate_take(struct devstate *d, const void *data, size_t len,
		  struct vmmig_error *err)
{
	if (d->data.len + len > DEVSTATE_MAX)
		return vmmig_fail(err, -EFBIG,
				  "the device state is longer than 1 GiB");
	if (buf_append(&d->data, data, len))
		return vmmig_fail(err, -ENOMEM,
				  "out of memory for the device state");
	d->bytes += len;
	if (d->held)
		return 0;
	d->limit = d->data.len;
	return devstate_kick(d, err);
}

void devstate_hold(struct devstate *d)
{
	d->held = true;
}

int devstate_finish(struct devstate *d, struct vmmig_error *err)
{
	d->ending = true;
	d->limit = d->data.len;
	return devstate_kick(d, err);
}

void devstate_close(struct devstate *d)
{
	if (!d->loop)
		return;
	if (d->fd >= 0) {
		loop_del(d->loop, d->fd);
		close(d->fd);
	}
	buf_free(&d->data);
	memset(d, 0, sizeof(*d));
	d->fd = -1;
}
