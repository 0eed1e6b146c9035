// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "source.h"

/* MB/s that no vCPU reaches: logging without throttling. */
#define UNLIMITED_MB	1000000000LL
/* QEMU divides by ten and multiplies by times; stay far from the edges. */
#define UNLIMITED_BYTES	(1LL << 44)
/*
 * QEMU switches over when it could send the rest within that. Its rest is some
 * MiB of video memory at most and shall go while the VM runs.
 */
#define SWITCH_MS	10
/* QEMU's own limit of it: switch over whatever is left. */
#define SWITCH_ANY_MS	2000000
#define QUIT_MS		10000

/* What the stream needs. */
static const char * const needed_caps[] = {
	"x-ignore-shared", "events", "pause-before-switchover",
};

/* Of the capabilities that are on, these do not disturb it. */
static const char * const kept_caps[] = {
	"late-block-activate", "validate-uuid", "dirty-bitmaps",
};

/* Parameters of the stream, as they are while it runs. */
static const struct {
	const char *name;
	int64_t value;
} params[] = {
	{ "max-bandwidth", UNLIMITED_BYTES },
	{ "downtime-limit", SWITCH_MS },
};

void source_init(struct source *s, struct vm *vm)
{
	memset(s, 0, sizeof(*s));
	s->vm = vm;
}

static struct json_object *cap_new(const char *name, bool on)
{
	struct json_object *o = json_object_new_object();

	js_add_str(o, "capability", name);
	js_add_bool(o, "state", on);
	return o;
}

static bool cap_wanted(const char *name, bool on)
{
	return is_one_of(name, needed_caps, ARRAY_SIZE(needed_caps)) ||
		(on && is_one_of(name, kept_caps, ARRAY_SIZE(kept_caps)));
}

static int source_set_caps(struct source *s, struct json_object *list,
			   struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();

	json_object_object_add(args, "capabilities", list);
	return qmp_call(s->vm->qmp, "migrate-set-capabilities", args, NULL, err);
}

static int source_change_caps(struct source *s, struct vmmig_error *err)
{
	struct json_object *all = NULL, *want, *old;
	int ret;

	ret = qmp_call(s->vm->qmp, "query-migrate-capabilities", NULL, &all,
		       err);
	if (ret)
		return ret;
	want = json_object_new_array();
	old = json_object_new_array();
	for (size_t i = 0; json_object_is_type(all, json_type_array) &&
	     i < json_object_array_length(all); i++) {
		struct json_object *o = json_object_array_get_idx(all, i);
		const char *name = js_str(o, "capability");
		bool on = js_bool(o, "state");

		if (!name || cap_wanted(name, on) == on)
			continue;
		json_object_array_add(want, cap_new(name, !on));
		json_object_array_add(old, cap_new(name, on));
	}
	json_object_put(all);
	if (!json_object_array_length(want)) {
		json_object_put(want);
		json_object_put(old);
		return 0;
	}
	s->caps = old;
	ret = source_set_caps(s, want, err);
	if (qmp_said_no(ret)) {
		json_object_put(old);
		s->caps = NULL;
	}
	return ret;
}

static int source_change_params(struct source *s, struct vmmig_error *err)
{
	struct json_object *all = NULL, *want, *old;
	const char *tls;
	int ret;

	ret = qmp_call(s->vm->qmp, "query-migrate-parameters", NULL, &all, err);
	if (ret)
		return ret;
	want = json_object_new_object();
	old = json_object_new_object();
	for (size_t i = 0; i < ARRAY_SIZE(params); i++) {
		int64_t value = js_int(all, params[i].name, -1);

		if (value < 0)
			continue;
		js_add_int(old, params[i].name, value);
		js_add_int(want, params[i].name, params[i].value);
	}
	/* Its socket is ours: the remote shell encrypts. */
	tls = js_str(all, "tls-creds");
	if (tls && *tls) {
		js_add_str(old, "tls-creds", tls);
		js_add_str(want, "tls-creds", "");
	}
	json_object_put(all);
	s->params = old;
	ret = qmp_call(s->vm->qmp, "migrate-set-parameters", want, NULL, err);
	if (qmp_said_no(ret)) {
		json_object_put(old);
		s->params = NULL;
	}
	return ret;
}

