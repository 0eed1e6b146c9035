// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "step.h"

enum {
	OPT_QMP = 256, OPT_PID, OPT_NAME, OPT_KEEP_SOURCE, OPT_KEEP_RAM,
	OPT_REMOTE_PATH, OPT_CONNECT, OPT_STREAMS, OPT_BANDWIDTH,
	OPT_DEST_LISTEN, OPT_DEST_PORT, OPT_DEST_QEMU, OPT_DEST_QMP,
	OPT_DEST_LOG, OPT_DEST_USER, OPT_DEST_CWD, OPT_DEST_REPLACE,
	OPT_DEST_RAM, OPT_DEST_ARG, OPT_TRACKING, OPT_DOWNTIME, OPT_PASSES,
	OPT_TIMEOUT, OPT_TIMEOUT_ACTION, OPT_AUTO_CONVERGE, OPT_JSON,
	OPT_PROGRESS_JSON, OPT_HOOK, OPT_HOOK_TIMEOUT, OPT_FAIL_AT,
	OPT_DEST_FAIL_AT,
};

static const struct option longs[] = {
	{ "qmp", required_argument, NULL, OPT_QMP },
	{ "pid", required_argument, NULL, OPT_PID },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "keep-source", no_argument, NULL, OPT_KEEP_SOURCE },
	{ "keep-ram", no_argument, NULL, OPT_KEEP_RAM },
	{ "rsh", required_argument, NULL, 'e' },
	{ "remote-path", required_argument, NULL, OPT_REMOTE_PATH },
	{ "connect", required_argument, NULL, OPT_CONNECT },
	{ "streams", required_argument, NULL, OPT_STREAMS },
	{ "bandwidth", required_argument, NULL, OPT_BANDWIDTH },
	{ "dest-listen", required_argument, NULL, OPT_DEST_LISTEN },
	{ "dest-port", required_argument, NULL, OPT_DEST_PORT },
	{ "dest-qemu", required_argument, NULL, OPT_DEST_QEMU },
	{ "dest-qmp", required_argument, NULL, OPT_DEST_QMP },
	{ "dest-log", required_argument, NULL, OPT_DEST_LOG },
	{ "dest-user", required_argument, NULL, OPT_DEST_USER },
	{ "dest-cwd", required_argument, NULL, OPT_DEST_CWD },
	{ "dest-replace", required_argument, NULL, OPT_DEST_REPLACE },
	{ "dest-ram", required_argument, NULL, OPT_DEST_RAM },
	{ "dest-arg", required_argument, NULL, OPT_DEST_ARG },
	{ "tracking", required_argument, NULL, OPT_TRACKING },
	{ "downtime-limit", required_argument, NULL, OPT_DOWNTIME },
	{ "max-iterations", required_argument, NULL, OPT_PASSES },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "timeout-action", required_argument, NULL, OPT_TIMEOUT_ACTION },
	{ "auto-converge", no_argument, NULL, OPT_AUTO_CONVERGE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "progress-json", no_argument, NULL, OPT_PROGRESS_JSON },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "hook-stopped", required_argument, NULL, OPT_HOOK },
	{ "hook-timeout", required_argument, NULL, OPT_HOOK_TIMEOUT },
	{ "fail-at", required_argument, NULL, OPT_FAIL_AT },
	{ "dest-fail-at", required_argument, NULL, OPT_DEST_FAIL_AT },
	{ "help", no_argument, NULL, 'h' },
	{ }
};

