// SPDX-License-Identifier: GPL-2.0
/* The destination's end, first half: listening sockets. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sock_priv.h"

#define BACKLOG		64
/* The free port of the first family may be taken in the second. */
#define PORT_TRIES	16

static void set_port(struct addrinfo *ai, uint16_t port)
{
	if (ai->ai_family == AF_INET6)
		((struct sockaddr_in6 *)ai->ai_addr)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)ai->ai_addr)->sin_port = htons(port);
}

static int get_port(int fd, uint16_t *port)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (getsockname(fd, (struct sockaddr *)&ss, &len))
		return -errno;
	if (ss.ss_family == AF_INET6)
		*port = ntohs(((struct sockaddr_in6 *)&ss)->sin6_port);
	else
		*port = ntohs(((struct sockaddr_in *)&ss)->sin_port);
	return 0;
}

static int listen_one(const struct addrinfo *ai)
{
	int fd, rc, on = 1;

	fd = sock_new(ai);
	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* IPv4 has a socket of its own. */
	if (ai->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	rc = -errno;
	close(fd);
	return rc;
}

/*
 * Opens the first usable address of each family, all on one port. A family
 * that the host does not have is not an error as long as one works.
 */
static int listen_all(struct addrinfo *list, int *fds, unsigned int *nr,
		      uint16_t *port)
{
	uint16_t wanted = *port;
	bool have4 = false, have6 = false, *have;
	int fd, rc = -EADDRNOTAVAIL;

	*nr = 0;
	for (struct addrinfo *ai = list; ai; ai = ai->ai_next) {
		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		have = ai->ai_family == AF_INET ? &have4 : &have6;
		if (*have || *nr == VMMIG_MAX_LISTEN)
			continue;
		set_port(ai, *port);
		fd = listen_one(ai);
		if (fd == -EADDRINUSE) {
			rc = fd;
			goto close_all;
		}
		if (fd < 0) {
			rc = fd;
			continue;
		}
		fds[(*nr)++] = fd;
		*have = true;
		if (!*port && get_port(fd, port)) {
			rc = -EIO;
			goto close_all;
		}
	}
	if (*nr)
		return 0;

close_all:
	sock_close_all(fds, *nr);
	*nr = 0;
	*port = wanted;
	return rc;
}

int vmmig_sock_listen(const char *host, const char *port, int *fds,
		      unsigned int *nr_fds, uint16_t *bound_port,
		      struct vmmig_error *err)
{
	struct addrinfo *list;
	uint16_t wanted = 0;
	int rc, tries;

	rc = sock_resolve(host, port, AI_PASSIVE, &list, err);
	if (rc)
		return rc;
	/* getaddrinfo() has turned a service name into a number. */
	if (list->ai_family == AF_INET6)
		wanted = ntohs(((struct sockaddr_in6 *)list->ai_addr)->sin6_port);
	else if (list->ai_family == AF_INET)
		wanted = ntohs(((struct sockaddr_in *)list->ai_addr)->sin_port);

	tries = wanted ? 1 : PORT_TRIES;
	do {
		*bound_port = wanted;
		rc = listen_all(list, fds, nr_fds, bound_port);
	} while (rc == -EADDRINUSE && --tries);
	freeaddrinfo(list);
	if (!rc)
		return 0;

	if (rc == -EADDRINUSE)
		return vmmig_fail(err, rc, "port %s: is in use; choose another, or 0 for any",
				  port);
	if (rc == -EADDRNOTAVAIL)
		return vmmig_fail(err, rc, "address %s: does not belong to this host",
				  host ? host : "*");
	return vmmig_fail(err, rc, "address %s port %s: cannot listen: %s",
			  host ? host : "*", port, strerror(-rc));
}
