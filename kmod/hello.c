// SPDX-License-Identifier: GPL-2.0
/* The hello exchange: both sides show what they have and refuse what differs. */

#include <linux/mm.h>
#include <linux/slab.h>

#include "session.h"
#include "sock.h"

static int send_hello(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	unsigned int nr_blocks = stream->nr ? 0 : s->nr_blocks;
	struct vmmig_hello hello = {
		.stream = stream->nr,
		.nr_streams = s->nr_streams,
		.nr_blocks = nr_blocks,
	};
	struct vmmig_msg msg = { .type = VMMIG_MSG_HELLO };
	struct vmmig_block_wire *table;
	unsigned int i;
	void *buf;
	int err;

	buf = kzalloc(VMMIG_HELLO_LEN_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	vmmig_proto_encode_hello(buf, &hello);
	table = buf + sizeof(struct vmmig_hello_wire);
	for (i = 0; i < nr_blocks; i++)
		vmmig_proto_encode_block(&table[i], s->blocks[i].id,
					 s->blocks[i].nr_pages);
	msg.len = sizeof(struct vmmig_hello_wire) + nr_blocks * sizeof(*table);
	err = vmmig_sock_send_msg(stream->sock, &msg, buf, false);
	kfree(buf);
	return err;
}

static struct vmmig_block *find_block(struct vmmig_session *s, const char *id)
{
	unsigned int i;

	for (i = 0; i < s->nr_blocks; i++) {
		if (!strcmp(s->blocks[i].id, id))
			return &s->blocks[i];
	}
	return NULL;
}

/*
 * Both tables must hold the same blocks, in any order. The destination
 * takes over the numbers of the source.
 */
static int check_blocks(struct vmmig_session *s,
			const struct vmmig_block_wire *table, u32 nr)
{
	char id[VMMIG_BLOCK_ID_LEN + 1];
	struct vmmig_block *block;
	DECLARE_BITMAP(seen, VMMIG_MAX_BLOCKS) = { };
	u64 nr_pages;
	u32 i;

	if (nr != s->nr_blocks) {
		vmmig_session_fail(s, -EINVAL,
				   "the peer has %u RAM blocks, this side %u; start both VMs with the same RAM",
				   nr, s->nr_blocks);
		return -EINVAL;
	}
	for (i = 0; i < nr; i++) {
		if (vmmig_proto_decode_block(&table[i], id, &nr_pages)) {
			vmmig_session_fail(s, -EPROTO,
					   "the peer sent a malformed block table");
			return -EPROTO;
		}
		block = find_block(s, id);
		if (!block) {
			vmmig_session_fail(s, -ENOENT,
					   "the peer has a RAM block %.100s, this side has none of that id",
					   id);
			return -ENOENT;
		}
		if (__test_and_set_bit(block - s->blocks, seen)) {
			vmmig_session_fail(s, -EPROTO,
					   "the peer names RAM block %.100s twice",
					   id);
			return -EPROTO;
		}
		if (block->nr_pages != nr_pages) {
			vmmig_session_fail(s, -EINVAL,
					   "RAM block %.100s has %llu bytes at the peer and %llu here",
					   id, nr_pages << PAGE_SHIFT,
					   (u64)block->nr_pages << PAGE_SHIFT);
			return -EINVAL;
		}
		if (s->role == VMMIG_ROLE_DESTINATION)
			block->nr = i;
	}
	return 0;
}

static int check_hello(struct vmmig_stream *stream, void *buf, u32 len)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_hello hello;
	const char *why;
	int err;

	err = vmmig_proto_decode_hello(buf, len, &hello, &why);
	if (err) {
		vmmig_session_fail(s, err, "%s", why);
		return err;
	}
	if (hello.stream != stream->nr || hello.nr_streams != s->nr_streams) {
		vmmig_session_fail(s, -EINVAL,
				   "the peer says stream %u of %u, this side %u of %u; give both sides the same number of streams",
				   hello.stream, hello.nr_streams, stream->nr,
				   s->nr_streams);
		return -EINVAL;
	}
	if (stream->nr) {
		if (!hello.nr_blocks)
			return 0;
		vmmig_session_fail(s, -EPROTO, "unexpected block table");
		return -EPROTO;
	}
	return check_blocks(s, buf + sizeof(struct vmmig_hello_wire),
			    hello.nr_blocks);
}

/**
 * vmmig_stream_lost - note why a stream's socket is of no use any more
 * @stream: the stream
 * @err: what the socket said
 * @doing: what was tried
 *
 * Context: Process context.
 */
void vmmig_stream_lost(struct vmmig_stream *stream, int err, const char *doing)
{
	struct vmmig_session *s = stream->session;

	switch (err) {
	case -EPIPE:
	case -ECONNRESET:
		vmmig_session_fail(s, err, "the peer closed the connection");
		break;
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
		vmmig_session_fail(s, err, "the peer does not answer any more");
		break;
	default:
		vmmig_session_fail(s, err, "stream %u: %s failed (error %d)",
				   stream->nr, doing, err);
	}
}

