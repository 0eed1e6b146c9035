// SPDX-License-Identifier: GPL-2.0
/* What happened, as text or as JSON. */
#include <stdio.h>

#include "json.h"
#include "migration.h"

static const char * const results[] = {
	[EXIT_MOVED] = "moved",
	[EXIT_FAILED] = "failed",
	[EXIT_USAGE] = "usage",
	[EXIT_REFUSED] = "refused",
	[EXIT_CANCELLED] = "cancelled",
	[EXIT_UNKNOWN] = "unknown",
	[EXIT_STUCK] = "stuck",
};

/* Microseconds between two moments, -1 if one of them never came. */
static int64_t us(int64_t from, int64_t to)
{
	return from && to ? (to - from) / NSEC_PER_USEC : -1;
}

/**
 * struct durations - in microseconds, -1: not known
 * @qemu: QEMU's setup and its blocks that are not shared, the VM runs
 * @downtime: from the stop to the destination's answer, without the hook
 * @transfer: of the state's rest and "ready", beside the loading
 */
struct durations {
	int64_t total, setup, precopy, qemu, downtime;
	int64_t stop, sync, scan, send, save, confirm, transfer, wait, load;
	int64_t commit, hook;
};

static void durations_fill(const struct migration *m, struct durations *d)
{
	const struct timing *t = &m->t;
	const struct vmmig_stats *s = &m->s.stats;

	d->total = us(t->start, t->end);
	d->setup = us(t->start, t->connected);
	d->precopy = us(t->connected, t->stop);
	d->qemu = us(t->migrate, t->stop);
	d->stop = us(t->stop, t->stopped);
	d->sync = us(t->stopped, t->synced);
	d->scan = t->synced ? (int64_t)s->final_scan_ns / NSEC_PER_USEC : -1;
	d->send = t->synced ? (int64_t)(s->final_ns - s->final_scan_ns) /
		NSEC_PER_USEC : -1;
	d->save = us(t->stopped, t->saved);
	d->confirm = us(t->frozen, t->done);
	d->wait = t->ready ? m->wait_us : -1;
	d->load = t->ready ? m->load_us : -1;
	d->transfer = t->ready ? us(t->hook_end ? t->hook_end : t->done,
				    t->ready) - m->load_us : -1;
	/* "ready" may overtake our own kernel's event. */
	if (t->ready && d->transfer < 0)
		d->transfer = 0;
	d->commit = us(t->commit, t->running);
	d->hook = t->hook ? us(t->hook, t->hook_end) : 0;
	d->downtime = us(t->stop, t->running);
	if (d->downtime >= 0)
		d->downtime -= d->hook;
}

