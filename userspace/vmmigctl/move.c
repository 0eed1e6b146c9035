// SPDX-License-Identifier: GPL-2.0
/* What send and receive have in common. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "move.h"
#include "print.h"

#define MAX_TIMEOUT	(7 * 24 * 3600)

void move_init(struct move *m)
{
	memset(m, 0, sizeof(*m));
	m->vm_fd = -1;
	m->nr_streams = 1;
	m->timeout_ms = -1;
	for (int i = 0; i < VMMIG_MAX_STREAMS; i++)
		m->socks[i] = -1;
	m->start.vm_fd = -1;
}

void move_cleanup(struct move *m)
{
	for (int i = 0; i < VMMIG_MAX_STREAMS; i++)
		if (m->socks[i] >= 0)
			close(m->socks[i]);
	if (m->start.vm_fd >= 0)
		close(m->start.vm_fd);
	ram_set_close(&m->ram);
}

static int load_token(struct ctl *ctl, struct move *m, const char *path)
{
	struct stat st;
	int rc;

	rc = vmmig_token_load(path, m->token, &ctl->err);
	if (rc)
		return ctl_failed(ctl, rc);
	m->have_token = true;
	if (strcmp(path, "-") && !stat(path, &st) && st.st_mode & 077)
		fprintf(stderr, "vmmigctl: token file %s: others can read it; run \"chmod 600 %s\"\n",
			path, path);
	return 0;
}

int move_option(struct ctl *ctl, struct move *m, enum move_opt opt,
		const char *arg, bool source)
{
	unsigned int v;
	int rc = 0;

	switch (opt) {
	case MOVE_NAME:
		m->name = arg;
		if (strlen(arg) > 63)
			return ctl_usage(ctl, "the name is longer than 63 bytes");
		break;
	case MOVE_PID:
		rc = ctl_parse_uint("--pid", arg, 1, INT_MAX, &m->pid,
				    &ctl->err);
		break;
	case MOVE_VM_FD:
		rc = ctl_parse_uint("--vm-fd", arg, 0, INT_MAX, &v,
				    &ctl->err);
		if (!rc)
			m->vm_fd = v;
		break;
	case MOVE_RAM:
		rc = ram_set_add(&m->ram, arg, !source, &ctl->err);
		break;
	case MOVE_STREAMS:
		rc = ctl_parse_uint("--streams", arg, 1, VMMIG_MAX_STREAMS,
				    &m->nr_streams, &ctl->err);
		break;
	case MOVE_TOKEN_FILE:
		return load_token(ctl, m, arg);
	case MOVE_TIMEOUT:
		rc = ctl_parse_uint("--timeout", arg, 1, MAX_TIMEOUT, &v,
				    &ctl->err);
		if (!rc)
			m->timeout_ms = v * 1000;
		break;
	case MOVE_WAIT:
		m->wait = true;
		break;
	default:
		break;
	}
	return rc ? ctl_usage(ctl, "%s", ctl->err.text) : 0;
}

static int open_vm(struct ctl *ctl, struct move *m)
{
	int fd = -1;

	if (m->vm_fd >= 0) {
		fd = fcntl(m->vm_fd, F_DUPFD_CLOEXEC, 3);
		if (fd < 0)
			return vmmig_fail(&ctl->err, -errno, "--vm-fd: descriptor %d was not handed to vmmigctl",
					  m->vm_fd);
	} else if (m->pid) {
		fd = vmmig_fd_find_vm(m->pid, &ctl->err);
		if (fd >= 0)
			fd = vmmig_fd_steal(m->pid, fd, &ctl->err);
		if (fd < 0)
			return fd;
	}
	m->start.vm_fd = fd;
	return 0;
}

int move_check(struct ctl *ctl, const struct move *m)
{
	if (!m->ram.nr)
		return ctl_usage(ctl, "no RAM block is given, use --ram");
	if (m->pid && m->vm_fd >= 0)
		return ctl_usage(ctl, "give either --pid or --vm-fd");
	return 0;
}

int move_open(struct ctl *ctl, struct move *m, bool source)
{
	int rc;

	rc = ram_set_open(&m->ram, !source, &ctl->err);
	if (!rc)
		rc = open_vm(ctl, m);
	if (rc)
		return ctl_failed(ctl, rc);

	m->start.name = m->name;
	m->start.blocks = m->ram.blocks;
	m->start.nr_blocks = m->ram.nr;
	m->start.socks = m->socks;
	m->start.nr_socks = m->nr_streams;
	return 0;
}

int move_started(struct ctl *ctl, struct move *m, struct vmmig_nl *nl,
		 uint32_t id, int rc)
{
	bool wait = m->wait;

	if (rc)
		return ctl_failed(ctl, rc);
	/*
	 * The module has its own references. Ours would keep the VM and the
	 * connection alive after everybody else let go of them.
	 */
	ram_set_keep(&m->ram);
	move_cleanup(m);
	move_init(m);
	ctl->print->started(id);
	return wait ? ctl_follow(ctl, nl, id, CTL_UNTIL_END) : CTL_OK;
}
