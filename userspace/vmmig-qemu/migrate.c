// SPDX-License-Identifier: GPL-2.0
/* The source: one migration from the checks to the report. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "migration.h"

/* For device state, hand-over and what the network adds; see the report. */
#define OVERHEAD_NS	(40 * NSEC_PER_MSEC)
#define FINDINGS_MS	120000
#define PREPARED_MS	120000
#define CONNECT_MS	10000
#define RECEIVING_MS	60000
#define LOGGING_MS	10000

static void on_session(const struct vmmig_session *s, void *arg)
{
	struct migration *m = arg;

	if (s->id != m->session)
		return;
	m->s = *s;
	m->s_changed = true;
}

static int on_netlink(void *arg, short revents)
{
	struct migration *m = arg;
	struct vmmig_error err;

	(void)revents;
	if (vmmig_nl_events(m->nl, on_session, m, &err) == -ENOBUFS &&
	    m->session && !vmmig_nl_get(m->nl, m->session, &m->s, &err))
		m->s_changed = true;
	return 0;
}

static void on_qmp_event(void *arg, const char *event, struct json_object *data)
{
	const char *status = js_str(data, "status");
	struct migration *m = arg;
	struct vmmig_error err;
	unsigned int id;

	/* Earlier migrations of this QEMU are none of our business. */
	if (!m->migration[0])
		return;
	/* Only a VM that ran is stopped, and somebody may just have resumed it. */
	if (!strcmp(event, "STOP") && !m->t.stop) {
		m->t.stop = now_ns();
		m->vm.running = true;
		m->stopped = true;
	}
	/* Other monitors can be used all the time. */
	if (m->t.stopped && !strcmp(event, "RESUME")) {
		m->meddled = "resumed";
		/* A second copy runs, or will: this one must stand still. */
		if (m->committed && qmp_send(&m->qmp, "stop", NULL, -1, &id, &err))
			strv_addf(&m->said, "%s", err.text);
	}
	if (m->t.stopped && !strcmp(event, "RESET"))
		m->meddled = "reset";
	/* With -no-shutdown its QEMU stays. */
	if (!strcmp(event, "SHUTDOWN"))
		m->meddled = "shut down";
	if (strcmp(event, "MIGRATION") || !status)
		return;
	snprintf(m->migration, sizeof(m->migration), "%s", status);
	if (!strcmp(status, "pre-switchover"))
		m->t.stopped = now_ns();
}

static int migrate_connect_qemu(struct migration *m, struct vmmig_error *err)
{
	int ret;

	m->step = "connecting to QEMU";
	if (geteuid()) {
		m->refused = true;
		return vmmig_fail(err, -EPERM,
				  "you are not root: reading a VM's memory needs it; run this with sudo");
	}
	ret = qmp_open(&m->qmp, &m->loop, m->o->qmp, err);
	if (ret)
		return ret;
	m->qmp.event = on_qmp_event;
	m->qmp.event_arg = m;
	return vm_collect(&m->vm, &m->qmp, m->o->pid, err);
}

/* Both ends of the checks; @check: nothing will follow. */
static int migrate_check_peer(struct migration *m, struct findings *f,
			      struct vmmig_error *err)
{
	struct strv command = { 0 };
	int ret;

	m->step = "checks at the destination";
	ret = words_split(m->o->rsh, &command, err);
	if (!ret && !command.n)
		ret = vmmig_fail(err, -EINVAL, "--rsh is empty");
	if (!ret) {
		strv_add(&command, m->o->dest);
		strv_add(&command, m->o->remote_path);
		strv_add(&command, "receive");
		ret = peer_start(&m->peer, &m->loop, &command, m->o->dest, err);
	}
	strv_free(&command);
	if (!ret)
		ret = peer_send(&m->peer, "plan", plan_to_json(&m->plan), err);
	if (!ret)
		ret = peer_expect(&m->peer, "findings",
				  deadline_in(FINDINGS_MS), err);
	if (ret == -ECONNRESET)
		return vmmig_fail(err, ret,
				  "%s ended without an answer; does the remote shell work, is %s installed there (see --remote-path)?",
				  m->o->dest, m->o->remote_path);
	if (ret) {
		m->refused = ret == -EPERM;
		return ret;
	}
	findings_from_json(f, js_get(m->peer.frame.msg, "list"), m->o->dest);
	peer_next(&m->peer);
	return 0;
}

