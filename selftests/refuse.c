// SPDX-License-Identifier: GPL-2.0
/*
 * Promise: a request that cannot be done is refused before anything has
 * changed, with a sentence that says what to do.
 * Catches: missing checks of files, sockets, ids and states; refusals without
 * words; sessions and references left behind by a refused request.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"
#include "nl_priv.h"
#include "util.h"

FIXTURE(refuse) {
	struct move m;
};

FIXTURE_SETUP(refuse)
{
	log_mark();
	ASSERT_EQ(0, move_init(&self->m)) TH_LOG("%s", self->m.err.text);
	move_block(&self->m, "ram", 16 * PAGE);
	ASSERT_EQ(0, move_sockets(&self->m));
}

static void count_live(const struct vmmig_session *s, void *arg)
{
	*(int *)arg += !vmmig_state_ended(s->state);
}

FIXTURE_TEARDOWN(refuse)
{
	struct vmmig_error err;
	int live = 0;

	if (self->m.nl) {
		vmmig_nl_dump(self->m.nl, count_live, &live, &err);
		EXPECT_EQ(0, live);
	}
	move_free(&self->m);
	EXPECT_EQ(0, log_bad());
}

/* Refused with this errno and sentence */
#define REFUSED(code, words, call) do { \
	self->m.err.text[0] = '\0'; \
	EXPECT_EQ(-(code), (call)); \
	EXPECT_TRUE(!!strstr(self->m.err.text, words)) \
		TH_LOG("the sentence was: %s", self->m.err.text); \
} while (0)

static void swap_fd(int *fd, int other)
{
	dup2(other, *fd);
	close(other);
}

TEST_F(refuse, ram_not_open)
{
	close(self->m.block[0].src);
	REFUSED(EBADF, "RAM block: not an open file", move_send(&self->m));
	self->m.block[0].src = -1;
}

TEST_F(refuse, ram_not_on_tmpfs)
{
	swap_fd(&self->m.block[0].src, open("/etc/passwd", O_RDONLY));
	REFUSED(EINVAL, "not a file on tmpfs", move_send(&self->m));
	swap_fd(&self->m.block[0].src, open("/dev/null", O_RDWR));
	REFUSED(EINVAL, "not a file on tmpfs", move_send(&self->m));
	swap_fd(&self->m.block[0].src, open("/dev/shm", O_RDONLY));
	REFUSED(EINVAL, "not a file on tmpfs", move_send(&self->m));
}

TEST_F(refuse, ram_on_hugetlbfs)
{
	int fd = memfd_create("huge", MFD_HUGETLB);

	if (fd < 0)
		SKIP(return, "no hugetlbfs");
	ASSERT_EQ(0, ftruncate(fd, 2 * MIB));
	swap_fd(&self->m.block[0].src, fd);
	REFUSED(EINVAL, "hugetlbfs", move_send(&self->m));
}

TEST_F(refuse, ram_of_odd_size)
{
	ASSERT_EQ(0, ftruncate(self->m.block[0].src, 16 * PAGE + 1));
	REFUSED(EINVAL, "multiple of 4 KiB", move_send(&self->m));
	ASSERT_EQ(0, ftruncate(self->m.block[0].src, 0));
	REFUSED(EINVAL, "multiple of 4 KiB", move_send(&self->m));
	ASSERT_EQ(0, ftruncate(self->m.block[0].dst, 100));
	REFUSED(EINVAL, "multiple of 4 KiB", move_receive(&self->m));
}

TEST_F(refuse, ram_not_writable)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->m.block[0].src);
	swap_fd(&self->m.block[0].src, open(path, O_WRONLY));
	REFUSED(EACCES, "open the file for reading", move_send(&self->m));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->m.block[0].dst);
	swap_fd(&self->m.block[0].dst, open(path, O_RDONLY));
	REFUSED(EACCES, "open the file for reading", move_receive(&self->m));
}

TEST_F(refuse, ram_twice)
{
	struct move other;

	self->m.block[1] = self->m.block[0];
	self->m.block[1].id = "more";
	self->m.nr_blocks = 2;
	REFUSED(EBUSY, "twice in this one", move_send(&self->m));
	REFUSED(EBUSY, "twice in this one", move_receive(&self->m));
	self->m.nr_blocks = 1;

	/* In a running session, at either end */
	ASSERT_EQ(0, move_init(&other));
	move_block(&other, "ram", 16 * PAGE);
	ASSERT_EQ(0, move_begin(&other)) TH_LOG("%s", other.err.text);
	swap_fd(&self->m.block[0].src, dup(other.block[0].src));
	REFUSED(EBUSY, "in another session", move_send(&self->m));
	swap_fd(&self->m.block[0].src, dup(other.block[0].dst));
	REFUSED(EBUSY, "in another session", move_send(&self->m));
	EXPECT_EQ(0, move_end(&other)) TH_LOG("%s", other.err.text);
	/* What has ended is in nobody's way, at once */
	EXPECT_EQ(0, move_receive(&self->m)) TH_LOG("%s", self->m.err.text);
	EXPECT_EQ(0, vmmig_nl_cancel(self->m.nl, self->m.dst, &self->m.err));
	EXPECT_EQ(0, move_over(&self->m));
	move_free(&other);
}

