//! How long three nodes are without a leader when theirs is killed, in units of their election timeout.
//!
//! A node's waiting time is drawn from one to two timeouts behind the leader's last word, and of the two nodes that are left
//! the first one to wake wins: a third of the window behind its begin, on average.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::{Cluster, Options, load, ours};
use crate::median;

/// Shortest waiting times.
const TIMEOUTS: [u64; 3] = [150, 300, 1000];

/// Prints the table.
pub(super) fn run(dir: &Path, options: &mut Options) -> Result<(), Box<dyn Error>> {
    if options.elections == 0 {
        return Ok(());
    }
    println!("\nFrom the leader's death to the next leader, {} times each\n", options.elections);
    println!("| election timeout | waits | median ms | worst ms | median, in timeouts | worst, in timeouts |");
    println!("|--:|--:|--:|--:|--:|--:|");
    for millis in TIMEOUTS {
        let timeout = Duration::from_millis(millis);
        let mut nodes = ours::Nodes::new(dir, &format!("election-{millis}"), options, Some(timeout))?;
        let cluster: &mut dyn Cluster = &mut nodes;
        cluster.found()?;
        let mut all = Vec::new();
        for _ in 0..options.elections {
            let leader = cluster.leader()?;
            // Who came back must have heard the leader, or the next one dies before there were three.
            std::thread::sleep(timeout + Duration::from_millis(500));
            let others = (0..3).filter(|node| *node != leader).map(|node| cluster.ports()[node]).collect();
            let node = cluster.nodes()[leader].take();
            all.push(load::elected(others, move || drop(node))?.as_secs_f64() * 1e3);
            cluster.start(leader)?;
        }
        let (half, worst, unit) = (median(all.clone()), all.iter().copied().fold(0.0, f64::max), millis as f64);
        let (in_half, in_worst) = (half / unit, worst / unit);
        println!("| {millis} | {millis}–{} | {half:.0} | {worst:.0} | {in_half:.2} | {in_worst:.2} |", millis * 2);
    }
    Ok(())
}
