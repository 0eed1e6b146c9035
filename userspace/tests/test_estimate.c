// SPDX-License-Identifier: GPL-2.0
/* What is told about counters, and names of values. */
#include <string.h>

#include "../vmmigctl/estimate.h"
#include "tap.h"

static const struct vmmig_session iterating = {
	.id = 3, .role = VMMIG_ROLE_SOURCE, .state = VMMIG_STATE_ITERATING,
	.name = "vm1",
	.stats = {
		.pass = 4, .pass_pages = 1, .pass_planned = 3,
		.pages_remaining = 256, .bytes_rate = 1 << 20,
		.scan_ns = 50000000,
	},
};

static void test_percent(void)
{
	struct vmmig_session s = iterating;

	ok(ctl_percent(&s) == 33, "part of a pass");
	s.stats.pass_pages = 5;
	ok(ctl_percent(&s) == 100, "more pages than planned are not 166 %%");
	s.stats.pass_planned = 0;
	ok(ctl_percent(&s) == -1, "nothing planned is no division by zero");
	s.stats.pass_planned = UINT64_MAX;
	s.stats.pass_pages = UINT64_MAX / 2 + 1;
	ok(ctl_percent(&s) == 50, "no overflow");
	s = iterating;
	s.role = VMMIG_ROLE_DESTINATION;
	ok(ctl_percent(&s) == -1, "a destination has no plan");
}

static void test_downtime(void)
{
	struct vmmig_session s = iterating;

	ok(ctl_downtime(&s) == 1050000000, "scan and the rest of the pages");
	s.stats.pages_remaining = 0;
	ok(ctl_downtime(&s) == 50000000, "scan only");
	s.stats.bytes_rate = 0;
	ok(ctl_downtime(&s) == 50000000, "no rate needed without pages");
	s.stats.pages_remaining = 1;
	ok(ctl_downtime(&s) == -1, "pages, but no rate");
	s.stats.bytes_rate = 1;
	s.stats.pages_remaining = UINT64_MAX;
	ok(ctl_downtime(&s) == -1, "no overflow");
	s = iterating;
	s.stats.pass = 1;
	s.stats.scan_ns = 0;
	ok(ctl_downtime(&s) == -1, "before the first scan");
	s = iterating;
	s.state = VMMIG_STATE_DONE;
	ok(ctl_downtime(&s) == -1, "after the end");
}

static void test_text(void)
{
	struct vmmig_session s = iterating;
	char line[256], tiny[8];

	ok(!strcmp(ctl_bytes(1023).s, "1023 B"), "bytes");
	ok(!strcmp(ctl_bytes(1024).s, "1.0 KiB"), "KiB");
	ok(!strcmp(ctl_bytes(1048575).s, "1.0 MiB"), "not 1024.0 KiB");
	ok(!strcmp(ctl_bytes(UINT64_MAX).s, "16.0 EiB"), "largest number of bytes");
	ok(!strcmp(ctl_rate(104857600).s, "100 MiB/s"), "rate");
	ok(!strcmp(ctl_time(45000).s, "45 us"), "us");
	ok(!strcmp(ctl_time(1500000).s, "1.50 ms"), "ms");
	ok(!strcmp(ctl_time(120000000).s, "120 ms"), "many ms");
	ok(!strcmp(ctl_time(1050000000).s, "1.05 s"), "s");

	ctl_progress(&s, line, sizeof(line));
	ok(!strcmp(line, "session 3 vm1: iterating, pass 4, 33%, 1.0 MiB/s, 1.0 MiB left, downtime ~1.05 s"),
	   "progress line");
	ctl_progress(&s, tiny, sizeof(tiny));
	ok(!strcmp(tiny, "session"), "a short buffer cuts the line");
	s.state = VMMIG_STATE_FAILED;
	strcpy(s.reason, "the peer went away");
	ctl_progress(&s, line, sizeof(line));
	ok(!strcmp(line, "session 3 vm1: failed, the peer went away"),
	   "reason is shown");
}

static void test_names(void)
{
	int i;

	ok(!strcmp(vmmig_state_name(VMMIG_STATE_CANCELLED), "cancelled") &&
	   !strcmp(vmmig_role_name(VMMIG_ROLE_SOURCE), "source") &&
	   !strcmp(vmmig_tracking_name(VMMIG_TRACKING_SCAN), "scan"), "names");
	ok(!strcmp(vmmig_state_name(99), "unknown") &&
	   !strcmp(vmmig_role_name((enum vmmig_role)-1), "unknown"),
	   "values of a newer module");
	for (i = 0; i < VMMIG_STATE_CANCELLED; i++)
		if (!strcmp(vmmig_state_name(i), "unknown"))
			break;
	ok(i == VMMIG_STATE_CANCELLED, "every state has a name");
}

int main(void)
{
	test_percent();
	test_downtime();
	test_text();
	test_names();
	return tap_end();
}
