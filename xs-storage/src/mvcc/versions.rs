//! One moment of the store: of every key the newest version that is not newer, as an ordinary cursor.

use bytes::Bytes;

use super::encoding::{self, Kind};
use crate::engine::{Cursor, Engine, KeyRange};
use crate::{Error, Result};

/// So many versions of a key are stepped over before a seek is worth it.
const STEPS: usize = 8;

/// Shows the value that a key has at `at`; false if it has none.
pub(super) fn read(engine: &dyn Engine, key: &[u8], at: u64, see: &mut dyn FnMut(&[u8])) -> Result<bool> {
    let mut cursor = engine.cursor(encoding::versions(key, at))?;
    if !cursor.next()? || version(cursor.key())?.kind == Kind::Removed {
        return Ok(false);
    }
    see(cursor.value()?);
    Ok(true)
}

/// The value that a key has at `at`.
pub(super) fn get(engine: &dyn Engine, key: &[u8], at: u64) -> Result<Option<Bytes>> {
    let mut value = None;
    read(engine, key, at, &mut |bytes| value = Some(Bytes::copy_from_slice(bytes)))?;
    Ok(value)
}

/// A key of the engine, taken apart; an error if somebody else wrote it.
pub(super) fn version(physical: &[u8]) -> Result<encoding::Version<'_>> {
    encoding::split(physical).ok_or_else(|| Error::Foreign {
        what: format!("an entry that is no version of a key: {}", physical.escape_ascii()),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Front,
    On,
    Back,
}

/// A cursor over what can be seen at one timestamp.
///
/// On an entry, the engine's cursor is on the version that is seen. Going forward it has the older versions of the key
/// ahead of it; going back, first the newer ones, and then the next key's from its oldest on:
///
/// ```text
///   a@9 a@5 a@2 │ b@7 │ c@8 c@3        at 6:  a@5 is seen, b is not yet there, c@3 is seen
///       ▲  ──────next──────▶ ▲
/// ```
pub(super) struct VersionCursor<'a> {
    inner: Box<dyn Cursor + 'a>,
    at: u64,
    place: Place,
    /// What the versions of the key begin with that the cursor is on, or is leaving.
    stem: Vec<u8>,
    /// The key, if the stem had to be unescaped.
    key: Option<Vec<u8>>,
    spare: Vec<u8>,
    target: Vec<u8>,
}

impl<'a> VersionCursor<'a> {
    pub(super) fn new(engine: &'a dyn Engine, range: &KeyRange<'_>, at: u64) -> Result<Self> {
        Ok(VersionCursor {
            inner: engine.cursor(encoding::range(range))?,
            at,
            place: Place::Front,
            stem: Vec::new(),
            key: None,
            spare: Vec::new(),
            target: Vec::new(),
        })
    }

    /// Makes the key that the engine's cursor is on the current one.
    fn hold(&mut self) -> Result<()> {
        let version = version(self.inner.key())?;
        self.stem.clear();
        self.stem.extend_from_slice(version.stem);
        Ok(())
    }

    fn arrive(&mut self) -> bool {
        self.place = Place::On;
        // The mark of an escaped zero, and the first of the two bytes at the end.
        let escaped = self.stem[..self.stem.len() - 2].contains(&0);
        if let Some(key) = self.key.take() {
            self.spare = key;
        }
        if escaped {
            let mut key = std::mem::take(&mut self.spare);
            key.clear();
            encoding::put_key(&mut key, &self.stem);
            self.key = Some(key);
        }
        true
    }

    /// Whether the engine's cursor is on a version of the key that is held.
    fn same(&self) -> bool {
        self.inner.key().starts_with(&self.stem)
    }

    fn seek_version(&mut self) -> Result<bool> {
        self.target.clear();
        self.target.extend_from_slice(&self.stem);
        encoding::put_at(&mut self.target, self.at);
        self.inner.seek(&self.target)
    }

