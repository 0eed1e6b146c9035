// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: page tables that processes change while RAM moves cost pages that
 * are sent again, never a page that is missed.
 * Catches: dirty bits that go away with their entry (exit, munmap, mremap, hole
 * punching), processes that map late or privately, page protections that are
 * not put back.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mm.h"

/* A process that has the RAM mapped: waits for a byte, writes, and is gone */
static pid_t writer_in_waiting(FIXTURE_DATA(mm) *self, int go, bool exec)
{
	pid_t pid = fork();
	char c;

	if (pid)
		return pid;
	if (read(go, &c, 1) != 1)
		_exit(1);
	scribble(self, self->ram, 500);
	if (exec)
		execlp("true", "true", NULL);
	_exit(0);
}

static void go_and_wait(int fd, pid_t pid)
{
	if (write(fd, "g", 1) != 1)
		perror("# write");
	waitpid(pid, NULL, 0);
}

TEST_F(mm, exits_in_mid_flight)
{
	int go[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	for (int i = 0; i < 6; i++) {
		pid = writer_in_waiting(self, go[0], i % 2);
		/* So that it is known */
		let_pass(self, 2);
		go_and_wait(go[1], pid);
		rnd(&self->state);
	}
	EQUAL_AT_THE_END();
}

/* Too short for the module to know of it: a limit, Documentation/writers.rst */
TEST_F(mm, short_lived_process)
{
	int go[2];

	ASSERT_EQ(0, pipe(go));
	for (int i = 0; i < 8; i++) {
		go_and_wait(go[1], writer_in_waiting(self, go[0], i % 2));
		rnd(&self->state);
	}
	ASSERT_EQ(0, move_end(&self->m)) TH_LOG("%s", self->m.err.text);
	if (move_differs(&self->m))
		SKIP(return, "known limit: who maps, writes and exits between two passes is not seen");
}

TEST_F(mm, killed_while_writing)
{
	pid_t pid = fork();

	if (!pid) {
		for (;;)
			scribble(self, self->ram, 10);
	}
	let_pass(self, 3);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	EQUAL_AT_THE_END();
}

TEST_F(mm, maps_late)
{
	for (int i = 0; i < 20; i++) {
		char *late = ram_map(self->fd, RAM);

		scribble(self, late, 100);
		if (i % 2)
			let_pass(self, 1);
		munmap(late, RAM);
	}
	EQUAL_AT_THE_END();
}

TEST_F(mm, maps_late_and_stays)
{
	char *late;
	pid_t pid = fork();

	if (!pid) {
		late = ram_map(self->fd, RAM);
		scribble(self, late, 500);
		pause();
	}
	let_pass(self, 1);
	late = ram_map(self->fd, RAM);
	scribble(self, late, 500);
	EQUAL_AT_THE_END();
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* In mappings that are known, and without anything that makes RAM count as written */
TEST_F(mm, unmaps_what_it_wrote)
{
	char *part, *to;

	for (int i = 0; i < 4; i++) {
		part = ram_map(self->fd, RAM);
		let_pass(self, 3);
		scribble(self, part, 200);
		if (i % 2) {
			to = mremap(part, RAM, RAM, MREMAP_MAYMOVE | MREMAP_FIXED, part - 64 * MIB);
			ASSERT_TRUE(to != MAP_FAILED);
			part = to;
		} else {
			ASSERT_EQ(0, madvise(part, RAM / 2, MADV_DONTNEED));
		}
		munmap(part, RAM);
	}
	EQUAL_AT_THE_END();
}

TEST_F(mm, unmaps_and_moves)
{
	char *part;

	for (int i = 0; i < 10; i++) {
		scribble(self, self->ram, 200);
		part = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED,
			    self->fd, i * MIB);
		for (int j = 0; j < 50; j++)
			part[rnd(&self->state) % (4 * MIB)] ^= 1;
		part = mremap(part, 4 * MIB, 4 * MIB, MREMAP_MAYMOVE | MREMAP_FIXED,
			      part + (i % 2 ? 64 : -64) * MIB);
		ASSERT_TRUE(part != MAP_FAILED);
		part[rnd(&self->state) % (4 * MIB)] ^= 1;
		munmap(part + MIB, MIB);
		part[rnd(&self->state) % MIB] ^= 1;
		munmap(part, 4 * MIB);
		mprotect(self->ram + MIB, MIB, PROT_READ);
		mprotect(self->ram + MIB, MIB, PROT_READ | PROT_WRITE);
		if (i % 3 == 0)
			let_pass(self, 1);
	}
	scribble(self, self->ram, 200);
	EQUAL_AT_THE_END();
}

TEST_F(mm, punches_holes)
{
	for (int i = 0; i < 20; i++) {
		size_t at = rnd(&self->state) % (RAM - MIB) / PAGE * PAGE;

		scribble(self, self->ram, 50);
		ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				       at, MIB));
		if (i % 2)
			self->ram[at + 5 * PAGE] = 1;
		if (i % 5 == 0)
			let_pass(self, 1);
	}
	/* As a balloon does, in both ways */
	ASSERT_EQ(0, madvise(self->ram + 4 * MIB, 2 * MIB, MADV_REMOVE));
	ASSERT_EQ(0, madvise(self->ram + 8 * MIB, 2 * MIB, MADV_DONTNEED));
	self->ram[4 * MIB] = 7;
	EQUAL_AT_THE_END();
	EXPECT_EQ(ram_used(self->fd), ram_used(self->m.block[0].dst));
}

