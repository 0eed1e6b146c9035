// SPDX-License-Identifier: GPL-2.0
/* RAM travels while the VM runs, until stopping it would be short enough. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "migration.h"

#define WORDS_MS	200

bool session_is_broken(const struct migration *m)
{
	return m->session && vmmig_state_ended(m->s.state) &&
		m->s.state != VMMIG_STATE_DONE;
}

/* A destination that fails closes its streams and then says why. */
int session_explain(struct migration *m, struct vmmig_error *err)
{
	struct vmmig_error unused;

	loop_wait(&m->loop, peer_has, &m->peer, deadline_in(WORDS_MS),
		  "the destination's reason", &unused);
	if (m->peer.frame.msg && !strcmp(m->peer.frame.type, "error"))
		return peer_error(&m->peer, err);
	return vmmig_fail(err, m->s.error ? m->s.error : -EIO,
			  "the RAM session %s: %s", vmmig_state_name(m->s.state),
			  m->s.reason[0] ? m->s.reason : "no reason given");
}

static bool precopy_news(void *arg)
{
	struct migration *m = arg;

	return m->s_changed || m->qmp.gone || peer_has(&m->peer);
}

/* Nothing is expected from the destination now but bad news. */
static int precopy_trouble(struct migration *m, struct vmmig_error *err)
{
	if (m->qmp.gone) {
		*err = m->qmp.why;
		return -ECONNRESET;
	}
	/* Its reason is better than what our kernel saw of it. */
	if (m->peer.frame.msg && !strcmp(m->peer.frame.type, "error"))
		return peer_error(&m->peer, err);
	if (session_is_broken(m))
		return session_explain(m, err);
	if (m->s.state == VMMIG_STATE_STOPPED ||
	    m->s.state == VMMIG_STATE_SYNCED || m->s.state == VMMIG_STATE_DONE)
		return vmmig_fail(err, -EREMOTEIO,
				  "somebody else has finalized session %u; start again",
				  m->session);
	if (m->peer.frame.msg)
		return vmmig_fail(err, -EBADMSG, "%s sent '%.40s' unasked",
				  m->peer.name, m->peer.frame.type);
	if (m->peer.gone) {
		*err = m->peer.why;
		return -ECONNRESET;
	}
	return 0;
}

static void precopy_sample(const struct migration *m, struct converge_sample *c)
{
	const struct vmmig_stats *s = &m->s.stats;

	*c = (struct converge_sample){
		.elapsed_ns = now_ns() - m->t.connected,
		.iterating = m->s.state == VMMIG_STATE_ITERATING,
		.pass = s->pass,
		.bytes = s->bytes,
		.bytes_rate = s->bytes_rate,
		.pass_planned = s->pass_planned,
		.remaining = s->pages_remaining,
		.dirty_rate = s->dirty_pages_rate,
		.scan_ns = s->scan_ns,
	};
}

static void precopy_warn(struct migration *m)
{
	if (m->warned || m->s.state != VMMIG_STATE_ITERATING ||
	    m->converge.floor_ns <= m->rules.limit_ns)
		return;
	m->warned = true;
	progress_warn(m, "scanning all RAM and handing over will take about %lld ms, longer than the limit of %lld ms; more passes do not change that",
		      (long long)(m->converge.floor_ns / NSEC_PER_MSEC),
		      (long long)(m->rules.limit_ns / NSEC_PER_MSEC));
}

static int precopy_throttle(struct migration *m, struct vmmig_error *err)
{
	progress_step(m, "the passes do not get shorter: vCPUs may write %llu MB/s each from now on",
		      (unsigned long long)m->converge.throttle_mb);
	return source_set_dirty_limit(&m->source, m->converge.throttle_mb, err);
}

static int64_t precopy_deadline(const struct migration *m)
{
	int64_t left;

	if (!m->rules.timeout_ns)
		return 0;
	left = m->t.connected + m->rules.timeout_ns;
	/* Past it there is only waiting for the first pass to end. */
	return left > now_ns() ? left : 0;
}

static int precopy_turn(struct migration *m, bool *stop,
			struct vmmig_error *err)
{
	struct converge_sample sample;

	precopy_sample(m, &sample);
	switch (converge_judge(&m->converge, &m->rules, &sample)) {
	case CONVERGE_STOP:
		*stop = true;
		return 0;
	case CONVERGE_GIVE_UP:
		if (m->o->timeout_abort)
			return vmmig_fail(err, -ETIME,
					  "%s and stopping the VM would take %lld ms; raise the limits, or give --auto-converge or --timeout-action stop",
					  m->converge.why,
					  (long long)(m->converge.downtime_ns / NSEC_PER_MSEC));
		/* A long standstill is wanted, but the first pass comes first. */
		*stop = sample.iterating;
		return 0;
	case CONVERGE_THROTTLE:
		return precopy_throttle(m, err);
	case CONVERGE_GO_ON:
		break;
	}
	/* A VM that stands still writes nothing: no use in more passes. */
	*stop = !m->vm.running && sample.iterating;
	return 0;
}

int precopy_run(struct migration *m, struct vmmig_error *err)
{
	bool stop = false;
	int ret;

	m->step = "pre-copy";
	while (!stop) {
		ret = loop_wait(&m->loop, precopy_news, m, precopy_deadline(m),
				"the RAM session", err);
		if (ret && ret != -ETIMEDOUT)
			return ret;
		ret = precopy_trouble(m, err);
		if (!ret)
			ret = precopy_turn(m, &stop, err);
		if (ret)
			return ret;
		if (m->s_changed) {
			precopy_warn(m);
			progress_show(m);
		}
		m->s_changed = false;
	}
	progress_end(m);
	return step_done(m->o->fail_at, STEP_PRECOPY, err);
}
