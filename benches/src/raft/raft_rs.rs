//! raft-rs in memory, driven in the way of its own example.

use std::collections::VecDeque;
use std::error::Error;

use raft::eraftpb::{Entry, Message};
use raft::storage::MemStorage;
use raft::{Config, RawNode, StateRole};

use super::{COMMAND, Cluster};

struct Theirs {
    nodes: Vec<RawNode<MemStorage>>,
    applied: Vec<u64>,
    net: VecDeque<Message>,
    messages: u64,
    last: u64,
}

pub(super) fn start(batch_append: bool) -> Result<Box<dyn Cluster>, Box<dyn Error>> {
    let logger = slog::Logger::root(slog::Discard, slog::o!());
    let node = |id| {
        let config = Config {
            id,
            election_tick: 10,
            heartbeat_tick: 3,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 4096,
            pre_vote: true,
            check_quorum: true,
            batch_append,
            ..Config::default()
        };
        let storage = MemStorage::new_with_conf_state((vec![1, 2, 3], vec![]));
        RawNode::new(&config, storage, &logger)
    };
    let nodes = (1..=3).map(node).collect::<Result<Vec<_>, _>>()?;
    let mut cluster = Theirs { nodes, applied: vec![0; 3], net: VecDeque::new(), messages: 0, last: 0 };
    cluster.nodes[0].campaign()?;
    cluster.pump()?;
    if cluster.nodes[0].raft.state != StateRole::Leader {
        return Err("no leader".into());
    }
    Ok(Box::new(cluster))
}

impl Theirs {
    fn work(&mut self, at: usize) -> Result<(), Box<dyn Error>> {
        let node = &mut self.nodes[at];
        let applied = &mut self.applied[at];
        let mut apply = |entries: Vec<Entry>| {
            *applied += entries.iter().filter(|entry| !entry.data.is_empty()).count() as u64;
        };
        while node.has_ready() {
            let mut ready = node.ready();
            self.net.extend(ready.take_messages());
            apply(ready.take_committed_entries());
            if !ready.entries().is_empty() {
                node.mut_store().wl().append(ready.entries())?;
            }
            if let Some(state) = ready.hs() {
                node.mut_store().wl().set_hardstate(state.clone());
            }
            self.net.extend(ready.take_persisted_messages());
            let mut light = node.advance(ready);
            if let Some(commit) = light.commit_index() {
                node.mut_store().wl().mut_hard_state().set_commit(commit);
            }
            self.net.extend(light.take_messages());
            apply(light.take_committed_entries());
            node.advance_apply();
        }
        Ok(())
    }

    fn pump(&mut self) -> Result<(), Box<dyn Error>> {
        (0..3).try_for_each(|at| self.work(at))?;
        while !self.net.is_empty() {
            for _ in 0..self.net.len() {
                let Some(message) = self.net.pop_front() else { break };
                self.messages += 1;
                let at = message.to as usize - 1;
                self.nodes[at].step(message)?;
            }
            (0..3).try_for_each(|at| self.work(at))?;
        }
        Ok(())
    }
}

impl Cluster for Theirs {
    fn propose(&mut self, batch: usize) -> Result<(), Box<dyn Error>> {
        for _ in 0..batch {
            self.last += 1;
            let mut command = vec![0; COMMAND];
            command[..8].copy_from_slice(&self.last.to_le_bytes());
            self.nodes[0].propose(vec![], command)?;
        }
        self.pump()
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn applied(&self) -> u64 {
        self.applied.iter().copied().min().unwrap_or(0)
    }
}