static int migrate_checks(struct migration *m, bool check, struct findings *f,
			  struct vmmig_error *err)
{
	struct vmmig_error why;
	bool planned;
	int ret;

	m->step = "checks";
	check_host(f, FINDING_HERE);
	planned = !order_make(m, check, &why);
	if (!planned) {
		findings_add(f, FINDING_REFUSED, FINDING_HERE, "%s", why.text);
		m->refused = true;
	} else {
		check_vm(&m->vm, &m->plan.argv, f);
	}
	if (m->o->tracking == VMMIG_TRACKING_RING && !m->vm.ring)
		findings_add(f, FINDING_REFUSED, FINDING_HERE,
			     "--tracking ring needs a VM with a dirty ring; use --tracking auto or scan");
	/* What could not be asked is no finding. */
	ret = m->qmp.gone ? -ECONNRESET : loop_cancelled(&m->loop, err);
	if (ret) {
		findings_free(f);
		if (m->qmp.gone)
			*err = m->qmp.why;
		return ret;
	}
	/* Who only checks wants to hear all of it, as far as it can be asked. */
	if (m->o->dest && planned && (check || !findings_refused(f))) {
		ret = migrate_check_peer(m, f, err);
		if (ret)
			return ret;
	}
	if (findings_refused(f)) {
		m->refused = true;
		return vmmig_fail(err, -EPERM, "the VM cannot be migrated, see above");
	}
	m->t.checked = now_ns();
	return step_done(m->o->fail_at, STEP_CHECKS, err);
}

/* The ring says which pages to look at only while QEMU has logging on. */
static int migrate_logging(struct migration *m, struct vmmig_error *err)
{
	int ret = source_set_dirty_limit(&m->source, 0, err);

	if (!qmp_said_no(ret) || m->o->tracking == VMMIG_TRACKING_RING)
		return ret;
	progress_warn(m, "the dirty ring cannot be used, every pass scans all RAM: %s",
		      err->text);
	return 0;
}

/* Sets everything up at both ends; the VM runs on. */
static int migrate_prepare(struct migration *m, uint16_t *port,
			   struct vmmig_error *err)
{
	int ret;

	m->step = "preparing the destination";
	ret = peer_expect(&m->peer, "prepared", deadline_in(PREPARED_MS), err);
	if (ret) {
		m->refused = ret == -EPERM;
		return ret;
	}
	*port = js_int(m->peer.frame.msg, "port", 0);
	if (m->o->verbose) {
		const char *log = js_str(m->peer.frame.msg, "log");
		char *text = vmmig_tame(xstrdup(log ? log : "?"));

		progress_step(m, "%s: QEMU is process %lld, prints to %s",
			      m->o->dest,
			      (long long)js_int(m->peer.frame.msg, "pid", 0),
			      text);
		free(text);
	}
	peer_next(&m->peer);
	m->t.prepared = now_ns();
	ret = step_done(m->o->fail_at, STEP_DESTINATION, err);
	if (ret)
		return ret;

	m->step = "preparing the source";
	ret = vm_open_fds(&m->vm, err);
	if (!ret)
		ret = devstate_open(&m->state, &m->loop, &m->qmp, err);
	if (!ret)
		ret = devstate_forward(&m->state, &m->peer, err);
	if (!ret && m->vm.ring && m->o->tracking != VMMIG_TRACKING_SCAN)
		ret = migrate_logging(m, err);
	return ret;
}

