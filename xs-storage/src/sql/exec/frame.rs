//! The rows at hand: one frame for each query that is open.
//!
//! A frame has a slot for each table of `FROM` and a register for each value that was computed before, such as an aggregate's. An
//! expression names a slot and a column. In a subquery it may name a frame further out, by how many queries lie between.

use std::cell::Cell;

use super::expr::Datum;
use super::number::number_of;
use super::rows::Rows;
use super::session::Run;
use crate::row::{Number, Packed, ValueRef, record, varint};
use crate::sql::failure::{Failure, Result, ResultCode};
use crate::sql::store::{Cursor, Store};
use crate::sql::value::Value;

/// Where a value is in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sql) enum Place {
    Column {
        slot: u16,
        column: u16,
    },
    /// A column that is a real number, whose integers may be stored as such.
    Real {
        slot: u16,
        column: u16,
    },
    Rowid {
        slot: u16,
    },
    Register(u16),
}

impl Place {
    /// The slot that it is in; none are the last.
    pub(in crate::sql) fn slot(self) -> usize {
        match self {
            Place::Column { slot, .. } | Place::Real { slot, .. } | Place::Rowid { slot } => usize::from(slot),
            Place::Register(_) => usize::MAX,
        }
    }
}

/// The rows of one query.
pub(in crate::sql) struct Frame<S: Store> {
    pub(in crate::sql) slots: Vec<Slot<S>>,
    pub(in crate::sql) registers: Vec<Value>,
}

