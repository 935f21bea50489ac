//! A row of a table: a record whose columns are found when they are asked for.
//!
//! ```text
//!   header   │ 6 │ type │ type │ type │ …      read as far as rows before were asked
//!   columns      (type, place)                 remembered until the cursor moves
//!   body                │ value │ value │ …    taken apart column by column, each time
//! ```

use std::cell::Cell;

use crate::row::{Number, ValueRef, record, varint};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::Cursor;
use crate::sql::value::Value;

/// A row of a table, whose columns are found in its record when they are asked for.
pub(in crate::sql) struct TableRow<C> {
    pub(in crate::sql) cursor: C,
    /// The cursor of the index by which rows are found.
    pub(in crate::sql) index: Option<C>,
    /// Whether the index's record is read instead of the table's.
    pub(in crate::sql) covered: bool,
    pub(in crate::sql) rowid: i64,
    /// A row without any values, as outer joins make it.
    pub(in crate::sql) null: bool,
    /// For each column its place in the record, or [`ROWID`], or [`COMPUTED`].
    places: Box<[u16]>,
    /// In a table without rowids, where the index by which rows are found has the columns of the key.
    pub(in crate::sql) key: Option<Box<[u16]>>,
    /// Columns that were computed for the row at hand.
    computed: Vec<Value>,
    /// What columns are that a record is too short for.
    pub(in crate::sql) defaults: Vec<Value>,
    header: Header,
}

/// The place of a column that is the rowid.
pub(in crate::sql) const ROWID: u16 = u16::MAX - 1;

/// The place of a column that no record has, since it is computed.
pub(in crate::sql) const COMPUTED: u16 = u16::MAX;

/// So many columns are read at once.
const FEW: u16 = 16;

/// How far a record's header was read, and what was found: the type of each column, and where it begins.
struct Header {
    columns: Box<[Cell<(u32, u32)>]>,
    known: Cell<u16>,
    /// How many columns there are up to that which was asked for first when nothing was known.
    first: Cell<u16>,
    /// The same of the last that was ever asked for.
    reach: Cell<u16>,
    /// The next type in the header, the end of the header, the next column's place.
    next: Cell<(u32, u32, u32)>,
}

impl<C: Cursor> TableRow<C> {
    /// `places` are those of the columns in the table's record, or the index's if it is `covered`.
    pub(in crate::sql) fn new(cursor: C, places: Box<[u16]>, covered: bool, defaults: Vec<Value>) -> Self {
        let columns = places.iter().filter(|place| **place < ROWID).max().map_or(0, |last| usize::from(*last) + 1);
        let header = Header {
            columns: vec![Cell::new((0, 0)); columns].into(),
            known: Cell::new(0),
            first: Cell::new(0),
            reach: Cell::new(0),
            next: Cell::new((0, 0, 0)),
        };
        TableRow {
            cursor,
            index: None,
            covered,
            rowid: 0,
            null: false,
            places,
            key: None,
            computed: Vec::new(),
            defaults,
            header,
        }
    }

    /// What a column was computed to be.
    pub(in crate::sql) fn put(&mut self, column: usize, value: Value) {
        if self.computed.len() <= column {
            self.computed.resize(self.defaults.len().max(column + 1), Value::Null);
        }
        self.computed[column] = value;
    }

    /// Forgets what was read of the record before.
    #[inline]
    pub(in crate::sql) fn moved(&mut self) {
        self.null = false;
        self.header.known.set(0);
        self.header.next.set((0, 0, 0));
    }

    /// The record is there. Its header is read as far as rows before were asked, or, if that is far, as far as they were asked first:
    /// that may have been whether the row is wanted. Whatever may be wrong with it is said when it is asked.
    #[inline]
    pub(in crate::sql) fn arrived(&mut self) {
        let Header { first, reach, .. } = &self.header;
        let last = if reach.get() < FEW { reach.get() } else { first.get() };
        self.header.begin(self.record(), last);
    }

    /// Shows nothing until it moves.
    pub(in crate::sql) fn hide(&mut self) {
        self.moved();
        self.null = true;
    }

    #[inline(always)]
    fn record(&self) -> &[u8] {
        match &self.index {
            Some(index) if self.covered => index.record(),
            _ => self.cursor.record(),
        }
    }

