// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmdline.h"
#include "keyval.h"

/* Options of QEMU without an argument. All others take one. */
static const char * const plain_options[] = {
	"h", "help", "version", "S", "s", "snapshot", "nographic", "daemonize",
	"preconfig", "nodefaults", "no-user-config", "no-reboot", "no-shutdown",
	"no-acpi", "no-hpet", "no-fd-bootchk", "only-migratable", "mem-prealloc",
	"enable-kvm", "enable-fips", "singlestep", "one-insn-per-tb", "usb",
	"full-screen", "portrait", "curses", "sdl", "alt-grab", "ctrl-grab",
	"no-quit", "no-frame", "win2k-hack", "rtc-td-hack", "xen-attach",
	"xen-domid-restrict", "enable-sync-profile", "perfmap", "jitdump",
	"old-param", "semihosting", "no-kvm",
};

/* Free text for the guest: nothing in it is an option. */
static const char * const text_options[] = {
	"append", "name", "smbios", "fw_cfg", "uuid", "kernel", "initrd", "dtb",
};

/* Sockets that may wait for a client. */
static const char * const socket_options[] = {
	"chardev", "qmp", "qmp-pretty", "monitor", "serial", "parallel",
};

/* Name of an option without its dashes, or NULL. */
static const char *option_name(const char *arg)
{
	if (arg[0] != '-' || !arg[1])
		return NULL;
	return arg[1] == '-' ? arg + 2 : arg + 1;
}

/**
 * struct option_ref - one option while walking the arguments
 * @at: index of the option
 * @name: without dashes; "" for a lone argument (a disk image)
 * @value: its argument or NULL
 * @len: arguments that it takes up, 1 or 2
 */
struct option_ref {
	size_t at;
	const char *name;
	const char *value;
	size_t len;
};

static bool option_next(const struct strv *args, struct option_ref *o)
{
	size_t at = o->len ? o->at + o->len : 1;

	if (at >= args->n)
		return false;
	o->at = at;
	o->len = 1;
	o->value = NULL;
	o->name = option_name(args->v[at]);
	if (!o->name) {
		o->name = "";
		o->value = args->v[at];
		return true;
	}
	if (!is_one_of(o->name, plain_options, ARRAY_SIZE(plain_options)) &&
	    at + 1 < args->n) {
		o->value = args->v[at + 1];
		o->len = 2;
	}
	return true;
}

static bool option_is(const struct option_ref *o, const char *name)
{
	return !strcmp(o->name, name);
}

static bool is_machine(const struct option_ref *o)
{
	return option_is(o, "machine") || option_is(o, "M");
}

static bool is_own_monitor(const struct option_ref *o)
{
	const char *key = option_is(o, "chardev") ? "id" :
			  option_is(o, "mon") ? "chardev" : NULL;
	char *value;
	bool own;

	if (!key || !o->value)
		return false;
	value = keyval_get(o->value, key);
	own = value && !strcmp(value, CMDLINE_MON);
	free(value);
	return own;
}

static bool is_dropped(const struct option_ref *o)
{
	return option_is(o, "incoming") || option_is(o, "loadvm") ||
		option_is(o, "daemonize") || is_own_monitor(o);
}

/* A listening socket waits for its first client unless told otherwise. */
static char *without_wait(const char *value)
{
	struct strv parts = { 0 };
	char *out;
	int i;

	keyval_split(value, &parts);
	i = keyval_find(&parts, "server");
	if (value[0] == '{' || i < 0 || !strcmp(parts.v[i], "server=off") ||
	    keyval_find(&parts, "nowait") >= 0) {
		out = xstrdup(value);
	} else {
		i = keyval_find(&parts, "wait");
		if (i >= 0)
			strv_set(&parts, i, "wait=off");
		else
			strv_add(&parts, "wait=off");
		out = keyval_join(&parts);
	}
	strv_free(&parts);
	return out;
}

static char *with_machine(const char *value, const char *machine)
{
	struct strv parts = { 0 };
	char *pair, *out;
	int i;

	if (value[0] == '{')
		return keyval_set(value, "type", machine);
	keyval_split(value, &parts);
	i = keyval_find(&parts, "type");
	if (i >= 0) {
		pair = xasprintf("type=%s", machine);
		strv_set(&parts, i, pair);
		free(pair);
	} else if (!strchr(parts.v[0], '=')) {
		strv_set(&parts, 0, machine);
	}
	out = keyval_join(&parts);
	strv_free(&parts);
	return out;
}

static bool names_machine(const char *value)
{
	char *type = keyval_get(value, "type");
	bool named = type || (value[0] != '{' &&
			      strcspn(value, ",") <= strcspn(value, "="));

	free(type);
	return named;
}

static char *with_ram(const char *value, const struct cmdline_rules *rules,
		      bool *done)
{
	char *id = keyval_get(value, "id"), *out = NULL;

	for (size_t i = 0; id && i < rules->nr_ram; i++) {
		if (strcmp(rules->ram[i].from, id))
			continue;
		out = keyval_set(value, "mem-path", rules->ram[i].to);
		done[i] = true;
		break;
	}
	free(id);
	return out ? out : xstrdup(value);
}

static char *rewrite_value(const struct option_ref *o,
			   const struct cmdline_rules *rules, bool *ram_done)
{
	if (rules->machine && is_machine(o))
		return with_machine(o->value, rules->machine);
	if (option_is(o, "object"))
		return with_ram(o->value, rules, ram_done);
	if (is_one_of(o->name, socket_options, ARRAY_SIZE(socket_options)))
		return without_wait(o->value);
	return xstrdup(o->value);
}

