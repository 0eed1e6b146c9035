/* SPDX-License-Identifier: GPL-2.0 */
/* Strings, growing buffers, time, and programs that are run and waited for. */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmmig.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_SEC	1000000000LL
#define NSEC_PER_MSEC	1000000LL
#define NSEC_PER_USEC	1000LL
#define PAGE_BYTES	4096ULL

/* Bytes that came in or go out; @data is only valid up to @len. */
struct buf {
	char *data;
	size_t len;
	size_t size;
};

/* -ENOMEM leaves the buffer as it was. */
int buf_append(struct buf *b, const void *data, size_t len);
int buf_reserve(struct buf *b, size_t more);
void buf_consume(struct buf *b, size_t len);
void buf_free(struct buf *b);

/* A NULL-terminated list of strings that owns them. */
struct strv {
	char **v;
	size_t n;
};

void strv_add(struct strv *s, const char *text);
__attribute__((format(printf, 2, 3)))
void strv_addf(struct strv *s, const char *fmt, ...);
void strv_set(struct strv *s, size_t i, const char *text);
bool strv_has(const struct strv *s, const char *text);
void strv_free(struct strv *s);

/* These end the program when memory is short; for small things only. */
char *xstrdup(const char *text);
__attribute__((format(printf, 1, 2)))
char *xasprintf(const char *fmt, ...);

bool starts_with(const char *text, const char *start);
bool is_one_of(const char *name, const char * const *list, size_t nr);
bool ends_with(const char *text, const char *end);
/* All of @text with every @from replaced by @to; the caller frees it. */
char *str_replace(const char *text, const char *from, const char *to);

int64_t now_ns(void);
/* Milliseconds from now, as the deadline that the waits take. */
int64_t deadline_in(int64_t ms);

/* Split as a shell would, with quotes and backslashes but no expansion. */
int words_split(const char *text, struct strv *words, struct vmmig_error *err);

/* Writes "3.1 MiB" and the like. */
const char *bytes_print(double bytes, char *text, size_t size);

int fd_set_nonblock(int fd);
int fd_set_cloexec(int fd, bool on);

/*
 * Run a program, collect up to @max bytes of its standard output. Returns its
 * exit status, or a negative errno (-ETIMEDOUT: it was killed).
 */
int program_run(char *const argv[], struct buf *out, size_t max, int timeout_ms);
/* The same, but all its output goes to our standard error as it comes. */
int program_run_shown(char *const argv[], int timeout_ms);

#endif /* UTIL_H */
