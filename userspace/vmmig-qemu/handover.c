// SPDX-License-Identifier: GPL-2.0
/*
 * From the decision to stop the VM to its running at the destination. All that
 * is possible is done while it still runs, and nothing sleeps afterwards.
 *
 *	QEMU's own migration begins: setup and blocks that are not shared
 *	QEMU stops the VM, drains its disks and waits: the downtime begins
 *	final sync and device state at the same time
 *	confirming scan, so that also what the device state wrote is there,
 *	while the rest of the state is on its way
 *	destination loads it as soon as RAM is complete there, "ready"
 *	"commit": from here on this side never resumes the VM by itself, unless
 *	the destination says that it did not take it ("removed")
 *	"running"
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "hotplug.h"
#include "migration.h"

/* QEMU may wait so long for its rest to get small, then for any rest. */
#define SETTLE_MS	1000
#define STOP_MS		60000
#define FINAL_MS	600000
#define CONFIRM_MS	60000
#define READY_MS	180000
#define RUNNING_MS	60000

/* Ours has not begun: does somebody else migrate the VM, or write a snapshot? */
static int handover_alone(struct migration *m, struct vmmig_error *err)
{
	char *status = vm_migration_status(&m->qmp, NULL);
	int ret = 0;

	if (!status || !vm_migration_is_idle(status))
		ret = vmmig_fail(err, -EBUSY,
				 "QEMU has a migration of somebody else's in state '%s'; wait for its end and start again",
				 status ? status : "?");
	free(status);
	return ret;
}

/* Did somebody else pause, end or change the VM meanwhile? */
static int handover_status(struct migration *m, struct vmmig_error *err)
{
	char *status = vm_status(&m->qmp);
	int ret = 0;

	if (!status)
		ret = vmmig_fail(err, -EREMOTEIO, "%s does not tell its status",
				 m->qmp.name);
	else if (!strcmp(status, "paused")) {
		if (m->vm.running)
			progress_warn(m, "somebody has paused the VM, so it arrives paused");
		m->vm.running = false;
	} else if (strcmp(status, "running"))
		ret = vmmig_fail(err, -EREMOTEIO,
				 "the VM came into state '%s' meanwhile",
				 status);
	else
		m->vm.running = true;
	free(status);
	if (!ret)
		ret = handover_alone(m, err);
	if (!ret)
		ret = check_disks_again(&m->vm, &m->plan.argv, err);
	return ret ? ret : hotplug_check(&m->qmp, &m->plan.argv, err);
}

static bool state_is_saved(struct migration *m)
{
	if (strcmp(m->migration, "completed"))
		return false;
	devstate_drain(&m->state);
	return true;
}

static bool save_failed(const struct migration *m)
{
	return m->state.failed || !strcmp(m->migration, "failed") ||
		!strcmp(m->migration, "cancelled");
}

/* "ready" may come before our kernel has told that all is confirmed. */
static bool is_ready(const struct migration *m)
{
	return m->load_sent && m->peer.frame.msg &&
		!strcmp(m->peer.frame.type, "ready");
}

static bool trouble(struct migration *m)
{
	return m->qmp.gone || session_is_broken(m) || save_failed(m) ||
		m->meddled ||
		qmp_refused(&m->qmp, m->migrate_id) ||
		qmp_refused(&m->qmp, m->continue_id) ||
		(peer_has(&m->peer) && !is_ready(m));
}

/* A command that was refused says more than what follows from it. */
static int take_refusal(struct migration *m, unsigned int *id,
			struct vmmig_error *err)
{
	int ret = 0;

	if (qmp_refused(&m->qmp, *id)) {
		ret = qmp_take(&m->qmp, *id, NULL, err);
		*id = 0;
	}
	return ret;
}

static int explain_trouble(struct migration *m, struct vmmig_error *err)
{
	struct json_object *info = NULL;
	int ret = take_refusal(m, &m->migrate_id, err);

	if (ret) {
		/* None of ours has begun: there is nothing to cancel or resume. */
		m->migration[0] = '\0';
		m->stopped = false;
		return ret;
	}
	ret = take_refusal(m, &m->continue_id, err);
	if (ret)
		return ret;
	if (m->peer.frame.msg && !strcmp(m->peer.frame.type, "error"))
		return peer_error(&m->peer, err);
	if (session_is_broken(m))
		return session_explain(m, err);
	if (m->qmp.gone) {
		*err = m->qmp.why;
		return -ECONNRESET;
	}
	if (m->state.failed) {
		*err = m->state.why;
		return -EIO;
	}
	if (save_failed(m)) {
		char *status = vm_migration_status(&m->qmp, &info);
		const char *desc = js_str(info, "error-desc");

		vmmig_fail(err, 0, "QEMU could not save the device state (%s): %s",
			   status ? status : "?", desc ? desc : "no reason given");
		free(status);
		json_object_put(info);
		return -EIO;
	}
	if (m->meddled)
		return vmmig_fail(err, -EREMOTEIO,
				  "the VM was %s while it was handed over, so its copy is out of date; start again",
				  m->meddled);
	if (m->peer.frame.msg)
		return vmmig_fail(err, -EBADMSG, "%s sent '%.40s' unasked",
				  m->peer.name, m->peer.frame.type);
	*err = m->peer.why;
	return -ECONNRESET;
}

