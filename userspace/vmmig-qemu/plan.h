/* SPDX-License-Identifier: GPL-2.0 */
/* What the source tells the destination before anything is created. */
#ifndef PLAN_H
#define PLAN_H

#include <json-c/json.h>

#include "util.h"

/* Changes when an older program on the other host would misunderstand. */
#define PLAN_PROTOCOL	2

#define PLAN_ARGS_MAX	4096

/**
 * struct plan_block - one RAM file
 * @id: name on both sides
 * @path: file to create at the destination
 * @size: bytes
 */
struct plan_block {
	char *id;
	char *path;
	uint64_t size;
};

/**
 * struct plan - the order to the destination
 * @check: only look, create nothing
 * @name: of the VM, may be NULL
 * @argv: QEMU's command line, rewritten for the destination already
 * @exe: QEMU's program at the source, if argv[0] is not found
 * @cwd: working directory of QEMU
 * @user: whom QEMU runs as, NULL for root
 * @qemu_version: of the source, "10.0.2"
 * @machine: machine type that must be known
 * @queues: sizes of the source's virtqueues, see virtq.h; NULL if not asked
 * @used: bytes of RAM that the source's files really hold
 * @listen: address to listen at, NULL for any
 * @port: "0" for any
 * @log: file for QEMU's output, NULL for the default
 * @token: proves that a connection is the source
 * @commit_timeout_ms: how long to hold a loaded VM that nobody commits
 * @fail_at: test hook
 */
struct plan {
	bool check;
	char *name;
	struct strv argv;
	char *exe;
	char *cwd;
	char *user;
	char *qemu_version;
	char *machine;
	struct json_object *queues;
	struct plan_block block[VMMIG_MAX_BLOCKS];
	unsigned int nr_blocks;
	uint64_t used;
	unsigned int streams;
	char *listen;
	char *port;
	char *log;
	uint8_t token[VMMIG_TOKEN_LEN];
	unsigned int commit_timeout_ms;
	char *fail_at;
};

struct json_object *plan_to_json(const struct plan *p);
/* Everything is checked; -EPROTO: another protocol version. */
int plan_from_json(struct plan *p, struct json_object *o,
		   struct vmmig_error *err);
void plan_free(struct plan *p);

#endif /* PLAN_H */
