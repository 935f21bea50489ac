//! xs in memory.

use std::collections::VecDeque;
use std::error::Error;
use std::time::Instant;

use bytes::Bytes;
use xs_consensus::raft::{Initial, Membership, MemoryLog, Message, NodeId, Options, Payload, Raft, RoleName};
use xs_os::Rng;

use super::{COMMAND, Cluster};

struct Ours {
    nodes: Vec<Raft<MemoryLog>>,
    applied: Vec<u64>,
    net: VecDeque<Message>,
    messages: u64,
    now: Instant,
    /// Followers hear of a commit at once.
    eager: bool,
    last: u64,
}

pub(super) fn start(eager: bool) -> Result<Box<dyn Cluster>, Box<dyn Error>> {
    let now = Instant::now();
    let membership = Membership::of((1..=3).map(NodeId).collect())?;
    let options = Options { eager_commit: eager, ..Options::default() };
    let node = |id| {
        let initial = Initial { membership: membership.clone(), ..Initial::default() };
        Raft::new(NodeId(id), MemoryLog::new(), initial, options.clone(), Rng::from_seed(id), now)
    };
    let nodes = (1..=3).map(node).collect::<Result<Vec<_>, _>>()?;
    let mut cluster = Ours { nodes, applied: vec![0; 3], net: VecDeque::new(), messages: 0, now, eager, last: 0 };
    cluster.nodes[0].campaign(now);
    cluster.pump()?;
    if cluster.nodes[0].role() != RoleName::Leader {
        return Err("no leader".into());
    }
    Ok(Box::new(cluster))
}

impl Ours {
    fn work(&mut self, at: usize) -> Result<(), Box<dyn Error>> {
        let node = &mut self.nodes[at];
        while let Some(ready) = node.ready() {
            self.net.extend(ready.send);
            if let Some(persist) = ready.persist {
                node.view_mut().persist(&persist, Bytes::new());
                node.persisted(persist.done())?;
            }
            for entry in ready.apply {
                if let Payload::Command(_) = &entry.payload {
                    self.applied[at] += 1;
                }
                node.applied(entry.index);
            }
        }
        Ok(())
    }

    fn pump(&mut self) -> Result<(), Box<dyn Error>> {
        (0..3).try_for_each(|at| self.work(at))?;
        while !self.net.is_empty() {
            // A node looks at what it has to do when it has read what there is.
            for _ in 0..self.net.len() {
                let Some(message) = self.net.pop_front() else { break };
                self.messages += 1;
                let at = message.to.0 as usize - 1;
                self.nodes[at].step(self.now, message)?;
            }
            (0..3).try_for_each(|at| self.work(at))?;
        }
        Ok(())
    }
}

impl Cluster for Ours {
    fn propose(&mut self, batch: usize) -> Result<(), Box<dyn Error>> {
        for _ in 0..batch {
            self.last += 1;
            let mut command = vec![0; COMMAND];
            command[..8].copy_from_slice(&self.last.to_le_bytes());
            self.nodes[0].propose(self.now, command.into())?;
        }
        self.pump()
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn applied(&self) -> u64 {
        // With lazy commits the followers are one batch behind.
        if self.eager { self.applied.iter().copied().min().unwrap_or(0) } else { self.applied[0] }
    }
}