static bool is_switched(void *arg)
{
	struct migration *m = arg;

	return !strcmp(m->migration, "pre-switchover") ||
		!strcmp(m->migration, "completed") || trouble(m);
}

/* The VM runs on until QEMU has little left and stops it by itself. */
static int handover_switch(struct migration *m, struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();
	int ret;

	m->step = "preparing the source";
	/* Late, as they hold for whatever else is done with this QEMU meanwhile. */
	ret = source_prepare(&m->source, err);
	if (ret) {
		json_object_put(args);
		return ret;
	}
	m->step = "starting QEMU's migration";
	js_add_str(args, "uri", "fd:" DEVSTATE_FDNAME);
	snprintf(m->migration, sizeof(m->migration), "asked");
	m->t.migrate = now_ns();
	m->stopped = m->vm.running;
	ret = qmp_send(&m->qmp, "migrate", args, -1, &m->migrate_id, err);
	if (!ret)
		ret = step_done(m->o->fail_at, STEP_MIGRATE, err);
	if (ret)
		return ret;
	m->step = "stopping the VM";
	ret = loop_wait(&m->loop, is_switched, m, deadline_in(SETTLE_MS),
			"QEMU to stop the VM", err);
	if (ret == -ETIMEDOUT) {
		ret = source_switch_now(&m->source, err);
		if (!ret)
			ret = loop_wait(&m->loop, is_switched, m,
					deadline_in(STOP_MS),
					"QEMU to stop the VM", err);
	}
	if (!ret && trouble(m))
		ret = explain_trouble(m, err);
	if (!ret && !m->t.stopped)
		ret = vmmig_fail(err, -EREMOTEIO,
				 "QEMU did not wait before the switchover; somebody has changed its capabilities meanwhile");
	if (ret)
		return ret;
	/* A VM that was paused is not stopped again. */
	if (!m->t.stop)
		m->t.stop = m->t.stopped;
	return step_done(m->o->fail_at, STEP_STOP, err);
}

static bool is_frozen(void *arg)
{
	struct migration *m = arg;

	if (!m->t.synced && m->s.state == VMMIG_STATE_SYNCED)
		m->t.synced = now_ns();
	if (!m->t.saved && state_is_saved(m))
		m->t.saved = now_ns();
	return (m->t.synced && m->t.saved) || trouble(m);
}

/*
 * vCPUs stand still and the disks are drained. What saving the device state
 * still writes to RAM is found by the confirming scan.
 */
static int handover_freeze(struct migration *m, struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();
	struct vmmig_error unused;
	int ret;

	m->step = "final sync and device state";
	js_add_str(args, "state", "pre-switchover");
	ret = peer_send(&m->peer, "hold", NULL, err);
	if (!ret)
		ret = qmp_send(&m->qmp, "migrate-continue", args, -1,
			       &m->continue_id, err);
	else
		json_object_put(args);
	if (ret)
		return ret;
	/* What is left is short, and the VM stands still for it. */
	if (m->s.rate_limit)
		vmmig_nl_set_rate(m->nl, m->session, 0, &unused);
	ret = vmmig_nl_finalize(m->nl, m->session, true, err);
	if (!ret)
		ret = loop_wait(&m->loop, is_frozen, m, deadline_in(FINAL_MS),
				"the final sync and the device state", err);
	if (!ret && trouble(m))
		ret = explain_trouble(m, err);
	if (ret)
		return ret;
	m->t.frozen = now_ns();
	m->state_bytes = m->state.bytes;
	ret = step_done(m->o->fail_at, STEP_FINAL, err);
	return ret ? ret : step_done(m->o->fail_at, STEP_DEVSTATE, err);
}

static int send_load(struct migration *m, struct vmmig_error *err)
{
	struct json_object *msg = json_object_new_object();

	js_add_int(msg, "size", m->state_bytes);
	m->load_sent = true;
	return peer_send(&m->peer, "load", msg, err);
}

static bool is_done(void *arg)
{
	struct migration *m = arg;

	return m->s.state == VMMIG_STATE_DONE || trouble(m);
}

static int handover_confirm(struct migration *m, struct vmmig_error *err)
{
	int ret;

	m->step = "confirming scan";
	ret = vmmig_nl_finalize(m->nl, m->session, false, err);
	/*
	 * The destination waits for the end of its RAM session by itself. The
	 * hook comes between the two: loading writes to guest RAM already.
	 */
	if (!ret && !m->o->hook_stopped)
		ret = send_load(m, err);
	if (!ret)
		ret = loop_wait(&m->loop, is_done, m, deadline_in(CONFIRM_MS),
				"the confirming scan", err);
	if (!ret && m->s.state != VMMIG_STATE_DONE)
		ret = explain_trouble(m, err);
	m->t.done = now_ns();
	return ret ? ret : step_done(m->o->fail_at, STEP_CONFIRM, err);
}

