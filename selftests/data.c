// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: what is in the files arrives, over any number of streams, IPv4 and
 * IPv6; holes are never allocated and never sent.
 * Catches: pages lost or misplaced at the borders of chunks, extents, blocks
 * and streams; holes that become zero pages; RAM of before that shines through.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "util.h"

FIXTURE(data) {
	struct move m;
};

FIXTURE_VARIANT(data) {
	unsigned int streams;
	int family;
};

FIXTURE_VARIANT_ADD(data, 1_stream_v4) { .streams = 1, .family = AF_INET };
FIXTURE_VARIANT_ADD(data, 2_streams_v6) { .streams = 2, .family = AF_INET6 };
FIXTURE_VARIANT_ADD(data, 8_streams_v4) { .streams = 8, .family = AF_INET };

FIXTURE_SETUP(data)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	self->m.streams = variant->streams;
	self->m.family = variant->family;
}

FIXTURE_TEARDOWN(data)
{
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

#define MOVES(m) do { \
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", (m)->err.text); \
	ASSERT_EQ(0, move_end(m)) TH_LOG("%s", (m)->err.text); \
	EXPECT_EQ(0, move_differs(m)); \
} while (0)

TEST_F(data, random_content)
{
	move_block(&self->m, "ram", 24 * MIB);
	ram_fill(self->m.block[0].src, 0, 24 * MIB, 7);
	/* Of a VM that was here before */
	ram_fill(self->m.block[0].dst, 0, 24 * MIB, 8);
	MOVES(&self->m);
}

TEST_F(data, odd_sizes)
{
	/* A page; one short of and one over a chunk; over an extent */
	static const size_t pages[] = { 1, 2, 511, 513, 1023, 1025 };
	static const char * const ids[] = { "a", "b", "c", "d", "e", "f" };

	for (int i = 0; i < 6; i++) {
		move_block(&self->m, ids[i], pages[i] * PAGE);
		ram_fill(self->m.block[i].src, 0, pages[i] * PAGE, i + 1);
	}
	MOVES(&self->m);
}

TEST_F(data, sparse_stays_sparse)
{
	int src, dst;

	move_block(&self->m, "ram", 512 * MIB);
	src = self->m.block[0].src;
	dst = self->m.block[0].dst;
	for (size_t at = 0; at < 512 * MIB; at += 37 * MIB)
		ram_fill(src, at, 3 * PAGE, at + 1);
	ram_fill(src, 512 * MIB - PAGE, PAGE, 5);
	ram_fill(dst, 0, 4 * MIB, 9);
	long used = ram_used(src);

	MOVES(&self->m);
	EXPECT_EQ(used, ram_used(src));
	EXPECT_EQ(used, ram_used(dst));
}

/* As by prealloc=on: the room was promised, and stays */
TEST_F(data, allocated_stays_allocated)
{
	struct move *m = &self->m;
	char *p;

	move_block(m, "ram", 4 * MIB);
	ram_fill(m->block[0].src, MIB, MIB, 9);
	p = ram_map(m->block[0].src, 4 * MIB);
	ASSERT_EQ(0, fallocate(m->block[0].dst, 0, 0, 4 * MIB));
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(m, m->src, IN(ITERATING)));
	memset(p + MIB, 0, PAGE);	/* zero on the way */
	ASSERT_EQ(0, move_end(m)) TH_LOG("%s", m->err.text);
	EXPECT_EQ(4 * MIB / PAGE, ram_used(m->block[0].dst));
	EXPECT_EQ(0, move_differs(m));
	munmap(p, 4 * MIB);
}

TEST_F(data, zero_pages_become_holes)
{
	struct vmmig_session s;
	char *p;

	move_block(&self->m, "ram", 8 * MIB);
	p = ram_map(self->m.block[0].src, 8 * MIB);
	memset(p, 0, 8 * MIB);
	p[3 * MIB] = 1;
	/* Allocated, but never written: has no content */
	move_block(&self->m, "more", 4 * MIB);
	ASSERT_EQ(0, fallocate(self->m.block[1].src, 0, 0, 4 * MIB));
	ram_fill(self->m.block[0].dst, 0, 7 * MIB, 1);
	MOVES(&self->m);
	EXPECT_EQ(1, ram_used(self->m.block[0].dst));
	EXPECT_EQ(0, ram_used(self->m.block[1].dst));
	ASSERT_EQ(0, move_get(&self->m, self->m.src, &s));
	EXPECT_EQ(1, s.stats.pages_data);
	EXPECT_GT(200000, s.stats.bytes);
	munmap(p, 8 * MIB);
}

TEST_F(data, sixteen_blocks)
{
	static char ids[16][256];

	for (int i = 0; i < 16; i++) {
		memset(ids[i], 'a' + i, i == 15 ? 255 : 1 + i);
		move_block(&self->m, ids[i], (i + 1) * 64 * PAGE);
		ram_fill(self->m.block[i].src, i * PAGE, 40 * PAGE, i + 1);
	}
	/* The destination names them in another order */
	ASSERT_EQ(0, move_sockets(&self->m));
	for (int i = 0; i < 8; i++) {
		typeof(self->m.block[0]) t = self->m.block[i];

		self->m.block[i] = self->m.block[15 - i];
		self->m.block[15 - i] = t;
	}
	ASSERT_EQ(0, move_receive(&self->m)) TH_LOG("%s", self->m.err.text);
	for (int i = 0; i < 8; i++) {
		typeof(self->m.block[0]) t = self->m.block[i];

		self->m.block[i] = self->m.block[15 - i];
		self->m.block[15 - i] = t;
	}
	ASSERT_EQ(0, move_send(&self->m)) TH_LOG("%s", self->m.err.text);
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
}

FIXTURE(plain) {
};

FIXTURE_SETUP(plain)
{
	log_mark();
}

FIXTURE_TEARDOWN(plain)
{
	EXPECT_EQ(0, log_bad());
}

TEST_F(plain, several_sessions_in_both_directions)
{
	struct move m[6];

	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, move_init(&m[i])) TH_LOG("%s", m[i].err.text);
		m[i].streams = 1 + i % 3;
		m[i].family = i % 2 ? AF_INET6 : AF_INET;
		m[i].rate = 40 * MIB;
		move_block(&m[i], "ram", 8 * MIB);
		ram_fill(m[i].block[0].src, 0, 8 * MIB, i + 1);
	}
	for (int i = 0; i < 6; i++)
		EXPECT_EQ(0, move_begin(&m[i]));
	for (int i = 0; i < 6; i++) {
		ASSERT_EQ(0, move_end(&m[i])) TH_LOG("%s", m[i].err.text);
		EXPECT_EQ(0, move_differs(&m[i]));
		move_free(&m[i]);
	}
}

TEST_F(plain, there_and_back_again)
{
	struct move m;

	ASSERT_EQ(0, move_init(&m));
	move_block(&m, "ram", 4 * MIB);
	for (int i = 0; i < 6; i++) {
		int t = m.block[0].src;

		ram_fill(m.block[0].src, i * 64 * PAGE, 32 * PAGE, i + 1);
		ASSERT_EQ(0, move_begin(&m)) TH_LOG("%s", m.err.text);
		ASSERT_EQ(0, move_end(&m)) TH_LOG("%s", m.err.text);
		ASSERT_EQ(0, move_differs(&m));
		m.block[0].src = m.block[0].dst;
		m.block[0].dst = t;
	}
	move_free(&m);
}

TEST_HARNESS_MAIN
