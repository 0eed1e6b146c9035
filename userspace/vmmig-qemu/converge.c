// SPDX-License-Identifier: GPL-2.0
#include "converge.h"

/* Passes that must not have got shorter before a throttle step. */
#define STUCK_PASSES	3
/*
 * What page tables recorded (all, without a ring) is known after the first pass
 * that looked for it, and an event inside that pass still has the numbers from
 * before: the estimate means something from the pass after it on.
 */
#define FIRST_JUDGED	3
/* With a ring a first pass so short leaves little that it does not tell. */
#define SHORT_BULK_NS	(NSEC_PER_SEC / 2)
/*
 * Scan and hand-over may alone take longer than the limit on a slow host, which
 * no pass changes. This share of the limit is always left for sending.
 */
#define SENDING_SHARE	4
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

/* Time to send what is left. */
static int64_t converge_estimate(const struct converge *c,
				 const struct converge_sample *s)
{
	double send;

	if (!s->remaining)
		return 0;
	if (!c->rate)
		return INT64_MAX;
	send = (double)s->remaining * PAGE_BYTES * NSEC_PER_SEC / c->rate;
	return send < 4e18 ? (int64_t)send : INT64_MAX;
}

static int64_t converge_room(const struct converge *c,
			     const struct converge_rules *r)
{
	int64_t least = r->limit_ns / SENDING_SHARE;
	int64_t left = r->limit_ns - c->floor_ns;

	return left > least ? left : least;
}

static bool converge_can_judge(const struct converge *c,
			       const struct converge_rules *r,
			       const struct converge_sample *s)
{
	if (!s->iterating)
		return false;
	return s->pass >= FIRST_JUDGED ||
		(r->ring && c->bulk_ns < SHORT_BULK_NS);
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
	int64_t send;

	converge_learn_rate(c, s);
	if (s->iterating && !c->bulk_ns)
		c->bulk_ns = s->elapsed_ns;
	send = converge_estimate(c, s);
	c->floor_ns = s->scan_ns + r->overhead_ns;
	c->downtime_ns = send < INT64_MAX - c->floor_ns ? send + c->floor_ns :
		INT64_MAX;
	if (converge_can_judge(c, r, s) && send <= converge_room(c, r))
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
