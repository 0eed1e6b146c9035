/* SPDX-License-Identifier: GPL-2.0 */
/* A move of RAM that this process maps; for writers_mm.c and host_mm.c. */
#ifndef VMMIG_TEST_MM_H
#define VMMIG_TEST_MM_H

#include <sys/mman.h>

#include "harness.h"
#include "util.h"

#define RAM	(16 * MIB)
#define PAGES	(RAM / PAGE)

FIXTURE(mm) {
	struct move m;
	int fd;
	char *ram;
	uint32_t state;
};

FIXTURE_SETUP(mm)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, "ram", RAM);
	self->fd = self->m.block[0].src;
	ram_fill(self->fd, 0, RAM, 3);
	self->ram = ram_map(self->fd, RAM);
	self->state = 77;
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(&self->m, self->m.src, IN(ITERATING)))
		TH_LOG("%s", self->m.err.text);
}

FIXTURE_TEARDOWN(mm)
{
	/* A test that was skipped leaves it on its way */
	vmmig_nl_cancel(self->m.nl, self->m.src, &self->m.err);
	move_over(&self->m);
	if (self->ram)
		munmap(self->ram, RAM);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

static inline void scribble(FIXTURE_DATA(mm) *self, char *ram, int times)
{
	while (times--)
		ram[rnd(&self->state) % RAM] ^= 0x55;
}

/* Passes go on beside what the test does: long enough for a few of them */
static inline void let_pass(FIXTURE_DATA(mm) *self, unsigned int passes)
{
	int64_t end = now_ms() + PATIENCE_MS;
	struct vmmig_session s;
	unsigned int until = 0;

	while (now_ms() < end && !move_get(&self->m, self->m.src, &s)) {
		if (!until)
			until = s.stats.pass + passes;
		if (s.stats.pass >= until || vmmig_state_ended(s.state))
			return;
		nap(5);
	}
}

#define EQUAL_AT_THE_END() do { \
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text); \
	EXPECT_EQ(0, move_differs(&self->m)); \
} while (0)

#endif /* VMMIG_TEST_MM_H */
