//! The way of a batch into the log.

use bytes::Bytes;
use xs_proto::kafka::records::{Batch, BatchError, BatchHeader, DEFAULT_LIMIT, Outcome, end_transaction};

use super::producers::Verdict;
use super::state::{NOBODY, State};
use super::{AppendError, HighWatermark, Shared};
use crate::engine::Commit;
use crate::log::{BatchDraft, Batches, Framing, Index};

/// What a leader says about what it appends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Append {
    /// Its leader epoch, which is put into the batch; 0 by default.
    pub leader_epoch: i32,
    /// The time, in milliseconds since 1970.
    pub now: i64,
    /// Put the time into the batch, in place of the records' own (`message.timestamp.type=LogAppendTime`).
    pub stamp: bool,
    /// Refuse a batch in which a record has no key (`cleanup.policy=compact`): it would be gone after the next pass of a
    /// [`Compactor`](super::Compactor). Costs a look at every record, so that a compressed batch is decompressed.
    pub keyed: bool,
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

/// Refuses a batch in which a record has no key, for who looks somewhere else than where it appends: the other way is
/// [`Append::keyed`]. It decompresses the batch, to 64 MiB at most.
///
/// # Errors
/// [`AppendError::NoKey`], and [`AppendError::Batch`] for what is no batch.
pub fn check_keys(batch: &Bytes) -> Result<(), AppendError> {
    let broken = |error: BatchError| AppendError::Batch(error.to_string());
    let records = Batch::new(batch.clone()).and_then(|batch| batch.records(DEFAULT_LIMIT)).map_err(broken)?;
    for (at, record) in records.enumerate() {
        if record.map_err(broken)?.key.is_none() {
            return Err(AppendError::NoKey { record: at });
        }
    }
    Ok(())
}

impl Shared {
    pub(super) fn append(&self, batch: Bytes, how: Append) -> Result<Appended, AppendError> {
        let (len, limit) = (batch.len() as u64, self.options.max_batch);
        if len > limit {
            return Err(AppendError::TooLarge { len, limit });
        }
        // All bytes are seen here, before any lock is taken.
        let mut draft = Batches::default().draft(&[&batch]).map_err(AppendError::Batch)?;
        let sent = BatchHeader::parse(&batch).and_then(|sent| sent.check_produced().map(|()| sent));
        let sent = sent.map_err(|error| AppendError::Batch(error.to_string()))?;
        if sent.producer_id < NOBODY {
            return Err(AppendError::Batch("a producer id that there is not".into()));
        }
        if how.keyed {
            check_keys(&batch)?;
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
        outcome: Outcome,
        coordinator_epoch: i32,
        how: Append,
    ) -> Result<Appended, AppendError> {
        let batch = end_transaction(outcome, producer_id, producer_epoch, coordinator_epoch, how.now);
        let draft = Batches::default().draft(&[&batch]).expect("it was made here");
        self.put(draft.led_by(how.leader_epoch), batch, how, |state, _| {
            state.derived.producers.judge_marker(producer_id, producer_epoch, coordinator_epoch)?;
            Ok(Verdict::Append)
        })
    }

    fn put(
        &self,
        draft: BatchDraft,
        batch: Bytes,
        how: Append,
        judge: impl FnOnce(&State, &BatchHeader) -> Result<Verdict, AppendError>,
    ) -> Result<Appended, AppendError> {
        let header = BatchHeader::parse(draft.head()).map_err(|error| AppendError::Batch(error.to_string()))?;
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
            let end = Index(base.0 + u64::from(header.last_offset_delta.unsigned_abs()) + 1);
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
        if let Some(most) = self.options.segment_ms {
            self.roll_older(state, now, most);
        }
    }

    /// Ends the newest segment if it has been there for so many milliseconds.
    pub(super) fn roll_older(&self, state: &State, now: i64, most: i64) {
        let old = |since: i64| now.saturating_sub(since) >= most;
        if state.newest.is_some_and(|(first, since)| first == self.log.newest() && old(since)) {
            self.log.roll();
        }
    }
}
