// SPDX-License-Identifier: GPL-2.0
/* RAM blocks: checks at the start, bitmaps, and cheap looks at the page cache. */

#include <linux/cred.h>
#include <linux/file.h>
#include <linux/hugetlb.h>
#include <linux/mm.h>
#include <linux/netlink.h>
#include <linux/shmem_fs.h>
#include <linux/xarray.h>
#include <net/genetlink.h>

#include "compat/compat.h"
#include "ram.h"

/**
 * vmmig_block_open - take over the backing file of a RAM block
 * @block: with its id set, everything else zero
 * @fd: the file, a descriptor of the current process
 * @write: the destination, pages will be placed
 * @extack: gets a sentence on failure
 *
 * Opens the file a second time, so that the file position of a descriptor
 * that was duplicated from the VMM is left alone.
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative errno.
 */
int vmmig_block_open(struct vmmig_block *block, int fd, bool write,
		     struct netlink_ext_ack *extack)
{
	struct file *given, *file;
	struct inode *inode;
	loff_t size;
	int err;

	given = fget(fd);
	if (!given) {
		NL_SET_ERR_MSG(extack, "RAM block: not an open file descriptor");
		return -EBADF;
	}

	inode = file_inode(given);
	size = i_size_read(inode);
	err = -EINVAL;
	if (is_file_hugepages(given)) {
		NL_SET_ERR_MSG(extack,
			       "RAM block: on hugetlbfs, which is not supported; use tmpfs without huge pages");
		goto put_given;
	}
	if (!S_ISREG(inode->i_mode) || !shmem_mapping(inode->i_mapping)) {
		NL_SET_ERR_MSG(extack,
			       "RAM block: not a file on tmpfs; start the VM with memory-backend-file,share=on and a path on tmpfs");
		goto put_given;
	}
	if (!size || size & ~PAGE_MASK) {
		NL_SET_ERR_MSG(extack,
			       "RAM block: size of the file is not a multiple of 4 KiB");
		goto put_given;
	}
	err = -EFBIG;
	if (size >> PAGE_SHIFT > VMMIG_MAX_PAGES) {
		NL_SET_ERR_MSG(extack,
			       "RAM block: larger than 4 TiB, which is not supported");
		goto put_given;
	}
	err = -EACCES;
	if (!(given->f_mode & FMODE_READ) ||
	    (write && !(given->f_mode & FMODE_WRITE))) {
		NL_SET_ERR_MSG(extack,
			       "RAM block: open the file for reading, at the destination for writing too");
		goto put_given;
	}

	file = dentry_open(&given->f_path,
			   (write ? O_RDWR : O_RDONLY) | O_LARGEFILE,
			   current_cred());
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		NL_SET_ERR_MSG(extack, "RAM block: no permission to open the file again");
		goto put_given;
	}

	/* As a writable mapping would: keeps the file from being sealed. */
	if (write) {
		err = mapping_map_writable(file->f_mapping);
		if (err) {
			NL_SET_ERR_MSG(extack, "RAM block: the file is sealed against writing");
			fput(file);
			goto put_given;
		}
	}

	block->writable = write;
	block->file = file;
	block->mapping = file->f_mapping;
	block->nr_pages = size >> PAGE_SHIFT;
	block->nr_chunks = DIV_ROUND_UP(block->nr_pages, VMMIG_CHUNK_PAGES);
	err = 0;
put_given:
	fput(given);
	return err;
}

/**
 * vmmig_block_alloc_bitmaps - allocate what tracking needs
 * @block: an open block
 * @bytes: is increased by the memory taken
 *
 * Three bits per page, and one per chunk. Nothing is at the destination yet,
 * so every page counts as written.
 *
 * Context: Process context, may sleep. Charged to the caller's memory cgroup.
 * Return: 0 or -ENOMEM; what was allocated is freed by vmmig_block_close().
 */
int vmmig_block_alloc_bitmaps(struct vmmig_block *block, u64 *bytes)
{
	size_t words = block->nr_chunks * VMMIG_CHUNK_WORDS;
	size_t chunk_words = BITS_TO_LONGS(block->nr_chunks);

	block->written = kvcalloc(words, sizeof(long), GFP_KERNEL_ACCOUNT);
	block->again = kvcalloc(words, sizeof(long), GFP_KERNEL_ACCOUNT);
	block->sent = kvcalloc(words, sizeof(long), GFP_KERNEL_ACCOUNT);
	block->revisit = kvcalloc(chunk_words, sizeof(long),
				  GFP_KERNEL_ACCOUNT);
	if (!block->written || !block->again || !block->sent ||
	    !block->revisit)
		return -ENOMEM;

	vmmig_block_mark_written(block, 0, block->nr_pages);
	*bytes += (3 * words + chunk_words) * sizeof(long);
	return 0;
}

/**
 * vmmig_block_close - release everything that a block holds
 * @block: may be closed already or never have been opened
 *
 * Context: Process context, may sleep.
 */
