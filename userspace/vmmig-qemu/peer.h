/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The control channel between `migrate` and `receive`: the remote shell's
 * standard input and output. Writes are queued and never block.
 */
#ifndef PEER_H
#define PEER_H

#include "frame.h"
#include "loop.h"

/**
 * struct peer - one end of the channel
 * @name: the other end as a person would call it
 * @in_fd: what it says
 * @out_fd: what it hears; may equal @in_fd
 * @pid: remote shell, 0 if there is none (destination)
 * @gone: nothing will come any more; @why says why
 * @garbage: it is since it sent something that is no message
 * @took: it failed, and keeps the VM
 * @frame: the message that peer_has() found
 * @frame_len: its bytes in @in, 0 if there is none
 */
struct peer {
	struct loop *loop;
	char name[256];
	int in_fd;
	int out_fd;
	pid_t pid;
	bool gone;
	bool garbage;
	bool took;
	bool out_gone;
	struct vmmig_error why;
	struct buf in;
	struct buf out;
	struct frame frame;
	size_t frame_len;
};

/* Run the remote shell; its standard error stays the user's. */
int peer_start(struct peer *p, struct loop *l, const struct strv *command,
	       const char *name, struct vmmig_error *err);
/* Descriptors that are there already. */
int peer_attach(struct peer *p, struct loop *l, int in_fd, int out_fd,
		const char *name, struct vmmig_error *err);
/* Gives a remote shell @timeout_ms to end, then ends it. */
void peer_close(struct peer *p, int timeout_ms);

/* Consumes @msg, which gets the member "type". */
int peer_send(struct peer *p, const char *type, struct json_object *msg,
	      struct vmmig_error *err);
int peer_send_blob(struct peer *p, const char *type, const void *data,
		   size_t len, struct vmmig_error *err);
/* Everything that was queued has been written, or the peer is gone. */
bool peer_flushed(void *peer);

/* A message is complete in p->frame, or the peer is gone. Usable as a cond. */
bool peer_has(void *peer);
/* Done with p->frame. */
void peer_next(struct peer *p);
/*
 * Wait for a message of type @type and leave it in p->frame. A message
 * "error" becomes our error; -EPERM marks the peer's refusal.
 */
int peer_expect(struct peer *p, const char *type, int64_t deadline,
		struct vmmig_error *err);
/* p->frame is "error": take its text. */
int peer_error(struct peer *p, struct vmmig_error *err);

#endif /* PEER_H */
