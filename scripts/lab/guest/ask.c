// SPDX-License-Identifier: GPL-2.0
/*
 * Ask lines over a unix socket, one after the other, and print the line that
 * answers each. With -q the socket speaks QMP. With -t a question gets a tag that
 * its answer must have, as one that nobody waited for may come first. A program of
 * its own, since anything interpreted takes half a second to start in an emulated
 * host.
 *
 * usage: ask [-q|-t] SOCKET SECONDS LINE...   exit code: 0 answered, 1 no answer,
 *                                             2 QMP error
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static bool starts(const char *line, const char *with)
{
	return !strncmp(line, with, strlen(with));
}

/* The next line that is no QMP greeting, no event, and has the tag */
static char *next_line(FILE *f, const char *tag)
{
	static char *line;
	static size_t size;

	while (getline(&line, &size, f) > 0)
		if (*tag) {
			if (starts(line, tag))
				return line + strlen(tag);
		} else if (!starts(line, "{\"timestamp\"") && !starts(line, "{\"QMP\"") &&
		    !strstr(line, "\"event\": "))
			return line;
	return NULL;
}

int main(int argc, char **argv)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct timeval limit = { 0 };
	bool qmp = argc > 1 && !strcmp(argv[1], "-q");
	bool tagged = argc > 1 && !strcmp(argv[1], "-t");
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char *line, tag[32] = "";
	int ret = 0;
	FILE *f;

	argv += qmp + tagged;
	if (argc - qmp - tagged < 4) {
		fprintf(stderr, "usage: ask [-q|-t] SOCKET SECONDS LINE...\n");
		return 1;
	}
	limit.tv_sec = atoi(argv[2]);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	strncpy(un.sun_path, argv[1], sizeof(un.sun_path) - 1);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		perror(argv[1]);
		return 1;
	}
	if (tagged)
		snprintf(tag, sizeof(tag), "@%d.%ld ", getpid(), (long)time(NULL));
	f = fdopen(fd, "r");
	if (!f || (qmp && (dprintf(fd, "{\"execute\":\"qmp_capabilities\"}\n") < 0 ||
			   !next_line(f, ""))))
		return 1;
	for (char **question = argv + 3; *question; question++) {
		if (dprintf(fd, "%s%s\n", tag, *question) < 0)
			return 1;
		line = next_line(f, tag);
		if (!line) {
			fprintf(stderr, "%s: no answer\n", argv[1]);
			return 1;
		}
		fputs(line, stdout);
		if (qmp && starts(line, "{\"error\""))
			ret = 2;
	}
	return ret;
}