int source_prepare(struct source *s, struct vmmig_error *err)
{
	int ret = source_change_caps(s, err);

	return ret ? ret : source_change_params(s, err);
}

int source_switch_now(struct source *s, struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();

	js_add_int(args, "downtime-limit", SWITCH_ANY_MS);
	return qmp_call(s->vm->qmp, "migrate-set-parameters", args, NULL, err);
}

int source_set_dirty_limit(struct source *s, uint64_t mb,
			   struct vmmig_error *err)
{
	struct json_object *args;
	bool before = s->dirty_limit;
	int ret;

	if (!before && !s->limits) {
		ret = qmp_call(s->vm->qmp, "query-vcpu-dirty-limit", NULL,
			       &s->limits, err);
		if (ret)
			return ret;
	}
	args = json_object_new_object();
	js_add_int(args, "dirty-rate", mb ? (int64_t)mb : UNLIMITED_MB);
	s->dirty_limit = true;
	ret = qmp_call(s->vm->qmp, "set-vcpu-dirty-limit", args, NULL, err);
	if (qmp_said_no(ret))
		s->dirty_limit = before;
	return ret;
}

static void keep_first(int *first, struct vmmig_error *first_err, int ret,
		       const struct vmmig_error *err)
{
	if (!ret || *first)
		return;
	*first = ret;
	*first_err = *err;
}

/* Limits that somebody else had given to vCPUs. */
static int source_limit_again(struct source *s, struct vmmig_error *err)
{
	int ret = 0;

	for (size_t i = 0; !ret &&
	     json_object_is_type(s->limits, json_type_array) &&
	     i < json_object_array_length(s->limits); i++) {
		struct json_object *o = json_object_array_get_idx(s->limits, i);
		struct json_object *args;

		/* Left over by one of us that was killed. */
		if (js_int(o, "limit-rate", 0) >= UNLIMITED_MB)
			continue;
		args = json_object_new_object();
		js_add_int(args, "cpu-index", js_int(o, "cpu-index", 0));
		js_add_int(args, "dirty-rate", js_int(o, "limit-rate", 0));
		ret = qmp_call(s->vm->qmp, "set-vcpu-dirty-limit", args, NULL,
			       err);
	}
	json_object_put(s->limits);
	s->limits = NULL;
	return ret;
}

int source_restore(struct source *s, struct vmmig_error *err)
{
	struct qmp *q = s->vm->qmp;
	struct vmmig_error e;
	int ret = 0;

	if (s->dirty_limit) {
		keep_first(&ret, err,
			   qmp_call(q, "cancel-vcpu-dirty-limit", NULL, NULL,
				    &e), &e);
		keep_first(&ret, err, source_limit_again(s, &e), &e);
	}
	s->dirty_limit = false;
	if (s->params)
		keep_first(&ret, err,
			   qmp_call(q, "migrate-set-parameters", s->params,
				    NULL, &e), &e);
	s->params = NULL;
	if (s->caps)
		keep_first(&ret, err, source_set_caps(s, s->caps, &e), &e);
	s->caps = NULL;
	return ret;
}

int source_quit(struct source *s, struct vmmig_error *err)
{
	struct pollfd p = { .events = POLLIN };
	unsigned int id;
	int ret;

	p.fd = syscall(SYS_pidfd_open, s->vm->pid, 0);
	/* It may end before it answers. */
	ret = qmp_send(s->vm->qmp, "quit", NULL, -1, &id, err);
	if (!ret && p.fd >= 0 && poll(&p, 1, QUIT_MS) <= 0)
		ret = vmmig_fail(err, -ETIMEDOUT,
				 "QEMU (process %d) has not ended within %d s",
				 s->vm->pid, QUIT_MS / 1000);
	if (p.fd >= 0)
		close(p.fd);
	return ret;
}

void source_free(struct source *s)
{
	json_object_put(s->caps);
	json_object_put(s->params);
	json_object_put(s->limits);
	memset(s, 0, sizeof(*s));
}
