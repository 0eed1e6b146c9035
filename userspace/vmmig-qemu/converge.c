// SPDX-License-Identifier: GPL-2.0
#include "converge.h"

/* Passes that must not have got shorter before a throttle step. */
#define STUCK_PASSES	3
/*
 * What page tables recorded is known after the first pass that looked for it,
 * and an event inside that pass still has the numbers from before: the
 * estimate means something from the pass after it on.
 */
#define FIRST_JUDGED	3
/* QEMU measures and adjusts once a second; let a step take effect. */
#define STEP_NS		(3 * NSEC_PER_SEC)

/*
 * A short pass is over before TCP is up to speed and says little about the
 * link. The rate is learnt in the first pass, and later only from passes that
 * have work for a quarter of a second.
 */
static void converge_learn_rate(struct converge *c,
				const struct converge_sample *s)
{
	uint64_t seconds4;

	if (!s->iterating) {
		if (s->elapsed_ns > NSEC_PER_SEC / 10)
			c->rate = (double)s->bytes * NSEC_PER_SEC /
				s->elapsed_ns;
		if (s->bytes_rate > c->rate)
			c->rate = s->bytes_rate;
		return;
	}
	seconds4 = s->pass_planned * PAGE_BYTES * 4;
	if (s->bytes_rate > c->rate ||
	    (s->bytes_rate && seconds4 > c->rate))
		c->rate = s->bytes_rate;
}

static int64_t converge_estimate(const struct converge *c,
				 const struct converge_rules *r,
				 const struct converge_sample *s)
{
	double send = 0;

	if (s->remaining) {
		if (!c->rate)
			return INT64_MAX;
		send = (double)s->remaining * PAGE_BYTES * NSEC_PER_SEC /
			c->rate;
	}
	send += s->scan_ns + r->overhead_ns;
	return send < 9e18 ? (int64_t)send : INT64_MAX;
}

static bool converge_is_stuck(struct converge *c,
			      const struct converge_sample *s)
{
	if (s->pass == c->pass)
		return c->stuck >= STUCK_PASSES;
	if (!c->pass || s->remaining < c->best - c->best / 10) {
		c->best = s->remaining;
		c->stuck = 0;
	} else {
		c->stuck++;
	}
	c->pass = s->pass;
	return c->stuck >= STUCK_PASSES;
}

/* The first step halves what a vCPU writes, each further one takes 30 %. */
static bool converge_step(struct converge *c, const struct converge_rules *r,
			  const struct converge_sample *s)
{
	uint64_t now_mb, next;

	if (c->step_ns && s->elapsed_ns - c->step_ns < STEP_NS)
		return false;
	now_mb = s->dirty_rate * PAGE_BYTES / (r->vcpus ? r->vcpus : 1) >> 20;
	next = c->throttle_mb ? c->throttle_mb * 7 / 10 : now_mb / 2;
	if (!next)
		next = 1;
	if (next == c->throttle_mb)
		return false;
	c->throttle_mb = next;
	c->step_ns = s->elapsed_ns;
	c->stuck = 0;
	c->best = s->remaining;
	return true;
}

enum converge_verdict converge_judge(struct converge *c,
				     const struct converge_rules *r,
				     const struct converge_sample *s)
{
	converge_learn_rate(c, s);
	c->downtime_ns = converge_estimate(c, r, s);
	if (s->iterating && s->pass >= FIRST_JUDGED &&
	    c->downtime_ns <= r->limit_ns)
		return CONVERGE_STOP;
	if (r->timeout_ns && s->elapsed_ns >= r->timeout_ns) {
		c->why = "the time limit has passed";
		return CONVERGE_GIVE_UP;
	}
	if (!s->iterating)
		return CONVERGE_GO_ON;
	if (r->max_passes && s->pass > r->max_passes) {
		c->why = "the passes are used up";
		return CONVERGE_GIVE_UP;
	}
	if (converge_is_stuck(c, s) && r->throttle && converge_step(c, r, s))
		return CONVERGE_THROTTLE;
	return CONVERGE_GO_ON;
}
