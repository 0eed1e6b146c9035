// SPDX-License-Identifier: GPL-2.0
/*
 * The workload of the lab's guest: memory, disk, network and clock are used
 * and checked all the time. Answers one-line commands on a virtio-serial port,
 * or on the second UART where there is none.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "wl.h"

#define MAX_BAD_LINES	20

struct wl_opts wl = {
	.mem = 32 << 20, .rate = 4, .verify = 8, .random = true,
	.tick = 10, .disk = 4, .files = 20, .tcp = 5, .beat = 2, .udp = 5,
};

static atomic_int bad_lines;

static void print(const char *prefix, const char *fmt, va_list ap)
{
	char line[512];
	int n = snprintf(line, sizeof(line), "%s", prefix);

	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	/* one write, so that lines of threads do not mix */
	if (write(STDOUT_FILENO, line, n) < 0)
		return;
}

void wl_log(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	print("WORKLOAD ", fmt, ap);
	va_end(ap);
}

void wl_bad(const char *fmt, ...)
{
	va_list ap;

	if (atomic_fetch_add(&bad_lines, 1) >= MAX_BAD_LINES)
		return;
	va_start(ap, fmt);
	print("WORKLOAD BAD ", fmt, ap);
	va_end(ap);
}

uint64_t wl_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * Until the next multiple of ms, so that threads wake up together: each wake-up
 * costs several exits, which are dear in an emulated host.
 */
void wl_sleep_ms(int ms)
{
	uint64_t next = (wl_now() / 1000000 / ms + 1) * ms;
	struct timespec t = { .tv_sec = next / 1000, .tv_nsec = next % 1000 * 1000000 };

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void wl_thread(void *(*fn)(void *), void *arg)
{
	pthread_t id;

	if (pthread_create(&id, NULL, fn, arg)) {
		wl_log("cannot start a thread");
		exit(1);
	}
}

static size_t parse_size(const char *s)
{
	char *end;
	double n = strtod(s, &end);

	switch (toupper((unsigned char)*end)) {
	case 'G':
		n *= 1024;
		/* fall through */
	case 'M':
		n *= 1024;
		/* fall through */
	case 'K':
		n *= 1024;
	}
	return n;
}

static double parse_rate(const char *s)
{
	return strcmp(s, "max") ? atof(s) : WL_RATE_MAX;
}

static void parse_option(const char *name, const char *value)
{
	static const struct { const char *name; size_t *to; } sizes[] = {
		{ "mem", &wl.mem }, { "fill", &wl.fill }, { "hot", &wl.hot },
	};
	static const struct { const char *name; int *to; } numbers[] = {
		{ "threads", &wl.threads }, { "tick", &wl.tick }, { "disk", &wl.disk }, { "files", &wl.files }, { "tcp", &wl.tcp },
		{ "beat", &wl.beat }, { "udp", &wl.udp }, { "nested", &wl.nested },
	};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		if (!strcmp(name, sizes[i].name))
			*sizes[i].to = parse_size(value);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		if (!strcmp(name, numbers[i].name))
			*numbers[i].to = atoi(value);
	if (!strcmp(name, "rate"))
		wl.rate = parse_rate(value);
	if (!strcmp(name, "verify"))
		wl.verify = parse_rate(value);
	if (!strcmp(name, "pattern"))
		wl.random = strcmp(value, "seq");
}

static void parse_cmdline(void)
{
	static char line[4096];
	FILE *f = fopen("/proc/cmdline", "r");

	wl.threads = get_nprocs();
	if (!f || !fgets(line, sizeof(line), f))
		return;
	fclose(f);
	for (char *w = strtok(line, " \n"); w; w = strtok(NULL, " \n")) {
		char *value = strchr(w, '=');

		if (strncmp(w, "wl.", 3) || !value)
			continue;
		*value++ = 0;
		parse_option(w + 3, value);
	}
	if (!wl.hot || wl.hot > wl.mem)
		wl.hot = wl.mem;
	if (wl.disk > 1000)
		wl.disk = 1000;
	if (wl.files > 1000)
		wl.files = 1000;
	if (wl.threads < 1)
		wl.threads = 1;
	if (wl.tick < 1 || wl.tick > 50)
		wl.tick = 10;
	if (wl.beat < 1)
		wl.beat = 2;
}

/* Where there is no virtio port */
static int open_uart(void)
{
	int fd = open("/dev/ttyS1", O_RDWR | O_NOCTTY);
	struct termios t;

	if (fd < 0)
		return fd;
	if (tcgetattr(fd, &t)) {	/* a name without a device */
		close(fd);
		return -1;
	}
	cfmakeraw(&t);
	tcsetattr(fd, TCSANOW, &t);
	return fd;
}

static int open_port(void)
{
	char path[64], name[64];

	for (int i = 0; i < 8; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/vport%dp1/name", i);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(name, "wl.cmd\n")) {
			fclose(f);
			snprintf(path, sizeof(path), "/dev/vport%dp1", i);
			return open(path, O_RDWR);
		}
		fclose(f);
	}
	return open_uart();
}

static void answer(const char *line, char *buf, size_t size)
{
	uint64_t pages, bad;
	int n;

	if (!strcmp(line, "status")) {
		n = snprintf(buf, size, "{");
		n += mem_status(buf + n, size - n);
		n += disk_status(buf + n, size - n);
		n += files_status(buf + n, size - n);
		n += nested_status(buf + n, size - n);
		n += net_status(buf + n, size - n);
		n += beat_status(buf + n, size - n);
		snprintf(buf + n, size - n, "\"uptime_s\":%.1f}\n", wl_now() / 1e9);
	} else if (!strcmp(line, "verify")) {
		mem_verify(&pages, &bad);
		snprintf(buf, size, "%s pages %lu bad %lu\n", bad ? "BAD" : "ok", pages, bad);
	} else if (!strcmp(line, "reset-gap")) {
		beat_reset();
		net_reset();
		snprintf(buf, size, "ok\n");
	} else if (!strncmp(line, "rate ", 5)) {
		mem_rate(parse_rate(line + 5));
		snprintf(buf, size, "ok\n");
	} else if (!strcmp(line, "remap")) {
		snprintf(buf, size, "%s\n", bar_move());
	} else if (!strcmp(line, "poweroff")) {
		wl_log("poweroff");
		sync();
		reboot(RB_POWER_OFF);
	} else if (!strcmp(line, "reboot")) {
		sync();
		reboot(RB_AUTOBOOT);
	} else {
		snprintf(buf, size, "unknown command\n");
	}
}

static void serve(int fd)
{
	static char in[256], out[2048];
	char *question;
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, in + len, 1);

		if (n <= 0) {	/* nobody connected */
			len = 0;
			wl_sleep_ms(20);
			continue;
		}
		if (in[len] != '\n') {
			if (++len == sizeof(in))
				len = 0;
			continue;
		}
		in[len] = 0;
		len = 0;
		if (!*in)
			continue;
		/* "@TAG question": the answer has the tag too */
		question = *in == '@' ? strchr(in, ' ') : NULL;
		question = question ? question + 1 : in;
		memcpy(out, in, question - in);
		answer(question, out + (question - in), sizeof(out) - (question - in));
		if (write(fd, out, strlen(out)) < 0)
			continue;
	}
}

int main(void)
{
	int fd;

	parse_cmdline();
	mem_start();
	disk_start();
	files_start();
	nested_start();
	net_start();
	beat_start();
	fd = open_port();
	wl_log("READY uptime %.1f%s", wl_now() / 1e9, fd < 0 ? ", no command port" : "");
	if (fd >= 0)
		serve(fd);
	pause();
	return 0;
}
