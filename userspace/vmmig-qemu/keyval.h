/* SPDX-License-Identifier: GPL-2.0 */
/*
 * QEMU's option syntax "first,key=value,key=value", where ",," is a comma
 * inside a value; and its JSON form "{...}". Pure.
 */
#ifndef KEYVAL_H
#define KEYVAL_H

#include "util.h"

/* Split at single commas. Parts keep their doubled commas. */
void keyval_split(const char *text, struct strv *parts);
/* The reverse; the caller frees it. */
char *keyval_join(const struct strv *parts);
/* Index of the part "key=..." or the bare "key", or -1. */
int keyval_find(const struct strv *parts, const char *key);
/* Value of @key in either form, unescaped, to be freed; NULL: not there. */
char *keyval_get(const char *text, const char *key);
/* @text with @key set to @value, either form; the caller frees it. */
char *keyval_set(const char *text, const char *key, const char *value);
/*
 * Is @value the whole value of any key, or what follows a "protocol:" in it? What
 * is behind another image, "backing", does not count.
 */
bool keyval_names(const char *text, const char *value);
/* Is any key of @keys there, at any depth, or a value beginning /dev/fdset/? */
bool keyval_carries_fd(const char *text);

#endif /* KEYVAL_H */