TEST_F(refuse, block_ids)
{
	move_block(&self->m, "ram", 16 * PAGE);
	REFUSED(EINVAL, "two blocks have the same id", move_send(&self->m));
	REFUSED(EINVAL, "two blocks have the same id", move_receive(&self->m));
}

TEST_F(refuse, mapped_privately)
{
	char *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, self->m.block[0].src, 0), *at;

	REFUSED(EBUSY, "mapped privately or read-only by refuse (pid ", move_send(&self->m));
	/* A number that is cut off is that of another process */
	self->m.block[0].id = "a-name-that-is-longer-than-most";
	prctl(PR_SET_NAME, "fifteen-letters");
	REFUSED(EBUSY, "fifteen-letters (pid ", move_send(&self->m));
	at = strchr(self->m.err.text, '(');
	EXPECT_EQ(getpid(), at ? atoi(at + 5) : 0);
	EXPECT_TRUE(at && strchr(at, ')'));
	munmap(p, PAGE);
}

TEST_F(refuse, mapped_from_a_readonly_descriptor)
{
	char path[64], *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->m.block[0].src);
	fd = open(path, O_RDONLY);
	p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_TRUE(p != MAP_FAILED);
	close(fd);
	REFUSED(EBUSY, "mapped privately or read-only by", move_send(&self->m));
	munmap(p, PAGE);
}