static const char help[] =
"Usage: vmmig-qemu migrate --qmp SOCKET [OPTION]... DESTHOST\n"
"       vmmig-qemu check --qmp SOCKET [OPTION]... [DESTHOST]\n"
"       vmmig-qemu receive\n"
"       vmmig-qemu --help | --version\n"
"\n"
"Move a running VM of QEMU to another host; its RAM goes from kernel to kernel.\n"
"'check' only looks whether that is possible. 'receive' is what 'migrate' runs\n"
"at the destination, it is not for people.\n"
"\n"
"Source:\n"
"  --qmp SOCKET           UNIX socket of QEMU's monitor (-qmp unix:SOCKET,...)\n"
"  --pid PID              process of QEMU, if the socket does not tell\n"
"  --name NAME            name of the session, default: name of the VM\n"
"  --keep-source          leave QEMU stopped at the source instead of ending it\n"
"  --keep-ram             leave the RAM files at the source\n"
"Way:\n"
"  -e, --rsh CMD          remote shell, default: ssh\n"
"  --remote-path PROG     vmmig-qemu at the destination, default: vmmig-qemu\n"
"  --connect ADDR         connect to this address, default: host of DESTHOST\n"
"  --streams N            TCP connections, 1 to 8, default: 1\n"
"  --bandwidth RATE       at most so much: bytes per second with K, M, G, or bits\n"
"                         with mbit, gbit; 64K or more; default: no limit\n"
"Destination:\n"
"  --dest-listen ADDR     listen at this address, default: all\n"
"  --dest-port PORT       listen at this port, 0 to 65535; default: 0, any free one\n"
"  --dest-qemu PROG       program of QEMU, default: as at the source\n"
"  --dest-qmp PATH        path of the QMP socket, default: as at the source\n"
"  --dest-ram ID=PATH     mem-path of a RAM block\n"
"  --dest-replace OLD=NEW replace text in QEMU's arguments; 'OLD=>NEW' if OLD\n"
"                         has a '='; an option whose value becomes empty is\n"
"                         left out; may be repeated\n"
"  --dest-arg ARG         add an argument to QEMU's command line; may be repeated\n"
"  --dest-user USER       run QEMU as this user, default: as at the source\n"
"  --dest-cwd DIR         working directory of QEMU, default: as at the source\n"
"  --dest-log FILE        what QEMU prints, default: /var/log/vmmig/NAME.log,\n"
"                         vm.log there for a VM without a name\n"
"When to stop the VM:\n"
"  --downtime-limit MS    aim at a standstill of at most that, 1 to 3600000;\n"
"                         default: 300\n"
"  --max-iterations N     or after so many passes, 1 or more\n"
"  --timeout SEC          or after so much time, 1 to 2592000\n"
"  --timeout-action ACT   what these two do: stop (go on with the VM stopped, the\n"
"                         default) or abort\n"
"  --auto-converge        slow the vCPUs down if passes do not get shorter\n"
"  --tracking HOW         auto (default), ring or scan\n"
"Output:\n"
"  --json                 report as JSON on standard output\n"
"  --progress-json        progress as lines of JSON on standard error\n"
"  -q, --quiet            no progress and no report, but warnings and errors\n"
"  -v, --verbose          all findings, and where QEMU's output goes\n"
"Tests:\n"
"  --hook-stopped CMD     run CMD while both VMs stand still and RAM is complete\n"
"                         there, before the device state is loaded; the\n"
"                         migration is rolled back if it fails\n"
"  --hook-timeout SEC     its time limit, 1 to 86400; default: 600\n"
"\n"
"Exit status: 0 moved; 1 failed, the VM is at the source as before; 2 usage;\n"
"3 refused by the checks; 4 cancelled, the VM is at the source as before;\n"
"5 the end is unknown, the VM is stopped at the source; 6 failed, and the VM\n"
"could not be resumed, or its QEMU has gone. Of check: 0 the VM can be moved;\n"
"1 not all could be looked at; 2 usage; 3 it cannot be moved; 4 cancelled.\n"
"RAM travels unencrypted.\n";

void options_help(void)
{
	fputs(help, stdout);
}

static bool wrong(const char *what, const char *value)
{
	fprintf(stderr, "vmmig-qemu: %s '%s' is not valid; see --help\n", what,
		value);
	return false;
}

static bool take_number(const char *what, const char *text, unsigned long min,
			unsigned long max, unsigned int *value)
{
	const char *say = "vmmig-qemu: %s '%s' is not valid, it must be a number from %lu to %lu\n";
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max ||
	    text[0] == '-') {
		fprintf(stderr, say, what, text, min, max);
		return false;
	}
	*value = n;
	return true;
}

static bool take_pair(const char *what, const char *text,
		      struct cmdline_pair *pairs, size_t *nr)
{
	if (*nr == OPTIONS_PAIRS || cmdline_pair_parse(text, &pairs[*nr]))
		return wrong(what, text);
	(*nr)++;
	return true;
}

static bool take_tracking(struct options *o, const char *text)
{
	static const enum vmmig_tracking all[] = {
		VMMIG_TRACKING_AUTO, VMMIG_TRACKING_RING, VMMIG_TRACKING_SCAN,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (!strcmp(text, vmmig_tracking_name(all[i]))) {
			o->tracking = all[i];
			return true;
		}
	}
	return wrong("--tracking", text);
}

static bool take_fail_at(const char *what, const char *text, const char **value)
{
	if (!step_is_known(text))
		return wrong(what, text);
	*value = text;
	return true;
}

