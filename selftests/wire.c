// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: whatever a peer sends, the destination places only well-formed
 * pages inside of its RAM blocks, ends with a reason that both sides know,
 * and gives everything back.
 * Catches: unchecked fields and lengths, pages placed outside of the RAM,
 * RAM dropped before the peer was understood, hangs, crashes.
 */
#define _GNU_SOURCE
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "peer.h"
#include "util.h"

#define PAGES	64

FIXTURE(wire) {
	struct move m;
	int fd;			/* our end: the source */
	char reason[512];
};

FIXTURE_SETUP(wire)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, BLOCK_ID, PAGES * PAGE);
	self->fd = -1;
}

FIXTURE_TEARDOWN(wire)
{
	if (self->fd >= 0)
		close(self->fd);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

/* A new destination session, of which we have the other end */
static int begin(FIXTURE_DATA(wire) *self)
{
	struct move *m = &self->m;

	if (self->fd >= 0)
		close(self->fd);
	/* RAM from before, to see whether it is touched; all of it would be kept */
	ram_fill(m->block[0].dst, 0, (PAGES - 1) * PAGE, 99);
	if (move_sockets(m) || move_receive(m))
		return -1;
	close(m->d[0]);
	m->d[0] = -1;
	self->fd = m->s[0];
	m->s[0] = -1;
	peer_timeout(self->fd, 10);
	return 0;
}

/* The same, with the hello exchange done */
static int begin_receiving(FIXTURE_DATA(wire) *self)
{
	struct hello_wire h;
	struct vmmig_msg msg;
	size_t len = peer_hello(&h, PAGES);

	if (begin(self) || peer_write(self->fd, &h, len) ||
	    peer_recv(self->fd, &msg, self->reason, sizeof(self->reason)))
		return -1;
	return msg.type == VMMIG_MSG_HELLO ? 0 : -1;
}

/* The session fails, and says why: to us and in its own status */
static void refuses(struct __test_metadata *_metadata, FIXTURE_DATA(wire) *self,
		    const char *what, const char *words)
{
	struct move *m = &self->m;

	peer_recv_reason(self->fd, self->reason, sizeof(self->reason));
	/* It waits a second for that */
	shutdown(self->fd, SHUT_WR);
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->dst, IN_END))
		TH_LOG("%s: %s", what, m->err.text);
	EXPECT_TRUE(!!strstr(m->err.text, words))
		TH_LOG("%s: its own reason: %s", what, m->err.text);
	EXPECT_STREQ(m->err.text, self->reason)
		TH_LOG("%s: what we were told", what);
}

static bool untouched(FIXTURE_DATA(wire) *self)
{
	struct move *m = &self->m;

	ram_fill(m->block[0].src, 0, (PAGES - 1) * PAGE, 99);
	return move_differs(m) == 0;
}

struct mutation {
	const char *what;
	size_t at;		/* in struct hello_wire */
	size_t size;
	uint64_t value;
	const char *words;
};

#define F(field)	offsetof(struct hello_wire, field), sizeof(((struct hello_wire *)0)->field)

static const struct mutation hellos[] = {
	{ "type none", F(head.type), 0, "malformed" },
	{ "type unknown", F(head.type), 9, "malformed" },
	{ "type of the other side", F(head.type), VMMIG_MSG_PASS_ACK, "malformed" },
	{ "type pass-end", F(head.type), VMMIG_MSG_PASS_END, "malformed" },
	{ "header with block", F(head.block), 1, "malformed" },
	{ "header with index", F(head.index), 1, "malformed" },
	{ "header with count", F(head.count), 1, "malformed" },
	{ "length none", F(head.len), 0, "malformed" },
	{ "length enormous", F(head.len), 0xffffffff, "malformed" },
	{ "length one less", F(head.len), sizeof(struct vmmig_hello_wire) +
	  sizeof(struct vmmig_block_wire) - 1, "block table is malformed" },
	{ "length without table", F(head.len), sizeof(struct vmmig_hello_wire),
	  "block table is malformed" },
	{ "magic", F(hello.magic), 0x1234, "does not speak the vmmig protocol" },
	{ "version too old", F(hello.version), 0, "no protocol version in common" },
	{ "version too new", F(hello.version_min), 2, "no protocol version in common" },
	{ "page size", F(hello.page_size), 65536, "page sizes differ" },
	{ "stream", F(hello.stream), 1, "number of streams" },
	{ "streams none", F(hello.nr_streams), 0, "number of streams" },
	{ "streams two", F(hello.nr_streams), 2, "same number of streams" },
	{ "streams many", F(hello.nr_streams), 9, "number of streams" },
	{ "blocks none", F(hello.nr_blocks), 0, "block table is malformed" },
	{ "blocks many", F(hello.nr_blocks), 0xffffffff, "block table is malformed" },
	{ "blocks too many", F(hello.nr_blocks), 17, "block table is malformed" },
	{ "block without size", F(block[0].size), 0, "malformed block table" },
	{ "block of odd size", F(block[0].size), 4097, "malformed block table" },
	{ "block of other size", F(block[0].size), 65 * PAGE, "bytes at the peer and" },
	{ "block enormous", F(block[0].size), 1ULL << 53, "malformed block table" },
	{ "block of huge pages", F(block[0].page_size), 2 * MIB, "malformed block table" },
	{ "id empty", F(block[0].id_len), 0, "malformed block table" },
	{ "id too long", F(block[0].id_len), 256, "malformed block table" },
	{ "id with a zero", F(block[0].id_len), 4, "malformed block table" },
	{ "id of another block", F(block[0].id_len), 2, "has none of that id" },
};