TEST_F(refuse, huge_pages)
{
	char dir[] = "/run/vmmig-huge.XXXXXX", path[64], *p;
	int fd;

	ASSERT_TRUE(!!mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ram", dir);
	if (run("mount -t tmpfs -o huge=always,size=64M huge %s 2>/dev/null", dir)) {
		rmdir(dir);
		SKIP(return, "no huge pages in tmpfs");
	}
	fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	EXPECT_EQ(0, ftruncate(fd, 8 * MIB));
	p = ram_map(fd, 8 * MIB);
	for (size_t at = 0; at < 8 * MIB; at += PAGE)
		p[at] = 1;
	close(self->m.block[0].src);
	self->m.block[0].src = fd;
	REFUSED(EOPNOTSUPP, "mapped with huge pages", move_send(&self->m));
	munmap(p, 8 * MIB);
	unlink(path);
	close(fd);
	self->m.block[0].src = -1;
	run("umount %s", dir);
	rmdir(dir);
}

TEST_F(refuse, too_many_processes)
{
	int fds[2];
	char c;

	ASSERT_TRUE(!!ram_map(self->m.block[0].src, 16 * PAGE));
	ASSERT_EQ(0, pipe(fds));
	/* More than VMMIG_MAX_MMS of kmod/mappings.h */
	for (int i = 0; i < 70; i++) {
		if (fork())
			continue;
		close(fds[1]);
		_exit(read(fds[0], &c, 1));
	}
	REFUSED(E2BIG, "processes map the VM's RAM", move_send(&self->m));
	close(fds[1]);
	while (wait(NULL) > 0)
		;
}

TEST_F(refuse, destination_in_use)
{
	char *p = ram_map(self->m.block[0].dst, 16 * PAGE);

	p[0] = 7;
	REFUSED(EBUSY, "in use by refuse", move_receive(&self->m));
	EXPECT_EQ(7, p[0]);
	munmap(p, 16 * PAGE);
}

TEST_F(refuse, socket_not_a_socket)
{
	swap_fd(&self->m.s[0], open("/dev/null", O_RDWR));
	REFUSED(ENOTSOCK, "socket: the file descriptor is not an open socket",
		move_send(&self->m));
	close(self->m.s[0]);
	REFUSED(EBADF, "socket: the file descriptor is not an open socket",
		move_send(&self->m));
	self->m.s[0] = -1;
}

TEST_F(refuse, socket_not_tcp)
{
	static const int kinds[][3] = {
		{ AF_UNIX, SOCK_STREAM, 0 }, { AF_INET, SOCK_DGRAM, 0 },
		{ AF_INET6, SOCK_DGRAM, 0 }, { AF_NETLINK, SOCK_RAW, 0 },
		{ AF_INET, SOCK_STREAM, 262 /* MPTCP */ },
	};

	for (int i = 0; i < 5; i++) {
		int fd = socket(kinds[i][0], kinds[i][1], kinds[i][2]);

		if (fd < 0)
			continue;
		swap_fd(&self->m.s[0], fd);
		REFUSED(EPROTOTYPE, "not a TCP socket", move_send(&self->m));
	}
}

TEST_F(refuse, socket_not_connected)
{
	uint16_t port;

	swap_fd(&self->m.s[0], socket(AF_INET, SOCK_STREAM, 0));
	REFUSED(ENOTCONN, "socket: not connected", move_send(&self->m));
	swap_fd(&self->m.s[0], tcp_listen(AF_INET, &port));
	REFUSED(ENOTCONN, "socket: not connected", move_send(&self->m));
	close(self->m.s[0]);
	close(self->m.d[0]);
	self->m.s[0] = self->m.d[0] = -1;
	ASSERT_EQ(0, move_sockets(&self->m));
	shutdown(self->m.d[0], SHUT_RDWR);
	shutdown(self->m.s[0], SHUT_RDWR);
	REFUSED(ENOTCONN, "socket: not connected", move_send(&self->m));
}

TEST_F(refuse, socket_twice)
{
	self->m.streams = 2;
	self->m.s[1] = dup(self->m.s[0]);
	REFUSED(EINVAL, "socket: given twice", move_send(&self->m));
}

TEST_F(refuse, socket_of_another_netns)
{
	int home = open("/proc/self/ns/net", O_RDONLY);

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	swap_fd(&self->m.s[0], socket(AF_INET, SOCK_STREAM, 0));
	ASSERT_EQ(0, run("ip link set lo up"));
	close(self->m.s[0]);
	self->m.s[0] = -1;
	ASSERT_EQ(0, tcp_pair(AF_INET, &self->m.s[0], &self->m.d[0]));
	ASSERT_EQ(0, setns(home, CLONE_NEWNET));
	REFUSED(EXDEV, "another network namespace", move_send(&self->m));
	close(home);
}

/* As nobody; returns how many answers were wrong */
static int without_permission(struct move *m)
{
	struct vmmig_nl *nl = NULL;
	struct vmmig_session s;
	int rc[5], bad = 0;
	uint32_t id;

	if (setresuid(65534, 65534, 65534) || vmmig_nl_open(&nl, &m->err))
		return 100;
	rc[0] = vmmig_nl_set_rate(nl, m->src, 1, &m->err);
	rc[1] = vmmig_nl_finalize(nl, m->src, false, &m->err);
	rc[2] = vmmig_nl_cancel(nl, m->src, &m->err);
	m->nl = nl;
	id = m->src;
	if (move_sockets(m))
		return 101;
	rc[3] = move_send(m);
	rc[4] = move_receive(m);
	for (int i = 0; i < 5; i++)
		bad += rc[i] != -EPERM;
	bad += !strstr(m->err.text, "CAP_SYS_ADMIN");
	/* To look is everybody's right */
	bad += move_get(m, id, &s) != 0;
	if (bad)
		fprintf(stderr, "# %d %d %d %d %d: %s\n", rc[0], rc[1], rc[2],
			rc[3], rc[4], m->err.text);
	return bad;
}

TEST_F(refuse, no_permission)
{
	struct move *m = &self->m;
	int status;

	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	if (!fork())
		_exit(without_permission(m));
	wait(&status);
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, move_end(m)) TH_LOG("%s", m->err.text);
}

TEST_F(refuse, session_that_does_not_exist)
{
	struct vmmig_nl *nl = self->m.nl;
	struct vmmig_error *err = &self->m.err;
	struct vmmig_session s;

	REFUSED(ENOENT, "no session of that id", vmmig_nl_cancel(nl, 4000000, err));
	REFUSED(ENOENT, "no session of that id", vmmig_nl_finalize(nl, 4000000, false, err));
	REFUSED(ENOENT, "no session of that id", vmmig_nl_set_rate(nl, 4000000, 1, err));
	REFUSED(ENOENT, "no session of that id", vmmig_nl_get(nl, 4000000, &s, err));
}

TEST_F(refuse, wrong_state)
{
	struct move *m = &self->m;
	struct vmmig_error *err = &m->err;

	ASSERT_EQ(0, move_receive(m));
	REFUSED(EOPNOTSUPP, "finalize is for the source", vmmig_nl_finalize(m->nl, m->dst, false, err));
	REFUSED(EOPNOTSUPP, "source of a migration sets", vmmig_nl_set_rate(m->nl, m->dst, 1, err));
	ASSERT_EQ(0, vmmig_nl_cancel(m->nl, m->dst, err));
	ASSERT_EQ(VMMIG_STATE_CANCELLED, move_wait(m, m->dst, IN_END));
	REFUSED(EALREADY, "the session has ended", vmmig_nl_cancel(m->nl, m->dst, err));

	/* The peer of this one never says hello */
	close(m->s[0]);
	close(m->d[0]);
	m->s[0] = m->d[0] = -1;
	ASSERT_EQ(0, move_sockets(m));
	ASSERT_EQ(0, move_send(m));
	REFUSED(EBUSY, "not connected yet", vmmig_nl_finalize(m->nl, m->src, false, err));
	ASSERT_EQ(0, vmmig_nl_cancel(m->nl, m->src, err));
	ASSERT_EQ(VMMIG_STATE_CANCELLED, move_wait(m, m->src, IN_END));
	REFUSED(EBUSY, "the session has ended", vmmig_nl_finalize(m->nl, m->src, false, err));
	REFUSED(EBUSY, "the session has ended", vmmig_nl_set_rate(m->nl, m->src, 1, err));
}

