//! A queue of tables: the oldest go.

use std::time::Duration;

use super::{Choice, Context, Shape};

/// Tables stay as they are flushed, and go as a whole: when they are too old, or when all together are too large. An
/// entry so lives for about the given time, a snapshot notwithstanding.
#[derive(Clone, Debug, PartialEq)]
pub struct Fifo {
    /// All tables together may have this many bytes.
    pub max_bytes: u64,
    /// A table whose youngest entry was flushed this long ago goes.
    pub max_age: Option<Duration>,
}

impl Default for Fifo {
    fn default() -> Self {
        Fifo { max_bytes: 1 << 30, max_age: None }
    }
}

impl Fifo {
    pub(super) fn is_sound(&self) -> bool {
        self.max_age.is_none_or(|age| age > Duration::ZERO)
    }

    pub(super) fn choose(&self, shape: &Shape, context: &Context) -> Choice {
        let values: u64 = shape.blobs.iter().map(|blob| blob.bytes).sum();
        let mut bytes = shape.total_bytes() + values;
        let limit = self.max_age.map_or(0, |age| {
            let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
            context.now_ms.saturating_sub(age)
        });
        // From the oldest on, and none out of turn: what an older table says must not outlive what a newer one says.
        // What another policy has put into deeper levels is older than all of level 0.
        let deep = shape.levels[1..].iter().rev().flatten();
        let oldest_first = deep.chain(shape.levels[0].iter().rev());
        let goes = oldest_first.take_while(|table| {
            let goes = bytes > self.max_bytes || table.created_ms < limit;
            let values: u64 = table.blobs.iter().map(|(_, bytes)| bytes).sum();
            bytes = bytes.saturating_sub(table.bytes + values);
            goes
        });
        let tables: Vec<u64> = goes.map(|table| table.id).collect();
        if tables.is_empty() { Choice::Nothing } else { Choice::Drop { tables } }
    }
}