void vmmig_block_close(struct vmmig_block *block)
{
	kvfree(block->written);
	kvfree(block->again);
	kvfree(block->sent);
	kvfree(block->revisit);
	block->written = NULL;
	block->again = NULL;
	block->sent = NULL;
	block->revisit = NULL;
	if (block->writable)
		mapping_unmap_writable(block->mapping);
	block->writable = false;
	if (block->file)
		fput(block->file);
	block->file = NULL;
	block->mapping = NULL;
}

/**
 * vmmig_block_chunk_empty - is nothing of a chunk in memory or swap?
 * @block: the block
 * @chunk: number of the chunk
 *
 * Context: Any. The answer may be old when it arrives: a page that comes
 * later is written through a page table entry, and found by that.
 * Return: true if all pages are holes.
 */
bool vmmig_block_chunk_empty(struct vmmig_block *block, unsigned long chunk)
{
	unsigned long index = vmmig_chunk_first(chunk);

	return !xa_find(&block->mapping->i_pages, &index,
			index + vmmig_chunk_pages(block, chunk) - 1,
			XA_PRESENT);
}

/**
 * vmmig_block_chunk_huge - is a chunk mapped by a huge page table entry?
 * @block: the block
 * @chunk: number of the chunk
 *
 * The dirty helpers skip huge entries. A chunk is as large as one and
 * aligned alike, so its first page tells.
 *
 * Context: Any context that may take RCU.
 * Return: true if so.
 */
bool vmmig_block_chunk_huge(struct vmmig_block *block, unsigned long chunk)
{
	struct folio *folio;
	bool huge;

	BUILD_BUG_ON(VMMIG_CHUNK_PAGES * PAGE_SIZE != PMD_SIZE);

	folio = filemap_get_folio(block->mapping, vmmig_chunk_first(chunk));
	if (IS_ERR(folio))
		return false;
	huge = folio_test_large(folio) && folio_entire_mapcount(folio);
	folio_put(folio);
	return huge;
}

/**
 * vmmig_block_punching - is a hole being punched into a block right now?
 * @block: the block
 *
 * Pages that are punched away are reported before they are gone. tmpfs tells
 * page faults about it by i_private, from before the report until after the
 * end of the pages (shmem_fallocate(), mm/shmem.c).
 *
 * Context: Any.
 * Return: true if so.
 */
bool vmmig_block_punching(const struct vmmig_block *block)
{
	return READ_ONCE(file_inode(block->file)->i_private);
}

/**
 * vmmig_block_has_gone_pages - was a page reported that is a hole by now?
 * @block: the block
 *
 * Looks at the pages that the destination has content of. A page that was
 * swapped out is none of them, the page cache has an entry for it.
 *
 * Context: Process context.
 * Return: true if so.
 */
bool vmmig_block_has_gone_pages(const struct vmmig_block *block)
{
	unsigned long page;

	for_each_set_bit(page, block->written, block->nr_pages) {
		if (test_bit(page, block->sent) &&
		    !xa_load(&block->mapping->i_pages, page))
			return true;
		cond_resched();
	}
	return false;
}

/**
 * vmmig_block_pages_used - pages of a block that are in memory
 * @block: the block
 *
 * Context: Any.
 * Return: how many, an estimate for people.
 */
u64 vmmig_block_pages_used(struct vmmig_block *block)
{
	return min_t(u64, READ_ONCE(block->mapping->nrpages), block->nr_pages);
}

/**
 * vmmig_block_mark_written - report a range of pages as written
 * @block: the block
 * @first: first page
 * @nr: number of pages; what lies outside the block is ignored
 *
 * Context: Any. Does not sleep, allocate or lock: MMU notifiers call it.
 */
void vmmig_block_mark_written(struct vmmig_block *block, pgoff_t first,
			      pgoff_t nr)
{
	pgoff_t end;

	if (first >= block->nr_pages)
		return;
	end = first + min(nr, block->nr_pages - first);

	while (first < end) {
		unsigned long *word = block->written + BIT_WORD(first);
		pgoff_t next = min(end, round_down(first, BITS_PER_LONG) +
				   BITS_PER_LONG);
		unsigned long mask = BITMAP_FIRST_WORD_MASK(first);

		if (next % BITS_PER_LONG)
			mask &= BITMAP_LAST_WORD_MASK(next);
		atomic_long_or(mask, (atomic_long_t *)word);
		first = next;
	}
}

/**
 * vmmig_blocks_mark_written - report all of RAM as written
 * @blocks: the blocks
 * @nr: how many
 *
 * Context: Any.
 */
void vmmig_blocks_mark_written(struct vmmig_block *blocks, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		vmmig_block_mark_written(&blocks[i], 0, blocks[i].nr_pages);
}

/**
 * vmmig_block_count_written - pages reported as written and not yet visited
 * @block: the block
 *
 * Context: May be preempted, does not sleep.
 * Return: the number at some moment of the call.
 */
u64 vmmig_block_count_written(const struct vmmig_block *block)
{
	unsigned long chunk;
	u64 sum = 0;

	for (chunk = 0; chunk < block->nr_chunks; chunk++)
		sum += bitmap_weight(vmmig_chunk_bits(block->written, chunk),
				     VMMIG_CHUNK_PAGES);
	return sum;
}