TEST_F_TIMEOUT(wire, hello_mutated, 240)
{
	struct hello_wire h;
	size_t len;

	for (size_t i = 0; i < sizeof(hellos) / sizeof(*hellos); i++) {
		const struct mutation *mut = &hellos[i];

		ASSERT_EQ(0, begin(self)) TH_LOG("%s", self->m.err.text);
		len = peer_hello(&h, PAGES);
		/* Little-endian, as the machine */
		memcpy((char *)&h + mut->at, &mut->value, mut->size);
		peer_write(self->fd, &h, len);
		refuses(_metadata, self, mut->what, mut->words);
		EXPECT_TRUE(untouched(self)) TH_LOG("%s: RAM was changed", mut->what);
	}
}

TEST_F(wire, refused_peer_that_stays)
{
	struct move *m = &self->m;
	int64_t from;

	ASSERT_EQ(0, begin(self));
	from = now_ms();
	peer_send(self->fd, VMMIG_MSG_END, 0, 0, 0, 0, 0);
	ASSERT_EQ(0, peer_recv_reason(self->fd, self->reason, sizeof(self->reason)));
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->dst, IN_END));
	EXPECT_GT(5000, now_ms() - from);
}

/* A hello with a second block */
static void hello_of_two(struct hello_wire *h, const char *id, uint64_t pages)
{
	struct vmmig_msg msg = { .type = VMMIG_MSG_HELLO, .len =
		sizeof(struct vmmig_hello_wire) + 2 * sizeof(struct vmmig_block_wire) };

	peer_hello(h, PAGES);
	vmmig_proto_encode(&h->head, &msg);
	h->hello.nr_blocks = 2;
	vmmig_proto_encode_block(&h->block[1], id, pages);
}

TEST_F(wire, hello_with_more_blocks)
{
	struct hello_wire h;

	hello_of_two(&h, BLOCK_ID, PAGES);
	ASSERT_EQ(0, begin(self));
	peer_write(self->fd, &h, sizeof(h));
	refuses(_metadata, self, "two blocks", "the peer has 2 RAM blocks, this side 1");

	/* As many here, but one twice there */
	move_block(&self->m, "more", PAGE);
	ASSERT_EQ(0, begin(self));
	peer_write(self->fd, &h, sizeof(h));
	refuses(_metadata, self, "block twice", "names RAM block ram twice");
}

TEST_F(wire, newer_peer_that_speaks_our_version_too)
{
	struct vmmig_msg msg;
	struct hello_wire h;
	size_t len = peer_hello(&h, PAGES);

	h.hello.version = 7;
	h.hello.features = ~0ULL;
	ASSERT_EQ(0, begin(self));
	ASSERT_EQ(0, peer_write(self->fd, &h, len));
	ASSERT_EQ(0, peer_recv(self->fd, &msg, self->reason, sizeof(self->reason)));
	EXPECT_EQ(VMMIG_MSG_HELLO, msg.type);
	EXPECT_EQ(VMMIG_STATE_RECEIVING, move_wait(&self->m, self->m.dst, IN(RECEIVING)));
	shutdown(self->fd, SHUT_RDWR);
	EXPECT_EQ(0, move_over(&self->m));
}

/* The source listens there, not to the first. */
TEST_F(wire, second_stream_says_why)
{
	struct vmmig_msg msg;
	struct hello_wire h;
	size_t len = peer_hello(&h, PAGES);

	self->m.streams = 2;
	ASSERT_EQ(0, begin(self)) TH_LOG("%s", self->m.err.text);
	h.hello.nr_streams = 2;
	ASSERT_EQ(0, peer_write(self->fd, &h, len));
	ASSERT_EQ(0, peer_recv(self->fd, &msg, self->reason, sizeof(self->reason)));
	EXPECT_EQ(VMMIG_MSG_HELLO, msg.type);
	/* Only the first one has a table */
	h.hello.stream = 1;
	ASSERT_EQ(0, peer_write(self->m.s[1], &h, len));
	ASSERT_EQ(0, peer_recv(self->m.s[1], &msg, self->reason, sizeof(self->reason)));
	EXPECT_EQ(VMMIG_MSG_ERROR, msg.type);
	EXPECT_TRUE(!!strstr(self->reason, "unexpected block table")) TH_LOG("%s", self->reason);
}

