//! The numbers through the `metrics` facade, told whenever the node tells its status.
//!
//! The facade's recorder must be in place before the node starts. A process may run several nodes, so each number has the label
//! `node`.

use std::collections::BTreeMap;

use metrics::{Counter, Gauge};
use xs_net::observe::Kind;

use super::{BEHIND, Clients, NUMBERS, Number, followers_behind};
use crate::node::Status;

enum Handle {
    Counter(Counter),
    Gauge(Gauge),
}

/// One node's handles.
pub(crate) struct Facade {
    node: String,
    numbers: Vec<Handle>,
    behind: BTreeMap<u64, Gauge>,
}

impl std::fmt::Debug for Facade {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Facade").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Facade {
    pub(crate) fn new(node: u64) -> Facade {
        let node = node.to_string();
        let handle = |Number { name, kind, help, .. }| {
            let labels = [("node", node.clone())];
            if let Kind::Counter = kind {
                metrics::describe_counter!(name, help);
                Handle::Counter(metrics::counter!(name, &labels))
            } else {
                metrics::describe_gauge!(name, help);
                Handle::Gauge(metrics::gauge!(name, &labels))
            }
        };
        metrics::describe_gauge!(BEHIND.0, BEHIND.1);
        Facade { numbers: NUMBERS.into_iter().map(handle).collect(), behind: BTreeMap::new(), node }
    }

    /// Tells what the numbers are now.
    pub(crate) fn tell(&mut self, status: &Status, clients: &Clients) {
        for (number, handle) in NUMBERS.iter().zip(&self.numbers) {
            let value = (number.value)(status, clients);
            match handle {
                Handle::Counter(counter) => counter.absolute(value),
                Handle::Gauge(gauge) => gauge.set(value as f64),
            }
        }
        let behind: BTreeMap<u64, u64> = followers_behind(status).collect();
        // Of one that left, or whose leader this node is no more, nothing is known.
        self.behind.iter().filter(|(node, _)| !behind.contains_key(node)).for_each(|(_, gauge)| gauge.set(0.0));
        for (node, lacks) in behind {
            let labels = || [("node", self.node.clone()), ("follower", node.to_string())];
            let gauge = self.behind.entry(node).or_insert_with(|| metrics::gauge!(BEHIND.0, &labels()));
            gauge.set(lacks as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use xs_net::observe::Recorder;

    use super::*;
    use crate::node::Follower;

    #[test]
    fn every_number_is_told_with_its_node_and_a_follower_that_left_lacks_nothing() {
        let recorder = Recorder::with_most_series(100);
        metrics::with_local_recorder(&recorder, || {
            let (mut facade, clients) = (Facade::new(7), Clients::default());
            clients.commands.store(5, Ordering::Relaxed);
            let mut status = Status { id: 7, leader: Some(7), term: 3, last: 40, first: 1, ..Status::default() };
            status.followers.insert(9, Follower { matched: 30, mode: "replicate" });
            facade.tell(&status, &clients);
            let page = recorder.render();
            for Number { name, help, .. } in NUMBERS {
                assert!(page.contains(&format!("{name}{{node=\"7\"}}")) && page.contains(help), "{name}: {page}");
            }
            let node = &[("node", "7")];
            for (name, value) in [
                ("xs_dkv_is_leader", 1.0),
                ("xs_dkv_term", 3.0),
                ("xs_dkv_log_entries", 40.0),
                ("xs_dkv_commands_total", 5.0),
            ] {
                assert_eq!(recorder.total(name, node), value, "{name}");
            }
            let behind = &[("node", "7"), ("follower", "9")];
            assert_eq!(recorder.total(BEHIND.0, behind), 10.0);
            status.followers.clear();
            facade.tell(&status, &clients);
            assert_eq!(recorder.total(BEHIND.0, behind), 0.0);
        });
    }
}
