//! A whole database into a new file.

use std::path::Path;

use xs_os::Rng;
use xs_os::vfs::{Open, Vfs};

use super::cursor::Cursor;
use super::database::{Database, Options, TreeKind};
use super::node::{Node, PageId};
use super::schema;
use super::seek::Key;
use super::tree;
use crate::row::{ValueRef, record};
use crate::{Error, Result};

/// The root of the schema's table.
const SCHEMA: PageId = 1;

impl Database {
    /// Copies everything into a new database, which has the same page size, encoding and numbers, no free pages, and none of the
    /// auto-vacuum of this one. It is on the disk of [`Options::copies`]. What was copied was one state of this database.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] if there is a file of the name already which is not empty; and all that reading and writing fail with.
    /// A file that was not there is not left behind then.
    pub fn copy_to(&mut self, path: &Path) -> Result<()> {
        self.pager.read()?;
        let vfs = self.pager.copies.clone();
        let was_there = vfs.exists(path).map_err(Error::io("open", path))?;
        if was_there && !is_empty(&*vfs, path)? {
            return Err(Error::Invalid("output file already exists".to_owned()));
        }
        let options = Options {
            page_size: self.header().page_size,
            encoding: self.header().encoding,
            memory: self.pager.memory,
            ..Options::default()
        };
        let rng = Rng::from_seed(self.pager.rng.next_u64());
        let mut copy = Database::open(vfs.clone(), path, options, rng)?;
        let filled = copy.fill(self);
        if filled.is_err() {
            // What went wrong first is what is told.
            let _ = copy.roll_back();
            drop(copy);
            if !was_there {
                let _ = vfs.remove(path);
            }
        }
        filled
    }

    pub(super) fn fill(&mut self, from: &mut Database) -> Result<()> {
        self.begin()?;
        let (header, old) = (&mut self.pager.header, from.header());
        header.schema_cookie = old.schema_cookie.wrapping_add(1);
        (header.user_version, header.application_id) = (old.user_version, old.application_id);
        header.cache_size = old.cache_size;
        // In the first format, indexes that are declared to descend don't.
        if old.schema_format > 0 {
            header.schema_format = old.schema_format;
        }
        if from.pages() > 0 {
            let mut rows = Vec::new();
            let mut cursor = Cursor::table(SCHEMA);
            let mut more = cursor.first(from)?;
            while more {
                let rowid = cursor.rowid(from).unwrap_or(0);
                rows.push((rowid, cursor.payload(from)?.unwrap_or(&[]).to_vec()));
                more = cursor.next(from)?;
            }
            for (fresh, (rowid, row)) in (1..).zip(schema::sorted(rows, from.header().encoding)) {
                self.copy_object(from, fresh, (rowid, &row))?;
            }
        }
        self.commit()
    }

    /// A row of the schema, and the tree that it names.
    fn copy_object(&mut self, from: &mut Database, fresh: i64, (rowid, row): (i64, &[u8])) -> Result<()> {
        let malformed = || from.pager.corrupt(SCHEMA, format_args!("row {rowid} of the schema makes no sense"));
        let mut columns = record::decode(row).map_err(|_| malformed())?;
        let root = match columns.get(3) {
            Some(ValueRef::Integer(root)) => PageId::try_from(*root).map_err(|_| malformed())?,
            Some(ValueRef::Null) => 0,
            _ => return Err(malformed()),
        };
        if root != 0 {
            columns[3] = ValueRef::Integer(self.copy_tree(from, root)?.into());
        }
        self.insert(SCHEMA, fresh, &record::encode(&columns))?;
        Ok(())
    }

    /// Entries go behind each other, so that nothing has to be known of their order.
    fn copy_tree(&mut self, from: &mut Database, root: PageId) -> Result<PageId> {
        from.pager.check_id(root, "the schema")?;
        let page = from.pager.node(root)?;
        let is_table = Node::new(&page.bytes, root, from.pager.shape).kind.is_table();
        drop(page);
        let (kind, mut cursor) = match is_table {
            true => (TreeKind::Table, Cursor::table(root)),
            false => (TreeKind::Index, Cursor::index(root, Vec::new())),
        };
        let copy = self.create_tree(kind)?;
        let mut more = cursor.first(from)?;
        while more {
            from.pager.check_interrupt()?;
            let key = if is_table { Key::Rowid(cursor.rowid(from).unwrap_or(0)) } else { Key::Last };
            let payload = cursor.payload(from)?.unwrap_or(&[]);
            self.change(|pager| tree::insert(pager, copy, key, payload))?;
            more = cursor.next(from)?;
        }
        Ok(copy)
    }
}

pub(super) fn is_empty(vfs: &dyn Vfs, path: &Path) -> Result<bool> {
    let len = vfs.open(path, Open::Read).and_then(|file| file.len()).map_err(Error::io("open", path))?;
    Ok(len == 0)
}
