//! Looking at everything: each batch, what no checksum of Kafka's covers, and what is derived.

use super::{Shared, snapshot};
use crate::{Error, Result};

/// What a check has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// Batches.
    pub batches: u64,
    /// Records in them, as their headers count them.
    pub records: u64,
    /// Snapshots.
    pub snapshots: usize,
}

impl Shared {
    pub(super) fn check(&self) -> Result<Checked> {
        let _keeping = self.keeping.lock();
        // Checksums, offsets, and the sums in the indexes.
        self.log.check()?;
        let mut checked = Checked { snapshots: snapshot::check(&*self.vfs, &self.dir)?, ..Checked::default() };
        self.check_derived()?;
        let mut reader = self.log.reader(self.log.bounds().start);
        let mut epoch = -1;
        while let Some(entry) = reader.next()? {
            let header = self.header(&entry)?;
            let wrong = |what: String| Err(Error::corrupt(&self.dir, 0, format!("batch {}: {what}", entry.index)));
            if header.leader_epoch < epoch {
                return wrong(format!("leader epoch {} behind {epoch}", header.leader_epoch));
            }
            if i64::from(header.count) > i64::from(header.last_offset_delta) + 1 {
                return wrong(format!("{} records in {} offsets", header.count, header.last_offset_delta));
            }
            epoch = header.leader_epoch;
            checked.batches += 1;
            checked.records += u64::try_from(header.count).unwrap_or(0);
        }
        Ok(checked)
    }

    /// What the next opening will find out is what is known now.
    fn check_derived(&self) -> Result<()> {
        let (known, start) = {
            let state = self.state.lock();
            (state.derived.clone(), state.start)
        };
        let (mut found, ..) = self.derive(known.end)?;
        found.trim(start);
        let wrong = |what: &str| Err(Error::corrupt(&self.dir, 0, format!("snapshot and log give {what}")));
        if found.lineage != known.lineage {
            return wrong("other leader epochs");
        }
        if !found.transactions.are(&known.transactions) {
            return wrong("other transactions");
        }
        // Who was forgotten may be remembered by a snapshot.
        for (id, known) in &known.producers.0 {
            let found = found.producers.0.get(id).map(|found| (found.epoch, found.sent.back()));
            if found != Some((known.epoch, known.sent.back())) {
                return wrong(&format!("another last batch of producer {id}"));
            }
        }
        Ok(())
    }
}