/*
 * The kernel writes through an entry that is writable, and sets no dirty bit.
 * Between the last pass and the end: a visit would find more entries writable
 * than dirty, or the reference that the lookup has left in an LRU batch.
 */
static void kernel_writes(struct __test_metadata *_metadata, char *ram)
{
	char value[] = "late";
	struct iovec local = { value, sizeof(value) }, remote = { NULL, sizeof(value) };

	for (int i = 0; i < 8; i++) {
		remote.iov_base = ram + i * MIB;
		ASSERT_EQ(sizeof(value), process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
	}
}

static void touch(char *ram, bool write)
{
	for (int i = 0; i < 8; i++) {
		volatile char *at = ram + i * MIB;

		if (write)
			*at ^= 1;
		else
			(void)*at;
	}
}

TEST_F(mm, written_by_the_kernel_after_a_visit)
{
	touch(self->ram, true);
	let_pass(self, 3);
	/* It has begun, and the next one does 100 ms later */
	nap(40);
	kernel_writes(_metadata, self->ram);
	EQUAL_AT_THE_END();
}

TEST_F(mm, written_by_the_kernel_after_a_read_fault)
{
	let_pass(self, 1);
	nap(40);
	touch(self->ram, false);
	kernel_writes(_metadata, self->ram);
	EQUAL_AT_THE_END();
}

TEST_F(mm, written_by_the_kernel_where_it_was_mapped_late)
{
	char *late;

	let_pass(self, 1);
	nap(40);
	late = ram_map(self->fd, RAM);
	touch(late, false);
	kernel_writes(_metadata, late);
	EQUAL_AT_THE_END();
	munmap(late, RAM);
}

TEST_F(mm, maps_privately_in_mid_flight)
{
	int state;
	pid_t pid = fork();

	if (!pid) {
		/* In front of the others in the tree of mappings */
		mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->fd, 0);
		pause();
	}
	for (int i = 0; i < 20; i++)
		scribble(self, self->ram, 100);
	/* Fails with the name of who is in the way, or works: nothing between */
	state = move_wait(&self->m, self->m.src, IN_END);
	EXPECT_EQ(VMMIG_STATE_FAILED, state);
	EXPECT_TRUE(!!strstr(self->m.err.text, "privately or read-only"))
		TH_LOG("%s", self->m.err.text);
	EXPECT_TRUE(!!strstr(self->m.err.text, "writers_mm")) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.dst, IN_END));
	EXPECT_TRUE(!!strstr(self->m.err.text, "writers_mm"))
		TH_LOG("the destination says: %s", self->m.err.text);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* /proc/PID/smaps tells whether a mapping has the flag nh */
static int no_huge_flags(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");
	bool shm = false;
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (strstr(line, "/dev/shm"))
			shm = true;
		if (!strncmp(line, "VmFlags:", 8)) {
			n += shm && strstr(line, " nh");
			shm = false;
		}
	}
	if (f)
		fclose(f);
	return n;
}

TEST_F(mm, puts_everything_back)
{
	EXPECT_EQ(1, no_huge_flags());
	EQUAL_AT_THE_END();
	/* The end is told before the clean-up: a session with the same RAM waits for it */
	ASSERT_EQ(0, move_begin(&self->m)) TH_LOG("%s", self->m.err.text);
	vmmig_nl_cancel(self->m.nl, self->m.src, &self->m.err);
	ASSERT_EQ(0, move_over(&self->m));
	for (int i = 0; i < 500 && no_huge_flags(); i++)
		nap(2);
	EXPECT_EQ(0, no_huge_flags());
	scribble(self, self->ram, 100);
}

/* What somebody wants for a mapping that came meanwhile is not ours to undo */
TEST_F(mm, leaves_the_wishes_of_others)
{
	char *late = ram_map(self->fd, RAM);
	/* It looks protected from the beginning */
	char *reader = mmap(NULL, RAM, PROT_READ, MAP_SHARED, self->fd, 0);

	ASSERT_NE(MAP_FAILED, reader);
	ASSERT_EQ(0, madvise(late, RAM, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, madvise(reader, RAM, MADV_NOHUGEPAGE));
	let_pass(self, 2);
	EXPECT_EQ(3, no_huge_flags());
	EQUAL_AT_THE_END();
	for (int i = 0; i < 500 && no_huge_flags() == 3; i++)
		nap(2);
	nap(50);
	EXPECT_EQ(2, no_huge_flags());
	munmap(late, RAM);
	munmap(reader, RAM);
}

TEST_F(mm, ram_file_truncated)
{
	ASSERT_EQ(0, ftruncate(self->m.block[0].dst, 4 * MIB));
	for (int i = 0; i < RAM; i += PAGE)
		self->ram[i] ^= 1;
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.dst, IN_END));
	EXPECT_TRUE(!!strstr(self->m.err.text, "changed its size")) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(VMMIG_STATE_FAILED, move_wait(&self->m, self->m.src, IN_END));
	EXPECT_TRUE(!!strstr(self->m.err.text, "changed its size")) TH_LOG("%s", self->m.err.text);
}

TEST_HARNESS_MAIN
