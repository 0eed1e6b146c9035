// SPDX-License-Identifier: GPL-2.0
/* Preamble, and connections over loopback. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../lib/preamble.h"
#include "../lib/sock_priv.h"
#include "tap.h"

static const uint8_t token[VMMIG_TOKEN_LEN] = "the right token";
static const uint8_t other[VMMIG_TOKEN_LEN] = "the wrong token";

static void test_preamble(void)
{
	struct preamble p = { .stream = 2, .streams = 0x103 }, q;
	uint8_t b[PREAMBLE_LEN], c[PREAMBLE_LEN];

	memcpy(p.token, token, sizeof(token));
	preamble_encode(&p, b);
	ok(!memcmp(b, "VMMIGTOK", 8) && !memcmp(b + 8, token, 32) &&
	   b[40] == 2 && !b[41] && b[42] == 3 && b[43] == 1 &&
	   !b[44] && !b[45] && !b[46] && !b[47], "preamble is as documented");
	ok(!preamble_decode(b, token, 0x103, &q) && q.stream == 2 &&
	   q.streams == 0x103, "preamble is understood");

	ok(preamble_decode(b, other, 0x103, &q) != NULL, "wrong token");
	ok(preamble_decode(b, token, 4, &q) != NULL, "wrong number of streams");
	memcpy(c, b, sizeof(b));
	c[0] ^= 1;
	ok(preamble_decode(c, token, 0x103, &q) != NULL, "wrong magic");
	memcpy(c, b, sizeof(b));
	c[39] ^= 1;
	ok(preamble_decode(c, token, 0x103, &q) != NULL,
	   "last byte of the token counts");
	memcpy(c, b, sizeof(b));
	c[47] = 1;
	ok(preamble_decode(c, token, 0x103, &q) != NULL, "reserved field");
	p.stream = 0x103;
	preamble_encode(&p, c);
	ok(preamble_decode(c, token, 0x103, &q) != NULL, "stream out of range");
}

struct accepting {
	pthread_t thread;
	int fds[VMMIG_MAX_LISTEN];
	unsigned int nr;
	char port[8];
	unsigned int streams;
	int timeout;
	int socks[VMMIG_MAX_STREAMS];
	int rc;
	int64_t took;
	struct vmmig_error err;
};

static void *accept_thread(void *arg)
{
	struct accepting *a = arg;
	int64_t start = sock_now();

	a->rc = vmmig_sock_accept(a->fds, a->nr, token, a->streams, a->socks,
				  a->timeout, &a->err);
	a->took = sock_now() - start;
	return NULL;
}

static int accept_start(struct accepting *a, const char *host,
			unsigned int streams, int timeout)
{
	uint16_t port;

	a->streams = streams;
	a->timeout = timeout;
	a->rc = vmmig_sock_listen(host, "0", a->fds, &a->nr, &port, &a->err);
	if (a->rc)
		return a->rc;
	snprintf(a->port, sizeof(a->port), "%u", port);
	return pthread_create(&a->thread, NULL, accept_thread, a);
}

static void accept_wait(struct accepting *a)
{
	pthread_join(a->thread, NULL);
	sock_close_all(a->fds, a->nr);
}

static int raw_connect(const struct accepting *a)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons(atoi(a->port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		close(fd);
		return -1;
	}
	return fd;
}

static int raw_preamble(const struct accepting *a, const uint8_t *tok,
			unsigned int stream, unsigned int streams, size_t len)
{
	struct preamble p = { .stream = stream, .streams = streams };
	uint8_t bytes[PREAMBLE_LEN];
	int fd = raw_connect(a);

	memcpy(p.token, tok, VMMIG_TOKEN_LEN);
	preamble_encode(&p, bytes);
	if (send(fd, bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What goes in at one end of each stream must come out at its counterpart. */
static bool paired(int *from, int *to, unsigned int nr)
{
	bool same = true;
	char c, d;

	for (unsigned int i = 0; i < nr; i++) {
		c = 'a' + i;
		d = 0;
		same &= write(from[i], &c, 1) == 1 && read(to[i], &d, 1) == 1 &&
			c == d;
	}
	return same;
}

