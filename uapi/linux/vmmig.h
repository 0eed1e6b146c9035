/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/vmmig.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_VMMIG_H
#define _UAPI_LINUX_VMMIG_H

#define VMMIG_FAMILY_NAME	"vmmig"
#define VMMIG_FAMILY_VERSION	1

#define VMMIG_MAX_BLOCKS	16
#define VMMIG_MAX_STREAMS	8
#define VMMIG_BLOCK_ID_LEN	255
#define VMMIG_REASON_LEN	255
#define VMMIG_MIN_RATE		65536

/**
 * enum vmmig_role - Which end of the migration a session is.
 */
enum vmmig_role {
	VMMIG_ROLE_SOURCE,
	VMMIG_ROLE_DESTINATION,
};

/**
 * enum vmmig_state - Source: connecting, bulk, iterating, stopped, synced,
 *   done. Destination: listening, receiving, complete. Both end in
 *   done/complete, failed or cancelled.
 * @VMMIG_STATE_CONNECTING: Source, exchanging hello messages.
 * @VMMIG_STATE_BULK: Source, first pass, every page that is in use is sent.
 * @VMMIG_STATE_ITERATING: Source, sending what was written meanwhile, pass
 *   after pass.
 * @VMMIG_STATE_STOPPED: Source, VM is stopped, final sync is running.
 * @VMMIG_STATE_SYNCED: Source, final sync is over and acknowledged.
 * @VMMIG_STATE_DONE: Source, both sides agree on every count. An end state.
 * @VMMIG_STATE_LISTENING: Destination, waits for the hello message.
 * @VMMIG_STATE_RECEIVING: Destination, placing pages.
 * @VMMIG_STATE_COMPLETE: Destination, all RAM is placed. An end state.
 * @VMMIG_STATE_FAILED: Ended with an error, see reason. An end state.
 * @VMMIG_STATE_CANCELLED: Ended by request, here or at the peer. An end state.
 */
enum vmmig_state {
	VMMIG_STATE_CONNECTING,
	VMMIG_STATE_BULK,
	VMMIG_STATE_ITERATING,
	VMMIG_STATE_STOPPED,
	VMMIG_STATE_SYNCED,
	VMMIG_STATE_DONE,
	VMMIG_STATE_LISTENING,
	VMMIG_STATE_RECEIVING,
	VMMIG_STATE_COMPLETE,
	VMMIG_STATE_FAILED,
	VMMIG_STATE_CANCELLED,
};

/**
 * enum vmmig_tracking - How the source finds pages that were written.
 * @VMMIG_TRACKING_AUTO: Ring if the VM has a dirty ring, else scan.
 * @VMMIG_TRACKING_RING: KVM's dirty ring says which chunks to scan.
 * @VMMIG_TRACKING_SCAN: Every chunk is scanned in every pass.
 */
enum vmmig_tracking {
	VMMIG_TRACKING_AUTO,
	VMMIG_TRACKING_RING,
	VMMIG_TRACKING_SCAN,
};

enum {
	VMMIG_A_BLOCK_ID = 1,
	VMMIG_A_BLOCK_FD,

	__VMMIG_A_BLOCK_MAX,
	VMMIG_A_BLOCK_MAX = (__VMMIG_A_BLOCK_MAX - 1)
};

enum {
	VMMIG_A_STATS_PAD = 1,
	VMMIG_A_STATS_ELAPSED_NS,
	VMMIG_A_STATS_RAM_PAGES,
	VMMIG_A_STATS_PASS,
	VMMIG_A_STATS_PAGES_DATA,
	VMMIG_A_STATS_PAGES_ZERO,
	VMMIG_A_STATS_PAGES_SKIPPED,
	VMMIG_A_STATS_BYTES,
	VMMIG_A_STATS_PASS_PAGES,
	VMMIG_A_STATS_PASS_PLANNED,
	VMMIG_A_STATS_PAGES_REMAINING,
	VMMIG_A_STATS_DIRTY_PAGES_RATE,
	VMMIG_A_STATS_BYTES_RATE,
	VMMIG_A_STATS_SCAN_NS,
	VMMIG_A_STATS_FINAL_NS,
	VMMIG_A_STATS_FINAL_SCAN_NS,
	VMMIG_A_STATS_FINAL_PAGES,
	VMMIG_A_STATS_CONFIRM_NS,
	VMMIG_A_STATS_CONFIRM_PAGES,
	VMMIG_A_STATS_CPU_NS,
	VMMIG_A_STATS_KERNEL_BYTES,
	VMMIG_A_STATS_RING_EVENTS,
	VMMIG_A_STATS_HOST_PAGES,
	VMMIG_A_STATS_UNMAPPED_PAGES,
	VMMIG_A_STATS_PINNED_PAGES,
	VMMIG_A_STATS_FALLBACK_CHUNKS,

	__VMMIG_A_STATS_MAX,
	VMMIG_A_STATS_MAX = (__VMMIG_A_STATS_MAX - 1)
};

enum {
	VMMIG_A_SESSION_ID = 1,
	VMMIG_A_SESSION_ROLE,
	VMMIG_A_SESSION_STATE,
	VMMIG_A_SESSION_NAME,
	VMMIG_A_SESSION_VM_FD,
	VMMIG_A_SESSION_BLOCK,
	VMMIG_A_SESSION_SOCK_FD,
	VMMIG_A_SESSION_TRACKING,
	VMMIG_A_SESSION_RATE_LIMIT,
	VMMIG_A_SESSION_HOLD,
	VMMIG_A_SESSION_REASON,
	VMMIG_A_SESSION_ERROR,
	VMMIG_A_SESSION_STATS,
	VMMIG_A_SESSION_STREAMS,
	VMMIG_A_SESSION_HELLO_NS,

	__VMMIG_A_SESSION_MAX,
	VMMIG_A_SESSION_MAX = (__VMMIG_A_SESSION_MAX - 1)
};

enum {
	VMMIG_CMD_SESSION_GET = 1,
	VMMIG_CMD_SESSION_NTF,
	VMMIG_CMD_SESSION_SEND,
	VMMIG_CMD_SESSION_RECEIVE,
	VMMIG_CMD_SESSION_SET,
	VMMIG_CMD_SESSION_FINALIZE,
	VMMIG_CMD_SESSION_CANCEL,

	__VMMIG_CMD_MAX,
	VMMIG_CMD_MAX = (__VMMIG_CMD_MAX - 1)
};

#define VMMIG_MCGRP_MONITOR	"monitor"

#endif /* _UAPI_LINUX_VMMIG_H */
