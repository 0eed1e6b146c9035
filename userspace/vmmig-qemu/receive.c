// SPDX-License-Identifier: GPL-2.0
/*
 * Until the source says "commit" everything that was created here is removed
 * when anything goes wrong, also when the source just goes away. After it the
 * VM is ours and is never touched again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "receive.h"
#include "receiver.h"

#define PLAN_MS		60000

static bool session_failed(const struct receiver *r)
{
	return r->session && vmmig_state_ended(r->s.state) &&
		r->s.state != VMMIG_STATE_COMPLETE;
}

static bool load_failed(const struct receiver *r)
{
	return !strcmp(r->migration, "failed");
}

/* Something that ends the migration, apart from the source. */
bool receive_is_broken(const struct receiver *r)
{
	return r->target.ended || r->target.qmp.gone || session_failed(r) ||
		load_failed(r);
}

/* Newer versions of QEMU tell the reason here, all of them in their log. */
static int explain_load(struct receiver *r, struct vmmig_error *err)
{
	char *words = target_last_words(&r->target);
	struct json_object *info = NULL;
	const char *desc;

	qmp_call(&r->target.qmp, "query-migrate", NULL, &info, err);
	desc = js_str(info, "error-desc");
	vmmig_fail(err, 0, "QEMU could not load the device state: %s%s%s",
		   desc ? desc : "", desc && *words ? "; " : "", words);
	json_object_put(info);
	free(words);
	return -EIO;
}

int receive_explain(struct receiver *r, struct vmmig_error *err)
{
	if (r->target.ended || r->target.qmp.gone)
		return target_explain(&r->target, err);
	if (load_failed(r))
		return explain_load(r, err);
	return vmmig_fail(err, -EIO, "the RAM session %s: %s",
			  vmmig_state_name(r->s.state), r->s.reason);
}

static bool something_to_do(void *arg)
{
	struct receiver *r = arg;

	return peer_has(&r->peer) || receive_is_broken(r);
}

int receive_order(struct receiver *r, int64_t deadline,
		  struct vmmig_error *err)
{
	int ret = loop_wait(&r->loop, something_to_do, r, deadline,
			    "the source's next order", err);

	if (ret)
		return ret;
	if (r->peer.frame.msg) {
		if (strcmp(r->peer.frame.type, "abort"))
			return 0;
		r->abort_asked = true;
		return vmmig_fail(err, -ECANCELED, "the source gave up");
	}
	if (receive_is_broken(r))
		return receive_explain(r, err);
	*err = r->peer.why;
	return -ECONNRESET;
}

static int receive_migration(struct receiver *r, struct vmmig_error *err)
{
	bool run = false;
	int ret;

	ret = peer_expect(&r->peer, "plan", deadline_in(PLAN_MS), err);
	if (ret)
		return ret;
	ret = plan_from_json(&r->plan, r->peer.frame.msg, err);
	peer_next(&r->peer);
	if (ret) {
		r->refused = ret == -EPROTO;
		return ret;
	}
	target_init(&r->target, &r->loop, &r->plan);
	ret = receive_checks(r, err);
	if (!ret)
		ret = step_done(r->plan.fail_at, STEP_CHECKS, err);
	if (ret || r->plan.check)
		return ret;
	ret = receive_setup(r, err);
	if (!ret)
		ret = receive_state(r, err);
	if (!ret)
		ret = receive_load(r, err);
	if (!ret)
		ret = receive_commit(r, &run, err);
	if (!ret)
		ret = receive_resume(r, run, err);
	return ret;
}

/* Standard input and output are the channel: keep everybody else off them. */
static int take_channel(struct receiver *r, struct vmmig_error *err)
{
	int in = fcntl(0, F_DUPFD_CLOEXEC, 10);
	int out = fcntl(1, F_DUPFD_CLOEXEC, 10);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (in < 0 || out < 0 || null < 0 || dup2(null, 0) < 0 ||
	    dup2(2, 1) < 0)
		return vmmig_fail(err, -errno, "standard input and output: %s",
				  strerror(errno));
	close(null);
	return peer_attach(&r->peer, &r->loop, in, out, "the source", err);
}

static void say_error(struct receiver *r, const struct vmmig_error *err)
{
	struct json_object *msg = json_object_new_object();
	struct vmmig_error unused;

	js_add_str(msg, "text", err->text);
	js_add_bool(msg, "refused", r->refused);
	js_add_bool(msg, "committed", r->committed);
	peer_send(&r->peer, "error", msg, &unused);
}

static void receive_undo(struct receiver *r)
{
	struct vmmig_error unused;

	if (r->session && !vmmig_state_ended(r->s.state))
		vmmig_nl_cancel(r->nl, r->session, &unused);
	devstate_close(&r->state);
	target_release(&r->target);
	peer_send(&r->peer, "removed", NULL, &unused);
}

int receive_run(void)
{
	struct vmmig_error err = { "" };
	struct receiver *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return 1;
	ret = loop_init(&r->loop, &err);
	if (!ret)
		ret = take_channel(r, &err);
	if (ret) {
		fprintf(stderr, "vmmig-qemu receive: %s\n", err.text);
		return 1;
	}
	target_init(&r->target, &r->loop, &r->plan);
	ret = receive_migration(r, &err);
	r->loop.shielded = true;
	if (ret && !r->abort_asked)
		say_error(r, &err);
	if (ret && !r->committed)
		receive_undo(r);
	devstate_close(&r->state);
	target_release(&r->target);
	loop_wait(&r->loop, peer_flushed, &r->peer, deadline_in(10000),
		  "the source to listen", &err);
	peer_close(&r->peer, 0);
	if (r->nl)
		vmmig_nl_close(r->nl);
	free(r->tls_creds);
	plan_free(&r->plan);
	loop_close(&r->loop);
	free(r);
	return ret ? 1 : 0;
}
