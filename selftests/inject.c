// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: whichever allocation of a session fails, the session ends with an
 * error or is not made, RAM at the source stays as it is, nothing leaks.
 * Catches: error paths that nobody takes otherwise.
 *
 * Needs a kernel with failslab and fail_page_alloc; make check-debug has one.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "util.h"

#define RAM	MIB
#define FAULTS	"/sys/kernel/debug/"
#define SECTION	"/sys/module/vmmig/sections/.text"
/* More allocations than any request makes. */
#define MAX_NTH	2000
#define ROUNDS	60
/* The kernel's counts of this boot start at zero only once. */
#define COUNTED	"/run/vmmig-inject"

static const char * const points[] = { "failslab", "fail_page_alloc" };

static int set(const char *point, const char *name, const char *value)
{
	char path[128];
	int fd, n;

	snprintf(path, sizeof(path), FAULTS "%s/%s", point, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = write(fd, value, strlen(value));
	close(fd);
	return n < 0 ? -1 : 0;
}

static int set_all(const char *name, const char *value)
{
	int rc = 0;

	for (size_t i = 0; i < 2; i++)
		rc |= set(points[i], name, value);
	return rc;
}

/* Only where the module is somewhere on the stack */
static int only_the_module(void)
{
	unsigned long start = 0, size = 0;
	char from[32], to[32];
	FILE *f;

	f = fopen(SECTION, "r");
	if (!f || fscanf(f, "%lx", &start) != 1)
		return -1;
	fclose(f);
	f = popen("sed -n 's/^vmmig \\([0-9]*\\) .*/\\1/p' /proc/modules", "r");
	if (!f || fscanf(f, "%lu", &size) != 1)
		return -1;
	pclose(f);
	snprintf(from, sizeof(from), "%#lx", start);
	snprintf(to, sizeof(to), "%#lx", start + size);
	return set_all("require-start", from) | set_all("require-end", to) |
		set_all("stacktrace-depth", "32");
}

static long get(const char *point, const char *name)
{
	char path[128];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), FAULTS "%s/%s", point, name);
	f = fopen(path, "r");
	if (!f)
		return -1;
	if (fscanf(f, "%ld", &value) != 1)
		value = -1;
	fclose(f);
	return value;
}

/*
 * The nth allocation from now on fails, in whichever thread. The kernel lets
 * one fail when its count, which nothing resets, is a multiple of the interval
 * (should_fail_ex(), lib/fault-inject.c). @count is what it is now. An interval
 * of one is not counted.
 */
static int fail_nth_of_all(const char *point, unsigned long *count, int nth)
{
	char interval[24];

	snprintf(interval, sizeof(interval), "%lu", *count + nth);
	*count += nth;
	if (*count == 1)
		*count = 0;
	return set(point, "interval", interval) | set(point, "times", "1") |
		set(point, "probability", "100");
}

static int fail_nth(int nth)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	char text[16];
	int n;

	if (fd < 0)
		return -1;
	snprintf(text, sizeof(text), "%d", nth);
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

/* Did the fault happen? Forgets it otherwise. */
static bool failed_nth(void)
{
	int fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	char text[16] = "";
	bool happened;

	happened = read(fd, text, sizeof(text) - 1) > 0 && atoi(text) == 0;
	lseek(fd, 0, SEEK_SET);
	if (write(fd, "0", 1) < 0)
		happened = false;
	close(fd);
	return happened;
}

static void cancel_one(const struct vmmig_session *s, void *arg)
{
	struct vmmig_error unused;
	struct move *m = arg;

	if (!vmmig_state_ended(s->state)) {
		m->src = s->id;
		vmmig_nl_cancel(m->nl, s->id, &unused);
	}
}

/* No session runs afterwards, also of those that nobody told us of */
static int end_all(struct move *m)
{
	int64_t end = now_ms() + PATIENCE_MS;
	struct vmmig_nl *nl;

	/* An answer that was lost leaves its connection out of step */
	vmmig_nl_close(m->nl);
	if (vmmig_nl_open(&m->nl, &m->err) || vmmig_nl_open(&nl, &m->err))
		return -1;
	do {
		struct vmmig_nl *other = m->nl;
		int rc;

		m->src = 0;
		m->nl = nl;
		rc = vmmig_nl_dump(other, cancel_one, m, &m->err);
		m->nl = other;
		if (rc)
			break;
		nap(5);
	} while (m->src && now_ms() < end);
	vmmig_nl_close(nl);
	return m->src ? -1 : 0;
}

FIXTURE(inject) {
	struct move m;
	int before;
};

