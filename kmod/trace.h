/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM vmmig

#if !defined(VMMIG_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define VMMIG_TRACE_H

#include <linux/tracepoint.h>

#include "state.h"

TRACE_EVENT(vmmig_state,
	TP_PROTO(u32 session, u32 from, u32 to),
	TP_ARGS(session, from, to),
	TP_STRUCT__entry(
		__field(u32, session)
		__field(u32, from)
		__field(u32, to)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->from = from;
		__entry->to = to;
	),
	TP_printk("session=%u from=%s to=%s", __entry->session,
		  vmmig_state_name(__entry->from),
		  vmmig_state_name(__entry->to))
);

TRACE_EVENT(vmmig_pass_begin,
	TP_PROTO(u32 session, u32 pass, u32 kind, bool full),
	TP_ARGS(session, pass, kind, full),
	TP_STRUCT__entry(
		__field(u32, session)
		__field(u32, pass)
		__field(u32, kind)
		__field(bool, full)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->pass = pass;
		__entry->kind = kind;
		__entry->full = full;
	),
	TP_printk("session=%u pass=%u kind=%s full=%d", __entry->session,
		  __entry->pass,
		  __print_symbolic(__entry->kind, { 0, "bulk" },
				   { 1, "iterate" }, { 2, "final" }),
		  __entry->full)
);

TRACE_EVENT(vmmig_pass_end,
	TP_PROTO(u32 session, u32 pass, u64 pages, u64 ns, u64 scan_ns),
	TP_ARGS(session, pass, pages, ns, scan_ns),
	TP_STRUCT__entry(
		__field(u32, session)
		__field(u32, pass)
		__field(u64, pages)
		__field(u64, ns)
		__field(u64, scan_ns)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->pass = pass;
		__entry->pages = pages;
		__entry->ns = ns;
		__entry->scan_ns = scan_ns;
	),
	TP_printk("session=%u pass=%u pages=%llu ns=%llu scan_ns=%llu",
		  __entry->session, __entry->pass, __entry->pages,
		  __entry->ns, __entry->scan_ns)
);

TRACE_EVENT(vmmig_chunk_sent,
	TP_PROTO(u32 session, u32 block, u64 chunk, u32 data, u32 zero,
		 u64 scan_ns),
	TP_ARGS(session, block, chunk, data, zero, scan_ns),
	TP_STRUCT__entry(
		__field(u32, session)
		__field(u32, block)
		__field(u64, chunk)
		__field(u32, data)
		__field(u32, zero)
		__field(u64, scan_ns)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->block = block;
		__entry->chunk = chunk;
		__entry->data = data;
		__entry->zero = zero;
		__entry->scan_ns = scan_ns;
	),
	TP_printk("session=%u block=%u chunk=%llu data=%u zero=%u scan_ns=%llu",
		  __entry->session, __entry->block, __entry->chunk,
		  __entry->data, __entry->zero, __entry->scan_ns)
);

#endif /* VMMIG_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