/* A source that sent meanwhile would find its window closed. */
TEST_F(wire, empties_before_it_answers)
{
	const unsigned int pages = 16384;
	struct vmmig_msg msg;
	struct hello_wire h;

	hello_of_two(&h, "more", pages);
	move_block(&self->m, "more", (size_t)pages * PAGE);
	ASSERT_EQ(0, begin(self));
	ram_fill(self->m.block[1].dst, 0, (size_t)(pages - 1) * PAGE, 98);
	ASSERT_EQ(0, peer_write(self->fd, &h, sizeof(h)));
	ASSERT_EQ(0, peer_recv(self->fd, &msg, self->reason, sizeof(self->reason)));
	EXPECT_EQ(VMMIG_MSG_HELLO, msg.type);
	EXPECT_EQ(0, ram_used(self->m.block[0].dst));
	EXPECT_EQ(0, ram_used(self->m.block[1].dst));
}

struct message {
	const char *what;
	uint16_t type, block;
	uint64_t index;
	uint32_t count, len;
	const char *words;
};

static const struct message messages[] = {
	{ "type none", 0, 0, 0, 0, 0, "malformed" },
	{ "type unknown", 9, 0, 0, 0, 0, "malformed" },
	{ "type enormous", 0xffff, 0, 0, 0, 0, "malformed" },
	{ "pass-ack", VMMIG_MSG_PASS_ACK, 0, 0, 0, 0, "malformed" },
	{ "end-ack", VMMIG_MSG_END_ACK, 0, 0, 0, 0, "malformed" },
	{ "second hello", VMMIG_MSG_HELLO, 0, 0, 0, 32, "unexpected hello" },
	{ "no page", VMMIG_MSG_PAGES, 0, 0, 0, 0, "malformed" },
	{ "too many pages", VMMIG_MSG_PAGES, 0, 0, 513, 513 * PAGE, "malformed" },
	{ "count enormous", VMMIG_MSG_PAGES, 0, 0, 1 << 20, 0, "malformed" },
	{ "length short", VMMIG_MSG_PAGES, 0, 0, 2, PAGE, "malformed" },
	{ "length long", VMMIG_MSG_PAGES, 0, 0, 1, 2 * PAGE, "malformed" },
	{ "no such block", VMMIG_MSG_PAGES, 1, 0, 1, PAGE, "outside of the VM's RAM" },
	{ "block enormous", VMMIG_MSG_PAGES, 0xffff, 0, 1, PAGE, "outside of the VM's RAM" },
	{ "behind the end", VMMIG_MSG_PAGES, 0, PAGES, 1, PAGE, "outside of the VM's RAM" },
	{ "over the end", VMMIG_MSG_PAGES, 0, PAGES - 1, 2, 2 * PAGE, "outside of the VM's RAM" },
	{ "index wraps", VMMIG_MSG_PAGES, 0, ~0ULL, 2, 2 * PAGE, "outside of the VM's RAM" },
	{ "index wraps as bytes", VMMIG_MSG_PAGES, 0, 1ULL << 52, 1, PAGE, "outside of the VM's RAM" },
	{ "no zero page", VMMIG_MSG_ZERO, 0, 0, 0, 0, "malformed" },
	{ "zero with content", VMMIG_MSG_ZERO, 0, 0, 1, PAGE, "malformed" },
	{ "zero over the end", VMMIG_MSG_ZERO, 0, 1, PAGES, 0, "outside of the VM's RAM" },
	{ "zero enormous", VMMIG_MSG_ZERO, 0, 0, 0xffffffff, 0, "outside of the VM's RAM" },
	{ "zero wraps", VMMIG_MSG_ZERO, 0, ~0ULL - 1, 0xffffffff, 0, "outside of the VM's RAM" },
	{ "zero in no block", VMMIG_MSG_ZERO, 2, 0, 1, 0, "outside of the VM's RAM" },
	{ "pass-end with count", VMMIG_MSG_PASS_END, 0, 0, 1, 0, "malformed" },
	{ "pass-end with content", VMMIG_MSG_PASS_END, 0, 0, 0, 1, "malformed" },
	{ "end without counts", VMMIG_MSG_END, 0, 0, 0, 0, "malformed" },
	{ "end too long", VMMIG_MSG_END, 0, 0, 0, 17, "malformed" },
	{ "error too long", VMMIG_MSG_ERROR, 0, 0, 0, 256, "malformed" },
};