FIXTURE_SETUP(inject)
{
	log_mark();
	if (access(FAULTS "failslab", F_OK) ||
	    access(FAULTS "fail_page_alloc", F_OK))
		SKIP(return, "the kernel has no failslab and fail_page_alloc");
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	self->m.streams = 2;
	move_block(&self->m, "ram", RAM);
	ram_fill(self->m.block[0].src, 0, RAM, 1);
	self->before = ram_new(RAM);
	ram_fill(self->before, 0, RAM, 1);
	ASSERT_EQ(0, set_all("probability", "0"));
	ASSERT_EQ(0, set_all("interval", "1"));
	ASSERT_EQ(0, set_all("verbose", "0"));
	ASSERT_EQ(0, set_all("ignore-gfp-wait", "N"));
	ASSERT_EQ(0, set("fail_page_alloc", "min-order", "0"));
	/* Pages of tmpfs are such */
	ASSERT_EQ(0, set("fail_page_alloc", "ignore-gfp-highmem", "N"));
}

FIXTURE_TEARDOWN(inject)
{
	set_all("probability", "0");
	set_all("require-start", "0");
	set_all("require-end", "0xffffffffffffffff");
	move_free(&self->m);
	close(self->before);
	EXPECT_EQ(0, log_bad());
}

/* The caller's own allocations, each in turn until none is left to fail */
TEST_F_TIMEOUT(inject, every_allocation_of_a_request, 400)
{
	struct move *m = &self->m;
	int nth, refused = 0;

	for (nth = 1; nth < MAX_NTH; nth++) {
		int rc;

		ASSERT_EQ(0, move_sockets(m));
		ASSERT_EQ(0, fail_nth(nth));
		rc = move_begin(m);
		if (!failed_nth())
			break;
		refused += !!rc;
		ASSERT_EQ(0, end_all(m)) TH_LOG("after %d: %s", nth, m->err.text);
		ASSERT_EQ(0, ram_differs(m->block[0].src, self->before));
	}
	TH_LOG("%d allocations failed in turn, %d requests with them", nth - 1,
	       refused);
	EXPECT_LT(20, nth);
	EXPECT_LT(10, refused);
	/* Nothing stays behind that would stop the next one */
	ASSERT_EQ(0, end_all(m));
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(0, move_end(m)) TH_LOG("%s", m->err.text);
	EXPECT_EQ(0, move_differs(m));
}

/*
 * One session after the other, the first without its first allocation, until
 * one has no more of them: also what the module's own threads allocate, and the
 * network and tmpfs for them
 */
static int each_in_turn(struct __test_metadata *_metadata,
			FIXTURE_DATA(inject) *self, const char *point)
{
	struct move *m = &self->m;
	unsigned long count = 0;
	int nth, failed = 0;

	for (nth = 1; nth < MAX_NTH; nth++) {
		bool happened;
		int rc;

		ASSERT_EQ(0, move_sockets(m));
		ASSERT_EQ(0, fail_nth_of_all(point, &count, nth));
		rc = move_begin(m) || move_end(m);
		happened = get(point, "times") == 0;
		ASSERT_EQ(0, set(point, "probability", "0"));
		if (!rc)
			ASSERT_EQ(0, move_differs(m));
		ASSERT_EQ(0, end_all(m)) TH_LOG("after %d: %s", nth, m->err.text);
		ASSERT_EQ(0, ram_differs(m->block[0].src, self->before));
		if (!happened)
			break;
		failed += !!rc;
	}
	TH_LOG("%s: %d failed in turn, %d sessions with them", point, nth - 1,
	       failed);
	EXPECT_LT(10, failed);
	return nth - 1;
}

TEST_F_TIMEOUT(inject, every_allocation_of_a_session, 1500)
{
	if (!access(COUNTED, F_OK))
		SKIP(return, "once in each boot, see COUNTED");
	close(open(COUNTED, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	ASSERT_EQ(0, only_the_module());
	EXPECT_LT(100, each_in_turn(_metadata, self, "failslab"));
	EXPECT_LT(RAM / 4096, each_in_turn(_metadata, self, "fail_page_alloc"));
}

/* Several, and all from one on, at random */
TEST_F_TIMEOUT(inject, allocations_of_running_sessions, 600)
{
	static const char * const chance[] = { "50", "10", "3", "1" };
	int ended[2] = { 0 };
	struct move *m = &self->m;

	ASSERT_EQ(0, only_the_module());
	for (int i = 0; i < ROUNDS; i++) {
		const char *point = points[i % 2];
		int rc;

		ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
		ASSERT_EQ(0, set(point, "times", i % 3 ? "1" : "-1"));
		ASSERT_EQ(0, set(point, "probability", chance[i / 2 % 4]));
		rc = move_end(m);
		ASSERT_EQ(0, set(point, "probability", "0"));
		ended[!rc]++;
		if (!rc)
			ASSERT_EQ(0, move_differs(m));
		ASSERT_EQ(0, end_all(m)) TH_LOG("%s", m->err.text);
		ASSERT_EQ(0, ram_differs(m->block[0].src, self->before));
	}
	TH_LOG("%d sessions failed, %d did not notice", ended[0], ended[1]);
	EXPECT_LT(5, ended[0]);
	EXPECT_LT(5, ended[1]);
}

TEST_HARNESS_MAIN
