/* SPDX-License-Identifier: GPL-2.0 */
/* What send and receive have in common. */
#ifndef VMMIGCTL_MOVE_H
#define VMMIGCTL_MOVE_H

#include "ctl.h"
#include "ram.h"

/**
 * struct move - a session that is about to be made
 * @ram: RAM blocks
 * @name: free text, NULL for none
 * @pid: process that has the VM, 0 for none
 * @vm_fd: KVM's descriptor of the VM, -1 for none
 * @nr_streams: TCP connections
 * @timeout_ms: for connecting, -1 for no limit
 * @wait: stay until the end of the session
 * @token: secret that both sides know
 * @have_token: it was given
 * @address: receive, where to listen, NULL for everywhere
 * @port: receive, NULL for any
 * @make_token: receive, file for a new token
 * @socks: connected sockets
 * @start: what goes to the module
 */
struct move {
	struct ram_set ram;
	const char *name;
	unsigned int pid;
	int vm_fd;
	unsigned int nr_streams;
	int timeout_ms;
	bool wait;
	uint8_t token[VMMIG_TOKEN_LEN];
	bool have_token;
	const char *address;
	const char *port;
	const char *make_token;
	int socks[VMMIG_MAX_STREAMS];
	struct vmmig_start start;
};

void move_init(struct move *m);
void move_cleanup(struct move *m);

/* One of the options that both have; the rest is the command's own. */
enum move_opt {
	MOVE_NAME, MOVE_PID, MOVE_VM_FD, MOVE_RAM, MOVE_STREAMS,
	MOVE_TOKEN_FILE, MOVE_TIMEOUT, MOVE_WAIT, MOVE_NR,
};

#define MOVE_OPTS(ram_help, timeout_help)				\
	[MOVE_NAME] = { "name", "NAME", "free text, shown by status" },	\
	[MOVE_PID] = { "pid", "PID",					\
		"process that has the VM (QEMU); its KVM\n"		\
		"descriptor is copied" },				\
	[MOVE_VM_FD] = { "vm-fd", "FD",					\
		"KVM's descriptor of the VM, inherited" },		\
	[MOVE_RAM] = { "ram", "ID=WHERE", ram_help },			\
	[MOVE_STREAMS] = { "streams", "N",				\
		"TCP connections, 1 to 8, equal on both\n"		\
		"sides (1)" },						\
	[MOVE_TOKEN_FILE] = { "token-file", "FILE",			\
		"secret that both sides know, 64 hexadecimal\n"		\
		"digits; - for standard input" },			\
	[MOVE_TIMEOUT] = { "timeout", "SEC",				\
		"time to connect (" timeout_help ")" },			\
	[MOVE_WAIT] = { "wait", NULL,					\
		"stay, show progress, exit with the session's\n"	\
		"result" }

int move_option(struct ctl *ctl, struct move *m, enum move_opt opt,
		const char *arg, bool source);
/* Are the options complete? */
int move_check(struct ctl *ctl, const struct move *m);
/* Opens RAM and VM; what can be wrong is found before anybody connects. */
int move_open(struct ctl *ctl, struct move *m, bool source);
/* Prints the id, and waits if asked for. rc: result of the request */
int move_started(struct ctl *ctl, struct move *m, struct vmmig_nl *nl,
		 uint32_t id, int rc);

#endif /* VMMIGCTL_MOVE_H */
