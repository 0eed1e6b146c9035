// SPDX-License-Identifier: GPL-2.0
/*
 * From stopping the VM to its running at the destination. Everything here is
 * downtime: all connections exist, nothing is started, nothing sleeps.
 *
 *	stop; final sync and device state at the same time
 *	confirming scan, so that also what the device state wrote is there
 *	destination loads the device state, "ready"
 *	"commit": from here on this side never resumes the VM by itself
 *	"running"
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migration.h"

#define STOP_MS		30000
#define FINAL_MS	600000
#define CONFIRM_MS	60000
#define READY_MS	180000
#define RUNNING_MS	60000

/* Did somebody else pause or end the VM meanwhile? */
static int handover_status(struct migration *m, struct vmmig_error *err)
{
	char *status = vm_status(&m->qmp);
	int ret = 0;

	if (!status)
		ret = vmmig_fail(err, -EREMOTEIO, "%s does not tell its status",
				 m->qmp.name);
	else if (!strcmp(status, "paused"))
		m->vm.running = false;
	else if (strcmp(status, "running"))
		ret = vmmig_fail(err, -EREMOTEIO,
				 "the VM came into state '%s' meanwhile",
				 status);
	else
		m->vm.running = true;
	free(status);
	return ret;
}

static int handover_stop(struct migration *m, struct vmmig_error *err)
{
	struct vmmig_error unused;
	int ret;

	m->step = "stopping the VM";
	ret = handover_status(m, err);
	if (ret)
		return ret;
	/* What is left is short, and the VM stands still for it. */
	if (m->o->bandwidth)
		vmmig_nl_set_rate(m->nl, m->session, 0, &unused);
	m->t.stop = now_ns();
	if (m->vm.running) {
		m->stopped = true;
		ret = qmp_call_timeout(&m->qmp, "stop", NULL, STOP_MS, NULL,
				       err);
		if (ret)
			return ret;
	}
	m->t.stopped = now_ns();
	return step_done(m->o->fail_at, STEP_STOP, err);
}

static bool state_is_saved(struct migration *m)
{
	return m->state.eof && !strcmp(m->migration, "completed") &&
		qmp_replied(&m->qmp, m->migrate_id);
}

static bool save_failed(const struct migration *m)
{
	return m->state.failed || !strcmp(m->migration, "failed") ||
		!strcmp(m->migration, "cancelled");
}

static bool trouble(struct migration *m)
{
	return m->qmp.gone || session_is_broken(m) || save_failed(m) ||
		peer_has(&m->peer);
}

static int explain_trouble(struct migration *m, struct vmmig_error *err)
{
	struct json_object *info = NULL;

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
			   status, desc ? desc : "no reason given");
		free(status);
		json_object_put(info);
		return -EIO;
	}
	if (m->peer.frame.msg)
		return vmmig_fail(err, -EBADMSG, "%s sent '%.40s' unasked",
				  m->peer.name, m->peer.frame.type);
	*err = m->peer.why;
	return -ECONNRESET;
}

static bool is_frozen(void *arg)
{
	struct migration *m = arg;

	if (!m->t.synced && m->s.state == VMMIG_STATE_SYNCED)
		m->t.synced = now_ns();
	if (!m->t.saved && state_is_saved(m))
		m->t.saved = now_ns();
	return (m->t.synced && m->t.saved) || trouble(m) ||
		qmp_refused(&m->qmp, m->migrate_id);
}

static int handover_migrate_reply(struct migration *m, struct vmmig_error *err)
{
	int ret;

	if (!m->migrate_id || !qmp_replied(&m->qmp, m->migrate_id))
		return 0;
	ret = qmp_take(&m->qmp, m->migrate_id, NULL, err);
	m->migrate_id = 0;
	return ret;
}

static int handover_freeze(struct migration *m, struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();
	int ret;

	m->step = "final sync and device state";
	js_add_str(args, "uri", "fd:" DEVSTATE_FDNAME);
	snprintf(m->migration, sizeof(m->migration), "asked");
	ret = qmp_send(&m->qmp, "migrate", args, -1, &m->migrate_id, err);
	if (ret)
		return ret;
	ret = vmmig_nl_finalize(m->nl, m->session, true, err);
	if (ret)
		return ret;
	ret = loop_wait(&m->loop, is_frozen, m, deadline_in(FINAL_MS),
			"the final sync and the device state", err);
	if (ret)
		return ret;
	ret = handover_migrate_reply(m, err);
	if (ret)
		return ret;
	if (trouble(m))
		return explain_trouble(m, err);
	m->t.frozen = now_ns();
	m->state_bytes = m->state.bytes;
	ret = step_done(m->o->fail_at, STEP_FINAL, err);
	return ret ? ret : step_done(m->o->fail_at, STEP_DEVSTATE, err);
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
	if (!ret)
		ret = loop_wait(&m->loop, is_done, m, deadline_in(CONFIRM_MS),
				"the confirming scan", err);
	if (!ret && m->s.state != VMMIG_STATE_DONE)
		ret = explain_trouble(m, err);
	m->t.done = now_ns();
	return ret;
}

static int handover_load(struct migration *m, struct vmmig_error *err)
{
	struct json_object *msg = json_object_new_object();
	int ret;

	m->step = "loading the device state";
	js_add_int(msg, "size", m->state_bytes);
	ret = peer_send(&m->peer, "load", msg, err);
	if (!ret)
		ret = step_done(m->o->fail_at, STEP_LOAD, err);
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
	struct buf out = { 0 };
	int ret;

	m->step = "hook";
	hook_environment(m);
	ret = program_run(argv, &out, 64 << 10, m->o->hook_timeout_s * 1000);
	if (out.len)
		fwrite(out.data, 1, out.len, stderr);
	buf_free(&out);
	m->t.hook = now_ns();
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
	/* Nothing was said yet: this is the last moment to go back. */
	loop_poll(&m->loop);
	if (peer_has(&m->peer))
		return explain_trouble(m, err);
	ret = loop_cancelled(&m->loop, err);
	if (ret)
		return ret;
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

int handover_run(struct migration *m, struct vmmig_error *err)
{
	int ret = handover_stop(m, err);

	if (!ret)
		ret = handover_freeze(m, err);
	if (!ret)
		ret = handover_confirm(m, err);
	if (!ret)
		ret = handover_load(m, err);
	if (!ret && m->o->hook_stopped)
		ret = handover_hook(m, err);
	if (!ret)
		ret = handover_commit(m, err);
	return ret;
}
