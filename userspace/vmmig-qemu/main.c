// SPDX-License-Identifier: GPL-2.0
/* vmmig-qemu: move a running VM of stock QEMU to another host. */
#include <stdio.h>
#include <string.h>

#include "migration.h"
#include "receive.h"

static int run_receive(const struct options *o)
{
	(void)o;
	return receive_run();
}

static const struct {
	const char *name;
	bool plain;		/* takes no options */
	int (*run)(const struct options *o);
} commands[] = {
	{ "migrate", false, migrate_run },
	{ "check", false, migrate_check },
	{ "receive", true, run_receive },
};

static bool is_help(const char *word)
{
	return !strcmp(word, "--help") || !strcmp(word, "-h");
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	int code = EXIT_USAGE;

	if (argc > 1 && (is_help(argv[1]) || !strcmp(argv[1], "help"))) {
		options_help();
		return 0;
	}
	if (argc > 1 && !strcmp(argv[1], "--version")) {
		puts("vmmig-qemu " VMMIG_VERSION);
		return 0;
	}
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(commands); i++) {
		if (strcmp(argv[1], commands[i].name))
			continue;
		if (commands[i].plain) {
			if (argc == 2)
				return commands[i].run(&o);
			if (is_help(argv[2])) {
				options_help();
				return 0;
			}
			fprintf(stderr, "vmmig-qemu: '%s' takes no options; see --help\n",
				argv[1]);
			return EXIT_USAGE;
		}
		switch (options_parse(&o, argc - 1, argv + 1)) {
		case OPTIONS_HELP:
			options_help();
			code = 0;
			break;
		case OPTIONS_WRONG:
			break;
		case OPTIONS_OK:
			code = commands[i].run(&o);
			break;
		}
		options_free(&o);
		return code;
	}
	if (argc > 1)
		fprintf(stderr, "vmmig-qemu: there is no command '%s'; ", argv[1]);
	else
		fputs("vmmig-qemu: a command is missing; ", stderr);
	fputs("give migrate or check, and options after it; see --help\n", stderr);
	return EXIT_USAGE;
}
