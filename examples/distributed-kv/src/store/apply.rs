//! What each command does to the state.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use xs_proto::resp::parse_i64;

use super::StoreError;
use super::layout::{self, ENDING, Meta, Record, ending_parts};
use super::overlay::Overlay;
use super::view::{Looking, read};
use crate::answer::Answer;
use crate::command::{Entry, ExpireIf, Expiry, MAX_VALUE, Member, Millis, Op, SetIf, put_member};

/// So many keys whose time is over are removed by each entry,
const ENDED_PER_ENTRY: usize = 16;
/// and by one that came for nothing else.
const ENDED_PER_TICK: usize = 1024;

/// An entry that is being applied.
pub(super) struct Applying<'a, 'e> {
    pub(super) over: &'a mut Overlay<'e>,
    pub(super) meta: &'a mut Meta,
    pub(super) members: &'a mut BTreeMap<u64, Member>,
    pub(super) next_end: &'a mut Option<Millis>,
}

impl Looking for Applying<'_, '_> {
    fn record(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        let found = self.over.get(&layout::data(key))?.map(Record::decode).transpose()?;
        Ok(found.filter(|record| record.is_live(self.meta.clock)))
    }

    fn keys(&self) -> Result<u64, StoreError> {
        Ok(self.meta.keys)
    }

    fn now(&self) -> Millis {
        self.meta.clock
    }
}

impl Applying<'_, '_> {
    pub(super) fn op(&mut self, op: &Op) -> Result<Answer, StoreError> {
        if let Some(answer) = read(self, op) {
            return answer;
        }
        Ok(match op {
            Op::Set { key, value, expiry, when, get } => self.set(key, value, *expiry, *when, *get)?,
            Op::SetMany(pairs) => {
                for (key, value) in pairs {
                    self.put(key, Record { value: value.clone(), end: None })?;
                }
                Answer::Ok
            }
            Op::CompareAndSet { key, old, new } => match self.record(key)? {
                None => Answer::Int(-1),
                Some(record) if record.value != *old => Answer::Int(0),
                Some(record) => {
                    self.put(key, Record { value: new.clone(), ..record })?;
                    Answer::Int(1)
                }
            },
            Op::Delete(keys) => {
                let mut deleted = 0;
                for key in keys {
                    deleted += i64::from(self.record(key)?.is_some());
                    self.remove(key)?;
                }
                Answer::Int(deleted)
            }
            Op::Take(key) => {
                let record = self.record(key)?;
                self.remove(key)?;
                Answer::bulk_or_nil(record.map(|record| record.value))
            }
            Op::Add(key, by) => self.add(key, *by)?,
            Op::Append(key, more) => {
                let record = self.record(key)?.unwrap_or(Record { value: Bytes::new(), end: None });
                let len = record.value.len() + more.len();
                if len > MAX_VALUE {
                    return Ok(Answer::err("string exceeds maximum allowed size"));
                }
                let mut value = BytesMut::with_capacity(len);
                value.extend_from_slice(&record.value);
                value.extend_from_slice(more);
                self.put(key, Record { value: value.freeze(), ..record })?;
                Answer::Int(len as i64)
            }
            Op::Expire(key, expiry, when) => self.expire(key, *expiry, *when)?,
            Op::Persist(key) => match self.record(key)? {
                Some(record) if record.end.is_some() => {
                    self.put(key, Record { end: None, ..record })?;
                    Answer::Int(1)
                }
                _ => Answer::Int(0),
            },
            Op::Flush => {
                self.over.flush();
                (self.meta.keys, *self.next_end) = (0, None);
                Answer::Ok
            }
            Op::Remember(node, member) => self.remember(*node, member),
            Op::Forget(node) => {
                self.members.remove(node);
                self.over.delete(layout::member(*node));
                Answer::Ok
            }
            // The rest are reads, which were answered above, and the tick, which has done its work by coming.
            _ => Answer::Ok,
        })
    }

    fn set(
        &mut self,
        key: &Bytes,
        value: &Bytes,
        expiry: Expiry,
        when: SetIf,
        get: bool,
    ) -> Result<Answer, StoreError> {
        // What can't matter is not read.
        let matters = get || when != SetIf::Always || expiry == Expiry::Keep;
        let before = if matters { self.record(key)? } else { None };
        let done = match when {
            SetIf::Always => true,
            SetIf::Absent => before.is_none(),
            SetIf::Present => before.is_some(),
        };
        if done {
            let end = self.end(expiry, before.as_ref().and_then(|record| record.end));
            match end {
                Some(end) if end < self.meta.clock => self.remove(key)?,
                end => self.put(key, Record { value: value.clone(), end })?,
            }
        }
        Ok(match (get, done) {
            (true, _) => Answer::bulk_or_nil(before.map(|record| record.value)),
            (false, true) => Answer::Ok,
            (false, false) => Answer::Nil,
        })
    }