TEST_F_TIMEOUT(wire, message_mutated, 240)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(*messages); i++) {
		const struct message *msg = &messages[i];
		char junk[2 * PAGE] = "";

		ASSERT_EQ(0, begin_receiving(self)) TH_LOG("%s: %s", msg->what, self->m.err.text);
		ASSERT_EQ(0, peer_send(self->fd, msg->type, msg->block, msg->index,
				       msg->count, msg->len, 0));
		peer_write(self->fd, junk, sizeof(junk));
		refuses(_metadata, self, msg->what, msg->words);
		/* It was emptied, and nothing has come into it */
		EXPECT_EQ(0, ram_used(self->m.block[0].dst)) TH_LOG("%s", msg->what);
	}
}

TEST_F(wire, counts_that_differ)
{
	struct vmmig_end_wire end = { .pages_data = 2, .pages_zero = 1 };
	struct vmmig_end_wire wrong[] = { { 3, 1 }, { 1, 1 }, { 2, 0 }, { 2, ~0ULL } };

	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, begin_receiving(self));
		ASSERT_EQ(0, peer_send_pages(self->fd, 0, 3, 2, 0x5a));
		ASSERT_EQ(0, peer_send(self->fd, VMMIG_MSG_ZERO, 0, 3, 1, 0, 0));
		ASSERT_EQ(0, peer_send(self->fd, VMMIG_MSG_END, 0, 0, 0, sizeof(end), 0));
		peer_write(self->fd, i < 4 ? &wrong[i] : &end, sizeof(end));
		if (i < 4)
			refuses(_metadata, self, "counts", "the source sent");
	}
	EXPECT_EQ(VMMIG_STATE_COMPLETE, move_wait(&self->m, self->m.dst, IN_END));
	EXPECT_EQ(1, ram_used(self->m.block[0].dst));
}

TEST_F(wire, connection_that_breaks)
{
	struct hello_wire h;
	size_t len = peer_hello(&h, PAGES);
	/* In a hello, in a header, in a page; before anything */
	static const size_t cut[] = { 0, 1, 23, 24, 40, 100 };

	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, begin(self));
		peer_write(self->fd, &h, cut[i] < len ? cut[i] : len);
		shutdown(self->fd, SHUT_WR);
		EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.dst, IN_END));
		EXPECT_TRUE(!!strstr(self->m.err.text, "the peer closed the connection"))
			TH_LOG("%s", self->m.err.text);
		EXPECT_TRUE(untouched(self));
	}
	for (int i = 0; i < 3; i++) {
		char half[PAGE / 2] = "";

		ASSERT_EQ(0, begin_receiving(self));
		if (i)
			peer_send(self->fd, VMMIG_MSG_PAGES, 0, 5, 1, PAGE, 0);
		if (i == 2)
			peer_write(self->fd, half, sizeof(half));
		shutdown(self->fd, SHUT_WR);
		EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.dst, IN_END));
		EXPECT_EQ(1, !!self->m.err.text[0]);
	}
}

TEST_F(wire, last_words_are_made_printable)
{
	static const char words[] = "tape \033[2J full\n\377";

	ASSERT_EQ(0, begin_receiving(self));
	peer_send(self->fd, VMMIG_MSG_ERROR, 0, 0, 0, sizeof(words) - 1, 28);
	peer_write(self->fd, words, sizeof(words) - 1);
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.dst, IN_END));
	EXPECT_STREQ("the peer says: tape ?[2J full??", self->m.err.text);
	/* Cancelled there is cancelled here */
	ASSERT_EQ(0, begin_receiving(self));
	peer_send(self->fd, VMMIG_MSG_ERROR, 0, 0, 0, 0, 125);
	EXPECT_EQ(VMMIG_STATE_CANCELLED, move_wait(&self->m, self->m.dst, IN_END));
}

TEST_F_TIMEOUT(wire, garbage, 240)
{
	uint32_t state = 20240611;
	uint8_t buf[512];

	for (int round = 0; round < 60; round++) {
		int n = 0;

		ASSERT_EQ(0, round % 2 ? begin_receiving(self) : begin(self));
		for (size_t i = 0; i < sizeof(buf); i++)
			buf[i] = rnd(&state);
		/* Mostly headers that are nearly right */
		if (round % 3) {
			memset(buf, 0, 24);
			buf[0] = 1 + rnd(&state) % 8;
			buf[rnd(&state) % 24] = rnd(&state);
			buf[rnd(&state) % 24] ^= 1 << rnd(&state) % 8;
			n = 24 + rnd(&state) % 400;
		}
		peer_write(self->fd, buf, n ? n : sizeof(buf));
		shutdown(self->fd, SHUT_WR);
		EXPECT_LE(0, move_wait(&self->m, self->m.dst, IN_END)) TH_LOG("round %d", round);
	}
}

TEST_HARNESS_MAIN
