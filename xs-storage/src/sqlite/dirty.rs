//! Pages that were changed and are not in the file yet.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::node::PageId;
use super::pager::Page;

/// Looked up by their numbers with every change, put in order once.
#[derive(Debug, Default)]
pub(super) struct Dirty {
    pages: HashMap<PageId, Arc<Page>, FixedState>,
}

impl Dirty {
    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    #[inline]
    pub(super) fn get(&self, id: PageId) -> Option<&Arc<Page>> {
        if self.pages.is_empty() { None } else { self.pages.get(&id) }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: PageId) -> Option<&mut Arc<Page>> {
        self.pages.get_mut(&id)
    }

    pub(super) fn insert(&mut self, id: PageId, page: Arc<Page>) {
        self.pages.insert(id, page);
    }

    pub(super) fn remove(&mut self, id: PageId) {
        self.pages.remove(&id);
    }

    pub(super) fn clear(&mut self) {
        self.pages.clear();
    }

    /// All of them, in the order of the file.
    pub(super) fn in_order(&self) -> Vec<(PageId, &Page)> {
        let mut pages: Vec<_> = self.pages.iter().map(|(id, page)| (*id, &**page)).collect();
        pages.sort_unstable_by_key(|(id, _)| *id);
        pages
    }

    /// Takes all out, in any order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (PageId, Arc<Page>)> {
        self.pages.drain()
    }
}