TEST_F(refuse, finalize_twice)
{
	struct move *m = &self->m;

	move_block(m, "large", 16 * MIB);
	ram_fill(m->block[1].src, 0, 16 * MIB, 1);
	m->rate = 16 * MIB;
	ASSERT_EQ(0, move_begin(m)) TH_LOG("%s", m->err.text);
	ASSERT_EQ(VMMIG_STATE_BULK, move_wait(m, m->src, IN(BULK)));
	EXPECT_EQ(0, vmmig_nl_finalize(m->nl, m->src, false, &m->err));
	EXPECT_EQ(-EALREADY, vmmig_nl_finalize(m->nl, m->src, false, &m->err));
	EXPECT_TRUE(!!strstr(m->err.text, "already")) TH_LOG("%s", m->err.text);
	REFUSED(ERANGE, "below 64 KiB", vmmig_nl_set_rate(m->nl, m->src, 65535, &m->err));
	vmmig_nl_set_rate(m->nl, m->src, 0, &m->err);
	EXPECT_EQ(VMMIG_STATE_DONE, move_wait(m, m->src, IN_END));
	EXPECT_EQ(VMMIG_STATE_COMPLETE, move_wait(m, m->dst, IN_END));
	EXPECT_EQ(0, move_differs(m));
}

static int talk(struct move *m, struct nl_msg *msg)
{
	return nl_talk(m->nl, msg, NULL, NULL, "request", &m->err);
}

TEST_F(refuse, malformed_requests)
{
	struct move *m = &self->m;
	struct nl_msg *msg;
	struct nlattr *nest;

	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_SEND);
	REFUSED(EINVAL, "1 to 16 RAM blocks", talk(m, msg));

	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_SEND);
	for (int i = 0; i < 17; i++) {
		nest = nla_nest_start(msg, VMMIG_A_SESSION_BLOCK | NLA_F_NESTED);
		nla_put_s32(msg, VMMIG_A_BLOCK_FD, m->block[0].src);
		nla_nest_end(msg, nest);
	}
	REFUSED(EINVAL, "1 to 16 RAM blocks", talk(m, msg));

	for (int i = 0; i < 3; i++) {
		msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_RECEIVE);
		nest = nla_nest_start(msg, VMMIG_A_SESSION_BLOCK | NLA_F_NESTED);
		if (i != 0)
			nla_put_s32(msg, VMMIG_A_BLOCK_FD, m->block[0].dst);
		if (i != 1)
			nla_put_string(msg, VMMIG_A_BLOCK_ID, i == 2 ? "" : "ram");
		nla_nest_end(msg, nest);
		if (i)
			nla_put_s32(msg, VMMIG_A_SESSION_SOCK_FD, m->d[0]);
		REFUSED(EINVAL, i ? "RAM block: " : "1 to 8 connected sockets", talk(m, msg));
	}

	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_CANCEL);
	REFUSED(EINVAL, "id is missing", talk(m, msg));
	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_CANCEL);
	nla_put_u32(msg, VMMIG_A_SESSION_ID, 0);
	EXPECT_EQ(-ERANGE, talk(m, msg));
	/* Attributes of another request, or of none */
	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_CANCEL);
	nla_put_u32(msg, VMMIG_A_SESSION_ID, 1);
	nla_put_string(msg, VMMIG_A_SESSION_NAME, "x");
	REFUSED(EINVAL, "nknown attribute", talk(m, msg));
	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_SEND);
	nla_put_u32(msg, 200, 1);
	REFUSED(EINVAL, "nknown attribute", talk(m, msg));
	msg = nl_request_new(m->nl, 0, VMMIG_CMD_SESSION_SEND);
	nla_put_u32(msg, VMMIG_A_SESSION_TRACKING, 77);
	EXPECT_EQ(-ERANGE, talk(m, msg));
	msg = nl_request_new(m->nl, 0, 99);
	EXPECT_EQ(-EOPNOTSUPP, talk(m, msg));
}

TEST_HARNESS_MAIN
