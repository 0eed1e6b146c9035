// SPDX-License-Identifier: GPL-2.0
/*
 * Plays the module for tests of vmmigctl: the functions of lib/nl*.c with a
 * session 7 that goes one state further with every event.
 *
 * VMMIG_FAKE says how it goes: good, failed, cancelled; none (no sessions), lost (events
 * get lost), silent (none come), denied (requests are refused).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmmig.h"

#define ID	7

struct vmmig_nl {
	int fd;
	bool hold;
	struct vmmig_session s;
};

static const char *how(void)
{
	const char *text = getenv("VMMIG_FAKE");

	return text ? text : "good";
}

static bool is(const char *text)
{
	return !strcmp(how(), text);
}

static void make_session(struct vmmig_nl *nl)
{
	struct vmmig_session *s = &nl->s;

	memset(s, 0, sizeof(*s));
	s->id = ID;
	s->streams = 2;
	s->tracking = VMMIG_TRACKING_RING;
	s->rate_limit = 100 << 20;
	s->hello_ns = 1234567;
	strcpy(s->name, "vm \"1\"");
	s->stats.ram_pages = 262144;
	s->stats.pass = 1;
	s->stats.bytes_rate = 1 << 30;
	s->stats.bytes = 3ULL << 30;
}

static void advance(struct vmmig_session *s)
{
	bool source = s->role == VMMIG_ROLE_SOURCE;

	s->stats.elapsed_ns += 1000000000;
	switch (s->state) {
	case VMMIG_STATE_CONNECTING:
		s->state = VMMIG_STATE_BULK;
		s->stats.pass_planned = 1000;
		s->stats.pass_pages = 250;
		break;
	case VMMIG_STATE_BULK:
		s->state = VMMIG_STATE_ITERATING;
		s->stats.pass = 2;
		s->stats.scan_ns = 20000000;
		s->stats.pages_remaining = 1000;
		if (is("failed")) {
			s->state = VMMIG_STATE_FAILED;
			s->error = -EPIPE;
			strcpy(s->reason, "the peer went away");
		}
		if (is("cancelled"))
			s->state = VMMIG_STATE_CANCELLED;
		break;
	case VMMIG_STATE_LISTENING:
		s->state = VMMIG_STATE_RECEIVING;
		break;
	default:
		s->state = source ? VMMIG_STATE_DONE : VMMIG_STATE_COMPLETE;
		s->stats.final_ns = 30000000;
		s->stats.final_scan_ns = 10000000;
		break;
	}
}

int vmmig_nl_open(struct vmmig_nl **out, struct vmmig_error *err)
{
	struct vmmig_nl *nl = calloc(1, sizeof(*nl));

	if (!nl)
		return vmmig_fail(err, -ENOMEM, "out of memory");
	nl->fd = -1;
	make_session(nl);
	*out = nl;
	return 0;
}

void vmmig_nl_close(struct vmmig_nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	free(nl);
}

static int denied(struct vmmig_error *err)
{
	return vmmig_fail(err, -EPERM, "session %u: no permission", ID);
}

static int check(uint32_t id, struct vmmig_error *err)
{
	if (is("denied"))
		return denied(err);
	if (id != ID)
		return vmmig_fail(err, -ENOENT, "session %u: does not exist",
				  id);
	return 0;
}

/* What the module would get is told on stderr, for the test to compare. */
static int start(struct vmmig_nl *nl, const struct vmmig_start *st,
		 uint32_t *id, struct vmmig_error *err)
{
	char stream;

	if (is("denied"))
		return denied(err);
	fprintf(stderr, "start name=%s vm=%d tracking=%s rate=%llu\n",
		st->name ? st->name : "-", st->vm_fd >= 0,
		vmmig_tracking_name(st->tracking),
		(unsigned long long)st->rate_limit);
	for (unsigned int i = 0; i < st->nr_blocks; i++)
		fprintf(stderr, "block %s %s %lld\n", st->blocks[i].id,
			(fcntl(st->blocks[i].fd, F_GETFL) & O_ACCMODE) ==
				O_RDONLY ? "ro" : "rw",
			(long long)lseek(st->blocks[i].fd, 0, SEEK_END));

	/* The module's hello: each end says on each stream which it is. */
	for (unsigned int i = 0; i < st->nr_socks; i++) {
		char c = '0' + i;

		if (send(st->socks[i], &c, 1, MSG_NOSIGNAL) != 1)
			return vmmig_fail(err, -EPIPE, "stream %u is closed", i);
	}
	for (unsigned int i = 0; i < st->nr_socks; i++) {
		if (recv(st->socks[i], &stream, 1, 0) != 1)
			stream = '-';
		fprintf(stderr, "stream %u got %c\n", i, stream);
	}
	*id = nl->s.id;
	return 0;
}