    fn add(&mut self, key: &Bytes, by: i64) -> Result<Answer, StoreError> {
        let record = self.record(key)?.unwrap_or(Record { value: Bytes::from_static(b"0"), end: None });
        let Some(number) = parse_i64(&record.value) else {
            return Ok(Answer::err("value is not an integer or out of range"));
        };
        let Some(sum) = number.checked_add(by) else {
            return Ok(Answer::err("increment or decrement would overflow"));
        };
        self.put(key, Record { value: sum.to_string().into(), ..record })?;
        Ok(Answer::Int(sum))
    }

    fn expire(&mut self, key: &Bytes, expiry: Expiry, when: ExpireIf) -> Result<Answer, StoreError> {
        let Some(record) = self.record(key)? else { return Ok(Answer::Int(0)) };
        let new = self.end(expiry, record.end).unwrap_or(Millis::MAX);
        let done = match (when, record.end) {
            (ExpireIf::Always, _) => true,
            (ExpireIf::Endless, end) => end.is_none(),
            (ExpireIf::Ending, end) => end.is_some(),
            (ExpireIf::Later, end) => end.is_some_and(|end| new > end),
            (ExpireIf::Earlier, end) => end.is_none_or(|end| new < end),
        };
        if done && new < self.meta.clock {
            self.remove(key)?;
        } else if done {
            self.put(key, Record { end: Some(new), ..record })?;
        }
        Ok(Answer::Int(i64::from(done)))
    }

    fn end(&self, expiry: Expiry, before: Option<Millis>) -> Option<Millis> {
        match expiry {
            Expiry::Never => None,
            Expiry::Keep => before,
            Expiry::After(millis) => Some(self.meta.clock.saturating_add(millis)),
            Expiry::At(at) => Some(at),
        }
    }

    fn remember(&mut self, node: u64, member: &Member) -> Answer {
        let mut bytes = Vec::new();
        put_member(member, &mut bytes);
        self.over.put(layout::member(node), bytes.into());
        self.members.insert(node, member.clone());
        Answer::Ok
    }

    /// What stands under a key, over or not.
    fn stored(&self, key: &[u8]) -> Result<Option<Record>, StoreError> {
        Ok(self.over.get(&layout::data(key))?.map(Record::decode).transpose()?)
    }

    fn put(&mut self, key: &Bytes, record: Record) -> Result<(), StoreError> {
        let before = self.stored(key)?;
        self.meta.keys += u64::from(before.is_none());
        let end_before = before.and_then(|record| record.end);
        if end_before != record.end {
            if let Some(end) = end_before {
                self.over.delete(layout::ending(end, key));
            }
            if let Some(end) = record.end {
                self.over.put(layout::ending(end, key), Bytes::new());
                *self.next_end = Some(self.next_end.map_or(end, |next| next.min(end)));
            }
        }
        self.over.put(layout::data(key), record.encode());
        Ok(())
    }

    fn remove(&mut self, key: &[u8]) -> Result<(), StoreError> {
        let Some(record) = self.stored(key)? else { return Ok(()) };
        self.meta.keys -= 1;
        if let Some(end) = record.end {
            self.over.delete(layout::ending(end, key));
        }
        self.over.delete(layout::data(key));
        Ok(())
    }

    /// Removes some of the keys whose time is over.
    pub(super) fn remove_ended(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let clock = self.meta.clock;
        if self.next_end.is_none_or(|next| next >= clock) {
            return Ok(());
        }
        let most = if entry.ops == [Op::Tick] { ENDED_PER_TICK } else { ENDED_PER_ENTRY };
        let (mut ended, mut next) = (Vec::new(), None);
        self.over.first(ENDING, |key| {
            let Some((end, key)) = ending_parts(&Bytes::copy_from_slice(key)) else { return true };
            let take = end < clock && ended.len() < most;
            if take {
                ended.push(key);
            } else {
                next = Some(end);
            }
            take
        })?;
        for key in ended {
            self.remove(&key)?;
        }
        *self.next_end = next;
        Ok(())
    }
}
