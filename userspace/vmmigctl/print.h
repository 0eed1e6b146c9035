/* SPDX-License-Identifier: GPL-2.0 */
/* Output: one set of functions per form. Commands know only this. */
#ifndef VMMIGCTL_PRINT_H
#define VMMIGCTL_PRINT_H

#include "ctl.h"

/**
 * struct ctl_print - a form of output
 * @listening: destination waits at this address and port
 * @started: a session was made
 * @list: all sessions
 * @one: everything about a session
 * @event: a session changed
 * @events_end: no more events come
 *
 * Everything is flushed before a function returns.
 */
struct ctl_print {
	void (*listening)(const char *address, unsigned int port,
			  unsigned int streams);
	void (*started)(uint32_t id);
	void (*list)(const struct vmmig_session *s, size_t nr);
	void (*one)(const struct vmmig_session *s);
	void (*event)(const struct vmmig_session *s);
	void (*events_end)(void);
};

extern const struct ctl_print ctl_print_text;
/* As text, but events overwrite each other on one line of the terminal. */
extern const struct ctl_print ctl_print_live;
extern const struct ctl_print ctl_print_json;

#endif /* VMMIGCTL_PRINT_H */
