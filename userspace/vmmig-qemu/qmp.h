/* SPDX-License-Identifier: GPL-2.0 */
/* A client of QEMU's monitor protocol. */
#ifndef QMP_H
#define QMP_H

#include <errno.h>

#include "json.h"
#include "loop.h"

#define QMP_PENDING	8
#define QMP_TIMEOUT_MS	20000

struct qmp;
typedef void (*qmp_event_fn)(void *arg, const char *event,
			     struct json_object *data);

/**
 * struct qmp - one monitor
 * @name: as in messages, for example "QEMU at /run/vm.qmp"
 * @pid: process at the other end, from the socket's credentials
 * @version: major, minor, micro
 * @gone: the monitor was closed; @why says so
 * @pending: commands that were sent, and their replies once they came
 */
struct qmp {
	struct loop *loop;
	char name[160];
	int fd;
	pid_t pid;
	int version[3];
	bool greeted;
	bool gone;
	struct vmmig_error why;
	struct json_tokener *tok;
	size_t unparsed;
	unsigned int last_id;
	struct {
		unsigned int id;
		const char *command;
		struct json_object *reply;
	} pending[QMP_PENDING];
	struct json_object *schema;
	qmp_event_fn event;
	void *event_arg;
};

int qmp_open(struct qmp *q, struct loop *l, const char *path,
	     struct vmmig_error *err);
/* @fd is connected already and belongs to @q from here. */
int qmp_attach(struct qmp *q, struct loop *l, int fd, const char *name,
	       struct vmmig_error *err);
/* Wait for the greeting and leave negotiation mode. */
int qmp_greet(struct qmp *q, int timeout_ms, struct vmmig_error *err);
void qmp_close(struct qmp *q);

/*
 * Run a command. Consumes @args (NULL: none). @ret: what it returned, the
 * caller drops it; may be NULL. -ENOSYS: this QEMU has no such command,
 * -EREMOTEIO: it refused, -ECONNRESET: it is gone.
 */
int qmp_call(struct qmp *q, const char *command, struct json_object *args,
	     struct json_object **ret, struct vmmig_error *err);
/*
 * Is this code of qmp_call() a refusal? After any other, an answer that came too
 * late among them, QEMU may do yet what it was told.
 */
static inline bool qmp_said_no(int ret)
{
	return ret == -EREMOTEIO || ret == -ENOSYS;
}

int qmp_call_timeout(struct qmp *q, const char *command,
		     struct json_object *args, int timeout_ms,
		     struct json_object **ret, struct vmmig_error *err);
/* getfd: give QEMU a descriptor under a name. */
int qmp_getfd(struct qmp *q, const char *name, int fd, struct vmmig_error *err);

/* The two halves of a call, for what shall not be waited for. */
int qmp_send(struct qmp *q, const char *command, struct json_object *args,
	     int fd, unsigned int *id, struct vmmig_error *err);
bool qmp_replied(struct qmp *q, unsigned int id);
/* The reply has come and is an error. */
bool qmp_refused(struct qmp *q, unsigned int id);
int qmp_take(struct qmp *q, unsigned int id, struct json_object **ret,
	     struct vmmig_error *err);

/* Does @command take an argument @arg? From query-qmp-schema. */
bool qmp_has_arg(struct qmp *q, const char *command, const char *arg);
static inline bool qmp_at_least(const struct qmp *q, int major, int minor)
{
	return q->version[0] > major ||
		(q->version[0] == major && q->version[1] >= minor);
}

#endif /* QMP_H */
