// SPDX-License-Identifier: GPL-2.0
/* vmmigctl: the command table and what comes before the command. */
#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "print.h"

static const struct ctl_cmd * const cmds[] = {
	&ctl_cmd_send,
	&ctl_cmd_receive,
	&ctl_cmd_status,
	&ctl_cmd_monitor,
	&ctl_cmd_throttle,
	&ctl_cmd_finalize,
	&ctl_cmd_cancel,
};

#define NR_CMDS		(sizeof(cmds) / sizeof(cmds[0]))

static const struct ctl_cmd *cmd_find(const char *name)
{
	for (size_t i = 0; i < NR_CMDS; i++)
		if (!strcmp(cmds[i]->name, name))
			return cmds[i];
	return NULL;
}

static void help(FILE *out)
{
	fprintf(out, "Usage: vmmigctl [--json] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
		"Moves the RAM of KVM guests from kernel to kernel.\n\n"
		"Commands:\n");
	for (size_t i = 0; i < NR_CMDS; i++)
		fprintf(out, "  %-9s %-10s  %s\n", cmds[i]->name, cmds[i]->args,
			cmds[i]->help);
	fprintf(out, "  %-9s %-10s  %s\n\n", "help", "[COMMAND]",
		"Show this, or the options of a command.");
	fprintf(out, "Options:\n"
		"  --json      write JSON instead of text\n"
		"  --help      show this and exit\n"
		"  --version   show the version and exit\n");
}

static int unknown(const char *what, const char *name)
{
	fprintf(stderr, "vmmigctl: there is no %s \"%s\"; commands:", what,
		name);
	for (size_t i = 0; i < NR_CMDS; i++)
		fprintf(stderr, " %s", cmds[i]->name);
	fprintf(stderr, " help; options before them: --json --help --version\n");
	return CTL_USAGE;
}

static int run_help(const char *name)
{
	const struct ctl_cmd *cmd;

	if (!name || !strcmp(name, "help")) {
		help(stdout);
		return CTL_OK;
	}
	cmd = cmd_find(name);
	if (!cmd)
		return unknown("command", name);
	ctl_opts_help(cmd);
	return CTL_OK;
}

int main(int argc, char **argv)
{
	struct ctl ctl = { .print = &ctl_print_text };
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--json") || !strcmp(argv[i], "-j")) {
			ctl.print = &ctl_print_json;
		} else if (!strcmp(argv[i], "--help") ||
			   !strcmp(argv[i], "-h")) {
			return run_help(NULL);
		} else if (!strcmp(argv[i], "--version") ||
			   !strcmp(argv[i], "-V")) {
			printf("vmmigctl %s\n", VMMIG_VERSION);
			return CTL_OK;
		} else {
			return unknown("option", argv[i]);
		}
	}
	if (i == argc) {
		help(stderr);
		return CTL_USAGE;
	}
	if (!strcmp(argv[i], "help"))
		return run_help(argv[i + 1]);

	ctl.cmd = cmd_find(argv[i]);
	if (!ctl.cmd)
		return unknown("command", argv[i]);
	return ctl.cmd->run(&ctl, argc - i, argv + i);
}
