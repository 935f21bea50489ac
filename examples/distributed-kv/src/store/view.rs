//! Reading the state, from any thread, while entries are applied.
//!
//! One key is read in two steps: the clock, then the value. In that order, whatever is applied between the two, the answer is
//! that of one moment between them. (The other way round, a value with an end could be called over by a clock that came with
//! the entry that took its end away.) What reads several keys takes a snapshot of the engine, in which clock and keys are of
//! one moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use xs_storage::engine::{Engine, KeyRange, ReadView};

use super::StoreError;
use super::layout::{self, DATA, META, Meta, Record};
use crate::answer::Answer;
use crate::command::{MAX_READ, Millis, Op, Unit};

/// What reading needs.
pub(super) trait Looking {
    /// What stands under a key, if it is not over.
    fn record(&self, key: &[u8]) -> Result<Option<Record>, StoreError>;
    /// How many keys there are.
    fn keys(&self) -> Result<u64, StoreError>;
    /// What the rest of a key's time is counted from.
    fn now(&self) -> Millis;
}

/// The answer to a command that only reads; `None` for one that writes.
pub(super) fn read(from: &impl Looking, op: &Op) -> Option<Result<Answer, StoreError>> {
    let answer = || {
        let value = |key: &Bytes| from.record(key).map(|record| record.map(|record| record.value));
        Ok(match op {
            Op::Get(key) => Answer::bulk_or_nil(value(key)?),
            Op::GetMany(keys) => {
                let (mut values, mut bytes) = (Vec::new(), 0);
                for key in keys {
                    let found = value(key)?;
                    bytes += found.as_ref().map_or(0, Bytes::len);
                    if bytes > MAX_READ {
                        return Ok(Answer::err("the values are too long together: ask for fewer at once"));
                    }
                    values.push(Answer::bulk_or_nil(found));
                }
                Answer::List(values)
            }
            Op::Exists(keys) => {
                let mut found = 0;
                for key in keys {
                    found += i64::from(from.record(key)?.is_some());
                }
                Answer::Int(found)
            }
            Op::Length(key) => Answer::Int(value(key)?.map_or(0, |value| value.len() as i64)),
            Op::Type(key) => Answer::Name(if from.record(key)?.is_some() { "string" } else { "none" }),
            Op::TimeLeft(key, unit) => Answer::Int(match from.record(key)? {
                None => -2,
                Some(Record { end: None, .. }) => -1,
                Some(Record { end: Some(end), .. }) => {
                    let left = end.saturating_sub(from.now());
                    let left = if *unit == Unit::Seconds { left.saturating_add(500) / 1000 } else { left };
                    i64::try_from(left).unwrap_or(i64::MAX)
                }
            }),
            _ => Answer::Int(i64::try_from(from.keys()?).unwrap_or(i64::MAX)),
        })
    };
    (!op.writes()).then(answer)
}

/// The state, to be read.
#[derive(Clone)]
pub(crate) struct View {
    engine: Arc<dyn Engine>,
    clock: Arc<AtomicU64>,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("clock", &self.clock).finish_non_exhaustive()
    }
}

/// A part of all keys, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// The keys.
    pub(crate) keys: Vec<Bytes>,
    /// Where to go on; `None` behind the last.
    pub(crate) next: Option<Bytes>,
}

impl View {
    pub(super) fn new(engine: Arc<dyn Engine>, clock: Arc<AtomicU64>) -> Self {
        View { engine, clock }
    }

    /// Answers a command that only reads. `wall` is what the rest of a key's time is counted from, if it is later than the
    /// state's clock.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub(crate) fn read(&self, op: &Op, wall: Millis) -> Result<Answer, StoreError> {
        let clock = self.clock.load(Ordering::Acquire);
        let answer = match op {
            Op::GetMany(_) | Op::Exists(_) | Op::Count => read(&Moment::of(&*self.engine)?, op),
            _ => read(&One { engine: &*self.engine, clock, wall: wall.max(clock) }, op),
        };
        answer.unwrap_or_else(|| Ok(Answer::err("a command that writes cannot be answered by a read")))
    }

    /// Up to `count` keys from `from` on, in their order, of which those are left out that are over.
    ///
    /// # Errors
    ///
    /// The engine's.
    pub(crate) fn scan(&self, from: &[u8], count: usize) -> Result<Scanned, StoreError> {
        let moment = Moment::of(&*self.engine)?;
        let mut cursor = moment.view.cursor(KeyRange::prefix(&[DATA]))?;
        let mut on = cursor.seek(&layout::data(from))?;
        let mut keys = Vec::new();
        for _ in 0..count {
            if !on {
                break;
            }
            if Record::decode(Bytes::copy_from_slice(cursor.value()?))?.is_live(moment.meta.clock) {
                keys.push(Bytes::copy_from_slice(&cursor.key()[1..]));
            }
            on = cursor.next()?;
        }
        let next = on.then(|| Bytes::copy_from_slice(&cursor.key()[1..]));
        Ok(Scanned { keys, next })
    }
}

/// One key, now.
struct One<'a> {
    engine: &'a dyn Engine,
    clock: Millis,
    wall: Millis,
}

impl Looking for One<'_> {
    fn record(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let found = self.engine.get(&layout::data(key))?.map(Record::decode).transpose()?;
        Ok(found.filter(|record| record.is_live(self.clock)))
    }

    fn keys(&self) -> Result<u64, StoreError> {
        Moment::of(self.engine)?.keys()
    }

    fn now(&self) -> Millis {
        self.wall
    }
}

/// Several keys of one moment.
struct Moment {
    view: Arc<dyn ReadView>,
    meta: Meta,
}

impl Moment {
    fn of(engine: &dyn Engine) -> Result<Moment, StoreError> {
        let view = engine.snapshot()?;
        let meta = view.get(META)?.map_or(Ok(Meta::default()), Meta::decode)?;
        Ok(Moment { view, meta })
    }
}

impl Looking for Moment {
    fn record(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let found = self.view.get(&layout::data(key))?.map(Record::decode).transpose()?;
        Ok(found.filter(|record| record.is_live(self.meta.clock)))
    }

    fn keys(&self) -> Result<u64, StoreError> {
        Ok(self.meta.keys)
    }

    fn now(&self) -> Millis {
        self.meta.clock
    }
}
