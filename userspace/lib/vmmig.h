/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What vmmigctl and vmmig-qemu share: the netlink family and the sockets.
 *
 * Functions return 0 or a negative errno. After a failure the last sentence
 * that explains it is in the vmmig_error that was passed.
 */
#ifndef VMMIG_LIB_H
#define VMMIG_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vmmig.h>

#define VMMIG_TOKEN_LEN	32

struct vmmig_nl;

/* One sentence: object, reason, what to do next. */
struct vmmig_error {
	char text[512];
};

/*
 * Makes somebody else's text harmless for a terminal, by taking out its control
 * characters; returns @text.
 */
char *vmmig_tame(char *text);
/* Writes the sentence, tamed, and returns code; err may be NULL. */
__attribute__((format(printf, 3, 4)))
int vmmig_fail(struct vmmig_error *err, int code, const char *fmt, ...);

/* Mirrors the attribute set "stats"; names as in the spec. */
struct vmmig_stats {
	uint64_t elapsed_ns, ram_pages, pages_data, pages_zero, pages_skipped;
	uint64_t bytes, pass_pages, pass_planned, pages_remaining;
	uint64_t dirty_pages_rate, bytes_rate, scan_ns;
	uint64_t final_ns, final_scan_ns, final_pages;
	uint64_t confirm_ns, confirm_pages;
	uint64_t cpu_ns, kernel_bytes, ring_events, host_pages;
	uint64_t unmapped_pages, pinned_pages, fallback_chunks;
	uint32_t pass;
};

/*
 * Every counter of struct vmmig_stats under its name in the spec, so that
 * nobody has to list them twice.
 */
enum vmmig_unit {
	VMMIG_UNIT_NS,
	VMMIG_UNIT_PAGES,
	VMMIG_UNIT_PAGES_RATE,		/* per second */
	VMMIG_UNIT_BYTES,
	VMMIG_UNIT_BYTES_RATE,		/* per second */
	VMMIG_UNIT_COUNT,
};

struct vmmig_stats_field {
	const char *name;
	int attr;			/* VMMIG_A_STATS_* */
	size_t offset;			/* of a uint64_t, or of pass */
	enum vmmig_unit unit;
	bool source_only;
};

extern const struct vmmig_stats_field vmmig_stats_fields[];
extern const size_t vmmig_nr_stats_fields;
uint64_t vmmig_stats_value(const struct vmmig_stats *stats,
			   const struct vmmig_stats_field *field);

/* Mirrors the attribute set "session". */
struct vmmig_session {
	uint32_t id;
	enum vmmig_role role;
	enum vmmig_state state;
	enum vmmig_tracking tracking;
	uint32_t streams;
	uint64_t rate_limit;		/* bytes per second, 0: none */
	uint64_t hello_ns;
	int32_t error;			/* negative errno, 0: none */
	char name[64];
	char reason[VMMIG_REASON_LEN + 1];
	struct vmmig_stats stats;
};

struct vmmig_block {
	const char *id;
	int fd;
};

/* What session-send and session-receive take. */
struct vmmig_start {
	const char *name;		/* NULL: none */
	int vm_fd;			/* -1: none */
	const struct vmmig_block *blocks;
	unsigned int nr_blocks;
	const int *socks;
	unsigned int nr_socks;
	enum vmmig_tracking tracking;	/* source only */
	uint64_t rate_limit;		/* source only */
};

int vmmig_nl_open(struct vmmig_nl **nl, struct vmmig_error *err);
void vmmig_nl_close(struct vmmig_nl *nl);

int vmmig_nl_send(struct vmmig_nl *nl, const struct vmmig_start *start,
		  uint32_t *id, struct vmmig_error *err);
int vmmig_nl_receive(struct vmmig_nl *nl, const struct vmmig_start *start,
		     uint32_t *id, struct vmmig_error *err);
int vmmig_nl_set_rate(struct vmmig_nl *nl, uint32_t id, uint64_t rate,
		      struct vmmig_error *err);
int vmmig_nl_finalize(struct vmmig_nl *nl, uint32_t id, bool hold,
		      struct vmmig_error *err);
