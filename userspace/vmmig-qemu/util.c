// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

int buf_reserve(struct buf *b, size_t more)
{
	size_t size = b->size ? b->size : 4096;
	char *data;

	if (more > SIZE_MAX / 2 - b->len)
		return -ENOMEM;
	while (size < b->len + more)
		size *= 2;
	if (size == b->size)
		return 0;
	data = realloc(b->data, size);
	if (!data)
		return -ENOMEM;
	b->data = data;
	b->size = size;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	int ret = buf_reserve(b, len);

	if (ret)
		return ret;
	memcpy(b->data + b->len, data, len);
	b->len += len;
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	b->len -= len;
	if (b->len)
		memmove(b->data, b->data + len, b->len);
}

void buf_free(struct buf *b)
{
	free(b->data);
	memset(b, 0, sizeof(*b));
}

static void *check_alloc(void *p)
{
	if (!p) {
		fputs("vmmig-qemu: out of memory\n", stderr);
		abort();
	}
	return p;
}

char *xstrdup(const char *text)
{
	return check_alloc(strdup(text));
}

char *xasprintf(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return check_alloc(text);
}

void strv_add(struct strv *s, const char *text)
{
	s->v = check_alloc(realloc(s->v, (s->n + 2) * sizeof(*s->v)));
	s->v[s->n++] = xstrdup(text);
	s->v[s->n] = NULL;
}

void strv_addf(struct strv *s, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	strv_add(s, check_alloc(text));
	free(text);
}

void strv_set(struct strv *s, size_t i, const char *text)
{
	char *copy = xstrdup(text);

	free(s->v[i]);
	s->v[i] = copy;
}

bool strv_has(const struct strv *s, const char *text)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->v[i], text))
			return true;
	return false;
}

void strv_free(struct strv *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	memset(s, 0, sizeof(*s));
}

bool is_one_of(const char *name, const char * const *list, size_t nr)
{
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(name, list[i]))
			return true;
	return false;
}

bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && !strcmp(text + n - m, end);
}

char *str_replace(const char *text, const char *from, const char *to)
{
	size_t step = strlen(from);
	struct buf out = { 0 };
	const char *hit;
	int ret = 0;

	while (step && (hit = strstr(text, from))) {
		ret |= buf_append(&out, text, hit - text);
		ret |= buf_append(&out, to, strlen(to));
		text = hit + step;
	}
	ret |= buf_append(&out, text, strlen(text) + 1);
	return check_alloc(ret ? NULL : out.data);
}

int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

int64_t deadline_in(int64_t ms)
{
	return now_ns() + ms * NSEC_PER_MSEC;
}

int words_split(const char *text, struct strv *words, struct vmmig_error *err)
{
	struct buf word = { 0 };
	bool in_word = false;
	char quote = 0;

	for (; *text; text++) {
		char c = *text;

		if (!quote && isspace((unsigned char)c)) {
			if (in_word) {
				buf_append(&word, "", 1);
				strv_add(words, word.data);
				word.len = 0;
				in_word = false;
			}
			continue;
		}
		in_word = true;
		if (c == quote) {
			quote = 0;
		} else if (!quote && (c == '\'' || c == '"')) {
			quote = c;
		} else {
			if (c == '\\' && quote != '\'' && text[1])
				c = *++text;
			buf_append(&word, &c, 1);
		}
	}
	if (in_word && !quote) {
		buf_append(&word, "", 1);
		strv_add(words, word.data);
	}
	buf_free(&word);
	if (quote)
		return vmmig_fail(err, -EINVAL, "a quote is not closed");
	return 0;
}

const char *bytes_print(double bytes, char *text, size_t size)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	unsigned int i = 0;

	while (bytes >= 1024 && i < ARRAY_SIZE(units) - 1) {
		bytes /= 1024;
		i++;
	}
	snprintf(text, size, i && bytes < 100 ? "%.1f %s" : "%.0f %s",
		 bytes, units[i]);
	return text;
}

int fd_set_nonblock(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int fd_set_cloexec(int fd, bool on)
{
	return fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) < 0 ? -errno : 0;
}

static void child_exec(char *const argv[], int out, bool shown)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 ||
	    (!shown && dup2(null, 2) < 0))
		_exit(127);
	execvp(argv[0], argv);
	_exit(127);
}

static int child_end(pid_t pid, int ret)
{
	int status;

	if (ret)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (ret)
		return ret;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

int program_run_shown(char *const argv[], int timeout_ms)
{
	struct pollfd p = { .events = POLLIN };
	int64_t deadline = deadline_in(timeout_ms), left;
	int ret = 0;
	pid_t pid;

	fflush(stderr);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid)
		child_exec(argv, STDERR_FILENO, true);
	p.fd = syscall(SYS_pidfd_open, pid, 0);
	if (p.fd < 0)
		return child_end(pid, -errno);
	do {
		left = (deadline - now_ns()) / NSEC_PER_MSEC;
		ret = left > 0 ? poll(&p, 1, left) : 0;
	} while (ret < 0 && errno == EINTR);
	close(p.fd);
	return child_end(pid, ret > 0 ? 0 : -ETIMEDOUT);
}

int program_run(char *const argv[], struct buf *out, size_t max, int timeout_ms)
{
	int64_t deadline = deadline_in(timeout_ms);
	int fds[2], ret = 0;
	char data[4096];
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	pid = fork();
	if (pid < 0) {
		ret = -errno;
		close(fds[0]);
		close(fds[1]);
		return ret;
	}
	if (!pid)
		child_exec(argv, fds[1], false);
	close(fds[1]);
	for (;;) {
		struct pollfd p = { .fd = fds[0], .events = POLLIN };
		int64_t left = (deadline - now_ns()) / NSEC_PER_MSEC;
		ssize_t n;

		if (left <= 0 || !poll(&p, 1, left)) {
			ret = -ETIMEDOUT;
			break;
		}
		n = read(fds[0], data, sizeof(data));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (out && out->len + n <= max)
			buf_append(out, data, n);
	}
	close(fds[0]);
	return child_end(pid, ret);
}
