/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device state, QEMU's own migration stream without RAM. The source's QEMU
 * writes it into a socket of ours and it goes on to the peer as it comes; the
 * destination keeps it in memory until RAM is complete.
 */
#ifndef DEVSTATE_H
#define DEVSTATE_H

#include "peer.h"
#include "qmp.h"

#define DEVSTATE_MAX	(1ULL << 30)
#define DEVSTATE_FDNAME	"vmmig-state"

/**
 * struct devstate - one end
 * @fd: our end of the socket to QEMU, -1 if closed
 * @bytes: that came from QEMU, or were given to it
 * @eof: source, QEMU has written everything
 * @first_ns: source, when the first byte came
 * @last_ns: source, when the end came
 * @failed: an error occurred, see @why
 * @data: destination, what the source sent
 */
struct devstate {
	struct loop *loop;
	struct peer *peer;
	int fd;
	uint64_t bytes;
	bool eof;
	int64_t first_ns;
	int64_t last_ns;
	bool failed;
	struct vmmig_error why;
	struct buf data;
};

/* Make the socket and give QEMU its end as fd:vmmig-state. */
int devstate_open(struct devstate *d, struct loop *l, struct qmp *q,
		  struct vmmig_error *err);
/* Source: send on to @peer what QEMU writes. */
int devstate_forward(struct devstate *d, struct peer *peer,
		     struct vmmig_error *err);
/* Destination: keep a part. */
int devstate_keep(struct devstate *d, const void *data, size_t len,
		  struct vmmig_error *err);
/* Destination: start writing what was kept to QEMU. */
int devstate_feed(struct devstate *d, struct vmmig_error *err);
void devstate_close(struct devstate *d);

#endif /* DEVSTATE_H */
