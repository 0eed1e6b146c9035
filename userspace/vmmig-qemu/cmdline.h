/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Make the destination's command line of QEMU out of the source's. Pure.
 */
#ifndef CMDLINE_H
#define CMDLINE_H

#include "util.h"

/* Ids of the monitor that vmmig-qemu gives the QEMU it starts. */
#define CMDLINE_MON	"vmmig-mon"

/**
 * struct cmdline_pair - one replacement
 * @from: text to find (--dest-replace), or id of a RAM block (--dest-ram)
 * @to: what to put there
 */
struct cmdline_pair {
	char *from;
	char *to;
};

/**
 * struct cmdline_rules - how the command line changes
 * @machine: machine type to ask for, with its version; NULL keeps the option
 * @replace: applied to every argument but the first, in this order
 * @ram: new mem-path of RAM blocks
 * @add: arguments to append
 */
struct cmdline_rules {
	const char *machine;
	const struct cmdline_pair *replace;
	size_t nr_replace;
	const struct cmdline_pair *ram;
	size_t nr_ram;
	const struct strv *add;
};

/*
 * Rewrite @in into @out: other machine type, paths replaced; dropped are
 * options whose value is replaced by nothing, -incoming, -loadvm, -daemonize
 * and the monitor of an earlier migration;
 * sockets that would wait for a client do not wait.
 */
int cmdline_rewrite(const struct strv *in, const struct cmdline_rules *rules,
		    struct strv *out, struct vmmig_error *err);

/* "OLD=NEW", or "OLD=>NEW" if OLD contains '='. */
int cmdline_pair_parse(const char *text, struct cmdline_pair *pair);

/*
 * Index of the first argument that hands QEMU a file descriptor, which the
 * destination would not have, or -1. Our own monitor does not count.
 */
int cmdline_find_fd(const struct strv *args);

/* Does an -accel or -machine option turn this on? For example "xen-version". */
bool cmdline_has_word(const struct strv *args, const char *option,
		      const char *word);
/* Ids that the options @option, "device" or "object", give. */
void cmdline_ids(const struct strv *args, const char *option, struct strv *ids);
/* @key of the -object @id; to be freed, NULL if there is none. */
char *cmdline_object_get(const struct strv *args, const char *id,
			 const char *key);
/* Paths of the UNIX sockets that QEMU will listen at. */
void cmdline_listen_paths(const struct strv *args, struct strv *paths);
/* KVM dirty ring size of -accel, 0 if there is none. */
unsigned long cmdline_dirty_ring(const struct strv *args);

#endif /* CMDLINE_H */
