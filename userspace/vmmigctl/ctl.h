/* SPDX-License-Identifier: GPL-2.0 */
/* What the commands of vmmigctl share. */
#ifndef VMMIGCTL_H
#define VMMIGCTL_H

#include "vmmig.h"

/* Documented in vmmigctl(8). */
enum ctl_exit {
	CTL_OK			= 0,
	CTL_FAILED		= 1,
	CTL_USAGE		= 2,
	CTL_SESSION_FAILED	= 3,
	CTL_SESSION_CANCELLED	= 4,
	CTL_NO_ACCESS		= 5,	/* no permission, no module */
};

struct ctl;
struct ctl_print;

/**
 * struct ctl_opt - an option of a command
 * @name: long name, without the dashes; NULL ends the list
 * @arg: what to call its argument, NULL for none
 * @help: one line, or several separated by a newline
 */
struct ctl_opt {
	const char *name;
	const char *arg;
	const char *help;
};

/**
 * struct ctl_cmd - a command
 * @name: what the user types
 * @args: positional arguments as shown in the help
 * @help: one line for the list of commands
 * @opts: its options
 * @min_args: least number of positional arguments
 * @max_args: greatest number of positional arguments
 * @option: takes opts[i] and its argument; NULL if there are no options
 * @run: does the work, starts with ctl_opts_parse(); argv[0] is the name
 *
 * Both return an enum ctl_exit.
 */
struct ctl_cmd {
	const char *name;
	const char *args;
	const char *help;
	const struct ctl_opt *opts;
	int min_args;
	int max_args;
	int (*option)(struct ctl *ctl, int i, const char *arg);
	int (*run)(struct ctl *ctl, int argc, char **argv);
};

/**
 * struct ctl - one run of vmmigctl
 * @print: how results are written
 * @cmd: the command
 * @args: positional arguments, after ctl_opts_parse()
 * @nr_args: number of them
 * @data: where option() leaves its results for run()
 * @err: last failure
 */
struct ctl {
	const struct ctl_print *print;
	const struct ctl_cmd *cmd;
	char **args;
	int nr_args;
	void *data;
	struct vmmig_error err;
};

extern const struct ctl_cmd ctl_cmd_send, ctl_cmd_receive, ctl_cmd_status,
	ctl_cmd_monitor, ctl_cmd_throttle, ctl_cmd_finalize, ctl_cmd_cancel;

/* opts.c */
int ctl_opts_parse(struct ctl *ctl, int argc, char **argv);
void ctl_opts_help(const struct ctl_cmd *cmd);
/* Prints the sentence and where to look; returns CTL_USAGE. */
__attribute__((format(printf, 2, 3)))
int ctl_usage(const struct ctl *ctl, const char *fmt, ...);

/* error.c: print ctl->err, return the exit code that fits to rc. */
int ctl_failed(const struct ctl *ctl, int rc);
int ctl_nl_open(struct ctl *ctl, struct vmmig_nl **nl);

/* parse.c: pure; return 0 or a negative errno */
int ctl_parse_id(const char *text, uint32_t *id, struct vmmig_error *err);
int ctl_parse_uint(const char *what, const char *text, unsigned int min,
		   unsigned int max, unsigned int *value,
		   struct vmmig_error *err);

/* follow.c */
enum ctl_until { CTL_UNTIL_END, CTL_UNTIL_SYNCED, CTL_FOREVER };

/*
 * Print events of session id (0: all) until the given state. Call
 * vmmig_nl_subscribe() before whatever is to be waited for.
 */
int ctl_follow(struct ctl *ctl, struct vmmig_nl *nl, uint32_t id,
	       enum ctl_until until);

#endif /* VMMIGCTL_H */
