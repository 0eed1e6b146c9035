// SPDX-License-Identifier: GPL-2.0
/* vmmigctl receive: make a session at the destination. */
#include <unistd.h>

#include "move.h"
#include "print.h"

enum { RECEIVE_LISTEN = MOVE_NR, RECEIVE_PORT, RECEIVE_MAKE_TOKEN };

static const struct ctl_opt opts[] = {
	MOVE_OPTS("RAM block; WHERE is PATH, PATH,size=SIZE (make\n"
		  "the file), fd:N (inherited) or pid:PID:FD\n"
		  "(copied from that process); repeat for every\n"
		  "block", "no limit"),
	[RECEIVE_LISTEN] = { "listen", "ADDRESS",
		"wait at this address of the host (any)" },
	[RECEIVE_PORT] = { "port", "PORT",
		"wait at this port, 0 for any that is free (0)" },
	[RECEIVE_MAKE_TOKEN] = { "make-token", "FILE",
		"make a new secret and write it to FILE" },
	{ 0 }
};

static int option(struct ctl *ctl, int i, const char *arg)
{
	struct move *m = ctl->data;

	switch (i) {
	case RECEIVE_LISTEN:
		m->address = arg;
		return 0;
	case RECEIVE_PORT:
		m->port = arg;
		return 0;
	case RECEIVE_MAKE_TOKEN:
		m->make_token = arg;
		return 0;
	default:
		return move_option(ctl, m, i, arg, false);
	}
}

/* Before the port is announced: whoever reads it may fetch the token at once */
static int make_token(struct ctl *ctl, struct move *m)
{
	int rc;

	if (!m->make_token)
		return 0;
	rc = vmmig_token_make(m->token, &ctl->err);
	if (!rc)
		rc = vmmig_token_save(m->make_token, m->token, &ctl->err);
	return rc;
}

static int accept_source(struct ctl *ctl, struct move *m)
{
	int fds[VMMIG_MAX_LISTEN];
	unsigned int nr;
	uint16_t port;
	int rc;

	rc = make_token(ctl, m);
	if (rc)
		return rc;
	rc = vmmig_sock_listen(m->address, m->port ? m->port : "0", fds, &nr,
			       &port, &ctl->err);
	if (rc)
		return rc;
	ctl->print->listening(m->address ? m->address : "*", port,
			      m->nr_streams);
	rc = vmmig_sock_accept(fds, nr, m->token, m->nr_streams, m->socks,
			       m->timeout_ms, &ctl->err);
	for (unsigned int i = 0; i < nr; i++)
		close(fds[i]);
	return rc;
}

static int receive(struct ctl *ctl, struct move *m)
{
	struct vmmig_nl *nl;
	uint32_t id = 0;
	int rc;

	if (m->make_token && m->have_token)
		return ctl_usage(ctl, "give either --token-file or --make-token");
	rc = move_check(ctl, m);
	if (!rc)
		rc = ctl_nl_open(ctl, &nl);
	if (rc)
		return rc;
	rc = move_open(ctl, m, false);
	if (rc)
		goto close_nl;

	rc = accept_source(ctl, m);
	if (!rc && m->wait)
		rc = vmmig_nl_subscribe(nl, &ctl->err);
	if (!rc)
		rc = vmmig_nl_receive(nl, &m->start, &id, &ctl->err);
	rc = move_started(ctl, m, nl, id, rc);
close_nl:
	vmmig_nl_close(nl);
	return rc;
}

static int run(struct ctl *ctl, int argc, char **argv)
{
	struct move m;
	int rc;

	move_init(&m);
	ctl->data = &m;
	rc = ctl_opts_parse(ctl, argc, argv);
	if (!rc)
		rc = receive(ctl, &m);
	move_cleanup(&m);
	return rc;
}

const struct ctl_cmd ctl_cmd_receive = {
	.name = "receive",
	.args = "",
	.help = "Wait for a source and place the RAM that it sends.",
	.opts = opts,
	.option = option,
	.run = run,
};
