/* SPDX-License-Identifier: GPL-2.0 */
/* RAM blocks: the backing files of guest RAM and their pages. */
#ifndef VMMIG_RAM_H
#define VMMIG_RAM_H

#include <linux/bitmap.h>
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/sizes.h>

#include <uapi/linux/vmmig.h>

struct netlink_ext_ack;

/*
 * RAM is scanned chunk by chunk: the range of one page table, so that a scan
 * takes one page table lock, and a whole number of words in each bitmap, so
 * that chunks of different streams never share a word.
 */
#define VMMIG_CHUNK_PAGES	512
#define VMMIG_CHUNK_WORDS	BITS_TO_LONGS(VMMIG_CHUNK_PAGES)

/* 4 TiB; the bitmaps of one block stay far below what vmalloc() gives. */
#define VMMIG_MAX_PAGES		(SZ_4G / 4)

/**
 * struct vmmig_block - one RAM block of a VM
 * @id: name, equal on both sides
 * @nr: its number in the table of the source
 * @file: the backing file, opened by us: own file position and mode
 * @mapping: the file's page cache
 * @writable: destination; counted as a writable mapping of the file
 * @allocated: destination; the file had all of its pages before the session
 * @nr_pages: size when the session was made
 * @nr_chunks: size in chunks, the last one may be short
 * @written: source; pages reported as written since the chunk's last visit,
 *	by the dirty ring and by MMU notifiers. Set from any context with
 *	atomic operations, taken by the stream that owns the chunk
 * @again: source; pages that the next visit sends whatever it finds: they had
 *	a surplus reference at the last visit, or the final scan found them.
 *	Owned by the chunk's stream, during the final scan by that
 * @sent: source; pages whose copy at the destination is not zero. Owned by
 *	the chunk's stream
 * @revisit: source; chunks (not pages) that the next pass must visit even
 *	if @written has nothing. Atomic operations
 *
 * Bits are numbered by file page, never by slot or address: a page that is
 * mapped twice has one bit.
 */
struct vmmig_block {
	char id[VMMIG_BLOCK_ID_LEN + 1];
	u16 nr;
	struct file *file;
	struct address_space *mapping;
	bool writable;
	bool allocated;
	pgoff_t nr_pages;
	unsigned long nr_chunks;
	unsigned long *written;
	unsigned long *again;
	unsigned long *sent;
	unsigned long *revisit;
};

static inline pgoff_t vmmig_chunk_first(unsigned long chunk)
{
	return chunk * VMMIG_CHUNK_PAGES;
}

static inline unsigned int vmmig_chunk_pages(const struct vmmig_block *block,
					     unsigned long chunk)
{
	return min_t(pgoff_t, VMMIG_CHUNK_PAGES,
		     block->nr_pages - vmmig_chunk_first(chunk));
}

static inline unsigned long *vmmig_chunk_bits(unsigned long *bitmap,
					      unsigned long chunk)
{
	return bitmap + chunk * VMMIG_CHUNK_WORDS;
}

int vmmig_block_open(struct vmmig_block *block, int fd, bool write,
		     struct netlink_ext_ack *extack);
int vmmig_block_alloc_bitmaps(struct vmmig_block *block, u64 *bytes);
void vmmig_block_close(struct vmmig_block *block);

bool vmmig_block_chunk_empty(struct vmmig_block *block, unsigned long chunk);
bool vmmig_block_chunk_huge(struct vmmig_block *block, unsigned long chunk);
bool vmmig_block_punching(const struct vmmig_block *block);
bool vmmig_block_has_gone_pages(const struct vmmig_block *block);
u64 vmmig_block_pages_used(struct vmmig_block *block);
void vmmig_block_mark_written(struct vmmig_block *block, pgoff_t first,
			      pgoff_t nr);
void vmmig_blocks_mark_written(struct vmmig_block *blocks, unsigned int nr);
u64 vmmig_block_count_written(const struct vmmig_block *block);

#endif /* VMMIG_RAM_H */
