/* SPDX-License-Identifier: GPL-2.0 */
/* When to stop the VM, and how hard to throttle its writes. Pure. */
#ifndef CONVERGE_H
#define CONVERGE_H

#include "util.h"

/**
 * struct converge_rules - what the user asked for
 * @limit_ns: longest downtime
 * @overhead_ns: assumed for device state and hand-over
 * @max_passes: give up after so many, 0 for no limit
 * @timeout_ns: give up after that, 0 for no limit
 * @ring: passes know what the guest wrote from the first on
 * @throttle: slow the vCPUs down if passes do not get shorter
 * @vcpus: number of vCPUs
 */
struct converge_rules {
	int64_t limit_ns;
	int64_t overhead_ns;
	uint32_t max_passes;
	int64_t timeout_ns;
	bool ring;
	bool throttle;
	unsigned int vcpus;
};

/**
 * struct converge_sample - what the session said
 * @elapsed_ns: since the pre-copy began
 * @iterating: the first pass is over
 * @pass: number of the pass
 * @bytes: sent so far
 * @bytes_rate: bytes per second just now
 * @pass_planned: pages of the current pass
 * @remaining: pages to send if the VM stopped now
 * @dirty_rate: pages per second written
 * @scan_ns: time of both scans over all RAM
 */
struct converge_sample {
	int64_t elapsed_ns;
	bool iterating;
	uint32_t pass;
	uint64_t bytes;
	uint64_t bytes_rate;
	uint64_t pass_planned;
	uint64_t remaining;
	uint64_t dirty_rate;
	uint64_t scan_ns;
};

enum converge_verdict {
	CONVERGE_GO_ON,
	CONVERGE_STOP,		/* the downtime would be short enough */
	CONVERGE_THROTTLE,	/* set the dirty limit to c->throttle_mb */
	CONVERGE_GIVE_UP,	/* out of time or passes, see c->why */
};

/**
 * struct converge - what is remembered between samples; zero at the start
 * @rate: bytes per second that the link is believed to carry
 * @downtime_ns: estimate of the last sample
 * @floor_ns: the part of it that no pass can shorten
 * @bulk_ns: time that the first pass took, 0: it is not over
 * @throttle_mb: dirty limit per vCPU in MB/s, 0: none yet
 * @why: reason to give up
 */
struct converge {
	uint64_t rate;
	int64_t downtime_ns;
	int64_t floor_ns;
	int64_t bulk_ns;
	uint64_t throttle_mb;
	const char *why;
	uint32_t pass;
	uint64_t best;
	unsigned int stuck;
	int64_t step_ns;
};

enum converge_verdict converge_judge(struct converge *c,
				     const struct converge_rules *r,
				     const struct converge_sample *s);

#endif /* CONVERGE_H */
