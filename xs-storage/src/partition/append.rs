//! The way of a batch into the log.

use bytes::Bytes;

use super::header::{EndOf, Header, Marker, NOBODY, marker};
use super::producers::Verdict;
use super::state::State;
use super::{AppendError, HighWatermark, Shared};
use crate::engine::Commit;
use crate::log::{BatchDraft, Batches, Framing, Index};

/// What a leader says about what it appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Append {
    /// Its leader epoch, which is put into the batch. None (-1) is known of a partition that never had another leader.
    pub leader_epoch: i32,
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// Put the time into the batch, in place of the records' own (`message.timestamp.type=LogAppendTime`).
    pub stamp: bool,
}

/// Where a batch stands.
#[derive(Debug)]
#[must_use = "the batch may be lost in a crash until its commit has been waited for"]
pub struct Appended {
    /// The offset of its first record.
    pub base: Index,
    /// The offset behind its last.
    pub end: Index,
    /// The time that was put into it, if one was.
    pub stamped: Option<i64>,
    /// It was there already: the producer sent it again.
    pub duplicate: bool,
    /// Durable when this is.
    pub commit: Commit,
}

impl Shared {
    pub(super) fn append(&self, batch: Bytes, how: Append) -> Result<Appended, AppendError> {
        let (len, limit) = (batch.len() as u64, self.options.max_batch);
        if len > limit {
            return Err(AppendError::TooLarge { len, limit });
        }
        // All bytes are seen here, before any lock is taken.
        let mut draft = Batches::default().draft(&[&batch]).map_err(AppendError::Batch)?;
        let sent = Header::read(&batch).expect("a draft has a whole header");
        if let Some(what) = sent.refusal() {
            return Err(AppendError::Batch(what.into()));
        }
        if how.stamp {
            draft = draft.stamped(how.now, &batch);
        }
        self.put(draft.led_by(how.leader_epoch), batch, how, |state, header| match header.producer_id {
            NOBODY => Ok(Verdict::Append),
            _ => state.derived.producers.judge(header),
        })
    }

    pub(super) fn end_transaction(
        &self,
        producer_id: i64,
        producer_epoch: i16,
        end: EndOf,
        how: Append,
    ) -> Result<Appended, AppendError> {
        let batch = Bytes::from(marker(producer_id, producer_epoch, end, how.now));
        let draft = Batches::default().draft(&[&batch]).expect("it was made here");
        self.put(draft.led_by(how.leader_epoch), batch, how, |state, _| {
            state.derived.producers.judge_marker(producer_id, producer_epoch, end.coordinator_epoch)?;
            Ok(Verdict::Append)
        })
    }

    fn put(
        &self,
        draft: BatchDraft,
        batch: Bytes,
        how: Append,
        judge: impl FnOnce(&State, &Header) -> Result<Verdict, AppendError>,
    ) -> Result<Appended, AppendError> {
        let header = Header::read(draft.head()).expect("a draft's header is whole");
        let stamped = how.stamp.then_some(how.now);
        let (appended, woken) = {
            let mut state = self.state.lock();
            let current = state.derived.lineage.latest().unwrap_or(-1);
            if how.leader_epoch < current {
                return Err(AppendError::StaleLeader { epoch: how.leader_epoch, current });
            }
            if let Verdict::Duplicate(sent) = judge(&state, &header)? {
                // It may be waited for as the first one was: all in front of now is durable with it.
                let (base, end, commit) = (sent.base, sent.end, self.log.commit());
                return Ok(Appended { base, end, stamped: None, duplicate: true, commit });
            }
            self.roll_by_time(&state, how.now);
            let (base, commit) = match self.log.append_drafted(&draft, batch.clone()) {
                Ok(put) => put,
                Err(error) => {
                    // The log may have stopped: who waits is to see that.
                    let waiting = std::mem::take(&mut state.waiting);
                    drop(state);
                    waiting.into_iter().for_each(|(.., waker)| waker.wake());
                    return Err(error.into());
                }
            };
            let producers = &mut state.derived.producers;
            if header.producer_id != NOBODY && !producers.0.contains_key(&header.producer_id) {
                producers.make_room(self.options.max_producers);
            }
            let end = Index(base.0 + u64::from(header.last_delta.unsigned_abs()) + 1);
            state.derived.apply(&header, &batch, base, end, how.now);
            state.unsaved += batch.len() as u64;
            let newest = self.log.newest();
            if state.newest.is_none_or(|(first, _)| first != newest) {
                state.newest = Some((newest, how.now));
            }
            let woken = match self.options.high_watermark {
                HighWatermark::End => state.raise(end),
                HighWatermark::Caller => Vec::new(),
            };
            (Appended { base, end, stamped, duplicate: false, commit }, woken)
        };
        woken.into_iter().for_each(std::task::Waker::wake);
        Ok(appended)
    }

    /// Begins a segment when the newest one is as old as it may be, whatever its length: so that it can be deleted or
    /// compacted, which the newest never is.
    fn roll_by_time(&self, state: &State, now: i64) {
        let old = |since: i64| self.options.segment_ms.is_some_and(|most| now.saturating_sub(since) >= most);
        if state.newest.is_some_and(|(first, since)| first == self.log.newest() && old(since)) {
            self.log.roll();
        }
    }
}

/// A marker's name, as tools print it.
impl std::fmt::Display for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Marker::Commit => "COMMIT",
            Marker::Abort => "ABORT",
        })
    }
}
