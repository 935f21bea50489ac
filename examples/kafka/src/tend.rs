//! What is done in the background: writing, deleting, compacting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use xs_os::Progress;
use xs_proto::kafka::wire::Uuid;
use xs_storage::log::Index;
use xs_storage::partition::{Compactor, Partition};

use crate::broker::Broker;
use crate::topic_config::TopicConfig;

/// What producers were answered for before it was on the disk is begun to be synced after so long; what they wanted no
/// answer for is written then.
const WRITTEN: Duration = Duration::from_secs(1);

/// A partition: its topic and its number.
type Name = (Uuid, usize);

/// What is remembered from one round to the next.
#[derive(Default)]
struct Kept {
    /// Where each partition ended when it was written.
    written: HashMap<Name, Index>,
    compactors: HashMap<Name, Compactor>,
}

impl Broker {
    /// Tends all partitions for as long as it is polled.
    pub(crate) async fn tend(self: Arc<Self>) {
        let mut kept = Kept::default();
        let mut next = self.timer.now() + self.config.tend;
        loop {
            self.timer.sleep(WRITTEN.min(self.config.tend)).await;
            self.write_all(&mut kept).await;
            self.meters.look(&self.topics, self.timer.now());
            if self.timer.now() >= next {
                self.tend_all(&mut kept).await;
                next = self.timer.now() + self.config.tend;
            }
        }
    }

    /// Writes what has come since the last time, and has it synced: nobody who appends waits for that.
    async fn write_all(&self, kept: &mut Kept) {
        let mut written = HashMap::with_capacity(kept.written.len());
        for (name, _, partition) in self.partitions() {
            let end = partition.bounds().end;
            if kept.written.get(&name) != Some(&end) {
                if let Err(error) = partition.write().await {
                    tracing::error!(topic = %name.0, partition = name.1, %error, "records cannot be written");
                }
                partition.sync_behind();
            }
            written.insert(name, end);
        }
        kept.written = written;
    }

    /// Deletes what is old, and of keys that stand there twice all but the last.
    async fn tend_all(&self, kept: &mut Kept) {
        let all = self.partitions();
        kept.compactors.retain(|name, _| all.iter().any(|(there, ..)| there == name));
        for (name, config, partition) in all {
            let (now, keep, tended) = (self.now_ms(), config.retention(), partition.clone());
            if let Err(error) = self.bridge.run(move || tended.tend(now, &keep)).await {
                tracing::error!(topic = %name.0, partition = name.1, %error, "old records cannot be deleted");
            }
            let Some(how) = config.compaction() else {
                kept.compactors.remove(&name);
                continue;
            };
            let mut compactor = kept.compactors.remove(&name).unwrap_or_else(|| partition.compactor());
            loop {
                let now = self.now_ms();
                let step = move || {
                    let step = compactor.step(now, &how);
                    (compactor, step)
                };
                let (back, progress) = self.bridge.run(step).await;
                compactor = back;
                match progress {
                    Ok(Progress::Busy) => {}
                    Ok(_) => break,
                    Err(error) => {
                        tracing::error!(topic = %name.0, partition = name.1, %error, "records cannot be compacted");
                        break;
                    }
                }
            }
            kept.compactors.insert(name, compactor);
        }
    }

    fn partitions(&self) -> Vec<(Name, TopicConfig, Partition)> {
        let of = |topic: Arc<crate::topics::Topic>| {
            let all = topic.partitions.iter().enumerate();
            all.map(|(n, partition)| ((topic.id, n), topic.config.clone(), partition.clone())).collect::<Vec<_>>()
        };
        self.topics.all().into_iter().flat_map(of).collect()
    }
}