static enum vmmig_tracking migrate_tracking(const struct migration *m)
{
	return m->source.dirty_limit ? m->o->tracking : VMMIG_TRACKING_SCAN;
}

static int migrate_start_session(struct migration *m, int *socks,
				 struct vmmig_error *err)
{
	struct vmmig_block blocks[VMMIG_MAX_BLOCKS];
	struct vmmig_start start = {
		.name = m->plan.name,
		.vm_fd = m->vm.vm_fd,
		.blocks = blocks,
		.nr_blocks = m->vm.nr_blocks,
		.socks = socks,
		.nr_socks = m->o->streams,
		.tracking = migrate_tracking(m),
		.rate_limit = m->o->bandwidth,
	};
	int64_t deadline = deadline_in(LOGGING_MS);
	int ret;

	for (unsigned int i = 0; i < m->vm.nr_blocks; i++) {
		blocks[i].id = m->vm.block[i].id;
		blocks[i].fd = m->vm.block[i].fd;
	}
	/*
	 * QEMU answers set-vcpu-dirty-limit before a thread of its own has
	 * switched logging on, and tells nobody; the kernel sees it.
	 */
	for (;;) {
		struct pollfd none = { .fd = -1 };

		ret = vmmig_nl_send(m->nl, &start, &m->session, err);
		if (ret != -EAGAIN || !m->source.dirty_limit || now_ns() > deadline ||
		    m->loop.signo)
			break;
		poll(&none, 1, 10);
	}
	if (ret)
		return ret;
	return vmmig_nl_get(m->nl, m->session, &m->s, err);
}

static int migrate_connect(struct migration *m, struct vmmig_error *err)
{
	int socks[VMMIG_MAX_STREAMS], ret;
	char *host = options_host(m->o);
	uint16_t number;
	char port[8];

	ret = vmmig_nl_open(&m->nl, err);
	if (!ret)
		ret = vmmig_nl_subscribe(m->nl, err);
	if (!ret)
		ret = loop_add(&m->loop, vmmig_nl_event_fd(m->nl), POLLIN,
			       on_netlink, m);
	if (!ret)
		ret = migrate_prepare(m, &number, err);
	if (!ret) {
		m->step = "connecting the streams";
		snprintf(port, sizeof(port), "%u", number);
		ret = vmmig_sock_connect(host, port, m->plan.token,
					 m->o->streams, socks, CONNECT_MS, err);
	}
	free(host);
	if (ret)
		return ret;
	ret = peer_expect(&m->peer, "receiving", deadline_in(RECEIVING_MS),
			  err);
	if (!ret) {
		peer_next(&m->peer);
		m->step = "starting the RAM session";
		ret = migrate_start_session(m, socks, err);
	}
	for (unsigned int i = 0; i < m->o->streams; i++)
		close(socks[i]);
	m->t.connected = now_ns();
	m->s_changed = true;
	return ret;
}

static int migrate_steps(struct migration *m, struct vmmig_error *err)
{
	struct findings f = { 0 };
	int ret;

	ret = migrate_connect_qemu(m, err);
	if (ret)
		return ret;
	source_init(&m->source, &m->vm);
	ret = migrate_checks(m, false, &f, err);
	progress_end(m);
	findings_print(&f, m->o->verbose ? FINDING_OK : FINDING_WARNING);
	findings_free(&f);
	if (ret)
		return ret;
	m->rules = (struct converge_rules){
		.limit_ns = m->o->downtime_ms * NSEC_PER_MSEC,
		.overhead_ns = OVERHEAD_NS,
		.max_passes = m->o->max_passes,
		.timeout_ns = m->o->timeout_s * NSEC_PER_SEC,
		.vcpus = m->vm.vcpus,
	};
	ret = migrate_connect(m, err);
	if (ret)
		return ret;
	m->rules.ring = m->s.tracking == VMMIG_TRACKING_RING;
	m->rules.throttle = m->o->auto_converge && m->source.dirty_limit;
	if (m->o->auto_converge && !m->rules.throttle)
		progress_warn(m, "--auto-converge needs a VM with a dirty ring, it has no effect");
	ret = precopy_run(m, err);
	return ret ? ret : handover_run(m, err);
}