int vmmig_nl_cancel(struct vmmig_nl *nl, uint32_t id, struct vmmig_error *err);
int vmmig_nl_get(struct vmmig_nl *nl, uint32_t id, struct vmmig_session *s,
		 struct vmmig_error *err);

typedef void (*vmmig_session_cb)(const struct vmmig_session *s, void *arg);
int vmmig_nl_dump(struct vmmig_nl *nl, vmmig_session_cb cb, void *arg,
		  struct vmmig_error *err);

/* Events come over a socket of their own, so that requests do not mix in. */
int vmmig_nl_subscribe(struct vmmig_nl *nl, struct vmmig_error *err);
int vmmig_nl_event_fd(const struct vmmig_nl *nl);
/* Reads what has come, never blocks; -ENOBUFS: events were lost, use get. */
int vmmig_nl_events(struct vmmig_nl *nl, vmmig_session_cb cb, void *arg,
		    struct vmmig_error *err);

const char *vmmig_role_name(enum vmmig_role role);
const char *vmmig_state_name(enum vmmig_state state);
const char *vmmig_tracking_name(enum vmmig_tracking tracking);
bool vmmig_state_ended(enum vmmig_state state);

/*
 * Sockets. The connecting side opens every stream with a preamble of 48
 * bytes: 8 bytes "VMMIGTOK", 32 bytes token, le16 stream, le16 number of
 * streams, le32 zero. The accepting side drops connections with a wrong
 * preamble and goes on waiting. After it the socket belongs to the module.
 * Buffers are sized before connect() and listen(), so that the window scale
 * fits long fat networks.
 */
int vmmig_sock_connect(const char *host, const char *port,
		       const uint8_t token[VMMIG_TOKEN_LEN],
		       unsigned int streams, int *socks, int timeout_ms,
		       struct vmmig_error *err);
/*
 * port "0": any; *bound_port tells which. host NULL: any address, v4 and v6.
 * Fills at most VMMIG_MAX_LISTEN descriptors, one per address family; the
 * caller closes them. nr_fds is output only.
 */
#define VMMIG_MAX_LISTEN	2
int vmmig_sock_listen(const char *host, const char *port, int *fds,
		      unsigned int *nr_fds, uint16_t *bound_port,
		      struct vmmig_error *err);
/* timeout_ms here and above: negative for no limit. */
int vmmig_sock_accept(const int *fds, unsigned int nr_fds,
		      const uint8_t token[VMMIG_TOKEN_LEN],
		      unsigned int streams, int *socks, int timeout_ms,
		      struct vmmig_error *err);
int vmmig_token_make(uint8_t token[VMMIG_TOKEN_LEN], struct vmmig_error *err);
int vmmig_token_parse(const char *hex, uint8_t token[VMMIG_TOKEN_LEN],
		      struct vmmig_error *err);
void vmmig_token_print(const uint8_t token[VMMIG_TOKEN_LEN],
		       char hex[2 * VMMIG_TOKEN_LEN + 1]);

/* First line of the file, "-" for standard input. */
int vmmig_token_load(const char *path, uint8_t token[VMMIG_TOKEN_LEN],
		     struct vmmig_error *err);
/* A new file, mode 0600; replaces one of that name. */
int vmmig_token_save(const char *path, const uint8_t token[VMMIG_TOKEN_LEN],
		     struct vmmig_error *err);

/*
 * Numbers as people write them. Rate: bytes per second with K, M, G, T
 * (powers of 1024), or bits per second with bit, kbit, mbit, gbit, tbit
 * (powers of 1000); "none" is 0. Size: bytes with K, M, G, T.
 */
int vmmig_rate_parse(const char *text, uint64_t *rate,
		     struct vmmig_error *err);
int vmmig_size_parse(const char *text, uint64_t *size,
		     struct vmmig_error *err);

/* Duplicate a descriptor of another process; needs ptrace permission. */
int vmmig_fd_steal(int pid, int fd, struct vmmig_error *err);
/*
 * Lowest descriptor of the process whose /proc link is the KVM VM, as numbered
 * in that process (for vmmig_fd_steal), or -ENOENT.
 */
int vmmig_fd_find_vm(int pid, struct vmmig_error *err);

#endif /* VMMIG_LIB_H */