/// What a slot shows.
pub(in crate::sql) enum Slot<S: Store> {
    Table(TableRow<S::Cursor>),
    /// A row of a query in `FROM`.
    Rows(Box<Rows<S>>),
}

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
    fn known(&self, column: u16) -> Option<ValueRef<'_>> {
        let place = *self.places.get(usize::from(column))?;
        if place >= self.header.known.get() {
            return None;
        }
        let (serial, start) = self.header.columns.get(usize::from(place))?.get();
        record::part(self.record(), serial, start)
    }

    /// The same of a number.
    #[inline(always)]
    fn number(&self, column: u16) -> Option<Number> {
        let place = *self.places.get(usize::from(column))?;
        if place >= self.header.known.get() {
            return None;
        }
        let (serial, start) = self.header.columns.get(usize::from(place))?.get();
        record::number(self.record().get(start as usize..)?, serial)
    }

    /// The same of a text.
    #[inline(always)]
    fn text(&self, column: u16) -> Option<&[u8]> {
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

    fn column(&self, column: u16) -> Result<ValueRef<'_>> {
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

impl<S: Store> Frame<S> {
    /// The one place where values come from: it is worth a call of its own, and what asks for them stays small. A column that is
    /// known costs no further one.
    #[inline(never)]
    pub(in crate::sql) fn get(&self, place: Place) -> Result<ValueRef<'_>> {
        if let Place::Column { slot, column } | Place::Real { slot, column } = place
            && let Some(Slot::Table(row)) = self.slots.get(usize::from(slot))
            && let Some(value) = row.known(column)
        {
            return Ok(match (value, place) {
                (ValueRef::Integer(n), Place::Real { .. }) => ValueRef::Real(n as f64),
                _ => value,
            });
        }
        if let Place::Rowid { slot } = place
            && let Some(Slot::Table(row)) = self.slots.get(usize::from(slot))
            && !row.null
        {
            return Ok(ValueRef::Integer(row.rowid));
        }
        self.find(place)
    }

    /// A text that costs no more than a look, as with numbers.
    #[inline(never)]
    pub(super) fn text(&self, place: Place) -> Option<&[u8]> {
        let Place::Column { slot, column } = place else { return None };
        match self.slots.get(usize::from(slot)) {
            Some(Slot::Table(row)) => row.text(column),
            _ => None,
        }
    }

    /// A number that costs no more than a look: of a column that is not known yet, nothing is said here.
    #[inline(never)]
    pub(super) fn number(&self, place: Place) -> Packed {
        let number = match place {
            Place::Column { slot, column } | Place::Real { slot, column } => match self.slots.get(usize::from(slot)) {
                Some(Slot::Table(row)) => match row.number(column) {
                    Some(Number::Integer(n)) if matches!(place, Place::Real { .. }) => Number::Real(n as f64),
                    Some(number) => number,
                    None => Number::Other,
                },
                _ => Number::Other,
            },
            Place::Rowid { slot } => match self.slots.get(usize::from(slot)) {
                Some(Slot::Table(row)) if !row.null => Number::Integer(row.rowid),
                _ => Number::Other,
            },
            Place::Register(at) => self.registers.get(usize::from(at)).map_or(Number::Other, number_of),
        };
        number.into()
    }

    #[inline(never)]
    fn find(&self, place: Place) -> Result<ValueRef<'_>> {
        match place {
            Place::Column { slot, column } => match &self.slots[usize::from(slot)] {
                Slot::Table(row) => row.column(column),
                Slot::Rows(rows) => Ok(rows.column(column)),
            },
            Place::Real { slot, column } => match self.find(Place::Column { slot, column })? {
                ValueRef::Integer(n) => Ok(ValueRef::Real(n as f64)),
                other => Ok(other),
            },
            Place::Rowid { slot } => match &self.slots[usize::from(slot)] {
                Slot::Table(row) if !row.null => Ok(ValueRef::Integer(row.rowid)),
                Slot::Table(_) => Ok(ValueRef::Null),
                Slot::Rows(rows) => Ok(rows.rowid()),
            },
            Place::Register(at) => Ok(self.registers[usize::from(at)].as_ref()),
        }
    }

    /// The same, and whether it is JSON.
    #[inline]
    pub(in crate::sql) fn datum(&self, place: Place) -> Result<Datum<'_>> {
        if let Place::Column { slot, column } = place
            && let Some(Slot::Rows(rows)) = self.slots.get(usize::from(slot))
        {
            return Ok(rows.datum(column));
        }
        Ok(Datum::Ref(self.get(place)?))
    }

    pub(in crate::sql) fn set_null(&mut self, slot: usize, null: bool) {
        match &mut self.slots[slot] {
            Slot::Table(row) if null => row.hide(),
            Slot::Table(row) => row.null = false,
            Slot::Rows(rows) => rows.null = null,
        }
    }
}

/// What lies around a query: the rows of those that it is in, and the execution.
pub(in crate::sql) struct Outer<'a, S: Store> {
    pub(in crate::sql) up: Option<&'a Env<'a, S>>,
    pub(in crate::sql) run: &'a Run<'a, S>,
}

/// What an expression sees.
pub(in crate::sql) struct Env<'a, S: Store> {
    pub(in crate::sql) frame: &'a Frame<S>,
    pub(in crate::sql) outer: Outer<'a, S>,
}

impl<S: Store> Clone for Outer<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Store> Copy for Outer<'_, S> {}

impl<S: Store> Clone for Env<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S: Store> Copy for Env<'_, S> {}

impl<'a, S: Store> Outer<'a, S> {
    /// What an expression sees in a frame here.
    #[inline]
    pub(in crate::sql) fn env<'b>(self, frame: &'b Frame<S>) -> Env<'b, S>
    where
        'a: 'b,
    {
        Env { frame, outer: self }
    }
}

impl<'a, S: Store> Env<'a, S> {
    /// The frame so many queries further out.
    #[inline]
    pub(in crate::sql) fn frame_at(&self, depth: u16) -> Result<&'a Frame<S>> {
        let mut env = *self;
        for _ in 0..depth {
            env = *env.outer.up.ok_or_else(|| Failure::internal("a query without the one around it"))?;
        }
        Ok(env.frame)
    }
}
