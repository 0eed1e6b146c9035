// SPDX-License-Identifier: GPL-2.0
/* A move from file to file over both ends of the module. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

int move_init(struct move *m)
{
	memset(m, 0, sizeof(*m));
	m->streams = 1;
	m->family = AF_INET;
	m->vm_fd = m->dst_vm_fd = -1;
	for (int i = 0; i < STREAMS; i++)
		m->s[i] = m->d[i] = -1;
	return vmmig_nl_open(&m->nl, &m->err);
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void drop_sockets(struct move *m)
{
	for (int i = 0; i < STREAMS; i++) {
		drop(&m->s[i]);
		drop(&m->d[i]);
	}
}

void move_free(struct move *m)
{
	drop_sockets(m);
	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		drop(&m->block[i].src);
		drop(&m->block[i].dst);
	}
	if (m->nl)
		vmmig_nl_close(m->nl);
	m->nl = NULL;
}

unsigned int move_block(struct move *m, const char *id, size_t size)
{
	unsigned int i = m->nr_blocks++;

	m->block[i].id = id;
	m->block[i].size = size;
	m->block[i].src = ram_new(size);
	m->block[i].dst = ram_new(size);
	return i;
}

int move_sockets(struct move *m)
{
	for (unsigned int i = 0; i < m->streams; i++) {
		if (m->s[i] < 0 && tcp_pair(m->family, &m->s[i], &m->d[i]))
			return vmmig_fail(&m->err, -1, "no TCP connection");
	}
	return 0;
}

static void to_start(struct move *m, bool source, struct vmmig_start *st,
		     struct vmmig_block *blocks)
{
	*st = (struct vmmig_start){
		.name = "test",
		.vm_fd = source ? m->vm_fd : m->dst_vm_fd,
		.blocks = blocks,
		.nr_blocks = m->nr_blocks,
		.socks = source ? m->s : m->d,
		.nr_socks = m->streams,
		.tracking = m->tracking,
		.rate_limit = m->rate,
	};
	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		blocks[i].id = m->block[i].id;
		blocks[i].fd = source ? m->block[i].src : m->block[i].dst;
	}
}

int move_receive(struct move *m)
{
	struct vmmig_block blocks[VMMIG_MAX_BLOCKS + 1];
	struct vmmig_start st;

	to_start(m, false, &st, blocks);
	return vmmig_nl_receive(m->nl, &st, &m->dst, &m->err);
}

int move_send(struct move *m)
{
	struct vmmig_block blocks[VMMIG_MAX_BLOCKS + 1];
	struct vmmig_start st;

	to_start(m, true, &st, blocks);
	return vmmig_nl_send(m->nl, &st, &m->src, &m->err);
}

int move_begin(struct move *m)
{
	int rc = move_sockets(m);

	if (!rc)
		rc = move_receive(m);
	if (!rc)
		rc = move_send(m);
	drop_sockets(m);
	return rc;
}

int move_get(struct move *m, uint32_t id, struct vmmig_session *s)
{
	return vmmig_nl_get(m->nl, id, s, &m->err);
}

int move_wait(struct move *m, uint32_t id, unsigned int states)
{
	int64_t end = now_ms() + PATIENCE_MS;
	struct vmmig_session s;

	do {
		if (move_get(m, id, &s))
			return -1;
		if ((states | IN_END) & 1U << s.state) {
			if (s.reason[0])
				vmmig_fail(&m->err, 0, "%s", s.reason);
			return s.state;
		}
		nap(2);
	} while (now_ms() < end);
	return vmmig_fail(&m->err, -1, "session %u stays in state %s", id,
			  vmmig_state_name(s.state));
}

int move_end(struct move *m)
{
	int state = move_wait(m, m->src, IN(BULK) | IN(ITERATING) | IN(SYNCED));

	if (state < 0 || IN_END & 1U << state)
		return -1;
	if (vmmig_nl_finalize(m->nl, m->src, false, &m->err))
		return -1;
	state = move_wait(m, m->src, IN_END);
	if (state != VMMIG_STATE_DONE) {
		printf("# source: %s: %s\n", vmmig_state_name(state), m->err.text);
		return -1;
	}
	state = move_wait(m, m->dst, IN_END);
	if (state != VMMIG_STATE_COMPLETE) {
		printf("# destination: %s: %s\n", vmmig_state_name(state), m->err.text);
		return -1;
	}
	return 0;
}

long move_differs(struct move *m)
{
	long bad = 0, n;

	for (unsigned int i = 0; i < m->nr_blocks; i++) {
		n = ram_differs(m->block[i].src, m->block[i].dst);
		if (n < 0)
			return n;
		bad += n;
	}
	return bad;
}

int move_over(struct move *m)
{
	if (m->src && move_wait(m, m->src, IN_END) < 0)
		return -1;
	if (m->dst && move_wait(m, m->dst, IN_END) < 0)
		return -1;
	return 0;
}
