// SPDX-License-Identifier: GPL-2.0
/* The destination from the device state to the running VM. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "receiver.h"

#define COMPLETE_MS	120000
#define LOAD_MS		120000

/*
 * Device state comes in parts, before "hold" for QEMU to read at once, after it
 * for the time when RAM is complete. "load" says that there is no more.
 */
int receive_state(struct receiver *r, struct vmmig_error *err)
{
	for (;;) {
		const struct frame *f = &r->peer.frame;
		int ret = receive_order(r, 0, err);

		if (ret)
			return ret;
		if (!strcmp(f->type, "load")) {
			int64_t size = js_int(f->msg, "size", -1);

			peer_next(&r->peer);
			if (size == (int64_t)r->state.bytes)
				return 0;
			return vmmig_fail(err, -EBADMSG,
					  "the device state has %llu bytes, the source sent %lld",
					  (unsigned long long)r->state.bytes,
					  (long long)size);
		}
		if (!strcmp(f->type, "hold")) {
			devstate_hold(&r->state);
		} else if (!strcmp(f->type, "state")) {
			ret = devstate_take(&r->state, f->blob, f->blob_len,
					    err);
			if (ret)
				return ret;
		} else {
			return vmmig_fail(err, -EBADMSG,
					  "unexpected order '%.40s'", f->type);
		}
		peer_next(&r->peer);
	}
}

static bool ram_is_complete(void *arg)
{
	struct receiver *r = arg;

	return r->s.state == VMMIG_STATE_COMPLETE || receive_is_broken(r) ||
		r->peer.gone;
}

static bool load_is_over(void *arg)
{
	struct receiver *r = arg;

	return !strcmp(r->migration, "completed") || receive_is_broken(r) ||
		r->peer.gone;
}

int receive_load(struct receiver *r, struct vmmig_error *err)
{
	int64_t start = now_ns(), complete;
	struct json_object *msg;
	int ret;

	/* It reads rings in guest RAM, so that must be there first. */
	ret = loop_wait(&r->loop, ram_is_complete, r, deadline_in(COMPLETE_MS),
			"the end of the RAM session", err);
	if (!ret && receive_is_broken(r))
		ret = receive_explain(r, err);
	if (!ret && r->s.state != VMMIG_STATE_COMPLETE) {
		*err = r->peer.why;
		ret = -ECONNRESET;
	}
	if (ret)
		return ret;
	complete = now_ns();
	ret = devstate_finish(&r->state, err);
	if (!ret)
		ret = loop_wait(&r->loop, load_is_over, r, deadline_in(LOAD_MS),
				"QEMU to load the device state", err);
	if (ret)
		return ret;
	if (receive_is_broken(r))
		return receive_explain(r, err);
	if (strcmp(r->migration, "completed")) {
		*err = r->peer.why;
		return -ECONNRESET;
	}
	ret = step_done(r->plan.fail_at, STEP_LOAD, err);
	if (ret)
		return ret;
	msg = json_object_new_object();
	js_add_int(msg, "wait-us", (complete - start) / NSEC_PER_USEC);
	js_add_int(msg, "load-us", (now_ns() - complete) / NSEC_PER_USEC);
	js_add_int(msg, "cpu-us", r->s.stats.cpu_ns / NSEC_PER_USEC);
	js_add_int(msg, "pages-data", r->s.stats.pages_data);
	js_add_int(msg, "pages-zero", r->s.stats.pages_zero);
	ret = peer_send(&r->peer, "ready", msg, err);
	return ret ? ret : step_done(r->plan.fail_at, STEP_READY, err);
}

int receive_commit(struct receiver *r, bool *run, struct vmmig_error *err)
{
	int ret = receive_order(r, deadline_in(r->plan.commit_timeout_ms), err);

	if (ret)
		return ret;
	if (strcmp(r->peer.frame.type, "commit"))
		return vmmig_fail(err, -EBADMSG, "unexpected order '%.40s'",
				  r->peer.frame.type);
	ret = step_done(r->plan.fail_at, STEP_TAKE, err);
	if (ret)
		return ret;
	/* It may have come together with the news that QEMU is gone. */
	if (receive_is_broken(r))
		return receive_explain(r, err);
	*run = js_bool(r->peer.frame.msg, "run");
	r->committed = true;
	r->loop.shielded = true;
	target_let_go(&r->target);
	peer_next(&r->peer);
	return 0;
}

static void announce(struct receiver *r)
{
	struct json_object *args = json_object_new_object();
	struct vmmig_error err;

	js_add_int(args, "initial", 50);
	js_add_int(args, "max", 550);
	js_add_int(args, "rounds", ANNOUNCE_ROUNDS);
	js_add_int(args, "step", 100);
	qmp_call(&r->target.qmp, "announce-self", args, NULL, &err);
}

int receive_resume(struct receiver *r, bool run, struct vmmig_error *err)
{
	struct vmmig_error unused;
	struct json_object *msg;
	int64_t start = now_ns();
	int ret;

	ret = step_done(r->plan.fail_at, STEP_COMMIT, err);
	if (ret)
		return ret;
	/* A VM that stays paused has to be there, too. */
	ret = qmp_call_timeout(&r->target.qmp, run ? "cont" : "query-status",
			       NULL, 30000, NULL, err);
	if (ret)
		return ret;
	msg = json_object_new_object();
	js_add_int(msg, "cont-us", (now_ns() - start) / NSEC_PER_USEC);
	ret = peer_send(&r->peer, "running", msg, err);
	if (run)
		announce(r);
	receive_set_migration(r, false, &unused);
	return ret;
}
