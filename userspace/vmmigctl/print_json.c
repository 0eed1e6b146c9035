// SPDX-License-Identifier: GPL-2.0
/* Output for programs. Names as in the netlink spec, numbers in base units. */
#include <stdio.h>

#include <json.h>

#include "estimate.h"
#include "print.h"

/* Events are read line by line; the rest may be read by people, too. */
#define LINE	(JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
#define PRETTY	(JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | \
		 JSON_C_TO_STRING_NOSLASHESCAPE)

static void put_text(struct json_object *o, const char *key, const char *value)
{
	json_object_object_add(o, key, json_object_new_string(value));
}

static void put_uint(struct json_object *o, const char *key, uint64_t value)
{
	json_object_object_add(o, key, json_object_new_uint64(value));
}

static void put_int(struct json_object *o, const char *key, int64_t value)
{
	json_object_object_add(o, key, json_object_new_int64(value));
}

/* Consumes o. */
static void write_out(struct json_object *o, int flags)
{
	printf("%s\n", json_object_to_json_string_ext(o, flags));
	fflush(stdout);
	json_object_put(o);
}

static struct json_object *stats_object(const struct vmmig_session *s)
{
	struct json_object *o = json_object_new_object();
	const struct vmmig_stats_field *f;

	for (size_t i = 0; i < vmmig_nr_stats_fields; i++) {
		f = &vmmig_stats_fields[i];
		if (s->role == VMMIG_ROLE_SOURCE || !f->source_only)
			put_uint(o, f->name, vmmig_stats_value(&s->stats, f));
	}
	return o;
}

/* What is not known is left out, as netlink does. */
static struct json_object *session_object(const struct vmmig_session *s)
{
	struct json_object *o = json_object_new_object(), *estimate;
	int percent = ctl_percent(s);
	int64_t downtime = ctl_downtime(s);

	put_uint(o, "id", s->id);
	put_text(o, "role", vmmig_role_name(s->role));
	put_text(o, "state", vmmig_state_name(s->state));
	if (s->name[0])
		put_text(o, "name", s->name);
	if (s->reason[0])
		put_text(o, "reason", s->reason);
	if (s->error)
		put_int(o, "error", s->error);
	put_uint(o, "streams", s->streams);
	if (s->role == VMMIG_ROLE_SOURCE) {
		put_text(o, "tracking", vmmig_tracking_name(s->tracking));
		put_uint(o, "rate-limit", s->rate_limit);
	}
	put_uint(o, "hello-ns", s->hello_ns);
	json_object_object_add(o, "stats", stats_object(s));
	if (percent >= 0 || downtime >= 0) {
		estimate = json_object_new_object();
		if (percent >= 0)
			put_int(estimate, "percent", percent);
		if (downtime >= 0)
			put_int(estimate, "downtime-ns", downtime);
		json_object_object_add(o, "estimate", estimate);
	}
	return o;
}

static void json_listening(const char *address, unsigned int port,
			   unsigned int streams)
{
	struct json_object *o = json_object_new_object();

	put_text(o, "address", address);
	put_uint(o, "port", port);
	put_uint(o, "streams", streams);
	write_out(o, LINE);
}

static void json_started(uint32_t id)
{
	struct json_object *o = json_object_new_object();

	put_uint(o, "id", id);
	write_out(o, LINE);
}

static void json_list(const struct vmmig_session *s, size_t nr)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < nr; i++)
		json_object_array_add(all, session_object(&s[i]));
	write_out(all, PRETTY);
}

static void json_one(const struct vmmig_session *s)
{
	write_out(session_object(s), PRETTY);
}

static void json_event(const struct vmmig_session *s)
{
	write_out(session_object(s), LINE);
}

static void json_events_end(void)
{
}

const struct ctl_print ctl_print_json = {
	.listening	= json_listening,
	.started	= json_started,
	.list		= json_list,
	.one		= json_one,
	.event		= json_event,
	.events_end	= json_events_end,
};