    /// A column, if the record's header was read as far as that.
    #[inline(always)]
    pub(super) fn known(&self, column: u16) -> Option<ValueRef<'_>> {
        let place = *self.places.get(usize::from(column))?;
        if place >= self.header.known.get() {
            return None;
        }
        let (serial, start) = self.header.columns.get(usize::from(place))?.get();
        record::part(self.record(), serial, start)
    }

    /// The same of a number.
    #[inline(always)]
    pub(super) fn number(&self, column: u16) -> Option<Number> {
        let place = *self.places.get(usize::from(column))?;
        if place >= self.header.known.get() {
            return None;
        }
        let (serial, start) = self.header.columns.get(usize::from(place))?.get();
        record::number(self.record().get(start as usize..)?, serial)
    }

    /// The same of a text.
    #[inline(always)]
    pub(super) fn text(&self, column: u16) -> Option<&[u8]> {
        let place = *self.places.get(usize::from(column))?;
        if place >= self.header.known.get() {
            return None;
        }
        let (serial, start) = self.header.columns.get(usize::from(place))?.get();
        if serial < 13 || serial % 2 == 0 {
            return None;
        }
        self.record().get(start as usize..)?.get(..(serial - 13) as usize / 2)
    }

    pub(super) fn column(&self, column: u16) -> Result<ValueRef<'_>> {
        if self.null {
            return Ok(ValueRef::Null);
        }
        let place = self.places.get(usize::from(column)).copied().unwrap_or(COMPUTED);
        if place >= ROWID {
            return Ok(match place {
                ROWID => ValueRef::Integer(self.rowid),
                _ => self.computed.get(usize::from(column)).map_or(ValueRef::Null, Value::as_ref),
            });
        }
        if place >= self.header.known.get() && !self.header.read(self.record(), place).ok_or_else(corrupt)? {
            return Ok(self.defaults.get(usize::from(column)).map_or(ValueRef::Null, Value::as_ref));
        }
        self.known(column).ok_or_else(corrupt)
    }

    /// The rowid at the end of an index's record.
    pub(in crate::sql) fn rowid_of_index(record: &[u8], parts: usize) -> Result<i64> {
        match record::columns(record).map_err(|_| corrupt())?.nth(parts) {
            Some(Ok(ValueRef::Integer(rowid))) => Ok(rowid),
            _ => Err(corrupt()),
        }
    }
}

impl Header {
    /// Reads the header of a record, of which nothing is known, up to so many columns: those whose types are of one byte, as those of
    /// numbers and short texts are. The others are left to [`Header::read`].
    #[inline]
    fn begin(&self, record: &[u8], count: u16) {
        let Some(len @ ..0x80) = record.first().copied() else { return };
        let (Some(types), Some(columns)) = (record.get(1..usize::from(len)), self.columns.get(..usize::from(count)))
        else {
            return;
        };
        let (mut known, mut place) = (0, u32::from(len));
        for (column, serial) in columns.iter().zip(types) {
            if *serial >= 0x80 {
                break;
            }
            column.set((u32::from(*serial), place));
            place += record::width_of_short(*serial);
            known += 1;
        }
        self.known.set(known);
        self.next.set((1 + u32::from(known), u32::from(len), place));
    }

    /// Reads the header up to a column. False if the record has no such column; none if it makes no sense.
    fn read(&self, record: &[u8], wanted: u16) -> Option<bool> {
        let (mut next, mut end, mut place) = self.next.get();
        if end == 0 {
            let (len, at) = varint::get(record)?;
            if len > record.len() as u64 || len < at as u64 || record.len() > u32::MAX as usize {
                return None;
            }
            (next, end, place) = (at as u32, len as u32, len as u32);
        }
        let known = self.known.get();
        if wanted >= self.reach.get() {
            self.reach.set(wanted + 1);
        }
        if known == 0 {
            self.first.set(wanted + 1);
        }
        // Who asks a second time will ask for all.
        let last = if known == 0 { wanted } else { self.reach.get() - 1 };
        let mut types = record.get(next as usize..end as usize)?;
        let mut count = known;
        for column in self.columns.get(usize::from(known)..=usize::from(last))? {
            // Numbers and short texts have a type of one byte.
            let (serial, width) = match types {
                [] => break,
                [serial @ ..0x80, rest @ ..] => {
                    types = rest;
                    (u32::from(*serial), record::width_of_short(*serial))
                }
                _ => {
                    let (serial, len) = varint::get(types)?;
                    types = types.get(len..)?;
                    (u32::try_from(serial).ok()?, record::width_of(serial)? as u32)
                }
            };
            column.set((serial, place));
            place = place.checked_add(width)?;
            count += 1;
        }
        self.known.set(count);
        self.next.set((end - types.len() as u32, end, place));
        Some(count > wanted)
    }
}

#[cold]
fn corrupt() -> Failure {
    Failure::new(ResultCode::CORRUPT, "database disk image is malformed")
}
