// SPDX-License-Identifier: GPL-2.0
/* Names of the enums and counters, as in the netlink spec. */
#include <string.h>

#include "vmmig.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

static const char * const role_names[] = {
	[VMMIG_ROLE_SOURCE]		= "source",
	[VMMIG_ROLE_DESTINATION]	= "destination",
};

static const char * const state_names[] = {
	[VMMIG_STATE_CONNECTING]	= "connecting",
	[VMMIG_STATE_BULK]		= "bulk",
	[VMMIG_STATE_ITERATING]		= "iterating",
	[VMMIG_STATE_STOPPED]		= "stopped",
	[VMMIG_STATE_SYNCED]		= "synced",
	[VMMIG_STATE_DONE]		= "done",
	[VMMIG_STATE_LISTENING]		= "listening",
	[VMMIG_STATE_RECEIVING]		= "receiving",
	[VMMIG_STATE_COMPLETE]		= "complete",
	[VMMIG_STATE_FAILED]		= "failed",
	[VMMIG_STATE_CANCELLED]		= "cancelled",
};

static const char * const tracking_names[] = {
	[VMMIG_TRACKING_AUTO]		= "auto",
	[VMMIG_TRACKING_RING]		= "ring",
	[VMMIG_TRACKING_SCAN]		= "scan",
};

/* A newer module may know values that this program does not. */
static const char *name_of(const char * const *names, size_t nr,
			   unsigned int value)
{
	return value < nr ? names[value] : "unknown";
}

const char *vmmig_role_name(enum vmmig_role role)
{
	return name_of(role_names, ARRAY_SIZE(role_names), role);
}

const char *vmmig_state_name(enum vmmig_state state)
{
	return name_of(state_names, ARRAY_SIZE(state_names), state);
}

const char *vmmig_tracking_name(enum vmmig_tracking tracking)
{
	return name_of(tracking_names, ARRAY_SIZE(tracking_names), tracking);
}

bool vmmig_state_ended(enum vmmig_state state)
{
	switch (state) {
	case VMMIG_STATE_DONE:
	case VMMIG_STATE_COMPLETE:
	case VMMIG_STATE_FAILED:
	case VMMIG_STATE_CANCELLED:
		return true;
	default:
		return false;
	}
}

#define FIELD(_name, _NAME, _member, _unit, _source) {		\
	.name = _name,						\
	.attr = VMMIG_A_STATS_##_NAME,				\
	.offset = offsetof(struct vmmig_stats, _member),	\
	.unit = VMMIG_UNIT_##_unit,				\
	.source_only = _source,					\
}

const struct vmmig_stats_field vmmig_stats_fields[] = {
	FIELD("elapsed-ns", ELAPSED_NS, elapsed_ns, NS, false),
	FIELD("ram-pages", RAM_PAGES, ram_pages, PAGES, false),
	FIELD("pass", PASS, pass, COUNT, false),
	FIELD("pages-data", PAGES_DATA, pages_data, PAGES, false),
	FIELD("pages-zero", PAGES_ZERO, pages_zero, PAGES, false),
	FIELD("pages-skipped", PAGES_SKIPPED, pages_skipped, PAGES, true),
	FIELD("bytes", BYTES, bytes, BYTES, false),
	FIELD("pass-pages", PASS_PAGES, pass_pages, PAGES, false),
	FIELD("pass-planned", PASS_PLANNED, pass_planned, PAGES, true),
	FIELD("pages-remaining", PAGES_REMAINING, pages_remaining, PAGES,
	      true),
	FIELD("dirty-pages-rate", DIRTY_PAGES_RATE, dirty_pages_rate,
	      PAGES_RATE, true),
	FIELD("bytes-rate", BYTES_RATE, bytes_rate, BYTES_RATE, false),
	FIELD("scan-ns", SCAN_NS, scan_ns, NS, true),
	FIELD("final-ns", FINAL_NS, final_ns, NS, true),
	FIELD("final-scan-ns", FINAL_SCAN_NS, final_scan_ns, NS, true),
	FIELD("final-pages", FINAL_PAGES, final_pages, PAGES, true),
	FIELD("confirm-ns", CONFIRM_NS, confirm_ns, NS, true),
	FIELD("confirm-pages", CONFIRM_PAGES, confirm_pages, PAGES, true),
	FIELD("cpu-ns", CPU_NS, cpu_ns, NS, false),
	FIELD("kernel-bytes", KERNEL_BYTES, kernel_bytes, BYTES, false),
	FIELD("ring-events", RING_EVENTS, ring_events, COUNT, true),
	FIELD("host-pages", HOST_PAGES, host_pages, PAGES, true),
	FIELD("unmapped-pages", UNMAPPED_PAGES, unmapped_pages, PAGES, true),
	FIELD("pinned-pages", PINNED_PAGES, pinned_pages, PAGES, true),
	FIELD("fallback-chunks", FALLBACK_CHUNKS, fallback_chunks, COUNT,
	      true),
};

const size_t vmmig_nr_stats_fields = ARRAY_SIZE(vmmig_stats_fields);

/* The table must not lag behind the spec: all attributes but the pad. */
_Static_assert(ARRAY_SIZE(vmmig_stats_fields) == VMMIG_A_STATS_MAX - 1,
	       "a counter of the spec is missing here");

uint64_t vmmig_stats_value(const struct vmmig_stats *stats,
			   const struct vmmig_stats_field *field)
{
	const char *at = (const char *)stats + field->offset;
	uint64_t value;

	if (field->attr == VMMIG_A_STATS_PASS)
		return stats->pass;
	memcpy(&value, at, sizeof(value));
	return value;
}