int vmmig_nl_send(struct vmmig_nl *nl, const struct vmmig_start *st,
		  uint32_t *id, struct vmmig_error *err)
{
	nl->s.role = VMMIG_ROLE_SOURCE;
	nl->s.state = VMMIG_STATE_CONNECTING;
	return start(nl, st, id, err);
}

int vmmig_nl_receive(struct vmmig_nl *nl, const struct vmmig_start *st,
		     uint32_t *id, struct vmmig_error *err)
{
	nl->s.role = VMMIG_ROLE_DESTINATION;
	nl->s.state = VMMIG_STATE_LISTENING;
	return start(nl, st, id, err);
}

int vmmig_nl_set_rate(struct vmmig_nl *nl, uint32_t id, uint64_t rate,
		      struct vmmig_error *err)
{
	(void)nl;
	fprintf(stderr, "rate %llu\n", (unsigned long long)rate);
	return check(id, err);
}

int vmmig_nl_finalize(struct vmmig_nl *nl, uint32_t id, bool hold,
		      struct vmmig_error *err)
{
	nl->s.state = VMMIG_STATE_STOPPED;
	if (hold)
		nl->s.state = VMMIG_STATE_SYNCED;
	return check(id, err);
}

int vmmig_nl_cancel(struct vmmig_nl *nl, uint32_t id, struct vmmig_error *err)
{
	(void)nl;
	return check(id, err);
}

int vmmig_nl_get(struct vmmig_nl *nl, uint32_t id, struct vmmig_session *s,
		 struct vmmig_error *err)
{
	int rc = check(id, err);

	/* Where no event tells, asking has to. */
	if (!rc && nl->fd >= 0 && (is("lost") || is("silent")))
		advance(&nl->s);
	*s = nl->s;
	return rc;
}

int vmmig_nl_dump(struct vmmig_nl *nl, vmmig_session_cb cb, void *arg,
		  struct vmmig_error *err)
{
	if (is("denied"))
		return denied(err);
	if (is("none"))
		return 0;
	nl->s.state = VMMIG_STATE_BULK;
	nl->s.stats.pass_planned = 1000;
	nl->s.stats.pass_pages = 250;
	cb(&nl->s, arg);
	nl->s.id++;
	nl->s.role = VMMIG_ROLE_DESTINATION;
	nl->s.state = VMMIG_STATE_RECEIVING;
	nl->s.name[0] = 0;
	cb(&nl->s, arg);
	return 0;
}

int vmmig_nl_subscribe(struct vmmig_nl *nl, struct vmmig_error *err)
{
	(void)err;
	/* Readable for good: there is always a next event. */
	nl->fd = eventfd(is("silent") ? 0 : 1, EFD_CLOEXEC);
	return 0;
}

int vmmig_nl_event_fd(const struct vmmig_nl *nl)
{
	return nl->fd;
}

int vmmig_nl_events(struct vmmig_nl *nl, vmmig_session_cb cb, void *arg,
		    struct vmmig_error *err)
{
	struct vmmig_session s = nl->s;

	if (is("lost"))
		return vmmig_fail(err, -ENOBUFS, "events were lost");
	/* That of somebody else, which ends before ours. */
	s.id = ID + 1;
	s.state = VMMIG_STATE_FAILED;
	cb(&s, arg);
	advance(&nl->s);
	cb(&nl->s, arg);
	return 0;
}
