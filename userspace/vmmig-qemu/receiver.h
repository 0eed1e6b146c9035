/* SPDX-License-Identifier: GPL-2.0 */
/* The destination side of one migration, shared by the files that run it. */
#ifndef RECEIVER_H
#define RECEIVER_H

#include "devstate.h"
#include "step.h"
#include "target.h"

/* QEMU's default. */
#define ANNOUNCE_ROUNDS	5

/**
 * struct receiver - one migration at the destination
 * @session: number of the kernel's session, 0 if there is none
 * @s: what it said last
 * @migration: status of the new QEMU's migration
 * @tls_creds: its parameter of that name, NULL: not set
 * @refused: the failure is a refusal by a check
 * @committed: the VM is ours
 * @abort_asked: the source wants us to end
 */
struct receiver {
	struct loop loop;
	struct peer peer;
	struct plan plan;
	struct target target;
	struct devstate state;
	struct vmmig_nl *nl;
	uint32_t session;
	struct vmmig_session s;
	char migration[32];
	char *tls_creds;
	bool refused;
	bool committed;
	bool abort_asked;
};

/* QEMU or the RAM session has failed; the source is looked at elsewhere. */
bool receive_is_broken(const struct receiver *r);
/* Why. Always an error. */
int receive_explain(struct receiver *r, struct vmmig_error *err);
/* The next order of the source, left in r->peer.frame. */
int receive_order(struct receiver *r, int64_t deadline,
		  struct vmmig_error *err);

/* receive_setup.c: up to a running session */
int receive_checks(struct receiver *r, struct vmmig_error *err);
int receive_setup(struct receiver *r, struct vmmig_error *err);
/* How the new QEMU migrates: as we need it, or as it comes by default. */
int receive_set_migration(struct receiver *r, bool ours,
			  struct vmmig_error *err);

/* receive_load.c: from the device state to the running VM */
int receive_state(struct receiver *r, struct vmmig_error *err);
int receive_load(struct receiver *r, struct vmmig_error *err);
/* @run: shall it run, or stay paused as it was? */
int receive_commit(struct receiver *r, bool *run, struct vmmig_error *err);
int receive_resume(struct receiver *r, bool run, struct vmmig_error *err);

#endif /* RECEIVER_H */
