// SPDX-License-Identifier: GPL-2.0
/* What can be asked of a session that runs: final sync, end, bandwidth. */

#include <linux/math64.h>
#include <linux/netlink.h>
#include <net/genetlink.h>

#include "session.h"
#include "sock.h"
#include "state.h"

/**
 * vmmig_session_check_rate - is this a bandwidth limit that can be set?
 * @rate: bytes per second over all streams, 0 for none
 * @extack: gets a sentence on failure
 *
 * Context: Any.
 * Return: 0 or -ERANGE.
 */
int vmmig_session_check_rate(u64 rate, struct netlink_ext_ack *extack)
{
	if (!rate || rate >= VMMIG_MIN_RATE)
		return 0;
	NL_SET_ERR_MSG(extack, "rate limit: below 64 KiB per second");
	return -ERANGE;
}

/**
 * vmmig_session_finalize - ask for the final sync
 * @s: a source
 * @hold: stay in state synced afterwards
 * @extack: gets a sentence on failure
 *
 * The VM must be stopped and its devices drained. Returns at once, the state
 * tells about the rest.
 *
 * Context: Process context.
 * Return: 0, -EOPNOTSUPP at a destination, -EBUSY in a wrong state, -EINVAL to
 *	hold a second time.
 */
int vmmig_session_finalize(struct vmmig_session *s, bool hold,
			   struct netlink_ext_ack *extack)
{
	int err = 0;

	if (s->role != VMMIG_ROLE_SOURCE) {
		NL_SET_ERR_MSG(extack, "finalize is for the source of a migration");
		return -EOPNOTSUPP;
	}

	spin_lock(&s->lock);
	switch (s->state) {
	case VMMIG_STATE_SYNCED:
		if (hold) {
			NL_SET_ERR_MSG(extack, "the session is held already, finalize ends it");
			err = -EINVAL;
			break;
		}
		fallthrough;
	case VMMIG_STATE_BULK:
	case VMMIG_STATE_ITERATING:
		if (s->finalize) {
			NL_SET_ERR_MSG(extack, "the final sync was asked for already");
			err = -EALREADY;
			break;
		}
		WRITE_ONCE(s->hold, hold);
		WRITE_ONCE(s->finalize, true);
		break;
	case VMMIG_STATE_CONNECTING:
		NL_SET_ERR_MSG(extack, "not connected yet, wait for state bulk");
		err = -EBUSY;
		break;
	case VMMIG_STATE_STOPPED:
		NL_SET_ERR_MSG(extack, "the final sync is running already");
		err = -EALREADY;
		break;
	default:
		NL_SET_ERR_MSG(extack, "the session has ended");
		err = -EBUSY;
	}
	spin_unlock(&s->lock);

	wake_up_all(&s->wait);
	return err;
}

/**
 * vmmig_session_cancel - ask for the end
 * @s: the session
 * @extack: gets a sentence on failure
 *
 * Context: Process context.
 * Return: 0, or -EALREADY if it has ended.
 */
int vmmig_session_cancel(struct vmmig_session *s,
			 struct netlink_ext_ack *extack)
{
	int err = 0;

	spin_lock(&s->lock);
	if (vmmig_state_ended(s->state)) {
		NL_SET_ERR_MSG(extack, "the session has ended");
		err = -EALREADY;
	} else {
		WRITE_ONCE(s->cancel, true);
		vmmig_session_end_soon(s);
	}
	spin_unlock(&s->lock);

	wake_up_all(&s->wait);
	return err;
}

static void apply_rate(struct vmmig_session *s)
{
	u64 rate = s->rate_limit;
	unsigned int i;

	lockdep_assert_held(&s->sock_lock);
	rate = div_u64(rate, s->nr_streams);
	for (i = 0; i < s->nr_streams; i++) {
		if (s->streams[i].sock)
			vmmig_sock_set_rate(s->streams[i].sock, rate);
	}
}

/**
 * vmmig_session_apply_rate - set the bandwidth limit of all sockets
 * @s: a source
 *
 * Context: Process context, may sleep.
 */
void vmmig_session_apply_rate(struct vmmig_session *s)
{
	mutex_lock(&s->sock_lock);
	apply_rate(s);
	mutex_unlock(&s->sock_lock);
}

/**
 * vmmig_session_set_rate - change the bandwidth limit
 * @s: a source
 * @rate: bytes per second over all streams, 0 for none
 * @extack: gets a sentence on failure
 *
 * Context: Process context, may sleep.
 * Return: 0, -EOPNOTSUPP at a destination, -EBUSY if it has ended, -ERANGE.
 */
int vmmig_session_set_rate(struct vmmig_session *s, u64 rate,
			   struct netlink_ext_ack *extack)
{
	int err;

	if (s->role != VMMIG_ROLE_SOURCE) {
		NL_SET_ERR_MSG(extack, "the source of a migration sets its bandwidth");
		return -EOPNOTSUPP;
	}
	if (vmmig_state_ended(vmmig_session_state(s))) {
		NL_SET_ERR_MSG(extack, "the session has ended");
		return -EBUSY;
	}
	err = vmmig_session_check_rate(rate, extack);
	if (err)
		return err;

	mutex_lock(&s->sock_lock);
	WRITE_ONCE(s->rate_limit, rate);
	apply_rate(s);
	mutex_unlock(&s->sock_lock);
	return 0;
}