/* The peer tells why it ends the session. */
static int recv_error(struct vmmig_stream *stream, const struct vmmig_msg *msg)
{
	struct vmmig_session *s = stream->session;
	char text[VMMIG_REASON_LEN + 1];
	int err;

	err = vmmig_sock_recv(stream->sock, text, msg->len);
	if (err) {
		vmmig_stream_lost(stream, err, "receiving");
		return err;
	}
	text[msg->len] = '\0';
	err = msg->arg == ECANCELED ? -ECANCELED : -EREMOTEIO;
	vmmig_session_fail(s, err, "the peer says: %s", text);
	return err;
}

/**
 * vmmig_stream_recv - receive a header, know what an error message means
 * @stream: the stream
 * @msg: the result, never VMMIG_MSG_ERROR
 *
 * Context: Process context, sleeps. The stream's own work.
 * Return: 0 or a negative errno, of which the session knows the reason.
 */
int vmmig_stream_recv(struct vmmig_stream *stream, struct vmmig_msg *msg)
{
	struct vmmig_session *s = stream->session;
	int err;

	err = vmmig_sock_recv_msg(stream->sock,
				  s->role == VMMIG_ROLE_DESTINATION, msg);
	if (READ_ONCE(s->cancel)) {
		vmmig_session_fail(s, -ECANCELED, "cancelled by request");
		return -ECANCELED;
	}
	if (err == -EPROTO)
		vmmig_session_fail(s, err, "the peer sent a malformed message (%s)",
				   vmmig_proto_name(msg->type));
	else if (err)
		vmmig_stream_lost(stream, err, "receiving");
	if (err)
		return err;
	return msg->type == VMMIG_MSG_ERROR ? recv_error(stream, msg) : 0;
}

/**
 * vmmig_stream_send_error - tell the peer why the session ends
 * @stream: the stream, not in the middle of a message
 *
 * Context: Process context, may sleep.
 */
void vmmig_stream_send_error(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_msg msg = { .type = VMMIG_MSG_ERROR };
	char text[VMMIG_REASON_LEN + 1];

	spin_lock(&s->lock);
	strscpy(text, s->reason, sizeof(text));
	msg.arg = -s->error;
	spin_unlock(&s->lock);
	/* A cancel that came too late. */
	if (!msg.arg)
		return;

	msg.len = strlen(text);
	vmmig_sock_send_msg(stream->sock, &msg, text, false);
}

/* The source begins to send when the last stream has its answer. */
static int answer_hello(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	int err;

	if (stream->nr == s->nr_streams - 1) {
		err = vmmig_destination_empty(s);
		if (err)
			return err;
	}
	return send_hello(stream);
}

static int hello_one(struct vmmig_stream *stream)
{
	struct vmmig_session *s = stream->session;
	struct vmmig_msg msg;
	void *buf;
	int err;

	if (s->role == VMMIG_ROLE_SOURCE) {
		err = send_hello(stream);
		if (err) {
			vmmig_stream_lost(stream, err, "sending");
			return err;
		}
	}

	err = vmmig_stream_recv(stream, &msg);
	if (err)
		return err;
	if (msg.type != VMMIG_MSG_HELLO) {
		vmmig_session_fail(s, -EPROTO, "the peer began with %s, not hello",
				   vmmig_proto_name(msg.type));
		return -EPROTO;
	}

	buf = kmalloc(VMMIG_HELLO_LEN_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	err = vmmig_sock_recv(stream->sock, buf, msg.len);
	if (!err)
		err = check_hello(stream, buf, msg.len);
	kfree(buf);
	if (err) {
		vmmig_stream_lost(stream, err, "receiving");
		return err;
	}

	if (s->role == VMMIG_ROLE_DESTINATION)
		err = answer_hello(stream);
	if (err)
		vmmig_stream_lost(stream, err, "sending");
	return err;
}

/**
 * vmmig_hello_exchange - agree with the peer on all streams
 * @s: the session
 *
 * The source speaks first, on every stream. A side that refuses says why. The
 * destination's RAM is empty at the end.
 *
 * Context: Process context, sleeps. The session's own work.
 * Return: 0 or a negative errno, of which the session knows the reason.
 */
int vmmig_hello_exchange(struct vmmig_session *s)
{
	u64 start = ktime_get_ns();
	unsigned int i;
	int err = 0;

	for (i = 0; i < s->nr_streams && !err; i++) {
		vmmig_sock_prepare(s->streams[i].sock);
		err = hello_one(&s->streams[i]);
	}
	if (err == -ENOMEM)
		vmmig_session_fail(s, err, "out of memory");
	s->fig.hello_ns = ktime_get_ns() - start;
	return err;
}