static void tell_said(struct migration *m)
{
	for (size_t i = 0; i < m->said.n; i++)
		fprintf(stderr, "vmmig-qemu: %s\n", m->said.v[i]);
	strv_free(&m->said);
}

static void tell_resumed(struct migration *m)
{
	if (m->committed && m->meddled && !strcmp(m->meddled, "resumed"))
		fprintf(stderr, "vmmig-qemu: somebody resumed the VM at the source after the hand-over; it was stopped again, but two copies may have run: check its disks\n");
	tell_said(m);
}

/* The VM runs at the destination: nothing here can fail the migration. */
static void migrate_leave(struct migration *m)
{
	struct vmmig_error err = { "" };
	struct stat st;
	int ret;

	tell_resumed(m);

	if (m->o->keep_source) {
		if (source_restore(&m->source, &err))
			fprintf(stderr, "vmmig-qemu: the VM was moved, but: %s\n",
				err.text);
		return;
	}
	ret = source_quit(&m->source, &err);
	if (ret)
		fprintf(stderr, "vmmig-qemu: the VM was moved, but the source remains: %s\n",
			err.text);
	/* One that was told to quit needs long for much memory, but not its name. */
	if (ret && ret != -ETIMEDOUT)
		return;
	for (unsigned int i = 0; i < m->vm.nr_blocks && !m->o->keep_ram; i++) {
		const struct vm_block *b = &m->vm.block[i];

		/* Whatever has the name now must be the file that was moved. */
		if (stat(b->path, &st) || st.st_dev != b->st.st_dev ||
		    st.st_ino != b->st.st_ino)
			continue;
		if (unlink(b->path))
			fprintf(stderr, "vmmig-qemu: the VM was moved, but %s was not removed: %s\n",
				b->path, strerror(errno));
	}
}

/* Whoever resumes the VM here wants QEMU's settings as they were. */
static void explain_unknown(struct migration *m)
{
	const struct options *o = m->o;
	struct vmmig_error err = { "" };

	if (!m->qmp.gone && source_restore(&m->source, &err))
		fprintf(stderr, "vmmig-qemu: the settings of the source's QEMU: %s\n",
			err.text);
	tell_resumed(m);
	if (m->peer.took) {
		fprintf(stderr,
			"vmmig-qemu: %s has the VM but could not start it, for the reason above; it stands still at both hosts.\n"
			"Remove that reason and use 'cont' and 'announce-self' there, then 'quit' at %s here;\n"
			"or use 'quit' there, wait until its process is gone, and use 'cont' at %s here.\n",
			o->dest, o->qmp, o->qmp);
		return;
	}
	fprintf(stderr,
		"vmmig-qemu: the VM was handed over to %s, but whether it runs there is not known.\n"
		"It stays stopped here. Wait until no 'vmmig-qemu receive' is left at %s, 90 s at most,\n"
		"then look for its QEMU there and ask that with query-status:\n"
		"if it is running or paused there, use 'cont' and 'announce-self' there if need be, and 'quit' at %s here;\n"
		"only if there is no such process may you use 'cont' at %s here.\n",
		o->dest, o->dest, o->qmp, o->qmp);
}

/*
 * "removed" comes only from a destination that never took the VM, after the end
 * of its QEMU. Whatever was sent to it, nothing can run the VM there any more.
 */
static bool was_not_taken(struct migration *m)
{
	struct vmmig_error unused;

	return !m->peer.took && rollback_removed(m, &unused);
}

