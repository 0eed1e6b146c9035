// SPDX-License-Identifier: GPL-2.0
/* The destination up to the running RAM session. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proc.h"
#include "receiver.h"
#include "virtq.h"

#define ARRIVE_MS	30000
#define ACCEPT_MS	10000

static void on_session(const struct vmmig_session *s, void *arg)
{
	struct receiver *r = arg;

	if (s->id == r->session)
		r->s = *s;
}

static int on_netlink(void *arg, short revents)
{
	struct receiver *r = arg;
	struct vmmig_error err;

	(void)revents;
	if (vmmig_nl_events(r->nl, on_session, r, &err) == -ENOBUFS &&
	    r->session)
		vmmig_nl_get(r->nl, r->session, &r->s, &err);
	return 0;
}

static void on_qmp_event(void *arg, const char *event, struct json_object *data)
{
	const char *status = js_str(data, "status");
	struct receiver *r = arg;

	if (!strcmp(event, "MIGRATION") && status)
		snprintf(r->migration, sizeof(r->migration), "%s", status);
}

int receive_checks(struct receiver *r, struct vmmig_error *err)
{
	struct findings f = { 0 };
	struct json_object *msg = json_object_new_object();
	unsigned int refused;
	int ret;

	target_check(&r->target, &f);
	refused = findings_refused(&f);
	json_object_object_add(msg, "list", findings_to_json(&f));
	findings_free(&f);
	ret = peer_send(&r->peer, "findings", msg, err);
	if (ret || r->plan.check)
		return ret;
	r->refused = refused;
	return refused ? vmmig_fail(err, -EPERM, "refused by the checks") : 0;
}

/*
 * late-block-activate: the disks belong to the source until "cont" here.
 *
 * One round of announcing: what QEMU makes on load stays in its queue until the
 * VM runs (qemu_can_send_packet()), so a VM that goes back was never announced.
 * None at all frees the timer that the next reset of a virtio-net device stops:
 * QEMU crashes when a VM that came this way reboots (virtio_net_reset(), 10.0).
 */
static const char * const incoming_caps[] = {
	"x-ignore-shared", "events", "late-block-activate",
};

/* Its command line may have set one, for a stream that is not ours. */
static char *receive_tls_creds(struct receiver *r)
{
	struct json_object *all = NULL;
	struct vmmig_error unused;
	char *found = NULL;
	const char *id;

	qmp_call(&r->target.qmp, "query-migrate-parameters", NULL, &all,
		 &unused);
	id = js_str(all, "tls-creds");
	if (id && *id)
		found = xstrdup(id);
	json_object_put(all);
	return found;
}

int receive_set_migration(struct receiver *r, bool ours,
			  struct vmmig_error *err)
{
	struct json_object *args = json_object_new_object();
	struct json_object *caps = json_object_new_array();
	int ret;

	for (size_t i = 0; i < ARRAY_SIZE(incoming_caps); i++) {
		struct json_object *o = json_object_new_object();

		js_add_str(o, "capability", incoming_caps[i]);
		js_add_bool(o, "state", ours);
		json_object_array_add(caps, o);
	}
	json_object_object_add(args, "capabilities", caps);
	ret = qmp_call(&r->target.qmp, "migrate-set-capabilities", args, NULL,
		       err);
	if (ret)
		return ret;
	args = json_object_new_object();
	js_add_int(args, "announce-rounds", ours ? 1 : ANNOUNCE_ROUNDS);
	if (ours)
		r->tls_creds = receive_tls_creds(r);
	if (r->tls_creds)
		js_add_str(args, "tls-creds", ours ? "" : r->tls_creds);
	return qmp_call(&r->target.qmp, "migrate-set-parameters", args, NULL,
			err);
}

/* What is received must go into the files that this QEMU maps. */
static int receive_check_ram(struct receiver *r, struct vmmig_error *err)
{
	for (unsigned int i = 0; i < r->plan.nr_blocks; i++) {
		struct stat st;

		if (!fstat(r->target.ram_fd[i], &st) &&
		    proc_find_file(r->target.pid, &st) >= 0)
			continue;
		return vmmig_fail(err, -EPERM,
				  "RAM block %s: QEMU does not use %s; its command line and --dest-ram must name the same file",
				  r->plan.block[i].id, r->plan.block[i].path);
	}
	return 0;
}

/* What can only be asked of the new QEMU. */
static int receive_check_qemu(struct receiver *r, struct vmmig_error *err)
{
	int ret = receive_check_ram(r, err);

	if (!ret)
		ret = virtq_check(&r->target.qmp, r->plan.queues, err);
	r->refused = ret == -EPERM;
	return ret;
}

