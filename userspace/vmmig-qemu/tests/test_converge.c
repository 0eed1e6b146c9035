// SPDX-License-Identifier: GPL-2.0
/* When to stop the VM. */
#include <string.h>

#include "../converge.h"
#include "../../tests/tap.h"

#define MIB	(1ULL << 20)
#define SEC	NSEC_PER_SEC
#define MSEC	NSEC_PER_MSEC

static const struct converge_rules rules = {
	.limit_ns = 300 * MSEC,
	.overhead_ns = 40 * MSEC,
	.vcpus = 2,
};

/* 100 MiB/s; @left_mib remain after pass @pass at time @ns. */
static struct converge_sample sample(int64_t ns, uint32_t pass, uint64_t left_mib)
{
	return (struct converge_sample){
		.elapsed_ns = ns,
		.iterating = pass > 1,
		.pass = pass,
		.bytes = 100 * MIB * ns / SEC,
		.bytes_rate = 100 * MIB,
		.remaining = left_mib * 256,
		.dirty_rate = 20 * 256,
		.scan_ns = 10 * MSEC,
	};
}

static void test_stop(void)
{
	struct converge c = { 0 };
	struct converge_sample s = sample(SEC, 1, 0);

	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON,
	   "never before the first pass is over");
	s = sample(2 * SEC, 2, 0);
	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON,
	   "nor before a pass has looked for writes");
	s = sample(3 * SEC, 3, 100);
	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON &&
	   c.downtime_ns > 1040 * MSEC && c.downtime_ns < 1060 * MSEC,
	   "100 MiB at 100 MiB/s are too much: %lld ms",
	   (long long)(c.downtime_ns / MSEC));
	s = sample(4 * SEC, 4, 20);
	ok(converge_judge(&c, &rules, &s) == CONVERGE_STOP,
	   "20 MiB are few enough");
	s = sample(5 * SEC, 5, 20);
	s.scan_ns = 100 * MSEC;
	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON,
	   "the scan counts");
	s.scan_ns = 2 * SEC;
	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON,
	   "a scan above the limit leaves a quarter of it for sending");
	s = sample(6 * SEC, 6, 7);
	s.scan_ns = 2 * SEC;
	ok(converge_judge(&c, &rules, &s) == CONVERGE_STOP &&
	   c.downtime_ns > 2 * SEC,
	   "but does not keep the VM from being stopped");
}

static void test_idle(void)
{
	struct converge_rules r = rules;
	struct converge c = { 0 };
	struct converge_sample s = sample(SEC / 5, 1, 0);

	s.iterating = true;
	ok(converge_judge(&c, &r, &s) == CONVERGE_GO_ON,
	   "without a ring the first pass tells nothing");
	memset(&c, 0, sizeof(c));
	r.ring = true;
	ok(converge_judge(&c, &r, &s) == CONVERGE_STOP,
	   "with a ring a short first pass is enough");
	memset(&c, 0, sizeof(c));
	s.elapsed_ns = 10 * SEC;
	ok(converge_judge(&c, &r, &s) == CONVERGE_GO_ON,
	   "after a long one there may be writes that it does not know");
	s = sample(11 * SEC, 3, 0);
	ok(converge_judge(&c, &r, &s) == CONVERGE_STOP, "later passes do");
}

static void test_rate(void)
{
	struct converge c = { 0 };
	struct converge_sample s = sample(SEC, 1, 0);

	converge_judge(&c, &rules, &s);
	s = sample(2 * SEC, 3, 10);
	s.bytes_rate = 1000;
	s.pass_planned = 10;
	ok(converge_judge(&c, &rules, &s) == CONVERGE_STOP,
	   "a tiny pass does not make the link slow");
	s.pass = 4;
	s.pass_planned = 256 * 100;
	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON,
	   "a long one does");
	memset(&c, 0, sizeof(c));
	s = (struct converge_sample){ .iterating = true, .pass = 3,
				      .remaining = 1 };
	ok(converge_judge(&c, &rules, &s) == CONVERGE_GO_ON,
	   "without a rate nothing is promised");
}

static void test_limits(void)
{
	struct converge_rules r = rules;
	struct converge c = { 0 };
	struct converge_sample s;

	r.timeout_ns = 10 * SEC;
	r.max_passes = 5;
	s = sample(9 * SEC, 5, 1000);
	ok(converge_judge(&c, &r, &s) == CONVERGE_GO_ON, "within the limits");
	s = sample(9 * SEC, 6, 1000);
	ok(converge_judge(&c, &r, &s) == CONVERGE_GIVE_UP && c.why,
	   "passes used up");
	s = sample(10 * SEC, 1, 1000);
	ok(converge_judge(&c, &r, &s) == CONVERGE_GIVE_UP && c.why,
	   "time is up, also in the first pass");
}

static void test_throttle(void)
{
	struct converge_rules r = rules;
	enum converge_verdict v = CONVERGE_GO_ON;
	struct converge c = { 0 };
	struct converge_sample s;
	uint64_t first, last;
	uint32_t pass;

	r.throttle = true;
	for (pass = 2; pass < 20 && v == CONVERGE_GO_ON; pass++) {
		s = sample(pass * SEC, pass, 1000);
		v = converge_judge(&c, &r, &s);
	}
	first = c.throttle_mb;
	ok(v == CONVERGE_THROTTLE && pass <= 7 && first == 5,
	   "passes that stay as long throttle to half of the rate: %llu MB/s per vCPU",
	   (unsigned long long)first);
	for (last = first; pass < 100; pass++) {
		s = sample(pass * SEC, pass, 1000);
		if (converge_judge(&c, &r, &s) != CONVERGE_THROTTLE)
			continue;
		if (c.throttle_mb >= last)
			break;
		last = c.throttle_mb;
	}
	ok(pass == 100 && last == 1, "then less and less, but never zero");

	memset(&c, 0, sizeof(c));
	v = CONVERGE_GO_ON;
	for (pass = 2; pass < 8 && v == CONVERGE_GO_ON; pass++) {
		s = sample(pass * SEC, pass, 100000 >> pass);
		v = converge_judge(&c, &r, &s);
	}
	ok(v == CONVERGE_GO_ON, "passes that get shorter are left alone");
}

int main(void)
{
	test_stop();
	test_idle();
	test_rate();
	test_limits();
	test_throttle();
	return tap_end();
}
