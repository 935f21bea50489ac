//! Who waits for what.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use super::outcome::{Outcome, Token, Unknown};
use crate::raft::{Index, ReadId, Term};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Command,
    Change,
}

/// Proposals that were appended here and are not decided.
///
/// An index is decided when an entry is applied there. One index may have several proposals, of different terms: this node
/// led, lost its office and the entry, and led again. All but one of them are lost then.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: BTreeMap<(Index, Term), (Token, Kind)>,
    /// When each is given up, soonest first: all have the same patience.
    deadlines: VecDeque<(Instant, (Index, Term))>,
    /// Changes whose joint membership is committed: they are done when it is left.
    leaving: VecDeque<(Instant, Token)>,
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.waiting.len() + self.leaving.len()
    }

    pub(super) fn insert(&mut self, (term, index): (Term, Index), token: Token, kind: Kind, deadline: Instant) {
        self.waiting.insert((index, term), (token, kind));
        self.deadlines.push_back((deadline, (index, term)));
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.deadlines.front().map(|(at, _)| *at);
        let leaving = self.leaving.front().map(|(at, _)| *at);
        waiting.into_iter().chain(leaving).min()
    }

    /// An entry is applied: what was proposed at its index, and for its own term, if that was proposed here. The rest is
    /// lost.
    pub(super) fn decided<R>(
        &mut self,
        index: Index,
        term: Term,
        mut lost: impl FnMut(Token, Outcome<R>),
    ) -> Option<(Token, Kind)> {
        let mut ours = None;
        while let Some(first) = self.waiting.first_entry().filter(|first| first.key().0 <= index) {
            let (at, (token, kind)) = first.remove_entry();
            if at == (index, term) {
                ours = Some((token, kind));
            } else {
                // Applying goes in order, so an earlier index was decided before.
                lost(token, Outcome::NotApplied);
            }
        }
        while self.deadlines.front().is_some_and(|(_, at)| !self.waiting.contains_key(at)) {
            self.deadlines.pop_front();
        }
        ours
    }

    /// A change has come to a joint membership, which the leader leaves by itself.
    pub(super) fn leaves(&mut self, token: Token, deadline: Instant) {
        self.leaving.push_back((deadline, token));
    }

    /// A membership that is not joint is committed.
    pub(super) fn left(&mut self) -> impl Iterator<Item = Token> {
        std::mem::take(&mut self.leaving).into_iter().map(|(_, token)| token)
    }

    /// A snapshot says what stood at all places up to `index` without saying it apart.
    pub(super) fn overtaken(&mut self, index: Index) -> Vec<Token> {
        let behind = self.waiting.split_off(&(index.next(), Term(0)));
        let gone = std::mem::replace(&mut self.waiting, behind);
        let leaving = std::mem::take(&mut self.leaving).into_iter().map(|(_, token)| token);
        gone.into_values().map(|(token, _)| token).chain(leaving).collect()
    }

    /// Those whose time is over.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<Token> {
        let mut gone = Vec::new();
        while let Some((_, at)) = self.deadlines.pop_front_if(|(deadline, _)| *deadline <= now) {
            gone.extend(self.waiting.remove(&at).map(|(token, _)| token));
        }
        while let Some((_, token)) = self.leaving.pop_front_if(|(deadline, _)| *deadline <= now) {
            gone.push(token);
        }
        gone
    }

    /// Nobody will hear more.
    pub(super) fn stop<R>(&mut self) -> Vec<(Token, Outcome<R>)> {
        self.deadlines.clear();
        let unknown = |token| (token, Outcome::Unknown(Unknown::Stopped));
        let waiting = std::mem::take(&mut self.waiting).into_values().map(|(token, _)| token);
        waiting.chain(std::mem::take(&mut self.leaving).into_iter().map(|(_, token)| token)).map(unknown).collect()
    }
}

/// Reads that are not confirmed. The core is given numbers of our own, for it answers late, and the caller may use a token
/// again.
#[derive(Debug, Default)]
pub(super) struct Reads {
    next: u64,
    waiting: BTreeMap<ReadId, (Instant, Token)>,
}

impl Reads {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The number of the next one.
    pub(super) fn next_id(&self) -> ReadId {
        ReadId(self.next)
    }

    pub(super) fn insert(&mut self, token: Token, deadline: Instant) {
        self.waiting.insert(ReadId(self.next), (deadline, token));
        self.next += 1;
    }

    pub(super) fn take(&mut self, id: ReadId) -> Option<Token> {
        self.waiting.remove(&id).map(|(_, token)| token)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, (deadline, _))| *deadline)
    }

    pub(super) fn expired(&mut self, now: Instant) -> Vec<Token> {
        let mut gone = Vec::new();
        while let Some(first) = self.waiting.first_entry().filter(|first| first.get().0 <= now) {
            gone.push(first.remove().1);
        }
        gone
    }

    pub(super) fn stop(&mut self) -> Vec<Token> {
        std::mem::take(&mut self.waiting).into_values().map(|(_, token)| token).collect()
    }
}