static int migrate_code(struct migration *m, int ret, struct vmmig_error *err)
{
	bool as_before;

	if (!ret)
		return EXIT_MOVED;
	if (m->committed && was_not_taken(m))
		m->committed = false;
	as_before = !m->committed && rollback_source(m);
	progress_end(m);
	if (m->refused)
		fprintf(stderr, "vmmig-qemu: %s\n", err->text);
	else
		fprintf(stderr, "vmmig-qemu: %s: %s\n", m->step, err->text);
	tell_said(m);
	if (m->committed) {
		explain_unknown(m);
		return EXIT_UNKNOWN;
	}
	rollback_destination(m);
	tell_said(m);
	if (!as_before && m->qmp.gone && m->t.checked) {
		fprintf(stderr, "vmmig-qemu: the source's QEMU does not answer any more; look at process %d\n",
			m->vm.pid);
		return EXIT_STUCK;
	}
	if (m->stopped) {
		fprintf(stderr, "vmmig-qemu: the VM is stopped at the source; look at it with query-status at %s, and resume it with 'cont', after 'migrate_cancel' if that is refused\n",
			m->o->qmp);
		return EXIT_STUCK;
	}
	if (m->refused)
		return EXIT_REFUSED;
	return ret == -ECANCELED ? EXIT_CANCELLED : EXIT_FAILED;
}

static void migrate_free(struct migration *m)
{
	devstate_close(&m->state);
	peer_close(&m->peer, 10000);
	qmp_close(&m->qmp);
	source_free(&m->source);
	vm_free(&m->vm);
	plan_free(&m->plan);
	if (m->nl)
		vmmig_nl_close(m->nl);
	loop_close(&m->loop);
	free(m);
}

static struct migration *migrate_new(const struct options *o)
{
	struct migration *m = calloc(1, sizeof(*m));
	struct vmmig_error err;

	if (!m)
		return NULL;
	m->o = o;
	m->t.start = now_ns();
	m->vm.vm_fd = -1;
	if (loop_init(&m->loop, &err)) {
		fprintf(stderr, "vmmig-qemu: %s\n", err.text);
		free(m);
		return NULL;
	}
	return m;
}

int migrate_run(const struct options *o)
{
	struct migration *m = migrate_new(o);
	struct vmmig_error err = { "" };
	int ret, code;

	if (!m)
		return EXIT_FAILED;
	ret = migrate_steps(m, &err);
	code = migrate_code(m, ret, &err);
	if (code == EXIT_MOVED)
		migrate_leave(m);
	if (m->session) {
		struct vmmig_error unused;

		vmmig_nl_get(m->nl, m->session, &m->s, &unused);
	}
	report_print(m, code, ret ? err.text : NULL);
	migrate_free(m);
	return code;
}

int migrate_check(const struct options *o)
{
	const int how = JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE;
	struct migration *m = migrate_new(o);
	struct vmmig_error err = { "" };
	struct findings f = { 0 };
	int ret;

	if (!m)
		return EXIT_FAILED;
	ret = migrate_connect_qemu(m, &err);
	if (!ret)
		ret = migrate_checks(m, true, &f, &err);
	if (o->json) {
		struct json_object *list = findings_to_json(&f);

		puts(json_object_to_json_string_ext(list, how));
		json_object_put(list);
	} else {
		findings_print(&f, FINDING_OK);
		if (!ret)
			puts("The VM can be moved.");
		else if (findings_refused(&f))
			printf("The VM cannot be moved: %u refusals above.\n",
			       findings_refused(&f));
	}
	if (ret && (ret != -EPERM || !findings_refused(&f)))
		fprintf(stderr, "vmmig-qemu: %s: %s\n", m->step, err.text);
	findings_free(&f);
	migrate_free(m);
	switch (ret) {
	case 0:
		return 0;
	case -EPERM:
		return EXIT_REFUSED;
	case -ECANCELED:
		return EXIT_CANCELLED;
	default:
		return EXIT_FAILED;
	}
}
