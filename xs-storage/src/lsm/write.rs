//! The write path: append to the log, insert into the memtable, publish.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::background::Work;
use super::core::{Core, Writer};
use super::options::Options;
use crate::engine::{Commit, Durability, Op, WriteBatch};
use crate::{Error, Result};

/// The longest that a write is held up at once, as long as it is not stopped.
const MAX_DELAY: Duration = Duration::from_millis(4);

/// What writers may write in a second when they begin to be slowed down. It halves with each tenth of the pressure.
const FULL_SPEED: f64 = 256.0 * 1024.0 * 1024.0;

impl Core {
    pub(super) fn submit(&self, batch: WriteBatch, durability: Durability) -> Result<Commit> {
        let user_bytes = self.check_batch(&batch)?;
        self.throttle(batch.as_bytes().len());
        let mut writer = self.write.lock();
        self.check_stopped()?;
        if batch.len() as u64 > writer.mem.max_ops() {
            let limit = writer.mem.max_ops();
            return Err(Error::TooLarge { what: "number of writes in a batch", len: batch.len() as u64, limit });
        }
        while self.is_full(&writer, batch.len()) {
            if self.has_room(&writer) {
                self.rotate(&mut writer);
                continue;
            }
            drop(writer);
            self.stalls.fetch_add(1, Ordering::Relaxed);
            self.wait_for_work();
            self.check_stopped()?;
            writer = self.write.lock();
        }
        self.put_deletes_apart(&mut writer, &batch);
        let seq = writer.last + 1;
        let Some(log) = &writer.log else { return Err(Error::Invalid("the store has been closed".into())) };
        let (index, commit) = log.append(&[&seq.to_le_bytes(), batch.as_bytes()]).map_err(|error| match error {
            Error::TooLarge { .. } => error,
            error => self.stop(error),
        })?;
        writer.log_end = crate::log::Index(index.0 + 1);
        self.apply(&mut writer, batch);
        drop(writer);
        self.user_bytes.fetch_add(user_bytes, Ordering::Relaxed);
        Ok(match durability {
            Durability::Buffered => Commit::done(),
            Durability::Synced => commit,
        })
    }

    /// Inserts a batch that is in the log, and lets readers see it.
    pub(super) fn apply(&self, writer: &mut Writer, batch: WriteBatch) {
        if batch.is_empty() {
            return;
        }
        let (mem, seq) = (writer.mem.clone(), writer.last + 1);
        writer.last += batch.len() as u64;
        mem.insert(&mut writer.mem_writer, batch, seq);
        self.visible.store(writer.last, Ordering::Release);
    }

    pub(super) fn is_full(&self, writer: &Writer, ops: usize) -> bool {
        !writer.mem.is_empty()
            && (writer.mem.bytes() >= self.disk.options.memtable_limit()
                || writer.mem.is_full_for(&writer.mem_writer, ops))
    }

    /// A range that is deleted from a memtable which is rich in it would be walked through entry by entry. From a newer
    /// memtable the delete lets cursors jump over all of the older one.
    fn put_deletes_apart(&self, writer: &mut Writer, batch: &WriteBatch) {
        const MANY: u64 = 256;
        if writer.mem.entries() < MANY {
            return;
        }
        let hides_many = batch.iter().any(|op| match op {
            Op::DeleteRange(start, end) if start < end => writer.mem.has_many(start, end, MANY),
            _ => false,
        });
        if hides_many && self.has_room(writer) {
            self.rotate(writer);
        }
    }

    fn check_batch(&self, batch: &WriteBatch) -> Result<u64> {
        let too_large =
            |what, len: usize, limit: usize| Err(Error::TooLarge { what, len: len as u64, limit: limit as u64 });
        let len = batch.as_bytes().len();
        if len > self.disk.options.max_batch {
            return too_large("batch", len, self.disk.options.max_batch);
        }
        let mut bytes = 0;
        for op in batch.iter() {
            let (keys, value): ([&[u8]; 2], &[u8]) = match op {
                Op::Put(key, value) => ([key, b""], value),
                Op::Delete(key) => ([key, b""], b""),
                Op::DeleteRange(start, end) => ([start, end], b""),
            };
            if let Some(key) = keys.iter().find(|key| key.len() > Options::MAX_KEY) {
                return too_large("key", key.len(), Options::MAX_KEY);
            }
            if value.len() > Options::MAX_VALUE {
                return too_large("value", value.len(), Options::MAX_VALUE);
            }
            bytes += (keys[0].len() + keys[1].len() + value.len()) as u64;
        }
        Ok(bytes)
    }

    /// How hard writers are to be slowed down, in thousandths: by compactions that are behind, or by memory that runs out.
    fn pressure(&self) -> u32 {
        let state = self.state.load();
        let by_memory = if state.waiting.is_empty() {
            0
        } else {
            let (has, limit) = (state.memtables().map(|mem| mem.bytes()).sum::<u64>(), self.memtables_limit());
            // From three quarters on.
            let over = has.saturating_sub(limit / 4 * 3);
            // Full memory stops writers where they find no room; here they are slowed down.
            (over * 4000 / limit.max(1)).min(999) as u32
        };
        by_memory.max(self.pressure.load(Ordering::Relaxed))
    }

    /// Holds a write up for as long as the pressure asks: a little when it begins, more and more before it stops.
    fn throttle(&self, bytes: usize) {
        if self.pressure() == 0 {
            return;
        }
        let pressure = self.wait_while_stopped();
        let seconds = bytes as f64 / (FULL_SPEED * 0.5_f64.powf(f64::from(pressure) / 100.0));
        let owed = (seconds * 1e9) as u64;
        // Small writes pay together: a wait of some microseconds would take fifty.
        let debt = self.debt.fetch_add(owed, Ordering::Relaxed) + owed;
        if debt > 1_000_000 {
            self.debt.store(0, Ordering::Relaxed);
            self.wait_for_work_at_most(Duration::from_nanos(debt).min(MAX_DELAY));
        }
    }

    /// Waits until compactions are not so far behind that nothing may come; the pressure then.
    pub(super) fn wait_while_stopped(&self) -> u32 {
        let mut pressure = self.pressure();
        while pressure >= 1000 && self.stopped.get().is_none() && !self.closed.load(Ordering::Acquire) {
            self.stalls.fetch_add(1, Ordering::Relaxed);
            self.wait_for_work();
            pressure = self.pressure();
        }
        pressure
    }

    /// Does a step of the work that has to be done first, or waits for whoever does it.
    fn wait_for_work(&self) {
        self.wait_for_work_at_most(Duration::from_millis(10));
    }

    fn wait_for_work_at_most(&self, limit: Duration) {
        self.poke(0);
        self.poke(1);
        if self.help() != Work::Did {
            self.await_progress(limit);
        }
    }
}
