// SPDX-License-Identifier: GPL-2.0
/* A peer that speaks the protocol by hand. */
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "peer.h"

/* Nobody waits for ever for a module that says nothing */
void peer_timeout(int fd, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

int peer_write(int fd, const void *buf, size_t len)
{
	return send(fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len ? 0 : -1;
}

int peer_read(int fd, void *buf, size_t len)
{
	return recv(fd, buf, len, MSG_WAITALL) == (ssize_t)len ? 0 : -1;
}

int peer_send(int fd, uint16_t type, uint16_t block, uint64_t index,
	      uint32_t count, uint32_t len, uint32_t arg)
{
	struct vmmig_msg msg = { type, block, len, index, count, arg };
	struct vmmig_msg_wire wire;

	vmmig_proto_encode(&wire, &msg);
	return peer_write(fd, &wire, sizeof(wire));
}

int peer_send_pages(int fd, uint16_t block, uint64_t index, uint32_t count,
		    int byte)
{
	static char page[VMMIG_PAGE_SIZE];

	memset(page, byte, sizeof(page));
	if (peer_send(fd, VMMIG_MSG_PAGES, block, index, count,
		      count * VMMIG_PAGE_SIZE, 0))
		return -1;
	while (count--)
		if (peer_write(fd, page, sizeof(page)))
			return -1;
	return 0;
}

size_t peer_hello(struct hello_wire *h, uint64_t pages)
{
	struct vmmig_hello hello = { .nr_streams = 1, .nr_blocks = 1 };
	size_t len = sizeof(h->hello) + sizeof(h->block[0]);
	struct vmmig_msg msg = { .type = VMMIG_MSG_HELLO, .len = len };

	memset(h, 0, sizeof(*h));
	vmmig_proto_encode(&h->head, &msg);
	vmmig_proto_encode_hello(&h->hello, &hello);
	vmmig_proto_encode_block(&h->block[0], BLOCK_ID, pages);
	return sizeof(h->head) + len;
}

int peer_recv(int fd, struct vmmig_msg *msg, char *text, size_t size)
{
	struct vmmig_msg_wire wire;
	char c;

	if (peer_read(fd, &wire, sizeof(wire)))
		return -1;
	msg->type = le16toh(wire.type);
	msg->block = le16toh(wire.block);
	msg->len = le32toh(wire.len);
	msg->index = le64toh(wire.index);
	msg->count = le32toh(wire.count);
	msg->arg = le32toh(wire.arg);
	for (uint32_t i = 0; i < msg->len; i++) {
		if (peer_read(fd, &c, 1))
			return -1;
		if (i + 1 < size) {
			text[i] = c;
			text[i + 1] = '\0';
		}
	}
	return 0;
}

int peer_recv_reason(int fd, char *text, size_t size)
{
	struct vmmig_msg msg;

	text[0] = '\0';
	while (!peer_recv(fd, &msg, text, size)) {
		if (msg.type == VMMIG_MSG_ERROR)
			return 0;
		text[0] = '\0';
	}
	return -1;
}