static void report_json(const struct migration *m, int code, const char *error,
			const struct durations *d)
{
	const struct vmmig_stats *s = &m->s.stats;
	struct json_object *o = json_object_new_object();
	struct json_object *us = json_object_new_object();
	struct json_object *ram = json_object_new_object();

	js_add_str(o, "result", results[code]);
	js_add_int(o, "exit", code);
	js_add_str(o, "error", error);
	js_add_str(o, "step", code ? m->step : NULL);
	js_add_str(o, "vm", m->plan.name);
	js_add_str(o, "destination", m->o->dest);
	js_add_str(o, "tracking", m->session ?
		   vmmig_tracking_name(m->s.tracking) : NULL);
	js_add_int(o, "streams", m->o->streams);
	js_add_int(o, "throttle-mb", m->converge.throttle_mb);
	js_add_bool(o, "running", m->vm.running);

	js_add_int(us, "total", d->total);
	js_add_int(us, "setup", d->setup);
	js_add_int(us, "precopy", d->precopy);
	js_add_int(us, "qemu-setup", d->qemu);
	js_add_int(us, "downtime", d->downtime);
	js_add_int(us, "stop", d->stop);
	js_add_int(us, "final-sync", d->sync);
	js_add_int(us, "final-scan", d->scan);
	js_add_int(us, "final-send", d->send);
	js_add_int(us, "state-save", d->save);
	js_add_int(us, "confirm", d->confirm);
	js_add_int(us, "state-transfer", d->transfer);
	js_add_int(us, "ram-wait", d->wait);
	js_add_int(us, "state-load", d->load);
	js_add_int(us, "commit", d->commit);
	js_add_int(us, "cont", m->t.running ? m->cont_us : -1);
	js_add_int(us, "hook", d->hook);
	js_add_int(us, "cpu-source", s->cpu_ns / NSEC_PER_USEC);
	js_add_int(us, "cpu-destination", m->dest_cpu_us);
	json_object_object_add(o, "us", us);

	js_add_int(ram, "pages", s->ram_pages);
	js_add_int(ram, "passes", s->pass);
	js_add_int(ram, "pages-data", s->pages_data);
	js_add_int(ram, "pages-zero", s->pages_zero);
	js_add_int(ram, "pages-skipped", s->pages_skipped);
	js_add_int(ram, "bytes", s->bytes);
	js_add_int(ram, "final-pages", s->final_pages);
	js_add_int(ram, "confirm-pages", s->confirm_pages);
	js_add_int(ram, "confirm-ns", s->confirm_ns);
	js_add_int(ram, "fallback-chunks", s->fallback_chunks);
	js_add_int(ram, "kernel-bytes", s->kernel_bytes);
	json_object_object_add(o, "ram", ram);
	js_add_int(o, "state-bytes", m->state_bytes);

	printf("%s\n", json_object_to_json_string_ext(o,
			JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(o);
}

static void print_ms(const char *what, int64_t value)
{
	if (value >= 0)
		printf("  %-27s %10.3f ms\n", what, value / 1e3);
}

static void report_text(const struct migration *m, const struct durations *d)
{
	const struct vmmig_stats *s = &m->s.stats;
	char bytes[32], rate[32], state[32];
	double seconds = d->precopy > 0 ? d->precopy / 1e6 : 0;

	printf("%s is %s at %s.\n", m->plan.name ? m->plan.name : "The VM",
	       m->vm.running ? "running" : "paused", m->o->dest);
	printf("Total %.3f s: setup %.3f s, pre-copy %.3f s, downtime %.3f ms\n",
	       d->total / 1e6, d->setup / 1e6, seconds, d->downtime / 1e3);
	print_ms("QEMU's setup, still running", d->qemu);
	print_ms("stop", d->stop);
	print_ms("final sync", d->sync);
	print_ms("  scan", d->scan);
	print_ms("  sending", d->send);
	print_ms("device state, saving", d->save);
	print_ms("confirming scan", d->confirm);
	print_ms("device state, handing over", d->transfer);
	print_ms("device state, loading", d->load);
	print_ms("commit and resume", d->commit);
	print_ms("  QEMU's cont", m->cont_us);
	printf("RAM: %u passes, %llu pages sent, %llu zero, %llu in the final sync, %llu in the confirming scan\n",
	       s->pass, (unsigned long long)s->pages_data,
	       (unsigned long long)s->pages_zero,
	       (unsigned long long)s->final_pages,
	       (unsigned long long)s->confirm_pages);
	printf("Sent %s at %s/s, device state %s; CPU %.3f s here, %.3f s there\n",
	       bytes_print(s->bytes, bytes, sizeof(bytes)),
	       bytes_print(seconds > 0 ? s->bytes / seconds : 0, rate,
			   sizeof(rate)),
	       bytes_print(m->state_bytes, state, sizeof(state)),
	       s->cpu_ns / 1e9, m->dest_cpu_us / 1e6);
}

void report_print(struct migration *m, int code, const char *error)
{
	struct durations d;

	m->t.end = now_ns();
	durations_fill(m, &d);
	if (m->o->json)
		report_json(m, code, error, &d);
	else if (code == EXIT_MOVED && !m->o->quiet)
		report_text(m, &d);
}
