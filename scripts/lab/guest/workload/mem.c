// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is written at a chosen rate and verified all the time.
 *
 * A page is 64 records of 64 bytes. The n-th write to a page replaces record
 * n % 64, so all 64 are known from the page's number and its count of writes,
 * and a page that is stale in any part shows. Each thread owns its pages:
 * nobody else writes or verifies them.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "wl.h"

#define WORDS		8
#define RECORDS		64
#define MAX_THREADS	16

struct record {
	uint64_t word[WORDS];
};

struct job {
	struct record *pages;	/* RECORDS per page */
	uint32_t *writes;	/* writes so far, per page */
	uint64_t first;		/* number of its first page, for the contents */
	size_t total, hot;	/* pages; [0, hot) are written */
	size_t write_at, verify_at;
	uint64_t random;
	_Atomic uint64_t written, verified, bad;
	atomic_int full_pass;	/* last one done */
};

static struct job jobs[MAX_THREADS];
static int njobs;
static _Atomic double rate_mb;	/* all threads together */
static atomic_int full_pass;	/* last one asked for */

/* Write n of a page; n is 0 for what was there before any write */
static void make_record(struct record *r, uint64_t page, uint64_t n, unsigned int slot)
{
	uint64_t x = wl_mix((page << 6 | slot) ^ n << 24), sum = 0;

	r->word[0] = n;
	r->word[1] = page;
	for (int i = 2; i < WORDS - 1; i++) {
		x = x * 0xd1342543de82ef95 + 0x9e3779b97f4a7c15;
		r->word[i] = x;
		sum ^= x;
	}
	r->word[WORDS - 1] = sum + n + page;
}

static void write_page(struct job *j, size_t i)
{
	uint32_t n = ++j->writes[i];
	unsigned int slot = n % RECORDS;

	make_record(&j->pages[i * RECORDS + slot], j->first + i, n, slot);
}

static void verify_page(struct job *j, size_t i)
{
	uint32_t n = j->writes[i];

	for (unsigned int slot = 0; slot < RECORDS; slot++) {
		struct record want, *got = &j->pages[i * RECORDS + slot];
		uint32_t back = (n - slot) % RECORDS;	/* writes since this slot's */

		make_record(&want, j->first + i, back < n ? n - back : 0, slot);
		if (!memcmp(&want, got, sizeof(want)))
			continue;
		j->bad++;
		wl_bad("mem page %lu record %u: want write %lu of page %lu, is write %lu of page %lu",
		       j->first + i, slot, want.word[0], want.word[1], got->word[0], got->word[1]);
		break;
	}
	j->verified++;
}

static size_t next_page(struct job *j)
{
	if (!wl.random)
		return j->write_at++ % j->hot;
	j->random ^= j->random << 13;
	j->random ^= j->random >> 7;
	j->random ^= j->random << 17;
	return j->random % j->hot;
}

/* Pages due at this rate since *from; a long stall is not made up for */
static size_t pages_due(double mb_s, uint64_t *from, uint64_t now)
{
	double per_ns = mb_s * 1e6 / WL_PAGE / njobs / 1e9;
	size_t due = (now - *from) * per_ns;

	if (due)
		*from += due / per_ns;
	if (now - *from > 100000000)
		*from = now;
	return due < 8192 ? due : 8192;
}

static void *run(void *arg)
{
	struct job *j = arg;
	uint64_t wrote = wl_now(), checked = wrote;

	for (;;) {
		double rate = rate_mb;
		uint64_t now = wl_now();
		size_t n;

		if (atomic_load(&full_pass) != atomic_load(&j->full_pass)) {
			for (size_t i = 0; i < j->total; i++)
				verify_page(j, i);
			j->full_pass++;
			continue;
		}
		n = rate == WL_RATE_MAX ? 512 : pages_due(rate, &wrote, now);
		for (size_t i = 0; i < n && j->hot; i++)
			write_page(j, next_page(j));
		j->written += j->hot ? n : 0;
		n = pages_due(wl.verify, &checked, now);
		for (size_t i = 0; i < n; i++)
			verify_page(j, j->verify_at++ % j->total);
		if (rate != WL_RATE_MAX)
			wl_sleep_ms(wl.tick);
	}
	return NULL;
}

static void *prepare(void *arg)
{
	struct job *j = arg;

	for (size_t i = 0; i < j->total; i++)
		for (unsigned int slot = 0; slot < RECORDS; slot++)
			make_record(&j->pages[i * RECORDS + slot], j->first + i, 0, slot);
	atomic_fetch_add(&j->full_pass, 1);
	return run(j);
}

void mem_start(void)
{
	njobs = wl.threads < MAX_THREADS ? wl.threads : MAX_THREADS;
	rate_mb = wl.rate;
	full_pass = 1;		/* reached by all when their pages are made */
	for (int i = 0; i < njobs; i++) {
		struct job *j = &jobs[i];

		j->total = (wl.mem + wl.fill) / WL_PAGE / njobs;
		j->hot = wl.hot / WL_PAGE / njobs;
		j->first = (uint64_t)i << 32;
		j->random = wl_mix(i + 1);
		j->writes = calloc(j->total + 1, sizeof(*j->writes));
		j->pages = mmap(NULL, (j->total + 1) * WL_PAGE, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!j->writes || j->pages == MAP_FAILED || !j->total) {
			wl_log("cannot get %zu pages", j->total);
			exit(1);
		}
		wl_thread(prepare, j);
	}
	for (int i = 0; i < njobs; i++)
		while (!atomic_load(&jobs[i].full_pass))
			wl_sleep_ms(10);
}

void mem_rate(double mb_s)
{
	rate_mb = mb_s;
}

static void sum_up(uint64_t *written, uint64_t *verified, uint64_t *bad)
{
	*written = *verified = *bad = 0;
	for (int i = 0; i < njobs; i++) {
		*written += jobs[i].written;
		*verified += jobs[i].verified;
		*bad += jobs[i].bad;
	}
}

void mem_verify(uint64_t *pages, uint64_t *bad)
{
	uint64_t unused;
	int pass = atomic_fetch_add(&full_pass, 1) + 1;

	*pages = 0;
	for (int i = 0; i < njobs; i++) {
		while (atomic_load(&jobs[i].full_pass) != pass)
			wl_sleep_ms(10);
		*pages += jobs[i].total;
	}
	sum_up(&unused, &unused, bad);
}

/* The rate is the mean since the status before, over at least 0.2 s */
int mem_status(char *buf, size_t size)
{
	static uint64_t last_ns, last_written;
	static double mb_s;
	uint64_t written, verified, bad, now = wl_now();

	sum_up(&written, &verified, &bad);
	if (now - last_ns > 200000000) {
		mb_s = (written - last_written) * WL_PAGE * 1e3 / (now - last_ns);
		last_ns = now;
		last_written = written;
	}
	return snprintf(buf, size,
			"\"mem_pages_verified\":%lu,\"mem_bad\":%lu,\"dirty_mb_s\":%.1f,\"work_done\":%lu,",
			verified, bad, mb_s, written);
}
