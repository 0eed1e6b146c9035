// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: limits act within a second, sessions can be cancelled at either
 * end in every phase, everybody is told why, and what has ended can be read.
 * Catches: cancels that hang or leave the peer in the dark, states that are
 * skipped or repeated, figures that are lost at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"
#include "util.h"

#define RAM	(48 * MIB)

FIXTURE(control) {
	struct move m;
};

FIXTURE_SETUP(control)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, "ram", RAM);
	ram_fill(self->m.block[0].src, 0, RAM, 1);
}

FIXTURE_TEARDOWN(control)
{
	move_over(&self->m);
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

/* Bytes per second over the next @ms */
static double rate_over(struct move *m, int ms)
{
	struct vmmig_session a, b;
	int64_t from = now_ms();

	move_get(m, m->src, &a);
	nap(ms);
	move_get(m, m->src, &b);
	return (b.stats.bytes - a.stats.bytes) * 1000.0 / (now_ms() - from);
}

TEST_F(control, throttle_acts_within_a_second)
{
	struct move *m = &self->m;
	double rate;

	/* An extent counts when it is sent as a whole, 2 MiB at a time */
	move_block(m, "more", 160 * MIB);
	ram_fill(m->block[1].src, 0, 160 * MIB, 2);
	m->rate = 16 * MIB;
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(VMMIG_STATE_BULK, move_wait(m, m->src, IN(BULK)));
	nap(1000);
	rate = rate_over(m, 1000);
	EXPECT_GT(24 * MIB, rate);
	if (!slow_host())
		EXPECT_LT(9 * MIB, rate);
	ASSERT_EQ(0, vmmig_nl_set_rate(m->nl, m->src, 48 * MIB, &m->err));
	nap(1000);
	rate = rate_over(m, 1000);
	EXPECT_GT(64 * MIB, rate);
	if (!slow_host())
		EXPECT_LT(28 * MIB, rate);
	ASSERT_EQ(0, vmmig_nl_set_rate(m->nl, m->src, 8 * MIB, &m->err));
	nap(1000);
	rate = rate_over(m, 1000);
	EXPECT_GT(15 * MIB, rate);
	ASSERT_EQ(0, vmmig_nl_set_rate(m->nl, m->src, 0, &m->err));
	ASSERT_EQ(0, move_end(m)) TH_LOG("%s", m->err.text);
	EXPECT_EQ(0, move_differs(m));
}

/* Every phase, at either end */
struct phase {
	const char *what;
	bool at_source;
	unsigned int state;	/* of the source, to wait for */
	bool no_peer;
};

static const struct phase phases[] = {
	{ "source, connecting", true, IN(CONNECTING), true },
	{ "destination, listening", false, 0, true },
	{ "source, bulk", true, IN(BULK), false },
	{ "destination, bulk", false, IN(BULK), false },
	{ "source, iterating", true, IN(ITERATING), false },
	{ "destination, iterating", false, IN(ITERATING), false },
	{ "source, synced", true, IN(SYNCED), false },
	{ "destination, synced", false, IN(SYNCED), false },
};

static void cancel(struct __test_metadata *_metadata, struct move *m,
		   const struct phase *p)
{
	int64_t from;

	/* A source has half a second to end its chunk and to say so */
	m->rate = p->state != IN(BULK) ? 0 : slow_host() ? 64 * MIB : 4 * MIB;
	ASSERT_EQ(0, move_sockets(m));
	if (!p->no_peer || !p->at_source)
		ASSERT_EQ(0, move_receive(m)) TH_LOG("%s: %s", p->what, m->err.text);
	if (!p->no_peer || p->at_source)
		ASSERT_EQ(0, move_send(m)) TH_LOG("%s: %s", p->what, m->err.text);
	if (p->state == IN(SYNCED)) {
		move_wait(m, m->src, IN(ITERATING));
		vmmig_nl_finalize(m->nl, m->src, true, &m->err);
	}
	if (p->state)
		ASSERT_TRUE(p->state & 1U << move_wait(m, m->src, p->state)) TH_LOG("%s", p->what);
	from = now_ms();
	EXPECT_EQ(0, vmmig_nl_cancel(m->nl, p->at_source ? m->src : m->dst, &m->err));
	EXPECT_EQ(VMMIG_STATE_CANCELLED,
		  move_wait(m, p->at_source ? m->src : m->dst, IN_END)) TH_LOG("%s", p->what);
	EXPECT_STREQ("cancelled by request", m->err.text) TH_LOG("%s", p->what);
	EXPECT_GT(3000, now_ms() - from) TH_LOG("%s", p->what);
	if (p->no_peer)
		goto close;
	EXPECT_EQ(VMMIG_STATE_CANCELLED,
		  move_wait(m, p->at_source ? m->dst : m->src, IN_END))
		TH_LOG("%s, the peer: %s", p->what, m->err.text);
	EXPECT_TRUE(!!strstr(m->err.text, "the peer says: cancelled by request"))
		TH_LOG("%s, the peer: %s", p->what, m->err.text);
close:
	for (int i = 0; i < STREAMS && m->s[i] >= 0; i++) {
		close(m->s[i]);
		close(m->d[i]);
		m->s[i] = m->d[i] = -1;
	}
}

TEST_F_TIMEOUT(control, cancel_in_every_phase, 240)
{
	for (size_t i = 0; i < sizeof(phases) / sizeof(*phases); i++) {
		self->m.streams = 1 + i % 2 * 3;
		cancel(_metadata, &self->m, &phases[i]);
	}
	/* The RAM at the source is as good as ever */
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, move_differs(&self->m));
}