static void test_connect(const char *listen_on, const char *host,
			 unsigned int streams)
{
	struct accepting a = { .nr = 0 };
	int socks[VMMIG_MAX_STREAMS], size = 0;
	socklen_t len = sizeof(size);
	struct vmmig_error err;
	int rc;

	if (accept_start(&a, listen_on, streams, 5000)) {
		skip(host, a.err.text);
		return;
	}
	rc = vmmig_sock_connect(host, a.port, token, streams, socks, 5000,
				&err);
	accept_wait(&a);
	if (!ok(!rc && !a.rc, "%u streams, %s to %s", streams, host,
		listen_on ? listen_on : "*"))
		return;
	ok(paired(socks, a.socks, streams) && paired(a.socks, socks, streams),
	   "streams keep their order");
	ok(!(fcntl(socks[0], F_GETFL) & O_NONBLOCK) &&
	   !(fcntl(a.socks[0], F_GETFL) & O_NONBLOCK), "sockets block");
	getsockopt(a.socks[0], SOL_SOCKET, SO_RCVBUF, &size, &len);
	if (geteuid())
		skip("receive buffer", "not root");
	else
		ok(size >= 32 << 20, "receive buffer is %d bytes", size);
	sock_close_all(socks, streams);
	sock_close_all(a.socks, streams);
}

/* None of these may take the place of the source, or make it wait. */
static void test_strangers(void)
{
	struct accepting a = { .nr = 0 };
	int fds[5], socks[2], silent[40];
	struct vmmig_error err;
	char c;
	int rc;

	if (accept_start(&a, "127.0.0.1", 2, 20000))
		return;
	fds[0] = raw_preamble(&a, other, 0, 2, PREAMBLE_LEN);
	fds[1] = raw_preamble(&a, token, 2, 2, PREAMBLE_LEN);
	fds[2] = raw_preamble(&a, token, 0, 3, PREAMBLE_LEN);
	fds[3] = raw_preamble(&a, token, 0, 2, 10);	/* then silence */
	fds[4] = raw_connect(&a);
	ok(read(fds[0], &c, 1) <= 0 && read(fds[1], &c, 1) <= 0 &&
	   read(fds[2], &c, 1) <= 0, "wrong preambles are dropped");
	rc = vmmig_sock_connect("127.0.0.1", a.port, token, 2, socks, 5000,
				&err);
	accept_wait(&a);
	ok(!rc && !a.rc && paired(socks, a.socks, 2),
	   "the source is found among them");
	ok(a.took < 1500, "silent ones do not hold it up (%d ms)",
	   (int)a.took);
	sock_close_all(fds, 5);
	sock_close_all(socks, 2);
	sock_close_all(a.socks, 2);

	/* More of them than are looked at in parallel. */
	a = (struct accepting){ .nr = 0 };
	if (accept_start(&a, "127.0.0.1", 1, 20000))
		return;
	for (int i = 0; i < 40; i++)
		silent[i] = raw_connect(&a);
	rc = vmmig_sock_connect("127.0.0.1", a.port, token, 1, socks, 5000,
				&err);
	accept_wait(&a);
	ok(!rc && !a.rc && paired(socks, a.socks, 1) && a.took < 6000,
	   "a crowd of silent ones is got over (%d ms)", (int)a.took);
	sock_close_all(silent, 40);
	sock_close_all(socks, 1);
	sock_close_all(a.socks, 1);
}

static void test_return(void)
{
	struct accepting a = { .nr = 0 };
	struct vmmig_error err;
	int first[2], socks[3];
	int rc;

	if (accept_start(&a, "127.0.0.1", 3, 10000))
		return;
	first[0] = raw_preamble(&a, token, 0, 3, PREAMBLE_LEN);
	first[1] = raw_preamble(&a, token, 2, 3, PREAMBLE_LEN);
	sock_close_all(first, 2);
	rc = vmmig_sock_connect("127.0.0.1", a.port, token, 3, socks, 5000,
				&err);
	accept_wait(&a);
	ok(!rc && !a.rc && paired(socks, a.socks, 3),
	   "a source that gave up half way can come back");
	sock_close_all(socks, 3);
	sock_close_all(a.socks, 3);
}

