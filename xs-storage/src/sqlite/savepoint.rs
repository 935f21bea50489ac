//! Savepoints: states inside a transaction to which it can go back.
//!
//! ```text
//!   savepoint 1 ── change ── savepoint 2 ── change ── change
//!        │          keeps 7       │          keeps 7   keeps 9
//!        │                        └── back to 2: 7 and 9 as they were there
//!        └── back to 1: what 2 keeps, and over it what 1 keeps: 7 as it was at first
//! ```
//!
//! Only the innermost keeps pages. When it is released, the one around it takes over what it does not have itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use xs_os::vfs::{File, Open, Vfs};

use super::header::Header;
use super::names::beside;
use super::node::PageId;
use super::pager::Page;
use crate::{Error, Result};

/// Where a page is as it was at a savepoint.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Memory(Arc<Page>),
    /// In the rollback journal: until then the transaction had not changed it.
    Journal(u64),
    /// In a file without a name: there are more than memory is for.
    File(u64),
}

/// What the database goes back to.
#[derive(Debug)]
pub(super) struct State {
    pub(super) header: Header,
    pub(super) pages: u32,
    pub(super) kept: BTreeMap<PageId, Kept>,
}

/// The savepoints of a transaction, the innermost last.
#[derive(Debug, Default)]
pub(super) struct Savepoints {
    stack: Vec<State>,
    in_memory: usize,
    file: Option<Arc<dyn File>>,
    end: u64,
}

fn path_of(database: &Path) -> PathBuf {
    beside(database, "-savepoints")
}

impl Savepoints {
    pub(super) fn len(&self) -> usize {
        self.stack.len()
    }

    pub(super) fn open(&mut self, header: Header, pages: u32) {
        self.stack.push(State { header, pages, kept: BTreeMap::new() });
    }

    /// Whether a page that is about to change has to be kept.
    pub(super) fn need(&self, id: PageId) -> bool {
        self.stack.last().is_some_and(|state| id <= state.pages && !state.kept.contains_key(&id))
    }

    /// Keeps a page that the journal has just got.
    pub(super) fn keep_in_journal(&mut self, id: PageId, at: u64) {
        if let Some(state) = self.stack.last_mut() {
            state.kept.insert(id, Kept::Journal(at));
        }
    }

    /// Keeps a page, in memory if not more than `most` are.
    pub(super) fn keep(
        &mut self,
        vfs: &dyn Vfs,
        database: &Path,
        id: PageId,
        page: Arc<Page>,
        most: usize,
    ) -> Result<()> {
        let kept = match self.in_memory < most {
            true => Kept::Memory(page),
            false => {
                let path = path_of(database);
                let file = match &self.file {
                    Some(file) => file.clone(),
                    None => self.file.insert(nameless(vfs, &path)?).clone(),
                };
                file.write_all_at(&page.bytes, self.end).map_err(Error::io("write", &path))?;
                self.end += page.bytes.len() as u64;
                Kept::File(self.end - page.bytes.len() as u64)
            }
        };
        self.in_memory += usize::from(matches!(kept, Kept::Memory(_)));
        if let Some(state) = self.stack.last_mut() {
            state.kept.insert(id, kept);
        }
        Ok(())
    }

    /// Ends the savepoints from this one on; the first is number 1. False if there is no such one.
    pub(super) fn release(&mut self, nth: usize) -> bool {
        if nth == 0 || nth > self.stack.len() {
            return false;
        }
        let ended = self.stack.split_off(nth - 1);
        let Some(outer) = self.stack.last_mut() else {
            (self.in_memory, self.end) = (0, 0);
            return true;
        };
        // The outermost first: of what several have, it has the oldest.
        for (id, kept) in ended.into_iter().flat_map(|state| state.kept) {
            let is_in_memory = matches!(kept, Kept::Memory(_));
            if id <= outer.pages && !outer.kept.contains_key(&id) {
                outer.kept.insert(id, kept);
            } else {
                self.in_memory -= usize::from(is_in_memory);
            }
        }
        true
    }

    /// What was there at a savepoint, which stays open; those inside it end. None if there is no such one.
    pub(super) fn back_to(&mut self, nth: usize) -> Option<State> {
        if nth == 0 || nth > self.stack.len() {
            return None;
        }
        let mut states = self.stack.split_off(nth - 1).into_iter();
        let State { header, pages, mut kept } = states.next()?;
        for (id, page) in states.flat_map(|state| state.kept) {
            if id <= pages {
                kept.entry(id).or_insert(page);
            }
        }
        self.open(header.clone(), pages);
        self.in_memory = self
            .stack
            .iter()
            .flat_map(|state| state.kept.values())
            .filter(|kept| matches!(kept, Kept::Memory(_)))
            .count();
        Some(State { header, pages, kept })
    }

    /// Reads what was kept in the file.
    pub(super) fn read(&self, database: &Path, at: u64, into: &mut [u8]) -> Result<()> {
        match &self.file {
            Some(file) => file.read_exact_at(into, at).map_err(Error::io("read", &path_of(database))),
            None => Err(Error::Invalid("a savepoint without its file".to_owned())),
        }
    }
}

/// A file whose name is gone, and that goes with its handle.
fn nameless(vfs: &dyn Vfs, path: &Path) -> Result<Arc<dyn File>> {
    let file = vfs.open(path, Open::Create).map_err(Error::io("open", path))?;
    vfs.remove(path).map_err(Error::io("remove", path))?;
    // A crash between the two may have left one.
    file.set_len(0).map_err(Error::io("cut", path))?;
    Ok(file)
}
