/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Device state, QEMU's own migration stream without RAM. The source's QEMU
 * writes it into a socket of ours and it goes on to the peer as it comes. Up to
 * the switchover this is QEMU's setup and the few blocks that are not shared:
 * the destination's QEMU gets that at once. What follows may make it read and
 * write guest RAM: the destination keeps it until RAM is complete.
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
 * @bytes: that came from QEMU, or from the peer
 * @eof: source, QEMU has written everything
 * @failed: an error occurred, see @why
 * @data: destination, what is still to be written, @done of it has been
 * @limit: destination, how much of @data may be written
 * @held: destination, what comes now is for later
 * @ending: destination, nothing more will come
 * @writing: destination, the loop watches @fd
 */
struct devstate {
	struct loop *loop;
	struct peer *peer;
	int fd;
	uint64_t bytes;
	bool eof;
	bool failed;
	struct vmmig_error why;
	struct buf data;
	size_t done;
	size_t limit;
	bool held;
	bool ending;
	bool writing;
};

/* Make the socket and give QEMU its end as fd:vmmig-state. */
int devstate_open(struct devstate *d, struct loop *l, struct qmp *q,
		  struct vmmig_error *err);
/* Source: send on to @peer what QEMU writes. */
int devstate_forward(struct devstate *d, struct peer *peer,
		     struct vmmig_error *err);
/*
 * Source: QEMU has said that it is complete, so all of it is in the socket;
 * read that now instead of waiting for QEMU to close its end.
 */
void devstate_drain(struct devstate *d);
/* Destination: take a part; QEMU gets it now unless held. */
int devstate_take(struct devstate *d, const void *data, size_t len,
		  struct vmmig_error *err);
/* Destination: from here on keep what comes. */
void devstate_hold(struct devstate *d);
/* Destination: write what was kept to QEMU, and then the end. */
int devstate_finish(struct devstate *d, struct vmmig_error *err);
void devstate_close(struct devstate *d);

#endif /* DEVSTATE_H */
