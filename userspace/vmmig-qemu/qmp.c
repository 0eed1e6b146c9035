// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qmp.h"

/* The schema, the longest answer, has about a quarter of a megabyte. */
#define QMP_OBJECT_MAX	(16U << 20)
/* Backing images are nested in query-block, one in the other. */
#define JSON_DEPTH	1024

static void qmp_lost(struct qmp *q, const char *why)
{
	if (q->gone)
		return;
	q->gone = true;
	loop_del(q->loop, q->fd);
	vmmig_fail(&q->why, -ECONNRESET, "%s closed its monitor: %s", q->name,
		   why);
}

static void qmp_greeting(struct qmp *q, struct json_object *greeting)
{
	struct json_object *v = js_get(js_get(greeting, "version"), "qemu");

	q->version[0] = js_int(v, "major", 0);
	q->version[1] = js_int(v, "minor", 0);
	q->version[2] = js_int(v, "micro", 0);
	q->greeted = true;
}

/* Consumes @o. */
static void qmp_object(struct qmp *q, struct json_object *o)
{
	const char *event = js_str(o, "event");
	struct json_object *greeting = js_get(o, "QMP");
	int64_t id = js_int(o, "id", 0);

	if (greeting)
		qmp_greeting(q, greeting);
	if (event && q->event)
		q->event(q->event_arg, event, js_get(o, "data"));
	for (int i = 0; id && i < QMP_PENDING; i++) {
		if (q->pending[i].id == id && !q->pending[i].reply) {
			q->pending[i].reply = o;
			return;
		}
	}
	json_object_put(o);
}

static void qmp_feed(struct qmp *q, const char *data, size_t len)
{
	while (len && !q->gone) {
		struct json_object *o;
		enum json_tokener_error e;
		size_t used;

		o = json_tokener_parse_ex(q->tok, data, len);
		e = json_tokener_get_error(q->tok);
		if (e == json_tokener_continue) {
			q->unparsed += len;
			if (q->unparsed > QMP_OBJECT_MAX)
				qmp_lost(q, "an answer is too long");
			return;
		}
		if (e != json_tokener_success) {
			qmp_lost(q, "it does not speak JSON");
			return;
		}
		used = json_tokener_get_parse_end(q->tok);
		json_tokener_reset(q->tok);
		q->unparsed = 0;
		qmp_object(q, o);
		data += used;
		len -= used;
		while (len && (*data == '\r' || *data == '\n')) {
			data++;
			len--;
		}
	}
}

/* Being gone is a state that conditions look at, not an error of the loop. */
static int qmp_read(void *arg, short revents)
{
	struct qmp *q = arg;
	static char data[64 << 10];
	ssize_t n;

	(void)revents;
	n = read(q->fd, data, sizeof(data));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		qmp_lost(q, strerror(errno));
	else if (!n)
		qmp_lost(q, "it ended");
	else
		qmp_feed(q, data, n);
	return 0;
}

int qmp_attach(struct qmp *q, struct loop *l, int fd, const char *name,
	       struct vmmig_error *err)
{
	memset(q, 0, sizeof(*q));
	q->loop = l;
	q->fd = fd;
	snprintf(q->name, sizeof(q->name), "%s", name);
	q->tok = json_tokener_new_ex(JSON_DEPTH);
	if (!q->tok)
		return vmmig_fail(err, -ENOMEM, "out of memory");
	fd_set_nonblock(fd);
	if (loop_add(l, fd, POLLIN, qmp_read, q))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	return 0;
}

static bool qmp_is_greeted(void *arg)
{
	struct qmp *q = arg;

	return q->greeted || q->gone;
}

int qmp_greet(struct qmp *q, int timeout_ms, struct vmmig_error *err)
{
	int ret;

	ret = loop_wait(q->loop, qmp_is_greeted, q, deadline_in(timeout_ms),
			"the greeting of QEMU's monitor", err);
	if (ret == -ETIMEDOUT)
		return vmmig_fail(err, ret,
				  "%s does not greet: a monitor serves one client at a time; close the other one or give the VM a second -qmp socket",
				  q->name);
	if (ret)
		return ret;
	if (!q->greeted) {
		*err = q->why;
		return -ECONNRESET;
	}
	return qmp_call(q, "qmp_capabilities", NULL, NULL, err);
}

