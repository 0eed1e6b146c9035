// SPDX-License-Identifier: GPL-2.0
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "keyval.h"

/* Keys whose value is the number of a descriptor that QEMU inherited. */
static const char * const fd_keys[] = {
	"fd", "fds", "vhostfd", "vhostfds", "sock_fd", "sockfd", "sndbuffd",
};

static bool is_fd_key(const char *key, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(fd_keys); i++)
		if (strlen(fd_keys[i]) == len && !memcmp(fd_keys[i], key, len))
			return true;
	return false;
}

static bool is_json(const char *text)
{
	return text[0] == '{';
}

void keyval_split(const char *text, struct strv *parts)
{
	const char *start = text;

	for (;; text++) {
		if (*text == ',' && text[1] == ',') {
			text++;
			continue;
		}
		if (*text && *text != ',')
			continue;
		strv_addf(parts, "%.*s", (int)(text - start), start);
		if (!*text)
			return;
		start = text + 1;
	}
}

char *keyval_join(const struct strv *parts)
{
	char *text = xstrdup(parts->n ? parts->v[0] : "");

	for (size_t i = 1; i < parts->n; i++) {
		char *more = xasprintf("%s,%s", text, parts->v[i]);

		free(text);
		text = more;
	}
	return text;
}

int keyval_find(const struct strv *parts, const char *key)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < parts->n; i++)
		if (!strncmp(parts->v[i], key, len) &&
		    (!parts->v[i][len] || parts->v[i][len] == '='))
			return i;
	return -1;
}

char *keyval_get(const char *text, const char *key)
{
	struct strv parts = { 0 };
	char *value = NULL;
	int i;

	if (is_json(text)) {
		struct json_object *o = json_tokener_parse(text);
		struct json_object *v = js_get(o, key);

		if (v)
			value = xstrdup(json_object_get_string(v));
		json_object_put(o);
		return value;
	}
	keyval_split(text, &parts);
	i = keyval_find(&parts, key);
	if (i >= 0) {
		const char *at = parts.v[i] + strlen(key);

		value = *at ? str_replace(at + 1, ",,", ",") : xstrdup("");
	}
	strv_free(&parts);
	return value;
}

char *keyval_set(const char *text, const char *key, const char *value)
{
	struct strv parts = { 0 };
	const int how = JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE;
	char *escaped, *pair, *out;
	int i;

	if (is_json(text)) {
		struct json_object *o = json_tokener_parse(text);

		if (!json_object_is_type(o, json_type_object)) {
			json_object_put(o);
			return xstrdup(text);
		}
		json_object_object_add(o, key, json_object_new_string(value));
		out = xstrdup(json_object_to_json_string_ext(o, how));
		json_object_put(o);
		return out;
	}
	escaped = str_replace(value, ",", ",,");
	pair = xasprintf("%s=%s", key, escaped);
	free(escaped);
	keyval_split(text, &parts);
	i = keyval_find(&parts, key);
	if (i >= 0)
		strv_set(&parts, i, pair);
	else
		strv_add(&parts, pair);
	free(pair);
	out = keyval_join(&parts);
	strv_free(&parts);
	return out;
}

/* "file:/disk" names /disk. */
static bool is_named(const char *have, const char *value)
{
	size_t a = strlen(have), b = strlen(value);

	if (a < b || strcmp(have + a - b, value))
		return false;
	return a == b || have[a - b - 1] == ':';
}

static bool json_names(struct json_object *o, const char *value)
{
	if (json_object_is_type(o, json_type_string))
		return is_named(json_object_get_string(o), value);
	if (json_object_is_type(o, json_type_array)) {
		size_t n = json_object_array_length(o);

		for (size_t i = 0; i < n; i++)
			if (json_names(json_object_array_get_idx(o, i), value))
				return true;
	}
	if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, member) {
			if (strcmp(key, "backing") && json_names(member, value))
				return true;
		}
	}
	return false;
}

static bool json_text_names(const char *text, const char *value)
{
	struct json_object *o = json_tokener_parse(text);
	bool found = json_names(o, value);

	json_object_put(o);
	return found;
}

bool keyval_names(const char *text, const char *value)
{
	struct strv parts = { 0 };
	bool found = false;

	if (is_json(text))
		return json_text_names(text, value);
	/* -hda FILE: all of it, commas too */
	if (is_named(text, value))
		return true;
	keyval_split(text, &parts);
	for (size_t i = 0; i < parts.n && !found; i++) {
		const char *equal = strchr(parts.v[i], '=');
		char *have;

		if (starts_with(parts.v[i], "backing."))
			continue;
		have = str_replace(equal ? equal + 1 : parts.v[i], ",,", ",");
		found = is_named(have, value) ||
			(starts_with(have, "json:") &&
			 json_text_names(have + 5, value));
		free(have);
	}
	strv_free(&parts);
	return found;
}

static bool json_carries_fd(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array)) {
		size_t n = json_object_array_length(o);

		for (size_t i = 0; i < n; i++)
			if (json_carries_fd(json_object_array_get_idx(o, i)))
				return true;
	}
	if (!json_object_is_type(o, json_type_object))
		return false;
	json_object_object_foreach(o, key, value) {
		if (is_fd_key(key, strlen(key)) || json_carries_fd(value))
			return true;
		/* { "type": "fd", "str": "7" }: an address of that kind */
		if (!strcmp(key, "type") &&
		    !strcmp(json_object_get_string(value), "fd"))
			return true;
	}
	return false;
}

static bool part_carries_fd(const char *part)
{
	const char *equal = strchr(part, '=');
	const char *dot;

	if (!equal)
		return false;
	if (!strcmp(equal, "=fd") && equal - part >= 5 &&
	    !memcmp(equal - 5, ".type", 5))
		return true;
	dot = memrchr(part, '.', equal - part);
	if (dot)
		part = dot + 1;
	return is_fd_key(part, equal - part);
}

bool keyval_carries_fd(const char *text)
{
	struct strv parts = { 0 };
	bool found = false;

	if (strstr(text, "/dev/fdset/"))
		return true;
	if (is_json(text)) {
		struct json_object *o = json_tokener_parse(text);

		found = json_carries_fd(o);
		json_object_put(o);
		return found;
	}
	keyval_split(text, &parts);
	for (size_t i = 0; i < parts.n && !found; i++)
		found = part_carries_fd(parts.v[i]);
	strv_free(&parts);
	return found;
}
