//! Pages that are in use, or free: the end of the file, and the list of those that were given back.

use std::sync::Arc;

use super::header::lock_page;
use super::node::{PageId, get_u32, put_u32};
use super::pager::{Page, Pager};
use crate::{Error, Result};

impl Pager {
    /// A page that is not in use, for something new. All zeros.
    pub(super) fn allocate(&mut self) -> Result<PageId> {
        let id = match self.header.free_pages {
            0 => self.extend()?,
            _ => self.take_free()?,
        };
        self.edit(id)?.fill(0);
        self.set_used(id, true);
        Ok(id)
    }

    fn extend(&mut self) -> Result<PageId> {
        let mut id = self.pages.saturating_add(1);
        if id == lock_page(self.header.page_size) {
            id += 1;
        }
        if id >= u32::MAX - 1 {
            return Err(Error::TooLarge { what: "database", len: id.into(), limit: u64::from(u32::MAX - 2) });
        }
        if self.dirty.len() >= self.most_dirty {
            self.spill()?;
        }
        self.pages = id;
        let page = self.blank();
        self.dirty.insert(id, Arc::new(page));
        Ok(id)
    }

    fn check_free(&self, id: PageId) -> Result<()> {
        match id {
            1 => Err(self.corrupt(id, "the first page as a free one")),
            _ => self.check_id(id, "the free list"),
        }
    }

    /// Whoever reads a tree knows which pages are in use; that isn't all of them, but all that memory holds.
    fn check_unused(&self, id: PageId, page: &Page) -> Result<()> {
        match page.is_in_use() {
            true => Err(self.corrupt(id, "a page in use that the free list names")),
            false => Ok(()),
        }
    }

    /// A trunk page of the free list: the next one, and how many leaf pages it names.
    pub(super) fn trunk(&mut self, id: PageId) -> Result<(Arc<Page>, PageId, usize)> {
        self.check_free(id)?;
        let page = self.get(id)?;
        self.check_unused(id, &page)?;
        let (next, leaves) = (get_u32(&page.bytes, 0), get_u32(&page.bytes, 4) as usize);
        if leaves > self.shape.leaves_of_trunk() {
            return Err(self.corrupt(id, "a trunk of the free list with more leaves than fit"));
        }
        Ok((page, next, leaves))
    }

    fn take_free(&mut self) -> Result<PageId> {
        let trunk = self.header.free_trunk;
        let (page, next, leaves) = self.trunk(trunk)?;
        self.header.free_pages -= 1;
        if leaves == 0 {
            self.header.free_trunk = next;
            return Ok(trunk);
        }
        let id = get_u32(&page.bytes, 4 + 4 * leaves);
        drop(page);
        self.check_free(id)?;
        if id == trunk {
            return Err(self.corrupt(trunk, "a free list that names a page in use"));
        }
        let page = self.get(id)?;
        self.check_unused(id, &page)?;
        drop(page);
        put_u32(self.edit(trunk)?, 4, leaves as u32 - 1);
        Ok(id)
    }

    /// Gives a page back.
    pub(super) fn free(&mut self, id: PageId) -> Result<()> {
        self.check_free(id)?;
        if self.header.free_pages >= self.pages {
            return Err(self.corrupt(1, "more free pages than there are pages"));
        }
        self.changes += 1;
        let trunk = self.header.free_trunk;
        if self.header.free_pages > 0 {
            let (page, _, leaves) = self.trunk(trunk)?;
            drop(page);
            // Versions before 3.6 took a trunk for corrupt that used its last six places.
            if leaves < self.shape.leaves_of_trunk() - 6 {
                let page = self.edit(trunk)?;
                put_u32(page, 8 + 4 * leaves, id);
                put_u32(page, 4, leaves as u32 + 1);
                self.get(id)?.set_in_use(false);
                self.header.free_pages += 1;
                return Ok(());
            }
        }
        let before = if self.header.free_pages > 0 { trunk } else { 0 };
        let page = self.edit(id)?;
        put_u32(page, 0, before);
        put_u32(page, 4, 0);
        self.set_used(id, false);
        self.header.free_trunk = id;
        self.header.free_pages += 1;
        Ok(())
    }
}
