// SPDX-License-Identifier: GPL-2.0
/* Watch a session until it ends. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"
#include "print.h"

/* Without an event for this long, ask. */
#define ASK_MS		2000

struct follow {
	const struct ctl_print *print;
	uint32_t id;
	enum ctl_until until;
	bool reached;
	bool printed;
	struct vmmig_session last;
};

static bool is_reached(const struct follow *f, const struct vmmig_session *s)
{
	switch (f->until) {
	case CTL_UNTIL_SYNCED:
		return s->state == VMMIG_STATE_SYNCED ||
		       vmmig_state_ended(s->state);
	case CTL_UNTIL_END:
		return vmmig_state_ended(s->state);
	default:
		return false;
	}
}

static void on_session(const struct vmmig_session *s, void *arg)
{
	struct follow *f = arg;

	if ((f->id && s->id != f->id) || f->reached)
		return;
	/* Asking may tell what an event has told, or will tell. */
	if (f->printed && !memcmp(s, &f->last, sizeof(*s)))
		return;
	f->print->event(s);
	f->printed = true;
	memcpy(&f->last, s, sizeof(*s));
	f->reached = f->id && is_reached(f, s);
}

static int ask(struct ctl *ctl, struct vmmig_nl *nl, struct follow *f)
{
	struct vmmig_session s;
	int rc;

	if (!f->id)
		return vmmig_nl_dump(nl, on_session, f, &ctl->err);
	rc = vmmig_nl_get(nl, f->id, &s, &ctl->err);
	if (!rc)
		on_session(&s, f);
	return rc;
}

static int turn(struct ctl *ctl, struct vmmig_nl *nl, struct follow *f)
{
	struct pollfd p = { vmmig_nl_event_fd(nl), POLLIN, 0 };
	int rc;

	/* Of all sessions only news are wanted, there is nothing to ask. */
	rc = poll(&p, 1, f->id ? ASK_MS : -1);
	if (rc < 0)
		return errno == EINTR ? 0 :
		       vmmig_fail(&ctl->err, -errno, "poll: %s", strerror(errno));
	if (!rc)
		return ask(ctl, nl, f);
	rc = vmmig_nl_events(nl, on_session, f, &ctl->err);
	return rc == -ENOBUFS ? ask(ctl, nl, f) : rc;
}

static int result(const struct vmmig_session *s)
{
	switch (s->state) {
	case VMMIG_STATE_FAILED:
		fprintf(stderr, "vmmigctl: session %u: failed: %s\n", s->id,
			s->reason[0] ? s->reason : "no reason is known; see the kernel log");
		return CTL_SESSION_FAILED;
	case VMMIG_STATE_CANCELLED:
		fprintf(stderr, "vmmigctl: session %u: was cancelled%s%s\n",
			s->id, s->reason[0] ? ": " : "", s->reason);
		return CTL_SESSION_CANCELLED;
	default:
		return CTL_OK;
	}
}

int ctl_follow(struct ctl *ctl, struct vmmig_nl *nl, uint32_t id,
	       enum ctl_until until)
{
	struct follow f = { .print = ctl->print, .id = id, .until = until };
	int rc = 0;

	/* Of many sessions each needs a line of its own. */
	if (id && f.print == &ctl_print_text && isatty(STDOUT_FILENO))
		f.print = &ctl_print_live;

	if (id)
		rc = ask(ctl, nl, &f);
	while (!rc && !f.reached)
		rc = turn(ctl, nl, &f);
	if (f.printed)
		f.print->events_end();
	return rc ? ctl_failed(ctl, rc) : result(&f.last);
}