static bool take_option(struct options *o, int c, const char *arg)
{
	unsigned int n;

	switch (c) {
	case OPT_QMP:
		o->qmp = arg;
		return true;
	case OPT_PID:
		if (!take_number("--pid", arg, 1, 1 << 30, &n))
			return false;
		o->pid = n;
		return true;
	case OPT_NAME:
		o->name = arg;
		return strlen(arg) < 64 ? true : wrong("--name", arg);
	case OPT_KEEP_SOURCE:
		o->keep_source = true;
		return true;
	case OPT_KEEP_RAM:
		o->keep_ram = true;
		return true;
	case 'e':
		o->rsh = arg;
		return true;
	case OPT_REMOTE_PATH:
		o->remote_path = arg;
		return true;
	case OPT_CONNECT:
		o->connect = arg;
		return true;
	case OPT_STREAMS:
		return take_number("--streams", arg, 1, VMMIG_MAX_STREAMS,
				   &o->streams);
	case OPT_BANDWIDTH:
		return vmmig_rate_parse(arg, &o->bandwidth, NULL) ?
			wrong("--bandwidth", arg) : true;
	case OPT_DEST_LISTEN:
		o->dest_listen = arg;
		return true;
	case OPT_DEST_PORT:
		o->dest_port = arg;
		return take_number("--dest-port", arg, 0, 65535, &n);
	case OPT_DEST_QEMU:
		o->dest_qemu = arg;
		return true;
	case OPT_DEST_QMP:
		o->dest_qmp = arg;
		return true;
	case OPT_DEST_LOG:
		o->dest_log = arg;
		return true;
	case OPT_DEST_USER:
		o->dest_user = arg;
		return true;
	case OPT_DEST_CWD:
		o->dest_cwd = arg;
		return true;
	case OPT_DEST_REPLACE:
		return take_pair("--dest-replace", arg, o->replace,
				 &o->nr_replace);
	case OPT_DEST_RAM:
		return take_pair("--dest-ram", arg, o->ram, &o->nr_ram);
	case OPT_DEST_ARG:
		strv_add(&o->add, arg);
		return true;
	case OPT_TRACKING:
		return take_tracking(o, arg);
	case OPT_DOWNTIME:
		return take_number("--downtime-limit", arg, 1, 3600000,
				   &o->downtime_ms);
	case OPT_PASSES:
		return take_number("--max-iterations", arg, 1, 1 << 30,
				   &o->max_passes);
	case OPT_TIMEOUT:
		return take_number("--timeout", arg, 1, 30 * 86400,
				   &o->timeout_s);
	case OPT_TIMEOUT_ACTION:
		o->timeout_abort = !strcmp(arg, "abort");
		return o->timeout_abort || !strcmp(arg, "stop") ? true :
			wrong("--timeout-action", arg);
	case OPT_AUTO_CONVERGE:
		o->auto_converge = true;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_PROGRESS_JSON:
		o->progress_json = true;
		return true;
	case 'q':
		o->quiet = true;
		return true;
	case 'v':
		o->verbose = true;
		return true;
	case OPT_HOOK:
		o->hook_stopped = arg;
		return true;
	case OPT_HOOK_TIMEOUT:
		return take_number("--hook-timeout", arg, 1, 86400,
				   &o->hook_timeout_s);
	case OPT_FAIL_AT:
		return take_fail_at("--fail-at", arg, &o->fail_at);
	case OPT_DEST_FAIL_AT:
		return take_fail_at("--dest-fail-at", arg, &o->dest_fail_at);
	default:
		return false;
	}
}

enum options_result options_parse(struct options *o, int argc, char **argv)
{
	bool check = !strcmp(argv[0], "check");
	int c;

	memset(o, 0, sizeof(*o));
	/* getopt_long() begins its sentences with it. */
	argv[0] = (char *)"vmmig-qemu";
	o->rsh = "ssh";
	o->remote_path = "vmmig-qemu";
	o->dest_port = "0";
	o->streams = 1;
	o->downtime_ms = 300;
	o->hook_timeout_s = 600;
	o->tracking = VMMIG_TRACKING_AUTO;
	while ((c = getopt_long(argc, argv, "e:qvh", longs, NULL)) >= 0) {
		if (c == 'h')
			return OPTIONS_HELP;
		if (!take_option(o, c, optarg)) {
			if (c == '?')
				fputs("vmmig-qemu: see --help\n", stderr);
			return OPTIONS_WRONG;
		}
	}
	if (optind < argc)
		o->dest = argv[optind++];
	if (optind < argc || (o->dest && o->dest[0] == '-'))
		fprintf(stderr, "vmmig-qemu: '%s' is one argument too many, or not a host; see --help\n",
			optind < argc ? argv[optind] : o->dest);
	else if (!o->qmp)
		fputs("vmmig-qemu: --qmp is missing; see --help\n", stderr);
	else if (!o->dest && !check)
		fputs("vmmig-qemu: DESTHOST is missing; see --help\n", stderr);
	else
		return OPTIONS_OK;
	return OPTIONS_WRONG;
}

char *options_host(const struct options *o)
{
	const char *at = strrchr(o->dest, '@');
	const char *host = o->connect ? o->connect : at ? at + 1 : o->dest;
	size_t len = strlen(host);

	if (len > 2 && host[0] == '[' && host[len - 1] == ']')
		return xasprintf("%.*s", (int)len - 2, host + 1);
	return xstrdup(host);
}

void options_free(struct options *o)
{
	for (size_t i = 0; i < o->nr_replace; i++) {
		free(o->replace[i].from);
		free(o->replace[i].to);
	}
	for (size_t i = 0; i < o->nr_ram; i++) {
		free(o->ram[i].from);
		free(o->ram[i].to);
	}
	strv_free(&o->add);
}