static char *replaced(const char *text, const struct cmdline_rules *rules)
{
	char *now = xstrdup(text), *next;

	for (size_t i = 0; i < rules->nr_replace; i++) {
		next = str_replace(now, rules->replace[i].from,
				   rules->replace[i].to);
		free(now);
		now = next;
	}
	return now;
}

static void add_replaced(struct strv *out, const char *text,
			 const struct cmdline_rules *rules)
{
	char *now = replaced(text, rules);

	strv_add(out, now);
	free(now);
}

int cmdline_rewrite(const struct strv *in, const struct cmdline_rules *rules,
		    struct strv *out, struct vmmig_error *err)
{
	struct option_ref o = { 0 };
	bool ram_done[64] = { false };
	bool machine_done = false;

	if (!in->n)
		return vmmig_fail(err, -EINVAL, "the command line of QEMU is empty");
	if (rules->nr_ram > ARRAY_SIZE(ram_done))
		return vmmig_fail(err, -E2BIG, "too many --dest-ram options");
	strv_add(out, in->v[0]);
	while (option_next(in, &o)) {
		char *value, *text;

		if (is_dropped(&o))
			continue;
		if (is_machine(&o) && o.value && names_machine(o.value))
			machine_done = true;
		value = o.value ? rewrite_value(&o, rules, ram_done) : NULL;
		text = value ? replaced(value, rules) : NULL;
		/* An option whose value is replaced by nothing goes as a whole. */
		if (!text || *text || !*value) {
			if (*o.name)
				add_replaced(out, in->v[o.at], rules);
			if (text)
				strv_add(out, text);
		}
		free(text);
		free(value);
	}
	for (size_t i = 0; i < rules->nr_ram; i++)
		if (!ram_done[i])
			return vmmig_fail(err, -ENOENT,
					  "--dest-ram %s: no -object of QEMU's command line has this id",
					  rules->ram[i].from);
	if (rules->machine && !machine_done) {
		strv_add(out, "-machine");
		strv_add(out, rules->machine);
	}
	for (size_t i = 0; rules->add && i < rules->add->n; i++)
		strv_add(out, rules->add->v[i]);
	return 0;
}

int cmdline_pair_parse(const char *text, struct cmdline_pair *pair)
{
	const char *at = strstr(text, "=>");
	size_t skip = 2;

	if (!at) {
		at = strchr(text, '=');
		skip = 1;
	}
	if (!at || at == text)
		return -EINVAL;
	pair->from = xasprintf("%.*s", (int)(at - text), text);
	pair->to = xstrdup(at + skip);
	return 0;
}

int cmdline_find_fd(const struct strv *args)
{
	struct option_ref o = { 0 };

	while (option_next(args, &o)) {
		if (option_is(&o, "add-fd"))
			return o.at;
		if (!o.value || is_dropped(&o) ||
		    is_one_of(o.name, text_options, ARRAY_SIZE(text_options)))
			continue;
		if (keyval_carries_fd(o.value))
			return o.at;
	}
	return -1;
}

bool cmdline_has_word(const struct strv *args, const char *option,
		      const char *word)
{
	struct option_ref o = { 0 };

	while (option_next(args, &o)) {
		bool same = option_is(&o, option) ||
			(!strcmp(option, "machine") && option_is(&o, "M"));

		if (same && o.value && strstr(o.value, word))
			return true;
	}
	return false;
}

void cmdline_ids(const struct strv *args, const char *option, struct strv *ids)
{
	struct option_ref o = { 0 };

	while (option_next(args, &o)) {
		char *id;

		if (!option_is(&o, option) || !o.value)
			continue;
		id = keyval_get(o.value, "id");
		if (id)
			strv_add(ids, id);
		free(id);
	}
}

char *cmdline_object_get(const struct strv *args, const char *id,
			 const char *key)
{
	struct option_ref o = { 0 };
	char *value = NULL;

	while (!value && option_next(args, &o)) {
		char *this;

		if (!option_is(&o, "object") || !o.value)
			continue;
		this = keyval_get(o.value, "id");
		if (this && !strcmp(this, id))
			value = keyval_get(o.value, key);
		free(this);
	}
	return value;
}

unsigned long cmdline_dirty_ring(const struct strv *args)
{
	struct option_ref o = { 0 };
	unsigned long size = 0;

	while (option_next(args, &o)) {
		char *value;

		if (!option_is(&o, "accel") || !o.value)
			continue;
		value = keyval_get(o.value, "dirty-ring-size");
		if (value)
			size = strtoul(value, NULL, 0);
		free(value);
	}
	return size;
}

static char *listen_path(const struct option_ref *o)
{
	struct strv parts = { 0 };
	char *path = NULL;
	const char *at;
	int i;

	if (option_is(o, "chardev")) {
		char *server = keyval_get(o->value, "server");

		if (server && strcmp(server, "off"))
			path = keyval_get(o->value, "path");
		free(server);
		return path;
	}
	keyval_split(o->value, &parts);
	i = keyval_find(&parts, "server");
	at = parts.v[0];
	if (starts_with(at, "mon:"))
		at += strlen("mon:");
	if (i >= 0 && strcmp(parts.v[i], "server=off") &&
	    starts_with(at, "unix:"))
		path = str_replace(at + strlen("unix:"), ",,", ",");
	strv_free(&parts);
	return path;
}

void cmdline_listen_paths(const struct strv *args, struct strv *paths)
{
	struct option_ref o = { 0 };

	while (option_next(args, &o)) {
		char *path;

		if (!o.value || !is_one_of(o.name, socket_options,
					   ARRAY_SIZE(socket_options)))
			continue;
		path = listen_path(&o);
		if (path)
			strv_add(paths, path);
		free(path);
	}
}