TEST_F(control, no_room_at_the_destination)
{
	struct move *m = &self->m;
	char dir[] = "/run/vmmig-small.XXXXXX", path[64];

	ASSERT_TRUE(!!mkdtemp(dir));
	ASSERT_EQ(0, run("mount -t tmpfs -o size=8M small %s", dir));
	snprintf(path, sizeof(path), "%s/ram", dir);
	close(m->block[0].dst);
	m->block[0].dst = open(path, O_RDWR | O_CREAT, 0600);
	ASSERT_EQ(0, ftruncate(m->block[0].dst, RAM));
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->dst, IN_END));
	EXPECT_TRUE(!!strstr(m->err.text, "no room for RAM block ram")) TH_LOG("%s", m->err.text);
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(m, m->src, IN_END));
	EXPECT_TRUE(!!strstr(m->err.text, "the peer says: no room")) TH_LOG("%s", m->err.text);
	close(m->block[0].dst);
	m->block[0].dst = -1;
	unlink(path);
	for (int i = 0; i < 100 && run("umount %s 2>/dev/null", dir); i++)
		nap(20);
	EXPECT_EQ(0, rmdir(dir));
}

struct seen {
	uint32_t id[2];
	int last[2];
	char order[2][200];
	unsigned int progress;	/* of the source, in bulk */
};

static void on_event(const struct vmmig_session *s, void *arg)
{
	struct seen *seen = arg;

	seen->progress += s->id == seen->id[0] && s->state == VMMIG_STATE_BULK;
	for (int i = 0; i < 2; i++) {
		if (s->id != seen->id[i] || seen->last[i] == (int)s->state)
			continue;
		seen->last[i] = s->state;
		strcat(seen->order[i], " ");
		strcat(seen->order[i], vmmig_state_name(s->state));
	}
}

/* All that come, with @pause_ms between two at most */
static int take_events(struct move *m, struct seen *seen, int pause_ms)
{
	struct pollfd p = { vmmig_nl_event_fd(m->nl), POLLIN, 0 };
	int err = 0;

	while (!err && poll(&p, 1, pause_ms) > 0)
		err = vmmig_nl_events(m->nl, on_event, seen, &m->err);
	return err;
}

