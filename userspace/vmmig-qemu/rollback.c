// SPDX-License-Identifier: GPL-2.0
/*
 * Back to where it began. The VM first, then the settings, then the
 * destination: it cannot run its copy without a "commit".
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migration.h"

#define CANCEL_MS	10000
#define REMOVED_MS	15000

static void complain(struct migration *m, const struct vmmig_error *err)
{
	strv_addf(&m->said, "while rolling back: %s", err->text);
}

static bool migration_is_over(void *arg)
{
	struct migration *m = arg;

	return vm_migration_is_idle(m->migration) || m->qmp.gone;
}

/* The device state is of no use any more; 'cont' needs its end. */
static void rollback_migration(struct migration *m)
{
	struct vmmig_error err;
	char *status;

	if (!m->migration[0] || migration_is_over(m))
		return;
	/* A QEMU that does not answer gets to the cancel before the "cont". */
	status = vm_migration_status(&m->qmp, NULL);
	if (status)
		snprintf(m->migration, sizeof(m->migration), "%s", status);
	free(status);
	if (migration_is_over(m))
		return;
	if (qmp_call(&m->qmp, "migrate_cancel", NULL, NULL, &err) ||
	    loop_wait(&m->loop, migration_is_over, m, deadline_in(CANCEL_MS),
		      "QEMU to cancel its migration", &err))
		complain(m, &err);
}

/* QEMU says that its migration is over a moment before it leaves the state. */
static char *rollback_status(struct migration *m)
{
	int64_t deadline = deadline_in(CANCEL_MS);
	char *status = vm_status(&m->qmp);

	while (status && !strcmp(status, "finish-migrate") &&
	       now_ns() < deadline) {
		struct pollfd none = { .fd = -1 };

		poll(&none, 1, 10);
		free(status);
		status = vm_status(&m->qmp);
	}
	return status;
}

/*
 * QEMU let go of the images at the end of the device state, and takes them back
 * when it runs the VM: not one that was paused all the time.
 */
static void rollback_disks(struct migration *m)
{
	struct json_object *args;
	struct vmmig_error err;
	char *status;
	bool stays;
	int ret;

	if (strcmp(m->migration, "completed") || m->qmp.gone)
		return;
	status = rollback_status(m);
	stays = status && !strcmp(status, "postmigrate");
	free(status);
	if (!stays)
		return;
	args = json_object_new_object();
	js_add_bool(args, "active", true);
	ret = qmp_call(&m->qmp, "blockdev-set-active", args, NULL, &err);
	if (ret)
		complain(m, &err);
	strv_addf(&m->said,
		  "the VM stays paused, and QEMU calls that 'postmigrate' now%s; 'cont' resumes it",
		  ret ? ", its disk images are not locked" : "");
}

/* After a cancelled migration QEMU has resumed the VM already. */
static bool rollback_resume(struct migration *m)
{
	struct vmmig_error err = { "" };
	char *status;
	bool running;

	if (!m->stopped) {
		rollback_disks(m);
		return true;
	}
	status = rollback_status(m);
	running = status && !strcmp(status, "running");
	if (status && !strcmp(status, "shutdown")) {
		strv_addf(&m->said, "the guest has shut down meanwhile; it is not resumed");
		free(status);
		m->stopped = false;
		return true;
	}
	if (!running) {
		if (qmp_call_timeout(&m->qmp, "cont", NULL, 30000, NULL,
				     &err)) {
			complain(m, &err);
			free(status);
			return false;
		}
		free(status);
		status = vm_status(&m->qmp);
		running = status && !strcmp(status, "running");
	}
	if (!running)
		strv_addf(&m->said, "while rolling back: the VM is in state '%s'",
			  status ? status : "?");
	free(status);
	m->stopped = !running;
	return running;
}

/* Skips what else it still had to say. */
static bool peer_removed(void *arg)
{
	struct migration *m = arg;

	while (peer_has(&m->peer) && m->peer.frame.msg) {
		m->removed |= !strcmp(m->peer.frame.type, "removed");
		peer_next(&m->peer);
	}
	return m->removed || m->peer.gone;
}

bool rollback_removed(struct migration *m, struct vmmig_error *err)
{
	int ret = loop_wait(&m->loop, peer_removed, m, deadline_in(REMOVED_MS),
			    "the destination to remove its part", err);

	return !ret && m->removed;
}

void rollback_destination(struct migration *m)
{
	struct vmmig_error err = { "" };

	if (!m->peer.loop)
		return;
	if (!m->peer.gone)
		peer_send(&m->peer, "abort", NULL, &err);
	err.text[0] = '\0';
	if (!rollback_removed(m, &err) && err.text[0])
		complain(m, &err);
	else if (!m->removed && m->t.prepared)
		strv_addf(&m->said,
			  "while rolling back: %s cannot be reached; its vmmig-qemu removes what it made, unless it was killed",
			  m->peer.name);
}

bool rollback_source(struct migration *m)
{
	struct vmmig_error err;
	bool as_before;

	m->loop.shielded = true;
	if (m->session && !vmmig_state_ended(m->s.state)) {
		int ret = vmmig_nl_cancel(m->nl, m->session, &err);

		/* It may have ended by itself just now. */
		if (ret && ret != -EALREADY)
			complain(m, &err);
	}
	/* A QEMU that still writes its state answers nothing until that ends. */
	devstate_close(&m->state);
	rollback_migration(m);
	as_before = rollback_resume(m);
	if (m->source.vm && !m->qmp.gone && source_restore(&m->source, &err))
		complain(m, &err);
	return as_before && !m->qmp.gone;
}
