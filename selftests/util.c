// SPDX-License-Identifier: GPL-2.0
/* RAM files, sockets, KVM and the kernel log, for tests. */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

bool slow_host(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK) ||
	       !access("/sys/module/kcsan", F_OK);
}

/* Between two looks at something that is waited for */
void nap(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&t, NULL);
}

uint32_t rnd(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

int ram_new(size_t size)
{
	int fd = open("/dev/shm", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 && ftruncate(fd, size)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

void ram_fill(int fd, size_t from, size_t len, uint32_t seed)
{
	static uint32_t buf[64 * 1024 / 4];
	uint32_t state = seed * 2654435761U | 1;
	size_t n;

	for (; len; len -= n, from += n) {
		n = len < sizeof(buf) ? len : sizeof(buf);
		for (size_t i = 0; i < n / 4; i++)
			buf[i] = rnd(&state);
		if (pwrite(fd, buf, n, from) != (ssize_t)n)
			perror("# ram_fill");
	}
}

long ram_differs(int a, int b)
{
	static char x[MIB], y[MIB];
	struct stat sa, sb;
	long bad = 0;
	ssize_t n;

	if (fstat(a, &sa) || fstat(b, &sb) || sa.st_size != sb.st_size)
		return -1;
	for (off_t at = 0; at < sa.st_size; at += n) {
		n = pread(a, x, MIB, at);
		if (n <= 0 || pread(b, y, n, at) != n)
			return -1;
		if (!memcmp(x, y, n))
			continue;
		for (ssize_t i = 0; i < n; i += PAGE) {
			if (!memcmp(x + i, y + i, n - i < (ssize_t)PAGE ? n - i : (ssize_t)PAGE))
				continue;
			if (bad++ < 4)
				printf("# page %lu differs\n", (at + i) / PAGE);
		}
	}
	return bad;
}

long ram_used(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : (long)(st.st_blocks * 512 / PAGE);
}

char *ram_map(int fd, size_t size)
{
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

static socklen_t loopback(int family, uint16_t port, struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *six = (void *)ss;
	struct sockaddr_in *four = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = family;
	if (family == AF_INET6) {
		six->sin6_addr = in6addr_loopback;
		six->sin6_port = htons(port);
		return sizeof(*six);
	}
	four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	four->sin_port = htons(port);
	return sizeof(*four);
}

int tcp_listen(int family, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, 0, &ss);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (void *)&ss, len) || listen(fd, 16) ||
	    getsockname(fd, (void *)&ss, &len)) {
		close(fd);
		return -1;
	}
	/* Both families have the port at the same place. */
	*port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return fd;
}

int tcp_connect(int family, uint16_t port)
{
	struct sockaddr_storage ss;
	socklen_t len = loopback(family, port, &ss);
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (void *)&ss, len)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

int tcp_pair(int family, int *a, int *b)
{
	uint16_t port;
	int l = tcp_listen(family, &port);

	if (l < 0)
		return -1;
	*a = tcp_connect(family, port);
	*b = *a < 0 ? -1 : accept4(l, NULL, NULL, SOCK_CLOEXEC);
	close(l);
	return *b < 0 ? -1 : 0;
}

int kvm_vm(unsigned int ring_entries)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_DIRTY_LOG_RING,
		.args = { ring_entries * sizeof(struct kvm_dirty_gfn) },
	};
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm;

	if (kvm < 0)
		return -1;
	vm = ioctl(kvm, KVM_CREATE_VM, 0);
	close(kvm);
	if (vm < 0 || !ring_entries || !ioctl(vm, KVM_ENABLE_CAP, &cap))
		return vm;
	cap.cap = KVM_CAP_DIRTY_LOG_RING_ACQ_REL;
	if (!ioctl(vm, KVM_ENABLE_CAP, &cap))
		return vm;
	close(vm);
	return -1;
}

int kvm_slot(int vm, unsigned int slot, uint64_t gpa, void *addr, size_t size,
	     uint32_t flags)
{
	struct kvm_userspace_memory_region r = {
		.slot = slot, .flags = flags, .guest_phys_addr = gpa,
		.memory_size = size, .userspace_addr = (uintptr_t)addr,
	};

	return ioctl(vm, KVM_SET_USER_MEMORY_REGION, &r);
}

static int kmsg = -1;

void log_mark(void)
{
	if (kmsg >= 0)
		close(kmsg);
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

int log_bad(void)
{
	static const char * const words[] = {
#include "log_words.h"
	};
	char line[8192];
	int bad = 0;
	ssize_t n;

	while (kmsg >= 0) {
		n = read(kmsg, line, sizeof(line) - 1);
		if (n < 0 && errno == EPIPE)
			continue;	/* the oldest were overwritten */
		if (n <= 0)
			break;
		line[n] = '\0';
		for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
			if (!strstr(line, words[i]))
				continue;
			fprintf(stderr, "# kernel log: %s", line);
			bad++;
			break;
		}
	}
	return bad;
}

int run(const char *fmt, ...)
{
	char cmd[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(cmd, sizeof(cmd), fmt, ap);
	va_end(ap);
	return system(cmd);
}
