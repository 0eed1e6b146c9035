// SPDX-License-Identifier: GPL-2.0
/* Attributes to struct vmmig_session. What is not sent stays zero. */
#include <errno.h>
#include <string.h>

#include "nl_priv.h"

/* YNL's "uint" is NLA_UINT: four bytes if the value fits, else eight. */
static const struct nla_policy session_policy[VMMIG_A_SESSION_MAX + 1] = {
	[VMMIG_A_SESSION_ID]		= { .type = NLA_U32 },
	[VMMIG_A_SESSION_ROLE]		= { .type = NLA_U32 },
	[VMMIG_A_SESSION_STATE]		= { .type = NLA_U32 },
	[VMMIG_A_SESSION_TRACKING]	= { .type = NLA_U32 },
	[VMMIG_A_SESSION_RATE_LIMIT]	= { .minlen = 4, .maxlen = 8 },
	[VMMIG_A_SESSION_ERROR]		= { .type = NLA_U32 },
	[VMMIG_A_SESSION_STATS]		= { .type = NLA_NESTED },
	[VMMIG_A_SESSION_STREAMS]	= { .type = NLA_U32 },
	[VMMIG_A_SESSION_HELLO_NS]	= { .minlen = 4, .maxlen = 8 },
};

int nl_put_uint(struct nl_msg *msg, int attr, uint64_t value)
{
	if (value <= UINT32_MAX)
		return nla_put_u32(msg, attr, value);
	return nla_put_u64(msg, attr, value);
}

static int get_uint(const struct nlattr *a, uint64_t *value)
{
	uint32_t small;

	if (!a)
		return 0;
	switch (nla_len(a)) {
	case sizeof(small):
		memcpy(&small, nla_data(a), sizeof(small));
		*value = small;
		return 0;
	case sizeof(*value):
		memcpy(value, nla_data(a), sizeof(*value));
		return 0;
	default:
		return -EBADMSG;
	}
}

static void get_u32(struct nlattr *a, uint32_t *value)
{
	if (a)
		*value = nla_get_u32(a);
}

/*
 * Bounds and terminates whatever the length. A reason may come from the peer
 * and ends up on a terminal: no control characters.
 */
void nl_get_text(char *dst, const struct nlattr *a, size_t size)
{
	if (!a)
		return;
	nla_strlcpy(dst, a, size);
	for (; *dst; dst++)
		if ((unsigned char)*dst < ' ' || *dst == 0x7f)
			*dst = '?';
}

static int parse_stats(struct nlattr *nest, struct vmmig_stats *stats)
{
	struct nlattr *tb[VMMIG_A_STATS_MAX + 1];
	const struct vmmig_stats_field *f;
	uint64_t value;
	size_t i;

	if (nla_parse_nested(tb, VMMIG_A_STATS_MAX, nest, NULL))
		return -EBADMSG;

	for (i = 0; i < vmmig_nr_stats_fields; i++) {
		f = &vmmig_stats_fields[i];
		value = 0;
		if (get_uint(tb[f->attr], &value))
			return -EBADMSG;
		if (f->attr == VMMIG_A_STATS_PASS)
			stats->pass = value;
		else
			memcpy((char *)stats + f->offset, &value,
			       sizeof(value));
	}
	return 0;
}

int nl_parse_session(struct nlmsghdr *nlh, struct vmmig_session *s)
{
	struct nlattr *tb[VMMIG_A_SESSION_MAX + 1];
	uint32_t role = 0, state = 0, tracking = 0, error = 0;

	memset(s, 0, sizeof(*s));
	if (!genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_parse(nlh, 0, tb, VMMIG_A_SESSION_MAX, session_policy))
		return -EBADMSG;
	if (!tb[VMMIG_A_SESSION_ID] || !tb[VMMIG_A_SESSION_STATE])
		return -EBADMSG;

	get_u32(tb[VMMIG_A_SESSION_ID], &s->id);
	get_u32(tb[VMMIG_A_SESSION_ROLE], &role);
	get_u32(tb[VMMIG_A_SESSION_STATE], &state);
	get_u32(tb[VMMIG_A_SESSION_TRACKING], &tracking);
	get_u32(tb[VMMIG_A_SESSION_ERROR], &error);
	get_u32(tb[VMMIG_A_SESSION_STREAMS], &s->streams);
	s->role = role;
	s->state = state;
	s->tracking = tracking;
	s->error = (int32_t)error;

	if (get_uint(tb[VMMIG_A_SESSION_RATE_LIMIT], &s->rate_limit) ||
	    get_uint(tb[VMMIG_A_SESSION_HELLO_NS], &s->hello_ns))
		return -EBADMSG;

	nl_get_text(s->name, tb[VMMIG_A_SESSION_NAME], sizeof(s->name));
	nl_get_text(s->reason, tb[VMMIG_A_SESSION_REASON],
		    sizeof(s->reason));
	if (tb[VMMIG_A_SESSION_STATS])
		return parse_stats(tb[VMMIG_A_SESSION_STATS], &s->stats);
	return 0;
}

int nl_parse_id(struct nlmsghdr *nlh, uint32_t *id)
{
	struct nlattr *tb[VMMIG_A_SESSION_MAX + 1];

	if (!genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_parse(nlh, 0, tb, VMMIG_A_SESSION_MAX, session_policy) ||
	    !tb[VMMIG_A_SESSION_ID])
		return -EBADMSG;
	*id = nla_get_u32(tb[VMMIG_A_SESSION_ID]);
	return 0;
}
