//! The log's own records: where a transaction ends.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{BatchBuilder, BatchError, Record};

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Its records never were.
    Abort,
    /// Its records are.
    Commit,
}

/// What a record of a control batch says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Control {
    /// The transaction of the batch's producer has ended here.
    EndTransaction {
        /// How.
        outcome: Outcome,
        /// In which epoch of the coordinator, so that an old one can't end a transaction again.
        coordinator_epoch: i32,
    },
    /// Something that the broker's own replication says; of no meaning to clients.
    Other(i16),
}

impl Control {
    /// What `record`, which stands in a control batch, says.
    pub fn parse(record: &Record) -> Result<Control, BatchError> {
        let short = BatchError::Record("a control record is too short");
        let mut key = record.key.as_deref().ok_or(short)?;
        // Later versions append fields.
        if key.try_get_i16().map_err(|_| short)? < 0 {
            return Err(BatchError::Record("a control record's version is negative"));
        }
        let outcome = match key.try_get_i16().map_err(|_| short)? {
            0 => Outcome::Abort,
            1 => Outcome::Commit,
            other => return Ok(Control::Other(other)),
        };
        let mut value = record.value.as_deref().ok_or(short)?;
        value.try_get_i16().map_err(|_| short)?;
        let coordinator_epoch = value.try_get_i32().map_err(|_| short)?;
        Ok(Control::EndTransaction { outcome, coordinator_epoch })
    }
}

/// The control batch that ends a transaction of `producer_id` in a partition. The log gives it its offset.
pub fn end_transaction(
    outcome: Outcome,
    producer_id: i64,
    producer_epoch: i16,
    coordinator_epoch: i32,
    now_ms: i64,
) -> Bytes {
    let mut key = BytesMut::with_capacity(4);
    key.put_i16(0);
    key.put_i16(match outcome {
        Outcome::Abort => 0,
        Outcome::Commit => 1,
    });
    let mut value = BytesMut::with_capacity(6);
    value.put_i16(0);
    value.put_i32(coordinator_epoch);
    let mut batch = BatchBuilder::new();
    batch.header.producer_id = producer_id;
    batch.header.producer_epoch = producer_epoch;
    batch.header.set_transactional(true);
    batch.header.set_control(true);
    batch.append(now_ms, Some(&key), Some(&value));
    batch.finish().expect("one small record without compression")
}