int qmp_open(struct qmp *q, struct loop *l, const char *path,
	     struct vmmig_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(struct ucred);
	struct ucred cred = { 0 };
	char name[160];
	int fd, ret;

	memset(q, 0, sizeof(*q));
	q->fd = -1;
	if (strlen(path) >= sizeof(addr.sun_path))
		return vmmig_fail(err, -ENAMETOOLONG,
				  "the path of the QMP socket, %s, is too long for a UNIX socket",
				  path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return vmmig_fail(err, -errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		ret = vmmig_fail(err, -errno,
				 "cannot connect to the QMP socket %s: %s; has that QEMU ended? It needs '-qmp unix:PATH,server=on,wait=off'",
				 path, strerror(errno));
		close(fd);
		return ret;
	}
	snprintf(name, sizeof(name), "QEMU at %s", path);
	ret = qmp_attach(q, l, fd, name, err);
	if (ret)
		return ret;
	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		q->pid = cred.pid;
	return qmp_greet(q, 10000, err);
}

void qmp_close(struct qmp *q)
{
	if (!q->loop)
		return;
	if (!q->gone)
		loop_del(q->loop, q->fd);
	close(q->fd);
	for (int i = 0; i < QMP_PENDING; i++)
		json_object_put(q->pending[i].reply);
	json_object_put(q->schema);
	json_tokener_free(q->tok);
	memset(q, 0, sizeof(*q));
	q->fd = -1;
}

/* A command is far shorter than the socket's buffer; it goes out in one go. */
static int qmp_write(struct qmp *q, const char *text, size_t len, int fd)
{
	union {
		struct cmsghdr hdr;
		char space[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec iov = { (void *)text, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		control.hdr.cmsg_len = CMSG_LEN(sizeof(int));
		control.hdr.cmsg_level = SOL_SOCKET;
		control.hdr.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.hdr), &fd, sizeof(fd));
	}
	do {
		n = sendmsg(q->fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -ENOBUFS;
}

int qmp_send(struct qmp *q, const char *command, struct json_object *args,
	     int fd, unsigned int *id, struct vmmig_error *err)
{
	struct json_object *o = json_object_new_object();
	struct buf line = { 0 };
	const char *text;
	int slot, ret;

	for (slot = 0; slot < QMP_PENDING; slot++)
		if (!q->pending[slot].id)
			break;
	js_add_str(o, "execute", command);
	if (args)
		json_object_object_add(o, "arguments", args);
	js_add_int(o, "id", ++q->last_id);
	if (q->gone) {
		*err = q->why;
		ret = -ECONNRESET;
		goto out;
	}
	if (slot == QMP_PENDING) {
		ret = vmmig_fail(err, -EBUSY, "too many commands to %s",
				 q->name);
		goto out;
	}
	text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
	ret = buf_append(&line, text, strlen(text));
	if (!ret)
		ret = buf_append(&line, "\n", 1);
	if (!ret)
		ret = qmp_write(q, line.data, line.len, fd);
	buf_free(&line);
	if (ret) {
		vmmig_fail(err, ret, "cannot send '%s' to %s: %s", command,
			   q->name, strerror(-ret));
		goto out;
	}
	q->pending[slot].id = q->last_id;
	q->pending[slot].command = command;
	*id = q->last_id;
out:
	json_object_put(o);
	return ret;
}

bool qmp_replied(struct qmp *q, unsigned int id)
{
	for (int i = 0; i < QMP_PENDING; i++)
		if (q->pending[i].id == id)
			return q->pending[i].reply || q->gone;
	return true;
}

bool qmp_refused(struct qmp *q, unsigned int id)
{
	for (int i = 0; i < QMP_PENDING; i++)
		if (id && q->pending[i].id == id && q->pending[i].reply)
			return js_get(q->pending[i].reply, "error");
	return false;
}

int qmp_take(struct qmp *q, unsigned int id, struct json_object **ret,
	     struct vmmig_error *err)
{
	struct json_object *reply = NULL, *error;
	const char *command = "?";

	for (int i = 0; i < QMP_PENDING; i++) {
		if (q->pending[i].id != id)
			continue;
		reply = q->pending[i].reply;
		command = q->pending[i].command;
		q->pending[i].id = 0;
		q->pending[i].reply = NULL;
		break;
	}
	if (ret)
		*ret = NULL;
	if (!reply) {
		if (q->gone) {
			*err = q->why;
			return -ECONNRESET;
		}
		return vmmig_fail(err, -EINVAL, "'%s' has no reply", command);
	}
	error = js_get(reply, "error");
	if (error) {
		const char *class = js_str(error, "class");
		const char *desc = js_str(error, "desc");
		int code = -EREMOTEIO;

		if (class && !strcmp(class, "CommandNotFound"))
			code = -ENOSYS;
		vmmig_fail(err, code, "%s refused '%s': %s", q->name, command,
			   desc ? desc : "no reason given");
		json_object_put(reply);
		return code;
	}
	if (ret)
		*ret = json_object_get(js_get(reply, "return"));
	json_object_put(reply);
	return 0;
}

struct qmp_wait {
	struct qmp *q;
	unsigned int id;
};

static bool qmp_wait_cond(void *arg)
{
	struct qmp_wait *w = arg;

	return qmp_replied(w->q, w->id);
}

static int qmp_run(struct qmp *q, const char *command, struct json_object *args,
		   int fd, int timeout_ms, struct json_object **ret,
		   struct vmmig_error *err)
{
	struct qmp_wait wait = { .q = q };
	char what[128];
	int r;

	if (ret)
		*ret = NULL;
	r = qmp_send(q, command, args, fd, &wait.id, err);
	if (r)
		return r;
	snprintf(what, sizeof(what), "QEMU's answer to '%s'", command);
	r = loop_wait(q->loop, qmp_wait_cond, &wait, deadline_in(timeout_ms),
		      what, err);
	if (r) {
		struct vmmig_error unused;

		/* Keeps the slot busy no longer; a late reply is dropped. */
		qmp_take(q, wait.id, NULL, &unused);
		return r;
	}
	return qmp_take(q, wait.id, ret, err);
}

int qmp_call_timeout(struct qmp *q, const char *command,
		     struct json_object *args, int timeout_ms,
		     struct json_object **ret, struct vmmig_error *err)
{
	return qmp_run(q, command, args, -1, timeout_ms, ret, err);
}

int qmp_call(struct qmp *q, const char *command, struct json_object *args,
	     struct json_object **ret, struct vmmig_error *err)
{
	return qmp_run(q, command, args, -1, QMP_TIMEOUT_MS, ret, err);
}

int qmp_getfd(struct qmp *q, const char *name, int fd, struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();

	js_add_str(args, "fdname", name);
	return qmp_run(q, "getfd", args, fd, QMP_TIMEOUT_MS, NULL, err);
}

static struct json_object *schema_find(struct json_object *schema,
				       const char *name)
{
	size_t n = json_object_array_length(schema);

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_array_get_idx(schema, i);
		const char *this = js_str(o, "name");

		if (this && !strcmp(this, name))
			return o;
	}
	return NULL;
}

bool qmp_has_arg(struct qmp *q, const char *command, const char *arg)
{
	struct json_object *members;
	struct vmmig_error err;
	const char *type;

	if (!q->schema &&
	    (qmp_call(q, "query-qmp-schema", NULL, &q->schema, &err) ||
	     !json_object_is_type(q->schema, json_type_array)))
		return false;
	type = js_str(schema_find(q->schema, command), "arg-type");
	if (!type)
		return false;
	members = js_get(schema_find(q->schema, type), "members");
	return json_object_is_type(members, json_type_array) &&
		schema_find(members, arg);
}