static void test_timeouts(void)
{
	struct accepting a = { .nr = 0 };
	struct vmmig_error err;
	int socks[1], fd;
	int64_t start;
	int rc;

	if (accept_start(&a, "127.0.0.1", 1, 200))
		return;
	accept_wait(&a);
	ok(a.rc == -ETIMEDOUT && a.took >= 190 && a.took < 1000,
	   "nobody comes: %s", a.err.text);

	a = (struct accepting){ .nr = 0 };
	if (accept_start(&a, "127.0.0.1", 1, 300))
		return;
	fd = raw_preamble(&a, other, 0, 1, PREAMBLE_LEN);
	accept_wait(&a);
	close(fd);
	ok(a.rc == -ETIMEDOUT && strstr(a.err.text, "another token"),
	   "why nobody was good enough: %s", a.err.text);

	rc = vmmig_sock_connect("127.0.0.1", a.port, token, 1, socks, 1000,
				&err);
	ok(rc == -ECONNREFUSED, "refused: %s", err.text);

	/* A listener whose queue is full answers nothing, like a firewall. */
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (!listen(fd, 0)) {
		struct sockaddr_in sin;
		socklen_t len = sizeof(sin);
		int fill[4];

		getsockname(fd, (struct sockaddr *)&sin, &len);
		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		snprintf(a.port, sizeof(a.port), "%u", ntohs(sin.sin_port));
		for (int i = 0; i < 4; i++) {
			fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK,
					 0);
			if (connect(fill[i], (struct sockaddr *)&sin, len) &&
			    errno != EINPROGRESS)
				break;
		}
		start = sock_now();
		rc = vmmig_sock_connect("127.0.0.1", a.port, token, 1, socks,
					300, &err);
		ok(rc == -ETIMEDOUT && sock_now() - start < 1000,
		   "no answer: %s", err.text);
		sock_close_all(fill, 4);
	}
	close(fd);
}

static void test_listen(void)
{
	int fds[VMMIG_MAX_LISTEN], again[VMMIG_MAX_LISTEN];
	unsigned int nr, nr_again;
	struct vmmig_error err;
	uint16_t port, port2;
	char text[8];

	ok(vmmig_sock_listen("192.0.2.1", "0", fds, &nr, &port, &err) ==
	   -EADDRNOTAVAIL, "address of somebody else: %s", err.text);
	ok(vmmig_sock_listen(NULL, "no-such-port", fds, &nr, &port, &err),
	   "port that is none: %s", err.text);
	ok(!vmmig_sock_listen(NULL, "0", fds, &nr, &port, &err) && port,
	   "any port, %u famil%s", nr, nr == 1 ? "y" : "ies");
	snprintf(text, sizeof(text), "%u", port);
	ok(vmmig_sock_listen(NULL, text, again, &nr_again, &port2, &err) ==
	   -EADDRINUSE, "port in use: %s", err.text);
	sock_close_all(fds, nr);
	ok(!vmmig_sock_listen(NULL, text, fds, &nr, &port2, &err) &&
	   port == port2, "given port");
	sock_close_all(fds, nr);
}

static void test_steal(void)
{
	struct vmmig_error err;
	int p[2], fd;
	char c = 0;

	if (pipe(p))
		return;
	fd = vmmig_fd_steal(getpid(), p[1], &err);
	if (fd == -ENOSYS || fd == -EPERM) {
		skip("descriptor is copied", err.text);
	} else {
		ok(fd >= 0 && fd != p[1] && write(fd, "x", 1) == 1 &&
		   read(p[0], &c, 1) == 1 && c == 'x', "descriptor is copied");
		close(fd);
		ok(vmmig_fd_steal(getpid(), 9999, &err) == -EBADF,
		   "descriptor that is none: %s", err.text);
	}
	ok(vmmig_fd_steal(0x3fffffff, 0, &err) == -ESRCH,
	   "process that is none: %s", err.text);
	ok(vmmig_fd_find_vm(getpid(), &err) == -ENOENT,
	   "process without a VM: %s", err.text);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	test_preamble();
	test_connect("127.0.0.1", "127.0.0.1", 1);
	test_connect(NULL, "127.0.0.1", 8);
	test_connect(NULL, "::1", 3);
	test_connect("::1", "::1", 2);
	test_strangers();
	test_return();
	test_timeouts();
	test_listen();
	test_steal();
	return tap_end();
}