static int handover_load(struct migration *m, struct vmmig_error *err)
{
	int ret = 0;

	m->step = "loading the device state";
	if (!m->load_sent)
		ret = send_load(m, err);
	if (!ret)
		ret = step_done(m->o->fail_at, STEP_LOAD, err);
	/*
	 * QEMU takes new devices again, a guest may have let go of one that it
	 * was asked for, and an image can be changed until the disks are given
	 * up. The destination is busy anyway.
	 */
	if (!ret)
		ret = hotplug_check(&m->qmp, &m->plan.argv, err);
	if (!ret)
		ret = check_disks_again(&m->vm, &m->plan.argv, err);
	if (!ret)
		ret = peer_expect(&m->peer, "ready", deadline_in(READY_MS),
				  err);
	if (ret)
		return ret;
	m->t.ready = now_ns();
	m->wait_us = js_int(m->peer.frame.msg, "wait-us", 0);
	m->load_us = js_int(m->peer.frame.msg, "load-us", 0);
	m->dest_cpu_us = js_int(m->peer.frame.msg, "cpu-us", 0);
	peer_next(&m->peer);
	return step_done(m->o->fail_at, STEP_READY, err);
}

static void hook_environment(struct migration *m)
{
	struct strv files = { 0 };
	struct buf text = { 0 };

	/* One line for each block: id, path here, path there. */
	for (unsigned int i = 0; i < m->plan.nr_blocks; i++)
		strv_addf(&files, "%s %s %s\n", m->vm.block[i].id,
			  m->vm.block[i].path, m->plan.block[i].path);
	for (size_t i = 0; i < files.n; i++)
		buf_append(&text, files.v[i], strlen(files.v[i]));
	buf_append(&text, "", 1);
	setenv("VMMIG_RAM", text.data, 1);
	setenv("VMMIG_DESTHOST", m->o->dest, 1);
	strv_free(&files);
	buf_free(&text);
}

/* A test may look at both VMs now; it is no part of the downtime. */
static int handover_hook(struct migration *m, struct vmmig_error *err)
{
	char *argv[] = { "/bin/sh", "-c", (char *)m->o->hook_stopped, NULL };
	int ret;

	m->step = "hook";
	hook_environment(m);
	m->t.hook = now_ns();
	ret = program_run_shown(argv, m->o->hook_timeout_s * 1000);
	m->t.hook_end = now_ns();
	if (!ret)
		return 0;
	/* A terminal's Ctrl-C ends the hook too. */
	if (loop_cancelled(&m->loop, err))
		return -ECANCELED;
	if (ret < 0)
		return vmmig_fail(err, ret, "the hook could not be run to its end: %s",
				  strerror(-ret));
	return vmmig_fail(err, -EIO, "the hook failed with status %d", ret);
}

static int handover_commit(struct migration *m, struct vmmig_error *err)
{
	struct json_object *msg;
	int ret;

	m->step = "commit";
	/* Nothing was said yet: hear all news, then it is the last moment to go back. */
	ret = loop_cancelled(&m->loop, err);
	if (ret)
		return ret;
	if (trouble(m))
		return explain_trouble(m, err);
	m->loop.shielded = true;
	m->committed = true;
	m->t.commit = now_ns();
	msg = json_object_new_object();
	js_add_bool(msg, "run", m->vm.running);
	ret = peer_send(&m->peer, "commit", msg, err);
	if (!ret)
		ret = step_done(m->o->fail_at, STEP_COMMIT, err);
	if (!ret)
		ret = peer_expect(&m->peer, "running", deadline_in(RUNNING_MS),
				  err);
	if (ret)
		return ret;
	m->t.running = now_ns();
	m->cont_us = js_int(m->peer.frame.msg, "cont-us", 0);
	peer_next(&m->peer);
	return 0;
}

/*
 * STOP is said a moment after the vCPUs were stopped. QEMU also counts itself,
 * from before that to the end of the device state.
 */
static void handover_refine(struct migration *m)
{
	struct json_object *info = NULL;
	struct vmmig_error unused;
	int64_t stop;

	if (!m->vm.running)
		return;
	qmp_call(&m->qmp, "query-migrate", NULL, &info, &unused);
	stop = m->t.saved - js_int(info, "downtime", 0) * NSEC_PER_MSEC;
	if (stop < m->t.stop && stop > m->t.migrate)
		m->t.stop = stop;
	json_object_put(info);
}

int handover_run(struct migration *m, struct vmmig_error *err)
{
	int ret;

	m->step = "stopping the VM";
	ret = handover_status(m, err);
	if (!ret)
		ret = handover_switch(m, err);
	if (!ret)
		ret = handover_freeze(m, err);
	if (!ret)
		ret = handover_confirm(m, err);
	if (!ret && m->o->hook_stopped)
		ret = handover_hook(m, err);
	if (!ret)
		ret = handover_load(m, err);
	if (!ret)
		ret = handover_commit(m, err);
	if (!ret)
		handover_refine(m);
	return ret;
}
