//! Who asked last for what, so that an entry which comes twice is applied once.
//!
//! A node that sent an entry and got no answer sends it again, to whoever leads by now; both copies may come to stand in the
//! log. Every session has one entry under way at a time (one turn of a connection), so its last number and answer are enough.
//! The table is part of the state: every replica keeps the same one, forgets in the same order (whose last entry is oldest),
//! and finds the same copy.
//!
//! What is forgotten is told from what is new by [`Id::since`]: a forgotten session had its last entry at `forgotten` or in
//! front; an entry that was first sent when the log was behind that can be no copy.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

use super::Outcome;
use super::layout::session as session_key;
use super::overlay::Overlay;
use crate::answer::{Answer, decode_all, encode_all};
use crate::command::Id;
use crate::wire::{Malformed, Reader};

/// So many sessions are remembered.
pub(super) const MAX_SESSIONS: usize = 1 << 14;
/// An answer with more bytes is not kept: a copy of its entry is then known, and can't be answered.
const MAX_KEPT: usize = 1 << 10;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    seq: u64,
    /// Where its last entry stands.
    index: u64,
    /// The bytes of the answers, unless they were too many.
    answers: Option<Bytes>,
}

/// All sessions, as they also stand in the engine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sessions {
    by_name: BTreeMap<u128, Session>,
    by_index: BTreeMap<u64, u128>,
}

impl Sessions {
    /// A session as it was found in the engine.
    pub(super) fn found(&mut self, name: u128, bytes: Bytes) -> Result<(), Malformed> {
        let mut from = Reader::new(bytes);
        let (seq, index) = (from.u64()?, from.u64()?);
        let answers = from.flag()?.then(|| from.rest());
        self.by_name.insert(name, Session { seq, index, answers });
        self.by_index.insert(index, name);
        Ok(())
    }

    /// What a copy of an entry is answered with; `None` if the entry is new. `forgotten` is [`Meta::forgotten`](super::Meta).
    pub(super) fn copy(&self, id: &Id, forgotten: u64) -> Result<Option<Outcome>, Malformed> {
        let Some(session) = self.by_name.get(&id.session) else {
            return Ok((id.since < forgotten).then_some(Outcome::TooOld));
        };
        Ok(match &session.answers {
            _ if id.seq > session.seq => None,
            _ if id.seq < session.seq => Some(Outcome::TooOld),
            Some(answers) => Some(Outcome::Done(decode_all(&mut Reader::new(answers.clone()))?)),
            None => Some(Outcome::DoneBefore),
        })
    }

    /// The entry at `index` was applied. Answers with up to where sessions are forgotten now, if one is.
    pub(super) fn remember(&mut self, id: &Id, index: u64, answers: &[Answer], over: &mut Overlay<'_>) -> Option<u64> {
        let fits = answers.iter().map(Answer::size).sum::<usize>() <= MAX_KEPT;
        let answers = fits.then(|| {
            let mut bytes = Vec::new();
            encode_all(answers, &mut bytes);
            Bytes::from(bytes)
        });
        let session = Session { seq: id.seq, index, answers };
        let mut out = BytesMut::with_capacity(17 + session.answers.as_ref().map_or(0, Bytes::len));
        out.put_u64_le(session.seq);
        out.put_u64_le(index);
        out.put_u8(u8::from(session.answers.is_some()));
        out.put_slice(session.answers.as_deref().unwrap_or_default());
        over.put(session_key(id.session), out.freeze());
        self.by_index.insert(index, id.session);
        if let Some(before) = self.by_name.insert(id.session, session) {
            self.by_index.remove(&before.index);
        }
        if self.by_name.len() <= MAX_SESSIONS {
            return None;
        }
        let (oldest, name) = self.by_index.pop_first()?;
        self.by_name.remove(&name);
        over.delete(session_key(name));
        Some(oldest)
    }
}