static int receive_prepare_qemu(struct receiver *r, struct vmmig_error *err)
{
	struct qmp *q = &r->target.qmp;
	struct json_object *args;
	int ret;

	q->event = on_qmp_event;
	q->event_arg = r;
	ret = receive_set_migration(r, true, err);
	if (ret)
		return ret;
	ret = devstate_open(&r->state, &r->loop, q, err);
	if (ret)
		return ret;
	args = json_object_new_object();
	js_add_str(args, "uri", "fd:" DEVSTATE_FDNAME);
	if (qmp_has_arg(q, "migrate-incoming", "exit-on-error"))
		js_add_bool(args, "exit-on-error", false);
	return qmp_call(q, "migrate-incoming", args, NULL, err);
}

static int receive_session(struct receiver *r, int *socks,
			   struct vmmig_error *err)
{
	struct vmmig_block blocks[VMMIG_MAX_BLOCKS];
	struct vmmig_start start = {
		.name = r->plan.name,
		.blocks = blocks,
		.nr_blocks = r->plan.nr_blocks,
		.socks = socks,
		.nr_socks = r->plan.streams,
	};
	int fd, ret;

	fd = vmmig_fd_find_vm(r->target.pid, err);
	if (fd < 0)
		return fd;
	start.vm_fd = vmmig_fd_steal(r->target.pid, fd, err);
	if (start.vm_fd < 0)
		return start.vm_fd;
	for (unsigned int i = 0; i < r->plan.nr_blocks; i++) {
		blocks[i].id = r->plan.block[i].id;
		blocks[i].fd = r->target.ram_fd[i];
	}
	ret = vmmig_nl_receive(r->nl, &start, &r->session, err);
	close(start.vm_fd);
	if (ret)
		return ret;
	return vmmig_nl_get(r->nl, r->session, &r->s, err);
}

struct arrival {
	struct receiver *r;
	bool came;
};

static int on_arrival(void *arg, short revents)
{
	struct arrival *a = arg;

	(void)revents;
	a->came = true;
	return 0;
}

static bool somebody_came(void *arg)
{
	struct arrival *a = arg;

	return a->came || peer_has(&a->r->peer) || receive_is_broken(a->r);
}

/* The library's accept only knows its sockets: wait here for the first one. */
static int receive_accept(struct receiver *r, const int *listeners,
			  unsigned int nr, int *socks, struct vmmig_error *err)
{
	struct arrival a = { .r = r };
	int ret = 0;

	for (unsigned int i = 0; i < nr && !ret; i++)
		ret = loop_add(&r->loop, listeners[i], POLLIN, on_arrival, &a);
	if (ret)
		vmmig_fail(err, ret, "too many descriptors");
	else
		ret = loop_wait(&r->loop, somebody_came, &a,
				deadline_in(ARRIVE_MS),
				"the source to connect; can it reach this port?",
				err);
	for (unsigned int i = 0; i < nr; i++)
		loop_del(&r->loop, listeners[i]);
	if (ret)
		return ret;
	if (!a.came)
		return receive_order(r, 0, err) ? : -EBADMSG;
	return vmmig_sock_accept(listeners, nr, r->plan.token, r->plan.streams,
				 socks, ACCEPT_MS, err);
}

static int receive_streams(struct receiver *r, struct vmmig_error *err)
{
	int listeners[VMMIG_MAX_LISTEN], socks[VMMIG_MAX_STREAMS];
	struct json_object *msg;
	unsigned int nr = 0;
	uint16_t port;
	int ret;

	ret = vmmig_sock_listen(r->plan.listen, r->plan.port, listeners, &nr,
				&port, err);
	if (ret)
		return ret;
	msg = json_object_new_object();
	js_add_int(msg, "port", port);
	js_add_int(msg, "pid", r->target.pid);
	js_add_str(msg, "log", r->target.log);
	ret = peer_send(&r->peer, "prepared", msg, err);
	if (!ret)
		ret = receive_accept(r, listeners, nr, socks, err);
	for (unsigned int i = 0; i < nr; i++)
		close(listeners[i]);
	if (ret)
		return ret;
	ret = receive_session(r, socks, err);
	for (unsigned int i = 0; i < r->plan.streams; i++)
		close(socks[i]);
	return ret;
}

int receive_setup(struct receiver *r, struct vmmig_error *err)
{
	int ret;

	ret = vmmig_nl_open(&r->nl, err);
	if (!ret)
		ret = vmmig_nl_subscribe(r->nl, err);
	if (ret)
		return ret;
	if (loop_add(&r->loop, vmmig_nl_event_fd(r->nl), POLLIN, on_netlink, r))
		return vmmig_fail(err, -ENOSPC, "too many descriptors");
	ret = target_create_ram(&r->target, err);
	if (!ret)
		ret = target_start(&r->target, err);
	if (!ret)
		ret = receive_check_qemu(r, err);
	if (!ret)
		ret = receive_prepare_qemu(r, err);
	if (ret) {
		if (receive_is_broken(r))
			receive_explain(r, err);
		return ret;
	}
	ret = step_done(r->plan.fail_at, STEP_DESTINATION, err);
	if (!ret)
		ret = receive_streams(r, err);
	if (!ret)
		ret = peer_send(&r->peer, "receiving", NULL, err);
	return ret;
}