    /// Goes over the rest of the held key's versions, forward.
    fn leave(&mut self) -> Result<bool> {
        for _ in 0..STEPS {
            if !self.inner.next()? {
                return Ok(false);
            }
            if !self.same() {
                return Ok(true);
            }
        }
        let behind = encoding::behind(self.target_of_stem());
        let on = self.inner.seek(&behind)?;
        self.target = behind;
        Ok(on)
    }

    fn target_of_stem(&mut self) -> Vec<u8> {
        let mut target = std::mem::take(&mut self.target);
        target.clear();
        target.extend_from_slice(&self.stem);
        target
    }

    /// Goes in front of the held key's versions, to the oldest of the key before.
    fn leave_back(&mut self) -> Result<bool> {
        for _ in 0..STEPS {
            if !self.inner.prev()? {
                return Ok(false);
            }
            if !self.same() {
                return Ok(true);
            }
        }
        // In front of the newest version, whichever it is.
        if self.inner.seek(&self.stem)? { self.inner.prev() } else { Ok(false) }
    }

    /// From a key's newest version, or any version that is seen, to the first that is seen.
    fn settle(&mut self, mut on: bool) -> Result<bool> {
        while on {
            self.hold()?;
            // Too new: step, or leap, to the version of this key that was there at the time.
            let mut steps = 0;
            while on && self.same() && version(self.inner.key())?.at > self.at {
                steps += 1;
                on = if steps <= STEPS { self.inner.next()? } else { self.seek_version()? };
            }
            if !on || !self.same() {
                continue;
            }
            if version(self.inner.key())?.kind == Kind::Put {
                return Ok(self.arrive());
            }
            on = self.leave()?;
        }
        self.place = Place::Back;
        Ok(false)
    }

    /// From a key's oldest version to the last that is seen, there or before.
    fn settle_back(&mut self, mut on: bool) -> Result<bool> {
        while on {
            self.hold()?;
            if version(self.inner.key())?.at <= self.at {
                self.newest()?;
                if version(self.inner.key())?.kind == Kind::Put {
                    return Ok(self.arrive());
                }
            }
            on = self.leave_back()?;
        }
        self.place = Place::Front;
        Ok(false)
    }

    /// From a version of the held key that is old enough to the newest one that is.
    fn newest(&mut self) -> Result<()> {
        for _ in 0..STEPS {
            if !self.inner.prev()? || !self.same() || version(self.inner.key())?.at > self.at {
                self.inner.next()?;
                return Ok(());
            }
        }
        self.seek_version().map(drop)
    }

    /// After an error a cursor is in front of the first entry.
    fn or_front<T>(&mut self, outcome: Result<T>) -> Result<T> {
        if outcome.is_err() {
            self.place = Place::Front;
        }
        outcome
    }
}

impl Cursor for VersionCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<bool> {
        self.stem.clear();
        encoding::put_stem(&mut self.stem, key);
        let outcome = self.seek_version().and_then(|on| self.settle(on));
        self.or_front(outcome)
    }

    fn seek_end(&mut self) -> Result<()> {
        self.place = Place::Back;
        Ok(())
    }

    fn next(&mut self) -> Result<bool> {
        let outcome = match self.place {
            Place::Front => self.inner.seek(b"").and_then(|on| self.settle(on)),
            Place::On => self.leave().and_then(|on| self.settle(on)),
            Place::Back => Ok(false),
        };
        self.or_front(outcome)
    }

    fn prev(&mut self) -> Result<bool> {
        let outcome = match self.place {
            Place::Front => Ok(false),
            Place::On => self.leave_back().and_then(|on| self.settle_back(on)),
            Place::Back => self.inner.seek_end().and_then(|()| self.inner.prev()).and_then(|on| self.settle_back(on)),
        };
        self.or_front(outcome)
    }

    fn key(&self) -> &[u8] {
        match (&self.key, self.place) {
            (_, Place::Front | Place::Back) => b"",
            (Some(key), Place::On) => key,
            (None, Place::On) => &self.stem[1..self.stem.len() - 2],
        }
    }

    fn value(&self) -> Result<&[u8]> {
        if self.place == Place::On { self.inner.value() } else { Ok(b"") }
    }
}
