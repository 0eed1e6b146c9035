/* SPDX-License-Identifier: GPL-2.0 */
/* The source side of one migration, shared by the files that run it. */
#ifndef MIGRATION_H
#define MIGRATION_H

#include "converge.h"
#include "devstate.h"
#include "findings.h"
#include "options.h"
#include "plan.h"
#include "source.h"
#include "step.h"
#include "vm.h"

/* Exit codes, also in --help and in the manual page. */
enum {
	EXIT_MOVED = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_REFUSED = 3,
	EXIT_CANCELLED = 4,
	EXIT_UNKNOWN = 5,
	EXIT_STUCK = 6,
};

/* Moments of now_ns(), 0: never came. */
struct timing {
	int64_t start;
	int64_t checked;
	int64_t prepared;	/* the destination's QEMU waits */
	int64_t connected;	/* the session exists */
	int64_t migrate;	/* QEMU's migration was started */
	int64_t stop;		/* vCPUs stand still, the downtime begins */
	int64_t stopped;	/* disks are drained too */
	int64_t synced;		/* final sync over */
	int64_t saved;		/* device state complete */
	int64_t frozen;		/* both of them */
	int64_t done;		/* confirmed */
	int64_t ready;		/* loaded at the destination */
	int64_t hook;		/* --hook-stopped was run */
	int64_t hook_end;
	int64_t commit;
	int64_t running;	/* the destination said so */
	int64_t end;
};

/**
 * struct migration - all of it
 * @step: what is going on, for messages
 * @session: number of the kernel's session, 0: none
 * @s: what the session said last; @s_changed since it was looked at
 * @migration: status of QEMU's own migration, from its events
 * @migrate_id: number of the 'migrate' command, 0: not sent
 * @continue_id: number of the 'migrate-continue' command, 0: not sent
 * @load_sent: the destination knows all of the device state
 * @meddled: what else was done with the VM after its stop, NULL: nothing
 * @stopped: the VM ran, and is stopped or may be at any moment
 * @committed: 'commit' may have been taken: never resume
 * @refused: a check said no
 * @removed: the destination has said that it removed its part
 * @said: what rolling back had to tell: printed after it, as a terminal that
 *	was stopped would keep the VM stopped too
 * @wait_us, load_us, cont_us, dest_cpu_us: measured by the destination
 */
struct migration {
	const struct options *o;
	struct loop loop;
	struct qmp qmp;
	struct vm vm;
	struct source source;
	struct plan plan;
	struct peer peer;
	struct vmmig_nl *nl;
	struct devstate state;
	struct converge converge;
	struct converge_rules rules;
	struct timing t;
	const char *step;
	uint32_t session;
	struct vmmig_session s;
	bool s_changed;
	char migration[32];
	unsigned int migrate_id;
	unsigned int continue_id;
	bool load_sent;
	const char *meddled;
	bool stopped;
	bool committed;
	bool refused;
	bool removed;
	bool warned;
	struct strv said;
	uint64_t state_bytes;
	int64_t wait_us;
	int64_t load_us;
	int64_t cont_us;
	int64_t dest_cpu_us;
};

/* order.c: what to ask the destination for */
int order_make(struct migration *m, bool check, struct vmmig_error *err);

/* precopy.c: returns 0 when the VM shall be stopped */
int precopy_run(struct migration *m, struct vmmig_error *err);
/* The session ended though nobody asked: say why. */
int session_explain(struct migration *m, struct vmmig_error *err);
bool session_is_broken(const struct migration *m);

/* handover.c: from the stop to the VM running at the destination */
int handover_run(struct migration *m, struct vmmig_error *err);

/* rollback.c: after a failure before the commit; true if the VM is as before */
bool rollback_source(struct migration *m);
void rollback_destination(struct migration *m);
/* Wait until the destination says that its VM is no more, or is gone. */
bool rollback_removed(struct migration *m, struct vmmig_error *err);

/* progress.c */
void progress_show(struct migration *m);
void progress_end(struct migration *m);
__attribute__((format(printf, 2, 3)))
void progress_step(struct migration *m, const char *fmt, ...);
/* Also with --quiet */
void progress_warn(struct migration *m, const char *fmt, ...);

/* report.c */
void report_print(struct migration *m, int code, const char *error);

/* migrate.c */
int migrate_run(const struct options *o);
int migrate_check(const struct options *o);

#endif /* MIGRATION_H */
