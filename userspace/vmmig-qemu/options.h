/* SPDX-License-Identifier: GPL-2.0 */
/* The command line of vmmig-qemu. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "cmdline.h"

#define OPTIONS_PAIRS	32

struct options {
	/* the source */
	const char *qmp;
	pid_t pid;
	const char *name;
	bool keep_source;
	bool keep_ram;
	/* the way */
	const char *dest;
	const char *rsh;
	const char *remote_path;
	const char *connect;
	unsigned int streams;
	uint64_t bandwidth;
	/* the destination */
	const char *dest_listen;
	const char *dest_port;
	const char *dest_qemu;
	const char *dest_qmp;
	const char *dest_log;
	const char *dest_user;
	const char *dest_cwd;
	struct cmdline_pair replace[OPTIONS_PAIRS];
	size_t nr_replace;
	struct cmdline_pair ram[OPTIONS_PAIRS];
	size_t nr_ram;
	struct strv add;
	/* the rules */
	enum vmmig_tracking tracking;
	unsigned int downtime_ms;
	unsigned int max_passes;
	unsigned int timeout_s;
	bool timeout_abort;
	bool auto_converge;
	/* the words */
	bool json;
	bool progress_json;
	bool quiet;
	bool verbose;
	/* tests */
	const char *hook_stopped;
	unsigned int hook_timeout_s;
	const char *fail_at;
	const char *dest_fail_at;
};

enum options_result { OPTIONS_OK, OPTIONS_HELP, OPTIONS_WRONG };

/* @argv[0] is the subcommand. */
enum options_result options_parse(struct options *o, int argc, char **argv);
void options_free(struct options *o);
/* The host part of DESTHOST: without user and brackets; to be freed. */
char *options_host(const struct options *o);
void options_help(void);

#endif /* OPTIONS_H */