/* What waits for long must not look hung, see kernel/hung_task.c; events tell of it */
TEST_F(control, long_waits_are_idle)
{
	struct seen seen = { .last = { -1, -1 } };
	struct move *m = &self->m;

	if (access("/proc/sys/kernel/hung_task_timeout_secs", W_OK))
		SKIP(return, "the kernel does not look for hung tasks");
	m->streams = 3;
	m->rate = 2 * MIB;
	ASSERT_EQ(0, vmmig_nl_subscribe(m->nl, &m->err));
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(VMMIG_STATE_BULK, move_wait(m, m->src, IN(BULK)));
	ASSERT_EQ(0, run("echo 2 >/proc/sys/kernel/hung_task_timeout_secs"));
	nap(6000);
	EXPECT_EQ(0, run("echo 120 >/proc/sys/kernel/hung_task_timeout_secs"));
	seen.id[0] = m->src;
	ASSERT_EQ(0, take_events(m, &seen, 0)) TH_LOG("%s", m->err.text);
	/* One for the state, and those between chunks */
	EXPECT_LT(1, seen.progress);
	EXPECT_EQ(0, vmmig_nl_cancel(m->nl, m->src, &m->err)) TH_LOG("%s", m->err.text);
}

TEST_F(control, events_tell_every_state_in_order)
{
	struct move *m = &self->m;
	struct seen seen = { .last = { -1, -1 } };
	struct vmmig_session s;

	ASSERT_EQ(0, vmmig_nl_subscribe(m->nl, &m->err));
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	seen.id[0] = m->src;
	seen.id[1] = m->dst;
	ASSERT_EQ(VMMIG_STATE_ITERATING, move_wait(m, m->src, IN(ITERATING)));
	ASSERT_EQ(0, vmmig_nl_finalize(m->nl, m->src, true, &m->err));
	ASSERT_EQ(VMMIG_STATE_SYNCED, move_wait(m, m->src, IN(SYNCED)));
	ASSERT_EQ(0, move_end(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(0, take_events(m, &seen, 300)) TH_LOG("%s", m->err.text);
	EXPECT_STREQ(" connecting bulk iterating stopped synced stopped done", seen.order[0]);
	EXPECT_STREQ(" listening receiving complete", seen.order[1]);

	/* And the figures stay */
	for (int i = 0; i < 2; i++) {
		ASSERT_EQ(0, move_get(m, seen.id[i], &s));
		/* Some go twice: a reference that is left looks like DMA */
		EXPECT_LE(RAM / PAGE, s.stats.pages_data);
		EXPECT_EQ(RAM / PAGE, s.stats.ram_pages);
		EXPECT_LT(RAM, s.stats.bytes);
		EXPECT_LT(0, s.stats.elapsed_ns);
		EXPECT_LT(0, s.stats.cpu_ns);
		EXPECT_STREQ("test", s.name);
		EXPECT_EQ(0, s.error);
	}
	ASSERT_EQ(0, move_get(m, m->src, &s));
	EXPECT_LT(0, s.stats.final_ns);
	EXPECT_LE(s.stats.final_scan_ns, s.stats.final_ns);
	EXPECT_LT(0, s.stats.confirm_ns);
	EXPECT_EQ(0, s.stats.confirm_pages);
	EXPECT_LT(0, s.stats.kernel_bytes);
	nap(20);
	uint64_t elapsed = s.stats.elapsed_ns;

	ASSERT_EQ(0, move_get(m, m->src, &s));
	EXPECT_EQ(elapsed, s.stats.elapsed_ns);
}

struct list {
	unsigned int nr, ended;
	uint32_t last;
	bool sorted;
};

static void on_listed(const struct vmmig_session *s, void *arg)
{
	struct list *l = arg;

	l->nr++;
	l->ended += vmmig_state_ended(s->state);
	l->sorted &= s->id > l->last;
	l->last = s->id;
}

TEST_F(control, list_keeps_the_last_128)
{
	struct list l = { .sorted = true };
	struct move m;

	self->m.rate = MIB;
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	ASSERT_EQ(0, move_init(&m));
	move_block(&m, "ram", PAGE);
	for (int i = 0; i < 70; i++) {
		ASSERT_EQ(0, move_begin(&m)) TH_LOG("%s", m.err.text);
		ASSERT_EQ(0, move_end(&m)) TH_LOG("%s", m.err.text);
	}
	ASSERT_EQ(0, vmmig_nl_dump(m.nl, on_listed, &l, &m.err));
	EXPECT_EQ(130, l.nr);
	EXPECT_EQ(128, l.ended);
	EXPECT_TRUE(l.sorted);
	move_free(&m);
	/* The one that runs is still there */
	EXPECT_EQ(0, vmmig_nl_cancel(self->m.nl, self->m.src, &self->m.err));
}

TEST_HARNESS_MAIN
