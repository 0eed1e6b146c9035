// SPDX-License-Identifier: GPL-2.0
/* Options of the commands: parsing and help from the same tables. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "print.h"

#define MAX_OPTS	32
/* getopt_long() returns OPT_FIRST + i for opts[i]; no letters in between. */
#define OPT_FIRST	256
#define OPT_JSON	'j'
#define OPT_HELP	'h'

static void list_opts(const struct ctl_cmd *cmd, FILE *out)
{
	const struct ctl_opt *o;

	fprintf(out, "options of %s:", cmd->name);
	for (o = cmd->opts; o && o->name; o++)
		fprintf(out, " --%s", o->name);
	fprintf(out, " --json --help\n");
}

int ctl_usage(const struct ctl *ctl, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "vmmigctl: %s: ", ctl->cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see \"vmmigctl help %s\"\n", ctl->cmd->name);
	return CTL_USAGE;
}

static void help_line(const char *name, const char *arg, const char *help)
{
	char left[64];
	const char *end;

	snprintf(left, sizeof(left), "--%s%s%s", name, arg ? " " : "",
		 arg ? arg : "");
	for (;;) {
		end = strchrnul(help, '\n');
		printf("  %-24s %.*s\n", left, (int)(end - help), help);
		if (!*end)
			return;
		help = end + 1;
		left[0] = 0;
	}
}

void ctl_opts_help(const struct ctl_cmd *cmd)
{
	const struct ctl_opt *o;

	printf("Usage: vmmigctl %s [OPTIONS]%s%s\n\n%s\n\nOptions:\n",
	       cmd->name, cmd->args[0] ? " " : "", cmd->args, cmd->help);
	for (o = cmd->opts; o && o->name; o++)
		help_line(o->name, o->arg, o->help);
	help_line("json", NULL, "write JSON instead of text");
	help_line("help", NULL, "show this and exit");
}

static void build(const struct ctl_cmd *cmd, struct option *longs)
{
	const struct ctl_opt *o;
	int i = 0;

	for (o = cmd->opts; o && o->name && i < MAX_OPTS - 3; o++, i++)
		longs[i] = (struct option){
			o->name, o->arg ? required_argument : no_argument,
			NULL, OPT_FIRST + i
		};
	longs[i++] = (struct option){ "json", no_argument, NULL, OPT_JSON };
	longs[i++] = (struct option){ "help", no_argument, NULL, OPT_HELP };
	longs[i] = (struct option){ 0 };
}

static int bad_option(const struct ctl *ctl, const char *text)
{
	fprintf(stderr, "vmmigctl: %s: there is no option \"%s\", or it is not clear which one is meant\n",
		ctl->cmd->name, text);
	list_opts(ctl->cmd, stderr);
	return CTL_USAGE;
}

/* argv[0] is the name of the command. */
int ctl_opts_parse(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_cmd *cmd = ctl->cmd;
	struct option longs[MAX_OPTS];
	int c, rc;

	build(cmd, longs);
	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":jh", longs, NULL)) >= 0) {
		switch (c) {
		case OPT_JSON:
			ctl->print = &ctl_print_json;
			break;
		case OPT_HELP:
			ctl_opts_help(cmd);
			exit(CTL_OK);
		case ':':
			return ctl_usage(ctl, "\"%s\" needs an argument",
					 argv[optind - 1]);
		case '?':
			return bad_option(ctl, argv[optind - 1]);
		default:
			rc = cmd->option(ctl, c - OPT_FIRST, optarg);
			if (rc)
				return rc;
		}
	}

	ctl->args = argv + optind;
	ctl->nr_args = argc - optind;
	if (ctl->nr_args < cmd->min_args)
		return ctl_usage(ctl, "arguments are missing, it takes %s",
				 cmd->args);
	if (ctl->nr_args > cmd->max_args)
		return ctl_usage(ctl, "\"%s\" is one argument too many",
				 ctl->args[cmd->max_args]);
	return 0;
}
