// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: whatever a destination answers, the source ends with a reason,
 * leaves its RAM alone and gives everything back.
 * Catches: answers taken for acknowledgments that are none, hangs in the
 * middle of a pass, page protections that stay behind.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "peer.h"
#include "util.h"

#define PAGES	64

FIXTURE(source) {
	struct move m;
	int fd;			/* our end: the destination */
	char *ram;
	char reason[512];
};

FIXTURE_SETUP(source)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, BLOCK_ID, PAGES * PAGE);
	ram_fill(self->m.block[0].src, 0, PAGES * PAGE, 1);
	ram_fill(self->m.block[0].dst, 0, PAGES * PAGE, 1);
	self->ram = ram_map(self->m.block[0].src, PAGES * PAGE);
	self->fd = -1;
}

FIXTURE_TEARDOWN(source)
{
	close(self->fd);
	EXPECT_EQ(0, move_over(&self->m));
	/* The RAM is as it was, and can be written as before */
	EXPECT_EQ(0, move_differs(&self->m));
	for (size_t at = 0; at < PAGES * PAGE; at += PAGE)
		self->ram[at] ^= 1;
	for (size_t at = 0; at < PAGES * PAGE; at += PAGE)
		self->ram[at] ^= 1;
	EXPECT_EQ(0, move_differs(&self->m));
	munmap(self->ram, PAGES * PAGE);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

static int begin(FIXTURE_DATA(source) *self)
{
	struct move *m = &self->m;

	if (self->fd >= 0)
		close(self->fd);
	if (move_sockets(m) || move_send(m))
		return -1;
	close(m->s[0]);
	self->fd = m->d[0];
	m->s[0] = m->d[0] = -1;
	peer_timeout(self->fd, 10);
	return 0;
}

/* Hello has been exchanged, and the first pass is here up to its end */
static int begin_pass(FIXTURE_DATA(source) *self, struct vmmig_msg *msg)
{
	struct hello_wire h;
	char c;

	if (begin(self) || peer_recv(self->fd, msg, &c, 1) ||
	    peer_write(self->fd, &h, peer_hello(&h, PAGES)))
		return -1;
	do {
		if (peer_recv(self->fd, msg, &c, 1))
			return -1;
	} while (msg->type != VMMIG_MSG_PASS_END);
	return 0;
}

static void fails(struct __test_metadata *_metadata, FIXTURE_DATA(source) *self,
		  const char *what, const char *words)
{
	struct move *m = &self->m;

	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->src, IN_END))
		TH_LOG("%s: %s", what, m->err.text);
	EXPECT_TRUE(!!strstr(m->err.text, words))
		TH_LOG("%s: its reason: %s", what, m->err.text);
}

TEST_F(source, hello_refused)
{
	static const struct {
		const char *what, *words;
		size_t at, size;
		uint64_t value;
	} bad[] = {
#define F(field)	offsetof(struct hello_wire, field), sizeof(((struct hello_wire *)0)->field)
		{ "not ours", "does not speak the vmmig protocol", F(hello.magic), 5 },
		{ "newer", "no protocol version in common", F(hello.version_min), 9 },
		{ "other size", "bytes at the peer and", F(block[0].size), PAGE },
		{ "other id", "has none of that id", F(block[0].id_len), 1 },
		{ "other page size", "page sizes differ", F(hello.page_size), 16384 },
		{ "no hello", "began with pass-ack, not hello", F(head), 5 },
		{ "pages", "malformed message (pages)", F(head), 2 },
	};
	struct hello_wire h;
	struct vmmig_msg msg;
	size_t len;
	char c;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ASSERT_EQ(0, begin(self)) TH_LOG("%s", self->m.err.text);
		ASSERT_EQ(0, peer_recv(self->fd, &msg, &c, 1));
		EXPECT_EQ(VMMIG_MSG_HELLO, msg.type);
		len = peer_hello(&h, PAGES);
		if (bad[i].size == sizeof(h.head))
			memset(&h.head, 0, sizeof(h.head));
		memcpy((char *)&h + bad[i].at, &bad[i].value, bad[i].size < 8 ? bad[i].size : 8);
		peer_write(self->fd, &h, len);
		fails(_metadata, self, bad[i].what, bad[i].words);
		/* No page has left before the peer was understood */
		peer_recv_reason(self->fd, self->reason, sizeof(self->reason));
		EXPECT_STREQ(self->m.err.text, self->reason) TH_LOG("%s", bad[i].what);
	}
}

TEST_F(source, acknowledges_another_pass)
{
	struct vmmig_msg msg;

	ASSERT_EQ(0, begin_pass(self, &msg));
	peer_send(self->fd, VMMIG_MSG_PASS_ACK, 0, 0, 0, 0, msg.arg + 1);
	fails(_metadata, self, "other pass", "instead of an acknowledgment");
}

TEST_F(source, acknowledges_the_end_at_once)
{
	struct vmmig_msg msg;

	ASSERT_EQ(0, begin_pass(self, &msg));
	peer_send(self->fd, VMMIG_MSG_END_ACK, 0, 0, 0, 0, 0);
	fails(_metadata, self, "end-ack", "end-ack instead of");
}

TEST_F(source, malformed_answer)
{
	struct vmmig_msg msg;

	ASSERT_EQ(0, begin_pass(self, &msg));
	peer_send(self->fd, VMMIG_MSG_PASS_ACK, 0, 7, 0, 0, msg.arg);
	fails(_metadata, self, "index", "malformed message (pass-ack)");
	ASSERT_EQ(0, begin_pass(self, &msg));
	peer_send(self->fd, VMMIG_MSG_ZERO, 0, 0, 1, 0, 0);
	fails(_metadata, self, "zero", "malformed message (zero)");
}

TEST_F(source, talks_in_the_middle_of_a_pass)
{
	struct vmmig_msg_wire ack[2];
	struct vmmig_msg msg;

	ASSERT_EQ(0, begin_pass(self, &msg));
	/* With the answer to a pass that has not been sent, in one go */
	msg = (struct vmmig_msg){ .type = VMMIG_MSG_PASS_ACK, .arg = msg.arg };
	vmmig_proto_encode(&ack[0], &msg);
	msg.arg++;
	vmmig_proto_encode(&ack[1], &msg);
	peer_write(self->fd, ack, sizeof(ack));
	self->ram[0] ^= 3;
	fails(_metadata, self, "early", "in the middle of a pass");
	self->ram[0] ^= 3;
}

TEST_F(source, says_why_it_ends)
{
	static const char words[] = "no room for RAM block ram";
	struct vmmig_msg msg;

	ASSERT_EQ(0, begin_pass(self, &msg));
	peer_send(self->fd, VMMIG_MSG_ERROR, 0, 0, 0, sizeof(words) - 1, 28);
	peer_write(self->fd, words, sizeof(words) - 1);
	close(self->fd);
	self->fd = -1;
	fails(_metadata, self, "words", "the peer says: no room for RAM block ram");
}

TEST_F(source, goes_away)
{
	struct linger reset = { 1, 0 };
	struct vmmig_msg msg;

	ASSERT_EQ(0, begin_pass(self, &msg));
	shutdown(self->fd, SHUT_RDWR);
	fails(_metadata, self, "closed", "the peer closed the connection");
	ASSERT_EQ(0, begin_pass(self, &msg));
	setsockopt(self->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(self->fd);
	self->fd = -1;
	fails(_metadata, self, "reset", "the peer closed the connection");
}

TEST_HARNESS_MAIN
